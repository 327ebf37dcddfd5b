"""Limits of a plan changed: who is over them follows, compounds that now fit in one grid too."""

from __future__ import annotations

import pytest
from plan_town import PlanTown, line
from sqlalchemy import text

from data.errors import ConflictError, StaleRowError
from data.plans.community import load_community
from data.plans.create import create_plan
from data.plans.edits import edit
from data.plans.limits import change_plan, with_present_limits
from data.plans.reading import list_edits, list_grids, read_plan
from data.plans.states import change_state
from data.plans.undo import redo, undo


def change(town: PlanTown, version: int, **values) -> bool:
    with town.database.transaction("李工") as connection:
        return change_plan(connection, town.draft, version=version, author="李工", **values)


def rules(town: PlanTown, plan: int | None = None) -> dict[str, set[str]]:
    with town.database.connect() as connection:
        found = list_grids(connection, plan or town.draft)
    return {f["properties"]["code"]: {b["rule"] for b in f["properties"]["broken"]} for f in found}


def test_every_grid_is_measured_by_the_new_limits(town: PlanTown) -> None:
    with town.database.connect() as connection:
        before = read_plan(connection, town.draft)
    assert change(town, 1, household_limit=1, people_limit=1)
    with town.database.connect() as connection:
        after = read_plan(connection, town.draft)
        grids = list_grids(connection, town.draft)
    assert after["limits"] == {"households": 1, "people": 1}
    assert after["version"] == before["version"] + 1
    over = {f["id"] for f in grids if f["properties"]["households"] > 1}
    said = {
        f["id"]
        for f in grids
        if any(b["rule"] == "households" and b["limit"] == 1 for b in f["properties"]["broken"])
    }
    assert said == over
    assert over


def test_the_history_keeps_old_and_new_with_the_author(town: PlanTown) -> None:
    change(town, 1, household_limit=280, name="调整二稿")
    with town.database.connect() as connection:
        (newest,) = list_edits(connection, town.draft, limit=1)
    assert (newest["kind"], newest["author"]) == ("limits", "李工")
    assert newest["request"] == {
        "before": {"name": "调整草案", "households": 300},
        "after": {"name": "调整二稿", "households": 280},
    }
    assert not change(town, 2, household_limit=280)  # nothing to note


def test_a_stale_or_published_plan_is_refused(town: PlanTown) -> None:
    change(town, 1, household_limit=280)
    with pytest.raises(StaleRowError) as stale:
        change(town, 1, household_limit=290)
    assert stale.value.present["limits"]["households"] == 280
    assert stale.value.zh is not None
    with town.database.transaction("李工") as connection:
        change_state(connection, town.draft, "review", author="李工")
    with pytest.raises(ConflictError) as refused:
        change(town, 3, household_limit=290)
    assert refused.value.zh is not None


@pytest.fixture
def parted(town: PlanTown) -> str:
    """A compound of some households that a split has parted; gives the code of one part."""
    with town.database.transaction("李工") as connection:
        homes = connection.execute(
            text("SELECT sum(households) FROM buildings WHERE compound_id IS NOT NULL")
        ).scalar_one()
        assert 0 < homes <= 300
        community = load_community(connection, town.draft, town.communities["C1"])
        grid = next(g for g in community.grids.values() if g.name == "第1网格")
        edit(
            connection,
            town.draft,
            {
                "community": community.id,
                "kind": "split",
                "grid": grid.id,
                "line": line((150, -60), (150, 1060)),
            },
            version=community.version,
            author="李工",
        )
        return grid.code


def test_a_compound_too_large_for_one_grid_may_be_parted(town: PlanTown, parted: str) -> None:
    assert "compound" in rules(town)[parted]
    change(town, 1, household_limit=5)
    assert "compound" not in rules(town)[parted]
    change(town, 2, household_limit=300)
    assert "compound" in rules(town)[parted]


def test_what_undo_brings_back_is_measured_by_the_present_limits(
    town: PlanTown, parted: str
) -> None:
    with town.database.transaction("李工") as connection:
        undo(connection, town.draft, author="李工")
    change(town, 1, household_limit=5)
    with town.database.transaction("李工") as connection:
        done = with_present_limits(connection, redo(connection, town.draft, author="李工"))
    assert "compound" not in rules(town)[parted]
    told = {f["properties"]["code"]: f for f in done.after.features(done.changed)}
    assert all(b["rule"] != "compound" for b in told[parted]["properties"]["broken"])


def test_a_draft_made_with_its_own_limits_has_their_rules(town: PlanTown, parted: str) -> None:
    with town.database.transaction("李工") as connection:
        own = create_plan(connection, "小格", town.draft, author="李工", household_limit=5)
    assert "compound" not in rules(town, own)[parted]
    assert "compound" in rules(town)[parted]
