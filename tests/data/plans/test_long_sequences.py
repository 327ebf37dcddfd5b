"""Random edits in the database: a partition after each, nothing lost, all undone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
from plan_town import PlanTown, plan_state

from data.errors import ConflictError, InvalidRowError, NotFoundError
from data.plans.community import load_community
from data.plans.edits import edit
from data.plans.reading import read_plan
from data.plans.undo import redo, undo
from geo.errors import PartitionError


def random_request(community: Any, rng: np.random.Generator) -> dict[str, Any]:
    bases = [g for g in community.grids.values() if g.kind != "micro"]
    one, other = (bases[int(rng.integers(len(bases)))] for _ in range(2))
    west, south, east, north = one.shape.bounds
    x, y = rng.uniform(west, east), rng.uniform(south, north)
    wide, high = east - west, north - south
    patch = shapely.Point(x, y).buffer(rng.uniform(0.05, 0.3) * min(wide, high), 3)
    ring = {"type": "Polygon", "coordinates": [list(map(list, patch.exterior.coords))]}
    line = {
        "type": "LineString",
        "coordinates": [[x - wide, y - rng.normal() * high], [x + wide, y + rng.normal() * high]],
    }
    corners = shapely.get_coordinates(one.shape)
    corner = corners[int(rng.integers(len(corners)))]
    goal = corner + rng.normal(0, 0.05, 2) * [wide, high]
    near = np.flatnonzero(community.grid_of != one.id)
    buildings = [int(community.building[near[int(rng.integers(len(near)))]])] if len(near) else [1]
    kinds: list[dict[str, Any]] = [
        {"kind": "split", "grid": one.id, "line": line},
        {"kind": "merge", "grids": [one.id, other.id]},
        {"kind": "transfer", "to": one.id, "patch": ring},
        {"kind": "transfer", "to": one.id, "buildings": buildings},
        {"kind": "draw", "patch": ring, "grid_kind": str(rng.choice(["base", "exclusive"]))},
        {"kind": "draw", "patch": ring, "grid_kind": "micro"},
        {"kind": "reshape", "vertex": corner.tolist(), "to": goal.tolist()},
        {"kind": "rename", "grid": one.id, "name": f"网格{rng.integers(99)}",
         "staff": {"full_time": int(rng.integers(5))}},
        {"kind": "renumber"},
    ]  # fmt: skip
    weights = np.array([3, 2, 3, 4, 2, 2, 4, 1, 0.3])
    return kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]


@pytest.mark.parametrize("seed", [1, 2])
def test_random_edits_lose_nothing_and_are_all_undone(town: PlanTown, seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = sorted(town.communities)
    first = plan_state(town.database, town.draft)
    with town.database.connect() as connection:
        totals = read_plan(connection, town.draft)["totals"]
    done = 0
    kinds = set()
    for _ in range(120):
        community_id = town.communities[names[int(rng.integers(2))]]
        with town.database.connect() as connection:
            community = load_community(connection, town.draft, community_id)
        request = random_request(community, rng) | {"community": community_id}
        try:
            with town.database.transaction("test") as connection:
                result = edit(
                    connection, town.draft, request, version=community.version, author="test"
                )
        except (PartitionError, InvalidRowError, ConflictError, NotFoundError) as refused:
            assert refused.remedy  # noqa: PT017 — that it may be refused is the point
            continue
        done += 1
        kinds.add(request["kind"])
        with town.database.connect() as connection:
            after = load_community(connection, town.draft, community_id)
            now = read_plan(connection, town.draft)["totals"]
        assert {k: now[k] for k in ("households", "people", "buildings")} == {
            k: totals[k] for k in ("households", "people", "buildings")
        }
        assert after.partition().flaws() == []
        assert {g: r.shape.wkb for g, r in after.grids.items()} == {
            g: r.shape.wkb for g, r in result.after.grids.items()
        }
        assert after.sums() == result.after.sums()
    assert done > 40
    assert len(kinds) >= 6
    last = plan_state(town.database, town.draft)
    for _ in range(done):
        with town.database.transaction("test") as connection:
            undo(connection, town.draft, author="test")
    assert plan_state(town.database, town.draft) == first
    for _ in range(done):
        with town.database.transaction("test") as connection:
            redo(connection, town.draft, author="test")
    assert plan_state(town.database, town.draft) == last
