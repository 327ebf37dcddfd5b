"""Streets, communities and base grids: coverages cut from one set of pieces."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from data.sample.names import Name, Names
from data.sample.parting import Neighbours, part
from data.sample.town import Town

Ints = NDArray[np.integer]
Floats = NDArray[np.float64]

_SNAP_M = 0.05
_CUT_FROM = 110
"""Compounds with more households than this may be parted between grids."""

_BARRIER = {
    "ring": 9.0,
    "avenue": 8.0,
    "arterial": 6.0,
    "bank": 8.0,
    "railside": 7.0,
    "collector": 3.0,
    "street": 1.6,
    "lane": 1.0,
    "outgoing": 5.0,
    "country": 1.0,
}
_MIDSTREAM = 30.0


@dataclass(slots=True)
class Area:
    """A district, street or community."""

    level: str
    code: str
    name: Name
    parent: str
    geometry: shapely.Geometry


@dataclass(slots=True)
class Grid:
    """A base grid with its fifteen digits."""

    code: str
    name: str
    community: str
    households: int
    people: int
    geometry: shapely.Geometry


@dataclass(slots=True)
class Areas:
    """Administrative areas and grids of a town, with the community of every building."""

    areas: list[Area] = field(default_factory=list)
    grids: list[Grid] = field(default_factory=list)
    community_of: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Pieces:
    """The atoms: small faces that are never cut again."""

    polygons: NDArray[np.object_]
    near: Neighbours
    block: Ints
    households: NDArray[np.float64]
    people: NDArray[np.float64]
    of_building: Ints


def draw_areas(town: Town, names: Names, rng: np.random.Generator) -> Areas:
    """Part a town into streets, communities and base grids of equal households.

    Parameters
    ----------
    town : Town
        With households counted.
    names : Names
    rng : Generator

    Returns
    -------
    Areas
        Codes nest: 6 digits of the county, 3 of the street, 3 of the community, 3 of the grid.
        Grids of a community are numbered from west to east and north to south.
    """
    size, plan = town.plan.size, town.plan
    pieces = _pieces(town)
    blocks = len(plan.blocks)
    block_households = _sums(pieces.block, pieces.households, blocks)
    block_near = _between_blocks(pieces)
    per_street = np.diff(np.linspace(0, size.communities, size.streets + 1).round()).astype(int)
    street = part(block_households, block_near, per_street.astype(float), rng, trees=40)
    result = Areas(community_of=[""] * len(town.buildings))
    result.areas.append(
        Area("district", size.code, (size.name_zh, size.name_en), "", _union(pieces, None))
    )
    communities: list[tuple[str, Ints]] = []
    for s in range(size.streets):
        inside = np.flatnonzero(street == s)
        of_street = np.isin(pieces.block, inside)
        code = f"{size.code}{s + 1:03d}"
        result.areas.append(
            Area("street", code, names.subdistrict(), size.code, _union(pieces, of_street))
        )
        near = block_near.among(inside)
        label = part(block_households[inside], near, np.ones(per_street[s]), rng, trees=40)
        for c in range(int(per_street[s])):
            own = np.isin(pieces.block, inside[label == c])
            community = f"{code}{c + 1:03d}"
            result.areas.append(
                Area("community", community, names.community(), code, _union(pieces, own))
            )
            communities.append((community, np.flatnonzero(own)))
    _grids(town, pieces, communities, result, rng)
    for code, members in communities:
        inside_piece = np.zeros(len(pieces.polygons), bool)
        inside_piece[members] = True
        for b in np.flatnonzero(inside_piece[pieces.of_building]):
            result.community_of[int(b)] = code
    return result


def _grids(
    town: Town,
    pieces: _Pieces,
    communities: list[tuple[str, Ints]],
    result: Areas,
    rng: np.random.Generator,
) -> None:
    total = np.array([pieces.households[m].sum() for _, m in communities])
    exact = total / total.sum() * town.plan.size.grids
    number = np.maximum(1, np.floor(exact)).astype(int)
    while number.sum() < town.plan.size.grids:
        number[int((exact - number).argmax())] += 1
    while number.sum() > town.plan.size.grids:
        number[int((exact - number).argmin())] -= 1
    title = {area.code: area.name[0] for area in result.areas}
    for (code, members), count in zip(communities, number, strict=True):
        near = pieces.near.among(members)
        label = part(pieces.households[members], near, np.ones(count), rng, trees=14)
        shapes = [_union(pieces, members[label == g]) for g in range(count)]
        centre = np.array([(p.x, p.y) for p in shapely.centroid(shapes)])
        order = np.lexsort((-centre[:, 1], np.round(centre[:, 0] / 120)))
        for serial, g in enumerate(order, 1):
            own = members[label == g]
            result.grids.append(
                Grid(
                    f"{code}{serial:03d}",
                    f"{title[code]}第{serial}网格",
                    code,
                    int(pieces.households[own].sum()),
                    int(pieces.people[own].sum()),
                    shapes[g],
                )
            )


def _union(pieces: _Pieces, chosen: NDArray[np.generic] | None) -> shapely.Geometry:
    polygons = pieces.polygons if chosen is None else pieces.polygons[chosen]
    return shapely.coverage_union_all(polygons)


def _pieces(town: Town) -> _Pieces:
    """Cut the town along streets, property boundaries and rows of large compounds."""
    plan = town.plan
    lines: list[shapely.Geometry] = list(plan.street_lines())
    seen: set[int] = set()
    for lot in town.lots:
        if lot.parting is not None and lot.block not in seen:
            seen.add(lot.block)
            a, b = lot.parting
            over = (b - a) / np.hypot(*(b - a))
            lines.append(shapely.LineString((a - over, b + over)))
    for compound in town.compounds:
        households = sum(town.buildings[i].households for i in compound.buildings)
        if households < _CUT_FROM:
            continue
        parcel = _parcel(town, compound.lot)
        room = parcel.buffer(1.0, join_style="mitre")
        for cut in compound.cuts:
            inside = shapely.get_parts(cut.intersection(room))
            lines += [x for x in inside if x.geom_type == "LineString"]
    noded = shapely.union_all(lines, grid_size=_SNAP_M)
    faces = np.asarray(shapely.get_parts(shapely.polygonize(shapely.get_parts(noded))))
    inner = shapely.point_on_surface(faces)
    blocks = np.array([block.polygon for block in plan.blocks])
    tree = shapely.STRtree(blocks)
    which, block = tree.query(inner, predicate="intersects")
    kept, first = np.unique(which, return_index=True)
    faces = faces[kept]
    block_of = np.asarray(block)[first]
    spots = shapely.points(np.array([b.xy for b in town.buildings]))
    building, face = (np.asarray(x) for x in shapely.STRtree(faces).query(spots, "intersects"))
    of_building = np.full(len(spots), -1, np.int64)
    of_building[building[::-1]] = face[::-1]
    homes = np.array([b.households for b in town.buildings], float)
    people = np.array([b.people for b in town.buildings], float)
    near = _touching(town, faces, block_of)
    return _Pieces(
        faces,
        near,
        block_of,
        _sums(of_building, homes, len(faces)),
        _sums(of_building, people, len(faces)),
        of_building,
    )


def _parcel(town: Town, number: int) -> shapely.Polygon:
    """Find the part of a block that belongs to a lot, up to the middle of the streets."""
    lot = town.lots[number]
    polygon = town.plan.blocks[lot.block].polygon
    if lot.parting is None:
        return polygon
    a, b = lot.parting
    over = (b - a) / np.hypot(*(b - a))
    cut = shapely.LineString((a - over, b + over))
    halves = shapely.get_parts(shapely.polygonize([shapely.union_all([polygon.boundary, cut])]))
    middle = lot.land.representative_point()
    for side in halves:
        if side.contains(middle):
            return side
    return polygon


def _touching(town: Town, faces: NDArray[np.object_], block: Ints) -> Neighbours:
    """Shared borders of faces, by their common segments."""
    owner, start, end = _segments(faces)
    swap = (start[:, 0] > end[:, 0]) | ((start[:, 0] == end[:, 0]) & (start[:, 1] > end[:, 1]))
    low = np.where(swap[:, None], end, start)
    high = np.where(swap[:, None], start, end)
    order = np.lexsort((high[:, 1], high[:, 0], low[:, 1], low[:, 0]))
    low, high, owner = low[order], high[order], owner[order]
    same = (low[1:] == low[:-1]).all(axis=1) & (high[1:] == high[:-1]).all(axis=1)
    i = np.flatnonzero(same)
    pairs = np.sort(np.column_stack((owner[i], owner[i + 1])), axis=1)
    length = np.hypot(*(high[i] - low[i]).T)
    middle = (high[i] + low[i]) / 2
    edges = town.plan.edges
    tree = shapely.STRtree(town.plan.street_lines())
    nearest = tree.query_nearest(shapely.points(middle), all_matches=False)[1]
    across = block[pairs[:, 0]] != block[pairs[:, 1]]
    street = np.array([_barrier_of(town, e) for e in range(len(edges))])
    barrier = np.where(across, street[nearest], 0.0)
    return _joint(pairs, length, barrier)


def _barrier_of(town: Town, number: int) -> float:
    edge = town.plan.edges[number]
    if edge.kind:
        return _BARRIER[edge.kind]
    return _MIDSTREAM


def _segments(
    faces: NDArray[np.object_],
) -> tuple[Ints, NDArray[np.float64], NDArray[np.float64]]:
    rings = shapely.get_exterior_ring(faces)
    xy, owner = shapely.get_coordinates(rings, return_index=True)
    same = owner[1:] == owner[:-1]
    return owner[:-1][same], xy[:-1][same], xy[1:][same]


def _between_blocks(pieces: _Pieces) -> Neighbours:
    """Shared borders of whole blocks."""
    near = pieces.near
    pairs = np.sort(pieces.block[near.pairs], axis=1)
    across = pairs[:, 0] != pairs[:, 1]
    return _joint(pairs[across], near.length_m[across], near.barrier[across])


def _joint(pairs: Ints, length: Floats, barrier: Floats) -> Neighbours:
    """Add up borders of the same two pieces; a barrier is the mean along the border."""
    key, group = np.unique(pairs, axis=0, return_inverse=True)
    total = _sums(group.ravel(), length, len(key))
    return Neighbours(key, _sums(group.ravel(), barrier * length, len(key)) / total, total)


def _sums(group: Ints, values: Floats, count: int) -> Floats:
    return np.bincount(group, values, count).astype(np.float64)
