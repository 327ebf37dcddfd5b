"""The review of plans: states, comments, comparison, suggestions, and live changes."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from api.errors import BadHeaderError
from api.plan_schemas import NetMerge, NewComment, StateChange
from api.responses import JsonResponse, dump
from api.rights import CurrentAccount, right
from api.schemas import RowId
from api.service import Service, ServiceDependency
from data.accounts.account import WHOLE_CITY, require
from data.plans.comments import add_comment, list_comments
from data.plans.compare import compare_plans
from data.plans.export import FORMATS, export_plan
from data.plans.feed import Changes, read_changes
from data.plans.import_looks import open_warning
from data.plans.nets import merge_nets
from data.plans.reach import require_reach
from data.plans.reading import newest_edit, read_plan
from data.plans.states import change_state, hold_plan
from data.plans.suggest import suggest

router = APIRouter(prefix="/api/v1/plans", tags=["plans"])

POLL_S = 0.7
"""Seconds between looks for changes: a page knows within two."""


@router.post("/merge-nets", summary="Several nets into one", openapi_extra=right("planner"))
def merge(
    service: ServiceDependency,
    account: CurrentAccount,
    body: NetMerge,
    preview: Annotated[bool, Query(description="Make no draft.")] = False,
) -> Response:
    """Lay plans over one another: cells in conflict, and a draft of a single net."""
    nets = [(net.name, net.plan) for net in body.nets]
    if preview:
        with service.database.connect() as connection:
            found = merge_nets(connection, nets, name=body.name, author=account.name, draft=False)
            return JsonResponse(found.to_dict())
    with service.database.transaction(actor=account.name) as connection:
        found = merge_nets(connection, nets, name=body.name, author=account.name)
        return JsonResponse(found.to_dict(), status_code=201)


@router.post(
    "/{plan_id}/state",
    summary="Send to review, return, publish, archive",
    openapi_extra=right("planner", "publisher"),
)
def state(
    service: ServiceDependency, account: CurrentAccount, plan_id: RowId, body: StateChange
) -> Response:
    """Move a plan on. Publishing is one transaction; publish the old plan again to undo it.

    Publishing and archiving take a publisher of the whole city. Who plans some areas only sends,
    and takes back, plans that change nothing outside these (403 names the grids).
    ``warnings`` names what of an import nobody has looked at yet; it holds nothing up.
    """
    if body.to in ("published", "archived"):
        require(account, "publisher", WHOLE_CITY)  # a plan covers all of it
    with service.database.transaction(actor=account.name) as connection:
        if body.to in ("review", "draft"):
            hold_plan(connection, plan_id)
            require_reach(connection, account, plan_id)
        change_state(connection, plan_id, body.to, author=account.name, comment=body.comment)
        warning = open_warning(connection, plan_id) if body.to in ("review", "published") else None
        told = read_plan(connection, plan_id) | {"warnings": [warning] if warning else []}
    return JsonResponse(told)


@router.get("/{plan_id}/comments", summary="Comments on a plan", openapi_extra=right("viewer"))
def comments(service: ServiceDependency, plan_id: RowId) -> Response:
    """List comments, oldest first."""
    with service.database.connect() as connection:
        return JsonResponse({"comments": list_comments(connection, plan_id)})


@router.post(
    "/{plan_id}/comments",
    summary="Comment on a plan",
    status_code=201,
    openapi_extra=right("planner", "auditor", "publisher"),
)
def comment(
    service: ServiceDependency, account: CurrentAccount, plan_id: RowId, body: NewComment
) -> Response:
    """Add a comment, pinned to a point or a grid if it names one."""
    with service.database.transaction(actor=account.name) as connection:
        made = add_comment(
            connection,
            plan_id,
            body.text,
            author=account.name,
            point=None if body.point is None else body.point.coordinates,
            grid=body.grid,
        )
    return JsonResponse(made, status_code=201)


@router.get("/{plan_id}/compare", summary="Compare two plans", openapi_extra=right("viewer"))
def compare(
    service: ServiceDependency,
    plan_id: RowId,
    other: Annotated[
        str,
        Query(alias="with", pattern=r"^(published|[1-9]\d{0,17})$", description="Id, or published"),
    ] = "published",
) -> Response:
    """Totals, changed grids and moved buildings of this plan against another."""
    with service.database.connect() as connection:
        before = None if other == "published" else int(other)
        return JsonResponse(compare_plans(connection, plan_id, before))


@router.get(
    "/{plan_id}/suggestions",
    summary="How to mend a grid over its limits",
    openapi_extra=right("viewer"),
)
def suggestions(
    service: ServiceDependency,
    plan_id: RowId,
    grid: Annotated[int, Query(ge=1, description="Id of the grid.")],
) -> Response:
    """Edits that bring a grid under its limits, cheapest first; empty where it keeps them."""
    with service.database.connect() as connection:
        return JsonResponse({"suggestions": suggest(connection, grid, plan_id)})


@router.get(
    "/{plan_id}/export",
    summary="A plan as a file",
    response_class=FileResponse,
    responses={200: {"content": {f.media_type: {} for f in FORMATS.values()}}},
    openapi_extra=right("viewer"),
)
def export(
    service: ServiceDependency,
    plan_id: RowId,
    format: Annotated[
        Literal["gpkg", "shp", "shp-gbk", "geojson", "kml", "parquet", "xlsx"], Query()
    ] = "gpkg",
) -> Response:
    """Grids with figures and staff numbers; the GeoPackage also holds the buildings."""
    folder = Path(tempfile.mkdtemp(prefix="gridcircle-export-"))
    try:
        with service.database.connect() as connection:
            path = export_plan(connection, plan_id, format, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return FileResponse(
        path,
        media_type=FORMATS[format].media_type,
        filename=path.name,
        headers={"Cache-Control": "no-store"},
        background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True),
    )


@router.get(
    "/{plan_id}/events",
    summary="Changes as they happen",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
    openapi_extra=right("viewer"),
)
async def events(
    request: Request,
    service: ServiceDependency,
    plan_id: RowId,
    after: Annotated[int | None, Query(ge=0, description="seq to begin after")] = None,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> EventSourceResponse:
    """Server-sent events: ``change`` with the same members as in /changes.

    Without ``after`` (or Last-Event-ID, which browsers send when they come back) only what
    happens from now on.
    """
    start = after
    if last_event_id:
        if not last_event_id.isdigit():
            raise BadHeaderError(f"Last-Event-ID: {last_event_id[:80]} is no number.")
        start = int(last_event_id)
    begin = await run_in_threadpool(_start, service, plan_id, start)
    return EventSourceResponse(_events(request, service, plan_id, begin), ping=15)


def _start(service: Service, plan_id: int, after: int | None) -> int:
    with service.database.connect() as connection:
        newest, _ = newest_edit(connection, plan_id)
        return newest if after is None else after


def _read(service: Service, plan_id: int, after: int) -> Changes:
    with service.database.connect() as connection:
        return read_changes(connection, plan_id, after=after)


async def _events(
    request: Request, service: Service, plan_id: int, seq: int
) -> AsyncIterator[ServerSentEvent]:
    sent: set[int] = set()
    while not await request.is_disconnected() and not service.closing:
        found = await run_in_threadpool(_read, service, plan_id, seq)
        for change in found.changes:
            if change["seq"] not in sent:
                sent.add(change["seq"])
                # Who comes back asks after the settled number: rather twice than never.
                yield ServerSentEvent(data=dump(change).decode(), event="change", id=str(found.seq))
        seq = found.seq
        sent = {number for number in sent if number > seq}
        await asyncio.sleep(POLL_S)
