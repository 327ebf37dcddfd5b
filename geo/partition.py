"""A community parted into grids: edits that leave no gap, no overlap and no moved vertex.

Coordinates are whole billionths of a degree (about 0.1 mm), so that vertices shared by two grids
are the same numbers and every overlay is exact. Geometry that an edit does not touch keeps its
bytes. A partition is right if the directed edges of all its grids add up to those of its outline:
edges inside cancel in pairs, so that the winding numbers of the grids sum to that of the outline
at every point of the plane, and there is neither gap nor overlap.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.errors import PartitionError

UNITS = 1e9
"""Units of a degree."""
SNAP_M = 0.3
"""What is drawn this near to an existing vertex or edge is meant to lie on it, metres."""
REACH_M = 3.0
"""A drawn line that ends this near before the boundary is meant to reach it, metres."""
MIN_PIECE_M2 = 1.0
"""A grid below this is a slip of the hand, square metres."""

_M_PER_DEGREE = 111_320.0
_TOUCH = 2.0
"""A rounded vertex lies at most this far beside the edge it was put into, units."""

_HAIR = 4.0
"""Faces narrower than this come of rounding, units."""

Point = tuple[float, float]
Geometries = NDArray[np.object_]


def snapped(geometry: shapely.Geometry) -> shapely.Geometry:
    """Degrees rounded to whole billionths, as this module gives them back.

    Parameters
    ----------
    geometry : Geometry or array of Geometry
        WGS84 degrees.
    """
    return shapely.transform(geometry, lambda c: np.rint(c * UNITS) / UNITS)


def to_units(geometry: shapely.Geometry) -> shapely.Geometry:
    """Degrees to whole billionths of a degree."""
    return shapely.transform(geometry, lambda c: np.rint(c * UNITS))


def to_degrees(geometry: shapely.Geometry) -> shapely.Geometry:
    """Whole billionths of a degree to degrees."""
    return shapely.transform(geometry, lambda c: c / UNITS)


@dataclass(frozen=True, slots=True)
class Change:
    """What an edit does to a partition.

    Attributes
    ----------
    after : mapping of int to Polygon
        Every grid that changes, WGS84 degrees; grids that are new have negative numbers. Grids
        that only gained a vertex on their border are among them.
    removed : tuple of int
        Grids that are no more.
    parents : mapping of int to tuple of int
        For each new grid those it takes its area from, largest share first; for a grid that takes
        in removed ones, itself and those.
    outline : Polygon or MultiPolygon or None
        The outline, where it gained a vertex.
    """

    after: Mapping[int, shapely.Polygon]
    removed: tuple[int, ...] = ()
    parents: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    outline: shapely.Geometry | None = None


@dataclass(frozen=True, slots=True)
class Flaw:
    """One place where grids are no partition.

    Attributes
    ----------
    rule : str
        ``polygon`` (empty, not one piece, or crossing itself) or ``edge`` (one that has no
        opposite: an overlap or a gap begins there).
    ids : tuple of int
        The grids there.
    at : tuple of float
        Longitude, latitude.
    """

    rule: str
    ids: tuple[int, ...]
    at: Point


class Partition:
    """The base and exclusive grids of one community.

    Parameters
    ----------
    grids : mapping of int to Polygon
        By id (positive); WGS84 degrees on whole billionths, as `snapped` gives them.
    outline : Polygon or MultiPolygon
        Of the community, WGS84 degrees, with the vertices of the grids along it.
    homes : ndarray, shape (n, 2), optional
        Points of buildings in WGS84 degrees: a part without any may follow its neighbour.
    """

    def __init__(
        self,
        grids: Mapping[int, shapely.Polygon],
        outline: shapely.Geometry,
        *,
        homes: NDArray[np.float64] | None = None,
    ) -> None:
        shapes = np.empty(len(grids), object)
        shapes[:] = list(grids.values())
        self._shapes: dict[int, shapely.Polygon] = dict(
            zip(grids, to_units(shapes).tolist() if len(shapes) else [], strict=True)
        )
        self._outline = to_units(outline)
        points = np.empty((0, 2)) if homes is None else np.asarray(homes, float).reshape(-1, 2)
        self._homes = shapely.points(np.rint(points * UNITS))
        middle = shapely.bounds(self._outline)[[1, 3]].mean() / UNITS
        self._lon_m = _M_PER_DEGREE * max(math.cos(math.radians(middle)), 0.01)

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of the grids."""
        return tuple(self._shapes)

    # Edits -----------------------------------------------------------------------------------

    def split(self, grid: int, line: shapely.Geometry, *, pieces: int | None = None) -> Change:
        """Part a grid along a line.

        The largest piece keeps the id.

        Parameters
        ----------
        grid : int
        line : LineString or MultiLineString
            WGS84 degrees; ends up to `REACH_M` before the boundary are led on to it.
        pieces : int, optional
            At most so many: smaller ones join the neighbour they share the longest edge with.

        Raises
        ------
        PartitionError
            If the line does not part the grid, or cuts off less than `MIN_PIECE_M2`.
        """
        self._known([grid])
        cut = self._drawn(line, [grid], reach=True)
        faces, _ = self._faces([grid], cut)
        if pieces is not None:
            faces = self._largest(faces, pieces)
        if len(faces) < 2:
            raise PartitionError(
                "The line does not part the grid in two.",
                at=self._loose_end(cut, grid),
                remedy="Draw it from one side of the grid to another.",
                zh=("这条线没有把网格分成两部分。", "请从网格的一边画到另一边。"),
            )
        areas = shapely.area(faces)
        self._not_small(faces)
        order = np.argsort(-areas, kind="stable")
        labels = np.empty(len(faces), np.int64)
        labels[order] = [grid, *range(-1, -len(faces), -1)]
        return self._labelled([grid], faces, labels)

    def merge(self, grids: Sequence[int]) -> Change:
        """Join grids; the largest keeps its id.

        Raises
        ------
        PartitionError
            If there are fewer than two, or they do not all share edges.
        """
        grids = list(dict.fromkeys(grids))
        self._known(grids)
        if len(grids) < 2:
            raise PartitionError(
                "A merge needs two grids or more.",
                remedy="Choose neighbours.",
                zh=("合并至少需要两个网格。", "请选择相邻的网格。"),
            )
        shapes = self._array(grids)
        kept = grids[int(np.argmax(shapely.area(shapes)))]
        union = shapely.coverage_union_all(shapes)
        if union.geom_type != "Polygon":
            parts = shapely.get_parts(union)
            apart = parts[int(np.argmin(shapely.area(parts)))]
            raise PartitionError(
                "The grids do not all touch along an edge.",
                at=self._place(apart),
                remedy="Choose grids that are neighbours of each other.",
                zh=("所选网格并不都有公共边界。", "请选择彼此相邻的网格。"),
            )
        others = tuple(g for g in grids if g != kept)
        return self._finish({kept: union}, removed=others, parents={kept: (kept, *others)})

    def transfer(self, to: int, patch: shapely.Geometry) -> Change:
        """Give the area under a patch to a grid.

        Parts without buildings that this cuts off the givers, and that touch the receiver, go
        with it.

        Parameters
        ----------
        to : int
        patch : Polygon or MultiPolygon
            WGS84 degrees.

        Raises
        ------
        PartitionError
            If the patch lies in no other grid or apart from the receiver, or a giver would vanish
            or fall into pieces.
        """
        self._known([to])
        return self._take(to, patch, new=False)

    def draw(self, patch: shapely.Geometry) -> Change:
        """Make a new grid (-1) that takes its area from those beneath.

        Grids covered wholly are removed.

        Raises
        ------
        PartitionError
            If the patch lies outside, is not one piece, or leaves a grid in pieces.
        """
        return self._take(-1, patch, new=True)

    def reshape(self, one: int, other: int, line: shapely.LineString) -> Change:
        """Give the boundary between two grids a new course.

        Each grid keeps the side on which most of it lies.

        Parameters
        ----------
        one, other : int
            Neighbours.
        line : LineString
            WGS84 degrees; parts the two together in two.

        Raises
        ------
        PartitionError
            If the grids are no neighbours, or the line does not part the two.
        """
        self._known([one, other])
        both = shapely.coverage_union_all(self._array(list({one, other})))
        if one == other or both.geom_type != "Polygon":
            raise PartitionError(
                "The grids share no boundary.",
                at=self._place(self._shapes[other]),
                remedy="Choose two neighbours.",
                zh=("这两个网格没有公共边界。", "请选择两个相邻的网格。"),
            )
        cut = self._drawn(line, [one, other], reach=True)
        lines = np.array([both.boundary, cut])
        faces = self._polygons(lines, within=both)
        if len(faces) < 2:
            raise PartitionError(
                "The line does not part the two grids.",
                at=self._loose_end(cut, one),
                remedy="Draw the whole boundary, from where it leaves the border of both grids "
                "to where it meets it again.",
                zh=(
                    "这条线没有把两个网格分开。",
                    "请画出整条边界：从离开两个网格外边界的地方画到再次相接的地方。",
                ),
            )
        self._not_small(faces)
        first = shapely.area(shapely.intersection(faces, self._shapes[one], grid_size=1))
        labels = np.where(2 * first >= shapely.area(faces), one, other)
        if len(set(labels.tolist())) < 2:
            # One of them lies on the smaller part of both sides: it keeps its larger share.
            share = first / shapely.area(faces)
            labels[:] = other
            labels[int(np.argmax(share))] = one
        self._one_piece_each(faces, labels)
        return self._labelled([one, other], faces, labels)

    def move_vertex(self, vertex: Point, to: Point) -> Change:
        """Move a vertex, and with it the boundary of every grid that has it.

        Parameters
        ----------
        vertex : tuple of float
            WGS84 degrees of a vertex, or of a point of an edge, which then gets one.
        to : tuple of float
            Where it goes. At most `SNAP_M` from another vertex it becomes one with that.

        Raises
        ------
        PartitionError
            If there is no boundary, it is the border of the community, or boundaries would cross.
        """
        corners = shapely.points(np.unique(shapely.get_coordinates(self._array(self.ids)), axis=0))
        tree = shapely.STRtree(corners)
        start = self._point(vertex)
        here = shapely.get_coordinates(corners[int(tree.nearest(start))])[0]
        shapes = dict(self._shapes)
        outline = self._outline
        if shapely.distance(start, shapely.Point(here)) > self._reach(SNAP_M):
            shapes, outline, here = self._with_vertex(start)
        if _has(outline, here):
            raise PartitionError(
                "This vertex lies on the border of the community, which does not move.",
                at=(here[0] / UNITS, here[1] / UNITS),
                remedy="Drag a vertex inside the community; the border is changed with the areas.",
                zh=(
                    "这个顶点在社区边界上，社区边界不能在这里移动。",
                    "请拖动社区内部的顶点；社区边界随行政区划数据调整。",
                ),
            )
        target = self._point(to)
        there = shapely.get_coordinates(target)[0]
        near = tree.query(target, predicate="dwithin", distance=self._reach(SNAP_M))
        near = [n for n in near if not np.array_equal(shapely.get_coordinates(corners[n])[0], here)]
        if near:
            away = shapely.distance(corners[near], target)
            there = shapely.get_coordinates(corners[near[int(np.argmin(away))]])[0]

        def moved(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
            at = (coordinates == here).all(axis=1)
            result = coordinates.copy()
            result[at] = there
            return result

        after = {}
        for grid, shape in shapes.items():
            if _has(shape, here):
                after[grid] = _without_repeats(shapely.transform(shape, moved))
            elif shape is not self._shapes[grid]:
                after[grid] = shape
        change = self._checked(after, outline=outline)
        small = np.empty(len(after), object)
        small[:] = list(after.values())
        self._not_small(small)
        return change

    # Looking ---------------------------------------------------------------------------------

    def flaws(self) -> list[Flaw]:
        """Say where the grids are no partition; empty if they are one."""
        return self._flaws(self._shapes, self._outline)

    def at(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """Find the grid around each point; on a boundary the first; 0 outside.

        Parameters
        ----------
        points : ndarray, shape (n, 2)
            WGS84 degrees.
        """
        spots = shapely.points(np.rint(np.asarray(points, float).reshape(-1, 2) * UNITS))
        found = np.zeros(len(spots), np.int64)
        tree = shapely.STRtree(self._array(self.ids))
        which, grid = tree.query(spots, predicate="intersects")
        order = np.lexsort((grid, which))
        first = order[np.unique(which[order], return_index=True)[1]] if len(order) else order
        found[which[first]] = np.array(self.ids, np.int64)[grid[first]]
        return found

    # Inside ----------------------------------------------------------------------------------

    def _take(self, to: int, patch: shapely.Geometry, *, new: bool) -> Change:
        area = to_units(patch)
        if area.geom_type not in ("Polygon", "MultiPolygon") or shapely.is_empty(area):
            raise PartitionError(
                "The patch is no polygon.",
                remedy="Draw an area.",
                zh=("画的不是面。", "请画一块区域。"),
            )
        if not shapely.is_valid(area):
            raise PartitionError(
                f"The patch is no polygon: {shapely.is_valid_reason(area)}.",
                at=self._place(area),
                remedy="Draw it without crossing its own outline.",
                zh=("画的面不正确：轮廓线自己相交。", "重画时不要让轮廓线与自己相交。"),
            )
        # A patch that is led onto a boundary may come to lie a hair over the grid beyond it.
        near = [
            g
            for g, shape in self._shapes.items()
            if g == to or shapely.dwithin(shape, area, self._reach(SNAP_M))
        ]
        area = self._drawn_patch(area, near)
        under = [g for g in near if g == to or shapely.intersects(self._shapes[g], area)]
        faces, owner = self._faces(under, area.boundary)
        inside = shapely.intersects(area, shapely.point_on_surface(faces))
        labels = np.where(inside, to, owner)
        if not (labels != owner).any():
            raise PartitionError(
                "The patch takes nothing from another grid.",
                at=self._place(area),
                remedy="Draw it over the grid that is to give.",
                zh=("这块区域没有从其他网格划入任何地方。", "请画在要划出的网格上。"),
            )
        self._follow(faces, labels, owner, to)
        gone = set(owner.tolist()) - set(labels.tolist())
        if gone and not new:
            lost = faces[owner == min(gone)]
            raise PartitionError(
                "Nothing would be left of a grid.",
                at=self._place(lost[0]),
                remedy="Merge the two grids instead.",
                zh=("有一个网格会什么都不剩。", "请改用“合并”。"),
            )
        self._one_piece_each(faces, labels)
        change = self._labelled(under, faces, labels)
        if new:
            self._not_small(np.array([to_units(change.after[to])], object))
        return change

    def _follow(
        self,
        faces: Geometries,
        labels: NDArray[np.int64],
        owner: NDArray[np.int64],
        to: int,
    ) -> None:
        """Let parts that were cut off, hold no building and touch the receiver go with it."""
        for giver in set(owner[labels != owner].tolist()):
            own = np.flatnonzero(labels == giver)
            if len(own) < 2:
                continue
            pieces = shapely.get_parts(shapely.coverage_union_all(faces[own]))
            if len(pieces) < 2:
                continue
            homes = np.array([self._homes_in(p) for p in pieces])
            kept = int(np.lexsort((shapely.area(pieces), homes))[-1])
            receiver = shapely.union_all(faces[labels == to])
            for number, piece in enumerate(pieces):
                if number == kept or homes[number]:
                    continue
                common = shapely.intersection(shapely.boundary(piece), shapely.boundary(receiver))
                if shapely.length(common) > 0:
                    inside = shapely.intersects(piece, shapely.point_on_surface(faces[own]))
                    labels[own[inside]] = to

    def _homes_in(self, piece: shapely.Geometry) -> int:
        return int(shapely.intersects(piece, self._homes).sum()) if len(self._homes) else 0

    def _known(self, grids: Iterable[int]) -> None:
        missing = [g for g in grids if g not in self._shapes]
        if missing:
            raise PartitionError(
                f"There is no grid {missing[0]} in this community.",
                remedy="Load the community anew and choose one of its grids.",
                zh=(f"本社区没有网格 {missing[0]}。", "请重新载入社区，再选择其中的网格。"),
            )

    def _array(self, grids: Sequence[int]) -> Geometries:
        shapes = np.empty(len(grids), object)
        shapes[:] = [self._shapes[g] for g in grids]
        return shapes

    def _reach(self, metres: float) -> float:
        return metres / _M_PER_DEGREE * UNITS

    def _area_m2(self, shapes: Geometries) -> NDArray[np.float64]:
        area: NDArray[np.float64] = shapely.area(shapes)
        return area * (self._lon_m / UNITS) * (_M_PER_DEGREE / UNITS)

    def _point(self, lonlat: Point) -> shapely.Point:
        return shapely.Point(np.rint(np.asarray(lonlat, float) * UNITS))

    def _place(self, shape: shapely.Geometry) -> Point:
        middle = shapely.point_on_surface(shape)
        if shapely.is_empty(middle):
            middle = shapely.point_on_surface(self._outline)
        return shapely.get_x(middle) / UNITS, shapely.get_y(middle) / UNITS

    def _not_small(self, faces: Geometries) -> None:
        areas = self._area_m2(faces)
        if len(areas) and areas.min() < MIN_PIECE_M2:
            raise PartitionError(
                f"A piece of {areas.min():.2f} m² would be left.",
                at=self._place(faces[int(np.argmin(areas))]),
                remedy="Draw along the boundary there, or well away from it.",
                zh=(
                    f"会留下一块只有 {areas.min():.2f} 平方米的碎片。",
                    "请沿着那里的边界画，或离边界远一些。",
                ),
            )

    def _one_piece_each(self, faces: Geometries, labels: NDArray[np.int64]) -> None:
        for label in dict.fromkeys(labels.tolist()):
            union = shapely.coverage_union_all(faces[labels == label])
            if union.geom_type == "Polygon":
                continue
            parts = shapely.get_parts(union)
            raise PartitionError(
                "A grid would fall into pieces."
                if label > 0
                else "The new grid would be in several pieces.",
                at=self._place(parts[int(np.argmin(shapely.area(parts)))]),
                remedy="Leave it connected along an edge, or take the cut-off part as well.",
                zh=(
                    "有网格会断成几块。" if label > 0 else "新网格会断成几块。",
                    "请留出相连的边，或把断开的部分一并划入。",
                ),
            )

    def _drawn(
        self, line: shapely.Geometry, grids: Sequence[int], *, reach: bool = False
    ) -> shapely.Geometry:
        """Lead a drawn line onto vertices and edges it all but touches; in units."""
        cut = to_units(line)
        if shapely.is_empty(cut) or shapely.length(cut) == 0:
            raise PartitionError(
                "The line has no length.",
                remedy="Draw two points or more.",
                zh=("这条线没有长度。", "请至少画两个点。"),
            )
        borders = shapely.union_all(shapely.boundary(self._array(grids)))
        near = self._reach(SNAP_M)
        cut = shapely.snap(cut, shapely.multipoints(shapely.get_coordinates(borders)), near)

        def onto(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
            points = shapely.points(coordinates)
            away = shapely.distance(points, borders)
            close = np.flatnonzero((away > 0) & (away <= near))
            feet = shapely.shortest_line(points[close], borders)
            result = coordinates.copy()
            if len(close):
                result[close] = np.rint(shapely.get_coordinates(shapely.get_point(feet, -1)))
            return result

        cut = shapely.transform(cut, onto)
        if reach:
            parts = [self._led_on(part, borders) for part in shapely.get_parts(cut)]
            cut = parts[0] if len(parts) == 1 else shapely.multilinestrings(parts)
        return cut

    def _drawn_patch(self, patch: shapely.Geometry, grids: Sequence[int]) -> shapely.Geometry:
        """Lead the rings of a patch onto vertices and edges they all but touch; in units."""

        def led(ring: NDArray[np.float64]) -> NDArray[np.float64]:
            line = self._drawn(to_degrees(shapely.linestrings(ring)), grids)
            return shapely.get_coordinates(line)

        shape = shapely.make_valid(_rings_mapped(patch, led))
        polygons = [
            p
            for part in shapely.get_parts(shape)
            for p in shapely.get_parts(part)
            if p.geom_type == "Polygon"
        ]
        return shapely.multipolygons(polygons)

    def _led_on(self, line: shapely.LineString, borders: shapely.Geometry) -> shapely.LineString:
        xy = shapely.get_coordinates(line)
        far = self._reach(REACH_M)
        for end in (0, -1):
            point = shapely.Point(xy[end])
            away = shapely.distance(point, borders)
            if 0 < away <= far:
                foot = shapely.get_coordinates(shapely.shortest_line(point, borders))[-1:]
                foot = np.rint(foot)
                xy = np.vstack((foot, xy)) if end == 0 else np.vstack((xy, foot))
        return shapely.linestrings(xy)

    def _polygons(self, lines: Geometries, *, within: shapely.Geometry) -> Geometries:
        noded = shapely.union_all(lines, grid_size=1)
        faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(noded)))
        faces = np.asarray(faces[shapely.intersects(within, shapely.point_on_surface(faces))])
        return _without_hairs(faces, np.zeros(len(faces), np.int64))[0]

    def _faces(
        self, grids: Sequence[int], cut: shapely.Geometry
    ) -> tuple[Geometries, NDArray[np.int64]]:
        """Cut grids along lines; gives the faces and the grid of each."""
        shapes = self._array(grids)
        noded = shapely.union_all(np.array([*shapely.boundary(shapes), cut]), grid_size=1)
        faces = np.asarray(shapely.get_parts(shapely.polygonize(shapely.get_parts(noded))))
        middles = shapely.point_on_surface(faces)
        face, owner = shapely.STRtree(shapes).query(middles, predicate="intersects")
        order = np.lexsort((owner, face))
        face, owner = face[order], owner[order]
        # Of a face a hair wide the rounded middle may lie on the boundary of a grid beside it.
        inside = shapely.contains_properly(shapes[owner], middles[face])
        for n in np.flatnonzero(~inside):
            common = shapely.intersection(faces[face[n]], shapes[owner[n]])
            inside[n] = 2 * shapely.area(common) > shapely.area(faces[face[n]])
        face, owner = face[inside], owner[inside]
        kept, first = np.unique(face, return_index=True)
        return _without_hairs(faces[kept], np.array(grids, np.int64)[owner[first]])

    def _largest(self, faces: Geometries, count: int) -> Geometries:
        """Join the small faces with the neighbour they share the longest edge with."""
        shapes = list(faces)
        while len(shapes) > count:
            shapes.sort(key=shapely.area)
            small = shapes.pop(0)
            common = [
                shapely.length(shapely.intersection(small.boundary, s.boundary)) for s in shapes
            ]
            best = int(np.argmax(common))
            shapes[best] = shapely.coverage_union_all([shapes[best], small])
        result = np.empty(len(shapes), object)
        result[:] = shapes
        return result

    def _loose_end(self, cut: shapely.Geometry, grid: int) -> Point:
        """Find an end of the line inside the grid, else the middle of the line."""
        ends = [
            p
            for part in shapely.get_parts(cut)
            for p in (shapely.get_point(part, i) for i in (0, -1))
        ]
        for end in ends:
            if shapely.contains_properly(self._shapes[grid], end):
                return end.x / UNITS, end.y / UNITS
        middle = shapely.line_interpolate_point(shapely.get_geometry(cut, 0), 0.5, normalized=True)
        return middle.x / UNITS, middle.y / UNITS

    def _labelled(
        self, grids: Sequence[int], faces: Geometries, labels: NDArray[np.int64]
    ) -> Change:
        """Join faces of the same label into grids; neighbours take new vertices over."""
        shapes: dict[int, shapely.Polygon] = {}
        parents: dict[int, tuple[int, ...]] = {}
        for label in dict.fromkeys(labels.tolist()):
            own = faces[labels == label]
            union = own[0] if len(own) == 1 else shapely.coverage_union_all(own)
            shapes[label] = union
            if label < 0:
                share = {
                    g: shapely.area(shapely.intersection(union, self._shapes[g], grid_size=1))
                    for g in grids
                }
                parents[label] = tuple(
                    g for g in sorted(share, key=lambda g: -share[g]) if share[g] > 0
                )
        removed = tuple(g for g in grids if g not in shapes)
        return self._finish(shapes, removed=removed, parents=parents)

    def _finish(
        self,
        shapes: Mapping[int, shapely.Polygon],
        *,
        removed: tuple[int, ...] = (),
        parents: Mapping[int, tuple[int, ...]] | None = None,
    ) -> Change:
        paths = _Paths(shapes.values())
        after: dict[int, shapely.Polygon] = {}
        for grid, shape in self._shapes.items():
            if grid in removed or grid in shapes:
                continue
            longer = paths.taken_over(shape, reverse=True)
            if longer is not None:
                after[grid] = longer
        for grid, shape in shapes.items():
            before = self._shapes.get(grid)
            if before is None or not shapely.equals_exact(before, shape, normalize=True):
                after[grid] = shape
        outline = paths.taken_over(self._outline, reverse=False)
        return self._checked(
            after,
            removed=removed,
            parents=parents,
            outline=self._outline if outline is None else outline,
        )

    def _checked(
        self,
        after: Mapping[int, shapely.Polygon],
        *,
        outline: shapely.Geometry,
        removed: tuple[int, ...] = (),
        parents: Mapping[int, tuple[int, ...]] | None = None,
    ) -> Change:
        shapes = {g: s for g, s in {**self._shapes, **after}.items() if g not in removed}
        flaws = self._flaws(shapes, outline, only=set(after))
        if flaws:
            raise PartitionError(
                {
                    "polygon": "A boundary would cross or touch itself.",
                    "edge": "Boundaries would overlap or leave a gap.",
                }[flaws[0].rule],
                at=flaws[0].at,
                remedy="Draw it so that boundaries meet in common vertices and do not cross.",
                zh=(
                    {"polygon": "有边界会与自己相交或相接。", "edge": "边界之间会重叠或留下缝隙。"}[
                        flaws[0].rule
                    ],
                    "请让边界在公共顶点相接，不要交叉。",
                ),
            )
        return Change(
            {g: to_degrees(s) for g, s in after.items()},
            removed,
            dict(parents or {}),
            None if outline is self._outline else to_degrees(outline),
        )

    def _flaws(
        self,
        shapes: Mapping[int, shapely.Geometry],
        outline: shapely.Geometry,
        *,
        only: set[int] | None = None,
    ) -> list[Flaw]:
        found = []
        for grid, shape in shapes.items():
            if only is not None and grid not in only:
                continue
            if shape.geom_type != "Polygon" or shape.is_empty or not shapely.is_valid(shape):
                found.append(Flaw("polygon", (grid,), self._invalid_at(shape)))
        if found:
            return found
        ids = np.array([*shapes, 0], np.int64)
        all_shapes = np.empty(len(ids), object)
        all_shapes[:] = [*shapes.values(), outline]
        edges, owner = _edges(all_shapes)
        sign = np.where(owner == len(ids) - 1, -1, 1)
        swap = (edges[:, 0] > edges[:, 2]) | (
            (edges[:, 0] == edges[:, 2]) & (edges[:, 1] > edges[:, 3])
        )
        edges[swap] = edges[swap][:, [2, 3, 0, 1]]
        sign[swap] *= -1
        key, group = np.unique(edges, axis=0, return_inverse=True)
        group = group.ravel()
        total = np.bincount(group, sign, len(key))
        for bad in np.flatnonzero(total):
            grids = sorted({int(ids[o]) for o in owner[group == bad]} - {0})
            x, y = (key[bad, :2] + key[bad, 2:]) / 2 / UNITS
            found.append(Flaw("edge", tuple(grids), (float(x), float(y))))
        return found

    def _invalid_at(self, shape: shapely.Geometry) -> Point:
        reason = shapely.is_valid_reason(shape)
        inside = reason[reason.find("[") + 1 : reason.find("]")] if "[" in reason else ""
        try:
            x, y = (float(part) for part in inside.split())
        except ValueError:
            return self._place(shape)
        return x / UNITS, y / UNITS

    def _with_vertex(
        self, at: shapely.Point
    ) -> tuple[dict[int, shapely.Polygon], shapely.Geometry, NDArray[np.float64]]:
        """Put a vertex into the edge nearest to a point, in every grid that has the edge."""
        shapes = self._array(self.ids)
        edges, _ = _edges(shapes)
        lines = shapely.linestrings(edges.reshape(-1, 2, 2))
        nearest = int(np.argmin(shapely.distance(lines, at)))
        if shapely.distance(lines[nearest], at) > self._reach(REACH_M):
            raise PartitionError(
                "There is no boundary here.",
                at=(at.x / UNITS, at.y / UNITS),
                remedy="Drag a vertex or an edge of a grid.",
                zh=("这里没有边界。", "请拖动网格的顶点或边。"),
            )
        foot = shapely.line_interpolate_point(
            lines[nearest], shapely.line_locate_point(lines[nearest], at)
        )
        middle = np.rint(shapely.get_coordinates(foot)[0])
        a, b = edges[nearest, :2], edges[nearest, 2:]

        def with_middle(shape: shapely.Geometry) -> shapely.Geometry:
            if not (_has(shape, a) and _has(shape, b)):
                return shape
            longer = _rings_mapped(
                shape,
                lambda xy: _inserted(xy, {(*a, *b): [middle], (*b, *a): [middle]}),
            )
            same = shapely.get_num_coordinates(longer) == shapely.get_num_coordinates(shape)
            return shape if same else longer

        return (
            {g: with_middle(s) for g, s in self._shapes.items()},
            with_middle(self._outline),
            middle,
        )


class _Paths:
    """Edges of changed grids, to find the vertices that came into an edge of a neighbour."""

    def __init__(self, shapes: Iterable[shapely.Polygon]) -> None:
        every = list(shapes)
        array = np.empty(len(every), object)
        array[:] = every
        edges, _ = _edges(array)
        self._next: dict[Point, list[Point]] = defaultdict(list)
        self._edges = {tuple(edge) for edge in edges.tolist()}
        for x0, y0, x1, y1 in self._edges:
            self._next[x0, y0].append((x1, y1))

    def taken_over(self, shape: shapely.Geometry, *, reverse: bool) -> shapely.Geometry | None:
        """Give the shape with the new vertices; None where there are none.

        ``reverse`` says whether the changed grids run along the shape's edges the other way.
        """
        found: dict[tuple[float, ...], list[NDArray[np.float64]]] = {}
        for edge in _edges(np.array([shape], object))[0].tolist():
            x0, y0, x1, y1 = edge
            start, end = ((x1, y1), (x0, y0)) if reverse else ((x0, y0), (x1, y1))
            if start not in self._next or end not in self._next or (*start, *end) in self._edges:
                continue
            path = self._path(start, end)
            if path:
                found[tuple(edge)] = [np.array(p) for p in (path[::-1] if reverse else path)]
        if not found:
            return None
        # `_edges` runs counter-clockwise; the rings of a shape may not.
        both = dict(found)
        for (x0, y0, x1, y1), points in found.items():
            both[x1, y1, x0, y0] = points[::-1]
        return _rings_mapped(shape, lambda xy: _inserted(xy, both))

    def _path(self, start: Point, end: Point) -> list[Point]:
        """Follow edges that lie on the straight line from start to end; empty if they do not."""
        dx, dy = end[0] - start[0], end[1] - start[1]
        length = math.hypot(dx, dy)
        path: list[Point] = []
        here, gone = start, 0.0
        while True:
            for there in self._next.get(here, ()):
                if there == end:
                    return path
                px, py = there[0] - start[0], there[1] - start[1]
                along = (px * dx + py * dy) / length
                if gone < along < length and abs(px * dy - py * dx) / length <= _TOUCH:
                    path.append(there)
                    here, gone = there, along
                    break
            else:
                return []


def _edges(shapes: Geometries) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Directed edges (x0, y0, x1, y1) of polygons, interior on the left, and whose they are."""
    polygons, part_of = shapely.get_parts(shapes, return_index=True)
    polygons = shapely.orient_polygons(polygons)
    rings, ring_of = shapely.get_rings(polygons, return_index=True)
    xy, of_ring = shapely.get_coordinates(rings, return_index=True)
    same = of_ring[1:] == of_ring[:-1]
    edges = np.hstack((xy[:-1], xy[1:]))[same]
    owner = part_of[ring_of[of_ring[:-1][same]]]
    return edges, owner


def _without_hairs(
    faces: Geometries, owner: NDArray[np.int64]
) -> tuple[Geometries, NDArray[np.int64]]:
    """Join faces a hair wide with the face of the same grid they share the longest edge with.

    A line that was led onto a boundary runs a rounding beside it; what lies between the two is
    nobody's intention, and would be a loose piece of a grid.
    """
    around = np.maximum(shapely.length(faces), 1.0)
    width = 2 * shapely.area(faces) / around
    shapes, owners = list(faces), owner.tolist()
    for n in np.argsort(width)[: int((width < _HAIR).sum())].tolist():
        hair, shapes[n] = shapes[n], None
        same = [
            m for m, s in enumerate(shapes) if s is not None and owners[m] == owners[n] and m != n
        ]
        common = [shapely.length(shapely.intersection(hair.boundary, shapes[m])) for m in same]
        best = same[int(np.argmax(common))] if same else -1
        union = shapely.coverage_union_all([shapes[best], hair]) if same else None
        if union is None or max(common) == 0 or union.geom_type != "Polygon":
            shapes[n] = hair
        else:
            shapes[best] = union
    left = [m for m, s in enumerate(shapes) if s is not None]
    result = np.empty(len(left), object)
    result[:] = [shapes[m] for m in left]
    return result, owner[left]


def _has(shape: shapely.Geometry, vertex: NDArray[np.float64]) -> bool:
    return bool((shapely.get_coordinates(shape) == vertex).all(axis=1).any())


def _rings_mapped(
    shape: shapely.Geometry, change: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> shapely.Geometry:
    """Rebuild a polygon or multipolygon from its rings, each through ``change``."""
    polygons = []
    for polygon in shapely.get_parts(shape):
        shell, *holes = (
            change(shapely.get_coordinates(ring)) for ring in shapely.get_rings(polygon)
        )
        polygons.append(shapely.Polygon(shell, holes))
    return polygons[0] if shape.geom_type == "Polygon" else shapely.MultiPolygon(polygons)


def _inserted(
    ring: NDArray[np.float64], found: Mapping[tuple[float, ...], list[NDArray[np.float64]]]
) -> NDArray[np.float64]:
    rows = ring.tolist()
    result = [rows[0]]
    for before, after in itertools.pairwise(rows):
        result.extend(p.tolist() for p in found.get((*before, *after), ()))
        result.append(after)
    return np.array(result)


def _without_repeats(shape: shapely.Polygon) -> shapely.Polygon:
    def shorter(ring: NDArray[np.float64]) -> NDArray[np.float64]:
        kept = np.ones(len(ring), bool)
        kept[1:] = (ring[1:] != ring[:-1]).any(axis=1)
        ring = ring[kept]
        return ring if len(ring) >= 4 else np.vstack((ring, ring[:1], ring[:1], ring[:1]))[:4]

    return _rings_mapped(shape, shorter)
