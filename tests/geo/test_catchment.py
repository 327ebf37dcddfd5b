"""Catchments: nested, alone as in a batch, on their side of the river, right at every home."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from geo_by_hand import ORIGIN, at, block_town, network_of

from geo.catchment import Catchment, DemandPoints, catchments
from geo.errors import SnapError
from geo.field import FieldIndex
from geo.impedance import impedance
from geo.network import WalkNetwork
from geo.search import reach_targets
from geo.snapping import Barriers, Snapper
from geo.standards import PROFILES

NORM = PROFILES["norm"]


def drawn(
    net: WalkNetwork,
    stations: np.ndarray,
    *,
    cutoffs_s: tuple[float, ...] = (300.0, 450.0),
    homes: np.ndarray | None = None,
    barriers: Barriers | None = None,
    method: str = "network",
    hole_m2: float = 500.0,
) -> list[Catchment]:
    costs = impedance(net, NORM)
    snapper = Snapper(net, costs, max_snap_m=200, barriers=barriers)
    index = FieldIndex(net, costs, barriers=barriers, max_snap_m=200, step_m=6)
    demand = None if homes is None else DemandPoints(snapper.snap(homes), homes)
    return catchments(
        index,
        snapper.snap(stations),
        stations,
        cutoffs_s=cutoffs_s,
        method=method,  # type: ignore[arg-type]
        demand=demand,
        barriers=barriers,
        hole_m2=hole_m2,
    )


@pytest.fixture(scope="module")
def town() -> WalkNetwork:
    rng = np.random.default_rng(11)
    lines = [
        [(x + float(rng.normal(0, 8)), y + float(rng.normal(0, 8))) for x, y in line]
        for line in block_town(14, 90.0)
    ]
    # The streets of each direction cross those of the other: node them by rounding to crossings.
    noded = shapely.get_parts(shapely.union_all([shapely.LineString(line) for line in lines]))
    return network_of(
        [[tuple(np.round(p, 3)) for p in shapely.get_coordinates(part)] for part in noded]
    )


@pytest.mark.parametrize("method", ["network", "lines"])
def test_the_shorter_circle_lies_within_the_longer_and_holds_its_station(
    town: WalkNetwork, method: str
) -> None:
    rng = np.random.default_rng(1)
    stations = ORIGIN + rng.uniform(100, 1000, (12, 2))
    homes = ORIGIN + rng.uniform(-50, 1200, (1500, 2))
    made = drawn(town, stations, homes=homes, method=method)
    for short, long in zip(made[::2], made[1::2], strict=True):
        assert short.polygon.is_valid
        assert long.polygon.is_valid
        assert short.polygon.contains(shapely.Point(stations[short.station]))
        assert short.polygon.difference(long.polygon).area < 1.0
        assert short.reached_m < long.reached_m
        assert set(short.demand) <= set(long.demand)


def test_a_circle_is_the_same_alone_and_in_a_batch(town: WalkNetwork) -> None:
    stations = ORIGIN + np.random.default_rng(2).uniform(100, 1000, (6, 2))
    batch = drawn(town, stations)
    for i in range(6):
        for k, cutoff_s in enumerate((300.0, 450.0)):
            alone = drawn(town, stations[i : i + 1], cutoffs_s=(cutoff_s,))[0]
            assert alone.polygon.equals_exact(batch[2 * i + k].polygon, 1e-9)
            assert alone.reached_m == batch[2 * i + k].reached_m


def test_the_polygon_agrees_with_routed_time_at_every_home(town: WalkNetwork) -> None:
    rng = np.random.default_rng(3)
    stations = ORIGIN + rng.uniform(100, 1000, (10, 2))
    homes = ORIGIN + rng.uniform(-80, 1250, (4000, 2))
    costs = impedance(town, NORM)
    snapper = Snapper(town, costs, max_snap_m=200)
    pairs = reach_targets(town, costs, snapper.snap(stations), snapper.snap(homes), cutoff_s=450.0)
    for made in drawn(town, stations, homes=homes, cutoffs_s=(450.0,)):
        row = slice(pairs.offsets[made.station], pairs.offsets[made.station + 1])
        truth = np.zeros(len(homes), bool)
        truth[pairs.target[row]] = True
        inside = shapely.contains_xy(made.polygon, homes[:, 0], homes[:, 1])
        assert (made.false_inside, made.false_outside) == (0, 0)
        assert np.array_equal(inside, truth)


def test_homes_it_was_not_shown_agree_nearly_always(town: WalkNetwork) -> None:
    rng = np.random.default_rng(4)
    stations = ORIGIN + rng.uniform(200, 900, (8, 2))
    homes = ORIGIN + rng.uniform(-80, 1250, (20_000, 2))
    costs = impedance(town, NORM)
    snapper = Snapper(town, costs, max_snap_m=200)
    pairs = reach_targets(town, costs, snapper.snap(stations), snapper.snap(homes), cutoff_s=450.0)
    both = either = 0
    for made in drawn(town, stations, cutoffs_s=(450.0,), hole_m2=0):
        truth = pairs.target[pairs.offsets[made.station] : pairs.offsets[made.station + 1]]
        inside = np.flatnonzero(shapely.contains_xy(made.polygon, homes[:, 0], homes[:, 1]))
        both += len(np.intersect1d(truth, inside))
        either += len(np.union1d(truth, inside))
    assert both / either > 0.97


def test_nothing_is_drawn_across_a_river_without_a_bridge() -> None:
    net = network_of([[(0.0, 0.0), (600.0, 0.0)], [(0.0, 0.0), (0.0, -300.0)]])
    river = np.array([[-500.0, 40.0, 1100.0, 40.0]]) + np.tile(ORIGIN, 2)
    station = at((300.0, 5.0))
    made = drawn(net, station, barriers=Barriers(river, np.zeros((0, 2))))
    bank = shapely.box(*at((-500, 40.1))[0], *at((1100, 400))[0])
    assert all(c.polygon.area > 0 for c in made)
    assert all(c.polygon.intersection(bank).area == 0 for c in made)
    open_land = drawn(net, station)
    assert any(c.polygon.intersection(bank).area > 1000 for c in open_land)


def test_a_station_off_the_network_is_refused_by_name(town: WalkNetwork) -> None:
    with pytest.raises(SnapError, match="Station 0 at"):
        drawn(town, at((5000.0, 5000.0)))


def test_the_lines_are_as_long_as_it_says(town: WalkNetwork) -> None:
    for made in drawn(town, at((500.0, 500.0))):
        assert made.lines.length == pytest.approx(made.reached_m, rel=1e-4)
