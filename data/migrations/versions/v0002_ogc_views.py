"""What leaves by OGC API (views), squares of coverage for low zooms, indexes for base tiles.

Revision ID: 0002
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None

# Only columns that may leave; names in place of keys, so that a table makes sense by itself.
VIEWS = (
    """
    CREATE VIEW ogc.areas AS
    SELECT t.id, t.code, t.level, t.name, p.code AS parent_code, p.name AS parent,
           t.updated_at, t.geom
      FROM areas t LEFT JOIN areas p ON p.id = t.parent_id
    """,
    """
    CREATE VIEW ogc.compounds AS
    SELECT t.id, t.code, t.name, t.kind, t.walled, a.code AS community_code, a.name AS community,
           t.updated_at, t.geom
      FROM compounds t LEFT JOIN areas a ON a.id = t.community_id
    """,
    """
    CREATE VIEW ogc.gates AS
    SELECT t.id, t.code, t.name, t.access, t.opening_hours, c.code AS compound_code,
           c.name AS compound, t.updated_at, t.geom
      FROM gates t LEFT JOIN compounds c ON c.id = t.compound_id
    """,
    """
    CREATE VIEW ogc.grids AS
    SELECT t.id, t.code, t.name, t.kind, a.code AS community_code, a.name AS community,
           t.updated_at, t.geom
      FROM grids t LEFT JOIN areas a ON a.id = t.community_id
    """,
    """
    CREATE VIEW ogc.buildings AS
    SELECT t.id, t.code, t.name, t.address, t.kind, t.floors, t.floors_source, t.units,
           t.households, t.households_source, t.people, t.people_source,
           c.code AS compound_code, c.name AS compound, g.code AS grid_code,
           a.code AS community_code, a.name AS community, t.updated_at, t.geom
      FROM buildings t
      LEFT JOIN compounds c ON c.id = t.compound_id
      LEFT JOIN grids g ON g.id = t.grid_id
      LEFT JOIN areas a ON a.id = t.community_id
    """,
    """
    CREATE VIEW ogc.entrances AS
    SELECT t.id, t.code, t.unit, b.code AS building_code, t.updated_at, t.geom
      FROM entrances t JOIN buildings b ON b.id = t.building_id
    """,
    """
    CREATE VIEW ogc.stations AS
    SELECT t.id, t.code, t.name, t.kind, t.address, t.opening_hours, t.area_m2,
           array_to_string(t.facilities, ';') AS facilities, t.status, t.published,
           a.code AS community_code, a.name AS community, t.outside_areas, t.updated_at, t.geom
      FROM stations t LEFT JOIN areas a ON a.id = t.community_id
    """,
    """
    CREATE VIEW ogc.patrol_points AS
    SELECT id, code, kind, name, updated_at, geom FROM patrol_points
    """,
    """
    CREATE VIEW ogc.premises AS
    SELECT id, code, kind, name, area_m2, updated_at, geom FROM premises
    """,
    """
    CREATE VIEW ogc.base_features AS
    SELECT id, layer, kind, name, min_zoom, geom FROM base_features
    """,
    """
    CREATE VIEW ogc.network_edges AS
    SELECT e.id, e.way, e.length_mm / 1000.0::float8 AS length_m, (e.flags & 1) <> 0 AS walk,
           (e.flags & 6) <> 0 AS ride, (e.flags & 8) <> 0 AS steps, (e.flags & 16) <> 0 AS bridge,
           (e.flags & 32) <> 0 AS tunnel, (e.flags & 64) <> 0 AS private,
           (e.flags & 128) <> 0 AS crossing, e.network_version, e.geom
      FROM network_edges e
      JOIN network_versions v ON v.version = e.network_version AND v.is_current
    """,
    """
    CREATE VIEW ogc.coverage AS
    SELECT b.id, b.code, b.name, b.kind, b.households, b.people, r.state, r.seconds,
           s.code AS station_code, s.name AS station, r.zone, r.run_id AS run, b.geom
      FROM coverage_results r
      JOIN buildings b ON b.id = r.building_id
      LEFT JOIN stations s ON s.id = r.station_id
     WHERE r.run_id = (SELECT max(id) FROM coverage_runs)
    """,
)

TITLES = {
    "areas": "行政区 Areas: district, street, community",
    "compounds": "小区 Compounds",
    "gates": "小区门 Gates of compounds",
    "grids": "网格 Grids of the published plan",
    "buildings": "楼栋 Buildings with counts of households and people",
    "entrances": "单元门 Entrances of buildings",
    "stations": "站点 Stations",
    "patrol_points": "巡查点 Patrol points",
    "premises": "候选场所 Candidate sites",
    "base_features": "底图要素 Base-map features",
    "network_edges": "步行网络 Walking network, current version",
    "coverage": "覆盖 Newest coverage result, by building",
}


def upgrade() -> None:
    op.execute("CREATE SCHEMA ogc")
    for view in VIEWS:
        op.execute(view)
    for name, title in TITLES.items():
        op.execute(f"COMMENT ON VIEW ogc.{name} IS '{title}'")
    # A square of a run is a tile of the WebMercatorQuad pyramid; sums are kept for every zoom, so
    # that a tile at any zoom reads at most 4,096 rows.
    op.execute("""
        CREATE TABLE coverage_cells (
            run_id BIGINT NOT NULL,
            z SMALLINT NOT NULL,
            y INTEGER NOT NULL,
            x INTEGER NOT NULL,
            buildings INTEGER NOT NULL,
            households INTEGER NOT NULL,
            covered_buildings INTEGER NOT NULL,
            covered_households INTEGER NOT NULL,
            minutes REAL,
            CONSTRAINT pk_coverage_cells PRIMARY KEY (run_id, z, y, x),
            CONSTRAINT ck_coverage_cells_covered CHECK (covered_buildings <= buildings
                AND covered_households <= households),
            CONSTRAINT fk_coverage_cells_run_id FOREIGN KEY(run_id) REFERENCES coverage_runs (id)
                ON DELETE CASCADE
        )
    """)
    # Low zooms draw few of very many features: an index of just these finds them.
    for zoom in (10, 12, 13):
        op.execute(
            f"CREATE INDEX idx_base_features_geom_z{zoom} ON base_features USING gist (geom)"
            f" WHERE min_zoom <= {zoom}"
        )


def downgrade() -> None:
    op.execute("DROP SCHEMA ogc CASCADE")
    op.execute("DROP TABLE coverage_cells")
    for zoom in (10, 12, 13):
        op.execute(f"DROP INDEX idx_base_features_geom_z{zoom}")
