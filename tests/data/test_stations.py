"""Stations: rules, versions, history."""

from __future__ import annotations

import dataclasses
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from town import lonlat, seed_layers

from data.database import Database
from data.errors import ConflictError, InvalidRowError, NotFoundError, StaleRowError
from data.history import row_history
from data.layers import read_feature
from data.models import FACILITIES
from data.stations import (
    StationDraft,
    change_station,
    check_station,
    create_station,
    delete_station,
    replace_station,
)

DRAFT = StationDraft(
    kind="rider_station",
    name="小哥驿站",
    lon=lonlat(300, 300)[0],
    lat=lonlat(300, 300)[1],
    opening_hours="Mo-Su 07:00-22:00",
    facilities=("water", "rest"),
)


@pytest.fixture
def town(database: Database) -> Database:
    with database.transaction("test") as connection:
        seed_layers(connection)
    return database


def test_a_new_station_gets_a_code_a_version_and_its_community(town):
    with town.transaction("anna") as connection:
        made = create_station(connection, DRAFT)
    properties = made["properties"]
    assert properties["code"] == f"local:{made['id']}"
    assert (properties["version"], properties["community"]) == (1, "城西社区")
    assert properties["outside_areas"] is False
    assert properties["facilities"] == ["rest", "water"]
    assert made["geometry"]["coordinates"] == pytest.approx([DRAFT.lon, DRAFT.lat], abs=1e-7)
    with town.connect() as connection:
        assert read_feature(connection, "stations", made["id"]) == made
        (entry,) = row_history(connection, "stations", made["id"])
    assert (entry.operation, entry.actor) == ("insert", "anna")


def test_a_station_outside_every_area_is_taken_and_flagged(town):
    away = dataclasses.replace(DRAFT, lon=119.5)
    with town.transaction("test") as connection:
        made = create_station(connection, away)
        assert made["properties"]["outside_areas"] is True
        moved = change_station(connection, made["id"], {"lon": DRAFT.lon}, version=1)
    assert moved["properties"]["outside_areas"] is False
    assert moved["properties"]["community"] == "城西社区"


def test_every_broken_rule_is_listed_with_value_and_remedy(town):
    wrong = StationDraft(
        kind="redstation",
        name=" ",
        lon=36.9,
        lat=118.1,
        opening_hours="每天 9-17",
        area_m2=-3,
        places=-1,
        facilities=("water", "watr"),
        status="opened",
    )
    with town.transaction("test") as connection, pytest.raises(InvalidRowError) as caught:
        create_station(connection, wrong)
    faults = {fault.field: fault for fault in caught.value.faults}
    assert set(faults) == {
        "kind", "name", "lat", "opening_hours", "area_m2", "places", "facilities", "status",
    }  # fmt: skip
    assert "red_station" in faults["kind"].remedy
    assert faults["facilities"].value == "watr"
    assert "Did you mean water?" in faults["facilities"].remedy
    assert "swapped" in faults["lat"].remedy


@pytest.mark.parametrize(
    ("hours", "sound"),
    [
        ("24/7", True),
        ("Mo-Fr 08:30-12:00,14:00-18:00; PH off", True),
        ("22:00-02:00", True),
        ("Mo-Fr 8-18", False),
        ("9am to 5pm", False),
        ("Mo-Fr 08:30 - 25:99", False),
    ],
)
def test_opening_hours_follow_the_openstreetmap_syntax(hours, sound):
    faults = check_station(dataclasses.replace(DRAFT, opening_hours=hours))
    assert (not faults) == sound, faults


@given(
    st.lists(st.sampled_from(FACILITIES), max_size=6),
    st.one_of(st.none(), st.floats(0.1, 1e6)),
    st.floats(-180, 180),
    st.floats(-90, 90),
)
def test_what_keeps_the_rules_is_never_refused(facilities, area_m2, lon, lat):
    draft = dataclasses.replace(
        DRAFT, facilities=tuple(facilities), area_m2=area_m2, lon=lon, lat=lat
    )
    assert check_station(draft) == ()


def test_a_write_with_a_stale_version_changes_nothing_and_returns_the_present_row(town):
    with town.transaction("a") as connection:
        made = create_station(connection, DRAFT)
    with town.transaction("a") as connection:
        first = change_station(connection, made["id"], {"name": "甲"}, version=1)
    with pytest.raises(StaleRowError) as caught, town.transaction("b") as connection:
        change_station(connection, made["id"], {"name": "乙"}, version=1)
    assert caught.value.present == first
    with pytest.raises(StaleRowError), town.transaction("b") as connection:
        delete_station(connection, made["id"], version=1)
    with town.connect() as connection:
        assert read_feature(connection, "stations", made["id"])["properties"]["name"] == "甲"


def test_of_writers_at_the_same_moment_exactly_one_wins(town):
    with town.transaction("a") as connection:
        made = create_station(connection, DRAFT)
    results: list[str] = []
    start = threading.Barrier(6)

    def write(name: str) -> None:
        start.wait()
        try:
            with town.transaction(name) as connection:
                change_station(connection, made["id"], {"name": name}, version=1)
            results.append(name)
        except StaleRowError:
            results.append("stale")

    threads = [threading.Thread(target=write, args=(f"w{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count("stale") == 5
    (winner,) = [r for r in results if r != "stale"]
    with town.connect() as connection:
        present = read_feature(connection, "stations", made["id"])["properties"]
        changes = row_history(connection, "stations", made["id"])
    assert (present["name"], present["version"]) == (winner, 2)
    assert [c.actor for c in changes] == [winner, "a"]


def test_a_write_that_changes_nothing_makes_no_version_and_no_history(town):
    with town.transaction("a") as connection:
        made = create_station(connection, DRAFT)
    with town.transaction("b") as connection:
        same = replace_station(connection, made["id"], DRAFT, version=1)
    with town.connect() as connection:
        assert len(row_history(connection, "stations", made["id"])) == 1
    assert same == made


def test_changing_a_name_does_not_move_the_point_by_rounding(town):
    with town.transaction("a") as connection:
        made = create_station(connection, dataclasses.replace(DRAFT, lon=118.123456789012))
        change_station(connection, made["id"], {"name": "新名"}, version=1)
        lon = connection.scalar(
            text("SELECT ST_X(geom) FROM stations WHERE id = :id"), {"id": made["id"]}
        )
    assert lon == 118.123456789012


def test_a_replaced_station_has_the_new_values_in_every_field(town):
    with town.transaction("a") as connection:
        made = create_station(connection, DRAFT)
        plain = StationDraft(kind="red_station", name="红色驿站", lon=DRAFT.lon, lat=DRAFT.lat)
        replaced = replace_station(connection, made["id"], plain, version=1)
    properties = replaced["properties"]
    assert properties["code"] == made["properties"]["code"]
    assert properties["opening_hours"] is None
    assert properties["facilities"] == []
    assert properties["version"] == 2


def test_a_code_is_taken_only_once(town):
    with pytest.raises(ConflictError, match="S1"), town.transaction("a") as connection:
        create_station(connection, dataclasses.replace(DRAFT, code="S1"))


def test_a_deleted_station_is_gone_but_its_history_stays(town):
    with town.transaction("a") as connection:
        made = create_station(connection, DRAFT)
    with town.transaction("b") as connection:
        delete_station(connection, made["id"], version=1)
    with town.connect() as connection:
        with pytest.raises(NotFoundError):
            read_feature(connection, "stations", made["id"])
        changes = row_history(connection, "stations", made["id"])
    assert [(c.operation, c.actor) for c in changes] == [("delete", "b"), ("insert", "a")]
    with pytest.raises(NotFoundError), town.transaction("b") as connection:
        change_station(connection, made["id"], {"name": "x"}, version=1)
