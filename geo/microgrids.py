"""Micro-grids: one unit of a high-rise, one multi-storey building, or a group of bungalows.

Every household is in exactly one micro-grid and every micro-grid in one base grid. Buildings
nobody lives in (shops, sheds) join the nearest micro-grid of their base grid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.cells import GRID_M, Cells, sums
from geo.dasymetric import spread
from geo.errors import DesignError
from geo.griddesign import design
from geo.standards import GridLimits, MicroGridRule

Floats = NDArray[np.float64]
Geometries = NDArray[np.object_]

KINDS = ("unit", "building", "bungalows", "empty")
"""Kinds of micro-grids; ``empty`` is a base grid in which nobody lives."""
UNIT, BUILDING, BUNGALOWS, EMPTY = range(4)
_NO_LIMIT = 10**9


@dataclass(frozen=True, slots=True)
class Buildings:
    """What is known of buildings, one a row.

    Attributes
    ----------
    footprint : ndarray of object, shape (b,)
        Metres.
    households, people : ndarray, shape (b,), whole numbers
    floors, units : ndarray, shape (b,), float64
        NaN where unknown.
    kind : ndarray of str, shape (b,)
        As in the layer of buildings; decides where floors are unknown.
    """

    footprint: Geometries
    households: NDArray[np.integer]
    people: NDArray[np.integer]
    floors: Floats
    units: Floats
    kind: Geometries


@dataclass(frozen=True, slots=True)
class MicroGrids:
    """Micro-grids and which part of which building is in which.

    Attributes
    ----------
    grid : ndarray, shape (m,), int32
        Base grid of each micro-grid.
    kind : ndarray, shape (m,), uint8
        Index into `KINDS`.
    serial : ndarray, shape (m,), int32
        Number within its base grid, from 1: west to east in rows from north to south.
    households, people, buildings, units : ndarray, shape (m,), int64
        What is in it; a unit's building counts where its first unit is. Heads: one a building
        people live in, one a unit.
    geometry : ndarray of object, shape (m,)
        The land of its buildings' cells.
    part_building, part_micro, part_households, part_people : ndarray, shape (q,)
        A row for each building, or each unit of one that is divided.
    """

    grid: NDArray[np.int32]
    kind: NDArray[np.uint8]
    serial: NDArray[np.int32]
    households: NDArray[np.int64]
    people: NDArray[np.int64]
    buildings: NDArray[np.int64]
    units: NDArray[np.int64]
    geometry: Geometries
    part_building: NDArray[np.int64]
    part_micro: NDArray[np.int64]
    part_households: NDArray[np.int64]
    part_people: NDArray[np.int64]


def microgrids(
    cells: Cells,
    grid: NDArray[np.integer],
    buildings: Buildings,
    *,
    rule: MicroGridRule | None = None,
    seed: int = 1,
) -> MicroGrids:
    """Divide base grids into micro-grids by rule.

    Parameters
    ----------
    cells : Cells
    grid : ndarray, shape (n,)
        Base grid of each cell, numbered from 0.
    buildings : Buildings
        In the order of ``cells.cell_of_building``; those outside every community are left out.
    rule : MicroGridRule, optional
    seed : int
        Of the grouping of bungalows.

    Raises
    ------
    DesignError
        If arrays do not fit, or counts are not whole numbers of 0 or more.
    """
    rule = rule or MicroGridRule()
    _check(cells, grid, buildings)
    home = np.flatnonzero(cells.cell_of_building >= 0)
    cell = cells.cell_of_building
    lived = (buildings.households > 0) | (buildings.people > 0)
    storeys = _storeys(buildings, rule)
    low = lived & (storeys <= rule.bungalow_floors)
    tall = lived & (storeys >= rule.high_rise_floors)
    grids: list[int] = []
    kinds: list[int] = []
    shapes: list[shapely.Geometry] = []
    rows: list[tuple[int, int, int, int]] = []  # building, micro-grid, households, people
    unit_of: list[int] = []
    # Cells that hold several buildings lie in one micro-grid unless one of them is divided.
    taken = np.full(len(cells), -1, np.int64)
    for building in home[(lived & ~low)[home]].tolist():
        at = int(cell[building])
        count = _unit_count(buildings, building, rule) if tall[building] else 1
        if count > 1 and taken[at] < 0:
            parts = split_along(cells.geometry[at], buildings.footprint[building], count)
            even = np.ones(count)
            h = spread(int(buildings.households[building]), even)
            p = spread(int(buildings.people[building]), even)
            for k in range(count):
                rows.append((building, len(grids), int(h[k]), int(p[k])))
                grids.append(int(grid[at]))
                kinds.append(UNIT)
                shapes.append(parts[k])
                unit_of.append(1)
            taken[at] = len(grids) - count
            continue
        if taken[at] < 0:
            taken[at] = len(grids)
            grids.append(int(grid[at]))
            kinds.append(UNIT if tall[building] else BUILDING)
            shapes.append(cells.geometry[at])
            unit_of.append(0)
        micro = int(taken[at])
        rows.append(
            (
                building,
                micro,
                int(buildings.households[building]),
                int(buildings.people[building]),
            )
        )
        unit_of[micro] += count if count > 1 else _known_units(buildings, building)
    _group_bungalows(cells, grid, buildings, low, taken, rule, seed, grids, kinds, shapes, unit_of)
    for building in home[low[home]].tolist():
        micro = int(taken[cell[building]])
        rows.append(
            (building, micro, int(buildings.households[building]), int(buildings.people[building]))
        )
    _join_rest(cells, grid, taken, grids, kinds, shapes, unit_of)
    rows += [(b, int(taken[cell[b]]), 0, 0) for b in home[~lived[home]].tolist()]
    table = np.array(rows, np.int64).reshape(-1, 4)
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    return _numbered(grids, kinds, shapes, unit_of, table, lived)


def recount(
    kind: NDArray[np.integer],
    parts: NDArray[np.integer],
    buildings: Buildings,
    *,
    rule: MicroGridRule | None = None,
) -> NDArray[np.int64]:
    """Count micro-grids again whose buildings have other figures now; nothing is drawn anew.

    Of the buildings they were made from it gives what `microgrids` counted.

    Parameters
    ----------
    kind : ndarray, shape (m,)
        Of each micro-grid, index into `KINDS`.
    parts : ndarray, shape (q, 4)
        Building, micro-grid, which unit of the building it is (from 0), and how many there are; a
        building that is not divided has one row with 0 and 1.
    buildings : Buildings
        As they are now.
    rule : MicroGridRule, optional

    Returns
    -------
    ndarray, shape (m, 4), int64
        Households, people, buildings and units of each.
    """
    rule = rule or MicroGridRule()
    lived = (buildings.households > 0) | (buildings.people > 0)
    storeys = _storeys(buildings, rule)
    low = lived & (storeys <= rule.bungalow_floors)
    counts = np.zeros((len(kind), 4), np.int64)
    for building, micro, part, of in np.asarray(parts, np.int64).reshape(-1, 4).tolist():
        even = np.ones(of)
        counts[micro, 0] += spread(int(buildings.households[building]), even)[part]
        counts[micro, 1] += spread(int(buildings.people[building]), even)[part]
        if not lived[building]:
            continue
        counts[micro, 2] += part == 0
        if of > 1 or kind[micro] == BUNGALOWS:
            counts[micro, 3] += 1
        elif not low[building]:
            tall = storeys[building] >= rule.high_rise_floors
            count = _unit_count(buildings, building, rule) if tall else 1
            counts[micro, 3] += count if count > 1 else _known_units(buildings, building)
    return counts


def _check(cells: Cells, grid: NDArray[np.integer], buildings: Buildings) -> None:
    count = len(cells.cell_of_building)
    if len(grid) != len(cells) or len(buildings.footprint) != count:
        raise DesignError(
            f"{len(grid)} grids of cells and {len(buildings.footprint)} buildings do not fit "
            f"{len(cells)} cells and {count} buildings.",
            remedy="Give the design and the buildings that the cells were made from.",
        )
    for name in ("households", "people"):
        values = getattr(buildings, name)
        if not np.issubdtype(values.dtype, np.integer) or (values < 0).any():
            raise DesignError(
                f"{name} of buildings are not whole numbers of 0 or more.",
                remedy="Round them; a household is in exactly one micro-grid.",
            )


def _storeys(buildings: Buildings, rule: MicroGridRule) -> Floats:
    usual = {
        "high_rise": float(rule.high_rise_floors),
        "bungalow": float(rule.bungalow_floors),
    }
    assumed = np.array([usual.get(str(k), rule.bungalow_floors + 1.0) for k in buildings.kind])
    return np.where(np.isfinite(buildings.floors), buildings.floors, assumed)


def _known_units(buildings: Buildings, building: int) -> int:
    units = buildings.units[building]
    return int(units) if np.isfinite(units) and units >= 1 else 1


def _unit_count(buildings: Buildings, building: int, rule: MicroGridRule) -> int:
    """Units of a high-rise: as known, else by the length of its long side."""
    units = buildings.units[building]
    if np.isfinite(units) and units >= 1:
        count = int(units)
    else:
        _, _, length = _long_side(buildings.footprint[building])
        count = max(1, round(length / rule.unit_m))
    return int(min(count, max(1, int(buildings.households[building]))))


def _long_side(footprint: shapely.Geometry) -> tuple[Floats, Floats, float]:
    """Middle of the smallest rectangle around a footprint, its long direction, its length."""
    box = shapely.minimum_rotated_rectangle(footprint)
    if box.geom_type != "Polygon":
        return shapely.get_coordinates(footprint)[0], np.array([1.0, 0.0]), 0.0
    corners = shapely.get_coordinates(box)[:4]
    sides = np.roll(corners, -1, axis=0) - corners
    length = np.hypot(*sides.T)
    longest = int(length.argmax())
    along = sides[longest] / max(length[longest], 1e-9)
    if (along[0], along[1]) < (0.0, 0.0):
        along = -along  # from west to east, whichever corner came first
    return corners.mean(axis=0), along, float(length[longest])


def split_along(
    land: shapely.Geometry, footprint: shapely.Geometry, count: int
) -> list[shapely.Geometry]:
    """Split land in parts by cutting its building across the long side at even distances.

    Returns
    -------
    list of geometry, length ``count``
        From west to east (south to north where the building runs that way); all of them together
        are the land. A part may be in pieces where the land is not convex, or empty where the
        land does not reach.
    """
    middle, along, length = _long_side(footprint)
    across = np.array([-along[1], along[0]])
    far = 10 * (shapely.length(land) + length + 1)
    at = (np.arange(1, count) / count - 0.5) * length
    cuts = [
        shapely.LineString([middle + s * along - far * across, middle + s * along + far * across])
        for s in at
    ]
    lines = shapely.unary_union(
        [land.boundary, *shapely.intersection(np.array(cuts, object), land)], grid_size=GRID_M
    )
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(lines)))
    points = shapely.point_on_surface(faces)
    inside = shapely.intersects(land, points)
    faces, points = faces[inside], points[inside]
    place = (shapely.get_coordinates(points) - middle) @ along
    part = np.searchsorted(at, place)
    return [shapely.union_all(faces[part == k]) for k in range(count)]


def _group_bungalows(
    cells: Cells,
    grid: NDArray[np.integer],
    buildings: Buildings,
    low: NDArray[np.bool_],
    taken: NDArray[np.int64],
    rule: MicroGridRule,
    seed: int,
    grids: list[int],
    kinds: list[int],
    shapes: list[shapely.Geometry],
    unit_of: list[int],
) -> None:
    """Group cells of bungalows within a base grid and a compound; writes ``taken``."""
    mine = low & (cells.cell_of_building >= 0)
    load = cells.count(np.where(mine, buildings.households, 0))
    people = cells.count(np.where(mine, buildings.people, 0))
    here = np.zeros(len(cells), np.bool_)
    here[cells.cell_of_building[mine]] = True
    # A bungalow on the cell of a taller building goes with it.
    chosen = np.flatnonzero(here & (taken < 0))
    if not len(chosen):
        return
    _, group = np.unique(
        np.column_stack([grid[chosen], cells.compound[chosen]]), axis=0, return_inverse=True
    )

    order = np.argsort(group.ravel(), kind="stable")
    chosen, group = chosen[order], group.ravel()[order]
    number = np.full(len(cells), -1, np.int64)
    number[chosen] = np.arange(len(chosen))
    ends = number[cells.edges]
    inner = (ends >= 0).all(axis=1) & (group[ends[:, 0]] == group[ends[:, 1]])
    ends = np.sort(ends[inner], axis=1)
    by = np.lexsort((ends[:, 1], ends[:, 0]))
    part = replace(
        cells,
        geometry=cells.geometry[chosen],
        community=group.astype(np.int32),
        compound=cells.compound[chosen],
        site=np.full(len(chosen), -1, np.int32),
        area_m2=cells.area_m2[chosen],
        outer_m=cells.outer_m[chosen],
        cell_of_building=np.empty(0, np.int32),
        edges=ends[by].astype(np.int32),
        border_m=cells.border_m[inner][by],
        strength=cells.strength[inner][by],
        kind=cells.kind[inner][by],
    )
    made = design(
        part,
        load[chosen],
        people[chosen],
        limits=GridLimits(rule.bungalow_households, _NO_LIMIT, rule.source),
        seed=seed,
        effort=0.1,
    )
    homes = np.bincount(cells.cell_of_building[mine], minlength=len(cells))
    for one in range(len(made.community)):
        members = chosen[made.grid == one]
        taken[members] = len(grids)
        grids.append(int(grid[members[0]]))
        kinds.append(BUNGALOWS)
        shapes.append(shapely.union_all(cells.geometry[members]))
        unit_of.append(int(homes[members].sum()))


def _join_rest(
    cells: Cells,
    grid: NDArray[np.integer],
    taken: NDArray[np.int64],
    grids: list[int],
    kinds: list[int],
    shapes: list[shapely.Geometry],
    unit_of: list[int],
) -> None:
    """Give cells nobody lives in to the nearest micro-grid of their base grid."""
    left = np.flatnonzero(taken < 0)
    owner = np.array(grids, np.int64)
    extra: dict[int, list[shapely.Geometry]] = {}
    for one in np.unique(grid[left]).tolist():
        mine = left[grid[left] == one]
        near = np.flatnonzero(owner == one)
        if len(near):
            places = np.array([shapes[k] for k in near], object)
            distance = shapely.distance(
                shapely.point_on_surface(cells.geometry[mine])[:, None], places[None, :]
            )
            taken[mine] = near[distance.argmin(axis=1)]
            for at in mine.tolist():
                extra.setdefault(int(taken[at]), []).append(cells.geometry[at])
        else:
            taken[mine] = len(grids)
            grids.append(one)
            kinds.append(EMPTY)
            shapes.append(shapely.union_all(cells.geometry[mine]))
            unit_of.append(0)
    for micro, more in extra.items():
        shapes[micro] = shapely.union_all([shapes[micro], *more])


def _numbered(
    grids: list[int],
    kinds: list[int],
    shapes: list[shapely.Geometry],
    unit_of: list[int],
    table: NDArray[np.int64],
    lived: NDArray[np.bool_],
) -> MicroGrids:
    """Put micro-grids in order of base grid and serial."""
    owner = np.array(grids, np.int32)
    geometry = np.array(shapes, dtype=object)
    middle = shapely.get_coordinates(shapely.point_on_surface(geometry))
    row = np.zeros(len(owner))
    for one in np.unique(owner):
        mine = owner == one
        count = max(1, round(float(np.sqrt(mine.sum()))))
        height = max(1.0, float(np.ptp(middle[mine, 1])) / count)
        row[mine] = np.minimum(count - 1, (middle[mine, 1].max() - middle[mine, 1]) // height)
    order = np.lexsort((middle[:, 0], row, owner))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    owner = owner[order]
    _, first, inverse = np.unique(owner, return_index=True, return_inverse=True)
    serial = np.arange(len(owner)) - first[inverse.ravel()] + 1
    micro = rank[table[:, 1]]
    _, opening = np.unique(table[:, 0], return_index=True)
    counted = opening[lived[table[opening, 0]]]
    count = len(owner)
    return MicroGrids(
        owner,
        np.array(kinds, np.uint8)[order],
        serial.astype(np.int32),
        sums(micro, table[:, 2].astype(float), count).round().astype(np.int64),
        sums(micro, table[:, 3].astype(float), count).round().astype(np.int64),
        np.bincount(micro[counted], minlength=count).astype(np.int64),
        np.array(unit_of, np.int64)[order],
        geometry[order],
        table[:, 0],
        micro,
        table[:, 2],
        table[:, 3],
    )
