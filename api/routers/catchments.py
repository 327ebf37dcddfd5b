"""Catchments: who reaches a station, or any point of the map, in how many minutes."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter
from starlette.responses import Response

from api.responses import GeoJsonResponse
from api.rights import right
from api.schemas import CatchmentRequest, FeatureCollection
from api.service import ServiceDependency
from data.catchments import Origin
from data.layers import Feature

router = APIRouter(prefix="/api/v1/catchments", tags=["catchments"])


@router.post(
    "",
    summary="Catchments of a station or a point",
    response_model=FeatureCollection,
    response_class=GeoJsonResponse,
    openapi_extra=right("viewer"),
)
def catchments(service: ServiceDependency, body: CatchmentRequest) -> Response:
    """Draw one polygon for each cutoff, in the order asked.

    Counts (``buildings``, ``households``, ``people``) follow the network, never the polygon;
    ``false_inside`` and ``false_outside`` say at how many homes the polygon disagrees with them.
    A point that is not near a walkable street is refused (``off-network``). With ``lines`` each
    feature also carries the reached streets.
    """
    city = service.circles.city()
    travel = service.circles.travel(body.profile, body.waits, speed_mps=body.speed_mps)
    if body.station_id is not None:
        origin = Origin.of_station(city, body.station_id)
    else:
        origin = Origin(cast("float", body.lon), cast("float", body.lat))

    drawn = service.draw(
        city, origin, travel, minutes=tuple(body.minutes), method=body.method, lines=body.lines
    )
    features = drawn if body.lines else [_without_lines(feature) for feature in drawn]
    return GeoJsonResponse(
        {
            "type": "FeatureCollection",
            "numberMatched": len(features),
            "numberReturned": len(features),
            "links": [],
            "features": features,
        }
    )


def _without_lines(feature: Feature) -> Feature:
    return {name: member for name, member in feature.items() if name != "lines"}
