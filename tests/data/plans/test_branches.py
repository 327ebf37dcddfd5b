"""A party branch rests on neighbouring grids: refused when set, reported when edits part it."""

from __future__ import annotations

import dataclasses

import geopandas as gpd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_town import PlanTown, line

from data.errors import InvalidRowError
from data.importers.grids import import_grids
from data.plans.branches import branch_groups
from data.plans.community import GridRow, load_community
from data.plans.edits import edit
from data.plans.export import export_plan
from data.plans.reading import list_grids, read_plan
from data.plans.undo import undo


def make(town: PlanTown, **request) -> None:
    with town.database.transaction("李工") as connection:
        community = load_community(connection, town.draft, town.communities["C1"])
        edit(
            connection,
            town.draft,
            {"community": community.id, **request},
            version=community.version,
            author="李工",
        )


def grids(town: PlanTown) -> dict[str, dict]:
    with town.database.connect() as connection:
        found = list_grids(connection, town.draft, community=town.communities["C1"])
    return {f["properties"]["name"]: {**f["properties"], "id": f["id"]} for f in found}


@pytest.fixture
def strips(town: PlanTown) -> list[int]:
    """Four grids in a row from west to east, each the neighbour of the next."""
    west = grids(town)["第1网格"]["id"]
    make(town, kind="split", grid=west, line=line((120, -60), (120, 1060)))
    east = grids(town)["第2网格"]["id"]
    make(town, kind="split", grid=east, line=line((520, -60), (520, 1060)))
    with town.database.connect() as connection:
        found = list_grids(connection, town.draft, community=town.communities["C1"])
    shapes = {f["id"]: shapely.geometry.shape(f["geometry"]) for f in found}
    # What lies around the four is a grid of its own.
    full = [g for g, s in shapes.items() if s.area > 0.9 * shapely.box(*s.bounds).area]
    tall = [g for g in full if shapes[g].bounds[3] - shapes[g].bounds[1] > 0.008]
    return sorted(tall, key=lambda g: shapes[g].centroid.x)


def broken(town: PlanTown) -> dict[int, list[str]]:
    return {
        about["id"]: [b["rule"] for b in about["broken"] if b["rule"] == "branch"]
        for about in grids(town).values()
        if any(b["rule"] == "branch" for b in about["broken"])
    }


def test_a_branch_on_grids_apart_is_refused_and_named(town: PlanTown, strips: list[int]) -> None:
    make(town, kind="rename", grid=strips[0], branch="第一支部")
    make(town, kind="rename", grid=strips[1], branch="第一支部")
    with pytest.raises(InvalidRowError) as refused:
        make(town, kind="rename", grid=strips[3], branch="第一支部")
    assert refused.value.faults[0].field == "branch"
    assert "第一支部" in refused.value.zh[0]
    assert broken(town) == {}
    make(town, kind="rename", grid=strips[2], branch="第一支部")
    make(town, kind="rename", grid=strips[3], branch="第一支部")


def test_the_same_name_in_another_community_is_another_branch(
    town: PlanTown, strips: list[int]
) -> None:
    make(town, kind="rename", grid=strips[0], branch="第一支部")
    with town.database.transaction("李工") as connection:
        other = load_community(connection, town.draft, town.communities["C2"])
        edit(
            connection,
            town.draft,
            {
                "community": other.id,
                "kind": "rename",
                "grid": min(other.grids),
                "branch": "第一支部",
            },
            version=other.version,
            author="李工",
        )
    assert broken(town) == {}


def test_an_edit_that_parts_a_branch_is_reported_and_undone(
    town: PlanTown, strips: list[int]
) -> None:
    for grid in strips[:3]:
        make(town, kind="rename", grid=grid, branch="第一支部")
    with town.database.connect() as connection:
        before = read_plan(connection, town.draft)["totals"]["broken"]
    make(town, kind="rename", grid=strips[1], branch="")
    assert broken(town) == {strips[0]: ["branch"], strips[2]: ["branch"]}
    with town.database.connect() as connection:
        assert read_plan(connection, town.draft)["totals"]["broken"] == before + 2
    with town.database.transaction("李工") as connection:
        undo(connection, town.draft, author="李工")
    assert broken(town) == {}


def test_a_file_with_a_branch_on_grids_apart_says_so(
    town: PlanTown, strips: list[int], tmp_path
) -> None:
    with town.database.connect() as connection:
        path = export_plan(connection, town.draft, "gpkg", tmp_path)
    frame = gpd.read_file(path, layer="grids")
    codes = {g["id"]: g["code"] for g in grids(town).values()}
    apart = [codes[strips[0]], codes[strips[3]]]
    frame.loc[frame["code"].isin(apart), "branch"] = "第一支部"
    edited = tmp_path / "edited.gpkg"
    frame.to_file(edited, layer="grids", driver="GPKG")
    report = import_grids(town.database, edited, actor="李工")
    (one,) = report.repair["branches"]
    assert sorted(code for codes in one["grids"] for code in codes) == sorted(apart)
    assert one["branch"] == "第一支部"
    assert any("第一支部" in w for w in report.warnings)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=16, max_size=16))
def test_groups_are_those_of_a_flood_fill(names: list[int]) -> None:
    """On a board of sixteen squares, against a search over neighbours by row and column."""
    blank = GridRow(id=0, code="", name="", kind="base", shape=shapely.box(0, 0, 1, 1))
    rows = [
        dataclasses.replace(
            blank,
            id=n + 1,
            branch=["", "甲", "乙"][name],
            shape=shapely.box(n % 4, n // 4, n % 4 + 1, n // 4 + 1),
        )
        for n, name in enumerate(names)
    ]
    expected: dict[str, list[set[int]]] = {}
    seen: set[int] = set()
    for start, name in enumerate(names):
        if not name or start in seen:
            continue
        flood, stack = set(), [start]
        while stack:
            n = stack.pop()
            if n in flood:
                continue
            flood.add(n)
            x, y = n % 4, n // 4
            near = [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)]
            stack += [
                j * 4 + i for i, j in near if 0 <= i < 4 and 0 <= j < 4 and names[j * 4 + i] == name
            ]
        seen |= flood
        expected.setdefault(["", "甲", "乙"][name], []).append({n + 1 for n in flood})
    found = {name: sorted(map(set, ids), key=min) for name, ids in branch_groups(rows).items()}
    assert found == {name: sorted(ids, key=min) for name, ids in expected.items()}
