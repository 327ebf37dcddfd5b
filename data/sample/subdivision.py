"""A planar subdivision that can be cut: faces that always share their edges and vertices."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

BARE = -1
"""Line number of an edge that is only a boundary and carries no street."""


@dataclass
class Subdivision:
    """Faces as loops of vertices; every edge knows the line (street) it belongs to.

    A cut inserts its end points into the loops on both sides, so no face ever has a vertex that
    its neighbour lacks: what makes areas and grids a coverage.
    """

    points: list[tuple[float, float]] = field(default_factory=list)
    loops: list[list[int]] = field(default_factory=list)
    left_face: dict[tuple[int, int], int] = field(default_factory=dict)
    line_of: dict[tuple[int, int], int] = field(default_factory=dict)

    def add_point(self, u: float, v: float) -> int:
        """Add a vertex and give its number."""
        self.points.append((u, v))
        return len(self.points) - 1

    def add_face(self, loop: list[int]) -> int:
        """Add a face by its counter-clockwise loop and give its number."""
        face = len(self.loops)
        self.loops.append(loop)
        for a, b in zip(loop, loop[1:] + loop[:1], strict=True):
            self.left_face[a, b] = face
            self.line_of.setdefault((min(a, b), max(a, b)), BARE)
        return face

    def set_line(self, a: int, b: int, line: int) -> None:
        """Say which line the edge between two vertices belongs to."""
        self.line_of[min(a, b), max(a, b)] = line

    def line(self, a: int, b: int) -> int:
        """Line of the edge between two vertices."""
        return self.line_of[min(a, b), max(a, b)]

    def split_edge(self, a: int, b: int, u: float, v: float) -> int:
        """Put a new vertex on the edge from a to b, in the faces on both sides."""
        m = self.add_point(u, v)
        line = self.line_of.pop((min(a, b), max(a, b)))
        self.set_line(a, m, line)
        self.set_line(m, b, line)
        for x, y in ((a, b), (b, a)):
            face = self.left_face.pop((x, y), None)
            if face is None:
                continue
            self.loops[face].insert(self.loops[face].index(x) + 1, m)
            self.left_face[x, m] = face
            self.left_face[m, y] = face
        return m

    def split_face(self, face: int, a: int, b: int, line: int) -> int:
        """Cut a face from vertex a to vertex b; gives the number of the new face."""
        loop = self.loops[face]
        i, j = sorted((loop.index(a), loop.index(b)))
        self.loops[face] = loop[i : j + 1]
        other = loop[j:] + loop[: i + 1]
        for number, part in ((face, self.loops[face]), (len(self.loops), other)):
            for x, y in zip(part, part[1:] + part[:1], strict=True):
                self.left_face[x, y] = number
        self.loops.append(other)
        self.set_line(a, b, line)
        return len(self.loops) - 1

    def merge(self, a: int, b: int) -> None:
        """Take the edge between two vertices away, joining the faces on its two sides."""
        one = self.left_face.pop((a, b), None)
        two = self.left_face.pop((b, a), None)
        self.line_of.pop((min(a, b), max(a, b)))
        if one is None or two is None or one == two:
            raise ValueError(f"edge {a}-{b} does not part two faces")
        first, second = self.loops[one], self.loops[two]
        i, j = first.index(b), second.index(a)
        first = first[i:] + first[:i]  # b … a
        second = second[j:] + second[:j]  # a … b
        self.loops[one] = first + second[1:-1]
        for x, y in pairwise(second):
            self.left_face[x, y] = one
        self.loops[two] = []

    def polygon(self, face: int) -> np.ndarray:
        """Board coordinates of a face's loop, shape (n, 2)."""
        return np.array([self.points[i] for i in self.loops[face]])

    def faces(self) -> list[int]:
        """Numbers of the faces that are still there."""
        return [i for i, loop in enumerate(self.loops) if loop]

    def cut(
        self,
        face: int,
        point: tuple[float, float],
        direction: tuple[float, float],
        line: int,
        *,
        clear_m: float,
    ) -> int | None:
        """Cut a face by a straight line through a point; joins vertices nearer than ``clear_m``.

        Parameters
        ----------
        face : int
        point, direction : tuple of float
            The line, board metres.
        line : int
            Line number of the new edge.
        clear_m : float
            An end nearer than this to a vertex of the edge it hits is moved onto the vertex, so
            that no two junctions stand side by side.

        Returns
        -------
        int or None
            The new face; None if the line does not cross the face exactly twice or would leave
            a corner.
        """
        loop = self.loops[face]
        xy = self.polygon(face)
        normal = np.array((-direction[1], direction[0]))
        side = (xy - np.array(point)) @ normal
        crossed = np.flatnonzero((side > 0) != (np.roll(side, -1) > 0))
        if crossed.size != 2:
            return None
        ends: list[int | tuple[int, int, float, float]] = []
        for i in crossed:
            j = (i + 1) % len(loop)
            t = side[i] / (side[i] - side[j])
            hit = xy[i] + t * (xy[j] - xy[i])
            length = float(np.hypot(*(xy[j] - xy[i])))
            if t * length < clear_m:
                ends.append(loop[i])
            elif (1 - t) * length < clear_m:
                ends.append(loop[j])
            else:
                ends.append((loop[i], loop[j], float(hit[0]), float(hit[1])))
        if isinstance(ends[0], int) and isinstance(ends[1], int):
            a, b = loop.index(ends[0]), loop.index(ends[1])
            if (a - b) % len(loop) < 2 or (b - a) % len(loop) < 2:
                return None
        joined = [end if isinstance(end, int) else self.split_edge(*end) for end in ends]
        loop = self.loops[face]
        a, b = loop.index(joined[0]), loop.index(joined[1])
        if (a - b) % len(loop) < 2 or (b - a) % len(loop) < 2:
            return None
        return self.split_face(face, joined[0], joined[1], line)
