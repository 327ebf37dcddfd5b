"""`SegmentGrid`: line segments by square cell, for the nearest one and for what a leg crosses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.kernels import kernel

CELL_M = 50.0
"""Side of a cell, metres: about the spacing of streets."""
TOUCH_M = 1e-3
"""A leg that ends this near a wall touches it and does not cross it, metres."""

_SLACK_M = 1e-6
"""More than rounding moves a point across the side of a cell."""
_RINGS = 3
"""Rings of cells searched around a point one after another; beyond, whole regions are skipped."""
_MOST_RINGS = 8
"""A limit within so many rings is searched ring by ring to its end."""


class SegmentGrid(NamedTuple):
    """Segments by cell. Cells lie in blocks of 8 by 8, and only blocks that hold a segment exist.

    Eight by eight blocks make a region, eight by eight regions one of the next level, and so on
    up to one that holds all, so that a search from afar skips empty land.

    Attributes
    ----------
    x0, y0 : float
        South-western corner, metres.
    cell_m : float
    columns, rows : int
        Of blocks.
    slot : ndarray, shape (rows * columns,), int32
        Number of a block among those that exist; -1 where it does not.
    indptr : ndarray, shape (64 * blocks + 1,), int32
        Entries of cell (r, c) of a block: ``indptr[i]:indptr[i + 1]``, i = 64 slot + 8 r + c.
    content : ndarray, int32
        Segments, each named by the row of its first vertex, rising within a cell.
    upper : ndarray, uint8
        Whether a region of levels 2, 3 … holds a segment, level after level.
    vertices : ndarray, shape (k, 2), float64
        Segment i runs from vertex i to vertex i + 1.
    """

    x0: float
    y0: float
    cell_m: float
    columns: int
    rows: int
    slot: NDArray[np.int32]
    indptr: NDArray[np.int32]
    content: NDArray[np.int32]
    upper: NDArray[np.uint8]
    vertices: NDArray[np.float64]


def segment_grid(
    offsets: NDArray[np.int64],
    vertices: NDArray[np.float64],
    usable: NDArray[np.bool_],
    *,
    cell_m: float = CELL_M,
) -> SegmentGrid:
    """Sort the segments of polylines into cells.

    Parameters
    ----------
    offsets : ndarray, shape (n + 1,), int64
        Line i has the vertices ``offsets[i]:offsets[i + 1]``.
    vertices : ndarray, shape (k, 2)
        Metres.
    usable : ndarray, shape (n,)
        Lines that are left out where False.
    cell_m : float
        Made larger where segments lie far apart.
    """
    made = _sorted_into_cells(offsets, vertices, usable, cell_m)
    return SegmentGrid._make((*made, vertices))


@kernel
def _row_span(ax, ay, bx, by, south, north):  # type: ignore[no-untyped-def]
    """West and east end of the part of a segment between two heights; none where west > east."""
    t0, t1 = 0.0, 1.0
    dy = by - ay
    if dy != 0:
        ta, tb = (south - _SLACK_M - ay) / dy, (north + _SLACK_M - ay) / dy
        t0, t1 = max(0.0, min(ta, tb)), min(1.0, max(ta, tb))
    elif ay < south - _SLACK_M or ay > north + _SLACK_M:
        t1 = -1.0
    if t0 > t1:
        return 1.0, 0.0
    xa, xb = ax + t0 * (bx - ax), ax + t1 * (bx - ax)
    return min(xa, xb) - _SLACK_M, max(xa, xb) + _SLACK_M


@kernel
def _sorted_into_cells(offsets, vertices, usable, cell):  # type: ignore[no-untyped-def]
    lines = len(offsets) - 1
    x0 = y0 = np.inf
    x1 = y1 = -np.inf
    segments = 0
    for e in range(lines):
        if usable[e]:
            segments += offsets[e + 1] - offsets[e] - 1
            for k in range(offsets[e], offsets[e + 1]):
                x, y = vertices[k, 0], vertices[k, 1]
                x0, x1 = min(x0, x), max(x1, x)
                y0, y1 = min(y0, y), max(y1, y)
    if segments == 0:
        nothing = np.zeros(0, np.int32)
        return 0.0, 0.0, cell, 0, 0, nothing, np.zeros(1, np.int32), nothing, np.zeros(0, np.uint8)
    # Sparse regions do not get more blocks than there are segments.
    while ((x1 - x0) / (8 * cell) + 1) * ((y1 - y0) / (8 * cell) + 1) > segments + 1024.0:
        cell *= 1.5
    per_m = 1.0 / cell
    columns = int((x1 - x0) * per_m) // 8 + 1
    rows = int((y1 - y0) * per_m) // 8 + 1
    slot = np.full(rows * columns, -1, np.int32)
    blocks = 0
    # Counts stand two places on, so that filling leaves the starts one place on.
    indptr = np.zeros(64 * 1024 + 2, np.int32)
    content = np.empty(0, np.int32)
    for sweep in range(2):
        if sweep == 1:
            for i in range(2, 64 * blocks + 2):
                indptr[i] += indptr[i - 1]
            content = np.empty(indptr[64 * blocks + 1], np.int32)
        for e in range(lines):
            if not usable[e]:
                continue
            bx, by = vertices[offsets[e], 0], vertices[offsets[e], 1]
            cb, rb = int((bx - x0) * per_m), int((by - y0) * per_m)
            here = -1
            for k in range(offsets[e], offsets[e + 1] - 1):
                ax, ay, ca, ra = bx, by, cb, rb
                bx, by = vertices[k + 1, 0], vertices[k + 1, 1]
                cb, rb = int((bx - x0) * per_m), int((by - y0) * per_m)
                straight = ra == rb or ca == cb
                if here >= 0 and ra == rb and ca == cb:  # as most are, in the cell of the last
                    if sweep == 0:
                        indptr[here + 2] += 1
                    else:
                        content[indptr[here + 1]] = k
                        indptr[here + 1] += 1
                    continue
                here = -1
                for r in range(min(ra, rb), max(ra, rb) + 1):
                    c0, c1 = min(ca, cb), max(ca, cb)
                    if not straight:
                        west, east = _row_span(ax, ay, bx, by, y0 + r * cell, y0 + (r + 1) * cell)
                        c0 = max(c0, int((west - x0) * per_m))
                        c1 = min(c1, int((east - x0) * per_m))
                    for c in range(c0, c1 + 1):
                        block = (r >> 3) * columns + (c >> 3)
                        if slot[block] < 0:
                            slot[block] = blocks
                            blocks += 1
                            if 64 * blocks + 2 > len(indptr):
                                indptr = np.concatenate((indptr, np.zeros_like(indptr)))
                        i = 64 * slot[block] + 8 * (r & 7) + (c & 7)
                        if r == rb and c == cb:
                            here = i
                        if sweep == 0:
                            indptr[i + 2] += 1
                        else:
                            content[indptr[i + 1]] = k
                            indptr[i + 1] += 1
    upper = _regions(columns, rows, slot)
    return x0, y0, cell, columns, rows, slot, indptr[: 64 * blocks + 1].copy(), content, upper


@kernel
def _regions(columns, rows, slot):  # type: ignore[no-untyped-def]
    """Which regions hold a block, level by level up to a single one."""
    room = 0
    wide, high = columns, rows
    while wide > 1 or high > 1:
        wide, high = (wide + 7) >> 3, (high + 7) >> 3
        room += wide * high
    upper = np.zeros(room, np.uint8)
    if room == 0:
        return upper
    begin, wide, high = 0, (columns + 7) >> 3, (rows + 7) >> 3
    for r in range(rows):
        for c in range(columns):
            if slot[r * columns + c] >= 0:
                upper[(r >> 3) * wide + (c >> 3)] = 1
    while wide > 1 or high > 1:
        above, wider = begin + wide * high, (wide + 7) >> 3
        for r in range(high):
            for c in range(wide):
                if upper[begin + r * wide + c]:
                    upper[above + (r >> 3) * wider + (c >> 3)] = 1
        begin, wide, high = above, wider, (high + 7) >> 3
    return upper


@kernel
def segments_in(west, south, east, north, grid):  # type: ignore[no-untyped-def]
    """Segments of the cells that a box touches, each once, by the row of the first vertex."""
    found = np.empty(256, np.int64)
    count = 0
    if grid.columns == 0:
        return found[:0]
    c0 = max(int(np.floor((west - grid.x0) / grid.cell_m)), 0)
    c1 = min(int(np.floor((east - grid.x0) / grid.cell_m)), 8 * grid.columns - 1)
    r0 = max(int(np.floor((south - grid.y0) / grid.cell_m)), 0)
    r1 = min(int(np.floor((north - grid.y0) / grid.cell_m)), 8 * grid.rows - 1)
    for r in range(r0, r1 + 1):
        for c in range(c0, c1 + 1):
            block = grid.slot[(r >> 3) * grid.columns + (c >> 3)]
            if block < 0:
                continue
            at = 64 * block + 8 * (r & 7) + (c & 7)
            for j in range(grid.indptr[at], grid.indptr[at + 1]):
                if count == len(found):
                    found = np.concatenate((found, found))
                found[count] = grid.content[j]
                count += 1
    return np.unique(found[:count])


@kernel(inline="always")
def _nearest_of(px, py, low, high, content, vertices, best2, best, best_t):  # type: ignore[no-untyped-def]
    """The nearest of some segments and the best so far; equally near: the lower number."""
    for j in range(low, high):
        k = content[j]
        ax, ay = vertices[k, 0], vertices[k, 1]
        dx, dy = vertices[k + 1, 0] - ax, vertices[k + 1, 1] - ay
        ex, ey = px - ax, py - ay
        length2 = dx * dx + dy * dy
        dot = ex * dx + ey * dy
        if dot <= 0:
            t = 0.0
        elif dot >= length2:
            # Exactly the end where it is the end: edges that meet there are equally near.
            t = 1.0
            ex, ey = px - vertices[k + 1, 0], py - vertices[k + 1, 1]
        else:
            across = ex * dy - ey * dx
            if across * across > best2 * length2 * 1.000001 + 1e-9:
                continue
            t = dot / length2
            ex, ey = px - (ax + t * dx), py - (ay + t * dy)
        distance2 = ex * ex + ey * ey
        if distance2 < best2 or (distance2 == best2 and (best < 0 or k < best)):
            best2, best, best_t = distance2, k, t
    return best2, best, best_t


@kernel(inline="always")
def _apart2(px, py, x, y, side):  # type: ignore[no-untyped-def]
    """Least squared distance to a square, rounding allowed for."""
    dx = max(x - px, px - x - side, _SLACK_M) - _SLACK_M
    dy = max(y - py, py - y - side, _SLACK_M) - _SLACK_M
    return dx * dx + dy * dy


@kernel
def _nearest(low, high, order, points, limit, grid):  # type: ignore[no-untyped-def]
    """Nearest segments within the limit of some points, taken in an order (empty: as they come).

    One loop over the points, so that the arrays of the grid are taken hold of once.

    Returns
    -------
    tuple of ndarray, shape (high - low,)
        Squared distance, segment (-1: none) and share along it, in that order.
    """
    apart2 = np.full(high - low, limit * limit)
    segment = np.full(high - low, -1, np.int32)
    share = np.zeros(high - low)
    x0, y0, cell, columns, rows = grid.x0, grid.y0, grid.cell_m, grid.columns, grid.rows
    slot, indptr, content, vertices = grid.slot, grid.indptr, grid.content, grid.vertices
    if columns == 0:
        return apart2, segment, share
    last_column, last_row = 8 * columns - 1, 8 * rows - 1
    x1, y1 = x0 + 8 * columns * cell, y0 + 8 * rows * cell
    rings = int(np.ceil(limit / cell)) if limit <= _MOST_RINGS * cell else _RINGS
    before = -1
    ahead = np.empty(1, np.int32)
    for at in range(high - low):
        i = order[low + at] if len(order) > 0 else low + at
        px, py = points[i, 0], points[i, 1]
        if not (np.isfinite(px) and np.isfinite(py)):
            continue
        if not (x0 - limit <= px <= x1 + limit and y0 - limit <= py <= y1 + limit):
            continue
        best2, best, best_t = limit * limit, -1, 0.0
        if before >= 0:
            # Points that follow each other are mostly neighbours.
            ahead[0] = before
            best2, best, best_t = _nearest_of(px, py, 0, 1, ahead, vertices, best2, best, best_t)
        ci, ri = int(np.floor((px - x0) / cell)), int(np.floor((py - y0) / cell))
        in_x, in_y = px - (x0 + ci * cell), py - (y0 + ri * cell)
        margin = min(in_x, cell - in_x, in_y, cell - in_y) - _SLACK_M
        done = False
        for ring in range(rings + 2):
            nearer = (ring - 1) * cell + margin
            if nearer > 0 and nearer * nearer > best2:
                done = True
                break
            if ring > rings:
                break
            for r in range(max(ri - ring, 0), min(ri + ring, last_row) + 1):
                step = 1 if r == ri - ring or r == ri + ring else max(2 * ring, 1)
                for c in range(ci - ring, ci + ring + 1, step):
                    if c < 0 or c > last_column:
                        continue
                    block = slot[(r >> 3) * columns + (c >> 3)]
                    if block < 0:
                        continue
                    k = 64 * block + 8 * (r & 7) + (c & 7)
                    first, end = indptr[k], indptr[k + 1]
                    if first == end:
                        continue
                    if _apart2(px, py, x0 + c * cell, y0 + r * cell, cell) <= best2:
                        best2, best, best_t = _nearest_of(
                            px, py, first, end, content, vertices, best2, best, best_t
                        )
        if not done:
            best2, best, best_t = _nearest_in_order(
                px, py, limit, grid, grid, np.zeros((0, 2)), 0.0
            )
        apart2[at], segment[at], share[at] = best2, best, best_t
        before = best
    return apart2, segment, share


@kernel
def _nearest_in_order(px, py, limit, grid, walls, gates, opening):  # type: ignore[no-untyped-def]
    """Nearest segment to one point of those a straight leg reaches without crossing a wall.

    Regions, blocks and cells are opened in order of distance (Hjaltason and Samet 1999), so that
    the limit may be any. ``opening`` 0 stands for no walls.
    """
    best2, best, best_t = limit * limit, -1, 0.0
    x0, y0, cell = grid.x0, grid.y0, grid.cell_m
    slot, indptr, content, vertices = grid.slot, grid.indptr, grid.content, grid.vertices
    upper = grid.upper
    # Level 0 holds cells, level 1 blocks, level 2 regions; a queue by distance.
    wide = np.zeros(24, np.int64)
    high = np.zeros(24, np.int64)
    begin = np.zeros(24, np.int64)
    wide[0], high[0] = 8 * grid.columns, 8 * grid.rows
    wide[1], high[1] = grid.columns, grid.rows
    top = 1
    while wide[top] > 1 or high[top] > 1:
        top += 1
        wide[top], high[top] = (wide[top - 1] + 7) >> 3, (high[top - 1] + 7) >> 3
        if top > 2:
            begin[top] = begin[top - 1] + wide[top - 1] * high[top - 1]
    far = np.empty(256)
    level_of = np.empty(256, np.int64)
    row_of = np.empty(256, np.int64)
    column_of = np.empty(256, np.int64)
    far[0], level_of[0], row_of[0], column_of[0] = 0.0, top, 0, 0
    size = 1
    while size > 0:
        distance2, level, row, column = far[0], level_of[0], row_of[0], column_of[0]
        if distance2 > best2:
            break
        size -= 1
        i = 0
        while True:
            child = 2 * i + 1
            if child >= size:
                break
            if child + 1 < size and far[child + 1] < far[child]:
                child += 1
            if far[child] >= far[size]:
                break
            far[i], level_of[i] = far[child], level_of[child]
            row_of[i], column_of[i] = row_of[child], column_of[child]
            i = child
        far[i], level_of[i], row_of[i], column_of[i] = (
            far[size],
            level_of[size],
            row_of[size],
            column_of[size],
        )
        if level == 0:
            i = 64 * slot[(row >> 3) * wide[1] + (column >> 3)] + 8 * (row & 7) + (column & 7)
            if opening == 0:
                best2, best, best_t = _nearest_of(
                    px, py, indptr[i], indptr[i + 1], content, vertices, best2, best, best_t
                )
                continue
            for j in range(indptr[i], indptr[i + 1]):
                near2, k, t = _nearest_of(px, py, j, j + 1, content, vertices, best2, best, best_t)
                if k == best:
                    continue
                x, y = _along(vertices, k, t)
                if not _crosses(px, py, x, y, walls, gates, opening):
                    best2, best, best_t = near2, k, t
            continue
        below = level - 1
        side = cell * 8.0**below
        for r in range(8 * row, min(8 * row + 8, high[below])):
            for c in range(8 * column, min(8 * column + 8, wide[below])):
                if below == 0:
                    i = 64 * slot[row * wide[1] + column] + 8 * (r & 7) + (c & 7)
                    held = indptr[i] < indptr[i + 1]
                elif below == 1:
                    held = slot[r * wide[1] + c] >= 0
                else:
                    held = upper[begin[below] + r * wide[below] + c] > 0
                if not held:
                    continue
                distance2 = _apart2(px, py, x0 + c * side, y0 + r * side, side)
                if distance2 > best2:
                    continue
                if size == len(far):
                    far = np.concatenate((far, far))
                    level_of = np.concatenate((level_of, level_of))
                    row_of = np.concatenate((row_of, row_of))
                    column_of = np.concatenate((column_of, column_of))
                i = size
                size += 1
                while i > 0 and far[(i - 1) >> 1] > distance2:
                    parent = (i - 1) >> 1
                    far[i], level_of[i] = far[parent], level_of[parent]
                    row_of[i], column_of[i] = row_of[parent], column_of[parent]
                    i = parent
                far[i], level_of[i], row_of[i], column_of[i] = distance2, below, r, c
    return best2, best, best_t


@kernel
def _along(vertices, k, t):  # type: ignore[no-untyped-def]
    """Point of a segment, exactly its end where it is the end."""
    if t == 1.0:
        return vertices[k + 1, 0], vertices[k + 1, 1]
    ax, ay = vertices[k, 0], vertices[k, 1]
    return ax + t * (vertices[k + 1, 0] - ax), ay + t * (vertices[k + 1, 1] - ay)


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
def _crosses(px, py, qx, qy, walls, gates, opening):  # type: ignore[no-untyped-def]
    """Whether the leg p-q properly crosses a wall farther than ``opening`` from every gate.

    The cells along the leg are looked at from p on: it is p that walls surround.
    """
    if walls.columns == 0:
        return False
    x0, y0, cell = walls.x0, walls.y0, walls.cell_m
    columns, rows = walls.columns, walls.rows
    slot, indptr, content, vertices = walls.slot, walls.indptr, walls.content, walls.vertices
    last = 8 * rows - 1
    r0 = min(max(int(np.floor((py - y0) / cell)), 0), last)
    r1 = min(max(int(np.floor((qy - y0) / cell)), 0), last)
    # One row more either way: on the side between two, a wall may be kept in the other.
    step = 1 if r0 <= r1 else -1
    r0, r1 = min(max(r0 - step, 0), last), min(max(r1 + step, 0), last)
    for r in range(r0, r1 + step, step):
        west, east = _row_span(px, py, qx, qy, y0 + r * cell, y0 + (r + 1) * cell)
        if west > east:
            continue
        c0 = max(int(np.floor((west - x0) / cell)), 0)
        c1 = min(int(np.floor((east - x0) / cell)), 8 * columns - 1)
        for c in range(c0, c1 + 1):
            block = slot[(r >> 3) * columns + (c >> 3)]
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
                # Rounding puts the end of a leg on either side of a wall along a street.
                touch = TOUCH_M * np.hypot(bx - ax, by - ay)
                if abs(d3) <= touch or abs(d4) <= touch:
                    continue
                if d1 * d2 <= 0 and d3 * d4 < 0 and not (d1 == 0 and d2 == 0):
                    t = d3 / (d3 - d4)
                    x, y = px + t * (qx - px), py + t * (qy - py)
                    passable = False
                    for g in range(_first_east(gates, x - opening), len(gates)):
                        if gates[g, 0] > x + opening:
                            break
                        if np.hypot(gates[g, 0] - x, gates[g, 1] - y) <= opening:
                            passable = True
                            break
                    if not passable:
                        return True
    return False
