"""Bringing a database to the tables this version of Gridcircle works with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

import data.accounts.models  # noqa: F401 — puts its tables beside those of data.models
from data.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from alembic.config import Config

    from data.database import Database

FOLDER = Path(__file__).parent
VERSION_TABLE = "gridcircle_revision"

# One key for all who upgrade this database: "gridcirc" as a number.
_UPGRADE_LOCK = int.from_bytes(b"gridcirc", "big")


def upgrade(database: Database) -> list[str]:
    """Bring the tables of `database` to the newest revision, in one transaction.

    Services that start together wait for each other; the second finds nothing to do.

    Parameters
    ----------
    database : Database
        Open database.

    Returns
    -------
    list of str
        Revisions applied, oldest first; empty where there was nothing to do.

    Raises
    ------
    DatabaseUnavailableError
        If the tables are of a newer version than this program, or may not be made.
    """
    from alembic import command
    from alembic.script import ScriptDirectory

    config = _config()
    script = ScriptDirectory.from_config(config)
    with database.engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
        present = _present(connection)
        known = [revision.revision for revision in script.walk_revisions()][::-1]
        if present is not None and present not in known:
            raise DatabaseUnavailableError(
                f"The tables are at revision {present}, which this version of Gridcircle does not "
                f"know (newest here: {known[-1]}).",
                remedy="Use the newer Gridcircle that made them, or another database.",
            )
        missing = known if present is None else known[known.index(present) + 1 :]
        if missing:
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except ProgrammingError as error:
                if not isinstance(error.orig, InsufficientPrivilege):
                    raise
                raise DatabaseUnavailableError(
                    f"The tables cannot be made in {database.name}: {error.orig}.",
                    remedy="Let the account in DATABASE_URL own the database, "
                    "or GRANT CREATE ON SCHEMA public to it.",
                ) from error
        return missing


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config


def _present(connection: Connection) -> str | None:
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": VERSION_TABLE}) is None:
        return None
    present: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return present
