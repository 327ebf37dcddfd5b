"""When a station was last verified, in the OGC view; published navigation maps of compounds.

Revision ID: 0009
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision: str | None = "0008"
branch_labels: str | None = None
depends_on: str | None = None

_BEFORE = """
    SELECT t.id, t.code, t.name, t.kind, t.address, t.opening_hours, t.area_m2,
           array_to_string(t.facilities, ';') AS facilities, t.status, t.published,
           a.code AS community_code, a.name AS community, t.outside_areas, t.updated_at, t.geom
      FROM stations t LEFT JOIN areas a ON a.id = t.community_id
"""


def upgrade() -> None:
    # A view takes new columns at its end without losing comment or rights.
    op.execute(
        "CREATE OR REPLACE VIEW ogc.stations AS"
        + _BEFORE.replace("t.updated_at, t.geom", "t.updated_at, t.geom, t.verified_on")
    )
    op.execute("""
        CREATE TABLE compound_editions (
            compound_id BIGINT NOT NULL,
            number INTEGER NOT NULL,
            published_at timestamptz DEFAULT now() NOT NULL,
            editor TEXT NOT NULL,
            withdrawn BOOLEAN DEFAULT false NOT NULL,
            content JSONB NOT NULL,
            CONSTRAINT pk_compound_editions PRIMARY KEY (compound_id, number),
            CONSTRAINT ck_compound_editions_number CHECK (number >= 1)
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE compound_editions")
    op.execute("DROP VIEW ogc.stations")
    op.execute("CREATE VIEW ogc.stations AS" + _BEFORE)
    op.execute("COMMENT ON VIEW ogc.stations IS '站点 Stations'")
