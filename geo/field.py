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
from shapely import MultiPolygon

from geo.contour import Snapped, Streets, Walk, costs, outline
from geo.impedance import Impedance
from geo.kernels import borrowed_labels, kernel
from geo.network import WalkNetwork
from geo.snapping import Barriers, SnappedPoints, Snapper
from geo.walls import WallGrid

TILE = 32
"""Raster points along one side of a tile."""


@dataclass(frozen=True, slots=True)
class Field:
    """Cost from every point of a raster window to one source.

    Attributes
    ----------
    x, y : ndarray
        Coordinates of columns and rows, metres.
    cost_mm : ndarray, shape (rows, columns), int32
        `geo.contour.FAR` where the source is not reached within the limit of the search.
    index : FieldIndex
    snapped : Snapped
        The raster points of the window.
    walk : Walk
        What the source reaches.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    cost_mm: NDArray[np.int32]
    index: FieldIndex
    snapped: Snapped
    walk: Walk

    def outline(self, cutoff_mm: int, *, rim_mm: int, hole_m2: float) -> MultiPolygon:
        """Area within the cutoff in the network's CRS; see `geo.contour.outline`."""
        index = self.index
        with borrowed_labels(len(index.network.node_xy)) as label:
            return outline(
                self.cost_mm,
                cutoff_mm,
                rim_mm=rim_mm,
                hole_m2=hole_m2,
                snapped=self.snapped,
                streets=index.streets,
                walk=self.walk,
                label=label,
                walls=index.walls,
            )


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
        self.streets = Streets(
            network.edge_nodes,
            network.edge_length_mm,
            impedance.forward_mm,
            impedance.backward_mm,
            network.edge_offsets,
            network.edge_xy,
        )
        self.walls = WallGrid(self._snapper.walls, self._snapper.gate_xy)
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
        self._near_streets: NDArray[np.bool_] | None = None
        self._lock = threading.Lock()

    def field(
        self,
        source: SnappedPoints,
        node: NDArray[np.int32],
        node_cost_mm: NDArray[np.int32],
        limit_mm: int,
    ) -> Field:
        """Cost at every raster point around the nodes that one source reaches.

        Parameters
        ----------
        source : SnappedPoints, shape (1,)
            On the network.
        node, node_cost_mm : ndarray
            Reached nodes and their cost, as `geo.search.reach` gives them.
        limit_mm : int
            Limit of that search; points beyond it are `geo.contour.FAR`.
        """
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
        here = slice(t0[1], t1[1] + 1), slice(t0[0], t1[0] + 1)
        needed = np.zeros(self._slot[here].shape, np.bool_)
        corner = (self._tile0 + t0) * side
        _mark(needed, corner, side, xy, reach_m[:, 0])
        _mark(needed, corner, side, source.xy, np.array([max(own_m, self.step_m)]))
        if (needed & (self._slot[here] < 0)).any():
            self._fill(t0, needed)
        first = (self._tile0 + t0) * TILE
        snapped = Snapped(
            np.where(needed, self._slot[here], np.int32(-1)),
            self._edge,
            self._offset,
            self._access,
            int(first[0]),
            int(first[1]),
            self.step_m,
        )
        walk = Walk(
            node,
            node_cost_mm,
            int(source.edge[0]),
            int(source.offset_mm[0]),
            int(source.access_mm[0]),
        )
        with borrowed_labels(len(self.network.node_xy)) as label:
            cost = costs(snapped, self.streets, walk, label, limit_mm)
        origin = (self._tile0 + t0) * side
        return Field(
            origin[0] + (np.arange(cost.shape[1]) + 0.5) * self.step_m,
            origin[1] + (np.arange(cost.shape[0]) + 0.5) * self.step_m,
            cost,
            self,
            snapped,
            walk,
        )

    def fill(self, *, tiles: int) -> int:
        """Snap raster points near streets ahead of need.

        Parameters
        ----------
        tiles : int
            At most so many tiles of `TILE` by `TILE` points.

        Returns
        -------
        int
            Tiles within the snapping limit of a street that are still to be filled.
        """
        if self._near_streets is None:
            side = TILE * self.step_m
            usable = (self.impedance.forward_mm >= 0) | (self.impedance.backward_mm >= 0)
            vertices = self.network.edge_xy[
                np.repeat(usable, np.diff(self.network.edge_offsets).astype(np.int64))
            ]
            near = np.zeros(self._slot.shape, np.bool_)
            reach_m = np.full(len(vertices), self.max_snap_m)
            _mark(near, self._tile0 * side, side, vertices, reach_m)
            self._near_streets = near
        needed = self._near_streets & (self._slot < 0)
        rows, columns = np.nonzero(needed)
        needed[rows[tiles:], columns[tiles:]] = False
        self._fill(np.zeros(2, np.int64), needed)
        return max(len(rows) - tiles, 0)

    def _fill(self, t0: NDArray[np.int64], needed: NDArray[np.bool_]) -> None:
        with self._lock:
            here = self._slot[t0[1] : t0[1] + needed.shape[0], t0[0] : t0[0] + needed.shape[1]]
            rows, columns = np.nonzero(needed & (here < 0))
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
            new = slice(self._filled, need)
            self._edge[new] = found.edge.reshape(shape)
            self._offset[new] = found.offset_mm.reshape(shape)
            self._access[new] = found.access_mm.reshape(shape)
            self._slot[rows, columns] = np.arange(self._filled, need, dtype=np.int32)
            self._filled = need


@kernel
def _mark(needed, corner, side, xy, reach):  # type: ignore[no-untyped-def]
    """Mark the tiles around points that what is left there reaches."""
    rows, columns = needed.shape
    for k in range(len(xy)):
        c0 = max(int(np.floor((xy[k, 0] - reach[k] - corner[0]) / side)), 0)
        c1 = min(int(np.floor((xy[k, 0] + reach[k] - corner[0]) / side)), columns - 1)
        r0 = max(int(np.floor((xy[k, 1] - reach[k] - corner[1]) / side)), 0)
        r1 = min(int(np.floor((xy[k, 1] + reach[k] - corner[1]) / side)), rows - 1)
        for r in range(r0, r1 + 1):
            for c in range(c0, c1 + 1):
                needed[r, c] = True
