"""Public station maps on a phone, in a real Chromium: light, quick, off line, for everybody."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect
from running import running
from sqlalchemy import text
from town import lonlat, seed_layers, seed_network

from data.database import Database
from data.settings import Settings
from geo.datums import to_wgs84

PHONE = {"width": 390, "height": 844}
HERE = lonlat(1000, 120)
"""Between two streets east of the river, 200 m from the rider station there."""
MOST_BYTES = 300 * 1000


@pytest.fixture(scope="module")
def url(
    make_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of a service whose town has a published map and some open and closed stations."""
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
        connection.execute(
            text(
                "UPDATE stations SET opening_hours = CASE code WHEN 'S3' THEN '24/7'"
                " WHEN 'S2' THEN 'Mo-Su 00:00-00:01' ELSE 'Mo-Su 08:00-22:00' END,"
                " facilities = CASE code WHEN 'S3' THEN ARRAY['water', 'battery_swap', 'microwave']"
                " ELSE ARRAY['rest', 'toilet'] END,"
                " verified_on = CASE code WHEN 'S3' THEN :today ELSE :long_ago END"
            ),
            {
                "today": dt.datetime.now(dt.UTC).date(),
                "long_ago": dt.datetime.now(dt.UTC).date() - dt.timedelta(days=200),
            },
        )
    settings = Settings.load(home=tmp_path_factory.mktemp("home"), database_url=database.url)
    with running(settings, database) as address:
        with httpx.Client(base_url=address, timeout=300) as client:
            made = client.post(
                "/api/v1/publications",
                json={
                    "slug": "town",
                    "title": "试验镇驿站",
                    "title_en": "Stations of Test Town",
                    "kinds": ["rider_station", "red_station", "service_centre"],
                },
            )
            tag = {"If-Match": made.headers["etag"]}
            assert client.post("/api/v1/publications/town/editions", headers=tag).status_code == 201
        yield address
    database.close()


def phone(browser: Browser, **options) -> BrowserContext:
    return browser.new_context(
        viewport=PHONE, is_mobile=True, has_touch=True, device_scale_factor=2, **options
    )


def here(browser: Browser, place: tuple[float, float] = HERE, **options) -> BrowserContext:
    return phone(
        browser,
        geolocation={"longitude": place[0], "latitude": place[1]},
        permissions=["geolocation"],
        **options,
    )


def opened(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.faults = []  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.faults.append(str(error)))  # type: ignore[attr-defined]
    page.on(
        "console",
        lambda m: page.faults.append(m.text) if m.type in {"error", "warning"} else None,  # type: ignore[attr-defined]
    )
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    return page


def names(page: Page) -> list[str]:
    return page.locator(".rs-card:visible h3").all_inner_texts()


def test_the_first_view_is_light_local_and_quiet(browser: Browser, url: str) -> None:
    context = phone(browser)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    sent: dict[str, int] = {}
    session.on(
        "Network.loadingFinished",
        lambda event: sent.update({event["requestId"]: event["encodedDataLength"]}),
    )
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda m: faults.append(m.text) if m.type in {"error", "warning"} else None)
    page.goto(f"{url}/s/town")
    page.wait_for_selector("html[data-ready]")
    page.wait_for_load_state("networkidle")
    assert faults == []
    assert [a for a in asked if not a.startswith((url, "data:"))] == []
    assert sum(sent.values()) < MOST_BYTES
    assert len(asked) <= 12, asked
    context.close()


def test_on_slow_3g_the_list_is_there_after_one_small_answer(browser: Browser, url: str) -> None:
    """Nothing but the document is needed, and 400 kbit/s bring it in two seconds."""
    context = phone(browser, service_workers="block")
    page = context.new_page()
    page.route(lambda address: not address.endswith("/s/town"), lambda route: route.abort())
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    sent: list[int] = []
    session.on("Network.loadingFinished", lambda event: sent.append(event["encodedDataLength"]))
    page.goto(f"{url}/s/town")
    expect(page.locator(".rs-card h3").first).to_be_visible()
    assert len(sent) == 1
    assert sent[0] < 2 * 50_000
    context.close()


def test_the_nearest_is_the_one_reached_first_on_the_streets(browser: Browser, url: str) -> None:
    # From the west bank the service centre lies nearer on foot than what is across the river.
    context = here(browser, lonlat(690, 103))
    page = opened(context, f"{url}/s/town")
    page.click("#rs-find")
    expect(page.locator("#rs-status")).to_contain_text("按路网计算")
    assert names(page)[0] == "城西党群服务中心"
    first = page.locator(".rs-card").first.locator(".rs-way")
    expect(first).to_contain_text("骑行")
    expect(first).to_contain_text("步行")
    assert page.faults == []  # type: ignore[attr-defined]
    context.close()


def test_filters_leave_what_a_rider_needs_now(browser: Browser, url: str) -> None:
    context = phone(browser)
    page = opened(context, f"{url}/s/town")
    assert len(names(page)) == 3
    page.click("[data-need=battery_swap]")
    assert names(page) == ["小哥驿站东"]
    expect(page.locator("#rs-status")).to_contain_text("1 / 3")
    page.click("[data-need=toilet]")
    expect(page.locator("#rs-status")).to_contain_text("没有符合条件")
    page.click("[data-need=toilet]")
    page.click("[data-need=battery_swap]")
    page.click("[data-need=always]")
    assert names(page) == ["小哥驿站东"]
    page.click("[data-need=always]")
    page.click("[data-need=open]")
    assert "红色驿站一号" not in names(page)  # open for one minute after midnight
    assert "小哥驿站东" in names(page)
    context.close()


def test_states_follow_the_clock_of_the_place_past_midnight(browser: Browser, url: str) -> None:
    context = phone(browser, timezone_id="America/New_York")
    page = context.new_page()
    now = dt.datetime.now(dt.timezone(dt.timedelta(hours=8)))
    page.clock.set_fixed_time(now.replace(hour=23, minute=0) + dt.timedelta(days=1))
    page.goto(f"{url}/s/town")
    page.wait_for_selector("html[data-ready]")
    centre = page.locator(".rs-card", has_text="城西党群服务中心")
    expect(centre.locator(".rs-state")).to_have_text("已关门")
    expect(centre.locator(".rs-hours")).to_contain_text("明天 08:00 开门")
    page.clock.set_fixed_time(now + dt.timedelta(days=60))
    page.reload()
    page.wait_for_selector("html[data-ready]")
    # What was worked out reaches 30 days; beyond it nothing is claimed.
    expect(centre.locator(".rs-state")).to_have_text("时间不详")
    context.close()


def test_old_verifications_are_marked(browser: Browser, url: str) -> None:
    context = phone(browser)
    page = opened(context, f"{url}/s/town")
    old = page.locator(".rs-card", has_text="红色驿站一号").locator(".rs-verified")
    expect(old).to_have_class("rs-verified rs-warn")
    expect(old).to_contain_text("超过 90 天")
    fresh = page.locator(".rs-card", has_text="小哥驿站东").locator(".rs-verified")
    expect(fresh).to_have_class("rs-verified")
    context.close()


def test_take_me_there_leads_to_the_place_in_each_apps_datum(browser: Browser, url: str) -> None:
    context = phone(browser)
    page = opened(context, f"{url}/s/town")
    card = page.locator(".rs-card", has_text="小哥驿站东")
    station = httpx.get(f"{url}/s/town/stations.geojson").json()["features"]
    place = next(
        f["geometry"]["coordinates"] for f in station if f["properties"]["name"] == "小哥驿站东"
    )
    for app, key, datum, lon_first in (
        ("amap", "to", "gcj02", True),
        ("baidu", "location", "bd09", False),
        ("tencent", "tocoord", "gcj02", False),
        ("apple", "daddr", "gcj02", False),
    ):
        link = card.locator(f"[data-app={app}]")
        box = link.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        query = parse_qs(urlsplit(link.get_attribute("href") or "").query)
        first, second = (float(part) for part in query[key][0].split(",")[:2])
        said = (first, second) if lon_first else (second, first)
        back = to_wgs84(np.array([said]), datum)[0]
        assert back == pytest.approx(place, abs=2e-6)
    context.close()


def test_without_position_a_tap_on_the_map_does(browser: Browser, url: str) -> None:
    context = phone(browser, permissions=[])
    page = opened(context, f"{url}/s/town")
    page.click("#rs-find")
    expect(page.locator("#rs-status")).to_contain_text("没有得到定位")
    page.touchscreen.tap(330, 330)
    expect(page.locator("#rs-status")).to_contain_text("按路网计算")
    context.close()


def test_off_line_it_opens_again_and_says_that_distances_are_straight(
    browser: Browser, url: str
) -> None:
    context = here(browser)
    page = opened(context, f"{url}/s/town")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.wait_for_function(
        "async () => (await (await caches.open('riders-1')).keys()).length >= 4", timeout=15_000
    )
    context.set_offline(True)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert len(names(page)) == 3
    page.click("#rs-find")
    expect(page.locator("#rs-status")).to_contain_text("直线距离")
    assert names(page)[0] == "小哥驿站东"
    expect(page.locator(".rs-card").first.locator(".rs-way")).to_contain_text("直线")
    context.set_offline(False)
    context.close()


def test_without_a_script_it_is_a_list_with_links_and_a_form(browser: Browser, url: str) -> None:
    context = phone(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{url}/s/town")
    assert len(names(page)) == 3
    expect(page.locator(".rs-map")).to_be_hidden()
    expect(page.locator("noscript p")).to_contain_text("没有运行脚本")
    expect(page.locator("[data-app=amap]")).to_have_count(3)
    page.locator(".rs-wrong summary").first.click()
    page.locator(".rs-wrong button[value=broken]").first.click()
    expect(page.locator("main")).to_contain_text("谢谢")
    context.close()


def test_a_report_takes_one_tap(browser: Browser, url: str) -> None:
    context = phone(browser)
    page = opened(context, f"{url}/s/town")
    card = page.locator(".rs-card", has_text="小哥驿站东")
    card.locator("summary").click()
    card.locator("button[value=moved]").click()
    expect(card.locator(".rs-sent")).to_contain_text("谢谢")
    reports = httpx.get(f"{url}/api/v1/publications/town/reports").json()["reports"]
    assert ("小哥驿站东", "moved") in {(r["station_name"], r["reason"]) for r in reports}
    context.close()


def test_dark_is_dark_and_the_map_too(browser: Browser, url: str) -> None:
    found = {}
    for scheme in ("light", "dark"):
        context = phone(browser, color_scheme=scheme)
        page = opened(context, f"{url}/s/town")
        found[scheme] = [
            page.evaluate(f"getComputedStyle(document.querySelector('{part}')).backgroundColor")
            for part in ("body", ".rs-card", "#rs-map")
        ]
        context.close()

    def light(colour: str) -> float:
        return sum(float(n) for n in colour[4:-1].split(",")) / 3

    assert all(light(c) > 200 for c in found["light"])
    assert all(light(c) < 60 for c in found["dark"])


def test_english_by_one_tap(browser: Browser, url: str) -> None:
    context = phone(browser)
    page = opened(context, f"{url}/s/town")
    page.click(".rs-language")
    expect(page.locator("h1")).to_have_text("Stations of Test Town")
    expect(page.locator("#rs-find")).to_contain_text("Nearest to me")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    context.close()


def test_the_single_file_opens_from_a_card_and_asks_for_nothing(
    browser: Browser, url: str, tmp_path: Path
) -> None:
    file = tmp_path / "map.html"
    file.write_bytes(httpx.get(f"{url}/s/town/map.html").content)
    context = here(browser)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]")
    page.click("[data-need=water]")
    assert names(page) == ["小哥驿站东"]
    assert page.locator(".rs-pin").count() == 3
    assert asked == [file.as_uri()]
    context.close()


def test_another_site_may_frame_the_embed_and_only_that(browser: Browser, url: str) -> None:
    html = (
        f'<iframe id=a src="{url}/s/town/embed" width=500 height=600></iframe>'
        f'<iframe id=b src="{url}/s/town" width=500 height=600></iframe>'
    ).encode()

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        context = browser.new_context(viewport={"width": 1200, "height": 700})
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{other.server_address[1]}/")
        expect(page.frame_locator("#a").locator(".rs-card")).to_have_count(3)
        assert page.frame_locator("#b").locator(".rs-card").count() == 0
        context.close()
        other.shutdown()


def serious(page: Page) -> list[str]:
    """What axe-core calls serious or critical."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-core here")
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{v['id']}: {[n['html'][:120] for n in v['nodes'][:3]]}"
        for v in found
        if v["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/s/town", "/s/town?lang=en", "/s/town/embed", "/publish"])
def test_axe_finds_nothing_serious(browser: Browser, url: str, path: str, scheme: str) -> None:
    # axe is brought in by the test; the pages' own policy would refuse it.
    context = phone(browser, color_scheme=scheme, bypass_csp=True)
    page = opened(context, url + path)
    if path == "/s/town":
        page.locator(".rs-wrong summary").first.click()
        page.click("[data-need=water]")
    assert serious(page) == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_axe_finds_nothing_serious_on_a_compounds_page(
    browser: Browser, url: str, language: str, scheme: str
) -> None:
    compound = httpx.get(f"{url}/api/v1/layers/compounds").json()["features"][0]["id"]
    httpx.post(f"{url}/publish/compounds/{compound}/editions").raise_for_status()
    context = phone(browser, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(f"{url}/s/c/{compound}?lang={language}")
    expect(page.locator("h1")).to_contain_text("杏花小区")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert serious(page) == []
    context.close()


@pytest.mark.parametrize("path", ["/", "/maps/coverage", "/plans"])
def test_axe_forbids_no_page_to_be_enlarged(browser: Browser, url: str, path: str) -> None:
    context = phone(browser, bypass_csp=True)
    page = context.new_page()
    page.goto(url + path)
    assert [f for f in serious(page) if f.startswith("meta-viewport")] == []
    context.close()


def test_keyboard_alone_reaches_a_station_and_its_place(browser: Browser, url: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = opened(context, f"{url}/s/town")
    page.keyboard.press("Tab")
    expect(page.locator(".rs-skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator(".rs-card h3 button").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".rs-card").first).to_have_class("rs-card rs-chosen")
    context.close()


def test_a_publisher_makes_checks_previews_and_publishes_a_map(browser: Browser, url: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = opened(context, f"{url}/publish")
    page.click("#pb-new summary")
    page.fill("[name=title]", "城西驿站")
    page.fill("[name=slug]", "west")
    page.check("[name=kinds][value=red_station]")
    page.select_option("[name=area]", "C1")
    page.click("#pb-form button")
    expect(page.locator("#pb-title")).to_have_text("城西驿站")
    expect(page.locator("#pb-sum")).to_contain_text("1 个可以发布")
    expect(page.locator("#pb-out")).to_be_hidden()
    with context.expect_page() as preview:
        page.click("#pb-preview")
    expect(preview.value.locator(".rs-bar").first).to_contain_text("预览")
    assert names(preview.value) == ["红色驿站一号"]
    assert httpx.get(f"{url}/s/west").status_code == 404
    # It is more than 90 days since somebody looked: now somebody has.
    page.click("#pb-stations button")
    expect(page.locator("#pb-stations")).to_contain_text("今天")
    page.click("#pb-publish")
    expect(page.locator("#pb-said")).to_contain_text("第 1 版已发布")
    expect(page.locator("#pb-qr")).to_be_visible()
    assert httpx.get(f"{url}/s/west").status_code == 200
    assert page.faults == []  # type: ignore[attr-defined]
    # Take the only station off the map: nothing is left to publish.
    page.locator("#pb-stations input").first.click()
    expect(page.locator("#pb-publish")).to_be_disabled()
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("#pb-withdraw")
    expect(page.locator("#pb-state")).to_contain_text("已撤下")
    assert httpx.get(f"{url}/s/west").status_code == 404
    context.close()


def test_a_whole_ledger_is_allowed_at_once(browser: Browser, url: str) -> None:
    stations = httpx.get(f"{url}/api/v1/stations?status=open").json()["features"]
    for station in stations:
        httpx.patch(
            f"{url}/api/v1/stations/{station['id']}",
            json={"published": False},
            headers={"If-Match": f'"{station["properties"]["version"]}"'},
        ).raise_for_status()
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = opened(context, f"{url}/publish?map=town")
    expect(page.locator("#pb-sum")).to_contain_text("0 个可以发布")
    expect(page.locator("#pb-publish")).to_be_disabled()
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("#pb-allow")
    expect(page.locator("#pb-sum")).to_contain_text("3 个可以发布")
    expect(page.locator("#pb-allow")).to_be_hidden()
    expect(page.locator("#pb-publish")).to_be_enabled()
    context.close()


def test_a_publisher_puts_a_photo_and_riders_open_it(
    browser: Browser, url: str, tmp_path: Path
) -> None:
    file = tmp_path / "door.jpg"
    Image.new("RGB", (1600, 1200), "#2e7d32").save(file)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = opened(context, f"{url}/publish?map=town")
    page.on("dialog", lambda dialog: dialog.accept())
    expect(page.locator("#pb-one .pb-quiet", has_text="人脸、车牌")).to_be_visible()
    row = page.locator("#pb-stations tr", has_text="小哥驿站东")
    expect(row.locator(".pb-photo")).to_contain_text("可不传")
    row.get_by_label("上传").set_input_files(broken)
    expect(page.locator("#pb-said")).to_contain_text("不是 JPEG、PNG 或 WebP")
    row.get_by_label("上传").set_input_files(file)
    expect(page.locator("#pb-said")).to_contain_text("照片已保存")
    expect(row.locator(".pb-photo img")).to_be_visible()
    page.click("#pb-publish")
    expect(page.locator("#pb-said")).to_contain_text("已发布")
    context.close()

    context = phone(browser)
    asked: list[str] = []
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{url}/s/town")
    page.wait_for_selector("html[data-ready]")
    page.wait_for_load_state("networkidle")
    assert [a for a in asked if "/photos/" in a] == []  # not in the first view, nor on scrolling
    card = page.locator(".rs-card", has_text="小哥驿站东")
    card.scroll_into_view_if_needed()
    card.get_by_text("看照片").click()
    photo = card.locator(".rs-photo img")
    expect(photo).to_be_visible()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.rs-photo img')].some((i) => i.naturalWidth === 1024)"
    )
    assert len([a for a in asked if "/photos/" in a]) == 1
    assert photo.get_attribute("alt") == "小哥驿站东 的照片"
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    context.close()


def test_reports_reach_the_publishers_list_and_leave_it_when_done(
    browser: Browser, url: str
) -> None:
    station = httpx.get(f"{url}/s/town/stations.geojson").json()["features"][0]
    sent = httpx.post(
        f"{url}/s/town/reports",
        json={"station": station["id"], "reason": "broken", "note": "微波炉不热"},
    )
    assert sent.status_code == 201, json.loads(sent.content)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = opened(context, f"{url}/publish?map=town")
    report = page.locator("#pb-reports li", has_text="微波炉不热")
    expect(report).to_contain_text(station["properties"]["name"])
    report.locator("button").click()
    expect(report).to_have_count(0)
    context.close()


def test_what_is_refused_is_said_in_the_pages_language(browser: Browser, url: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = opened(context, f"{url}/publish")
    page.click("#pb-new summary")
    page.fill("[name=title]", "又一张")
    page.fill("[name=slug]", "town")  # taken
    page.click("#pb-form button")
    expect(page.locator("#pb-said")).to_have_class("pb-said pb-bad")
    expect(page.locator("#pb-said")).to_contain_text("没有成功")
    context.close()
