"""`gridcircle audit` on the sample town, recounted from the files it was given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import networkx as nx
import numpy as np
import openpyxl
import pandas as pd
import pytest
from click.testing import Result
from playwright.sync_api import sync_playwright
from running import running
from sqlalchemy import text
from town import seed_layers, seed_network
from typer.testing import CliRunner

from api.cli import app
from data.audits.inputs import place_from
from data.audits.pack import read_pack, reproduces, zip_pack
from data.city_files import read_city_files, read_station_files, snap_city
from data.database import Database
from data.sample import SampleFiles, write_sample
from data.settings import Settings, get_settings
from geo.standards import PROFILES

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> SampleFiles:
    return write_sample(tmp_path_factory.mktemp("town"))


def audit(
    town: SampleFiles, out: Path, *more: object, stations: Path | None = None
) -> subprocess.CompletedProcess[str]:
    arguments = (
        "audit",
        *("--network", town.osm, "--stations", stations or town.stations),
        *("--demand", town.buildings, "--areas", town.areas, "--compounds", town.compounds),
        *("--grids", town.grids, "--out", out, "--json", *more),
    )
    return subprocess.run(
        [sys.executable, "-c", "from api.cli import main; main()", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["audit", "--json", *map(str, arguments)])


@pytest.fixture(scope="module")
def pack(town: SampleFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pack") / "report"
    done = audit(town, out)
    assert done.returncode == 4, done.stderr
    assert json.loads(done.stdout)["verdict"] == "fail"
    return out


def summary_of(pack: Path) -> dict:
    return json.loads((pack / "summary.json").read_text("utf-8"))


def test_the_households_covered_are_those_that_networkx_walks_to(
    town: SampleFiles, pack: Path
) -> None:
    stations = read_station_files(
        town.stations, datum="wgs84", kinds=("service_centre", "red_station")
    )
    city = read_city_files(town.osm, town.buildings, progress=lambda *_: None)
    walk = snap_city(city, stations.lonlat, PROFILES["norm"], waits="none", max_snap_m=200)
    net = city.network
    graph = nx.Graph()
    for (a, b), mm in zip(net.edge_nodes.tolist(), net.edge_length_mm.tolist(), strict=True):
        if a != b and (not graph.has_edge(a, b) or graph[a][b]["mm"] > mm):
            graph.add_edge(a, b, mm=mm)
    for s in range(len(stations.ids)):
        e = int(walk.stations.edge[s])
        if e < 0:
            continue
        legs = (
            int(walk.stations.offset_mm[s]),
            int(net.edge_length_mm[e] - walk.stations.offset_mm[s]),
        )
        for end in (0, 1):
            node, mm = int(net.edge_nodes[e, end]), legs[end] + int(walk.stations.access_mm[s])
            if not graph.has_edge("all", node) or graph["all"][node]["mm"] > mm:
                graph.add_edge("all", node, mm=mm)
    away = nx.single_source_dijkstra_path_length(graph, "all", cutoff=600_000, weight="mm")
    covered = 0.0
    for i in range(len(walk.demand)):
        e = int(walk.demand.edge[i])
        if e < 0:
            continue
        here, access = int(walk.demand.offset_mm[i]), int(walk.demand.access_mm[i])
        legs = (here, int(net.edge_length_mm[e]) - here)
        ways = [away.get(int(net.edge_nodes[e, k]), 10**9) + legs[k] + access for k in (0, 1)]
        same = np.flatnonzero(walk.stations.edge == e)
        ways += [
            abs(int(walk.stations.offset_mm[s]) - here) + int(walk.stations.access_mm[s]) + access
            for s in same
        ]
        if min(ways) <= 600_000:
            covered += city.demand.households[i]
    rule = next(r for r in summary_of(pack)["rules"] if r["id"] == "reach-10")
    assert rule["numerator"] == covered
    assert rule["denominator"] == town.counts["households"]


def test_ledger_geopackage_and_summary_tell_the_same(town: SampleFiles, pack: Path) -> None:
    summary = summary_of(pack)
    rule = next(r for r in summary["rules"] if r["id"] == "reach-10")
    book = openpyxl.load_workbook(pack / "ledger.xlsx", read_only=True)
    assert [s.split()[0] for s in book.sheetnames] == [
        *("结论", "区县", "街道", "社区", "网格", "小区", "站点", "圈外楼栋", "盲区"),
        *("一周覆盖", "选址建议", "输入"),
    ]
    staff = {r["id"]: r for r in summary["rules"] if r["id"] in ("workers", "worker-in-grid")}
    for found in staff.values():
        # Counted everywhere; most have enough, some are short.
        assert found["facts"]["areas_not_counted"] == 0
        assert 0 < found["facts"]["areas_failing"] < found["denominator"] / 2
    stations = list(book["站点 Stations"].iter_rows(values_only=True))
    assert [r[0] for r in stations[1:]] == [s["code"] for s in summary["stations"]]
    seats = stations[0].index("座位数 Places")
    assert [r[seats] for r in stations[1:]] == [s["places"] for s in summary["stations"]]
    assert sum(r[seats] is None for r in stations[1:]) == 5
    rows = list(book["圈外楼栋 Outside"].iter_rows(values_only=True))
    head = rows[0]
    assert sum(r[head.index("户数")] for r in rows[1:]) == (rule["denominator"] - rule["numerator"])
    assert {r[head.index("原因")] for r in rows[1:]} <= {"过远", "绕行", "路网孤岛", "不临路"}
    homes = gpd.read_file(pack / "audit.gpkg", layer="buildings")
    assert homes.loc[homes["covered"], "households"].sum() == rule["numerator"]
    assert len(homes) == town.counts["buildings"]
    communities = gpd.read_file(pack / "audit.gpkg", layer="community_areas")
    assert communities["numerator"].sum() <= rule["numerator"]
    zones = gpd.read_file(pack / "audit.gpkg", layer="zones")
    assert zones["households"].tolist() == [z["households"] for z in summary["zones"]]
    for level in ("district", "street", "community", "grid", "compound"):
        assert sum(row["denominator"] for row in rule["areas"][level]) == rule["denominator"]


def test_running_again_from_the_packs_own_rules_gives_the_same_figures(
    town: SampleFiles, pack: Path, tmp_path: Path
) -> None:
    done = audit(town, tmp_path / "again", "--rules", pack / "rules.json", "--previous", pack)
    assert done.returncode == 4, done.stderr
    assert json.loads(done.stdout)["changed"] is False
    again = summary_of(tmp_path / "again")
    assert again["digest"] == summary_of(pack)["digest"]


def test_a_pack_alone_gives_the_same_figures(pack: Path, tmp_path: Path) -> None:
    content = zip_pack(pack)
    assert content == zip_pack(pack)
    (tmp_path / "pack.zip").write_bytes(content)
    done = run("--pack", tmp_path / "pack.zip", "--out", tmp_path / "again")
    assert done.exit_code == 4, done.output
    told = json.loads(done.stdout)
    assert told["reproduced"] is True
    assert told["digest"] == summary_of(pack)["digest"]
    manifest = json.loads((tmp_path / "again" / "manifest.json").read_text("utf-8"))
    before = json.loads((pack / "manifest.json").read_text("utf-8"))
    same = [name for name in before if not name.endswith((".xlsx", ".gpkg", ".pdf"))]
    assert {name: manifest[name] for name in same} == {name: before[name] for name in same}
    other = run("--pack", pack, "--rules", "circle-15", "--out", tmp_path / "other")
    assert json.loads(other.stdout)["reproduced"] is None


def test_a_pack_of_an_older_version_must_agree_in_each_rule(pack: Path) -> None:
    now = summary_of(pack)
    older = {**now, "format": now["format"] - 1, "digest": "of another layout"}
    assert reproduces(older, now)
    assert not reproduces({**now, "digest": "of other figures"}, now)
    first, *rest = older["rules"]
    assert not reproduces(
        {**older, "rules": [{**first, "numerator": first["numerator"] + 1}, *rest]}, now
    )


def test_the_service_and_its_database_give_packs_and_exit_codes(
    make_database: Callable[[], Database], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
    settings = Settings.load(home=tmp_path / "home", database_url=database.url)
    with running(settings, database) as address:
        first = run("--service", address, "--out", tmp_path / "night")
        assert first.exit_code == 4, first.output
        told = json.loads(first.stdout)
        assert (told["audit"], told["is_new"], told["changed"]) == (1, True, None)
        assert read_pack(tmp_path / "night").summary["digest"] == told["digest"]
        same = json.loads(run("--service", address, "--out", tmp_path / "night").stdout)
        assert (same["audit"], same["is_new"]) == (1, False)
        with database.transaction("test") as connection:
            connection.execute(text("UPDATE stations SET status = 'closed' WHERE code = 'S2'"))
        later = json.loads(run("--service", address, "--out", tmp_path / "night").stdout)
        assert (later["is_new"], later["changed"]) == (True, True)
        changes = json.loads((tmp_path / "night" / "changes.json").read_text("utf-8"))
        assert [s["code"] for s in changes["stations"]["closed"]] == ["S2"]
        wrong = run("--service", address, "--rules", "none", "--out", tmp_path / "x")
        assert wrong.exit_code == 1
        assert "circle-10" in wrong.output
    gone = run("--service", address, "--out", tmp_path / "x")
    assert gone.exit_code == 1
    assert "does not answer" in gone.output
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("GRIDCIRCLE_HOME", str(tmp_path / "home"))
    get_settings.cache_clear() if hasattr(get_settings, "cache_clear") else None
    own = tmp_path / "easy.toml"
    own.write_text(
        'name = "easy"\nversion = "1"\ntitle_zh = "一小时"\n[[rules]]\nid = "r"\nkind = "reach"\n'
        'title_zh = "一小时可达"\nminutes = 60\nshare = 0.1\n',
        "utf-8",
    )
    done = run("--database", "--rules", own, "--out", tmp_path / "straight")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["audit"] > later["audit"]
    assert (tmp_path / "straight" / "report.pdf").read_bytes().startswith(b"%PDF")
    monkeypatch.undo()
    get_settings.cache_clear() if hasattr(get_settings, "cache_clear") else None
    database.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "No city was given"),
        (("--database", "--service", "http://x"), "given together"),
        (("--service", "ftp://x"), "no address"),
        (("--service", "http://name:secret@x"), "name or password"),
    ],
)
def test_what_cannot_be_asked_is_said(arguments: tuple[str, ...], said: str, tmp_path) -> None:
    done = run(*arguments, "--out", tmp_path / "x")
    assert done.exit_code == 1
    assert said in done.output
    assert not (tmp_path / "x").exists()


def test_a_closed_station_is_found_as_the_cause(
    town: SampleFiles, pack: Path, tmp_path: Path
) -> None:
    worst = summary_of(pack)["closures"][0]
    table = pd.read_csv(town.stations, dtype=str)
    fewer = tmp_path / "stations.csv"
    table[table["编号"] != worst["code"]].to_csv(fewer, index=False)
    done = audit(town, tmp_path / "after", "--previous", pack, stations=fewer)
    assert done.returncode == 4, done.stderr
    changes = json.loads((tmp_path / "after" / "changes.json").read_text("utf-8"))
    assert [s["code"] for s in changes["stations"]["closed"]] == [worst["code"]]
    rule = next(r for r in changes["rules"] if r["id"] == "reach-10")
    assert rule["before"]["numerator"] - rule["after"]["numerator"] == worst["households"]
    assert [i["part"] for i in changes["inputs"]] == ["stations"]
    worse = [a for a in changes["areas"] if a["rule"] == "reach-10" and a["level"] == "community"]
    assert worse[0]["causes"] == ["station_closed"]


def test_proposals_add_what_opening_them_adds(
    town: SampleFiles, pack: Path, tmp_path: Path
) -> None:
    proposals = summary_of(pack)["proposals"]
    table = pd.read_csv(town.stations, dtype=str)
    new = pd.DataFrame(
        [
            {
                "编号": f"NEW{s['rank']}",
                "名称": "新站",
                "类型": "红色驿站",
                "经度": str(s["lon"]),
                "纬度": str(s["lat"]),
                "状态": "开放",
            }
            for s in proposals["sites"][:3]
        ]
    )
    more = tmp_path / "stations.csv"
    pd.concat([table, new[[c for c in new if c in table]]]).to_csv(more, index=False)
    done = audit(town, tmp_path / "after", stations=more)
    assert done.returncode == 4, done.stderr
    rule = next(r for r in summary_of(tmp_path / "after")["rules"] if r["id"] == "reach-10")
    assert rule["numerator"] == pytest.approx(proposals["sites"][2]["covered"], rel=0.002)


def test_premises_are_proposed_only_where_they_may_offer_what_the_rule_asks(
    town: SampleFiles, tmp_path: Path
) -> None:
    stations = pd.read_csv(town.stations, dtype=str).head(3)
    stations["设施"] = "热水;休息"
    stations.to_csv(tmp_path / "stations.csv", index=False)
    rules = tmp_path / "rules.toml"
    rules.write_text(
        'name = "toilets"\nversion = "1"\ntitle_zh = "公厕"\n[[rules]]\nid = "toilet"\n'
        'kind = "reach"\ntitle_zh = "五分钟到公厕"\nfacility = "toilet"\nminutes = 5\n',
        "utf-8",
    )
    homes = pd.read_csv(town.buildings, dtype=str)
    spots = gpd.points_from_xy(homes["经度"].astype(float), homes["纬度"].astype(float))
    spots = spots[:: len(spots) // 4][:4]
    premises = gpd.GeoDataFrame(
        {
            "code": ["NO", "YES", "OPEN", "ALSO-NO"],
            "kind": ["shop"] * 4,
            "设施": ["wifi", "卫生间、wifi", None, "热水"],
            "费用": [10, 20, 30, 40],
        },
        geometry=spots,
        crs="EPSG:4326",
    )

    def proposed(frame: gpd.GeoDataFrame, out: str) -> dict:
        frame.to_file(tmp_path / f"{out}.gpkg")
        done = audit(
            town,
            tmp_path / out,
            *("--rules", rules, "--premises", tmp_path / f"{out}.gpkg"),
            stations=tmp_path / "stations.csv",
        )
        assert done.returncode == 4, done.stderr
        return summary_of(tmp_path / out)["proposals"]

    found = proposed(premises, "some")
    assert found["source"] == "premises"
    assert {site["code"] for site in found["sites"]} == {"YES", "OPEN"}
    # Its pack says the same from its own inputs.
    place = place_from(read_pack(tmp_path / "some").inputs)
    assert place.sites.facilities == [
        frozenset({"wifi"}),
        frozenset({"toilet", "wifi"}),
        None,
        frozenset({"water"}),
    ]
    # Where no premises fit, buildings are the candidates.
    assert proposed(premises[premises["code"].str.contains("NO")], "none")["source"] == "buildings"


def test_wrong_input_is_named_and_leaves_nothing_behind(town: SampleFiles, tmp_path: Path) -> None:
    done = audit(town, tmp_path / "r", "--rules", "circle-99")
    assert done.returncode == 1
    assert "circle-99" in json.loads(done.stdout)["message"]
    done = audit(town, tmp_path / "r", "--previous", town.readme)
    assert done.returncode == 1
    assert "summary" in json.loads(done.stdout)["message"]
    assert not (tmp_path / "r").exists()


def test_the_pdf_has_its_font_its_pages_and_a_plate_a_community(
    town: SampleFiles, pack: Path
) -> None:
    pdfium = pytest.importorskip("pypdfium2")
    content = (pack / "report.pdf").read_bytes()
    assert b"NotoSansSC" in content
    document = pdfium.PdfDocument(content)
    pages = [page.get_textpage().get_text_range() for page in document]
    assert "未达标" in pages[0]
    assert f"1 / {len(pages)}" in pages[0]
    width, height = document[0].get_size()
    assert (round(width), round(height)) == (595, 842)
    rule = next(r for r in summary_of(pack)["rules"] if r["id"] == "reach-10")
    first_lines = [page.split("\r\n")[0] for page in pages]
    for row in rule["areas"]["community"]:
        assert row["name"] in first_lines
    assert not any("□" in page for page in pages)


@pytest.mark.e2e
@pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium")
def test_the_report_needs_nothing_else_and_its_tables_sort(pack: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        for name, language, width in (
            ("report.html", "zh-CN", 1200),
            ("report.en.html", "en", 390),
            ("report.public.html", "zh-CN", 390),
        ):
            page = browser.new_page(viewport={"width": width, "height": 800})
            asked, errors = [], []
            page.on("request", lambda r, asked=asked: asked.append(r.url))
            page.on("pageerror", lambda e, errors=errors: errors.append(str(e)))
            page.goto((pack / name).as_uri())
            assert asked == [(pack / name).as_uri()]
            assert page.get_attribute("html", "lang") == language
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.locator(".map path").count() > 2
            assert page.locator("p.verdict.fail").count() == 1
            page.locator("details.table").nth(2).evaluate("d => d.open = true")
            table = page.locator("details.table").nth(2).locator("table")
            table.locator("th button").nth(4).click()
            values = table.locator("tbody tr td:nth-child(5)").evaluate_all(
                "cells => cells.map(c => Number(c.dataset.v))"
            )
            assert len(values) > 2
            assert values == sorted(values, reverse=values[0] > values[-1])
            assert errors == []
            homes = page.locator("details.list:has(table.sortable)")
            assert homes.count() == ("public" not in name)
            page.close()
        browser.close()
