"""Catchments: nested, alone as in a batch, on their side of the river, right at every home."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import shapely
from geo_by_hand import ORIGIN, at, block_town, network_of

from geo.catchment import STEP_M, Catchment, DemandPoints, catchments
from geo.errors import SnapError
from geo.field import FieldIndex
from geo.impedance import impedance
from geo.network import WalkNetwork
from geo.search import reach, reach_targets
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
    index = FieldIndex(net, costs, barriers=barriers, max_snap_m=200, step_m=STEP_M)
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


COMPOUND = [(100.0, 40.0), (300.0, 40.0), (300.0, 140.0), (100.0, 140.0), (100.0, 40.0)]


def fence(*lines: list[tuple[float, float]], gates: np.ndarray | None = None) -> Barriers:
    ends = [(*a, *b) for points in lines for a, b in pairwise(points)]
    return Barriers(
        np.array(ends) + np.tile(ORIGIN, 2), np.zeros((0, 2)) if gates is None else gates
    )


@pytest.mark.parametrize("cutoff_s", [10.0, 60.0, 130.0, 400.0])
@pytest.mark.parametrize("method", ["network", "lines"])
def test_a_station_in_a_walled_compound_is_inside_however_short_the_time(
    cutoff_s: float, method: str
) -> None:
    net = network_of([[(0.0, 0.0), (400.0, 0.0)]])
    station = at((200.0, 90.0))
    homes = at((202.0, 91.0), (150.0, 60.0), (10.0, 5.0))
    for made in drawn(
        net,
        station,
        cutoffs_s=(cutoff_s,),
        homes=homes,
        barriers=fence(COMPOUND, gates=at((290.0, 40.0))),
        method=method,
    ):
        assert made.polygon.contains(shapely.Point(station[0]))
        assert (made.false_inside, made.false_outside) == (0, 0)


def test_the_leg_is_drawn_through_the_gate_and_not_over_the_wall() -> None:
    net = network_of([[(0.0, 0.0), (400.0, 0.0)]])
    # The street in front of the station is kept off by a second wall; only the gate opens.
    made = drawn(
        net,
        at((200.0, 50.0)),
        cutoffs_s=(125.0,),
        barriers=fence(COMPOUND, gates=at((290.0, 40.0))),
    )[0]
    assert made.polygon.contains(shapely.Point(at((289.0, 41.0))[0]))
    assert not made.polygon.contains(shapely.Point(at((200.0, 30.0))[0]))


def test_a_home_at_the_station_itself_may_be_out_of_time_and_the_station_stays_inside() -> None:
    net = network_of([[(0.0, 0.0), (400.0, 0.0)]])
    for made in drawn(
        net, at((200.0, 90.0)), cutoffs_s=(60.0, 100.0), homes=at((200.0, 90.0), (201.0, 90.0))
    ):
        assert made.polygon.contains(shapely.Point(at((200.0, 90.0))[0]))
        assert not made.polygon.contains(shapely.Point(at((201.0, 90.0))[0]))
        assert (made.false_inside, made.false_outside) == (1, 0)


def test_corrections_at_homes_by_the_river_do_not_reach_across() -> None:
    net = network_of([[(0.0, 0.0), (600.0, 0.0)]])
    river = fence([(-500.0, 1.5), (1100.0, 1.5)])
    rng = np.random.default_rng(8)
    near = np.column_stack([rng.uniform(0, 600, 300), rng.uniform(-4, 1.2, 300)])
    made = drawn(net, at((300.0, 0.5)), homes=ORIGIN + near, barriers=river)
    bank = shapely.box(*at((-500, 1.53))[0], *at((1100, 400))[0])
    for one in made:
        assert one.polygon.intersection(bank).area == 0
        assert (one.false_inside, one.false_outside) == (0, 0)


def test_corrections_keep_shorter_circles_within_longer_ones(town: WalkNetwork) -> None:
    rng = np.random.default_rng(9)
    stations = ORIGIN + rng.uniform(200, 1000, (6, 2))
    homes = ORIGIN + rng.uniform(-80, 1250, (9000, 2))
    cutoffs_s = (300.0, 310.0, 320.0, 600.0)
    made = drawn(town, stations, homes=homes, cutoffs_s=cutoffs_s)
    for i in range(0, len(made), len(cutoffs_s)):
        for short, long in pairwise(made[i : i + len(cutoffs_s)]):
            assert short.polygon.difference(long.polygon).area < 1e-6
            assert short.polygon.distance(long.polygon) == 0


def test_a_circle_with_homes_is_the_same_alone_and_in_a_batch_to_the_byte(
    town: WalkNetwork,
) -> None:
    rng = np.random.default_rng(10)
    stations = ORIGIN + rng.uniform(100, 1000, (4, 2))
    homes = ORIGIN + rng.uniform(-50, 1200, (2000, 2))
    batch = drawn(town, stations, homes=homes, cutoffs_s=(300.0, 450.0))
    for i in range(4):
        for k, cutoff_s in enumerate((300.0, 450.0)):
            alone = drawn(town, stations[i : i + 1], homes=homes, cutoffs_s=(cutoff_s,))[0]
            same = batch[2 * i + k]
            assert alone.polygon.wkb == same.polygon.wkb
            assert alone.demand.tolist() == same.demand.tolist()
            assert alone.lines.wkb == same.lines.wkb


def test_no_stations_make_no_circles(town: WalkNetwork) -> None:
    assert drawn(town, np.zeros((0, 2)), homes=at((1.0, 1.0))) == []
    made = drawn(town, at((500.0, 500.0)), homes=np.zeros((0, 2)))
    assert all(len(one.demand) == 0 for one in made)


def test_two_nodes_on_one_spot_leave_no_hole_in_the_circle() -> None:
    # A street without length between two ends: points around it join it or its neighbours.
    lines = [
        [(0.0, 0.0), (100.0, 0.0)],
        [(100.0, 0.0), (100.0001, 0.0)],
        [(100.0001, 0.0), (200.0, 0.0)],
    ]
    net = network_of(lines, waits={(100.0, 0.0): 1.0, (100.0001, 0.0): 1.0})
    assert (net.edge_length_mm == 0).any()
    made = drawn(net, at((50.0, 0.0)), cutoffs_s=(140.0,))[0]
    homes = at((100.0, 20.0), (100.0, -20.0), (100.0, 40.0), (100.0, 2.0))
    assert shapely.contains_xy(made.polygon, *homes.T).all()


def test_the_outline_holds_exactly_the_raster_points_in_time(town: WalkNetwork) -> None:
    costs = impedance(town, NORM)
    rng = np.random.default_rng(12)
    walls = ORIGIN[[0, 1, 0, 1]] + rng.uniform(0, 1100, (60, 4)).cumsum(axis=1) % 1100
    fences = Barriers(walls, np.zeros((0, 2)))
    snapper = Snapper(town, costs, max_snap_m=200, barriers=fences)
    index = FieldIndex(town, costs, barriers=fences, max_snap_m=200, step_m=STEP_M)
    for x, y in ORIGIN + rng.uniform(200, 900, (8, 2)):
        source = snapper.snap(np.array([[x, y]]))
        if source.edge[0] < 0:
            continue
        found = reach(town, costs, source, cutoff_s=700.0)
        field = index.field(source, found.node, found.cost_mm, costs.cutoff_mm(700.0))
        for cutoff_mm in (250_000, 400_000, 600_000):
            area = field.outline(cutoff_mm, rim_mm=15_000, hole_m2=0.0)
            assert area.is_valid
            at = np.meshgrid(field.x, field.y)
            assert (shapely.contains_xy(area, *at) == (field.cost_mm <= cutoff_mm)).all()
            filled = field.outline(cutoff_mm, rim_mm=15_000, hole_m2=5_000.0)
            assert filled.is_valid
            assert filled.covers(area)
            gaps = [shapely.Polygon(r).area for part in filled.geoms for r in part.interiors]
            assert all(gap >= 5_000 for gap in gaps)


def test_tiles_laid_ahead_change_nothing(town: WalkNetwork) -> None:
    costs = impedance(town, NORM)
    station = at((500.0, 500.0))
    late, early = (
        FieldIndex(town, costs, barriers=None, max_snap_m=200, step_m=STEP_M) for _ in range(2)
    )
    left = early.fill(tiles=3)
    assert left > 0
    while (less := early.fill(tiles=5)) > 0:
        assert less < left
        left = less
    snapped = Snapper(town, costs, max_snap_m=200).snap(station)
    assert [
        one.polygon.wkb for one in catchments(early, snapped, station, cutoffs_s=(300.0, 900.0))
    ] == [one.polygon.wkb for one in catchments(late, snapped, station, cutoffs_s=(300.0, 900.0))]
