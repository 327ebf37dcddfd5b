"""Openings: gates through a barrier, and the piece of street that would lead through them."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.links import feet_grid
from geo.network import WalkNetwork
from geo.segments import SegmentGrid, segments_in
from geo.snapping import Barriers

WALL_WITHIN_M = 40.0
"""How far a chosen place may lie from the barrier it means, metres."""
STREET_WITHIN_M = 60.0
"""How far a street may lie from a gate for a path to join them, metres. Our reading."""
_STEP_M = 0.5


def gate_in_wall(
    barriers: Barriers, xy: NDArray[np.float64], *, walls: SegmentGrid | None = None
) -> NDArray[np.float64] | None:
    """The place on the nearest barrier, and the direction across it.

    Parameters
    ----------
    barriers : Barriers
    xy : ndarray, shape (2,)
        Metres.
    walls : SegmentGrid, optional
        The barriers by cell (`Snapper.walls`); with it only those near the place are looked at.

    Returns
    -------
    ndarray, shape (2, 2), or None
        The place and the unit vector across the barrier; None where no barrier is near.
    """
    near = _walls_near(barriers, xy, WALL_WITHIN_M, walls)
    if not len(near):
        return None
    a, b = near[:, :2], near[:, 2:]
    along = b - a
    length = np.maximum((along**2).sum(axis=1), 1e-12)
    share = np.clip(((xy - a) * along).sum(axis=1) / length, 0, 1)
    foot = a + share[:, None] * along
    away = np.hypot(*(foot - xy).T)
    nearest = int(away.argmin())
    if away[nearest] > WALL_WITHIN_M:
        return None
    across = np.array([-along[nearest, 1], along[nearest, 0]]) / np.sqrt(length[nearest])
    return np.stack([foot[nearest], across])


def path_through(
    network: WalkNetwork,
    barriers: Barriers,
    place: NDArray[np.float64],
    *,
    feet: SegmentGrid | None = None,
    walls: SegmentGrid | None = None,
) -> NDArray[np.float64] | None:
    """Ends on the nearest street of either side of a gate, joined without another barrier between.

    Parameters
    ----------
    network : WalkNetwork
    barriers : Barriers
    place : ndarray, shape (2, 2)
        As `gate_in_wall` gives it.
    feet, walls : SegmentGrid, optional
        Streets (`geo.links.feet_grid`) and barriers by cell; with them only what lies near the
        gate is looked at.

    Returns
    -------
    ndarray, shape (2, 2), or None
        Both ends, metres; None where one side has no street near, so that the gate serves only
        those whose door is beside it.
    """
    foot, across = place
    reach = STREET_WITHIN_M
    near = _edges_near(network, foot, reach, feet or feet_grid(network))
    if not len(near):
        return None
    # The leg begins half a step beside the gate and ends within reach of there.
    lines = shapely.linestrings(
        _walls_near(barriers, foot, reach + 2 * _STEP_M, walls).reshape(-1, 2, 2)
    )
    ends = []
    for side in (1.0, -1.0):
        probe = foot + side * _STEP_M * across
        point = shapely.points(probe)
        along = shapely.line_locate_point(near, point)
        feet = shapely.get_coordinates(shapely.line_interpolate_point(near, along))
        away = np.hypot(*(feet - probe).T)
        for row in np.argsort(away, kind="stable").tolist():
            if away[row] > reach:
                break
            leg = shapely.linestrings([probe, feet[row]])
            if not shapely.intersects(lines, leg).any():
                ends.append(feet[row])
                break
    return np.stack(ends) if len(ends) == 2 else None


def _walls_near(
    barriers: Barriers, xy: NDArray[np.float64], reach_m: float, walls: SegmentGrid | None
) -> NDArray[np.float64]:
    """Barriers whose cell or bounding box comes that near a point, in the order given."""
    (west, south), (east, north) = xy - reach_m, xy + reach_m
    if walls is not None:
        return barriers.segments[segments_in(west, south, east, north, walls) // 2]
    a, b = barriers.segments[:, :2], barriers.segments[:, 2:]
    low, high = np.minimum(a, b), np.maximum(a, b)
    return barriers.segments[
        ((low <= (east, north)) & (high >= (west, south))).all(axis=1).astype(np.bool_)
    ]


def _edges_near(
    network: WalkNetwork, xy: NDArray[np.float64], reach_m: float, feet: SegmentGrid
) -> NDArray[np.object_]:
    """Lines of the edges of feet that come near a point."""
    (west, south), (east, north) = xy - reach_m, xy + reach_m
    segments = segments_in(west, south, east, north, feet)
    chosen = np.unique(np.searchsorted(network.edge_offsets, segments, side="right") - 1)
    pieces = [
        shapely.linestrings(network.edge_xy[network.edge_offsets[e] : network.edge_offsets[e + 1]])
        for e in chosen.tolist()
    ]
    lines = np.array(pieces, object)
    if not len(lines):
        return lines
    return lines[shapely.dwithin(lines, shapely.points(xy), reach_m)]
