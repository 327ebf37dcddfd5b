"""Counts of micro-grids after an import of buildings: marked, counted again, undone."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from openpyxl import load_workbook
from plan_town import community_ids, seed_plan
from sqlalchemy import text

from data.database import Database
from data.importers.households import import_households


@pytest.fixture(scope="module")
def published(town: Database, client: httpx.Client) -> int:
    """A plan in use with micro-grids; a high-rise of three units among its buildings."""
    with town.transaction("test") as connection:
        connection.execute(
            text(
                "UPDATE buildings SET kind = 'high_rise', floors = 18, units = 3, name = '1号楼'"
                " WHERE id = (SELECT min(id) FROM buildings WHERE households > 6)"
            )
        )
        first = seed_plan(connection)
    plan = drafted(client, first)
    divided(client, plan)
    moved = client.post(f"/api/v1/plans/{plan}/state", json={"to": "published"})
    assert moved.status_code == 200, moved.text
    return plan


@pytest.fixture(scope="module")
def ids(town: Database) -> dict[str, int]:
    with town.connect() as connection:
        return community_ids(connection)


def drafted(client: httpx.Client, source: int) -> int:
    answer = client.post("/api/v1/plans", json={"name": "草稿", "source": {"plan": source}})
    return int(answer.json()["id"])


def divided(client: httpx.Client, plan: int) -> None:
    job = client.post(f"/api/v1/plans/{plan}/microgrids", json={})
    assert job.status_code == 202, job.text
    limit = time.monotonic() + 90
    while time.monotonic() < limit:
        told = client.get(job.headers["Location"]).json()
        if told["state"] == "done":
            return
        assert told["state"] in ("queued", "running"), told
        time.sleep(0.05)
    raise AssertionError("the job did not end")


def stale(client: httpx.Client, plan: int) -> dict[str, Any]:
    answer = client.get(f"/api/v1/plans/{plan}/micro-counts")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def again(client: httpx.Client, plan: int, **body: Any) -> httpx.Response:
    return client.post(f"/api/v1/plans/{plan}/micro-counts", json=body)


def micro(client: httpx.Client, plan: int, **query: Any) -> dict[str, dict[str, Any]]:
    found = client.get(f"/api/v1/plans/{plan}/grids", params={"kind": "micro", **query}).json()
    return {f["properties"]["code"]: f["properties"] for f in found["features"]}


def base(client: httpx.Client, plan: int) -> dict[int, dict[str, Any]]:
    found = client.get(f"/api/v1/plans/{plan}/grids", params={"kind": "base"}).json()
    return {f["id"]: f["properties"] for f in found["features"]}


def adds_up(client: httpx.Client, plan: int) -> bool:
    """Whether every household and person of a base grid is in exactly one micro-grid."""
    some = micro(client, plan).values()
    for parent, grid in base(client, plan).items():
        for name in ("households", "people"):
            if sum(m[name] for m in some if m["parent"] == parent) != grid[name]:
                return False
    return True


def survey(town: Database, folder: Path, sql: str, by: int) -> list[int]:
    """Import a ledger in which some buildings have more households; gives their ids."""
    with town.connect() as connection:
        rows = connection.execute(text(sql)).all()
    path = folder / "住户.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["楼栋编码", "户数", "人口"])
        table.writerows([row.code, row.households + by, row.people + 2 * by] for row in rows)
    report = import_households(town, path, actor="test")
    assert report.updated == len(rows), report
    return [row.id for row in rows]


UNITS = "SELECT id, code, households, people FROM buildings WHERE name = '1号楼'"
EAST = (
    "SELECT b.id, b.code, households, people FROM buildings b JOIN areas a ON a.id = community_id"
    " WHERE a.code = 'C2' AND households > 0 ORDER BY b.id LIMIT 2"
)


def test_counts_are_stale_after_an_import_of_households_and_are_counted_again(
    client: httpx.Client, town: Database, published: int, ids: dict[str, int], tmp_path: Path
) -> None:
    plan = drafted(client, published)
    assert stale(client, plan)["stale"] == 0
    assert stale(client, plan)["counted"] == len(micro(client, plan)) > 10
    assert adds_up(client, plan)
    before = micro(client, plan)
    assert not any(one.get("stale") for one in before.values())
    assert all("of" not in one["counts"] for one in before.values())
    survey(town, tmp_path, UNITS, 4)
    # Base grids follow at once, micro-grids say that they do not.
    assert not adds_up(client, plan)
    marked = {code for code, one in micro(client, plan).items() if one.get("stale")}
    assert {before[code]["name"] for code in marked} == {f"1号楼{n}单元" for n in (1, 2, 3)}
    told = stale(client, plan)
    assert told["stale"] == 3
    assert [(c["code"], c["stale"]) for c in told["communities"]] == [("C1", 3)]
    # The ledger marks them, too.
    book = client.get(f"/api/v1/plans/{plan}/export", params={"format": "xlsx"}).content
    head, *rows = load_workbook(io.BytesIO(book))["楼长单元长台账"].iter_rows(values_only=True)
    note = head.index("备注")
    assert {row[0] for row in rows if row[note]} == marked
    done = again(client, plan)
    assert done.status_code == 200, done.text
    assert done.json()["stale"] == 0
    assert done.json()["recounted"] == 3
    assert [one["community"] for one in done.json()["edits"]] == [ids["C1"]]
    after = micro(client, plan)
    assert adds_up(client, plan)
    assert sum(after[c]["households"] - before[c]["households"] for c in marked) == 4
    assert max(after[c]["households"] for c in marked) - min(
        after[c]["households"] for c in marked
    ) <= (1)
    # Nothing else has moved, and nothing is left to do.
    assert {c: o for c, o in after.items() if c not in marked} == {
        c: o for c, o in before.items() if c not in marked
    }
    assert again(client, plan).json()["edits"] == []
    # One edit, undone like any other: the old counts are back, and are stale.
    told = client.get(f"/api/v1/plans/{plan}/communities").json()["communities"]
    version = next(c["version"] for c in told if c["id"] == ids["C1"])
    undone = client.post(
        f"/api/v1/plans/{plan}/undo",
        json={"community": ids["C1"]},
        headers={"If-Match": f'"{version}"'},
    )
    assert undone.status_code == 200, undone.text
    assert stale(client, plan)["stale"] == 3


def test_counting_again_gives_what_dividing_anew_gives(
    client: httpx.Client, town: Database, published: int, tmp_path: Path
) -> None:
    survey(town, tmp_path, EAST, 3)
    counted, anew = drafted(client, published), drafted(client, published)
    assert again(client, counted).status_code == 200
    divided(client, anew)
    figures = ("households", "people", "buildings", "counts", "name", "stale")
    one, other = (
        {code: {n: m.get(n) for n in figures} for code, m in micro(client, plan).items()}
        for plan in (counted, anew)
    )
    assert one == other


def test_the_plan_in_use_is_marked_and_counted_in_a_draft(
    client: httpx.Client, town: Database, published: int, tmp_path: Path
) -> None:
    survey(town, tmp_path, EAST, 1)
    assert stale(client, published)["stale"] > 0
    refused = again(client, published)
    assert refused.status_code == 409
    assert "草稿" in refused.json()["remedy_zh"]
    draft = drafted(client, published)
    assert again(client, draft).json()["stale"] == 0
    moved = client.post(f"/api/v1/plans/{draft}/state", json={"to": "published"})
    assert moved.status_code == 200
    assert stale(client, draft)["stale"] == 0
    assert client.post(f"/api/v1/plans/{published}/state", json={"to": "published"}).is_success


def test_a_new_building_and_one_that_is_gone_are_noticed(
    client: httpx.Client, town: Database, published: int
) -> None:
    from data.location import locate

    plan = drafted(client, published)
    again(client, plan)
    with town.transaction("test") as connection:
        old = connection.execute(
            text(
                "SELECT b.id, households FROM buildings b JOIN areas a ON a.id = community_id"
                " WHERE a.code = 'C2' AND households > 0 ORDER BY b.id DESC LIMIT 1"
            )
        ).one()
        connection.execute(
            text(
                "INSERT INTO buildings (code, kind, households, households_source, people,"
                " people_source, geom) SELECT 'new-1', 'multi_storey', 12, 'surveyed', 30,"
                " 'surveyed', ST_Translate(geom, 0.0003, 0) FROM buildings WHERE id = :id"
            ),
            {"id": old.id},
        )
        connection.execute(text("DELETE FROM buildings WHERE id = :id"), {"id": old.id})
        locate(connection)
    assert [c["code"] for c in stale(client, plan)["communities"]] == ["C2"]
    assert not adds_up(client, plan)
    assert again(client, plan).json()["stale"] == 0
    assert adds_up(client, plan)


def test_who_asks_for_what_is_not_there_is_told(
    client: httpx.Client, published: int, ids: dict[str, int]
) -> None:
    plan = drafted(client, published)
    assert again(client, 999_999).status_code == 404
    assert client.get("/api/v1/plans/999999/micro-counts").status_code == 404
    assert again(client, plan, communities=[999_999]).status_code == 404
    # A community without stale counts is left alone.
    again(client, plan)
    assert again(client, plan, communities=[ids["C1"]]).json()["edits"] == []
