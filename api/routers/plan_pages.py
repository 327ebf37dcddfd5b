"""The pages of grid plans for people: the list, the editor, the review, the comparison."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from api.rights import right
from api.routers.pages import Context, page_response
from api.routers.plan_imports import MAX_UPLOAD_BYTES
from api.service import ServiceDependency
from data.plans.compare import compare_plans
from data.plans.reading import require_plan
from maps.plan_sheet import ChangeSheet, change_sheet_xlsx
from maps.plans import (
    plan_compare_page,
    plan_edit_page,
    plan_import_page,
    plan_review_page,
    plans_page,
)
from maps.print.change_sheet import change_sheet_pdf

router = APIRouter(include_in_schema=False)

PlanId = Annotated[int, Path(ge=1, le=2**63 - 1)]
OtherPlan = Annotated[int | None, Query(alias="with", ge=1, le=2**63 - 1)]

SHEETS = {
    "pdf": ("application/pdf", change_sheet_pdf),
    "xlsx": (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        change_sheet_xlsx,
    ),
}


@router.get("/plans", openapi_extra=right("viewer"))
def plans(context: Context) -> Response:
    """List the plans."""
    return page_response(context, plans_page(context, upload_bytes=MAX_UPLOAD_BYTES))


@router.get("/plans/{plan}/edit", openapi_extra=right("viewer"))
def edit(context: Context, plan: PlanId) -> Response:
    """Edit a plan."""
    return page_response(context, plan_edit_page(context, plan))


@router.get("/plans/{plan}/review", openapi_extra=right("viewer"))
def review(context: Context, plan: PlanId) -> Response:
    """Review a plan."""
    return page_response(context, plan_review_page(context, plan))


@router.get("/plans/{plan}/import", openapi_extra=right("viewer"))
def imported(context: Context, plan: PlanId) -> Response:
    """Show what a plan was imported from."""
    return page_response(context, plan_import_page(context, plan))


@router.get("/plans/{plan}/compare", openapi_extra=right("viewer"))
def compare(context: Context, plan: PlanId, other: OtherPlan = None) -> Response:
    """Compare a plan with another, or with the published one."""
    return page_response(context, plan_compare_page(context, plan, other=other))


@router.get("/plans/{plan}/sheet.{kind}", openapi_extra=right("viewer"))
def sheet(
    context: Context,
    service: ServiceDependency,
    plan: PlanId,
    kind: Literal["pdf", "xlsx"],
    other: OtherPlan = None,
) -> Response:
    """Print what changes against another plan, or against the published one."""
    with service.database.connect() as connection:
        compared = compare_plans(connection, plan, other)
        before = require_plan(connection, compared["before"])
        after = require_plan(connection, plan)
    made = ChangeSheet(
        city=context.city_name,
        before=before.name,
        after=after.name,
        date=datetime.now().astimezone().date().isoformat(),
        language=context.language,
        compared=compared,
    )
    media_type, write = SHEETS[kind]
    name = quote(f"{made.title}.{kind}")
    return Response(
        write(made),
        media_type=media_type,
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            "Cache-Control": "no-cache",
        },
    )
