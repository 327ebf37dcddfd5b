"""Vertices that came into an edge, taken over by the neighbour that has the same edge."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.rings import edges_of, inserted, rings_mapped

Point = tuple[float, float]

_TOUCH = 2.0
"""A rounded vertex lies at most this far beside the edge it was put into, units."""


class SharedEdges:
    """Edges of changed grids, to find the vertices that came into an edge of a neighbour."""

    def __init__(self, shapes: Iterable[shapely.Polygon]) -> None:
        every = list(shapes)
        array = np.empty(len(every), object)
        array[:] = every
        edges, _ = edges_of(array)
        self._next: dict[Point, list[Point]] = defaultdict(list)
        self._edges = {tuple(edge) for edge in edges.tolist()}
        for x0, y0, x1, y1 in self._edges:
            self._next[x0, y0].append((x1, y1))

    def taken_over(self, shape: shapely.Geometry, *, reverse: bool) -> shapely.Geometry | None:
        """Give the shape with the new vertices; None where there are none.

        ``reverse`` says whether the changed grids run along the shape's edges the other way.
        """
        found: dict[tuple[float, ...], list[NDArray[np.float64]]] = {}
        for edge in edges_of(np.array([shape], object))[0].tolist():
            x0, y0, x1, y1 = edge
            start, end = ((x1, y1), (x0, y0)) if reverse else ((x0, y0), (x1, y1))
            if start not in self._next or end not in self._next or (*start, *end) in self._edges:
                continue
            path = self._path(start, end)
            if path:
                found[tuple(edge)] = [np.array(p) for p in (path[::-1] if reverse else path)]
        if not found:
            return None
        # `_edges` runs counter-clockwise; the rings of a shape may not.
        both = dict(found)
        for (x0, y0, x1, y1), points in found.items():
            both[x1, y1, x0, y0] = points[::-1]
        return rings_mapped(shape, lambda xy: inserted(xy, both))

    def _path(self, start: Point, end: Point) -> list[Point]:
        """Follow edges that lie on the straight line from start to end; empty if they do not."""
        dx, dy = end[0] - start[0], end[1] - start[1]
        length = math.hypot(dx, dy)
        path: list[Point] = []
        here, gone = start, 0.0
        while True:
            for there in self._next.get(here, ()):
                if there == end:
                    return path
                px, py = there[0] - start[0], there[1] - start[1]
                along = (px * dx + py * dy) / length
                if gone < along < length and abs(px * dy - py * dx) / length <= _TOUCH:
                    path.append(there)
                    here, gone = there, along
                    break
            else:
                return []
