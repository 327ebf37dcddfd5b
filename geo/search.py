"""Exact bounded shortest paths whose cost depends on what is reached, not on the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import get_num_threads, njit, prange
from numpy.typing import NDArray

from geo.errors import SnapError
from geo.impedance import Impedance
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


@njit(cache=True, inline="always")
def _push(heap, size, key):  # type: ignore[no-untyped-def]
    i = size
    while i > 0:
        parent = (i - 1) >> 1
        if heap[parent] <= key:
            break
        heap[i] = heap[parent]
        i = parent
    heap[i] = key


@njit(cache=True, inline="always")
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


@njit(cache=True)
def _seed(edge, offset, access, length, e1_cost, e2_cost):  # type: ignore[no-untyped-def]
    """Cost between a point on an edge and its two ends; -1 where closed.

    ``e1_cost`` is the cost of the whole edge on the way to or from the first node, ``e2_cost``
    for the second.
    """
    to_first = np.int64(-1)
    to_second = np.int64(-1)
    if e1_cost >= 0:
        to_first = access + (np.int64(e1_cost) * offset // length if length > 0 else 0)
    if e2_cost >= 0:
        to_second = access + (np.int64(e2_cost) * (length - offset) // length if length > 0 else 0)
    return to_first, to_second


@njit(cache=True)
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


@njit(cache=True)
def _widened(array, room):  # type: ignore[no-untyped-def]
    wider = np.empty(room, array.dtype)
    for k in range(len(array)):
        wider[k] = array[k]
    return wider


@njit(cache=True, parallel=True, nogil=True)
def _reach_all(  # type: ignore[no-untyped-def]
    seed_a, cost_a, seed_b, cost_b, cutoff, indptr, head, cost, wait, chunks
):
    n = len(indptr) - 1
    sources = len(seed_a)
    counts = np.zeros(sources, np.int64)
    nodes = [np.empty(0, np.int32) for _ in range(chunks)]
    costs = [np.empty(0, np.int32) for _ in range(chunks)]
    for chunk in prange(chunks):
        label = np.empty(n, np.int32)
        stamp = np.zeros(n, np.int32)
        heap = np.empty(1024, np.int64)
        order = np.empty(1024, np.int32)
        low = sources * chunk // chunks
        high = sources * (chunk + 1) // chunks
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
        nodes[chunk] = kept[:total]
        costs[chunk] = kept_cost[:total]
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


@njit(cache=True)
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


@njit(cache=True)
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


@njit(cache=True, nogil=True)
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


@njit(cache=True)
def _grow(keys, nodes):  # type: ignore[no-untyped-def]
    wider = np.empty(2 * len(keys), np.int64)
    wider[: len(keys)] = keys
    wider_nodes = np.empty(2 * len(keys), np.int32)
    wider_nodes[: len(keys)] = nodes
    return wider, wider_nodes


@njit(cache=True, inline="always")
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


@njit(cache=True, inline="always")
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


@njit(cache=True, parallel=True, nogil=True)
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
    cutoff = np.int64(2**31 - 1) if cutoff_s is None else np.int64(impedance.cutoff_mm(cutoff_s))
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
