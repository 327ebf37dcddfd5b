"""A proposal of grids in a real Chromium: asked for, watched, opened as a draft."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from plan_town import seed_plan
from playwright.sync_api import Page, expect
from running import running
from town import seed_layers, seed_network

from data.database import Database
from data.settings import Settings

DONE_MS = 90_000


@dataclass
class Town:
    """The running service and the plan in use."""

    url: str
    published: int

    def get(self, path: str) -> Any:
        answer = httpx.get(f"{self.url}/api/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def town(
    make_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Town]:
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
        published = seed_plan(connection)
    settings = Settings.load(home=tmp_path_factory.mktemp("home"), database_url=database.url)
    with running(settings, database) as address:
        yield Town(address, published)
    database.close()


def test_a_proposal_is_watched_and_opened(page: Page, town: Town) -> None:
    page.goto(f"{town.url}/plans/{town.published}/edit")
    page.locator(".gp-label").first.wait_for()
    page.locator("#gp-design summary").click()
    expect(page.locator("#gp-design")).to_contain_text("划分建议")
    expect(page.locator("#gp-design-households")).to_have_value("300")
    page.select_option("#gp-design-area", label="城西社区")
    page.fill("#gp-design-households", "160")
    page.click("#gp-design-run")
    expect(page.locator("#gp-design-run")).to_be_disabled()
    page.reload()  # shows the same job
    expect(page.locator("#gp-design-verdict")).to_be_visible(timeout=DONE_MS)
    expect(page.locator("#gp-design-verdict")).to_contain_text("所有网格都在上限以内")
    row = page.locator("#gp-design-figures tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("城西社区")
    proposed = int(row.locator("b").inner_text())
    draft = page.get_by_role("link", name="打开草稿").get_attribute("href")
    assert draft is not None
    plan = int(draft.split("/")[2])
    community = next(
        c for c in town.get(f"/plans/{plan}/communities")["communities"] if c["name"] == "城西社区"
    )
    grids = town.get(f"/plans/{plan}/grids?kind=base&community={community['id']}")["features"]
    assert len(grids) == proposed
    assert max(g["properties"]["households"] for g in grids) <= 160
    compare = page.get_by_role("link", name="与本方案比较").get_attribute("href")
    page.goto(f"{town.url}{compare}")
    expect(page.locator("#gp-head")).to_contain_text("划分建议")
    page.goto(f"{town.url}{draft}")
    page.locator(".gp-label").first.wait_for()
    expect(page.locator("#gp-head")).to_contain_text("草稿")


def test_only_chosen_grids_need_a_choice(page: Page, town: Town) -> None:
    page.goto(f"{town.url}/plans/{town.published}/edit?lang=en")
    page.locator(".gp-label").first.wait_for()
    page.locator("#gp-design summary").click()
    page.select_option("#gp-design-scenario", "rebalance")
    expect(page.locator("#gp-design-run")).to_be_disabled()
    expect(page.locator("#gp-design-chosen")).to_contain_text("First choose the grids")
