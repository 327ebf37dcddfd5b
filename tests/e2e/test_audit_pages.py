"""The audit pages in Chromium: made, read, explained by a click, tried out, on desk and phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import shapely
from playwright.sync_api import Browser, Page, expect
from running import running
from town import STATIONS, buildings, lonlat, seed_layers, seed_network

from data.database import Database
from data.settings import Settings


@pytest.fixture(scope="module")
def url(
    make_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
    settings = Settings.load(home=tmp_path_factory.mktemp("home"), database_url=database.url)
    with running(settings, database) as address:
        yield address
    database.close()


def opened(browser: Browser, width: int, height: int) -> tuple[Page, list[str]]:
    page = browser.new_page(viewport={"width": width, "height": height})
    errors: list[str] = []
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
    page.set_default_timeout(120_000)
    return page, errors


def click_at(page: Page, x: float, y: float) -> None:
    """Click the map at a place of the town, after bringing it to the middle."""
    click_lonlat(page, *lonlat(x, y))


def click_lonlat(page: Page, lon: float, lat: float) -> None:
    page.evaluate(
        "([lat, lon]) => { map_city.setView([lat, lon], 17, {animate: false}); }", [lat, lon]
    )
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)
    box = page.locator(".folium-map").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def free_place(grids: list[dict]) -> tuple[str, float, float]:
    """A grid with homes, and a place in it where no dot and no station is."""
    homes = shapely.union_all([shapely.from_wkt(b["wkt"]) for b in buildings()])
    marks = shapely.points([lonlat(x, y) for *_, x, y in STATIONS])
    taken = shapely.union_all([homes.buffer(0.0003), *shapely.buffer(marks, 0.0006)])
    for grid in grids:
        shape = shapely.geometry.shape(grid["geometry"])
        free = shapely.difference(shape, taken)
        if shape.intersects(homes) and not free.is_empty:
            place = free.representative_point()
            return grid["properties"]["code"], place.x, place.y
    raise AssertionError("no grid with homes has a free place")


def test_an_audit_is_made_read_explained_and_tried_out(browser: Browser, url: str) -> None:
    page, errors = opened(browser, 1280, 860)
    page.goto(f"{url}/audits?lang=zh")
    page.get_by_text("还没有体检").wait_for()
    page.get_by_role("button", name="开始体检").click()
    page.wait_for_url("**/audits/1?**")
    page.wait_for_selector("#gc-verdict[data-ready]")
    expect(page.locator(".gc-audit-verdict.fail strong")).to_have_text("未达标")
    assert "null" not in page.locator("#gc-content").inner_text()
    assert page.locator(".gc-tree").count() >= 4
    page.select_option("#gc-level", "community")
    names = page.locator("#gc-sums tbody tr td:first-child").all_inner_texts()
    assert names[0] == "城东社区"
    click_at(page, 846, 856)
    page.locator("#gc-home h2").wait_for()
    told = page.locator("#gc-home").inner_text()
    for word in ("绕行", "清河", "红色驿站一号", "绕行系数"):
        assert word in told
    page.get_by_role("button", name="架便桥").click()
    click_at(page, 700, 900)
    page.get_by_text("请点击另一端").wait_for()
    click_at(page, 800, 900)
    page.locator(".gc-trial-answer", has_text="新增覆盖").wait_for()
    assert "新增覆盖 0 " not in page.locator("#gc-whatif").inner_text()
    with_bridge = page.locator(".gc-trial-answer").inner_text()
    page.get_by_role("button", name="放新站").click()
    click_at(page, 1200, 300)
    page.locator(".gc-trial li").nth(1).wait_for()
    page.wait_for_function(
        "text => document.querySelector('.gc-trial-answer').innerText !== text", arg=with_bridge
    )
    with_both = page.locator(".gc-trial-answer").inner_text()
    pin = page.locator(".gc-trial-station").bounding_box()
    assert pin
    page.mouse.move(pin["x"] + 14, pin["y"] + 14)
    page.mouse.down()
    page.mouse.move(pin["x"] + 160, pin["y"] + 60, steps=8)
    with page.expect_response("**/what-if") as answered:
        page.mouse.up()
    assert answered.value.status == 200
    moved = answered.value.request.post_data_json["stations"][0]
    # Undo brings the pin back to where it was dropped first, then takes it away.
    with page.expect_response("**/what-if") as answered:
        page.get_by_role("button", name="撤销").click()
    first = answered.value.request.post_data_json["stations"][0]
    assert first != moved
    page.wait_for_function(
        "text => document.querySelector('.gc-trial-answer').innerText === text", arg=with_both
    )
    with page.expect_response("**/what-if"):
        page.get_by_role("button", name="撤销").click()
    expect(page.locator(".gc-trial li")).to_have_count(1)
    with page.expect_response("**/what-if"):
        page.get_by_role("button", name="重做").click()
    expect(page.locator(".gc-trial li")).to_have_count(2)
    page.get_by_role("button", name="清除").click()
    expect(page.locator(".gc-trial li")).to_have_count(0)
    expect(page.locator(".gc-trial-answer")).to_have_text("")
    page.get_by_role("button", name="关一个站").click()
    with page.expect_response("**/what-if") as answered:
        page.locator(".gc-pin-service_centre").first.dispatch_event("click")
    assert len(answered.value.request.post_data_json["closed"]) == 1
    page.locator(".gc-lost").wait_for()
    assert errors == []
    page.close()


def test_a_grid_picked_in_the_table_or_on_the_map_shows_its_week(
    browser: Browser, url: str
) -> None:
    page, errors = opened(browser, 1280, 860)
    made = page.request.post(f"{url}/api/v1/audits", data={"rules": "circle-10"}, timeout=300_000)
    page.goto(f"{url}/audits/{made.json()['id']}?lang=zh")
    page.wait_for_selector("#gc-verdict[data-ready]")
    # The page itself carries no grid's week.
    expect(page.locator("#gc-week-of option[value^='grid/']")).to_have_count(0)
    page.select_option("#gc-level", "grid")
    row = page.locator("#gc-sums tbody .gc-name").first
    name = row.inner_text()
    with page.expect_response("**/week?level=grid**") as answered:
        row.click()
    told = answered.value.json()
    assert name in (told["name"], told["code"])
    picked = f"grid/{told['code']}"
    page.locator(f"#gc-week [data-of='{picked}'] .gc-week").wait_for()
    assert page.locator("#gc-week-of").input_value() == picked
    expect(page.locator("#gc-week .gc-week i[title]")).to_have_count(192)
    words = page.locator("#gc-week .gc-week-words li").all_inner_texts()
    assert words == told["words"]
    # In the tree as well.
    page.select_option("#gc-level", "tree")
    page.evaluate("document.querySelectorAll('.gc-tree').forEach((one) => { one.open = true; })")
    with page.expect_response("**/week?level=grid**") as answered:
        page.locator(".gc-week-pick").last.click()
    other = answered.value.json()["code"]
    page.locator(f"#gc-week [data-of='grid/{other}']").wait_for()
    # On the map: where no dot is, the grid that lies there.
    grids = page.request.get(f"{url}/api/v1/layers/grids", params={"kind": "base"}).json()
    here, lon, lat = free_place(grids["features"])
    with page.expect_response("**/week?level=grid**") as answered:
        click_lonlat(page, lon, lat)
    assert answered.value.json()["code"] == here
    page.locator(f"#gc-week [data-of='grid/{here}']").wait_for()
    expect(page.locator("path.leaflet-interactive[stroke='#0b5394']")).to_have_count(0)
    expect(page.locator("path[stroke='#0b5394'][stroke-width='3']")).to_have_count(1)
    # A pin of a trial picks none.
    page.get_by_role("button", name="放新站").click()
    with page.expect_response("**/what-if"):
        click_lonlat(page, lon, lat)
    assert page.locator("#gc-week-of").input_value() == f"grid/{here}"
    assert errors == []
    page.close()


def test_a_rule_set_is_copied_changed_kept_and_used(browser: Browser, url: str) -> None:
    page, errors = opened(browser, 1280, 860)
    page.goto(f"{url}/rule-sets?lang=zh")
    page.locator(".gc-rule-set", has_text="十分钟党群服务圈").locator("summary").click()
    page.get_by_role("button", name="复制后修改").first.click()
    form = page.locator("#gc-rule-form")
    form.get_by_label("中文名称").first.fill("本市十二分钟圈")
    form.locator(".gc-rule-edit").first.locator("summary").click()
    form.get_by_label("步行分钟").first.fill("12")
    form.get_by_role("button", name="保存为此版本").click()
    page.get_by_text("已保存“本市十二分钟圈”").wait_for()
    kept = page.locator(".gc-rule-set", has_text="本市十二分钟圈")
    kept.locator("summary").click()
    expect(kept.locator(".gc-versions li")).to_have_count(1)
    kept.get_by_role("button", name="修改为新版本").click()
    form.locator(".gc-rule-edit").first.locator("summary").click()
    form.get_by_label("步行分钟").first.fill("-1")
    form.get_by_role("button", name="保存为此版本").click()
    form.get_by_label("步行分钟").first.fill("13")
    form.get_by_role("button", name="保存为此版本").click()
    page.locator(".gc-rule-set", has_text="本市十二分钟圈").locator("summary").click()
    expect(page.locator(".gc-versions li")).to_have_count(2)
    page.goto(f"{url}/audits?lang=zh")
    assert "本市十二分钟圈" in page.locator("#gc-rule-set").inner_text()
    assert errors == []
    page.close()


def test_a_rule_on_places_is_written_in_the_browser_and_its_unknowns_are_told(
    browser: Browser, url: str
) -> None:
    page, errors = opened(browser, 1280, 860)
    page.goto(f"{url}/rule-sets?lang=zh")
    page.get_by_role("button", name="新建规则集").click()
    form = page.locator("#gc-rule-form")
    form.get_by_label("中文名称").first.fill("座位标准")
    form.get_by_label("标识").first.fill("seats")
    rule = form.locator(".gc-rule-edit").first
    rule.get_by_label("规则类型").select_option("capacity")
    rule = form.locator(".gc-rule-edit").first
    rule.get_by_label("中文名称").fill("每百户三个座位")
    rule.get_by_label("每百户座位数").fill("3")
    form.get_by_role("button", name="保存为此版本").click()
    page.get_by_text("已保存“座位标准”").wait_for()
    kept = page.request.get(f"{url}/api/v1/rule-sets/seats").json()
    assert kept["rules"][0]["places_per_100_households"] == 3
    made = page.request.post(f"{url}/api/v1/audits", data={"rules": "seats"}, timeout=300_000)
    found = made.json()["rules"][0]
    assert found["facts"]["stations_without_places"] > 0
    page.goto(f"{url}/audits/{made.json()['id']}?lang=zh")
    page.wait_for_selector("#gc-verdict[data-ready]")
    said = page.locator("#gc-rules").inner_text()
    assert f"{found['facts']['stations_without_places']} 处站点缺座位数" in said
    assert page.locator("#gc-sums thead").inner_text().replace("▴", "").split()[:3] == [
        "名称",
        "结论",
        "现有",
    ]
    assert errors == []
    page.close()


def test_an_audit_reads_in_english_on_a_phone(browser: Browser, url: str) -> None:
    page, errors = opened(browser, 390, 844)
    page.request.post(f"{url}/api/v1/audits", data={"rules": "circle-15"}, timeout=120_000)
    page.goto(f"{url}/audits?lang=en")
    page.locator(".gc-audit-list a").first.click()
    page.wait_for_selector("#gc-verdict[data-ready]")
    expect(page.locator(".gc-audit-verdict strong")).to_have_text("Fail")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert "null" not in page.locator("#gc-content").inner_text()
    small = page.locator("#gc-content a:visible, #gc-content button:visible").evaluate_all(
        "all => all.filter(e => e.getBoundingClientRect().height < 20).map(e => e.outerHTML)"
    )
    assert small == []
    assert errors == []
    page.close()
