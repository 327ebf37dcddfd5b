"""Exact bounded shortest paths whose cost depends on what is reached, not on the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.ends import along_mm, ends_of, points_by_edge, require_same_version
from geo.errors import SnapError
from geo.heap import pop_key, push_key, widened
from geo.impedance import LONGEST_MM, Impedance
from geo.kernels import UNREACHED, borrowed_labels, in_shares, kernel
from geo.network import WalkNetwork
from geo.snapping import SnappedPoints
from geo.sweep import FAR, gather_nearest, sweep

_SOURCES_A_THREAD = 4
_POINTS_A_THREAD = 16_384


@dataclass(frozen=True, slots=True)
class Reached:
    """Nodes each source reaches within the cutoff, as compressed rows.

    Attributes
    ----------
    offsets : ndarray, shape (s + 1,), int64
    node : ndarray, shape (k,), int32
    cost_mm : ndarray, shape (k,), int32
        From the person's door at the node to the source (or back, see `reach`).
    """

    offsets: NDArray[np.int64]
    node: NDArray[np.int32]
    cost_mm: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class OneToMany:
    """Targets each source reaches within the cutoff, as compressed rows, targets rising."""

    offsets: NDArray[np.int64]
    target: NDArray[np.int32]
    cost_mm: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class NearestFacility:
    """Nearest facility of every demand point.

    Attributes
    ----------
    seconds : ndarray, shape (n,), float32
        NaN where none.
    facility : ndarray, shape (n,), int32
        -1 where none; ties go to the lower index.
    cost_mm : ndarray, shape (n,), int64
        -1 where none.
    """

    seconds: NDArray[np.float32]
    facility: NDArray[np.int32]
    cost_mm: NDArray[np.int64]


@kernel
def _dijkstra(  # type: ignore[no-untyped-def]
    seed_a, cost_a, seed_b, cost_b, cutoff, indptr, head, cost, wait, label, heap, order
):
    """Settle all nodes within the cutoff; nodes in ``order``, labels in ``label``.

    Labels are `UNREACHED` before; the caller resets those of ``order``: no other is touched.
    """
    size = 0
    count = 0
    for which in range(2):
        v = seed_a if which == 0 else seed_b
        d = cost_a if which == 0 else cost_b
        if d < 0:
            continue
        d += wait[v]
        if d > cutoff or label[v] <= d:
            continue
        label[v] = d
        push_key(heap, size, (np.int64(d) << 32) | v)
        size += 1
    while size > 0:
        key = pop_key(heap, size)
        size -= 1
        v = np.int32(key & 0xFFFFFFFF)
        d = np.int32(key >> 32)
        if d > label[v]:
            continue
        if count == len(order):
            order = widened(order, 2 * count)
        order[count] = v
        count += 1
        for k in range(indptr[v], indptr[v + 1]):
            u = head[k]
            t = d + cost[k]
            if t > cutoff or label[u] <= t:
                continue
            label[u] = t
            if size == len(heap):
                heap = widened(heap, 2 * size)
            push_key(heap, size, (np.int64(t) << 32) | u)
            size += 1
    return count, heap, order


@kernel
def _reach_some(  # type: ignore[no-untyped-def]
    low, high, seed_a, cost_a, seed_b, cost_b, cutoff, indptr, head, cost, wait, label
):
    """Search from sources low to high with one set of work arrays."""
    heap = np.empty(1024, np.int64)
    order = np.empty(1024, np.int32)
    kept = np.empty(4096, np.int32)
    kept_cost = np.empty(4096, np.int32)
    counts = np.empty(high - low, np.int64)
    total = 0
    for s in range(low, high):
        count, heap, order = _dijkstra(
            seed_a[s],
            cost_a[s],
            seed_b[s],
            cost_b[s],
            cutoff,
            indptr,
            head,
            cost,
            wait,
            label,
            heap,
            order,
        )
        if total + count > len(kept):
            room = max(2 * len(kept), total + count)
            kept = widened(kept, room)
            kept_cost = widened(kept_cost, room)
        for k in range(count):
            v = order[k]
            kept[total + k] = v
            kept_cost[total + k] = label[v]
            label[v] = UNREACHED
        total += count
        counts[s - low] = count
    return counts, kept[:total].copy(), kept_cost[:total].copy()


def _rows(
    parts: list[tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]],
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """Shares of compressed rows, each with its counts, as one."""
    counts, which, cost = (list(columns) for columns in zip(*parts, strict=True))
    offsets = np.zeros(sum(map(len, counts)) + 1, np.int64)
    np.cumsum(np.concatenate(counts), out=offsets[1:])
    if len(parts) == 1:
        return offsets, which[0], cost[0]
    return offsets, np.concatenate(which), np.concatenate(cost)


def reach(
    network: WalkNetwork, impedance: Impedance, sources: SnappedPoints, *, cutoff_s: float
) -> Reached:
    """Nodes from which people reach each source within the cutoff.

    Parameters
    ----------
    network : WalkNetwork
    impedance : Impedance
    sources : SnappedPoints
        Stations; their access leg counts.
    cutoff_s : float
        Seconds.

    Raises
    ------
    SnapError
        If points or impedance belong to another version of the network.
    """
    require_same_version(network, impedance, sources)
    seeds = ends_of(network, impedance, sources, inward=True)
    cutoff = impedance.cutoff_mm(cutoff_s)

    def some(low: int, high: int) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
        with borrowed_labels(len(network.node_xy)) as label:
            return _reach_some(
                low,
                high,
                *seeds,
                cutoff,
                impedance.reverse_indptr,
                impedance.reverse_head,
                impedance.reverse_cost_mm,
                impedance.node_wait_mm,
                label,
            )

    return Reached(*_rows(in_shares(some, len(sources), least=_SOURCES_A_THREAD)))


def nearest_facility(
    network: WalkNetwork,
    impedance: Impedance,
    demand: SnappedPoints,
    facilities: SnappedPoints,
    *,
    cutoff_s: float | None = None,
) -> NearestFacility:
    """Walking time from every demand point to its nearest facility, in one sweep.

    Parameters
    ----------
    network : WalkNetwork
    impedance : Impedance
    demand, facilities : SnappedPoints
    cutoff_s : float, optional
        Seconds beyond which nothing is looked for.

    Raises
    ------
    SnapError
        If points or impedance belong to another version of the network.

    References
    ----------
    Dijkstra (1959); multi-source form as in Erwig (2000).
    """
    require_same_version(network, impedance, demand, facilities)
    cutoff = LONGEST_MM if cutoff_s is None else impedance.cutoff_mm(cutoff_s)
    a, a_cost, b, b_cost = ends_of(network, impedance, facilities, inward=True)
    nodes, costs = np.concatenate([a, b]), np.concatenate([a_cost, b_cost])
    who = np.tile(np.arange(len(facilities), dtype=np.int64), 2)
    open_ = costs >= 0
    by_edge = np.argsort(facilities.edge, kind="stable")
    n = len(demand)
    found = NearestFacility(np.empty(n, np.float32), np.empty(n, np.int32), np.empty(n, np.int64))
    with borrowed_labels(len(network.node_xy), FAR) as label:
        touched = sweep(impedance, nodes[open_], costs[open_], who[open_], cutoff, label)
        in_shares(
            lambda low, high: gather_nearest(
                low,
                high,
                demand.edge,
                demand.offset_mm,
                demand.access_mm,
                label,
                by_edge,
                facilities.edge[by_edge],
                facilities.offset_mm,
                facilities.access_mm,
                network.edge_nodes,
                network.edge_length_mm,
                impedance.forward_mm,
                impedance.backward_mm,
                cutoff,
                1000.0 * impedance.speed_mps,
                found.seconds,
                found.facility,
                found.cost_mm,
            ),
            n,
            least=_POINTS_A_THREAD,
        )
        for reached in touched:
            label[reached] = FAR
    return found


@kernel
def _pairs_some(  # type: ignore[no-untyped-def]
    low,
    high,
    seed_a,
    cost_a,
    seed_b,
    cost_b,
    source_edge,
    source_offset,
    source_access,
    cutoff,
    indptr,
    head,
    arc_edge,
    cost,
    wait,
    t_indptr,
    t_content,
    t_first,
    t_second,
    t_offset,
    t_access,
    edge_nodes,
    length,
    forward,
    backward,
    label,
    place,
):
    """Targets of sources low to high, each once with its least cost, targets rising.

    Labels of nodes and places of targets are `UNREACHED` before and after.
    """
    heap = np.empty(1024, np.int64)
    order = np.empty(1024, np.int32)
    counts = np.empty(high - low, np.int64)
    kept = np.empty(4096, np.int32)
    kept_cost = np.empty(4096, np.int32)
    total = 0
    for s in range(low, high):
        count, heap, order = _dijkstra(
            seed_a[s],
            cost_a[s],
            seed_b[s],
            cost_b[s],
            cutoff,
            indptr,
            head,
            cost,
            wait,
            label,
            heap,
            order,
        )
        begin = total
        # Node -1 stands for the source itself: the direct way along its own edge.
        for k in range(-1, count):
            v = np.int32(-1) if k < 0 else order[k]
            first_arc = 0 if k < 0 else indptr[v]
            last_arc = 1 if k < 0 else indptr[v + 1]
            for a in range(first_arc, last_arc):
                e = source_edge[s] if k < 0 else arc_edge[a]
                if e < 0:
                    continue
                for j in range(t_indptr[e], t_indptr[e + 1]):
                    t = t_content[j]
                    if k < 0:
                        along = along_mm(
                            length[e], forward[e], backward[e], t_offset[t], source_offset[s]
                        )
                        if along < 0:
                            continue
                        c = along + source_access[s] + t_access[t]
                    else:
                        leg = t_first[t] if edge_nodes[e, 0] == v else t_second[t]
                        if edge_nodes[e, 0] == v and head[a] == v and t_second[t] >= 0:
                            leg = min(leg, t_second[t]) if leg >= 0 else t_second[t]
                        if leg < 0:
                            continue
                        c = leg + label[v]
                    if c > cutoff:
                        continue
                    if place[t] != UNREACHED:
                        at = begin + place[t]
                        if c < kept_cost[at]:
                            kept_cost[at] = c
                    else:
                        if total == len(kept):
                            kept = widened(kept, 2 * total)
                            kept_cost = widened(kept_cost, 2 * total)
                        place[t] = total - begin
                        kept[total] = t
                        kept_cost[total] = c
                        total += 1
        for k in range(count):
            label[order[k]] = UNREACHED
        for j in range(begin, total):
            place[kept[j]] = UNREACHED
        counts[s - low] = total - begin
        by_target = np.argsort(kept[begin:total])
        some = kept[begin:total][by_target]
        some_cost = kept_cost[begin:total][by_target]
        for j in range(total - begin):
            kept[begin + j] = some[j]
            kept_cost[begin + j] = some_cost[j]
    return counts, kept[:total].copy(), kept_cost[:total].copy()


class TargetIndex:
    """Targets priced and sorted by edge once, for many searches.

    Without it every search pays for all targets, however few it reaches.

    Parameters
    ----------
    network : WalkNetwork
    impedance : Impedance
    targets : SnappedPoints

    Raises
    ------
    SnapError
        If points or impedance belong to another version of the network.
    """

    def __init__(self, network: WalkNetwork, impedance: Impedance, targets: SnappedPoints) -> None:
        require_same_version(network, impedance, targets)
        self.impedance = impedance
        self.points = targets
        _, self.to_first, _, self.to_second = ends_of(network, impedance, targets, inward=False)
        self.by_edge = points_by_edge(targets.edge, len(network.edge_length_mm))


def reach_targets(
    network: WalkNetwork,
    impedance: Impedance,
    sources: SnappedPoints,
    targets: SnappedPoints | TargetIndex,
    *,
    cutoff_s: float,
) -> OneToMany:
    """Targets (homes) from which people reach each source (station) within the cutoff.

    Parameters
    ----------
    network : WalkNetwork
    impedance : Impedance
    sources : SnappedPoints
    targets : SnappedPoints or TargetIndex
        An index of the same impedance saves the work that depends on all targets.
    cutoff_s : float
        Seconds, access legs of both ends included.

    Returns
    -------
    OneToMany
        Costs are exact millimetres; targets of a source in rising order.

    Raises
    ------
    SnapError
        If points or impedance belong to another version of the network.
    """
    if not isinstance(targets, TargetIndex):
        targets = TargetIndex(network, impedance, targets)
    elif targets.impedance is not impedance:
        raise SnapError(
            "The targets were priced under another impedance.",
            remedy="Index them anew under the present one.",
        )
    require_same_version(network, impedance, sources, targets.points)
    seeds = ends_of(network, impedance, sources, inward=True)
    cutoff = impedance.cutoff_mm(cutoff_s)

    def some(low: int, high: int) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
        points = targets.points
        with (
            borrowed_labels(len(network.node_xy)) as label,
            borrowed_labels(len(points)) as place,
        ):
            return _pairs_some(
                low,
                high,
                *seeds,
                sources.edge,
                sources.offset_mm,
                sources.access_mm,
                cutoff,
                impedance.reverse_indptr,
                impedance.reverse_head,
                impedance.reverse_edge,
                impedance.reverse_cost_mm,
                impedance.node_wait_mm,
                *targets.by_edge,
                targets.to_first,
                targets.to_second,
                points.offset_mm,
                points.access_mm,
                network.edge_nodes,
                network.edge_length_mm,
                impedance.forward_mm,
                impedance.backward_mm,
                label,
                place,
            )

    return OneToMany(*_rows(in_shares(some, len(sources), least=_SOURCES_A_THREAD)))


@dataclass(frozen=True, slots=True)
class ReachedEdges:
    """Edges from which people reach one source within the cutoff, and the parts cut exactly.

    Attributes
    ----------
    edge : ndarray, shape (k,), int32
        Rising, each once.
    first_mm, second_mm : ndarray, shape (k,), int32
        Cost from the first and second node to the source; -1 where the node is not reached.
    part_edge : ndarray, shape (p,), int32
        Edge of each reached part, rising.
    part_from_mm, part_to_mm : ndarray, shape (p,), int32
        Offsets along the edge from its first node; parts of an edge do not overlap.
    """

    edge: NDArray[np.int32]
    first_mm: NDArray[np.int32]
    second_mm: NDArray[np.int32]
    part_edge: NDArray[np.int32]
    part_from_mm: NDArray[np.int32]
    part_to_mm: NDArray[np.int32]

    @property
    def length_m(self) -> float:
        """Metres of street reached."""
        return float((self.part_to_mm.astype(np.int64) - self.part_from_mm).sum() / 1000)


@kernel
def _reached_edges(  # type: ignore[no-untyped-def]
    node,
    node_cost,
    cutoff,
    indptr,
    arc_edge,
    edge_nodes,
    length,
    forward,
    backward,
    source_edge,
    source_offset,
    source_access,
):
    # Edges met, with the cost of each end: sorted keys edge * 2 + side instead of a table of
    # all edges, so that the work depends on what is reached.
    room = 1
    for k in range(len(node)):
        room += indptr[node[k] + 1] - indptr[node[k]]
    keys = np.empty(2 * room, np.int64)
    costs = np.empty(2 * room, np.int64)
    count = 0
    for k in range(len(node)):
        v = node[k]
        for arc in range(indptr[v], indptr[v + 1]):
            e = arc_edge[arc]
            for side in range(2):
                if edge_nodes[e, side] == v:
                    keys[count] = np.int64(e) * 2 + side
                    costs[count] = node_cost[k]
                    count += 1
    if source_edge >= 0:
        keys[count] = np.int64(source_edge) * 2
        costs[count] = -1
        count += 1
    order = np.argsort(keys[:count])
    edge = np.empty(count, np.int32)
    first = np.full(count, -1, np.int32)
    second = np.full(count, -1, np.int32)
    edges = 0
    for j in range(count):
        key = keys[order[j]]
        e = np.int32(key >> 1)
        if edges == 0 or edge[edges - 1] != e:
            edge[edges] = e
            edges += 1
        cost = costs[order[j]]
        if cost >= 0:
            if key & 1:
                second[edges - 1] = cost
            else:
                first[edges - 1] = cost
    part_edge = np.empty(3 * edges, np.int32)
    part_from = np.empty(3 * edges, np.int32)
    part_to = np.empty(3 * edges, np.int32)
    parts = 0
    for j in range(edges):
        e = edge[j]
        whole = np.int64(length[e])
        a = np.int64(0)  # reached from the first node up to here
        b = whole  # and from the second node down to here
        # People on the edge walk backward to the first node, forward to the second.
        if first[j] >= 0 and backward[e] >= 0:
            a = _paid(cutoff - first[j], backward[e], whole)
        if second[j] >= 0 and forward[e] >= 0:
            b = whole - _paid(cutoff - second[j], forward[e], whole)
        lo, hi = whole, np.int64(0)
        if e == source_edge and source_access <= cutoff:
            rest = cutoff - source_access
            lo = hi = np.int64(source_offset)
            if forward[e] >= 0:
                lo -= min(_paid(rest, forward[e], whole), lo)
            if backward[e] >= 0:
                hi += min(_paid(rest, backward[e], whole), whole - hi)
            if a >= lo:
                a = max(a, hi)
                lo, hi = whole, np.int64(0)
            elif b <= hi:
                b = min(b, lo)
                lo, hi = whole, np.int64(0)
            if lo <= hi and b <= hi:
                b = min(b, lo)
                lo, hi = whole, np.int64(0)
        if a >= b:
            a, b = whole, whole
        for low, high in ((np.int64(0), a), (lo, hi), (b, whole)):
            if high > low:
                part_edge[parts] = e
                part_from[parts] = low
                part_to[parts] = high
                parts += 1
    return (
        edge[:edges],
        first[:edges],
        second[:edges],
        part_edge[:parts],
        part_from[:parts],
        part_to[:parts],
    )


@kernel
def _paid(room, cost, length):  # type: ignore[no-untyped-def]
    """Millimetres along an edge that ``room`` pays for."""
    if room <= 0:
        return np.int64(0)
    if cost <= room:
        return np.int64(length)
    return np.int64(room) * length // np.int64(cost)


def reached_edges(
    network: WalkNetwork,
    impedance: Impedance,
    source: SnappedPoints,
    node: NDArray[np.int32],
    node_cost_mm: NDArray[np.int32],
    *,
    cutoff_s: float,
) -> ReachedEdges:
    """Cut the edges around the nodes that one source reaches.

    Parameters
    ----------
    network : WalkNetwork
    impedance : Impedance
    source : SnappedPoints, shape (1,)
    node, node_cost_mm : ndarray, shape (k,)
        One row of `Reached`, of this cutoff or a larger one.
    cutoff_s : float
        Seconds.
    """
    require_same_version(network, impedance, source)
    cutoff = impedance.cutoff_mm(cutoff_s)
    near = node_cost_mm <= cutoff
    return ReachedEdges(
        *_reached_edges(
            node[near],
            node_cost_mm[near],
            cutoff,
            impedance.reverse_indptr,
            impedance.reverse_edge,
            network.edge_nodes,
            network.edge_length_mm,
            impedance.forward_mm,
            impedance.backward_mm,
            int(source.edge[0]),
            int(source.offset_mm[0]),
            int(source.access_mm[0]),
        )
    )
