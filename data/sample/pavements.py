"""Pavements of large streets: sidewalks mapped on their own, with crossings between them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from data.sample.draft import OsmDraft, Streets, Tags
from data.sample.plan import ROADS, TownPlan

Points = NDArray[np.float64]
Chain = list[tuple[int, bool]]
"""Edges of a street end to end, each with whether it runs forward."""

_KERB_M = 6.0
"""From the edge of a street's land to the middle of its pavement."""
_OVERSHOOT_M = 16.0
_FARTHEST_MOUTH_M = 38.0
_MID_BLOCK_M = 300.0
_SIGNALS: Tags = {"highway": "crossing", "crossing": "traffic_signals"}
_ZEBRA: Tags = {"highway": "crossing", "crossing": "uncontrolled"}


def chained(plan: TownPlan, members: list[int]) -> list[Chain]:
    """Put edges of one line end to end."""
    at: dict[int, list[int]] = {}
    for number in members:
        for vertex in plan.edges[number].ends:
            at.setdefault(vertex, []).append(number)
    left = set(members)
    starts = [v for v, there in at.items() if len(there) == 1] + list(at)
    chains = []
    for vertex in starts:
        chain: Chain = []
        here = vertex
        while True:
            going = [n for n in at[here] if n in left]
            if not going:
                break
            number = going[0]
            left.discard(number)
            a, b = plan.edges[number].ends
            chain.append((number, a == here))
            here = b if a == here else a
            if len(at[here]) != 2:
                break
        if chain:
            chains.append(chain)
    return chains


@dataclass
class _Pavement:
    """One side of an avenue: its line and the nodes it has to pass."""

    line: shapely.LineString
    stops: list[tuple[float, int]] = field(default_factory=list)

    def stop(self, draft: OsmDraft, point: Points, node: int | None = None) -> int:
        """Put a node into the pavement; gives it."""
        at = float(shapely.line_locate_point(self.line, shapely.Point(point)))
        if node is None:
            for other, there in self.stops:
                if abs(other - at) < 1.0:
                    return there
            node = draft.node(*point)
        self.stops.append((at, node))
        return node

    def nearest(self, point: Points) -> Points:
        at = shapely.line_locate_point(self.line, shapely.Point(point))
        return np.array(self.line.interpolate(float(at)).coords[0])

    def met(self, line: Points, near: Points) -> Points | None:
        """Where another line meets the pavement, nearest to a point."""
        hits = shapely.get_coordinates(self.line.intersection(shapely.LineString(line)))
        if not len(hits):
            return None
        return np.asarray(hits[int(np.hypot(*(hits - near).T).argmin())])


class Pavements:
    """Writes the pavements of a town and remembers which arms of junctions have a crossing.

    Parameters
    ----------
    draft : OsmDraft
    streets : Streets
    plan : TownPlan
    signalled : set of int
        Corners of the plan with traffic signals.
    """

    def __init__(
        self, draft: OsmDraft, streets: Streets, plan: TownPlan, signalled: set[int]
    ) -> None:
        self.draft = draft
        self.streets = streets
        self.plan = plan
        self.signalled = signalled
        self.crossed: set[tuple[int, int]] = set()
        self._sides: list[_Pavement] = []
        self._arms: dict[int, list[int]] = {}
        for number, edge in enumerate(plan.edges):
            if edge.kind:
                for vertex in edge.ends:
                    self._arms.setdefault(vertex, []).append(number)

    def build(self, chain: Chain) -> None:
        """Draw both pavements of one street with everything that crosses them."""
        middle = self._middle(chain)
        off = ROADS[self.plan.edges[chain[0][0]].kind].half_m - _KERB_M
        sides = [_Pavement(_beside(middle, side * off)) for side in (1.0, -1.0)]
        self._sides += sides
        own = {number for number, _ in chain}
        corners = dict.fromkeys(v for n in own for v in self.plan.edges[n].ends)
        for vertex in corners:
            for number in self._arms[vertex]:
                if number in own:
                    self._across(vertex, number, sides)
                else:
                    self._side_street(vertex, number, sides)
        for number in own:
            length = self.streets.length_m(number)
            if length > _MID_BLOCK_M:
                self._crossing(number, length / 2, sides, _ZEBRA)
        for way, number in self.streets.links:
            if number in own:
                self._link(way, sides)

    def finish(self) -> None:
        """Join pavements where two of them meet at a corner, and write them all."""
        lines = [side.line for side in self._sides]
        tree = shapely.STRtree(lines)
        for i, j in tree.query(lines, predicate="crosses").T.tolist():
            if i < j:
                for point in shapely.get_coordinates(lines[i].intersection(lines[j])):
                    node = self._sides[i].stop(self.draft, point)
                    self._sides[j].stop(self.draft, point, node)
        for side in self._sides:
            self._write(side)

    def _middle(self, chain: Chain) -> Points:
        parts: list[Points] = []
        for number, forward in chain:
            xy = self.plan.edges[number].xy
            xy = xy if forward else xy[::-1]
            parts.append(xy if not parts else xy[1:])
        return np.vstack(parts)

    def _side_street(self, vertex: int, number: int, sides: list[_Pavement]) -> None:
        """Let a pavement pass over a side street at its mouth."""
        edge = self.plan.edges[number]
        if edge.structure:
            return
        corner = np.array(self.draft.xy[self.streets.vertex(vertex)])
        for side in sides:
            point = side.met(edge.xy, corner)
            if point is None or np.hypot(*(point - corner)) > _FARTHEST_MOUTH_M:
                continue
            node = self.streets.join(number, point, merge_m=1.0)
            side.stop(self.draft, point, node)
            self.crossed.add((vertex, number))
            if vertex in self.signalled:
                self.draft.node_tags.setdefault(node, dict(_SIGNALS))

    def _across(self, vertex: int, number: int, sides: list[_Pavement]) -> None:
        """Cross the street itself beside a junction with signals."""
        if vertex not in self.signalled:
            return
        wide = max(ROADS[self.plan.edges[n].kind].half_m for n in self._arms[vertex])
        length = self.streets.length_m(number)
        at = min(wide, 17.0) + 4.0
        if length < 3 * at:
            return
        along = at if self.plan.edges[number].ends[0] == vertex else length - at
        self._crossing(number, along, sides, _SIGNALS)
        self.crossed.add((vertex, number))

    def _crossing(self, number: int, along: float, sides: list[_Pavement], tags: Tags) -> None:
        point = self.streets.point_at(number, along)
        middle = self.streets.join(number, point, merge_m=2.0)
        self.draft.node_tags.setdefault(middle, dict(tags))
        here = np.array(self.draft.xy[middle])
        ends = [side.stop(self.draft, side.nearest(here)) for side in sides]
        self.draft.way(
            [ends[0], middle, ends[1]],
            {"highway": "footway", "footway": "crossing", "crossing": tags["crossing"]},
        )

    def _link(self, way: int, sides: list[_Pavement]) -> None:
        """Join a path from a gate to the pavement it passes."""
        nodes = self.draft.ways[way][0]
        last = np.array([self.draft.xy[nodes[-2]], self.draft.xy[nodes[-1]]])
        for side in sides:
            point = side.met(last, last[1])
            if point is not None:
                nodes.insert(-1, side.stop(self.draft, point))
                return

    def _write(self, side: _Pavement) -> None:
        side.stops.sort()
        if len(side.stops) < 2:
            return
        xy = np.asarray(side.line.coords)
        at = shapely.line_locate_point(side.line, shapely.points(xy))
        taken = np.array([s for s, _ in side.stops])
        free = np.abs(at[:, None] - taken[None]).min(axis=1) > 2.0
        inside = (at > taken[0]) & (at < taken[-1]) & free
        bends = zip(at[inside].tolist(), self.draft.nodes(xy[inside]), strict=True)
        nodes = [node for _, node in sorted([*side.stops, *bends])]
        once = [n for k, n in enumerate(nodes) if k == 0 or n != nodes[k - 1]]
        self.draft.way(once, {"highway": "footway", "footway": "sidewalk"})


def _beside(line: Points, off_m: float) -> shapely.LineString:
    """Draw a line beside another, a little longer at both ends."""
    along = np.gradient(line, axis=0)
    along /= np.hypot(*along.T)[:, None]
    beside = line + off_m * np.column_stack((-along[:, 1], along[:, 0]))
    start = beside[0] - along[0] * _OVERSHOOT_M
    end = beside[-1] + along[-1] * _OVERSHOOT_M
    return shapely.LineString(np.vstack((start, beside, end)))
