"""Known totals of communities, which estimates of their buildings add up to.

Revision ID: 0004
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE community_totals (
            area_id BIGINT NOT NULL,
            households INTEGER NOT NULL,
            people INTEGER,
            source TEXT NOT NULL,
            updated_at timestamptz DEFAULT now() NOT NULL,
            CONSTRAINT pk_community_totals PRIMARY KEY (area_id),
            CONSTRAINT ck_community_totals_households CHECK (households BETWEEN 0 AND 1000000),
            CONSTRAINT ck_community_totals_people
                CHECK (people IS NULL OR people BETWEEN 0 AND 5000000),
            CONSTRAINT fk_community_totals_area_id FOREIGN KEY(area_id) REFERENCES areas (id)
                ON DELETE CASCADE
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE community_totals")
