"""What a station in premises could offer.

Revision ID: 0017
"""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision: str | None = "0016"
branch_labels: str | None = None
depends_on: str | None = None

FACILITIES = (
    "'rest', 'water', 'hot_meal', 'microwave', 'phone_charging', 'ebike_charging', "
    "'battery_swap', 'toilet', 'first_aid', 'wifi', 'books', 'air_conditioning', "
    "'parking', 'fridge', 'umbrella', 'pump', 'aed', 'blood_pressure'"
)
"""Written out: a migration does the same for ever."""


def upgrade() -> None:
    op.execute("ALTER TABLE premises ADD COLUMN facilities TEXT[]")
    op.execute(
        "ALTER TABLE premises ADD CONSTRAINT ck_premises_facilities"
        f" CHECK (facilities <@ ARRAY[{FACILITIES}]::text[])"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE premises DROP COLUMN facilities")
