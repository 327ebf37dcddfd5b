"""Audits and siting: ours, and nearest stations against scipy, pandana and pgRouting in one run.

Input: fourteen copies of Porto side by side (a million nodes; no extract here is that large), with
300,000 homes along streets and 1,300 stations; siting with 5,000 candidates among the homes, there
and in a made dense city.

``python -m benchmarks.audit markdown`` prints tables for RESULTS.md; without ``markdown`` a JSON
line a result. ``small`` runs on one Porto with 30,000 homes in about a minute.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from benchmarks.inputs import SEED, network, points_near_streets
from benchmarks.measure import in_fresh_process, machine, median_seconds, report
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

REACH_M = 900.0
"""A quarter of an hour at 60 m/min."""
LIMIT_S = 300.0
"""A row that takes longer is given up; all rows together take some minutes."""


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
        SiteRows(none, none, none, np.zeros((0, 2)), np.zeros(0), []),
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


def _ends(net: Any, homes: int, stations: int) -> tuple[Any, Any, Any, Any]:
    """Homes and stations on nodes, which is all that the peers know; nodes and the same snapped."""
    costs = impedance(net, NORM)
    rng = np.random.default_rng(SEED)
    at = rng.integers(0, len(net.node_xy), homes)
    to = rng.integers(0, len(net.node_xy), stations)
    demand, facilities = (snap(net, costs, net.node_xy[nodes], max_snap_m=1) for nodes in (at, to))
    # Nodes may lie on one spot (bridges, closed gates): only those joined to their own count.
    own_homes = (net.edge_nodes[demand.edge] == at[:, None]).any(axis=1)
    own = (net.edge_nodes[facilities.edge] == to[:, None]).any(axis=1)
    return (
        at[own_homes],
        demand.take(np.flatnonzero(own_homes)),
        to[own],
        facilities.take(np.flatnonzero(own)),
    )


def _told(seconds: float, metres: Any, **more: Any) -> dict[str, Any]:
    """What all say about homes with a station within reach, so that the rows compare."""
    near = np.isfinite(metres) & (metres <= REACH_M)
    return {
        "seconds": seconds,
        "within": int(near.sum()),
        "mean_m": round(float(metres[near].mean()), 3),
        **more,
    }


def ours_nearest(homes: int, stations: int, tiled: bool) -> dict[str, Any]:
    net = network(tiled=tiled)
    costs = impedance(net, NORM)
    _, demand, _, facilities = _ends(net, homes, stations)
    seconds = median_seconds(lambda: nearest_facility(net, costs, demand, facilities))
    found = nearest_facility(net, costs, demand, facilities)
    return _told(seconds, np.where(found.cost_mm >= 0, found.cost_mm / 1000, np.inf))


def scipy_nearest(homes: int, stations: int, tiled: bool) -> dict[str, Any]:
    net = network(tiled=tiled)
    at, _, to, _ = _ends(net, homes, stations)
    matrix = _matrix(net)
    seconds = median_seconds(lambda: dijkstra(matrix, indices=to, min_only=True)[at])
    return _told(seconds, dijkstra(matrix, indices=to, min_only=True)[at])


def pandana_nearest(homes: int, stations: int, tiled: bool) -> dict[str, Any]:
    import pandana
    import pandas as pd

    net = network(tiled=tiled)
    at, _, to, _ = _ends(net, homes, stations)
    a, b = net.edge_nodes.T
    walk = (net.edge_flags & 1) > 0
    started = time.perf_counter()
    city = pandana.Network(
        pd.Series(net.node_xy[:, 0]),
        pd.Series(net.node_xy[:, 1]),
        pd.Series(a[walk]),
        pd.Series(b[walk]),
        pd.DataFrame({"m": net.edge_length_mm[walk] / 1000}),
    )
    prepared = time.perf_counter() - started
    started = time.perf_counter()
    city.set_pois("stations", REACH_M, 1, net.node_xy[to, 0], net.node_xy[to, 1])
    found = city.nearest_pois(REACH_M, "stations", num_pois=1).to_numpy()[:, 0]
    seconds = time.perf_counter() - started
    # It says the largest distance where there is none.
    return _told(seconds, np.where(found < REACH_M, found, np.inf)[at], prepared_s=prepared)


def pgrouting_nearest(homes: int, stations: int, tiled: bool) -> dict[str, Any]:
    """One driving distance from a node more, joined to all stations by edges of no length."""
    import psycopg

    from data.embedded import EmbeddedServer

    net = network(tiled=tiled)
    at, _, to, _ = _ends(net, homes, stations)
    walk = np.flatnonzero(net.edge_flags & 1)
    folder = Path(tempfile.mkdtemp(prefix="gridcircle-bench-"))
    folder.chmod(0o755)
    server = EmbeddedServer.start(folder / "home", durable=False)
    try:
        started = time.perf_counter()
        with psycopg.connect(
            server.url.replace("+psycopg", "").replace("gridcircle@", "postgres@", 1)
        ) as link:
            link.execute("CREATE EXTENSION pgrouting CASCADE")
            link.execute(
                "CREATE TABLE street (id int, source int, target int, cost float, reverse_cost float)"
            )
            link.execute("CREATE TABLE home (node int)")
            rows = np.column_stack([net.edge_nodes[walk], net.edge_length_mm[walk]]).tolist()
            rows += [[len(net.node_xy), node, 0] for node in np.unique(to).tolist()]
            with link.cursor().copy("COPY street FROM STDIN") as out:
                for number, (a, b, mm) in enumerate(rows):
                    out.write_row((number, a, b, mm / 1000, mm / 1000))
            with link.cursor().copy("COPY home FROM STDIN") as out:
                for node in at.tolist():
                    out.write_row((node,))
            link.execute("ANALYZE")
            prepared = time.perf_counter() - started
            started = time.perf_counter()
            metres = link.execute(
                "SELECT d.agg_cost FROM home LEFT JOIN pgr_drivingDistance("
                "'SELECT id, source, target, cost, reverse_cost FROM street', %s, %s, false) d"
                " ON d.node = home.node",
                (len(net.node_xy), REACH_M),
            ).fetchall()
            seconds = time.perf_counter() - started
            (version,) = link.execute(
                "SELECT extversion FROM pg_extension WHERE extname = 'pgrouting'"
            ).fetchone()  # type: ignore[misc]
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    reached = np.array([np.inf if m is None else m for (m,) in metres])
    return _told(seconds, reached, prepared_s=prepared, version=version)


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
        out[f"{name}_bound"] = round(found.bound, 1)
        out[f"{name}_how"] = found.method
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


def _markdown(found: dict[str, dict[str, Any]], size: str) -> str:
    """The results as tables; what failed says so."""

    def cell(row: dict[str, Any], name: str, digits: int = 1) -> str:
        if "failed" in row:
            return str(row["failed"])
        return f"{row[name]:,.{digits}f}" if name in row else ""

    audit = found["audit"]
    out = [f"| audit by `circle-15`, {size} | seconds |", "|---|---|"]
    out.append(f"| all: figures, bands, zones, sites | {cell(audit, 'seconds')} |")
    out += [
        f"| of these: {stage} | {took:.1f} |" for stage, took in audit.get("stages", {}).items()
    ]
    out.append(f"| peak MB, making the input included | {cell(audit, 'peak_mb', 0)} |")
    out += [
        "",
        f"| homes within {REACH_M:g} m of a station, both on nodes, {size} | seconds | to prepare"
        " | homes within | mean m | peak MB |",
        "|---|---|---|---|---|---|",
    ]
    for name in ("ours", "scipy", "pandana", "pgRouting"):
        row = found[name]
        out.append(
            f"| {name} {row.get('version', '')} | {cell(row, 'seconds', 2)}"
            f" | {cell(row, 'prepared_s')} | {cell(row, 'within', 0)}"
            f" | {cell(row, 'mean_m', 2)} | {row['peak_mb']:,} |"
        )
    out += ["", "| siting | seconds | gap | open | bound | how |", "|---|---|---|---|---|---|"]
    for name in ("siting", "siting dense"):
        row = found[name]
        if "failed" in row:
            out.append(f"| {name} | {row['failed']} | | | | |")
            continue
        for question in ("cover_most", "shortest_walk", "cover_all"):
            get = {key: row[f"{question}_{key}"] for key in ("s", "gap", "open", "bound", "how")}
            out.append(
                f"| {name}, {row['pairs']:,} pairs: {question} | {get['s']} | {get['gap']:.2%}"
                f" | {get['open']} | {get['bound']:,} | {get['how']} |"
            )
        out.append(f"| {name}: marginal curve | {row['curve_s']} | | | | |")
        out.append(f"| {name}: peak MB | {row['peak_mb']:,} | | | | |")
    return "\n".join(out) + "\n"


def main() -> None:
    small = "small" in sys.argv[1:]
    tiled = not small
    homes, stations, candidates, k = (
        (30_000, 120, 1_000, 30) if small else (300_000, 1_300, 5_000, 200)
    )
    found: dict[str, dict[str, Any]] = {}
    for name, work, arguments in (
        ("audit", ours_figures, (homes, stations, tiled)),
        ("ours", ours_nearest, (homes, stations, tiled)),
        ("scipy", scipy_nearest, (homes, stations, tiled)),
        ("pandana", pandana_nearest, (homes, stations, tiled)),
        ("pgRouting", pgrouting_nearest, (homes, stations, tiled)),
        ("siting", ours_siting, (homes, candidates, k, tiled)),
        ("siting dense", ours_siting_dense, (homes, candidates, k)),
    ):
        found[name] = in_fresh_process(work, *arguments, limit_s=LIMIT_S)
        sys.stderr.write(f"{name}: {found[name]}\n")
    if "markdown" in sys.argv[1:]:
        size = "Porto" if small else "14 Portos (1M nodes)"
        sys.stdout.write(_markdown(found, f"{size}, {homes:,} homes × {stations:,} stations"))
        return
    report("machine", **machine())
    for name, row in found.items():
        report(f"audit: {name}", **row)


if __name__ == "__main__":
    main()
