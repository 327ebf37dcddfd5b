"""The proof that polygons are a partition: every edge inside has its opposite.

The directed edges of all polygons, minus those of the outline, must cancel to nothing: then the
winding numbers of the polygons sum to that of the outline at every point of the plane, and there is
neither gap nor overlap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import shapely

from geo.billionths import UNITS
from geo.rings import edges_of

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Flaw:
    """One place where grids are no partition.

    Attributes
    ----------
    rule : str
        ``polygon`` (empty, not one piece, or crossing itself) or ``edge`` (one that has no
        opposite: an overlap or a gap begins there).
    ids : tuple of int
        The grids there.
    at : tuple of float
        Longitude, latitude.
    """

    rule: str
    ids: tuple[int, ...]
    at: Point


def flaws_of(
    shapes: Mapping[int, shapely.Geometry],
    outline: shapely.Geometry,
    *,
    only: set[int] | None = None,
) -> list[Flaw]:
    """Say where polygons, by id (positive), are no partition of an outline; in units.

    Polygons that are not in ``only`` are taken to be valid.
    """
    found = []
    for grid, shape in shapes.items():
        if only is not None and grid not in only:
            continue
        if shape.geom_type != "Polygon" or shape.is_empty or not shapely.is_valid(shape):
            found.append(Flaw("polygon", (grid,), _invalid_at(shape, outline)))
    if found:
        return found
    ids = np.array([*shapes, 0], np.int64)
    all_shapes = np.empty(len(ids), object)
    all_shapes[:] = [*shapes.values(), outline]
    edges, owner = edges_of(all_shapes)
    sign = np.where(owner == len(ids) - 1, -1, 1)
    swap = (edges[:, 0] > edges[:, 2]) | (
        (edges[:, 0] == edges[:, 2]) & (edges[:, 1] > edges[:, 3])
    )
    edges[swap] = edges[swap][:, [2, 3, 0, 1]]
    sign[swap] *= -1
    key, group = np.unique(edges, axis=0, return_inverse=True)
    group = group.ravel()
    total = np.bincount(group, sign, len(key))
    for bad in np.flatnonzero(total):
        grids = sorted({int(ids[o]) for o in owner[group == bad]} - {0})
        x, y = (key[bad, :2] + key[bad, 2:]) / 2 / UNITS
        found.append(Flaw("edge", tuple(grids), (float(x), float(y))))
    return found


def place_in(shape: shapely.Geometry, outline: shapely.Geometry) -> Point:
    """Longitude and latitude of a point in a shape, or in the outline where it is empty."""
    middle = shapely.point_on_surface(shape)
    if shapely.is_empty(middle):
        middle = shapely.point_on_surface(outline)
    return shapely.get_x(middle) / UNITS, shapely.get_y(middle) / UNITS


def _invalid_at(shape: shapely.Geometry, outline: shapely.Geometry) -> Point:
    reason = shapely.is_valid_reason(shape)
    inside = reason[reason.find("[") + 1 : reason.find("]")] if "[" in reason else ""
    try:
        x, y = (float(part) for part in inside.split())
    except ValueError:
        return place_in(shape, outline)
    return x / UNITS, y / UNITS
