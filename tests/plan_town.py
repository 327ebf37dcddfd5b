"""Plans over the made town: a published plan of four grids in two communities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import shapely
from sqlalchemy import Connection, text
from town import lonlat

from data.database import Database
from data.plans.from_grids import plan_from_grids
from data.plans.given import GivenGrid
from data.plans.states import change_state


@dataclass(frozen=True)
class PlanTown:
    """The town with a published plan and a draft of it."""

    database: Database
    published: int
    draft: int
    communities: dict[str, int]


def seed_plan(connection: Connection) -> int:
    """Make and publish a plan from the town's grid layer; gives its id."""
    rows = connection.execute(
        text(
            "SELECT g.code, g.name, g.kind, a.code AS community, ST_AsBinary(g.geom) AS geom"
            " FROM grids g JOIN areas a ON a.id = g.community_id ORDER BY g.code"
        )
    ).all()
    given = [
        GivenGrid(r.code, r.name, r.kind, r.community, shapely.from_wkb(bytes(r.geom)))
        for r in rows
    ]
    report = plan_from_grids(connection, "现行网格", given, author="test")
    change_state(connection, report.plan, "published", author="test")
    return report.plan


def community_ids(connection: Connection) -> dict[str, int]:
    """Ids of the town's communities by code."""
    rows = connection.execute(text("SELECT code, id FROM areas WHERE level = 'community'"))
    return {row.code: row.id for row in rows}


def plan_state(database: Database, plan: int) -> dict[str, Any]:
    """Everything an edit may change in a plan, bit by bit, to be compared."""
    with database.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT 'g' || id, ST_AsBinary(geom)::text || code || name || kind ||"
                " coalesce(parent_id, 0) || full_time FROM plan_grids WHERE plan_id = :plan"
                " UNION ALL SELECT 'b' || building_id, grid_id::text FROM plan_buildings"
                " WHERE plan_id = :plan"
                " UNION ALL SELECT 'c' || community_id, ST_AsBinary(outline)::text"
                " FROM plan_communities WHERE plan_id = :plan"
            ),
            {"plan": plan},
        )
        return dict(map(tuple, rows))


def line(*points: tuple[float, float]) -> dict[str, object]:
    """A GeoJSON line in metres of the town."""
    return {"type": "LineString", "coordinates": [lonlat(*p) for p in points]}


def patch(x0: float, y0: float, x1: float, y1: float) -> dict[str, object]:
    """A GeoJSON rectangle in metres of the town."""
    corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))
    return {"type": "Polygon", "coordinates": [[lonlat(*p) for p in corners]]}
