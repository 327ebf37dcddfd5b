"""The pages of grid plans for people: the list, the editor, the review, the comparison."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from api.routers.pages import Context, page_response
from maps.plans import plan_compare_page, plan_edit_page, plan_review_page, plans_page

router = APIRouter(include_in_schema=False)

PlanId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/plans")
def plans(context: Context) -> Response:
    """List the plans."""
    return page_response(context, plans_page(context))


@router.get("/plans/{plan}/edit")
def edit(context: Context, plan: PlanId) -> Response:
    """Edit a plan."""
    return page_response(context, plan_edit_page(context, plan))


@router.get("/plans/{plan}/review")
def review(context: Context, plan: PlanId) -> Response:
    """Review a plan."""
    return page_response(context, plan_review_page(context, plan))


@router.get("/plans/{plan}/compare")
def compare(
    context: Context,
    plan: PlanId,
    other: Annotated[int | None, Query(alias="with", ge=1, le=2**63 - 1)] = None,
) -> Response:
    """Compare a plan with another, or with the published one."""
    return page_response(context, plan_compare_page(context, plan, other=other))
