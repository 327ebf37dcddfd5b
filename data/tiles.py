"""Vector tiles (MVT 2) made by PostGIS: base map, layers, coverage; same rows, same bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from data.errors import NotFoundError
from data.layers import LAYERS

MAX_ZOOM = 20
EXTENT = 4096
"""Units a tile is wide."""
BUFFER = 128
"""Units of the neighbours a tile repeats, so that wide lines and outlines join without a seam."""
BUILDINGS_FROM = 14
"""Zoom from which single buildings are drawn; below it coverage comes as squares."""
CELL_ZOOMS = 6
"""A tile below `BUILDINGS_FROM` has 2**6 squares a side: the tiles six zooms further in."""

_AREA_ZOOM = "CASE level WHEN 'district' THEN 0 WHEN 'street' THEN 9 ELSE 11 END"

_LAYER_FROM = {
    "buildings": BUILDINGS_FROM,
    "entrances": 16,
    "gates": 15,
    "compounds": 11,
    "grids": 11,
}
"""Zoom from which a layer is drawn at all; the others from 0."""

_LAYER_PROPERTIES = {
    "areas": "code, level, NULLIF(name, '') AS name",
    "compounds": "code, NULLIF(name, '') AS name, kind, walled",
    "gates": "code, NULLIF(name, '') AS name, access",
    "grids": "code, NULLIF(name, '') AS name, kind",
    "buildings": "code, NULLIF(name, '') AS name, kind, floors, households, people",
    "entrances": "code, NULLIF(unit, '') AS unit, building_id",
    "stations": "code, name, kind, status, NULLIF(address, '') AS address, opening_hours,"
    " array_to_string(facilities, ',') AS facilities",
    "patrol_points": "code, NULLIF(name, '') AS name, kind",
    "premises": "code, NULLIF(name, '') AS name, kind, area_m2, cost,"
    " array_to_string(facilities, ',') AS facilities",
}


@dataclass(frozen=True, slots=True)
class Tile:
    """Address of a tile in the WebMercatorQuad tile matrix set, y counted from the north.

    Raises
    ------
    NotFoundError
        If there is no such tile.
    """

    z: int
    x: int
    y: int

    def __post_init__(self) -> None:
        side = 1 << self.z if 0 <= self.z <= MAX_ZOOM else 0
        if not (0 <= self.x < side and 0 <= self.y < side):
            raise NotFoundError(
                f"There is no tile {self.z}/{self.x}/{self.y}.",
                remedy=f"Zoom runs from 0 to {MAX_ZOOM}; column and row from 0 to 2^zoom - 1.",
            )

    def bounds(self, *, buffer: int = 0) -> tuple[float, float, float, float]:
        """West, south, east, north in WGS84 degrees, widened by ``buffer`` units of `EXTENT`."""
        margin = buffer / EXTENT
        side = 1 << self.z
        return (
            (self.x - margin) / side * 360 - 180,
            _latitude((self.y + 1 + margin) / side),
            (self.x + 1 + margin) / side * 360 - 180,
            _latitude((self.y - margin) / side),
        )


def _latitude(share: float) -> float:
    """Latitude at ``share`` of the square world's height, from the north (EPSG Guidance 7-2)."""
    share = min(max(share, 0.0), 1.0)
    return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * share))))


def base_tile(connection: Connection, tile: Tile) -> bytes:
    """Make one tile of the base map.

    MVT layers ``water, green, rail, roads, barriers, buildings, compounds, areas, labels``, each
    with ``kind`` and ``name`` and those that are empty left out.
    """
    z = tile.z
    parts = [
        _mvt(name, _base_features(layer, z))
        for name, layer in (
            ("water", "water"),
            ("green", "green"),
            ("rail", "rail"),
            ("roads", "road"),
            ("barriers", "barrier"),
        )
    ]
    if z >= BUILDINGS_FROM:
        parts.append(
            _mvt(
                "buildings",
                f"SELECT id, {_geometry(z)} AS geom, kind, NULLIF(name, '') AS name, floors"
                " FROM buildings WHERE geom && {box}",
            )
        )
    if z >= _LAYER_FROM["compounds"]:
        parts.append(
            _mvt(
                "compounds",
                f"SELECT id, {_geometry(z)} AS geom, kind, NULLIF(name, '') AS name, walled"
                " FROM compounds WHERE geom && {box}",
            )
        )
    parts.append(
        _mvt(
            "areas",
            f"SELECT id, {_geometry(z)} AS geom, level AS kind, name FROM areas"
            f" WHERE geom && {{box}} AND {_AREA_ZOOM} <= {z}",
        )
    )
    parts.append(_mvt("labels", _labels(z)))
    return _tile(connection, tile, parts)


def layer_tile(connection: Connection, name: str, tile: Tile) -> bytes:
    """Make one tile of a layer, as an MVT layer of the same name.

    Raises
    ------
    NotFoundError
        If the layer does not exist or has no tiles of its own.
    """
    properties = _LAYER_PROPERTIES.get(name)
    if properties is None:
        raise NotFoundError(
            f"No layer with tiles is named {name!r}.",
            remedy=f"Use one of: {', '.join(_LAYER_PROPERTIES)}.",
        )
    if tile.z < _LAYER_FROM.get(name, 0):
        return b""
    geometry = _geometry(tile.z) if LAYERS[name].geometry != "Point" else _geometry(MAX_ZOOM)
    where = f" AND {_AREA_ZOOM} <= {tile.z}" if name == "areas" else ""
    return _tile(
        connection,
        tile,
        [
            _mvt(
                name,
                f"SELECT id, {geometry} AS geom, {properties} FROM {name}"
                f" WHERE geom && {{box}}{where}",
            )
        ],
    )


def coverage_tile(connection: Connection, run: int, tile: Tile) -> bytes:
    """Make one tile of a kept coverage result.

    From zoom `BUILDINGS_FROM` an MVT layer ``buildings`` with id, name, seconds, minutes, state,
    households, people, station and station_name; below it a layer ``cells`` of squares with
    buildings, households, covered_households, share (of households covered; of buildings where
    no household is known) and minutes (mean by households).

    Raises
    ------
    NotFoundError
        If no such run is kept.
    """
    kept = connection.execute(
        text("SELECT 1 FROM coverage_runs WHERE id = :run"), {"run": run}
    ).scalar_one_or_none()
    if kept is None:
        raise NotFoundError(
            f"No coverage run {run} is kept.", remedy="Ask /api/v1/coverage for a new one."
        )
    if tile.z >= BUILDINGS_FROM:
        part = _mvt(
            "buildings",
            f"SELECT b.id, {_geometry(tile.z, 'b.geom')} AS geom, NULLIF(b.name, '') AS name,"
            " b.kind, round(r.seconds)::int AS seconds,"
            " round((r.seconds / 60)::numeric, 1)::float8 AS minutes, r.state, b.households,"
            " b.people, r.station_id AS station, s.name AS station_name, r.zone"
            " FROM buildings b"
            " JOIN coverage_results r ON r.building_id = b.id AND r.run_id = :run"
            " LEFT JOIN stations s ON s.id = r.station_id"
            " WHERE b.geom && {box}",
        )
        return _tile(connection, tile, [part], run=run)
    level = tile.z + CELL_ZOOMS
    first_x, first_y = tile.x << CELL_ZOOMS, tile.y << CELL_ZOOMS
    side = 1 << CELL_ZOOMS
    part = _mvt(
        "cells",
        f"SELECT (c.y::bigint << {level}) + c.x AS id,"
        f" ST_AsMVTGeom(ST_TileEnvelope({level}, c.x, c.y), {{envelope}}, {EXTENT}, 0, true)"
        " AS geom, c.buildings, c.households, c.covered_households,"
        " round(CASE WHEN c.households > 0 THEN c.covered_households::numeric / c.households"
        " ELSE c.covered_buildings::numeric / c.buildings END, 3)::float8 AS share,"
        " round(c.minutes::numeric, 1)::float8 AS minutes"
        f" FROM coverage_cells c WHERE c.run_id = :run AND c.z = {level}"
        f" AND c.x BETWEEN {first_x} AND {first_x + side - 1}"
        f" AND c.y BETWEEN {first_y} AND {first_y + side - 1}",
    )
    return _tile(connection, tile, [part], run=run)


def _base_features(layer: str, z: int) -> str:
    # The zoom stands in the text, not in a parameter: so the planner may use the partial indexes.
    return (
        f"SELECT id, {_geometry(z)} AS geom, kind, NULLIF(name, '') AS name FROM base_features"
        f" WHERE geom && {{box}} AND layer = '{layer}' AND min_zoom <= {z}"
    )


def _labels(z: int) -> str:
    """Write the SQL of named points: places of the base map, middles of areas and compounds."""
    point = f"ST_AsMVTGeom(ST_Transform(at, 3857), {{envelope}}, {EXTENT}, 0, true) AS geom"
    places = (
        "SELECT id * 4 AS id, geom AS at, kind, name FROM base_features"
        f" WHERE geom && {{box}} AND layer = 'label' AND min_zoom <= {z}"
        " UNION ALL SELECT id * 4 + 1, ST_PointOnSurface(geom), level, name FROM areas"
        f" WHERE geom && {{box}} AND {_AREA_ZOOM} <= {z}"
    )
    if z >= BUILDINGS_FROM:
        places += (
            " UNION ALL SELECT id * 4 + 2, ST_PointOnSurface(geom), 'compound', name"
            " FROM compounds WHERE geom && {box}"
        )
    return f"SELECT id, {point}, kind, name FROM ({places}) places WHERE name <> ''"


def _geometry(z: int, column: str = "geom") -> str:
    """Write the SQL of a geometry in tile units, thinned to half a unit at the lower zooms."""
    if z < 16:
        # Before the projection, so that fewer corners are projected.
        column = f"ST_Simplify({column}, {360 / (1 << z) / EXTENT / 2:.3e}, true)"
    return f"ST_AsMVTGeom(ST_Transform({column}, 3857), {{envelope}}, {EXTENT}, {BUFFER}, true)"


def _mvt(name: str, rows: str) -> str:
    """Write the SQL of one MVT layer; the order in the aggregate makes its bytes repeatable."""
    return (
        f"(SELECT coalesce(ST_AsMVT(f, '{name}', {EXTENT}, 'geom', 'id' ORDER BY f.id), ''::bytea)"
        # Rows whose geometry fell out of the tile are NULL and left out by ST_AsMVT itself; to ask
        # for them here would make PostgreSQL compute every geometry twice.
        f" FROM ({rows}) f)"
    )


def _tile(connection: Connection, tile: Tile, parts: list[str], **values: Any) -> bytes:
    """All parts of a tile by one statement; a tile is the layers one after another."""
    west, south, east, north = tile.bounds(buffer=BUFFER)
    names = {
        # Written out rather than joined from a subquery: the planner sees how small the box is.
        "box": f"ST_MakeEnvelope({west!r}, {south!r}, {east!r}, {north!r}, 4326)",
        "envelope": f"ST_TileEnvelope({tile.z}, {tile.x}, {tile.y})",
    }
    statement = "SELECT " + " || ".join(part.format(**names) for part in parts)
    return bytes(connection.execute(text(statement), values).scalar_one())
