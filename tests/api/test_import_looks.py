"""What an import left open is ticked off by who plans there: kept, undone, counted, warned of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import httpx
import pyogrio
import pytest
import shapely
from people import add_person, token_for
from plan_town import seed_plan
from running import running
from sqlalchemy import text
from town import lonlat, seed_layers

from data.accounts.account import Grant
from data.database import Database
from data.settings import Settings

PEOPLE = {
    "west planner": ("planner", "C1"),
    "east planner": ("planner", "C2"),
    "city planner": ("planner", ""),
    "city publisher": ("publisher", ""),
    "viewer": ("viewer", ""),
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
def who(client: httpx.Client, town: Database) -> dict[str, dict[str, str]]:
    return {
        name: {
            "Authorization": "Bearer "
            + token_for(town, add_person(town, name, Grant(role, area)), role)
        }
        for name, (role, area) in PEOPLE.items()
    }


@pytest.fixture
def plan(client: httpx.Client, who: dict[str, Any], tmp_path: Path) -> int:
    """A draft from a layer with a wide gap in the west and two in the east."""
    corners = (
        ("A", -50, -50, 300, 1050),
        ("B", 330, -50, 750, 1050),
        ("C", 750, -50, 900, 1050),
        ("D", 930, -50, 1200, 1050),
        ("E", 1240, -50, 1550, 1050),
    )
    frame = gpd.GeoDataFrame(
        [{"网格编码": code, "网格名称": f"网格{code}"} for code, *_ in corners],
        geometry=[shapely.box(*lonlat(*c[1:3]), *lonlat(*c[3:5])) for c in corners],
        crs="EPSG:4326",
    )
    path = tmp_path / "旧网格.geojson"
    pyogrio.write_dataframe(frame, path, driver="GeoJSON")
    with path.open("rb") as file:
        made = client.post(
            "/api/v1/plans/import",
            files={"file": (path.name, file)},
            headers=who["city planner"],
        )
    assert made.status_code == 201, made.text
    return int(made.json()["plan"]["id"])


def undecided(client: httpx.Client, who: Any, plan: int, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(
        f"/api/v1/plans/{plan}/import/places",
        params={"decided": False, **query},
        headers=who["viewer"],
    )
    assert answer.status_code == 200, answer.text
    return list(answer.json()["features"])


def tick(client: httpx.Client, headers: Any, plan: int, **body: Any) -> httpx.Response:
    return client.post(f"/api/v1/plans/{plan}/import/looks", json=body, headers=headers)


def of(places: list[dict[str, Any]], community: str) -> list[int]:
    return [p["id"] for p in places if p["properties"]["community"] == community]


def test_a_place_is_ticked_off_kept_with_who_and_when_and_opened_again(client, who, plan, town):
    places = undecided(client, who, plan)
    assert len(places) == 3
    (west,) = of(places, "C1")
    answer = tick(client, who["west planner"], plan, places=[west])
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["looks"]["left"], told["looks"]["of"]) == (2, 3)
    assert told["looks"]["communities"] == [
        {"community": "C2", "name": told["looks"]["communities"][0]["name"], "open": 2}
    ]
    (kept,) = told["places"]
    assert kept["looked_by"] == "west planner"
    with town.connect() as connection:
        row = connection.execute(
            text("SELECT looked_by, looked_at FROM plan_import_places WHERE id = :id"),
            {"id": west},
        ).one()
        note = connection.execute(
            text("SELECT author, request FROM plan_edits WHERE seq = :seq"), {"seq": told["edit"]}
        ).one()
    assert row.looked_by == "west planner"
    assert row.looked_at.isoformat().startswith(kept["looked_at"][:19])
    assert (note.author, note.request["places"]) == ("west planner", [west])
    # Filtered, and told with the place.
    assert west not in [p["id"] for p in undecided(client, who, plan, looked=False)]
    (done,) = undecided(client, who, plan, looked=True)
    assert done["properties"]["looked_by"] == "west planner"
    # Ticked again by another: who was first stays, and nothing is noted.
    again = tick(client, who["city planner"], plan, places=[west]).json()
    assert again["places"][0] == kept
    assert again["edit"] is None
    # Opened again.
    back = tick(client, who["west planner"], plan, places=[west], looked=False).json()
    assert back["looks"]["left"] == 3
    assert back["places"] == [{"id": west, "looked_by": None, "looked_at": None}]


def test_several_at_once_are_all_or_none(client, who, plan):
    places = undecided(client, who, plan)
    (west,), east = of(places, "C1"), of(places, "C2")
    refused = tick(client, who["east planner"], plan, places=[*east, west])
    assert refused.status_code == 403
    assert "C1" in refused.json()["detail_zh"]
    assert len(undecided(client, who, plan, looked=False)) == 3
    assert tick(client, who["east planner"], plan, places=east).json()["looks"]["left"] == 1
    gone = tick(client, who["city planner"], plan, places=[west, 10**9])
    assert gone.status_code == 404
    assert str(10**9) in gone.json()["detail"]
    assert gone.json()["detail_zh"]
    assert len(undecided(client, who, plan, looked=False)) == 1


def test_who_plans_nothing_ticks_nothing_off(client, who, plan):
    (first, *_) = undecided(client, who, plan)
    for name in ("viewer", "city publisher"):
        assert tick(client, who[name], plan, places=[first["id"]]).status_code == 403, name
    assert tick(client, who["city planner"], plan).status_code == 422
    assert tick(client, who["city planner"], plan, conflicts=["nothing"]).status_code == 404
    mended = client.get(
        f"/api/v1/plans/{plan}/import/places", params={"decided": True}, headers=who["viewer"]
    ).json()["features"]
    for one in mended[:1]:  # what the repair settled is nobody's to decide
        assert tick(client, who["city planner"], plan, places=[one["id"]]).status_code == 404


def test_places_come_in_pages_the_largest_first(client, who, plan):
    every = undecided(client, who, plan)
    areas = [p["properties"]["area_m2"] for p in every]
    assert areas == sorted(areas, reverse=True)
    paged: list[int] = []
    while True:
        query = {"limit": 1} | ({"after": paged[-1]} if paged else {})
        page = undecided(client, who, plan, **query)
        if not page:
            break
        paged += [p["id"] for p in page]
    assert paged == [p["id"] for p in every]


def test_sending_to_review_warns_and_names_what_is_open_but_does_not_refuse(client, who, plan):
    headers = who["city planner"]
    places = undecided(client, who, plan)
    tick(client, headers, plan, places=of(places, "C1"))
    told = client.get(f"/api/v1/plans/{plan}/import/open", headers=who["viewer"]).json()
    sent = client.post(f"/api/v1/plans/{plan}/state", json={"to": "review"}, headers=headers)
    assert sent.status_code == 200, sent.text
    assert sent.json()["state"] == "review"
    (warning,) = sent.json()["warnings"]
    assert warning == told["warning"]
    assert (warning["left"], warning["of"]) == (2, 3)
    assert {one["id"] for one in warning["named"]} == set(of(places, "C2"))
    assert "还有 2 处未核对" in warning["message_zh"]
    # Still possible in review; with nothing left there is nothing to warn of.
    assert tick(client, headers, plan, places=of(places, "C2")).status_code == 200
    published = client.post(
        f"/api/v1/plans/{plan}/state", json={"to": "published"}, headers=who["city publisher"]
    )
    assert published.status_code == 200, published.text
    assert published.json()["warnings"] == []
    # From then on it is a record.
    late = tick(client, headers, plan, places=[places[0]["id"]], looked=False)
    assert late.status_code == 409
    assert "在用" in late.json()["detail_zh"]


def test_conflicts_are_ticked_off_like_places(client, who, tmp_path):
    headers = who["city planner"]
    plan = client.post("/api/v1/plans", json={"name": "底稿"}, headers=headers).json()["id"]
    path = tmp_path / "改.gpkg"
    path.write_bytes(
        client.get(f"/api/v1/plans/{plan}/export?format=gpkg", headers=headers).content
    )
    for place in client.get(f"/api/v1/plans/{plan}/communities", headers=headers).json()[
        "communities"
    ]:
        grid = client.get(
            f"/api/v1/plans/{plan}/grids", params={"community": place["id"]}, headers=headers
        ).json()["features"][0]
        renamed = client.post(
            f"/api/v1/plans/{plan}/edits",
            json={"kind": "rename", "community": place["id"], "grid": grid["id"], "name": "改名"},
            headers=headers | {"If-Match": f'"{place["version"]}"'},
        )
        assert renamed.status_code == 200, renamed.text
    with path.open("rb") as file:
        made = client.post(
            "/api/v1/plans/import", files={"file": (path.name, file)}, headers=headers
        ).json()
    draft, told = made["plan"]["id"], made["import"]
    where = {c["community"]: c for c in told["conflicts"]}
    assert set(where) == {"C1", "C2"}
    assert all(len(c["point"]) == 2 for c in told["conflicts"])
    assert told["looks"]["open_conflicts"] == 2
    west, east = where["C1"]["code"], where["C2"]["code"]
    assert tick(client, who["west planner"], draft, conflicts=[east]).status_code == 403
    done = tick(client, who["west planner"], draft, conflicts=[west])
    assert done.json()["looks"]["left"] == 1
    after = client.get(f"/api/v1/plans/{draft}/import", headers=headers).json()["conflicts"]
    assert {c["code"]: c["looked_by"] for c in after} == {west: "west planner", east: None}
    warning = client.get(f"/api/v1/plans/{draft}/import/open", headers=headers).json()["warning"]
    assert [(one["what"], one["grids"]) for one in warning["named"]] == [("conflict", [east])]


def test_a_plan_that_was_not_imported_has_nothing_to_look_at(client, who):
    plan = client.post("/api/v1/plans", json={"name": "空"}, headers=who["city planner"]).json()
    told = client.get(f"/api/v1/plans/{plan['id']}/import/open", headers=who["viewer"]).json()
    assert told["warning"] is None
    assert told["looks"]["of"] == 0
    moved = client.post(
        f"/api/v1/plans/{plan['id']}/state", json={"to": "review"}, headers=who["city planner"]
    )
    assert moved.json()["warnings"] == []
