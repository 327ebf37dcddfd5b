"""Rings of polygons: their edges, and polygons made anew from rings that were changed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import numpy as np
import shapely
from numpy.typing import NDArray

Geometries = NDArray[np.object_]


def edges_of(shapes: Geometries) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Directed edges (x0, y0, x1, y1) of polygons, interior on the left, and whose they are."""
    polygons, part_of = shapely.get_parts(shapes, return_index=True)
    polygons = shapely.orient_polygons(polygons)
    rings, ring_of = shapely.get_rings(polygons, return_index=True)
    xy, of_ring = shapely.get_coordinates(rings, return_index=True)
    same = of_ring[1:] == of_ring[:-1]
    edges = np.hstack((xy[:-1], xy[1:]))[same]
    owner = part_of[ring_of[of_ring[:-1][same]]]
    return edges, owner


def has_vertex(shape: shapely.Geometry, vertex: NDArray[np.float64]) -> bool:
    """Whether a vertex is one of the shape's."""
    return bool((shapely.get_coordinates(shape) == vertex).all(axis=1).any())


def rings_mapped(
    shape: shapely.Geometry, change: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> shapely.Geometry:
    """Rebuild a polygon or multipolygon from its rings, each through ``change``."""
    polygons = []
    for polygon in shapely.get_parts(shape):
        shell, *holes = (
            change(shapely.get_coordinates(ring)) for ring in shapely.get_rings(polygon)
        )
        polygons.append(shapely.Polygon(shell, holes))
    return polygons[0] if shape.geom_type == "Polygon" else shapely.MultiPolygon(polygons)


def inserted(
    ring: NDArray[np.float64], found: Mapping[tuple[float, ...], list[NDArray[np.float64]]]
) -> NDArray[np.float64]:
    """Put points into edges of a ring; ``found`` has them by edge (x0, y0, x1, y1), in order."""
    rows = ring.tolist()
    result = [rows[0]]
    for before, after in itertools.pairwise(rows):
        result.extend(p.tolist() for p in found.get((*before, *after), ()))
        result.append(after)
    return np.array(result)


def without_repeats(shape: shapely.Polygon) -> shapely.Polygon:
    """Leave out vertices that repeat the one before."""

    def shorter(ring: NDArray[np.float64]) -> NDArray[np.float64]:
        kept = np.ones(len(ring), bool)
        kept[1:] = (ring[1:] != ring[:-1]).any(axis=1)
        ring = ring[kept]
        return ring if len(ring) >= 4 else np.vstack((ring, ring[:1], ring[:1], ring[:1]))[:4]

    return rings_mapped(shape, shorter)
