"""A proposal taken in whole or in part: what is taken is the proposal's, the rest as it was."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from plan_town import community_ids, line

from data.database import Database


@pytest.fixture(scope="module")
def ids(town: Database) -> dict[str, int]:
    with town.connect() as connection:
        return community_ids(connection)


def drafted(client: httpx.Client, published: int, name: str = "草稿") -> int:
    answer = client.post("/api/v1/plans", json={"name": name, "source": {"plan": published}})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def grids(client: httpx.Client, plan: int, community: int) -> dict[str, dict[str, Any]]:
    told = client.get(f"/api/v1/plans/{plan}/grids", params={"community": community}).json()
    return {g["properties"]["code"]: g for g in told["features"]}


def version(client: httpx.Client, plan: int, community: int) -> int:
    told = client.get(f"/api/v1/plans/{plan}/communities").json()["communities"]
    return next(c["version"] for c in told if c["id"] == community)


def edited(client: httpx.Client, plan: int, **edit: Any) -> dict[str, Any]:
    answer = client.post(
        f"/api/v1/plans/{plan}/edits",
        json=edit,
        headers={"If-Match": f'"{version(client, plan, edit["community"])}"'},
    )
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def shape(grid: dict[str, Any]) -> Any:
    return grid["geometry"]


@pytest.fixture(scope="module")
def proposal(client: httpx.Client, published: int, ids: dict[str, int]) -> int:
    """Both grids of C1 split, each by a crooked line of its own; one grid of C2 split."""
    plan = drafted(client, published, "建议")
    c1, c2 = ids["C1"], ids["C2"]
    named = {g["properties"]["name"]: g for g in grids(client, plan, c1).values()}
    first, second = named["第1网格"], named["第2网格"]
    edited(
        client,
        plan,
        kind="split",
        community=c1,
        grid=first["id"],
        line=line((-60, 480), (150, 510), (360, 455)),
    )
    edited(
        client,
        plan,
        kind="split",
        community=c1,
        grid=second["id"],
        line=line((340, 505), (500, 470), (760, 520)),
    )
    east = next(g for g in grids(client, plan, c2).values() if g["properties"]["name"] == "第3网格")
    edited(
        client,
        plan,
        kind="split",
        community=c2,
        grid=east["id"],
        line=line((740, 400), (1160, 430)),
    )
    return plan


def test_parts_are_the_grids_that_share_ground(
    client: httpx.Client, published: int, proposal: int, ids: dict[str, int]
) -> None:
    told = client.get(
        f"/api/v1/plans/{published}/parts", params={"source": proposal, "community": ids["C1"]}
    ).json()
    changing = [p for p in told["parts"] if p["changes"]]
    assert [(len(p["grids"]), len(p["proposed"])) for p in changing] == [(1, 2), (1, 2)]
    assert all(
        len(p["grids"]) == len(p["proposed"]) == 1 for p in told["parts"] if p not in changing
    )
    told = client.get(
        f"/api/v1/plans/{published}/parts", params={"source": proposal, "community": ids["C2"]}
    ).json()
    assert [len(p["proposed"]) for p in told["parts"] if p["changes"]] == [2]


def test_a_whole_community_is_taken_vertex_by_vertex(
    client: httpx.Client, published: int, proposal: int, ids: dict[str, int]
) -> None:
    c1, c2 = ids["C1"], ids["C2"]
    plan = drafted(client, published)
    before, other = grids(client, plan, c1), grids(client, plan, c2)
    told = edited(client, plan, kind="take", community=c1, source=proposal)
    there = grids(client, proposal, c1)
    now = grids(client, plan, c1)
    assert {c: shape(g) for c, g in now.items()} == {c: shape(g) for c, g in there.items()}
    for code, grid in before.items():
        if code in now:
            assert now[code]["id"] == grid["id"]  # the same grid, not a new one of that code
    assert told["moved"]["households"] > 0
    assert grids(client, plan, c2) == other
    undone = client.post(f"/api/v1/plans/{plan}/undo")
    assert undone.status_code == 200, undone.text
    assert {c: shape(g) for c, g in grids(client, plan, c1).items()} == {
        c: shape(g) for c, g in before.items()
    }
    redone = client.post(f"/api/v1/plans/{plan}/redo")
    assert redone.status_code == 200, redone.text
    assert {c: shape(g) for c, g in grids(client, plan, c1).items()} == {
        c: shape(g) for c, g in there.items()
    }


def test_a_part_is_taken_and_the_rest_stays(
    client: httpx.Client, published: int, proposal: int, ids: dict[str, int]
) -> None:
    c1 = ids["C1"]
    plan = drafted(client, published)
    before = grids(client, plan, c1)
    found = client.get(
        f"/api/v1/plans/{plan}/parts", params={"source": proposal, "community": c1}
    ).json()["parts"]
    part = next(p for p in found if p["changes"])
    wanted = [g["id"] for g in part["proposed"]]
    edited(client, plan, kind="take", community=c1, source=proposal, grids=wanted)
    now = grids(client, plan, c1)
    assert len(now) == len(before) + 1
    there = {g["properties"]["households"] for g in part["proposed"]}
    assert there <= {g["properties"]["households"] for g in now.values()}
    # All others have all their vertices; they may gain those where a new boundary ends.
    gained = 0
    for code, kept in before.items():
        if kept["id"] in [old["id"] for old in part["grids"]]:
            continue
        assert now[code]["id"] == kept["id"]
        old = {tuple(p) for ring in kept["geometry"]["coordinates"] for p in ring}
        new = {tuple(p) for ring in now[code]["geometry"]["coordinates"] for p in ring}
        assert old <= new
        gained += len(new) - len(old)
    assert gained <= 2
    client.post(f"/api/v1/plans/{plan}/undo")
    assert {c: shape(g) for c, g in grids(client, plan, c1).items()} == {
        c: shape(g) for c, g in before.items()
    }


def test_half_a_part_is_refused_with_what_is_missing(
    client: httpx.Client, published: int, proposal: int, ids: dict[str, int]
) -> None:
    c1 = ids["C1"]
    plan = drafted(client, published)
    some = next(
        g for g in grids(client, proposal, c1).values() if g["properties"]["name"] == "第1网格"
    )
    answer = client.post(
        f"/api/v1/plans/{plan}/edits",
        json={"kind": "take", "community": c1, "source": proposal, "grids": [some["id"]]},
        headers={"If-Match": f'"{version(client, plan, c1)}"'},
    )
    assert answer.status_code == 422, answer.text
    told = answer.json()
    (missing,) = (
        c
        for p in client.get(
            f"/api/v1/plans/{plan}/parts", params={"source": proposal, "community": c1}
        ).json()["parts"]
        if some["id"] in [g["id"] for g in p["proposed"]]
        for c in [g["properties"]["code"] for g in p["proposed"] if g["id"] != some["id"]]
    )
    assert missing in told["detail"]
    assert missing in told["detail_zh"]


def test_several_communities_go_into_a_new_draft_at_once(
    client: httpx.Client, published: int, proposal: int, ids: dict[str, int]
) -> None:
    answer = client.post(
        f"/api/v1/plans/{published}/take",
        json={
            "source": proposal,
            "name": "采用建议",
            "communities": [{"community": ids[c]} for c in ("C1", "C2")],
        },
    )
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert told["plan"] not in (published, proposal)
    assert len(told["edits"]) == 2
    for community in (ids["C1"], ids["C2"]):
        assert {c: shape(g) for c, g in grids(client, told["plan"], community).items()} == {
            c: shape(g) for c, g in grids(client, proposal, community).items()
        }
    made = client.get(f"/api/v1/plans/{told['plan']}").json()
    assert (made["name"], made["based_on"], made["state"]) == ("采用建议", published, "draft")


def test_a_stale_community_takes_nothing_anywhere(
    client: httpx.Client, published: int, proposal: int, ids: dict[str, int]
) -> None:
    plan = drafted(client, published)
    before = [grids(client, plan, c) for c in ids.values()]
    answer = client.post(
        f"/api/v1/plans/{plan}/take",
        json={
            "source": proposal,
            "communities": [
                {"community": ids["C1"], "version": version(client, plan, ids["C1"])},
                {"community": ids["C2"], "version": 99},
            ],
        },
    )
    assert answer.status_code == 412, answer.text
    assert [grids(client, plan, c) for c in ids.values()] == before
    unseen = client.post(
        f"/api/v1/plans/{plan}/take",
        json={"source": proposal, "communities": [{"community": ids["C1"]}]},
    )
    assert unseen.status_code == 422, unseen.text
    assert "version" in unseen.text


def test_what_cannot_be_taken_is_told(
    client: httpx.Client, published: int, proposal: int, ids: dict[str, int]
) -> None:
    c1 = ids["C1"]
    plan = drafted(client, published)
    seen = version(client, plan, c1)

    def asked(**body: Any) -> httpx.Response:
        return client.post(
            f"/api/v1/plans/{plan}/take",
            json={"source": proposal, "communities": [{"community": c1, "version": seen}]} | body,
        )

    assert asked(source=999_999).status_code == 404
    assert asked(source=plan).status_code == 422
    foreign = [{"community": c1, "version": seen, "grids": [999_999]}]
    assert asked(communities=foreign).status_code == 404
    nothing = asked(source=published)
    assert nothing.status_code == 422
    assert "nothing changes" in nothing.json()["detail"]
    into_published = client.post(
        f"/api/v1/plans/{published}/take",
        json={
            "source": proposal,
            "communities": [{"community": c1, "version": version(client, published, c1)}],
        },
    )
    assert into_published.status_code == 409
