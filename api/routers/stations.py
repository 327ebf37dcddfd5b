"""Stations: read by viewers, written by planners of their area who name the version seen."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from api.parameters import parse_bbox, seen_version, split_words
from api.responses import GeoJsonResponse, feature_collection, is_known, row_etag
from api.rights import CurrentAccount, right
from api.schemas import (
    AreaQuery,
    BBox,
    Feature,
    FeatureCollection,
    Limit,
    Offset,
    RowId,
    StationBody,
    StationChanges,
)
from api.service import ServiceDependency
from data.accounts.station_rights import require_delete, write_station
from data.layers import list_features, read_feature
from data.stations import (
    StationDraft,
    change_station,
    create_station,
    delete_station,
    replace_station,
)

router = APIRouter(prefix="/api/v1/stations", tags=["stations"])

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description='The ETag of the row as you saw it, such as "3". Required: 428 without, '
        "412 with the present row when it is stale.",
    ),
]


@router.get(
    "",
    summary="Stations",
    response_model=FeatureCollection,
    response_class=GeoJsonResponse,
    openapi_extra=right("viewer"),
)
def stations(
    request: Request,
    service: ServiceDependency,
    bbox: BBox = None,
    area: AreaQuery = None,
    kind: Annotated[
        list[str], Query(description="service_centre, red_station, rider_station")
    ] = [],  # noqa: B006
    status: Annotated[str | None, Query(description="planned, open or closed")] = None,
    facility: Annotated[
        list[str], Query(description="Only stations with all of these facilities.")
    ] = [],  # noqa: B006
    published: Annotated[bool | None, Query()] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Response:
    """List stations by id; every status unless one is named."""
    where: dict[str, Any] = {}
    if status is not None:
        where["status"] = status
    if published is not None:
        where["published"] = published
    if facilities := split_words(facility):
        where["facilities"] = facilities
    with service.database.connect() as connection:
        page = list_features(
            connection,
            "stations",
            bbox=parse_bbox(bbox),
            area=area,
            kinds=split_words(kind),
            where=where,
            limit=limit,
            offset=offset,
        )
    return feature_collection(
        request, list(page.features), matched=page.matched, limit=limit, offset=offset
    )


@router.get(
    "/{station_id}",
    summary="One station",
    response_model=Feature,
    response_class=GeoJsonResponse,
    openapi_extra=right("viewer"),
)
def station(request: Request, service: ServiceDependency, station_id: RowId) -> Response:
    """Read one station; its entity tag is its version."""
    with service.database.connect() as connection:
        found = read_feature(connection, "stations", station_id)
    headers = {"ETag": row_etag(found["properties"]["version"]), "Cache-Control": "no-cache"}
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return GeoJsonResponse(found, headers=headers)


@router.post(
    "",
    summary="Add a station",
    status_code=201,
    response_model=Feature,
    response_class=GeoJsonResponse,
    openapi_extra=right("planner", "publisher"),
)
def add(
    request: Request, service: ServiceDependency, account: CurrentAccount, body: StationBody
) -> Response:
    """Add a station; the answer's Location is its address.

    A station outside every area is taken and flagged with ``outside_areas``. It takes a planner
    of where it stands, and a publisher for ``published``.
    """
    with service.database.transaction(actor=account.name) as connection:
        made = write_station(
            connection, account, None, lambda: create_station(connection, _draft(body))
        )
    location = str(request.url_for("station", station_id=made["id"]))
    return _row(made, status_code=201, headers={"Location": location})


@router.put(
    "/{station_id}",
    summary="Replace a station",
    response_model=Feature,
    response_class=GeoJsonResponse,
    openapi_extra=right("planner", "publisher"),
)
def replace(
    service: ServiceDependency,
    account: CurrentAccount,
    station_id: RowId,
    body: StationBody,
    if_match: IfMatch = None,
) -> Response:
    """Give every field a new value; fields left out get their defaults."""
    version = seen_version(if_match)
    with service.database.transaction(actor=account.name) as connection:
        written = write_station(
            connection,
            account,
            station_id,
            lambda: replace_station(connection, station_id, _draft(body), version=version),
        )
        return _row(written)


@router.patch(
    "/{station_id}",
    summary="Change some fields of a station",
    response_model=Feature,
    response_class=GeoJsonResponse,
    openapi_extra=right("planner", "publisher"),
)
def change(
    service: ServiceDependency,
    account: CurrentAccount,
    station_id: RowId,
    body: StationChanges,
    if_match: IfMatch = None,
) -> Response:
    """Give some fields new values (JSON merge patch)."""
    version = seen_version(if_match)
    changes = body.model_dump(include=body.model_fields_set)
    if "facilities" in changes:
        changes["facilities"] = tuple(changes["facilities"])
    with service.database.transaction(actor=account.name) as connection:
        written = write_station(
            connection,
            account,
            station_id,
            lambda: change_station(connection, station_id, changes, version=version),
        )
        return _row(written)


@router.delete(
    "/{station_id}",
    summary="Delete a station",
    status_code=204,
    openapi_extra=right("planner"),
)
def delete(
    service: ServiceDependency,
    account: CurrentAccount,
    station_id: RowId,
    if_match: IfMatch = None,
) -> Response:
    """Delete a station; its history stays at /api/v1/history/stations/{station_id}."""
    version = seen_version(if_match)
    with service.database.transaction(actor=account.name) as connection:
        require_delete(connection, account, station_id)
        delete_station(connection, station_id, version=version)
    return Response(status_code=204)


def _draft(body: StationBody) -> StationDraft:
    values = body.model_dump()
    return StationDraft(**values | {"facilities": tuple(values["facilities"])})


def _row(
    feature: dict[str, Any], *, status_code: int = 200, headers: dict[str, str] | None = None
) -> Response:
    tag = {"ETag": row_etag(feature["properties"]["version"])}
    return GeoJsonResponse(feature, status_code=status_code, headers=tag | (headers or {}))
