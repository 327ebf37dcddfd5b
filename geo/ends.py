"""Points on edges: what the way to either end costs, and the way along an edge; points by edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geo.errors import SnapError
from geo.impedance import Impedance
from geo.kernels import kernel
from geo.network import WalkNetwork
from geo.snapping import SnappedPoints


def require_same_version(
    network: WalkNetwork, impedance: Impedance, *points: SnappedPoints
) -> None:
    """Raise SnapError where points or costs belong to another version of the network."""
    for named in (impedance.network_version, *(p.network_version for p in points)):
        if named != network.version:
            raise SnapError(
                "Points or costs belong to another version of the network.",
                remedy="Snap and price them anew on the present network.",
            )


def ends_of(
    network: WalkNetwork, impedance: Impedance, points: SnappedPoints, *, inward: bool
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """Both ends of each point's edge with the cost between end and point, access included.

    ``inward``: people walk from the end to the point (a station); else from the point to the end.
    """
    toward_first = impedance.forward_mm if inward else impedance.backward_mm
    toward_second = impedance.backward_mm if inward else impedance.forward_mm
    return _legs_mm(
        points.edge,
        points.offset_mm,
        points.access_mm,
        network.edge_nodes,
        network.edge_length_mm,
        toward_first,
        toward_second,
    )


@kernel
def leg_mm(whole, part, length, access):  # type: ignore[no-untyped-def]
    """Cost of a part of an edge and of the access to it; -1 where closed."""
    if whole < 0:
        return np.int64(-1)
    if length <= 0:
        return np.int64(access)
    return np.int64(whole) * np.int64(part) // np.int64(length) + np.int64(access)


@kernel
def _legs_mm(edge, offset, access, edge_nodes, length, toward_first, toward_second):  # type: ignore[no-untyped-def]
    """Both ends of many points' edges and what each costs; -1 where closed."""
    n = len(edge)
    first = np.zeros(n, np.int32)
    second = np.zeros(n, np.int32)
    first_cost = np.full(n, -1, np.int64)
    second_cost = np.full(n, -1, np.int64)
    for i in range(n):
        e = edge[i]
        if e >= 0:
            first[i], second[i] = edge_nodes[e, 0], edge_nodes[e, 1]
            first_cost[i] = leg_mm(toward_first[e], offset[i], length[e], access[i])
            rest = length[e] - offset[i]
            second_cost[i] = leg_mm(toward_second[e], rest, length[e], access[i])
    return first, first_cost, second, second_cost


@kernel
def along_mm(length, forward, backward, from_offset, to_offset):  # type: ignore[no-untyped-def]
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
def points_by_edge(edge, m):  # type: ignore[no-untyped-def]
    """Rows of points by the edge they lie on, of m edges, as pointers and content."""
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
def first_row(edges, e):  # type: ignore[no-untyped-def]
    """First row of rising edges that is not below e."""
    low, high = 0, len(edges)
    while low < high:
        middle = (low + high) >> 1
        if edges[middle] < e:
            low = middle + 1
        else:
            high = middle
    return low
