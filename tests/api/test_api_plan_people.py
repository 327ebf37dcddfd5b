"""Micro-grids, branches and staffing over HTTP, counted again from the buildings themselves."""

from __future__ import annotations

import io
import math
from typing import Any

import httpx
import pytest
import shapely
from openpyxl import load_workbook
from plan_town import community_ids, seed_plan
from sqlalchemy import text
from waiting import ended

from data.database import Database


@pytest.fixture(scope="module")
def published(town: Database) -> int:
    with town.transaction("test") as connection:
        # A high-rise of three units, and a row of bungalows; the rest are multi-storey.
        connection.execute(
            text(
                "UPDATE buildings SET kind = 'high_rise', floors = 18, units = 3, name = '1号楼'"
                " WHERE id = (SELECT min(id) FROM buildings WHERE households > 6)"
            )
        )
        connection.execute(
            text(
                "UPDATE buildings SET kind = 'bungalow', floors = 1 WHERE id IN (SELECT id"
                " FROM buildings WHERE households > 0 AND kind <> 'high_rise' ORDER BY id"
                " OFFSET 3 LIMIT 8)"
            )
        )
        return seed_plan(connection)


@pytest.fixture(scope="module")
def ids(town: Database) -> dict[str, int]:
    with town.connect() as connection:
        return community_ids(connection)


def drafted(client: httpx.Client, published: int) -> int:
    answer = client.post("/api/v1/plans", json={"name": "微网格", "source": {"plan": published}})
    return int(answer.json()["id"])


def divided(client: httpx.Client, plan: int, **body: Any) -> dict[str, Any]:
    answer = client.post(f"/api/v1/plans/{plan}/microgrids", json=body)
    assert answer.status_code == 202, answer.text
    told = ended(lambda: client.get(answer.headers["Location"]).json())
    assert told["state"] == "done", told
    assert told["plan"] == plan
    result: dict[str, Any] = told["result"]
    return result


def grids(client: httpx.Client, plan: int, **query: Any) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = client.get(f"/api/v1/plans/{plan}/grids", params=query).json()[
        "features"
    ]
    return told


def test_micro_grids_nest_and_count_every_household_once(
    client: httpx.Client, published: int
) -> None:
    plan = drafted(client, published)
    result = divided(client, plan)
    base = {g["id"]: g for g in grids(client, plan, kind="base")}
    micro = grids(client, plan, kind="micro")
    assert len(micro) == result["totals"]["microgrids"] > 10
    assert result["kinds"]["unit"] == 3
    assert result["kinds"]["bungalows"] >= 1
    for one in micro:
        home = base[one["properties"]["parent"]]
        assert one["properties"]["code"].startswith(home["properties"]["code"])
        inside, outer = (shapely.geometry.shape(g["geometry"]) for g in (one, home))
        assert inside.geom_type == "Polygon"
        assert shapely.difference(inside, outer).area <= 2e-9 * inside.length
    for parent, home in base.items():
        own = [m["properties"] for m in micro if m["properties"]["parent"] == parent]
        assert sum(m["households"] for m in own) == home["properties"]["households"]
        assert sum(m["people"] for m in own) == home["properties"]["people"]
        if own:
            whole = shapely.union_all(
                [
                    shapely.geometry.shape(m["geometry"])
                    for m in micro
                    if m["properties"]["parent"] == parent
                ]
            )
            outer = shapely.geometry.shape(home["geometry"])
            assert whole.area == pytest.approx(outer.area, rel=1e-4)
    assert len({m["properties"]["code"] for m in micro}) == len(micro)
    units = [m["properties"] for m in micro if m["properties"]["counts"]["kind"] == "unit"]
    assert sorted(m["name"] for m in units) == ["1号楼1单元", "1号楼2单元", "1号楼3单元"]
    assert max(m["households"] for m in units) - min(m["households"] for m in units) <= 1


def test_the_ledger_counts_heads(client: httpx.Client, town: Database, published: int) -> None:
    plan = drafted(client, published)
    divided(client, plan)
    answer = client.get(f"/api/v1/plans/{plan}/export", params={"format": "xlsx"})
    sheet = load_workbook(io.BytesIO(answer.content))["楼长单元长台账"]
    head, *rows = list(sheet.iter_rows(values_only=True))
    column = {str(title): n for n, title in enumerate(head)}
    with town.connect() as connection:
        lived = connection.execute(
            text(
                "SELECT count(*), sum(coalesce(b.units, 1)), sum(b.households)"
                " FROM plan_buildings p JOIN buildings b ON b.id = p.building_id"
                " WHERE p.plan_id = :plan AND (b.households > 0 OR b.people > 0)"
            ),
            {"plan": plan},
        ).one()
    sums = [sum(int(row[column[t]]) for row in rows) for t in ("应配楼长", "应配单元长", "户数")]
    assert sums == [int(v) for v in lived]
    assert {row[column["类型"]] for row in rows} == {"高层单元", "多层楼栋", "平房"}


def test_they_replace_what_was_there_and_are_undone(
    client: httpx.Client, published: int, ids: dict[str, int]
) -> None:
    plan = drafted(client, published)
    divided(client, plan, communities=[ids["C1"]])
    first = grids(client, plan, kind="micro")
    assert {g["properties"]["community"] for g in first} == {ids["C1"]}
    # Made again, they are the same rows; nothing is written.
    edits = len(client.get(f"/api/v1/plans/{plan}/edits").json()["edits"])
    divided(client, plan, communities=[ids["C1"]])
    assert grids(client, plan, kind="micro") == first
    assert len(client.get(f"/api/v1/plans/{plan}/edits").json()["edits"]) == edits
    # After an edit of the base grids they are made anew.
    base = grids(client, plan, kind="base", community=ids["C1"])
    named = {g["properties"]["name"]: g["id"] for g in base}
    told = client.get(f"/api/v1/plans/{plan}/communities").json()["communities"]
    version = next(c["version"] for c in told if c["id"] == ids["C1"])
    merged = client.post(
        f"/api/v1/plans/{plan}/edits",
        json={
            "kind": "merge",
            "community": ids["C1"],
            "grids": [named["第1网格"], named["第2网格"]],
        },
        headers={"If-Match": f'"{version}"'},
    )
    assert merged.status_code == 200, merged.text
    between = grids(client, plan, kind="micro")
    divided(client, plan, communities=[ids["C1"]])
    again = grids(client, plan, kind="micro")
    assert again != between
    assert client.post(f"/api/v1/plans/{plan}/undo").status_code == 200
    for now, was in zip(grids(client, plan, kind="micro"), between, strict=True):
        assert now["geometry"] == was["geometry"]
        assert now["properties"]["counts"] == was["properties"]["counts"]
    # A new draft of this one has them, too.
    copy = drafted(client, plan)
    assert len(grids(client, copy, kind="micro")) == len(between)


def test_one_community_is_an_edit_with_a_preview(
    client: httpx.Client, published: int, ids: dict[str, int]
) -> None:
    plan = drafted(client, published)
    answer = client.post(
        f"/api/v1/plans/{plan}/edits",
        params={"preview": True},
        json={"kind": "microgrids", "community": ids["C2"]},
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["changed"]["features"]
    assert grids(client, plan, kind="micro") == []


def test_micro_grids_need_a_draft(client: httpx.Client, published: int) -> None:
    answer = client.post(f"/api/v1/plans/{published}/microgrids", json={})
    assert answer.status_code == 409
    missing = client.post("/api/v1/plans/999999/microgrids", json={})
    assert missing.status_code == 404
    plan = drafted(client, published)
    unknown = client.post(f"/api/v1/plans/{plan}/microgrids", json={"communities": [999_999]})
    assert unknown.status_code == 404
    assert unknown.json()["detail_zh"]


def test_branches_are_proposed_and_taken(
    client: httpx.Client, published: int, ids: dict[str, int]
) -> None:
    plan = drafted(client, published)
    base = [
        g for g in grids(client, plan, community=ids["C1"]) if g["properties"]["kind"] != "micro"
    ]
    members = {str(g["id"]): 2 for g in base}
    told = client.post(
        f"/api/v1/plans/{plan}/branches",
        json={"community": ids["C1"], "members": members, "least": 3, "most": 20},
    )
    assert told.status_code == 200, told.text
    found = told.json()
    assert sorted(g for b in found["branches"] for g in b["grids"]) == sorted(g["id"] for g in base)
    assert all(b["members"] == 2 * len(b["grids"]) for b in found["branches"])
    assert all(3 <= b["members"] <= 20 for b in found["branches"] if not b["outside"])
    assert any(len(b["grids"]) > 1 for b in found["branches"])
    taken = client.post(
        f"/api/v1/plans/{plan}/edits",
        json={
            "kind": "branches",
            "community": ids["C1"],
            "branches": [{"name": b["name"], "grids": b["grids"]} for b in found["branches"]],
            "members": members,
        },
        headers={"If-Match": f'"{found["version"]}"'},
    )
    assert taken.status_code == 200, taken.text
    names = {b["name"] for b in found["branches"]}
    now = [g for g in grids(client, plan, community=ids["C1"]) if g["id"] in map(int, members)]
    assert {g["properties"]["branch"] for g in now} == names
    assert all(g["properties"]["counts"]["party_members"] == 2 for g in now)
    # Asked again, the numbers and names are known.
    again = client.post(
        f"/api/v1/plans/{plan}/branches", json={"community": ids["C1"], "least": 3, "most": 20}
    ).json()
    assert {b["name"] for b in again["branches"]} == names
    assert client.post(f"/api/v1/plans/{plan}/undo").status_code == 200
    assert {g["properties"]["branch"] for g in grids(client, plan, community=ids["C1"])} == {""}


@pytest.mark.parametrize(
    ("body", "status"),
    [({"least": 9, "most": 3}, 422), ({"members": {"999999": 1}}, 404), ({"least": 0}, 422)],
)
def test_branches_that_cannot_be_are_told(
    client: httpx.Client, published: int, ids: dict[str, int], body: dict[str, Any], status: int
) -> None:
    answer = client.post(
        f"/api/v1/plans/{published}/branches", json={"community": ids["C1"], **body}
    )
    assert answer.status_code == status, answer.text
    assert answer.json()["remedy"]


def test_staff_short_and_to_spare_by_community(
    client: httpx.Client, published: int, ids: dict[str, int]
) -> None:
    plan = drafted(client, published)
    told = client.get(f"/api/v1/plans/{plan}/staffing").json()
    assert told["given"] == []
    for one in told["communities"]:
        homes = [
            g["properties"]["households"]
            for g in grids(client, plan, community=one["id"], kind="base")
        ]
        assert one["workers"] == {
            "needed": sum(max(1, math.ceil(h / 300)) for h in homes),
            "present": None,
            "spare": None,
        }
    grid = grids(client, plan, community=ids["C1"], kind="base")[0]["id"]
    saved = client.post(
        f"/api/v1/plans/{plan}/edits",
        json={"kind": "rename", "community": ids["C1"], "grid": grid, "staff": {"full_time": 2}},
        headers={"If-Match": '"1"'},
    )
    assert saved.status_code == 200, saved.text
    told = client.get(f"/api/v1/plans/{plan}/staffing").json()
    assert told["given"] == ["workers"]
    here, there = (
        next(c for c in told["communities"] if c["id"] == ids[k])["workers"] for k in ("C1", "C2")
    )
    assert (here["present"], here["spare"]) == (2, 2 - here["needed"])
    assert (there["present"], there["spare"]) == (0, -there["needed"])
    assert told["totals"]["workers"]["spare"] == here["spare"] + there["spare"]
    assert told["totals"]["building_heads"]["spare"] is None
