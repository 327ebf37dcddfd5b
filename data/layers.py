"""The layers of a city as GeoJSON: what there is, filtered lists, one feature."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson
from sqlalchemy import Connection, text

from data import models
from data.errors import NotFoundError
from geo.errors import CoordinateError

Feature = dict[str, Any]
"""A GeoJSON Feature (RFC 7946): type, id, geometry, properties."""

DECIMALS = 7
"""Decimals of a degree in coordinates that leave the service: about 1 cm."""

MAX_LIMIT = 10_000
"""Most features one page may hold."""

_IN_AREA = "t.community_id IN (SELECT id FROM inside)"
_TOUCHES_AREA = "ST_Intersects(t.geom, (SELECT geom FROM areas WHERE id = :area))"
_COMMUNITY = ("community", "(SELECT a.name FROM areas a WHERE a.id = t.community_id)")
_COMPOUND = ("compound", "(SELECT c.name FROM compounds c WHERE c.id = t.compound_id)")
_GRID = ("grid", "(SELECT g.code FROM grids g WHERE g.id = t.grid_id)")
_KEPT = ("source", "version", "updated_at")


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer as the service shows it.

    Attributes
    ----------
    name : str
        Key in addresses; the table has the same name.
    geometry : str
        GeoJSON geometry type.
    columns : tuple of str or (str, str)
        Properties in order: a column, or a name and the SQL that makes it.
    kind_column : str or None
        Column the ``kind`` filter looks at.
    kinds : tuple of str
        Its values; empty where they are free.
    in_area : str
        SQL that is true for rows inside the area ``:area``.
    title_zh, title_en : str
        What a page calls it.
    """

    name: str
    geometry: str
    columns: tuple[str | tuple[str, str], ...]
    kind_column: str | None
    kinds: tuple[str, ...]
    in_area: str
    title_zh: str
    title_en: str

    @property
    def properties(self) -> tuple[str, ...]:
        """Names of the properties a feature has."""
        return tuple(c if isinstance(c, str) else c[0] for c in self.columns)

    def select(self) -> str:
        """Write the SQL list of id, geometry and properties."""
        columns = ", ".join(
            f"t.{c}" if isinstance(c, str) else f"{c[1]} AS {c[0]}" for c in self.columns
        )
        return f"t.id, ST_AsGeoJSON(t.geom, {DECIMALS}) AS geometry, {columns}"


LAYERS: Mapping[str, Layer] = MappingProxyType(
    {
        layer.name: layer
        for layer in (
            Layer(
                "areas",
                "MultiPolygon",
                ("code", "level", "name", "parent_id", *_KEPT),
                "level",
                models.AREA_LEVELS,
                "t.id IN (SELECT id FROM inside)",
                "行政区",
                "areas",
            ),
            Layer(
                "compounds",
                "MultiPolygon",
                ("code", "name", "kind", "walled", "community_id", _COMMUNITY, *_KEPT),
                "kind",
                models.COMPOUND_KINDS,
                _IN_AREA,
                "小区",
                "compounds",
            ),
            Layer(
                "gates",
                "Point",
                ("code", "name", "access", "opening_hours", "compound_id", _COMPOUND, *_KEPT),
                "access",
                models.GATE_ACCESS,
                "t.compound_id IN (SELECT id FROM compounds"
                " WHERE community_id IN (SELECT id FROM inside))",
                "小区门",
                "gates",
            ),
            Layer(
                "grids",
                "MultiPolygon",
                ("code", "name", "kind", "community_id", _COMMUNITY, *_KEPT),
                "kind",
                models.GRID_KINDS,
                _IN_AREA,
                "网格",
                "grids",
            ),
            Layer(
                "buildings",
                "MultiPolygon",
                (
                    "code",
                    "name",
                    "address",
                    "kind",
                    "floors",
                    "floors_source",
                    "units",
                    "households",
                    "households_source",
                    "people",
                    "people_source",
                    "compound_id",
                    _COMPOUND,
                    "grid_id",
                    _GRID,
                    "community_id",
                    _COMMUNITY,
                    *_KEPT,
                ),
                "kind",
                models.BUILDING_KINDS,
                _IN_AREA,
                "楼栋",
                "buildings",
            ),
            Layer(
                "entrances",
                "Point",
                ("code", "unit", "building_id", *_KEPT),
                None,
                (),
                "t.building_id IN (SELECT id FROM buildings"
                " WHERE community_id IN (SELECT id FROM inside))",
                "单元门",
                "entrances",
            ),
            Layer(
                "stations",
                "Point",
                (
                    "code",
                    "name",
                    "kind",
                    "address",
                    "opening_hours",
                    "area_m2",
                    "places",
                    "facilities",
                    "status",
                    "published",
                    "verified_on",
                    "community_id",
                    _COMMUNITY,
                    "outside_areas",
                    *_KEPT,
                ),
                "kind",
                models.STATION_KINDS,
                _IN_AREA,
                "站点",
                "stations",
            ),
            Layer(
                "patrol_points",
                "Point",
                ("code", "kind", "name", *_KEPT),
                "kind",
                (),
                _TOUCHES_AREA,
                "巡查点",
                "patrol points",
            ),
            Layer(
                "premises",
                "Point",
                ("code", "kind", "name", "area_m2", "cost", "facilities", *_KEPT),
                "kind",
                (),
                _TOUCHES_AREA,
                "候选场所",
                "candidate sites",
            ),
            Layer(
                "base_features",
                "Geometry",
                ("source_key", "layer", "kind", "name", "min_zoom"),
                "layer",
                models.BASE_LAYERS,
                _TOUCHES_AREA,
                "底图要素",
                "base-map features",
            ),
        )
    }
)
"""Layers by name, in the order a list shows them."""


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One layer with what it holds now."""

    layer: Layer
    count: int
    bounds: tuple[float, float, float, float] | None
    """West, south, east, north in WGS84 degrees; None where the layer is empty."""


@dataclass(frozen=True, slots=True)
class FeaturePage:
    """Part of a filtered layer.

    Attributes
    ----------
    features : list of Feature
        Ordered by id.
    matched : int
        How many features the filter finds in all.
    """

    features: list[Feature]
    matched: int


def layer_named(name: str) -> Layer:
    """Find a layer by name.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    layer = LAYERS.get(name)
    if layer is None:
        raise NotFoundError(
            f"No layer is named {name!r}.", remedy=f"Use one of: {', '.join(LAYERS)}."
        )
    return layer


def list_layers(connection: Connection) -> list[LayerSummary]:
    """Every layer with its number of features and bounds."""
    parts = " UNION ALL ".join(
        f"SELECT {order} AS place, count(*) AS n, ST_Extent(geom) AS box FROM {layer.name}"
        for order, layer in enumerate(LAYERS.values())
    )
    rows = connection.execute(
        text(
            "SELECT n, ST_XMin(box), ST_YMin(box), ST_XMax(box), ST_YMax(box)"
            f" FROM ({parts}) each_layer ORDER BY place"
        )
    ).all()
    return [
        LayerSummary(layer, row[0], None if row[1] is None else (row[1], row[2], row[3], row[4]))
        for layer, row in zip(LAYERS.values(), rows, strict=True)
    ]


def list_features(
    connection: Connection,
    name: str,
    *,
    bbox: tuple[float, float, float, float] | None = None,
    area: str | None = None,
    kinds: Sequence[str] = (),
    where: Mapping[str, Any] | None = None,
    limit: int = 100,
    offset: int = 0,
) -> FeaturePage:
    """Features of a layer, ordered by id.

    Parameters
    ----------
    connection : Connection
    name : str
        Key of `LAYERS`.
    bbox : tuple of float, optional
        West, south, east, north in WGS84 degrees; features that touch it.
    area : str, optional
        Id or code of an area; features in it or in the areas it contains.
    kinds : sequence of str
        Any of these kinds (for areas: levels); empty means all.
    where : mapping, optional
        Column and the value it must have; an array column must contain the value.
    limit, offset : int
        Which part of the result; at most `MAX_LIMIT` features.

    Raises
    ------
    NotFoundError
        If the layer or the area does not exist.
    CoordinateError
        If the bbox is not one.
    """
    layer = layer_named(name)
    conditions: list[str] = []
    values: dict[str, Any] = {}
    inside = ""
    if bbox is not None:
        conditions.append(
            "ST_Intersects(t.geom, ST_MakeEnvelope(:west, :south, :east, :north, 4326))"
        )
        values |= dict(zip(("west", "south", "east", "north"), check_bbox(bbox), strict=True))
    if area is not None:
        values["area"] = area_id(connection, area)
        conditions.append(layer.in_area)
        inside = (
            "WITH RECURSIVE inside AS (SELECT id FROM areas WHERE id = :area"
            " UNION SELECT a.id FROM areas a JOIN inside ON a.parent_id = inside.id) "
        )
    if kinds:
        if layer.kind_column is None:
            return FeaturePage([], 0)
        conditions.append(f"t.{layer.kind_column} = ANY(:kinds)")
        values["kinds"] = list(kinds)
    for column, value in (where or {}).items():
        if column not in layer.properties:
            raise NotFoundError(
                f"The layer {name} has no field {column!r}.",
                remedy=f"Use one of: {', '.join(layer.properties)}.",
            )
        if column == "facilities":
            conditions.append(f"t.{column} @> CAST(:{column} AS text[])")
            values[column] = [value] if isinstance(value, str) else list(value)
        else:
            conditions.append(f"t.{column} = :{column}")
            values[column] = value
    condition = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    matched = connection.execute(
        text(f"{inside}SELECT count(*) FROM {layer.name} t{condition}"), values
    ).scalar_one()
    if limit <= 0 or offset >= matched:
        return FeaturePage([], matched)
    rows = connection.execute(
        text(
            f"{inside}SELECT {layer.select()} FROM {layer.name} t{condition}"
            " ORDER BY t.id LIMIT :limit OFFSET :offset"
        ),
        {**values, "limit": min(limit, MAX_LIMIT), "offset": offset},
    )
    return FeaturePage([_feature(layer, row) for row in rows.mappings()], matched)


def read_feature(connection: Connection, name: str, feature_id: int) -> Feature:
    """One feature of a layer.

    Raises
    ------
    NotFoundError
        If the layer or the feature does not exist.
    """
    layer = layer_named(name)
    row = (
        connection.execute(
            text(f"SELECT {layer.select()} FROM {layer.name} t WHERE t.id = :id"),
            {"id": feature_id},
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotFoundError(
            f"The layer {name} has no feature {feature_id}.",
            remedy=f"List the layer to see what it holds; a deleted row is kept in the history "
            f"of {name} {feature_id}.",
        )
    return _feature(layer, row)


def area_id(connection: Connection, area: str) -> int:
    """Id of the area named by its id or its code.

    A code that looks like a number wins over an id, as codes of areas are what planners write.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    found = connection.execute(
        text(
            "SELECT id FROM areas WHERE code = :area OR id = :id"
            " ORDER BY (code = :area) DESC LIMIT 1"
        ),
        {
            "area": area,
            "id": int(area) if area.isascii() and area.isdigit() and len(area) < 19 else -1,
        },
    ).scalar_one_or_none()
    if found is None:
        raise NotFoundError(
            f"No area has the id or code {area!r}.", remedy="List the layer areas to see them."
        )
    return int(found)


def check_bbox(
    bbox: tuple[float, float, float, float],
) -> tuple[float, float, float, float]:
    """Return the bbox if it is one.

    Raises
    ------
    CoordinateError
        If a value is not a number of degrees or the corners are the wrong way round.
    """
    west, south, east, north = bbox
    if not all(math.isfinite(value) for value in bbox):
        raise CoordinateError("A bbox holds four numbers: west,south,east,north in degrees.")
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise CoordinateError(
            f"The bbox {west:g},{south:g},{east:g},{north:g} is not west,south,east,north"
            " in degrees of WGS84.",
            remedy="Give the smaller longitude and latitude first: 118.0,36.9,118.1,37.0.",
        )
    return bbox


def _feature(layer: Layer, row: Mapping[Any, Any]) -> Feature:
    return {
        "type": "Feature",
        "id": row["id"],
        "geometry": orjson.loads(row["geometry"]),
        "properties": {name: row[name] for name in layer.properties},
    }
