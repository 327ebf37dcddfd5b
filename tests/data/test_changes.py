"""Noticing what has changed in the database, whoever changed it."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from town import seed_layers

from data.changes import ChangeWatch
from data.database import Database

TABLES = ("stations", "buildings", "areas")


@pytest.fixture
def town(database: Database) -> Database:
    with database.transaction("test") as connection:
        seed_layers(connection)
    return database


def read(database: Database, watch: ChangeWatch):
    with database.connect() as connection:
        return watch.read(connection)


def rename(connection, code: str, name: str) -> None:
    connection.execute(
        text("UPDATE stations SET name = :name WHERE code = :code"), {"name": name, "code": code}
    )


def test_nothing_changed_reads_the_same_and_a_change_moves_its_table_only(town):
    watch = ChangeWatch()
    before = read(town, watch)
    assert read(town, watch) is before
    with town.transaction("a") as connection:
        rename(connection, "S1", "新名")
    after = read(town, watch)
    assert after.of(["stations"]) != before.of(["stations"])
    assert after.of(["buildings", "areas"]) == before.of(["buildings", "areas"])
    assert after.everything != before.everything


def test_a_transaction_that_commits_after_a_later_one_is_noticed(town):
    watch = ChangeWatch()
    start = read(town, watch)
    with town.transaction("slow") as slow:
        rename(slow, "S1", "慢")
        with town.transaction("quick") as quick:
            rename(quick, "S2", "快")
        middle = read(town, watch)
        assert read(town, watch).tables == middle.tables
    end = read(town, watch)
    counts = [v.tables["stations"] for v in (start, middle, end)]
    assert counts == [counts[0], counts[0] + 1, counts[0] + 2]


def test_what_is_rolled_back_has_not_happened(town):
    watch = ChangeWatch()
    before = read(town, watch)
    with town.engine.connect() as connection:
        rename(connection, "S1", "x")
        connection.rollback()
    assert read(town, watch).tables == before.tables


def test_another_process_that_starts_later_counts_the_same(town):
    watch = ChangeWatch()
    read(town, watch)
    for number in range(3):
        with town.transaction("a") as connection:
            rename(connection, "S1", f"名{number}")
        read(town, watch)
    assert read(town, ChangeWatch()) == read(town, watch)


def test_a_new_base_map_or_city_name_is_noticed(town):
    watch = ChangeWatch()
    one = read(town, watch)
    with town.transaction("a") as connection:
        connection.execute(text("UPDATE city SET name = '另一镇'"))
    two = read(town, watch)
    with town.transaction("a") as connection:
        connection.execute(
            text(
                "INSERT INTO base_features (source, source_key, layer, kind, geom) VALUES"
                " ('x', 'x', 'label', 'town', ST_SetSRID(ST_MakePoint(118, 36), 4326))"
            )
        )
    three = read(town, watch)
    assert len({v.everything for v in (one, two, three)}) == 3
