"""Counts of grids themselves: of micro-grids made by rule, and party members of base grids.

Revision ID: 0015
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision: str | None = "0014"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.execute("ALTER TABLE plan_grids ADD COLUMN counts JSONB")


def downgrade() -> None:
    op.execute("ALTER TABLE plan_grids DROP COLUMN counts")
