"""Proposals made from a plan, side by side: figures as JSON, and the page for people."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from api.responses import JsonResponse
from api.rights import right
from api.routers.pages import Context, page_response
from api.schemas import RowId
from api.service import ServiceDependency
from data.plans.scenarios import scenarios
from maps.scenarios import scenarios_page

router = APIRouter(tags=["plans"])

Communities = Annotated[
    list[int] | None,
    Query(max_length=10_000, description="Ids of communities; by default what was designed."),
]


@router.get(
    "/api/v1/plans/{plan_id}/scenarios",
    summary="Proposals side by side",
    openapi_extra=right("viewer"),
)
def compared(
    service: ServiceDependency,
    plan_id: RowId,
    community: Communities = None,
    households: Annotated[int | None, Query(ge=1, le=100_000)] = None,
    people: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
) -> Response:
    """The plan and every proposal made from it, measured in the same places, by the same limits."""
    with service.database.connect() as connection:
        found = scenarios(
            connection,
            plan_id,
            communities=community or (),
            household_limit=households,
            people_limit=people,
        )
    return JsonResponse(found, headers={"Cache-Control": "no-cache"})


@router.get("/plans/{plan}/scenarios", include_in_schema=False, openapi_extra=right("viewer"))
def page(context: Context, plan: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> Response:
    """Show proposals side by side."""
    return page_response(context, scenarios_page(context, plan))
