"""Mends: short pieces of street that would bring a gap into reach, and whom each would bring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geo.impedance import Impedance
from geo.network import EdgeFlag, WalkNetwork
from geo.search import TargetIndex, nearest_facility, reach_targets
from geo.snapping import Barriers, SnappedPoints, SnapState

KINDS = ("crossing", "gate", "footbridge")
"""What joins two streets: nothing in between; one barrier and at most `GATE_M`; more than that."""
AROUND_M = 200.0
"""Streets this near a home of a zone are tried, metres."""
SAMPLE_M = 40.0
"""Distance of the points along streets that are tried as ends, metres."""
GATE_M = 25.0
CROSSING_M = 40.0
"""Longest crossing or path, metres. Our reading."""
FOOTBRIDGE_M = 120.0
"""Longest footbridge, metres. Our reading."""
SAVED_M = 60.0
"""A piece that saves less walking than this is not looked at, metres."""
TRIED = 15
"""Pieces looked at in full, for each zone and kind: those that leave most walking to spare."""

_SQUARES_MOST = 4000
"""Squares along a side at most when streets near homes are told from others."""
_KIND_OF_LONGEST = {"crossing": CROSSING_M, "gate": GATE_M, "footbridge": FOOTBRIDGE_M}


@dataclass(frozen=True, slots=True)
class Mend:
    """One piece of street.

    Attributes
    ----------
    zone : int
    kind : str
        One of `KINDS`.
    xy : ndarray, shape (2, 2), float64
        From the side of the gap to that of the stations, metres.
    gain : float
        Weight of the zone it brings within reach.
    """

    zone: int
    kind: str
    xy: NDArray[np.float64]
    gain: float


def mends(
    network: WalkNetwork,
    impedance: Impedance,
    index: TargetIndex,
    stations: SnappedPoints,
    *,
    barriers: Barriers,
    homes_xy: NDArray[np.float64],
    weight: NDArray[np.float64],
    zone: NDArray[np.int32],
    point_home: NDArray[np.int32],
    zones: int,
    cutoff_s: float,
) -> list[Mend]:
    """Find the best single crossing, gate and footbridge of each gap zone.

    Points along the streets in and around a zone are joined to points nearby from which a station
    is reached sooner; of those that leave most walking to spare, whoever then walks to a station
    within the cutoff is counted on the network.

    Parameters
    ----------
    network : WalkNetwork
    impedance : Impedance
    index : TargetIndex
        Of the points that walks begin at.
    stations : SnappedPoints
        Those that count.
    barriers : Barriers
    homes_xy : ndarray, shape (n, 2)
        Metres.
    weight : ndarray, shape (n,)
    zone : ndarray, shape (n,), int32
        Zone of each home; -1 where in none.
    point_home : ndarray, shape (p,), int32
        Home of each point of ``index``.
    zones : int
        How many zones to look at, from the first.
    cutoff_s : float

    Returns
    -------
    list of Mend
        At most one of each kind for a zone; only those that bring somebody.
    """
    inside = np.flatnonzero((zone >= 0) & (zone < zones))
    if not len(inside) or not len(stations):
        return []
    home_tree = cKDTree(homes_xy[inside])
    samples = _samples(network, homes_xy[inside], home_tree)
    if not len(samples):
        return []
    cutoff = impedance.cutoff_mm(cutoff_s)
    # Pieces may begin where no station is reached: their cost is then beyond any. Beyond the
    # cutoff and what a piece has to save, how far it is makes no difference.
    enough_s = (cutoff + 1000 * SAVED_M + 2) / 1000 / impedance.speed_mps
    cost = nearest_facility(
        network, impedance, samples, stations, cutoff_s=enough_s
    ).cost_mm.astype(np.int64)
    cost[cost < 0] = 2**40
    far, near, length = _pieces(samples.xy, cost, home_tree, cutoff)
    spare = cutoff - cost[near] - length
    useful = (spare > 0) & (cost[far] - cost[near] - length >= 1000 * SAVED_M) & (length > 0)
    if not len(barriers.segments):
        useful &= length <= 1000 * CROSSING_M
    far, near, length, spare = far[useful], near[useful], length[useful], spare[useful]
    # Which zone a piece serves: that of the home nearest to its far end.
    ends, which_end = np.unique(far, return_inverse=True)
    end_away, end_home = (np.asarray(found) for found in home_tree.query(samples.xy[ends]))
    reaches = 1000 * end_away[which_end] < spare
    far, near, length, spare = far[reaches], near[reaches], length[reaches], spare[reaches]
    serves = zone[inside][end_home[which_end[reaches]]].astype(np.int64)
    if not len(far):
        return []
    crossed = _crossings(barriers, np.stack([samples.xy[far], samples.xy[near]], axis=1))
    kind = np.where(crossed == 0, 0, np.where((crossed == 1) & (length <= 1000 * GATE_M), 1, 2))
    longest = np.array([1000 * _KIND_OF_LONGEST[name] for name in KINDS])[kind]
    good = length <= longest
    chosen = _first_of_each(serves[good] * len(KINDS) + kind[good], spare[good])
    rows = np.flatnonzero(good)[chosen]
    if not len(rows):
        return []
    found = reach_targets(
        network,
        impedance,
        samples.take(far[rows]),
        index,
        cutoff_s=float(spare[rows].max()) / 1000 / impedance.speed_mps,
    )
    # Of those that bring most, the shortest.
    best: dict[tuple[int, int], tuple[float, int, int]] = {}
    for at, row in enumerate(rows.tolist()):
        part = slice(int(found.offsets[at]), int(found.offsets[at + 1]))
        reached = found.target[part][found.cost_mm[part] <= spare[row]]
        homes = np.unique(point_home[reached])
        homes = homes[zone[homes] == serves[row]]
        gain = float(weight[homes].sum())
        key = int(serves[row]), int(kind[row])
        if gain > 0:
            worth = gain, -int(length[row]), row
            best[key] = max(best.get(key, worth), worth)
    return [
        Mend(zone_of, KINDS[kind_of], samples.xy[[far[row], near[row]]], gain)
        for (zone_of, kind_of), (gain, _, row) in sorted(best.items())
    ]


def _pieces(
    xy: NDArray[np.float64], cost: NDArray[np.int64], home_tree: cKDTree, cutoff: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of points that a piece could join: far end, near end, millimetres between.

    From the near end both the station and, as the crow flies, some home lie within the cutoff:
    without that no walk over the piece does.
    """
    hopeful = np.flatnonzero(cost < cutoff)
    away, _ = home_tree.query(xy[hopeful], distance_upper_bound=cutoff / 1000)
    hopeful = hopeful[cost[hopeful] + 1000 * away < cutoff + 1]
    if not len(hopeful):
        none = np.zeros(0, np.int64)
        return none, none, none
    begins = cKDTree(xy[hopeful])
    apart, _ = begins.query(xy, distance_upper_bound=FOOTBRIDGE_M * (1 + 1e-9))
    tried = np.flatnonzero(np.isfinite(apart))
    pairs = cKDTree(xy[tried]).query_pairs(FOOTBRIDGE_M, output_type="ndarray")
    a, b = tried[pairs[:, 0]], tried[pairs[:, 1]]
    first_is_far = cost[a] >= cost[b]
    far, near = np.where(first_is_far, a, b), np.where(first_is_far, b, a)
    saves = cost[far] - cost[near] >= round(1000 * SAVED_M)
    saves &= cost[near] < cutoff
    far, near = far[saves], near[saves]
    length = np.rint(1000 * np.hypot(*(xy[far] - xy[near]).T)).astype(np.int64)
    # In an order of their own, so that equal pieces are taken in the same way everywhere.
    order = np.lexsort((near, far))
    return far[order], near[order], length[order]


def _samples(
    network: WalkNetwork, around: NDArray[np.float64], around_tree: cKDTree
) -> SnappedPoints:
    """Points along the streets that lie near some places."""
    walk = np.flatnonzero(network.edge_flags & EdgeFlag.WALK)
    counts = np.diff(network.edge_offsets)
    near = np.zeros(len(counts), np.bool_)
    vertex_owner = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    vertices = np.flatnonzero(_in_cells_around(network.edge_xy, around))
    away, _ = around_tree.query(network.edge_xy[vertices], distance_upper_bound=AROUND_M)
    near[vertex_owner[vertices[np.isfinite(away)]]] = True
    edges = walk[near[walk]]
    length = network.edge_length_mm[edges].astype(np.int64)
    steps = np.maximum(1, length // round(1000 * SAMPLE_M)) + 1
    edge = np.repeat(edges, steps)
    step = np.arange(int(steps.sum())) - np.repeat(np.cumsum(steps) - steps, steps)
    offset = step * np.repeat(length, steps) // np.maximum(np.repeat(steps, steps) - 1, 1)
    taken = np.zeros(len(counts), np.bool_)
    taken[edges] = True
    vertex = taken[vertex_owner]
    renumbered = np.searchsorted(edges, vertex_owner[vertex])
    lines = shapely.linestrings(network.edge_xy[vertex], indices=renumbered)
    row = np.searchsorted(edges, edge)
    drawn = shapely.length(lines)[row]
    share = offset / np.maximum(np.repeat(length, steps), 1)
    xy = shapely.get_coordinates(shapely.line_interpolate_point(lines[row], share * drawn))
    count = len(edge)
    return SnappedPoints(
        edge.astype(np.int32),
        offset.astype(np.int32),
        np.zeros(count, np.int32),
        xy.reshape(-1, 2),
        np.full(count, -1, np.int32),
        np.full(count, SnapState.SNAPPED, np.uint8),
        network.version,
    )


def _in_cells_around(xy: NDArray[np.float64], around: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points lie in the square of side `AROUND_M` of some place, or in one next to it."""
    low = around.min(axis=0) - 2 * AROUND_M
    side = max(AROUND_M, float(np.ptp(around, axis=0).max()) / _SQUARES_MOST)
    marked = np.zeros(((np.ptp(around, axis=0) + 4 * AROUND_M) // side + 3).astype(int), np.bool_)
    cells = ((around - low) // side).astype(np.int64)
    for right in (-1, 0, 1):
        for up in (-1, 0, 1):
            marked[cells[:, 0] + right, cells[:, 1] + up] = True
    high = low + side * np.array(marked.shape)
    inside = np.flatnonzero(((xy >= low) & (xy < high)).all(axis=1))
    at = np.minimum(((xy[inside] - low) // side).astype(np.int64), np.array(marked.shape) - 1)
    found = np.zeros(len(xy), np.bool_)
    found[inside] = marked[at[:, 0], at[:, 1]]
    return found


def _crossings(barriers: Barriers, pieces: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many pieces of barrier each piece of street, shape (p, 2, 2), crosses."""
    count = np.zeros(len(pieces), np.int64)
    if not len(barriers.segments):
        return count
    # Few barriers lie near: whatever touches the frame of all pieces goes on.
    segments = barriers.segments.reshape(-1, 2, 2)
    low, high = pieces.min(axis=(0, 1)), pieces.max(axis=(0, 1))
    touches = (segments.max(axis=1) >= low).all(axis=1) & (segments.min(axis=1) <= high).all(axis=1)
    tree = shapely.STRtree(shapely.linestrings(segments[touches]))
    crossing, _ = tree.query(shapely.linestrings(pieces), predicate="intersects")
    return count + np.bincount(crossing, minlength=len(pieces))


def _first_of_each(key: NDArray[np.int64], spare: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of each key that leave most to spare, `TRIED` of them at most."""
    order = np.lexsort((-spare, key))
    ordered = key[order]
    begins = np.flatnonzero(np.concatenate([[True], np.diff(ordered) != 0]))
    rank = np.arange(len(ordered)) - np.repeat(
        begins, np.diff(np.concatenate([begins, [len(ordered)]]))
    )
    return np.sort(order[rank < TRIED])
