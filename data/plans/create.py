"""New plans: from the published one, from another, empty, or from grids of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from data.constraints import refusal
from data.errors import InvalidRowError, NotFoundError
from data.plans.branches import branch_groups
from data.plans.cells import read_homes, refresh_points
from data.plans.codes import grid_code, is_grid_code, next_serials, numbered
from data.plans.community import Community, GridRow, Limits
from data.plans.crossings import with_crossings
from data.plans.edits import outline_hex, prove
from data.plans.limits import set_limits
from data.plans.models import STAFF
from data.plans.reading import no_plan, require_plan
from geo.grid_rules import HOUSEHOLDS, PEOPLE
from geo.partition import to_degrees, to_units
from geo.repair import TOLERANCE_M, Finding, repair

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class GivenGrid:
    """A grid as a file has it; ``shape`` in WGS84 degrees.

    Attributes
    ----------
    code, name, kind : str
    community : str or None
        Code of the community, where the file says it.
    staff : tuple of int
    """

    code: str
    name: str
    kind: str
    community: str | None
    shape: shapely.Geometry
    branch: str = ""
    staff: tuple[int, ...] = (0,) * len(STAFF)


@dataclass(frozen=True, slots=True)
class CameGrid:
    """A grid as a file has it, and what became of it.

    Attributes
    ----------
    given : GivenGrid or None
        None for a grid made for what no grid of the file covered.
    code : str or None
        In the plan; None where nothing of it lies in a community.
    shape : Polygon or None
        In the plan, WGS84 degrees.
    """

    given: GivenGrid | None
    code: str | None
    shape: shapely.Polygon | None


@dataclass(slots=True)
class PlanReport:
    """What making a plan from a file came to.

    Attributes
    ----------
    plan : int
    grids : int
    findings : list of dict
        Gaps, overlaps and parts outside, with what was done about each.
    moved_m2 : float
    added : list of str
        Codes of grids made for what no grid of the file covered.
    left_out : list of str
        Codes of grids that lie in no community.
    renamed : list of (str, str)
        Codes that were none of their community's, or taken, and what they are now.
    branches : list of dict
        Party branches whose grids are no neighbours: community, name, codes of each part.
    came : list of CameGrid
        Every grid of the file, and those made besides; not part of the JSON.
    places : list of Polygon or MultiPolygon
        Where each finding is, WGS84 degrees; not part of the JSON.
    """

    plan: int = 0
    grids: int = 0
    findings: list[dict[str, Any]] = field(default_factory=list)
    moved_m2: float = 0.0
    added: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    branches: list[dict[str, Any]] = field(default_factory=list)
    came: list[CameGrid] = field(default_factory=list)
    places: list[shapely.Geometry] = field(default_factory=list)

    @property
    def undecided(self) -> int:
        """How many findings were wider than the tolerance."""
        return sum(not f["decided"] for f in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "plan": self.plan,
            "grids": self.grids,
            "undecided": self.undecided,
            "moved_m2": round(self.moved_m2, 1),
            "added": self.added,
            "left_out": self.left_out,
            "renamed": [list(pair) for pair in self.renamed],
            "branches": self.branches,
            "findings": self.findings,
        }


def create_plan(
    connection: Connection,
    name: str,
    source: str | int,
    *,
    author: str,
    household_limit: int | None = None,
    people_limit: int | None = None,
) -> int:
    """Make a draft.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.
    name : str
    source : "published", "empty" or int
        What it begins with: the published plan, every community as one grid, or a plan by id.
    author : str
    household_limit, people_limit : int, optional
        Most households and people of a base grid, at least 1; None for those of the source.

    Raises
    ------
    NotFoundError
        If there is no published plan, no such plan, or no community.
    InvalidRowError
        If the name is empty or too long.
    """
    plan = _begin(connection, name, source, author)
    set_limits(connection, plan, household_limit, people_limit)
    return plan


def _begin(connection: Connection, name: str, source: str | int, author: str) -> int:
    if source == "empty":
        return plan_from_grids(connection, name, [], author=author).plan
    if source == "published":
        found = connection.execute(
            text("SELECT id FROM plans WHERE state = 'published'")
        ).scalar_one_or_none()
        if found is None:
            raise NotFoundError(
                "No plan is published yet.",
                remedy="Make an empty plan, or import a layer of grids.",
                zh=("还没有在用的方案。", "请新建空白方案，或导入网格图层。"),
            )
    else:
        found = connection.execute(
            text("SELECT id FROM plans WHERE id = :id"), {"id": source}
        ).scalar_one_or_none()
        if found is None:
            raise no_plan(int(source))
    return _copy(connection, name, int(found), author)


def _insert_plan(connection: Connection, name: str, author: str, based_on: int | None) -> int:
    name = name.strip()
    if not name or len(name) > 200:
        raise InvalidRowError(
            "A plan needs a name of 1 to 200 characters.",
            remedy="Give it a name.",
            zh=("方案名称要有 1 到 200 个字。", "请填写方案名称。"),
        )
    plan: int = connection.execute(
        text(
            "INSERT INTO plans (name, created_by, based_on, household_limit, people_limit)"
            " SELECT :name, :author, :based_on,"
            " coalesce((SELECT household_limit FROM plans WHERE id = :based_on), :households),"
            " coalesce((SELECT people_limit FROM plans WHERE id = :based_on), :people)"
            " RETURNING id"
        ),
        {
            "name": name,
            "author": author,
            "based_on": based_on,
            "households": HOUSEHOLDS,
            "people": PEOPLE,
        },
    ).scalar_one()
    connection.execute(
        text(
            "INSERT INTO plan_edits (plan_id, kind, author, state, request)"
            " VALUES (:plan, 'created', :author, 'event', CAST(:request AS jsonb))"
        ),
        {
            "plan": plan,
            "author": author,
            "request": orjson.dumps({"based_on": based_on}).decode(),
        },
    )
    return plan


def _copy(connection: Connection, name: str, source: int, author: str) -> int:
    plan = _insert_plan(connection, name, author, source)
    bound = {"from": source, "to": plan}
    columns = f"community_id, code, name, kind, branch, {', '.join(STAFF)}, crossings, counts, geom"
    connection.execute(
        text(
            "INSERT INTO plan_communities (plan_id, community_id, outline, border)"
            " SELECT :to, community_id, outline, border FROM plan_communities"
            " WHERE plan_id = :from"
        ),
        bound,
    )
    connection.execute(text("DROP TABLE IF EXISTS copied_grids"))
    connection.execute(
        text(
            "CREATE TEMP TABLE copied_grids ON COMMIT DROP AS SELECT id AS old,"
            " nextval(pg_get_serial_sequence('plan_grids', 'id')) AS new"
            " FROM (SELECT id FROM plan_grids WHERE plan_id = :from ORDER BY id) g"
        ),
        bound,
    )
    connection.execute(
        text(
            f"INSERT INTO plan_grids (id, plan_id, parent_id, {columns})"
            f" SELECT m.new, :to, p.new, {columns} FROM plan_grids g"
            " JOIN copied_grids m ON m.old = g.id"
            " LEFT JOIN copied_grids p ON p.old = g.parent_id"
        ),
        bound,
    )
    connection.execute(
        text(
            "INSERT INTO plan_buildings (plan_id, building_id, community_id, grid_id)"
            " SELECT :to, b.building_id, b.community_id, m.new FROM plan_buildings b"
            " JOIN copied_grids m ON m.old = b.grid_id WHERE b.plan_id = :from"
        ),
        bound,
    )
    prove(connection)
    return plan


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
    communities = connection.execute(
        text(
            "SELECT id, code, name, ST_AsBinary(geom) AS geom FROM areas"
            " WHERE level = 'community' ORDER BY code"
        )
    ).all()
    if not communities:
        raise NotFoundError(
            "There are no communities to part into grids.",
            remedy="Import the areas first: gridcircle import layer FILE --as areas.",
            zh=(
                "还没有社区，无法划分网格。",
                "请先导入社区范围：gridcircle import layer 文件 --as areas。",
            ),
        )
    report = PlanReport(_insert_plan(connection, name, author, based_on))
    # Assigned buildings follow buildings.community_id; the borders are the areas' own.
    borders = np.empty(len(communities), object)
    borders[:] = [shapely.from_wkb(bytes(c.geom)) for c in communities]
    borders = np.array([_one(b) for b in borders], object)
    home = _homes_of(grids, communities, borders, report)
    refresh_points(connection, [area.id for area in communities])
    taken: set[str] = set()
    kept = require_plan(connection, report.plan)
    limits = Limits(kept.household_limit, kept.people_limit)
    for number, area in enumerate(communities):
        if progress is not None:
            progress(f"{area.name}", number / len(communities))
        own = [g for g, n in zip(grids, home, strict=True) if n == number and g.kind != "micro"]
        micro = [g for g, n in zip(grids, home, strict=True) if n == number and g.kind == "micro"]
        border = borders[number]
        repaired = repair([g.shape for g in own], border, tolerance_m=tolerance_m)
        report.moved_m2 += repaired.moved_m2 if own else 0.0
        rows, codes = _rows(own, repaired.shapes, area, taken, report)
        if own:
            report.findings += [_finding(f, own, codes, area) for f in repaired.findings]
            report.places += [f.shape for f in repaired.findings]
        _insert_micro(rows, micro, report)
        homes = read_homes(connection, area.id)
        community = Community(
            plan_id=report.plan,
            id=area.id,
            code=area.code,
            name=area.name,
            version=1,
            state="draft",
            limits=limits,
            outline=repaired.outline,
            grids=_with_ids(connection, rows),
            building=homes.building,
            point=homes.point,
            households=homes.households,
            people=homes.people,
            grid_of=np.zeros(len(homes.building), np.int64),
            stations=np.empty((0, 2)),
        ).settled()
        base = [g for g, row in community.grids.items() if row.kind != "micro"]
        community = with_crossings(connection, community, base)
        report.branches += [
            {
                "community": area.code,
                "branch": name,
                "grids": [[community.grids[g].code for g in ids] for ids in groups],
            }
            for name, groups in branch_groups(community.grids.values()).items()
            if len(groups) > 1
        ]
        _insert_community(connection, community, border)
        report.grids += len(community.grids)
    prove(connection)
    return report


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
    communities: Sequence[Any],
    borders: NDArray[np.object_],
    report: PlanReport,
) -> list[int]:
    """Find each grid's community: as the file says, else where most of it lies; -1 for none."""
    by_code = {c.code: n for n, c in enumerate(communities)}
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
            report.left_out.append(grid.code)
            report.came.append(CameGrid(grid, None, None))
        home.append(found)
    return home


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
            report.left_out.append(own[n].code)
            report.came.append(CameGrid(own[n], None, None))
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
    serials = next_serials(area.code, seen, len(missing)) if missing else []
    order = numbered([kept[n][1] for n in missing])
    for n, serial in zip(missing, order, strict=True):
        codes[n] = grid_code(area.code, serials[serial - 1])
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
        rows.append(
            GridRow(
                id=-n - 1,
                code=code,
                name=grid.name if grid and grid.name else f"{area.name}第{int(code[-3:])}网格",
                kind=grid.kind if grid else "base",
                parent_id=None,
                branch=grid.branch if grid else "",
                staff=grid.staff if grid else (0,) * len(STAFF),
                crossings=(),
                version=1,
                shape=shape,
            )
        )
    return rows, {n: row.code for n, row in zip(place, rows, strict=True)}


def _insert_micro(rows: list[GridRow], micro: Sequence[GivenGrid], report: PlanReport) -> None:
    bases = list(rows)
    number = len(rows)
    for grid in micro:
        shape = shapely.make_valid(to_degrees(to_units(grid.shape)))
        near = [b for b in bases if b.shape.intersects(shape)]
        if not near:
            report.left_out.append(grid.code)
            report.came.append(CameGrid(grid, None, None))
            continue
        shares = shapely.area([shapely.intersection(b.shape, shape) for b in near])
        parent = near[int(np.argmax(shares))]
        inside = shapely.intersection(shape, parent.shape, grid_size=1e-9)
        for other in rows:
            if other.parent_id == parent.id:
                inside = shapely.difference(inside, other.shape, grid_size=1e-9)
        pieces = [p for p in shapely.get_parts(inside) if p.geom_type == "Polygon"]
        if not pieces:
            report.left_out.append(grid.code)
            report.came.append(CameGrid(grid, None, None))
            continue
        number += 1
        kept = to_degrees(to_units(max(pieces, key=shapely.area)))
        report.came.append(CameGrid(grid, grid.code, kept))
        rows.append(
            GridRow(
                id=-number,
                code=grid.code,
                name=grid.name,
                kind="micro",
                parent_id=parent.id,
                branch=grid.branch,
                staff=grid.staff,
                crossings=(),
                version=1,
                shape=kept,
            )
        )


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


def _with_ids(connection: Connection, rows: Iterable[GridRow]) -> dict[int, GridRow]:
    rows = list(rows)
    given = connection.execute(
        text(
            "SELECT nextval(pg_get_serial_sequence('plan_grids', 'id'))"
            " FROM generate_series(1, :count)"
        ),
        {"count": len(rows)},
    ).scalars()
    ids = {row.id: new for row, new in zip(rows, given, strict=True)}
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
    columns = (
        "id, plan_id, community_id, code, name, kind, parent_id, branch, "
        f"{', '.join(STAFF)}, crossings, counts, version, geom"
    )
    try:
        connection.execute(
            text(
                "INSERT INTO plan_communities (plan_id, community_id, outline, border) VALUES"
                " (:plan, :community, CAST(:outline AS geometry), CAST(:border AS geometry))"
            ),
            bound | {"outline": outline_hex(community.outline), "border": outline_hex(border)},
        )
        connection.execute(
            text(
                f"INSERT INTO plan_grids ({columns}) SELECT {columns}"
                " FROM jsonb_populate_recordset(NULL::plan_grids, CAST(:rows AS jsonb))"
            ),
            {
                "rows": orjson.dumps(
                    [g.image(community.plan_id, community.id) for g in community.grids.values()]
                ).decode()
            },
        )
        inside = community.grid_of > 0
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
    except DBAPIError as error:
        refused = refusal(error)
        if refused is None:
            raise
        raise refused from error
