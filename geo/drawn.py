"""What a planner draws, led onto the vertices and edges it is meant to lie on.

Everything is in whole billionths of a degree (`geo.billionths`).
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.billionths import M_PER_DEGREE, UNITS
from geo.errors import PartitionError
from geo.rings import rings_mapped

SNAP_M = 0.3
"""What is drawn this near to an existing vertex or edge is meant to lie on it, metres."""
REACH_M = 3.0
"""A drawn line that ends this near before the boundary is meant to reach it, metres."""

Geometries = NDArray[np.object_]


def in_units(metres: float) -> float:
    """Metres of latitude in billionths of a degree."""
    return metres / M_PER_DEGREE * UNITS


def drawn_line(
    line: shapely.Geometry, grids: Geometries, *, reach: bool = False
) -> shapely.Geometry:
    """Lead a drawn line onto vertices and edges of grids that it all but touches.

    Parameters
    ----------
    line : LineString or MultiLineString
    grids : ndarray of Polygon
    reach : bool
        Lead ends up to `REACH_M` before a boundary onto it, too.

    Raises
    ------
    PartitionError
        If the line has no length.
    """
    cut = line
    if shapely.is_empty(cut) or shapely.length(cut) == 0:
        raise PartitionError(
            "The line has no length.",
            remedy="Draw two points or more.",
            zh=("这条线没有长度。", "请至少画两个点。"),
        )
    borders = shapely.union_all(shapely.boundary(grids))
    near = in_units(SNAP_M)
    cut = shapely.snap(cut, shapely.multipoints(shapely.get_coordinates(borders)), near)

    def onto(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        points = shapely.points(coordinates)
        away = shapely.distance(points, borders)
        close = np.flatnonzero((away > 0) & (away <= near))
        feet = shapely.shortest_line(points[close], borders)
        result = coordinates.copy()
        if len(close):
            result[close] = np.rint(shapely.get_coordinates(shapely.get_point(feet, -1)))
        return result

    cut = shapely.transform(cut, onto)
    if reach:
        parts = [_led_on(part, borders) for part in shapely.get_parts(cut)]
        cut = parts[0] if len(parts) == 1 else shapely.multilinestrings(parts)
    return cut


def drawn_patch(patch: shapely.Geometry, grids: Geometries) -> shapely.Geometry:
    """Lead the rings of a patch onto vertices and edges that they all but touch."""

    def led(ring: NDArray[np.float64]) -> NDArray[np.float64]:
        return shapely.get_coordinates(drawn_line(shapely.linestrings(ring), grids))

    shape = shapely.make_valid(rings_mapped(patch, led))
    polygons = [
        p
        for part in shapely.get_parts(shape)
        for p in shapely.get_parts(part)
        if p.geom_type == "Polygon"
    ]
    return shapely.multipolygons(polygons)


def _led_on(line: shapely.LineString, borders: shapely.Geometry) -> shapely.LineString:
    xy = shapely.get_coordinates(line)
    far = in_units(REACH_M)
    for end in (0, -1):
        point = shapely.Point(xy[end])
        away = shapely.distance(point, borders)
        if 0 < away <= far:
            foot = shapely.get_coordinates(shapely.shortest_line(point, borders))[-1:]
            foot = np.rint(foot)
            xy = np.vstack((foot, xy)) if end == 0 else np.vstack((xy, foot))
    return shapely.linestrings(xy)
