"""Review, publishing, comparison, suggestions and live changes over HTTP."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import pytest
from plan_town import line
from shapely.geometry import Point, shape
from sqlalchemy import text
from town import lonlat

from data.database import Database


@pytest.fixture
def draft(client: httpx.Client, published: int) -> int:
    made = client.post("/api/v1/plans", json={"name": "草案", "source": {"plan": published}})
    assert made.status_code == 201, made.text
    return int(made.json()["id"])


def grids(client: httpx.Client, plan: int, community: int) -> list[dict[str, Any]]:
    answer = client.get(f"/api/v1/plans/{plan}/grids", params={"community": community})
    return answer.json()["features"]


def split(client: httpx.Client, plan: int, community: int, version: int = 1) -> dict[str, Any]:
    one = grids(client, plan, community)[0]["id"]
    answer = client.post(
        f"/api/v1/plans/{plan}/edits",
        json={
            "kind": "split",
            "community": community,
            "grid": one,
            "line": line((120, -60), (120, 1060)),
        },
        headers={"If-Match": f'"{version}"'},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def move(client: httpx.Client, plan: int, to: str) -> httpx.Response:
    return client.post(f"/api/v1/plans/{plan}/state", json={"to": to, "comment": "街道已同意"})


def grid_layer(town: Database) -> list[tuple[Any, ...]]:
    with town.connect() as connection:
        return [
            tuple(row)
            for row in connection.execute(
                text("SELECT code, name, kind, ST_AsText(geom) FROM grids ORDER BY code")
            )
        ]


def building_grids(town: Database) -> list[tuple[Any, ...]]:
    with town.connect() as connection:
        return [
            tuple(row)
            for row in connection.execute(
                text(
                    "SELECT b.code, g.code FROM buildings b LEFT JOIN grids g ON g.id = b.grid_id"
                    " ORDER BY b.code"
                )
            )
        ]


def test_publishing_changes_the_layer_and_publishing_the_old_plan_undoes_it(
    client: httpx.Client, town: Database, published: int, draft: int, c1: int
) -> None:
    layer, homes = grid_layer(town), building_grids(town)
    split(client, draft, c1)
    assert grid_layer(town) == layer
    assert move(client, draft, "review").json()["state"] == "review"
    refused = client.post(f"/api/v1/plans/{draft}/undo")
    assert refused.status_code == 409
    answer = move(client, draft, "published")
    assert answer.json()["state"] == "published"
    assert client.get(f"/api/v1/plans/{published}").json()["state"] == "archived"
    assert len(grid_layer(town)) == len(layer) + 1
    assert building_grids(town) != homes
    assert move(client, published, "published").status_code == 200
    assert client.get(f"/api/v1/plans/{draft}").json()["state"] == "archived"
    assert grid_layer(town) == layer
    assert building_grids(town) == homes


def test_a_plan_goes_only_where_its_state_leads(client: httpx.Client, published: int) -> None:
    refused = move(client, published, "draft")
    assert refused.status_code == 409
    assert "archived" in refused.json()["remedy"]


def test_a_comparison_names_new_grids_and_every_moved_building(
    client: httpx.Client, draft: int, c1: int
) -> None:
    made = split(client, draft, c1)
    result = client.get(f"/api/v1/plans/{draft}/compare").json()
    assert result["totals"]["before"]["households"] == result["totals"]["after"]["households"]
    assert len(result["moved"]) == made["moved"]["buildings"]
    assert sum(m["households"] for m in result["moved"]) == made["moved"]["households"]
    by_change = {g["change"]: g for g in result["grids"] if g["change"] != "changed"}
    new = by_change["new"]
    assert new["code_before"] == result["moved"][0]["from"]
    assert new["code_after"] == result["moved"][0]["to"]
    same = client.get(f"/api/v1/plans/{draft}/compare", params={"with": draft}).json()
    assert same["grids"] == []
    assert same["moved"] == []


def test_a_neighbour_that_only_gained_a_vertex_is_not_changed(
    client: httpx.Client, draft: int, c1: int
) -> None:
    found = grids(client, draft, c1)
    west = next(f for f in found if shape(f["geometry"]).contains(Point(lonlat(50, 355))))
    x = shape(west["geometry"]).bounds[2]
    beside = Point(x + 1e-5, lonlat(0, 355)[1])
    east = next(f for f in found if shape(f["geometry"]).contains(beside))
    # Parted from the boundary between both, at a place where neither has a vertex.
    body = {
        "kind": "split",
        "community": c1,
        "grid": west["id"],
        "line": {
            "type": "LineString",
            "coordinates": [lonlat(-90, 333.3), (x + 1e-4, lonlat(0, 377.7)[1])],
        },
    }
    version = {"If-Match": '"1"'}
    answer = client.post(f"/api/v1/plans/{draft}/edits", json=body, headers=version)
    assert answer.status_code == 200, answer.text
    now = {f["id"]: f for f in grids(client, draft, c1)}
    assert len(now[east["id"]]["geometry"]["coordinates"][0]) == 1 + len(
        east["geometry"]["coordinates"][0]
    )
    compared = client.get(f"/api/v1/plans/{draft}/compare").json()["grids"]
    assert {g["change"] for g in compared} == {"changed", "new"}
    assert [g["grid_after"] for g in compared if g["boundary_changed"]] == [west["id"]]
    assert east["id"] not in {g["grid_after"] for g in compared}


def test_a_grid_over_its_limit_gets_moves_that_work(
    client: httpx.Client, town: Database, draft: int, c1: int
) -> None:
    loads = sorted(f["properties"]["households"] for f in grids(client, draft, c1))
    most = (loads[-1] + loads[-2] + 1) // 2
    with town.transaction("test") as connection:
        connection.execute(
            text("UPDATE plans SET household_limit = :most WHERE id = :plan"),
            {"plan": draft, "most": most},
        )
    over = [f for f in grids(client, draft, c1) if f["properties"]["households"] > most]
    assert len(over) == 1
    assert {b["rule"] for b in over[0]["properties"]["broken"]} >= {"households"}
    assert "超过" in over[0]["properties"]["broken"][0]["message_zh"]
    found = client.get(f"/api/v1/plans/{draft}/suggestions", params={"grid": over[0]["id"]}).json()[
        "suggestions"
    ]
    assert found
    best = found[0]
    answer = client.post(
        f"/api/v1/plans/{draft}/edits", json=best["edit"], headers={"If-Match": '"1"'}
    )
    assert answer.status_code == 200, answer.text
    after = {str(f["id"]): f["properties"] for f in grids(client, draft, c1)}
    assert after[str(over[0]["id"])]["households"] <= most
    for grid, figures in best["after"].items():
        if grid != "new":
            assert {k: after[grid][k] for k in figures} == figures
    fine = [g for g in after if after[g]["households"] <= most]
    none = client.get(f"/api/v1/plans/{draft}/suggestions", params={"grid": fine[0]}).json()
    assert none == {"suggestions": []}


def test_comments_are_pinned_to_a_point_or_a_grid(client: httpx.Client, draft: int) -> None:
    made = client.post(
        f"/api/v1/plans/{draft}/comments",
        json={"text": "此处应沿路", "point": {"type": "Point", "coordinates": [118.1, 36.95]}},
    )
    assert made.status_code == 201
    (kept,) = client.get(f"/api/v1/plans/{draft}/comments").json()["comments"]
    assert kept == made.json()
    assert kept["point"]["coordinates"] == [118.1, 36.95]
    assert client.post(f"/api/v1/plans/{draft}/comments", json={"text": " "}).status_code == 422


def test_others_hear_of_an_edit_unasked(
    client: httpx.Client, url: str, draft: int, c1: int
) -> None:
    heard: list[dict[str, Any]] = []
    listening = threading.Event()

    def listen() -> None:
        with (
            httpx.Client(base_url=url, timeout=300) as other,
            other.stream("GET", f"/api/v1/plans/{draft}/events") as stream,
        ):
            assert stream.headers["content-type"].startswith("text/event-stream")
            listening.set()
            for text_line in stream.iter_lines():
                if text_line.startswith("data:"):
                    heard.append(json.loads(text_line[5:]))
                    return

    thread = threading.Thread(target=listen)
    thread.start()
    assert listening.wait(60)
    seq = split(client, draft, c1)["edit"]
    thread.join(60)
    assert heard
    assert heard[0]["seq"] == seq
    assert heard[0]["community"] == c1


def test_qgis_reads_the_grids_of_a_plan(client: httpx.Client, draft: int) -> None:
    page = client.get(
        "/ogc/collections/plan_grids/items", params={"plan_id": draft, "limit": 100}
    ).json()
    totals = client.get(f"/api/v1/plans/{draft}").json()["totals"]
    assert page["numberMatched"] == totals["grids"]
    assert sum(f["properties"]["households"] for f in page["features"]) == totals["households"]
    tiles = client.get("/ogc/collections/plan_grids/tiles/WebMercatorQuad/10/848/401")
    assert tiles.status_code in (200, 204)


@pytest.mark.parametrize("name", ["gpkg", "shp", "shp-gbk", "geojson", "kml", "parquet", "xlsx"])
def test_a_plan_is_downloaded(client: httpx.Client, draft: int, name: str) -> None:
    answer = client.get(f"/api/v1/plans/{draft}/export", params={"format": name})
    assert answer.status_code == 200, answer.text
    assert len(answer.content) > 500
    assert f"plan-{draft}." in answer.headers["Content-Disposition"]


def test_two_nets_are_laid_over_one_another_and_one_is_proposed(
    client: httpx.Client, draft: int, published: int, c1: int
) -> None:
    split(client, draft, c1)
    body = {
        "name": "多网合一",
        "nets": [{"name": "党建", "plan": published}, {"name": "公安", "plan": draft}],
    }
    preview = client.post("/api/v1/plans/merge-nets", json=body, params={"preview": True}).json()
    assert preview["plan"] is None
    assert preview["cells"] > 0
    # A grid of the second net that lies wholly inside one of the first disagrees with nothing.
    assert preview["conflicts"]["features"] == []
    made = client.post("/api/v1/plans/merge-nets", json=body)
    assert made.status_code == 201, made.text
    plan = client.get(f"/api/v1/plans/{made.json()['plan']}").json()
    old = client.get(f"/api/v1/plans/{published}").json()
    assert plan["totals"]["households"] == old["totals"]["households"]
    once = client.post(
        "/api/v1/plans/merge-nets", json=body | {"nets": [body["nets"][0], body["nets"][0]]}
    )
    assert once.status_code == 422
