"""Separation: making a catchment polygon agree with the routed time at every home.

After Baum, Bläsius, Gemsa, Rutter and Wegner, "Scalable exact visualization of isocontours in
road networks via minimum-link paths" (arXiv 1602.01777), a polygon should separate what is
reached from what is not. Theirs is drawn for the network; ours corrects a contour at the homes.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import KDTree
from shapely import MultiPolygon, Polygon

DISC_M = 3.0
"""Radius of the correction around a home where none of the other kind is near, metres."""
LANE_M = 0.5
"""Half width of the lane that joins a corrected home to its street, metres."""


def separate(
    area: MultiPolygon,
    xy: NDArray[np.float64],
    street_xy: NDArray[np.float64],
    near: NDArray[np.int64],
    reached: NDArray[np.int32],
) -> tuple[MultiPolygon, int, int]:
    """Add reached homes that the polygon misses, take out homes that it wrongly holds.

    Discs are smaller than half the distance to the nearest home of the other kind, so that no
    correction undoes another.

    Parameters
    ----------
    area : MultiPolygon
    xy : ndarray, shape (n, 2)
        All homes, metres.
    street_xy : ndarray, shape (n, 2)
        Where each joins its street.
    near : ndarray
        Homes around the polygon, rising.
    reached : ndarray
        Homes reached in time, rising; the others are not.

    Returns
    -------
    tuple of MultiPolygon, int, int
        The polygon; homes wrongly inside and wrongly outside that remain (homes that share one
        spot but not one street).
    """
    homes = np.union1d(near, reached)
    if not len(homes):
        return area, 0, 0
    timely = np.isin(homes, reached, assume_unique=True)
    at = xy[homes]
    shapely.prepare(area)
    inside = shapely.contains_xy(area, at[:, 0], at[:, 1])
    missing = timely & ~inside
    intruding = ~timely & inside
    if not missing.any() and not intruding.any():
        return area, 0, 0
    corrected: shapely.Geometry = area
    if missing.any():
        radius = _radius(at[missing], at[~timely])
        discs = shapely.buffer(shapely.points(at[missing]), radius, quad_segs=2)
        ends = np.stack([at[missing], street_xy[homes][missing] + 1e-6], axis=1)
        lanes = shapely.buffer(
            shapely.linestrings(ends), np.minimum(radius, LANE_M), quad_segs=1, cap_style="flat"
        )
        corrected = shapely.union_all([corrected, *discs, *lanes])
        shapely.prepare(corrected)
        held = shapely.contains_xy(corrected, at[:, 0], at[:, 1])
        intruding = ~timely & held
    if intruding.any():
        radius = _radius(at[intruding], at[timely])
        discs = shapely.buffer(shapely.points(at[intruding]), radius, quad_segs=2)
        corrected = shapely.difference(corrected, shapely.union_all(discs))
    parts = [
        part
        for part in shapely.get_parts(shapely.get_parts(corrected))
        if isinstance(part, Polygon) and not part.is_empty
    ]
    result = MultiPolygon(parts)
    shapely.prepare(result)
    inside = shapely.contains_xy(result, at[:, 0], at[:, 1])
    return result, int((inside & ~timely).sum()), int((~inside & timely).sum())


def _radius(of: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(others):
        return np.full(len(of), DISC_M)
    distance, _ = KDTree(others).query(of)
    return np.clip(0.45 * distance, 1e-3, DISC_M)
