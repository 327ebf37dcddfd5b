"""A community parted into grids: edits that leave no gap, no overlap and no moved vertex.

Coordinates are whole billionths of a degree (about 0.1 mm), so that vertices shared by two grids
are the same numbers and every overlay is exact. Geometry that an edit does not touch keeps its
bytes. A partition is right if the directed edges of all its grids add up to those of its outline:
edges inside cancel in pairs, so that the winding numbers of the grids sum to that of the outline
at every point of the plane, and there is neither gap nor overlap.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.billionths import M_PER_DEGREE, UNITS, snapped, to_degrees, to_units
from geo.drawn import REACH_M, SNAP_M, drawn_line, drawn_patch, in_units
from geo.errors import PartitionError
from geo.faces import faces_of, faces_within, largest_faces
from geo.flaws import Flaw, Point, flaws_of, place_in
from geo.rings import edges_of, has_vertex, inserted, rings_mapped, without_repeats
from geo.shared_edges import SharedEdges

__all__ = [
    "MIN_PIECE_M2",
    "Change",
    "Flaw",
    "Partition",
    "Point",
    "snapped",
    "to_degrees",
    "to_units",
]

MIN_PIECE_M2 = 1.0
"""A grid below this is a slip of the hand, square metres."""

Geometries = NDArray[np.object_]


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
        self._lon_m = M_PER_DEGREE * max(math.cos(math.radians(middle)), 0.01)

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
        cut = drawn_line(to_units(line), self._array([grid]), reach=True)
        faces, _ = faces_of(self._array([grid]), cut)
        if pieces is not None:
            faces = largest_faces(faces, pieces)
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
        cut = drawn_line(to_units(line), self._array([one, other]), reach=True)
        lines = np.array([both.boundary, cut])
        faces = faces_within(lines, both)
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
        if shapely.distance(start, shapely.Point(here)) > in_units(SNAP_M):
            shapes, outline, here = self._with_vertex(start)
        if has_vertex(outline, here):
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
        near = tree.query(target, predicate="dwithin", distance=in_units(SNAP_M))
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
            if has_vertex(shape, here):
                after[grid] = without_repeats(shapely.transform(shape, moved))
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
        return flaws_of(self._shapes, self._outline)

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
            if g == to or shapely.dwithin(shape, area, in_units(SNAP_M))
        ]
        area = drawn_patch(area, self._array(near))
        under = [g for g in near if g == to or shapely.intersects(self._shapes[g], area)]
        faces, place = faces_of(self._array(under), area.boundary)
        owner = np.array(under, np.int64)[place]
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
        less = {to, *owner[labels != owner].tolist()} if new else set(owner[labels != owner])
        left = [change.after[grid] for grid in less if grid in change.after]
        self._not_small(to_units(np.array(left, object)))
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

    def _area_m2(self, shapes: Geometries) -> NDArray[np.float64]:
        area: NDArray[np.float64] = shapely.area(shapes)
        return area * (self._lon_m / UNITS) * (M_PER_DEGREE / UNITS)

    def _point(self, lonlat: Point) -> shapely.Point:
        return shapely.Point(np.rint(np.asarray(lonlat, float) * UNITS))

    def _place(self, shape: shapely.Geometry) -> Point:
        return place_in(shape, self._outline)

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
        paths = SharedEdges(shapes.values())
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
        flaws = flaws_of(shapes, outline, only=set(after))
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

    def _with_vertex(
        self, at: shapely.Point
    ) -> tuple[dict[int, shapely.Polygon], shapely.Geometry, NDArray[np.float64]]:
        """Put a vertex into the edge nearest to a point, in every grid that has the edge."""
        shapes = self._array(self.ids)
        edges, _ = edges_of(shapes)
        lines = shapely.linestrings(edges.reshape(-1, 2, 2))
        nearest = int(np.argmin(shapely.distance(lines, at)))
        if shapely.distance(lines[nearest], at) > in_units(REACH_M):
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
            if not (has_vertex(shape, a) and has_vertex(shape, b)):
                return shape
            longer = rings_mapped(
                shape,
                lambda xy: inserted(xy, {(*a, *b): [middle], (*b, *a): [middle]}),
            )
            same = shapely.get_num_coordinates(longer) == shapely.get_num_coordinates(shape)
            return shape if same else longer

        return (
            {g: with_middle(s) for g, s in self._shapes.items()},
            with_middle(self._outline),
            middle,
        )
