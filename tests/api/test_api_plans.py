"""Plans over HTTP, as the editor uses them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import httpx
import pytest
from plan_town import line, patch
from tile_reader import read_tile
from town import lonlat


@pytest.fixture
def draft(client: httpx.Client, published: int) -> int:
    made = client.post("/api/v1/plans", json={"name": "草案", "source": "published"})
    assert made.status_code == 201, made.text
    assert made.headers["Location"].endswith(f"/api/v1/plans/{made.json()['id']}")
    assert made.json()["based_on"] == published
    return int(made.json()["id"])


def grids(client: httpx.Client, plan: int, community: int) -> list[dict[str, Any]]:
    answer = client.get(f"/api/v1/plans/{plan}/grids", params={"community": community})
    assert answer.headers["content-type"] == "application/geo+json"
    return answer.json()["features"]


def edited(
    client: httpx.Client, plan: int, body: dict[str, Any], version: int | None = 1, **query: Any
) -> httpx.Response:
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    return client.post(f"/api/v1/plans/{plan}/edits", json=body, headers=headers, params=query)


def test_a_split_is_previewed_then_made_then_undone(
    client: httpx.Client, draft: int, c1: int
) -> None:
    before = grids(client, draft, c1)
    one = before[0]["id"]
    body = {"kind": "split", "community": c1, "grid": one, "line": line((120, -60), (120, 1060))}
    preview = edited(client, draft, body, None, preview=True).json()
    assert preview["preview"] is True
    assert preview["edit"] is None
    assert grids(client, draft, c1) == before
    made = edited(client, draft, body)
    assert made.status_code == 200, made.text
    assert made.headers["ETag"] == '"2"'
    answer = made.json()
    assert answer["version"] == 2
    assert answer["moved"] == preview["moved"]
    assert {f["id"] for f in answer["before"]["features"]} <= {f["id"] for f in before}
    present = {f["id"]: f for f in grids(client, draft, c1)}
    for feature in answer["changed"]["features"]:
        assert present[feature["id"]] == feature
    plan = client.get(f"/api/v1/plans/{draft}").json()
    assert (plan["can_undo"], plan["can_redo"]) == (True, False)
    undone = client.post(
        f"/api/v1/plans/{draft}/undo", json={"community": c1}, headers={"If-Match": '"2"'}
    )
    assert undone.status_code == 200, undone.text
    assert undone.json()["version"] == 3
    again = grids(client, draft, c1)
    assert [f["geometry"] for f in again] == [f["geometry"] for f in before]
    redone = client.post(f"/api/v1/plans/{draft}/redo")
    assert {f["id"] for f in redone.json()["changed"]["features"]} == {
        f["id"] for f in answer["changed"]["features"]
    }


def test_a_merge_sums_what_its_grids_had(client: httpx.Client, draft: int, c1: int) -> None:
    both = [f for f in grids(client, draft, c1) if f["properties"]["buildings"]][:2]
    answer = edited(
        client,
        draft,
        {"kind": "merge", "community": c1, "grids": [f["id"] for f in both]},
    ).json()
    (merged,) = [f for f in answer["changed"]["features"] if f["id"] in {b["id"] for b in both}]
    for figure in ("households", "people", "buildings"):
        assert merged["properties"][figure] == sum(f["properties"][figure] for f in both)
    assert len(answer["removed"]) == 1


def test_a_stale_save_shows_the_present_grids(client: httpx.Client, draft: int, c1: int) -> None:
    one = grids(client, draft, c1)[0]["id"]
    body = {"kind": "split", "community": c1, "grid": one, "line": line((120, -60), (120, 1060))}
    assert edited(client, draft, body).status_code == 200
    stale = edited(client, draft, body)
    assert stale.status_code == 412
    problem = stale.json()
    assert problem["present"]["version"] == 2
    assert stale.headers["ETag"] == '"2"'
    assert len(problem["present"]["grids"]["features"]) == len(grids(client, draft, c1))
    assert edited(client, draft, body, None).status_code == 428


def test_a_refused_edit_names_the_place(client: httpx.Client, draft: int, c1: int) -> None:
    one = grids(client, draft, c1)[0]["id"]
    body = {"kind": "split", "community": c1, "grid": one, "line": line((120, -60), (120, 500))}
    answer = edited(client, draft, body)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["at"]["type"] == "Point"
    assert problem["detail_zh"] == "这条线没有把网格分成两部分。"
    assert problem["remedy_zh"] == "请从网格的一边画到另一边。"
    assert problem["remedy"] == "Draw it from one side of the grid to another."


def test_a_draft_may_have_limits_of_its_own(
    client: httpx.Client, published: int, draft: int, c1: int
) -> None:
    def make(**limits: int) -> httpx.Response:
        body = {"name": "草案", "source": {"plan": draft}, "limits": limits}
        return client.post("/api/v1/plans", json=body)

    usual = client.get(f"/api/v1/plans/{draft}").json()["limits"]
    assert usual == {"households": 300, "people": 1000}
    assert make().json()["limits"] == usual
    made = make(households=7).json()
    assert made["limits"] == {"households": 7, "people": 1000}
    over = [f for f in grids(client, made["id"], c1) if f["properties"]["households"] > 7]
    assert over
    for grid in over:
        rules = {b["rule"]: b for b in grid["properties"]["broken"]}
        assert rules["households"]["limit"] == 7
    heir = client.post("/api/v1/plans", json={"name": "再改", "source": {"plan": made["id"]}})
    assert heir.json()["limits"] == made["limits"]
    assert client.get(f"/api/v1/plans/{published}").json()["limits"] == usual
    for wrong in (0, -5, 10**9):
        assert make(households=wrong).status_code == 422
        assert make(people=wrong).status_code == 422


def test_other_refusals_of_an_edit_say_why_in_chinese_too(
    client: httpx.Client, draft: int, c1: int
) -> None:
    one = grids(client, draft, c1)[0]["id"]
    for body, said in (
        ({"kind": "split", "grid": one, "street": "无名路"}, "街道“无名路”不经过这个网格。"),
        ({"kind": "rename", "grid": one, "code": "X-1"}, "编码 X-1 不属于城西社区。"),
        ({"kind": "remove", "grid": one}, "撤销这个网格会留下空缺。"),
        ({"kind": "remove", "grid": 999_999}, "本方案中城西社区没有网格 999999。"),
    ):
        problem = edited(client, draft, {"community": c1, **body}).json()
        assert problem["detail_zh"] == said
        assert problem["remedy_zh"].endswith("。")


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "split", "grid": 1},
        {"kind": "reshape", "vertex": [118, 36]},
        {"kind": "transfer", "to": 1},
        {"kind": "melt"},
        {"kind": "merge", "grids": [1]},
    ],
)
def test_a_body_that_makes_no_sense_is_refused(
    client: httpx.Client, draft: int, c1: int, body: dict[str, Any]
) -> None:
    answer = edited(client, draft, {"community": c1, **body})
    assert answer.status_code == 422
    assert answer.json()["type"].endswith("/invalid-request")


def test_buildings_are_given_with_their_cells(client: httpx.Client, draft: int, c1: int) -> None:
    cells = client.get(f"/api/v1/plans/{draft}/cells", params={"community": c1}).json()["features"]
    by_grid: dict[int, list[dict[str, Any]]] = {}
    for cell in cells:
        by_grid.setdefault(cell["properties"]["grid"], []).append(cell)
    west, east = sorted(by_grid, key=lambda g: by_grid[g][0]["properties"]["point"][0])[:2]
    # The westernmost building of the eastern grid lies at the common boundary.
    chosen = min(by_grid[east], key=lambda c: c["properties"]["point"][0])["id"]
    answer = edited(
        client, draft, {"kind": "transfer", "community": c1, "to": west, "buildings": [chosen]}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["moved"]["buildings"] == 1
    after = client.get(f"/api/v1/plans/{draft}/cells", params={"community": c1}).json()
    assert {c["id"]: c["properties"]["grid"] for c in after["features"]}[chosen] == west


def test_dragging_a_vertex_moves_both_sides(client: httpx.Client, draft: int, c1: int) -> None:
    body = {
        "kind": "reshape",
        "community": c1,
        "vertex": lonlat(350, 500),
        "to": lonlat(365, 480),
    }
    answer = edited(client, draft, body)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["changed"]["features"]) == 2


def test_changes_tell_others_what_happened(client: httpx.Client, draft: int, c1: int) -> None:
    start = client.get(f"/api/v1/plans/{draft}/changes").json()["seq"]
    body = {"kind": "draw", "community": c1, "patch": patch(100, 100, 200, 300), "name": "市场"}
    seq = edited(client, draft, body | {"grid_kind": "exclusive"}).json()["edit"]
    changes = client.get(f"/api/v1/plans/{draft}/changes", params={"after": start}).json()
    assert [c["seq"] for c in changes["changes"]] == [seq]
    assert changes["changes"][0]["community"] == c1
    assert changes["changes"][0]["kind"] == "draw"


def test_a_plan_has_tiles(client: httpx.Client, draft: int, tmp_path: Path) -> None:
    west, _, _, north = client.get(f"/api/v1/plans/{draft}").json()["bounds"]
    side = 1 << 14
    x = int((west + 180) / 360 * side)
    y = int((1 - math.asinh(math.tan(math.radians(north - 1e-4))) / math.pi) / 2 * side)
    answer = client.get(f"/api/v1/plans/{draft}/tiles/14/{x}/{y}")
    assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    layers = read_tile(tmp_path, 14, x, y, answer.content)
    assert set(layers) == {"grids"}
    assert {"code", "name", "kind", "households", "people", "broken"} <= set(layers["grids"])
    assert client.get(f"/api/v1/plans/{draft}/tiles/14/0/0").content == b""


def test_nothing_is_found_at_unknown_plans(client: httpx.Client) -> None:
    for path in ("", "/grids", "/cells", "/communities", "/changes", "/edits", "/lineage"):
        assert client.get(f"/api/v1/plans/999999{path}").status_code == 404
    assert client.post("/api/v1/plans/999999/undo").status_code == 404


def refusals(client: httpx.Client, draft: int, c1: int) -> list[httpx.Response]:
    """One of each kind of problem that plans answer with."""
    plans, nowhere = "/api/v1/plans", "/api/v1/plans/999999"
    grid = grids(client, draft, c1)[0]
    rename = {"kind": "rename", "community": c1, "grid": grid["id"], "name": "新名"}
    stale = {"If-Match": '"99"'}
    return [
        client.get(nowhere),
        client.get(f"{nowhere}/communities"),
        client.get(f"{nowhere}/grids"),
        client.get(f"{nowhere}/cells"),
        client.get(f"{nowhere}/edits"),
        client.get(f"{nowhere}/lineage"),
        client.get(f"{nowhere}/changes"),
        client.get(f"{nowhere}/comments"),
        client.get(f"{nowhere}/compare"),
        client.get(f"{nowhere}/import"),
        client.get(f"{nowhere}/export"),
        client.get(f"{nowhere}/suggestions", params={"grid": 1}),
        client.get(f"{nowhere}/tiles/14/13000/6300"),
        client.post(f"{nowhere}/undo", json={}),
        client.post(f"{nowhere}/state", json={"to": "review"}),
        client.post(f"{nowhere}/comments", json={"text": "x"}),
        client.post(f"{nowhere}/edits", json=rename, headers=stale),
        client.patch(nowhere, json={"name": "x"}, headers=stale),
        client.post(plans, json={"name": "x", "source": {"plan": 999999}}),
        client.get(f"{plans}/{draft}/suggestions", params={"grid": 999999}),
        client.get("/api/v1/design-jobs/999999"),
        client.post(f"{plans}/{draft}/edits", json=rename, headers=stale),
        client.post(f"{plans}/{draft}/redo", json={}),
        client.post(f"{plans}/{draft}/state", json={"to": "draft"}),
        client.patch(f"{plans}/{draft}", json={"name": "x"}, headers=stale),
        client.post(
            f"{plans}/merge-nets",
            json={
                "name": "x",
                "nets": [{"name": "a", "plan": draft}, {"name": "b", "plan": draft}],
            },
        ),
    ]


def test_every_refusal_of_a_plan_says_why_in_chinese_too(
    client: httpx.Client, draft: int, c1: int
) -> None:
    statuses = set()
    for answer in refusals(client, draft, c1):
        statuses.add(answer.status_code)
        problem = answer.json()
        assert answer.status_code in (404, 409, 412, 422), (answer.request.url, answer.text)
        assert problem.get("detail_zh"), (answer.request.method, answer.request.url, problem)
        assert problem["remedy_zh"], answer.request.url
        assert any(letter >= "\u4e00" for letter in problem["detail_zh"])
    assert statuses == {404, 409, 412, 422}


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ('{"name": 123456789012345678901234567890}', "123456789012345678901234567890"),
        ('{"name": "a\\ud800b"}', "a?b"),
        ('{"name": "", "note": ["a\\ud800b"]}', ""),
    ],
)
def test_a_value_that_json_cannot_carry_back_is_named_all_the_same(
    client: httpx.Client, body: str, value: str
) -> None:
    answer = client.post(
        "/api/v1/plans", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["value"] == value
