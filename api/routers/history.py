"""Who changed a row, when and how; and giving it back."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from api.parameters import seen_version
from api.responses import JsonResponse, link_header, row_etag
from api.rights import CurrentAccount, right
from api.schemas import RowId
from api.service import ServiceDependency
from data.errors import NotFoundError
from data.history import Change, list_changes, read_change, restore_change, row_history
from data.layers import read_feature

router = APIRouter(prefix="/api/v1/history", tags=["history"])

PageSize = Annotated[int, Query(ge=1, le=1000, description="Most changes in one page.")]
OlderThan = Annotated[
    int | None, Query(ge=1, le=2**63 - 1, description="Only entries before this one.")
]
ChangeId = Annotated[int, Path(ge=1, le=2**63 - 1, description="Number of the change.")]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description='Version of the row as you saw it, such as "3"; of a deleted row the version '
        "in its last change. Required: 428 without, 412 with the present row when it is stale.",
    ),
]


@router.get("", summary="Changes of all layers", openapi_extra=right("viewer"))
def changes(
    request: Request,
    service: ServiceDependency,
    table: Annotated[str | None, Query(description="Only of this layer.")] = None,
    actor: Annotated[str | None, Query(max_length=200, description="Only by this one.")] = None,
    limit: PageSize = 100,
    older_than: OlderThan = None,
) -> Response:
    """List changes, newest first, page by page: ``links`` has the address of the next page."""
    with service.database.connect() as connection:
        # One more than asked for tells whether there is a next page.
        found = list_changes(
            connection, table=table, actor=actor, limit=limit + 1, older_than=older_than
        )
    return _page(request, found, limit, {})


@router.get("/{change_id}", summary="One change", openapi_extra=right("viewer"))
def change(service: ServiceDependency, change_id: ChangeId) -> Response:
    """Read one change."""
    with service.database.connect() as connection:
        return JsonResponse(read_change(connection, change_id).to_dict())


@router.post(
    "/{change_id}/restore",
    summary="Give a row back its state before a change",
    openapi_extra=right("administrator"),
)
def give_back(
    service: ServiceDependency,
    account: CurrentAccount,
    change_id: ChangeId,
    if_match: IfMatch = None,
    side: Annotated[
        Literal["before", "after"],
        Query(description="before undoes the change and all later ones; after the later ones."),
    ] = "before",
) -> Response:
    """Restore one row, in one transaction; a deleted row comes back with its old id.

    The version rises as with every change, and the history gains an entry, so that a restore can
    be undone too. ``unlinked`` names references left empty because their row is gone.
    """
    version = seen_version(if_match)
    with service.database.transaction(actor=account.name) as connection:
        done, restored = restore_change(connection, change_id, version=version, side=side)
        feature = read_feature(connection, done.table, restored.row_id)
    return JsonResponse(
        {
            "table": done.table,
            "row_id": restored.row_id,
            "version": restored.version,
            "change": done.id,
            "side": side,
            "unlinked": list(restored.unlinked),
            "feature": feature,
        },
        headers={"ETag": row_etag(restored.version)},
    )


@router.get("/{table}/{row_id}", summary="History of a row", openapi_extra=right("viewer"))
def history(
    request: Request,
    service: ServiceDependency,
    table: str,
    row_id: RowId,
    limit: PageSize = 100,
    older_than: OlderThan = None,
) -> Response:
    """List the changes of a row, newest first; also of a row that has been deleted.

    ``before`` and ``after`` hold the whole row at a delete and an insert, and the columns that
    changed at an update.
    """
    with service.database.connect() as connection:
        found = row_history(connection, table, row_id, limit=limit + 1, older_than=older_than)
    if not found and older_than is None:
        raise NotFoundError(
            f"There never was a row {row_id} of {table}.", remedy=f"List /api/v1/layers/{table}."
        )
    return _page(request, found, limit, {"table": table, "row_id": row_id})


def _page(
    request: Request, found: list[Change], limit: int, head: dict[str, str | int]
) -> Response:
    links = [{"rel": "self", "href": str(request.url), "type": "application/json"}]
    if len(found) > limit:
        found = found[:limit]
        url = request.url.include_query_params(limit=limit, older_than=found[-1].id)
        links.append({"rel": "next", "href": str(url), "type": "application/json"})
    return JsonResponse(
        {**head, "changes": [change.to_dict() for change in found], "links": links},
        headers={"Link": link_header(links)},
    )
