"""Small networks drawn by hand or by hypothesis, and a slow walker to check the fast one."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import shapely

from geo.network import EdgeFlag, WalkNetwork, Ways, build_network

CRS = "EPSG:4548"
ORIGIN = np.array([500_000.0, 4_000_000.0])
OPEN = int(EdgeFlag.WALK | EdgeFlag.RIDE_FORWARD | EdgeFlag.RIDE_BACKWARD)


def network_of(
    lines: list[list[tuple[float, float]]],
    *,
    flags: list[int] | None = None,
    blocked: tuple[tuple[float, float], ...] = (),
    waits: dict[tuple[float, float], float] | None = None,
    way_waits: list[float] | None = None,
) -> WalkNetwork:
    """Network of polylines given in metres; equal points are one node."""
    from geo.crs import unproject

    places = sorted({point for line in lines for point in line})
    number = {point: i for i, point in enumerate(places)}
    lonlat = unproject(np.array(places, float) + ORIGIN, CRS)
    n = len(places)
    wait = np.zeros(n, np.float32)
    for point, value in (waits or {}).items():
        wait[number[point]] = value
    stop = np.zeros(n, bool)
    for point in blocked:
        stop[number[point]] = True
    ways = Ways(
        lonlat,
        np.concatenate([[0], np.cumsum([len(line) for line in lines])]).astype(np.int64),
        np.array([number[p] for line in lines for p in line], np.int32),
        np.array(flags or [OPEN] * len(lines), np.uint16),
        np.arange(len(lines), dtype=np.int64),
        stop,
        wait,
        np.array(way_waits or [0.0] * len(lines), np.float32),
    )
    return build_network(ways, crs=CRS, source="by hand")


def at(*points: tuple[float, float]) -> np.ndarray:
    """Points in metres of the network."""
    return np.array(points, float).reshape(-1, 2) + ORIGIN


def block_town(side: int = 6, step: float = 100.0) -> list[list[tuple[float, float]]]:
    """Streets of a square town, one way a street."""
    ticks = [i * step for i in range(side)]
    return [[(x, y) for y in ticks] for x in ticks] + [[(x, y) for x in ticks] for y in ticks]


def slow_graph(network: WalkNetwork, points: np.ndarray) -> nx.Graph:
    """Every vertex of the network and the foot of every point, by shapely and networkx alone."""
    graph = nx.Graph()
    walk = (network.edge_flags & EdgeFlag.WALK) > 0
    lines = [
        shapely.LineString(network.edge_xy[a:b])
        for a, b in itertools.pairwise(network.edge_offsets)
    ]
    stops: list[list[tuple[float, object]]] = [[] for _ in lines]
    usable = np.flatnonzero(walk)
    for i, xy in enumerate(points):
        point = shapely.Point(xy)
        distance = np.array([lines[e].distance(point) for e in usable])
        edge = usable[int(np.argmin(distance))]
        stops[edge].append((lines[edge].project(point), ("point", i)))
        graph.add_edge(("home", i), ("point", i), weight=float(distance.min()))
    for e in usable:
        a, b = (("node", int(v)) for v in network.edge_nodes[e])
        chain = [(0.0, a), *sorted(stops[e], key=lambda s: s[0]), (lines[e].length, b)]
        for (d0, u), (d1, v) in itertools.pairwise(chain):
            known = graph.get_edge_data(u, v, {"weight": np.inf})["weight"]
            graph.add_edge(u, v, weight=min(known, d1 - d0))
    return graph
