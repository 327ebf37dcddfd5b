"""Siting against brute force, spopt's models, and what must hold for any answer."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.siting import (
    Limit,
    Pairs,
    Sites,
    SiteState,
    SitingError,
    cover_all,
    cover_most,
    fairest,
    marginal_curve,
    pairs_of_seconds,
    shortest_walk,
)
from geo.siting.pairs import merge_alike

CUTOFF = 600.0


def made(seed: int, n: int = 30, m: int = 9, *, reach: float = 900.0) -> tuple[Pairs, np.ndarray]:
    """Homes and sites strewn over a square; pairs within reach, as seconds at 1 m/s."""
    rng = np.random.default_rng(seed)
    homes, sites = rng.uniform(0, 2000, (n, 2)), rng.uniform(0, 2000, (m, 2))
    away = np.hypot(*(homes[:, None] - sites[None]).transpose(2, 0, 1))
    demand, site = np.nonzero(away <= reach)
    weight = rng.integers(0, 40, n).astype(float)
    return pairs_of_seconds(demand, site, away[demand, site], demands=n, sites=m), weight


def table(pairs: Pairs) -> np.ndarray:
    """Seconds of all pairs, infinite out of reach."""
    full = np.full((pairs.demands, pairs.sites), np.inf)
    for j in range(pairs.sites):
        rows = slice(pairs.site_offsets[j], pairs.site_offsets[j + 1])
        full[pairs.demand[rows], j] = pairs.cost[rows] / pairs.per_second
    return full


def subsets(m: int, sizes: range):
    for size in sizes:
        yield from (list(chosen) for chosen in combinations(range(m), size))


def best_of(full: np.ndarray, chosen: list[int]) -> np.ndarray:
    return full[:, chosen].min(axis=1) if chosen else np.full(len(full), np.inf)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("method", ["exact", "auto"])
@pytest.mark.parametrize("times", [1, 2])
def test_the_fewest_stations_that_cover_all_are_those_brute_force_finds(seed, method, times):
    pairs, weight = made(seed)
    full = table(pairs)
    near = full <= CUTOFF
    need = np.where(weight > 0, np.minimum(near.sum(1), times), 0)
    least = next(
        len(s) for s in subsets(pairs.sites, range(10)) if (near[:, s].sum(1) >= need).all()
    )
    sites = Sites.candidates(pairs.sites)
    found = cover_all(pairs, weight, sites, cutoff_s=CUTOFF, times=times, method=method)
    assert len(found.open) == least == found.objective == found.bound
    assert found.gap == 0
    assert (near[:, found.open].sum(1) >= need).all()
    assert (
        found.out_of_reach.tolist() == np.flatnonzero((weight > 0) & (near.sum(1) < times)).tolist()
    )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("k", [0, 1, 3])
def test_the_most_homes_covered_are_those_brute_force_finds(seed, k):
    pairs, weight = made(seed)
    near = table(pairs) <= CUTOFF
    most = max(weight[near[:, s].any(1)].sum() for s in subsets(pairs.sites, range(k, k + 1)))
    for method in ("exact", "heuristic"):
        found = cover_most(
            pairs,
            weight,
            Sites.candidates(pairs.sites),
            Limit(new=k),
            cutoff_s=CUTOFF,
            method=method,
        )
        assert found.covered == weight[near[:, found.open].any(1)].sum()
        assert found.bound >= most - 1e-6
        if method == "exact":
            assert found.objective == most
            assert found.gap == 0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("k", [1, 3])
def test_the_shortest_walks_are_those_brute_force_finds(seed, k):
    pairs, weight = made(seed)
    full = np.minimum(table(pairs), 900.0)
    least = min(
        (weight * np.minimum(best_of(full, s), 900)).sum()
        for s in subsets(pairs.sites, range(k, k + 1))
    )
    found = shortest_walk(
        pairs, weight, Sites.candidates(pairs.sites), Limit(new=k), penalty_s=900, method="exact"
    )
    assert found.objective == pytest.approx(least)
    assert found.gap == 0
    quick = shortest_walk(
        pairs,
        weight,
        Sites.candidates(pairs.sites),
        Limit(new=k),
        penalty_s=900,
        method="heuristic",
    )
    assert quick.bound <= least + 1e-6 <= quick.objective + 2e-6


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("k", [4, 6])
def test_the_fairest_choice_is_the_one_brute_force_finds(seed, k):
    pairs, weight = made(seed, reach=3000)
    full = table(pairs)
    least = min(best_of(full, s)[weight > 0].max() for s in subsets(pairs.sites, range(k, k + 1)))
    found = fairest(pairs, weight, Sites.candidates(pairs.sites), Limit(new=k))
    assert found.objective == pytest.approx(least, abs=1e-3)
    assert found.bound == pytest.approx(least, abs=1e-3)
    assert np.nanmax(found.seconds[weight > 0]) == pytest.approx(least, abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_money_buys_what_brute_force_buys_with_it(seed):
    pairs, weight = made(seed)
    near = table(pairs) <= CUTOFF
    cost = np.random.default_rng(seed).integers(1, 9, pairs.sites).astype(float)
    sites = Sites(np.zeros(pairs.sites, np.uint8), cost)
    most = max(
        weight[near[:, s].any(1)].sum()
        for s in subsets(pairs.sites, range(10))
        if cost[s].sum() <= 12
    )
    found = cover_most(pairs, weight, sites, Limit(budget=12), cutoff_s=CUTOFF)
    assert found.objective == most
    assert found.cost <= 12
    need = (weight > 0) & near.any(1)
    cheapest = min(
        cost[s].sum() for s in subsets(pairs.sites, range(10)) if near[need][:, s].any(1).all()
    )
    assert cover_all(pairs, weight, sites, cutoff_s=CUTOFF, by_cost=True).cost == cheapest


@pytest.mark.parametrize("seed", range(5))
def test_backup_counts_homes_with_a_second_station(seed):
    pairs, weight = made(seed)
    near = table(pairs) <= CUTOFF

    def worth(s: list[int]) -> float:
        count = near[:, s].sum(1)
        return float(weight[count > 0].sum() + 0.4 * weight[count > 1].sum())

    most = max(worth(s) for s in subsets(pairs.sites, range(3, 4)))
    found = cover_most(
        pairs,
        weight,
        Sites.candidates(pairs.sites),
        Limit(new=3),
        cutoff_s=CUTOFF,
        backup=0.4,
    )
    assert found.objective == pytest.approx(most)
    assert worth(found.open.tolist()) == pytest.approx(most)


@pytest.mark.parametrize("seed", range(5))
def test_full_stations_serve_no_more_than_they_hold(seed):
    from scipy.optimize import linprog

    pairs, weight = made(seed, n=12, m=6)
    near = table(pairs) <= CUTOFF
    capacity = np.full(6, 60.0)

    def served(s: list[int]) -> float:
        cells = [(i, j) for j in s for i in np.flatnonzero(near[:, j])]
        if not cells:
            return 0.0
        rows = np.zeros((12 + 6, len(cells)))
        for at, (i, j) in enumerate(cells):
            rows[i, at] = rows[12 + j, at] = 1
        return -linprog(-np.ones(len(cells)), rows, np.concatenate([weight, capacity])).fun

    most = max(served(s) for s in subsets(6, range(2, 3)))
    sites = Sites.candidates(6)
    found = cover_most(pairs, weight, sites, Limit(new=2), cutoff_s=CUTOFF, capacity=capacity)
    assert found.objective == pytest.approx(most)
    rough = cover_most(
        pairs,
        weight,
        sites,
        Limit(new=2),
        cutoff_s=CUTOFF,
        capacity=capacity,
        method="heuristic",
    )
    assert rough.objective <= most + 1e-6 <= rough.bound + 2e-6


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_a_share_of_the_homes_needs_what_brute_force_needs(seed, share):
    pairs, weight = made(seed)
    near = table(pairs) <= CUTOFF
    sites = Sites.candidates(pairs.sites)
    if weight[near.any(1)].sum() < share * weight.sum():
        with pytest.raises(SitingError, match="No choice covers"):
            cover_all(pairs, weight, sites, cutoff_s=CUTOFF, share=share)
        return
    least = next(
        len(s)
        for s in subsets(pairs.sites, range(10))
        if weight[near[:, s].any(1)].sum() >= share * weight.sum()
    )
    found = cover_all(pairs, weight, sites, cutoff_s=CUTOFF, share=share)
    assert (len(found.open), found.bound) == (least, least)
    assert found.covered >= share * weight.sum()


def test_kept_stations_stay_ruled_out_ones_never_open_and_others_may_be_given_up():
    pairs, weight = made(3)
    near = table(pairs) <= CUTOFF
    state = np.zeros(9, np.uint8)
    state[0], state[1], state[2] = SiteState.KEPT, SiteState.RULED_OUT, SiteState.EXISTING
    sites = Sites(state, np.ones(9))
    found = cover_most(pairs, weight, sites, Limit(total=3), cutoff_s=CUTOFF)
    most = max(
        weight[near[:, s].any(1)].sum() for s in subsets(9, range(3, 4)) if 0 in s and 1 not in s
    )
    assert found.objective == most
    assert 0 in found.open
    assert 1 not in found.open
    assert len(found.open) <= 3
    assert (2 in found.given_up) != (2 in found.open)
    more = cover_most(pairs, weight, sites, Limit(new=2), cutoff_s=CUTOFF)
    assert {0, 2} <= set(more.open.tolist())
    assert len(more.opened) <= 2


def test_every_step_of_the_marginal_curve_is_below_its_bound_and_the_best_is_too():
    pairs, weight = made(5, n=60, m=11)
    near = table(pairs) <= CUTOFF
    curve = marginal_curve(pairs, weight, Sites.candidates(11), cutoff_s=CUTOFF, most=6)
    for k in range(len(curve.covered)):
        most = max(weight[near[:, s].any(1)].sum() for s in subsets(11, range(k, k + 1)))
        assert curve.covered[k] == weight[near[:, curve.sites[:k]].any(1)].sum()
        assert curve.covered[k] <= most <= curve.bound[k] + 1e-6
    assert 0 < curve.knee < len(curve.covered)
    assert (np.diff(curve.covered) > 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_spopt_finds_the_same(seed):
    locate = pytest.importorskip("spopt.locate")
    pulp = pytest.importorskip("pulp")
    solver = pulp.PULP_CBC_CMD(msg=False)
    if not solver.available():
        pytest.skip("no CBC")
    pairs, weight = made(seed, n=60, m=12, reach=3000)
    full = table(pairs)
    sites = Sites.candidates(12)
    coverable = (full <= CUTOFF).any(1)
    lscp = locate.LSCP.from_cost_matrix(full[coverable & (weight > 0)], CUTOFF).solve(solver)
    ours = cover_all(pairs, weight, sites, cutoff_s=CUTOFF)
    assert ours.objective == lscp.problem.objective.value()
    mclp = locate.MCLP.from_cost_matrix(full, weight, CUTOFF, p_facilities=3).solve(solver)
    ours = cover_most(pairs, weight, sites, Limit(new=3), cutoff_s=CUTOFF)
    assert ours.objective == pytest.approx(mclp.problem.objective.value())
    median = locate.PMedian.from_cost_matrix(full, weight, p_facilities=3).solve(solver)
    ours = shortest_walk(pairs, weight, sites, Limit(new=3), penalty_s=3000)
    assert ours.objective == pytest.approx(median.problem.objective.value())
    counted = full[weight > 0]
    center = locate.PCenter.from_cost_matrix(counted, p_facilities=3).solve(solver)
    ours = fairest(pairs, weight, sites, Limit(new=3))
    assert ours.objective == pytest.approx(center.problem.objective.value(), abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 12), st.integers(0, 6))
def test_whatever_is_asked_the_answer_keeps_its_limit_and_its_bound(seed, n, m, k):
    pairs, weight = made(seed, n=n, m=m)
    sites = Sites.candidates(m)
    near = table(pairs) <= CUTOFF
    quick = cover_most(pairs, weight, sites, Limit(new=k), cutoff_s=CUTOFF, method="heuristic")
    best = cover_most(pairs, weight, sites, Limit(new=k), cutoff_s=CUTOFF, method="exact")
    assert len(quick.open) <= k
    assert len(best.open) <= k
    assert quick.objective <= best.objective + 1e-6 <= quick.bound + 2e-6
    assert best.objective == weight[near[:, best.open].any(1)].sum()
    assert best.objective - 1e-6 <= best.bound
    more = cover_most(pairs, weight, sites, Limit(new=k + 1), cutoff_s=CUTOFF, method="exact")
    assert more.objective >= best.objective


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 8))
def test_merging_homes_with_the_same_sites_changes_no_cover(seed, n, m):
    pairs, weight = made(seed, n=n, m=m)
    near = pairs.within(pairs.limit(CUTOFF))
    merged = merge_alike(near, weight)
    assert merged.weight.sum() == weight.sum()
    for i in range(n):
        g = merged.group[i]
        mine = near.site[near.demand_offsets[i] : near.demand_offsets[i + 1]]
        p = merged.pairs
        theirs = p.site[p.demand_offsets[g] : p.demand_offsets[g + 1]]
        assert np.array_equal(mine, theirs)


def test_a_wrong_input_is_named():
    pairs, weight = made(1)
    with pytest.raises(SitingError, match="30 of them"):
        cover_all(pairs, weight[:-1], Sites.candidates(9), cutoff_s=CUTOFF)
    weight[4] = np.nan
    with pytest.raises(SitingError, match="Number 4 of the weights"):
        cover_all(pairs, weight, Sites.candidates(9), cutoff_s=CUTOFF)
    with pytest.raises(SitingError, match="does not say how much"):
        Limit(new=1, budget=2.0)
    with pytest.raises(SitingError, match="site 7"):
        pairs_of_seconds(np.array([0]), np.array([7]), np.array([1.0]), demands=1, sites=2)
    with pytest.raises(SitingError, match="not a walking time"):
        pairs_of_seconds(np.array([0]), np.array([0]), np.array([np.nan]), demands=1, sites=2)


def test_nobody_and_nowhere_are_answers_too():
    pairs = pairs_of_seconds(np.zeros(0, int), np.zeros(0, int), np.zeros(0), demands=2, sites=3)
    weight = np.array([3.0, 0.0])
    found = cover_all(pairs, weight, Sites.candidates(3), cutoff_s=CUTOFF)
    assert (len(found.open), found.covered, found.out_of_reach.tolist()) == (0, 0.0, [0])
    assert cover_most(pairs, weight, Sites.candidates(3), Limit(new=2), cutoff_s=1).covered == 0
    assert fairest(pairs, weight, Sites.candidates(3), Limit(new=1)).open.tolist() == []


def test_walked_pairs_are_the_walks_of_the_network():
    from town import lonlat, ways

    from geo.crs import project
    from geo.impedance import impedance
    from geo.network import build_network
    from geo.search import nearest_facility
    from geo.siting import walk_pairs
    from geo.snapping import snap
    from geo.standards import PROFILES

    network = build_network(ways(), source="town")
    priced = impedance(network, PROFILES["norm"])
    rng = np.random.default_rng(4)
    homes = np.array([lonlat(x, y) for x, y in rng.uniform(0, 1400, (40, 2)) * (1, 0.7)])
    places = np.array([lonlat(x, y) for x, y in rng.uniform(0, 1400, (7, 2)) * (1, 0.7)])
    demand, sites = (
        snap(network, priced, project(p, network.crs), max_snap_m=200) for p in (homes, places)
    )
    pairs = walk_pairs(network, priced, demand, sites, cutoff_s=900)
    full = table(pairs)
    for j in range(7):
        alone = nearest_facility(network, priced, demand, sites.row(j))
        within = (alone.cost_mm >= 0) & (alone.cost_mm <= 900_000)
        assert np.array_equal(np.isfinite(full[:, j]), within)
        assert np.allclose(full[within, j], alone.seconds[within])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 10), st.integers(1, 2), st.booleans()
)
def test_covers_and_their_bounds_enclose_what_brute_force_finds(seed, n, m, times, by_cost):
    pairs, weight = made(seed, n=n, m=m)
    near = table(pairs) <= CUTOFF
    rng = np.random.default_rng(seed)
    cost = rng.integers(1, 9, m).astype(float) if by_cost else np.ones(m)
    state = rng.choice([SiteState.CANDIDATE] * 5 + [SiteState.EXISTING, SiteState.RULED_OUT], m)
    allowed = np.flatnonzero(state != SiteState.RULED_OUT)
    free = set(np.flatnonzero(state == SiteState.EXISTING).tolist())
    need = np.where(weight > 0, np.minimum(near[:, allowed].sum(1), times), 0)
    price = np.where(state == SiteState.CANDIDATE, cost, 0.0)
    least = min(
        price[s].sum()
        for s in subsets(m, range(m + 1))
        if free <= set(s) <= set(allowed.tolist()) and (near[:, s].sum(1) >= need).all()
    )
    found = cover_all(
        pairs,
        weight,
        Sites(state.astype(np.uint8), cost),
        cutoff_s=CUTOFF,
        times=times,
        by_cost=by_cost,
        method="heuristic",
    )
    assert (near[:, found.open].sum(1) >= need).all()
    assert free <= set(found.open.tolist()) <= set(allowed.tolist())
    assert found.bound - 1e-6 <= least <= found.objective
    assert found.objective == price[found.open].sum()


@pytest.mark.parametrize("seed", range(3))
def test_the_bound_of_a_cover_comes_near_the_linear_programme(seed):
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    from geo.siting.bounds import cover_bound
    from geo.siting.cover_search import cheaper_cover

    pairs, _ = made(seed, n=2000, m=150, reach=250)
    some = np.diff(pairs.demand_offsets) > 0
    need = some.astype(np.int32)
    rows = csr_array((np.ones(len(pairs)), pairs.site, pairs.demand_offsets), shape=(2000, 150))
    least = linprog(np.ones(150), A_ub=-rows[some], b_ub=-np.ones(some.sum()), bounds=(0, 1)).fun
    none = np.zeros(150, bool)
    bound, _ = cover_bound(pairs, need, price=np.ones(150), forced=none, closed=none, known=np.inf)
    assert 0.99 * least <= bound <= least + 1e-6
    every = ~none
    fewer = cheaper_cover(
        pairs,
        need,
        price=np.ones(150),
        is_open=every,
        fixed=none,
        closed=none,
        enough=0.0,
        effort=20_000_000,
    )
    best = cover_all(
        pairs,
        np.ones(2000),
        Sites.candidates(150),
        cutoff_s=250,
        method="exact",
    )
    assert every.all()  # what was given stays
    assert (rows @ fewer >= need).all()
    assert best.gap == 0
    assert best.objective <= fewer.sum() <= best.objective + 1


@pytest.mark.parametrize("k", [8, 14])
def test_the_fairest_choice_by_heuristic_is_enclosed_by_its_bound(k):
    pairs, weight = made(11, n=300, m=40, reach=3000)
    sites = Sites.candidates(40)
    exact = fairest(pairs, weight, sites, Limit(new=k), method="exact")
    quick = fairest(pairs, weight, sites, Limit(new=k), method="heuristic")
    assert exact.gap == 0
    assert quick.bound - 1e-6 <= exact.objective <= quick.objective
    assert quick.objective <= 1.1 * exact.objective
    assert len(quick.open) <= k
    assert np.nanmax(quick.seconds[weight > 0]) == pytest.approx(quick.objective, abs=1e-3)
