"""Scenarios side by side, a proposal taken, micro-grids made: in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from plan_town import community_ids, seed_plan
from playwright.sync_api import Page, expect
from running import running
from town import seed_layers, seed_network
from waiting import ended

from data.database import Database
from data.settings import Settings

DONE_MS = 90_000


@dataclass
class Town:
    """The running service, the plan in use and a proposal made from it."""

    url: str
    published: int
    proposal: int
    communities: dict[str, int]

    def get(self, path: str) -> Any:
        answer = httpx.get(f"{self.url}/api/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def draft(self) -> int:
        made = httpx.post(
            f"{self.url}/api/v1/plans", json={"name": "草稿", "source": {"plan": self.published}}
        )
        return int(made.json()["id"])

    def shapes(self, plan: int, community: str) -> dict[str, Any]:
        told = self.get(f"/plans/{plan}/grids?community={self.communities[community]}")
        return {
            g["properties"]["code"]: g["geometry"]
            for g in told["features"]
            if g["properties"]["kind"] != "micro"
        }


@pytest.fixture(scope="module")
def town(
    make_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Town]:
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
        published = seed_plan(connection)
        communities = community_ids(connection)
    settings = Settings.load(home=tmp_path_factory.mktemp("home"), database_url=database.url)
    with running(settings, database) as address:
        asked = httpx.post(
            f"{address}/api/v1/plans/design",
            json={
                "name": "最少",
                "source": published,
                "communities": [communities["C1"]],
                "limits": {"households": 160, "people": 900},
            },
        )
        job = ended(lambda: httpx.get(asked.headers["Location"]).json())
        assert job["state"] == "done", job
        yield Town(address, published, job["plan"], communities)
    database.close()


def test_scenarios_stand_side_by_side_and_one_more_is_made(page: Page, town: Town) -> None:
    page.goto(f"{town.url}/plans/{town.published}/scenarios")
    expect(page.locator(".gs-card")).to_have_count(2)
    told = town.get(f"/plans/{town.published}/scenarios")
    row = page.locator("#gs-figures tr", has_text="超出上限的户数")
    shown = row.locator("td")
    for index, column in enumerate(told["plans"]):
        number = re.sub(r"\D", "", shown.nth(index).inner_text())
        assert int(number) == column["figures"]["households_over"]
    expect(shown.nth(1)).to_have_class(re.compile("gs-best"))
    expect(shown.nth(0)).not_to_have_class(re.compile("gs-best"))
    # The maps move together.
    views = page.locator(".gs-card .leaflet-map-pane")
    expect(views).to_have_count(2)
    before = views.nth(1).evaluate("e => e.parentElement.querySelector('canvas')?.className")
    assert before is not None
    scale = page.locator(".gs-card .leaflet-control-scale-line")
    first = scale.inner_text()
    page.locator(".leaflet-control-zoom-in").click()
    expect(scale).not_to_have_text(first)
    # One more, from here.
    page.locator("#gp-design summary").click()
    page.select_option("#gp-design-area", label="城西社区")
    page.select_option("#gp-design-scenario", "least_change")
    expect(page.locator("#gp-design-households")).to_have_value("160")
    page.click("#gp-design-run")
    expect(page.locator(".gs-card")).to_have_count(3, timeout=DONE_MS)
    expect(page.locator("#gs-figures thead th")).to_have_text(["现行网格", "网格最少", "变动最小"])


@pytest.mark.parametrize("page", [(390, 844)], ids=["phone"], indirect=True)
def test_on_a_phone_nothing_is_wider_than_the_screen(page: Page, town: Town) -> None:
    page.goto(f"{town.url}/plans/{town.published}/scenarios?lang=en")
    expect(page.locator(".gs-card").first).to_be_visible()
    expect(page.locator("#gs-figures")).to_be_visible()
    wide = page.evaluate(
        "[...document.querySelectorAll('.gs-card, .gs-ask, #gs-table')]"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1).length"
    )
    assert wide == 0
    expect(page.locator(".gc-handle")).to_be_hidden()


def test_a_proposal_is_taken_and_undone(page: Page, town: Town) -> None:
    plan = town.draft()
    before = town.shapes(plan, "C1")
    page.goto(f"{town.url}/plans/{town.published}/scenarios")
    page.goto(f"{town.url}/plans/{plan}/edit?take={town.proposal}")
    page.locator(".gp-label").first.wait_for()
    one = page.locator("#gp-take-communities li", has_text="城西社区")
    one.locator("input").first.check()
    page.click("#gp-take-run")
    page.locator("#gp-preview").get_by_role("button", name="保存").click()
    expect(page.locator("#gp-history")).to_contain_text("采用建议")
    assert town.shapes(plan, "C1") == town.shapes(town.proposal, "C1")
    page.keyboard.press("Control+z")
    expect(page.locator("#gp-history")).to_contain_text("撤销")
    assert town.shapes(plan, "C1") == before


def test_micro_grids_and_branches_from_the_panel(page: Page, town: Town) -> None:
    plan = town.draft()
    page.goto(f"{town.url}/plans/{plan}/edit")
    page.locator(".gp-label").first.wait_for()
    page.locator("#gp-people summary").click()
    expect(page.locator("#gp-staffing")).to_contain_text("城东社区")
    page.select_option("#gp-people-area", label="城西社区")
    page.click("#gp-micro-run")
    expect(page.locator("#gp-micro-done")).to_be_visible(timeout=DONE_MS)
    micro = town.get(f"/plans/{plan}/grids?kind=micro")["features"]
    told = page.locator("#gp-micro-done").inner_text()
    assert re.findall(r"\d+", told)[0] == str(len(micro))
    for box in page.locator("#gp-branch-members input").all():
        box.fill("2")
    page.click("#gp-branch-run")
    expect(page.locator("#gp-branch-take")).to_be_enabled()
    names = [box.input_value() for box in page.locator(".gp-branches input").all()]
    assert names
    page.click("#gp-branch-take")
    page.locator("#gp-preview").get_by_role("button", name="保存").click()
    expect(page.locator("#gp-history")).to_contain_text("采用党支部划分")
    grids = town.get(f"/plans/{plan}/grids?kind=base&community={town.communities['C1']}")
    assert {g["properties"]["branch"] for g in grids["features"]} <= set(names)
