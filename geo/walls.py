"""Walls on a grid, for compiled loops that ask what stands between two points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.snapping import CELL_M, OPENING_M, Barriers, _first_east, _grid, no_barriers


class WallGrid(NamedTuple):
    """Walls by cell of a grid, and the gates through them from west to east, metres."""

    a: NDArray[np.float64]
    b: NDArray[np.float64]
    x0: float
    y0: float
    cell_m: float
    columns: int
    rows: int
    indptr: NDArray[np.int64]
    content: NDArray[np.int32]
    gates: NDArray[np.float64]


def wall_grid(barriers: Barriers | None) -> WallGrid:
    """Index barriers.

    Parameters
    ----------
    barriers : Barriers or None
        In metres.
    """
    walls = barriers or no_barriers()
    a = np.ascontiguousarray(walls.segments[:, :2])
    b = np.ascontiguousarray(walls.segments[:, 2:])
    gates = walls.gates[np.argsort(walls.gates[:, 0], kind="stable")]
    x0, y0, cell_m, columns, rows, indptr, content = _grid(a, b, CELL_M)
    return WallGrid(
        a, b, x0, y0, cell_m, columns, rows, indptr, content, np.ascontiguousarray(gates)
    )


@njit(cache=True, nogil=True)
def wall_between(px, py, qx, qy, walls):  # type: ignore[no-untyped-def]
    """Share of the way p-q at which the first closed wall stands; 2 where none does.

    A wall is open within `OPENING_M` of a gate.
    """
    nearest = 2.0
    if walls.columns == 0:
        return nearest
    c0 = max(int((min(px, qx) - walls.x0) / walls.cell_m), 0)
    c1 = min(int((max(px, qx) - walls.x0) / walls.cell_m), walls.columns - 1)
    r0 = max(int((min(py, qy) - walls.y0) / walls.cell_m), 0)
    r1 = min(int((max(py, qy) - walls.y0) / walls.cell_m), walls.rows - 1)
    for r in range(r0, r1 + 1):
        for c in range(c0, c1 + 1):
            cell = r * walls.columns + c
            for k in range(walls.indptr[cell], walls.indptr[cell + 1]):
                ax, ay = walls.a[walls.content[k]]
                bx, by = walls.b[walls.content[k]]
                d1 = (qx - px) * (ay - py) - (qy - py) * (ax - px)
                d2 = (qx - px) * (by - py) - (qy - py) * (bx - px)
                d3 = (bx - ax) * (py - ay) - (by - ay) * (px - ax)
                d4 = (bx - ax) * (qy - ay) - (by - ay) * (qx - ax)
                if d1 * d2 > 0 or d3 * d4 >= 0 or (d1 == 0 and d2 == 0):
                    continue
                t = d3 / (d3 - d4)
                if t >= nearest:
                    continue
                x, y = px + t * (qx - px), py + t * (qy - py)
                closed = True
                g = _first_east(walls.gates, x - OPENING_M)
                while closed and g < len(walls.gates) and walls.gates[g, 0] <= x + OPENING_M:
                    dx, dy = walls.gates[g, 0] - x, walls.gates[g, 1] - y
                    closed = dx * dx + dy * dy > OPENING_M * OPENING_M
                    g += 1
                if closed:
                    nearest = t
    return nearest
