"""Compounds of towers and slabs in rows that face south, with paths between them and gates."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

from data.sample.draft import Frontage
from data.sample.layout import Door, Exit, Frame, Layout, choose_gates, find_exit, joined, span

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SlabStyle:
    """How a kind of compound is built; lengths in metres.

    Attributes
    ----------
    depth_m, unit_m : float
        Depth of a building; length of one unit (staircase).
    units : tuple of int
        Units a building may have.
    gap_m, pitch_m : tuple of float
        Room between buildings of a row; from row to row.
    setback_m : float
        From the wall to the first building.
    floors : tuple of int
        Least and most floors.
    gates : tuple of int
        Least and most gates.
    garden : float
        How likely a place in a middle row is left green.
    walks : bool
        Whether there are garden walks between the rows.
    """

    depth_m: float
    unit_m: float
    units: tuple[int, ...]
    gap_m: tuple[float, float]
    pitch_m: tuple[float, float]
    setback_m: float
    floors: tuple[int, int]
    gates: tuple[int, int]
    garden: float
    walks: bool = False


SLAB_STYLES: dict[str, SlabStyle] = {
    "new": SlabStyle(14.5, 16.0, (2,), (12, 18), (40, 49), 8.0, (18, 33), (2, 4), 0.8, walks=True),
    "courtyard": SlabStyle(11.0, 14.5, (2, 3, 4), (5, 7.5), (21.5, 24.5), 3.5, (4, 6), (1, 1), 0.0),
    "work_unit": SlabStyle(
        12.0, 15.5, (3, 4, 5), (6, 9), (23.5, 27), 5.0, (4, 6), (1, 2), 0.5, walks=True
    ),
}

_LANE_M = 4.5
"""From the north wall of a row to the path in front of its doors."""
_WALK_M = 3.4
"""From a garden walk to the south wall of the row it passes."""
_SPINE_HALF_M = 5.0
"""Half the gap that the paths across the rows keep free."""


@dataclass(slots=True)
class _Row:
    y: float
    left: float
    right: float
    lane_y: float


def _rows(ring: Points, style: SlabStyle, rng: np.random.Generator) -> list[_Row]:
    low, high = float(ring[:, 1].min()), float(ring[:, 1].max())
    block = style.depth_m + _LANE_M
    pitch = float(rng.uniform(*style.pitch_m))
    count = int((high - low - block - 4) // pitch) + 1
    if count < 1:
        return []
    if count > 1:
        pitch = min(style.pitch_m[1] * 1.12, (high - low - block - 6) / (count - 1))
    start = low + (high - low - block - pitch * (count - 1)) / 2
    rows = []
    for k in range(count):
        y = start + k * pitch
        run = span(ring, y, y + block)
        if run and run[1] - run[0] >= style.unit_m * style.units[0] + 4:
            rows.append(_Row(y, *run, y + block))
    return rows


def _spines(rows: list[_Row], style: SlabStyle, rng: np.random.Generator) -> list[float]:
    """Choose where paths cross the rows: where most can be built beside them."""
    width = max(r.right - r.left for r in rows)
    left, right = np.median([r.left for r in rows]), np.median([r.right for r in rows])
    core_left, core_right = max(r.left for r in rows), min(r.right for r in rows)
    if core_right - core_left > 0.4 * (right - left):
        left, right = core_left, core_right
    shares: list[tuple[float, ...]] = [(0.5,), (0.35,), (0.65,), (0.05,), (0.95,)]
    if width > 115:
        shares += [(0.25, 0.75), (0.05, 0.95), (0.33, 0.67), (0.05, 0.6), (0.4, 0.95)]
    if width > 240:
        shares = [s for s in shares if len(s) == 2] + [(0.17, 0.5, 0.83), (0.05, 0.5, 0.95)]
    best: list[float] = []
    most = -np.inf
    for choice in shares:
        spines = [float(left + (right - left) * (s + rng.uniform(-0.03, 0.03))) for s in choice]
        built = sum(
            b - a
            for row in rows
            if any(row.left + 1 <= s <= row.right - 1 for s in spines)
            for a, b, _ in _row_buildings(row, spines, style, None)
        )
        built *= rng.uniform(0.94, 1.0)
        if built > most:
            best, most = spines, built
    return best


def _row_buildings(
    row: _Row, spines: list[float], style: SlabStyle, rng: np.random.Generator | None
) -> list[tuple[float, float, int]]:
    """Left end, right end and units of every building of a row; without a draw the densest."""
    bounds = [(row.left, row.right)]
    for s in spines:
        bounds = [
            part
            for a, b in bounds
            for part in ((a, min(b, s - _SPINE_HALF_M)), (max(a, s + _SPINE_HALF_M), b))
            if part[1] - part[0] > 1
        ]
    found: list[tuple[float, float, int]] = []
    for a, b in bounds:
        room = b - a
        gap = float(rng.uniform(*style.gap_m)) if rng else style.gap_m[0]
        fitting = [u for u in style.units if u * style.unit_m <= room]
        if not fitting:
            continue
        # The most units that fill the run, then fewer ones where a slab is left over.
        units = int(rng.choice(fitting)) if rng else fitting[-1]
        best = max(
            fitting, key=lambda u: (int((room + gap) // (u * style.unit_m + gap)) * u, u == units)
        )
        length = best * style.unit_m
        count = int((room + gap) // (length + gap))
        spare = room - count * length
        between = min(spare / (count - 1), gap * 1.6) if count > 1 else 0.0
        x = a + (spare - between * (count - 1)) * (float(rng.uniform(0.3, 0.7)) if rng else 0.5)
        for _ in range(count):
            found.append((x, x + length, best))
            x += length + between
    return found


class _Paths:
    """Path nodes by place, so that crossings are shared."""

    def __init__(self) -> None:
        self.xy: list[tuple[float, float]] = []
        self._at: dict[tuple[float, float], int] = {}

    def at(self, x: float, y: float) -> int:
        key = (round(x, 2), round(y, 2))
        if key not in self._at:
            self._at[key] = len(self.xy)
            self.xy.append((x, y))
        return self._at[key]


def slab_layout(
    land: shapely.Polygon,
    frontage: Frontage,
    style: SlabStyle,
    rng: np.random.Generator,
) -> Layout | None:
    """Lay out a walled compound of rows.

    Parameters
    ----------
    land : Polygon
        Ground metres; its ring becomes the wall.
    frontage : Frontage
        Streets around.
    style : SlabStyle
    rng : Generator

    Returns
    -------
    Layout or None
        None if the land is too small or no gate can reach a street.
    """
    frame = Frame(land)
    inner = land.buffer(-style.setback_m, join_style="mitre")
    if inner.geom_type != "Polygon" or inner.is_empty:
        return None
    ring = frame.local(np.asarray(inner.exterior.coords))
    rows = _rows(ring, style, rng)
    if not rows:
        return None
    spines = _spines(rows, style, rng)
    rows = [r for r in rows if any(r.left + 1 <= s <= r.right - 1 for s in spines)]
    # Rows must follow each other: a spine over a missing row might leave the land.
    if not rows:
        return None
    layout = Layout(land, walled=True)
    paths = _Paths()
    built, lane_x = _build(layout, frame, rows, spines, style, paths, rng)
    if not len(layout.corners):
        return None
    walks = _walks(rows, spines, lane_x) if style.walks else {}
    _join(layout, paths, rows, spines, lane_x, walks)
    exits = _exits(paths, rows, spines, lane_x, frame, land, frontage)
    if not exits:
        return None
    wanted = int(rng.integers(style.gates[0], style.gates[1] + 1))
    layout.gates = choose_gates(exits, wanted, rng, apart_m=45.0)
    layout.path_xy = [tuple(p) for p in frame.ground(np.array(paths.xy)).tolist()]
    layout.cuts = _cuts(frame, rows, spines, built)
    return layout if _sound(layout) else None


def _crosses(row: _Row, x: float) -> bool:
    return row.left + 1 <= x <= row.right - 1


def _build(
    layout: Layout,
    frame: Frame,
    rows: list[_Row],
    spines: list[float],
    style: SlabStyle,
    paths: _Paths,
    rng: np.random.Generator,
) -> tuple[list[list[tuple[float, float]]], list[list[float]]]:
    """Put buildings and doors into the layout.

    Returns
    -------
    built : list
        Left and right ends of the buildings of each row.
    lane_x : list
        Where the lane of each row has to have a node.
    """
    floors_here = int(rng.integers(style.floors[0], style.floors[1] + 1))
    green_row = len(rows) // 2 if len(rows) >= 3 and rng.random() < style.garden else -1
    corners: list[Points] = []
    floors: list[int] = []
    units: list[int] = []
    built: list[list[tuple[float, float]]] = []
    lane_x: list[list[float]] = []
    for k, row in enumerate(rows):
        buildings = _row_buildings(row, spines, style, rng)
        if k == green_row and len(buildings) > 2:
            a, b, _ = buildings.pop(len(buildings) // 2)
            layout.gardens.append(
                frame.ground(_box(a - 3, row.y - 4, b + 3, row.y + style.depth_m - 1))
            )
        built.append([(a, b) for a, b, _ in buildings])
        lane_x.append([s for s in spines if _crosses(row, s)])
        for a, b, count in buildings:
            number = len(corners)
            corners.append(frame.ground(_box(a, row.y, b, row.y + style.depth_m)))
            floors.append(int(np.clip(floors_here + rng.integers(-1, 2), *style.floors)))
            units.append(count)
            for u in range(count):
                # Units are numbered from east to west along the north wall.
                x = b - (u + 0.5) * (b - a) / count
                lane_x[k].append(x)
                foot = paths.at(x, row.lane_y)
                door = frame.ground(np.array((x, row.y + style.depth_m)))
                layout.doors.append(Door(number, 2, (float(door[0]), float(door[1])), foot, u + 1))
    layout.corners = np.array(corners).reshape(-1, 4, 2)
    layout.floors, layout.units = np.array(floors, np.int64), np.array(units, np.int64)
    return built, lane_x


def _walks(
    rows: list[_Row], spines: list[float], lane_x: list[list[float]]
) -> dict[int, tuple[float, list[float]]]:
    """Garden walks south of a row, with both ends down to the lane of the row before.

    Adds the ends to ``lane_x``; gives height and places of the nodes by row.
    """
    walks = {}
    for k in range(1, len(rows)):
        low, row = rows[k - 1], rows[k]
        left = max(min(lane_x[k - 1]), row.left)
        right = min(max(lane_x[k - 1]), row.right)
        y = row.y - _WALK_M
        if right - left < 30 or y - low.lane_y < 3:
            continue
        crossing = [s for s in spines if left + 6 < s < right - 6 and _crosses(low, s)]
        if not crossing:
            continue
        lane_x[k - 1] += [left, right]
        walks[k] = (y, [left, *crossing, right])
    return walks


def _join(
    layout: Layout,
    paths: _Paths,
    rows: list[_Row],
    spines: list[float],
    lane_x: list[list[float]],
    walks: dict[int, tuple[float, list[float]]],
) -> None:
    """Draw lanes along the rows, spines across them and walks between them."""
    for row, on_lane in zip(rows, lane_x, strict=True):
        nodes = list(dict.fromkeys(paths.at(x, row.lane_y) for x in sorted(on_lane)))
        if len(nodes) > 1:
            layout.paths.append((nodes, "lane"))
    for k, (y, along) in walks.items():
        below = rows[k - 1].lane_y
        ends = paths.at(along[0], below), paths.at(along[-1], below)
        walk = [ends[0], *(paths.at(x, y) for x in along), ends[1]]
        layout.paths.append((walk, "walk"))
    for s in spines:
        nodes = []
        for k, row in enumerate(rows):
            if not _crosses(row, s):
                continue
            if nodes and k in walks and s in walks[k][1]:
                nodes.append(paths.at(s, walks[k][0]))
            nodes.append(paths.at(s, row.lane_y))
        if len(nodes) > 1:
            layout.paths.append((nodes, "spine"))


def _exits(
    paths: _Paths,
    rows: list[_Row],
    spines: list[float],
    lane_x: list[list[float]],
    frame: Frame,
    land: shapely.Polygon,
    frontage: Frontage,
) -> list[Exit]:
    """Ways out: both ends of every spine and of every lane, straight on."""
    ends: list[tuple[float, float, float, float]] = []
    for s in spines:
        on = [r for r in rows if _crosses(r, s)]
        if on:
            # Southwards the spine passes the lowest row in its own gap.
            ends += [(s, on[0].lane_y, 0.0, -1.0), (s, on[-1].lane_y, 0.0, 1.0)]
    for row, on_lane in zip(rows, lane_x, strict=True):
        ends += [(min(on_lane), row.lane_y, -1.0, 0.0), (max(on_lane), row.lane_y, 1.0, 0.0)]
    exits = []
    for x, y, dx, dy in ends:
        start = frame.ground(np.array((x, y)))
        found = find_exit(paths.at(x, y), start, frame.direction(dx, dy), land, frontage)
        if found:
            exits.append(found)
    return exits


def _box(x0: float, y0: float, x1: float, y1: float) -> Points:
    return np.array(((x0, y0), (x1, y0), (x1, y1), (x0, y1)))


def _cuts(
    frame: Frame, rows: list[_Row], spines: list[float], built: list[list[tuple[float, float]]]
) -> list[shapely.LineString]:
    """Lines between rows, north of each lane; along the spines; between buildings of a row."""
    far = 400.0
    between = [max(low.lane_y + 1.5, (low.lane_y + high.y) / 2) for low, high in pairwise(rows)]
    lines = [np.array(((-far, y), (far, y))) for y in between]
    if len(rows) > 1:
        lines += [np.array(((s, -far), (s, far))) for s in spines]
    bounds = [-far, *between, far]
    for low, high, buildings in zip(bounds[:-1], bounds[1:], built, strict=True):
        for (_, a), (b, _) in pairwise(buildings):
            if any(a < s < b for s in spines):
                continue
            x = (a + b) / 2
            lines.append(np.array(((x, low), (x, high))))
    return [shapely.LineString(frame.ground(line)) for line in lines]


def _sound(layout: Layout) -> bool:
    """Whether everything is inside the wall, every path joined to a gate and clear of buildings."""
    xy = np.array(layout.path_xy)
    lines = (
        shapely.linestrings(
            np.vstack([xy[n] for n, _ in layout.paths]),
            indices=np.repeat(np.arange(len(layout.paths)), [len(n) for n, _ in layout.paths]),
        )
        if layout.paths
        else np.array([], object)
    )
    boxes = shapely.polygons(layout.corners)
    shapely.prepare(layout.outline)
    if not (
        shapely.contains_properly(layout.outline, lines).all()
        and shapely.contains_properly(layout.outline, boxes).all()
    ):
        return False
    tree = shapely.STRtree(boxes)
    if tree.query(lines, predicate="intersects").size or (
        tree.query(boxes, predicate="intersects").shape[1] != len(boxes)
    ):
        return False
    inside = [shapely.LineString((layout.path_xy[g.path_node], g.wall_xy)) for g in layout.gates]
    if tree.query(inside, predicate="intersects").size:
        return False
    return joined(layout)
