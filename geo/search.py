"""Exact bounded shortest paths whose cost depends on what is reached, not on the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.errors import SnapError
from geo.impedance import LONGEST_MM, Impedance
from geo.kernels import UNREACHED, borrowed_labels, in_shares, kernel
from geo.network import WalkNetwork
from geo.snapping import SnappedPoints

NONE = -1
FAR = 2**63 - 1
"""Label of a node that no sweep has reached."""

_SOURCES_A_THREAD = 4
_POINTS_A_THREAD = 16_384
_PART = 1 << 15
"""Nodes that are swept at a time: what of them is read and written stays in a core's cache."""


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
            order = _widened(order, 2 * count)
        order[count] = v
        count += 1
        for k in range(indptr[v], indptr[v + 1]):
            u = head[k]
            t = d + cost[k]
            if t > cutoff or label[u] <= t:
                continue
            label[u] = t
            if size == len(heap):
                heap = _widened(heap, 2 * size)
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
            kept = _widened(kept, room)
            kept_cost = _widened(kept_cost, room)
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
    _same_version(network, impedance, sources)
    seeds = _seeds(network, impedance, sources, inward=True)
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
    toward_first = impedance.forward_mm if inward else impedance.backward_mm
    toward_second = impedance.backward_mm if inward else impedance.forward_mm
    return _legs(
        points.edge,
        points.offset_mm,
        points.access_mm,
        network.edge_nodes,
        network.edge_length_mm,
        toward_first,
        toward_second,
    )


@kernel
def _leg(whole, part, length, access):  # type: ignore[no-untyped-def]
    """Cost of a part of an edge and of the access to it; -1 where closed."""
    if whole < 0:
        return np.int64(-1)
    if length <= 0:
        return np.int64(access)
    return np.int64(whole) * np.int64(part) // np.int64(length) + np.int64(access)


@kernel
def _legs(edge, offset, access, edge_nodes, length, toward_first, toward_second):  # type: ignore[no-untyped-def]
    n = len(edge)
    first = np.zeros(n, np.int32)
    second = np.zeros(n, np.int32)
    first_cost = np.full(n, -1, np.int64)
    second_cost = np.full(n, -1, np.int64)
    for i in range(n):
        e = edge[i]
        if e >= 0:
            first[i], second[i] = edge_nodes[e, 0], edge_nodes[e, 1]
            first_cost[i] = _leg(toward_first[e], offset[i], length[e], access[i])
            rest = length[e] - offset[i]
            second_cost[i] = _leg(toward_second[e], rest, length[e], access[i])
    return first, first_cost, second, second_cost


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
def _sweep_parts(  # type: ignore[no-untyped-def]
    low, high, part_of, seed_node, seed_key, cutoff, indptr, head, cost, label
):
    """Sweep parts low to high of the network, each by itself; nodes reached, nodes left from.

    ``part_of`` tells where the seeds of each part begin. Seeds are sorted by node.
    """
    nodes = len(indptr) - 1
    heap = np.empty(1024, np.int64)
    touched = np.empty(1024, np.int32)
    leaving = np.empty(1024, np.int32)
    reached = left = 0
    for part in range(low, high):
        size = 0
        south, north = part * _PART, min((part + 1) * _PART, nodes)
        for k in range(part_of[part], part_of[part + 1]):
            u, t = seed_node[k], seed_key[k]
            if t >= label[u]:
                continue
            if label[u] == FAR:
                if reached == len(touched):
                    touched = _widened(touched, 2 * reached)
                touched[reached] = u
                reached += 1
            label[u] = t
            if size == len(heap):
                heap = _widened(heap, 2 * size)
            _push(heap, size, ((t >> 32) << 32) | u)
            size += 1
        while size > 0:
            key = _pop(heap, size)
            size -= 1
            v = np.int32(key & 0xFFFFFFFF)
            here = label[v]
            if key >> 32 > here >> 32:
                continue
            leaves = False
            for a in range(indptr[v], indptr[v + 1]):
                u = head[a]
                if u < south or u >= north:
                    leaves = True
                    continue
                d = (here >> 32) + cost[a]
                t = (d << 32) | (here & 0xFFFFFFFF)
                if d > cutoff or t >= label[u]:
                    continue
                if label[u] == FAR:
                    if reached == len(touched):
                        touched = _widened(touched, 2 * reached)
                    touched[reached] = u
                    reached += 1
                label[u] = t
                if size == len(heap):
                    heap = _widened(heap, 2 * size)
                _push(heap, size, ((t >> 32) << 32) | u)
                size += 1
            if leaves:
                if left == len(leaving):
                    leaving = _widened(leaving, 2 * left)
                leaving[left] = v
                left += 1
    return touched[:reached].copy(), leaving[:left].copy()


@kernel
def _sweep_on(leaving, cutoff, indptr, head, cost, label):  # type: ignore[no-untyped-def]
    """Go on over the borders of the parts until nothing gets nearer; nodes newly reached."""
    heap = np.empty(1024, np.int64)
    touched = np.empty(1024, np.int32)
    size = reached = 0
    k = 0
    while True:
        if k < len(leaving):
            v = leaving[k]
            k += 1
        elif size > 0:
            key = _pop(heap, size)
            size -= 1
            v = np.int32(key & 0xFFFFFFFF)
            if key >> 32 > label[v] >> 32:
                continue
        else:
            break
        here = label[v]
        for a in range(indptr[v], indptr[v + 1]):
            u = head[a]
            d = (here >> 32) + cost[a]
            t = (d << 32) | (here & 0xFFFFFFFF)
            if d > cutoff or t >= label[u]:
                continue
            if label[u] == FAR:
                if reached == len(touched):
                    touched = _widened(touched, 2 * reached)
                touched[reached] = u
                reached += 1
            label[u] = t
            if size == len(heap):
                heap = _widened(heap, 2 * size)
            _push(heap, size, ((t >> 32) << 32) | u)
            size += 1
    return touched[:reached].copy()


def _sweep(
    impedance: Impedance,
    nodes: NDArray[np.int32],
    costs: NDArray[np.int64],
    who: NDArray[np.int64],
    cutoff: int,
    label: NDArray[np.int64],
) -> list[NDArray[np.int32]]:
    """Label all nodes with cost << 32 | facility, so that ties go to the lower facility.

    Parts of the network, neighbours in space, are swept one by one and at the same time, each from
    the facilities in it; then what crosses their borders is put right. The order does not change
    the labels, which are the least that no arc can lower, but a search that hops between a
    thousand places waits for memory most of its time.

    Returns
    -------
    list of ndarray
        Nodes reached, which whoever owns the labels has to reset.
    """
    costs = costs + impedance.node_wait_mm[nodes]
    near = costs <= cutoff
    nodes, keys = nodes[near], (costs[near] << 32) | who[near]
    order = np.argsort(nodes, kind="stable")
    nodes, keys = nodes[order], keys[order]
    parts = -(-len(impedance.node_wait_mm) // _PART)
    part_of = np.searchsorted(nodes, np.arange(parts + 1) * _PART)
    arcs = impedance.reverse_indptr, impedance.reverse_head, impedance.reverse_cost_mm

    def some(low: int, high: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        return _sweep_parts(low, high, part_of, nodes, keys, cutoff, *arcs, label)

    swept = in_shares(some, parts, least=1)
    touched = [reached for reached, _ in swept]
    leaving = np.concatenate([left for _, left in swept])
    touched.append(_sweep_on(leaving, cutoff, *arcs, label))
    return touched


@kernel
def _first_at(edges, e):  # type: ignore[no-untyped-def]
    """First row of rising edges that is not below e."""
    low, high = 0, len(edges)
    while low < high:
        middle = (low + high) >> 1
        if edges[middle] < e:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _gather(  # type: ignore[no-untyped-def]
    low,
    high,
    edge,
    offset,
    access,
    label,
    by_edge,
    at_edge,
    f_offset,
    f_access,
    edge_nodes,
    length,
    forward,
    backward,
    cutoff,
    mm_per_s,
    seconds,
    facility,
    cost_mm,
):
    """Least of both ends' labels and of the facilities on the same edge, for some points."""
    for i in range(low, high):
        seconds[i], facility[i], cost_mm[i] = np.nan, NONE, NONE
        e = edge[i]
        if e < 0:
            continue
        best = FAR
        # People walk backward to the first node; its wait is in the label already.
        for side in range(2):
            here = label[edge_nodes[e, side]]
            if here < FAR:
                whole = backward[e] if side == 0 else forward[e]
                part = offset[i] if side == 0 else length[e] - offset[i]
                leg = _leg(whole, part, length[e], access[i])
                if leg >= 0 and leg <= cutoff - (here >> 32):
                    best = min(best, here + (leg << 32))
        for k in range(_first_at(at_edge, e), len(at_edge)):
            if at_edge[k] != e:
                break
            f = by_edge[k]
            along = _direct(length[e], forward[e], backward[e], offset[i], f_offset[f])
            if along >= 0:
                best = min(best, ((np.int64(access[i]) + along + f_access[f]) << 32) | f)
        if best < FAR and (best >> 32) <= cutoff:
            cost_mm[i] = best >> 32
            facility[i] = best & 0xFFFFFFFF
            seconds[i] = (best >> 32) / mm_per_s


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
    cutoff = LONGEST_MM if cutoff_s is None else impedance.cutoff_mm(cutoff_s)
    a, a_cost, b, b_cost = _seeds(network, impedance, facilities, inward=True)
    nodes, costs = np.concatenate([a, b]), np.concatenate([a_cost, b_cost])
    who = np.tile(np.arange(len(facilities), dtype=np.int64), 2)
    open_ = costs >= 0
    by_edge = np.argsort(facilities.edge, kind="stable")
    n = len(demand)
    found = NearestFacility(np.empty(n, np.float32), np.empty(n, np.int32), np.empty(n, np.int64))
    with borrowed_labels(len(network.node_xy), FAR) as label:
        touched = _sweep(impedance, nodes[open_], costs[open_], who[open_], cutoff, label)
        in_shares(
            lambda low, high: _gather(
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
                        along = _direct(
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
                            kept = _widened(kept, 2 * total)
                            kept_cost = _widened(kept_cost, 2 * total)
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
        _same_version(network, impedance, targets)
        self.impedance = impedance
        self.points = targets
        _, self.to_first, _, self.to_second = _seeds(network, impedance, targets, inward=False)
        self.by_edge = _by_edge(targets.edge, len(network.edge_length_mm))


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
    seeds = _seeds(network, impedance, sources, inward=True)
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
