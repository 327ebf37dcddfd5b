"""A plain reading of the sample's OSM file, with nothing but pyosmium and shapely."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import networkx as nx
import numpy as np
import osmium
import shapely

METRES_PER_DEGREE = 111_320.0


@dataclass
class OsmMap:
    """Nodes in metres about the middle of the file, ways with their tags."""

    xy: dict[int, tuple[float, float]]
    node_tags: dict[int, dict[str, str]]
    ways: dict[int, tuple[list[int], dict[str, str]]]
    origin: tuple[float, float]

    def metres(self, lonlat: np.ndarray) -> np.ndarray:
        lon, lat = self.origin
        east = METRES_PER_DEGREE * np.cos(np.radians(lat))
        return (np.asarray(lonlat) - (lon, lat)) * (east, METRES_PER_DEGREE)

    def points(self, nodes: list[int]) -> np.ndarray:
        return np.array([self.xy[n] for n in nodes])

    def select(self, key: str, *values: str) -> dict[int, tuple[list[int], dict[str, str]]]:
        return {
            i: (nodes, tags)
            for i, (nodes, tags) in self.ways.items()
            if key in tags and (not values or tags[key] in values)
        }

    def polygons(self, ways: dict[int, tuple[list[int], dict[str, str]]]) -> np.ndarray:
        return np.array([shapely.Polygon(self.points(nodes)) for nodes, _ in ways.values()])

    def lines(self, ways: dict[int, tuple[list[int], dict[str, str]]]) -> np.ndarray:
        return np.array([shapely.LineString(self.points(nodes)) for nodes, _ in ways.values()])

    def locked(self) -> set[int]:
        return {n for n, tags in self.node_tags.items() if tags.get("locked") == "yes"}

    def gates(self) -> set[int]:
        return {
            n for n, tags in self.node_tags.items() if tags.get("barrier") in ("gate", "lift_gate")
        }

    def walking(self) -> nx.Graph:
        """Every street and path people may walk, edges in metres; locked gates are left out."""
        graph = nx.Graph()
        shut = self.locked()
        for nodes, _ in self.select("highway").values():
            for a, b in pairwise(nodes):
                if not {a, b} & shut:
                    length = float(np.hypot(*(np.array(self.xy[a]) - self.xy[b])))
                    graph.add_edge(a, b, length=length)
        return graph


def read_map(path: Path) -> OsmMap:
    lonlat: dict[int, tuple[float, float]] = {}
    node_tags: dict[int, dict[str, str]] = {}
    ways: dict[int, tuple[list[int], dict[str, str]]] = {}
    for thing in osmium.FileProcessor(str(path)):
        if thing.is_node():
            lonlat[thing.id] = (thing.location.lon, thing.location.lat)
            if len(thing.tags):
                node_tags[thing.id] = dict(thing.tags)
        elif thing.is_way():
            ways[thing.id] = ([n.ref for n in thing.nodes], dict(thing.tags))
    degrees = np.array(list(lonlat.values()))
    found = OsmMap({}, node_tags, ways, tuple(degrees.mean(axis=0)))
    metres = found.metres(degrees)
    found.xy = dict(zip(lonlat, map(tuple, metres.tolist()), strict=True))
    return found
