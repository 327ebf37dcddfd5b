"""Vector tiles: base map, layers, coverage results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response

from api.responses import MVT, revalidated, strong_etag
from api.rights import right
from api.service import Service, ServiceDependency
from data.tiles import Tile, base_tile, coverage_tile, layer_tile

router = APIRouter(prefix="/tiles", tags=["tiles"])

CACHE_CONTROL = "no-cache"
"""Keep it, but ask each time: after an import or an edit the map is right at once."""

_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {MVT: {}}, "description": "Mapbox Vector Tile 2"}
}


@router.get(
    "/base/{z:int}/{x:int}/{y:int}.mvt",
    summary="Base map",
    response_class=Response,
    responses=_ANSWER,
    openapi_extra=right("viewer"),
)
def base(request: Request, service: ServiceDependency, z: int, x: int, y: int) -> Response:
    """One tile of the base map.

    MVT layers: water, green, rail, roads, barriers, buildings, compounds, areas, labels.
    """
    tile = Tile(z, x, y)
    return _answer(request, service, tile, ("base",), lambda c: base_tile(c, tile))


@router.get(
    "/layers/{layer}/{z:int}/{x:int}/{y:int}.mvt",
    summary="A layer",
    response_class=Response,
    responses=_ANSWER,
    openapi_extra=right("viewer"),
)
def layer(
    request: Request, service: ServiceDependency, layer: str, z: int, x: int, y: int
) -> Response:
    """One tile of stations, grids, areas, compounds, gates, buildings or another layer."""
    tile = Tile(z, x, y)
    return _answer(request, service, tile, ("layer", layer), lambda c: layer_tile(c, layer, tile))


@router.get(
    "/coverage/{run:int}/{z:int}/{x:int}/{y:int}.mvt",
    summary="A coverage result",
    response_class=Response,
    responses=_ANSWER,
    openapi_extra=right("viewer"),
)
def coverage(
    request: Request, service: ServiceDependency, run: int, z: int, x: int, y: int
) -> Response:
    """One tile of a kept result: ``buildings`` from zoom 14, squares (``cells``) below.

    The run's number is in the answer of /api/v1/coverage.
    """
    tile = Tile(z, x, y)
    return _answer(request, service, tile, ("coverage", run), lambda c: coverage_tile(c, run, tile))


def _answer(
    request: Request,
    service: Service,
    tile: Tile,
    what: tuple[str | int, ...],
    make: Callable[[Connection], bytes],
) -> Response:
    def made() -> tuple[str, bytes]:
        with service.database.connect() as connection:
            body = make(connection)
        return strong_etag(body), body

    version = service.watch.now(service.database).everything
    etag, body = service.tiles.get((what, tile, version), made)
    return revalidated(request, body, media_type=MVT, cache_control=CACHE_CONTROL, etag=etag)
