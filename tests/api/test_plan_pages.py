"""Pages of plans and the change sheet, as the service answers them."""

from __future__ import annotations

from io import BytesIO

import httpx
import pytest
from openpyxl import load_workbook


@pytest.fixture(scope="module")
def plans(client: httpx.Client) -> tuple[int, int]:
    """A plan, and a draft of it in which one grid is split in two."""
    before = client.post("/api/v1/plans", json={"name": "原方案", "source": "empty"}).json()["id"]
    answer = client.post("/api/v1/plans", json={"name": "新方案", "source": {"plan": before}})
    after = answer.json()["id"]
    grid = client.get(f"/api/v1/plans/{after}/grids").json()["features"][0]
    ring = grid["geometry"]["coordinates"][0]
    west, east = min(x for x, _ in ring), max(x for x, _ in ring)
    south, north = min(y for _, y in ring), max(y for _, y in ring)
    middle = (south + north) / 2
    edited = client.post(
        f"/api/v1/plans/{after}/edits",
        json={
            "kind": "split",
            "community": grid["properties"]["community"],
            "grid": grid["id"],
            "line": {
                "type": "LineString",
                "coordinates": [[west - 0.001, middle], [east + 0.001, middle]],
            },
        },
        headers={"If-Match": '"1"'},
    )
    assert edited.status_code == 200, edited.text
    return before, after


@pytest.mark.parametrize("page", ["", "/{}/edit", "/{}/review", "/{}/compare"])
def test_pages_of_plans_answer_with_a_policy_that_names_no_other_host(
    client: httpx.Client, plans: tuple[int, int], page: str
) -> None:
    answer = client.get(f"/plans{page.format(plans[1])}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "http" not in policy
    assert "default-src 'self'" in policy


def test_the_workbook_lists_the_buildings_that_the_comparison_moves(
    client: httpx.Client, plans: tuple[int, int]
) -> None:
    before, after = plans
    answer = client.get(f"/plans/{after}/sheet.xlsx", params={"with": before, "lang": "zh"})
    assert answer.status_code == 200
    assert "spreadsheetml" in answer.headers["content-type"]
    assert "filename*=UTF-8''" in answer.headers["content-disposition"]
    book = load_workbook(BytesIO(answer.content))
    compared = client.get(f"/api/v1/plans/{after}/compare", params={"with": before}).json()
    rows = list(book.worksheets[2].iter_rows(min_row=2, values_only=True))
    assert len(rows) == len(compared["moved"]) > 0
    assert [row[3] for row in rows] == [one["households"] for one in compared["moved"]]
    assert {row[1:3] for row in rows} == {(m["from"], m["to"]) for m in compared["moved"]}


def test_the_print_is_a_pdf_to_download(client: httpx.Client, plans: tuple[int, int]) -> None:
    answer = client.get(f"/plans/{plans[1]}/sheet.pdf", params={"with": plans[0]})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")


def test_a_sheet_without_a_plan_is_a_problem_with_a_remedy(
    client: httpx.Client, plans: tuple[int, int]
) -> None:
    missing = client.get("/plans/999999/sheet.pdf", params={"with": plans[0]})
    assert missing.status_code == 404
    assert missing.json()["remedy"]
    unpublished = client.get(f"/plans/{plans[1]}/sheet.xlsx")
    assert unpublished.status_code == 404
    assert "published" in unpublished.json()["detail"]
    assert client.get(f"/plans/{plans[1]}/sheet.doc").status_code == 422
