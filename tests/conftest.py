"""What all tests share: a real PostGIS, started once, and an empty database of its own for each."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from data.database import Database
from data.embedded import EmbeddedServer
from data.migrations import VERSION_TABLE, upgrade
from data.models import Base
from data.settings import Settings

for _name in [n for n in os.environ if n.startswith("GRIDCIRCLE_") or n == "DATABASE_URL"]:
    del os.environ[_name]  # the settings of whoever runs the tests are not the tests' settings

# A property holds or does not; how long it takes on a busy machine says nothing.
hypothesis.settings.register_profile("no-deadline", deadline=None)
hypothesis.settings.load_profile("no-deadline")

_GUARD = 'cat; kill -INT "$1"; sleep 2; rm -r "$2"'


@pytest.fixture(scope="session")
def reachable_folder() -> Iterator[Path]:
    """A temporary folder that the server's account can reach too, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="gridcircle-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgis(reachable_folder: Path) -> Iterator[EmbeddedServer]:
    """The one PostGIS of this test run.

    Its databases ``gridcircle``, where commands write, and ``blank``, which others are copies of,
    have the tables and no rows.
    """
    server = EmbeddedServer.start(reachable_folder / "home", durable=False)
    # Its standard input closes when this run ends in whatever way: a run that is killed leaves no
    # server and no folder behind.
    guard = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "sh", str(server.pid), str(reachable_folder)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    template = Database(server.url)
    upgrade(template)
    template.close()
    admin = create_engine(_url(server, "postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE blank TEMPLATE gridcircle"))
    admin.dispose()
    yield server
    guard.kill()
    guard.communicate()
    server.stop()


@pytest.fixture(scope="session")
def make_database(postgis: EmbeddedServer) -> Iterator[Callable[[], Database]]:
    """Makes an empty database with all tables; for fixtures that several tests share."""
    admin = create_engine(_url(postgis, "postgres"), isolation_level="AUTOCOMMIT")
    made: list[Database] = []

    def make() -> Database:
        name = f"test_{len(made)}"
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE blank"))
        database = Database(_url(postgis, name))
        made.append(database)
        return database

    yield make
    # The databases go with the folder of the server: dropping each would take longer.
    for database in made:
        database.close()
    admin.dispose()


@pytest.fixture(scope="session")
def spare_databases() -> list[Database]:
    """Databases that were used and emptied: emptying is quicker than making one."""
    return []


@pytest.fixture
def database(
    make_database: Callable[[], Database], spare_databases: list[Database]
) -> Iterator[Database]:
    """An empty database with all tables, for one test."""
    database = spare_databases.pop() if spare_databases else make_database()
    yield database
    database.close()
    if _emptied(database):
        spare_databases.append(database)


def _url(server: EmbeddedServer, database: str) -> str:
    return server.url.replace("/gridcircle?", f"/{database}?")


def _emptied(database: Database) -> bool:
    """Empty all tables, history too; not where a test left something open or made new tables."""
    engine = create_engine(database.url.replace("//gridcircle@", "//postgres@"), poolclass=NullPool)
    try:
        with engine.begin() as connection:
            # Triggers keep histories from being emptied; they rest for this one.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("SET LOCAL lock_timeout = '2s'"))
            tables = set(
                connection.scalars(
                    text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
                )
            ) - {"spatial_ref_sys", VERSION_TABLE}
            # Few rows: deleting them is quicker than new files for all tables and indexes.
            connection.execute(text(";".join(f"DELETE FROM {table}" for table in tables)))
            connection.execute(
                text("SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence")
            )
    except OperationalError:
        return False
    return tables == set(Base.metadata.tables)


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    """Settings that lead to `database` and a folder of this test's own."""
    return Settings.load(home=tmp_path / "home", database_url=database.url)
