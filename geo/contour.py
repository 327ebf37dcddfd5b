"""Contour: the outline of what is within a cutoff, exact where streets and walls part the ground.

A raster says which of its points are in time. Between a point inside and its neighbour outside the
outline passes where the walk over the inner point's street takes too long, where the outer point's
street becomes the nearer one, or where a wall stands; each is computed from the streets themselves
and not guessed half way. A raster of 10 m so draws as truly as one of 4 m that guesses.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon

from geo.kernels import UNREACHED, kernel
from geo.walls import WallGrid, wall_between

FAR = UNREACHED
"""Cost of what is not reached."""
NEAREST_END = 1e-3
"""Least distance of the outline from a raster point, in steps: rings never touch."""
BEFORE_WALL_M = 0.01
"""The outline stops so far before a wall, metres."""


class Streets(NamedTuple):
    """Edges with the cost of walking them, as in `WalkNetwork` and `Impedance`."""

    edge_nodes: NDArray[np.int32]
    length_mm: NDArray[np.int32]
    forward_mm: NDArray[np.int32]
    backward_mm: NDArray[np.int32]
    offsets: NDArray[np.int64]
    xy: NDArray[np.float64]


class Snapped(NamedTuple):
    """Raster points by tile: the edge each joins, where along it, and how long the leg is.

    ``window`` numbers the tiles; ``column`` and ``row`` number its first raster point from the
    origin of the CRS, in steps.
    """

    window: NDArray[np.int32]
    edge: NDArray[np.int32]
    offset_mm: NDArray[np.int32]
    access_mm: NDArray[np.int32]
    column: int
    row: int
    step_m: float


class Walk(NamedTuple):
    """What one source reaches: nodes with their cost, and the source on its own edge."""

    node: NDArray[np.int32]
    cost_mm: NDArray[np.int32]
    edge: int
    offset_mm: int
    access_mm: int


@kernel
def _cost_on(at, whole, first, second, forth, back, own, own_at, own_access):  # type: ignore[no-untyped-def]
    """Cost from a point of an edge to the source, the leg to the edge left out.

    ``first`` and ``second`` are the costs of its ends, ``forth`` and ``back`` those of walking it;
    ``own``: it is the edge of the source. All int64, since tuples of arrays are slow to pass on.
    """
    best = np.int64(FAR)
    if first < FAR and back >= 0:
        best = first + (back * at // whole if whole > 0 else 0)
    if second < FAR and forth >= 0:
        best = min(best, second + (forth * (whole - at) // whole if whole > 0 else 0))
    if own:
        price = forth if own_at >= at else back
        if own_at == at:
            best = min(best, own_access)
        elif price >= 0:
            best = min(best, own_access + price * abs(at - own_at) // whole)
    return best


@kernel
def costs(snapped, streets, walk, label, limit):  # type: ignore[no-untyped-def]
    """Cost of every raster point of a window; `FAR` beyond the limit. ``label`` stays `FAR`."""
    edge, offset, access = snapped.edge, snapped.offset_mm, snapped.access_mm
    nodes, length = streets.edge_nodes, streets.length_mm
    forward, backward = streets.forward_mm, streets.backward_mm
    own, own_at, own_access = walk.edge, np.int64(walk.offset_mm), np.int64(walk.access_mm)
    reached, reached_cost = walk.node, walk.cost_mm
    for k in range(len(reached)):
        label[reached[k]] = reached_cost[k]
    tile = edge.shape[1]
    window = snapped.window
    rows, columns = window.shape
    cost = np.full((rows * tile, columns * tile), FAR, np.int32)
    for tr in range(rows):
        for tc in range(columns):
            slot = window[tr, tc]
            if slot < 0:
                continue
            for r in range(tile):
                for c in range(tile):
                    e = edge[slot, r, c]
                    leg = np.int64(access[slot, r, c])
                    if e < 0 or leg > limit:
                        continue
                    total = leg + _cost_on(
                        np.int64(offset[slot, r, c]),
                        np.int64(length[e]),
                        np.int64(label[nodes[e, 0]]),
                        np.int64(label[nodes[e, 1]]),
                        np.int64(forward[e]),
                        np.int64(backward[e]),
                        e == own,
                        own_at,
                        own_access,
                    )
                    if total <= limit:
                        cost[tr * tile + r, tc * tile + c] = total
    for k in range(len(reached)):
        label[reached[k]] = FAR
    return cost


@kernel
def _cost_from(  # type: ignore[no-untyped-def]
    x, y, j, start_m, xy, whole, first, second, forth, back, own, own_at, own_access
):
    """Cost from a place if it joined piece j of an edge, however near others are."""
    leg_m, along_m = _from_piece(x, y, j, xy)
    at = min(np.int64(np.rint((start_m + along_m) * 1000)), whole)
    return np.int64(np.rint(leg_m * 1000)) + _cost_on(
        at, whole, first, second, forth, back, own, own_at, own_access
    )


@kernel
def _piece(first, last, at_mm, xy):  # type: ignore[no-untyped-def]
    """The straight piece of an edge that holds an offset: its first vertex, metres before it.

    ``first`` and ``last`` number the vertices of the edge.
    """
    along = 0.0
    at = at_mm / 1000.0
    for j in range(first, last):
        dx, dy = xy[j + 1, 0] - xy[j, 0], xy[j + 1, 1] - xy[j, 1]
        length = np.sqrt(dx * dx + dy * dy)
        if along + length >= at or j == last - 1:
            return j, along
        along += length
    return first, 0.0


@kernel
def _from_piece(x, y, j, xy):  # type: ignore[no-untyped-def]
    """Distance to a straight piece, and how far along it the foot lies, metres."""
    ax, ay = xy[j, 0], xy[j, 1]
    dx, dy = xy[j + 1, 0] - ax, xy[j + 1, 1] - ay
    length2 = dx * dx + dy * dy
    t = 0.0
    if length2 > 0:
        t = min(1.0, max(0.0, ((x - ax) * dx + (y - ay) * dy) / length2))
    x, y = x - ax - t * dx, y - ay - t * dy
    return np.sqrt(x * x + y * y), t * np.sqrt(length2)


@kernel
def _border(ax, ay, bx, by, ja, jb, f0, f1, xy):  # type: ignore[no-untyped-def]
    """Share of the way a-b at which piece jb becomes nearer than piece ja."""
    low, high = 0.0, 1.0
    t = 0.5
    for _ in range(4):
        t = low + (high - low) * f0 / (f0 - f1)
        x, y = ax + t * (bx - ax), ay + t * (by - ay)
        f = _from_piece(x, y, ja, xy)[0] - _from_piece(x, y, jb, xy)[0]
        if abs(f) < 0.05:
            break
        if f < 0:
            low, f0 = t, f
        else:
            high, f1 = t, f
    return t


@kernel
def _crossing(  # type: ignore[no-untyped-def]
    ra,
    ca,
    rb,
    cb,
    cost,
    cutoff,
    rim,
    window,
    edge,
    offset,
    access,
    column,
    row,
    step,
    offsets,
    xy,
    nodes,
    length,
    forward,
    backward,
    own,
    own_at,
    own_access,
    label,
    walls,
    walled,
):
    """Share of the way from a raster point inside to its neighbour outside that is inside.

    Never less for a longer cutoff: outlines nest.
    """
    tile = edge.shape[1]
    slot_a = window[ra // tile, ca // tile]
    slot_b = window[rb // tile, cb // tile]
    ax, ay = (column + ca + 0.5) * step, (row + ra + 0.5) * step
    bx, by = (column + cb + 0.5) * step, (row + rb + 0.5) * step
    cost_a = np.int64(cost[ra, ca])
    cost_b = min(np.int64(cost[rb, cb]), cutoff + rim)
    room = cutoff - cost_a
    ea = edge[slot_a, ra % tile, ca % tile]
    eb = edge[slot_b, rb % tile, cb % tile] if slot_b >= 0 else np.int32(-1)
    ja, start_a = _piece(offsets[ea], offsets[ea + 1] - 1, offset[slot_a, ra % tile, ca % tile], xy)
    own_a = _from_piece(ax, ay, ja, xy)[0]
    wall = 2.0
    if walled:
        wall = wall_between(ax, ay, bx, by, walls) - BEFORE_WALL_M / step
    # A leg longer than to the piece goes through a gate: nothing is known between the points.
    straight_a = abs(own_a * 1000 - access[slot_a, ra % tile, ca % tile]) < 20
    border = 1.0
    known_b = False
    jb, start_b, own_b = ja, start_a, 0.0
    if eb >= 0:
        jb, start_b = _piece(
            offsets[eb], offsets[eb + 1] - 1, offset[slot_b, rb % tile, cb % tile], xy
        )
        own_b = _from_piece(bx, by, jb, xy)[0]
        known_b = abs(own_b * 1000 - access[slot_b, rb % tile, cb % tile]) < 20
    if not straight_a or (eb >= 0 and not known_b):
        if wall <= 1:
            return wall
        if ea == eb and not straight_a and not known_b and cost_b > cost_a:
            return min(1.0, room / (cost_b - cost_a))
        return 0.5
    if wall <= 1:
        border = wall
    elif eb >= 0 and ja != jb:
        f0 = own_a - _from_piece(ax, ay, jb, xy)[0]
        f1 = _from_piece(bx, by, ja, xy)[0] - own_b
        # Either sign is wrong where a wall hides the nearer piece from one of the two.
        border = _border(ax, ay, bx, by, ja, jb, f0, f1, xy) if f0 < 0 < f1 else 0.5
    over = _cost_from(
        bx,
        by,
        ja,
        start_a,
        xy,
        np.int64(length[ea]),
        np.int64(label[nodes[ea, 0]]),
        np.int64(label[nodes[ea, 1]]),
        np.int64(forward[ea]),
        np.int64(backward[ea]),
        ea == own,
        own_at,
        own_access,
    )
    share = 1.0
    if over > cutoff:
        share = room / (min(over, cutoff + rim) - cost_a)
    if share < border or eb < 0:
        return min(share, border)
    back = _cost_from(
        ax,
        ay,
        jb,
        start_b,
        xy,
        np.int64(length[eb]),
        np.int64(label[nodes[eb, 0]]),
        np.int64(label[nodes[eb, 1]]),
        np.int64(forward[eb]),
        np.int64(backward[eb]),
        eb == own,
        own_at,
        own_access,
    )
    if back <= cutoff and cost_b > back:
        return max(border, (cutoff - back) / (cost_b - back))
    return border


@kernel
def _crossed(cost, cutoff, rim, snapped, streets, walk, label, walls):  # type: ignore[no-untyped-def]
    """Sides of raster squares between a point inside and one outside.

    Returns where they are crossed, as a share from their western or southern end (only crossed
    ones are filled), row and column of the level ones, and how many there are upright.
    """
    rows, columns = cost.shape
    # Taken out of their tuples once: each time costs as much as a crossing.
    window, edge, offset, access = (
        snapped.window,
        snapped.edge,
        snapped.offset_mm,
        snapped.access_mm,
    )
    column, row, step = snapped.column, snapped.row, snapped.step_m
    offsets, xy, nodes, length = streets.offsets, streets.xy, streets.edge_nodes, streets.length_mm
    forward, backward = streets.forward_mm, streets.backward_mm
    own, own_at, own_access = walk.edge, np.int64(walk.offset_mm), np.int64(walk.access_mm)
    reached, reached_cost = walk.node, walk.cost_mm
    walled = walls.walls.columns > 0
    for k in range(len(reached)):
        label[reached[k]] = reached_cost[k]
    east = np.empty((rows, columns), np.float32)
    north = np.empty((rows, columns), np.float32)
    at = np.empty((rows * columns, 2), np.int32)  # far more than needed, and never touched
    level = upright = 0
    for r in range(rows - 1):
        for c in range(columns - 1):
            inside = cost[r, c] <= cutoff
            for way in range(2):
                rb, cb = (r, c + 1) if way == 0 else (r + 1, c)
                if inside == (cost[rb, cb] <= cutoff):
                    continue
                ri, ci, ro, co = (r, c, rb, cb) if inside else (rb, cb, r, c)
                t = _crossing(
                    ri,
                    ci,
                    ro,
                    co,
                    cost,
                    cutoff,
                    rim,
                    window,
                    edge,
                    offset,
                    access,
                    column,
                    row,
                    step,
                    offsets,
                    xy,
                    nodes,
                    length,
                    forward,
                    backward,
                    own,
                    own_at,
                    own_access,
                    label,
                    walls,
                    walled,
                )
                t = min(max(t, NEAREST_END), 1 - NEAREST_END)
                t = t if inside else 1 - t
                if way == 0:
                    east[r, c] = t
                    at[level, 0], at[level, 1] = r, c
                    level += 1
                else:
                    north[r, c] = t
                    upright += 1
    for k in range(len(reached)):
        label[reached[k]] = FAR
    return east, north, at[:level], upright


@kernel
def _rings(cost, cutoff, hole_m2, east, north, at, upright, column, row, step_m):  # type: ignore[no-untyped-def]
    """Closed rings of the outline, shells with their holes behind them, and who is a shell.

    Squares of the raster are walked from side to side with the inside on the left. Two inner
    corners across a square are not joined, so that what is inside only grows with the cutoff.
    """
    level = len(at)
    ring_of = np.empty(cost.shape, np.int32)
    for k in range(level):
        ring_of[at[k, 0], at[k, 1]] = -1
    xy = np.empty((level + upright, 2))
    start = np.empty(level + 1, np.int64)
    start[0] = 0
    shell = np.empty(level, np.int32)  # of a hole, the ring around it; of a shell, itself
    around = np.empty(level, np.int32)  # of a shell, the hole it lies in
    gone = np.zeros(level, np.bool_)
    rings = points = 0
    for k in range(level):
        r, c = at[k]
        if ring_of[r, c] >= 0:
            continue
        hole = cost[r, c] <= cutoff
        before = ring_of[at[k - 1, 0], at[k - 1, 1]] if k and at[k - 1, 0] == r else -1
        # Sides: 0 south, 1 west, 2 north, 3 east of the square (r, c). Heading north over the
        # southern side of a square has the inside in the west.
        side = 0
        if not hole:
            side = 2
            r -= 1
        r0, c0, side0 = r, c, side
        area2 = 0.0
        while True:
            if side == 0 or side == 2:
                v = r + (side == 2)
                x = column + c + 0.5 + east[v, c]
                y = row + v + 0.5
                ring_of[v, c] = rings
            else:
                h = c + (side == 3)
                x = column + h + 0.5
                y = row + r + 0.5 + north[r, h]
            xy[points, 0] = x * step_m
            xy[points, 1] = y * step_m
            if points > start[rings]:
                last = points - 1
                base = start[rings]
                area2 += (xy[last, 0] - xy[base, 0]) * (xy[points, 1] - xy[base, 1])
                area2 -= (xy[points, 0] - xy[base, 0]) * (xy[last, 1] - xy[base, 1])
            points += 1
            # Clockwise to the next crossed side: along the inner corners on the left.
            while True:
                side = (side + 1) % 4
                if side == 0 or side == 2:
                    v = r + (side == 2)
                    if (cost[v, c] <= cutoff) != (cost[v, c + 1] <= cutoff):
                        break
                else:
                    h = c + (side == 3)
                    if (cost[r, h] <= cutoff) != (cost[r + 1, h] <= cutoff):
                        break
            if side == 0:
                r, side = r - 1, 2
            elif side == 2:
                r, side = r + 1, 0
            elif side == 1:
                c, side = c - 1, 3
            else:
                c, side = c + 1, 1
            if r == r0 and c == c0 and side == side0:
                break
        if hole:
            shell[rings] = shell[before]
            around[rings] = -1
            gone[rings] = gone[shell[rings]] or abs(area2) / 2 < hole_m2
        else:
            shell[rings] = rings
            around[rings] = -1
            if before >= 0:
                around[rings] = before if shell[before] != before else around[before]
            gone[rings] = around[rings] >= 0 and gone[around[rings]]
        rings += 1
        start[rings] = points
    return xy[:points], start[: rings + 1], shell[:rings], gone[:rings]


def outline(
    cost_mm: NDArray[np.int32],
    cutoff_mm: int,
    *,
    rim_mm: int,
    hole_m2: float,
    snapped: Snapped,
    streets: Streets,
    walk: Walk,
    label: NDArray[np.int32],
    walls: WallGrid,
) -> MultiPolygon:
    """Area where the cost is at most the cutoff.

    Parameters
    ----------
    cost_mm : ndarray, shape (rows, columns), int32
        Of `costs`, whose limit is at least the cutoff and the rim; outside at the margin.
    cutoff_mm : int
    rim_mm : int
        How far past the cutoff costs are told apart, at least a diagonal of the raster.
    hole_m2 : float
        Smaller holes are filled, with what lies in them, square metres.
    snapped, streets, walk, walls
        What the cost was computed from.
    label : ndarray, shape (nodes,), int32
        Work space, all `FAR` before and after.

    Returns
    -------
    MultiPolygon
        Valid; shells run counter-clockwise. That of a shorter cutoff lies within that of a longer.
    """
    east, north, at, upright = _crossed(
        cost_mm, cutoff_mm, rim_mm, snapped, streets, walk, label, walls
    )
    xy, start, shell, gone = _rings(
        cost_mm,
        cutoff_mm,
        hole_m2,
        east,
        north,
        at,
        upright,
        snapped.column,
        snapped.row,
        snapped.step_m,
    )
    kept = np.flatnonzero(~gone)
    if not len(kept):
        return MultiPolygon()
    # A shell comes before its holes: it has the lower number.
    kept = kept[np.lexsort((kept, shell[kept]))]
    count = (start[kept + 1] - start[kept]).astype(np.int64)
    ends = np.cumsum(count + 1)
    rows = np.arange(ends[-1]) - np.repeat(ends - count - 1, count + 1)
    rows = np.where(rows == np.repeat(count, count + 1), 0, rows)  # a ring ends where it began
    rows += np.repeat(start[kept], count + 1)
    shells = np.flatnonzero(shell[kept] == kept)
    rings = np.concatenate([[0], ends])
    polygons = np.concatenate([shells, [len(kept)]])
    return shapely.from_ragged_array(
        shapely.GeometryType.MULTIPOLYGON, xy[rows], (rings, polygons, np.array([0, len(shells)]))
    )[0]
