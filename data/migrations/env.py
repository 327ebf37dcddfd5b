"""What Alembic runs: on the connection `data.migrations.upgrade` gives, or on one of its own."""

from __future__ import annotations

from alembic import context
from geoalchemy2 import alembic_helpers
from sqlalchemy import Connection

from data.database import open_database
from data.migrations import VERSION_TABLE
from data.models import Base
from data.settings import get_settings


def run(connection: Connection) -> None:
    """Run the asked revisions on `connection`."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # A name of our own: the database may hold another program's tables too.
        version_table=VERSION_TABLE,
        include_object=alembic_helpers.include_object,
        process_revision_directives=alembic_helpers.writer,
        render_item=alembic_helpers.render_item,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:  # `alembic -c data/alembic.ini revision --autogenerate`, by an engineer
    with (
        open_database(get_settings(), migrate=False) as database,
        database.engine.begin() as own,
    ):
        run(own)
