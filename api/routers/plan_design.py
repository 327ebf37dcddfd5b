"""Proposals of grids: asked for, followed, stopped; each ends in a draft."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.plan_schemas import Id
from api.responses import JsonResponse
from api.rights import CurrentAccount, right
from api.schemas import RowId
from api.service import ServiceDependency
from data.plans import design_queue as queue
from data.plans.design_job import DesignRequest
from geo.standards import GridLimits

router = APIRouter(prefix="/api/v1", tags=["plans"])

Preset = Literal["standard", "equal", "compounds", "barriers", "compact", "stations", "steady"]


class DesignLimits(BaseModel):
    """What a base grid may hold."""

    model_config = ConfigDict(extra="forbid")

    households: int = Field(default=GridLimits().households, ge=1, le=100_000)
    people: int = Field(default=GridLimits().people, ge=1, le=1_000_000)


class NewDesign(BaseModel):
    """What is to be proposed."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=200, description="Of the draft.")
    source: Id | None = Field(default=None, description="Plan with the present grids.")
    communities: list[Id] = Field(
        default_factory=list, max_length=10_000, description="Ids of communities; empty for all."
    )
    preset: Preset = "standard"
    scenario: Literal["fewest", "least_change", "fresh", "rebalance"] = "fewest"
    limits: DesignLimits = Field(default_factory=DesignLimits)
    locked: list[Id] = Field(
        default_factory=list, max_length=10_000, description="Base grids whose buildings stay."
    )
    selected: list[Id] = Field(
        default_factory=list, max_length=10_000, description="Base grids to re-balance."
    )
    seed: int = Field(default=1, ge=0, le=2**31 - 1)
    time_limit_s: float = Field(default=120.0, gt=0, le=3600, description="Of the search.")

    def request(self) -> DesignRequest:
        """The same for `data.plans.design_job`."""
        return DesignRequest(
            name=self.name,
            source=self.source,
            communities=tuple(self.communities),
            preset=self.preset,
            scenario=self.scenario,
            max_households=self.limits.households,
            max_people=self.limits.people,
            locked=tuple(self.locked),
            selected=tuple(self.selected),
            seed=self.seed,
            time_limit_s=self.time_limit_s,
        )


@router.post(
    "/plans/design",
    summary="Propose grids",
    status_code=202,
    openapi_extra=right("planner"),
)
def propose(
    request: Request,
    service: ServiceDependency,
    account: CurrentAccount,
    body: Annotated[NewDesign, Body()],
) -> Response:
    """Ask for a proposal of base grids; follow the job at Location. It ends in a draft."""
    with service.database.transaction(actor=account.name) as connection:
        job = queue.ask(connection, body.request(), author=account.name)
        told = queue.read_job(connection, job)
    location = str(request.url_for("design_job", job_id=job))
    return JsonResponse(told, status_code=202, headers={"Location": location})


@router.get("/design-jobs/{job_id}", summary="How far a proposal is", openapi_extra=right("viewer"))
def design_job(service: ServiceDependency, job_id: RowId) -> Response:
    """State, progress (0 to 1), stage; at the end figures, bounds, reasons, and the draft."""
    with service.database.connect() as connection:
        return JsonResponse(
            queue.read_job(connection, job_id), headers={"Cache-Control": "no-cache"}
        )


@router.post(
    "/design-jobs/{job_id}/cancel", summary="Stop a proposal", openapi_extra=right("planner")
)
def cancel(service: ServiceDependency, account: CurrentAccount, job_id: RowId) -> Response:
    """Stop: what waits is cancelled, what runs ends in a draft of the best so far."""
    with service.database.transaction(actor=account.name) as connection:
        return JsonResponse(queue.ask_to_stop(connection, job_id))
