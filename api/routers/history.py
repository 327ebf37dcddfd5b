"""Who changed a row, when, and how."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.responses import JsonResponse, link_header
from api.rights import right
from api.schemas import RowId
from api.service import ServiceDependency
from data.errors import NotFoundError
from data.history import row_history

router = APIRouter(prefix="/api/v1/history", tags=["history"])


@router.get("/{table}/{row_id}", summary="History of a row", openapi_extra=right("viewer"))
def history(
    request: Request,
    service: ServiceDependency,
    table: str,
    row_id: RowId,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    older_than: Annotated[int | None, Query(description="Only entries before this one.")] = None,
) -> Response:
    """List the changes of a row, newest first; also of a row that has been deleted.

    ``before`` and ``after`` hold the whole row at a delete and an insert, and the columns that
    changed at an update.
    """
    with service.database.connect() as connection:
        # One more than asked for tells whether there is a next page.
        changes = row_history(connection, table, row_id, limit=limit + 1, older_than=older_than)
    if not changes and older_than is None:
        raise NotFoundError(
            f"There never was a row {row_id} of {table}.", remedy=f"List /api/v1/layers/{table}."
        )
    links = [{"rel": "self", "href": str(request.url), "type": "application/json"}]
    if len(changes) > limit:
        changes = changes[:limit]
        url = request.url.include_query_params(limit=limit, older_than=changes[-1].id)
        links.append({"rel": "next", "href": str(url), "type": "application/json"})
    return JsonResponse(
        {
            "table": table,
            "row_id": row_id,
            "changes": [change.to_dict() for change in changes],
            "links": links,
        },
        headers={"Link": link_header(links)},
    )
