"""Bounded walks, nearest stations, polygons and extract reading: ours against the peers.

Input: Porto (70,000 nodes) and fourteen copies of it (a million). Peers: networkx, scipy, pandana,
OSMnx' notebook way (ego graph and hull), Valhalla (pyvalhalla).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from benchmarks.inputs import PORTO, SEED, network, points_near_streets, porto_ways, tiled_ways
from benchmarks.measure import in_fresh_process, machine, median_seconds, report
from geo.catchment import STEP_M, catchments
from geo.crs import unproject
from geo.field import FieldIndex
from geo.impedance import impedance
from geo.network import build_network, open_network, save_network
from geo.search import nearest_facility, reach, reach_targets
from geo.snapping import snap
from geo.standards import PROFILES

CUTOFF_S = 900.0
NORM = PROFILES["norm"]


def _matrix(net: Any) -> Any:
    """The network as scipy wants it: shortest of parallel arcs, no loops, metres."""
    a, b = net.edge_nodes.T
    walk = (net.edge_flags & 1) > 0
    tail, head = np.concatenate([a[walk], b[walk]]), np.concatenate([b[walk], a[walk]])
    cost = np.tile(net.edge_length_mm[walk], 2)
    order = np.lexsort((cost, head, tail))
    keep = np.ones(len(order), bool)
    keep[1:] = (np.diff(tail[order]) != 0) | (np.diff(head[order]) != 0)
    keep &= tail[order] != head[order]
    chosen = order[keep]
    n = len(net.node_xy)
    return coo_array((cost[chosen] / 1000, (tail[chosen], head[chosen])), shape=(n, n)).tocsr()


def _sources(net: Any, count: int) -> Any:
    costs = impedance(net, NORM)
    xy = points_near_streets(net, count, seed=SEED, spread_m=0.0)
    return costs, xy, snap(net, costs, xy, max_snap_m=200)


def ours_walks(tiled: bool) -> dict[str, Any]:
    net = network(tiled=tiled)
    costs, _, sources = _sources(net, 1300)
    seconds = median_seconds(lambda: reach(net, costs, sources, cutoff_s=CUTOFF_S))
    found = reach(net, costs, sources, cutoff_s=CUTOFF_S)
    return {
        "ms_per_source": 1000 * seconds / 1300,
        "nodes": len(net.node_xy),
        "reached": len(found.node) / 1300,
    }


def scipy_walks(tiled: bool) -> dict[str, Any]:
    net = network(tiled=tiled)
    matrix = _matrix(net)
    nodes = np.random.default_rng(SEED).integers(0, matrix.shape[0], 20 if tiled else 200)
    seconds = median_seconds(
        lambda: [dijkstra(matrix, indices=int(v), limit=CUTOFF_S) for v in nodes], repeats=3
    )
    return {"ms_per_source": 1000 * seconds / len(nodes)}


def _graph(net: Any) -> Any:
    import networkx as nx

    graph = nx.MultiGraph()
    walk = (net.edge_flags & 1) > 0
    graph.add_edges_from(
        (int(a), int(b), {"length": mm / 1000})
        for (a, b), mm in zip(net.edge_nodes[walk], net.edge_length_mm[walk], strict=True)
    )
    return graph


def networkx_walks() -> dict[str, Any]:
    import networkx as nx

    net = network()
    graph = _graph(net)
    nodes = np.random.default_rng(SEED).choice(list(graph), 100)
    seconds = median_seconds(
        lambda: [
            nx.single_source_dijkstra_path_length(graph, int(v), cutoff=CUTOFF_S, weight="length")
            for v in nodes
        ],
        repeats=3,
    )
    return {"ms_per_source": 1000 * seconds / len(nodes)}


def notebook_polygons() -> dict[str, Any]:
    import networkx as nx

    net = network()
    graph = _graph(net)
    nodes = np.random.default_rng(SEED).choice(list(graph), 20)

    def hulls() -> list[Any]:
        return [
            shapely.convex_hull(
                shapely.multipoints(
                    net.node_xy[
                        list(nx.ego_graph(graph, int(v), radius=CUTOFF_S, distance="length"))
                    ]
                )
            )
            for v in nodes
        ]

    return {"ms_per_polygon": 1000 * median_seconds(hulls, repeats=3) / len(nodes)}


def pandana_walks() -> dict[str, Any]:
    import pandana
    import pandas as pd

    net = network()
    walk = (net.edge_flags & 1) > 0
    made = pandana.Network(
        pd.Series(net.node_xy[:, 0]),
        pd.Series(net.node_xy[:, 1]),
        pd.Series(net.edge_nodes[walk, 0]),
        pd.Series(net.edge_nodes[walk, 1]),
        pd.DataFrame({"m": net.edge_length_mm[walk] / 1000}),
    )
    nodes = np.random.default_rng(SEED).integers(0, len(net.node_xy), 200).tolist()
    seconds = median_seconds(lambda: made.nodes_in_range(nodes, CUTOFF_S), repeats=3)
    stations = net.node_xy[np.random.default_rng(1).integers(0, len(net.node_xy), 1300)]
    made.set_pois("stations", 5_000, 1, stations[:, 0], stations[:, 1])
    nearest = median_seconds(lambda: made.nearest_pois(5_000, "stations", num_pois=1), repeats=3)
    return {"ms_per_source": 1000 * seconds / 200, "nearest_s": nearest}


def valhalla_polygons() -> dict[str, Any]:
    import subprocess

    import valhalla

    net = network()
    _, xy, _ = _sources(net, 200)
    lonlat = unproject(xy, net.crs)
    with tempfile.TemporaryDirectory() as folder:
        config = valhalla.get_config(tile_extract="", tile_dir=folder, verbose=False)
        path = Path(folder) / "config.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        programs = str(Path(sys.executable).parent)  # its own launcher looks there by PATH
        started = time.perf_counter()
        subprocess.run(
            [f"{programs}/valhalla_build_tiles", "-c", str(path), str(PORTO)],
            check=True,
            capture_output=True,
            env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        )
        build_s = time.perf_counter() - started
        actor = valhalla.Actor(config)
        shapes: list[Any] = []

        def circles() -> None:
            shapes.clear()
            for lon, lat in lonlat:
                answer = actor.isochrone(
                    {
                        "locations": [{"lon": float(lon), "lat": float(lat)}],
                        "costing": "pedestrian",
                        "costing_options": {"pedestrian": {"walking_speed": 3.6}},
                        "contours": [{"time": 15}],
                        "polygons": True,
                        "reverse": True,
                    }
                )
                shapes.append(shapely.from_geojson(json.dumps(answer["features"][0]["geometry"])))

        seconds = median_seconds(circles, repeats=3)
        from geo.crs import project

        polygons = [shapely.transform(s, lambda p: project(p, net.crs)) for s in shapes]
        return {
            "ms_per_polygon": 1000 * seconds / len(lonlat),
            "build_s": build_s,
            **fidelity(net, xy, polygons),
        }


def fidelity(net: Any, xy: Any, polygons: list[Any]) -> dict[str, Any]:
    """How often polygons agree with routed time at address points never shown to them."""
    costs = impedance(net, NORM)
    homes = points_near_streets(net, 200_000, seed=SEED + 1)
    pairs = reach_targets(
        net,
        costs,
        snap(net, costs, xy, max_snap_m=200),
        snap(net, costs, homes, max_snap_m=200),
        cutoff_s=CUTOFF_S,
    )
    tree = shapely.STRtree(shapely.points(homes))
    both = only_polygon = only_truth = 0
    for s, polygon in enumerate(polygons):
        truth = pairs.target[pairs.offsets[s] : pairs.offsets[s + 1]]
        inside = tree.query(shapely.make_valid(polygon), predicate="contains")
        agree = len(np.intersect1d(truth, inside))
        both += agree
        only_polygon += len(inside) - agree
        only_truth += len(truth) - agree
    return {
        "precision": both / max(both + only_polygon, 1),
        "recall": both / max(both + only_truth, 1),
        "iou": both / max(both + only_polygon + only_truth, 1),
    }


def ours_polygons(step_m: float, count: int) -> dict[str, Any]:
    net = network()
    costs, xy, sources = _sources(net, count)
    catchments(  # compile before the clock runs
        FieldIndex(net, costs, barriers=None, max_snap_m=200, step_m=step_m),
        sources.row(0),
        xy[:1],
        cutoffs_s=(600.0,),
    )
    index = FieldIndex(net, costs, barriers=None, max_snap_m=200, step_m=step_m)
    started = time.perf_counter()
    catchments(index, sources, xy, cutoffs_s=(600.0, 900.0), with_lines=False)
    cold = time.perf_counter() - started
    warm = median_seconds(
        lambda: catchments(index, sources, xy, cutoffs_s=(600.0, 900.0), with_lines=False),
        repeats=3,
        warm=0,
    )
    one = median_seconds(
        lambda: [
            catchments(index, sources.row(i), xy[i : i + 1], cutoffs_s=(900.0,), with_lines=False)
            for i in range(100)
        ],
        repeats=3,
    )
    made = catchments(index, sources, xy, cutoffs_s=(900.0,), with_lines=False)
    return {
        "two_cutoffs_cold_s": cold,
        "two_cutoffs_warm_s": warm,
        "ms_per_polygon_one_thread": 1000 * one / 100,
        **fidelity(net, xy[:200], [c.polygon for c in made[:200]]),
    }


def kept_network(folder: str) -> dict[str, Any]:
    """Fourteen Portos in a folder, as the service keeps its network."""
    save_network(network(tiled=True), Path(folder))
    return {}


def ours_nearest(folder: str, buildings: int, stations: int) -> dict[str, Any]:
    """Snapping and sweep on a network that is opened by memory map.

    ``first_s``: with the index of the streets made anew, as after a change of the network or for
    a profile not asked for yet. ``seconds``: as asked again; ``cpu_s`` of all threads, which other
    work on the machine changes least. Compiling is not counted.
    """
    net = open_network(Path(folder))
    homes = points_near_streets(net, buildings, seed=SEED)
    places = points_near_streets(net, stations, seed=SEED + 2)

    def whole(costs: Any, rows: int) -> None:
        demand = snap(net, costs, homes[:rows], max_snap_m=200)
        facilities = snap(net, costs, places, max_snap_m=200)
        nearest_facility(net, costs, demand, facilities)

    first = []
    for rows in (5000, buildings, buildings, buildings):
        costs = impedance(net, NORM)
        started = time.perf_counter()
        whole(costs, rows)
        first.append(time.perf_counter() - started)
    before = time.process_time()
    whole(costs, buildings)
    return {
        "cpu_s": time.process_time() - before,
        "seconds": median_seconds(lambda: whole(costs, buildings), repeats=3),
        "first_s": sorted(first[1:])[1],
        "nodes": len(net.node_xy),
    }


def scipy_nearest() -> dict[str, Any]:
    net = network(tiled=True)
    matrix = _matrix(net)
    nodes = np.random.default_rng(SEED).integers(0, matrix.shape[0], 1300)
    return {
        "seconds": median_seconds(lambda: dijkstra(matrix, indices=nodes, min_only=True), repeats=3)
    }


def ours_extract(tiled: bool) -> dict[str, Any]:
    ways = porto_ways()  # compiles and warms the file cache
    build_network(ways, source="porto")
    started = time.perf_counter()
    if tiled:
        build_network(tiled_ways(porto_ways()), source="porto")
    else:
        build_network(porto_ways(), source="porto")
    return {"seconds": time.perf_counter() - started}


def osmnx_extract() -> dict[str, Any]:
    import subprocess

    import osmnx

    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "porto.osm"
        subprocess.run(
            [
                sys.executable,
                "-c",
                f"import osmium;w=osmium.SimpleWriter({str(xml)!r});[w.add(o) for o in osmium.FileProcessor({str(PORTO)!r})];w.close()",
            ],
            check=True,
        )
        started = time.perf_counter()
        osmnx.graph_from_xml(xml, simplify=True, retain_all=True)
        return {"seconds": time.perf_counter() - started}


def main() -> None:
    report("machine", **machine())
    with tempfile.TemporaryDirectory() as folder:
        compare(folder)


def compare(folder: str) -> None:
    for name, work, arguments in (
        ("walk 15 min, Porto, ours (2 threads)", ours_walks, (False,)),
        ("walk 15 min, Porto, scipy", scipy_walks, (False,)),
        ("walk 15 min, Porto, networkx", networkx_walks, ()),
        ("walk 15 min and nearest, Porto, pandana", pandana_walks, ()),
        ("walk 15 min, 1M nodes, ours (2 threads)", ours_walks, (True,)),
        ("walk 15 min, 1M nodes, scipy", scipy_walks, (True,)),
        (f"polygons 1,300 x 2, Porto, ours, {STEP_M:g} m", ours_polygons, (STEP_M, 1300)),
        ("polygons 1,300 x 2, Porto, ours, 6 m", ours_polygons, (6.0, 1300)),
        ("polygons, Porto, Valhalla", valhalla_polygons, ()),
        ("polygons, Porto, ego graph and hull", notebook_polygons, ()),
        ("network of 1M nodes, built and kept", kept_network, (folder,)),
        (
            "nearest, 300,000 homes x 1,300 stations, 1M nodes, ours",
            ours_nearest,
            (folder, 300_000, 1300),
        ),
        (
            "nearest, 4.2M homes x 18,200 stations, 1M nodes, ours",
            ours_nearest,
            (folder, 4_200_000, 18_200),
        ),
        ("nearest, nodes only, 1,300 stations, 1M nodes, scipy", scipy_nearest, ()),
        ("extract to network, Porto, ours", ours_extract, (False,)),
        ("extract to network, fourteen Portos, ours", ours_extract, (True,)),
        ("extract to network, Porto, OSMnx", osmnx_extract, ()),
    ):
        report(name, **in_fresh_process(work, *arguments))


if __name__ == "__main__":
    main()
