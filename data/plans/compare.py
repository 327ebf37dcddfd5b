"""Two plans side by side: grids, figures, and the buildings that lie in another grid."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from data.errors import NotFoundError
from data.plans.models import STAFF
from data.plans.reading import read_plan

_GRIDS = f"""
SELECT g.id, g.code, g.name, g.kind, g.branch, g.community_id AS community,
       {" + ".join(f"g.{role}" for role in STAFF)} AS staff,
       md5(ST_AsBinary(ST_Normalize(g.geom))) AS shape,
       count(b.building_id)::int AS buildings,
       coalesce(sum(t.households), 0)::int AS households,
       coalesce(sum(t.people), 0)::int AS people
  FROM plan_grids g LEFT JOIN plan_buildings b ON b.grid_id = g.id
  LEFT JOIN buildings t ON t.id = b.building_id
 WHERE g.plan_id = :plan AND g.kind <> 'micro' GROUP BY g.id ORDER BY g.code
"""
_MOVED = """
SELECT t.id AS building, t.code AS building_code, t.name, o.code AS "from", n.code AS "to",
       coalesce(t.households, 0) AS households, coalesce(t.people, 0) AS people,
       ARRAY[ST_X(c.point), ST_Y(c.point)] AS at
  FROM plan_buildings a
  JOIN plan_buildings b ON b.building_id = a.building_id AND b.plan_id = :after
  JOIN plan_grids o ON o.id = a.grid_id
  JOIN plan_grids n ON n.id = b.grid_id
  JOIN buildings t ON t.id = a.building_id
  JOIN building_cells c ON c.building_id = t.id
 WHERE a.plan_id = :before AND o.code <> n.code
 ORDER BY o.code, n.code, t.code
"""
# A neighbour's new vertex on a straight edge lies beside it by the rounding of coordinates.
_LIKE_BEFORE = """
SELECT o.code
  FROM plan_grids o JOIN plan_grids n ON n.code = o.code AND n.plan_id = :after
 WHERE o.plan_id = :before AND o.kind <> 'micro' AND n.kind <> 'micro'
   AND NOT ST_OrderingEquals(o.geom, n.geom)
   AND o.geom && ST_Expand(n.geom, :apart)
   AND ST_HausdorffDistance(o.geom, n.geom) <= :apart
   AND ST_Area(ST_SymDifference(o.geom, n.geom)) <= :apart * ST_Perimeter(o.geom)
"""
SAME_BOUNDARY_DEG = 2e-9
"""Boundaries nowhere further apart than this are the same, degrees: 0.2 mm, two roundings."""
_FIGURES = ("households", "people", "buildings", "staff")


def published_plan(connection: Connection) -> int:
    """Id of the published plan.

    Raises
    ------
    NotFoundError
        If none is published.
    """
    found = connection.execute(
        text("SELECT id FROM plans WHERE state = 'published'")
    ).scalar_one_or_none()
    if found is None:
        raise NotFoundError(
            "No plan is published yet.",
            remedy="Publish one, or compare with a plan by its id.",
            zh=("还没有在用的方案。", "请先启用一个方案，或指明与哪个方案对比。"),
        )
    return int(found)


def compare_plans(connection: Connection, plan_id: int, other: int | None) -> dict[str, Any]:
    """Say what a plan changes against another.

    A grid is the same where the code is. Its boundary has changed where it runs elsewhere (by more
    than `SAME_BOUNDARY_DEG`), not where it only has a vertex more or less. A code that one side
    lacks is set beside the grid of the other side that holds most of its households.

    Parameters
    ----------
    connection : Connection
    plan_id : int
        After.
    other : int or None
        Before; None for the published plan.

    Returns
    -------
    dict
        ``totals`` and ``limits`` of both, ``grids`` that are new, gone or changed, and ``moved``
        buildings with their places.
    """
    before_id = published_plan(connection) if other is None else other
    plans = {
        "before": read_plan(connection, before_id),
        "after": read_plan(connection, plan_id),
    }
    before = {r["code"]: dict(r) for r in _rows(connection, _GRIDS, plan=before_id)}
    after = {r["code"]: dict(r) for r in _rows(connection, _GRIDS, plan=plan_id)}
    bounds: dict[str, Any] = {"before": before_id, "after": plan_id, "apart": SAME_BOUNDARY_DEG}
    for row in _rows(connection, _LIKE_BEFORE, **bounds):
        after[row["code"]]["shape"] = before[row["code"]]["shape"]
    moved = [dict(r) for r in _rows(connection, _MOVED, before=before_id, after=plan_id)]
    went: dict[str, dict[str, int]] = {}
    came: dict[str, dict[str, int]] = {}
    for row in moved:
        weight = row["households"] * 1000 + 1
        for book, key, value in ((went, "from", "to"), (came, "to", "from")):
            sums = book.setdefault(row[key], {})
            sums[row[value]] = sums.get(row[value], 0) + weight
    grids = []
    for code in sorted(before.keys() | after.keys()):
        old, new = before.get(code), after.get(code)
        if old is not None and new is not None:
            same = all(old[k] == new[k] for k in ("shape", "name", "kind", "branch", *_FIGURES))
            if not same:
                grids.append(_pair("changed", old, new))
        elif new is not None:
            origin = before.get(_most(came.get(code)))
            grids.append(_pair("new", None, new) | {"code_before": origin and origin["code"]})
        elif old is not None:
            heir = after.get(_most(went.get(code)))
            grids.append(_pair("removed", old, None) | {"code_after": heir and heir["code"]})
    return {
        "before": before_id,
        "after": plan_id,
        "totals": {side: plan["totals"] for side, plan in plans.items()},
        "limits": {side: plan["limits"] for side, plan in plans.items()},
        "grids": grids,
        "moved": moved,
    }


def _rows(connection: Connection, statement: str, **values: float) -> list[Any]:
    return list(connection.execute(text(statement), values).mappings())


def _most(sums: dict[str, int] | None) -> str:
    return max(sums, key=lambda code: (sums[code], code)) if sums else ""


def _pair(change: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "change": change,
        "code_before": old and old["code"],
        "code_after": new and new["code"],
        "name_before": old and old["name"],
        "name_after": new and new["name"],
        "kind_before": old and old["kind"],
        "kind_after": new and new["kind"],
        "branch_before": old and old["branch"],
        "branch_after": new and new["branch"],
        "grid_before": old and old["id"],
        "grid_after": new and new["id"],
        "community": (new or old or {})["community"],
        "boundary_changed": bool(old and new and old["shape"] != new["shape"]),
    }
    for figure in _FIGURES:
        row[f"{figure}_before"] = old and old[figure]
        row[f"{figure}_after"] = new and new[figure]
    return row
