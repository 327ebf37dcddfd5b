"""Exact bounded shortest paths whose cost depends on what is reached, not on the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import get_num_threads, prange
from numpy.typing import NDArray

from geo.errors import SnapError
from geo.impedance import LONGEST_MM, Impedance
from geo.kernels import kernel
from geo.network import WalkNetwork
from geo.snapping import SnappedPoints

NONE = -1
UNREACHED = 2**31 - 1


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


@kernel(inline="always")
def _push(heap, size, key):  # type: ignore[no-untyped-def]
    i = size
    while i > 0:
        parent = (i - 1) >> 1
        if heap[parent] <= key:
            break
        heap[i] = heap[parent]
        i = parent
    heap[i] = key


@kernel(inline="always")
def _pop(heap, size):  # type: ignore[no-untyped-def]
    """Take the least key; ``size`` is the size before."""
    top = heap[0]
    last = heap[size - 1]
    size -= 1
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= last:
            break
        heap[i] = heap[child]
        i = child
    heap[i] = last
    return top


@kernel
def _dijkstra(  # type: ignore[no-untyped-def]
    seed_a,
    cost_a,
    seed_b,
    cost_b,
    cutoff,
    indptr,
    head,
    cost,
    wait,
    label,
    stamp,
    mark,
    heap,
    order,
):
    """Settle all nodes within the cutoff; nodes in ``order``, labels in ``label``."""
    size = 0
    count = 0
    for which in range(2):
        v = seed_a if which == 0 else seed_b
        d = cost_a if which == 0 else cost_b
        if d < 0:
            continue
        d += wait[v]
        if d > cutoff or (stamp[v] == mark and label[v] <= d):
            continue
        stamp[v] = mark
        label[v] = d
        _push(heap, size, (np.int64(d) << 32) | v)
        size += 1
    while size > 0:
        key = _pop(heap, size)
        size -= 1
        v = np.int32(key & 0xFFFFFFFF)
        d = np.int32(key >> 32)
        if d > label[v]:
            continue
        if count == len(order):
            grown = np.empty(2 * count, np.int32)
            grown[:count] = order
            order = grown
        order[count] = v
        count += 1
        for k in range(indptr[v], indptr[v + 1]):
            u = head[k]
            t = d + cost[k]
            if t > cutoff or (stamp[u] == mark and label[u] <= t):
                continue
            stamp[u] = mark
            label[u] = t
            if size == len(heap):
                wider = np.empty(2 * size, np.int64)
                wider[:size] = heap
                heap = wider
            _push(heap, size, (np.int64(t) << 32) | u)
            size += 1
    return count, heap, order


@kernel
def _widened(array, room):  # type: ignore[no-untyped-def]
    wider = np.empty(room, array.dtype)
    for k in range(len(array)):
        wider[k] = array[k]
    return wider


@kernel
def _reach_some(  # type: ignore[no-untyped-def]
    low, high, seed_a, cost_a, seed_b, cost_b, cutoff, indptr, head, cost, wait, counts
):
    """Search from sources low to high with one set of work arrays; labels are stamped."""
    n = len(indptr) - 1
    label = np.empty(n, np.int32)
    stamp = np.zeros(n, np.int32)
    heap = np.empty(1024, np.int64)
    order = np.empty(1024, np.int32)
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
            stamp,
            s - low + 1,
            heap,
            order,
        )
        if total + count > len(kept):
            room = max(2 * len(kept), total + count)
            kept = _widened(kept, room)
            kept_cost = _widened(kept_cost, room)
        for k in range(count):
            kept[total + k] = order[k]
            kept_cost[total + k] = label[order[k]]
        total += count
        counts[s] = count
    return kept[:total].copy(), kept_cost[:total].copy()


@kernel(parallel=True)
def _reach_all(  # type: ignore[no-untyped-def]
    seed_a, cost_a, seed_b, cost_b, cutoff, indptr, head, cost, wait, chunks
):
    sources = len(seed_a)
    counts = np.zeros(sources, np.int64)
    nodes = [np.empty(0, np.int32) for _ in range(chunks)]
    costs = [np.empty(0, np.int32) for _ in range(chunks)]
    for chunk in prange(chunks):
        nodes[chunk], costs[chunk] = _reach_some(
            sources * chunk // chunks,
            sources * (chunk + 1) // chunks,
            seed_a,
            cost_a,
            seed_b,
            cost_b,
            cutoff,
            indptr,
            head,
            cost,
            wait,
            counts,
        )
    return counts, nodes, costs


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
    _same_version(network, impedance, sources)
    seeds = _seeds(network, impedance, sources, inward=True)
    chunks = max(1, min(get_num_threads() * 4, len(sources)))
    counts, nodes, costs = _reach_all(
        *seeds,
        impedance.cutoff_mm(cutoff_s),
        impedance.reverse_indptr,
        impedance.reverse_head,
        impedance.reverse_cost_mm,
        impedance.node_wait_mm,
        chunks,
    )
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Reached(offsets, np.concatenate(nodes), np.concatenate(costs))


def _same_version(network: WalkNetwork, impedance: Impedance, *points: SnappedPoints) -> None:
    for named in (impedance.network_version, *(p.network_version for p in points)):
        if named != network.version:
            raise SnapError(
                "Points or costs belong to another version of the network.",
                remedy="Snap and price them anew on the present network.",
            )


def _seeds(
    network: WalkNetwork, impedance: Impedance, points: SnappedPoints, *, inward: bool
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """Both ends of each point's edge with the cost between end and point, access included.

    ``inward``: people walk from the end to the point (a station); else from the point to the end.
    """
    edge = points.edge
    here = edge >= 0
    safe = np.where(here, edge, 0)
    length = network.edge_length_mm[safe].astype(np.int64)
    offset = points.offset_mm.astype(np.int64)
    toward_first = impedance.forward_mm if inward else impedance.backward_mm
    toward_second = impedance.backward_mm if inward else impedance.forward_mm
    costs = []
    for whole, part in ((toward_first, offset), (toward_second, length - offset)):
        whole_mm = whole[safe].astype(np.int64)
        partial = np.where(length > 0, whole_mm * part // np.maximum(length, 1), 0)
        costs.append(np.where(here & (whole_mm >= 0), partial + points.access_mm, -1))
    nodes = network.edge_nodes[safe]
    return (
        np.ascontiguousarray(nodes[:, 0]),
        costs[0],
        np.ascontiguousarray(nodes[:, 1]),
        costs[1],
    )


@kernel
def _direct(length, forward, backward, from_offset, to_offset):  # type: ignore[no-untyped-def]
    """Cost along one edge from one offset to another; -1 where closed."""
    if to_offset >= from_offset:
        whole, part = np.int64(forward), np.int64(to_offset - from_offset)
    else:
        whole, part = np.int64(backward), np.int64(from_offset - to_offset)
    if part == 0:
        return np.int64(0)
    if whole < 0:
        return np.int64(-1)
    return whole * part // length


@kernel
def _by_edge(edge, m):  # type: ignore[no-untyped-def]
    indptr = np.zeros(m + 1, np.int32)
    for i in range(len(edge)):
        if edge[i] >= 0:
            indptr[edge[i] + 1] += 1
    for e in range(m):
        indptr[e + 1] += indptr[e]
    fill = indptr[:-1].copy()
    content = np.empty(indptr[-1], np.int32)
    for i in range(len(edge)):
        if edge[i] >= 0:
            content[fill[edge[i]]] = i
            fill[edge[i]] += 1
    return indptr, content


@kernel
def _sweep(seed_node, seed_cost, seed_facility, cutoff, indptr, head, cost, wait, label):  # type: ignore[no-untyped-def]
    """Multi-source search; label = cost << 32 | facility, so ties go to the lower facility."""
    keys = np.empty(max(1024, 2 * len(seed_node)), np.int64)
    nodes = np.empty(len(keys), np.int32)
    size = 0
    k = 0
    seeds = len(seed_node)
    v = np.int32(0)
    while True:
        # Seeds first, then settle: one loop body pushes for both.
        if k < seeds:
            u = seed_node[k]
            t = ((seed_cost[k] + wait[u]) << 32) | seed_facility[k]
            k += 1
            if (t >> 32) <= cutoff and t < label[u]:
                label[u] = t
                if size == len(keys):
                    keys, nodes = _grow(keys, nodes)
                _push_pair(keys, nodes, size, t, u)
                size += 1
            continue
        if size == 0:
            break
        key = keys[0]
        v = nodes[0]
        _pop_pair(keys, nodes, size)
        size -= 1
        if key > label[v]:
            continue
        for a in range(indptr[v], indptr[v + 1]):
            u = head[a]
            t = key + (np.int64(cost[a]) << 32)
            if (t >> 32) > cutoff or t >= label[u]:
                continue
            label[u] = t
            if size == len(keys):
                keys, nodes = _grow(keys, nodes)
            _push_pair(keys, nodes, size, t, u)
            size += 1


@kernel
def _grow(keys, nodes):  # type: ignore[no-untyped-def]
    wider = np.empty(2 * len(keys), np.int64)
    wider[: len(keys)] = keys
    wider_nodes = np.empty(2 * len(keys), np.int32)
    wider_nodes[: len(keys)] = nodes
    return wider, wider_nodes


@kernel(inline="always")
def _push_pair(keys, nodes, size, key, node):  # type: ignore[no-untyped-def]
    i = size
    while i > 0:
        parent = (i - 1) >> 1
        if keys[parent] <= key:
            break
        keys[i] = keys[parent]
        nodes[i] = nodes[parent]
        i = parent
    keys[i] = key
    nodes[i] = node


@kernel(inline="always")
def _pop_pair(keys, nodes, size):  # type: ignore[no-untyped-def]
    last, last_node = keys[size - 1], nodes[size - 1]
    size -= 1
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and keys[child + 1] < keys[child]:
            child += 1
        if keys[child] >= last:
            break
        keys[i] = keys[child]
        nodes[i] = nodes[child]
        i = child
    keys[i] = last
    nodes[i] = last_node


@kernel(parallel=True)
def _gather(  # type: ignore[no-untyped-def]
    edge,
    offset,
    access,
    d_first,
    d_second,
    first,
    second,
    label,
    far,
    f_indptr,
    f_content,
    f_offset,
    f_access,
    length,
    forward,
    backward,
    cutoff,
):
    n = len(edge)
    best = np.full(n, far, np.int64)
    for i in prange(n):
        e = edge[i]
        if e < 0:
            continue
        t = far
        if d_first[i] >= 0 and label[first[i]] < far:
            t = min(t, label[first[i]] + (d_first[i] << 32))
        if d_second[i] >= 0 and label[second[i]] < far:
            t = min(t, label[second[i]] + (d_second[i] << 32))
        for k in range(f_indptr[e], f_indptr[e + 1]):
            f = f_content[k]
            along = _direct(length[e], forward[e], backward[e], offset[i], f_offset[f])
            if along >= 0:
                t = min(t, ((np.int64(access[i]) + along + f_access[f]) << 32) | f)
        if t < far and (t >> 32) <= cutoff:
            best[i] = t
    return best


FAR = np.int64(2**63 - 1)


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
    _same_version(network, impedance, demand, facilities)
    cutoff = np.int64(LONGEST_MM if cutoff_s is None else impedance.cutoff_mm(cutoff_s))
    a, a_cost, b, b_cost = _seeds(network, impedance, facilities, inward=True)
    nodes = np.concatenate([a, b])
    costs = np.concatenate([a_cost, b_cost])
    who = np.tile(np.arange(len(facilities), dtype=np.int64), 2)
    open_ = costs >= 0
    label = np.full(len(network.node_xy), FAR, np.int64)
    _sweep(
        nodes[open_],
        costs[open_],
        who[open_],
        cutoff,
        impedance.reverse_indptr,
        impedance.reverse_head,
        impedance.reverse_cost_mm,
        impedance.node_wait_mm,
        label,
    )
    first, d_first, second, d_second = _seeds(network, impedance, demand, inward=False)
    # The wait of the last node is in the label already.
    by_edge = _by_edge(facilities.edge, len(network.edge_length_mm))
    best = _gather(
        demand.edge,
        demand.offset_mm,
        demand.access_mm,
        d_first,
        d_second,
        first,
        second,
        label,
        FAR,
        *by_edge,
        facilities.offset_mm,
        facilities.access_mm,
        network.edge_length_mm,
        impedance.forward_mm,
        impedance.backward_mm,
        cutoff,
    )
    found = best < FAR
    cost = np.where(found, best >> 32, -1)
    return NearestFacility(
        impedance.seconds(cost),
        np.where(found, best & 0xFFFFFFFF, NONE).astype(np.int32),
        cost,
    )


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
    edge_first,
    length,
    forward,
    backward,
    counts,
):
    """Targets of sources low to high, each once with its least cost, targets rising."""
    n = len(indptr) - 1
    label = np.empty(n, np.int32)
    stamp = np.zeros(n, np.int32)
    heap = np.empty(1024, np.int64)
    order = np.empty(1024, np.int32)
    seen = np.zeros(len(t_offset), np.int32)
    place = np.empty(len(t_offset), np.int64)
    kept = np.empty(4096, np.int32)
    kept_cost = np.empty(4096, np.int32)
    total = 0
    for s in range(low, high):
        mark = s - low + 1
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
            stamp,
            mark,
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
                        along = _direct(
                            length[e], forward[e], backward[e], t_offset[t], source_offset[s]
                        )
                        if along < 0:
                            continue
                        c = along + source_access[s] + t_access[t]
                    else:
                        leg = t_first[t] if edge_first[e] == v else t_second[t]
                        if edge_first[e] == v and head[a] == v and t_second[t] >= 0:
                            leg = min(leg, t_second[t]) if leg >= 0 else t_second[t]
                        if leg < 0:
                            continue
                        c = leg + label[v]
                    if c > cutoff:
                        continue
                    if seen[t] == mark:
                        at = place[t]
                        if c < kept_cost[at]:
                            kept_cost[at] = c
                    else:
                        if total == len(kept):
                            kept = _widened(kept, 2 * total)
                            kept_cost = _widened(kept_cost, 2 * total)
                        seen[t] = mark
                        place[t] = total
                        kept[total] = t
                        kept_cost[total] = c
                        total += 1
        counts[s] = total - begin
        by_target = np.argsort(kept[begin:total])
        some = kept[begin:total][by_target]
        some_cost = kept_cost[begin:total][by_target]
        for j in range(total - begin):
            kept[begin + j] = some[j]
            kept_cost[begin + j] = some_cost[j]
    return kept[:total].copy(), kept_cost[:total].copy()


@kernel(parallel=True)
def _pairs_all(  # type: ignore[no-untyped-def]
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
    edge_first,
    length,
    forward,
    backward,
    chunks,
):
    sources = len(seed_a)
    counts = np.zeros(sources, np.int64)
    targets = [np.empty(0, np.int32) for _ in range(chunks)]
    costs = [np.empty(0, np.int32) for _ in range(chunks)]
    for chunk in prange(chunks):
        targets[chunk], costs[chunk] = _pairs_some(
            sources * chunk // chunks,
            sources * (chunk + 1) // chunks,
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
            edge_first,
            length,
            forward,
            backward,
            counts,
        )
    return counts, targets, costs


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
        _same_version(network, impedance, targets)
        self.impedance = impedance
        self.points = targets
        _, self.to_first, _, self.to_second = _seeds(network, impedance, targets, inward=False)
        self.by_edge = _by_edge(targets.edge, len(network.edge_length_mm))
        self.first_node = np.ascontiguousarray(network.edge_nodes[:, 0])


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
    _same_version(network, impedance, sources, targets.points)
    a, a_cost, b, b_cost = _seeds(network, impedance, sources, inward=True)
    chunks = max(1, min(get_num_threads() * 4, len(sources)))
    counts, found, costs = _pairs_all(
        a,
        a_cost,
        b,
        b_cost,
        sources.edge,
        sources.offset_mm,
        sources.access_mm,
        impedance.cutoff_mm(cutoff_s),
        impedance.reverse_indptr,
        impedance.reverse_head,
        impedance.reverse_edge,
        impedance.reverse_cost_mm,
        impedance.node_wait_mm,
        *targets.by_edge,
        targets.to_first,
        targets.to_second,
        targets.points.offset_mm,
        targets.points.access_mm,
        targets.first_node,
        network.edge_length_mm,
        impedance.forward_mm,
        impedance.backward_mm,
        chunks,
    )
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return OneToMany(offsets, np.concatenate(found), np.concatenate(costs))


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
    _same_version(network, impedance, source)
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
