"""What plans show: lists, totals, grids in view, cells, tiles, history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
import shapely
from sqlalchemy import Connection, text

from data.errors import NotFoundError
from data.layers import Feature, check_bbox
from data.plans.cells import cells_of
from data.plans.community import DECIMALS, told_counts
from data.plans.journal import can_step
from data.plans.micro_stale import STALE
from data.plans.models import STAFF
from data.tiles import BUFFER, EXTENT, Tile
from geo.grid_rules import Broken, load_broken

MOST_GRIDS = 10_000
"""Most grids or cells in one answer."""

_SUMS = (
    "SELECT g.id, count(b.building_id)::int AS buildings,"
    " coalesce(sum(t.households), 0)::int AS households,"
    " coalesce(sum(t.people), 0)::int AS people"
    " FROM chosen g LEFT JOIN plan_buildings b ON b.grid_id = g.id"
    " LEFT JOIN buildings t ON t.id = b.building_id GROUP BY g.id"
)
_MICRO_SUMS = (
    "SELECT g.id, count(c.building_id)::int AS buildings,"
    " coalesce(sum(t.households), 0)::int AS households,"
    " coalesce(sum(t.people), 0)::int AS people"
    " FROM chosen g JOIN plan_buildings b ON b.grid_id = g.parent_id"
    " JOIN building_cells c ON c.building_id = b.building_id"
    " AND ST_Intersects(g.geom, c.point)"
    " JOIN buildings t ON t.id = c.building_id WHERE g.kind = 'micro' GROUP BY g.id"
)
_BROKEN = (
    "(jsonb_array_length(g.crossings)"
    " + CASE WHEN g.kind = 'base' AND s.households > p.household_limit THEN 1 ELSE 0 END"
    " + CASE WHEN g.kind = 'base' AND s.people > p.people_limit THEN 1 ELSE 0 END)"
)


Totals = Callable[[Connection, int, int], dict[str, Any]]
"""Gives totals and bounds of a plan, as `plan_totals` does; the last argument is how many edits and
notes it has: edits are only added, so the same number means the same plan."""


def plan_totals(connection: Connection, plan_id: int, _edits: int = 0) -> dict[str, Any]:
    """Sum up a plan: grids, households, people, buildings, broken, bounds."""
    row = (
        connection.execute(
            text(
                "WITH chosen AS"
                " (SELECT * FROM plan_grids WHERE plan_id = :plan AND kind <> 'micro'),"
                f" sums AS ({_SUMS})"
                " SELECT count(g.id)::int AS grids,"
                " coalesce(sum(s.households), 0)::int AS households,"
                " coalesce(sum(s.people), 0)::int AS people,"
                " coalesce(sum(s.buildings), 0)::int AS buildings,"
                f" coalesce(sum({_BROKEN}), 0)::int AS broken,"
                " ST_XMin(ST_Extent(g.geom)) AS w, ST_YMin(ST_Extent(g.geom)) AS s,"
                " ST_XMax(ST_Extent(g.geom)) AS e, ST_YMax(ST_Extent(g.geom)) AS n"
                " FROM plans p LEFT JOIN chosen g ON g.plan_id = p.id"
                " LEFT JOIN sums s ON s.id = g.id WHERE p.id = :plan"
            ),
            {"plan": plan_id},
        )
        .mappings()
        .one()
    )
    totals = {k: row[k] for k in ("grids", "households", "people", "buildings", "broken")}
    bounds = None if row["w"] is None else [row[k] for k in "wsen"]
    return {"totals": totals, "bounds": bounds}


_PLANS = (
    "SELECT p.id, p.name, p.state, p.based_on, p.created_at, p.created_by, p.published_at,"
    " p.household_limit, p.people_limit, p.version,"
    " EXISTS (SELECT FROM plan_imports i WHERE i.plan_id = p.id) AS imported,"
    " e.seq, e.edits FROM plans p CROSS JOIN LATERAL"
    " (SELECT coalesce(max(seq), 0) AS seq, count(*) AS edits FROM plan_edits"
    "   WHERE plan_id = p.id) e"
)


def list_plans(connection: Connection, *, totals: Totals = plan_totals) -> list[dict[str, Any]]:
    """Every plan, newest first, with its figures."""
    rows = connection.execute(text(f"{_PLANS} ORDER BY p.id DESC")).mappings().all()
    names = (
        "id",
        "name",
        "state",
        "based_on",
        "created_at",
        "created_by",
        "published_at",
        "imported",
    )
    figures = ("grids", "households", "people", "broken")
    return [
        {name: row[name] for name in names}
        | {f: totals(connection, row["id"], row["edits"])["totals"][f] for f in figures}
        for row in rows
    ]


def read_plan(
    connection: Connection, plan_id: int, *, totals: Totals = plan_totals
) -> dict[str, Any]:
    """One plan with totals, bounds, limits and whether there is anything to undo.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    row = connection.execute(text(f"{_PLANS} WHERE p.id = :plan"), {"plan": plan_id}).one_or_none()
    if row is None:
        raise no_plan(plan_id)
    can_undo, can_redo = can_step(connection, plan_id)
    draft = row.state == "draft"
    sums = totals(connection, plan_id, row.edits)
    return {
        "id": row.id,
        "name": row.name,
        "state": row.state,
        "based_on": row.based_on,
        "created_at": row.created_at,
        "created_by": row.created_by,
        "published_at": row.published_at,
        "imported": row.imported,
        "version": row.version,
        "seq": row.seq,
        "bounds": sums["bounds"],
        "totals": sums["totals"],
        "limits": {"households": row.household_limit, "people": row.people_limit},
        "can_undo": draft and can_undo,
        "can_redo": draft and can_redo,
    }


def newest_edit(connection: Connection, plan_id: int) -> tuple[int, int]:
    """Number of a plan's newest edit or note, and how many it has."""
    row = connection.execute(text(f"{_PLANS} WHERE p.id = :plan"), {"plan": plan_id}).one_or_none()
    if row is None:
        require_plan(connection, plan_id)
        return 0, 0
    return int(row.seq), int(row.edits)


def list_communities(connection: Connection, plan_id: int) -> list[dict[str, Any]]:
    """Communities of a plan with version and figures."""
    require_plan(connection, plan_id)
    rows = connection.execute(
        text(
            "WITH chosen AS (SELECT * FROM plan_grids WHERE plan_id = :plan AND kind <> 'micro'),"
            f" sums AS ({_SUMS})"
            " SELECT a.id, a.code, a.name, c.version, count(g.id)::int AS grids,"
            " coalesce(sum(s.households), 0)::int AS households,"
            " coalesce(sum(s.people), 0)::int AS people,"
            f" coalesce(sum({_BROKEN}), 0)::int AS broken,"
            " ARRAY[ST_XMin(c.outline), ST_YMin(c.outline),"
            "       ST_XMax(c.outline), ST_YMax(c.outline)] AS bounds"
            " FROM plan_communities c JOIN plans p ON p.id = c.plan_id"
            " JOIN areas a ON a.id = c.community_id"
            " LEFT JOIN chosen g ON g.community_id = c.community_id"
            " LEFT JOIN sums s ON s.id = g.id WHERE c.plan_id = :plan"
            " GROUP BY a.id, c.plan_id, c.community_id ORDER BY a.code"
        ),
        {"plan": plan_id},
    ).mappings()
    return [dict(row) for row in rows]


def no_plan(plan_id: int) -> NotFoundError:
    """The error for a plan that is not there."""
    return NotFoundError(
        f"There is no plan {plan_id}.",
        remedy="See /api/v1/plans for the plans there are.",
        zh=(f"没有方案 {plan_id}。", "请在方案列表里查看有哪些方案。"),
    )


def no_communities() -> NotFoundError:
    """The error for a plan where there is nothing to part."""
    return NotFoundError(
        "There are no communities to part into grids.",
        remedy="Import the areas first: gridcircle import layer FILE --as areas.",
        zh=(
            "还没有社区，无法划分网格。",
            "请先导入社区范围：gridcircle import layer 文件 --as areas。",
        ),
    )


def require_plan(connection: Connection, plan_id: int) -> Any:
    """Read the plan's own row.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    row = connection.execute(
        text("SELECT * FROM plans WHERE id = :plan"), {"plan": plan_id}
    ).one_or_none()
    if row is None:
        raise no_plan(plan_id)
    return row


def list_grids(
    connection: Connection,
    plan_id: int,
    *,
    bbox: tuple[float, float, float, float] | None = None,
    community: int | None = None,
    kind: str | None = None,
    ids: list[int] | None = None,
    limit: int = MOST_GRIDS,
) -> list[Feature]:
    """Grids of a plan as GeoJSON features with figures and broken rules, by code.

    Parameters
    ----------
    connection : Connection
    plan_id : int
    bbox : tuple of float, optional
        West, south, east, north in WGS84 degrees; grids that touch it.
    community : int, optional
    kind : str, optional
        ``base``, ``exclusive`` or ``micro``.
    ids : list of int, optional
    limit : int
    """
    plan = require_plan(connection, plan_id)
    where = ["plan_id = :plan"]
    bound: dict[str, Any] = {"plan": plan_id, "limit": min(limit, MOST_GRIDS)}
    if bbox is not None:
        where.append("geom && ST_MakeEnvelope(:w, :s, :e, :n, 4326)")
        bound |= dict(zip("wsen", check_bbox(bbox), strict=True))
    for column, value in (("community_id", community), ("kind", kind)):
        if value is not None:
            where.append(f"{column} = :{column}")
            bound[column] = value
    if ids is not None:
        where.append("id = ANY(:ids)")
        bound["ids"] = ids
    rows = connection.execute(
        text(
            f"WITH chosen AS MATERIALIZED (SELECT * FROM plan_grids WHERE {' AND '.join(where)}"
            f" ORDER BY code LIMIT :limit), sums AS ({_SUMS}), micro AS ({_MICRO_SUMS})"
            f" SELECT g.*, ST_AsGeoJSON(g.geom, {DECIMALS}) AS geometry,"
            " coalesce((g.counts ->> 'households')::int, m.households, s.households) AS households,"
            " coalesce((g.counts ->> 'people')::int, m.people, s.people) AS people,"
            " coalesce((g.counts ->> 'buildings')::int, m.buildings, s.buildings) AS buildings,"
            " (SELECT count(*) FROM stations t WHERE t.kind = 'red_station' AND t.status = 'open'"
            "   AND ST_Intersects(t.geom, g.geom))::int AS stations,"
            f" {STALE} AS stale"
            " FROM chosen g JOIN sums s ON s.id = g.id LEFT JOIN micro m ON m.id = g.id"
            " ORDER BY g.code"
        ),
        bound,
    ).mappings()
    return [_feature(row, plan) for row in rows]


def _feature(row: Mapping[Any, Any], plan: Any) -> Feature:
    broken = [
        *load_broken(
            row["kind"],
            row["households"],
            row["people"],
            household_limit=plan.household_limit,
            people_limit=plan.people_limit,
        ),
        *(Broken(**b) for b in row["crossings"]),
    ]
    return {
        "type": "Feature",
        "id": row["id"],
        "geometry": orjson.loads(row["geometry"]),
        "properties": {
            "code": row["code"],
            "name": row["name"],
            "kind": row["kind"],
            "community": row["community_id"],
            "parent": row["parent_id"],
            "households": row["households"],
            "people": row["people"],
            "buildings": row["buildings"],
            "stations": row["stations"],
            "branch": row["branch"],
            "version": row["version"],
            "broken": [b.to_dict() for b in broken],
            "staff": {role: row[role] for role in STAFF},
            "counts": told_counts(row["counts"]),
            # Only where it is so: an edit's answer has the same members.
            **({"stale": True} if row["stale"] else {}),
        },
    }


def list_cells(
    connection: Connection,
    plan_id: int,
    *,
    bbox: tuple[float, float, float, float] | None = None,
    community: int | None = None,
    limit: int = MOST_GRIDS,
) -> list[Feature]:
    """Cells of buildings with the grid each belongs to in this plan.

    Inside `Database.transaction` cells that are not made yet are made and kept; on a reading
    connection they are made and forgotten.
    """
    require_plan(connection, plan_id)
    where = ["b.plan_id = :plan"]
    bound: dict[str, Any] = {"plan": plan_id, "limit": 3 * MOST_GRIDS}
    if bbox is not None:
        where.append(
            "b.community_id IN (SELECT id FROM areas"
            " WHERE geom && ST_MakeEnvelope(:w, :s, :e, :n, 4326))"
        )
        bound |= dict(zip("wsen", check_bbox(bbox), strict=True))
    if community is not None:
        where.append("b.community_id = :community")
        bound["community"] = community
    rows = connection.execute(
        text(
            "SELECT b.community_id, b.building_id, b.grid_id, t.name, t.households, t.people,"
            " ST_X(c.point) AS lon, ST_Y(c.point) AS lat"
            " FROM plan_buildings b JOIN building_cells c USING (building_id)"
            f" JOIN buildings t ON t.id = b.building_id WHERE {' AND '.join(where)}"
            " ORDER BY b.community_id, b.building_id LIMIT :limit"
        ),
        bound,
    ).all()
    made = cells_of(connection, sorted({row.community_id for row in rows}))
    shapes = {
        building: shape
        for cells in made.values()
        for building, shape in zip(
            cells.building.tolist(), cells.shape[cells.cell_of].tolist(), strict=True
        )
    }
    view = None if bbox is None else shapely.box(*bbox)
    return [
        {
            "type": "Feature",
            "id": row.building_id,
            "geometry": orjson.loads(shapely.to_geojson(shapes[row.building_id])),
            "properties": {
                "building": row.building_id,
                "name": row.name,
                "grid": row.grid_id,
                "households": row.households,
                "people": row.people,
                "point": [row.lon, row.lat],
            },
        }
        for row in rows
        if row.building_id in shapes
        and (view is None or shapely.intersects(view, shapes[row.building_id]))
    ][: min(limit, MOST_GRIDS)]


def plan_tile(connection: Connection, plan_id: int, tile: Tile) -> bytes:
    """Make one vector tile of a plan's base and exclusive grids, MVT layer ``grids``."""
    require_plan(connection, plan_id)
    west, south, east, north = tile.bounds(buffer=BUFFER)
    shape = "g.geom"
    if tile.z < 16:
        shape = f"ST_Simplify(g.geom, {360 / (1 << tile.z) / EXTENT / 2:.3e}, true)"
    row = connection.execute(
        text(
            "WITH chosen AS MATERIALIZED (SELECT * FROM plan_grids WHERE plan_id = :plan"
            " AND kind <> 'micro' AND geom && ST_MakeEnvelope(:w, :s, :e, :n, 4326)),"
            f" sums AS ({_SUMS})"
            f" SELECT coalesce(ST_AsMVT(f, 'grids', {EXTENT}, 'geom', 'id' ORDER BY f.id),"
            " ''::bytea) FROM (SELECT g.id, g.code, g.name, g.kind, g.community_id AS community,"
            f" s.households, s.people, {_BROKEN} AS broken,"
            f" ST_AsMVTGeom(ST_Transform({shape}, 3857), ST_TileEnvelope(:z, :x, :y),"
            f" {EXTENT}, {BUFFER}, true) AS geom"
            " FROM chosen g JOIN sums s ON s.id = g.id JOIN plans p ON p.id = g.plan_id) f"
        ),
        {
            "plan": plan_id,
            "w": west,
            "s": south,
            "e": east,
            "n": north,
            "z": tile.z,
            "x": tile.x,
            "y": tile.y,
        },
    ).scalar_one()
    return bytes(row)


def list_edits(
    connection: Connection, plan_id: int, *, limit: int = 100, before: int | None = None
) -> list[dict[str, Any]]:
    """Every edit and note of a plan, newest first, with its author."""
    require_plan(connection, plan_id)
    rows = connection.execute(
        text(
            "SELECT seq, community_id AS community, kind, author, at, state, grids, request"
            " FROM plan_edits WHERE plan_id = :plan"
            " AND (CAST(:before AS bigint) IS NULL OR seq < :before)"
            " ORDER BY seq DESC LIMIT :limit"
        ),
        {"plan": plan_id, "before": before, "limit": limit},
    ).mappings()
    return [dict(row) for row in rows]


def list_lineage(connection: Connection, plan_id: int) -> list[dict[str, Any]]:
    """Which codes came out of which, with dates; of this plan and those it is based on."""
    require_plan(connection, plan_id)
    rows = connection.execute(
        text(
            "WITH RECURSIVE line AS (SELECT id, based_on FROM plans WHERE id = :plan"
            " UNION SELECT p.id, p.based_on FROM plans p JOIN line ON line.based_on = p.id)"
            " SELECT l.plan_id AS plan, l.predecessor, l.successor, l.at, e.kind, e.author"
            " FROM plan_lineage l JOIN plan_edits e ON e.seq = l.edit_seq"
            " WHERE l.plan_id IN (SELECT id FROM line) AND e.state = 'done' ORDER BY l.id"
        ),
        {"plan": plan_id},
    ).mappings()
    return [dict(row) for row in rows]
