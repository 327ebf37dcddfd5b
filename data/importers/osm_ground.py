"""Residential ground: where private ways and gates stay open to those who live there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.crs import project, projected_crs

GATE_REACH_M = 10.0
"""How far from a compound's outline its gate may be mapped: on the road in front of it."""


class ResidentialGround:
    """Polygons of ``landuse=residential``, looked up only when something private turns up.

    Parameters
    ----------
    load : callable
        Gives the polygons (EPSG:4326), in a fixed order, when first needed.
    """

    def __init__(self, load: Callable[[], NDArray[np.object_]]) -> None:
        self._load = load
        self._polygons: NDArray[np.object_] | None = None
        self._tree: shapely.STRtree | None = None

    @property
    def polygons(self) -> NDArray[np.object_]:
        """The polygons, EPSG:4326."""
        if self._polygons is None:
            self._polygons = self._load()
        return self._polygons

    def covers(self, lonlat: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which points (n, 2) lie on residential ground; NaN lies nowhere."""
        inside = np.zeros(len(lonlat), bool)
        if len(self.polygons):
            if self._tree is None:
                shapely.prepare(self.polygons)
                self._tree = shapely.STRtree(self.polygons)
            known = np.flatnonzero(~np.isnan(lonlat[:, 0]))
            hits = self._tree.query(shapely.points(lonlat[known]), predicate="intersects")
            inside[known[hits[0]]] = True
        return inside

    def at_gate(self, lonlat: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which points (n, 2) lie on residential ground or within `GATE_REACH_M` of it."""
        return self.covers(lonlat) | (nearest_outline(self.polygons, lonlat, GATE_REACH_M) >= 0)


def nearest_outline(
    shapes: NDArray[np.object_], lonlat: NDArray[np.float64], reach_m: float
) -> NDArray[np.int64]:
    """Find the outline or line nearest to each point; -1 where none is in reach.

    Parameters
    ----------
    shapes : ndarray of Polygon, MultiPolygon or LineString
        EPSG:4326.
    lonlat : ndarray, shape (n, 2)
        WGS84 degrees.
    reach_m : float
        Metres.
    """
    nearest = np.full(len(lonlat), -1)
    if not len(shapes) or not len(lonlat):
        return nearest
    crs = projected_crs((*lonlat.min(axis=0), *lonlat.max(axis=0))).to_string()
    areas = shapely.get_dimensions(shapes) == 2
    outlines = np.where(areas, shapely.boundary(shapes), shapes)
    outlines = shapely.transform(outlines, lambda xy: project(xy, crs))
    points = shapely.points(project(lonlat, crs))
    rows, found = shapely.STRtree(outlines).query_nearest(
        points, max_distance=reach_m, all_matches=True
    )
    # Ties go to the lower row, whatever order the tree gives them in.
    order = np.lexsort((found, rows))
    rows, found = rows[order], found[order]
    once = np.append(True, rows[1:] != rows[:-1]) if len(rows) else np.empty(0, bool)
    nearest[rows[once]] = found[once]
    return nearest
