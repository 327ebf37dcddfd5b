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
    samples = _samples(network, homes_xy[inside])
    if not len(samples):
        return []
    cutoff = impedance.cutoff_mm(cutoff_s)
    # Pieces may begin where no station is reached: their cost is then beyond any.
    cost = nearest_facility(network, impedance, samples, stations).cost_mm.astype(np.int64)
    cost[cost < 0] = 2**40
    tree = cKDTree(samples.xy)
    pairs = tree.query_pairs(FOOTBRIDGE_M, output_type="ndarray")
    a, b = pairs[:, 0], pairs[:, 1]
    far = np.where(cost[a] >= cost[b], a, b)
    near = np.where(cost[a] >= cost[b], b, a)
    length = np.rint(1000 * np.hypot(*(samples.xy[far] - samples.xy[near]).T)).astype(np.int64)
    spare = cutoff - cost[near] - length
    useful = (spare > 0) & (cost[far] - cost[near] - length >= 1000 * SAVED_M) & (length > 0)
    far, near, length, spare = far[useful], near[useful], length[useful], spare[useful]
    if not len(far):
        return []
    lines = shapely.linestrings(np.stack([samples.xy[far], samples.xy[near]], axis=1))
    crossed = _crossings(barriers, lines)
    kind = np.where(crossed == 0, 0, np.where((crossed == 1) & (length <= 1000 * GATE_M), 1, 2))
    longest = np.array([1000 * _KIND_OF_LONGEST[name] for name in KINDS])[kind]
    # Which zone a piece serves: that of the home nearest to its far end.
    home_tree = cKDTree(homes_xy[inside])
    away, which = home_tree.query(samples.xy[far])
    serves = zone[inside][which].astype(np.int64)
    good = (length <= longest) & (1000 * away < spare)
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
    best: dict[tuple[int, int], Mend] = {}
    for at, row in enumerate(rows.tolist()):
        part = slice(int(found.offsets[at]), int(found.offsets[at + 1]))
        reached = found.target[part][found.cost_mm[part] <= spare[row]]
        homes = np.unique(point_home[reached])
        homes = homes[zone[homes] == serves[row]]
        gain = float(weight[homes].sum())
        key = int(serves[row]), int(kind[row])
        if gain > 0 and (key not in best or gain > best[key].gain):
            xy = np.stack([samples.xy[far[row]], samples.xy[near[row]]])
            best[key] = Mend(key[0], KINDS[key[1]], xy, gain)
    return [best[key] for key in sorted(best)]


def _samples(network: WalkNetwork, around: NDArray[np.float64]) -> SnappedPoints:
    """Points along the streets that lie near some places."""
    walk = np.flatnonzero(network.edge_flags & EdgeFlag.WALK)
    counts = np.diff(network.edge_offsets)
    near = np.zeros(len(counts), np.bool_)
    vertex_owner = np.repeat(np.arange(len(counts)), counts)
    away, _ = cKDTree(around).query(network.edge_xy, distance_upper_bound=200.0)
    near[vertex_owner[np.isfinite(away)]] = True
    edges = walk[near[walk]]
    length = network.edge_length_mm[edges].astype(np.int64)
    steps = np.maximum(1, length // round(1000 * SAMPLE_M)) + 1
    edge = np.repeat(edges, steps)
    step = np.arange(int(steps.sum())) - np.repeat(np.cumsum(steps) - steps, steps)
    offset = step * np.repeat(length, steps) // np.maximum(np.repeat(steps, steps) - 1, 1)
    vertex = np.isin(vertex_owner, edges)
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


def _crossings(barriers: Barriers, lines: NDArray[np.object_]) -> NDArray[np.int64]:
    """How many pieces of barrier each line crosses."""
    if not len(barriers.segments):
        return np.zeros(len(lines), np.int64)
    tree = shapely.STRtree(shapely.linestrings(barriers.segments.reshape(-1, 2, 2)))
    crossing, _ = tree.query(lines, predicate="intersects")
    return np.bincount(crossing, minlength=len(lines)).astype(np.int64)


def _first_of_each(key: NDArray[np.int64], spare: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of each key that leave most to spare, `TRIED` of them at most."""
    order = np.lexsort((-spare, key))
    ordered = key[order]
    begins = np.flatnonzero(np.concatenate([[True], np.diff(ordered) != 0]))
    rank = np.arange(len(ordered)) - np.repeat(
        begins, np.diff(np.concatenate([begins, [len(ordered)]]))
    )
    return np.sort(order[rank < TRIED])
