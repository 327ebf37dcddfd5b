"""Snapping: joining points to the nearest point of an edge, through gates, not across barriers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numba import prange
from numpy.typing import NDArray

from geo.errors import SnapError
from geo.impedance import Impedance
from geo.kernels import kernel
from geo.network import WalkNetwork

CELL_M = 50.0
"""Side of a cell of the search grid, metres: about the spacing of streets."""
GATE_REACH_M = 400.0
"""How far a walled-in point may be from the gate it leaves by, metres. Our reading."""
OPENING_M = 3.0
"""Half the width of the opening a gate makes in a wall, metres. Our reading."""
TOUCH_M = 1e-3
"""A leg that ends this near a wall touches it and does not cross it, metres."""


class SnapState(IntEnum):
    """What became of a point."""

    SNAPPED = 0
    TOO_FAR = 1
    """No usable edge within the limit."""
    BLOCKED = 2
    """Edges are near, but each lies behind a barrier and no gate helps."""


@dataclass(frozen=True, slots=True)
class Barriers:
    """Lines that access legs do not cross, and the gates through them.

    Attributes
    ----------
    segments : ndarray, shape (s, 4), float64
        x0, y0, x1, y1 in metres of the network's CRS.
    gates : ndarray, shape (g, 2), float64
        Where a barrier may be passed; a barrier is open within `OPENING_M` of a gate.
    """

    segments: NDArray[np.float64]
    gates: NDArray[np.float64]


def no_barriers() -> Barriers:
    """Nothing in the way."""
    return Barriers(np.zeros((0, 4)), np.zeros((0, 2)))


@dataclass(frozen=True, slots=True)
class SnappedPoints:
    """Points joined to edges.

    Attributes
    ----------
    edge : ndarray, shape (n,), int32
        -1 where unsnapped.
    offset_mm : ndarray, shape (n,), int32
        Along the edge from its first node.
    access_mm : ndarray, shape (n,), int32
        Straight leg from the point to the edge, through the gate where one is used.
    xy : ndarray, shape (n, 2), float64
        The point on the edge; the point itself where unsnapped.
    gate : ndarray, shape (n,), int32
        Gate the leg goes through; -1 where none.
    state : ndarray, shape (n,), uint8
        `SnapState`.
    network_version : str
    """

    edge: NDArray[np.int32]
    offset_mm: NDArray[np.int32]
    access_mm: NDArray[np.int32]
    xy: NDArray[np.float64]
    gate: NDArray[np.int32]
    state: NDArray[np.uint8]
    network_version: str

    def __len__(self) -> int:
        return len(self.edge)

    def row(self, i: int) -> SnappedPoints:
        """One point as a set of its own."""
        return self.take(slice(i, i + 1))

    def take(self, rows: slice | NDArray[np.int64]) -> SnappedPoints:
        """Some of the points, in the order given."""
        return SnappedPoints(
            self.edge[rows],
            self.offset_mm[rows],
            self.access_mm[rows],
            self.xy[rows],
            self.gate[rows],
            self.state[rows],
            self.network_version,
        )


class Snapper:
    """The usable edges of one network and the barriers, indexed once for many questions.

    Parameters
    ----------
    network : WalkNetwork
    impedance : Impedance
        Of the same network; says which edges are open.
    max_snap_m : float
        Farthest distance to an edge, metres.
    barriers : Barriers, optional

    Raises
    ------
    SnapError
        If the impedance belongs to another network version.
    """

    def __init__(
        self,
        network: WalkNetwork,
        impedance: Impedance,
        *,
        max_snap_m: float,
        barriers: Barriers | None = None,
    ) -> None:
        if impedance.network_version != network.version:
            raise SnapError(
                "The impedance was computed on another version of the network.",
                remedy="Compute it anew on the present network.",
            )
        self._network = network
        self._limit_m = float(max_snap_m)
        walls = barriers or no_barriers()
        usable = (impedance.forward_mm >= 0) | (impedance.backward_mm >= 0)
        table = _segment_table(network.edge_offsets, network.edge_xy, usable)
        self._edges = (*table, *_grid(table[0], table[1], CELL_M))
        a = np.ascontiguousarray(walls.segments[:, :2])
        b = np.ascontiguousarray(walls.segments[:, 2:])
        # From west to east, so that the few gates near a point are found by bisection.
        number = np.argsort(walls.gates[:, 0], kind="stable").astype(np.int32)
        gates = np.ascontiguousarray(walls.gates[number])
        wall = (a, b, *_grid(a, b, CELL_M), gates, number)
        # From a gate to its street no other barrier is crossed, and no second gate is used.
        shut = np.full(len(gates), -1, np.int32)
        unused = np.zeros(len(gates))
        edge, offset, access, at, _, _ = _snap_all(
            gates, *self._edges, self._limit_m, *wall, shut, unused, unused, gates
        )
        self._walls = (*wall, edge, offset, access, at)

    def snap(self, xy: NDArray[np.float64]) -> SnappedPoints:
        """Join points to edges; see `snap`."""
        points = np.ascontiguousarray(np.asarray(xy, dtype=np.float64).reshape(-1, 2))
        edge, offset, access, at, gate, state = _snap_all(
            points, *self._edges, self._limit_m, *self._walls
        )
        length = np.where(edge >= 0, self._network.edge_length_mm[edge], 0)
        offset_mm = np.minimum(np.rint(offset * 1000).astype(np.int64), length)
        return SnappedPoints(
            edge,
            offset_mm.astype(np.int32),
            np.rint(access * 1000).astype(np.int32),
            at,
            gate,
            state,
            self._network.version,
        )


def snap(
    network: WalkNetwork,
    impedance: Impedance,
    xy: NDArray[np.float64],
    *,
    max_snap_m: float,
    barriers: Barriers | None = None,
) -> SnappedPoints:
    """Join each point to the nearest point of an edge that the traveller may use.

    Edges are tried in order of distance (ties: the lower edge number) until the straight leg
    crosses no barrier. Where every edge within the limit lies behind one, the leg goes through
    the gate that makes it shortest; where there is none, the point is blocked.

    Parameters
    ----------
    network : WalkNetwork
    impedance : Impedance
        Of the same network; says which edges are open.
    xy : ndarray, shape (n, 2)
        Metres in the network's CRS.
    max_snap_m : float
        Farthest distance to an edge, metres.
    barriers : Barriers, optional

    Raises
    ------
    SnapError
        If the impedance belongs to another network version.
    """
    return Snapper(network, impedance, max_snap_m=max_snap_m, barriers=barriers).snap(xy)


@kernel
def _segment_table(offsets, vertices, usable):  # type: ignore[no-untyped-def]
    count = 0
    for e in range(len(offsets) - 1):
        if usable[e]:
            count += offsets[e + 1] - offsets[e] - 1
    a = np.empty((count, 2))
    b = np.empty((count, 2))
    owner = np.empty(count, np.int32)
    start = np.empty(count)
    at = 0
    for e in range(len(offsets) - 1):
        if not usable[e]:
            continue
        along = 0.0
        for k in range(offsets[e], offsets[e + 1] - 1):
            a[at] = vertices[k]
            b[at] = vertices[k + 1]
            owner[at] = e
            start[at] = along
            along += np.hypot(b[at, 0] - a[at, 0], b[at, 1] - a[at, 1])
            at += 1
    return a, b, owner, start


@kernel
def _grid(a, b, cell):  # type: ignore[no-untyped-def]
    """Segments by cell: x0, y0, cell, columns, rows, indptr, segments."""
    n = len(a)
    if n == 0:
        return 0.0, 0.0, cell, 0, 0, np.zeros(1, np.int64), np.zeros(0, np.int32)
    x0 = min(a[:, 0].min(), b[:, 0].min())
    y0 = min(a[:, 1].min(), b[:, 1].min())
    x1 = max(a[:, 0].max(), b[:, 0].max())
    y1 = max(a[:, 1].max(), b[:, 1].max())
    # Sparse regions do not get a finer grid than four cells a segment.
    while ((x1 - x0) / cell + 1) * ((y1 - y0) / cell + 1) > 4.0 * n + 1024:
        cell *= 1.5
    columns = int((x1 - x0) / cell) + 1
    rows = int((y1 - y0) / cell) + 1
    indptr = np.zeros(columns * rows + 1, np.int64)
    for sweep in range(2):
        if sweep == 1:
            for k in range(columns * rows):
                indptr[k + 1] += indptr[k]
            content = np.empty(indptr[-1], np.int32)
            fill = indptr[:-1].copy()
        for s in range(n):
            c0 = int((min(a[s, 0], b[s, 0]) - x0) / cell)
            c1 = int((max(a[s, 0], b[s, 0]) - x0) / cell)
            r0 = int((min(a[s, 1], b[s, 1]) - y0) / cell)
            r1 = int((max(a[s, 1], b[s, 1]) - y0) / cell)
            for r in range(r0, r1 + 1):
                for c in range(c0, c1 + 1):
                    if sweep == 0:
                        indptr[r * columns + c + 1] += 1
                    else:
                        content[fill[r * columns + c]] = s
                        fill[r * columns + c] += 1
    return x0, y0, cell, columns, rows, indptr, content


@kernel
def _foot(px, py, ax, ay, bx, by):  # type: ignore[no-untyped-def]
    """Nearest point of a segment: x, y, distance, distance from a."""
    dx, dy = bx - ax, by - ay
    length2 = dx * dx + dy * dy
    t = 0.0
    if length2 > 0:
        t = ((px - ax) * dx + (py - ay) * dy) / length2
        t = min(1.0, max(0.0, t))
    # Exactly the end where it is the end: edges that meet there are equally near.
    x, y = (bx, by) if t == 1.0 else (ax + t * dx, ay + t * dy)
    return x, y, np.hypot(px - x, py - y), t * np.sqrt(length2)


@kernel
def _first_east(gates, x):  # type: ignore[no-untyped-def]
    """First of the gates, sorted from west to east, that is not west of x."""
    low, high = 0, len(gates)
    while low < high:
        middle = (low + high) // 2
        if gates[middle, 0] < x:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _crosses(px, py, qx, qy, wall_a, wall_b, x0, y0, cell, columns, rows, indptr, content, gates):  # type: ignore[no-untyped-def]
    """Whether the leg p-q properly crosses a wall away from every gate."""
    if columns == 0:
        return False
    c0 = max(int((min(px, qx) - x0) / cell), 0)
    c1 = min(int((max(px, qx) - x0) / cell), columns - 1)
    r0 = max(int((min(py, qy) - y0) / cell), 0)
    r1 = min(int((max(py, qy) - y0) / cell), rows - 1)
    for r in range(r0, r1 + 1):
        for c in range(c0, c1 + 1):
            for k in range(indptr[r * columns + c], indptr[r * columns + c + 1]):
                s = content[k]
                ax, ay = wall_a[s]
                bx, by = wall_b[s]
                d1 = (qx - px) * (ay - py) - (qy - py) * (ax - px)
                d2 = (qx - px) * (by - py) - (qy - py) * (bx - px)
                d3 = (bx - ax) * (py - ay) - (by - ay) * (px - ax)
                d4 = (bx - ax) * (qy - ay) - (by - ay) * (qx - ax)
                # Rounding puts the end of a leg on either side of a wall along a street.
                touch = TOUCH_M * np.hypot(bx - ax, by - ay)
                if abs(d3) <= touch or abs(d4) <= touch:
                    continue
                if d1 * d2 <= 0 and d3 * d4 < 0 and not (d1 == 0 and d2 == 0):
                    t = d3 / (d3 - d4)
                    x, y = px + t * (qx - px), py + t * (qy - py)
                    open_here = False
                    for g in range(_first_east(gates, x - OPENING_M), len(gates)):
                        if gates[g, 0] > x + OPENING_M:
                            break
                        if np.hypot(gates[g, 0] - x, gates[g, 1] - y) <= OPENING_M:
                            open_here = True
                            break
                    if not open_here:
                        return True
    return False


@kernel(parallel=True)
def _snap_all(  # type: ignore[no-untyped-def]
    points,
    a,
    b,
    owner,
    start,
    x0,
    y0,
    cell,
    columns,
    rows,
    indptr,
    content,
    limit,
    wall_a,
    wall_b,
    wx0,
    wy0,
    wcell,
    wcolumns,
    wrows,
    windptr,
    wcontent,
    gates,
    gate_number,
    gate_edge,
    gate_offset,
    gate_access,
    gate_xy,
):
    n = len(points)
    edge = np.full(n, -1, np.int32)
    offset = np.zeros(n)
    access = np.zeros(n)
    at = points.copy()
    gate = np.full(n, -1, np.int32)
    state = np.full(n, 1, np.uint8)
    for i in prange(n):
        px, py = points[i, 0], points[i, 1]
        best = limit
        best_edge = -1
        best_x, best_y, best_off = px, py, 0.0
        if columns > 0:
            ci = int(np.floor((px - x0) / cell))
            ri = int(np.floor((py - y0) / cell))
            ring = 0
            while (ring - 1) * cell <= best:
                for r in range(max(ri - ring, 0), min(ri + ring, rows - 1) + 1):
                    edge_row = r == ri - ring or r == ri + ring
                    step = 1 if edge_row else 2 * ring
                    c = ci - ring
                    while c <= ci + ring:
                        if 0 <= c < columns:
                            for k in range(indptr[r * columns + c], indptr[r * columns + c + 1]):
                                s = content[k]
                                x, y, d, along = _foot(px, py, a[s, 0], a[s, 1], b[s, 0], b[s, 1])
                                if d < best or (
                                    d == best and (best_edge < 0 or owner[s] < best_edge)
                                ):
                                    best, best_edge = d, owner[s]
                                    best_x, best_y, best_off = x, y, start[s] + along
                        c += max(step, 1)
                ring += 1
        if best_edge < 0:
            continue
        blocked = len(wall_a) > 0 and _crosses(
            px,
            py,
            best_x,
            best_y,
            wall_a,
            wall_b,
            wx0,
            wy0,
            wcell,
            wcolumns,
            wrows,
            windptr,
            wcontent,
            gates,
        )
        if not blocked:
            edge[i], offset[i], access[i] = best_edge, best_off, best
            at[i, 0], at[i, 1] = best_x, best_y
            state[i] = 0
            continue
        # The nearest edge lies behind a barrier: the nearest one that does not.
        state[i] = 2
        best = limit
        best_edge = -1
        for r in range(
            max(int(np.floor((py - limit - y0) / cell)), 0),
            min(int(np.floor((py + limit - y0) / cell)), rows - 1) + 1,
        ):
            for c in range(
                max(int(np.floor((px - limit - x0) / cell)), 0),
                min(int(np.floor((px + limit - x0) / cell)), columns - 1) + 1,
            ):
                for k in range(indptr[r * columns + c], indptr[r * columns + c + 1]):
                    s = content[k]
                    x, y, d, along = _foot(px, py, a[s, 0], a[s, 1], b[s, 0], b[s, 1])
                    if (
                        d < best or (d == best and (best_edge < 0 or owner[s] < best_edge))
                    ) and not _crosses(
                        px,
                        py,
                        x,
                        y,
                        wall_a,
                        wall_b,
                        wx0,
                        wy0,
                        wcell,
                        wcolumns,
                        wrows,
                        windptr,
                        wcontent,
                        gates,
                    ):
                        best, best_edge = d, owner[s]
                        best_x, best_y, best_off = x, y, start[s] + along
        if best_edge >= 0:
            edge[i], offset[i], access[i] = best_edge, best_off, best
            at[i, 0], at[i, 1] = best_x, best_y
            state[i] = 0
            continue
        # Gates by length of the way through them (ties: the lower number), until one is open.
        west = _first_east(gates, px - GATE_REACH_M)
        tried, tried_number = -1.0, -1
        while True:
            best, best_number, best_gate = GATE_REACH_M + limit, -1, -1
            for g in range(west, len(gates)):
                if gates[g, 0] > px + GATE_REACH_M:
                    break
                leg = np.hypot(gates[g, 0] - px, gates[g, 1] - py)
                way, number = leg + gate_access[g], gate_number[g]
                if gate_edge[g] < 0 or leg > GATE_REACH_M or way > best:
                    continue
                if way < tried or (way == tried and number <= tried_number):
                    continue
                if way < best or (best_gate >= 0 and number < best_number):
                    best, best_number, best_gate = way, number, g
            if best_gate < 0:
                break
            if not _crosses(
                px,
                py,
                gates[best_gate, 0],
                gates[best_gate, 1],
                wall_a,
                wall_b,
                wx0,
                wy0,
                wcell,
                wcolumns,
                wrows,
                windptr,
                wcontent,
                gates,
            ):
                gate[i] = best_number
                edge[i], offset[i] = gate_edge[best_gate], gate_offset[best_gate]
                access[i] = best
                at[i, 0], at[i, 1] = gate_xy[best_gate, 0], gate_xy[best_gate, 1]
                state[i] = 0
                break
            tried, tried_number = best, best_number
    return edge, offset, access, at, gate, state
