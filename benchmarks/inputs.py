"""The networks, stations and homes that every benchmark uses, and where they come from."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.importers.osm import read_osm
from geo.network import WalkNetwork, Ways, build_network

SHARED = Path(os.environ.get("GRIDCIRCLE_SHARED", Path(__file__).parents[2] / "shared" / "data"))
PORTO = SHARED / "porto" / "porto.osm.pbf"
COPIES = 14
SEED = 7


def porto_ways() -> Ways:
    """Ways of the Porto extract (OpenStreetMap, ODbL)."""
    return read_osm(PORTO, parts=("network",)).ways


def tiled_ways(ways: Ways, copies: int = COPIES) -> Ways:
    """Copies of a city side by side, a third of a degree apart: a network of a million nodes."""
    nodes, count = len(ways.lonlat), len(ways.flags)
    shift = np.repeat(np.arange(copies), nodes)
    lonlat = np.tile(ways.lonlat, (copies, 1))
    lonlat[:, 0] += 0.35 * (shift % 4)
    lonlat[:, 1] += 0.35 * (shift // 4)
    step = np.repeat(np.arange(copies), len(ways.nodes))
    ends = np.concatenate([ways.offsets[1:] + k * ways.offsets[-1] for k in range(copies)])
    return Ways(
        lonlat,
        np.concatenate([[0], ends]).astype(np.int64),
        (np.tile(ways.nodes, copies) + step * nodes).astype(np.int32),
        np.tile(ways.flags, copies),
        np.arange(copies * count, dtype=np.int64),
        np.tile(ways.blocked, copies),
        np.tile(ways.waits, copies),
        np.tile(ways.way_waits, copies),
    )


def network(*, tiled: bool = False) -> WalkNetwork:
    """Porto, or fourteen of it."""
    ways = porto_ways()
    return build_network(tiled_ways(ways) if tiled else ways, source="porto")


def points_near_streets(
    net: WalkNetwork, count: int, *, seed: int, spread_m: float = 25.0
) -> NDArray[np.float64]:
    """Points along streets, moved off by a normal distance; metres."""
    rng = np.random.default_rng(seed)
    vertices = rng.integers(0, len(net.edge_xy), count)
    return net.edge_xy[vertices] + rng.normal(0, spread_m, (count, 2))
