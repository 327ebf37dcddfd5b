"""Bungalows along lanes: urban villages with narrow alleys, low houses at the town's edge."""

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
class LaneStyle:
    """How houses stand along lanes; lengths in metres.

    Attributes
    ----------
    depth_m, yard_m : float
        Depth of a house; of the yard between house and lane.
    width_m : tuple of float
        Least and most width of a house with its side yard.
    side_m : float
        Room between neighbours.
    lane_m, alley_m : float
        Width of lanes (along the rows) and alleys (across).
    back_m : float
        Room between houses back to back.
    block_m : tuple of float
        From alley to alley.
    floors : tuple of float
        Chances of one and of two floors.
    wobble_m : float
        How far lanes stray from straight.
    empty : float
        Share of plots without a house.
    """

    depth_m: float
    yard_m: float
    width_m: tuple[float, float]
    side_m: float
    lane_m: float
    alley_m: float
    back_m: float
    block_m: tuple[float, float]
    floors: tuple[float, float]
    wobble_m: float
    empty: float


LANE_STYLES: dict[str, LaneStyle] = {
    "urban_village": LaneStyle(
        9.5, 0.0, (9.0, 12.5), 0.5, 3.4, 2.6, 1.0, (42, 66), (0.72, 0.28), 1.7, 0.05
    ),
    "suburban": LaneStyle(
        9.0, 6.0, (13.0, 17.0), 3.0, 5.5, 5.0, 2.0, (60, 95), (0.8, 0.2), 1.2, 0.06
    ),
}


class _Wobble:
    """A slow, small displacement, so that lanes are not ruled."""

    def __init__(self, size_m: float, rng: np.random.Generator) -> None:
        self.size = size_m
        self.phase = rng.uniform(0, 2 * np.pi, 3)

    def __call__(self, xy: Points) -> Points:
        x, y = xy[..., 0], xy[..., 1]
        a, b, c = self.phase
        dx = self.size * np.sin(y / 34 + a)
        dy = self.size * (np.sin(x / 41 + b) + 0.5 * np.sin(x / 19 + c))
        return np.stack((x + dx, y + dy), axis=-1)


def lane_layout(
    land: shapely.Polygon, frontage: Frontage, style: LaneStyle, rng: np.random.Generator
) -> Layout | None:
    """Lay out an open village of lanes; its lanes run out to the streets around.

    Parameters
    ----------
    land : Polygon
        Ground metres.
    frontage : Frontage
        Streets around.
    style : LaneStyle
    rng : Generator

    Returns
    -------
    Layout or None
        None if the land is too small or no lane reaches a street.
    """
    frame = Frame(land, most_deg=40.0)
    inner = land.buffer(-2.5 - style.wobble_m, join_style="mitre")
    if inner.geom_type != "Polygon" or inner.is_empty:
        return None
    ring = frame.local(np.asarray(inner.exterior.coords))
    wobble = _Wobble(style.wobble_m, rng)
    lanes = _lanes(ring, style)
    if not lanes:
        return None
    alleys = _alleys(lanes, style, rng)
    lanes = [lane for lane in lanes if any(lane[1] + 3 < x < lane[2] - 3 for x in alleys)]
    if not lanes:
        return None
    houses, doors, walls = _houses(lanes, alleys, style, rng)
    corners = frame.ground(wobble(houses))
    shapely.prepare(land)
    kept = shapely.contains_properly(land, shapely.polygons(corners))
    if kept.sum() < 12:
        return None
    layout = Layout(land, walled=False, corners=corners[kept])
    n = int(kept.sum())
    layout.floors = rng.choice([1, 2], n, p=style.floors)
    layout.units = np.ones(n, np.int64)
    for i, (xy, wall) in enumerate(
        zip(frame.ground(wobble(doors[kept])).tolist(), walls[kept].tolist(), strict=True)
    ):
        layout.doors.append(Door(i, wall, (xy[0], xy[1]), -1, 1))
    exits = _paths(layout, lanes, alleys, frame, wobble, frontage)
    if not exits:
        return None
    layout.gates = choose_gates(exits, max(3, round(0.7 * len(exits))), rng, apart_m=14.0)
    layout.cuts = _cuts(lanes, alleys, frame, wobble)
    return layout if joined(layout) else None


Lane = tuple[float, float, float]
"""Height of its middle, left and right end."""


def _lanes(ring: Points, style: LaneStyle) -> list[Lane]:
    low, high = float(ring[:, 1].min()), float(ring[:, 1].max())
    reach = style.lane_m / 2 + style.yard_m + style.depth_m
    pitch = 2 * reach + style.back_m
    count = int((high - low + style.back_m) // pitch)
    lanes = []
    start = low + (high - low - (count * pitch - style.back_m)) / 2 + reach
    for k in range(count):
        y = start + k * pitch
        run = span(ring, y - 0.6 * reach, y + 0.6 * reach)
        if run and run[1] - run[0] > 28:
            lanes.append((y, *run))
    return lanes


def _alleys(lanes: list[Lane], style: LaneStyle, rng: np.random.Generator) -> list[float]:
    left, right = min(lane[1] for lane in lanes), max(lane[2] for lane in lanes)
    count = max(1, round((right - left) / float(rng.uniform(*style.block_m))))
    edges = np.linspace(left, right, count + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    return [float(x) for x in middle + rng.uniform(-6, 6, count)]


def _houses(
    lanes: list[Lane], alleys: list[float], style: LaneStyle, rng: np.random.Generator
) -> tuple[Points, Points, NDArray[np.int64]]:
    """Corners (n, 4, 2), doors (n, 2) and the wall each door is in, in the straight frame."""
    boxes, doors, walls = [], [], []
    half = style.lane_m / 2 + style.yard_m
    for y, left, right in lanes:
        stops = [x for x in alleys if left < x < right]
        bounds = [left, *stops, right]
        for k, (a, b) in enumerate(pairwise(bounds)):
            west = a + (style.alley_m / 2 if k else 0)
            east = b - (style.alley_m / 2 if k < len(stops) else 0)
            for up in (True, False):
                count = int((east - west) // rng.uniform(*style.width_m))
                if count < 1:
                    continue
                cuts = np.linspace(west, east, count + 1)
                cuts[1:-1] += rng.uniform(-0.9, 0.9, count - 1)
                x0, x1 = cuts[:-1], cuts[1:] - style.side_m
                here = rng.random(count) >= style.empty
                x0, x1 = x0[here], x1[here]
                deep = style.depth_m - rng.uniform(0, 1.4, len(x0))
                y0 = np.full(len(x0), y + half) if up else y - half - deep
                y1 = y0 + deep
                boxes.append(
                    np.stack(
                        [np.stack(c, axis=-1) for c in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))],
                        axis=1,
                    )
                )
                # The door is in the wall on the lane: the south wall north of it, and vice versa.
                doors.append(np.column_stack(((x0 + x1) / 2, y0 if up else y1)))
                walls.append(np.full(len(x0), 0 if up else 2))
    if not boxes:
        return np.zeros((0, 4, 2)), np.zeros((0, 2)), np.zeros(0, np.int64)
    return np.vstack(boxes), np.vstack(doors), np.concatenate(walls)


def _paths(
    layout: Layout,
    lanes: list[Lane],
    alleys: list[float],
    frame: Frame,
    wobble: _Wobble,
    frontage: Frontage,
) -> list[Exit]:
    """Add lanes and alleys to the layout; gives the ways out to the streets."""
    xy: list[tuple[float, float]] = []
    at: dict[tuple[float, float], int] = {}

    def node(x: float, y: float) -> int:
        key = (round(x, 2), round(y, 2))
        if key not in at:
            at[key] = len(xy)
            xy.append((x, y))
        return at[key]

    open_ends: list[tuple[int, float, float]] = []
    for y, left, right in lanes:
        stops = [x for x in alleys if left + 3 < x < right - 3]
        bends = [
            float(x)
            for x in np.arange(left + 4, right - 4, 17.0)
            if all(abs(x - s) > 5 for s in stops)
        ]
        along = sorted([left + 1, right - 1, *stops, *bends])
        layout.paths.append(([node(x, y) for x in along], "lane"))
        open_ends += [(node(along[0], y), -1.0, 0.0), (node(along[-1], y), 1.0, 0.0)]
    for x in alleys:
        on = [lane for lane in lanes if lane[1] + 3 < x < lane[2] - 3]
        if not on:
            continue
        if len(on) > 1:
            layout.paths.append(([node(x, lane[0]) for lane in on], "alley"))
        open_ends += [(node(x, on[0][0]), 0.0, -1.0), (node(x, on[-1][0]), 0.0, 1.0)]
    ground = frame.ground(wobble(np.array(xy)))
    layout.path_xy = [(float(x), float(y)) for x, y in ground]
    tree = shapely.STRtree(shapely.polygons(layout.corners))
    _drop_blocked(layout, tree)
    exits = []
    for number, dx, dy in open_ends:
        found = find_exit(number, ground[number], frame.direction(dx, dy), layout.outline, frontage)
        if found is None:
            continue
        leg = shapely.LineString((ground[number], found.street.point))
        if not tree.query(leg, predicate="intersects").size:
            exits.append(found)
    return exits


def _drop_blocked(layout: Layout, tree: shapely.STRtree) -> None:
    """Take away houses that the wobble has put on a lane."""
    xy = np.array(layout.path_xy)
    lines = [shapely.LineString(xy[nodes]) for nodes, _ in layout.paths]
    hit = np.unique(tree.query(lines, predicate="dwithin", distance=0.6)[1])
    if not hit.size:
        return
    keep = np.ones(len(layout.corners), bool)
    keep[hit] = False
    number = np.cumsum(keep) - 1
    layout.corners = layout.corners[keep]
    layout.floors, layout.units = layout.floors[keep], layout.units[keep]
    layout.doors = [
        Door(int(number[d.building]), d.wall, d.xy, d.path_node, d.unit)
        for d in layout.doors
        if keep[d.building]
    ]


def _cuts(
    lanes: list[Lane], alleys: list[float], frame: Frame, wobble: _Wobble
) -> list[shapely.LineString]:
    """Lines between rows back to back, and along the alleys."""
    reach = np.arange(-420.0, 421.0, 8.0)
    lines = []
    for low, high in pairwise(lanes):
        y = (low[0] + high[0]) / 2
        lines.append(np.column_stack((reach, np.full(len(reach), y))))
    lines += [np.column_stack((np.full(len(reach), x), reach)) for x in alleys]
    return [shapely.LineString(frame.ground(wobble(line))) for line in lines]
