"""Pages of planners and auditors for everybody: what axe-core finds, and the menu of a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from plan_town import seed_plan
from playwright.sync_api import Browser, Page, expect, sync_playwright
from running import running
from town import seed_layers, seed_network

from data.database import Database
from data.settings import Settings

CHROMIUM = Path("/usr/bin/chromium")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]

expect.set_options(timeout=20_000)
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1440, "height": 900}
PAGES = {
    "/": "#gc-search, [role=combobox]",
    "/maps/coverage": "#gc-sums tbody tr",
    "/maps/catchment?station=1": ".gc-panel table tbody tr",
    "/plans": ".gp-card, .gc-card",
    "/plans/{draft}/edit": ".gp-design",
    "/plans/{draft}/review": ".gc-panel table tbody tr",
    "/plans/{draft}/compare?with={published}": ".gc-panel table tbody tr",
    "/plans/{published}/scenarios": "#gs-figures tr",
    "/audits": "#gc-audits li",
    "/audits/{audit}": ".gc-rule-list li",
    "/rule-sets": ".gc-rule-set",
    "/publish": "#pb-maps li",
    "/docs": "details",
    "/ogc": "main ul",
    "/no-such-page": "h1",
    "/api/v1/audits/{audit}/report.html": "h2",
}


@pytest.fixture(scope="module")
def town(
    make_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, dict[str, int]]]:
    """Address of the running service; ids of its plans and of an audit."""
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
        published = seed_plan(connection)
    settings = Settings.load(home=tmp_path_factory.mktemp("home"), database_url=database.url)
    with running(settings, database) as address:
        with httpx.Client(base_url=f"{address}/api/v1", timeout=120) as client:
            made = client.post("/plans", json={"name": "草稿", "source": {"plan": published}})
            audit = client.post("/audits", json={"rules": "circle-15"})
        assert audit.status_code == 201, audit.text
        ids = {"published": published, "draft": made.json()["id"], "audit": audit.json()["id"]}
        yield address, ids
    database.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


def serious(page: Page) -> list[str]:
    """What axe-core calls serious or critical."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-core here")
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{v['id']}: {[n['html'][:120] for n in v['nodes'][:3]]}"
        for v in found
        if v["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_window(
    browser: Browser, town: tuple[str, dict[str, int]], path: str, size: dict[str, int]
) -> None:
    url, ids = town
    # axe is brought in by the test; the pages' own policy would refuse it.
    context = browser.new_context(viewport=size, bypass_csp=True)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(url + path.format(**ids))
    page.locator(PAGES[path]).first.wait_for(state="attached")
    page.wait_for_load_state("networkidle")
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    context.close()


@pytest.mark.parametrize("path", ["/docs", "/ogc"])
def test_axe_finds_nothing_serious_on_the_dark_pages_of_developers(
    browser: Browser, town: tuple[str, dict[str, int]], path: str
) -> None:
    context = browser.new_context(color_scheme="dark", bypass_csp=True)
    page = context.new_page()
    page.goto(town[0] + path)
    assert serious(page) == []
    context.close()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_a_phone_reaches_every_page_through_one_menu(
    browser: Browser, town: tuple[str, dict[str, int]], *, scripts: bool
) -> None:
    url, _ = town
    context = browser.new_context(
        viewport=PHONE,  # type: ignore[arg-type]
        is_mobile=True,
        has_touch=True,
        java_script_enabled=scripts,
    )
    page = context.new_page()
    page.goto(f"{url}/")
    menu = page.locator(".gc-menu")
    expect(menu.locator("summary")).to_contain_text("总览")
    for name in ("覆盖与盲区", "发布", "体检", "网格方案"):
        menu.locator("summary").tap()
        link = menu.get_by_role("link", name=name)
        expect(link).to_be_in_viewport()
        box = link.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        link.tap()
        expect(page.locator(".gc-menu summary")).to_contain_text(name)
        expect(link).to_be_hidden()
    context.close()


def test_a_tap_beside_the_menu_or_escape_closes_it(
    browser: Browser, town: tuple[str, dict[str, int]]
) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{town[0]}/")
    page.wait_for_load_state("networkidle")
    summary, links = page.locator(".gc-menu summary"), page.locator(".gc-menu-pages")
    summary.tap()
    expect(links).to_be_visible()
    page.touchscreen.tap(PHONE["width"] / 2, PHONE["height"] - 30)
    expect(links).to_be_hidden()
    summary.tap()
    expect(links).to_be_visible()
    page.keyboard.press("Escape")
    expect(links).to_be_hidden()
    context.close()
