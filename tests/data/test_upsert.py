"""Many rows into one table by key, and the report of an import."""

from __future__ import annotations

import csv
import json
import threading
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from data.database import Database
from data.errors import ConflictError, InvalidRowError
from data.importers.report import ImportReport, LeftOutColumn, Reject, UpsertCounts
from data.importers.upsert import upsert


def square(x: float, y: float, side: float = 0.001) -> shapely.Polygon:
    return shapely.box(x, y, x + side, y + side)


def buildings(count: int = 3, **columns: Any) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"code": [f"b{i}" for i in range(count)], **columns},
        geometry=[square(117 + i / 100, 36) for i in range(count)],
        crs=4326,
    )


def table(connection: Connection, name: str) -> pd.DataFrame:
    rows = connection.execute(text(f"SELECT * FROM {name} ORDER BY code"))
    return pd.DataFrame(rows.all(), columns=list(rows.keys())).set_index("code")


def history(connection: Connection) -> int:
    count: int = connection.execute(text("SELECT count(*) FROM history")).scalar_one()
    return count


def test_new_changed_and_equal_rows_are_counted_exactly(database: Database) -> None:
    with database.transaction("import") as connection:
        counts = upsert(connection, "buildings", buildings(5, floors=6), source="a.gpkg")
        assert counts == UpsertCounts(inserted=5)
        frame = buildings(7, floors=[6, 6, 7, 6, None, 6, 6])
        counts = upsert(connection, "buildings", frame, source="a.gpkg")
        assert counts == UpsertCounts(inserted=2, updated=2, unchanged=3)
        kept = table(connection, "buildings")
        assert kept["version"].tolist() == [1, 1, 2, 1, 2, 1, 1]
        assert kept["floors"].isna().tolist() == [False, False, False, False, True, False, False]


def test_the_same_rows_again_change_nothing(database: Database) -> None:
    frame = buildings(4, floors=6, name=["甲", None, "", "丁"], households=[1, 2, 3, 4])
    frame["households_source"] = "surveyed"
    with database.transaction("import") as connection:
        upsert(connection, "buildings", frame, source="a.gpkg")
        before = table(connection, "buildings"), history(connection)
    with database.transaction("import") as connection:
        counts = upsert(connection, "buildings", frame, source="a.gpkg", replace_source=True)
        after = table(connection, "buildings"), history(connection)
    assert counts == UpsertCounts(unchanged=4)
    pd.testing.assert_frame_equal(before[0], after[0])
    assert before[1] == after[1]


def test_columns_that_the_file_does_not_have_stay_as_they_are(database: Database) -> None:
    with database.transaction("import") as connection:
        upsert(connection, "buildings", buildings(2, floors=6, name="楼"), source="a")
        counted = pd.DataFrame(
            {"code": ["b1"], "households": [24], "households_source": "surveyed"}
        )
        assert upsert(connection, "buildings", counted, source="a") == UpsertCounts(updated=1)
        kept = table(connection, "buildings")
        assert kept.loc["b1", ["floors", "name", "households"]].tolist() == [6, "楼", 24]
        assert pd.isna(kept.loc["b0", "households"])


def test_geometries_differ_by_their_last_bit(database: Database) -> None:
    frame = buildings(1)
    corners = shapely.get_coordinates(frame.geometry.to_numpy())
    corners[1, 0] = np.nextafter(corners[1, 0], 180)
    moved = frame.set_geometry([shapely.Polygon(corners)], crs=4326)
    with database.transaction("import") as connection:
        upsert(connection, "buildings", frame, source="a")
        assert upsert(connection, "buildings", moved, source="a").updated == 1
        kept = connection.scalar(text("SELECT ST_AsBinary(geom) FROM buildings"))
        assert (shapely.get_coordinates(shapely.from_wkb(bytes(kept))) == corners).all()


def test_rows_of_the_same_source_that_are_gone_are_deleted_on_request(database: Database) -> None:
    with database.transaction("import") as connection:
        upsert(connection, "buildings", buildings(4), source="osm")
        other = buildings(2).assign(code=["x0", "x1"])
        upsert(connection, "buildings", other, source="ledger")
        counts = upsert(connection, "buildings", buildings(3), source="osm", replace_source=True)
        assert counts == UpsertCounts(unchanged=3, deleted=1)
        assert table(connection, "buildings").index.tolist() == ["b0", "b1", "b2", "x0", "x1"]


def test_polygons_become_multipolygons_and_heights_are_dropped(database: Database) -> None:
    frame = buildings(1)
    frame["geometry"] = shapely.force_3d(frame.geometry.to_numpy(), 12.5)
    with database.transaction("import") as connection:
        upsert(connection, "buildings", frame, source="a")
        kind = connection.scalar(text("SELECT ST_AsText(geom) FROM buildings"))
        assert kind.startswith("MULTIPOLYGON(((")


def test_an_area_finds_its_parent_by_code_in_the_same_file(database: Database) -> None:
    frame = gpd.GeoDataFrame(
        {
            "code": ["370321001001", "370321", "370321001"],
            "level": ["community", "district", "street"],
            "name": ["社区", "县", "街道"],
            "parent_code": ["370321001", None, "370321"],
        },
        geometry=[square(117, 36)] * 3,
        crs=4326,
    )
    with database.transaction("import") as connection:
        assert upsert(connection, "areas", frame, source="a") == UpsertCounts(inserted=3)
        assert upsert(connection, "areas", frame, source="a") == UpsertCounts(unchanged=3)
        kept = table(connection, "areas")
        assert kept["parent_id"].tolist()[1:] == [kept["id"].iloc[0], kept["id"].iloc[1]]
        assert kept["version"].tolist() == [1, 1, 1]


def test_areas_that_lie_in_each_other_in_a_circle_are_refused(database: Database) -> None:
    frame = gpd.GeoDataFrame(
        {"code": ["a", "b"], "level": "street", "name": "街道", "parent_code": ["b", "a"]},
        geometry=[square(117, 36)] * 2,
        crs=4326,
    )
    with (
        database.engine.connect() as connection,
        pytest.raises(InvalidRowError, match="circle"),
    ):
        upsert(connection, "areas", frame, source="a")


def test_a_code_that_names_no_row_is_reported_with_its_row(database: Database) -> None:
    frame = gpd.GeoDataFrame(
        {"code": ["e1"], "building_code": ["b9"]}, geometry=[shapely.Point(117, 36)], crs=4326
    )
    with database.transaction("import") as connection:
        with pytest.raises(InvalidRowError, match=r"no row of buildings: b9 \(of e1\)") as caught:
            upsert(connection, "entrances", frame, source="a")
        assert "Import the buildings first" in caught.value.remedy


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"floors": [3, 0, 4]}, "buildings.floors: not from 1 to 200"),
        ({"floors": [3, 2.5, 4]}, r"2\.5 is not a whole number"),
        ({"floors": [3, 40_000, 4]}, "40000 is not a whole number in range"),
        ({"floors": [3, "六", 4]}, "六 is not a whole number"),
        ({"name": ["a", "b" * 201, "c"]}, "buildings.name: too long"),
        ({"name": ["a", "b\0", "c"]}, "does not fit"),
        ({"kind": ["other", "castle", "other"]}, "buildings.kind: an unknown kind"),
        ({"code": ["a", "b", "a"]}, "more than one row: a"),
        ({"code": ["a", None, "c"]}, "1 rows have no code"),
        ({"code": ["a", "b" * 65, "c"]}, "does not fit"),
        ({"households": [3, 3, 3]}, "a count needs a source"),
    ],
)
def test_a_bad_row_is_refused_by_name_and_nothing_is_written(
    database: Database, columns: dict[str, list[Any]], message: str
) -> None:
    with pytest.raises(InvalidRowError, match=message), database.transaction("i") as connection:
        upsert(connection, "buildings", buildings(3, **columns), source="a")
    with database.connect() as connection:
        assert len(table(connection, "buildings")) == 0


def test_a_broken_polygon_is_refused(database: Database) -> None:
    bow = shapely.Polygon([(117, 36), (117.1, 36.1), (117.1, 36), (117, 36.1)])
    frame = buildings(1).set_geometry([bow], crs=4326)
    with (
        database.engine.connect() as connection,
        pytest.raises(InvalidRowError, match="crosses or touches itself"),
    ):
        upsert(connection, "buildings", frame, source="a")


def test_a_new_building_needs_a_footprint(
    database: Database,
) -> None:
    with (
        database.engine.connect() as connection,
        pytest.raises(InvalidRowError, match=r"buildings\.geom: a value is missing"),
    ):
        upsert(connection, "buildings", pd.DataFrame({"code": ["b"]}), source="a")


def test_frames_in_another_crs_or_with_unknown_columns_are_a_mistake_of_the_caller(
    database: Database,
) -> None:
    with database.transaction("i") as connection:
        with pytest.raises(ValueError, match="EPSG:4326"):
            upsert(connection, "buildings", buildings(1).to_crs(4547), source="a")
        with pytest.raises(ValueError, match="storeys"):
            upsert(connection, "buildings", buildings(1, storeys=3), source="a")
        with pytest.raises(ValueError, match="version"):
            upsert(connection, "buildings", buildings(1, version=3), source="a")
        with pytest.raises(ValueError, match="history"):
            upsert(connection, "history", buildings(1), source="a")


def test_two_imports_of_the_same_rows_at_once_both_succeed(database: Database) -> None:
    frame = buildings(50, floors=6)
    inside = threading.Barrier(2)
    counts: list[UpsertCounts] = []

    def run(floors: int) -> None:
        with database.transaction("import") as connection:
            connection.execute(text("SELECT 1"))
            inside.wait()
            counts.append(upsert(connection, "buildings", frame.assign(floors=floors), source="a"))

    threads = [threading.Thread(target=run, args=(floors,)) for floors in (6, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(c.inserted for c in counts) == 50
    assert sum(c.updated for c in counts) == 50
    with database.connect() as connection:
        assert len(set(table(connection, "buildings")["floors"])) == 1


CELLS = st.fixed_dictionaries(
    {
        "code": st.sampled_from([f"r{i}" for i in range(6)]),
        "name": st.sampled_from(["驿站", "站\t点\n\\N", 'a "b", {c}', "''"]),
        "area_m2": st.one_of(st.none(), st.floats(0.1, 1e6)),
        "facilities": st.lists(st.sampled_from(["rest", "water", "aed"]), max_size=3),
        "published": st.booleans(),
        "opening_hours": st.one_of(st.none(), st.just(""), st.just("24/7")),
        "x": st.sampled_from([117.0, 117.1, -0.1]),
    }
)


@given(
    files=st.lists(
        st.lists(CELLS, min_size=1, max_size=6, unique_by=lambda row: row["code"]),
        min_size=1,
        max_size=4,
    )
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_after_any_imports_the_table_holds_the_last_of_each_row(
    database: Database, files: list[list[dict[str, Any]]]
) -> None:
    with database.engine.connect() as connection:  # rolled back
        expected: dict[str, dict[str, Any]] = {}
        for rows in files:
            new = [r for r in rows if r["code"] not in expected]
            changed = [r for r in rows if r["code"] in expected and expected[r["code"]] != r]
            frame = pd.DataFrame(rows)
            points = gpd.GeoDataFrame(
                frame.drop(columns="x").assign(kind="red_station"),
                geometry=shapely.points(frame["x"], 36.0),
                crs=4326,
            )
            counts = upsert(connection, "stations", points, source="a.csv")
            assert counts == UpsertCounts(
                len(new), len(changed), len(rows) - len(new) - len(changed)
            )
            expected.update({row["code"]: row for row in rows})
        kept = connection.execute(
            text(
                "SELECT code, name, area_m2, facilities, published, opening_hours,"
                " ST_X(geom) AS x FROM stations"
            )
        ).mappings()
        assert {row["code"]: dict(row) for row in kept} == expected


def test_a_taken_key_is_a_conflict_and_says_which(database: Database) -> None:
    with database.transaction("i") as connection:
        upsert(connection, "buildings", buildings(2), source="a")
        ids = connection.scalars(text("SELECT id FROM buildings ORDER BY code")).all()
        frame = pd.DataFrame({"id": [ids[0]], "code": ["b1"]})
        with pytest.raises(ConflictError, match="b1"):
            upsert(connection, "buildings", frame, source="a", key="id")


def test_a_report_is_plain_json_and_adds_up(tmp_path: Path) -> None:
    report = ImportReport("stations", "stations.csv", read=4, dry_run=True)
    report.count(UpsertCounts(1, 1, 0, 0))
    report.count(UpsertCounts(0, 0, 1, 2))
    report.rejected.append(Reject(3, "经度", np.float64(217.0), "not a longitude", "Correct it"))
    report.rejected.append(Reject(4, "geometry", shapely.Point(1, 2), "…"))
    report.left_out_columns.append(LeftOutColumn("联系人", "personal data"))
    plain = json.loads(json.dumps(report.to_dict()))
    assert (plain["inserted"], plain["updated"], plain["unchanged"], plain["deleted"]) == (
        1,
        1,
        1,
        2,
    )
    assert plain["rejected"][0]["value"] == 217.0
    assert plain["rejected"][1]["value"] == "POINT (1 2)"
    assert plain["left_out_columns"] == [{"name": "联系人", "reason": "personal data"}]
    assert report.changed
    assert not ImportReport("stations").changed


def test_the_reject_file_opens_in_excel_and_runs_no_formula(tmp_path: Path) -> None:
    report = ImportReport("buildings")
    report.rejected += [
        Reject(2, "户数", -3, "negative", "Correct the count"),
        Reject(3, "名称", '=HYPERLINK("http://x","y")', "…", ""),
        Reject(4, "楼层", None, "missing", '写上，如 "6"'),
    ]
    path = tmp_path / "rejects.csv"
    report.write_rejects(path)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["row", "field", "value", "reason", "remedy"],
        ["2", "户数", "-3", "negative", "Correct the count"],
        ["3", "名称", '\'=HYPERLINK("http://x","y")', "…", ""],
        ["4", "楼层", "", "missing", '写上，如 "6"'],
    ]
