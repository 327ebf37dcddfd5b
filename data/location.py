"""Which compound, community and grid a row lies in, from geometry, for whole tables at once."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from data.plans.buildings import follow_buildings

COMPOUND_REACH_M = 30.0
"""A building named to a compound stays there up to this far outside its outline. Our reading:
outlines are drawn along walls, kerbs or hedges."""

GATE_REACH_M = 15.0
"""A gate belongs to the nearest compound within this distance of its outline. Our reading."""


@dataclass(frozen=True, slots=True)
class Located:
    """What `locate` changed and found.

    Attributes
    ----------
    areas, compounds, grids, buildings, stations, gates : int
        Rows that got another link than they had.
    buildings_outside, stations_outside : int
        Rows outside every community, and outside every area.
    """

    areas: int
    compounds: int
    grids: int
    buildings: int
    stations: int
    gates: int
    buildings_outside: int
    stations_outside: int


def locate(connection: Connection) -> Located:
    """Link every row to what it lies in; to be called at the end of each import.

    A row lies where its point on surface lies, borders included: of several compounds or grids in
    the smallest, of several communities in the first. Buildings get compound, community and grid;
    stations community and ``outside_areas``; compounds and grids community. Areas without a
    parent get the lowest area of a higher level around them, gates without a compound the nearest
    within `GATE_REACH_M`. Only rows whose link differs are written, so that the history stays
    small.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.

    Returns
    -------
    Located
    """
    # The rows of this transaction are unknown to the planner until it is told.
    connection.execute(text("ANALYZE areas, compounds, grids, buildings, gates, stations"))
    for statement in _POINTS_OF_BUILDINGS:
        connection.execute(text(statement))
    changed = {name: connection.execute(text(sql)).rowcount for name, sql in _STATEMENTS.items()}
    connection.execute(text("DROP TABLE building_points"))
    follow_buildings(connection)
    outside = connection.execute(
        text(
            "SELECT (SELECT count(*) FROM buildings WHERE community_id IS NULL),"
            " (SELECT count(*) FROM stations WHERE outside_areas)"
        )
    ).one()
    return Located(**changed, buildings_outside=outside[0], stations_outside=outside[1])


def _smallest(table: str, points: str, where: str = "") -> str:
    """Write SQL: for each point the smallest row of `table` around it; of equals the first."""
    return (
        f"SELECT DISTINCT ON (p.id) p.id, t.id AS found FROM {points} p"
        f" JOIN {table} t ON ST_Intersects(t.geom, p.point) {where}"
        " ORDER BY p.id, ST_Area(t.geom), t.id"
    )


def _community(points: str) -> str:
    """Write SQL: for each point the first community around it."""
    return (
        f"SELECT p.id, min(t.id) AS found FROM {points} p"
        " JOIN areas t ON t.level = 'community' AND ST_Intersects(t.geom, p.point) GROUP BY p.id"
    )


def _points(table: str) -> str:
    return f"WITH points AS MATERIALIZED (SELECT id, ST_PointOnSurface(geom) AS point FROM {table})"


# Many points in few polygons: with an index on the points each polygon is unpacked once. For points
# ST_Intersects says the same as ST_Covers, five times as fast.
_POINTS_OF_BUILDINGS = (
    """CREATE TEMP TABLE building_points ON COMMIT DROP AS
       SELECT id, ST_PointOnSurface(geom) AS point FROM buildings""",
    "CREATE INDEX ON building_points USING gist (point)",
    "ANALYZE building_points",
)

_BUILDINGS = f"""
WITH
communities AS ({_community("building_points")}),
grids_around AS ({_smallest("grids", "building_points", "AND t.kind IN ('base', 'exclusive')")}),
compounds_around AS ({_smallest("compounds", "building_points")}),
links AS (
    SELECT b.id, c.found AS community_id, g.found AS grid_id,
           CASE WHEN b.compound_id IS DISTINCT FROM k.found AND EXISTS
                     (SELECT FROM compounds own WHERE own.id = b.compound_id
                         AND ST_DWithin(own.geom::geography, p.point::geography,
                                        CASE WHEN k.found IS NULL THEN {COMPOUND_REACH_M}
                                             ELSE 0 END))
                THEN b.compound_id ELSE k.found END AS compound_id
      FROM buildings b JOIN building_points p USING (id)
      LEFT JOIN communities c USING (id)
      LEFT JOIN grids_around g USING (id)
      LEFT JOIN compounds_around k USING (id)
)
UPDATE buildings b
   SET compound_id = l.compound_id, community_id = l.community_id, grid_id = l.grid_id
  FROM links l
 WHERE l.id = b.id AND (b.compound_id, b.community_id, b.grid_id)
       IS DISTINCT FROM (l.compound_id, l.community_id, l.grid_id)
"""


def _by_community(table: str) -> str:
    return f"""
{_points(table)},
communities AS ({_community("points")})
UPDATE {table} t SET community_id = l.found
  FROM (SELECT p.id, c.found FROM points p LEFT JOIN communities c USING (id)) l
 WHERE l.id = t.id AND t.community_id IS DISTINCT FROM l.found
"""


_AREAS = """
UPDATE areas a SET parent_id = around.parent_id
  FROM (SELECT DISTINCT ON (c.id) c.id, p.id AS parent_id
          FROM (SELECT id, level, ST_PointOnSurface(geom) AS point FROM areas
                 WHERE parent_id IS NULL AND level <> 'district') c
          JOIN areas p ON (p.level = 'district' OR (p.level = 'street' AND c.level = 'community'))
                      AND ST_Intersects(p.geom, c.point)
         ORDER BY c.id, p.level DESC, ST_Area(p.geom), p.id) around
 WHERE around.id = a.id
"""

_STATIONS = f"""
WITH communities AS ({_community("(SELECT id, geom AS point FROM stations)")}),
links AS (
    SELECT s.id, c.found AS community_id,
           NOT EXISTS (SELECT FROM areas a WHERE ST_Intersects(a.geom, s.geom)) AS outside_areas
      FROM stations s LEFT JOIN communities c USING (id)
)
UPDATE stations s SET community_id = l.community_id, outside_areas = l.outside_areas
  FROM links l
 WHERE l.id = s.id
   AND (s.community_id, s.outside_areas) IS DISTINCT FROM (l.community_id, l.outside_areas)
"""

# A box 15 m to each side, in degrees, lets the spatial index find the compounds that can be near
# enough; cos of the latitude widens it towards the poles, where it is kept from running away.
_GATES = f"""
UPDATE gates g SET compound_id = near.compound_id
  FROM (SELECT DISTINCT ON (o.id) o.id, c.id AS compound_id
          FROM gates o JOIN compounds c
            ON c.geom && ST_Expand(
                   o.geom,
                   {GATE_REACH_M} / 110000.0 / greatest(cos(radians(ST_Y(o.geom))), 0.01),
                   {GATE_REACH_M} / 110000.0)
           AND ST_DWithin(c.geom::geography, o.geom::geography, {GATE_REACH_M})
         WHERE o.compound_id IS NULL
         ORDER BY o.id, ST_Distance(c.geom::geography, o.geom::geography), ST_Area(c.geom), c.id
       ) near
 WHERE near.id = g.id
"""

_STATEMENTS = {
    "areas": _AREAS,
    "compounds": _by_community("compounds"),
    "grids": _by_community("grids"),
    "buildings": _BUILDINGS,
    "stations": _STATIONS,
    "gates": _GATES,
}
