"""Coverage by hour and area, recounted home by home."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.siting.pairs import pairs_of_seconds
from geo.weekly import Stretch, cover_by_hour, runs_of_days, stretches_below


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 40), st.integers(0, 90), st.integers(1, 4))
def test_every_hour_of_every_area_agrees_with_a_recount(seed, n, m, areas):
    rng = np.random.default_rng(seed)
    away = rng.uniform(0, 1500, (n, m)).round()
    away[rng.random((n, m)) < 0.5] = np.inf
    weight = rng.integers(0, 9, n).astype(float)
    states = rng.integers(0, 3, (m, 168)).astype(np.uint8)
    row = rng.integers(-1, areas, n).astype(np.int32)
    home, site = np.nonzero(np.isfinite(away))
    near = pairs_of_seconds(home, site, away[home, site], demands=n, sites=m)
    near = near.within(near.limit(600))
    found = cover_by_hour(near, weight, states, {"a": (row, areas)})["a"]
    reached = away <= 600
    for area in range(areas):
        mine = row == area
        assert found.total[area] == weight[mine].sum()
        assert found.best[area] == weight[mine & reached.any(1)].sum()
        for hour in (0, 50, 167):
            surely = reached[:, states[:, hour] == 1].any(1)
            perhaps = reached[:, states[:, hour] != 0].any(1)
            assert found.surely[area, hour] == weight[mine & surely].sum()
            assert found.perhaps[area, hour] == weight[mine & perhaps].sum()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=168, max_size=168), st.integers(0, 4))
def test_stretches_hold_exactly_the_hours_below(values, promised):
    covered = np.array(values, float)
    told = np.zeros(168, bool)
    for stretch in stretches_below(covered, promised):
        hours = [24 * d + h for d in stretch.days for h in range(stretch.begin, stretch.end)]
        assert not told[hours].any()
        told[hours] = True
        assert stretch.low == covered[hours].min()
    assert np.array_equal(told, covered < promised)


def test_days_with_the_same_hours_are_told_together():
    covered = np.full((7, 24), 10.0)
    covered[6, 12:14] = 3
    covered[:5, 20:] = 5
    covered[2, 21] = 4
    assert stretches_below(covered.reshape(-1), 9.5) == [
        Stretch((0, 1, 2, 3, 4), 20, 24, 4.0),
        Stretch((6,), 12, 14, 3.0),
    ]


@pytest.mark.parametrize(
    ("days", "runs"),
    [([], []), ([6], [(6, 6)]), ([0, 1, 2, 5, 6], [(0, 2), (5, 6)])],
)
def test_days_in_a_row_are_runs(days, runs):
    assert runs_of_days(days) == runs
