"""Where on the network people wait at signals, each crossing charged once.

OpenStreetMap says the same crossing in up to four ways: a signal on the junction node, one on
every stop line, a crossing node where a footpath meets the carriageway, and the footpath's part
across it. Charged where each of them stands, one crossing would cost several waits, and people
who walk along a street would wait at crossings they do not take. The rules (our reading; table
in `docs/osm-rules.md`):

1. A marked crossing way with signals (its own tag, or a signal node on it) is charged one wait
   spread along it. Parts that follow each other in a straight line, over a refuge, share it.
2. A signal node where a footpath that is not marked as crossing meets a carriageway is charged
   to the footpath's pieces on either side of the node, half each: straight across is one wait,
   along the carriageway none.
3. Signals on carriageways within `CLUSTER_M` of each other are one junction, if one of them is
   a junction's signal or three of them control crossings. Its nodes where three or more
   carriageways meet are charged to those who walk through on the carriageway: one wait where
   there is one such node, half a wait each where there are several (a street in two halves is
   two nodes on a straight walk). Signals without a junction, as on an open road, are charged to
   nobody who walks along it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

CLUSTER_M = 40.0
"""Signals closer than this stand at one junction: about the width of an arterial's crossing."""

STRAIGHT_COS = 0.7
"""Two crossing ways are one crossing when they turn by less than about 45 degrees."""


@dataclass(frozen=True, slots=True)
class WayRows:
    """Ways as node rows with what the signal rules look at.

    Attributes
    ----------
    xy : ndarray, shape (p, 2), float64
        Metres.
    offsets, nodes : ndarray
        Node rows of each way, as in `geo.network.Ways`.
    footpath : ndarray, shape (w,), bool
        Without a carriageway.
    junction_arm : ndarray, shape (w,), bool
        A carriageway that makes a junction (no service road or track).
    crossing, island, signalled : ndarray, shape (w,), bool
        A marked crossing; a refuge between two of them; says itself that it has signals.
    junction_signal, crossing_signal : ndarray, shape (p,), bool
        Nodes that are a signal of a junction; of a crossing.
    """

    xy: NDArray[np.float64]
    offsets: NDArray[np.int64]
    nodes: NDArray[np.int32]
    footpath: NDArray[np.bool_]
    junction_arm: NDArray[np.bool_]
    crossing: NDArray[np.bool_]
    island: NDArray[np.bool_]
    signalled: NDArray[np.bool_]
    junction_signal: NDArray[np.bool_]
    crossing_signal: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SignalWaits:
    """Waits in units of one signal wait.

    Attributes
    ----------
    node : ndarray, shape (p,), float32
    way : ndarray, shape (w,), float32
        For the whole way, spread along it.
    pieces : ndarray, shape (s, 2), int64
        Segments to be cut out of their way and charged alone: way and position of the segment's
        first node within the way.
    piece_waits : ndarray, shape (s,), float32
    """

    node: NDArray[np.float32]
    way: NDArray[np.float32]
    pieces: NDArray[np.int64]
    piece_waits: NDArray[np.float32]


def signal_waits(rows: WayRows) -> SignalWaits:
    """Charge every signal-controlled crossing once, by the three rules of this file."""
    node = np.zeros(len(rows.xy), np.float32)
    way = np.zeros(len(rows.footpath), np.float32)
    nothing = SignalWaits(node, way, np.empty((0, 2), np.int64), np.empty(0, np.float32))
    signal = rows.junction_signal | rows.crossing_signal
    if not signal.any() and not rows.signalled.any():
        return nothing
    owner = np.repeat(np.arange(len(way)), np.diff(rows.offsets))

    on_way = np.zeros(len(way), bool)
    on_way[owner[signal[rows.nodes]]] = True
    charged = rows.crossing & (rows.signalled | on_way)
    way[charged] = _crossing_shares(rows, charged)

    settled = _nodes_of(rows, charged[owner])
    on_carriageway = _nodes_of(rows, ~rows.footpath[owner])
    junction = _carriageways_meeting(rows, owner) >= 3
    pieces, piece_waits = _pieces(rows, owner, signal & on_carriageway & ~settled & ~junction)
    # Whatever its tags, a signal where three carriageways meet is a junction's.
    of_junction = rows.junction_signal | (rows.crossing_signal & junction)
    _charge_junctions(
        rows, np.flatnonzero(signal & on_carriageway), of_junction, np.flatnonzero(junction), node
    )
    return SignalWaits(node, way, pieces, piece_waits)


def _nodes_of(rows: WayRows, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    found = np.zeros(len(rows.xy), bool)
    found[rows.nodes[chosen]] = True
    return found


def _carriageways_meeting(rows: WayRows, owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many arms of carriageways leave each node: two where one passes, one where it ends."""
    arms = np.zeros(len(rows.xy), np.int64)
    np.add.at(arms, rows.nodes[rows.junction_arm[owner]], 2)
    np.add.at(arms, rows.nodes[rows.offsets[:-1][rows.junction_arm]], -1)
    np.add.at(arms, rows.nodes[rows.offsets[1:][rows.junction_arm] - 1], -1)
    return arms


def _crossing_shares(rows: WayRows, charged: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Share of one wait for each charged crossing way, by length within its straight line."""
    parts = np.flatnonzero(charged | rows.island)
    first, last = rows.offsets[parts], rows.offsets[parts + 1] - 1
    # Every part has two ends: its end node and the direction in which it arrives there.
    ends = np.concatenate([rows.nodes[first], rows.nodes[last]])
    inner = np.concatenate([rows.nodes[first + 1], rows.nodes[last - 1]])
    arrives = rows.xy[ends] - rows.xy[inner]
    length = np.hypot(arrives[:, 0], arrives[:, 1])
    arrives /= np.where(length > 0, length, 1)[:, None]
    part = np.tile(np.arange(len(parts)), 2)
    pairs = _pairs_with_same(ends)
    a, b = pairs[:, 0], pairs[:, 1]
    # Going straight on, one part arrives where the other leaves: the directions are opposite.
    straight = (arrives[a] * arrives[b]).sum(axis=1) < -STRAIGHT_COS
    links = coo_array(
        (np.ones(straight.sum(), bool), (part[a[straight]], part[b[straight]])),
        shape=(len(parts), len(parts)),
    )
    group = connected_components(links, directed=False)[1]
    metres = _lengths(rows)[parts]
    metres = np.where(charged[parts], np.maximum(metres, 0.01), 0.0)
    total = np.bincount(group, weights=metres)
    share = metres / np.where(total > 0, total, 1)[group]
    return share[charged[parts]].astype(np.float32)


def _pairs_with_same(values: NDArray[np.integer]) -> NDArray[np.int64]:
    """All pairs of positions that hold the same value."""
    order = np.argsort(values, kind="stable")
    held = values[order]
    pairs = []
    step = 1
    while True:
        same = np.flatnonzero(held[step:] == held[:-step]) if step < len(held) else np.empty(0, int)
        if not len(same):
            break
        pairs.append(np.column_stack([order[same], order[same + step]]))
        step += 1
    return np.concatenate(pairs) if pairs else np.empty((0, 2), np.int64)


def _lengths(rows: WayRows) -> NDArray[np.float64]:
    xy = rows.xy[rows.nodes]
    step = np.zeros(len(xy))
    step[:-1] = np.hypot(*(xy[1:] - xy[:-1]).T)
    step[rows.offsets[1:] - 1] = 0
    return np.add.reduceat(step, rows.offsets[:-1])


def _pieces(
    rows: WayRows, owner: NDArray[np.int64], at: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Segments of footpaths on either side of the nodes ``at``, half a wait for each such end."""
    waits = np.zeros(len(rows.nodes), np.float32)
    hit = np.flatnonzero(at[rows.nodes] & rows.footpath[owner])
    has_next = hit[hit + 1 < rows.offsets[owner[hit] + 1]]
    has_before = hit[hit > rows.offsets[owner[hit]]]
    np.add.at(waits, has_next, np.float32(0.5))
    np.add.at(waits, has_before - 1, np.float32(0.5))
    segments = np.flatnonzero(waits)
    way = owner[segments]
    return np.column_stack([way, segments - rows.offsets[way]]), waits[segments]


def _charge_junctions(
    rows: WayRows,
    signals: NDArray[np.int64],
    of_junction: NDArray[np.bool_],
    junctions: NDArray[np.int64],
    node: NDArray[np.float32],
) -> None:
    if not len(signals) or not len(junctions):
        return
    tree = KDTree(rows.xy[signals])
    links = tree.query_pairs(CLUSTER_M, output_type="ndarray")
    shape = (len(signals), len(signals))
    cluster = connected_components(
        coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), shape=shape),
        directed=False,
    )[1]
    at_junction = np.bincount(cluster, weights=of_junction[signals]) > 0
    at_junction |= np.bincount(cluster, weights=rows.crossing_signal[signals]) >= 3

    metres, nearest = tree.query(rows.xy[junctions], distance_upper_bound=CLUSTER_M)
    reached = np.isfinite(metres)
    junctions, nearest = junctions[reached], np.asarray(nearest)[reached]
    of = cluster[nearest]
    junctions, of = junctions[at_junction[of]], of[at_junction[of]]
    # Where a junction node is a signal itself, the side streets near it are not its junction.
    own = of_junction[junctions]
    has_own = np.zeros(len(at_junction), bool)
    has_own[of[own]] = True
    junctions, of = junctions[own | ~has_own[of]], of[own | ~has_own[of]]
    several = np.bincount(of, minlength=len(has_own)) > 1
    node[junctions] = np.where(several[of], 0.5, 1.0)
