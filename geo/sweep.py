"""Every node's nearest facility at once, and what of it reaches the points on the edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geo.ends import along_mm, first_row, leg_mm
from geo.heap import pop_key, push_key, widened
from geo.impedance import Impedance
from geo.kernels import in_shares, kernel

NONE = -1
FAR = 2**63 - 1
"""Label of a node that no sweep has reached."""
_PART = 1 << 15
"""Nodes that are swept at a time: what of them is read and written stays in a core's cache."""


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
                    touched = widened(touched, 2 * reached)
                touched[reached] = u
                reached += 1
            label[u] = t
            if size == len(heap):
                heap = widened(heap, 2 * size)
            push_key(heap, size, ((t >> 32) << 32) | u)
            size += 1
        while size > 0:
            key = pop_key(heap, size)
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
                        touched = widened(touched, 2 * reached)
                    touched[reached] = u
                    reached += 1
                label[u] = t
                if size == len(heap):
                    heap = widened(heap, 2 * size)
                push_key(heap, size, ((t >> 32) << 32) | u)
                size += 1
            if leaves:
                if left == len(leaving):
                    leaving = widened(leaving, 2 * left)
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
            key = pop_key(heap, size)
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
                    touched = widened(touched, 2 * reached)
                touched[reached] = u
                reached += 1
            label[u] = t
            if size == len(heap):
                heap = widened(heap, 2 * size)
            push_key(heap, size, ((t >> 32) << 32) | u)
            size += 1
    return touched[:reached].copy()


def sweep(
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
def gather_nearest(  # type: ignore[no-untyped-def]
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
                leg = leg_mm(whole, part, length[e], access[i])
                if leg >= 0 and leg <= cutoff - (here >> 32):
                    best = min(best, here + (leg << 32))
        for k in range(first_row(at_edge, e), len(at_edge)):
            if at_edge[k] != e:
                break
            f = by_edge[k]
            along = along_mm(length[e], forward[e], backward[e], offset[i], f_offset[f])
            if along >= 0:
                best = min(best, ((np.int64(access[i]) + along + f_access[f]) << 32) | f)
        if best < FAR and (best >> 32) <= cutoff:
            cost_mm[i] = best >> 32
            facility[i] = best & 0xFFFFFFFF
            seconds[i] = (best >> 32) / mm_per_s
