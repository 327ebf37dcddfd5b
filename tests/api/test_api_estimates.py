"""Sums that hold estimated households say so, in the API and on the pages."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright
from sqlalchemy import text

from data.database import Database


@pytest.fixture(scope="module", autouse=True)
def estimates(town: Database) -> int:
    """Mark the counts of some buildings of the made town as estimates; gives their households."""
    with town.transaction("test") as connection:
        rows = connection.execute(
            text(
                "UPDATE buildings SET households_source = 'estimated',"
                " people_source = 'estimated' WHERE code LIKE 'B01%' OR code LIKE 'B09%'"
                " RETURNING households"
            )
        )
        return sum(row.households for row in rows)


def test_the_city_says_what_share_of_its_households_and_people_is_estimated(
    client: httpx.Client, estimates: int
) -> None:
    city = client.get("/api/v1/city").json()
    assert city["counts"]["households_estimated"] == estimates > 0
    share = city["estimated_share"]
    assert share["households"] == round(estimates / city["counts"]["households"], 4)
    assert 0 < share["people"] < 1


@pytest.mark.parametrize("level", ["city", "community", "grid"])
def test_coverage_says_it_of_the_city_and_of_every_area(
    client: httpx.Client, town: Database, estimates: int, level: str
) -> None:
    answer = client.get("/api/v1/coverage", params={"minutes": 10, "level": level}).json()
    totals = answer["totals"]
    assert totals["households_estimated"] == estimates
    assert totals["estimated_share"] == round(estimates / totals["households"], 4)
    assert 0 <= totals["covered_households_estimated"] <= estimates
    assert sum(row["households_estimated"] for row in answer["rows"]) == estimates
    assert (
        sum(row["covered_households_estimated"] for row in answer["rows"])
        == (totals["covered_households_estimated"])
    )
    if level == "community":
        with town.connect() as connection:
            of_c1 = connection.scalar(
                text(
                    "SELECT sum(households) FROM buildings b JOIN areas a ON a.id = b.community_id"
                    " WHERE a.code = 'C1' AND households_source = 'estimated'"
                )
            )
        row = next(row for row in answer["rows"] if row["code"] == "C1")
        assert row["households_estimated"] == of_c1


def test_a_circle_says_how_many_of_its_households_are_estimated(
    client: httpx.Client, estimates: int
) -> None:
    answer = client.post("/api/v1/catchments", json={"station_id": 1, "minutes": [10, 120]})
    near, far = (f["properties"] for f in answer.raise_for_status().json()["features"])
    assert near["households_estimated"] <= far["households_estimated"] <= estimates
    assert far["households_estimated"] > 0


def test_pages_mark_estimated_sums_in_both_languages(url: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        for language, households, word in (
            ("zh", "户数：其中", "估算"),
            ("en", "Households:", "estimates"),
        ):
            page.goto(f"{url}/?lang={language}")
            note = page.locator(".gc-estimated").first
            expect(note).to_contain_text(households)
            expect(note).to_contain_text(word)
            expect(page.locator(".gc-figures dd").first).to_contain_text("≈")
            page.goto(f"{url}/maps/coverage?lang={language}")
            expect(page.locator("#gc-verdict .gc-estimated")).to_contain_text(word, timeout=60_000)
            expect(page.locator("#gc-sums abbr").first).to_contain_text("≈")
        browser.close()
