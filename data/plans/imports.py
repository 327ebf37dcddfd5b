"""What a plan was imported from, kept with it: both sides, the places changed, the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import shapely
from sqlalchemy import Connection, text

from data.errors import NotFoundError
from data.layers import Feature, check_bbox
from data.plans.given import CameGrid, PlanReport
from data.plans.import_looks import count_looks, list_conflicts
from data.plans.reading import MOST_GRIDS, require_plan
from geo.partition import snapped

SIDES = ("came", "repaired")
"""A grid as the file had it, and as the repair left it."""
MOST_UNDECIDED = 500
"""Undecided places listed in one answer, the largest first; the map has all of them."""
COARSE_DEG = 2e-5
"""Vertices that a coarse shape leaves out lie this close to it: two metres."""
_SAME_M2 = 0.01
_M_PER_DEGREE = 111_320.0


def keep_import(
    connection: Connection,
    made: PlanReport,
    *,
    file_name: str,
    author: str,
    tolerance_m: float,
    conflicts: Sequence[Mapping[str, Any]] = (),
    report: Mapping[str, Any],
) -> None:
    """Keep with a plan what its file held, in the transaction that makes it.

    Parameters
    ----------
    connection : Connection
    made : PlanReport
    file_name, author : str
    tolerance_m : float
    conflicts : sequence of mapping
        Grids changed in the plan the file came from since it was exported.
    report : mapping
        Plain JSON values: rows read and refused, columns left out.
    """
    connection.execute(
        text(
            "INSERT INTO plan_imports (plan_id, file_name, author, tolerance_m, report)"
            " VALUES (:plan, :file, :author, :tolerance, CAST(:report AS jsonb))"
        ),
        {
            "plan": made.plan,
            "file": file_name,
            "author": author,
            "tolerance": tolerance_m,
            "report": orjson.dumps(report, default=str).decode(),
        },
    )
    if made.came:
        connection.execute(
            text(
                "INSERT INTO plan_import_grids"
                " (plan_id, code, new_code, name, kind, changed, came, repaired) VALUES"
                " (:plan, :code, :new_code, :name, :kind, :changed,"
                " CAST(:came AS geometry), CAST(:repaired AS geometry))"
            ),
            [{"plan": made.plan, **_row(one)} for one in made.came],
        )
    if made.findings:
        connection.execute(
            text(
                "INSERT INTO plan_import_places"
                " (plan_id, community, rule, grids, given_to, area_m2, width_m, decided, geom)"
                " VALUES (:plan, :community, :rule, :grids, :given_to, :area_m2, :width_m,"
                " :decided, CAST(:geom AS geometry))"
            ),
            [
                {"plan": made.plan, **finding, "geom": _hex(place)}
                for finding, place in zip(made.findings, made.places, strict=True)
            ],
        )
    if conflicts:
        names = ("code", "community", "kind", "author", "at", "in_file")
        connection.execute(
            text(
                f"INSERT INTO plan_import_conflicts (plan_id, {', '.join(names)}) VALUES"
                " (:plan, :code, :community, :kind, :author, CAST(:at AS timestamptz), :in_file)"
            ),
            [{"plan": made.plan, **{n: one[n] for n in names}} for one in conflicts],
        )


def _row(one: CameGrid) -> dict[str, Any]:
    given = one.given
    came = None if given is None else snapped(given.shape)
    return {
        "code": None if given is None else given.code,
        "new_code": one.code,
        "name": "" if given is None else given.name,
        "kind": "base" if given is None else given.kind,
        "changed": came is None or one.shape is None or not _same(came, one.shape),
        "came": None if came is None else _hex(came),
        "repaired": None if one.shape is None else _hex(one.shape),
    }


def _same(came: shapely.Geometry, repaired: shapely.Geometry) -> bool:
    """Whether the repair left a grid as it came, but for vertices on its edges."""
    if not shapely.is_valid(came):
        return False
    squeeze = float(np.cos(np.radians(shapely.bounds(repaired)[[1, 3]].mean())))
    apart = shapely.area(shapely.symmetric_difference(came, repaired))
    return bool(apart * _M_PER_DEGREE**2 * squeeze < _SAME_M2)


def _hex(shape: shapely.Geometry) -> str:
    return str(shapely.to_wkb(shapely.set_srid(shape, 4326), hex=True, include_srid=True))


def require_import(connection: Connection, plan_id: int) -> Any:
    """Read the row of the import a plan came from.

    Raises
    ------
    NotFoundError
        If there is no such plan, or it was not imported.
    """
    require_plan(connection, plan_id)
    row = (
        connection.execute(
            text(
                "SELECT file_name, author, at, tolerance_m, report FROM plan_imports"
                " WHERE plan_id = :plan"
            ),
            {"plan": plan_id},
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotFoundError(
            f"Plan {plan_id} was not imported from a file.",
            remedy="See /api/v1/plans for the plan it is based on.",
            zh=(f"方案 {plan_id} 不是由文件导入的。", "请在方案列表里查看它源自哪个方案。"),
        )
    return row


def read_import(
    connection: Connection, plan_id: int, *, listed: int = MOST_UNDECIDED
) -> dict[str, Any]:
    """Read the report of the import a plan came from, with the places nobody decided.

    Parameters
    ----------
    connection : Connection
    plan_id : int
    listed : int
        Most undecided places in it, the largest first.

    Raises
    ------
    NotFoundError
        If there is no such plan, or it was not imported.
    """
    row = require_import(connection, plan_id)
    counts = connection.execute(
        text(
            "SELECT rule, decided, count(*)::int AS places, sum(area_m2) AS area_m2"
            " FROM plan_import_places WHERE plan_id = :plan GROUP BY rule, decided"
            " ORDER BY decided, rule"
        ),
        {"plan": plan_id},
    ).mappings()
    grids = connection.execute(
        text(
            "SELECT count(*) FILTER (WHERE came IS NOT NULL)::int AS came,"
            " count(*) FILTER (WHERE repaired IS NOT NULL)::int AS repaired,"
            " count(*) FILTER (WHERE changed)::int AS changed"
            " FROM plan_import_grids WHERE plan_id = :plan"
        ),
        {"plan": plan_id},
    ).mappings()
    undecided = list_places(connection, plan_id, decided=False, limit=min(listed, MOST_UNDECIDED))
    report = dict(row["report"])
    looks = count_looks(connection, plan_id)
    return {
        "plan": plan_id,
        "file": row["file_name"],
        "author": row["author"],
        "at": row["at"],
        "tolerance_m": row["tolerance_m"],
        "grids": dict(grids.one()),
        "places": [dict(one) for one in counts],
        "undecided": undecided,
        "conflicts": list_conflicts(connection, plan_id, report["based_on"]),
        "looks": looks.to_dict(),
        **report,
    }


def list_places(
    connection: Connection,
    plan_id: int,
    *,
    bbox: tuple[float, float, float, float] | None = None,
    decided: bool | None = None,
    looked: bool | None = None,
    after: int | None = None,
    points: bool = False,
    limit: int = MOST_GRIDS,
) -> list[Feature]:
    """Places the repair changed or could not decide, the largest first, as GeoJSON features.

    Parameters
    ----------
    connection : Connection
    plan_id : int
    bbox : tuple of float, optional
        West, south, east, north in WGS84 degrees.
    decided : bool, optional
        Only those that the repair could settle, or only those that it could not.
    looked : bool, optional
        Only those that somebody has looked at, or only those that nobody has.
    after : int, optional
        Id of a place: only those that follow it.
    points : bool
        A point in each instead of its shape, which for thousands of places is megabytes; where it
        reaches ``bounds`` says.
    limit : int
    """
    where = ["plan_id = :plan"]
    bound: dict[str, Any] = {"plan": plan_id, "limit": min(limit, MOST_GRIDS)}
    if bbox is not None:
        where.append("geom && ST_MakeEnvelope(:w, :s, :e, :n, 4326)")
        bound |= dict(zip("wsen", check_bbox(bbox), strict=True))
    if decided is not None:
        where.append("decided = :decided")
        bound["decided"] = decided
    if looked is not None:
        where.append(f"looked_at IS {'NOT ' if looked else ''}NULL")
    if after is not None:
        where.append(
            "(decided, -area_m2, id) > (SELECT decided, -area_m2, id FROM plan_import_places"
            " WHERE plan_id = :plan AND id = :after)"
        )
        bound["after"] = after
    rows = connection.execute(
        text(
            "SELECT i.*, ST_X(i.point) AS lon, ST_Y(i.point) AS lat,"
            " coalesce(a.name, '') AS community_name FROM"
            " (SELECT id, community, rule, grids, given_to, area_m2, width_m, decided,"
            f"   looked_by, looked_at, {'NULL' if points else 'ST_AsGeoJSON(geom, 9)'} AS geometry,"
            "   ST_PointOnSurface(geom) AS point, ARRAY[ST_XMin(geom), ST_YMin(geom),"
            "   ST_XMax(geom), ST_YMax(geom)] AS bounds"
            f"   FROM plan_import_places WHERE {' AND '.join(where)}"
            "   ORDER BY decided, area_m2 DESC, id LIMIT :limit) i"
            " LEFT JOIN areas a ON a.code = i.community"
            " ORDER BY decided, area_m2 DESC, id"
        ),
        bound,
    ).mappings()
    names = (
        *("community", "community_name", "rule", "grids"),
        *("given_to", "area_m2", "width_m", "decided", "looked_by", "looked_at"),
    )
    return [
        {
            "type": "Feature",
            "id": row["id"],
            "geometry": orjson.loads(row["geometry"])
            if row["geometry"]
            else {"type": "Point", "coordinates": [row["lon"], row["lat"]]},
            "properties": {n: row[n] for n in names}
            | {"at": [row["lon"], row["lat"]], "bounds": row["bounds"]},
        }
        for row in rows
    ]


def list_import_grids(
    connection: Connection,
    plan_id: int,
    side: str,
    *,
    bbox: tuple[float, float, float, float] | None = None,
    codes: Sequence[str] | None = None,
    coarse: bool = False,
    limit: int = MOST_GRIDS,
) -> list[Feature]:
    """Grids of one side of an import: as they came, or as repaired.

    Parameters
    ----------
    connection : Connection
    plan_id : int
    side : str
        One of `SIDES`.
    bbox : tuple of float, optional
        West, south, east, north in WGS84 degrees.
    codes : sequence of str, optional
        Only these, by their codes in the file.
    coarse : bool
        Shapes as good as a map of a whole district needs them (`COARSE_DEG`), a fraction of the
        bytes.
    limit : int
    """
    if side not in SIDES:
        raise ValueError(f"There is no side {side!r}.")
    where = ["plan_id = :plan", f"{side} IS NOT NULL"]
    bound: dict[str, Any] = {"plan": plan_id, "limit": min(limit, MOST_GRIDS)}
    if bbox is not None:
        where.append(f"{side} && ST_MakeEnvelope(:w, :s, :e, :n, 4326)")
        bound |= dict(zip("wsen", check_bbox(bbox), strict=True))
    if codes is not None:
        where.append("code = ANY(:codes)")
        bound["codes"] = list(codes)
    shape = (
        f"ST_AsGeoJSON(ST_SimplifyPreserveTopology({side}, {COARSE_DEG}), 6)"
        if coarse
        else f"ST_AsGeoJSON({side}, 9)"
    )
    rows = connection.execute(
        text(
            f"SELECT id, code, new_code, name, kind, changed, {shape} AS geometry"
            f" FROM plan_import_grids WHERE {' AND '.join(where)} ORDER BY id LIMIT :limit"
        ),
        bound,
    ).mappings()
    return [
        {
            "type": "Feature",
            "id": row["id"],
            "geometry": orjson.loads(row["geometry"]),
            "properties": {n: row[n] for n in ("code", "new_code", "name", "kind", "changed")},
        }
        for row in rows
    ]
