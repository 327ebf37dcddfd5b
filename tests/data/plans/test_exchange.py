"""Plans as files, there and back; grid layers as cities keep them, with their faults."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import openpyxl
import pandas as pd
import pyogrio
import pytest
import shapely
from plan_town import PlanTown, line
from sqlalchemy import text
from town import lonlat

from data.importers.grids import GridImport, import_grids
from data.plans.community import load_community
from data.plans.compare import compare_plans
from data.plans.create import create_plan
from data.plans.edits import edit
from data.plans.export import FORMATS, export_plan
from data.plans.imports import read_import
from data.plans.reading import list_grids, list_plans, read_plan


def exported(town: PlanTown, name: str, folder: Path) -> Path:
    with town.database.connect() as connection:
        return export_plan(connection, town.draft, name, folder)


def imported(town: PlanTown, path: Path, **options: Any) -> GridImport:
    return import_grids(town.database, path, actor="李工", **options)


def split(town: PlanTown, plan: int) -> None:
    with town.database.transaction("王工") as connection:
        community = load_community(connection, plan, town.communities["C1"])
        edit(
            connection,
            plan,
            {
                "kind": "split",
                "community": community.id,
                "grid": min(community.grids),
                "line": line((120, -60), (120, 1060)),
            },
            version=community.version,
            author="王工",
        )


@pytest.mark.parametrize("name", [n for n in FORMATS if n not in ("xlsx", "shp", "shp-gbk")])
def test_every_vector_format_holds_every_grid_exactly(
    town: PlanTown, name: str, tmp_path: Path
) -> None:
    path = exported(town, name, tmp_path)
    frame = gpd.read_parquet(path) if name == "parquet" else gpd.read_file(path)
    with town.database.connect() as connection:
        grids = list_grids(connection, town.draft)
    codes = frame["Name"] if name == "kml" else frame["name"]
    assert sorted(codes) == sorted(f["properties"]["name"] for f in grids)
    assert shapely.coverage_is_valid(shapely.force_2d(frame.geometry.to_numpy()))


def test_a_gbk_shapefile_has_chinese_titles_in_gbk(town: PlanTown, tmp_path: Path) -> None:
    path = exported(town, "shp-gbk", tmp_path)
    with zipfile.ZipFile(path) as archive:
        table = archive.read("grids.dbf")
        archive.extractall(tmp_path / "out")
    assert "网格编码".encode("gbk") in table
    assert "基础网格".encode("gbk") in table
    again = gpd.read_file(tmp_path / "out" / "grids.shp")
    assert "户数" in again


def test_the_ledger_sums_to_the_plan(town: PlanTown, tmp_path: Path) -> None:
    sheet = openpyxl.load_workbook(exported(town, "xlsx", tmp_path))["网格台账"]
    rows = list(sheet.values)
    column = rows[0].index("户数")
    with town.database.connect() as connection:
        totals = read_plan(connection, town.draft)["totals"]
    assert sum(row[column] for row in rows[1:]) == totals["households"]
    assert len(rows) - 1 == totals["grids"]


def test_an_export_comes_back_as_the_same_plan(town: PlanTown, tmp_path: Path) -> None:
    split(town, town.draft)
    report = imported(town, exported(town, "gpkg", tmp_path))
    assert report.plan is not None
    assert report.conflicts == []
    assert report.repair["findings"] == []
    with town.database.connect() as connection:
        compared = compare_plans(connection, report.plan, town.draft)
        assert read_plan(connection, report.plan)["based_on"] == town.draft
    assert compared["grids"] == []
    assert compared["moved"] == []


def test_an_edited_file_reports_what_others_changed_meanwhile(
    town: PlanTown, tmp_path: Path
) -> None:
    path = exported(town, "gpkg", tmp_path)
    split(town, town.draft)
    frame = gpd.read_file(path, layer="grids")
    corner = shapely.box(*lonlat(340, 400), *lonlat(380, 600))
    first, second = frame.index[frame["community_code"] == "C1"][:2]
    frame.loc[first, "geometry"] = frame.geometry[first].union(corner)
    frame.loc[second, "geometry"] = frame.geometry[second].difference(corner)
    edited = tmp_path / "edited.gpkg"
    pyogrio.write_dataframe(frame, edited, layer="grids")
    report = imported(town, edited)
    assert {c["author"] for c in report.conflicts} == {"王工"}
    assert any(c["edited_in_file"] for c in report.conflicts)
    assert any("changed in plan" in w for w in report.warnings)


def broken_layer(town: PlanTown, folder: Path) -> Path:
    """Two grids with a gap of a metre, an overlap of a metre, one wide gap; GBK, in metres."""
    rows = []
    for code, x0, y0, x1, y1 in (
        ("A", -50, -50, 349.5, 1050),
        ("B", 350.5, -50, 600, 1050),
        ("C", 599, -50, 700, 1050),
        ("E", 750, -50, 1550, 1051),
    ):
        shape = shapely.box(*lonlat(x0, y0), *lonlat(x1, y1))
        rows.append({"网格编码": code, "网格名称": f"网格{code}", "geometry": shape})
    frame = gpd.GeoDataFrame(rows, crs="EPSG:4326").to_crs("EPSG:4548")
    path = folder / "旧网格.shp"
    pyogrio.write_dataframe(frame, path, driver="ESRI Shapefile", encoding="GBK")
    return path


def test_a_faulty_gbk_shapefile_is_repaired_and_says_what_it_could_not_decide(
    town: PlanTown, tmp_path: Path
) -> None:
    report = imported(town, broken_layer(town, tmp_path))
    findings = report.repair["findings"]
    by_rule = {(f["rule"], f["decided"]) for f in findings}
    assert ("gap", True) in by_rule
    assert ("overlap", True) in by_rule
    assert ("gap", False) in by_rule
    (wide,) = [f for f in findings if not f["decided"]]
    assert 700 < (wide["at"][0] - lonlat(0, 0)[0]) * 89_000 < 750
    assert len(report.repair["added"]) == 1
    with town.database.connect() as connection:
        names = {f["properties"]["name"] for f in list_grids(connection, report.plan or 0)}
    assert {"网格A", "网格B", "网格C", "网格E"} <= names


def test_importing_the_published_plan_again_publishes_nothing(
    town: PlanTown, tmp_path: Path
) -> None:
    path = exported(town, "gpkg", tmp_path)
    with town.database.connect() as connection:
        before = len(list_plans(connection))
    report = imported(town, path, publish=True)
    assert report.plan is None
    assert not report.changed
    with town.database.connect() as connection:
        assert len(list_plans(connection)) == before


def test_a_dry_run_keeps_nothing(town: PlanTown, tmp_path: Path) -> None:
    path = broken_layer(town, tmp_path)
    with town.database.connect() as connection:
        before = list_plans(connection)
    report = imported(town, path, dry_run=True)
    assert report.repair["findings"]
    with town.database.connect() as connection:
        assert list_plans(connection) == before


def test_an_empty_plan_is_one_grid_a_community(town: PlanTown) -> None:
    with town.database.transaction("李工") as connection:
        plan = create_plan(connection, "新方案", "empty", author="李工")
        totals = read_plan(connection, plan)["totals"]
        old = read_plan(connection, town.draft)["totals"]
        areas = connection.execute(
            text("SELECT count(*) FROM areas WHERE level = 'community'")
        ).scalar_one()
    assert totals["grids"] == areas
    assert totals["households"] == old["households"]


def test_a_grid_split_in_qgis_keeps_its_code_in_the_larger_part(
    town: PlanTown, tmp_path: Path
) -> None:
    path = exported(town, "gpkg", tmp_path)
    frame = gpd.read_file(path, layer="grids")
    at = frame.index[frame["name"] == "第1网格"][0]
    frame.loc[at, "full_time"] = 3
    whole, code = frame.geometry[at], str(frame["code"][at])
    half = shapely.box(*lonlat(-100, -100), *lonlat(120, 1100))
    # As the tool of QGIS does it: both parts have the attributes, the smaller stands first.
    other = frame.loc[[at]].copy()
    other["geometry"] = [whole.difference(half)]
    frame.loc[at, "geometry"] = whole.intersection(half)
    edited = tmp_path / "edited.gpkg"
    pyogrio.write_dataframe(pd.concat([frame, other]), edited, layer="grids")
    report = imported(town, edited)
    assert report.rejected == []
    assert [f for f in report.repair["findings"] if not f["decided"]] == []
    with town.database.connect() as connection:
        grids = {f["properties"]["code"]: f for f in list_grids(connection, report.plan or 0)}
        before = read_plan(connection, town.draft)["totals"]
        after = read_plan(connection, report.plan or 0)["totals"]
    assert after["grids"] == before["grids"] + 1
    assert after["households"] == before["households"]
    kept = shapely.geometry.shape(grids[code]["geometry"])
    assert kept.area == pytest.approx(whole.difference(half).area, rel=1e-6)
    assert sum(f["properties"]["staff"]["full_time"] for f in grids.values()) == 3
    (pair,) = report.repair["renamed"]
    assert pair[0] == code
    assert shapely.geometry.shape(grids[pair[1]]["geometry"]).area < kept.area


def test_a_refused_feature_is_explained_in_both_languages_and_stays_with_the_plan(
    town: PlanTown, tmp_path: Path
) -> None:
    frame = gpd.read_file(exported(town, "geojson", tmp_path))
    frame["kind"] = frame["kind"].astype(object)
    frame.loc[0, "kind"] = "基础网个"
    path = tmp_path / "kinds.geojson"
    path.write_text(frame.to_json(), encoding="utf-8")
    report = imported(town, path)
    (refused,) = report.rejected
    assert (refused.reason, refused.reason_zh) == ("is no kind of grids", "不是可用的取值")
    assert refused.remedy_zh.startswith("是否想填“基础网格”？可填：base (")
    with town.database.connect() as connection:
        (kept,) = read_import(connection, report.plan or 0)["rejected"]
    assert kept["reason_zh"] == refused.reason_zh
    assert kept["remedy_zh"] == refused.remedy_zh
