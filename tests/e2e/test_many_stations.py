"""A prefecture's stations on the pages: drawn on one canvas, named and clicked all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from running import running
from sqlalchemy import text
from town import LAT, LON, lonlat, seed_layers, seed_network

from data.database import Database
from data.settings import Settings

MANY = 1_500


@pytest.fixture(scope="module")
def url(
    make_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
        connection.execute(
            text(
                "INSERT INTO stations (code, kind, name, status, geom)"
                " SELECT 'M' || i, (ARRAY['service_centre', 'red_station', 'rider_station'])"
                "[1 + i % 3], '第' || i || '站', 'open', ST_SetSRID(ST_MakePoint("
                ":lon + 0.02 + i % 50 * 0.001, :lat + i / 50 * 0.001), 4326)"
                " FROM generate_series(1, :many) i"
            ),
            {"lon": LON, "lat": LAT, "many": MANY},
        )
    home = tmp_path_factory.mktemp("home")
    with running(Settings.load(home=home, database_url=database.url), database) as address:
        yield address
    database.close()


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(60_000)
    yield page
    page.close()


def place(page: Page, lon: float, lat: float) -> tuple[float, float]:
    """Where on the screen a position is drawn, once the map has come to rest."""
    before = None
    while (at := drawn(page, lon, lat)) != before:
        before = at
        page.wait_for_timeout(400)
    return at


def drawn(page: Page, lon: float, lat: float) -> tuple[float, float]:
    found: list[float] = page.evaluate(
        """([lon, lat]) => {
            const map = Object.values(window).find((v) => v instanceof L.Map);
            const { x, y } = map.latLngToContainerPoint([lat, lon]);
            const box = map.getContainer().getBoundingClientRect();
            return [box.left + x, box.top + y];
        }""",
        [lon, lat],
    )
    return found[0], found[1]


def test_so_many_stations_are_no_elements_but_are_painted(page: Page, url: str) -> None:
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    for path in ("/", "/maps/coverage", "/maps/catchment"):
        page.goto(f"{url}{path}")
        page.locator(".leaflet-pins-pane canvas").wait_for()
        page.wait_for_load_state("networkidle")
        assert page.locator(".gc-pin").count() == 0
        painted = page.evaluate(
            """() => {
                const canvas = document.querySelector(".leaflet-pins-pane canvas");
                const { data } = canvas.getContext("2d")
                    .getImageData(0, 0, canvas.width, canvas.height);
                const found = {};
                for (let at = 0; at < data.length; at += 4)
                    if (data[at + 3] === 255)
                        found[`${data[at]},${data[at + 1]},${data[at + 2]}`] = true;
                return ["29,79,124", "181,48,43", "164,95,0"].filter((color) => found[color]);
            }"""
        )
        assert len(painted) == 3, (path, painted)
    assert faults == []


def test_a_pin_on_the_canvas_is_named_and_opens_its_card(page: Page, url: str) -> None:
    page.goto(url)
    page.locator(".leaflet-pins-pane canvas").wait_for()
    # The search leads to a station, whatever it is drawn as.
    page.locator("#gc-search").fill("城西党群服务中心")
    page.locator("#gc-found li").first.click()
    expect(page.locator("#gc-card h2")).to_have_text("城西党群服务中心")
    page.locator("#gc-card .gc-close").click()
    x, y = place(page, *lonlat(205, 203))
    page.mouse.move(x - 60, y - 60)
    page.wait_for_timeout(200)  # Leaflet looks under the pointer at most every 32 ms
    page.mouse.move(x, y)
    expect(page.locator(".leaflet-tooltip")).to_have_text("城西党群服务中心")
    page.mouse.click(x, y)
    expect(page.locator("#gc-card h2")).to_have_text("城西党群服务中心")


def test_on_the_circle_page_pins_and_the_map_beside_them_can_be_clicked(
    page: Page, url: str
) -> None:
    page.goto(f"{url}/maps/catchment?station=2")
    page.locator(".leaflet-pins-pane canvas").wait_for()
    expect(page.locator("#gc-result h2")).to_have_text("红色驿站一号", timeout=120_000)
    page.mouse.click(*place(page, *lonlat(205, 203)))
    expect(page.locator("#gc-result h2")).to_have_text("城西党群服务中心", timeout=60_000)
    page.mouse.click(*place(page, *lonlat(300, 640)))
    expect(page.locator("#gc-result h2")).not_to_have_text("城西党群服务中心", timeout=60_000)
