"""Places of a station; places of stations, cost and facilities of premises in the OGC views.

Revision ID: 0018
"""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision: str | None = "0017"
branch_labels: str | None = None
depends_on: str | None = None

_STATIONS = """
    SELECT t.id, t.code, t.name, t.kind, t.address, t.opening_hours, t.area_m2,
           array_to_string(t.facilities, ';') AS facilities, t.status, t.published,
           a.code AS community_code, a.name AS community, t.outside_areas, t.updated_at, t.geom,
           t.verified_on
      FROM stations t LEFT JOIN areas a ON a.id = t.community_id
"""
_PREMISES = "SELECT id, code, kind, name, area_m2, updated_at, geom FROM premises"


def upgrade() -> None:
    op.execute("ALTER TABLE stations ADD COLUMN places INTEGER")
    op.execute(
        "ALTER TABLE stations ADD CONSTRAINT ck_stations_places CHECK (places BETWEEN 0 AND 100000)"
    )
    # A view takes new columns at its end without losing comment or rights.
    op.execute(
        "CREATE OR REPLACE VIEW ogc.stations AS"
        + _STATIONS.replace("t.verified_on", "t.verified_on, t.places")
    )
    op.execute(
        "CREATE OR REPLACE VIEW ogc.premises AS "
        + _PREMISES.replace(
            "geom FROM", "geom, cost, array_to_string(facilities, ';') AS facilities FROM"
        )
    )


def downgrade() -> None:
    op.execute("DROP VIEW ogc.stations")
    op.execute("CREATE VIEW ogc.stations AS" + _STATIONS)
    op.execute("COMMENT ON VIEW ogc.stations IS '站点 Stations'")
    op.execute("DROP VIEW ogc.premises")
    op.execute("CREATE VIEW ogc.premises AS " + _PREMISES)
    op.execute("COMMENT ON VIEW ogc.premises IS '候选场所 Candidate sites'")
    op.execute("ALTER TABLE stations DROP COLUMN places")
