"""What the database refuses to hold, table by table, and how it says so."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from data.constraints import refusal
from data.database import Database
from data.errors import ConflictError, InvalidRowError
from data.models import Base

SQUARE = "SRID=4326;MULTIPOLYGON(((117 36, 117.1 36, 117.1 36.1, 117 36.1, 117 36)))"
BOW = "SRID=4326;MULTIPOLYGON(((117 36, 117.1 36.1, 117.1 36, 117 36.1, 117 36)))"
POINT = "SRID=4326;POINT(117.05 36.05)"

GOOD: dict[str, dict[str, Any]] = {
    "areas": {"code": "a", "level": "community", "name": "社区", "geom": SQUARE},
    "compounds": {"code": "c", "geom": SQUARE},
    "gates": {"code": "g", "geom": POINT},
    "grids": {"code": "n", "geom": SQUARE},
    "buildings": {"code": "b", "geom": SQUARE},
    "entrances": {"code": "e", "building_id": 1001, "geom": POINT},
    "stations": {"code": "s", "kind": "red_station", "name": "驿站", "geom": POINT},
    "patrol_points": {"code": "p", "kind": "well", "geom": POINT},
    "premises": {"code": "r", "kind": "shop", "geom": POINT},
    "base_features": {
        "source": "osm",
        "source_key": "way/1",
        "layer": "road",
        "kind": "primary",
        "geom": "SRID=4326;LINESTRING(117 36, 117.1 36.1)",
    },
    "network_versions": {
        "version": "v",
        "source": "osm",
        "crs": "EPSG:4547",
        "nodes": 0,
        "edges": 0,
        "length_m": 0,
    },
    "coverage_runs": {"digest": "d", "network_version": "v", "parameters": "{}", "summary": "{}"},
    "coverage_results": {"run_id": 1001, "building_id": 9, "seconds": 0, "state": "covered"},
    "city": {"id": 1, "name": "桓台县"},
}

FACTS_NOT_NONSENSE = [
    ("buildings", {"households": 0, "households_source": "surveyed"}),
    ("buildings", {"floors": 1}),
    ("buildings", {"floors": 200}),
    ("buildings", {"people": 12, "people_source": "estimated"}),
    ("stations", {"facilities": ["rest", "aed"], "area_m2": 7.5, "status": "planned"}),
    ("stations", {"geom": "SRID=4326;POINT(0 -90)"}),  # outside every area, and of China
    ("stations", {"name": "驿" * 200}),
    ("coverage_results", {"seconds": None, "state": "unsnapped"}),
]

NONSENSE = [
    ("areas", {"level": "province"}, "level"),
    ("areas", {"name": ""}, "name"),
    ("areas", {"name": "社" * 201}, "name"),
    ("areas", {"geom": BOW}, "geom"),
    ("compounds", {"kind": "palace"}, "kind"),
    ("compounds", {"geom": BOW}, "geom"),
    ("compounds", {"geom": "SRID=4326;MULTIPOLYGON EMPTY"}, "geom"),
    ("compounds", {"name": "小" * 201}, "name"),
    ("gates", {"access": "friends"}, "access"),
    ("gates", {"geom": "SRID=4326;POINT EMPTY"}, "geom"),
    ("gates", {"opening_hours": "24/7 " * 101}, "opening_hours"),
    ("grids", {"kind": "super"}, "kind"),
    ("grids", {"geom": BOW}, "geom"),
    ("buildings", {"kind": "castle"}, "kind"),
    ("buildings", {"floors": 0}, "floors"),
    ("buildings", {"floors": 201}, "floors"),
    ("buildings", {"units": -1}, "units"),
    ("buildings", {"units": 101}, "units"),
    ("buildings", {"households": -1, "households_source": "surveyed"}, "households"),
    ("buildings", {"households": 20_001, "households_source": "surveyed"}, "households"),
    ("buildings", {"people": -1, "people_source": "surveyed"}, "people"),
    ("buildings", {"people": 100_001, "people_source": "surveyed"}, "people"),
    ("buildings", {"households": 3}, "households_source"),
    ("buildings", {"households_source": "surveyed"}, "households_source"),
    ("buildings", {"people": 3}, "people_source"),
    ("buildings", {"people_source": "guessed", "people": 3}, "people_source"),
    ("buildings", {"households_source": "guessed", "households": 3}, "households_source"),
    ("buildings", {"floors_source": "guessed"}, "floors_source"),
    ("buildings", {"address": "路" * 501}, "address"),
    ("buildings", {"geom": BOW}, "geom"),
    ("buildings", {"code": ""}, "code"),
    ("buildings", {"source": "s" * 201}, "source"),
    ("entrances", {"unit": "单" * 51}, "unit"),
    ("stations", {"kind": "police"}, "kind"),
    ("stations", {"status": "maybe"}, "status"),
    ("stations", {"name": ""}, "name"),
    ("stations", {"area_m2": 0}, "area_m2"),
    ("stations", {"area_m2": float("nan")}, "area_m2"),
    ("stations", {"area_m2": float("inf")}, "area_m2"),
    ("stations", {"places": -1}, "places"),
    ("stations", {"places": 100_001}, "places"),
    ("stations", {"facilities": ["rest", "casino"]}, "facilities"),
    ("stations", {"facilities": [None]}, "facilities"),
    ("stations", {"geom": "SRID=4326;POINT(181 36)"}, "geom"),
    ("stations", {"geom": "SRID=4326;POINT(117 -90.001)"}, "geom"),
    ("stations", {"geom": "SRID=4326;POINT(583000 4090000)"}, "geom"),  # metres
    ("stations", {"geom": "SRID=4326;POINT(NaN NaN)"}, "geom"),
    ("stations", {"address": "路" * 501}, "address"),
    ("stations", {"opening_hours": "x" * 501}, "opening_hours"),
    ("patrol_points", {"kind": ""}, "kind"),
    ("patrol_points", {"name": "井" * 201}, "name"),
    ("premises", {"area_m2": -3}, "area_m2"),
    ("premises", {"kind": ""}, "kind"),
    ("premises", {"cost": -1}, "cost"),
    ("premises", {"facilities": ["casino"]}, "facilities"),
    ("base_features", {"layer": "moon"}, "layer"),
    ("base_features", {"min_zoom": 23}, "min_zoom"),
    ("base_features", {"kind": ""}, "kind"),
    ("coverage_results", {"state": "fine"}, "state"),
    ("coverage_results", {"seconds": -1}, "seconds"),
]


def add(connection: Connection, table: str, **changes: Any) -> None:
    values = {**GOOD[table], **changes}
    connection.execute(
        text(
            f"INSERT INTO {table} ({', '.join(values)})"
            f" VALUES ({', '.join(f':{name}' for name in values)})"
        ),
        values,
    )


@pytest.fixture(scope="module")
def held(make_database: Any) -> Database:
    """One database for all of these; every test rolls back."""
    database: Database = make_database()
    with database.transaction("test") as connection:
        connection.execute(
            text("INSERT INTO buildings (id, code, geom) VALUES (1001, 'b0', :geom)"),
            {"geom": SQUARE},
        )
        connection.execute(
            text(
                "INSERT INTO coverage_runs (id, digest, network_version, parameters, summary)"
                " VALUES (1001, 'd0', 'v', '{}', '{}')"
            )
        )
    return database


@pytest.mark.parametrize("table", GOOD)
def test_a_sound_row_is_kept(held: Database, table: str) -> None:
    with held.engine.connect() as connection:
        add(connection, table)
        assert connection.scalar(text(f"SELECT count(*) FROM {table}")) >= 1


@pytest.mark.parametrize(("table", "changes"), FACTS_NOT_NONSENSE)
def test_an_unusual_row_is_kept(held: Database, table: str, changes: dict[str, Any]) -> None:
    with held.engine.connect() as connection:
        add(connection, table, **changes)


@pytest.mark.parametrize(("table", "changes", "field"), NONSENSE)
def test_nonsense_is_refused_and_named(
    held: Database, table: str, changes: dict[str, Any], field: str
) -> None:
    with held.engine.connect() as connection:
        with pytest.raises(IntegrityError) as caught:
            add(connection, table, **changes)
        refused = refusal(caught.value)
    assert isinstance(refused, InvalidRowError)
    assert refused.faults[0].field == field
    assert f"{table}.{field}" in str(refused)
    assert refused.remedy or table in {"network_versions", "coverage_results"}


def test_every_check_of_the_layers_is_tried() -> None:
    tried = {(table, field) for table, _, field in NONSENSE}
    # Said once for all tables that have them, by the same function of data.models.
    shared = {"code_given", "version", "source_length", "geom_on_earth"}
    elsewhere = {
        ("areas", "ck_areas_district_on_top"),
        ("grids", "ck_grids_name_length"),
        ("gates", "ck_gates_name_length"),
        ("buildings", "ck_buildings_name_length"),
        ("stations", "ck_stations_name_length"),
        ("premises", "ck_premises_name_length"),
    }
    for table in GOOD:
        if table in {"network_versions", "coverage_runs", "city", "base_features"}:
            continue
        for constraint in Base.metadata.tables[table].constraints:
            name = str(constraint.name)
            short = name.removeprefix(f"ck_{table}_")
            if not name.startswith("ck_") or short in shared or (table, name) in elsewhere:
                continue
            fields = {
                short,
                *(short.removesuffix(end) for end in ("_length", "_given", "_valid")),
                short.replace("_has_source", "_source"),
            }
            assert any((table, field) in tried for field in fields), name


@pytest.mark.parametrize(
    ("child", "parent", "allowed"),
    [
        ("community", "street", True),
        ("community", "district", True),
        ("street", "district", True),
        ("street", "street", False),
        ("street", "community", False),
        ("community", "community", False),
        ("district", "district", False),
    ],
)
def test_an_area_lies_only_in_one_of_a_higher_level(
    held: Database, child: str, parent: str, allowed: bool
) -> None:
    with held.engine.connect() as connection:
        add(connection, "areas", code="p", level=parent)
        above = connection.scalar(text("SELECT id FROM areas WHERE code = 'p'"))
        if allowed:
            add(connection, "areas", code="c", level=child, parent_id=above)
        else:
            with pytest.raises(IntegrityError) as caught:
                add(connection, "areas", code="c", level=child, parent_id=above)
            refused = refusal(caught.value)
            assert isinstance(refused, InvalidRowError)
            assert refused.faults[0].field == "parent_id"


def test_a_parent_cannot_sink_below_its_children(held: Database) -> None:
    with held.engine.connect() as connection:
        add(connection, "areas", code="p", level="street")
        above = connection.scalar(text("SELECT id FROM areas WHERE code = 'p'"))
        add(connection, "areas", code="c", level="community", parent_id=above)
        with pytest.raises(IntegrityError, match="community c cannot lie in community p"):
            connection.execute(text("UPDATE areas SET level = 'community' WHERE code = 'p'"))


def test_an_area_that_holds_others_is_not_deleted(held: Database) -> None:
    with held.engine.connect() as connection:
        add(connection, "areas", code="p", level="street")
        above = connection.scalar(text("SELECT id FROM areas WHERE code = 'p'"))
        add(connection, "areas", code="c", parent_id=above)
        with pytest.raises(IntegrityError) as caught:
            connection.execute(text("DELETE FROM areas WHERE code = 'p'"))
        assert isinstance(refusal(caught.value), ConflictError)


def test_a_code_stands_for_one_row_of_its_table(held: Database) -> None:
    with held.engine.connect() as connection:
        add(connection, "stations")
        with pytest.raises(IntegrityError) as caught:
            add(connection, "stations")
        refused = refusal(caught.value)
        assert isinstance(refused, ConflictError)
        assert "(s)" in str(refused)


def test_there_is_one_city_and_one_current_network(held: Database) -> None:
    with held.engine.connect() as connection:
        add(connection, "city")
        with pytest.raises(IntegrityError), connection.begin_nested():
            add(connection, "city", id=2)
        add(connection, "network_versions", is_current=True)
        with pytest.raises(IntegrityError):
            add(connection, "network_versions", version="w", is_current=True)


def test_an_entrance_belongs_to_a_building(held: Database) -> None:
    with held.engine.connect() as connection:
        with pytest.raises(IntegrityError) as caught, connection.begin_nested():
            add(connection, "entrances", building_id=77)
        assert isinstance(refusal(caught.value), ConflictError)
        with pytest.raises(IntegrityError) as caught:
            add(connection, "entrances", building_id=None)
        refused = refusal(caught.value)
        assert isinstance(refused, InvalidRowError)
        assert "building_id" in str(refused)


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "s" * 65},
        {"name": "a\0b"},
        {"area_m2": "large"},
        {"geom": "SRID=4547;POINT(583000 4090000)"},
        {"geom": SQUARE},
    ],
)
def test_a_value_that_does_not_fit_its_column_is_refused(
    held: Database, changes: dict[str, Any]
) -> None:
    with held.engine.connect() as connection:
        with pytest.raises(DBAPIError) as caught:
            add(connection, "stations", **changes)
        refused = refusal(caught.value)
    assert isinstance(refused, InvalidRowError)
    assert "does not fit" in str(refused)


def test_what_is_no_fault_of_the_row_is_not_explained_as_one(held: Database) -> None:
    with held.engine.connect() as connection:
        with pytest.raises(DBAPIError) as caught:
            connection.execute(text("SELECT * FROM nowhere"))
        assert refusal(caught.value) is None
    assert refusal(psycopg.OperationalError("gone")) is None
