"""Edits in the database: one transaction, exact, undone to the last bit."""

from __future__ import annotations

from typing import Any

import pytest
from plan_town import PlanTown, line, patch, plan_state
from sqlalchemy import text

from data.errors import ConflictError, StaleRowError
from data.plans.community import load_community
from data.plans.edit_result import EditResult
from data.plans.edits import edit
from data.plans.reading import list_communities, list_grids, list_lineage, read_plan
from data.plans.undo import redo, undo
from geo.errors import PartitionError


def grids_of(town: PlanTown, community: str) -> list[dict[str, Any]]:
    with town.database.connect() as connection:
        return list_grids(connection, town.draft, community=town.communities[community])


def do(town: PlanTown, community: str, version: int | None = None, **request: Any) -> EditResult:
    request["community"] = town.communities[community]
    with town.database.transaction("李工") as connection:
        if version is None:
            version = load_community(connection, town.draft, request["community"]).version
        return edit(connection, town.draft, request, version=version, author="李工")


def test_the_plan_of_a_layer_counts_every_building_of_the_communities(town: PlanTown) -> None:
    with town.database.connect() as connection:
        plan = read_plan(connection, town.draft)
        expected = connection.execute(
            text(
                "SELECT count(*), sum(households), sum(people) FROM buildings"
                " WHERE community_id IS NOT NULL"
            )
        ).one()
    totals = plan["totals"]
    assert (totals["buildings"], totals["households"], totals["people"]) == tuple(expected)
    assert totals["grids"] >= 4
    assert not plan["can_undo"]


def test_a_split_keeps_code_and_id_of_the_larger_part(town: PlanTown) -> None:
    first = grids_of(town, "C1")[0]
    result = do(town, "C1", kind="split", grid=first["id"], line=line((120, -60), (120, 1060)))
    after = {f["id"]: f["properties"] for f in grids_of(town, "C1")}
    assert after[first["id"]]["code"] == first["properties"]["code"]
    (new,) = set(after) - {f["id"] for f in [first]} - set(result.before.grids)
    assert (
        after[new]["households"] + after[first["id"]]["households"]
        == (first["properties"]["households"])
    )
    assert result.moved()["buildings"] == after[new]["buildings"] > 0
    with town.database.connect() as connection:
        lineage = list_lineage(connection, town.draft)
    assert {(x["predecessor"], x["successor"]) for x in lineage} == {
        (first["properties"]["code"], first["properties"]["code"]),
        (first["properties"]["code"], after[new]["code"]),
    }


def test_undo_and_redo_go_back_and_forth_to_the_last_bit(town: PlanTown) -> None:
    states = [plan_state(town.database, town.draft)]
    one, two, *_ = (f["id"] for f in grids_of(town, "C1"))
    do(town, "C1", kind="split", grid=one, line=line((120, -60), (120, 1060)))
    states.append(plan_state(town.database, town.draft))
    do(town, "C1", kind="transfer", to=one, patch=patch(340, 200, 420, 400))
    states.append(plan_state(town.database, town.draft))
    do(town, "C1", kind="merge", grids=[one, two])
    states.append(plan_state(town.database, town.draft))
    do(town, "C1", kind="draw", patch=patch(200, 200, 300, 300), grid_kind="exclusive")
    states.append(plan_state(town.database, town.draft))
    for expected in reversed(states[:-1]):
        with town.database.transaction("王工") as connection:
            undo(connection, town.draft, author="王工")
        assert plan_state(town.database, town.draft) == expected
    for expected in states[1:]:
        with town.database.transaction("王工") as connection:
            redo(connection, town.draft, author="王工")
        assert plan_state(town.database, town.draft) == expected
    with pytest.raises(ConflictError, match="nothing"), town.database.transaction("王工") as c:
        redo(c, town.draft, author="王工")


def test_a_stale_version_is_refused_with_the_present_grids(town: PlanTown) -> None:
    one = grids_of(town, "C1")[0]["id"]
    do(town, "C1", kind="split", grid=one, line=line((120, -60), (120, 1060)))
    with pytest.raises(StaleRowError) as refused:
        do(town, "C1", version=1, kind="split", grid=one, line=line((60, -60), (60, 1060)))
    present: Any = refused.value.present
    assert present["version"] == 2
    assert len(present["grids"]["features"]) == len(grids_of(town, "C1"))


def test_a_refused_edit_leaves_nothing_behind(town: PlanTown) -> None:
    before = plan_state(town.database, town.draft)
    one = grids_of(town, "C1")[0]["id"]
    with pytest.raises(PartitionError):
        do(town, "C1", kind="split", grid=one, line=line((120, -60), (120, 500)))
    assert plan_state(town.database, town.draft) == before
    with town.database.connect() as connection:
        assert {c["version"] for c in list_communities(connection, town.draft)} == {1}


def test_a_published_plan_is_not_edited(town: PlanTown) -> None:
    with town.database.transaction("李工") as connection:
        community = load_community(connection, town.published, town.communities["C1"])
        with pytest.raises(ConflictError, match="published"):
            edit(
                connection,
                town.published,
                {"kind": "renumber", "community": community.id},
                version=1,
                author="李工",
            )
