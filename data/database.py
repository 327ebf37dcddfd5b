"""The database: PostGIS by URL or the embedded one, behind a pool, one transaction a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from data.embedded import (
    MIN_POSTGIS,
    MIN_POSTGRES,
    EmbeddedServer,
)
from data.errors import DatabaseUnavailableError
from data.migrations import upgrade
from data.settings import Settings

Progress = Callable[[str, float], None]


class Database:
    """An open database; close it, or use it in a ``with`` block, so that its server stops too.

    Parameters
    ----------
    url : str
        SQLAlchemy URL with the psycopg driver.
    server : EmbeddedServer, optional
        The embedded server to leave when this is closed.
    pool_size : int
        Connections kept open; as many again may open for a while.
    """

    def __init__(
        self, url: str | URL, *, server: EmbeddedServer | None = None, pool_size: int = 10
    ) -> None:
        self.server = server
        self._url = make_url(url)
        self.engine: Engine = create_engine(
            self._url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            connect_args={"application_name": "gridcircle", "connect_timeout": 10},
        )

    @property
    def url(self) -> str:
        """SQLAlchemy URL, password included."""
        return self._url.render_as_string(hide_password=False)

    @property
    def libpq_url(self) -> str:
        """The same for clients that know no SQLAlchemy: libpq, psql, GDAL, asyncpg."""
        plain = self._url.set(drivername="postgresql")
        # libpq does not read + as a space.
        return plain.render_as_string(hide_password=False).replace("+", "%20")

    @property
    def name(self) -> str:
        """The database for people, without password."""
        if self.server is not None:
            return f"embedded PostGIS in {self.server.folder}"
        return self._url.set(drivername="postgresql").render_as_string(hide_password=True)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Read in one transaction; writing in it is refused by the database."""
        with self.engine.connect() as connection:
            yield connection.execution_options(postgresql_readonly=True)

    @contextmanager
    def glance(self) -> Iterator[Connection]:
        """Ask single questions, each for itself, without the cost of a transaction around them."""
        with self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def transaction(self, actor: str) -> Iterator[Connection]:
        """Read and write in one transaction: all of it, or nothing if the block raises.

        Parameters
        ----------
        actor : str
            Who does this; the history of every change names it.
        """
        if not actor.strip():
            raise ValueError("A transaction needs an actor for the history.")
        with self.engine.begin() as connection:
            connection.execute(
                text("SELECT set_config('gridcircle.actor', :actor, true)"), {"actor": actor}
            )
            yield connection

    def close(self) -> None:
        """Close all connections and leave the embedded server; safe to call twice."""
        self.engine.dispose()
        if self.server is not None:
            self.server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_database(
    settings: Settings, progress: Progress | None = None, *, migrate: bool = True
) -> Database:
    """Open the database of these settings, ready to use.

    Without a URL the embedded server is joined or started. The tables are brought to this
    version unless `migrate` is false.

    Parameters
    ----------
    settings : Settings
        Where the database is.
    progress : callable, optional
        Told stage and share done.
    migrate : bool
        Whether to bring the tables up to date.

    Raises
    ------
    DatabaseUnavailableError
        If no PostGIS can be reached or started; the remedy says what to do.
    """
    if settings.database_url is None:
        server = EmbeddedServer.start(
            settings.home,
            account=settings.database_user,
            bin_folder=settings.postgres_bin,
            progress=progress,
        )
        database = Database(server.url, server=server)
    else:
        database = Database(settings.database_url)
    try:
        if database.server is None:
            _check(database)
        if migrate:
            if progress is not None:
                progress("Checking the tables", 0.95)
            upgrade(database)
    except BaseException:
        database.close()
        raise
    return database


def _check(database: Database) -> None:
    """Refuse a database of others that cannot hold our tables, before touching it."""
    try:
        with database.engine.connect() as connection:
            server, encoding, postgis = connection.execute(
                text(
                    "SELECT current_setting('server_version_num')::int,"
                    " current_setting('server_encoding'),"
                    " (SELECT extversion FROM pg_extension WHERE extname = 'postgis')"
                )
            ).one()
    except OperationalError as error:
        raise DatabaseUnavailableError(
            f"The database {database.name} cannot be reached: {_reason(error)}.",
            remedy="Check DATABASE_URL and that the server runs; "
            "or unset it to use the embedded database.",
        ) from error
    if server < MIN_POSTGRES * 10_000:
        raise DatabaseUnavailableError(
            f"{database.name} is PostgreSQL {server // 10_000}.",
            remedy=f"Gridcircle needs PostgreSQL {MIN_POSTGRES} or newer.",
        )
    if encoding != "UTF8":
        raise DatabaseUnavailableError(
            f"{database.name} keeps text as {encoding}.",
            remedy="Chinese names need UTF8: createdb --encoding=UTF8 --template=template0 NAME.",
        )
    if postgis is None:
        postgis = _add_postgis(database)
    if tuple(int(part) for part in postgis.split(".")[:2]) < MIN_POSTGIS:
        raise DatabaseUnavailableError(
            f"{database.name} has PostGIS {postgis}.",
            remedy=f"Gridcircle needs PostGIS {MIN_POSTGIS[0]}.{MIN_POSTGIS[1]} or newer.",
        )


def _add_postgis(database: Database) -> str:
    try:
        with database.engine.begin() as connection:
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS postgis"))
            version: str = connection.execute(
                text("SELECT extversion FROM pg_extension WHERE extname = 'postgis'")
            ).scalar_one()
            return version
    except (OperationalError, ProgrammingError) as error:
        raise DatabaseUnavailableError(
            f"{database.name} has no PostGIS, and it could not be added: {_reason(error)}.",
            remedy="Ask the administrator of the database to run CREATE EXTENSION postgis in it "
            "(on Debian the package is postgresql-15-postgis-3).",
        ) from error


def _reason(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0].rstrip(".") if lines else "no reason given"
