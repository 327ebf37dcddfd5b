"""Snapping: joining points to the nearest point of an edge, through gates, not across barriers."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from geo.errors import SnapError
from geo.impedance import Impedance
from geo.kernels import in_shares, kernel
from geo.network import WalkNetwork
from geo.segments import (
    SegmentGrid,
    _along,
    _crosses,
    _first_east,
    _nearest,
    _nearest_in_order,
    segment_grid,
)

GATE_REACH_M = 400.0
"""How far a walled-in point may be from the gate it leaves by, metres. Our reading."""
OPENING_M = 3.0
"""Half the width of the opening a gate makes in a wall, metres. Our reading."""
DETOUR_M = 1000.0
"""How far a street is looked for where the nearest one lies behind a barrier, metres. Our reading;
it keeps a large snapping limit from searching a whole city for every walled-in point."""

_POINTS_A_THREAD = 4096
_SORTED_FROM = 4096
"""Points from which sorting them by place pays."""


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


def no_points(network_version: str) -> SnappedPoints:
    """No point at all, of a version of the network."""
    none = np.zeros(0, np.int32)
    return SnappedPoints(
        none, none, none, np.zeros((0, 2)), none, np.zeros(0, np.uint8), network_version
    )


def joined_points(a: SnappedPoints, b: SnappedPoints) -> SnappedPoints:
    """Points of one network and then others of it."""
    return SnappedPoints(
        np.concatenate([a.edge, b.edge]),
        np.concatenate([a.offset_mm, b.offset_mm]),
        np.concatenate([a.access_mm, b.access_mm]),
        np.concatenate([a.xy, b.xy]),
        np.concatenate([a.gate, b.gate]),
        np.concatenate([a.state, b.state]),
        a.network_version,
    )


class _Gates(NamedTuple):
    """Gates from west to east, so that the few near a point are found by bisection.

    Attributes
    ----------
    xy : ndarray, shape (g, 2)
    number : ndarray, shape (g,), int32
        Their order as given.
    edge, offset_mm, access_mm, foot_xy : ndarray
        The street each gate leads to; edge -1 where none.
    """

    xy: NDArray[np.float64]
    number: NDArray[np.int32]
    edge: NDArray[np.int32]
    offset_mm: NDArray[np.int32]
    access_mm: NDArray[np.int32]
    foot_xy: NDArray[np.float64]


_street_grids: WeakKeyDictionary[Impedance, SegmentGrid] = WeakKeyDictionary()


def street_grid(
    network: WalkNetwork, impedance: Impedance, wanted: NDArray[np.bool_] | None = None
) -> SegmentGrid:
    """Usable edges by cell, made once as long as the impedance lives.

    Parameters
    ----------
    network : WalkNetwork
    impedance : Impedance
        Of the same network; says which edges are usable.
    wanted : ndarray, shape (m,), bool, optional
        Edges to sort instead; where they are the usable ones, the grid kept is given.
    """
    usable = (impedance.forward_mm >= 0) | (impedance.backward_mm >= 0)
    if wanted is not None and not np.array_equal(wanted, usable):
        return segment_grid(network.edge_offsets, network.edge_xy, wanted)
    grid = _street_grids.get(impedance)
    if grid is None:
        grid = segment_grid(network.edge_offsets, network.edge_xy, usable)
        _street_grids[impedance] = grid
    return grid


class Snapper:
    """The usable edges of one network and the barriers, indexed once for many questions.

    The index of the edges is shared by all snappers of one impedance.

    Parameters
    ----------
    network : WalkNetwork
    impedance : Impedance
        Of the same network; says which edges are open.
    max_snap_m : float
        Farthest distance to an edge, metres; any, even infinite.
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
        self._streets = street_grid(network, impedance)
        given = barriers or no_barriers()
        ends = np.asarray(given.segments, np.float64).reshape(-1, 2)
        lines = np.arange(0, len(ends) + 1, 2, dtype=np.int64)
        self._walls = segment_grid(lines, ends, np.ones(len(lines) - 1, np.bool_))
        number = np.argsort(given.gates[:, 0], kind="stable").astype(np.int32)
        gates = np.ascontiguousarray(given.gates[number], dtype=np.float64)
        # From a gate to its street no other barrier is crossed, and no second gate is used.
        shut = np.full(len(gates), -1, np.int32)
        unused = np.zeros(len(gates), np.int32)
        self._gates = _Gates(gates, number, shut, unused, unused, gates)
        led = self.snap(gates)
        self._gates = _Gates(gates, number, led.edge, led.offset_mm, led.access_mm, led.xy)

    @property
    def max_snap_m(self) -> float:
        """Farthest distance to an edge, metres."""
        return self._limit_m

    @property
    def walls(self) -> SegmentGrid:
        """The barriers by cell."""
        return self._walls

    @property
    def gate_xy(self) -> NDArray[np.float64]:
        """Gates from west to east, shape (g, 2), metres."""
        return self._gates.xy

    def opened(self, xy: NDArray[np.float64]) -> Snapper:
        """The same streets and barriers with some gates more, which are numbered on.

        Costs what lies near the new gates: everything else is shared.

        Parameters
        ----------
        xy : ndarray, shape (k, 2)
            Metres.
        """
        old = self._gates
        new = np.ascontiguousarray(np.asarray(xy, np.float64).reshape(-1, 2))
        given = np.concatenate([old.xy, new])
        number = np.concatenate(
            [old.number, np.arange(len(old.xy), len(given), dtype=np.int32)]
        ).astype(np.int32)
        order = np.lexsort((number, given[:, 0]))
        wider = copy(self)
        shut = np.full(len(order), -1, np.int32)
        unused = np.zeros(len(order), np.int32)
        gates = np.ascontiguousarray(given[order])
        wider._gates = _Gates(gates, number[order], shut, unused, unused, gates)  # noqa: SLF001
        # A new gate may open the way of gates that its reach holds, and of no others.
        anew = np.arange(len(given)) >= len(old.xy)
        for place in new:
            anew |= np.hypot(*(given - place).T) <= self._limit_m + OPENING_M
        led = wider.snap(given[anew])
        fields = []
        for before, after in (
            (old.edge, led.edge),
            (old.offset_mm, led.offset_mm),
            (old.access_mm, led.access_mm),
            (old.foot_xy, led.xy),
        ):
            values = np.concatenate([before, np.zeros((len(new), *before.shape[1:]), before.dtype)])
            values[anew] = after
            fields.append(np.ascontiguousarray(values[order]))
        wider._gates = _Gates(gates, number[order], *fields)  # noqa: SLF001
        return wider

    def snap(self, xy: NDArray[np.float64]) -> SnappedPoints:
        """Join points to edges; see `snap`."""
        points = np.ascontiguousarray(np.asarray(xy, dtype=np.float64).reshape(-1, 2))
        network, n = self._network, len(points)
        found = SnappedPoints(
            np.empty(n, np.int32),
            np.empty(n, np.int32),
            np.empty(n, np.int32),
            np.empty((n, 2)),
            np.empty(n, np.int32),
            np.empty(n, np.uint8),
            network.version,
        )
        order = _by_place(points, self._streets)
        in_shares(
            lambda low, high: _snap_some(
                low,
                high,
                order,
                points,
                self._limit_m,
                self._streets,
                network.edge_offsets,
                network.edge_length_mm,
                self._walls,
                self._gates,
                found.edge,
                found.offset_mm,
                found.access_mm,
                found.xy,
                found.gate,
                found.state,
            ),
            n,
            least=_POINTS_A_THREAD,
        )
        return found


def _by_place(points: NDArray[np.float64], grid: SegmentGrid) -> NDArray[np.int64]:
    """Row numbers of points such that neighbours follow each other; empty: as they come.

    They come in 256 x 256 tiles over the network: numbers of 16 bits are sorted by radix, in
    linear time.
    """
    if len(points) < _SORTED_FROM:
        return np.zeros(0, np.int64)
    return np.argsort(_tiles(points, grid), kind="stable")


@kernel
def _tiles(points, grid):  # type: ignore[no-untyped-def]
    tile = np.zeros(len(points), np.uint16)
    wide = max(grid.columns, 1) * 8 * grid.cell_m / 256
    high = max(grid.rows, 1) * 8 * grid.cell_m / 256
    for i in range(len(points)):
        c, r = (points[i, 0] - grid.x0) / wide, (points[i, 1] - grid.y0) / high
        if 0 <= c < 256 and 0 <= r < 256:
            tile[i] = int(r) * 256 + int(c)
    return tile


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
def _snap_some(  # type: ignore[no-untyped-def]
    low,
    high,
    order,
    points,
    limit,
    streets,
    edge_offsets,
    length_mm,
    walls,
    gates,
    edge,
    offset_mm,
    access_mm,
    at,
    gate,
    state,
):
    apart2, segment, share = _nearest(low, high, order, points, limit, streets)
    vertices = streets.vertices
    near = 0
    for row in range(low, high):
        i = order[row] if len(order) > 0 else row
        px, py = points[i, 0], points[i, 1]
        away2, k, t = apart2[row - low], segment[row - low], share[row - low]
        edge[i], gate[i], state[i] = -1, -1, 1
        offset_mm[i] = access_mm[i] = 0
        at[i, 0], at[i, 1] = px, py
        if k < 0:
            continue
        x, y = _along(vertices, k, t)
        if walls.columns > 0 and _crosses(px, py, x, y, walls, gates.xy, OPENING_M):
            # The nearest edge lies behind a barrier: the nearest one that does not.
            away2, k, t = _nearest_in_order(
                px, py, min(limit, DETOUR_M), streets, walls, gates.xy, OPENING_M
            )
            if k >= 0:
                x, y = _along(vertices, k, t)
        if k >= 0:
            near = _line_of(k, edge_offsets, near)
            along = 0.0
            for j in range(edge_offsets[near], k):
                along += np.hypot(
                    vertices[j + 1, 0] - vertices[j, 0], vertices[j + 1, 1] - vertices[j, 1]
                )
            dx, dy = vertices[k + 1, 0] - vertices[k, 0], vertices[k + 1, 1] - vertices[k, 1]
            along += t * np.sqrt(dx * dx + dy * dy)
            edge[i] = near
            offset_mm[i] = min(np.int64(np.rint(along * 1000)), length_mm[near])
            access_mm[i] = np.rint(np.sqrt(away2) * 1000)
            at[i, 0], at[i, 1] = x, y
            state[i] = 0
            continue
        state[i] = 2
        g, way = _gate_out(px, py, limit, walls, gates)
        if g >= 0:
            edge[i], offset_mm[i] = gates.edge[g], gates.offset_mm[g]
            access_mm[i] = np.rint(way * 1000)
            at[i, 0], at[i, 1] = gates.foot_xy[g, 0], gates.foot_xy[g, 1]
            gate[i], state[i] = gates.number[g], 0


@kernel(inline="always")
def _line_of(k, offsets, near):  # type: ignore[no-untyped-def]
    """Line that vertex k belongs to, looked for from a line ``near`` it on."""
    low, high, step = near, near + 1, 1
    while offsets[low] > k:
        high = low
        low = max(low - step, 0)
        step *= 2
    while high < len(offsets) - 1 and offsets[high] <= k:
        low = high
        high = min(high + step, len(offsets) - 1)
        step *= 2
    while high - low > 1:
        middle = (low + high) // 2
        if offsets[middle] <= k:
            low = middle
        else:
            high = middle
    return low


@kernel
def _gate_out(px, py, limit, walls, gates):  # type: ignore[no-untyped-def]
    """Gate that a walled-in point leaves by and the way through it; -1 where none.

    Gates by length of the way through them (ties: the lower number), until one is open.
    """
    west = _first_east(gates.xy, px - GATE_REACH_M)
    tried, tried_number = -1.0, -1
    while True:
        best, best_number, best_gate = GATE_REACH_M + limit, -1, -1
        for g in range(west, len(gates.xy)):
            if gates.xy[g, 0] > px + GATE_REACH_M:
                break
            leg = np.hypot(gates.xy[g, 0] - px, gates.xy[g, 1] - py)
            way, number = leg + gates.access_mm[g] / 1000.0, gates.number[g]
            if gates.edge[g] < 0 or leg > GATE_REACH_M or way > best:
                continue
            if way < tried or (way == tried and number <= tried_number):
                continue
            if way < best or (best_gate >= 0 and number < best_number):
                best, best_number, best_gate = way, number, g
        if best_gate < 0:
            return -1, 0.0
        x, y = gates.xy[best_gate, 0], gates.xy[best_gate, 1]
        if not _crosses(px, py, x, y, walls, gates.xy, OPENING_M):
            return best_gate, best
        tried, tried_number = best, best_number
