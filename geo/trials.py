"""Trials: what a change of stations and streets does to the walks to the nearest station.

The walks of the whole city are found once and kept. A change is then worked out from where it is
outwards, and only as far as it reaches: what it costs does not depend on the size of the city.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.ends import along_mm, ends_of, first_row, leg_mm, points_by_edge, require_same_version
from geo.heap import pop_key, push_key, widened
from geo.impedance import CLOSED, Impedance
from geo.kernels import in_shares, kernel
from geo.links import Links
from geo.network import WalkNetwork
from geo.snapping import SnappedPoints, joined_points, no_points
from geo.sweep import FAR, gather_nearest, sweep

_POINTS_A_THREAD = 16_384


class KeptWalks:
    """Walks from every demand point to its nearest facility, kept for trials of changes.

    Parameters
    ----------
    network : WalkNetwork
    impedance : Impedance
    demand, facilities : SnappedPoints
    cutoff_s : float
        Seconds; longer walks do not count.

    Attributes
    ----------
    cost_mm : ndarray, shape (n,), int64
        Of each demand point's walk; -1 where none is short enough.

    Raises
    ------
    SnapError
        If points or impedance belong to another version of the network.
    """

    def __init__(
        self,
        network: WalkNetwork,
        impedance: Impedance,
        demand: SnappedPoints,
        facilities: SnappedPoints,
        *,
        cutoff_s: float,
    ) -> None:
        require_same_version(network, impedance, demand, facilities)
        self._network, self._impedance = network, impedance
        self._demand, self._facilities = demand, facilities
        self._cutoff = impedance.cutoff_mm(cutoff_s)
        a, a_cost, b, b_cost = ends_of(network, impedance, facilities, inward=True)
        nodes, costs = np.concatenate([a, b]), np.concatenate([a_cost, b_cost])
        who = np.tile(np.arange(len(facilities), dtype=np.int64), 2)
        open_ = costs >= 0
        self._label = np.full(len(network.node_xy), FAR, np.int64)
        sweep(impedance, nodes[open_], costs[open_], who[open_], self._cutoff, self._label)
        self._points_by_edge = points_by_edge(demand.edge, len(network.edge_length_mm))
        self.cost_mm = np.empty(len(demand), np.int64)
        by_edge = np.argsort(facilities.edge, kind="stable")
        seconds = np.empty(len(demand), np.float32)
        nearest = np.empty(len(demand), np.int32)
        in_shares(
            lambda low, high: gather_nearest(
                low,
                high,
                demand.edge,
                demand.offset_mm,
                demand.access_mm,
                self._label,
                by_edge,
                facilities.edge[by_edge],
                facilities.offset_mm,
                facilities.access_mm,
                network.edge_nodes,
                network.edge_length_mm,
                impedance.forward_mm,
                impedance.backward_mm,
                self._cutoff,
                1000.0 * impedance.speed_mps,
                seconds,
                nearest,
                self.cost_mm,
            ),
            len(demand),
            least=_POINTS_A_THREAD,
        )

    def tried(
        self,
        *,
        closed: NDArray[np.int64] | None = None,
        new: SnappedPoints | None = None,
        links: Links | None = None,
        moved: NDArray[np.int64] | None = None,
        moved_to: SnappedPoints | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Demand points whose walk a change may touch, and their walks with it.

        Parameters
        ----------
        closed : ndarray of int64, optional
            Rows of facilities that are not there.
        new : SnappedPoints, optional
            Facilities that are there as well.
        links : Links, optional
            Pieces of street, open to feet both ways. Points stay on the edges they were joined to.
        moved : ndarray of int64, optional
            Demand points that are joined to the network elsewhere, each once.
        moved_to : SnappedPoints, optional
            Where, in the same order.

        Returns
        -------
        point : ndarray, shape (k,), int64
            Rising. All others walk as before.
        cost_mm : ndarray, shape (k,), int64
            -1 where no walk is short enough.

        Raises
        ------
        SnapError
            If points belong to another version of the network.

        References
        ----------
        Ramalingam and Reps (1996), "An incremental algorithm for a generalization of the
        shortest-path problem".
        """
        network, impedance = self._network, self._impedance
        added = new if new is not None else no_points(network.version)
        put = moved_to if moved_to is not None else no_points(network.version)
        rows = np.asarray(moved if moved is not None else [], np.int64)
        require_same_version(network, impedance, added, put)
        facilities = joined_points(self._facilities, added)
        shut = np.zeros(len(facilities), np.bool_)
        if closed is not None:
            shut[closed] = True
        order = np.argsort(facilities.edge, kind="stable")
        at_edge = facilities.edge[order]
        ends = _ends_of_links(network, impedance, links)
        edges = (
            network.edge_nodes,
            network.edge_length_mm,
            impedance.forward_mm,
            impedance.backward_mm,
        )
        arcs = impedance.reverse_indptr, impedance.reverse_head, impedance.reverse_cost_mm
        ways = impedance.indptr, impedance.head, impedance.arc_edge, impedance.cost_mm
        wait = impedance.node_wait_mm
        stations = order, at_edge, facilities.offset_mm, facilities.access_mm, shut
        label = np.concatenate([self._label, np.full(len(ends.edge), FAR, np.int64)])
        gone = _forgotten(
            label, facilities.edge[: len(self._facilities)], shut, edges[0], *arcs[:2]
        )
        again = _again(gone, label, *ways, wait, *edges, *stations)
        a, a_cost, b, b_cost = ends_of(network, impedance, added, inward=True)
        who = np.tile(len(self._facilities) + np.arange(len(added), dtype=np.int64), 2)
        nodes, costs = np.concatenate([a, b]).astype(np.int64), np.concatenate([a_cost, b_cost])
        open_ = costs >= 0
        seeds = (costs[open_] + wait[nodes[open_]] << 32) | who[open_]
        joined = _at_ends(label, ends, *edges[1:], *stations)
        places = len(self._label) + np.arange(len(joined))
        improved = _spread(
            label,
            self._cutoff,
            np.concatenate([gone, nodes[open_], places]),
            np.concatenate([again, seeds, joined]),
            *arcs,
            wait,
            *edges[1:],
            ends,
        )
        touched = np.concatenate([gone, improved])
        near = _points_on(
            touched,
            len(self._label),
            impedance.reverse_indptr,
            impedance.reverse_edge,
            np.concatenate([ends.edge, facilities.edge[shut], added.edge]),
            *self._points_by_edge,
        )
        point = np.union1d(near, rows)
        at = self._demand.take(point)
        edge, offset, access = at.edge.copy(), at.offset_mm.copy(), at.access_mm.copy()
        here = np.searchsorted(point, rows)
        edge[here], offset[here], access[here] = put.edge, put.offset_mm, put.access_mm
        cost = _walks(edge, offset, access, label, self._cutoff, *edges, *stations, ends)
        return point, cost


class _Ends(NamedTuple):
    """Ends of links as places of their own, two a link: they are numbered on from the nodes.

    Attributes
    ----------
    edge, offset : ndarray, shape (2k,), int64
        Edge -1 where the end is a node.
    node : ndarray, shape (2k, 2), int64
        Both nodes of the edge.
    out, into : ndarray, shape (2k, 2), int64
        Cost from the place to each of them, and from each of them to it; -1 where closed.
    nodes, at : ndarray, shape (4k,), int64
        ``node`` sorted, and where each stands in it.
    whole : ndarray, shape (k,), int64
        Cost of each link.
    """

    edge: NDArray[np.int64]
    offset: NDArray[np.int64]
    node: NDArray[np.int64]
    out: NDArray[np.int64]
    into: NDArray[np.int64]
    nodes: NDArray[np.int64]
    at: NDArray[np.int64]
    whole: NDArray[np.int64]


def _ends_of_links(network: WalkNetwork, impedance: Impedance, links: Links | None) -> _Ends:
    count = 0 if links is None else 2 * len(links)
    edge = np.zeros(count, np.int64)
    offset = np.zeros(count, np.int64)
    whole = np.zeros(0, np.int64)
    if links is not None and count:
        edge = links.edge.reshape(-1).astype(np.int64)
        offset = links.offset_mm.reshape(-1).astype(np.int64)
        mm = np.rint(np.hypot(*(links.xy[:, 1] - links.xy[:, 0]).T) * 1000).astype(np.int64)
        whole = mm if impedance.profile.mode == "walk" else np.full(len(mm), CLOSED, np.int64)
    node = network.edge_nodes[edge].astype(np.int64).reshape(-1, 2)
    length = network.edge_length_mm[edge].astype(np.int64)
    forward = impedance.forward_mm[edge].astype(np.int64)
    backward = impedance.backward_mm[edge].astype(np.int64)
    step = np.maximum(length, 1)

    def part(cost: NDArray[np.int64], run: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(cost < 0, CLOSED, cost * run // step)

    out = np.column_stack([part(backward, offset), part(forward, length - offset)])
    into = np.column_stack([part(forward, offset), part(backward, length - offset)])
    at_first, at_second = offset <= 0, (offset >= length) & (offset > 0)
    for where, side in ((at_first, 0), (at_second, 1)):
        out[where], into[where] = CLOSED, CLOSED
        out[where, side], into[where, side] = 0, 0
    edge = np.where(at_first | at_second, -1, edge)
    by_node = np.argsort(node.reshape(-1), kind="stable")
    return _Ends(edge, offset, node, out, into, node.reshape(-1)[by_node], by_node, whole)


@kernel
def _forgotten(label, f_edge, shut, edge_nodes, r_indptr, r_head):  # type: ignore[no-untyped-def]
    """Take away the labels that closed facilities gave; the nodes, outwards from them.

    Each was labelled over a neighbour with a label of the same facility.
    """
    gone = np.empty(1024, np.int64)
    count = 0
    for f in range(len(f_edge)):
        if not shut[f] or f_edge[f] < 0:
            continue
        for side in range(2):
            v = edge_nodes[f_edge[f], side]
            if label[v] < FAR and label[v] & 0xFFFFFFFF == f:
                label[v] = FAR
                if count == len(gone):
                    gone = widened(gone, 2 * count)
                gone[count] = v
                count += 1
    k = 0
    while k < count:
        x = gone[k]
        k += 1
        for a in range(r_indptr[x], r_indptr[x + 1]):
            u = r_head[a]
            if label[u] < FAR and shut[label[u] & 0xFFFFFFFF]:
                label[u] = FAR
                if count == len(gone):
                    gone = widened(gone, 2 * count)
                gone[count] = u
                count += 1
    return gone[:count]


@kernel
def _along_edge(e, offset, length, forward, backward, by_edge, at_edge, f_offset, f_access, shut):  # type: ignore[no-untyped-def]
    """Least cost along one edge to a facility on it that is there, with which; `FAR` if none."""
    best = np.int64(FAR)
    for j in range(first_row(at_edge, e), len(at_edge)):
        if at_edge[j] != e:
            break
        f = by_edge[j]
        along = along_mm(length[e], forward[e], backward[e], offset, f_offset[f])
        if along >= 0 and not shut[f]:
            best = min(best, ((along + f_access[f]) << 32) | f)
    return best


@kernel
def _again(  # type: ignore[no-untyped-def]
    gone,
    label,
    indptr,
    head,
    arc_edge,
    cost,
    wait,
    edge_nodes,
    length,
    forward,
    backward,
    by_edge,
    at_edge,
    f_offset,
    f_access,
    shut,
):
    """Labels of forgotten nodes: over neighbours whose labels stay, from facilities beside them."""
    again = np.full(len(gone), FAR, np.int64)
    for k in range(len(gone)):
        u = gone[k]
        best = np.int64(FAR)
        for a in range(indptr[u], indptr[u + 1]):
            x, e = head[a], arc_edge[a]
            if label[x] < FAR:
                best = min(best, label[x] + ((np.int64(cost[a]) - wait[x] + wait[u]) << 32))
            for side in range(2):
                if edge_nodes[e, side] == u:
                    near = _along_edge(
                        e,
                        length[e] if side == 1 else 0,
                        length,
                        forward,
                        backward,
                        by_edge,
                        at_edge,
                        f_offset,
                        f_access,
                        shut,
                    )
                    if near < FAR:
                        best = min(best, near + (np.int64(wait[u]) << 32))
        again[k] = best
    return again


@kernel
def _at_ends(  # type: ignore[no-untyped-def]
    label,
    ends,
    length,
    forward,
    backward,
    by_edge,
    at_edge,
    f_offset,
    f_access,
    shut,
):
    """Labels of the ends of links: over nodes whose labels stay, from facilities on their edge."""
    found = np.full(len(ends.edge), FAR, np.int64)
    for p in range(len(ends.edge)):
        best = np.int64(FAR)
        for side in range(2):
            here = label[ends.node[p, side]]
            if ends.out[p, side] >= 0 and here < FAR:
                best = min(best, here + (ends.out[p, side] << 32))
        if ends.edge[p] >= 0:
            near = _along_edge(
                ends.edge[p],
                ends.offset[p],
                length,
                forward,
                backward,
                by_edge,
                at_edge,
                f_offset,
                f_access,
                shut,
            )
            best = min(best, near)
        found[p] = best
    return found


@kernel(inline="always")
def _from_place(p, a, n, ends, wait, length, forward, backward):  # type: ignore[no-untyped-def]
    """The a-th way that leads to the end of a link: where from, and its cost (-1: closed)."""
    if a < 2:
        u, step = ends.node[p, a], ends.into[p, a]
        if step >= 0:
            step += wait[u]
        return u, step
    if a == 2:
        return np.int64(n + (p ^ 1)), ends.whole[p >> 1]
    q = a - 3
    e = ends.edge[p]
    if e < 0 or ends.edge[q] != e or q == p:
        return np.int64(n + q), np.int64(-1)
    along = along_mm(length[e], forward[e], backward[e], ends.offset[q], ends.offset[p])
    return np.int64(n + q), np.int64(along)


@kernel
def _spread(  # type: ignore[no-untyped-def]
    label,
    cutoff,
    seeds,
    keys,
    r_indptr,
    r_head,
    r_cost,
    wait,
    length,
    forward,
    backward,
    ends,
):
    """Put labels right from some seeds outwards, nearest first; the places that got nearer."""
    n = len(wait)
    heap = np.empty(max(1024, len(seeds)), np.int64)
    improved = np.empty(1024, np.int64)
    size = count = 0
    for k in range(len(seeds)):
        d = keys[k] >> 32
        if d <= cutoff and d < label[seeds[k]] >> 32:
            label[seeds[k]] = keys[k]
            push_key(heap, size, (d << 32) | seeds[k])
            size += 1
    while size > 0:
        key = pop_key(heap, size)
        size -= 1
        x = key & 0xFFFFFFFF
        here = label[x]
        if key >> 32 > here >> 32:
            continue
        if count == len(improved):
            improved = widened(improved, 2 * count)
        improved[count] = x
        count += 1
        # A node: its streets, then the ends of links beside it. The end of a link: see _from_place.
        is_node = x < n
        begin = r_indptr[x] if is_node else 0
        streets = r_indptr[x + 1] - begin if is_node else 0
        first = first_row(ends.nodes, x) if is_node and len(ends.nodes) > 0 else 0
        a = 0
        while True:
            if a < streets:
                u, step = np.int64(r_head[begin + a]), np.int64(r_cost[begin + a])
            elif is_node:
                k = first + a - streets
                if k >= len(ends.nodes) or ends.nodes[k] != x:
                    break
                p = ends.at[k]
                u, step = np.int64(n + (p >> 1)), ends.out[p >> 1, p & 1]
            elif a < 3 + len(ends.edge):
                u, step = _from_place(x - n, a, n, ends, wait, length, forward, backward)
            else:
                break
            a += 1
            d = (here >> 32) + step
            if step < 0 or d > cutoff or d >= label[u] >> 32:
                continue
            label[u] = (d << 32) | (here & 0xFFFFFFFF)
            if size == len(heap):
                heap = widened(heap, 2 * size)
            push_key(heap, size, (d << 32) | u)
            size += 1
    return improved[:count]


@kernel
def _points_on(  # type: ignore[no-untyped-def]
    touched, n, r_indptr, r_edge, edges, by_edge_indptr, by_edge
):
    """Points on edges that lead to the nodes touched, and on some edges more; rising, each once."""
    found = np.empty(1024, np.int64)
    count = 0
    for k in range(len(touched) + len(edges)):
        is_node = k < len(touched)
        if is_node and touched[k] >= n:
            continue
        first = r_indptr[touched[k]] if is_node else 0
        end = r_indptr[touched[k] + 1] if is_node else 1
        for a in range(first, end):
            e = np.int64(r_edge[a]) if is_node else np.int64(edges[k - len(touched)])
            if e < 0:
                continue
            for j in range(by_edge_indptr[e], by_edge_indptr[e + 1]):
                if count == len(found):
                    found = widened(found, 2 * count)
                found[count] = by_edge[j]
                count += 1
    return np.unique(found[:count])


@kernel
def _walks(  # type: ignore[no-untyped-def]
    edge,
    offset,
    access,
    label,
    cutoff,
    edge_nodes,
    length,
    forward,
    backward,
    by_edge,
    at_edge,
    f_offset,
    f_access,
    shut,
    ends,
):
    """Least cost of each point: over both ends of its edge, or along it to a facility or link."""
    n = len(label) - len(ends.edge)
    found = np.full(len(edge), -1, np.int64)
    for i in range(len(edge)):
        e = edge[i]
        if e < 0:
            continue
        best = np.int64(FAR) >> 32
        for side in range(2):
            here = label[edge_nodes[e, side]]
            if here < FAR:
                whole = backward[e] if side == 0 else forward[e]
                part = offset[i] if side == 0 else length[e] - offset[i]
                leg = leg_mm(whole, part, length[e], access[i])
                if leg >= 0:
                    best = min(best, (here >> 32) + leg)
        near = _along_edge(
            e, offset[i], length, forward, backward, by_edge, at_edge, f_offset, f_access, shut
        )
        if near < FAR:
            best = min(best, (near >> 32) + access[i])
        for p in range(len(ends.edge)):
            if ends.edge[p] == e and label[n + p] < FAR:
                along = along_mm(length[e], forward[e], backward[e], offset[i], ends.offset[p])
                if along >= 0:
                    best = min(best, (label[n + p] >> 32) + along + access[i])
        if best <= cutoff:
            found[i] = best
    return found
