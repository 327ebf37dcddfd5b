"""Ledgers and vector files as cities keep them: encodings, titles, datums, faults in rows."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path

import geopandas as gpd
import numpy as np
import openpyxl
import pytest
import shapely
from sqlalchemy import text

from data.database import Database
from data.errors import SourceFileError
from data.importers.demand import read_demand
from data.importers.households import estimate_missing, import_households
from data.importers.layers import import_layer, read_layer
from data.importers.stations import import_stations, osm_hours, read_stations
from data.importers.values import CellError, count, date
from data.importers.vectors import read_vector
from geo.datums import from_wgs84


def write(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.write_text(content, encoding=encoding)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_csv_is_read_in_any_encoding_a_spreadsheet_writes(tmp_path: Path, encoding: str) -> None:
    path = write(
        tmp_path / "s.csv", "编号,名称,类型,经度,纬度\n1,城东驿站,小哥驿站,118.1,36.2\n", encoding
    )
    frame, report = read_stations(path)
    assert frame.loc[0, ["code", "name", "kind"]].tolist() == ["1", "城东驿站", "rider_station"]
    assert not report.rejected


def test_the_plain_three_columns_are_enough(tmp_path: Path) -> None:
    frame, _ = read_stations(write(tmp_path / "s.csv", "id,lon,lat\nA,118.1,36.2\n"))
    assert frame.loc[0, "code"] == "A"
    assert frame.geometry[0].equals(shapely.Point(118.1, 36.2))


def test_a_workbook_may_have_titles_above_its_header(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (
        ["某县驿站台账"],
        [],
        ["站点编号", "站点名称", "经度", "纬度", "面积㎡"],
        [7, "西苑", 118.1, 36.2, 30],
    ):
        sheet.append(row)
    book.save(tmp_path / "s.xlsx")
    frame, report = read_stations(tmp_path / "s.xlsx")
    assert frame.loc[0, "code"] == "7"
    assert frame.loc[0, "area_m2"] == 30
    assert report.read == 1


@pytest.mark.parametrize("title", ["座位数", "席位数", "工位数", "服务席位数", "places"])
def test_places_are_whole_numbers_under_the_names_people_give_them(
    tmp_path: Path, title: str
) -> None:
    path = write(
        tmp_path / "s.csv",
        f"id,lon,lat,{title}\nA,118.1,36.2,12个\nB,118.1,36.2,\nC,118.1,36.2,0\n"
        "D,118.1,36.2,2.5\nE,118.1,36.2,若干\nF,118.1,36.2,-3\n",
    )
    frame, report = read_stations(path)
    assert frame["places"].tolist() == [12, None, 0]
    assert {(r.row, r.field) for r in report.rejected} == {(5, title), (6, title), (7, title)}
    assert all(r.remedy for r in report.rejected)


def test_a_ledger_without_places_leaves_those_counted_before(
    database: Database, tmp_path: Path
) -> None:
    counted = write(tmp_path / "a.csv", "id,lon,lat,座位数\nA,118.1,36.2,12\n")
    silent = write(tmp_path / "b.csv", "id,lon,lat,name\nA,118.1,36.2,西苑\n")
    for path in (counted, silent):
        assert not import_stations(database, path, actor="test").rejected
    with database.connect() as connection:
        row = connection.execute(text("SELECT name, places FROM stations")).one()
    assert tuple(row) == ("西苑", 12)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("24小时", "24/7"),
        ("周一至周五 8:30-17:00", "Mo-Fr 08:30-17:00"),
        ("每天 9:00—21:00", "09:00-21:00"),
        ("Mo-Su 22:00-02:00; PH off", "Mo-Su 22:00-02:00; PH off"),
    ],
)
def test_opening_hours_as_people_write_them_become_osm_syntax(written: str, kept: str) -> None:
    assert osm_hours(written) == kept


def test_each_fault_names_row_field_value_and_remedy_and_good_rows_stay(tmp_path: Path) -> None:
    path = write(
        tmp_path / "s.csv",
        "id,lon,lat,kind,设施,开放时间\n"
        "1,118.1,36.2,红色驿站,饮水、休息,24小时\n"
        "2,abc,36.2,红色驿站,,\n"
        "3,118.1,36.2,红色驿战,,\n"
        "4,118.1,36.2,,饮氺,\n"
        "1,118.2,36.3,,,\n"
        "6,118.1,36.2,,,every now and then\n",
    )
    frame, report = read_stations(path)
    assert frame["code"].tolist() == ["1"]
    assert frame.loc[0, "facilities"] == ["water", "rest"]
    faults = {(r.row, r.field): r for r in report.rejected}
    assert {(3, "lon"), (4, "kind"), (5, "设施"), (6, "id"), (7, "开放时间")} == set(faults)
    assert "红色驿站" in faults[4, "kind"].remedy
    assert "stands in row 2" in faults[6, "id"].reason
    assert all(r.remedy for r in report.rejected)


def test_what_is_about_a_person_is_left_out_by_name_and_by_value(tmp_path: Path) -> None:
    path = write(
        tmp_path / "s.csv",
        "id,lon,lat,联系人,手机,备注\n"
        "1,118.1,36.2,张三,x,370303198001011234\n2,118.1,36.3,李四,y,37030319800101123X\n",
    )
    _, report = read_stations(path)
    assert {"联系人", "手机", "备注"} <= {
        c.name for c in report.left_out_columns if "personal" in c.reason
    }
    assert "1980" not in str(report.to_dict())


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
def test_positions_of_chinese_maps_come_back_to_wgs84(tmp_path: Path, datum: str) -> None:
    true = np.array([[118.05, 36.81]])
    lon, lat = from_wgs84(true, datum)[0]
    path = write(tmp_path / "s.csv", f"id,lon,lat\n1,{lon:.9f},{lat:.9f}\n")
    frame, _ = read_stations(path, datum=datum)
    assert shapely.get_coordinates(frame.geometry.array) == pytest.approx(true, abs=1e-8)


def test_gauss_krueger_metres_are_read_when_named(tmp_path: Path) -> None:
    xy = gpd.GeoSeries([shapely.Point(118.05, 36.81)], crs=4326).to_crs(4548)[0]
    path = write(tmp_path / "s.csv", f"id,东坐标,北坐标\n1,{xy.x},{xy.y}\n")
    frame, _ = read_stations(path, datum="EPSG:4548")
    assert frame.geometry[0].distance(shapely.Point(118.05, 36.81)) < 1e-7
    _, report = read_stations(path)
    assert any("metres" in warning for warning in report.warnings)


def test_swapped_axes_are_noticed(tmp_path: Path) -> None:
    _, report = read_stations(write(tmp_path / "s.csv", "id,lon,lat\n1,36.2,118.1\n2,36.3,118.2\n"))
    assert any("swapped" in warning for warning in report.warnings)


@pytest.mark.parametrize(
    ("cell", "value"), [("３００", 300), ("300户", 300), ("1,200", 1200), ("", None)]
)
def test_counts_are_read_as_people_write_them(cell: str, value: int | None) -> None:
    assert count(cell) == value


@pytest.mark.parametrize("cell", ["约300户", "-5", "3.5", "inf"])
def test_what_is_no_count_is_refused(cell: str) -> None:
    with pytest.raises(CellError):
        count(cell)


def squares() -> gpd.GeoDataFrame:
    boxes = [shapely.box(118 + 0.001 * i, 36, 118.0006 + 0.001 * i, 36.0004) for i in range(4)]
    return gpd.GeoDataFrame(
        {
            "楼栋编码": [f"B{i}" for i in range(4)],
            "类型": ["多层", "高层", "平房", "商业"],
            "层数": [6, 20, 1, 3],
        },
        geometry=boxes,
        crs=4326,
    )


def test_a_gbk_shapefile_without_cpg_or_prj_is_read_with_a_warning(tmp_path: Path) -> None:
    squares().to_file(tmp_path / "b.shp", encoding="gbk", engine="pyogrio")
    for ending in (".cpg", ".prj"):
        (tmp_path / "b.shp").with_suffix(ending).unlink(missing_ok=True)
    found = read_vector(tmp_path / "b.shp")
    assert found.frame["类型"].tolist() == ["多层", "高层", "平房", "商业"]
    assert any("no CRS" in warning for warning in found.warnings)


def test_metres_without_a_crs_are_refused_until_it_is_named(tmp_path: Path) -> None:
    squares().to_crs(4548).to_file(tmp_path / "b.shp", encoding="utf-8", engine="pyogrio")
    (tmp_path / "b.prj").unlink()
    with pytest.raises(SourceFileError, match="are metres"):
        read_vector(tmp_path / "b.shp")
    named = read_vector(tmp_path / "b.shp", crs="EPSG:4548").frame
    assert named.total_bounds == pytest.approx(squares().total_bounds, abs=1e-6)


def test_a_polygon_that_crosses_itself_is_mended_and_a_line_refused(tmp_path: Path) -> None:
    bow = shapely.Polygon([(118, 36), (118.001, 36.001), (118.001, 36), (118, 36.001)])
    line = shapely.LineString([(118, 36), (118.01, 36)])
    gpd.GeoDataFrame(
        {"code": ["a", "b"], "name": ["x", "y"]}, geometry=[bow, line], crs=4326
    ).to_file(tmp_path / "c.geojson", driver="GeoJSON")
    frame, report = read_layer(tmp_path / "c.geojson", "compounds")
    assert frame["code"].tolist() == ["a"]
    assert frame.geometry.is_valid.all()
    assert any("mended" in warning for warning in report.warnings)
    assert [r.row for r in report.rejected] == [2]


def test_demand_takes_polygons_points_and_tables(tmp_path: Path) -> None:
    squares().to_file(tmp_path / "d.gpkg", driver="GPKG")
    frame, _ = read_demand(tmp_path / "d.gpkg")
    assert frame["id"].tolist() == ["B0", "B1", "B2", "B3"]
    assert frame["households"].isna().all()
    path = write(tmp_path / "d.csv", "id,lon,lat,households\n1,118,36,30\n2,118,36,-4\n")
    table, report = read_demand(path)
    assert table["households"].tolist() == [30]
    assert report.rejected[0].reason == "is negative"


def test_counts_reach_buildings_by_code_and_by_place_and_estimates_spare_them(
    database: Database, tmp_path: Path
) -> None:
    squares().to_file(tmp_path / "b.gpkg", driver="GPKG")
    assert import_layer(database, tmp_path / "b.gpkg", "buildings", actor="t").inserted == 4
    ledger = write(
        tmp_path / "h.csv",
        "楼栋编码,经度,纬度,户数,人口\nB0,,,48,120\n,118.0013,36.0002,90,\n,118.5,36.5,7,\nB2,,,约8,\n",
    )
    rehearsed = import_households(database, ledger, actor="t", dry_run=True)
    report = import_households(database, ledger, actor="t")
    assert rehearsed.updated == report.updated == 2
    assert sorted(r.row for r in report.rejected) == [4, 5]
    with database.transaction("t") as connection:
        assert estimate_missing(connection) == (1, 0)
        assert estimate_missing(connection) == (0, 1)
        rows = connection.execute(
            text("SELECT code, households, households_source FROM buildings ORDER BY code")
        ).all()
    assert [row.code for row in rows] == ["B0", "B1", "B2", "B3"]
    assert tuple(rows[0])[1:] == (48, "surveyed")
    assert tuple(rows[1])[1:] == (90, "surveyed")
    assert rows[2].households_source == "estimated"
    assert tuple(rows[3])[1:] == (None, "none")
    again = import_households(database, ledger, actor="t")
    assert (again.updated, again.unchanged) == (0, 2)


def test_stations_are_written_once_and_history_names_who(
    database: Database, tmp_path: Path
) -> None:
    path = write(tmp_path / "s.csv", "id,lon,lat\n1,118.1,36.2\n2,118.2,36.2\n")
    assert import_stations(database, path, actor="planner").inserted == 2
    assert import_stations(database, path, actor="planner").unchanged == 2
    with database.connect() as connection:
        actors = connection.execute(
            text("SELECT DISTINCT actor FROM history WHERE table_name = 'stations'")
        ).scalars()
        assert set(actors) == {"planner"}
        assert connection.execute(text("SELECT bool_and(outside_areas) FROM stations")).scalar_one()
        assert connection.execute(text("SELECT count(*) FROM imports")).scalar_one() == 2


@pytest.mark.parametrize(
    "written",
    ["2026-11-01", "2026/11/1", "2026.11.1", "20261101", "2026年11月1日", "2026 年 11 月 01 日",
     "２０２６年１１月１日", "2026-11-01 00:00:00", "2026-11-01T08:30"],
)  # fmt: skip
def test_days_are_read_as_people_write_them(written: str) -> None:
    assert date(written) == dt.date(2026, 11, 1)


@pytest.mark.parametrize(
    "written", ["01/11/2026", "26-11-01", "2026-11", "2026-02-30", "2026-13-01", "45992", "上周",
                "2026-11/01"],
)  # fmt: skip
def test_what_is_no_day_is_refused(written: str) -> None:
    with pytest.raises(CellError) as caught:
        date(written)
    assert caught.value.remedy


def test_the_day_of_verification_is_kept_and_its_faults_are_named(
    database: Database, tmp_path: Path
) -> None:
    path = write(
        tmp_path / "v.csv",
        "编号,经度,纬度,核验日期\n1,118.1,36.2,2026年3月9日\n2,118.2,36.2,\n"
        "3,118.3,36.2,三月九日\n4,118.4,36.2,2999-01-01\n",
    )
    report = import_stations(database, path, actor="planner")
    assert [(r.row, r.field, r.value) for r in report.rejected] == [
        (4, "核验日期", "三月九日"), (5, "核验日期", "2999-01-01")
    ]  # fmt: skip
    assert "2026-11-01" in report.rejected[0].remedy
    assert "future" in report.rejected[1].reason
    days = "SELECT code, verified_on FROM ogc.stations WHERE code IN ('1', '2') ORDER BY code"
    with database.connect() as connection:
        kept = [tuple(row) for row in connection.execute(text(days))]
    assert kept == [("1", dt.date(2026, 3, 9)), ("2", None)]
    # A ledger without the column leaves the day that is known.
    path = write(tmp_path / "w.csv", "id,lon,lat\n1,118.11,36.2\n2,118.2,36.2\n")
    assert import_stations(database, path, actor="planner").updated >= 1
    with database.connect() as connection:
        assert [tuple(row) for row in connection.execute(text(days))] == kept


def test_a_workbook_holds_real_dates(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["编号", "经度", "纬度", "核实日期"])
    sheet.append(["1", 118.1, 36.2, dt.date(2026, 11, 1)])
    book.save(tmp_path / "v.xlsx")
    frame, report = read_stations(tmp_path / "v.xlsx")
    assert not report.rejected
    assert frame["verified_on"].tolist() == [dt.date(2026, 11, 1)]


def test_a_header_that_is_nearly_known_is_suggested(tmp_path: Path) -> None:
    _, report = read_stations(write(tmp_path / "s.csv", "id,lon,lat,开放时問\n1,118.1,36.2,x\n"))
    assert any("did you mean" in warning for warning in report.warnings)


def test_a_layer_lists_every_feature_once_whatever_the_number_of_kinds(tmp_path: Path) -> None:
    frame, report = read_layer(_saved(squares(), tmp_path / "b.gpkg"), "buildings")
    assert frame["kind"].tolist() == ["multi_storey", "high_rise", "bungalow", "commercial"]
    assert frame["floors_source"].tolist() == ["surveyed"] * 4
    assert report.read == len(frame) == len(set(itertools.chain(frame["code"])))


def _saved(frame: gpd.GeoDataFrame, path: Path) -> Path:
    frame.to_file(path, driver="GPKG")
    return path
