"""Rows in another datum than the one named are seen by their steady offset from the map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from data.database import Database
from data.importers.households import import_households
from data.importers.layers import import_layer
from data.importers.osm_load import import_osm
from data.importers.stations import import_stations
from data.sample import SampleFiles, write_sample
from geo.datums import from_wgs84


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> SampleFiles:
    return write_sample(tmp_path_factory.mktemp("county"))


@pytest.fixture(scope="module")
def town(make_database: Callable[[], Database], files: SampleFiles) -> Iterator[Database]:
    """The map of the sample town, without its ledgers."""
    database = make_database()
    import_osm(database, files.osm, actor="test")
    yield database
    database.close()


def ledger(path: Path, target: Path, datum: str, *, drop: tuple[str, ...] = ()) -> Path:
    """A ledger with its WGS84 positions written in another datum."""
    table = pd.read_csv(path, dtype=str, encoding="utf-8-sig").drop(columns=[*drop])
    moved = from_wgs84(table[["经度", "纬度"]].to_numpy(float), datum)
    table["经度"], table["纬度"] = moved.T
    table.to_csv(target, index=False)
    return target


def about_datum(warnings: list[str]) -> list[str]:
    return [w for w in warnings if "look like" in w or "steady" in w]


@pytest.mark.parametrize(
    ("written", "named", "seen"),
    [
        ("wgs84", "wgs84", None),
        ("gcj02", "wgs84", "GCJ-02"),
        ("bd09", "wgs84", "BD-09"),
        ("gcj02", "gcj02", None),
        ("bd09", "gcj02", "BD-09"),
        ("wgs84", "gcj02", "WGS84"),
        ("gcj02", "cgcs2000", "GCJ-02"),
    ],
)
def test_stations_of_another_datum_are_told_with_the_datum_they_look_like(
    town: Database, files: SampleFiles, tmp_path: Path, written: str, named: str, seen: str | None
) -> None:
    path = ledger(files.stations, tmp_path / "stations.csv", written)
    report = import_stations(town, path, actor="test", datum=named, dry_run=True)
    warnings = about_datum(report.warnings)
    if seen is None:
        assert warnings == []
    else:
        (warning,) = warnings
        assert warning.startswith(f"The rows look like {seen}")
        assert "with the datum named" in warning


@pytest.mark.parametrize(("written", "seen"), [("wgs84", False), ("gcj02", True)])
def test_a_building_ledger_of_another_datum_is_told(
    town: Database, files: SampleFiles, tmp_path: Path, written: str, seen: bool
) -> None:
    path = ledger(files.buildings, tmp_path / "b.csv", written, drop=("楼栋编码",))
    report = import_households(town, path, actor="test", dry_run=True)
    warnings = about_datum(report.warnings)
    assert bool(warnings) == seen
    assert all("GCJ-02" in warning and "building" in warning for warning in warnings)


def test_footprints_of_another_datum_are_told_and_read_right_when_it_is_named(
    town: Database, tmp_path: Path
) -> None:
    with town.engine.connect() as connection:
        known = gpd.read_postgis("SELECT code, geom FROM buildings LIMIT 300", connection, "geom")
    moved = known.set_geometry(
        shapely.transform(known.geometry.array, lambda xy: from_wgs84(xy, "gcj02"))
    )
    path = tmp_path / "buildings.gpkg"
    moved.set_crs("EPSG:4326", allow_override=True).to_file(path)
    report = import_layer(town, path, "buildings", actor="test", dry_run=True)
    (warning,) = about_datum(report.warnings)
    assert "look like GCJ-02" in warning
    report = import_layer(town, path, "buildings", actor="test", crs="gcj02", dry_run=True)
    assert about_datum(report.warnings) == []
    assert any("read as gcj02" in warning for warning in report.warnings)


def test_a_few_rows_or_an_empty_map_say_nothing(
    town: Database, database: Database, files: SampleFiles, tmp_path: Path
) -> None:
    path = ledger(files.stations, tmp_path / "stations.csv", "gcj02")
    assert about_datum(import_stations(database, path, actor="t", dry_run=True).warnings) == []
    pd.read_csv(path, dtype=str).head(5).to_csv(tmp_path / "few.csv", index=False)
    few = import_stations(town, tmp_path / "few.csv", actor="t", dry_run=True)
    assert about_datum(few.warnings) == []


@pytest.mark.parametrize("seed", range(8))
def test_stations_strewn_at_random_look_like_no_datum(
    town: Database, files: SampleFiles, tmp_path: Path, seed: int
) -> None:
    table = pd.read_csv(files.stations, dtype=str, encoding="utf-8-sig")
    rng = np.random.default_rng(seed)
    for column in ("经度", "纬度"):
        table[column] = table[column].astype(float) + rng.uniform(-0.004, 0.004, len(table))
    table.sample(30, random_state=seed).to_csv(tmp_path / "s.csv", index=False)
    report = import_stations(town, tmp_path / "s.csv", actor="test", dry_run=True)
    assert about_datum(report.warnings) == []
