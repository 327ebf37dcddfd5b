"""Thousands of random edits on real cells: always a partition, nothing lost, all undone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import shapely
from real_cells import CITIES, Place, place, random_change

from geo.errors import PartitionError
from geo.partition import Change, Partition

STEPS = 800


@dataclass(frozen=True)
class State:
    grids: Mapping[int, shapely.Polygon]
    outline: shapely.Geometry

    def after(self, change: Change, newest: int) -> State:
        grids = {g: s for g, s in self.grids.items() if g not in change.removed}
        for grid, shape in change.after.items():
            grids[grid if grid > 0 else newest - grid] = shape
        return State(grids, change.outline or self.outline)

    def bytes(self) -> tuple[bytes, dict[int, bytes]]:
        return self.outline.wkb, {g: s.wkb for g, s in self.grids.items()}


def loads(here: Place, state: State) -> tuple[int, int]:
    """Households and people of all grids, by a way of counting that the code does not use."""
    shapes = list(state.grids.values())
    home, _ = shapely.STRtree(shapes).query(shapely.points(here.homes), predicate="intersects")
    once = np.unique(home)  # a home on a boundary lies in two
    return int(here.households[once].sum()), int(here.people[once].sum())


def check(here: Place, state: State) -> None:
    shapes = np.array(list(state.grids.values()), object)
    assert shapely.is_valid(shapes).all()
    assert {s.geom_type for s in shapes} == {"Polygon"}
    assert shapely.coverage_is_valid(shapes)
    assert shapely.area(shapes).sum() == pytest.approx(here.border.area, rel=1e-6)
    assert loads(here, state) == (here.households.sum(), here.people.sum())
    partition = Partition(state.grids, state.outline)
    assert partition.flaws() == []
    grid = partition.at(here.homes)
    assert np.isin(grid, list(state.grids)).all()


@pytest.mark.parametrize("city", CITIES)
def test_any_edits_of_real_cells_keep_a_partition_and_are_all_undone(city: str) -> None:
    here = place(city, 0)
    rng = np.random.default_rng(7)
    state = State(here.grids, here.border)
    newest = max(state.grids)
    done: list[State] = []
    undone: list[State] = []
    kinds: Counter[str] = Counter()
    reasons: set[str] = set()
    for _ in range(STEPS):
        chance = rng.random()
        if chance < 0.1 and done:
            undone.append(state)
            state = done.pop()
            kinds["undo"] += 1
            continue
        if chance < 0.15 and undone:
            done.append(state)
            state = undone.pop()
            kinds["redo"] += 1
            continue
        partition = Partition(state.grids, state.outline, homes=here.homes)
        try:
            kind, change = random_change(here, partition, state.grids, rng)
        except PartitionError as refused:
            assert refused.remedy  # noqa: PT017 — that it may be refused is the point
            reasons.add(str(refused))
            continue
        kinds[kind] += 1
        done.append(state)
        undone.clear()
        before, state = state, state.after(change, newest)
        newest = max(newest, *state.grids)
        untouched = set(before.grids) & set(state.grids) - set(change.after)
        assert all(state.grids[g].wkb == before.grids[g].wkb for g in untouched)
        check(here, state)
    assert sum(kinds.values()) > STEPS / 3
    assert len(kinds) >= 12, kinds
    assert not [why for why in reasons if why.startswith("Boundaries would overlap")]
    while done:
        state = done.pop()
    assert state.bytes() == State(here.grids, here.border).bytes()
