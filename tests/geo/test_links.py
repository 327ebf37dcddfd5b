"""Added links: lengths stay, walks get shorter exactly where they should."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from town import lonlat, ways

from geo.crs import project
from geo.errors import SnapError
from geo.impedance import impedance
from geo.links import Links, carry_points, doubtful_links, links_between, with_links
from geo.network import EdgeFlag, Ways, build_network
from geo.route import cut_edge
from geo.search import nearest_facility
from geo.snapping import Barriers, snap
from geo.standards import PROFILES

NETWORK = build_network(ways(), source="town")
NORM = PROFILES["norm"]


def at(*places):
    return project(np.array([lonlat(x, y) for x, y in places]), NETWORK.crs)


def seconds(network, home, station):
    priced = impedance(network, NORM)
    a, b = (snap(network, priced, at(p), max_snap_m=200) for p in (home, station))
    return float(nearest_facility(network, priced, a, b).seconds[0])


def test_a_footbridge_shortens_the_walk_across_the_river():
    before = seconds(NETWORK, (650, 900), (850, 900))
    bridge = links_between(NETWORK, at((700, 900), (800, 900)).reshape(1, 2, 2), reach_m=20)
    after = with_links(NETWORK, bridge)
    assert before == pytest.approx(1000, abs=2)
    assert seconds(after, (650, 900), (850, 900)) == pytest.approx(200, abs=1)
    assert after.version != NETWORK.version
    assert (
        with_links(NETWORK, Links(*(a[:0] for a in (bridge.edge, bridge.offset_mm, bridge.xy))))
        is NETWORK
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_walks_with_links_are_those_networkx_finds(seed, count):
    rng = np.random.default_rng(seed)
    ends = at(*(rng.uniform(0, 1500, (2 * count, 2)) * (1, 0.66))).reshape(-1, 2, 2)
    added = links_between(NETWORK, ends, reach_m=100)
    after = with_links(NETWORK, added)
    links_mm = np.rint(np.hypot(*(added.xy[:, 0] - added.xy[:, 1]).T) * 1000).sum()
    assert after.edge_length_mm.sum() == NETWORK.edge_length_mm.sum() + links_mm
    assert np.array_equal(after.node_xy[: len(NETWORK.node_xy)], NETWORK.node_xy)
    first, last = after.edge_offsets[:-1], after.edge_offsets[1:] - 1
    assert np.abs(after.edge_xy[first] - after.node_xy[after.edge_nodes[:, 0]]).max() < 0.01
    assert np.abs(after.edge_xy[last] - after.node_xy[after.edge_nodes[:, 1]]).max() < 0.01
    graph = nx.Graph()
    for (a, b), mm in zip(after.edge_nodes.tolist(), after.edge_length_mm.tolist(), strict=True):
        if not graph.has_edge(a, b) or graph[a][b]["mm"] > mm:
            graph.add_edge(a, b, mm=mm)
    source = 5
    truth = nx.single_source_dijkstra_path_length(graph, source, weight="mm")
    priced = impedance(after, NORM)
    homes = snap(after, priced, after.node_xy, max_snap_m=1)
    place = snap(after, priced, after.node_xy[source : source + 1], max_snap_m=1)
    walked = nearest_facility(after, priced, homes, place)
    for node in range(len(after.node_xy)):
        assert abs(walked.cost_mm[node] - truth.get(node, -1)) <= 2


def test_a_link_far_from_every_street_is_refused():
    with pytest.raises(SnapError, match="End 2 of link 1"):
        links_between(NETWORK, at((0, 0), (5000, 5000)).reshape(1, 2, 2), reach_m=60)


def lane(gap_m: float) -> Ways:
    """Two streets 200 m long, the second's near end ``gap_m`` short of the first."""
    points = [(0, 0), (200, 0), (100, gap_m), (100, 200)]
    return Ways(
        lonlat=np.array([lonlat(x, y) for x, y in points]),
        offsets=np.array([0, 2, 4]),
        nodes=np.array([0, 1, 2, 3], np.int32),
        flags=np.full(2, EdgeFlag.WALK, np.uint16),
        source=np.array([1, 2]),
        blocked=np.zeros(4, np.bool_),
        waits=np.zeros(4, np.float32),
        way_waits=np.zeros(2, np.float32),
    )


@pytest.mark.parametrize(("gap_m", "doubtful"), [(5, True), (25, True), (40, False)])
def test_a_dead_end_short_of_a_street_is_doubtful(gap_m, doubtful):
    network = build_network(lane(gap_m), source="lane")
    found = doubtful_links(network, impedance(network, NORM))
    assert len(found) == doubtful
    if doubtful:
        joined = with_links(network, found)
        assert (joined.node_component == 0).all()
        assert len(joined.edge_flags) == 4


def test_a_wall_between_makes_it_no_link():
    network = build_network(lane(20), source="lane")
    wall = project(np.array([lonlat(50, 10), lonlat(150, 10)]), network.crs).reshape(1, 4)
    found = doubtful_links(
        network, impedance(network, NORM), barriers=Barriers(wall, np.zeros((0, 2)))
    )
    assert len(found) == 0


def test_the_town_whose_streets_all_join_has_no_doubtful_link():
    assert len(doubtful_links(NETWORK, impedance(NETWORK, NORM))) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 6))
def test_points_carried_over_stay_where_they_were(seed, count):
    rng = np.random.default_rng(seed)
    priced = impedance(NETWORK, NORM)
    places = NETWORK.edge_xy.mean(axis=0) + rng.uniform(-700, 700, (50, 2)) * (1, 0.6)
    points = snap(NETWORK, priced, places, max_snap_m=40)
    ends = at(*(rng.uniform(0, 1500, (2 * count, 2)) * (1, 0.66))).reshape(-1, 2, 2)
    added = links_between(NETWORK, ends, reach_m=100) if count else doubtful_links(NETWORK, priced)
    after = with_links(NETWORK, added)
    carried = carry_points(points, NETWORK, added, after)
    assert np.array_equal(carried.edge < 0, points.edge < 0)
    for i in np.flatnonzero(points.edge >= 0):
        edge = int(carried.edge[i])
        offset = int(carried.offset_mm[i])
        assert 0 <= offset <= after.edge_length_mm[edge]
        here = cut_edge(after, edge, 0, offset)[-1]
        assert np.hypot(*(here - points.xy[i])) < 0.01
