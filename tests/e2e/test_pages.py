"""Pages in a real Chromium, from the running service: quiet, local, and they do what they say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, expect
from running import running
from town import lonlat, seed_layers, seed_network
from waiting import wait_until

from data.database import Database
from data.settings import Settings

DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def url(
    make_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of the running service with the made town."""
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
    settings = Settings.load(home=tmp_path_factory.mktemp("home"), database_url=database.url)
    with running(settings, database) as address:
        yield address
    database.close()


@pytest.fixture(scope="module")
def empty_url(
    make_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of a service that holds nothing yet."""
    database = make_database()
    settings = Settings.load(home=tmp_path_factory.mktemp("empty"), database_url=database.url)
    with running(settings, database) as address:
        yield address
    database.close()


@dataclass
class Seen:
    """What a page did that nobody looks at: messages, errors, requests."""

    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    bad_answers: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on(
            "console",
            lambda m: self.faults.append(m.text) if m.type in {"error", "warning"} else None,
        )
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on(
            "response",
            lambda r: self.bad_answers.append(f"{r.status} {r.url}") if r.status >= 400 else None,
        )

    def abroad(self, url: str) -> list[str]:
        """Requests to any other host."""
        own = (f"{url}/", "data:", f"blob:{url}/")
        return [request for request in self.requests if not request.startswith(own)]


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def page(browser: Browser, seen: Seen) -> Iterator[Page]:
    context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(60_000)
    seen.watch(page)
    yield page
    context.close()


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("path", ["/", "/maps/catchment?station=1", "/maps/coverage"])
def test_a_page_asks_no_other_host_and_reports_no_error(
    page: Page, seen: Seen, url: str, path: str, language: str
) -> None:
    page.goto(f"{url}{path}{'&' if '?' in path else '?'}lang={language}")
    page.wait_for_load_state("networkidle")
    assert seen.faults == []
    assert seen.bad_answers == []
    assert seen.abroad(url) == []
    assert any("/tiles/base/" in request for request in seen.requests)
    expect(page.locator("#gc-loading")).to_be_hidden()
    expect(page.locator("#gc-problem")).to_be_hidden()


def test_the_base_map_is_painted(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_load_state("networkidle")
    colours = """() => {
            const found = new Set();
            for (const canvas of document.querySelectorAll("canvas.leaflet-tile")) {
                if (!canvas.width) continue;
                const { width, height } = canvas;
                const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
                for (let i = 0; i < data.length; i += 4) {
                    const [red, green, blue, alpha] = data.slice(i, i + 4);
                    if (alpha === 255) found.add(red * 65536 + green * 256 + blue);
                }
            }
            return [...found].map((c) => "#" + c.toString(16).padStart(6, "0"));
        }"""
    # Ground, river, park.
    wait_until(lambda: {"#f6f4ef", "#b9d4e3", "#d9e6cd"} <= set(page.evaluate(colours)))


def test_a_search_opens_the_card_of_a_station(page: Page, url: str) -> None:
    page.goto(url)
    page.locator(".gc-pin").first.wait_for()
    page.fill("#gc-search", "红色驿站一号")
    page.locator("#gc-found li").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    card = page.locator("#gc-card")
    expect(card).to_contain_text("红色驿站一号")
    expect(card).to_contain_text("饮水")
    card.get_by_role("link").click()
    expect(page).to_have_url(re.compile(r"/maps/catchment\?station=2"))
    expect(page.locator("#gc-result h2")).to_have_text("红色驿站一号")


def test_a_click_asks_what_if_a_station_stood_there(page: Page, seen: Seen, url: str) -> None:
    page.goto(f"{url}/maps/catchment?station=1")
    result = page.locator("#gc-result")
    expect(result.locator("h2")).to_have_text("城西党群服务中心")
    page.wait_for_load_state("networkidle")
    with page.expect_response("**/api/v1/catchments") as answer:
        click_at(page, 500, 300)
    features = answer.value.json()["features"]
    expect(result.locator("h2")).to_have_text("假设站点")
    lon, lat = features[0]["properties"]["point"]
    near = lonlat(500, 300)
    assert abs(lon - near[0]) < 1e-4
    assert abs(lat - near[1]) < 1e-4
    shown = result.locator("tbody tr").first.locator("td").all_inner_texts()
    told = [f"{f['properties']['households']:,}" for f in features]
    assert shown == told
    assert int(told[1].replace(",", "")) > 0
    expect(result).to_contain_text("按 1 米/秒步行")
    # The address can be sent on, in the other language too.
    page.click("#gc-language")
    expect(result.locator("h2")).to_have_text("A station here")
    assert result.locator("tbody tr").first.locator("td").all_inner_texts() == told
    assert seen.faults == []


def test_slower_people_reach_fewer_homes(page: Page, url: str) -> None:
    page.goto(f"{url}/maps/catchment?station=1&lang=en")
    cell = page.locator("#gc-result tbody tr").nth(3).locator("td").first
    before = float(cell.inner_text().split()[0])
    with page.expect_response("**/api/v1/catchments"):
        page.select_option("#gc-profile", "elderly")
    expect(page.locator("#gc-result")).to_contain_text("0.9 m/s")
    assert float(cell.inner_text().split()[0]) < before


def test_a_refusal_is_shown_with_its_remedy(page: Page, url: str) -> None:
    page.goto(f"{url}/maps/catchment?station=999999")
    problem = page.locator("#gc-problem")
    problem.wait_for()
    assert len(problem.locator("span").all()) >= 1


def test_coverage_says_what_the_api_says_and_follows_the_filters(page: Page, url: str) -> None:
    with page.expect_response(re.compile(r"/api/v1/coverage\?")) as answer:
        page.goto(f"{url}/maps/coverage?minutes=5")
    told = answer.value.json()
    share = page.locator(".gc-verdict strong")
    expect(share).to_have_text(f"{round(100 * told['totals']['covered_share'], 1):g}%")
    rows = page.locator("#gc-sums tbody tr")
    expect(rows).to_have_count(len([row for row in told["rows"] if row["buildings"]]))
    with page.expect_response(re.compile(r"/api/v1/coverage\?")) as answer:
        page.locator("#gc-kinds input").nth(0).uncheck()
    fewer = answer.value.json()["totals"]
    assert fewer["stations"] < told["totals"]["stations"]
    expect(share).to_have_text(f"{round(100 * fewer['covered_share'], 1):g}%")
    assert "kinds=red_station%2Crider_station" in page.url


def test_a_building_shows_its_nearest_station_and_the_way(page: Page, url: str) -> None:
    page.goto(f"{url}/maps/coverage")
    page.locator(".gc-verdict").wait_for()
    page.wait_for_load_state("networkidle")
    lon, lat = lonlat(450, 450)
    page.evaluate(f"map_city.setView([{lat!r}, {lon!r}], 16, {{animate: false}})")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)
    with page.expect_response(re.compile(r"/coverage/building/\d+")) as answer:
        click_at(page, 450, 450)
    nearest = answer.value.json()["features"][0]["properties"]
    expect(page.locator(".gc-walks li").first).to_contain_text(nearest["station"]["name"])
    expect(page.locator(".leaflet-overlay-pane path").nth(1)).to_be_attached()


def test_a_zone_is_shown_by_a_click_on_its_row(page: Page, url: str) -> None:
    page.goto(f"{url}/maps/coverage?minutes=3")
    first = page.locator("#gc-zones button").first
    first.wait_for()
    page.evaluate("map_city.setView([0, 0], 8, {animate: false})")
    first.click()
    assert page.evaluate("map_city.getZoom()") >= 13
    # The outline of the zone, all of it, is on the map.
    box = page.locator(".folium-map").bounding_box()
    assert box is not None
    rank = page.locator(".gc-rank").first.bounding_box()
    assert rank is not None
    assert box["x"] < rank["x"] < box["x"] + box["width"]
    assert box["y"] < rank["y"] < box["y"] + box["height"]


def test_sums_are_sorted_by_the_column_clicked(page: Page, url: str) -> None:
    page.goto(f"{url}/maps/coverage?minutes=5")
    page.locator("#gc-sums tbody tr").first.wait_for()
    header = page.locator("#gc-sums th button").nth(3)
    header.click()
    values = page.locator("#gc-sums tbody td:last-child").all_inner_texts()
    numbers = [int(value.replace(",", "")) for value in values]
    assert numbers == sorted(numbers, reverse=True)
    page.locator("#gc-sums th button").nth(3).click()
    again = page.locator("#gc-sums tbody td:last-child").all_inner_texts()
    assert [int(value.replace(",", "")) for value in again] == sorted(numbers)


def test_a_city_without_anything_says_what_to_import(
    page: Page, seen: Seen, empty_url: str
) -> None:
    for path in ("/", "/maps/catchment", "/maps/coverage"):
        page.goto(f"{empty_url}{path}")
        expect(page.locator("#gc-problem")).to_contain_text("gridcircle import osm")
    assert seen.abroad(empty_url) == []


@pytest.mark.parametrize("path", ["/", "/maps/catchment?station=1", "/maps/coverage"])
def test_on_a_phone_nothing_is_cut_and_targets_are_large(
    browser: Browser, url: str, path: str
) -> None:
    context = browser.new_context(
        viewport=PHONE,  # type: ignore[arg-type]
        is_mobile=True,
        has_touch=True,
    )
    page = context.new_page()
    page.goto(f"{url}{path}")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    small = page.evaluate(
        """() => [...document.querySelectorAll(
              "nav a, .gc-panel button, .gc-panel select, .gc-panel input[type=search]," +
              " .gc-check, .leaflet-control-zoom a")]
            .filter((e) => e.checkVisibility())
            .map((e) => [e.className || e.id || e.textContent, e.getBoundingClientRect()])
            .filter(([, box]) => box.height < 44 || box.width < 42)
            .map(([name, box]) => `${name} ${box.width}x${box.height}`)"""
    )
    assert small == []
    handle = page.locator(".gc-handle")
    tall = page.locator(".gc-panel").bounding_box()
    assert tall is not None
    handle.click()
    wait_until(lambda: page.locator(".gc-panel").bounding_box()["height"] > tall["height"])
    context.close()


def click_at(page: Page, x_m: float, y_m: float) -> None:
    """Click the map at a point of the town, metres from its corner."""
    lon, lat = lonlat(x_m, y_m)
    at = page.evaluate(f"(() => map_city.latLngToContainerPoint([{lat!r}, {lon!r}]))()")
    box = page.locator(".folium-map").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + at["x"], box["y"] + at["y"])
