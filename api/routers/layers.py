"""Layers: what there is, and their features as GeoJSON, filtered and in pages."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.parameters import parse_bbox, split_words
from api.responses import GeoJsonResponse, JsonResponse, feature_collection, row_etag
from api.rights import right
from api.schemas import AreaQuery, BBox, Feature, FeatureCollection, Limit, Offset, RowId
from api.service import ServiceDependency
from data.layers import list_features, list_layers, read_feature

router = APIRouter(prefix="/api/v1/layers", tags=["layers"])


@router.get("", summary="Layers and what they hold", openapi_extra=right("viewer"))
def layers(request: Request, service: ServiceDependency) -> Response:
    """List every layer with its number of features, bounds, properties and kinds."""
    with service.database.connect() as connection:
        summaries = list_layers(connection)
    base = str(request.url.replace(query=""))
    return JsonResponse(
        {
            "layers": [
                {
                    "name": summary.layer.name,
                    "title": {"zh": summary.layer.title_zh, "en": summary.layer.title_en},
                    "geometry": summary.layer.geometry,
                    "count": summary.count,
                    "bounds": summary.bounds,
                    "properties": summary.layer.properties,
                    "kind_property": summary.layer.kind_column,
                    "kinds": summary.layer.kinds,
                    "links": [
                        {
                            "rel": "items",
                            "href": f"{base}/{summary.layer.name}",
                            "type": "application/geo+json",
                        }
                    ],
                }
                for summary in summaries
            ]
        }
    )


@router.get(
    "/{layer}",
    summary="Features of a layer",
    response_model=FeatureCollection,
    response_class=GeoJsonResponse,
    openapi_extra=right("viewer"),
)
def features(
    request: Request,
    service: ServiceDependency,
    layer: str,
    bbox: BBox = None,
    area: AreaQuery = None,
    kind: Annotated[
        list[str], Query(description="Any of these kinds; for areas their level.")
    ] = [],  # noqa: B006 — FastAPI copies defaults
    limit: Limit = 100,
    offset: Offset = 0,
) -> Response:
    """List features by id, filtered by place, area and kind.

    Layers: areas, compounds, gates, grids, buildings, entrances, stations, patrol_points,
    premises, base_features.
    """
    with service.database.connect() as connection:
        page = list_features(
            connection,
            layer,
            bbox=parse_bbox(bbox),
            area=area,
            kinds=split_words(kind),
            limit=limit,
            offset=offset,
        )
    return feature_collection(
        request, list(page.features), matched=page.matched, limit=limit, offset=offset
    )


@router.get(
    "/{layer}/{feature_id}",
    summary="One feature of a layer",
    response_model=Feature,
    response_class=GeoJsonResponse,
    openapi_extra=right("viewer"),
)
def feature(service: ServiceDependency, layer: str, feature_id: RowId) -> Response:
    """Read one feature; rows with a version carry it as entity tag."""
    with service.database.connect() as connection:
        found: dict[str, Any] = read_feature(connection, layer, feature_id)
    version = found["properties"].get("version")
    return GeoJsonResponse(found, headers={} if version is None else {"ETag": row_etag(version)})
