"""Trials: what a change does to the walks, worked out from where it is, against all anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from town import lonlat, ways

from geo.crs import project
from geo.errors import SnapError
from geo.impedance import impedance
from geo.links import Links, carry_points, links_between, with_links
from geo.network import EdgeFlag, build_network
from geo.search import nearest_facility
from geo.snapping import Barriers, Snapper, joined_points, snap
from geo.standards import PROFILES
from geo.trials import KeptWalks

TOWN = build_network(ways(), source="town")
WALK, RIDE = int(EdgeFlag.WALK), int(EdgeFlag.RIDE_FORWARD | EdgeFlag.RIDE_BACKWARD)


def at(rng, count, *, spread=(1500, 1000)):
    places = rng.uniform(0, 1, (count, 2)) * spread
    return project(np.array([lonlat(x, y) for x, y in places]).reshape(-1, 2), TOWN.crs)


def made(rng, *, waits):
    """The town with streets of either direction, steps and waits by lot."""
    edges = len(TOWN.edge_flags)
    flags = np.full(edges, WALK, np.uint16)
    flags[rng.random(edges) < 0.1] |= int(EdgeFlag.STEPS)
    flags |= np.where(rng.random(edges) < 0.8, int(EdgeFlag.RIDE_FORWARD), 0).astype(np.uint16)
    flags |= np.where(rng.random(edges) < 0.8, int(EdgeFlag.RIDE_BACKWARD), 0).astype(np.uint16)
    flags[rng.random(edges) < 0.05] = 0
    nodes = rng.random(len(TOWN.node_xy)) < 0.2
    return replace(
        TOWN,
        edge_flags=flags,
        node_waits=(nodes * waits).astype(np.float32),
        version=f"{TOWN.version}-{rng.integers(2**40)}",
    )


@settings(max_examples=120, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["norm", "wheelchair", "ebike"]),
    st.sampled_from([0, 2]),
    st.sampled_from([0, 1, 3]),
    st.sampled_from([0, 1, 4]),
    st.floats(50, 1500),
)
def test_a_trial_finds_the_walks_of_a_search_anew(seed, profile, links, more, shut, cutoff_s):
    rng = np.random.default_rng(seed)
    net = made(rng, waits=rng.integers(0, 2))
    costs = impedance(net, PROFILES[profile], waits="expected")
    demand = snap(net, costs, at(rng, 60), max_snap_m=150)
    stations = snap(net, costs, at(rng, 6), max_snap_m=150)
    # Some stand on one street or at its end, so that walks along one edge come up.
    stations = joined_points(stations, demand.take(rng.integers(0, 60, 2)))
    kept = KeptWalks(net, costs, demand, stations, cutoff_s=cutoff_s)
    before = nearest_facility(net, costs, demand, stations, cutoff_s=cutoff_s)
    assert np.array_equal(kept.cost_mm, before.cost_mm)
    new = snap(net, costs, at(rng, more), max_snap_m=150)
    closed = np.sort(rng.choice(len(stations), shut, replace=False))
    moved = np.sort(rng.choice(60, 5, replace=False))
    moved_to = snap(net, costs, at(rng, 5), max_snap_m=150)
    added = None
    if links:
        ends = np.concatenate([at(rng, links), at(rng, links)], axis=1).reshape(-1, 2, 2)
        added = links_between(net, ends, reach_m=400)
        if rng.random() < 0.3:  # at a corner
            added.offset_mm[0, 0] = 0
        if rng.random() < 0.3:  # both from one street
            added.edge[1, 1], added.offset_mm[1, 1] = added.edge[0, 0], added.offset_mm[0, 0] // 2
    point, cost = kept.tried(closed=closed, new=new, links=added, moved=moved, moved_to=moved_to)
    assert np.array_equal(point, np.unique(point))
    found = kept.cost_mm.copy()
    found[point] = cost

    order = np.arange(60)
    order[moved] = 60 + np.arange(5)
    homes = joined_points(demand, moved_to).take(order)
    left = joined_points(stations.take(np.setdiff1d(np.arange(len(stations)), closed)), new)
    wide = net
    if added is not None:
        wide = with_links(net, added)
        homes, left = (carry_points(p, net, added, wide) for p in (homes, left))
    priced = impedance(wide, PROFILES[profile], waits="expected")
    anew = nearest_facility(wide, priced, homes, left, cutoff_s=cutoff_s).cost_mm
    # Parts of an edge are rounded down to millimetres, of a cut edge piece by piece.
    limit = priced.cutoff_mm(cutoff_s)
    sure = (anew >= 0) & (anew < limit - 20)
    assert np.abs(found[sure] - anew[sure]).max(initial=0) <= (20 if links else 0)
    assert (found[anew < 0] == -1).all() or (found[(anew < 0) & (found >= 0)] > limit - 20).all()
    if not links:
        assert np.array_equal(found, anew)
    # Nothing of what is kept has changed.
    assert np.array_equal(kept.cost_mm, before.cost_mm)
    again = kept.tried(closed=closed, new=new, links=added, moved=moved, moved_to=moved_to)
    assert np.array_equal(again[0], point)
    assert np.array_equal(again[1], cost)


def test_a_trial_looks_only_at_what_it_reaches():
    costs = impedance(TOWN, PROFILES["norm"])
    rng = np.random.default_rng(3)
    demand = snap(TOWN, costs, at(rng, 500), max_snap_m=200)
    corner = project(np.array([lonlat(100, 100), lonlat(1400, 900)]), TOWN.crs)
    stations = snap(TOWN, costs, corner, max_snap_m=200)
    kept = KeptWalks(TOWN, costs, demand, stations, cutoff_s=300)
    point, cost = kept.tried(closed=np.array([0]))
    assert 0 < len(point) < 150
    assert (cost == -1).all()
    point, cost = kept.tried(new=stations.take(np.array([0])))
    assert len(point) < 30
    assert np.array_equal(cost, kept.cost_mm[point])
    nothing, _ = kept.tried()
    assert len(nothing) == 0


def test_points_of_another_network_are_refused():
    costs = impedance(TOWN, PROFILES["norm"])
    some = snap(TOWN, costs, TOWN.node_xy[:3], max_snap_m=200)
    kept = KeptWalks(TOWN, costs, some, some, cutoff_s=300)
    with pytest.raises(SnapError, match="another version"):
        kept.tried(new=replace(some, network_version="other"))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 5), st.integers(1, 3))
def test_gates_opened_later_are_as_gates_from_the_start(seed, gates, more):
    rng = np.random.default_rng(seed)
    costs = impedance(TOWN, PROFILES["norm"])
    a = at(rng, 40)
    walls = np.concatenate([a, a + rng.normal(0, 60, a.shape)], axis=1)
    through = (walls[:, :2] + walls[:, 2:]) / 2
    first, later = through[:gates], through[gates : gates + more]
    limit = float(rng.choice([30.0, 90.0, 250.0]))
    points = at(rng, 200)
    base = Snapper(TOWN, costs, max_snap_m=limit, barriers=Barriers(walls, first))
    whole = Snapper(
        TOWN, costs, max_snap_m=limit, barriers=Barriers(walls, np.concatenate([first, later]))
    )
    told, truth = base.opened(later).snap(points), whole.snap(points)
    for name in ("edge", "offset_mm", "access_mm", "xy", "gate", "state"):
        assert np.array_equal(getattr(told, name), getattr(truth, name)), name
    unchanged = Snapper(TOWN, costs, max_snap_m=limit, barriers=Barriers(walls, first))
    assert np.array_equal(base.snap(points).edge, unchanged.snap(points).edge)


def test_a_link_is_no_way_for_who_rides():
    net = made(np.random.default_rng(1), waits=0)
    costs = impedance(net, PROFILES["ebike"])
    demand = snap(net, costs, net.node_xy, max_snap_m=100)
    kept = KeptWalks(net, costs, demand, demand.take(np.array([4])), cutoff_s=900)
    bridge = project(np.array([lonlat(700, 900), lonlat(800, 900)]), net.crs)
    added: Links = links_between(net, bridge.reshape(1, 2, 2), reach_m=100)
    point, cost = kept.tried(links=added)
    assert np.array_equal(cost, kept.cost_mm[point])
