"""Layers of grids brought in by a browser, looked at, limited and compared there."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import geopandas as gpd
import httpx
import pyogrio
import pytest
import shapely
from plan_town import community_ids, line, seed_plan
from playwright.sync_api import Page, expect
from running import running
from sqlalchemy import text
from town import lonlat, seed_layers, seed_network
from waiting import wait_until

from data.database import Database
from data.settings import Settings


@pytest.fixture(scope="module")
def town(make_database: Callable[[], Database]) -> Iterator[Database]:
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
        seed_plan(connection)
    yield database
    database.close()


@pytest.fixture(scope="module")
def url(town: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings.load(home=tmp_path_factory.mktemp("home"), database_url=town.url)
    with running(settings, town) as address:
        yield address


@pytest.fixture
def draft(url: str) -> int:
    made = httpx.post(f"{url}/api/v1/plans", json={"name": "试改"})
    assert made.status_code == 201, made.text
    return int(made.json()["id"])


def split(url: str, town: Database, plan: int) -> None:
    with town.connect() as connection:
        community = community_ids(connection)["C1"]
    address = f"{url}/api/v1/plans/{plan}"
    grids = httpx.get(f"{address}/grids", params={"community": community}).json()["features"]
    grid = next(g for g in grids if g["properties"]["name"] == "第1网格")
    answer = httpx.post(
        f"{address}/edits",
        json={
            "kind": "split",
            "community": community,
            "grid": grid["id"],
            "line": line((150, -60), (150, 1060)),
        },
        headers={"If-Match": '"1"'},
    )
    assert answer.status_code == 200, answer.text


def faulty(folder: Path) -> Path:
    """A gap of a metre, an overlap of a metre, a gap of fifty metres; in GBK."""
    corners = (
        ("A", -50, -50, 349.5, 1050),
        ("B", 350.5, -50, 600, 1050),
        ("C", 599, -50, 700, 1050),
        ("E", 750, -50, 1550, 1050),
    )
    frame = gpd.GeoDataFrame(
        [{"网格编码": code, "网格名称": f"网格{code}"} for code, *_ in corners],
        geometry=[shapely.box(*lonlat(*c[1:3]), *lonlat(*c[3:5])) for c in corners],
        crs="EPSG:4326",
    )
    path = folder / "旧网格.geojson"
    pyogrio.write_dataframe(frame, path, driver="GeoJSON")
    return path


def test_a_layer_is_uploaded_mended_and_its_places_are_visited(
    page: Page, url: str, town: Database, tmp_path: Path
) -> None:
    page.goto(f"{url}/plans?lang=zh")
    page.click("#gp-import")
    page.set_input_files("#gp-import-file", faulty(tmp_path))
    page.click("#gp-import-send")
    page.wait_for_url(re.compile(r"/plans/\d+/import"))
    expect(page.locator("#gp-undecided button")).to_have_count(1)
    expect(page.locator("#gp-undecided")).to_contain_text("空缺")
    expect(page.locator("#gp-mended")).to_contain_text("重叠")
    plan = int(re.search(r"/plans/(\d+)/", page.url)[1])
    with town.connect() as connection:
        name, grids = connection.execute(
            text(
                "SELECT p.name, count(*) FROM plans p JOIN plan_grids g ON g.plan_id = p.id"
                " WHERE p.id = :plan GROUP BY p.name"
            ),
            {"plan": plan},
        ).one()
    assert (name, grids) == ("旧网格", 5)
    before = page.evaluate("map_city.getCenter()")
    with page.expect_response(lambda r: "/import/places?" in r.url and r.ok):
        page.locator("#gp-mended button", has_text="重叠").click()
    assert page.evaluate("map_city.getCenter()") != before
    lon, lat = lonlat(599.5, 500)
    assert page.evaluate(f"map_city.getBounds().contains([{lat!r}, {lon!r}])")
    # As it came: the repaired grids are gone from the map, and come back.
    with page.expect_response(lambda r: "side=came" in r.url and r.ok):
        page.click("#gp-view button:nth-child(2)")
    with page.expect_response(lambda r: "side=repaired" in r.url and r.ok):
        page.click("#gp-view button:nth-child(3)")
    # On to the editor, at the place that is to be decided.
    page.locator(".gp-place-edit").first.click()
    page.wait_for_url(re.compile(rf"/plans/{plan}/edit"))
    page.locator(".gp-label").first.wait_for()
    lon, lat = lonlat(725, 500)
    assert page.evaluate(f"map_city.getBounds().contains([{lat!r}, {lon!r}])")


def test_places_are_ticked_off_filtered_and_the_review_warns_of_the_rest(
    page: Page, url: str, town: Database, tmp_path: Path
) -> None:
    frame = gpd.read_file(faulty(tmp_path))
    wider = shapely.box(*lonlat(780, -50), *lonlat(1550, 1050))
    frame.loc[frame["网格编码"] == "E", "geometry"] = wider
    gap = shapely.box(*lonlat(200, -50), *lonlat(230, 1050))
    west = frame["网格编码"] == "A"
    frame.loc[west, "geometry"] = frame.loc[west, "geometry"].difference(gap)
    path = tmp_path / "两处.geojson"
    pyogrio.write_dataframe(frame, path, driver="GeoJSON")
    with path.open("rb") as file:
        made = httpx.post(f"{url}/api/v1/plans/import", files={"file": (path.name, file)}).json()
    plan, of = made["plan"]["id"], made["import"]["looks"]["of"]
    assert of >= 2

    def looked() -> list[tuple[int, str | None]]:
        with town.connect() as connection:
            return [
                tuple(row)
                for row in connection.execute(
                    text(
                        "SELECT id, looked_by FROM plan_import_places WHERE plan_id = :plan"
                        " AND NOT decided ORDER BY area_m2 DESC, id"
                    ),
                    {"plan": plan},
                )
            ]

    page.goto(f"{url}/plans/{plan}/import?lang=zh")
    ticks = page.locator("#gp-undecided .gp-tick input")
    expect(ticks).to_have_count(of)
    expect(page.locator("#gp-looks")).to_contain_text(f"还有 {of} 处未核对，共 {of} 处")
    ticks.first.check()
    expect(page.locator("#gp-looks")).to_contain_text(f"还有 {of - 1} 处未核对")
    expect(page.locator("#gp-undecided li").first).to_contain_text("已核对")
    expect(page.locator(".gp-pin-done")).to_have_count(1)
    assert [by for _, by in looked()] == ["local"] + [None] * (of - 1)
    # Taken back and done again.
    ticks.first.uncheck()
    expect(page.locator("#gp-looks")).to_contain_text(f"还有 {of} 处未核对")
    expect(page.locator(".gp-pin-done")).to_have_count(0)
    assert {by for _, by in looked()} == {None}
    ticks.first.check()
    expect(page.locator("#gp-looks")).to_contain_text(f"还有 {of - 1} 处未核对")
    # Only the open ones.
    page.locator("#gp-filter button").nth(1).click()
    expect(ticks).to_have_count(of - 1)
    expect(page.locator(".gp-pin-done")).to_have_count(0)
    # What somebody else does shows.
    second = looked()[1][0]
    answer = httpx.post(f"{url}/api/v1/plans/{plan}/import/looks", json={"places": [second]})
    assert answer.status_code == 200
    expect(page.locator("#gp-looks")).to_contain_text(
        f"还有 {of - 2} 处未核对" if of > 2 else "已全部核对"
    )
    httpx.post(
        f"{url}/api/v1/plans/{plan}/import/looks", json={"places": [second], "looked": False}
    )
    # The review names what is left, and asks before it sends.
    page.goto(f"{url}/plans/{plan}/review?lang=zh")
    expect(page.locator("#gp-import-open")).to_contain_text(f"还有 {of - 1} 处未核对")
    expect(page.locator("#gp-import-open li").first).to_contain_text("空缺")
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    page.click("#gp-send")
    expect(page.locator("#gp-approve")).to_be_visible()
    assert "未核对" in asked[0]
    page.locator("#gp-import-open a").click()
    page.wait_for_url(re.compile(rf"/plans/{plan}/import"))
    expect(page.locator("#gp-filter button").nth(1)).to_have_attribute("aria-pressed", "true")
    expect(ticks).to_have_count(of - 1)


def test_a_file_that_is_no_layer_is_refused_in_words_and_the_form_stays(
    page: Page, url: str, town: Database, tmp_path: Path
) -> None:
    wrong = tmp_path / "笔记.geojson"
    wrong.write_text("不是数据")
    with town.connect() as connection:
        plans = connection.execute(text("SELECT count(*) FROM plans")).scalar_one()
    page.goto(f"{url}/plans?lang=zh")
    page.click("#gp-import")
    page.set_input_files("#gp-import-file", wrong)
    page.click("#gp-import-send")
    expect(page.locator("#gc-problem")).to_contain_text("不是矢量数据")
    expect(page.locator("#gp-import-send")).to_be_enabled()
    with town.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM plans")).scalar_one() == plans


def test_a_file_edited_elsewhere_shows_its_conflicts(
    page: Page, url: str, town: Database, draft: int, tmp_path: Path
) -> None:
    path = tmp_path / "改.gpkg"
    path.write_bytes(httpx.get(f"{url}/api/v1/plans/{draft}/export?format=gpkg").content)
    frame = gpd.read_file(path, layer="grids")
    frame.loc[frame["name"] == "第1网格", "name"] = "改过的名"
    frame.loc[frame["name"] == "第3网格", "name"] = "只在文件里"
    pyogrio.write_dataframe(frame, path, layer="grids", driver="GPKG", append=False)
    split(url, town, draft)
    with path.open("rb") as file:
        made = httpx.post(f"{url}/api/v1/plans/import", files={"file": (path.name, file)}).json()
    page.goto(f"{url}/plans/{made['plan']['id']}/import?lang=zh")
    expect(page.locator("#gp-conflicts li")).to_have_count(2)
    expect(page.locator("#gp-conflicts .gp-alarm")).to_have_count(1)
    expect(page.locator("#gp-conflicts")).to_contain_text("改了名称、类型、支部或人员")
    expect(page.locator("#gp-file li")).to_have_count(1)
    page.locator("#gp-conflicts .gp-tick input").first.check()
    expect(page.locator("#gp-looks")).to_contain_text("还有 1 处未核对，共 2 处")
    expect(page.locator("#gp-conflicts .gp-looked")).to_have_count(1)
    # On to the editor at the grid.
    page.locator("#gp-conflicts .gp-place-edit").first.click()
    page.wait_for_url(re.compile(r"/edit\?.*at="))
    page.locator(".gp-label").first.wait_for()


def test_limits_are_changed_in_the_editor_and_the_rules_follow(
    page: Page, url: str, town: Database, draft: int
) -> None:
    page.goto(f"{url}/plans/{draft}/edit?lang=zh")
    page.locator(".gp-label").first.wait_for()
    expect(page.locator("#gp-limits summary")).to_contain_text("300")
    before = httpx.get(f"{url}/api/v1/plans/{draft}").json()["totals"]["broken"]
    page.click("#gp-limits summary")
    page.fill("#gp-limit-households", "1")
    page.click("#gp-limits-save")
    expect(page.locator("#gp-limits summary")).to_contain_text("每格 1 户")
    expect(page.locator("#gp-history")).to_contain_text("改上限")
    now = httpx.get(f"{url}/api/v1/plans/{draft}").json()
    assert now["limits"]["households"] == 1
    assert now["totals"]["broken"] > before
    expect(page.locator("#gp-broken-count")).to_have_text(str(now["totals"]["broken"]))
    # Somebody else is quicker: told, and what holds now stands in the form.
    page.click("#gp-limits summary")
    page.fill("#gp-limit-people", "500")
    answer = httpx.patch(
        f"{url}/api/v1/plans/{draft}",
        json={"limits": {"households": 250}},
        headers={"If-Match": f'"{now["version"]}"'},
    )
    assert answer.status_code == 200
    page.click("#gp-limits-save")
    expect(page.locator("#gc-problem")).to_contain_text("刚被别人改过")
    expect(page.locator("#gp-limit-households")).to_have_value("250")
    with town.connect() as connection:
        kept = connection.execute(
            text("SELECT household_limit, people_limit FROM plans WHERE id = :id"), {"id": draft}
        ).one()
    assert tuple(kept) == (250, 1000)


def test_a_branch_on_a_grid_apart_is_refused_in_the_editor(
    page: Page, url: str, town: Database, draft: int
) -> None:
    split(url, town, draft)
    with town.connect() as connection:
        community = community_ids(connection)["C1"]
    address = f"{url}/api/v1/plans/{draft}"
    grids = httpx.get(f"{address}/grids", params={"community": community}).json()["features"]
    west = min(
        (g for g in grids if "第" in g["properties"]["name"]),
        key=lambda g: (
            shapely.geometry.shape(g["geometry"]).centroid.x
            + shapely.geometry.shape(g["geometry"]).area
        ),
    )
    far = next(g for g in grids if g["properties"]["name"] == "第2网格")
    shapes = [shapely.geometry.shape(g["geometry"]) for g in (west, far)]
    assert not shapes[0].intersects(shapes[1])
    answer = httpx.post(
        f"{address}/edits",
        json={"kind": "rename", "community": community, "grid": west["id"], "branch": "一支部"},
        headers={"If-Match": '"2"'},
    )
    assert answer.status_code == 200, answer.text
    page.goto(f"{url}/plans/{draft}/edit?lang=zh")
    page.locator(".gp-label").first.wait_for()
    point = shapes[1].representative_point()
    at = page.evaluate(f"map_city.latLngToContainerPoint([{point.y!r}, {point.x!r}])")
    box = page.locator(".folium-map").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + at["x"], box["y"] + at["y"])
    expect(page.locator("#gp-selected")).to_contain_text("第2网格")
    page.click('[data-tool="rename"]')
    page.get_by_label("党支部").fill("一支部")
    page.click("#gp-form-ok")
    expect(page.locator("#gc-problem")).to_contain_text("不相邻")
    again = httpx.get(f"{address}/grids", params={"community": community}).json()["features"]
    assert [g["properties"]["branch"] for g in again if g["id"] == far["id"]] == [""]


def test_stale_counts_of_micro_grids_are_told_and_counted_again_by_one_click(
    page: Page, url: str, town: Database, draft: int
) -> None:
    with town.connect() as connection:
        community = community_ids(connection)["C1"]
    answer = httpx.post(
        f"{url}/api/v1/plans/{draft}/edits",
        json={"kind": "microgrids", "community": community},
        headers={"If-Match": '"1"'},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    with town.transaction("test") as connection:
        connection.execute(
            text(
                "UPDATE buildings SET households = households + 2 WHERE id = (SELECT min(id)"
                " FROM buildings WHERE community_id = :c AND households > 0)"
            ),
            {"c": community},
        )
    page.goto(f"{url}/plans/{draft}/edit?lang=zh")
    expect(page.locator("#gp-stale")).to_contain_text("1 个微网格的户数、人数已过时")
    page.click("#gp-recount")
    expect(page.locator("#gp-stale")).to_be_hidden()
    expect(page.locator("#gp-history")).to_contain_text("微网格重新计数")
    told = httpx.get(f"{url}/api/v1/plans/{draft}/micro-counts").json()
    assert (told["stale"], told["communities"]) == (0, [])
    with town.transaction("test") as connection:
        connection.execute(
            text(
                "UPDATE buildings SET households = households - 2 WHERE id = (SELECT min(id)"
                " FROM buildings WHERE community_id = :c AND households > 0)"
            ),
            {"c": community},
        )


def test_two_maps_beside_one_another_move_together(
    page: Page, url: str, town: Database, draft: int
) -> None:
    split(url, town, draft)
    page.goto(f"{url}/plans/{draft}/compare?lang=zh")
    page.click("#gp-view-beside")
    twin, main = page.locator(".gp-twin"), page.locator(".folium-map")
    left, right = twin.bounding_box(), main.bounding_box()
    assert left is not None
    assert right is not None
    assert abs(left["width"] - right["width"]) < 4
    assert left["x"] + left["width"] <= right["x"] + 1
    label = page.locator(".gp-twin .gp-label")

    def places(selector: str) -> dict[str, list[float]]:
        """Where labels stand on a map, by their code."""
        found: dict[str, list[float]] = page.evaluate(
            "(s) => { const m = document.querySelector(s).getBoundingClientRect();"
            " const all = [...document.querySelectorAll(s + ' .gp-label')];"
            " return Object.fromEntries(all.map((one) => {"
            " const l = one.getBoundingClientRect();"
            " return [one.textContent, [l.left - m.left, l.top - m.top]]; })); }",
            selector,
        )
        return found

    page.evaluate("void map_city.setZoom(15, {animate: false})")
    expect(label.first).to_be_visible()
    page.mouse.move(left["x"] + 200, left["y"] + 700)
    page.mouse.down()
    page.mouse.move(left["x"] + 260, left["y"] + 640, steps=6)
    page.mouse.up()
    page.wait_for_load_state("networkidle")
    expect(label.first).to_be_visible()
    expect(page.locator(".folium-map .gp-label").first).to_be_visible()

    def alike() -> bool:
        before, after = places(".gp-twin"), places(".folium-map")
        both = before.keys() & after.keys()
        return bool(both) and all(math.dist(before[name], after[name]) < 3 for name in both)

    wait_until(alike)
    page.click("#gp-view-swipe")
    expect(twin).to_be_hidden()
    expect(page.locator(".gp-swipe")).to_be_visible()
