"""Micro-grids, party branches and staffing of a plan: counts, never names of people."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.plan_schemas import Id
from api.responses import JsonResponse
from api.rights import CurrentAccount, right
from api.schemas import RowId
from api.service import ServiceDependency
from data.accounts.account import require
from data.accounts.places import area_code
from data.plans import design_queue as queue
from data.plans.branch_proposals import LEAST, MOST, propose_branches
from data.plans.micro_job import MicroRequest, check_micro_request
from data.plans.micro_recount import count_again
from data.plans.reading import newest_edit
from data.plans.staffing import plan_staffing

router = APIRouter(prefix="/api/v1/plans", tags=["plans"])


class NewMicrogrids(BaseModel):
    """Where micro-grids are made."""

    model_config = ConfigDict(extra="forbid")

    communities: list[Id] = Field(
        default_factory=list, max_length=10_000, description="Ids of communities; empty for all."
    )


class NewBranches(BaseModel):
    """What branches are made from."""

    model_config = ConfigDict(extra="forbid")

    community: Id
    members: dict[Id, Annotated[int, Field(ge=0, le=100_000)]] = Field(
        default_factory=dict, description="Party members by grid: counts."
    )
    least: int = Field(default=LEAST, ge=1, le=100_000)
    most: int = Field(default=MOST, ge=1, le=100_000)


@router.post(
    "/{plan_id}/microgrids",
    summary="Make micro-grids by rule",
    status_code=202,
    openapi_extra=right("planner"),
)
def microgrids(
    request: Request,
    service: ServiceDependency,
    account: CurrentAccount,
    plan_id: RowId,
    body: Annotated[NewMicrogrids | None, Body()] = None,
) -> Response:
    """Divide base grids of a draft into micro-grids; what was there goes. A job, at Location."""
    asked = MicroRequest(plan_id, tuple(body.communities) if body else ())
    with service.database.transaction(actor=account.name) as connection:
        for community in check_micro_request(connection, asked):
            require(account, "planner", area_code(connection, community))
        job = queue.ask(connection, asked, author=account.name)
        told = queue.read_job(connection, job)
    location = str(request.url_for("design_job", job_id=job))
    return JsonResponse(told, status_code=202, headers={"Location": location})


@router.get(
    "/{plan_id}/micro-counts",
    summary="Micro-grids whose counts no longer hold",
    openapi_extra=right("viewer"),
)
def stale_counts(service: ServiceDependency, plan_id: RowId) -> Response:
    """Of micro-grids made by rule: how many, and where buildings have changed since.

    Base and exclusive grids are summed up when they are asked for; they are never stale.
    """
    with service.database.connect() as connection:
        _, edits = newest_edit(connection, plan_id)
        found = service.micro_counts(connection, plan_id, edits)
    return JsonResponse(found, headers={"Cache-Control": "no-cache"})


@router.post(
    "/{plan_id}/micro-counts", summary="Count micro-grids again", openapi_extra=right("planner")
)
def recount(
    service: ServiceDependency,
    account: CurrentAccount,
    plan_id: RowId,
    body: Annotated[NewMicrogrids | None, Body()] = None,
) -> Response:
    """Count stale micro-grids of a draft again, in one transaction; their borders stay.

    One edit a community, which can be undone. Takes a planner of each of them.
    """
    with service.database.transaction(actor=account.name) as connection:
        done = count_again(connection, account, plan_id, body.communities if body else ())
    return JsonResponse(done)


@router.post(
    "/{plan_id}/branches", summary="Propose party branches", openapi_extra=right("planner")
)
def branches(
    service: ServiceDependency,
    plan_id: RowId,
    body: Annotated[NewBranches, Body()],
) -> Response:
    """Join neighbouring grids into branches; writes nothing. Take it by an edit ``branches``."""
    with service.database.connect() as connection:
        found = propose_branches(
            connection,
            plan_id,
            body.community,
            members=body.members,
            least=body.least,
            most=body.most,
        )
    return JsonResponse(found)


@router.get(
    "/{plan_id}/staffing", summary="Staff needed and present", openapi_extra=right("viewer")
)
def staffing(service: ServiceDependency, plan_id: RowId) -> Response:
    """Workers, building heads and unit heads: needed, present, short or to spare, by community."""
    with service.database.connect() as connection:
        found = plan_staffing(connection, plan_id)
    return JsonResponse(found, headers={"Cache-Control": "no-cache"})
