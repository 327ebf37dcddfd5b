"""Proposals of grids over HTTP: a job that is followed and ends in a draft."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from plan_town import community_ids
from waiting import ended

from data.database import Database


def followed(client: httpx.Client, location: str) -> dict[str, Any]:
    def read() -> dict[str, Any]:
        told: dict[str, Any] = client.get(location).json()
        assert 0 <= told["progress"] <= 1
        return told

    return ended(read)


def test_a_proposal_becomes_a_draft(client: httpx.Client, town: Database, published: int) -> None:
    with town.connect() as connection:
        c1 = community_ids(connection)["C1"]
    asked = client.post(
        "/api/v1/plans/design",
        json={
            "name": "划分建议",
            "source": published,
            "communities": [c1],
            "limits": {"households": 160, "people": 900},
        },
    )
    assert asked.status_code == 202, asked.text
    job = asked.json()
    assert job["state"] in ("queued", "running")
    assert asked.headers["Location"].endswith(f"/api/v1/design-jobs/{job['id']}")
    told = followed(client, asked.headers["Location"])
    assert told["state"] == "done", told
    (figures,) = told["result"]["communities"]
    assert figures["id"] == c1
    assert figures["grids"] >= figures["bound"] > 1
    draft = client.get(f"/api/v1/plans/{told['plan']}").json()
    assert (draft["state"], draft["based_on"]) == ("draft", published)
    assert draft["limits"] == {"households": 160, "people": 900}
    grids = client.get(f"/api/v1/plans/{told['plan']}/grids", params={"community": c1}).json()[
        "features"
    ]
    base = [g["properties"] for g in grids if g["properties"]["kind"] == "base"]
    assert len(base) == figures["grids"]
    assert max(g["households"] for g in base) <= 160
    compared = client.get(f"/api/v1/plans/{told['plan']}/compare", params={"with": published})
    assert compared.status_code == 200
    # Stopping what has ended changes nothing.
    stopped = client.post(f"/api/v1/design-jobs/{job['id']}/cancel")
    assert stopped.json()["state"] == "done"
    assert not stopped.json()["asked_to_stop"]


def test_a_job_can_be_stopped(client: httpx.Client, published: int) -> None:
    asked = client.post("/api/v1/plans/design", json={"name": "停", "source": published})
    stopped = client.post(f"/api/v1/design-jobs/{asked.json()['id']}/cancel")
    assert stopped.status_code == 200
    told = followed(client, asked.headers["Location"])
    assert told["state"] in ("done", "cancelled")
    assert (told["plan"] is None) == (told["state"] == "cancelled")


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"name": ""}, 422, "name"),
        ({"name": "x", "preset": "best"}, 422, "preset"),
        ({"name": "x", "scenario": "magic"}, 422, "scenario"),
        ({"name": "x", "limits": {"households": 0}}, 422, "households"),
        ({"name": "x", "time_limit_s": 1e9}, 422, "time_limit_s"),
        ({"name": "x", "source": 999_999}, 404, "999999"),
        ({"name": "x", "communities": [999_999]}, 404, "999999"),
        ({"name": "x", "scenario": "least_change"}, 422, "plan"),
    ],
)
def test_a_wrong_request_is_told(
    client: httpx.Client, body: dict[str, Any], status: int, word: str
) -> None:
    answer = client.post("/api/v1/plans/design", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert word in answer.text
    assert answer.json()["remedy"]


def test_there_is_no_such_job(client: httpx.Client) -> None:
    assert client.get("/api/v1/design-jobs/999999").status_code == 404
    assert client.post("/api/v1/design-jobs/999999/cancel").status_code == 404
