"""Which counts of micro-grids no longer hold: buildings have changed since they were counted.

Figures of base and exclusive grids are summed up from the buildings whenever they are asked for. A
micro-grid made by rule keeps its own, since a unit of a high-rise has no building of its own; what
they were counted from stands beside them (`data.plans.micro.PART`). They are stale once a building
has other figures, is gone or in another grid, or when a new one with homes stands in them. This is
looked up, never noted: no import, edit or undo can forget to.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text


def _parts(grid: str) -> str:
    """Write SQL: what a micro-grid was counted from, a row a building; none where it says not."""
    kept = f"{grid}.counts -> 'of'"
    return (
        f"jsonb_array_elements(CASE WHEN jsonb_typeof({kept}) = 'array' THEN {kept}"
        " ELSE '[]'::jsonb END)"
    )


STALE = f"""
CASE WHEN g.kind <> 'micro' OR g.counts IS NULL OR NOT g.counts ? 'kind' THEN false
     WHEN NOT g.counts ? 'of' THEN true
     ELSE EXISTS (
        SELECT FROM {_parts("g")} o
          LEFT JOIN buildings t ON t.id = (o ->> 0)::bigint
          LEFT JOIN plan_buildings b ON b.plan_id = g.plan_id AND b.building_id = t.id
         WHERE b.grid_id IS DISTINCT FROM g.parent_id
            OR coalesce(t.households, 0) <> (o ->> 3)::int
            OR coalesce(t.people, 0) <> (o ->> 4)::int
            OR t.units IS DISTINCT FROM (o ->> 5)::int)
       OR EXISTS (
        SELECT FROM plan_buildings b JOIN buildings t ON t.id = b.building_id
          JOIN building_cells c ON c.building_id = b.building_id
         WHERE b.plan_id = g.plan_id AND b.grid_id = g.parent_id
           AND (t.households > 0 OR t.people > 0) AND ST_Intersects(g.geom, c.point)
           AND NOT EXISTS (SELECT FROM plan_grids s CROSS JOIN LATERAL {_parts("s")} o
                            WHERE s.parent_id = g.parent_id AND s.plan_id = g.plan_id
                              AND (o ->> 0)::bigint = b.building_id))
END
"""
"""SQL: whether the counts of grid ``g`` no longer hold. Counts that do not say what they were made
from (those of older versions) are taken for stale."""


def micro_counts(connection: Connection, plan_id: int) -> dict[str, Any]:
    """How many micro-grids of a plan have counts that no longer hold, and where.

    Returns
    -------
    dict
        ``counted`` (micro-grids made by rule), ``stale``, and ``communities`` with stale ones, by
        code: ``id``, ``code``, ``name``, ``counted``, ``stale``.
    """
    rows = connection.execute(
        text(
            "SELECT a.id, a.code, a.name, count(*)::int AS counted,"
            " (count(*) FILTER (WHERE g.stale))::int AS stale"
            f" FROM (SELECT g.community_id, {STALE} AS stale FROM plan_grids g"
            "  WHERE g.plan_id = :plan AND g.kind = 'micro' AND g.counts ? 'kind') g"
            " JOIN areas a ON a.id = g.community_id GROUP BY a.id, a.code, a.name ORDER BY a.code"
        ),
        {"plan": plan_id},
    ).mappings()
    communities = [dict(row) for row in rows]
    return {
        "counted": sum(one["counted"] for one in communities),
        "stale": sum(one["stale"] for one in communities),
        "communities": [one for one in communities if one["stale"]],
    }
