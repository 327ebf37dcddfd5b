"""Openings: gates through a barrier, and the piece of street that would lead through them."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.network import EdgeFlag, WalkNetwork
from geo.snapping import Barriers

WALL_WITHIN_M = 40.0
"""How far a chosen place may lie from the barrier it means, metres."""
STREET_WITHIN_M = 60.0
"""How far a street may lie from a gate for a path to join them, metres. Our reading."""
_STEP_M = 0.5


def gate_in_wall(barriers: Barriers, xy: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The place on the nearest barrier, and the direction across it.

    Parameters
    ----------
    barriers : Barriers
    xy : ndarray, shape (2,)
        Metres.

    Returns
    -------
    ndarray, shape (2, 2), or None
        The place and the unit vector across the barrier; None where no barrier is near.
    """
    if not len(barriers.segments):
        return None
    a, b = barriers.segments[:, :2], barriers.segments[:, 2:]
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
    network: WalkNetwork, barriers: Barriers, place: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Ends on the nearest street of either side of a gate, joined without another barrier between.

    Parameters
    ----------
    network : WalkNetwork
    barriers : Barriers
    place : ndarray, shape (2, 2)
        As `gate_in_wall` gives it.

    Returns
    -------
    ndarray, shape (2, 2), or None
        Both ends, metres; None where one side has no street near, so that the gate serves only
        those whose door is beside it.
    """
    foot, across = place
    reach = STREET_WITHIN_M
    near = _edges_near(network, foot, reach)
    if not len(near):
        return None
    walls = shapely.linestrings(barriers.segments.reshape(-1, 2, 2))
    low, high = foot - reach, foot + reach
    bounds = shapely.bounds(walls)
    walls = walls[
        (bounds[:, 0] <= high[0])
        & (bounds[:, 2] >= low[0])
        & (bounds[:, 1] <= high[1])
        & (bounds[:, 3] >= low[1])
    ]
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
            if not shapely.intersects(walls, leg).any():
                ends.append(feet[row])
                break
    return np.stack(ends) if len(ends) == 2 else None


def _edges_near(
    network: WalkNetwork, xy: NDArray[np.float64], reach_m: float
) -> NDArray[np.object_]:
    """Lines of the edges of feet that come near a point."""
    inside = (np.abs(network.edge_xy - xy) <= reach_m + 200).all(axis=1)
    counts = np.diff(network.edge_offsets)
    owner = np.repeat(np.arange(len(counts)), counts)
    chosen = np.unique(owner[inside])
    chosen = chosen[network.edge_flags[chosen] & EdgeFlag.WALK > 0]
    pieces = [
        shapely.linestrings(network.edge_xy[network.edge_offsets[e] : network.edge_offsets[e + 1]])
        for e in chosen.tolist()
    ]
    lines = np.array(pieces, object)
    if not len(lines):
        return lines
    return lines[shapely.dwithin(lines, shapely.points(xy), reach_m)]
