"""The street plan of a town: ring road, arterials, superblocks, streets, river and railway."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from data.sample.bend import Bend
from data.sample.size import TownSize
from data.sample.subdivision import BARE, Subdivision

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RoadKind:
    """A class of street: its OSM tag and half the width of its land in metres."""

    highway: str
    half_m: float


ROADS: dict[str, RoadKind] = {
    "ring": RoadKind("primary", 22.0),
    "avenue": RoadKind("primary", 21.0),
    "arterial": RoadKind("secondary", 16.0),
    "bank": RoadKind("secondary", 13.0),
    "railside": RoadKind("tertiary", 10.0),
    "collector": RoadKind("tertiary", 10.5),
    "street": RoadKind("residential", 8.0),
    "lane": RoadKind("living_street", 5.0),
    "outgoing": RoadKind("primary", 14.0),
    "country": RoadKind("unclassified", 6.0),
}


@dataclass(slots=True)
class Line:
    """One street from end to end.

    Attributes
    ----------
    kind : str
        Key of `ROADS`.
    along_u : bool
        Whether it runs along the u axis of the board (roughly east-west).
    named_after : int or None
        Another line whose name it carries on.
    """

    kind: str
    along_u: bool
    named_after: int | None = None


@dataclass(slots=True)
class Edge:
    """A piece of street between two corners of the plan, or a bare boundary.

    Attributes
    ----------
    line : int
        Its line, or `BARE`.
    kind : str
        Key of `ROADS`; empty on a bare boundary.
    ends : tuple of int
        Vertices of the subdivision.
    xy : ndarray, shape (n, 2)
        Ground metres.
    structure : str
        ``bridge``, ``tunnel`` or empty.
    """

    line: int
    kind: str
    ends: tuple[int, int]
    xy: Points
    structure: str = ""


@dataclass(slots=True)
class Block:
    """A face of the plan: land between streets.

    Attributes
    ----------
    number : int
        Its place in `TownPlan.blocks`.
    role : str
        ``block``, ``outer`` (beyond the ring), ``river`` or ``rail``.
    zone : str
        ``old``, ``inner``, ``outer``, ``works`` or ``country``.
    edges : list of int
        Numbers into `TownPlan.edges`.
    polygon : Polygon
        Up to the centre lines of the streets, ground metres.
    """

    number: int
    role: str
    zone: str
    edges: list[int]
    polygon: shapely.Polygon
    at: tuple[float, float] = (0.0, 0.0)


@dataclass(slots=True)
class TownPlan:
    """A town as drawn: blocks that tile it, edges between them, river and railway."""

    size: TownSize
    bend: Bend
    lines: list[Line]
    edges: list[Edge]
    blocks: list[Block]
    vertices: Points
    river: Points
    rail: Points
    half_m: tuple[float, float]
    rim: set[int] = field(default_factory=set)

    def street_lines(self) -> list[shapely.LineString]:
        """Centre lines of every edge, bare ones too."""
        return [shapely.LineString(edge.xy) for edge in self.edges]


_TARGET_M2 = {
    "old": 19_000.0,
    "inner": 32_000.0,
    "outer": 45_000.0,
    "works": 95_000.0,
    "park": 150_000.0,
    "country": 130_000.0,
}
_LEAST_SIDE_M = {"old": 85.0, "inner": 115.0, "outer": 125.0, "works": 170.0}
_RIVER_HALF_M = 95.0
_RAIL_M = 46.0
_MARGIN_M = 520.0


@dataclass(slots=True)
class _Board:
    """The first grid: what stands in each column and row, and which lines go through."""

    columns: str
    rows: str
    u: Points
    v: Points
    bridges: set[int]
    underpasses: set[int]
    out_columns: set[int]
    out_rows: set[int]
    avenues: tuple[int, int]


def _layout(size: TownSize, rng: np.random.Generator) -> _Board:
    """Choose the columns and rows of superblocks: B block, R railway, F river, M margin."""
    blocks = 2.5 * size.communities
    columns = max(2, round(np.sqrt(blocks * 1.08)))
    rows = max(2, round(blocks / columns))
    rail_after = max(1, round(columns * 0.72))
    river_after = max(1, round(rows * 0.42))
    column_kinds = "M" + "B" * rail_after + "R" + "B" * (columns - rail_after) + "M"
    row_kinds = "M" + "B" * river_after + "FF" + "B" * (rows - river_after) + "M"

    def positions(kinds: str) -> Points:
        widths = {"M": _MARGIN_M, "R": _RAIL_M, "F": _RIVER_HALF_M}
        steps = [widths.get(k) or rng.uniform(460, 740) for k in kinds]
        at = np.concatenate(([0.0], np.cumsum(steps)))
        return np.asarray(at - (at[1] + at[-2]) / 2)

    u, v = positions(column_kinds), positions(row_kinds)
    rail_lines = {rail_after + 1, rail_after + 2}
    inner = [i for i in range(2, len(u) - 2) if i not in rail_lines]
    # One bridge in about 1.3 km, and the ring's own two.
    wanted = max(1, round((u[-2] - u[1]) / 1500))
    chosen = {inner[round(x)] for x in np.linspace(0, len(inner) - 1, wanted + 2)[1:-1]}
    main_column = min(chosen, key=lambda i: abs(u[i]))
    banks = {river_after + 1, river_after + 2, river_after + 3}
    through = [j for j in range(2, len(v) - 2) if j not in banks]
    north = [j for j in through if j > river_after + 3] or through
    south = [j for j in through if j < river_after + 1]
    main_row = min(north or [len(v) - 2], key=lambda j: abs(v[j] - v[river_after + 3] - 560))
    underpasses = {main_row, *(south[-1:] if len(v) > 8 else [])}
    underpasses |= set(through[::4]) if len(through) > 5 else set()
    return _Board(
        column_kinds,
        row_kinds,
        u,
        v,
        bridges={1, len(u) - 2, *chosen},
        underpasses={1, len(v) - 2, *underpasses},
        out_columns={main_column, *inner[1::4]},
        out_rows={main_row, *south[:1]},
        avenues=(main_column, main_row),
    )


def _ring_or(line: int, last: int, otherwise: str) -> str:
    return "ring" if line in (1, last - 1) else otherwise


class _Drawing:
    """Draws one town on the board, then bends it to the ground."""

    def __init__(self, size: TownSize, rng: np.random.Generator, coarseness: float) -> None:
        self.size = size
        self.rng = rng
        self.coarseness = coarseness
        self.board = _layout(size, rng)
        self.sub = Subdivision()
        self.lines: list[Line] = []
        self.structures: dict[tuple[int, int], str] = {}
        self.role: dict[int, str] = {}
        self.zone: dict[int, str] = {}
        self.corner: NDArray[np.int64] = np.zeros((0, 0), np.int64)

    # -- the grid of superblocks ------------------------------------------------------------

    def grid(self) -> None:
        board, rng = self.board, self.rng
        nu, nv = len(board.u), len(board.v)
        jitter = np.clip(rng.normal(0, 34, (nu, nv, 2)), -62, 62)
        rail = board.columns.index("R")
        jitter[rail + 1] = jitter[rail]
        river = board.rows.index("F")
        # Banks and midstream move together; columns keep their place so that bridges are square.
        jitter[:, river : river + 3] = jitter[:, river + 1 : river + 2]
        # The strip's width must not be sheared away where the railway crosses the river.
        corner = np.empty((nu, nv), np.int64)
        for i in range(nu):
            for j in range(nv):
                du, dv = jitter[i, j]
                corner[i, j] = self.sub.add_point(board.u[i] + du, board.v[j] + dv)
        self.corner = corner
        for i in range(nu - 1):
            for j in range(nv - 1):
                face = self.sub.add_face(
                    [
                        int(corner[i, j]),
                        int(corner[i + 1, j]),
                        int(corner[i + 1, j + 1]),
                        int(corner[i, j + 1]),
                    ]
                )
                self.role[face] = self._role(board.columns[i], board.rows[j])
                self.zone[face] = self._zone(i, j)
        self._columns()
        self._rows()
        self._join_superblocks()

    @staticmethod
    def _role(column: str, row: str) -> str:
        if row == "F":
            return "river"
        if column == "R":
            return "rail"
        return "outer" if "M" in (column, row) else "block"

    def _zone(self, i: int, j: int) -> str:
        board = self.board
        if "M" in (board.columns[i], board.rows[j]):
            return "country"
        main_u, main_v = board.avenues
        u = (board.u[i] + board.u[i + 1]) / 2 - board.u[main_u]
        v = (board.v[j] + board.v[j + 1]) / 2 - board.v[main_v]
        reach = min(board.u[-2], board.v[-2])
        north_of_river = j > board.rows.rindex("F")
        if north_of_river and -700 < u < 650 and -650 < v < 0:
            return "old"
        if i > board.columns.index("R") and (v > 200 or u * u + v * v > (1.15 * reach) ** 2):
            return "works"
        return "inner" if np.hypot(u, v) < max(1000.0, 0.55 * reach) else "outer"

    def _line(self, kind: str, *, along_u: bool, after: int | None = None) -> int:
        self.lines.append(Line(kind, along_u, after))
        return len(self.lines) - 1

    def _columns(self) -> None:
        board, corner = self.board, self.corner
        last = len(board.u) - 1
        rail = board.columns.index("R")
        for i in range(1, last):
            if i in (rail, rail + 1):
                kind = "railside"
            else:
                kind = _ring_or(i, last, "avenue" if i == board.avenues[0] else "arterial")
            line = self._line(kind, along_u=False)
            way_out = None
            for j, row in enumerate(board.rows):
                a, b = int(corner[i, j]), int(corner[i, j + 1])
                if row == "M" and i in (rail, rail + 1):
                    continue
                if row == "M" and i in board.out_columns:
                    way_out = way_out or self._line("outgoing", along_u=False, after=line)
                    self.sub.set_line(a, b, way_out)
                elif row == "M" or (row == "F" and i not in board.bridges):
                    self.sub.merge(a, b)
                else:
                    self.sub.set_line(a, b, line)
                    if row == "F":
                        self.structures[min(a, b), max(a, b)] = "bridge"

    def _rows(self) -> None:
        board, corner = self.board, self.corner
        last = len(board.v) - 1
        river = board.rows.index("F")
        for j in range(1, last):
            if j == river + 1:
                continue  # midstream stays bare
            bank = j in (river, river + 2)
            if bank:
                kind = "bank"
            else:
                kind = _ring_or(j, last, "avenue" if j == board.avenues[1] else "arterial")
            line = self._line(kind, along_u=True)
            way_out = None
            for i, column in enumerate(board.columns):
                a, b = int(corner[i, j]), int(corner[i + 1, j])
                if column in "MR" and bank:
                    continue
                if column == "M" and j in board.out_rows:
                    way_out = way_out or self._line("outgoing", along_u=True, after=line)
                    self.sub.set_line(a, b, way_out)
                elif column == "M" or (column == "R" and j not in board.underpasses):
                    self.sub.merge(a, b)
                else:
                    self.sub.set_line(a, b, line)
                    if column == "R":
                        self.structures[min(a, b), max(a, b)] = "tunnel"

    def _join_superblocks(self) -> None:
        """Leave out some arterials between two superblocks, so that not all streets go through."""
        board, corner, sub = self.board, self.corner, self.sub
        joined: set[int] = set()
        for i in range(2, len(board.u) - 2):
            for j, row in enumerate(board.rows):
                whole = board.columns[i - 1] == board.columns[i] == "B" and row == "B"
                if not whole or i in board.bridges or self.rng.random() > 0.22:
                    continue
                a, b = int(corner[i, j]), int(corner[i, j + 1])
                sides = {sub.left_face[a, b], sub.left_face[b, a]}
                if sides & joined or "old" in {self.zone[s] for s in sides}:
                    continue
                joined |= sides
                sub.merge(a, b)

    # -- streets inside -----------------------------------------------------------------------

    def streets(self) -> None:
        """Cut every superblock into blocks, and the country beyond the ring into fields."""
        for face in self.sub.faces():
            role, zone = self.role[face], self.zone[face]
            if role in ("block", "outer"):
                self._cut(face, zone, 0)

    def _cut(self, face: int, zone: str, depth: int) -> None:
        sub, rng = self.sub, self.rng
        polygon = sub.polygon(face)
        x, y = polygon[:, 0], polygon[:, 1]
        area = 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))
        target = _TARGET_M2[zone] * self.coarseness
        if depth == 0 and zone in ("inner", "outer") and rng.random() < 0.07:
            zone, target = "works", _TARGET_M2["park"]
        # A block is left whole once it is near its size; the draw makes sizes uneven.
        if area < target * rng.uniform(1.15, 2.1):
            return
        low, high = polygon.min(axis=0), polygon.max(axis=0)
        size = high - low
        least = _LEAST_SIDE_M.get(zone, 150.0)
        along_u = size[1] * rng.uniform(0.85, 1.18) > size[0]
        cut_length = size[1] if along_u else size[0]
        if cut_length < 2 * least:
            return
        kind = self._street_kind(zone, depth)
        for _ in range(6):
            share = np.clip(rng.normal(0.5, 0.09), 0.34, 0.66)
            at = low + size * (0.5, share) if along_u else low + size * (share, 0.5)
            tilt = rng.normal(0, 0.10 if zone == "old" else 0.05)
            direction = (np.cos(tilt), np.sin(tilt)) if along_u else (np.sin(tilt), np.cos(tilt))
            before = len(self.lines)
            line = self._line(kind, along_u=along_u)
            other = sub.cut(face, tuple(at), direction, line, clear_m=0.45 * least)
            if other is not None:
                self.role[other], self.zone[other] = self.role[face], self.zone[face]
                self._cut(face, zone, depth + 1)
                self._cut(other, zone, depth + 1)
                return
            del self.lines[before:]

    def _street_kind(self, zone: str, depth: int) -> str:
        if zone == "country":
            return "country"
        if zone == "old":
            return "street" if depth < 2 else "lane"
        return "collector" if depth == 0 else "street"

    # -- to the ground --------------------------------------------------------------------------

    def finish(self) -> TownPlan:
        board, sub = self.board, self.sub
        half = (float(board.u[-2]), float(board.v[-2]))
        bend = Bend.draw(self.rng, half_u_m=half[0], half_v_m=half[1], centre_m=self.size.centre_m)
        points = np.array(sub.points)
        edges: list[Edge] = []
        number: dict[tuple[int, int], int] = {}
        for (a, b), line in sub.line_of.items():
            kind = self.lines[line].kind if line != BARE else ""
            length = float(np.hypot(*(points[b] - points[a])))
            steps = max(1, int(np.ceil(length / 36)))
            t = np.linspace(0, 1, steps + 1)[:, None]
            xy = bend(points[a] + t * (points[b] - points[a]))
            number[a, b] = len(edges)
            structure = self.structures.get((a, b), "")
            edges.append(Edge(line, kind, (a, b), np.round(xy, 3), structure))
        vertices = np.round(bend(points), 3)
        blocks: list[Block] = []
        rim: set[int] = set()
        for face in sub.faces():
            loop = sub.loops[face]
            ring: list[Points] = []
            of_edges = []
            for a, b in zip(loop, loop[1:] + loop[:1], strict=True):
                edge = number[min(a, b), max(a, b)]
                of_edges.append(edge)
                xy = edges[edge].xy if a < b else edges[edge].xy[::-1]
                ring.append(xy[:-1])
                if (b, a) not in sub.left_face:
                    rim.add(edge)
            u, v = np.array([sub.points[i] for i in loop]).mean(axis=0)
            blocks.append(
                Block(
                    len(blocks),
                    self.role[face],
                    self.zone[face],
                    of_edges,
                    shapely.Polygon(np.vstack(ring)),
                    (float(u), float(v)),
                )
            )
        return TownPlan(
            self.size,
            bend,
            self.lines,
            edges,
            blocks,
            vertices,
            river=self._strip(bend, along_u=True),
            rail=self._strip(bend, along_u=False),
            half_m=half,
            rim=rim,
        )

    def _strip(self, bend: Bend, *, along_u: bool) -> Points:
        """Middle of the river (along u) or of the railway (along v), smooth, every 20 m."""
        points, board = np.array(self.sub.points), self.board
        if along_u:
            middle = points[self.corner[:, board.rows.index("F") + 1]]
            s, across = middle[:, 0], middle[:, 1]
        else:
            rail = board.columns.index("R")
            middle = (points[self.corner[rail]] + points[self.corner[rail + 1]]) / 2
            s, across = middle[:, 1], middle[:, 0]
        at = np.linspace(s[0], s[-1], int((s[-1] - s[0]) / 20) + 1)
        # Straight between the corners of the plan, and rounded there.
        reach = 7 if along_u else 4
        curve = np.interp(at, s, across)
        ends = np.concatenate((np.full(reach, curve[0]), curve, np.full(reach, curve[-1])))
        ends[:reach] += (curve[0] - curve[1]) * np.arange(reach, 0, -1)
        ends[-reach:] += (curve[-1] - curve[-2]) * np.arange(1, reach + 1)
        curve = np.convolve(ends, np.hanning(2 * reach + 3)[1:-1], "valid")
        curve /= np.hanning(2 * reach + 3)[1:-1].sum()
        return bend(np.column_stack((at, curve) if along_u else (curve, at)))


def draw_plan(
    size: TownSize, rng: np.random.Generator, *, lots: int, coarseness: float = 1.0
) -> TownPlan:
    """Draw a town with at least so many blocks inside its ring road.

    Parameters
    ----------
    size : TownSize
    rng : Generator
    lots : int
        Least number of blocks wanted inside the ring.
    coarseness : float
        Factor on the size of blocks to begin with; lowered until there are enough.

    Returns
    -------
    TownPlan
    """
    seed = rng.integers(2**31)
    while True:
        drawing = _Drawing(size, np.random.default_rng(seed), coarseness)
        drawing.grid()
        drawing.streets()
        if sum(drawing.role[f] == "block" for f in drawing.sub.faces()) < lots:
            coarseness *= 0.93
            continue
        plan = drawing.finish()
        if all(block.polygon.is_valid for block in plan.blocks):
            return plan
        seed += 1  # streets that bend into each other: draw again
