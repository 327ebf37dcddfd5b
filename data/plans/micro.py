"""Micro-grids of a plan by rule: inside base grids, each with a code, counted for its heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from data.errors import InvalidRowError
from data.plans.community import Community, GridRow
from data.plans.draft import Draft, Request
from data.plans.nesting import pieces_inside
from data.surroundings import in_metres, surroundings
from geo.billionths import snapped
from geo.cells import GRID_M, build_cells
from geo.crs import projected_crs, unproject
from geo.microgrids import EMPTY, KINDS, UNIT, Buildings, MicroGrids, microgrids

Geometries = NDArray[np.object_]

COUNTED = "of"
"""Key in the counts of a micro-grid made by rule: what it was counted from, a `PART` a building."""
PART = ("building", "part", "parts", "households", "people", "units")
"""Of a building, or a unit of a divided one: id, which unit of how many, and the building's figures
when it was counted. Figures that differ now mean that the counts are stale."""


@dataclass(frozen=True, slots=True)
class MicroGrid:
    """A micro-grid to be: its base grid, code, name, counts, and polygon in WGS84 degrees."""

    parent: int
    code: str
    name: str
    counts: Mapping[str, Any]
    shape: shapely.Polygon


def micro_of(connection: Connection, community: Community) -> list[MicroGrid]:
    """Divide the base grids of a community into micro-grids by `geo.standards.MicroGridRule`.

    The cells are made within each base grid, so that micro-grids nest in it whatever its course.
    Land that comes in pieces goes to the neighbours: a micro-grid is one polygon. Base grids
    nobody lives in, and exclusive grids, get none.

    Parameters
    ----------
    connection : Connection
    community : Community

    Raises
    ------
    geo.errors.DesignError
        If the buildings make no sense.
    """
    base = sorted((g for g in community.grids.values() if g.kind == "base"), key=lambda g: g.code)
    if not base:
        return []
    shapes = np.array([g.shape for g in base], object)
    crs = projected_crs(shapely.total_bounds(shapes).tolist()).to_wkt()
    homes = read_buildings(connection, community)
    footprints = in_metres(homes["geom"], crs)
    around = _around(connection, community.outline, crs)
    # Every footprint is known by the point that the plan counts it at.
    areas = np.array([shapely.make_valid(a) for a in in_metres(shapes, crs)], object)
    cells = build_cells(areas, footprints, around)
    made = microgrids(
        cells,
        cells.community.astype(np.int64),
        Buildings(
            footprints,
            homes["households"],
            homes["people"],
            homes["floors"],
            homes["units"],
            homes["kind"],
        ),
    )
    polygons = _whole(made)
    counted = counted_from(made, homes)
    digits = 2 if np.bincount(made.grid).max(initial=0) < 100 else 3
    names = _names(made, homes["name"])
    result = []
    for n, polygon in enumerate(polygons):
        if made.kind[n] == EMPTY or polygon is None:
            continue
        parent = base[int(made.grid[n])]
        degrees = snapped(shapely.transform(polygon, lambda xy: unproject(xy, crs)))
        pieces = pieces_inside(shapely.make_valid(degrees), parent.shape)
        if not pieces:
            continue
        serial = int(made.serial[n])
        result.append(
            MicroGrid(
                parent.id,
                f"{parent.code}{serial:0{digits}d}",
                names[n] or f"{parent.name}微网格{serial}",
                {
                    "kind": KINDS[made.kind[n]],
                    "households": int(made.households[n]),
                    "people": int(made.people[n]),
                    "buildings": int(made.buildings[n]),
                    "units": int(made.units[n]),
                    COUNTED: counted[n],
                },
                snapped(max(pieces, key=shapely.area)),
            )
        )
    return result


def make_microgrids(connection: Connection, draft: Draft, _request: Request) -> None:
    """Put micro-grids by rule in the place of those the community has."""
    put_microgrids(draft, micro_of(connection, draft.community))


def put_microgrids(draft: Draft, made: Sequence[MicroGrid]) -> None:
    """Replace the micro-grids of a community; one that is as before stays the same row.

    Raises
    ------
    InvalidRowError
        If there are none: nobody lives in its base grids.
    """
    if not made:
        raise InvalidRowError(
            f"Nobody lives in the base grids of {draft.community.name}: nothing to divide.",
            remedy="Import buildings with households first.",
            zh=(
                f"{draft.community.name}的基础网格中没有住户，无法划分微网格。",
                "请先导入带户数的楼栋。",
            ),
        )
    old = {g.code: g for g in draft.rows.values() if g.kind == "micro"}
    for row in old.values():
        del draft.rows[row.id]
    for number, one in enumerate(made, start=1):
        before = old.pop(one.code, None)
        row = GridRow(
            id=-number if before is None else before.id,
            code=one.code,
            name=one.name,
            kind="micro",
            parent_id=one.parent,
            shape=one.shape,
            counts=one.counts,
        )
        if before is not None:
            row = replace(row, branch=before.branch, staff=before.staff, version=before.version)
        if before is not None and shapely.equals_identical(before.shape, row.shape):
            same = replace(row, shape=before.shape)
            row = before if same == before else same
        draft.rows[row.id] = row
    draft.removed += [g.id for g in old.values()]


def counted_from(made: MicroGrids, homes: Mapping[str, Any]) -> list[list[list[Any]]]:
    """What each micro-grid was counted from: `PART` of every building in it."""
    result: list[list[list[Any]]] = [[] for _ in made.grid]
    _, first, count = np.unique(made.part_building, return_index=True, return_counts=True)
    for start, parts in zip(first.tolist(), count.tolist(), strict=True):
        building = int(made.part_building[start])
        for part in range(parts):
            result[made.part_micro[start + part]].append(
                part_of(homes, building, part=part, parts=parts)
            )
    return result


def part_of(homes: Mapping[str, Any], building: int, *, part: int, parts: int) -> list[Any]:
    """One building, or one unit of it, as `PART` says; ``building`` is its place in ``homes``."""
    units = homes["units"][building]
    return [
        int(homes["id"][building]),
        part,
        parts,
        int(homes["households"][building]),
        int(homes["people"][building]),
        int(units) if np.isfinite(units) else None,
    ]


def read_buildings(connection: Connection, community: Community) -> dict[str, Any]:
    """Read the buildings of a community, by id: arrays, and geometries in WGS84 degrees."""
    rows = connection.execute(
        text(
            "SELECT id, name, kind, coalesce(households, 0) AS households,"
            " coalesce(people, 0) AS people, floors, units, ST_AsBinary(geom) AS geom"
            " FROM buildings WHERE id = ANY(:ids) ORDER BY id"
        ),
        {"ids": community.building.tolist()},
    ).all()

    def numbers(name: str) -> NDArray[np.float64]:
        return np.array(
            [np.nan if getattr(r, name) is None else getattr(r, name) for r in rows], float
        )

    geom = np.empty(len(rows), object)
    geom[:] = [shapely.from_wkb(bytes(r.geom)) for r in rows]
    return {
        "id": np.array([r.id for r in rows], np.int64),
        "name": [r.name for r in rows],
        "kind": np.array([r.kind for r in rows], object),
        "households": np.array([r.households for r in rows], np.int64),
        "people": np.array([r.people for r in rows], np.int64),
        "floors": numbers("floors"),
        "units": numbers("units"),
        "geom": geom,
    }


def _around(connection: Connection, outline: shapely.Geometry, crs: str) -> Any:
    bound = {"area": shapely.to_wkb(shapely.set_srid(outline, 4326), hex=True, include_srid=True)}
    near = "ST_Intersects(geom, CAST(:area AS geometry))"
    compounds = connection.execute(
        text(
            f"SELECT code, walled, ST_AsBinary(geom) AS geom FROM compounds WHERE {near}"
            " ORDER BY code"
        ),
        bound,
    ).all()
    base = connection.execute(
        text(
            f"SELECT layer, kind, ST_AsBinary(geom) AS geom FROM base_features WHERE {near}"
            " AND layer IN ('road', 'rail', 'water') AND ST_Dimension(geom) > 0 ORDER BY id"
        ),
        bound,
    ).all()

    def frame(rows: Sequence[Any], columns: Sequence[str]) -> gpd.GeoDataFrame:
        return gpd.GeoDataFrame(
            {c: [getattr(r, c) for r in rows] for c in columns},
            geometry=[shapely.from_wkb(bytes(r.geom)) for r in rows],
            crs="EPSG:4326",
        )

    return surroundings(
        frame(base, ("layer", "kind")),
        frame(compounds, ("code", "walled")),
        np.empty(0, object),
        crs,
    )


def _whole(made: MicroGrids) -> list[shapely.Polygon | None]:
    """One polygon a micro-grid: further pieces go to the neighbour with the longest border."""
    result: list[shapely.Polygon | None] = [None] * len(made.grid)
    for grid in np.unique(made.grid):
        mine = np.flatnonzero(made.grid == grid).tolist()
        stray: list[shapely.Polygon] = []
        for n in mine:
            pieces = [p for p in shapely.get_parts(made.geometry[n]) if p.geom_type == "Polygon"]
            pieces.sort(key=shapely.area)
            if pieces:
                result[n] = pieces.pop()
            stray += pieces
        stray.sort(key=shapely.area, reverse=True)
        while stray:
            held = [n for n in mine if result[n] is not None]
            lines = shapely.boundary(np.array([result[n] for n in held], object))
            left = []
            for piece in stray:
                shared = shapely.length(shapely.intersection(lines, shapely.boundary(piece)))
                best = int(shared.argmax())
                if shared[best] <= 0:
                    left.append(piece)
                    continue
                joined = shapely.union_all([result[held[best]], piece], grid_size=GRID_M)
                if joined.geom_type != "Polygon":
                    left.append(piece)
                    continue
                result[held[best]] = joined
                lines[best] = shapely.boundary(joined)
            if len(left) == len(stray):
                break  # touches nothing: a speck between borders
            stray = left
    return result


def _names(made: MicroGrids, names: Sequence[str]) -> list[str]:
    """Names of micro-grids after their buildings: 3号楼, 3号楼2单元; empty for groups."""
    result = [""] * len(made.grid)
    units: dict[int, int] = {}
    for building, micro, households, people in zip(
        made.part_building, made.part_micro, made.part_households, made.part_people, strict=True
    ):
        name = names[building]
        if not name or (not households and not people) or KINDS[made.kind[micro]] == "bungalows":
            continue
        if made.kind[micro] == UNIT and (made.part_building == building).sum() > 1:
            units[building] = units.get(building, 0) + 1
            result[micro] = f"{name}{units[building]}单元"
        elif not result[micro]:
            result[micro] = name
    return [name[:200] for name in result]
