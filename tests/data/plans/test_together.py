"""Two planners at once: nobody waits for another community, nobody overwrites anybody."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from plan_town import PlanTown, line
from sqlalchemy import text

from data.errors import ConflictError, StaleRowError
from data.plans.community import load_community
from data.plans.edits import edit
from data.plans.feed import read_changes
from data.plans.reading import list_communities
from data.plans.states import change_state


def split(town: PlanTown, connection: Any, community: str, x: float, version: int = 1) -> None:
    found = load_community(connection, town.draft, town.communities[community])
    grid = min(found.grids, key=lambda g: (found.grids[g].code, g))
    edit(
        connection,
        town.draft,
        {
            "kind": "split",
            "community": found.id,
            "grid": grid,
            "line": line((x, -60), (x, 1060)),
        },
        version=version,
        author="test",
    )


def test_an_edit_does_not_wait_for_one_in_another_community(town: PlanTown) -> None:
    with town.database.transaction("one") as first:
        split(town, first, "C1", 120)
        with town.database.transaction("two") as second:
            second.execute(text("SET LOCAL lock_timeout = '1s'"))
            split(town, second, "C2", 900)
        # The first is not over yet, and the second is kept.
        with town.database.connect() as connection:
            versions = {c["code"]: c["version"] for c in list_communities(connection, town.draft)}
        assert versions == {"C1": 1, "C2": 2}


def test_of_two_who_saw_the_same_version_one_is_told(town: PlanTown) -> None:
    barrier = threading.Barrier(2)

    def one(x: float) -> str:
        barrier.wait()
        try:
            with town.database.transaction("p") as connection:
                split(town, connection, "C1", x)
        except StaleRowError as stale:
            present: Any = stale.present
            return f"stale {present['version']}"
        return "done"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(one, (120, 220))) == ["done", "stale 2"]


def test_publishing_waits_for_an_edit_and_shuts_out_later_ones(town: PlanTown) -> None:
    started, told = threading.Event(), []

    def publish() -> None:
        with town.database.transaction("publisher") as connection:
            started.set()
            change_state(connection, town.draft, "published", author="publisher")

    with town.database.transaction("planner") as connection:
        split(town, connection, "C1", 120)
        thread = threading.Thread(target=publish)
        thread.start()
        assert started.wait(5)
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(10)
    with town.database.connect() as connection:
        layer = connection.execute(text("SELECT count(*) FROM grids")).scalar_one()
        plan = connection.execute(
            text("SELECT count(*) FROM plan_grids WHERE plan_id = :plan"), {"plan": town.draft}
        ).scalar_one()
    assert layer == plan
    try:
        with town.database.transaction("planner") as connection:
            split(town, connection, "C1", 220, version=2)
    except ConflictError as refused:
        told.append(str(refused))
    assert told
    assert "published" in told[0]


def test_an_edit_that_ends_late_is_not_missed(town: PlanTown) -> None:
    with town.database.connect() as connection:
        start = read_changes(connection, town.draft).seq
    with town.database.transaction("slow") as slow:
        split(town, slow, "C1", 120)
        with town.database.transaction("quick") as quick:
            split(town, quick, "C2", 900)
        with town.database.connect() as connection:
            seen = read_changes(connection, town.draft, after=start)
        assert len(seen.changes) == 1
        assert seen.seq == start
    with town.database.connect() as connection:
        again = read_changes(connection, town.draft, after=seen.seq)
    assert {c["community"] for c in again.changes} == {
        town.communities["C1"],
        town.communities["C2"],
    }
