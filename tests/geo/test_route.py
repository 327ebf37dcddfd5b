"""Routes and one-way costs against networkx on the raw ways, with signals, loops and twins."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest
from geo_by_hand import OPEN, ORIGIN, at, network_of
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.coverage import State, coverage
from geo.errors import ProfileError, SnapError
from geo.impedance import Impedance, impedance
from geo.network import EdgeFlag, WalkNetwork
from geo.route import cut_edge, route
from geo.search import nearest_facility, reach, reach_targets, reached_edges
from geo.snapping import SnappedPoints, snap
from geo.standards import PROFILES

NORM = PROFILES["norm"]
FORWARD = int(EdgeFlag.WALK | EdgeFlag.RIDE_FORWARD)
BACKWARD = int(EdgeFlag.WALK | EdgeFlag.RIDE_BACKWARD)
coordinate = st.integers(0, 4).map(lambda i: i * 50.0)
place = st.tuples(coordinate, coordinate)
street = st.lists(place, min_size=2, max_size=5).filter(lambda points: len(set(points)) > 1)
kind = st.sampled_from([OPEN, OPEN, FORWARD, BACKWARD, int(EdgeFlag.WALK)])


def anywhere(net: WalkNetwork, costs: Impedance, seed: int, count: int) -> SnappedPoints:
    """Points put on edges at random, so that loops, twins and short edges are met too."""
    rng = np.random.default_rng(seed)
    usable = np.flatnonzero((costs.forward_mm >= 0) | (costs.backward_mm >= 0))
    edge = rng.choice(usable, count).astype(np.int32)
    length = net.edge_length_mm[edge]
    offset = np.rint(rng.random(count) * length).astype(np.int32)
    offset[::4] = 0
    offset[1::5] = length[1::5]
    xy = np.array(
        [cut_edge(net, int(e), int(o), int(o))[0] for e, o in zip(edge, offset, strict=True)]
    )
    return SnappedPoints(
        edge,
        offset,
        rng.integers(0, 9_000, count).astype(np.int32),
        xy,
        np.full(count, -1, np.int32),
        np.zeros(count, np.uint8),
        net.version,
    )


def directed_graph(net: WalkNetwork, costs: Impedance, points: SnappedPoints) -> nx.MultiDiGraph:
    """Every point a node of its own between its neighbours on the edge; waits paid on reaching."""
    graph = nx.MultiDiGraph()
    stops: dict[int, list[tuple[float, object]]] = {}
    for i in range(len(points)):
        stops.setdefault(int(points.edge[i]), []).append((int(points.offset_mm[i]), ("on", i)))
        graph.add_edge(("home", i), ("on", i), weight=float(points.access_mm[i]))
        graph.add_edge(("on", i), ("door", i), weight=float(points.access_mm[i]))
    for e in range(len(net.edge_nodes)):
        a, b = (("node", int(v)) for v in net.edge_nodes[e])
        length = int(net.edge_length_mm[e])
        chain = [(0, a), *sorted(stops.get(e, []), key=lambda s: s[0]), (length, b)]
        for whole, way in ((costs.forward_mm[e], chain), (costs.backward_mm[e], chain[::-1])):
            for (d0, u), (d1, v) in itertools.pairwise(way):
                # Two points on one spot are one place, whichever way the edge is open.
                if d0 == d1 and u[0] == v[0] == "on":
                    graph.add_edge(u, v, weight=0.0)
                    graph.add_edge(v, u, weight=0.0)
                if whole < 0:
                    continue
                share = abs(d1 - d0) / length if length else (1.0 if len(chain) == 2 else 0.0)
                wait = float(costs.node_wait_mm[v[1]]) if v[0] == "node" else 0.0
                graph.add_edge(u, v, weight=share * float(whole) + wait)
    return graph


@pytest.mark.parametrize(("profile", "waits"), [("norm", "worst"), ("ebike", "expected")])
@settings(max_examples=50, deadline=None)
@given(
    lines=st.lists(street, min_size=1, max_size=6),
    kinds=st.lists(kind, min_size=6, max_size=6),
    signals=st.dictionaries(place, st.sampled_from([0.5, 1.0, 2.0]), max_size=4),
    blocked=st.lists(place, max_size=2),
    seed=st.integers(0, 10_000),
)
def test_directed_costs_and_routes_equal_networkx_for_every_pair(
    profile: str,
    waits: str,
    lines: list[list[tuple[float, float]]],
    kinds: list[int],
    signals: dict[tuple[float, float], float],
    blocked: list[tuple[float, float]],
    seed: int,
) -> None:
    used = {point for points in lines for point in points}
    net = network_of(
        lines,
        flags=kinds[: len(lines)],
        waits={p: w for p, w in signals.items() if p in used},
        blocked=tuple(p for p in blocked if p in used),
    )
    costs = impedance(net, PROFILES[profile], waits=waits)
    if (costs.forward_mm < 0).all() and (costs.backward_mm < 0).all():
        return
    points = anywhere(net, costs, seed, 9)
    graph = directed_graph(net, costs, points)
    homes, stations = points.take(slice(0, 6)), points.take(slice(6, 9))
    pairs = reach_targets(net, costs, stations, homes, cutoff_s=1e6)
    swept = nearest_facility(net, costs, homes, stations)
    for i in range(6):
        far = nx.single_source_dijkstra_path_length(graph, ("home", i), weight="weight")
        slow = [far.get(("door", 6 + s)) for s in range(3)]
        for s in range(3):
            row = slice(pairs.offsets[s], pairs.offsets[s + 1])
            fast = dict(zip(pairs.target[row].tolist(), pairs.cost_mm[row].tolist(), strict=True))
            way = route(net, costs, homes.row(i), stations.row(s))
            if slow[s] is None:
                assert i not in fast
                assert way is None
                continue
            assert fast[i] == pytest.approx(slow[s], abs=3)
            assert way is not None
            assert way.cost_mm == fast[i]
            assert way.xy[0] == pytest.approx(homes.xy[i], abs=2e-3)
            assert way.xy[-1] == pytest.approx(stations.xy[s], abs=2e-3)
            assert np.hypot(*np.diff(way.xy, axis=0).T).sum() == pytest.approx(
                way.street_m, abs=0.02
            )
            assert way.seconds == pytest.approx(way.cost_mm / 1000 / costs.speed_mps)
        known = [d for d in slow if d is not None]
        if known:
            assert swept.cost_mm[i] == pytest.approx(min(known), abs=3)
        else:
            assert swept.facility[i] == -1


@settings(max_examples=40, deadline=None)
@given(
    lines=st.lists(street, min_size=1, max_size=6),
    seed=st.integers(0, 10_000),
    cutoff_s=st.sampled_from([0.0, 5.0, 60.0, 150.0, 1e5]),
)
def test_reached_streets_are_those_that_a_walk_from_each_metre_confirms(
    lines: list[list[tuple[float, float]]], seed: int, cutoff_s: float
) -> None:
    net = network_of(lines)
    costs = impedance(net, NORM)
    station = anywhere(net, costs, seed, 1)
    found = reach(net, costs, station, cutoff_s=cutoff_s)
    edges = reached_edges(net, costs, station, found.node, found.cost_mm, cutoff_s=cutoff_s)
    every = [
        (e, o) for e in range(len(net.edge_nodes)) for o in range(0, net.edge_length_mm[e], 997)
    ]
    edge = np.array([e for e, _ in every], np.int32)
    offset = np.array([o for _, o in every], np.int32)
    n = len(every)
    homes = SnappedPoints(
        edge,
        offset,
        np.zeros(n, np.int32),
        np.zeros((n, 2)),
        np.full(n, -1, np.int32),
        np.zeros(n, np.uint8),
        net.version,
    )
    truth = nearest_facility(net, costs, homes, station).cost_mm
    inside = np.zeros(n, bool)
    edge_of_cut = np.full(n, np.inf)
    for e, low, high in zip(edges.part_edge, edges.part_from_mm, edges.part_to_mm, strict=True):
        mine = edge == e
        inside |= mine & (offset >= low) & (offset <= high)
        for cut in (low, high):
            edge_of_cut[mine] = np.minimum(edge_of_cut[mine], abs(offset[mine] - int(cut)))
    timely = (truth >= 0) & (truth <= costs.cutoff_mm(cutoff_s))
    sure = edge_of_cut > 3
    # A reached spot without length (the station itself, a node just in time) is no part.
    sure &= np.abs(truth - costs.cutoff_mm(cutoff_s)) > 3
    assert np.array_equal(timely[sure], inside[sure])


def test_a_route_says_how_long_it_waits() -> None:
    net = network_of(
        [[(0.0, 0.0), (100.0, 0.0)], [(100.0, 0.0), (200.0, 0.0)]], waits={(100.0, 0.0): 1.0}
    )
    costs = impedance(net, NORM, waits="worst")
    way = route(
        net,
        costs,
        snap(net, costs, at((20.0, 5.0)), max_snap_m=9),
        snap(net, costs, at((180.0, 7.0)), max_snap_m=9),
    )
    assert way is not None
    assert way.waiting_s == pytest.approx(90.0, abs=0.01)
    assert way.street_m == pytest.approx(160.0, abs=0.01)
    assert (way.origin_access_m, way.destination_access_m) == pytest.approx((5.0, 7.0), abs=0.01)
    assert way.way.tolist() == [0, 1]


def test_a_route_beyond_the_cutoff_or_from_nowhere_is_not_made_up() -> None:
    net = network_of([[(0.0, 0.0), (1000.0, 0.0)]])
    costs = impedance(net, NORM)
    ends = snap(net, costs, at((0.0, 0.0), (1000.0, 0.0), (0.0, 900.0)), max_snap_m=9)
    assert route(net, costs, ends.row(0), ends.row(1), cutoff_s=900) is None
    assert route(net, costs, ends.row(0), ends.row(1), cutoff_s=1000) is not None
    with pytest.raises(SnapError, match="both ends"):
        route(net, costs, ends.row(0), ends.row(2))


@pytest.mark.parametrize("cutoff_s", [3e6, 1e12, float("inf")])
def test_a_cutoff_beyond_all_bounds_finds_what_no_cutoff_finds(cutoff_s: float) -> None:
    net = network_of([[(0.0, 0.0), (1000.0, 0.0), (1000.0, 300.0)], [(1000.0, 0.0), (1500.0, 0.0)]])
    costs = impedance(net, NORM)
    points = snap(net, costs, at((3.0, 0.0), (1400.0, 0.0)), max_snap_m=9)
    pairs = reach_targets(net, costs, points, points, cutoff_s=cutoff_s)
    assert pairs.target.tolist() == [0, 1, 0, 1]
    assert pairs.cost_mm[1] == pytest.approx(1_397_000, abs=5)
    swept = nearest_facility(net, costs, points.row(0), points.row(1), cutoff_s=cutoff_s)
    assert swept.cost_mm[0] == pairs.cost_mm[1]
    assert (np.diff(reach(net, costs, points, cutoff_s=cutoff_s).offsets) == len(net.node_xy)).all()


def test_a_cutoff_that_is_no_number_and_unknown_waits_are_refused() -> None:
    net = network_of([[(0.0, 0.0), (100.0, 0.0)]])
    with pytest.raises(ProfileError):
        impedance(net, NORM).cutoff_mm(float("nan"))
    with pytest.raises(ProfileError):
        impedance(net, NORM, waits="often")


def test_nothing_to_search_from_or_for_gives_nothing() -> None:
    net = network_of([[(0.0, 0.0), (100.0, 0.0)]])
    costs = impedance(net, NORM)
    none = snap(net, costs, np.zeros((0, 2)), max_snap_m=9)
    one = snap(net, costs, at((50.0, 0.0)), max_snap_m=9)
    lost = snap(net, costs, at((50.0, 99.0)), max_snap_m=9)
    assert reach_targets(net, costs, none, one, cutoff_s=9).offsets.tolist() == [0]
    assert reach_targets(net, costs, one, none, cutoff_s=9).offsets.tolist() == [0, 0]
    assert reach_targets(net, costs, lost, one, cutoff_s=9).offsets.tolist() == [0, 0]
    assert len(reach(net, costs, none, cutoff_s=9).node) == 0
    assert nearest_facility(net, costs, none, one).facility.tolist() == []
    assert nearest_facility(net, costs, one, lost).facility.tolist() == [-1]
    assert coverage(net, costs, none, one, cutoff_s=9).state.tolist() == []


def test_a_home_on_a_way_for_bikes_only_is_covered_when_riders_reach_a_station() -> None:
    bikes = int(EdgeFlag.RIDE_FORWARD | EdgeFlag.RIDE_BACKWARD)
    net = network_of(
        [[(0.0, 0.0), (100.0, 0.0)], [(100.0, 0.0), (200.0, 0.0)], [(500.0, 0.0), (600.0, 0.0)]],
        flags=[OPEN, bikes, bikes],
    )
    costs = impedance(net, PROFILES["ebike"])
    homes = snap(net, costs, at((190.0, 0.0), (550.0, 0.0)), max_snap_m=9)
    station = snap(net, costs, at((10.0, 0.0)), max_snap_m=9)
    state = coverage(net, costs, homes, station, cutoff_s=900).state
    assert [State(s) for s in state] == [State.COVERED, State.DISCONNECTED]


def test_the_same_walk_costs_the_same_both_ways_and_ties_go_to_the_first_station() -> None:
    net = network_of([[(0.0, 0.0), (100.0, 0.0), (100.0, 100.0)], [(0.0, 0.0), (0.0, 300.0)]])
    costs = impedance(net, NORM)
    rng = np.random.default_rng(5)
    points = snap(net, costs, ORIGIN + rng.uniform(0, 300, (30, 2)), max_snap_m=500)
    there = reach_targets(net, costs, points, points, cutoff_s=1e4)
    table = there.cost_mm.reshape(30, 30)
    assert np.abs(table - table.T).max() <= 1
    twins = points.take(np.array([4, 4, 7, 4]))
    assert nearest_facility(net, costs, points.row(4), twins).facility.tolist() == [0]
