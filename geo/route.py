"""Route: the walk from one home to one station, with its geometry and where the time goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.ends import along_mm, ends_of, require_same_version
from geo.errors import SnapError
from geo.heap import pop_key, push_key, widened
from geo.impedance import LONGEST_MM, Impedance
from geo.kernels import UNREACHED, borrowed_labels, kernel
from geo.network import WalkNetwork
from geo.snapping import SnappedPoints


@dataclass(frozen=True, slots=True)
class Route:
    """A walk along the network.

    Attributes
    ----------
    xy : ndarray, shape (k, 2), float64
        From the snapped origin to the snapped destination, metres.
    cost_mm : int
        All of it, access legs and waits included.
    seconds : float
    street_m : float
        Length along the network.
    origin_access_m, destination_access_m : float
        Straight legs at both ends.
    waiting_s : float
        Seconds of ``seconds`` spent at signals.
    way : ndarray, shape (w,), int64
        Ways walked on, in order.
    """

    xy: NDArray[np.float64]
    cost_mm: int
    seconds: float
    street_m: float
    origin_access_m: float
    destination_access_m: float
    waiting_s: float
    way: NDArray[np.int64]


@kernel
def _way(  # type: ignore[no-untyped-def]
    from_a,
    leg_a,
    from_b,
    leg_b,
    to_a,
    cost_a,
    to_b,
    cost_b,
    cutoff,
    indptr,
    head,
    arc_edge,
    cost,
    wait,
    label,
    by_edge,
    toward,
):
    """Cheapest way between the ends of two edges, searched backwards from the destination.

    Labels, edges and next nodes are `UNREACHED` before and after. It stops as soon as no better
    way can follow.

    Returns
    -------
    tuple
        Cost (above the cutoff where there is no way), end left by (0 or 1), nodes on the way, and
        the edges between them.
    """
    heap = np.empty(1024, np.int64)
    touched = np.empty(1024, np.int32)
    size = count = 0
    best = np.int64(cutoff) + 1
    for which in range(2):
        v = to_a if which == 0 else to_b
        d = cost_a if which == 0 else cost_b
        if d < 0:
            continue
        d += wait[v]
        if d > cutoff or d >= label[v]:
            continue
        if label[v] == UNREACHED:
            touched[count] = v
            count += 1
        label[v] = d
        push_key(heap, size, (np.int64(d) << 32) | v)
        size += 1
    while size > 0:
        key = pop_key(heap, size)
        size -= 1
        v = np.int32(key & 0xFFFFFFFF)
        d = key >> 32
        if d > best:
            break
        if d > label[v]:
            continue
        if v == from_a and leg_a >= 0:
            best = min(best, d + leg_a)
        if v == from_b and leg_b >= 0:
            best = min(best, d + leg_b)
        for k in range(indptr[v], indptr[v + 1]):
            u = head[k]
            t = d + cost[k]
            if t > cutoff or t > best or t >= label[u]:
                continue
            if label[u] == UNREACHED:
                if count == len(touched):
                    touched = widened(touched, 2 * count)
                touched[count] = u
                count += 1
            label[u] = t
            by_edge[u] = arc_edge[k]
            toward[u] = v
            if size == len(heap):
                heap = widened(heap, 2 * size)
            push_key(heap, size, (t << 32) | u)
            size += 1
    best, leave = np.int64(cutoff) + 1, -1
    if leg_a >= 0 and label[from_a] != UNREACHED and leg_a + label[from_a] < best:
        best, leave = leg_a + label[from_a], 0
    if leg_b >= 0 and label[from_b] != UNREACHED and leg_b + label[from_b] < best:
        best, leave = leg_b + label[from_b], 1
    nodes = np.empty(count, np.int32)
    edges = np.empty(count, np.int32)
    steps = 0
    if leave >= 0:
        nodes[0] = from_a if leave == 0 else from_b
        while toward[nodes[steps]] != UNREACHED:
            edges[steps] = by_edge[nodes[steps]]
            nodes[steps + 1] = toward[nodes[steps]]
            steps += 1
        steps += 1
    for k in range(count):
        v = touched[k]
        label[v] = by_edge[v] = toward[v] = UNREACHED
    return best, leave, nodes[:steps].copy(), edges[: max(steps - 1, 0)].copy()


def route(
    network: WalkNetwork,
    impedance: Impedance,
    origin: SnappedPoints,
    destination: SnappedPoints,
    *,
    cutoff_s: float | None = None,
) -> Route | None:
    """The cheapest walk from one origin to one destination.

    Parameters
    ----------
    network : WalkNetwork
    impedance : Impedance
    origin, destination : SnappedPoints, shape (1,)
    cutoff_s : float, optional
        Seconds beyond which nothing is looked for; a known walking time makes it quick.

    Returns
    -------
    Route or None
        None where no way leads there within the cutoff.

    Raises
    ------
    SnapError
        If a point is unsnapped or belongs to another version of the network.
    """
    require_same_version(network, impedance, origin, destination)
    start, end = int(origin.edge[0]), int(destination.edge[0])
    if start < 0 or end < 0:
        raise SnapError(
            "A route needs both ends on the network, and one of them is not.",
            remedy="Move the point nearer to a walkable street or raise the snapping limit.",
        )
    # A millimetre above, since the seconds of a known walk were rounded.
    cutoff = LONGEST_MM if cutoff_s is None else impedance.cutoff_mm(cutoff_s) + 1
    ends = [column[0] for column in ends_of(network, impedance, destination, inward=True)]
    starts = [column[0] for column in ends_of(network, impedance, origin, inward=False)]
    n = len(network.node_xy)
    with borrowed_labels(n) as label, borrowed_labels(n) as by_edge, borrowed_labels(n) as toward:
        best, leave, nodes, edges = _way(
            *starts,
            *ends,
            cutoff,
            impedance.reverse_indptr,
            impedance.reverse_head,
            impedance.reverse_edge,
            impedance.reverse_cost_mm,
            impedance.node_wait_mm,
            label,
            by_edge,
            toward,
        )
    offset, goal = int(origin.offset_mm[0]), int(destination.offset_mm[0])
    legs_mm = int(origin.access_mm[0]) + int(destination.access_mm[0])
    if start == end:
        along = along_mm(
            network.edge_length_mm[start],
            impedance.forward_mm[start],
            impedance.backward_mm[start],
            offset,
            goal,
        )
        if along >= 0 and along + legs_mm <= best:
            best, leave = along + legs_mm, 2
    if leave < 0 or best > cutoff:
        return None
    pieces: list[tuple[int, int, int]] = []  # edge, from offset, to offset
    if leave == 2:
        pieces.append((start, offset, goal))
    else:
        length = int(network.edge_length_mm[start])
        pieces.append((start, offset, 0 if leave == 0 else length))
        for edge, here, there in zip(edges.tolist(), nodes[:-1], nodes[1:], strict=True):
            length = int(network.edge_length_mm[edge])
            forward = tuple(network.edge_nodes[edge]) == (here, there)
            pieces.append((edge, 0, length) if forward else (edge, length, 0))
        node = int(nodes[-1])
        at_first = int(network.edge_nodes[end, 0]) == node and (
            int(network.edge_nodes[end, 1]) != node or ends[3] < 0 or 0 <= ends[1] <= ends[3]
        )
        pieces.append((end, 0 if at_first else int(network.edge_length_mm[end]), goal))
    street_mm = sum(abs(b - a) for _, a, b in pieces)
    speed = impedance.speed_mps
    ways: list[int] = []
    for edge, _, _ in pieces:
        way = int(network.edge_way[edge])
        if not ways or ways[-1] != way:
            ways.append(way)
    return Route(
        np.concatenate([cut_edge(network, *piece) for piece in pieces]),
        best,
        best / 1000 / speed,
        street_mm / 1000,
        int(origin.access_mm[0]) / 1000,
        int(destination.access_mm[0]) / 1000,
        max(best - street_mm - legs_mm, 0) / 1000 / speed,
        np.asarray(ways, np.int64),
    )


def cut_edge(network: WalkNetwork, edge: int, from_mm: int, to_mm: int) -> NDArray[np.float64]:
    """Vertices of one edge between two offsets, in walking order.

    Parameters
    ----------
    network : WalkNetwork
    edge : int
    from_mm, to_mm : int
        Offsets from the first node; walked backwards where ``from_mm > to_mm``.

    Returns
    -------
    ndarray, shape (k, 2), float64
        At least two vertices.
    """
    low, high = min(from_mm, to_mm) / 1000, max(from_mm, to_mm) / 1000
    vertices = network.edge_xy[network.edge_offsets[edge] : network.edge_offsets[edge + 1]]
    steps = np.hypot(*np.diff(vertices, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    inside = (along > low) & (along < high)
    ends = np.column_stack(
        [
            np.interp([low, high], along, vertices[:, 0]),
            np.interp([low, high], along, vertices[:, 1]),
        ]
    )
    cut = np.concatenate([ends[:1], vertices[inside], ends[1:]])
    return cut if from_mm <= to_mm else cut[::-1]
