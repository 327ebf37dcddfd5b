"""Base grids: ours against spopt, GerryChain's tree partition and METIS, under the same limits.

    python -m benchmarks.griddesign [--quick] [--markdown] [CITY …]

``--markdown`` prints the rows of benchmarks/RESULTS.md at the end; without cities the whole table
takes some fifteen minutes on two quiet cores.

Cities: ``porto-1000``, ``porto-10000``, ``porto-100000`` (real streets and street blocks, homes
drawn along them; blocks of up to four hectares stand in for compounds), ``liechtenstein`` (real
streets and buildings, households estimated) and ``county`` (the made-up sample with compounds);
``prefecture`` on request. Every tool gets the same cells, community by community, the bound on
grids as its first number of regions, and one more region each time its regions break a limit, up to
1.6 times the bound; then its last result stands. Households and people are limits for all; spopt's
max-p knows a floor only, which is set to 200 households. A peer that runs out of time in one city
is not asked again in a larger one. ``metis-compounds`` is METIS told of compounds by us: borders
within one weigh ten times as much. Figures by `geo.gridfigures`.
"""

from __future__ import annotations

import itertools
import os
import pickle
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from scipy.cluster.vq import kmeans2

from benchmarks.inputs import SEED, SHARED, network, points_near_streets
from benchmarks.measure import in_fresh_process, machine, report
from data.designs.communities import read_communities
from data.designs.files import DesignInputs
from data.designs.homes import read_homes
from data.importers.osm import read_osm
from data.sample import write_sample
from data.surroundings import in_metres, surroundings
from geo.cells import Cells, Surroundings, build_cells, components
from geo.crs import projected_crs
from geo.gridbounds import fewest_grids
from geo.griddesign import design
from geo.gridfigures import figures
from geo.standards import GridLimits

LIMITS = GridLimits()
MOST_OVER = 1.6
BLOCK_M2 = 40_000.0
KEPT = "GRIDDESIGN_CELLS"
"""Variable with the folder where cells are kept for the processes of one run."""
City = tuple[Cells, np.ndarray, np.ndarray]


def porto(count: int) -> City:
    """Homes along the real streets nearest to the middle, in communities of about 350."""
    net = network()
    xy = points_near_streets(net, 120_000, seed=SEED, spread_m=12.0)
    middle = np.median(xy, axis=0)
    xy = xy[np.argsort(np.hypot(*(xy - middle).T))[:count]]
    ends = net.edge_offsets
    bounds = (*xy.min(axis=0) - 50, *xy.max(axis=0) + 50)
    lines = np.array(
        [shapely.LineString(net.edge_xy[a:b]) for a, b in itertools.pairwise(ends)],
        dtype=object,
    )
    lines = lines[shapely.intersects(lines, shapely.box(*bounds))]
    blocks = shapely.get_parts(shapely.polygonize(lines))
    blocks = blocks[shapely.area(blocks) <= BLOCK_M2]
    seeds, _ = kmeans2(xy, max(1, count // 350), seed=SEED, minit="points")
    hull = shapely.convex_hull(shapely.multipoints(xy)).buffer(40)
    parts = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(seeds), extend_to=hull))
    areas = shapely.intersection(parts, hull)
    homes = shapely.buffer(shapely.points(xy), 6.0, quad_segs=1, cap_style="square")
    around = Surroundings(
        lines,
        np.full(len(lines), "street", object),
        compounds=blocks,
        walled=np.zeros(len(blocks), np.bool_),
    )
    cells = build_cells(areas, homes, around)
    rng = np.random.default_rng(SEED)
    each = np.clip(np.rint(rng.lognormal(2.2, 0.8, len(xy))), 1, 120)
    return cells, cells.count(each), cells.count(np.rint(each * 2.62))


def from_files(inputs: DesignInputs) -> City:
    told: list[str] = []
    areas = read_communities(inputs.areas, told)
    crs = projected_crs(areas.total_bounds).to_wkt()
    city = read_osm(inputs.network, parts=("buildings", "compounds", "base"))
    homes = read_homes(inputs.buildings, city, crs, told)
    around = surroundings(city.base, city.compounds, np.empty(0, object), crs)
    cells = build_cells(in_metres(areas.geometry.array, crs), homes.shapes, around)
    return cells, cells.count(np.rint(homes.households)), cells.count(np.rint(homes.people))


@lru_cache(maxsize=1)
def city(name: str) -> City:
    """Cells of a city; made once in a run."""
    kept = Path(os.environ[KEPT]) / name if KEPT in os.environ else None
    if kept is not None and kept.exists():
        return pickle.loads(kept.read_bytes())
    made = _city(name)
    if kept is not None:
        kept.write_bytes(pickle.dumps(made, protocol=5))
    return made


def _city(name: str) -> City:
    if name.startswith("porto-"):
        return porto(int(name.removeprefix("porto-")))
    if name == "liechtenstein":
        osm = SHARED / "liechtenstein" / "liechtenstein.osm.pbf"
        return from_files(DesignInputs(None, osm, osm))
    with tempfile.TemporaryDirectory() as folder:
        files = write_sample(Path(folder), size=name)
        return from_files(DesignInputs(Path(files.buildings), Path(files.areas), Path(files.osm)))


# -- one community as the peers take it ---------------------------------------------------------


class Part:
    """Cells of one connected piece of a community."""

    def __init__(self, whole: City, members: np.ndarray) -> None:
        cells, households, people = whole
        self.members = members
        self.households, self.people = households[members], people[members]
        number = np.full(len(cells), -1)
        number[members] = np.arange(len(members))
        ends = number[cells.edges]
        inside = (ends >= 0).all(axis=1)
        self.edges = ends[inside]
        self.border = cells.border_m[inside]
        self.geometry = cells.geometry[members]
        self.compound = cells.compound[members]
        self.bound = fewest_grids(
            np.minimum(self.households, LIMITS.households),
            np.minimum(self.people, LIMITS.people),
            (LIMITS.households, LIMITS.people),
        )

    def keeps(self, label: np.ndarray) -> bool:
        h = np.bincount(label, np.minimum(self.households, LIMITS.households))
        p = np.bincount(label, np.minimum(self.people, LIMITS.people))
        return bool(h.max() <= LIMITS.households and p.max() <= LIMITS.people)

    def frame(self) -> Any:
        import geopandas as gpd

        x, y = shapely.get_coordinates(shapely.centroid(self.geometry)).T
        return gpd.GeoDataFrame(
            {"x": x, "y": y, "households": self.households, "one": 1.0},
            geometry=self.geometry,
        )

    def weights(self) -> Any:
        from libpysal.weights import W

        near: dict[int, list[int]] = {k: [] for k in range(len(self.members))}
        for a, b in self.edges.tolist():
            near[a].append(b)
            near[b].append(a)
        return W(near, silence_warnings=True)


def parts_of(whole: City) -> list[Part]:
    cells = whole[0]
    piece = components(len(cells), cells.edges)
    order = np.argsort(piece, kind="stable")
    return [Part(whole, m) for m in np.split(order, np.flatnonzero(np.diff(piece[order])) + 1)]


def metis(part: Part, grids: int, within: int = 1) -> np.ndarray:
    """METIS; a border within a compound weighs ``within`` times as much."""
    import pymetis

    near: list[list[int]] = [[] for _ in part.members]
    weight: list[list[int]] = [[] for _ in part.members]
    for (a, b), metres in zip(part.edges.tolist(), part.border.tolist(), strict=True):
        near[a].append(b)
        near[b].append(a)
        bound = part.compound[a] >= 0 and part.compound[a] == part.compound[b]
        weight[a].append(max(1, round(metres)) * (within if bound else 1))
        weight[b].append(weight[a][-1])
    starts = np.cumsum([0, *(len(n) for n in near)])
    _, label = pymetis.part_graph(
        grids,
        xadj=starts,
        adjncy=[j for n in near for j in n],
        vweights=np.rint(part.households).astype(int).tolist(),
        eweights=[w for row in weight for w in row],
        contiguous=True,
    )
    return np.array(label)


def tree(part: Part, grids: int) -> np.ndarray:
    import networkx as nx
    from gerrychain import Graph
    from gerrychain.partition.initial_partition_generators import recursive_tree_part
    from gerrychain.tree.bipartition_tree import bipartition_tree

    net = nx.Graph()
    net.add_nodes_from((k, {"pop": float(h)}) for k, h in enumerate(part.households))
    net.add_edges_from(part.edges.tolist())
    target = part.households.sum() / grids
    label = recursive_tree_part(
        Graph.from_networkx(net),
        list(range(grids)),
        target,
        "pop",
        LIMITS.households / target - 1,
        bipartition_tree_fn=partial(bipartition_tree, max_attempts=200),
        rng=SEED,
    )
    return np.array([label[k] for k in range(len(part.members))])


def skater(part: Part, grids: int) -> np.ndarray:
    from spopt.region import Skater

    model = Skater(part.frame(), part.weights(), ["x", "y", "households"], n_clusters=grids)
    model.solve()
    return np.asarray(model.labels_)


def region_k_means(part: Part, grids: int) -> np.ndarray:
    from spopt.region import RegionKMeansHeuristic

    data = part.frame()[["x", "y"]].to_numpy()
    model = RegionKMeansHeuristic(data, grids, part.weights(), seed=SEED)
    model.solve()
    return np.asarray(model.labels_)


def max_p(part: Part, grids: int) -> np.ndarray:
    del grids
    from spopt.region import MaxPHeuristic

    np.random.seed(SEED)  # noqa: NPY002 — the peer draws from the global state
    model = MaxPHeuristic(
        part.frame(), part.weights(), ["x", "y"], "households", 200,
        max_iterations_construction=20, max_iterations_sa=5,
    )  # fmt: skip
    model.solve()
    return np.asarray(model.labels_)


PEERS: dict[str, Callable[[Part, int], np.ndarray]] = {
    "metis": metis,
    "metis-compounds": partial(metis, within=10),
    "gerrychain-tree": tree,
    "spopt-skater": skater,
    "spopt-region-k-means": region_k_means,
    "spopt-max-p": max_p,
}


def run_peer(name: str, place: str, budget_s: float) -> dict[str, Any]:
    warnings.filterwarnings("ignore")
    whole = city(place)
    grid = np.full(len(whole[0]), -1)
    made = failed = 0
    started = time.perf_counter()
    parts = parts_of(whole)
    for part in parts:
        label = np.zeros(len(part.members), int)
        if part.bound > 1:
            most = max(part.bound + 1, int(part.bound * MOST_OVER))
            found = None
            for grids in range(part.bound, most + 1):
                if time.perf_counter() - started > budget_s:
                    return {"failed": f"more than {budget_s:g} s"}
                try:
                    found = PEERS[name](part, grids)
                except (RuntimeError, ValueError, KeyError, IndexError):
                    continue
                if part.keeps(found) or name == "spopt-max-p":
                    break
            failed += found is None
            label = label if found is None else np.unique(found, return_inverse=True)[1].ravel()
        grid[part.members] = label + made
        made += int(label.max()) + 1
    return told(place, grid, time.perf_counter() - started, {"without_result": failed})


def run_ours(place: str, effort: float, preset: str) -> dict[str, Any]:
    cells, households, people = city(place)
    design(*_tiny(), effort=0.01)  # compile
    started = time.perf_counter()
    made = design(cells, households, people, effort=effort, preset=preset, seed=SEED)
    seconds = time.perf_counter() - started
    proven = sum(one.fewest_proven for one in made.communities)
    return told(
        place,
        made.grid,
        seconds,
        {"kept": made.kept, "proven_fewest": proven, "communities": len(made.communities)},
    )


def _tiny() -> City:
    homes = [
        shapely.box(20 * i, 20 * j, 20 * i + 9, 20 * j + 9) for i in range(5) for j in range(5)
    ]
    cells = build_cells([shapely.box(-10, -10, 100, 100)], homes)
    return cells, cells.count(np.full(25, 30.0)), cells.count(np.full(25, 70.0))


def run_cells(place: str) -> dict[str, Any]:
    started = time.perf_counter()
    cells, households, _ = city(place)
    return {
        "cells": len(cells),
        "households": float(households.sum()),
        "communities": len(np.unique(cells.community)),
        "reading_and_cells_s": round(time.perf_counter() - started, 2),
    }


def told(place: str, grid: np.ndarray, seconds: float, more: dict[str, Any]) -> dict[str, Any]:
    whole = city(place)
    bound = sum(part.bound for part in parts_of(whole))
    capped = (np.minimum(whole[1], LIMITS.households), np.minimum(whole[2], LIMITS.people))
    found = figures(whole[0], grid, None, *capped, LIMITS)
    return {
        **{k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(found).items()},
        "bound": bound,
        "over_bound": round(found.grids / bound - 1, 4),
        "seconds": round(seconds, 2),
        **more,
    }


def run_gap(place: str, samples: int) -> dict[str, Any]:
    """Mean gap of the search to the proven best, on small pieces of real communities.

    A piece grows from a random cell over the longest borders to 26 cells, and its loads are made
    large enough that a grid holds about four of them.
    """
    cells, households, _ = city(place)
    rng = np.random.default_rng(SEED)
    near: dict[int, list[int]] = {}
    for a, b in cells.edges.tolist():
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    gaps, grids = [], []
    for _ in range(samples * 3):
        if len(gaps) == samples:
            break
        chosen = [int(rng.integers(len(cells)))]
        while len(chosen) < 26:
            edge = [j for i in chosen for j in near.get(i, []) if j not in chosen]
            if not edge:
                break
            chosen.append(edge[0])
        if len(chosen) < 26:
            continue
        members = np.array(sorted(chosen))
        part = _sub(cells, members)
        loads = np.maximum(households[members], 1)
        loads = np.minimum(np.rint(loads * 75 / loads.mean()), 290)
        plain = design(part, loads, loads * 2, seed=SEED)
        best = design(part, loads, loads * 2, seed=SEED, exact_s=20)
        (a,), (b,) = plain.communities, best.communities
        if b.cost_bound is None:
            continue
        grids.append(a.grids - b.bound)
        if a.grids == b.grids:
            gaps.append((a.cost - b.cost_bound) / b.cost_bound)
    return {
        "pieces": len(grids),
        "grids_above_optimum_mean": float(np.mean(grids)) if grids else None,
        "cost_gap_mean": round(float(np.mean(gaps)), 5) if gaps else None,
        "cost_gap_worst": round(float(np.max(gaps)), 5) if gaps else None,
    }


def _sub(cells: Cells, members: np.ndarray) -> Cells:
    number = np.full(len(cells), -1)
    number[members] = np.arange(len(members))
    ends = number[cells.edges]
    inside = (ends >= 0).all(axis=1)
    return replace(
        cells,
        geometry=cells.geometry[members],
        community=np.zeros(len(members), np.int32),
        compound=cells.compound[members],
        site=np.full(len(members), -1, np.int32),
        area_m2=cells.area_m2[members],
        outer_m=cells.outer_m[members],
        cell_of_building=np.empty(0, np.int32),
        edges=ends[inside].astype(np.int32),
        border_m=cells.border_m[inside],
        strength=cells.strength[inside],
        kind=cells.kind[inside],
    )


CITIES = ("porto-1000", "county", "liechtenstein", "porto-10000", "porto-100000")


def main() -> None:
    """Run for the cities named, or for all."""
    quick = "--quick" in sys.argv
    places = [a for a in sys.argv[1:] if not a.startswith("--")] or (
        ["county"] if quick else list(CITIES)
    )
    report("machine", **machine())
    effort, budget_s, samples = (0.2, 10.0, 3) if quick else (1.0, 20.0, 12)
    rows: list[str] = []
    slow: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        os.environ[KEPT] = folder
        for place in places:
            made = in_fresh_process(run_cells, place)
            report("cells", city=place, **made)
            rows += heading(place, made)
            large = made.get("cells", 0) > 50_000
            for preset in ("standard",) if large else ("standard", "compounds", "compact"):
                found = in_fresh_process(run_ours, place, effort, preset)
                report("griddesign", city=place, tool=f"ours, {preset}", **found)
                rows.append(row(f"ours, {preset}", found))
            for name in PEERS:
                if name in slow:
                    found = {"failed": "too slow in a smaller city"}
                else:
                    limit_s = budget_s * (3 if large else 1)
                    found = in_fresh_process(run_peer, name, place, limit_s, limit_s=limit_s + 10)
                if str(found.get("failed", "")).startswith("more than"):
                    slow.add(name)
                report("griddesign", city=place, tool=name, **found)
                rows.append(row(name, found))
            if made.get("cells", 0) <= 5_000:
                gap = in_fresh_process(run_gap, place, samples)
                report("gap", city=place, **gap)
                rows += ["", gap_line(gap)]
    if "--markdown" in sys.argv:
        sys.stdout.write("\n".join(rows) + "\n")


def heading(place: str, made: dict[str, Any]) -> list[str]:
    if "failed" in made:
        return ["", f"**{place}**: {made['failed']}"]
    return [
        "",
        f"**{place}**: {made['cells']:,} cells, {made['communities']} communities, "
        f"{made['households']:,.0f} households; read and cut into cells in "
        f"{made['reading_and_cells_s']:g} s.",
        "",
        "| | grids | over the bound | proven fewest | within limits | spread | compounds split "
        "| barriers crossed | compact | cut, km | seconds | peak MB |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]


def row(tool: str, found: dict[str, Any]) -> str:
    if "failed" in found:
        return f"| {tool} | {found['failed']} | | | | | | | | | | |"
    proven = f"{found['proven_fewest']}/{found['communities']}" if "proven_fewest" in found else ""
    return (
        f"| {tool} | {found['grids']} | {100 * found['over_bound']:.1f} % | {proven} "
        f"| {100 * found['within_limits']:.1f} % | {found['load_spread']:.3f} "
        f"| {found['compounds_split']} | {found['barrier_crossings']} "
        f"| {found['compactness']:.3f} | {found['cut_m'] / 1000:.1f} | {found['seconds']:g} "
        f"| {found['peak_mb']} |"
    )


def gap_line(gap: dict[str, Any]) -> str:
    if gap.get("cost_gap_mean") is None:
        return f"No gap to the optimum was measured: {gap}."
    return (
        f"{gap['pieces']} pieces of 26 cells solved exactly: "
        f"{gap['grids_above_optimum_mean']:.2f} grids above the optimum on average; cost "
        f"{100 * gap['cost_gap_mean']:.2f} % above it on average, {100 * gap['cost_gap_worst']:.2f} "
        "% at worst."
    )


if __name__ == "__main__":
    main()
