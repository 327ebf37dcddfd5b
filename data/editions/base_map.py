"""A light base map packed into an edition: streets, water, green, names, a few dozen kilobytes.

Lines are delta-coded integers as text (the encoded polyline algorithm with five decimals, about a
metre), so that a phone on a slow line has the whole map with the page, and without a line too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from geo.crs import project, projected_crs, unproject

MARGIN_M = 700.0
"""How far the map reaches beyond the outermost stations."""
WIDE, TALL = 1.8, 1.3
"""Width in heights and height in widths that the map has at least."""
NEAR_M = 500.0
"""Within this distance of a station every street is drawn; beyond it only main ones."""
BUDGET_BYTES = 90_000
"""Most bytes of lines and areas; the least important go first."""

SETTLEMENTS = ("city", "town", "district", "borough", "suburb", "street", "village")
"""Labels that are read from far away; parks and schools from near."""
MAIN = ("motorway", "trunk", "primary", "secondary", "tertiary")
_MAIN_LINKS = tuple(f"{kind}_link" for kind in MAIN)
_TOLERANCE_M = {"water": 8.0, "green": 10.0, "rail": 8.0, "main": 5.0, "minor": 4.0}
_LEAST_AREA_M2 = {"water": 1500.0, "green": 4000.0}


def pack_base_map(connection: Connection, lonlat: NDArray[np.float64]) -> dict[str, Any]:
    """Pack the surroundings of some stations.

    Parameters
    ----------
    connection : Connection
    lonlat : ndarray, shape (n, 2)
        Stations, WGS84 degrees.

    Returns
    -------
    dict
        ``bounds`` (west, south, east, north of the stations with a margin), ``water`` and
        ``green`` (polygons: lists of encoded rings), ``rail``, ``main`` and ``minor`` (encoded
        lines), ``names`` (street and place names: lon, lat, text, rank).
    """
    if not len(lonlat):
        return {"bounds": None, "names": [], **{name: [] for name in _TOLERANCE_M}}
    crs = projected_crs([*lonlat.min(axis=0), *lonlat.max(axis=0)]).to_string()
    xy = project(lonlat, crs)
    middle = (xy.min(axis=0) + xy.max(axis=0)) / 2
    half = (xy.max(axis=0) - xy.min(axis=0)) / 2 + MARGIN_M
    # A phone held upright and a poster's frame show more on one side than the stations need.
    half = np.maximum(half, [half[1] * WIDE, half[0] * TALL])
    (west, south), (east, north) = middle - half, middle + half
    corners = unproject(np.array([[west, south], [west, north], [east, south], [east, north]]), crs)
    bounds = [*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()]
    near = shapely.union_all(shapely.buffer(shapely.points(xy), NEAR_M))
    frame = shapely.box(west, south, east, north)
    rows = connection.execute(
        text(
            "SELECT layer, kind, name, ST_AsBinary(geom) AS geom FROM base_features"
            " WHERE geom && ST_MakeEnvelope(:west, :south, :east, :north, 4326)"
            " AND layer IN ('road', 'water', 'green', 'rail', 'label') ORDER BY id"
        ),
        dict(zip(("west", "south", "east", "north"), bounds, strict=True)),
    ).all()
    shapes = _projected([bytes(row.geom) for row in rows], crs)
    groups: dict[str, list[shapely.Geometry]] = {name: [] for name in _TOLERANCE_M}
    named: dict[tuple[str, str], list[shapely.Geometry]] = {}
    places: list[list[Any]] = []
    for row, shape in zip(rows, shapes, strict=True):
        group = _group(row.layer, row.kind)
        if group == "label":
            if row.name and frame.contains(shape):
                places.append([shape, row.name, 0 if row.kind in SETTLEMENTS else 2])
            continue
        if group == "minor":
            shape = shapely.intersection(shape, near)  # noqa: PLW2901
        if not shapely.is_empty(shape):
            groups[group].append(shape)
            if row.name and group in {"main", "minor"}:
                named.setdefault((group, row.name), []).append(shape)
    packed: dict[str, Any] = {"bounds": [round(v, 6) for v in bounds]}
    spent = 0
    for group, tolerance_m in _TOLERANCE_M.items():
        parts = _simplified(groups[group], frame, tolerance_m, polygons=group in _LEAST_AREA_M2)
        coded: list[Any] = []
        for part in parts:
            code = _coded(part, crs)
            size = len(code) if isinstance(code, str) else sum(map(len, code))
            if spent + size > BUDGET_BYTES:
                break
            spent += size
            coded.append(code)
        packed[group] = coded
    packed["names"] = _names(named, places, crs)
    return packed


def _group(layer: str, kind: str) -> str:
    if layer != "road":
        return layer
    return "main" if kind in MAIN or kind in _MAIN_LINKS else "minor"


def _projected(blobs: list[bytes], crs: str) -> NDArray[np.object_]:
    shapes = shapely.from_wkb(np.array(blobs, dtype=object))
    return np.atleast_1d(shapely.transform(shapes, lambda lonlat: project(lonlat, crs)))


def _simplified(
    shapes: list[shapely.Geometry], frame: shapely.Geometry, tolerance_m: float, *, polygons: bool
) -> list[shapely.Geometry]:
    """Clip, join, thin; the largest first, so that a budget cuts the least important."""
    if not shapes:
        return []
    array = np.array(shapes, dtype=object)
    if polygons:
        merged = shapely.union_all(shapely.make_valid(array), grid_size=0.5)
        parts = shapely.get_parts(shapely.intersection(merged, frame))
        parts = parts[shapely.area(parts) >= 1500.0]
        parts = shapely.simplify(parts, tolerance_m)
        order = np.argsort(-shapely.area(parts), kind="stable")
        keep = shapely.get_type_id(parts) == 3
    else:
        lines = shapely.line_merge(shapely.union_all(shapely.intersection(array, frame)))
        parts = shapely.simplify(shapely.get_parts(lines), tolerance_m)
        order = np.argsort(-shapely.length(parts), kind="stable")
        keep = (shapely.get_type_id(parts) == 1) & (shapely.length(parts) > tolerance_m)
    return [part for part, good in zip(parts[order], keep[order], strict=True) if good]


def _coded(part: shapely.Geometry, crs: str) -> str | list[str]:
    if shapely.get_type_id(part) == 3:
        rings = [part.exterior, *(r for r in part.interiors if shapely.Polygon(r).area > 1500)]
        return [encode(unproject(shapely.get_coordinates(ring), crs)) for ring in rings]
    return encode(unproject(shapely.get_coordinates(part), crs))


def _names(
    named: dict[tuple[str, str], list[shapely.Geometry]], places: list[list[Any]], crs: str
) -> list[list[Any]]:
    """Names with a place each: settlements, then streets by length; at most 160."""
    streets = []
    for (group, name), shapes in named.items():
        line = max(shapes, key=shapely.length)
        length = sum(shapely.length(shape) for shape in shapes)
        streets.append(
            (
                group != "main",
                -length,
                name,
                shapely.line_interpolate_point(
                    max(shapely.get_parts(line), key=shapely.length), 0.5, normalized=True
                ),
            )
        )
    streets.sort(key=lambda entry: entry[:3])
    chosen = [(shape, name, rank) for shape, name, rank in places if rank == 0][:40]
    chosen += [(point, name, 1) for minor, _, name, point in streets[:140] if not minor]
    chosen += [(shape, name, rank) for shape, name, rank in places if rank == 2][:60]
    chosen += [(point, name, 2) for minor, _, name, point in streets[:140] if minor]
    if not chosen:
        return []
    points = shapely.get_coordinates(shapely.centroid([shape for shape, _, _ in chosen]))
    lonlat = unproject(points, crs).round(5).tolist()
    return [[*at, name, rank] for at, (_, name, rank) in zip(lonlat, chosen, strict=True)]


def encode(lonlat: NDArray[np.float64]) -> str:
    """Write a line as text: the encoded polyline algorithm, five decimals, latitude first.

    Parameters
    ----------
    lonlat : ndarray, shape (n, 2)
        Degrees.
    """
    steps = np.round(np.asarray(lonlat)[:, ::-1] * 1e5).astype(np.int64)
    deltas = np.diff(steps, axis=0, prepend=np.zeros((1, 2), np.int64))
    zigzag = np.where(deltas < 0, ~(deltas << 1), deltas << 1).ravel().tolist()
    letters = []
    for number in zigzag:
        while number >= 0x20:
            letters.append(chr((0x20 | (number & 0x1F)) + 63))
            number >>= 5  # noqa: PLW2901
        letters.append(chr(number + 63))
    return "".join(letters)


def decode(words: str) -> NDArray[np.float64]:
    """Read a line that `encode` wrote: longitude and latitude, shape (n, 2)."""
    numbers, value, shift = [], 0, 0
    for letter in words:
        bits = ord(letter) - 63
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits < 0x20:
            numbers.append(~(value >> 1) if value & 1 else value >> 1)
            value, shift = 0, 0
    steps = np.array(numbers, dtype=np.int64).reshape(-1, 2)
    return np.cumsum(steps, axis=0)[:, ::-1] / 1e5
