"""Micro-grids lie inside base grids: which one a shape belongs to, and what of it lies there."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import shapely

from data.plans.community import GridRow


def parent_of(shape: shapely.Geometry, bases: Iterable[GridRow]) -> GridRow | None:
    """Find the grid that most of a shape lies in; None where it touches none."""
    near = [b for b in bases if b.shape.intersects(shape)]
    if not near:
        return None
    shares = shapely.area([shapely.intersection(b.shape, shape) for b in near])
    return near[int(np.argmax(shares))]


def pieces_inside(
    shape: shapely.Geometry, ground: shapely.Geometry, others: Iterable[shapely.Geometry] = ()
) -> list[shapely.Polygon]:
    """Polygons of a shape that lie on some ground and in none of the others; WGS84 degrees.

    Where a drawn edge runs along that of the ground, a line may be left beside the area: only
    areas are given.
    """
    inside = shapely.intersection(shape, ground, grid_size=1e-9)
    for other in others:
        inside = shapely.difference(inside, other, grid_size=1e-9)
    return [
        piece
        for piece in shapely.get_parts(inside)
        if piece.geom_type == "Polygon" and not piece.is_empty
    ]
