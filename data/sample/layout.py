"""What stands on one piece of land: outline, gates, paths, buildings and their doors."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

from data.sample.draft import Frontage, Hit

Points = NDArray[np.float64]


@dataclass(slots=True)
class Door:
    """A door on a wall of a building: the wall runs from corner ``wall`` to the next."""

    building: int
    wall: int
    xy: tuple[float, float]
    path_node: int
    unit: int


@dataclass(slots=True)
class Gate:
    """Where a path leaves the land: the inner path node, the point on the wall, the street."""

    path_node: int
    wall_xy: tuple[float, float]
    street: Hit
    main: bool
    locked: bool = False


@dataclass(slots=True)
class Layout:
    """What stands on one piece of land, ground metres.

    Attributes
    ----------
    outline : Polygon
        The land: its ring is the wall where there is one.
    walled : bool
    corners : ndarray, shape (n, 4, 2)
        Buildings, counter-clockwise from the south-west corner in their own frame.
    floors, units : ndarray, shape (n,)
    doors : list of Door
    path_xy : list of tuple
        Nodes of the paths inside.
    paths : list of (nodes, role)
        Role is ``spine``, ``lane`` or ``spur``.
    gates : list of Gate
    cuts : list of LineString
        Lines that part the land between rows of buildings, for grids.
    gardens : list of ndarray
        Rings of green inside.
    """

    outline: shapely.Polygon
    walled: bool
    corners: Points = field(default_factory=lambda: np.zeros((0, 4, 2)))
    floors: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    units: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    doors: list[Door] = field(default_factory=list)
    path_xy: list[tuple[float, float]] = field(default_factory=list)
    paths: list[tuple[list[int], str]] = field(default_factory=list)
    gates: list[Gate] = field(default_factory=list)
    cuts: list[shapely.LineString] = field(default_factory=list)
    gardens: list[Points] = field(default_factory=list)


class Frame:
    """A turned frame on a piece of land, so that rows are drawn along x.

    Houses in the north of China face south; rows follow the land but never turn far from
    east-west.

    Parameters
    ----------
    land : Polygon
    most_deg : float
        Rows turn at most so far.
    """

    def __init__(self, land: shapely.Polygon, *, most_deg: float = 24.0) -> None:
        box = np.asarray(land.minimum_rotated_rectangle.exterior.coords)
        side = box[1] - box[0]
        angle = np.degrees(np.arctan2(side[1], side[0])) % 90
        if angle > 45:
            angle -= 90
        self.angle = float(np.radians(np.clip(angle, -most_deg, most_deg)))
        self.origin = np.array(land.centroid.coords[0])
        c, s = np.cos(self.angle), np.sin(self.angle)
        self._to = np.array(((c, -s), (s, c)))

    def local(self, xy: Points) -> Points:
        """Turn ground metres to the frame's."""
        return np.asarray((np.asarray(xy) - self.origin) @ self._to)

    def ground(self, xy: Points) -> Points:
        """Turn the frame's metres to ground."""
        return np.asarray(np.asarray(xy) @ self._to.T + self.origin)

    def direction(self, dx: float, dy: float) -> Points:
        """Turn a direction of the frame to the ground."""
        return np.asarray(self._to @ np.array((dx, dy)))


def crossings(ring: Points, y: float) -> Points:
    """Where a horizontal line meets a closed ring: sorted x."""
    a, b = ring[:-1], ring[1:]
    meets = (a[:, 1] > y) != (b[:, 1] > y)
    a, b = a[meets], b[meets]
    return np.sort(a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1]))


def span(ring: Points, low: float, high: float) -> tuple[float, float] | None:
    """Longest run of x that lies inside a ring at every height from ``low`` to ``high``."""
    left, right = -np.inf, np.inf
    for y in np.linspace(low, high, 4):
        x = crossings(ring, float(y))
        if x.size < 2:
            return None
        runs = x[: x.size // 2 * 2].reshape(-1, 2)
        k = int((runs[:, 1] - runs[:, 0]).argmax())
        left, right = max(left, runs[k, 0]), min(right, runs[k, 1])
    return (float(left), float(right)) if right > left else None


@dataclass(frozen=True, slots=True)
class Exit:
    """A way a path may leave the land: from which path node, where through the wall, to where."""

    path_node: int
    wall_xy: Points
    street: Hit
    score: float


_KIND_SCORE = {
    "street": 1.0,
    "lane": 1.0,
    "collector": 0.95,
    "railside": 0.8,
    "country": 1.0,
    "bank": 0.75,
    "arterial": 0.7,
    "outgoing": 0.6,
    "avenue": 0.6,
    "ring": 0.25,
}


def find_exit(
    path_node: int,
    start: Points,
    direction: Points,
    outline: shapely.Polygon,
    frontage: Frontage,
    *,
    farthest_m: float = 48.0,
) -> Exit | None:
    """See whether a path may go straight on through the wall to a street.

    Parameters
    ----------
    path_node : int
        The path node it starts at.
    start, direction : ndarray, shape (2,)
        Ground metres; unit vector.
    outline : Polygon
        The land.
    frontage : Frontage
        Streets around the block.
    farthest_m : float
        Farthest the street may lie from the wall.

    Returns
    -------
    Exit or None
        None if the path would meet the wall more than once, another property or no street.
    """
    hit = frontage.hit(start, direction)
    if hit is None or hit.square < 0.5:
        return None
    ring = np.asarray(outline.exterior.coords) - start
    a, d = ring[:-1], np.diff(ring, axis=0)
    cross = direction[0] * d[:, 1] - direction[1] * d[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (a[:, 0] * d[:, 1] - a[:, 1] * d[:, 0]) / cross
        s = (a[:, 0] * direction[1] - a[:, 1] * direction[0]) / cross
    through = (cross != 0) & (t > 0) & (t < hit.distance_m) & (s >= 0) & (s < 1)
    if through.sum() != 1:
        return None
    i = int(np.flatnonzero(through)[0])
    square = abs(float(cross[i])) / float(np.hypot(*d[i]))
    wall_m = float(t[i])
    # A gate in the very corner of a wall would leave no wall beside it.
    beside = min(float(s[i]), 1 - float(s[i])) * float(np.hypot(*d[i]))
    if square < 0.5 or hit.distance_m - wall_m > farthest_m or wall_m < 1.0:
        return None
    score = _KIND_SCORE.get(hit.kind, 0.5) * min(hit.square, square) - (0.3 if beside < 2 else 0)
    return Exit(path_node, start + wall_m * direction, hit, score)


def choose_gates(
    exits: list[Exit], wanted: int, rng: np.random.Generator, *, apart_m: float
) -> list[Gate]:
    """Choose gates among the possible exits: the best first, then far from those chosen."""
    if not exits:
        return []
    at = np.array([e.wall_xy for e in exits])
    score = np.array([e.score for e in exits]) + rng.uniform(0, 0.15, len(exits))
    chosen = [int(score.argmax())]
    while len(chosen) < wanted:
        off = np.hypot(*(at[:, None, :] - at[chosen][None]).transpose(2, 0, 1)).min(axis=1)
        value = np.where(off >= apart_m, score + 0.4 * np.minimum(off / 150, 1.0), -np.inf)
        best = int(value.argmax())
        if not np.isfinite(value[best]):
            break
        chosen.append(best)
    return [
        Gate(
            exits[i].path_node,
            (float(exits[i].wall_xy[0]), float(exits[i].wall_xy[1])),
            exits[i].street,
            main=k == 0,
        )
        for k, i in enumerate(chosen)
    ]


def joined(layout: Layout) -> bool:
    """Whether every path of a layout can be walked to from every other."""
    parent = list(range(len(layout.path_xy)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for nodes, _ in layout.paths:
        for a, b in pairwise(nodes):
            parent[root(a)] = root(b)
    return len({root(i) for i in range(len(parent))}) == 1
