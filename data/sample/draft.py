"""An OSM file in the making: nodes in metres, ways, and junctions put into streets."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from data.sample.plan import ROADS, Edge

Points = NDArray[np.float64]
Tags = dict[str, str]


@dataclass
class OsmDraft:
    """Nodes, ways and multipolygons with numbers in order of making.

    Attributes
    ----------
    xy : list of tuple
        Ground metres of every node.
    node_tags : dict
        Tags of the nodes that have any.
    ways : list of (nodes, tags)
    relations : list of (members, tags)
        Members are (way number, role).
    """

    xy: list[tuple[float, float]] = field(default_factory=list)
    node_tags: dict[int, Tags] = field(default_factory=dict)
    ways: list[tuple[list[int], Tags]] = field(default_factory=list)
    relations: list[tuple[list[tuple[int, str]], Tags]] = field(default_factory=list)

    def mark(self) -> tuple[int, int, int]:
        """Remember how much there is, to come back to it with `rewind`."""
        return len(self.xy), len(self.ways), len(self.relations)

    def rewind(self, mark: tuple[int, int, int]) -> None:
        """Forget everything added since a mark."""
        nodes, ways, relations = mark
        del self.xy[nodes:], self.ways[ways:], self.relations[relations:]
        self.node_tags = {n: tags for n, tags in self.node_tags.items() if n < nodes}

    def node(self, x: float, y: float, tags: Tags | None = None) -> int:
        """Add a node."""
        self.xy.append((float(x), float(y)))
        if tags:
            self.node_tags[len(self.xy) - 1] = tags
        return len(self.xy) - 1

    def nodes(self, points: Points) -> list[int]:
        """Add many nodes, shape (n, 2)."""
        first = len(self.xy)
        self.xy.extend(map(tuple, points.tolist()))
        return list(range(first, len(self.xy)))

    def way(self, nodes: list[int], tags: Tags) -> int:
        """Add a way through nodes."""
        self.ways.append((nodes, tags))
        return len(self.ways) - 1

    def line(self, points: Points, tags: Tags) -> int:
        """Add a way through new nodes."""
        return self.way(self.nodes(points), tags)

    def ring(self, points: Points, tags: Tags) -> int:
        """Add a closed way through new nodes; ``points`` does not repeat the first."""
        nodes = self.nodes(points)
        return self.way([*nodes, nodes[0]], tags)

    def relation(self, members: list[tuple[int, str]], tags: Tags) -> int:
        """Add a relation of ways."""
        self.relations.append((members, tags))
        return len(self.relations) - 1


@dataclass
class _Street:
    """One edge of the plan with the nodes put into it."""

    xy: Points
    at: Points
    ends: tuple[int, int]
    joined: list[tuple[float, int]] = field(default_factory=list)


class Streets:
    """The streets of a town as an OSM draft sees them: junctions may still be put in.

    Parameters
    ----------
    draft : OsmDraft
    edges : list of Edge
        Edges of the plan; bare ones carry no nodes.
    vertices : ndarray, shape (n, 2)
        Corners of the plan, ground metres.
    """

    def __init__(self, draft: OsmDraft, edges: list[Edge], vertices: Points) -> None:
        self.draft = draft
        self.edges = edges
        self._vertices = vertices
        self._vertex_node: dict[int, int] = {}
        self._streets: dict[int, _Street] = {}
        self.links: list[tuple[int, int]] = []
        for i, edge in enumerate(edges):
            if edge.kind:
                at = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(edge.xy, axis=0).T))))
                ends = (self.vertex(edge.ends[0]), self.vertex(edge.ends[1]))
                self._streets[i] = _Street(edge.xy, at, ends)

    def vertex(self, vertex: int) -> int:
        """Node of a corner of the plan."""
        node = self._vertex_node.get(vertex)
        if node is None:
            node = self.draft.node(*self._vertices[vertex])
            self._vertex_node[vertex] = node
        return node

    def join(self, edge: int, point: Points, *, merge_m: float = 3.0) -> int:
        """Node of a street nearest to a point on it; made if there is none within ``merge_m``."""
        street = self._streets[edge]
        a, d = street.xy[:-1], np.diff(street.xy, axis=0)
        length2 = np.einsum("ij,ij->i", d, d)
        t = np.clip(np.einsum("ij,ij->i", point - a, d) / length2, 0, 1)
        foot = a + t[:, None] * d
        off = np.hypot(*(foot - point).T)
        i = int(off.argmin())
        at = float(street.at[i] + t[i] * np.sqrt(length2[i]))
        if at < merge_m:
            return street.ends[0]
        if at > street.at[-1] - merge_m:
            return street.ends[1]
        for other_at, node in street.joined:
            if abs(other_at - at) < merge_m:
                return node
        node = self.draft.node(*foot[i])
        street.joined.append((at, node))
        return node

    def link(self, way: int, edge: int) -> None:
        """Remember that a way ends on an edge: a pavement there will be joined to it."""
        self.links.append((way, edge))

    def length_m(self, edge: int) -> float:
        """Length of an edge of the plan."""
        return float(self._streets[edge].at[-1])

    def point_at(self, edge: int, at_m: float) -> Points:
        """Point of an edge at a distance from its first end."""
        street = self._streets[edge]
        return np.array([np.interp(at_m, street.at, street.xy[:, k]) for k in (0, 1)])

    def trace(self, edge: int) -> list[int]:
        """Nodes of an edge from end to end, with its bends."""
        street = self._streets[edge]
        bends = []
        for at, point in zip(street.at[1:-1], street.xy[1:-1], strict=True):
            if all(abs(at - other) > 2.0 for other, _ in street.joined):
                bends.append((float(at), self.draft.node(*point)))
        inside = sorted(street.joined + bends)
        return [street.ends[0], *(node for _, node in inside), street.ends[1]]


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a ray meets the centre line of a street: how far, which edge and where."""

    distance_m: float
    edge: int
    kind: str
    point: Points
    square: float
    """Sine of the angle between ray and street: 1 when square."""


class Frontage:
    """The streets around one block, for rays from gates.

    Parameters
    ----------
    edges : list of Edge
        All edges of the plan.
    around : list of int
        Those around the block.
    fences : list of ndarray, optional
        Boundaries inside the block that no path may cross.
    """

    def __init__(
        self, edges: list[Edge], around: list[int], *, fences: list[Points] | None = None
    ) -> None:
        self._edges = edges
        starts, ends, owner = [], [], []
        for number in around:
            xy = edges[number].xy
            starts.append(xy[:-1])
            ends.append(xy[1:])
            owner.append(np.full(len(xy) - 1, number))
        for xy in fences or []:
            starts.append(xy[:-1])
            ends.append(xy[1:])
            owner.append(np.full(len(xy) - 1, -1))
        self._a = np.vstack(starts)
        self._d = np.vstack(ends) - self._a
        self._owner = np.concatenate(owner)

    def hit(self, start: Points, direction: Points) -> Hit | None:
        """Cast a ray (unit direction) and give the first street met; None for a bare boundary."""
        a, d = self._a - start, self._d
        cross = direction[0] * d[:, 1] - direction[1] * d[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (a[:, 0] * d[:, 1] - a[:, 1] * d[:, 0]) / cross
            s = (a[:, 0] * direction[1] - a[:, 1] * direction[0]) / cross
        ok = (cross != 0) & (t > 0) & (s >= 0) & (s <= 1)
        if not ok.any():
            return None
        i = int(np.where(ok, t, np.inf).argmin())
        if self._owner[i] < 0:
            return None
        edge = self._edges[self._owner[i]]
        if not edge.kind or edge.structure:
            return None
        square = abs(float(cross[i])) / float(np.hypot(*d[i]))
        point = start + t[i] * direction
        return Hit(float(t[i]), int(self._owner[i]), edge.kind, point, square)

    def nearest(self, point: Points, *, without: tuple[str, ...] = ()) -> Hit | None:
        """Nearest point of the streets around; None if there is no street."""
        length2 = np.einsum("ij,ij->i", self._d, self._d)
        t = np.clip(np.einsum("ij,ij->i", point - self._a, self._d) / length2, 0, 1)
        foot = self._a + t[:, None] * self._d
        off = np.hypot(*(foot - point).T)
        usable = np.array(
            [
                o >= 0
                and bool(self._edges[o].kind)
                and not self._edges[o].structure
                and self._edges[o].kind not in without
                for o in self._owner
            ]
        )
        if not usable.any():
            return None
        i = int(np.where(usable, off, np.inf).argmin())
        edge = int(self._owner[i])
        return Hit(float(off[i]), edge, self._edges[edge].kind, foot[i], 1.0)


def street_land(
    edges: list[Edge], around: list[int], pavement_m: float
) -> list[tuple[Points, float]]:
    """Centre lines around a block with half the width of their land, metres."""
    return [
        (edges[i].xy, (ROADS[edges[i].kind].half_m if edges[i].kind else 0.0) + pavement_m)
        for i in around
    ]
