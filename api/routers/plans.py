"""Plans of grids: drafts made, edited by one call each, undone, reviewed, published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query, Request
from starlette.responses import Response

from api.parameters import parse_bbox, seen_version
from api.plan_schemas import Edit, EditAnswer, NewPlan, PlanChanges, PlanLimits, Step
from api.responses import MVT, GeoJsonResponse, JsonResponse, revalidated, row_etag, strong_etag
from api.rights import CurrentAccount, right
from api.routers.stations import IfMatch
from api.schemas import BBox, FeatureCollection, RowId
from api.service import Service, ServiceDependency
from data.accounts.account import Account, require
from data.accounts.places import area_code
from data.plans.create import create_plan
from data.plans.edit_result import EditResult
from data.plans.edits import edit
from data.plans.feed import read_changes
from data.plans.limits import change_plan, with_present_limits
from data.plans.reach import require_own
from data.plans.reading import (
    MOST_GRIDS,
    list_cells,
    list_communities,
    list_edits,
    list_grids,
    list_lineage,
    list_plans,
    newest_edit,
    plan_tile,
    read_plan,
    require_plan,
)
from data.plans.undo import redo, undo
from data.tiles import Tile

router = APIRouter(prefix="/api/v1/plans", tags=["plans"])

Most = Annotated[int, Query(ge=1, le=MOST_GRIDS, description="Most features.")]
KindQuery = Annotated[Literal["base", "exclusive", "micro"] | None, Query()]
CommunityQuery = Annotated[int | None, Query(ge=1, description="Id of a community.")]


@router.get("", summary="Plans", openapi_extra=right("viewer"))
def plans(service: ServiceDependency) -> Response:
    """List plans, newest first."""
    with service.database.connect() as connection:
        return _json({"plans": list_plans(connection, totals=service.plan_totals)})


@router.post("", summary="Make a draft", status_code=201, openapi_extra=right("planner"))
def create(
    request: Request, service: ServiceDependency, account: CurrentAccount, body: NewPlan
) -> Response:
    """Make a draft from the published plan, from another, or with every community as one grid."""
    source = body.source if isinstance(body.source, str) else body.source.plan
    limits = {} if body.limits is None else body.limits.model_dump()
    with service.database.transaction(actor=account.name) as connection:
        plan = create_plan(
            connection,
            body.name,
            source,
            author=account.name,
            household_limit=limits.get("households"),
            people_limit=limits.get("people"),
        )
        made = read_plan(connection, plan)
    location = str(request.url_for("plan", plan_id=plan))
    return JsonResponse(made, status_code=201, headers={"Location": location})


@router.get("/{plan_id}", summary="One plan", openapi_extra=right("viewer"))
def plan(service: ServiceDependency, plan_id: RowId) -> Response:
    """Read a plan with totals, limits, and whether there is anything to undo.

    The ETag is the version of the plan's own row, for a change of name or limits.
    """
    with service.database.connect() as connection:
        return _plan(read_plan(connection, plan_id, totals=service.plan_totals))


@router.patch("/{plan_id}", summary="Change name or limits", openapi_extra=right("planner"))
def change(
    service: ServiceDependency,
    account: CurrentAccount,
    plan_id: RowId,
    body: PlanChanges,
    if_match: IfMatch = None,
) -> Response:
    """Change name or limits of a draft; every grid is then measured by the new limits.

    For who made the draft, and for planners of the whole city. If-Match names the plan's version.
    """
    version = seen_version(if_match)
    limits = body.limits or PlanLimits.model_validate({})
    with service.database.transaction(actor=account.name) as connection:
        require_own(connection, account, plan_id)
        change_plan(
            connection,
            plan_id,
            version=version,
            author=account.name,
            name=body.name,
            household_limit=limits.households,
            people_limit=limits.people,
        )
        return _plan(read_plan(connection, plan_id))


@router.get(
    "/{plan_id}/communities", summary="Communities of a plan", openapi_extra=right("viewer")
)
def communities(service: ServiceDependency, plan_id: RowId) -> Response:
    """List communities with version and figures; the version guards an edit."""
    with service.database.connect() as connection:
        return _json({"communities": list_communities(connection, plan_id)})


@router.get(
    "/{plan_id}/grids",
    summary="Grids of a plan",
    response_model=FeatureCollection,
    response_class=GeoJsonResponse,
    openapi_extra=right("viewer"),
)
def grids(
    service: ServiceDependency,
    plan_id: RowId,
    bbox: BBox = None,
    community: CommunityQuery = None,
    kind: KindQuery = None,
    limit: Most = MOST_GRIDS,
) -> Response:
    """Grids with figures and broken rules; coordinates with all their nine decimals."""
    with service.database.connect() as connection:
        found = list_grids(
            connection,
            plan_id,
            bbox=parse_bbox(bbox),
            community=community,
            kind=kind,
            limit=limit,
        )
    return _features(found)


@router.get(
    "/{plan_id}/cells",
    summary="Building cells of a plan",
    response_model=FeatureCollection,
    response_class=GeoJsonResponse,
    openapi_extra=right("viewer"),
)
def cells(
    service: ServiceDependency,
    account: CurrentAccount,
    plan_id: RowId,
    bbox: BBox = None,
    community: CommunityQuery = None,
    limit: Most = MOST_GRIDS,
) -> Response:
    """Cells of buildings, each with its grid: what a brush or lasso takes."""
    # Cells are made when they are first looked at, and kept.
    with service.database.transaction(actor=account.name) as connection:
        found = list_cells(
            connection, plan_id, bbox=parse_bbox(bbox), community=community, limit=limit
        )
    return _features(found)


@router.get(
    "/{plan_id}/tiles/{z:int}/{x:int}/{y:int}",
    summary="A vector tile of a plan",
    response_class=Response,
    responses={200: {"content": {MVT: {}}, "description": "Mapbox Vector Tile 2"}},
    openapi_extra=right("viewer"),
)
def tile(
    request: Request, service: ServiceDependency, plan_id: RowId, z: int, x: int, y: int
) -> Response:
    """One tile, layer ``grids``: id, code, name, kind, households, people, broken (a count)."""
    with service.database.connect() as connection:
        versions = service.watch.read(connection).of(("buildings",))
        _, edits = newest_edit(connection, plan_id)
        address = Tile(z, x, y)

        def made() -> tuple[str, bytes]:
            made_now = plan_tile(connection, plan_id, address)
            return strong_etag(made_now), made_now

        etag, body = service.tiles.get(("plan", plan_id, edits, versions, address), made)
    return revalidated(request, body, media_type=MVT, cache_control="no-cache", etag=etag)


@router.post(
    "/{plan_id}/edits",
    summary="Change grids of one community",
    response_model=EditAnswer,
    openapi_extra=right("planner"),
)
def make_edit(
    service: ServiceDependency,
    account: CurrentAccount,
    plan_id: RowId,
    body: Annotated[Edit, Body()],
    preview: Annotated[bool, Query(description="Compute, and write nothing.")] = False,
    if_match: IfMatch = None,
) -> Response:
    """Split, merge, transfer, reshape, draw, rename, renumber or change kind.

    If-Match names the version of the community; a preview may leave it out.
    """
    request = body.model_dump(mode="json", exclude_none=True)
    if preview:
        version = None if if_match is None else seen_version(if_match)
        with service.database.connect() as connection:
            return _edited(
                edit(
                    connection, plan_id, request, version=version, author=account.name, preview=True
                )
            )
    version = seen_version(if_match)
    with service.database.transaction(actor=account.name) as connection:
        require(account, "planner", area_code(connection, body.community))
        return _edited(edit(connection, plan_id, request, version=version, author=account.name))


@router.get("/{plan_id}/edits", summary="History of a plan", openapi_extra=right("viewer"))
def edits(
    service: ServiceDependency,
    plan_id: RowId,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[int | None, Query(ge=1, description="Only older ones.")] = None,
) -> Response:
    """Every edit and state, newest first, with its author."""
    with service.database.connect() as connection:
        return _json({"edits": list_edits(connection, plan_id, limit=limit, before=before)})


@router.get("/{plan_id}/lineage", summary="Codes before and after", openapi_extra=right("viewer"))
def lineage(service: ServiceDependency, plan_id: RowId) -> Response:
    """Which codes came out of which, with dates."""
    with service.database.connect() as connection:
        return _json({"lineage": list_lineage(connection, plan_id)})


@router.post(
    "/{plan_id}/undo",
    summary="Take the newest edit back",
    response_model=EditAnswer,
    openapi_extra=right("planner"),
)
def undo_edit(
    service: ServiceDependency,
    account: CurrentAccount,
    plan_id: RowId,
    body: Step | None = None,
    if_match: IfMatch = None,
) -> Response:
    """Undo the newest edit of a community (with If-Match), or of the whole plan."""
    return _stepped(undo, service, account, plan_id, body, if_match)


@router.post(
    "/{plan_id}/redo",
    summary="Do it again",
    response_model=EditAnswer,
    openapi_extra=right("planner"),
)
def redo_edit(
    service: ServiceDependency,
    account: CurrentAccount,
    plan_id: RowId,
    body: Step | None = None,
    if_match: IfMatch = None,
) -> Response:
    """Redo the edit that was taken back last, of a community (with If-Match) or of the plan."""
    return _stepped(redo, service, account, plan_id, body, if_match)


@router.get("/{plan_id}/changes", summary="What has changed since", openapi_extra=right("viewer"))
def changes(
    service: ServiceDependency,
    plan_id: RowId,
    after: Annotated[int, Query(ge=0, description="seq of the last answer.")] = 0,
) -> Response:
    """Edits after a number, in order; ask again with the ``seq`` of the answer."""
    with service.database.connect() as connection:
        require_plan(connection, plan_id)
        found = read_changes(connection, plan_id, after=after)
    return _json({"seq": found.seq, "changes": found.changes})


def _stepped(
    step: Callable[..., EditResult],
    service: Service,
    account: Account,
    plan_id: int,
    body: Step | None,
    if_match: str | None,
) -> Response:
    """Go one edit back or forth, in a community that the account plans."""
    community = None if body is None else body.community
    version = None if community is None else seen_version(if_match)
    with service.database.transaction(actor=account.name) as connection:
        if community is not None:
            require(account, "planner", area_code(connection, community))
        done = step(
            connection, plan_id, community_id=community, version=version, author=account.name
        )
        # Whose edit it was is known only now; a refusal takes all of it back.
        require(account, "planner", area_code(connection, done.after.id))
        return _edited(with_present_limits(connection, done))


def _edited(result: EditResult) -> Response:
    return JsonResponse(result.to_dict(), headers={"ETag": row_etag(result.after.version)})


def _features(features: list[dict[str, Any]]) -> Response:
    return GeoJsonResponse(
        {
            "type": "FeatureCollection",
            "numberReturned": len(features),
            "features": features,
        },
        headers={"Cache-Control": "no-cache"},
    )


def _plan(told: dict[str, Any]) -> Response:
    headers = {"Cache-Control": "no-cache", "ETag": row_etag(told["version"])}
    return JsonResponse(told, headers=headers)


def _json(content: Any) -> Response:
    return JsonResponse(content, headers={"Cache-Control": "no-cache"})
