"""The history over HTTP: changes in pages, and rows given back."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

BODY = {"code": "H1", "kind": "red_station", "name": "历史驿站", "lon": 118.105, "lat": 36.952}


@pytest.fixture
def made(client: httpx.Client) -> Any:
    """A station made, renamed and moved; its last answer."""
    station = client.post("/api/v1/stations", json=BODY).raise_for_status().json()
    address = f"/api/v1/stations/{station['id']}"
    for version, change in ((1, {"name": "新名"}), (2, {"lon": 118.106, "lat": 36.953})):
        answer = client.patch(address, json=change, headers={"If-Match": f'"{version}"'})
        answer.raise_for_status()
    yield answer.json()
    now = client.get(address)
    if now.status_code == 200:
        client.delete(address, headers={"If-Match": now.headers["ETag"]}).raise_for_status()


def changes(client: httpx.Client, station: int) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = client.get(f"/api/v1/history/stations/{station}").json()[
        "changes"
    ]
    return listed


def restore(client: httpx.Client, change: int, version: object, **query: str) -> httpx.Response:
    return client.post(
        f"/api/v1/history/{change}/restore",
        params=query,
        headers={} if version is None else {"If-Match": f'"{version}"'},
    )


def test_a_change_and_all_later_ones_are_undone_and_that_is_in_the_history(
    client: httpx.Client, made: Any
) -> None:
    moved, renamed, _ = changes(client, made["id"])
    answer = restore(client, renamed["id"], 3)
    assert answer.status_code == 200
    given = answer.json()
    assert (given["table"], given["row_id"], given["version"]) == ("stations", made["id"], 4)
    assert answer.headers["ETag"] == '"4"'
    now = client.get(f"/api/v1/stations/{made['id']}").json()
    assert now == given["feature"]
    assert now["properties"]["name"] == "历史驿站"
    assert now["geometry"]["coordinates"] == [118.105, 36.952]
    assert len(changes(client, made["id"])) == 4
    # and the restore itself is undone: by the state after the last change
    assert restore(client, moved["id"], 4, side="after").json()["version"] == 5
    again = client.get(f"/api/v1/stations/{made['id']}").json()
    assert again["properties"]["name"] == "新名"
    assert again["geometry"]["coordinates"] == [118.106, 36.953]


def test_a_row_changed_meanwhile_is_not_restored(client: httpx.Client, made: Any) -> None:
    renamed = changes(client, made["id"])[1]
    answer = restore(client, renamed["id"], 2)
    assert answer.status_code == 412
    problem = answer.json()
    assert problem["type"].endswith("/stale-row")
    assert problem["present"]["properties"]["version"] == 3
    assert answer.headers["ETag"] == '"3"'
    assert client.get(f"/api/v1/stations/{made['id']}").json()["properties"]["version"] == 3


def test_without_a_version_nothing_is_restored(client: httpx.Client, made: Any) -> None:
    assert restore(client, changes(client, made["id"])[1]["id"], None).status_code == 428


def test_a_deleted_row_comes_back_with_its_id(client: httpx.Client, made: Any) -> None:
    address = f"/api/v1/stations/{made['id']}"
    client.delete(address, headers={"If-Match": '"3"'}).raise_for_status()
    gone = changes(client, made["id"])[0]
    assert gone["operation"] == "delete"
    stale = restore(client, gone["id"], 2)
    assert stale.status_code == 412
    assert stale.json()["present"]["properties"] == {
        "id": made["id"],
        "version": 3,
        "deleted": True,
    }
    assert restore(client, gone["id"], 3).json()["version"] == 4
    assert client.get(address).json()["properties"]["name"] == "新名"
    assert restore(client, gone["id"], 3).status_code == 412


def test_what_was_not_cannot_be_given_back(client: httpx.Client, made: Any) -> None:
    inserted = changes(client, made["id"])[-1]
    answer = restore(client, inserted["id"], 3)
    assert answer.status_code == 422
    assert "There was no row" in answer.json()["detail"]
    assert restore(client, 9_999_999, 1).status_code == 404
    assert restore(client, inserted["id"], 3, side="beside").status_code == 422


def test_a_code_that_is_taken_keeps_a_row_from_coming_back(client: httpx.Client, made: Any) -> None:
    client.delete(f"/api/v1/stations/{made['id']}", headers={"If-Match": '"3"'}).raise_for_status()
    other = client.post("/api/v1/stations", json=BODY).raise_for_status().json()
    gone = changes(client, made["id"])[0]
    answer = restore(client, gone["id"], 3)
    assert answer.status_code == 409
    assert client.get(f"/api/v1/stations/{made['id']}").status_code == 404
    client.delete(f"/api/v1/stations/{other['id']}", headers={"If-Match": '"1"'})


def test_changes_of_all_layers_come_in_pages_newest_first(client: httpx.Client, made: Any) -> None:
    every = client.get("/api/v1/history", params={"table": "stations", "limit": 1000}).json()
    numbers = [change["id"] for change in every["changes"]]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] == changes(client, made["id"])[0]["id"]
    walked: list[int] = []
    page = client.get("/api/v1/history", params={"table": "stations", "limit": 2})
    while True:
        walked += [change["id"] for change in page.json()["changes"]]
        onwards = [link["href"] for link in page.json()["links"] if link["rel"] == "next"]
        if not onwards:
            break
        page = client.get(onwards[0])
    assert walked == numbers
    one = client.get(f"/api/v1/history/{numbers[0]}").json()
    assert one == every["changes"][0]
    by_us = client.get("/api/v1/history", params={"actor": "local", "limit": 1000}).json()
    assert {change["actor"] for change in by_us["changes"]} == {"local"}
    assert client.get("/api/v1/history", params={"actor": "nobody"}).json()["changes"] == []
    assert client.get("/api/v1/history", params={"table": "pg_user"}).status_code == 404
