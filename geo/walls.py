"""Walls on a grid, for compiled loops that ask what stands between two points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.kernels import kernel
from geo.segments import SegmentGrid, _first_east, segment_grid
from geo.snapping import OPENING_M, Barriers, no_barriers


class WallGrid(NamedTuple):
    """Walls by cell of a grid, and the gates through them from west to east, metres."""

    segments: SegmentGrid
    gates: NDArray[np.float64]


def wall_grid(barriers: Barriers | None) -> WallGrid:
    """Index barriers.

    Parameters
    ----------
    barriers : Barriers or None
        In metres.
    """
    walls = barriers or no_barriers()
    ends = np.asarray(walls.segments, np.float64).reshape(-1, 2)
    lines = np.arange(0, len(ends) + 1, 2, dtype=np.int64)
    gates = walls.gates[np.argsort(walls.gates[:, 0], kind="stable")]
    return WallGrid(
        segment_grid(lines, ends, np.ones(len(lines) - 1, np.bool_)), np.ascontiguousarray(gates)
    )


@kernel
def wall_between(px, py, qx, qy, walls):  # type: ignore[no-untyped-def]
    """Share of the way p-q at which the first closed wall stands; 2 where none does.

    A wall is open within `OPENING_M` of a gate.
    """
    nearest = 2.0
    grid, vertices = walls.segments, walls.segments.vertices
    if grid.columns == 0:
        return nearest
    c0 = max(int((min(px, qx) - grid.x0) / grid.cell_m), 0)
    c1 = min(int((max(px, qx) - grid.x0) / grid.cell_m), 8 * grid.columns - 1)
    r0 = max(int((min(py, qy) - grid.y0) / grid.cell_m), 0)
    r1 = min(int((max(py, qy) - grid.y0) / grid.cell_m), 8 * grid.rows - 1)
    for r in range(r0, r1 + 1):
        for c in range(c0, c1 + 1):
            block = grid.slot[(r >> 3) * grid.columns + (c >> 3)]
            if block < 0:
                continue
            cell = 64 * block + 8 * (r & 7) + (c & 7)
            for k in range(grid.indptr[cell], grid.indptr[cell + 1]):
                wall = grid.content[k]
                ax, ay = vertices[wall, 0], vertices[wall, 1]
                bx, by = vertices[wall + 1, 0], vertices[wall + 1, 1]
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
