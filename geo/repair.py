"""Grids as they come from a file, with slivers, gaps and overlaps, made into a partition.

All outlines are cut into faces. A face that one grid covers is that grid's. Narrow gaps and
overlaps join the grid they share the longest edge with; what is wider than the tolerance is
settled too, since a partition has no holes, but listed as undecided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.partition import to_degrees, to_units

TOLERANCE_M = 2.0
"""Gaps and overlaps up to this width are slips of drawing, metres."""

_M_PER_DEGREE = 111_320.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where the file's grids were no partition.

    Attributes
    ----------
    rule : str
        ``gap``, ``overlap``, ``outside`` (beyond the community) or ``pieces``.
    grids : tuple of int
        Indices of the grids there, into what was given.
    area_m2 : float
    width_m : float
        Twice the area by the perimeter: the width of something narrow.
    at : tuple of float
        Longitude, latitude.
    decided : bool
        Whether it was within the tolerance.
    given_to : int
        Index of the grid that has it now; a new one is after the last given.
    shape : Polygon or MultiPolygon
        The place itself, WGS84 degrees.
    """

    rule: str
    grids: tuple[int, ...]
    area_m2: float
    width_m: float
    at: tuple[float, float]
    decided: bool
    given_to: int
    shape: shapely.Geometry


@dataclass(frozen=True, slots=True)
class Repaired:
    """A partition made from a file's grids.

    Attributes
    ----------
    shapes : ndarray of Polygon
        WGS84 degrees on whole billionths; one for each grid given, None where nothing of it lies
        in the community; after them new ones for wide gaps and loose parts.
    outline : Polygon or MultiPolygon
        The community with the vertices of the grids.
    findings : tuple of Finding
    moved_m2 : float
        Area that lies in another grid than the file said, or in one where the file said none.
    """

    shapes: NDArray[np.object_]
    outline: shapely.Geometry
    findings: tuple[Finding, ...]
    moved_m2: float

    @property
    def undecided(self) -> tuple[Finding, ...]:
        """What somebody should look at."""
        return tuple(f for f in self.findings if not f.decided)


def repair(
    shapes: Sequence[shapely.Geometry],
    outline: shapely.Geometry,
    *,
    tolerance_m: float = TOLERANCE_M,
) -> Repaired:
    """Make a partition of a community from grids that may overlap or leave gaps.

    Parameters
    ----------
    shapes : sequence of Polygon or MultiPolygon
        WGS84 degrees.
    outline : Polygon or MultiPolygon
        Of the community, WGS84 degrees.
    tolerance_m : float
        Width up to which gaps and overlaps are closed without asking, metres.
    """
    return _Repair(shapes, outline, tolerance_m).run()


class _Repair:
    def __init__(
        self, shapes: Sequence[shapely.Geometry], outline: shapely.Geometry, tolerance_m: float
    ) -> None:
        given = np.empty(len(shapes), object)
        given[:] = list(shapes)
        self.given = _polygonal(to_units(given)) if len(given) else given
        self.outline = _polygonal(np.array([to_units(outline)], object))[0]
        self.tolerance_m = tolerance_m
        middle = shapely.bounds(self.outline)[[1, 3]].mean() / 1e9
        self.lon_m = _M_PER_DEGREE * max(float(np.cos(np.radians(middle))), 0.01)
        self.findings: list[Finding] = []

    def run(self) -> Repaired:
        lines = [shapely.boundary(self.outline), *shapely.boundary(self.given)]
        noded = shapely.union_all(self._led_together(lines), grid_size=1)
        faces = np.asarray(shapely.get_parts(shapely.polygonize(shapely.get_parts(noded))))
        middles = shapely.point_on_surface(faces)
        inside = shapely.intersects(self.outline, middles)
        self._outside(faces[~inside], middles[~inside])
        faces, middles = faces[inside], middles[inside]
        owner = np.full(len(faces), -1, np.int64)
        covers: list[list[int]] = [[] for _ in faces]
        face, grid = shapely.STRtree(self.given).query(middles, predicate="intersects")
        # STRtree answers (input, tree) with the points as input.
        for f, g in zip(face.tolist(), grid.tolist(), strict=True):
            covers[f].append(g)
        for f, grids in enumerate(covers):
            if len(grids) == 1:
                owner[f] = grids[0]
        said = owner.copy()
        borders = _Borders(faces)
        owner = self._settle(faces, borders, covers, owner)
        count = max(len(self.given), int(owner.max(initial=-1)) + 1)
        owner, count = self._pieces(faces, borders, owner, count)
        result = np.full(count, None, object)
        for g in np.unique(owner):
            own = faces[owner == g]
            result[g] = to_degrees(own[0] if len(own) == 1 else shapely.coverage_union_all(own))
        moved = float(self._area_m2(faces[(owner != said)]).sum())
        border = to_degrees(shapely.coverage_union_all(faces))
        return Repaired(result, border, tuple(self.findings), moved)

    def _led_together(self, lines: list[shapely.Geometry]) -> list[shapely.Geometry]:
        """Lead vertices of the grids that all but touch the community's border onto it."""
        near = 0.05 / _M_PER_DEGREE * 1e9
        corners = shapely.multipoints(shapely.get_coordinates(lines[0]))
        return [lines[0], *(shapely.snap(line, corners, near) for line in lines[1:])]

    def _settle(
        self,
        faces: NDArray[np.object_],
        borders: _Borders,
        covers: list[list[int]],
        owner: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Give every gap and overlap to a grid: connected faces of one kind together."""
        result = owner.copy()
        newest = len(self.given)
        kinds: dict[tuple[int, ...], list[int]] = {}
        for f in np.flatnonzero(owner < 0):
            kinds.setdefault(tuple(covers[f]), []).append(int(f))
        for grids, members in sorted(kinds.items()):
            for group in borders.groups(members):
                shape = shapely.coverage_union_all(faces[group])
                narrow = self._narrow(shape)
                if grids:
                    to = self._neighbour(borders, owner, group, among=grids) if narrow else -1
                    to = grids[0] if to < 0 else to
                else:
                    to = self._neighbour(borders, owner, group, among=None) if narrow else -1
                    if to < 0:
                        to, newest = newest, newest + 1
                result[group] = to
                self._note("overlap" if grids else "gap", grids, shape, decided=narrow, to=to)
        return result

    def _pieces(
        self, faces: NDArray[np.object_], borders: _Borders, owner: NDArray[np.int64], count: int
    ) -> tuple[NDArray[np.int64], int]:
        """Keep the largest piece of each grid; small ones join a neighbour, others stand alone."""
        for grid in np.unique(owner).tolist():
            members = np.flatnonzero(owner == grid).tolist()
            groups = borders.groups(members)
            if len(groups) < 2:
                continue
            groups.sort(key=lambda g: -float(shapely.area(faces[g]).sum()))
            for group in groups[1:]:
                shape = shapely.coverage_union_all(faces[group])
                narrow = self._narrow(shape)
                others = np.where(owner == grid, -1, owner)
                to = self._neighbour(borders, others, group, among=None) if narrow else -1
                if to < 0:
                    to, count = count, count + 1
                owner[group] = to
                self._note("pieces", (grid,), shape, decided=narrow, to=to)
        return owner, count

    def _neighbour(
        self,
        borders: _Borders,
        owner: NDArray[np.int64],
        group: NDArray[np.int64],
        *,
        among: Sequence[int] | None,
    ) -> int:
        """Find the grid with the longest common edge; of equals the first, -1 where none is."""
        faces, length = borders.around(group)
        grid = owner[faces]
        mine = grid >= 0 if among is None else np.isin(grid, among)
        if not mine.any():
            return -1
        grids, at = np.unique(grid[mine], return_inverse=True)
        return int(grids[int(np.bincount(at.ravel(), length[mine]).argmax())])

    def _outside(self, faces: NDArray[np.object_], middles: NDArray[np.object_]) -> None:
        owner: dict[int, list[int]] = {}
        face, grid = shapely.STRtree(self.given).query(middles, predicate="intersects")
        borders = _Borders(faces)
        for f, g in zip(face.tolist(), grid.tolist(), strict=True):
            owner.setdefault(g, []).append(f)
        for g, members in sorted(owner.items()):
            for group in borders.groups(members):
                shape = shapely.coverage_union_all(faces[group])
                self._note("outside", (g,), shape, decided=self._narrow(shape), to=-1)

    def _narrow(self, shape: shapely.Geometry) -> bool:
        plane = shapely.transform(shape, lambda c: c * [self.lon_m / 1e9, _M_PER_DEGREE / 1e9])
        return bool(shapely.is_empty(shapely.buffer(plane, -self.tolerance_m / 2)))

    def _area_m2(self, shapes: NDArray[np.object_]) -> NDArray[np.float64]:
        area: NDArray[np.float64] = shapely.area(shapes)
        return area * (self.lon_m / 1e9) * (_M_PER_DEGREE / 1e9)

    def _note(
        self, rule: str, grids: Sequence[int], shape: shapely.Geometry, *, decided: bool, to: int
    ) -> None:
        area = float(self._area_m2(np.array([shape], object))[0])
        around = float(shapely.length(shape)) * _M_PER_DEGREE / 1e9
        middle = shapely.point_on_surface(shape)
        at = (float(middle.x) / 1e9, float(middle.y) / 1e9)
        width = 2 * area / around if around else 0.0
        self.findings.append(
            Finding(rule, tuple(grids), area, width, at, decided, to, to_degrees(shape))
        )


def _polygonal(shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    result = np.empty(len(shapes), object)
    for n, shape in enumerate(shapely.make_valid(shapes)):
        parts = [
            p
            for part in shapely.get_parts(shape)
            for p in shapely.get_parts(part)
            if p.geom_type == "Polygon" and p.area > 0
        ]
        result[n] = parts[0] if len(parts) == 1 else shapely.multipolygons(parts)
    return result


class _Borders:
    """Which faces share edges, and how much of them; found once for all faces.

    Attributes
    ----------
    pairs : ndarray, shape (p, 2), int64
        Two faces for each segment they share.
    length : ndarray, shape (p,), float64
    """

    def __init__(self, faces: NDArray[np.object_]) -> None:
        edges, owner = shapely.get_coordinates(shapely.boundary(faces), return_index=True)
        same = owner[1:] == owner[:-1]
        segments = np.hstack((edges[:-1], edges[1:]))[same]
        of = owner[:-1][same]
        swap = (segments[:, 0] > segments[:, 2]) | (
            (segments[:, 0] == segments[:, 2]) & (segments[:, 1] > segments[:, 3])
        )
        segments[swap] = segments[swap][:, [2, 3, 0, 1]]
        order = np.lexsort(segments.T)
        segments, of = segments[order], of[order]
        joined = np.flatnonzero((segments[1:] == segments[:-1]).all(axis=1))
        self.pairs = np.column_stack((of[joined], of[joined + 1])).astype(np.int64)
        self.length = np.hypot(*(segments[joined, :2] - segments[joined, 2:]).T)
        self._place = np.full(len(faces), -1, np.int64)

    def groups(self, members: Sequence[int]) -> list[NDArray[np.int64]]:
        """Part faces into groups that hang together along edges."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        index = np.asarray(members, np.int64)
        if len(index) < 2:
            return [index]
        self._place[index] = np.arange(len(index))
        ends = self._place[self.pairs]
        self._place[index] = -1
        ends = ends[(ends >= 0).all(axis=1)]
        graph = coo_array(
            (np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(index), len(index))
        )
        _, label = connected_components(graph, directed=False)
        return [index[label == n] for n in range(int(label.max()) + 1)]

    def around(self, group: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Faces that share segments with a group, and the length of each of these."""
        self._place[group] = 0
        inside = self._place[self.pairs] >= 0
        self._place[group] = -1
        one = inside[:, 0] != inside[:, 1]
        return self.pairs[one][~inside[one]], self.length[one]
