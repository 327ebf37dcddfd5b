"""Search by name."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.responses import GeoJsonResponse
from api.rights import right
from api.schemas import FeatureCollection
from api.service import ServiceDependency
from data.search import search

router = APIRouter(prefix="/api/v1/search", tags=["search"])


@router.get(
    "",
    summary="Find by name, code or address",
    response_model=FeatureCollection,
    response_class=GeoJsonResponse,
    openapi_extra=right("viewer"),
)
def find(
    service: ServiceDependency,
    q: Annotated[str, Query(description="Part of a name, a code or an address.")],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """Find stations, areas, compounds, grids, buildings and streets; best first.

    Each is a point with ``layer``, ``id``, ``name``, ``kind``, ``beside`` and its ``bbox``.
    """
    with service.database.connect() as connection:
        found = search(connection, q, limit=limit)
    return GeoJsonResponse(
        {
            "type": "FeatureCollection",
            "numberMatched": len(found),
            "numberReturned": len(found),
            "links": [],
            "features": found,
        }
    )
