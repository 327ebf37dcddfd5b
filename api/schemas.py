"""What requests hold and what answers look like, for checking and for the OpenAPI document."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from data.models import FACILITIES, STATION_KINDS, STATION_STATUSES
from data.stations import FIELDS
from geo.standards import PROFILES, SIGNAL_WAITS_S


def _one_of(values: tuple[str, ...]) -> Any:
    """Document the words a text may be; the rule itself is checked where it belongs, in `data`."""
    return Field(json_schema_extra={"enum": list(values)})


StationKind = Annotated[str, _one_of(STATION_KINDS)]
StationStatus = Annotated[str, _one_of(STATION_STATUSES)]
Facility = Annotated[str, _one_of(FACILITIES)]
ProfileName = Annotated[str, _one_of(tuple(PROFILES))]
Waits = Annotated[str, _one_of(tuple(SIGNAL_WAITS_S))]
CoverageLevel = Literal["city", "district", "street", "community", "grid", "compound"]

Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Minutes = Annotated[float, Field(gt=0, le=120, allow_inf_nan=False)]

RowId = Annotated[int, Path(ge=1, le=2**63 - 1, description="Id of the row.")]
Limit = Annotated[
    int, Query(ge=1, le=10_000, description="Most features in one page.", examples=[100])
]
Offset = Annotated[int, Query(ge=0, description="How many features to leave out before.")]
BBox = Annotated[
    str | None,
    Query(
        description="west,south,east,north in WGS84 degrees; features that touch it.",
        examples=["118.08,36.94,118.12,36.97"],
    ),
]
AreaQuery = Annotated[
    str | None,
    Query(max_length=64, description="Code or id of an area: what lies in it or below it."),
]

STATION_EXAMPLE: dict[str, Any] = {
    "kind": "rider_station",
    "name": "城东小哥驿站",
    "lon": 118.0969,
    "lat": 36.9561,
    "address": "兴桓路 12 号",
    "opening_hours": "Mo-Su 07:00-22:00",
    "area_m2": 30,
    "places": 12,
    "facilities": ["rest", "water", "microwave", "phone_charging"],
    "status": "open",
    "published": True,
}
STATION_FEATURE_EXAMPLE: dict[str, Any] = {
    "type": "Feature",
    "id": 12,
    "geometry": {"type": "Point", "coordinates": [118.0969, 36.9561]},
    "properties": {
        "code": "local:12",
        **{k: v for k, v in STATION_EXAMPLE.items() if k not in {"lon", "lat"}},
        "community_id": 7,
        "community": "城东社区",
        "outside_areas": False,
        "source": "api",
        "version": 1,
        "updated_at": "2026-11-21T08:00:00Z",
    },
}
CATCHMENT_EXAMPLE: dict[str, Any] = {"lon": 118.0969, "lat": 36.9561, "minutes": [10, 15]}


class Problem(BaseModel):
    """What went wrong and what to do (RFC 9457)."""

    type: str = Field(examples=["/api/v1/problems/stale-row"])
    title: str = Field(examples=["Somebody changed the row meanwhile"])
    status: int = Field(examples=[412])
    detail: str
    instance: str = Field(examples=["/api/v1/stations/12"])
    remedy: str | None = None
    errors: list[dict[str, Any]] | None = Field(
        None, description="One for each wrong value: field, value, reason, remedy."
    )
    present: dict[str, Any] | None = Field(
        None, description="With 412: the row as it is now, a GeoJSON Feature."
    )


class Feature(BaseModel):
    """A GeoJSON Feature (RFC 7946)."""

    model_config = ConfigDict(json_schema_extra={"example": STATION_FEATURE_EXAMPLE})

    type: Literal["Feature"]
    id: int | str | None = None
    geometry: dict[str, Any] | None
    properties: dict[str, Any]


class FeatureCollection(BaseModel):
    """A page of GeoJSON Features with how many there are and links to the other pages."""

    type: Literal["FeatureCollection"]
    numberMatched: int  # noqa: N815 — the names OGC API Features gives them
    numberReturned: int  # noqa: N815
    links: list[dict[str, str]]
    features: list[Feature]


class _StationBody(BaseModel):
    """Takes a station either plain or as the GeoJSON Feature that this service gave out."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, value: Any) -> Any:
        if not (isinstance(value, dict) and value.get("type") == "Feature"):
            return value
        properties = value.get("properties")
        # What a Feature shows beyond the fields a writer sets is not taken back.
        plain = {k: v for k, v in (properties or {}).items() if k in FIELDS}
        match value.get("geometry"):
            case {"type": "Point", "coordinates": [lon, lat, *_]}:
                plain |= {"lon": lon, "lat": lat}
            case None:
                pass
            case _:
                raise ValueError("the geometry of a station is a Point")
        return plain


class StationBody(_StationBody):
    """A whole station; what is left out gets its default."""

    model_config = ConfigDict(json_schema_extra={"example": STATION_EXAMPLE})

    kind: StationKind
    name: str
    lon: float = Field(description="Of the entrance, WGS84 degrees.")
    lat: float
    address: str = ""
    opening_hours: str | None = Field(
        None,
        description="OpenStreetMap opening_hours syntax; null where unknown.",
        examples=["Mo-Fr 08:30-18:00; PH off"],
    )
    area_m2: float | None = Field(None, description="Floor area, square metres.")
    places: int | None = Field(
        None, description="People it serves at a time: seats, or desks of a service hall."
    )
    facilities: list[Facility] = []
    status: StationStatus = "open"
    published: bool = False
    verified_on: dt.date | None = Field(
        None,
        description="When somebody was there last and found it as written.",
        examples=["2026-11-20"],
    )
    code: str | None = Field(None, description="Key in the source; null keeps or makes one.")


class StationChanges(_StationBody):
    """Some fields of a station with their new values (JSON merge patch, RFC 7396)."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "closed"}})

    kind: StationKind | None = None
    name: str | None = None
    lon: float | None = None
    lat: float | None = None
    address: str | None = None
    opening_hours: str | None = None
    area_m2: float | None = None
    places: int | None = None
    facilities: list[Facility] | None = None
    status: StationStatus | None = None
    published: bool | None = None
    verified_on: dt.date | None = None
    code: str | None = None

    @model_validator(mode="after")
    def _null_only_where_it_means_unknown(self) -> StationChanges:
        for name in self.model_fields_set - {"opening_hours", "area_m2", "places", "verified_on"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null")
        return self


class CatchmentRequest(BaseModel):
    """Where the walk begins, how long it may take, and how people walk."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": CATCHMENT_EXAMPLE})

    station_id: int | None = Field(None, description="A station; or give lon and lat.")
    lon: Longitude | None = None
    lat: Latitude | None = None
    minutes: list[Minutes] = Field([10, 15], min_length=1, max_length=8)
    profile: ProfileName | None = Field(None, description="Default: the setting default_profile.")
    waits: Waits | None = Field(None, description="Signal waits. Default: the setting waits.")
    speed_mps: float | None = Field(
        None, gt=0, le=15, allow_inf_nan=False, description="Overrides the profile's speed."
    )
    method: Literal["network", "lines"] = Field(
        "network", description="How the polygon is drawn; counts never come from it."
    )
    lines: bool = Field(False, description="Whether to add the reached streets.")

    @model_validator(mode="after")
    def _one_origin(self) -> CatchmentRequest:
        point = self.lon is not None and self.lat is not None
        half = (self.lon is None) != (self.lat is None)
        if half or point == (self.station_id is not None):
            raise ValueError("give either station_id, or lon and lat")
        return self


PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem document (RFC 9457)",
        "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
    }
}
