"""Cells: an enclosed tessellation of buildings, the atoms that grids are made of.

The land of a community is first cut into *enclosures* by streets, walls, water, railways and the
community's own border. Within an enclosure every point belongs to the nearest building
(Voronoi regions of the footprints, as the enclosed tessellation of momepy). What holds no building
is attached by rule. Large compact enclosures (parks, fields, squares) are cells of their own,
without households. Strips (verges between wall and street, water, the rest between carriageways)
are shared out among the buildings near them, so that they do not come between neighbours. Pieces
cut off from their building go to the neighbour with the longest border, crossing as weak a barrier
as can be.

References
----------
Fleischmann et al. (2020), Morphological tessellation as a way of partitioning space,
doi:10.1016/j.compenvurbsys.2019.101441; Arribas-Bel and Fleischmann (2022), enclosed
tessellation, doi:10.1016/j.habitatint.2022.102641.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError, cKDTree

from geo.errors import CellError

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Geometries = NDArray[np.object_]
Progress = Callable[[str, float], None]

GRID_M = 0.001
"""Coordinates of cells are whole millimetres, so that neighbours' vertices are identical."""
SPACING_M = 2.5
"""Distance of the points that stand for a footprint's outline."""
INSET_M = 0.35
"""Outlines are taken this far inside, so that a party wall lies between two buildings."""
STRAIGHT_M = 0.2
"""Boundaries between two buildings are drawn as straight as this allows."""
LAND_M2 = 4_000.0
"""Empty enclosures from this size on are cells of their own. Our reading."""
LAND_SHAPE = 0.3
"""... if they are this compact (Polsby-Popper); a strip of ten to one is not. Our reading."""
_STRIP_REACH_M = 80.0
_STRIP_M2 = 60.0
_JITTER_M = 0.004
_ON_LINE_M = 0.02

BARRIERS: MappingProxyType[str, float] = MappingProxyType(
    {
        "river": 1.0,
        "rail": 1.0,
        "motorway": 1.0,
        "trunk": 0.9,
        "wall": 0.7,
        "main": 0.6,
        "collector": 0.35,
        "street": 0.15,
        "outline": 0.3,
        "site": 0.5,
        "none": 0.0,
    }
)
"""How much each kind of line separates, 0 to 1. Our reading: no standard gives weights.

``trunk`` is a trunk or primary road, ``main`` a secondary one, ``collector`` a tertiary one,
``street`` anything smaller that carries cars; ``wall`` the wall of a compound, ``outline`` the edge
of one without a wall, ``site`` the edge of an exclusive site.
"""
BARRIER_KINDS = tuple(BARRIERS)
STRONG = 0.55
"""From this strength on, a grid that lies on both sides of a line crosses a barrier."""
_NONE = BARRIER_KINDS.index("none")
_STRENGTH = np.array(list(BARRIERS.values()))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What cuts and binds cells besides the buildings, in one projected CRS, metres.

    Attributes
    ----------
    lines : ndarray of object, shape (l,)
        Lines that bound enclosures.
    kinds : ndarray of object, shape (l,)
        A key of `BARRIERS` for each.
    compounds : ndarray of object, shape (k,)
        Polygons of compounds 小区.
    walled : ndarray, shape (k,), bool
    sites : ndarray of object, shape (s,)
        Polygons of exclusive sites: markets, schools, works.
    """

    lines: Geometries = field(default_factory=lambda: np.empty(0, object))
    kinds: Geometries = field(default_factory=lambda: np.empty(0, object))
    compounds: Geometries = field(default_factory=lambda: np.empty(0, object))
    walled: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    sites: Geometries = field(default_factory=lambda: np.empty(0, object))


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of one or more communities and how they touch.

    Attributes
    ----------
    geometry : ndarray of object, shape (n,)
        Polygons, metres; within a community a coverage without gaps.
    community : ndarray, shape (n,), int32
        Index of the community; cells of a community stand together.
    compound, site : ndarray, shape (n,), int32
        Index of the compound and the exclusive site it lies in; -1 in none.
    area_m2 : ndarray, shape (n,), float64
    outer_m : ndarray, shape (n,), float64
        Length of its boundary on the border of the community.
    cell_of_building : ndarray, shape (b,), int32
        Cell of each building; -1 outside every community. Buildings that lie on one another share
        a cell.
    edges : ndarray, shape (m, 2), int32
        Pairs of cells (lower first) that share a border; never across communities.
    border_m : ndarray, shape (m,), float64
        Length of that border.
    strength : ndarray, shape (m,), float64
        How much it separates, 0 to 1: `BARRIERS`, weighted by length.
    kind : ndarray, shape (m,), uint8
        Index into `BARRIER_KINDS` of the kind with the greatest length.
    """

    geometry: Geometries
    community: Ints
    compound: Ints
    site: Ints
    area_m2: Floats
    outer_m: Floats
    cell_of_building: Ints
    edges: Ints
    border_m: Floats
    strength: Floats
    kind: NDArray[np.uint8]

    def __len__(self) -> int:
        """How many cells."""
        return len(self.geometry)

    def count(self, values: NDArray[np.floating] | NDArray[np.integer]) -> Floats:
        """Sum a number on buildings, shape (b,), by cell, shape (n,)."""
        inside = self.cell_of_building >= 0
        return sums(
            self.cell_of_building[inside], np.asarray(values, np.float64)[inside], len(self)
        )


def sums(groups: NDArray[np.integer], values: Floats, count: int) -> Floats:
    """Sum ``values`` by group, shape (count,)."""
    return np.bincount(groups, weights=values, minlength=count).astype(np.float64)


def build_cells(
    communities: Sequence[shapely.Geometry] | Geometries,
    buildings: Sequence[shapely.Geometry] | Geometries,
    surroundings: Surroundings | None = None,
    *,
    land_m2: float = LAND_M2,
    progress: Progress | None = None,
) -> Cells:
    """Divide communities into cells, one a building, and find which touch.

    The result depends on the geometry alone, not on chance; a change of one building moves the
    cells around it and no others. A building belongs to the community that holds a point in its
    middle; communities that overlap are a matter of their own (the first one takes it).

    Parameters
    ----------
    communities : sequence of Polygon or MultiPolygon, shape (c,)
        Metres.
    buildings : sequence of geometry, shape (b,)
        Footprints, or points where no footprint is known; metres.
    surroundings : Surroundings, optional
    land_m2 : float
        Square metres from which an enclosure without buildings is a cell of its own.
    progress : callable, optional
        Called with what is being done and the share done.

    Raises
    ------
    CellError
        If a community is empty, not polygonal or not valid, or a line's kind is unknown.
    """
    around = surroundings or Surroundings()
    unknown = set(around.kinds) - set(BARRIERS)
    if unknown:
        raise CellError(
            f"There is no barrier kind {min(unknown)!r}.",
            remedy=f"Use one of: {', '.join(BARRIERS)}.",
        )
    areas = np.asarray(communities, dtype=object)
    homes = np.asarray(buildings, dtype=object)
    for number, area in enumerate(areas):
        if area is None or area.is_empty or area.geom_type not in ("Polygon", "MultiPolygon"):
            raise CellError(f"Community {number} has no area.", remedy="Give it a polygon.")
        if not area.is_valid:
            raise CellError(
                f"The outline of community {number} is not valid: {shapely.is_valid_reason(area)}.",
                remedy="Mend the polygon (a self-crossing outline, usually) and try again.",
            )
    anchors = shapely.point_on_surface(homes)
    usable = ~(shapely.is_missing(anchors) | shapely.is_empty(anchors))
    owner = np.full(len(homes), -1, np.int64)
    for community, area in enumerate(areas):
        shapely.prepare(area)
        inside = np.flatnonzero(usable & (owner < 0))
        owner[inside[shapely.intersects(area, anchors[inside])]] = community
    lines, kinds = _all_lines(around)
    trees = (
        shapely.STRtree(lines),
        shapely.STRtree(around.compounds),
        shapely.STRtree(around.sites),
    )
    parts: list[Cells] = []
    cell_of = np.full(len(homes), -1, np.int32)
    first = 0
    for community, area in enumerate(areas):
        if progress is not None:
            progress("Cells", community / max(1, len(areas)))
        mine = np.flatnonzero(owner == community)
        near = np.sort(trees[0].query(area))
        part = _community_cells(area, homes[mine], anchors[mine], lines[near], kinds[near], land_m2)
        middle = part.middle
        own = part.cell_of_building
        cell_of[mine] = own + first
        parts.append(
            Cells(
                part.geometry,
                np.full(len(middle), community, np.int32),
                _first_holding(trees[1], middle),
                _first_holding(trees[2], middle),
                shapely.area(part.geometry),
                part.outer_m,
                own,
                part.edges + first,
                part.border_m,
                part.strength,
                part.kind,
            )
        )
        first += len(middle)
    if not parts:
        raise CellError("There is no community.", remedy="Give at least one community area.")
    return _joined(parts, cell_of)


def cells_of_coverage(
    geometry: Geometries,
    community: NDArray[np.integer],
    cell_of_building: NDArray[np.integer],
    middle: Geometries,
    surroundings: Surroundings | None = None,
) -> Cells:
    """Make `Cells` of polygons that were built before: find which touch, and over what.

    Parameters
    ----------
    geometry : ndarray of Polygon, shape (n,)
        Metres; within a community a coverage.
    community : ndarray, shape (n,)
        Index of the community of each; those of a community stand together.
    cell_of_building : ndarray, shape (b,)
    middle : ndarray of Point, shape (n,)
        What says in which compound and site a cell lies: a point in its building where it has one.
    surroundings : Surroundings, optional
    """
    around = surroundings or Surroundings()
    lines, kinds = _all_lines(around)
    touching = _touching(geometry, lines, kinds)
    inside = community[touching.pair[:, 0]] == community[touching.pair[:, 1]]
    edges, border_m, strength, kind = _between(
        touching.pair[inside], touching.length_m[inside], touching.kind[inside]
    )
    # What two communities have in common is the border of both.
    across = ~inside & (touching.pair[:, 0] != touching.pair[:, 1])
    outer_m = touching.outer_m + sum(
        sums(touching.pair[across, side], touching.length_m[across], len(geometry))
        for side in (0, 1)
    )
    return Cells(
        geometry,
        community.astype(np.int32),
        _first_holding(shapely.STRtree(around.compounds), middle),
        _first_holding(shapely.STRtree(around.sites), middle),
        shapely.area(geometry),
        outer_m,
        cell_of_building.astype(np.int32),
        edges,
        border_m,
        strength,
        kind,
    )


def _joined(parts: list[Cells], cell_of: Ints) -> Cells:
    def all_of(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    return Cells(
        all_of("geometry"),
        all_of("community"),
        all_of("compound"),
        all_of("site"),
        all_of("area_m2"),
        all_of("outer_m"),
        cell_of,
        all_of("edges"),
        all_of("border_m"),
        all_of("strength"),
        all_of("kind"),
    )


def _first_holding(tree: shapely.STRtree, points: Geometries) -> Ints:
    found = np.full(len(points), -1, np.int32)
    if len(tree.geometries):
        point, polygon = tree.query(points, predicate="intersects")
        order = np.lexsort((-polygon, point))  # the first polygon is written last
        found[point[order]] = polygon[order]
    return found


def _all_lines(around: Surroundings) -> tuple[Geometries, Geometries]:
    walls = shapely.boundary(around.compounds)
    sites = shapely.boundary(around.sites)
    lines = np.concatenate([np.asarray(around.lines, object), walls, sites])
    kinds = np.concatenate(
        [
            np.asarray(around.kinds, object),
            np.where(around.walled, "wall", "outline").astype(object),
            np.full(len(sites), "site", object),
        ]
    )
    known = ~(shapely.is_missing(lines) | shapely.is_empty(lines))
    return lines[known], kinds[known]


@dataclass(frozen=True, slots=True)
class _Part:
    geometry: Geometries
    middle: Geometries
    """A point in each cell: in its building where it has one."""
    outer_m: Floats
    cell_of_building: Ints
    edges: Ints
    border_m: Floats
    strength: Floats
    kind: NDArray[np.uint8]


def _community_cells(
    area: shapely.Geometry,
    homes: Geometries,
    anchors: Geometries,
    lines: Geometries,
    kinds: Geometries,
    land_m2: float,
) -> _Part:
    """Cells of one community."""
    area = shapely.set_precision(area, GRID_M)
    cut = shapely.intersection(lines, area)
    border = shapely.unary_union([area.boundary, *cut], grid_size=GRID_M)
    enclosures = _faces(border, area)
    tree = shapely.STRtree(enclosures)
    enclosure_of = _one_each(tree, anchors, len(homes))
    land = _is_land(enclosures, enclosure_of, land_m2)
    ridges = _ridges(enclosures, enclosure_of, homes, anchors)
    ridges += _ridges_of_strips(enclosures, enclosure_of, land, homes, anchors)
    if ridges:
        border = shapely.unary_union([border, *ridges], grid_size=GRID_M)
        faces = _faces(border, area)
    else:
        faces = enclosures
    points = shapely.point_on_surface(faces)
    face_enclosure = _one_each(tree, points, len(faces))
    face_of = _one_each(shapely.STRtree(faces), anchors, len(homes))
    touching = _touching(faces, cut, kinds)
    cell_of_face, heads = _attach(
        faces, points, face_enclosure, face_of, touching, homes, land, enclosure_of
    )
    order = np.argsort(cell_of_face, kind="stable")
    starts = np.searchsorted(cell_of_face[order], np.arange(len(heads)))
    geometry = np.array(
        [
            shapely.coverage_union_all(group) if len(group) > 1 else group[0]
            for group in np.split(faces[order], starts[1:])
        ],
        dtype=object,
    )
    geometry = shapely.normalize(np.array([_polygon(g) for g in geometry], dtype=object))
    middle = points[heads].copy()
    first_home = np.unique(face_of, return_index=True)
    middle[cell_of_face[first_home[0]]] = anchors[first_home[1]]
    a, b = cell_of_face[touching.pair[:, 0]], cell_of_face[touching.pair[:, 1]]
    edges, border_m, strength, kind = _between(
        np.column_stack([a, b]), touching.length_m, touching.kind
    )
    outer_m = sums(cell_of_face, touching.outer_m, len(heads))
    return _Part(
        geometry,
        middle,
        outer_m,
        cell_of_face[face_of].astype(np.int32),
        edges,
        border_m,
        strength,
        kind,
    )


def _polygon(shape: shapely.Geometry) -> shapely.Geometry:
    """The polygon that a union of touching faces is."""
    parts = shapely.get_parts(shape)
    return parts[0] if len(parts) == 1 else shape


def _faces(border: shapely.Geometry, area: shapely.Geometry) -> Geometries:
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(border)))
    shapely.prepare(area)
    faces = faces[shapely.intersects(area, shapely.point_on_surface(faces))]
    faces = shapely.normalize(faces)
    box = shapely.bounds(faces)
    return faces[np.lexsort((box[:, 3], box[:, 2], box[:, 1], box[:, 0]))]


def _one_each(tree: shapely.STRtree, points: Geometries, count: int) -> NDArray[np.int64]:
    """Polygon that each point lies in, the first where several; the nearest where none does."""
    found = np.full(count, -1, np.int64)
    if not count:
        return found
    point, polygon = tree.query(points, predicate="intersects")
    order = np.lexsort((-polygon, point))
    found[point[order]] = polygon[order]
    missing = np.flatnonzero(found < 0)
    if len(missing):
        at, polygon = tree.query_nearest(points[missing], all_matches=True)
        order = np.lexsort((-polygon, at))
        found[missing[at[order]]] = polygon[order]
    return found


def _members(group: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    """Rows of each group, in their order."""
    order = np.argsort(group, kind="stable")
    ids, starts = np.unique(group[order], return_index=True)
    return {
        int(one): rows
        for one, rows in zip(ids, np.split(order, starts[1:])[: len(ids)], strict=True)
    }


def _ridges(
    enclosures: Geometries,
    enclosure_of: NDArray[np.int64],
    homes: Geometries,
    anchors: Geometries,
) -> list[shapely.Geometry]:
    """Boundaries between buildings of one enclosure, clipped to it."""
    found: list[shapely.Geometry] = []
    for enclosure, members in _members(enclosure_of).items():
        if len(members) < 2:
            continue
        shape = enclosures[enclosure]
        xy, owner = _outline_points(shape, homes[members], anchors[members])
        lines = _voronoi_borders(xy, owner, shape)
        if lines is not None:
            found.append(lines)
    return found


def _is_land(
    enclosures: Geometries, enclosure_of: NDArray[np.int64], land_m2: float
) -> NDArray[np.bool_]:
    """Which enclosures are cells of their own though nothing stands in them."""
    area, around = shapely.area(enclosures), shapely.length(enclosures)
    land = (area >= land_m2) & (4 * np.pi * area >= LAND_SHAPE * around**2)
    land[enclosure_of] = False
    return land


def _ridges_of_strips(
    enclosures: Geometries,
    enclosure_of: NDArray[np.int64],
    land: NDArray[np.bool_],
    homes: Geometries,
    anchors: Geometries,
) -> list[shapely.Geometry]:
    """Lines that share empty strips out among the buildings near them."""
    strip = ~land & (shapely.area(enclosures) >= _STRIP_M2)
    strip[enclosure_of] = False
    which = np.flatnonzero(strip)
    if not len(which) or not len(homes):
        return []
    at, home = shapely.STRtree(homes).query(
        enclosures[which], predicate="dwithin", distance=_STRIP_REACH_M
    )
    found = []
    for number, near in _members(at).items():
        members = np.sort(home[near])
        xy, owner = _outline_points(None, homes[members], anchors[members])
        lines = _voronoi_borders(xy, owner, enclosures[which[number]])
        if lines is not None:
            found.append(lines)
    return found


def _outline_points(
    enclosure: shapely.Geometry | None, homes: Geometries, anchors: Geometries
) -> tuple[Floats, NDArray[np.int64]]:
    shapes = homes if enclosure is None else shapely.intersection(homes, enclosure)
    inner = shapely.buffer(shapes, -INSET_M, quad_segs=1)
    shapes = np.where(shapely.is_empty(inner), shapes, inner)
    shapes = np.where(shapely.is_empty(shapes), anchors, shapes)
    rings = np.where(shapely.get_dimensions(shapes) == 2, shapely.boundary(shapes), shapes)
    xy, owner = shapely.get_coordinates(shapely.segmentize(rings, SPACING_M), return_index=True)
    # Exactly regular rows of houses make cells whose corners hang on rounding: every point is
    # moved a few millimetres, by its own coordinates and so always the same way.
    whole = np.round(xy * 1000).astype(np.int64)
    mixed = (whole[:, 0] * 73_856_093) ^ (whole[:, 1] * 19_349_663)
    shift = np.column_stack([mixed & 0x3FF, (mixed >> 10) & 0x3FF]) / 511.5 - 1.0
    xy = whole / 1000 + shift * _JITTER_M
    _, first = np.unique(whole, axis=0, return_index=True)
    first.sort()
    return xy[first], owner[first]


def _voronoi_borders(
    xy: Floats, owner: NDArray[np.int64], enclosure: shapely.Geometry
) -> shapely.Geometry | None:
    if len(np.unique(owner)) < 2:
        return None
    box = enclosure.bounds
    middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    far = float(np.abs(xy - middle).max())
    # Far enough away that no point of the enclosure is nearer to the frame than to a building.
    radius = 3.2 * float(np.hypot(box[2] - box[0], box[3] - box[1])) + 5 * _STRIP_REACH_M + far
    angle = (np.arange(9) + 0.37) * (2 * np.pi / 9)
    frame = middle + radius * np.column_stack([np.cos(angle), np.sin(angle)])
    points = np.vstack([xy, frame]) - middle
    belongs = np.concatenate([owner, np.full(len(frame), -1)])
    try:
        triangles = Delaunay(points)
    except QhullError as error:  # pragma: no cover - the frame always spans the plane
        raise CellError(f"Buildings cannot be told apart: {error}") from error
    corner = np.sort(triangles.simplices, axis=1)
    centre = _circumcentres(points, corner)
    beside = triangles.neighbors
    here = np.repeat(np.arange(len(beside)), 3)
    there = beside.ravel()
    across = np.array([[1, 2], [0, 2], [0, 1]])
    shared = triangles.simplices[:, across].reshape(-1, 2)
    wanted = (
        (there > here)
        & (belongs[shared[:, 0]] != belongs[shared[:, 1]])
        & (belongs[shared] >= 0).all(axis=1)
    )
    ends = np.stack([centre[here[wanted]], centre[there[wanted]]], axis=1) + middle
    ends = np.round(ends / GRID_M) * GRID_M
    good = np.isfinite(ends).all(axis=(1, 2)) & (ends[:, 0] != ends[:, 1]).any(axis=1)
    if not good.any():
        return None
    lines = shapely.line_merge(shapely.multilinestrings(shapely.linestrings(ends[good])))
    lines = shapely.simplify(shapely.get_parts(lines), STRAIGHT_M)
    return shapely.intersection(shapely.multilinestrings(lines), enclosure)


def _circumcentres(points: Floats, corner: NDArray[np.integer]) -> Floats:
    """Centres of the circles through three points each."""
    a = points[corner[:, 0]]
    b, c = points[corner[:, 1]] - a, points[corner[:, 2]] - a
    with np.errstate(divide="ignore", invalid="ignore"):
        d = 2 * (b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0])
        bb, cc = (b**2).sum(axis=1), (c**2).sum(axis=1)
        x = (c[:, 1] * bb - b[:, 1] * cc) / d
        y = (b[:, 0] * cc - c[:, 0] * bb) / d
    return a + np.column_stack([x, y])


@dataclass(frozen=True, slots=True)
class _Touching:
    """Shared borders of faces: a pair and a kind a row."""

    pair: NDArray[np.int64]
    length_m: Floats
    kind: NDArray[np.int64]
    outer_m: Floats
    """Length on no other face, for each face."""


def _touching(faces: Geometries, lines: Geometries, kinds: Geometries) -> _Touching:
    rings, face = shapely.get_rings(faces, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    whole = np.round(xy / GRID_M).astype(np.int64)
    along = ring[1:] == ring[:-1]
    start, end = whole[:-1][along], whole[1:][along]
    of = face[ring[:-1][along]]
    turned = (start[:, 0] > end[:, 0]) | ((start[:, 0] == end[:, 0]) & (start[:, 1] > end[:, 1]))
    low, high = np.where(turned[:, None], end, start), np.where(turned[:, None], start, end)
    key = np.hstack([low, high])
    order = np.lexsort(key.T)
    key, of = key[order], of[order]
    length = np.hypot(*(key[:, 2:] - key[:, :2]).T) * GRID_M
    twin = np.zeros(len(key), np.bool_)
    twin[:-1] = (key[:-1] == key[1:]).all(axis=1)
    at = np.flatnonzero(twin)
    outer = np.ones(len(key), np.bool_)
    outer[at] = outer[at + 1] = False
    outer_m = sums(of[outer], length[outer], len(faces))
    pair = np.sort(np.column_stack([of[at], of[at + 1]]), axis=1)
    kind = np.full(len(at), _NONE)
    if len(lines) and len(at):
        middle = shapely.points((key[at, :2] + key[at, 2:]) * (GRID_M / 2))
        where, line = shapely.STRtree(lines).query(middle, predicate="dwithin", distance=_ON_LINE_M)
        number = np.array([BARRIER_KINDS.index(k) for k in kinds], np.int64)[line]
        # The strongest line of several that run here; of equals the first kind.
        order = np.lexsort((-number, _STRENGTH[number], where))
        kind[where[order]] = number[order]
    return _Touching(pair, length[at], kind, outer_m)


def _between(
    pair: NDArray[np.integer], length_m: Floats, kind: NDArray[np.int64]
) -> tuple[Ints, Floats, Floats, NDArray[np.uint8]]:
    """Sums by pair: pairs, lengths, strengths by length, kinds with the greatest length."""
    apart = pair[:, 0] != pair[:, 1]
    pair, length_m, kind = np.sort(pair[apart], axis=1), length_m[apart], kind[apart]
    edges, of = np.unique(pair, axis=0, return_inverse=True)
    of = of.ravel()
    by_kind = np.zeros((len(edges), len(BARRIER_KINDS)))
    np.add.at(by_kind, (of, kind), length_m)
    total = by_kind.sum(axis=1)
    strength = (by_kind @ _STRENGTH) / np.maximum(total, 1e-9)
    return (
        edges.reshape(-1, 2).astype(np.int32),
        total,
        strength,
        by_kind.argmax(axis=1).astype(np.uint8),
    )


def _attach(
    faces: Geometries,
    points: Geometries,
    face_enclosure: NDArray[np.int64],
    face_of: NDArray[np.int64],
    touching: _Touching,
    homes: Geometries,
    land: NDArray[np.bool_],
    enclosure_of: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give every face to a cell; returns the cell of each face and the first face of each cell."""
    count = len(faces)
    head = np.full(count, -1, np.int64)  # the face whose cell a face belongs to
    head[face_of] = face_of
    area = shapely.area(faces)
    head[land[face_enclosure]] = np.flatnonzero(land[face_enclosure])
    if not (head >= 0).any():
        head[int(area.argmax())] = int(area.argmax())
    near: list[list[tuple[int, float, float]]] = [[] for _ in range(count)]
    pairs, length, strength, _ = _between(touching.pair, touching.length_m, touching.kind)
    for (a, b), metres, separates in zip(
        pairs.tolist(), length.tolist(), strength.tolist(), strict=True
    ):
        near[a].append((b, metres, separates))
        near[b].append((a, metres, separates))
    label = _nearest_building(points, face_enclosure, face_of, head, homes, enclosure_of)
    inhabited = np.zeros(len(land), np.bool_)
    inhabited[enclosure_of] = True
    # The strongest claim first: own pieces, the same enclosure, the nearest building's, then by
    # border and barrier.
    heap: list[tuple[float, float, int, int]] = []

    def claim(taken: int) -> None:
        for other, metres, separates in near[taken]:
            if head[other] < 0:
                rank = 2.0 + separates
                inside = face_enclosure[other] == face_enclosure[taken]
                if label[other] == head[taken]:
                    rank = 0.0 if inside else 0.5
                elif inside and inhabited[face_enclosure[taken]]:
                    rank = 1.0
                heapq.heappush(heap, (rank, -round(metres, 3), int(head[taken]), other))

    for face in np.flatnonzero(head >= 0).tolist():
        claim(face)
    while heap:
        _, _, owner, face = heapq.heappop(heap)
        if head[face] < 0:
            head[face] = owner
            claim(face)
    # Islands of the community's outline that touch no cell are cells of their own.
    for face in np.argsort(-area, kind="stable").tolist():
        if head[face] < 0:
            head[face] = face
            claim(face)
            while heap:
                _, _, owner, other = heapq.heappop(heap)
                if head[other] < 0:
                    head[other] = owner
                    claim(other)
    heads, cell = np.unique(head, return_inverse=True)
    return cell.ravel(), heads


def _nearest_building(
    points: Geometries,
    face_enclosure: NDArray[np.int64],
    face_of: NDArray[np.int64],
    head: NDArray[np.int64],
    homes: Geometries,
    enclosure_of: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Face of the building nearest to each face that holds none, in its enclosure if it can be."""
    label = np.full(len(points), -1, np.int64)
    loose = np.flatnonzero(head < 0)
    if not len(loose) or not len(homes):
        return label
    members = _members(enclosure_of)
    tree = shapely.STRtree(homes)
    for face in loose.tolist():
        mine = members.get(int(face_enclosure[face]))
        if mine is None:
            mine = np.sort(tree.query(points[face], predicate="dwithin", distance=_STRIP_REACH_M))
        if len(mine):
            distance = shapely.distance(homes[mine], points[face])
            label[face] = face_of[mine[int(distance.argmin())]]
    return label


def coverage_faults(cells: Cells, community: int, area: shapely.Geometry) -> list[str]:
    """What is wrong with the cells of a community; empty where they cover it exactly.

    Checks that they are a valid coverage (OGC: no overlaps, identical vertices), leave no gap, and
    cover the community to the rounding of their coordinates.
    """
    mine = cells.geometry[cells.community == community]
    faults = []
    if not shapely.coverage_is_valid(mine):
        bad = shapely.coverage_invalid_edges(mine)
        where = bad[~shapely.is_empty(bad)][0]
        faults.append(f"borders do not match at {where.centroid.wkt}")
    if not (shapely.get_type_id(mine) == 3).all():
        faults.append("a cell is not one piece")
    whole = shapely.coverage_union_all(mine)
    off = shapely.symmetric_difference(whole, area).area
    if off > 0.01 + GRID_M * 4 * area.length:
        faults.append(f"{off:.2f} m² are in no cell or outside the community")
    return faults


def components(count: int, edges: Ints) -> Ints:
    """Number of the connected piece of each cell, by its lowest cell."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int32)


def nearest_m(cells: Cells, points: Floats) -> Floats:
    """Metres from each cell to the nearest of ``points``, 0 where one lies inside; inf where none.

    Parameters
    ----------
    cells : Cells
    points : ndarray, shape (p, 2)
        Metres, in the CRS of the cells.
    """
    if not len(points):
        return np.full(len(cells), np.inf)
    middle = shapely.get_coordinates(shapely.point_on_surface(cells.geometry))
    _, near = cKDTree(points).query(middle, k=min(4, len(points)))
    places = shapely.points(points[np.asarray(near).reshape(len(cells), -1)])
    return shapely.distance(cells.geometry[:, None], places).min(axis=1)
