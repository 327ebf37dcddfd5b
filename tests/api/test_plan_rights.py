"""Who may send a plan on, take it back and change its limits: horizontally, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from people import add_person, token_for
from plan_town import community_ids, line, seed_plan
from running import running
from town import seed_layers

from data.accounts.account import Grant
from data.database import Database
from data.settings import Settings

PEOPLE = {
    "west planner": ("planner", "C1"),
    "east planner": ("planner", "C2"),
    "street planner": ("planner", "T1"),
    "city planner": ("planner", ""),
    "city publisher": ("publisher", ""),
    "west publisher": ("publisher", "C1"),
}


@pytest.fixture(scope="module")
def town(make_database: Callable[[], Database]) -> Iterator[Database]:
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_plan(connection)
    yield database
    database.close()


@pytest.fixture(scope="module")
def client(town: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    settings = Settings.load(
        home=tmp_path_factory.mktemp("home"), database_url=town.url, accounts="on"
    )
    with running(settings, town) as url, httpx.Client(base_url=url, timeout=300) as client:
        yield client


@pytest.fixture(scope="module")
def tokens(client: httpx.Client, town: Database) -> dict[str, dict[str, str]]:
    return {
        name: {
            "Authorization": "Bearer "
            + token_for(town, add_person(town, name, Grant(role, area)), role)
        }
        for name, (role, area) in PEOPLE.items()
    }


@pytest.fixture(scope="module")
def places(town: Database) -> dict[str, int]:
    with town.connect() as connection:
        return community_ids(connection)


@pytest.fixture
def draft(client: httpx.Client, tokens: dict[str, Any]) -> int:
    """A draft of the plan in use that the planner of the west has made."""
    made = client.post("/api/v1/plans", json={"name": "草稿"}, headers=tokens["west planner"])
    assert made.status_code == 201, made.text
    return int(made.json()["id"])


def rename(client: httpx.Client, headers: Any, plan: int, community: int, name: str) -> str:
    """Rename the first grid of a community; gives its code."""
    address = f"/api/v1/plans/{plan}"
    told = client.get(f"{address}/communities", headers=headers).json()["communities"]
    version = next(c["version"] for c in told if c["id"] == community)
    grid = client.get(f"{address}/grids", params={"community": community}, headers=headers).json()[
        "features"
    ][0]
    answer = client.post(
        f"{address}/edits",
        json={"kind": "rename", "community": community, "grid": grid["id"], "name": name},
        headers=headers | {"If-Match": f'"{version}"'},
    )
    assert answer.status_code == 200, answer.text
    return str(grid["properties"]["code"])


def move(client: httpx.Client, headers: Any, plan: int, to: str) -> httpx.Response:
    return client.post(f"/api/v1/plans/{plan}/state", json={"to": to}, headers=headers)


def state(client: httpx.Client, headers: Any, plan: int) -> str:
    return str(client.get(f"/api/v1/plans/{plan}", headers=headers).json()["state"])


def test_who_plans_the_west_sends_a_draft_that_changes_the_west(client, tokens, draft, places):
    west = tokens["west planner"]
    rename(client, west, draft, places["C1"], "西一")
    assert move(client, west, draft, "review").status_code == 200
    assert state(client, west, draft) == "review"


def test_a_draft_that_changes_another_street_stays_and_the_grids_are_named(
    client, tokens, draft, places
):
    west = tokens["west planner"]
    rename(client, west, draft, places["C1"], "西一")
    code = rename(client, tokens["east planner"], draft, places["C2"], "东一")
    for who in ("west planner", "west publisher", "east planner"):
        refused = move(client, tokens[who], draft, "review")
        assert refused.status_code == 403, who
    refused = move(client, west, draft, "review")
    problem = refused.json()
    (outside,) = problem["outside"]
    assert outside["community"] == "C2"
    assert outside["grids"] == [code]
    assert code in problem["detail"]
    assert code in problem["detail_zh"]
    assert state(client, west, draft) == "draft"
    # Who plans both, and who plans all, may.
    assert move(client, tokens["street planner"], draft, "review").status_code == 200
    # Nor may somebody of one side take it back from the review.
    assert move(client, west, draft, "draft").status_code == 403
    assert state(client, west, draft) == "review"
    assert move(client, tokens["city publisher"], draft, "draft").status_code == 200
    assert move(client, tokens["city planner"], draft, "review").status_code == 200


@pytest.mark.parametrize(
    "request_",
    [
        {"kind": "rename", "branch": "第一支部"},
        {"kind": "rename", "staff": {"full_time": 4}},
        {"kind": "change_kind", "grid_kind": "exclusive"},
        {"kind": "split", "line": line((900, -60), (900, 1060))},
    ],
    ids=["branch", "staff", "kind", "split"],
)
def test_every_kind_of_change_in_another_street_counts(client, tokens, draft, places, request_):
    """What a comparison of figures would not show counts as well."""
    east = tokens["east planner"]
    address = f"/api/v1/plans/{draft}"
    found = client.get(f"{address}/grids", params={"community": places["C2"]}, headers=east).json()
    grid = next(f for f in found["features"] if f["properties"]["name"] == "第3网格")
    answer = client.post(
        f"{address}/edits",
        json={"community": places["C2"], "grid": grid["id"], **request_},
        headers=east | {"If-Match": '"1"'},
    )
    assert answer.status_code == 200, answer.text
    refused = move(client, tokens["west planner"], draft, "review")
    assert refused.status_code == 403
    assert {one["community"] for one in refused.json()["outside"]} == {"C2"}
    assert move(client, east, draft, "review").status_code == 200


def test_a_draft_behind_what_others_have_published_would_take_it_back(
    client, tokens, draft, places
):
    west, city = tokens["west planner"], tokens["city planner"]
    rename(client, west, draft, places["C1"], "西二")
    later = client.post("/api/v1/plans", json={"name": "东改"}, headers=city).json()["id"]
    code = rename(client, city, later, places["C2"], "东二")
    assert move(client, tokens["city publisher"], later, "published").status_code == 200
    refused = move(client, west, draft, "review")
    assert refused.status_code == 403
    assert refused.json()["outside"][0]["grids"] == [code]
    # A draft of what is in use now, with the same change, goes.
    fresh = client.post("/api/v1/plans", json={"name": "西改"}, headers=west).json()["id"]
    rename(client, west, fresh, places["C1"], "西二")
    assert move(client, west, fresh, "review").status_code == 200


def test_only_a_publisher_of_the_whole_city_publishes(client, tokens, draft):
    for who, status in (
        ("west planner", 403),
        ("city planner", 403),
        ("west publisher", 403),
        ("city publisher", 200),
    ):
        answer = move(client, tokens[who], draft, "published")
        assert answer.status_code == status, who
        if status == 403:
            assert answer.json()["detail_zh"]


def limits(client: httpx.Client, headers: Any, plan: int, version: int, **values: Any):
    return client.patch(
        f"/api/v1/plans/{plan}",
        json={"limits": values},
        headers=headers | {"If-Match": f'"{version}"'},
    )


def test_limits_are_changed_by_who_made_the_draft_or_plans_the_city(client, tokens, draft):
    for who in ("east planner", "street planner", "city publisher", "west publisher"):
        refused = limits(client, tokens[who], draft, 1, households=200)
        assert refused.status_code == 403, who
    changed = limits(client, tokens["west planner"], draft, 1, households=200)
    assert changed.status_code == 200
    assert changed.headers["ETag"] == '"2"'
    assert changed.json()["limits"] == {"households": 200, "people": 1000}
    assert limits(client, tokens["city planner"], draft, 2, people=900).status_code == 200
    # They hold in the whole city: who plans a part does not send them.
    refused = move(client, tokens["west planner"], draft, "review")
    assert refused.status_code == 403
    assert "上限" in refused.json()["detail_zh"]
    assert move(client, tokens["city planner"], draft, "review").status_code == 200


def test_a_change_of_limits_names_the_version_it_saw(client, tokens, draft):
    west = tokens["west planner"]
    address = f"/api/v1/plans/{draft}"
    seen = client.get(address, headers=west)
    assert seen.headers["ETag"] == '"1"'
    body = {"limits": {"households": 250}}
    assert client.patch(address, json=body, headers=west).status_code == 428
    first = client.patch(address, json=body, headers=west | {"If-Match": seen.headers["ETag"]})
    assert first.status_code == 200
    body = {"limits": {"households": 260}}
    stale = client.patch(address, json=body, headers=west | {"If-Match": seen.headers["ETag"]})
    assert stale.status_code == 412
    problem = stale.json()
    assert problem["present"]["limits"]["households"] == 250
    assert problem["detail_zh"]
    assert stale.headers["ETag"] == '"2"'
    history = client.get(f"{address}/edits", headers=west).json()["edits"]
    assert history[0]["kind"] == "limits"
    assert history[0]["author"] == "west planner"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"limits": {"households": 0}},
        {"limits": {"households": "many"}},
        {"limits": {"people": 1_000_001}},
        {"name": ""},
        {"state": "published"},
    ],
)
def test_a_change_that_makes_no_sense_is_refused(client, tokens, draft, body):
    west = tokens["west planner"] | {"If-Match": '"1"'}
    assert client.patch(f"/api/v1/plans/{draft}", json=body, headers=west).status_code == 422


def test_a_file_is_imported_by_planners_only(client, tokens):
    sent = {"file": ("a.geojson", b"{}")}
    for who, status in (("west publisher", 403), ("west planner", 422)):
        answer = client.post("/api/v1/plans/import", files=sent, headers=tokens[who])
        assert answer.status_code == status, who
    assert client.post("/api/v1/plans/import", files=sent).status_code == 401


def test_micro_grids_are_counted_again_only_where_one_plans(client, tokens, draft, places):
    address = f"/api/v1/plans/{draft}/micro-counts"

    def again(who: str, community: str) -> int:
        body = {"communities": [places[community]]}
        return client.post(address, json=body, headers=tokens[who]).status_code

    assert again("west planner", "C1") == 200
    assert again("west planner", "C2") == 403
    assert again("west publisher", "C1") == 403
    assert again("street planner", "C2") == 200
