"""What all tests share: a real PostGIS, started once, and an empty database of its own for each."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from data.database import Database
from data.embedded import EmbeddedServer
from data.migrations import upgrade
from data.settings import Settings

for _name in [n for n in os.environ if n.startswith("GRIDCIRCLE_") or n == "DATABASE_URL"]:
    del os.environ[_name]  # the settings of whoever runs the tests are not the tests' settings

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
    """The one PostGIS of this test run; its database ``gridcircle`` has the tables, no rows."""
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
    yield server
    guard.kill()
    guard.communicate()
    server.stop()


@pytest.fixture(scope="session")
def make_database(postgis: EmbeddedServer) -> Iterator[Callable[[], Database]]:
    """Makes an empty database with all tables; for fixtures that several tests share."""
    admin = create_engine(
        postgis.url.replace("/gridcircle?", "/postgres?"), isolation_level="AUTOCOMMIT"
    )
    numbers = itertools.count(1)
    made: list[tuple[str, Database]] = []

    def make() -> Database:
        name = f"test_{next(numbers)}"
        with admin.connect() as connection:
            # Copying files beats the log here; before PostgreSQL 15 it is the only way.
            version = connection.dialect.server_version_info or (0,)
            strategy = "STRATEGY file_copy" if version >= (15,) else ""
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE gridcircle {strategy}"))
        database = Database(postgis.url.replace("/gridcircle?", f"/{name}?"))
        made.append((name, database))
        return database

    yield make
    with admin.connect() as connection:
        for name, database in made:
            database.close()
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def database(make_database: Callable[[], Database]) -> Iterator[Database]:
    """An empty database with all tables, for one test."""
    database = make_database()
    yield database
    database.close()


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    """Settings that lead to `database` and a folder of this test's own."""
    return Settings.load(home=tmp_path / "home", database_url=database.url)
