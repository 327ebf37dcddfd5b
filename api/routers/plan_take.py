"""Grids of a proposal taken into a plan: what can be taken, and taking it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.plan_schemas import Id
from api.responses import JsonResponse
from api.rights import CurrentAccount, right
from api.schemas import RowId
from api.service import ServiceDependency
from data.accounts.account import require
from data.accounts.places import area_code
from data.plans.adopt import Wanted, adopt
from data.plans.take import read_parts

router = APIRouter(prefix="/api/v1/plans", tags=["plans"])


class TakenCommunity(BaseModel):
    """What to take in one community."""

    model_config = ConfigDict(extra="forbid")

    community: Id
    version: int | None = Field(
        None, ge=1, description="Of the community as seen; needed unless a new draft is made."
    )
    grids: list[Id] | None = Field(
        None, min_length=1, max_length=10_000, description="Grids of the proposal; null for all."
    )


class Taking(BaseModel):
    """What to take, and into what."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    source: Id = Field(description="Plan of the proposal.")
    communities: list[TakenCommunity] = Field(min_length=1, max_length=10_000)
    name: str | None = Field(
        None, min_length=1, max_length=200, description="Of a new draft; null for the plan itself."
    )


@router.get(
    "/{plan_id}/parts", summary="What of a proposal can be taken", openapi_extra=right("viewer")
)
def parts(
    service: ServiceDependency,
    plan_id: RowId,
    source: Annotated[int, Query(ge=1, description="Plan of the proposal.")],
    community: Annotated[int, Query(ge=1, description="Id of a community.")],
) -> Response:
    """Smallest sets of grids whose joint outlines agree, in one community."""
    with service.database.connect() as connection:
        found = read_parts(connection, plan_id, source, community)
    return JsonResponse(found, headers={"Cache-Control": "no-cache"})


@router.post("/{plan_id}/take", summary="Take grids of a proposal", openapi_extra=right("planner"))
def take(
    request: Request,
    service: ServiceDependency,
    account: CurrentAccount,
    plan_id: RowId,
    body: Annotated[Taking, Body()],
) -> Response:
    """Take communities, or parts of them, in one transaction; each community is one edit."""
    wanted = [
        Wanted(one.community, one.version, None if one.grids is None else tuple(one.grids))
        for one in body.communities
    ]
    with service.database.transaction(actor=account.name) as connection:
        for one in wanted:
            require(account, "planner", area_code(connection, one.community))
        done = adopt(connection, plan_id, body.source, wanted, author=account.name, name=body.name)
    made = body.name is not None
    headers = {"Location": str(request.url_for("plan", plan_id=done.plan))} if made else {}
    return JsonResponse(done.to_dict(), status_code=201 if made else 200, headers=headers)
