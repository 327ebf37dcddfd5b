"""Walls on a grid, for compiled loops that ask what stands between two points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.kernels import kernel
from geo.segments import SegmentGrid, _first_east
from geo.snapping import OPENING_M


class WallGrid(NamedTuple):
    """Walls by cell of a grid, and the gates through them from west to east, metres."""

    walls: SegmentGrid
    gates: NDArray[np.float64]


@kernel
def wall_between(px, py, qx, qy, grid):  # type: ignore[no-untyped-def]
    """Share of the way p-q at which the first closed wall stands; 2 where none does.

    A wall is open within `OPENING_M` of a gate.
    """
    nearest = 2.0
    walls, gates = grid.walls, grid.gates
    wide, columns, rows = walls.columns, 8 * walls.columns, 8 * walls.rows
    if columns == 0:
        return nearest
    x0, y0, cell = walls.x0, walls.y0, walls.cell_m
    slot, indptr, content, vertices = walls.slot, walls.indptr, walls.content, walls.vertices
    # A little over the border between two cells: a wall on it may be kept in the other.
    c0 = max(int(np.floor((min(px, qx) - x0) / cell - 1e-6)), 0)
    c1 = min(int(np.floor((max(px, qx) - x0) / cell + 1e-6)), columns - 1)
    r0 = max(int(np.floor((min(py, qy) - y0) / cell - 1e-6)), 0)
    r1 = min(int(np.floor((max(py, qy) - y0) / cell + 1e-6)), rows - 1)
    for r in range(r0, r1 + 1):
        for c in range(c0, c1 + 1):
            block = slot[(r >> 3) * wide + (c >> 3)]
            if block < 0:
                continue
            i = 64 * block + 8 * (r & 7) + (c & 7)
            for j in range(indptr[i], indptr[i + 1]):
                k = content[j]
                ax, ay = vertices[k, 0], vertices[k, 1]
                bx, by = vertices[k + 1, 0], vertices[k + 1, 1]
                d1 = (qx - px) * (ay - py) - (qy - py) * (ax - px)
                d2 = (qx - px) * (by - py) - (qy - py) * (bx - px)
                d3 = (bx - ax) * (py - ay) - (by - ay) * (px - ax)
                d4 = (bx - ax) * (qy - ay) - (by - ay) * (qx - ax)
                if d1 * d2 > 0 or d3 * d4 >= 0 or (d1 == 0 and d2 == 0):
                    continue
                t = d3 / (d3 - d4)
                if t < nearest and _closed(px + t * (qx - px), py + t * (qy - py), gates):
                    nearest = t
    return nearest


@kernel
def _closed(x, y, gates):  # type: ignore[no-untyped-def]
    for g in range(_first_east(gates, x - OPENING_M), len(gates)):
        dx, dy = gates[g, 0] - x, gates[g, 1] - y
        if dx > OPENING_M:
            break
        if dx * dx + dy * dy <= OPENING_M * OPENING_M:
            return False
    return True
