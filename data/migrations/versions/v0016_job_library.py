"""The job library procrastinate, in a schema of its own.

The statements are a copy of the library's, because a migration does the same for ever; a newer
library brings its own changes as a migration of ours (tests compare the copy with the library).

Revision ID: 0016
"""

from __future__ import annotations

from importlib.resources import files

from alembic import op

revision = "0016"
down_revision: str | None = "0015"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    statements = files("data.migrations").joinpath("procrastinate_3_10.sql").read_text("utf-8")
    op.execute("CREATE SCHEMA jobs")
    op.execute("SET LOCAL search_path TO jobs, public")
    connection = op.get_bind().connection.driver_connection
    assert connection is not None  # noqa: S101 — a migration runs on a live connection
    connection.execute(statements)  # many statements, percent signs: no parameters, no parsing
    op.execute("SET LOCAL search_path TO DEFAULT")
    # What waited or ran before there was the library is asked for again.
    op.execute(
        "UPDATE design_jobs SET state = 'failed', finished_at = now(), error = jsonb_build_object("
        "'code', 'ServiceStopped', 'message', 'The service was brought up to date.',"
        " 'remedy', 'Ask again.') WHERE state IN ('queued', 'running')"
    )


def downgrade() -> None:
    op.execute("DROP SCHEMA jobs CASCADE")
