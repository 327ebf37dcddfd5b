"""Gap zones, sums and estimates against slow or exact counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from scipy.cluster.hierarchy import fcluster, linkage

from geo.crs import project, projected_crs, unproject
from geo.dasymetric import estimate_households, spread
from geo.errors import CoordinateError
from geo.gaps import gap_zones
from geo.summaries import summarise


@pytest.mark.parametrize(("count", "side_m"), [(2, 100), (50, 900), (800, 9_000), (400, 2_000)])
def test_zones_are_those_of_single_linkage(count: int, side_m: float) -> None:
    rng = np.random.default_rng(count)
    xy = rng.uniform(0, side_m, (count, 2))
    zones = gap_zones(xy, rng.integers(0, 50, count).astype(float), np.ones(count, bool))
    slow = fcluster(linkage(xy, "single"), 150.0, "distance")
    assert len(set(zip(zones.zone.tolist(), slow.tolist(), strict=True))) == len(np.unique(slow))
    assert len(zones.points) == len(np.unique(slow))
    assert (np.diff(zones.households) <= 0).all()


def test_homes_on_one_spot_or_one_line_make_zones_too() -> None:
    spot = gap_zones(np.zeros((5, 2)), np.ones(5), np.ones(5, bool))
    assert spot.points.tolist() == [5]
    line = np.column_stack([np.arange(6) * 100.0, np.zeros(6)])
    assert gap_zones(line, np.ones(6), np.ones(6, bool)).points.tolist() == [6]
    none = gap_zones(line, np.ones(6), np.zeros(6, bool))
    assert (none.zone == -1).all()


def test_sums_equal_a_recount_and_states_add_up() -> None:
    rng = np.random.default_rng(0)
    state = rng.integers(0, 4, 500).astype(np.uint8)
    homes = np.where(rng.random(500) < 0.2, np.nan, rng.integers(0, 90, 500))
    group = rng.integers(-1, 6, 500)
    table = summarise(state, homes, homes * 2.5, group)
    for key in np.unique(group):
        mine = group == key
        assert table.loc[key, "households"] == pytest.approx(np.nansum(homes[mine]))
        assert table.loc[key, "gap_households"] == pytest.approx(
            np.nansum(homes[mine & (state == 1)])
        )
        assert table.loc[key, ["covered", "gap", "unsnapped", "disconnected"]].sum() == mine.sum()


@given(st.integers(0, 10_000), st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
@settings(deadline=None)
def test_a_spread_total_adds_up_exactly_and_follows_the_weights(
    total: int, weights: list[float]
) -> None:
    parts = spread(total, np.array(weights))
    assert parts.sum() == total
    assert (parts >= 0).all()
    if sum(weights) > 0:
        exact = total * np.array(weights) / sum(weights)
        assert np.abs(parts - exact).max() < 1 + 1e-6


def test_estimates_follow_floor_area_and_spare_what_nobody_lives_in() -> None:
    kinds = np.array(["high_rise", "multi_storey", "bungalow", "commercial", "bungalow"], object)
    found = estimate_households(
        np.array([500.0, 420.0, 100.0, 900.0, 5.0]), np.array([20.0, 5.0, np.nan, 3.0, 1.0]), kinds
    )
    assert found.tolist() == [80, 20, 1, 0, 0]


@pytest.mark.parametrize(
    ("bounds", "epsg"), [((118.0, 36.2, 118.2, 36.4), 4548), ((120.5, 31.0, 121.9, 31.5), 4549)]
)
def test_china_is_measured_in_the_gauss_krueger_zone_of_cgcs2000(
    bounds: tuple[float, float, float, float], epsg: int
) -> None:
    assert projected_crs(bounds).to_epsg() == epsg


def test_metres_are_metres_elsewhere() -> None:
    crs = projected_crs((-8.7, 41.0, -8.4, 41.4)).srs
    rng = np.random.default_rng(1)
    lonlat = np.column_stack([rng.uniform(-8.7, -8.4, 50), rng.uniform(41.0, 41.4, 50)])
    xy = project(lonlat, crs)
    geod = Geod(ellps="WGS84")
    _, _, true_m = geod.inv(*lonlat[:-1].T, *lonlat[1:].T)
    assert np.hypot(*np.diff(xy, axis=0).T) == pytest.approx(true_m, rel=5e-5)
    assert unproject(xy, crs) == pytest.approx(lonlat, abs=1e-9)


def test_coordinates_that_are_no_degrees_are_refused() -> None:
    with pytest.raises(CoordinateError, match="not WGS84 degrees"):
        projected_crs((500_000, 4_000_000, 510_000, 4_010_000))
