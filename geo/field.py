"""The field of walking time around a source: the exact cost at every point of a fixed raster.

Each raster point is snapped to the network once, by the very rule that buildings are snapped by.
The cost of a source at a raster point is then a look-up away, so that a catchment pays only for
the window it reaches. The raster is anchored to the CRS, so that a catchment looks the same
whoever asks for it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.impedance import Impedance
from geo.kernels import kernel
from geo.network import WalkNetwork
from geo.search import _direct
from geo.snapping import Barriers, SnappedPoints, Snapper

TILE = 32
"""Raster points along one side of a tile."""
FAR = np.int32(2**31 - 1)


@dataclass(frozen=True, slots=True)
class Field:
    """Cost from every point of a raster window to one source.

    Attributes
    ----------
    x, y : ndarray
        Coordinates of columns and rows, metres.
    cost_mm : ndarray, shape (rows, columns), int32
        `FAR` where the source is not reached within the limit of the search.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    cost_mm: NDArray[np.int32]


class FieldIndex:
    """Raster points snapped to one network under one impedance, filled as windows need them.

    Parameters
    ----------
    network : WalkNetwork
    impedance : Impedance
    barriers : Barriers or None
        As for `geo.snapping.snap`.
    max_snap_m : float
        As for `geo.snapping.snap`.
    step_m : float
        Spacing of the raster, metres.
    """

    def __init__(
        self,
        network: WalkNetwork,
        impedance: Impedance,
        *,
        barriers: Barriers | None,
        max_snap_m: float,
        step_m: float,
    ) -> None:
        self.network = network
        self.impedance = impedance
        self.max_snap_m = max_snap_m
        self.step_m = step_m
        self._snapper = Snapper(network, impedance, max_snap_m=max_snap_m, barriers=barriers)
        low = network.node_xy.min(axis=0) - 2 * max_snap_m - step_m
        high = network.node_xy.max(axis=0) + 2 * max_snap_m + step_m
        if len(network.edge_xy):
            low = np.minimum(low, network.edge_xy.min(axis=0) - 2 * max_snap_m - step_m)
            high = np.maximum(high, network.edge_xy.max(axis=0) + 2 * max_snap_m + step_m)
        side = TILE * step_m
        self._tile0 = np.floor(low / side).astype(np.int64)
        shape = np.floor(high / side).astype(np.int64) - self._tile0 + 1
        self._slot = np.full((int(shape[1]), int(shape[0])), -1, np.int32)
        self._edge = np.empty((16, TILE, TILE), np.int32)
        self._offset = np.empty((16, TILE, TILE), np.int32)
        self._access = np.empty((16, TILE, TILE), np.int32)
        self._filled = 0
        self._lock = threading.Lock()

    def field(
        self,
        source: SnappedPoints,
        node: NDArray[np.int32],
        node_cost_mm: NDArray[np.int32],
        limit_mm: int,
    ) -> Field | None:
        """Cost at every raster point around the nodes that one source reaches.

        Parameters
        ----------
        source : SnappedPoints, shape (1,)
        node, node_cost_mm : ndarray
            Reached nodes and their cost, as `geo.search.reach` gives them.
        limit_mm : int
            Limit of that search; points beyond it are `FAR`.

        Returns
        -------
        Field or None
            None where the source is not snapped.
        """
        if source.edge[0] < 0:
            return None
        xy = self.network.node_xy[node] if len(node) else source.xy
        # What is left at a node can be walked in any direction along its edges.
        left_m = (limit_mm - node_cost_mm) / 1000 if len(node) else np.zeros(1)
        reach_m = left_m[:, None] + self.step_m
        own_m = (limit_mm - int(source.access_mm[0])) / 1000 + self.step_m
        low = np.minimum((xy - reach_m).min(axis=0), source.xy[0] - max(own_m, self.step_m))
        high = np.maximum((xy + reach_m).max(axis=0), source.xy[0] + max(own_m, self.step_m))
        side = TILE * self.step_m
        size = np.array(self._slot.shape[::-1])
        t0 = np.clip(np.floor(low / side).astype(np.int64) - self._tile0, 0, size - 1)
        t1 = np.clip(np.floor(high / side).astype(np.int64) - self._tile0, 0, size - 1)
        window = self._slot[t0[1] : t1[1] + 1, t0[0] : t1[0] + 1]
        if (window < 0).any():
            self._fill(t0, t1)
            window = self._slot[t0[1] : t1[1] + 1, t0[0] : t1[0] + 1]
        cost = _costs(
            np.ascontiguousarray(window),
            self._edge,
            self._offset,
            self._access,
            _scratch(len(self.network.node_xy)),
            node,
            node_cost_mm,
            limit_mm,
            self.network.edge_nodes,
            self.network.edge_length_mm,
            self.impedance.forward_mm,
            self.impedance.backward_mm,
            int(source.edge[0]),
            int(source.offset_mm[0]),
            int(source.access_mm[0]),
        )
        origin = (self._tile0 + t0) * side
        return Field(
            origin[0] + (np.arange(cost.shape[1]) + 0.5) * self.step_m,
            origin[1] + (np.arange(cost.shape[0]) + 0.5) * self.step_m,
            cost,
        )

    def _fill(self, t0: NDArray[np.int64], t1: NDArray[np.int64]) -> None:
        with self._lock:
            rows, columns = np.nonzero(self._slot[t0[1] : t1[1] + 1, t0[0] : t1[0] + 1] < 0)
            rows, columns = rows + t0[1], columns + t0[0]
            if not len(rows):
                return
            inside = (np.arange(TILE) + 0.5) * self.step_m
            side = TILE * self.step_m
            x = (self._tile0[0] + columns)[:, None, None] * side + inside[None, None, :]
            y = (self._tile0[1] + rows)[:, None, None] * side + inside[None, :, None]
            shape = (len(rows), TILE, TILE)
            points = np.column_stack(
                [np.broadcast_to(x, shape).ravel(), np.broadcast_to(y, shape).ravel()]
            )
            found = self._snapper.snap(points)
            need = self._filled + len(rows)
            if need > len(self._edge):
                room = max(2 * len(self._edge), need)
                for name in ("_edge", "_offset", "_access"):
                    wider = np.empty((room, TILE, TILE), np.int32)
                    wider[: self._filled] = getattr(self, name)[: self._filled]
                    # Readers hold the old array, which stays right for the slots they know.
                    setattr(self, name, wider)
            here = slice(self._filled, need)
            self._edge[here] = found.edge.reshape(shape)
            self._offset[here] = found.offset_mm.reshape(shape)
            self._access[here] = found.access_mm.reshape(shape)
            self._slot[rows, columns] = np.arange(self._filled, need, dtype=np.int32)
            self._filled = need


_local = threading.local()


def _scratch(n: int) -> NDArray[np.int32]:
    """Labels of this thread, all `FAR` between uses: a window costs no O(nodes) clearing."""
    label = getattr(_local, "label", None)
    if label is None or len(label) < n:
        label = _local.label = np.full(n, FAR, np.int32)
    return label


@kernel
def _costs(  # type: ignore[no-untyped-def]
    window,
    edge,
    offset,
    access,
    label,
    node,
    node_cost,
    limit,
    edge_nodes,
    length,
    forward,
    backward,
    source_edge,
    source_offset,
    source_access,
):
    for k in range(len(node)):
        label[node[k]] = node_cost[k]
    tile = edge.shape[1]
    rows, columns = window.shape
    cost = np.full((rows * tile, columns * tile), 2**31 - 1, np.int32)
    for tr in range(rows):
        for tc in range(columns):
            slot = window[tr, tc]
            for r in range(tile):
                for c in range(tile):
                    e = edge[slot, r, c]
                    if e < 0:
                        continue
                    leg = np.int64(access[slot, r, c])
                    if leg > limit:
                        continue
                    at = np.int64(offset[slot, r, c])
                    whole = np.int64(length[e])
                    best = np.int64(2**31 - 1)
                    first = np.int64(label[edge_nodes[e, 0]])
                    if first < best and backward[e] >= 0:
                        part = np.int64(backward[e]) * at // whole if whole > 0 else np.int64(0)
                        best = min(best, first + part)
                    second = np.int64(label[edge_nodes[e, 1]])
                    if second < 2**31 - 1 and forward[e] >= 0:
                        rest = whole - at
                        part = np.int64(forward[e]) * rest // whole if whole > 0 else np.int64(0)
                        best = min(best, second + part)
                    if e == source_edge:
                        along = _direct(length[e], forward[e], backward[e], at, source_offset)
                        if along >= 0:
                            best = min(best, along + source_access)
                    if best + leg <= limit:
                        cost[tr * tile + r, tc * tile + c] = best + leg
    for k in range(len(node)):
        label[node[k]] = 2**31 - 1
    return cost
