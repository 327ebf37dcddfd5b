"""Proposing grids and comparing proposals on a phone: nothing is too small, nothing runs out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from plan_town import community_ids, seed_plan
from playwright.sync_api import Browser, Page, expect, sync_playwright
from running import running
from town import seed_layers, seed_network

from data.database import Database
from data.settings import Settings

CHROMIUM = Path("/usr/bin/chromium")
TOUCH_PX = 44
SHOTS = os.environ.get("PHONE_SHOTS", "")
"""A folder for pictures of what the tests see; none are taken without it."""

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]

expect.set_options(timeout=30_000)


@dataclass(frozen=True)
class Phone:
    """A service with a published plan and a proposal, and its address."""

    url: str
    published: int


@pytest.fixture(scope="module")
def phone(
    make_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Phone]:
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
        published = seed_plan(connection)
        community = community_ids(connection)["C1"]
    settings = Settings.load(home=tmp_path_factory.mktemp("home"), database_url=database.url)
    with running(settings, database) as url:
        asked = httpx.post(
            f"{url}/api/v1/plans/design",
            json={
                "name": "最少",
                "source": published,
                "communities": [community],
                "limits": {"households": 160, "people": 900},
            },
        )
        limit = time.monotonic() + 120
        while httpx.get(asked.headers["Location"]).json()["state"] != "done":
            assert time.monotonic() < limit, "the proposal did not end"
            time.sleep(0.1)
        yield Phone(url, published)
    database.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, device_scale_factor=2
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert faults == []


_SMALL = """
([root, least]) => [...document.querySelectorAll(root)].flatMap((box) =>
  [...box.querySelectorAll("a[href], button, select, input, summary, textarea")]).filter((one) => {
    const shown = one.getClientRects().length && getComputedStyle(one).visibility !== "hidden";
    return shown && !one.closest(".leaflet-control-attribution");
  }).map((one) => {
    // A box to tick is as large as the label around it.
    const label = one.matches("input[type=checkbox], input[type=radio]") && one.closest("label");
    const { width, height } = (label || one).getBoundingClientRect();
    const name = `${one.id || one.className || one.tagName} ${(one.textContent || "").trim()}`;
    return [name.slice(0, 60), "", Math.round(width), Math.round(height)];
  }).filter(([, , width, height]) => height < least || width < least)
"""

_WIDE = """
() => [...document.querySelectorAll("#gc-panel *, .gc-bar *")].filter((one) => {
    const { right, width } = one.getBoundingClientRect();
    if (width === 0 || right <= innerWidth + 1) return false;
    // Tables and the pages of the bar have a scroller of their own.
    for (let box = one.parentElement; box; box = box.parentElement) {
      if (box.matches(".gc-content, body, .leaflet-container")) break;
      if (["auto", "scroll", "hidden"].includes(getComputedStyle(box).overflowX)) return false;
    }
    return !one.closest(".leaflet-container");
  }).map((one) => `${one.tagName} ${one.id || one.className}`)
"""


def fits(page: Page, root: str) -> None:
    """Everything one touches is large enough, and the page does not scroll sideways."""
    assert page.evaluate(_SMALL, [root, TOUCH_PX]) == []
    assert page.evaluate(_WIDE) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    content = "document.querySelector('#gc-panel .gc-content')"
    assert page.evaluate(f"{content}.scrollWidth <= {content}.clientWidth")


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_grids_are_proposed_from_a_phone(page: Page, phone: Phone, language: str) -> None:
    made = httpx.post(f"{phone.url}/api/v1/plans", json={"name": "草稿"}).json()
    page.goto(f"{phone.url}/plans/{made['id']}/edit?lang={language}")
    page.locator(".gp-label").first.wait_for()
    page.evaluate("document.getElementById('gc-panel').dataset.state = 'full'")
    expect(page.locator(".gp-above")).to_be_hidden()  # would cover the handle
    page.locator("#gp-design summary").tap()
    form = page.locator("#gp-design form")
    expect(form).to_be_visible()
    form.evaluate("(one) => one.closest('details').scrollIntoView()")
    shot(page, f"design_form_{language}")
    fits(page, "#gp-design")
    page.locator("#gp-design-run").scroll_into_view_if_needed()
    shot(page, f"design_form_{language}_end")
    # The button at the end can be reached and pressed; what comes of it can be read.
    page.select_option("#gp-design-area", index=1)
    page.fill("#gp-design-households", "200")
    page.locator("#gp-design-run").tap()
    done: Any = page.locator("#gp-design-told a").first
    expect(done).to_be_visible(timeout=120_000)
    page.locator("#gp-design-told").scroll_into_view_if_needed()
    shot(page, f"design_done_{language}")
    fits(page, "#gp-design")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_proposals_are_compared_on_a_phone(page: Page, phone: Phone, language: str) -> None:
    page.goto(f"{phone.url}/plans/{phone.published}/scenarios?lang={language}")
    expect(page.locator(".gs-card")).to_have_count(2)
    expect(page.locator(".gs-figures tbody tr").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    expect(page.locator("#gc-problem")).to_be_hidden()
    shot(page, f"scenarios_{language}")
    fits(page, ".gc-content")
    page.locator(".gs-figures").scroll_into_view_if_needed()
    first = page.locator(".gs-figures tbody td").first.bounding_box()
    assert first is not None
    assert first["x"] + first["width"] <= 390  # a figure beside its name, without scrolling
    shot(page, f"scenarios_{language}_figures")
    page.locator(".gs-run").scroll_into_view_if_needed()
    page.locator(".gs-run summary").first.tap()
    shot(page, f"scenarios_{language}_run")
    fits(page, ".gc-content")
