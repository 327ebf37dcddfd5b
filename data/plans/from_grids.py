"""A new plan from grids of a file that need not be a partition yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from data.constraints import prove, refusals_explained
from data.plans.begin import begin_plan
from data.plans.branches import branch_groups
from data.plans.cells import read_homes, refresh_points
from data.plans.codes import grid_name, is_grid_code, new_codes
from data.plans.community import Community, GridRow, Limits
from data.plans.crossings import with_crossings
from data.plans.given import CameGrid, GivenGrid, PlanReport
from data.plans.images import new_grid_ids, outline_hex, put_grids
from data.plans.nesting import parent_of, pieces_inside
from data.plans.reading import no_communities, require_plan
from geo.billionths import snapped, to_degrees, to_units
from geo.repair import TOLERANCE_M, Finding, repair

Progress = Callable[[str, float], None]


def plan_from_grids(
    connection: Connection,
    name: str,
    grids: Sequence[GivenGrid],
    *,
    author: str,
    tolerance_m: float = TOLERANCE_M,
    based_on: int | None = None,
    progress: Progress | None = None,
) -> PlanReport:
    """Make a draft from grids that need not be a partition yet.

    Communities without any become one grid each.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.
    name : str
    grids : sequence of GivenGrid
    author : str
    tolerance_m : float
        Gaps and overlaps up to this width are closed without asking, metres.
    based_on : int, optional
        The plan these grids were taken from.
    progress : callable, optional
        Told stage and share done.

    Raises
    ------
    NotFoundError
        If there is no community.
    """
    areas = _areas(connection)
    # Assigned buildings follow buildings.community_id; the borders are the areas' own.
    borders = np.empty(len(areas), object)
    borders[:] = [_one(shapely.from_wkb(bytes(area.geom))) for area in areas]
    plan = require_plan(connection, begin_plan(connection, name, author=author, based_on=based_on))
    limits = Limits(plan.household_limit, plan.people_limit)
    report = PlanReport(plan.id)
    home = _homes_of(grids, areas, borders, report)
    refresh_points(connection, [area.id for area in areas])
    taken: set[str] = set()
    for number, area in enumerate(areas):
        if progress is not None:
            progress(area.name, number / len(areas))
        given = [g for g, n in zip(grids, home, strict=True) if n == number]
        rows, outline = _repaired(given, area, borders[number], taken, report, tolerance_m)
        homes = read_homes(connection, area.id)
        community = Community(
            plan_id=plan.id,
            id=area.id,
            code=area.code,
            name=area.name,
            version=1,
            state="draft",
            limits=limits,
            outline=outline,
            grids=_with_ids(connection, rows),
            building=homes.building,
            point=homes.point,
            households=homes.households,
            people=homes.people,
            grid_of=np.zeros(len(homes.building), np.int64),
            stations=np.empty((0, 2)),
        ).settled()
        bases = [g for g, row in community.grids.items() if row.kind != "micro"]
        community = with_crossings(connection, community, bases)
        report.branches += _parted_branches(community)
        _insert_community(connection, community, borders[number])
        report.grids += len(community.grids)
    prove(connection)
    return report


def _areas(connection: Connection) -> Sequence[Any]:
    areas = connection.execute(
        text(
            "SELECT id, code, name, ST_AsBinary(geom) AS geom FROM areas"
            " WHERE level = 'community' ORDER BY code"
        )
    ).all()
    if not areas:
        raise no_communities()
    return areas


def _one(border: shapely.Geometry) -> shapely.Geometry:
    """Round a border; of a multipolygon with one part, the part."""
    units = shapely.make_valid(to_units(border))
    parts = [
        p
        for part in shapely.get_parts(units)
        for p in shapely.get_parts(part)
        if p.geom_type == "Polygon" and p.area > 0
    ]
    return to_degrees(parts[0] if len(parts) == 1 else shapely.multipolygons(parts))


def _homes_of(
    grids: Sequence[GivenGrid],
    areas: Sequence[Any],
    borders: NDArray[np.object_],
    report: PlanReport,
) -> list[int]:
    """Find each grid's community: as the file says, else where most of it lies; -1 for none."""
    by_code = {area.code: n for n, area in enumerate(areas)}
    tree = shapely.STRtree(borders)
    home = []
    for grid in grids:
        found = by_code.get(grid.community or "", -1)
        if found < 0 or not shapely.intersects(borders[found], grid.shape):
            near = tree.query(grid.shape, predicate="intersects")
            shared = shapely.area(
                shapely.intersection(shapely.make_valid(grid.shape), borders[near])
            )
            found = int(near[int(np.argmax(shared))]) if len(near) and shared.max() > 0 else -1
        if found < 0:
            report.leave_out(grid)
        home.append(found)
    return home


def _repaired(
    given: Sequence[GivenGrid],
    area: Any,
    border: shapely.Geometry,
    taken: set[str],
    report: PlanReport,
    tolerance_m: float,
) -> tuple[list[GridRow], shapely.Geometry]:
    """Part a community into grids of the file; gives rows, micro-grids last, and its outline."""
    own = [g for g in given if g.kind != "micro"]
    repaired = repair([g.shape for g in own], border, tolerance_m=tolerance_m)
    rows, codes = _rows(own, repaired.shapes, area, taken, report)
    if own:
        report.moved_m2 += repaired.moved_m2
        report.findings += [_finding(f, own, codes, area) for f in repaired.findings]
        report.places += [f.shape for f in repaired.findings]
    _add_micro(rows, [g for g in given if g.kind == "micro"], report)
    return rows, repaired.outline


def _rows(
    own: Sequence[GivenGrid],
    shapes: NDArray[np.object_],
    area: Any,
    taken: set[str],
    report: PlanReport,
) -> tuple[list[GridRow], dict[int, str]]:
    """Make rows, with codes of the community for those that have none; codes by place, too."""
    kept: list[tuple[GivenGrid | None, shapely.Polygon]] = []
    place: list[int] = []
    for n, shape in enumerate(shapes):
        if shape is None:
            report.leave_out(own[n])
        else:
            kept.append((own[n] if n < len(own) else None, shape))
            place.append(n)
    codes = [g.code if g is not None and is_grid_code(g.code, area.code) else None for g, _ in kept]
    seen: set[str] = set()
    for n, code in enumerate(codes):
        if code in seen or code in taken:
            codes[n] = None
        elif code is not None:
            seen.add(code)
    missing = [n for n, code in enumerate(codes) if code is None]
    free = new_codes(area.code, area.name, seen, [kept[n][1] for n in missing])
    for n, code in zip(missing, free, strict=True):
        codes[n] = code
    rows = []
    for n, ((grid, shape), code) in enumerate(zip(kept, codes, strict=True)):
        assert code is not None  # noqa: S101 — every gap was filled above
        taken.add(code)
        if own:
            report.came.append(CameGrid(grid, code, shape))
        if grid is None and own:
            report.added.append(code)
        if grid is not None and grid.code != code:
            report.renamed.append((grid.code, code))
        row = GridRow(
            id=-n - 1, code=code, name=grid_name(area.name, code), kind="base", shape=shape
        )
        if grid is not None:
            row = replace(
                row,
                name=grid.name or row.name,
                kind=grid.kind,
                branch=grid.branch,
                staff=grid.staff,
            )
        rows.append(row)
    return rows, {n: row.code for n, row in zip(place, rows, strict=True)}


def _add_micro(rows: list[GridRow], micro: Sequence[GivenGrid], report: PlanReport) -> None:
    """Put each micro-grid into the grid most of it lies in, beside those there are already."""
    bases = list(rows)
    for grid in micro:
        shape = shapely.make_valid(snapped(grid.shape))
        parent = parent_of(shape, bases)
        pieces = []
        if parent is not None:
            beside = [row.shape for row in rows if row.parent_id == parent.id]
            pieces = pieces_inside(shape, parent.shape, beside)
        if parent is None or not pieces:
            report.leave_out(grid)
            continue
        kept = snapped(max(pieces, key=shapely.area))
        report.came.append(CameGrid(grid, grid.code, kept))
        rows.append(
            GridRow(
                id=-len(rows) - 1,
                code=grid.code,
                name=grid.name,
                kind="micro",
                parent_id=parent.id,
                branch=grid.branch,
                staff=grid.staff,
                shape=kept,
            )
        )


def _parted_branches(community: Community) -> list[dict[str, Any]]:
    """Party branches whose grids are no neighbours, with the codes of each part."""
    return [
        {
            "community": community.code,
            "branch": name,
            "grids": [[community.grids[g].code for g in ids] for ids in groups],
        }
        for name, groups in branch_groups(community.grids.values()).items()
        if len(groups) > 1
    ]


def _finding(
    finding: Finding, own: Sequence[GivenGrid], codes: dict[int, str], area: Any
) -> dict[str, Any]:
    return {
        "community": area.code,
        "rule": finding.rule,
        "grids": [own[g].code for g in finding.grids if g < len(own)],
        "area_m2": round(finding.area_m2, 2),
        "width_m": round(finding.width_m, 2),
        "at": [round(v, 7) for v in finding.at],
        "decided": finding.decided,
        "given_to": codes.get(finding.given_to),
    }


def _with_ids(connection: Connection, rows: Sequence[GridRow]) -> dict[int, GridRow]:
    ids = dict(zip([r.id for r in rows], new_grid_ids(connection, len(rows)), strict=True))
    return {
        ids[row.id]: replace(
            row,
            id=ids[row.id],
            parent_id=None if row.parent_id is None else ids[row.parent_id],
        )
        for row in rows
    }


def _insert_community(
    connection: Connection, community: Community, border: shapely.Geometry
) -> None:
    bound = {"plan": community.plan_id, "community": community.id}
    inside = community.grid_of > 0
    with refusals_explained():
        connection.execute(
            text(
                "INSERT INTO plan_communities (plan_id, community_id, outline, border) VALUES"
                " (:plan, :community, CAST(:outline AS geometry), CAST(:border AS geometry))"
            ),
            bound | {"outline": outline_hex(community.outline), "border": outline_hex(border)},
        )
        put_grids(
            connection,
            [g.image(community.plan_id, community.id) for g in community.grids.values()],
        )
        connection.execute(
            text(
                "INSERT INTO plan_buildings (plan_id, building_id, community_id, grid_id)"
                " SELECT :plan, b, :community, g FROM"
                " unnest(CAST(:b AS bigint[]), CAST(:g AS bigint[])) AS t (b, g)"
            ),
            bound
            | {
                "b": community.building[inside].tolist(),
                "g": community.grid_of[inside].tolist(),
            },
        )
