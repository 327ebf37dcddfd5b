"""Kept audits over HTTP, on the made town where all walks are known."""

from __future__ import annotations

import io
import json
import re
import zipfile

import geopandas as gpd
import httpx
import openpyxl
import pypdfium2
import pytest
from sqlalchemy import text
from town import buildings, lonlat

from data.audits.conduct import conduct
from data.audits.inputs import place_from
from data.audits.pack import read_pack, unzip_pack
from data.audits.runs import audit_inputs
from data.audits.small_week import small_weeks
from data.errors import SourceFileError
from geo.rulesets import rule_set


@pytest.fixture(scope="module")
def made(client: httpx.Client) -> dict:
    answer = client.post("/api/v1/audits", json={"rules": "circle-10"}, timeout=300)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"].endswith(f"/api/v1/audits/{answer.json()['id']}")
    return answer.json()


def by_id(audit: dict) -> dict:
    return {rule["id"]: rule for rule in audit["rules"]}


def coverage(client: httpx.Client, kinds: str, minutes: float) -> dict:
    return client.get(
        "/api/v1/coverage", params={"kinds": kinds, "minutes": minutes, "level": "community"}
    ).json()


def test_an_audit_counts_what_the_coverage_counts(client, made):
    told = coverage(client, "service_centre,red_station", 10)
    rule = by_id(made)["reach-10"]
    assert rule["numerator"] == told["totals"]["covered_households"]
    assert rule["denominator"] == told["totals"]["households"]
    ours = {row["code"]: row for row in rule["areas"]["community"]}
    for row in told["rows"]:
        own = ours[row["code"] or ""]
        assert own["denominator"] == row["households"]
        assert own["numerator"] == row["covered_households"]
    assert made["reasons"]["island"]["households"] == 7
    assert made["reasons"]["off_network"]["households"] == 5
    assert sum(r["households"] for r in made["reasons"].values()) == (
        rule["denominator"] - rule["numerator"]
    )
    assert made["verdict"] == "fail"


def test_presence_is_told_area_by_area(made):
    rules = by_id(made)
    centre = rules["centre-in-community"]
    assert (centre["numerator"], centre["denominator"], centre["verdict"]) == (1, 2, "fail")
    assert {r["code"]: r["verdict"] for r in centre["areas"]["community"]} == {
        "C1": "pass",
        "C2": "fail",
    }
    assert rules["centre-area"]["verdict"] == "fail"
    assert {r["code"]: r["verdict"] for r in rules["centre-area"]["areas"]["community"]} == {
        "C1": "unknown",
        "C2": "fail",
    }
    assert rules["workers"]["verdict"] == "unknown"


def test_the_same_inputs_are_kept_once_and_a_change_makes_another(client, made):
    again = client.post("/api/v1/audits", json={"rules": "circle-10"}, timeout=300)
    assert (again.status_code, again.json()["id"]) == (200, made["id"])
    other = client.post("/api/v1/audits", json={"rules": "circle-15"})
    assert other.status_code == 201
    listed = client.get("/api/v1/audits").json()
    assert {a["id"] for a in listed["audits"]} >= {made["id"], other.json()["id"]}
    same = client.get(f"/api/v1/audits/{made['id']}/compare/{made['id']}").json()
    assert same["same"] is True


def test_homes_in_a_box_are_all_homes_and_those_outside_come_first(client, made):
    rows = client.get(f"/api/v1/audits/{made['id']}/homes").json()["rows"]
    homes = [b for b in buildings() if b["households"]]
    assert len(rows) == len(homes)
    reasons = [row[3] for row in rows]
    assert reasons == sorted(reasons, key=lambda r: r == "")
    few = client.get(
        f"/api/v1/audits/{made['id']}/homes", params={"limit": 3, "bbox": "118.1,36.9,118.2,37"}
    ).json()
    assert (len(few["rows"]), few["more"]) == (3, True)
    bad = client.get(f"/api/v1/audits/{made['id']}/homes", params={"bbox": "1,2"})
    assert bad.status_code == 422


def test_a_home_across_the_river_is_explained_by_the_river(client, made):
    rows = client.get(f"/api/v1/audits/{made['id']}/homes").json()["rows"]
    x, y = lonlat(846, 956)
    row = min(rows, key=lambda r: (r[1] - x) ** 2 + (r[2] - y) ** 2)
    told = client.get(f"/api/v1/audits/{made['id']}/homes/{row[0]}").json()
    assert told["home"]["reason"] == "detour"
    assert told["home"]["false_circle"] is True
    walk, straight = told["walk"], told["straight"]
    assert walk["station"] == "S2"
    assert walk["minutes"] > 10 > straight["metres"] / 60
    parts = walk["access_minutes"] + walk["street_minutes"] + walk["waiting_minutes"]
    assert parts == pytest.approx(walk["minutes"], abs=0.03)
    assert straight["detour"] > 3
    assert [b["name"] for b in told["blocks"] if b["layer"] == "water"] == ["清河"]
    assert walk["geometry"]["type"] == "LineString"
    assert told["stale"] is False


def test_an_island_has_no_walk_and_an_unknown_building_is_a_problem(client, made):
    rows = client.get(f"/api/v1/audits/{made['id']}/homes").json()["rows"]
    island = next(r for r in rows if r[3] == "island")
    told = client.get(f"/api/v1/audits/{made['id']}/homes/{island[0]}").json()
    assert told["walk"] is None
    missing = client.get(f"/api/v1/audits/{made['id']}/homes/999999")
    assert missing.status_code == 404
    assert missing.json()["remedy"]


def test_what_if_a_bridge_or_a_station_were_there(client, made):
    address = f"/api/v1/audits/{made['id']}/what-if"
    nothing = client.post(address, json={}).json()
    assert nothing["before"] == nothing["after"] == by_id(made)["reach-10"]["numerator"]
    bridge = [lonlat(700, 900), lonlat(800, 900)]
    with_bridge = client.post(address, json={"links": [bridge]}).json()
    station = client.post(address, json={"stations": [lonlat(1200, 300)]}).json()
    assert with_bridge["after"] > nothing["after"]
    assert with_bridge["lost"] == 0
    assert len(with_bridge["gained"]) > 0
    assert station["after"] > with_bridge["before"]
    far = client.post(address, json={"links": [[lonlat(700, 900), lonlat(9000, 9000)]]})
    assert far.status_code == 422
    assert "End 2 of link 1" in far.json()["detail"]
    lost = client.post(address, json={"stations": [lonlat(9000, 9000)]})
    assert lost.status_code == 422
    assert "walkable street" in lost.json()["detail"]


def test_a_citys_own_rule_set_is_checked_and_used(client):
    rules = {
        "name": "own",
        "version": "2026",
        "title_zh": "本市规则",
        "rules": [
            {"id": "r", "kind": "reach", "title_zh": "二十分钟", "minutes": 60, "share": 0.5}
        ],
    }
    answer = client.post("/api/v1/audits", json={"rule_set": rules})
    assert answer.status_code == 201, answer.text
    assert answer.json()["verdict"] == "pass"
    assert answer.json()["rule_set"]["title_en"] == "本市规则"
    rules["rules"][0]["minutes"] = -3
    wrong = client.post("/api/v1/audits", json={"rule_set": rules})
    assert wrong.status_code == 422
    assert wrong.json()["type"].endswith("rule-set")
    assert "minutes -3" in wrong.json()["detail"]
    rules["rules"][0] |= {"minutes": 10, "stations": ["kiosk"]}
    odd = client.post("/api/v1/audits", json={"rule_set": rules})
    assert odd.status_code == 422
    assert "'kiosk'" in odd.json()["detail"]
    unknown = client.post("/api/v1/audits", json={"rules": "none"})
    assert unknown.status_code == 422
    assert "circle-10" in unknown.json()["remedy"]
    assert client.get("/api/v1/audits/99999").status_code == 404
    assert client.get("/api/v1/rule-sets").json()["rule_sets"][0]["rules"]


def test_what_a_rule_could_not_know_is_told_in_every_form(client, town):
    with town.transaction("test") as connection:
        connection.execute(text("UPDATE stations SET places = 40 WHERE kind = 'service_centre'"))
    rules = {
        "name": "seats",
        "version": "1",
        "title_zh": "座位",
        "title_en": "Places",
        "rules": [
            {"id": "reach", "kind": "reach", "title_zh": "步行可达", "minutes": 10},
            {
                "id": "seats",
                "kind": "capacity",
                "title_zh": "每百户座位",
                "title_en": "Places per 100 households",
                "level": "community",
                "places_per_100_households": 5,
            },
        ],
    }
    made = client.post("/api/v1/audits", json={"rule_set": rules}, timeout=300).json()
    facts = by_id(made)["seats"]["facts"]
    with town.connect() as connection:
        silent = connection.execute(
            text("SELECT count(*) FROM stations WHERE status = 'open' AND places IS NULL")
        ).scalar_one()
    assert facts["stations_without_places"] == silent > 0
    assert made["accessibility"]["supply"] == "places"
    assert made["quality"]["stations_without_places"] == silent
    base = f"/api/v1/audits/{made['id']}"
    for lang, said, gini in (
        ("zh", f"{silent} 处站点缺座位数", "可达座位"),
        ("en", f"stations without places: {silent}", "Gini of places in reach"),
    ):
        page = client.get(f"{base}/report.html", params={"lang": lang}).text
        assert said in page
        assert gini in page
        content = client.get(f"{base}/report.pdf", params={"lang": lang}, timeout=300).content
        with pypdfium2.PdfDocument(content) as document:
            front = document[0].get_textpage().get_text_range()
        assert said.replace(" ", "") in re.sub(r"\s", "", front)
        assert ("：" in front) == (lang == "zh")
    book = openpyxl.load_workbook(io.BytesIO(client.get(f"{base}/ledger.xlsx").content))
    rows = list(book["结论 Verdict"].iter_rows(values_only=True))
    unknown = rows[0].index("未知 Unknown")
    assert f"{silent} 处站点缺座位数" in rows[2][unknown]
    places = {r[0]: r[5] for r in book["站点 Stations"].iter_rows(min_row=2, values_only=True)}
    assert set(places.values()) == {40, None}
    # The pack has the places, so that it makes the same audit again.
    with town.connect() as connection:
        files = audit_inputs(connection, made["id"])
    again = conduct(place_from(files), rule_set(made["rule_set"], origin="test"))
    assert again.summary["digest"] == made["digest"]


def test_report_and_ledger_tell_what_was_kept(client, made):
    page = client.get(f"/api/v1/audits/{made['id']}/report.html?lang=en")
    assert page.status_code == 200
    assert '<html lang="en">' in page.text
    assert "试验镇" in page.text
    assert "Fail" in page.text
    assert not re.search(r"https?://(?!www\.w3\.org)", page.text)
    public = client.get(f"/api/v1/audits/{made['id']}/report.html?public=true")
    assert "<h2>圈外楼栋" not in public.text
    pdf = client.get(f"/api/v1/audits/{made['id']}/report.pdf?lang=en")
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF")
    assert pdf.content == client.get(f"/api/v1/audits/{made['id']}/report.pdf?lang=en").content
    ledger = client.get(f"/api/v1/audits/{made['id']}/ledger.xlsx")
    book = openpyxl.load_workbook(io.BytesIO(ledger.content), read_only=True)
    rows = list(book["圈外楼栋 Outside"].iter_rows(values_only=True))
    outside = [b for b in client.get(f"/api/v1/audits/{made['id']}/homes").json()["rows"] if b[3]]
    assert len(rows) - 1 == len(outside)


@pytest.mark.parametrize("path", ["/audits", "/audits/1"])
def test_pages_load_everything_from_here(client, made, path):
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    for address in re.findall(r"<(?:script|link)[^>]*?(?:src|href)=\"([^\"]+)\"", answer.text):
        assert address.startswith(("/", "data:")), address


def test_the_week_is_told_for_the_city_and_each_area(client, made):
    address = f"/api/v1/audits/{made['id']}/week"
    city = client.get(address).json()
    rule = by_id(made)["reach-10"]
    assert city["best"] == rule["numerator"]
    assert (len(city["surely"]), len(city["holiday"])) == (168, 24)
    assert city["words"][0].startswith("即使所有站点都开放也只有")
    areas = made["week"]["areas"]["community"]
    assert sum(row["total"] for row in areas) <= city["total"]
    for row in areas:
        told = client.get(
            address, params={"level": "community", "code": row["code"], "lang": "en"}
        ).json()
        assert told["surely"] == row["surely"]
        assert told["words"]
    missing = client.get(address, params={"level": "community", "code": "none"})
    assert missing.status_code == 404
    assert missing.json()["remedy"]


def test_the_week_of_a_grid_is_worked_out_from_what_was_audited(client, town, made):
    address = f"/api/v1/audits/{made['id']}/week"
    rule = by_id(made)["reach-10"]
    city = client.get(address).json()
    for level in ("grid", "compound"):
        sums = [0.0] * 192
        rows = [row for row in rule["areas"][level] if row["code"] and row["denominator"]]
        assert rows
        assert level not in made["week"]["areas"]
        for row in rows:
            told = client.get(
                address, params={"level": level, "code": row["code"], "lang": "en"}
            ).json()
            # With all stations open, what the rule counts; never more in any hour.
            assert (told["total"], told["best"]) == (row["denominator"], row["numerator"])
            assert max(told["surely"]) == told["peak"] <= told["best"]
            assert told["name"] == row["name"]
            assert told["words"]
            sums = [a + b for a, b in zip(sums, told["surely"] + told["holiday"], strict=True)]
        whole = city["surely"] + city["holiday"]
        assert all(part <= all_of + 1e-9 for part, all_of in zip(sums, whole, strict=True))
        if sum(row["denominator"] for row in rows) == city["total"]:
            assert sums == pytest.approx(whole)
    # Worked out in the same way as those that are kept.
    weeks = small_weeks(*inputs_and_rule(town, made))
    for level in ("district", "street", "community"):
        for kept in made["week"]["areas"].get(level, []):
            assert json.loads(json.dumps(weeks.of(level, kept["code"]))) == kept
    missing = client.get(address, params={"level": "grid", "code": "none"})
    assert missing.status_code == 404
    assert missing.json()["remedy"]


def inputs_and_rule(town, made):
    with town.connect() as connection:
        place = place_from(audit_inputs(connection, made["id"]))
    rules = rule_set(made["rule_set"], origin="test")
    return place, next(rule for rule in rules.rules if rule.id == made["main_rule"])


def test_the_pack_makes_the_same_audit_again_from_itself_alone(client, made, tmp_path):
    answer = client.get(f"/api/v1/audits/{made['id']}/pack.zip", timeout=300)
    assert answer.status_code == 200, answer.text
    path = tmp_path / "pack.zip"
    path.write_bytes(answer.content)
    packed = read_pack(path)
    assert packed.summary["digest"] == made["digest"]
    rules = rule_set(packed.rules, origin="rules.json")
    again = conduct(place_from(packed.inputs), rules)
    assert again.summary["digest"] == made["digest"]
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        layers = archive.read("audit.gpkg")
    assert {"report.html", "report.pdf", "ledger.xlsx", "README.txt", "manifest.json"} <= names
    (tmp_path / "audit.gpkg").write_bytes(layers)
    homes = gpd.read_file(tmp_path / "audit.gpkg", layer="buildings")
    rule = by_id(made)["reach-10"]
    assert homes.loc[homes["covered"], "households"].sum() == rule["numerator"]
    assert "community_areas" in gpd.list_layers(tmp_path / "audit.gpkg")["name"].tolist()
    alone = client.get(f"/api/v1/audits/{made['id']}/audit.gpkg")
    assert alone.headers["content-type"] == "application/geopackage+sqlite3"
    (tmp_path / "alone.gpkg").write_bytes(alone.content)
    assert len(gpd.read_file(tmp_path / "alone.gpkg", layer="buildings")) == len(homes)


def test_a_changed_file_of_a_pack_is_refused(client, made, tmp_path):
    content = client.get(f"/api/v1/audits/{made['id']}/pack.zip", timeout=300).content
    unzip_pack(content, tmp_path / "pack")
    assert read_pack(tmp_path / "pack").summary["digest"] == made["digest"]
    homes = tmp_path / "pack" / "inputs" / "homes.npz"
    homes.write_bytes(homes.read_bytes()[:-7] + b"changed")
    with pytest.raises(SourceFileError, match=re.escape("inputs/homes.npz is not the file")):
        read_pack(tmp_path / "pack")
    homes.unlink()
    with pytest.raises(SourceFileError, match=re.escape("it has no inputs/homes.npz")):
        read_pack(tmp_path / "pack")
    with pytest.raises(SourceFileError, match="no pack"):
        unzip_pack(content[:1000], tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_what_if_a_station_shut_is_what_the_closures_say(client, made):
    address = f"/api/v1/audits/{made['id']}/what-if"
    assert made["closures"]
    for closure in made["closures"]:
        told = client.post(address, json={"closed": [closure["code"]]}).json()
        assert told["lost_weight"] == closure["households"]
        assert told["before"] - told["after"] == closure["households"]
        assert len(told["lost_at"]) == len(told["lost_ids"]) == told["lost"] > 0
    codes = [s["code"] for s in made["stations"] if s["kind"] != "rider_station"]
    none = client.post(address, json={"closed": codes}).json()
    assert none["after"] == 0
    again = client.post(
        address,
        json={"closed": codes, "stations": [[s["lon"], s["lat"]] for s in made["stations"]]},
    ).json()
    assert again["after"] >= made["closures"][0]["households"]
    wrong = client.post(address, json={"closed": ["nobody"]})
    assert wrong.status_code == 422
    assert "'nobody'" in wrong.json()["detail"]


def test_what_if_a_gate_opened_never_loses_anybody(client, made):
    address = f"/api/v1/audits/{made['id']}/what-if"
    told = client.post(address, json={"gates": [lonlat(291, 150)]}).json()
    assert told["after"] >= told["before"]
    assert told["lost"] == 0
    nowhere = client.post(address, json={"gates": [lonlat(500, 350)]})
    assert nowhere.status_code == 422
    assert "near gate 1" in nowhere.json()["detail"]


def test_the_false_circles_are_a_list_of_their_own(client, made):
    address = f"/api/v1/audits/{made['id']}/homes"
    rows = client.get(address, params={"false_circles": True}).json()["rows"]
    assert len(rows) == made["false_circles"]["buildings"] > 0
    assert sum(row[5] for row in rows) == made["false_circles"]["households"]
    assert all(row[3] for row in rows)
