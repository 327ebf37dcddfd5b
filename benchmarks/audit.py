"""Audits and siting: ours against scipy and pandana on one input.

Input: fourteen copies of Porto side by side (a million nodes; no extract here is that large), with
300,000 homes along streets and 1,300 stations; siting with 5,000 candidates among the homes.
``python -m benchmarks.audit small`` runs on one Porto with 30,000 homes in under a minute.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from benchmarks.inputs import SEED, network, points_near_streets
from benchmarks.measure import in_fresh_process, machine, report
from benchmarks.walking import NORM, _matrix
from data.audits.conduct import conduct
from data.audits.place import HomeRows, Place, SiteRows, StationRows
from data.rules import open_rule_set
from geo.audit import AreaTable
from geo.crs import unproject
from geo.impedance import impedance
from geo.search import TargetIndex, nearest_facility
from geo.siting import (
    Limit,
    Pairs,
    Sites,
    cover_all,
    cover_most,
    marginal_curve,
    pairs_of_seconds,
    shortest_walk,
    walk_pairs,
)
from geo.snapping import no_barriers, snap


def place(homes: int, stations: int, *, tiled: bool) -> Place:
    net = network(tiled=tiled)
    rng = np.random.default_rng(SEED)
    xy, station_xy = (
        points_near_streets(net, homes, seed=SEED),
        points_near_streets(net, stations, seed=SEED + 2),
    )
    side = 2000.0
    cells = np.concatenate([xy, station_xy]) // side
    codes, row = np.unique(cells, axis=0, return_inverse=True)
    row = row.reshape(-1).astype(np.int32)
    names = np.array([f"{a:.0f}/{b:.0f}" for a, b in codes], object)
    table = AreaTable(names, names, np.full(len(names), "", object), row[:homes], row[homes:])
    code = np.array([f"B{i}" for i in range(homes)], object)
    lonlat = unproject(xy, net.crs)
    kinds = np.array(["service_centre", "red_station"], object)[rng.integers(0, 2, stations)]
    none = np.zeros(0, object)
    return Place(
        "porto",
        False,
        "",
        net,
        no_barriers(),
        200.0,
        HomeRows(
            code,
            code,
            lonlat,
            rng.integers(1, 60, homes).astype(float),
            rng.integers(1, 150, homes).astype(float),
            np.zeros(homes, np.bool_),
            np.arange(homes, dtype=np.int32),
            lonlat,
        ),
        StationRows(
            np.array([f"S{i}" for i in range(stations)], object),
            np.array([f"S{i}" for i in range(stations)], object),
            kinds,
            unproject(station_xy, net.crs),
            rng.uniform(30, 400, stations),
            [frozenset()] * stations,
            [("Mo-Fr 08:30-17:30", "24/7", None)[i % 3] for i in range(stations)],
        ),
        SiteRows(none, none, none, np.zeros((0, 2)), np.zeros(0)),
        {"community": table},
        {},
        [],
        [],
    )


def ours_figures(homes: int, stations: int, tiled: bool) -> dict[str, Any]:
    conduct(place(2000, 30, tiled=False), open_rule_set("circle-15"))  # compiles
    made = place(homes, stations, tiled=tiled)
    stages: dict[str, float] = {}
    began = [time.perf_counter(), ""]

    def tell(stage: str, _share: float) -> None:
        now = time.perf_counter()
        if began[1]:
            stages[str(began[1])] = round(now - float(began[0]), 2)
        began[:] = [now, stage]

    started = time.perf_counter()
    found = conduct(made, open_rule_set("circle-15"), progress=tell)
    return {
        "seconds": time.perf_counter() - started,
        "stages": stages,
        "nodes": len(made.network.node_xy),
        "covered": found.summary["rules"][0]["value"],
    }


def ours_nearest_and_scipys(homes: int, stations: int, tiled: bool) -> dict[str, Any]:
    """Both times, and the largest difference: homes on nodes, which is what scipy knows."""
    net = network(tiled=tiled)
    costs = impedance(net, NORM)
    rng = np.random.default_rng(SEED)
    at = rng.integers(0, len(net.node_xy), homes)
    to = rng.integers(0, len(net.node_xy), stations)
    demand, facilities = (snap(net, costs, net.node_xy[nodes], max_snap_m=1) for nodes in (at, to))
    # Nodes may lie on one spot (bridges, closed gates): only those joined to their own count.
    own_homes = (net.edge_nodes[demand.edge] == at[:, None]).any(axis=1)
    own = (net.edge_nodes[facilities.edge] == to[:, None]).any(axis=1)
    at, demand = at[own_homes], demand.take(np.flatnonzero(own_homes))
    to, facilities = to[own], facilities.take(np.flatnonzero(own))
    nearest_facility(net, costs, demand, facilities)
    started = time.perf_counter()
    ours = nearest_facility(net, costs, demand, facilities).cost_mm / 1000
    ours_s = time.perf_counter() - started
    matrix = _matrix(net)
    started = time.perf_counter()
    theirs = dijkstra(matrix, indices=to, min_only=True)[at]
    both = np.isfinite(theirs) & (ours >= 0)
    return {
        "ours_s": ours_s,
        "scipy_s": time.perf_counter() - started,
        "largest_difference_m": float(np.abs(ours - theirs)[both].max()),
        "reached_by_one_only": int((np.isfinite(theirs) != (ours >= 0)).sum()),
    }


def pandana_nearest(homes: int, stations: int, tiled: bool) -> dict[str, Any]:
    import pandana
    import pandas as pd

    net = network(tiled=tiled)
    a, b = net.edge_nodes.T
    walk = (net.edge_flags & 1) > 0
    city = pandana.Network(
        pd.Series(net.node_xy[:, 0]),
        pd.Series(net.node_xy[:, 1]),
        pd.Series(a[walk]),
        pd.Series(b[walk]),
        pd.DataFrame({"m": net.edge_length_mm[walk] / 1000}),
    )
    station_xy = points_near_streets(net, stations, seed=SEED + 2)
    started = time.perf_counter()
    city.set_pois("stations", 900, 1, station_xy[:, 0], station_xy[:, 1])
    city.nearest_pois(900, "stations", num_pois=1)
    return {"seconds": time.perf_counter() - started, "homes": homes}


def ours_siting(homes: int, candidates: int, k: int, tiled: bool) -> dict[str, Any]:
    net = network(tiled=tiled)
    costs = impedance(net, NORM)
    xy = points_near_streets(net, homes, seed=SEED)
    rng = np.random.default_rng(SEED)
    demand = snap(net, costs, xy, max_snap_m=200)
    sites = demand.take(np.sort(rng.choice(homes, candidates, replace=False)))
    weight = rng.integers(1, 60, homes).astype(float)
    started = time.perf_counter()
    pairs = walk_pairs(net, costs, TargetIndex(net, costs, demand), sites, cutoff_s=900)
    out: dict[str, Any] = {"pairs": len(pairs), "pairs_s": time.perf_counter() - started}
    return out | _questions(pairs, weight, candidates, k)


def _questions(pairs: Pairs, weight: Any, candidates: int, k: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    free = Sites.candidates(candidates)
    for name, ask in (
        (
            "cover_most",
            lambda: cover_most(
                pairs, weight, free, Limit(new=k), cutoff_s=900, method="heuristic", tolerance=1e-3
            ),
        ),
        (
            "shortest_walk",
            lambda: shortest_walk(
                pairs, weight, free, Limit(new=k), penalty_s=900, method="heuristic", tolerance=1e-3
            ),
        ),
        ("cover_all", lambda: cover_all(pairs, weight, free, cutoff_s=900, time_limit_s=30)),
    ):
        started = time.perf_counter()
        found = ask()
        out[f"{name}_s"] = round(time.perf_counter() - started, 1)
        out[f"{name}_gap"] = round(found.gap, 5)
        out[f"{name}_open"] = len(found.open)
    started = time.perf_counter()
    marginal_curve(pairs, weight, free, cutoff_s=900, most=k)
    out["curve_s"] = round(time.perf_counter() - started, 1)
    return out


def ours_siting_dense(homes: int, candidates: int, k: int) -> dict[str, Any]:
    """A made city of clusters, walks 1.3 times the straight line: far more pairs than Porto's."""
    rng = np.random.default_rng(1)
    side = np.sqrt(homes / 1500) * 1000  # 1,500 buildings a square kilometre
    centres = rng.uniform(0, side, (400, 2))
    spread = rng.normal(0, side / 40, (homes, 2))
    xy = np.clip(centres[rng.integers(0, 400, homes)] + spread, 0, side)
    sites = xy[rng.choice(homes, candidates, replace=False)]
    near = cKDTree(sites).query_ball_tree(cKDTree(xy), 900 / 1.3)
    demand = np.concatenate([np.sort(row) for row in near]).astype(np.int64)
    site = np.repeat(np.arange(candidates), [len(row) for row in near])
    seconds = 1.3 * np.hypot(*(xy[demand] - sites[site]).T)
    pairs = pairs_of_seconds(demand, site, seconds, demands=homes, sites=candidates)
    return {
        "pairs": len(pairs),
        **_questions(pairs, rng.integers(4, 60, homes).astype(float), candidates, k),
    }


def main() -> None:
    small = "small" in sys.argv[1:]
    tiled = not small
    homes, stations, candidates, k = (
        (30_000, 120, 1_000, 30) if small else (300_000, 1_300, 5_000, 200)
    )
    report("machine", **machine())
    for name, work, arguments in (
        ("audit, all figures and proposals, ours", ours_figures, (homes, stations, tiled)),
        ("nearest, ours and scipy", ours_nearest_and_scipys, (homes, stations, tiled)),
        ("nearest at nodes, pandana", pandana_nearest, (homes, stations, tiled)),
        ("siting, ours", ours_siting, (homes, candidates, k, tiled)),
        ("siting, made dense city, ours", ours_siting_dense, (homes, candidates, k)),
    ):
        report(name, **in_fresh_process(work, *arguments))


if __name__ == "__main__":
    main()
