"""Known totals of communities, which estimates of their buildings add up to; whose the sample is.

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
    # Nobody surveyed a made-up city: it was credited to OpenStreetMap contributors until now.
    op.execute(
        "UPDATE city SET attribution = '示例数据，全部虚构 · Sample data, all made up'"
        " WHERE is_sample"
    )


def downgrade() -> None:
    op.execute("DROP TABLE community_totals")
