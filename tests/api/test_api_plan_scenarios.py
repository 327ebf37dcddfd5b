"""Proposals side by side over HTTP, checked against the plans themselves."""

from __future__ import annotations

import math
from typing import Any

import httpx
import pytest
import shapely
from plan_town import community_ids
from waiting import ended

from data.database import Database
from data.surroundings import in_metres

LIMITS = {"households": 160, "people": 900}


def proposed(client: httpx.Client, **asked: Any) -> int:
    """Ask for a proposal and wait for its draft."""
    answer = client.post("/api/v1/plans/design", json={"name": "建议", "limits": LIMITS, **asked})
    assert answer.status_code == 202, answer.text
    told = ended(lambda: client.get(answer.headers["Location"]).json())
    assert told["state"] == "done", told
    return int(told["plan"])


@pytest.fixture(scope="module")
def drafts(client: httpx.Client, published: int, c1: int) -> dict[str, int]:
    return {
        scenario: proposed(client, source=published, communities=[c1], scenario=scenario)
        for scenario in ("fewest", "least_change")
    }


def test_proposals_stand_beside_their_source(
    client: httpx.Client, published: int, c1: int, drafts: dict[str, int]
) -> None:
    told = client.get(f"/api/v1/plans/{published}/scenarios").json()
    assert [p["plan"] for p in told["plans"]] == [published, *drafts.values()]
    assert [p["role"] for p in told["plans"]] == ["source", "proposal", "proposal"]
    assert [p["made"] and p["made"]["scenario"] for p in told["plans"]] == [None, *drafts]
    assert told["limits"] == LIMITS  # those of the proposals, which agree
    assert [c["id"] for c in told["communities"] if c["measured"]] == [c1]
    source, *made = [p["figures"] for p in told["plans"]]
    assert source["moved"] is None
    assert source["within_limits"] < 1
    for figures in made:
        assert figures["within_limits"] == 1
        assert figures["households_over"] == 0
        assert figures["grids"] >= told["bound"] > 1
        assert figures["moved"] >= told["moved_bound"] > 0
        assert figures["households"] == source["households"]
    # A draft shows those of its source, too.
    other = client.get(f"/api/v1/plans/{drafts['fewest']}/scenarios").json()
    assert other["source"]["id"] == published


def test_figures_are_those_of_the_grids(
    client: httpx.Client, published: int, c1: int, drafts: dict[str, int]
) -> None:
    told = client.get(f"/api/v1/plans/{published}/scenarios").json()
    for column in told["plans"]:
        grids = client.get(
            f"/api/v1/plans/{column['plan']}/grids", params={"community": c1, "kind": "base"}
        ).json()["features"]
        homes = [g["properties"]["households"] for g in grids]
        figures = column["figures"]
        assert figures["grids"] == len(grids)
        assert figures["households"] == sum(homes)
        assert figures["households_over"] == sum(max(0, h - 160) for h in homes)
        assert figures["workers"] == sum(max(1, math.ceil(h / 300)) for h in homes)
        shapes = in_metres([shapely.geometry.shape(g["geometry"]) for g in grids], "EPSG:32650")
        ratio = 4 * math.pi * shapely.area(shapes) / shapely.length(shapes) ** 2
        assert figures["compactness"] == pytest.approx(ratio.mean(), rel=1e-3)
    compared = client.get(
        f"/api/v1/plans/{drafts['fewest']}/compare", params={"with": published}
    ).json()
    moved = sum(b["households"] for b in compared["moved"])
    assert told["plans"][1]["figures"]["moved"] == moved


def test_the_best_of_each_row_is_named(
    client: httpx.Client, published: int, drafts: dict[str, int]
) -> None:
    told = client.get(f"/api/v1/plans/{published}/scenarios").json()
    figures = {p["plan"]: p["figures"] for p in told["plans"]}
    least = min(drafts.values(), key=lambda d: figures[d]["moved"])
    if figures[drafts["fewest"]]["moved"] != figures[drafts["least_change"]]["moved"]:
        assert told["best"]["moved"] == [least]
    # The source has fewer grids only because they are too large.
    assert published not in told["best"]["grids"]
    assert set(told["best"]["households_over"]) == set(drafts.values())


def test_other_places_and_limits_can_be_asked_for(
    client: httpx.Client, town: Database, published: int, drafts: dict[str, int]
) -> None:
    with town.connect() as connection:
        c2 = community_ids(connection)["C2"]
    told = client.get(
        f"/api/v1/plans/{published}/scenarios",
        params={"community": c2, "households": 5000, "people": 9000},
    ).json()
    assert told["limits"] == {"households": 5000, "people": 9000}
    assert told["moved_bound"] == 0
    assert all(p["figures"]["within_limits"] == 1 for p in told["plans"])
    # What was not designed is as it was.
    assert all(p["figures"]["moved"] in (None, 0) for p in told["plans"])
    assert not told["best"]["moved"]


@pytest.mark.parametrize(
    ("path", "status"),
    [("999999/scenarios", 404), ("{plan}/scenarios?community=999999", 404)],
)
def test_what_is_not_there_is_told(
    client: httpx.Client, published: int, path: str, status: int
) -> None:
    answer = client.get(f"/api/v1/plans/{path.format(plan=published)}")
    assert answer.status_code == status, answer.text
    assert answer.json()["remedy"]


def test_a_draft_of_one_s_own_stands_beside_them(
    client: httpx.Client, published: int, drafts: dict[str, int]
) -> None:
    made = client.post("/api/v1/plans", json={"name": "自己的", "source": {"plan": published}})
    own = made.json()["id"]
    told = client.get(f"/api/v1/plans/{own}/scenarios").json()
    assert [p["plan"] for p in told["plans"]] == [published, own, *drafts.values()]
    assert told["plans"][1]["role"] == "draft"
    assert told["plans"][1]["figures"]["moved"] == 0
    assert own not in told["best"]["moved"]  # it moves nobody, and is above the limits
