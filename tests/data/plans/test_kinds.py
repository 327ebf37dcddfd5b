"""Edits that are more than geometry: streets, micro-grids, codes, staff, kinds."""

from __future__ import annotations

from typing import Any

import pytest
from plan_town import PlanTown, line, patch

from data.errors import ConflictError, InvalidRowError, NotFoundError
from data.plans.community import Community, load_community
from data.plans.edit_result import EditResult
from data.plans.edits import edit
from data.plans.reading import list_grids
from geo.errors import PartitionError


def present(town: PlanTown, community: str = "C1") -> Community:
    with town.database.connect() as connection:
        return load_community(connection, town.draft, town.communities[community])


def do(town: PlanTown, community: str = "C1", **request: Any) -> EditResult:
    request["community"] = town.communities[community]
    with town.database.transaction("李工") as connection:
        return edit(connection, town.draft, request, version=None, author="李工")


def west(town: PlanTown) -> int:
    """The grid from x = 0 to 350."""
    return min(
        (g for g in present(town).grids.values() if g.name == "第1网格"), key=lambda g: g.id
    ).id


def test_a_street_parts_a_grid(town: PlanTown) -> None:
    grid = west(town)
    result = do(town, kind="split", grid=grid, street="迎宾大道")
    new = next(g for g in result.changed if g not in result.before.grids)
    shapes = result.after.grids
    assert abs(shapes[new].shape.area - shapes[grid].shape.area) < 0.02 * shapes[grid].shape.area
    with pytest.raises(NotFoundError, match="passes through"):
        do(town, kind="split", grid=grid, street="没有的路")


def test_micro_grids_follow_their_base_grid(town: PlanTown) -> None:
    grid = west(town)
    made = do(town, kind="draw", patch=patch(130, 130, 160, 170), grid_kind="micro")
    (micro,) = made.changed
    row = made.after.grids[micro]
    assert row.parent_id == grid
    assert row.code.startswith(made.after.grids[grid].code)
    with town.database.connect() as connection:
        (feature,) = list_grids(connection, town.draft, kind="micro")
    assert feature["properties"]["buildings"] == made.after.sums()[micro][2] == 1
    with pytest.raises(PartitionError):
        do(town, kind="draw", patch=patch(135, 135, 150, 150), grid_kind="micro")
    # The split line leaves most of it to the east, where it goes, cut to its new base grid.
    parted = do(town, kind="split", grid=grid, line=line((140, -60), (140, 1060)))
    row = parted.after.grids[micro]
    parent = parted.after.grids[row.parent_id or 0]
    assert parent.shape.covers(row.shape.representative_point())
    assert row.shape.area < made.after.grids[micro].shape.area
    do(town, kind="remove", grid=micro)
    assert micro not in present(town).grids
    with pytest.raises(PartitionError, match="gap"):
        do(town, kind="remove", grid=grid)


def test_codes_are_of_the_community_free_and_renumbered_from_the_west(town: PlanTown) -> None:
    grid = west(town)
    other = next(g for g in present(town).grids.values() if g.id != grid and g.kind == "base")
    with pytest.raises(InvalidRowError) as wrong:
        do(town, kind="rename", grid=grid, code="X-001")
    assert wrong.value.faults[0].field == "code"
    with pytest.raises(ConflictError, match="another"):
        do(town, kind="rename", grid=grid, code=other.code)
    do(town, kind="rename", grid=grid, code="C1-900", name="新名")
    assert present(town).grids[grid].code == "C1-900"
    do(town, kind="renumber")
    codes = sorted(g.code for g in present(town).grids.values())
    assert codes == [f"C1-{n:03d}" for n in range(1, len(codes) + 1)]
    with pytest.raises(InvalidRowError, match="changes nothing"):
        do(town, kind="renumber")


def test_a_serial_is_not_given_twice(town: PlanTown) -> None:
    grid = west(town)
    first = do(town, kind="split", grid=grid, line=line((120, -60), (120, 1060)))
    (new,) = (g for g in first.changed if g not in first.before.grids)
    code = first.after.grids[new].code
    do(town, kind="merge", grids=[grid, new])
    second = do(town, kind="split", grid=grid, line=line((220, -60), (220, 1060)))
    (newer,) = (g for g in second.changed if g not in second.before.grids)
    assert second.after.grids[newer].code != code


def test_staff_are_numbers_that_a_merge_adds_up(town: PlanTown) -> None:
    grid = west(town)
    other = next(g for g in present(town).grids.values() if g.name == "第2网格").id
    do(town, kind="rename", grid=grid, staff={"full_time": 1, "unit_heads": 12})
    do(town, kind="rename", grid=other, staff={"full_time": 2}, branch="杏花党支部")
    merged = do(town, kind="merge", grids=[grid, other])
    (kept,) = (g for g in (grid, other) if g in merged.after.grids)
    (feature,) = merged.after.features([kept])
    assert feature["properties"]["staff"]["full_time"] == 3
    assert feature["properties"]["staff"]["unit_heads"] == 12


def test_an_exclusive_grid_is_bound_by_no_count(town: PlanTown) -> None:
    grid = west(town)
    result = do(town, kind="change_kind", grid=grid, grid_kind="exclusive")
    assert {b["rule"] for b in result.after.broken([grid])} <= {"compound", "road", "river", "rail"}
    with pytest.raises(InvalidRowError):
        do(town, kind="change_kind", grid=grid, grid_kind="micro")


def test_a_micro_grid_drawn_over_the_edge_of_its_grid_and_along_it_is_made(town: PlanTown) -> None:
    with town.database.connect() as connection:
        community = load_community(connection, town.draft, town.communities["C1"])
        grid = community.grids[min(community.grids)].shape
        west, south, east, north = grid.bounds
        mid, top, low = (west + east) / 2, (south + north) / 2, south - 1e-4
        quarter = (west + mid) / 2
        # From the middle to the quarter its edge runs along that of the grid.
        ring = [(west, low), (mid, low), (mid, south), (quarter, south), (quarter, top)]
        ring += [(west, top), (west, low)]
        result = edit(
            connection,
            town.draft,
            {
                "kind": "draw",
                "community": community.id,
                "grid_kind": "micro",
                "patch": {"type": "Polygon", "coordinates": [ring]},
            },
            version=None,
            author="test",
            preview=True,
        )
    (made,) = [g for g in result.after.grids.values() if g.kind == "micro"]
    assert made.shape.within(grid.buffer(1e-9))
    assert made.shape.area == pytest.approx((quarter - west) * (top - south), rel=1e-3)
