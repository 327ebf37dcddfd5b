"""Snapping: the nearest usable edge, ties, barriers, gates and odd points, against shapely."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
import shapely
from geo_by_hand import OPEN, ORIGIN, at, block_town, network_of
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.errors import SnapError
from geo.impedance import impedance
from geo.network import EdgeFlag, WalkNetwork
from geo.snapping import Barriers, Snapper, SnapState, snap
from geo.standards import PROFILES

NORM = PROFILES["norm"]
NO_GATES = np.zeros((0, 2))
coordinate = st.integers(0, 8).map(lambda i: i * 30.0)
line = st.lists(st.tuples(coordinate, coordinate), min_size=2, max_size=5).filter(
    lambda points: len(set(points)) > 1
)


def edge_lines(net: WalkNetwork) -> list[shapely.LineString]:
    return [shapely.LineString(net.edge_xy[a:b]) for a, b in itertools.pairwise(net.edge_offsets)]


def walls(*lines: list[tuple[float, float]]) -> np.ndarray:
    """Segments of polylines in metres of the network."""
    ends = [(*a, *b) for points in lines for a, b in itertools.pairwise(points)]
    return np.array(ends, float).reshape(-1, 4) + np.tile(ORIGIN, 2)


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(line, min_size=1, max_size=8),
    seed=st.integers(0, 10_000),
    limit=st.sampled_from([0.0, 15.0, 60.0, 400.0]),
)
def test_every_point_joins_the_nearest_edge_as_shapely_finds_it(
    lines: list[list[tuple[float, float]]], seed: int, limit: float
) -> None:
    net = network_of(lines)
    rng = np.random.default_rng(seed)
    points = ORIGIN + rng.uniform(-150, 400, (25, 2))
    found = snap(net, impedance(net, NORM), points, max_snap_m=limit)
    drawn = edge_lines(net)
    tree = shapely.STRtree(drawn)
    nearest = tree.query_nearest(shapely.points(points), return_distance=True)
    least = np.full(len(points), np.inf)
    np.minimum.at(least, nearest[0][0], nearest[1])
    assert np.array_equal(found.edge >= 0, least <= limit)
    assert (found.state == np.where(least <= limit, 0, SnapState.TOO_FAR)).all()
    for i in np.flatnonzero(found.edge >= 0):
        mine = drawn[found.edge[i]]
        assert found.access_mm[i] / 1000 == pytest.approx(least[i], abs=6e-4)
        assert mine.distance(shapely.Point(found.xy[i])) < 1e-6
        along = mine.interpolate(found.offset_mm[i] / 1000)
        assert along.distance(shapely.Point(found.xy[i])) < 2e-3
        assert 0 <= found.offset_mm[i] <= net.edge_length_mm[found.edge[i]]


@settings(max_examples=40, deadline=None)
@given(
    lines=st.lists(line, min_size=1, max_size=6),
    fences=st.lists(line, min_size=1, max_size=4),
    seed=st.integers(0, 10_000),
)
def test_no_leg_crosses_a_barrier_and_only_the_walled_in_are_blocked(
    lines: list[list[tuple[float, float]]], fences: list[list[tuple[float, float]]], seed: int
) -> None:
    net = network_of(lines)
    rng = np.random.default_rng(seed)
    points = ORIGIN + rng.uniform(-30, 270, (20, 2))
    segments = walls(*fences)
    costs = impedance(net, NORM)
    free = snap(net, costs, points, max_snap_m=150)
    found = snap(net, costs, points, max_snap_m=150, barriers=Barriers(segments, NO_GATES))
    fence = shapely.union_all(shapely.linestrings(segments.reshape(-1, 2, 2)))
    assert np.array_equal(free.state == SnapState.TOO_FAR, found.state == SnapState.TOO_FAR)
    assert (found.gate == -1).all()
    for i in range(len(points)):
        if found.edge[i] >= 0:
            assert found.access_mm[i] >= free.access_mm[i] - 1
            # The last centimetre is left out: a street may lie on a wall.
            leg = shapely.LineString([points[i], found.xy[i]])
            short = leg.interpolate(max(leg.length - 0.01, 0.0))
            assert not shapely.LineString([points[i], (short.x, short.y)]).crosses(fence)
        elif free.edge[i] >= 0:
            assert shapely.LineString([points[i], free.xy[i]]).distance(fence) < 1e-6


@settings(max_examples=30, deadline=None)
@given(
    lines=st.lists(line, min_size=1, max_size=6),
    seed=st.integers(0, 10_000),
    apart=st.sampled_from([300.0, 20_000.0, 400_000.0]),
)
def test_without_a_limit_every_point_joins_its_nearest_edge_from_however_far(
    lines: list[list[tuple[float, float]]], seed: int, apart: float
) -> None:
    rng = np.random.default_rng(seed)
    # Hamlets far apart, so that there is much empty land between them.
    places = np.round(rng.uniform(0, apart, (4, 2)))
    hamlets = [[(x + px, y + py) for x, y in one] for px, py in places for one in lines]
    net = network_of(hamlets)
    points = ORIGIN + rng.uniform(-apart, 2 * apart, (30, 2))
    found = snap(net, impedance(net, NORM), points, max_snap_m=np.inf)
    drawn = edge_lines(net)
    for i, point in enumerate(shapely.points(points)):
        least = min(one.distance(point) for one in drawn)
        assert found.state[i] == SnapState.SNAPPED
        assert found.access_mm[i] / 1000 == pytest.approx(least, abs=6e-4)
        assert drawn[found.edge[i]].distance(point) == pytest.approx(least, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_round_a_barrier_the_nearest_edge_in_sight_is_taken_as_shapely_sees_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Whole metres off the walls' lines: nothing touches.
    streets = [[tuple(p) for p in line] for line in rng.integers(0, 900, (12, 2, 2)) + 0.25]
    fences = [[tuple(p) for p in line] for line in rng.integers(0, 900, (10, 2, 2))]
    net = network_of(streets)
    points = ORIGIN + rng.uniform(0, 900, (15, 2))
    segments = walls(*fences)
    found = snap(
        net,
        impedance(net, NORM),
        points,
        max_snap_m=900,
        barriers=Barriers(segments, NO_GATES),
    )
    fence = shapely.linestrings(segments.reshape(-1, 2, 2))
    ends = np.concatenate([np.stack([v[:-1], v[1:]], 1) for v in _vertices(net)])
    pieces = shapely.linestrings(ends)
    for i, point in enumerate(shapely.points(points)):
        legs = shapely.shortest_line(point, pieces)
        seen = ~np.array([shapely.crosses(leg, fence).any() for leg in legs])
        least = shapely.length(legs[seen]).min(initial=np.inf)
        assert (found.edge[i] >= 0) == (least <= 900)
        if least <= 900:
            assert found.access_mm[i] / 1000 == pytest.approx(least, abs=6e-4)


def _vertices(net: WalkNetwork) -> list[np.ndarray]:
    return [net.edge_xy[a:b] for a, b in itertools.pairwise(net.edge_offsets)]


def test_a_huge_limit_costs_little_far_from_any_street_and_behind_a_wall() -> None:
    net = network_of([*block_town(30), [(80_000.0, 0.0), (80_100.0, 0.0)]])
    costs = impedance(net, NORM)
    yard = walls([(1410, 1410), (1490, 1410), (1490, 1490), (1410, 1490), (1410, 1410)])
    rng = np.random.default_rng(0)
    far = ORIGIN + np.column_stack([rng.uniform(20_000, 60_000, 2000), rng.uniform(0, 9e4, 2000)])
    shut_in = ORIGIN + rng.uniform(1420, 1480, (200, 2))
    snapper = Snapper(net, costs, max_snap_m=1e8, barriers=Barriers(yard, NO_GATES))
    snapper.snap(far[:1])
    started = time.process_time()
    assert (snapper.snap(far).state == SnapState.SNAPPED).all()
    assert (snapper.snap(shut_in).state == SnapState.BLOCKED).all()
    # Ring by ring it took minutes.
    assert time.process_time() - started < 5


def test_many_points_at_a_time_join_as_each_alone() -> None:
    net = network_of(block_town(12))
    costs = impedance(net, NORM)
    rng = np.random.default_rng(1)
    points = ORIGIN + rng.uniform(-300, 1400, (9000, 2))
    points[::1000] = np.nan
    snapper = Snapper(net, costs, max_snap_m=80)
    together = snapper.snap(points)
    apart = [snapper.snap(points[k : k + 3000]) for k in (0, 3000, 6000)]
    for name in ("edge", "offset_mm", "access_mm", "xy", "gate", "state"):
        alone = np.concatenate([getattr(one, name) for one in apart])
        assert np.array_equal(getattr(together, name), alone, equal_nan=name == "xy")


def test_equally_near_edges_go_to_the_lower_number() -> None:
    # Three streets end in one point that is the nearest of all three.
    star = [[(100.0, 0.0), (0.0, 0.0)], [(100.0, 0.0), (33.3, 71.7)], [(100.0, 0.0), (9.1, -77.7)]]
    net = network_of(star)
    rng = np.random.default_rng(0)
    points = at((100.0, 0.0)) + np.column_stack([rng.uniform(60, 90, 200), rng.normal(0, 1, 200)])
    found = snap(net, impedance(net, NORM), points, max_snap_m=200)
    assert (found.edge == 0).all()


def test_a_street_along_a_wall_is_reached_from_both_sides() -> None:
    # Not on the axes, so that rounding puts the foot on either side of the wall.
    street = [(3.0, 1.0), (301.0, 77.0)]
    net = network_of([street])
    costs = impedance(net, NORM)
    t = np.linspace(0.05, 0.95, 200)[:, None]
    middle = at(street[0]) + t * (at(street[1]) - at(street[0]))
    across = np.array([-76.0, 298.0]) / np.hypot(76.0, 298.0)
    along_it = Barriers(np.concatenate([net.edge_xy[:1], net.edge_xy[1:]], axis=1), NO_GATES)
    for side in (-20.0, 20.0):
        found = snap(net, costs, middle + side * across, max_snap_m=50, barriers=along_it)
        assert (found.state == SnapState.SNAPPED).all()


def test_a_leg_through_a_gate_does_not_cross_another_barrier() -> None:
    net = network_of([[(0.0, 0.0), (300.0, 0.0)]])
    costs = impedance(net, NORM)
    compound = [(50.0, 40.0), (250.0, 40.0), (250.0, 140.0), (50.0, 140.0), (50.0, 40.0)]
    home = at((150.0, 80.0))
    gate = at((150.0, 40.0))
    open_land = snap(net, costs, home, max_snap_m=200, barriers=Barriers(walls(compound), gate))
    assert open_land.state[0] == SnapState.SNAPPED
    river = [(-900.0, 20.0), (1200.0, 20.0)]
    shut = snap(net, costs, home, max_snap_m=200, barriers=Barriers(walls(compound, river), gate))
    assert shut.state[0] == SnapState.BLOCKED


def test_of_two_gates_the_shorter_way_is_taken_and_named() -> None:
    net = network_of([[(0.0, 0.0), (300.0, 0.0)]])
    costs = impedance(net, NORM)
    compound = walls([(50, 40), (250, 40), (250, 140), (50, 140), (50, 40)])
    gates = at((240.0, 40.0), (60.0, 40.0), (150.0, 140.0))
    found = snap(
        net,
        costs,
        at((100.0, 100.0), (200.0, 100.0)),
        max_snap_m=110,
        barriers=Barriers(compound, gates),
    )
    assert found.gate.tolist() == [1, 0]
    assert found.access_mm[0] == pytest.approx(1000 * (np.hypot(40, 60) + 40), abs=2)
    assert found.xy[0] == pytest.approx(at((60.0, 0.0))[0], abs=1e-3)


def test_steps_are_left_to_those_who_can_climb_them() -> None:
    net = network_of(
        [[(0.0, 0.0), (100.0, 0.0)], [(0.0, 50.0), (100.0, 50.0)]],
        flags=[OPEN | int(EdgeFlag.STEPS), OPEN],
    )
    home = at((50.0, 10.0))
    walker = snap(net, impedance(net, NORM), home, max_snap_m=60)
    chair = snap(net, impedance(net, PROFILES["wheelchair"]), home, max_snap_m=60)
    assert walker.access_mm[0] == pytest.approx(10_000, abs=2)
    assert chair.access_mm[0] == pytest.approx(40_000, abs=2)


@pytest.mark.parametrize("barriers", [None, Barriers(walls([(0, 5), (100, 5)]), NO_GATES)])
def test_points_that_are_nowhere_or_very_far_stay_unsnapped(barriers: Barriers | None) -> None:
    net = network_of([[(0.0, 0.0), (100.0, 0.0)]])
    odd = np.array([[np.nan, np.nan], [0.0, 0.0], [1e9, -1e9], [-np.inf, np.inf]])
    found = snap(net, impedance(net, NORM), odd, max_snap_m=100, barriers=barriers)
    assert (found.edge == -1).all()
    assert (found.state == SnapState.TOO_FAR).all()


def test_no_points_and_a_network_closed_to_the_traveller_are_no_trouble() -> None:
    steps = network_of([[(0.0, 0.0), (100.0, 0.0)]], flags=[OPEN | int(EdgeFlag.STEPS)])
    chair = impedance(steps, PROFILES["wheelchair"])
    assert len(snap(steps, chair, np.zeros((0, 2)), max_snap_m=10)) == 0
    assert snap(steps, chair, at((50.0, 0.0)), max_snap_m=10).state[0] == SnapState.TOO_FAR


def test_costs_of_another_network_are_refused() -> None:
    one, other = network_of([[(0.0, 0.0), (9.0, 0.0)]]), network_of([[(0.0, 0.0), (8.0, 0.0)]])
    with pytest.raises(SnapError, match="another version"):
        snap(one, impedance(other, NORM), at((0.0, 0.0)), max_snap_m=10)
