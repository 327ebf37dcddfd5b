"""Faces: what polygons of a partition fall into when lines are drawn over them."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

_HAIR = 4.0
"""Faces narrower than this come of rounding, units."""

Geometries = NDArray[np.object_]


def faces_within(lines: Geometries, within: shapely.Geometry) -> Geometries:
    """Cut an area along lines; gives the faces."""
    noded = shapely.union_all(lines, grid_size=1)
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(noded)))
    faces = np.asarray(faces[shapely.intersects(within, shapely.point_on_surface(faces))])
    return _without_hairs(faces, np.zeros(len(faces), np.int64))[0]


def faces_of(shapes: Geometries, cut: shapely.Geometry) -> tuple[Geometries, NDArray[np.int64]]:
    """Cut polygons of a partition along lines; gives faces and the index of the polygon of each.

    Coordinates are whole numbers, before and after.
    """
    noded = shapely.union_all(np.array([*shapely.boundary(shapes), cut]), grid_size=1)
    faces = np.asarray(shapely.get_parts(shapely.polygonize(shapely.get_parts(noded))))
    middles = shapely.point_on_surface(faces)
    face, owner = shapely.STRtree(shapes).query(middles, predicate="intersects")
    order = np.lexsort((owner, face))
    face, owner = face[order], owner[order]
    # Of a face a hair wide the rounded middle may lie on the boundary of a grid beside it.
    inside = shapely.contains_properly(shapes[owner], middles[face])
    for n in np.flatnonzero(~inside):
        common = shapely.intersection(faces[face[n]], shapes[owner[n]])
        inside[n] = 2 * shapely.area(common) > shapely.area(faces[face[n]])
    face, owner = face[inside], owner[inside]
    kept, first = np.unique(face, return_index=True)
    return _without_hairs(faces[kept], owner[first])


def largest_faces(faces: Geometries, count: int) -> Geometries:
    """Join the small faces with the neighbour they share the longest edge with."""
    shapes = list(faces)
    while len(shapes) > count:
        shapes.sort(key=shapely.area)
        small = shapes.pop(0)
        common = [shapely.length(shapely.intersection(small.boundary, s.boundary)) for s in shapes]
        best = int(np.argmax(common))
        shapes[best] = shapely.coverage_union_all([shapes[best], small])
    result = np.empty(len(shapes), object)
    result[:] = shapes
    return result


def _without_hairs(
    faces: Geometries, owner: NDArray[np.int64]
) -> tuple[Geometries, NDArray[np.int64]]:
    """Join faces a hair wide with the face of the same grid they share the longest edge with.

    A line that was led onto a boundary runs a rounding beside it; what lies between the two is
    nobody's intention, and would be a loose piece of a grid.
    """
    around = np.maximum(shapely.length(faces), 1.0)
    width = 2 * shapely.area(faces) / around
    shapes, owners = list(faces), owner.tolist()
    for n in np.argsort(width)[: int((width < _HAIR).sum())].tolist():
        hair, shapes[n] = shapes[n], None
        same = [
            m for m, s in enumerate(shapes) if s is not None and owners[m] == owners[n] and m != n
        ]
        common = [shapely.length(shapely.intersection(hair.boundary, shapes[m])) for m in same]
        best = same[int(np.argmax(common))] if same else -1
        union = shapely.coverage_union_all([shapes[best], hair]) if same else None
        if union is None or max(common) == 0 or union.geom_type != "Polygon":
            shapes[n] = hair
        else:
            shapes[best] = union
    left = [m for m, s in enumerate(shapes) if s is not None]
    result = np.empty(len(left), object)
    result[:] = [shapes[m] for m in left]
    return result, owner[left]
