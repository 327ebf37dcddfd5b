"""Opening a database, its transactions and its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from geoalchemy2 import alembic_helpers
from sqlalchemy import Connection, NullPool, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from data.database import Database, open_database
from data.embedded import EmbeddedServer
from data.errors import DatabaseUnavailableError
from data.migrations import VERSION_TABLE, upgrade
from data.models import EDITED_TABLES, Base
from data.settings import Settings

ADD_STATION = text(
    "INSERT INTO stations (code, kind, name, geom)"
    " VALUES (:code, 'red_station', '红色驿站', ST_SetSRID(ST_Point(117.9, 36.9), 4326))"
)


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A committing connection that leaves nothing open."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        yield connection


@pytest.fixture
def bare_url(postgis: EmbeddedServer) -> Iterator[str]:
    """URL of a database without tables and without PostGIS."""
    admin = create_engine(
        postgis.url.replace("/gridcircle?", "/postgres?"),
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
    )
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE bare"))
    yield postgis.url.replace("/gridcircle?", "/bare?")
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE bare"))


def superuser(url: str) -> str:
    return url.replace("//gridcircle@", "//postgres@")


def test_a_transaction_that_raises_leaves_nothing_behind(database: Database) -> None:
    def broken_off() -> None:
        with database.transaction("planner") as connection:
            connection.execute(ADD_STATION, {"code": "r1"})
            raise KeyError("stop")

    with pytest.raises(KeyError):
        broken_off()
    with database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM stations")) == 0
        assert connection.scalar(text("SELECT count(*) FROM history")) == 0


def test_the_actor_is_known_inside_a_transaction_and_forgotten_after_it(
    database: Database,
) -> None:
    ask = text("SELECT current_setting('gridcircle.actor', true)")
    with database.transaction("李工") as connection:
        assert connection.scalar(ask) == "李工"
    with database.connect() as connection:
        assert connection.scalar(ask) in (None, "")


def test_a_transaction_without_an_actor_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="actor"), database.transaction(" "):
        pass


def test_a_reading_connection_cannot_write(database: Database) -> None:
    with (
        database.connect() as connection,
        pytest.raises(DBAPIError, match="read-only transaction"),
    ):
        connection.execute(ADD_STATION, {"code": "r1"})
    with database.transaction("planner") as connection:  # and the pool forgets it
        connection.execute(ADD_STATION, {"code": "r1"})


def test_the_tables_after_all_migrations_are_those_of_the_models(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_object": alembic_helpers.include_object,
                "compare_type": True,
                "compare_server_default": True,
                "version_table": VERSION_TABLE,
            },
        )
        assert compare_metadata(context, Base.metadata) == []


def constraints_and_indexes(connection: Connection) -> set[tuple[str, str, str]]:
    """What alembic does not compare, as PostgreSQL writes it."""
    rows = connection.execute(
        text(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
            "  FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
            "  AND contype <> 't'"  # triggers, which are not the models'
            " UNION ALL SELECT tablename, indexname, indexdef FROM pg_indexes"
            " WHERE schemaname = 'public'"
        )
    )
    return {
        (table, name, definition)
        for table, name, definition in rows
        if table not in {VERSION_TABLE, "spatial_ref_sys"}
    }


def test_checks_keys_and_indexes_after_all_migrations_are_those_of_the_models(
    database: Database, bare_url: str
) -> None:
    with connected(superuser(bare_url)) as connection:
        connection.execute(text("CREATE EXTENSION postgis"))
        Base.metadata.create_all(connection)
        by_models = constraints_and_indexes(connection)
    with database.connect() as connection:
        by_migrations = constraints_and_indexes(connection)
    assert by_migrations - by_models == set()
    assert by_models - by_migrations == set()
    assert len(by_models) > 150


def test_every_edited_table_keeps_history_and_refuses_truncation(database: Database) -> None:
    wanted = {"touch", "history_insert", "history_update", "history_delete", "no_truncate"}
    with database.connect() as connection:
        for table in EDITED_TABLES:
            names = connection.scalars(
                text(
                    "SELECT tgname FROM pg_trigger"
                    " WHERE tgrelid = to_regclass(:table) AND NOT tgisinternal"
                ),
                {"table": table},
            )
            assert wanted <= set(names), table


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    assert upgrade(database) == []


def test_a_foreign_database_gets_postgis_and_tables_when_its_account_may(
    bare_url: str, settings: Settings
) -> None:
    foreign = settings.model_copy(update={"database_url": superuser(bare_url)})
    with open_database(foreign) as database, database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM stations")) == 0


def test_a_foreign_database_without_postgis_names_what_its_administrator_must_run(
    bare_url: str, settings: Settings
) -> None:
    foreign = settings.model_copy(update={"database_url": bare_url})
    with pytest.raises(DatabaseUnavailableError, match="has no PostGIS") as caught:
        open_database(foreign)
    assert "CREATE EXTENSION postgis" in caught.value.remedy


def test_an_unreachable_database_is_named_without_its_password(settings: Settings) -> None:
    foreign = settings.model_copy(
        update={"database_url": "postgresql+psycopg://planner:geheim@127.0.0.1:1/city"}
    )
    with pytest.raises(DatabaseUnavailableError, match=r"127\.0\.0\.1:1/city") as caught:
        open_database(foreign)
    assert "geheim" not in str(caught.value)
    assert "DATABASE_URL" in caught.value.remedy


def test_tables_of_a_newer_version_are_refused(
    make_database: Callable[[], Database], settings: Settings
) -> None:
    database = make_database()
    with database.transaction("planner") as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(DatabaseUnavailableError, match="revision 9999"):
        open_database(settings.model_copy(update={"database_url": database.url}))


def test_services_that_start_together_upgrade_once(
    bare_url: str, make_database: Callable[[], Database]
) -> None:
    with connected(superuser(bare_url)) as connection:
        connection.execute(text("CREATE EXTENSION postgis"))
        connection.execute(text("GRANT ALL ON SCHEMA public TO gridcircle"))
    services = [Database(bare_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(upgrade, services))
    for service in services:
        service.close()
    assert sorted(map(len, applied)) == [0, 0, 0, len(max(applied, key=len))]
    assert max(applied, key=len)[0] == "0001"


def test_a_url_for_other_clients_keeps_host_and_folder(database: Database) -> None:
    with psycopg.connect(database.libpq_url) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == (
            make_url(database.url).database,
        )
    spaced = Database("postgresql+psycopg://u@/city?host=/a folder/socket")
    assert spaced.libpq_url == "postgresql://u@/city?host=%2Fa%20folder%2Fsocket"
