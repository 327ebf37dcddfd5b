"""Separation: making a catchment polygon agree with the routed time at every home.

After Baum, Bläsius, Gemsa, Rutter and Wegner, "Scalable exact visualization of isocontours in
road networks via minimum-link paths" (arXiv 1602.01777), a polygon should separate what is
reached from what is not. Theirs is drawn for the network; ours corrects a contour at the homes.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from geo.kernels import kernel

DISC_M = 0.3
"""Radius of the correction around a home where none of the other kind is near, metres."""
LEAST_M = 1e-3
"""Radius of the least correction, metres."""


def separate(
    area: MultiPolygon,
    at: NDArray[np.float64],
    timely: NDArray[np.bool_],
    *,
    station_xy: NDArray[np.float64],
    walls: shapely.STRtree | None = None,
) -> tuple[MultiPolygon, int, int]:
    """Add reached homes that the polygon misses, take out homes that it wrongly holds.

    Every home has a disc: that of a reached home is added, that of another is taken out. A disc
    is smaller than half the distance to the nearest home of the other kind, so that no correction
    undoes another. With more time discs of reached homes only grow and those of the others only
    shrink or go: polygons nest. Discs that lie wholly on their side change nothing and are not
    drawn.

    Parameters
    ----------
    area : MultiPolygon
    at : ndarray, shape (n, 2)
        Homes in and around the polygon and all reached ones, metres, from west to east.
    timely : ndarray, shape (n,), bool
        Which of them are reached in time.
    station_xy : ndarray, shape (2,)
        Stays inside.
    walls : STRtree, optional
        Barriers, which what is added does not cross.

    Returns
    -------
    tuple of MultiPolygon, int, int
        The polygon; homes wrongly inside and wrongly outside that remain (homes that share one
        spot but not one street, or the station's spot but not its time).
    """
    if not len(at):
        return area, 0, 0
    inside, by_outline = _sides(at, area)
    added = timely & (~inside | by_outline)
    at_station = np.hypot(*(at - station_xy).T) < 2 * LEAST_M
    removed = ~timely & (inside | by_outline) & ~at_station
    if not added.any() and not removed.any():
        return area, int((inside & ~timely).sum()), 0
    corrected: shapely.Geometry = area
    if added.any():
        discs = _discs(at[added], at[~timely])
        if walls is not None:
            discs = _before_walls(discs, at[added], walls)
        corrected = shapely.union(corrected, shapely.union_all(discs))
    if removed.any():
        discs = _discs(at[removed], np.concatenate([at[timely], station_xy[None, :]]))
        corrected = shapely.difference(corrected, shapely.union_all(discs))
    parts = [
        part
        for part in shapely.get_parts(shapely.get_parts(corrected))
        if isinstance(part, Polygon) and not part.is_empty
    ]
    result = MultiPolygon(parts)
    shapely.prepare(result)
    # Elsewhere nothing has changed: no disc reaches a home of the other kind.
    touched = by_outline | (inside != timely)
    inside[touched] = shapely.contains_xy(result, at[touched, 0], at[touched, 1])
    return result, int((inside & ~timely).sum()), int((~inside & timely).sum())


def _discs(of: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.object_]:
    """Discs around homes, none as wide as half the way to the nearest of the others."""
    radius = np.clip(0.45 * _to_nearest(of, others), LEAST_M, DISC_M)
    return shapely.buffer(shapely.points(of), radius, quad_segs=2)


@kernel
def _to_nearest(of, others):  # type: ignore[no-untyped-def]
    """Distance from each of a few points to the nearest of many; infinite where there is none."""
    nearest = np.full(len(of), np.inf)
    for i in range(len(of)):
        for k in range(len(others)):
            dx, dy = of[i, 0] - others[k, 0], of[i, 1] - others[k, 1]
            nearest[i] = min(nearest[i], dx * dx + dy * dy)
    return np.sqrt(nearest)


def _before_walls(
    shapes: NDArray[np.object_], at: NDArray[np.float64], walls: shapely.STRtree
) -> NDArray[np.object_]:
    """Of each shape the part around its home that no wall cuts off."""
    shape, wall = walls.query(shapes, predicate="intersects")
    for i in np.unique(shape):
        slit = shapely.union_all(walls.geometries[wall[shape == i]]).buffer(
            0.02, cap_style="flat", quad_segs=1
        )
        parts = shapely.get_parts(shapely.difference(shapes[i], slit))
        held = shapely.contains_xy(parts, at[i, 0], at[i, 1])
        # A home on the wall itself has no side: a dot of its own.
        shapes[i] = (
            parts[held][0] if held.any() else shapely.Point(at[i]).buffer(LEAST_M, quad_segs=2)
        )
    return shapes


def _sides(
    at: NDArray[np.float64], area: MultiPolygon
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Points inside an area, and points at most a disc's radius from its outline.

    ``at`` runs from west to east. On the outline itself either side may be said.
    """
    xy, ring = shapely.get_coordinates(
        shapely.get_rings(shapely.get_parts(area)), return_index=True
    )
    return _mark_sides(at, xy, ring, DISC_M)


@kernel
def _mark_sides(at, xy, ring, radius):  # type: ignore[no-untyped-def]
    """Count for each point the pieces of the rings above it, and mark where one is near."""
    inside = np.zeros(len(at), np.bool_)
    near = np.zeros(len(at), np.bool_)
    for s in range(len(xy) - 1):
        if ring[s] != ring[s + 1]:
            continue
        ax, ay, bx, by = xy[s, 0], xy[s, 1], xy[s + 1, 0], xy[s + 1, 1]
        low, high = 0, len(at)
        west, east = min(ax, bx), max(ax, bx)
        while low < high:
            middle = (low + high) // 2
            if at[middle, 0] < west - radius:
                low = middle + 1
            else:
                high = middle
        south, north = min(ay, by) - radius, max(ay, by) + radius
        dx, dy = bx - ax, by - ay
        length2 = dx * dx + dy * dy
        while low < len(at) and at[low, 0] <= east + radius:
            x, y = at[low, 0], at[low, 1]
            if (ax > x) != (bx > x) and y < ay + (x - ax) * dy / dx:
                inside[low] = not inside[low]
            if not near[low] and south <= y <= north:
                px, py = x - ax, y - ay
                t = 0.0
                if length2 > 0:
                    t = min(1.0, max(0.0, (px * dx + py * dy) / length2))
                px, py = px - t * dx, py - t * dy
                near[low] = px * px + py * py <= radius * radius
            low += 1
    return inside, near
