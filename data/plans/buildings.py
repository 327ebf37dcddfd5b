"""Buildings follow boundaries: after imports and undo, each is in the grid its point lies in."""

from __future__ import annotations

import numpy as np
import shapely
from sqlalchemy import Connection, text

from data.plans.cells import refresh_points
from geo.partition import Partition

# Missing, in another community, or moved; what is gone has left no row. Cells follow when they are
# next asked for (`data.plans.cells`).
_STALE = """
WITH planned AS (SELECT DISTINCT community_id AS id FROM plan_communities),
points AS (
    SELECT b.id, b.community_id, ST_PointOnSurface(b.geom) AS point FROM buildings b
     WHERE b.community_id IN (SELECT id FROM planned)
)
SELECT DISTINCT id FROM (
    SELECT p.community_id AS id FROM points p LEFT JOIN building_cells c ON c.building_id = p.id
     WHERE c.building_id IS NULL OR c.community_id <> p.community_id
        OR NOT ST_DWithin(c.point, p.point, 2e-9)
    UNION ALL
    SELECT c.community_id FROM building_cells c LEFT JOIN points p ON p.id = c.building_id
     WHERE p.id IS NULL OR p.community_id <> c.community_id
) stale WHERE id IN (SELECT id FROM planned) ORDER BY id
"""


def follow_buildings(connection: Connection) -> int:
    """Bring points and assignments of every plan up to the buildings; gives communities changed.

    To be called at the end of each import. Costs nothing where there is no plan.
    """
    if not connection.execute(text("SELECT EXISTS (SELECT FROM plan_communities)")).scalar_one():
        return 0
    stale = connection.execute(text(_STALE)).scalars().all()
    refresh_points(connection, stale)
    for community in stale:
        plans = connection.execute(
            text("SELECT plan_id FROM plan_communities WHERE community_id = :c ORDER BY plan_id"),
            {"c": community},
        ).scalars()
        for plan in plans.all():
            assign_buildings(connection, plan, community)
    return len(stale)


def assign_buildings(connection: Connection, plan_id: int, community_id: int) -> int:
    """Put every building of a community into the grid its point lies in; gives rows written.

    A building that lies in its grid already stays, also on a boundary.
    """
    bound = {"plan": plan_id, "community": community_id}
    homes = connection.execute(
        text(
            "SELECT c.building_id, ST_X(c.point) AS lon, ST_Y(c.point) AS lat,"
            " coalesce(b.grid_id, 0) AS grid_id, coalesce(b.community_id, 0) AS community_id"
            " FROM building_cells c LEFT JOIN plan_buildings b"
            " ON b.building_id = c.building_id AND b.plan_id = :plan"
            " WHERE c.community_id = :community ORDER BY c.building_id"
        ),
        bound,
    ).all()
    written = connection.execute(
        text(
            "DELETE FROM plan_buildings b WHERE b.plan_id = :plan AND b.community_id = :community"
            " AND NOT EXISTS (SELECT FROM building_cells c WHERE c.building_id = b.building_id"
            " AND c.community_id = :community)"
        ),
        bound,
    ).rowcount
    if not homes:
        return written
    shapes = {
        row.id: shapely.from_wkb(bytes(row.geom))
        for row in connection.execute(
            text(
                "SELECT id, ST_AsBinary(geom) AS geom FROM plan_grids WHERE plan_id = :plan"
                " AND community_id = :community AND kind <> 'micro' ORDER BY id"
            ),
            bound,
        )
    }
    points = np.array([(h.lon, h.lat) for h in homes])
    found = Partition(shapes, shapely.union_all(list(shapes.values()))).at(points)
    at = shapely.points(points)
    changed: list[tuple[int, int]] = []
    for n, home in enumerate(homes):
        own = shapes.get(home.grid_id)
        if own is not None and home.community_id == community_id and shapely.intersects(own, at[n]):
            continue
        changed.append((home.building_id, int(found[n])))
    inside = [(b, g) for b, g in changed if g]
    outside = [b for b, g in changed if not g]
    if inside:
        connection.execute(
            text(
                "INSERT INTO plan_buildings (plan_id, building_id, community_id, grid_id)"
                " SELECT :plan, b, :community, g FROM"
                " unnest(CAST(:b AS bigint[]), CAST(:g AS bigint[])) AS t (b, g)"
                " ON CONFLICT (plan_id, building_id) DO UPDATE SET grid_id = excluded.grid_id,"
                " community_id = excluded.community_id"
            ),
            bound | {"b": [b for b, _ in inside], "g": [g for _, g in inside]},
        )
    if outside:
        connection.execute(
            text("DELETE FROM plan_buildings WHERE plan_id = :plan AND building_id = ANY(:b)"),
            bound | {"b": outside},
        )
    return written + len(changed)
