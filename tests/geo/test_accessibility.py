"""Distributions, inequality and floating catchments against definitions and `access`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.accessibility import (
    E2SFCA_STEPS,
    false_circles,
    gini,
    straight_to_nearest,
    two_step,
    weighted_mean,
    weighted_quantile,
)
from geo.siting import pairs_of_seconds

VALUES = st.lists(
    st.tuples(st.floats(0, 1e4, allow_subnormal=False), st.integers(0, 50)), min_size=1, max_size=30
)


def split(rows):
    values, weight = np.array(rows, float).T
    return values, weight


@given(VALUES)
def test_weights_are_repetitions(rows):
    values, weight = split(rows)
    repeated = np.repeat(values, weight.astype(int))
    if not len(repeated):
        assert np.isnan(weighted_mean(values, weight))
        assert np.isnan(gini(values, weight))
        return
    assert weighted_mean(values, weight) == pytest.approx(repeated.mean())
    for share in (0.5, 0.9):
        found = weighted_quantile(values, weight, share)
        assert (repeated <= found).mean() >= share - 1e-12
        assert (repeated < found).mean() < share
    apart = np.abs(repeated[:, None] - repeated[None]).mean()
    expected = apart / (2 * repeated.mean()) if repeated.mean() > 0 else 0.0
    assert gini(values, weight) == pytest.approx(expected, abs=1e-9)


def test_a_share_that_reaches_nothing_has_no_end():
    values = np.array([60.0, np.nan])
    assert weighted_quantile(values, np.array([1.0, 1.0]), 0.9) == np.inf
    assert weighted_quantile(values, np.array([9.0, 1.0]), 0.9) == 60.0


@pytest.mark.parametrize("enhanced", [False, True])
def test_floating_catchments_are_those_of_the_access_package(enhanced):
    fca = pytest.importorskip("access.fca")
    from access import weights as access_weights

    rng = np.random.default_rng(5)
    n, m, cutoff = 80, 9, 900.0
    demand, site = (a.ravel() for a in np.meshgrid(np.arange(n), np.arange(m)))
    seconds = np.rint(rng.uniform(10, 1500, n * m))
    people, supply = rng.integers(1, 50, n).astype(float), rng.integers(20, 300, m).astype(float)
    pairs = pairs_of_seconds(demand, site, seconds, demands=n, sites=m)
    steps = E2SFCA_STEPS if enhanced else ((1.0, 1.0),)
    ours = two_step(pairs, people, supply, cutoff_s=cutoff, steps=steps)
    weigh = access_weights.step_fn({cutoff * s: w for s, w in steps})
    theirs = fca.two_stage_fca(
        pd.DataFrame({"demand": people}, index=pd.RangeIndex(n, name="geoid")),
        pd.DataFrame({"supply": supply}, index=pd.RangeIndex(m, name="geoid")),
        pd.DataFrame({"origin": demand, "dest": site, "cost": seconds}),
        cutoff,
        demand_index=True,
        supply_index=True,
        weight_fn=weigh,
    )
    assert np.allclose(ours.access, theirs.reindex(range(n)).fillna(0.0))
    # All supply is handed out: that is what the two steps are for.
    assert (ours.access * people).sum() == pytest.approx(supply[np.isfinite(ours.ratio)].sum())


def test_a_circle_on_the_map_deceives_where_the_walk_is_too_long():
    straight = straight_to_nearest(np.array([[0.0, 0], [700, 0], [900, 0]]), np.zeros((1, 2)))
    assert straight.tolist() == [0, 700, 900]
    found = false_circles(straight, np.array([0, 1200, np.nan]), radius_m=800, cutoff_s=900)
    assert found.tolist() == [False, True, False]
    assert straight_to_nearest(np.zeros((2, 2)), np.zeros((0, 2))).tolist() == [np.inf, np.inf]
