"""`WalkNetwork`: the streets and paths people walk on, as compressed sparse rows in metres."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass, fields
from enum import IntFlag
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geo.crs import project, projected_crs
from geo.errors import NetworkError

FORMAT = 1
"""Version of the folder layout that `save_network` writes."""


class EdgeFlag(IntFlag):
    """What an edge is and who may use it; one bit each, stored as uint16."""

    WALK = 1
    """Open to people on foot, both ways."""
    RIDE_FORWARD = 2
    """Open to e-bikes from the first node to the second."""
    RIDE_BACKWARD = 4
    """Open to e-bikes from the second node to the first."""
    STEPS = 8
    BRIDGE = 16
    TUNNEL = 32
    PRIVATE = 64
    """Inside a compound or on private ground: walkable for those who live there."""
    CROSSING = 128
    """A marked crossing of a carriageway."""


@dataclass(frozen=True, slots=True)
class Ways:
    """Raw ways as an importer reads them: node positions and node sequences.

    Attributes
    ----------
    lonlat : ndarray, shape (p, 2), float64
        WGS84 degrees of every node a way uses.
    offsets : ndarray, shape (w + 1,), int64
        ``nodes[offsets[i]:offsets[i + 1]]`` are the nodes of way i, in order.
    nodes : ndarray, shape (k,), int32
        Row numbers into ``lonlat``.
    flags : ndarray, shape (w,), uint16
        `EdgeFlag` bits of each way.
    source : ndarray, shape (w,), int64
        OSM way id, or any number that names the way in its source.
    blocked : ndarray, shape (p,), bool
        Nodes nobody may pass (a locked gate, a wall): ways are cut there.
    waits : ndarray, shape (p,), float32
        Signal waits charged for passing a node, in units of one signal wait (1.0 = one wait).
    way_waits : ndarray, shape (w,), float32
        Signal waits charged for walking the whole way, spread evenly along its length.
    """

    lonlat: NDArray[np.float64]
    offsets: NDArray[np.int64]
    nodes: NDArray[np.int32]
    flags: NDArray[np.uint16]
    source: NDArray[np.int64]
    blocked: NDArray[np.bool_]
    waits: NDArray[np.float32]
    way_waits: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class WalkNetwork:
    """A simplified network: one edge from junction to junction, geometry kept.

    Nodes are numbered along a space-filling curve so that neighbours in space are neighbours in
    memory. Lengths are whole millimetres so that sums and comparisons are exact.

    Attributes
    ----------
    crs : str
        Projected CRS in metres (authority code or WKT) of all coordinates here.
    node_xy : ndarray, shape (n, 2), float64
        Metres.
    node_waits : ndarray, shape (n,), float32
        Signal waits charged on reaching the node.
    node_component : ndarray, shape (n,), int32
        Connected component over edges open to feet; 0 is the longest by length.
    edge_nodes : ndarray, shape (m, 2), int32
        First and second node.
    edge_length_mm : ndarray, shape (m,), int32
    edge_flags : ndarray, shape (m,), uint16
        `EdgeFlag` bits.
    edge_waits : ndarray, shape (m,), float32
        Signal waits spread along the edge.
    edge_way : ndarray, shape (m,), int64
        The way the edge came from.
    edge_offsets : ndarray, shape (m + 1,), int64
    edge_xy : ndarray, shape (k, 2), float64
        Vertices of edge i, first node to second: ``edge_xy[edge_offsets[i]:edge_offsets[i + 1]]``.
    version : str
        SHA-256 of the arrays above; every result names it.
    source : str
        Where the ways came from, for people.
    """

    crs: str
    node_xy: NDArray[np.float64]
    node_waits: NDArray[np.float32]
    node_component: NDArray[np.int32]
    edge_nodes: NDArray[np.int32]
    edge_length_mm: NDArray[np.int32]
    edge_flags: NDArray[np.uint16]
    edge_waits: NDArray[np.float32]
    edge_way: NDArray[np.int64]
    edge_offsets: NDArray[np.int64]
    edge_xy: NDArray[np.float64]
    version: str
    source: str


def build_network(ways: Ways, *, crs: str | None = None, source: str) -> WalkNetwork:
    """Cut ways at junctions, join what only passes through, and number along a Hilbert curve.

    A node stays where other than two way pieces meet, where the flags change, where a signal
    waits, and where a way is blocked: there each piece ends in a dead end of its own. Everything
    between two kept nodes is one edge.

    Parameters
    ----------
    ways : Ways
    crs : str, optional
        Projected CRS in metres; chosen by `geo.crs.projected_crs` when omitted.
    source : str
        Where the ways came from, for people.

    Raises
    ------
    NetworkError
        If no way has two nodes.
    """
    used = np.unique(ways.nodes)
    if len(ways.offsets) < 2 or len(used) < 2:
        raise NetworkError(
            f"{source} holds no ways to walk on.", remedy="Give an extract with streets or paths."
        )
    if crs is None:
        lonlat = ways.lonlat[used]
        chosen = projected_crs((*lonlat.min(axis=0), *lonlat.max(axis=0)))
        authority = chosen.to_authority()
        crs = ":".join(authority) if authority else chosen.srs
    xy = np.zeros((len(ways.lonlat), 2))
    xy[used] = project(ways.lonlat[used], crs)
    first, second, way = _segments(ways.offsets, ways.nodes)
    flags = ways.flags[way]
    length_m = np.hypot(*(xy[first] - xy[second]).T)
    way_length_m = np.bincount(way, weights=length_m, minlength=len(ways.flags))
    share = np.divide(
        length_m, way_length_m[way], out=np.zeros_like(length_m), where=way_length_m[way] > 0
    )
    waits = ways.way_waits[way] * share
    # A blocked node becomes one dead end for each way piece that touches it.
    xy_all, node_waits = xy, ways.waits
    blocked_ends = np.concatenate([ways.blocked[first], ways.blocked[second]])
    if blocked_ends.any():
        ends = np.concatenate([first, second]).astype(np.int64)
        places = np.flatnonzero(blocked_ends)
        xy_all = np.concatenate([xy, xy[ends[places]]])
        node_waits = np.concatenate([node_waits, np.zeros(len(places), np.float32)])
        ends[places] = len(xy) + np.arange(len(places))
        first, second = ends[: len(first)].astype(np.int32), ends[len(first) :].astype(np.int32)
    chains = _chains(len(xy_all), first, second, flags, way, waits, node_waits, ways.source)
    starts, ends_, edge_flags, edge_waits, edge_way, offsets, sequence = chains
    geometry = xy_all[sequence]
    steps_m = np.hypot(*np.diff(geometry, axis=0).T) if len(geometry) > 1 else np.zeros(0)
    steps_m = np.append(steps_m, 0.0)
    steps_m[offsets[1:] - 1] = 0.0
    lengths = np.rint(np.add.reduceat(steps_m, offsets[:-1]) * 1000).astype(np.int32)
    kept = np.unique(np.concatenate([starts, ends_]))
    order = np.argsort(_hilbert(xy_all[kept]), kind="stable")
    number = np.full(len(xy_all), -1, np.int32)
    number[kept[order]] = np.arange(len(kept), dtype=np.int32)
    pairs = np.column_stack([number[starts], number[ends_]])
    by_node = np.lexsort((pairs.max(axis=1), pairs.min(axis=1)))
    counts = np.diff(offsets)[by_node]
    new_offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    take = np.repeat(offsets[:-1][by_node] - new_offsets[:-1], counts) + np.arange(
        new_offsets[-1], dtype=np.int64
    )
    component = _components(len(kept), pairs[by_node], edge_flags[by_node], lengths[by_node])
    arrays = {
        "node_xy": xy_all[kept[order]],
        "node_waits": node_waits[kept[order]].astype(np.float32),
        "node_component": component,
        "edge_nodes": np.ascontiguousarray(pairs[by_node], dtype=np.int32),
        "edge_length_mm": lengths[by_node],
        "edge_flags": edge_flags[by_node],
        "edge_waits": edge_waits[by_node].astype(np.float32),
        "edge_way": edge_way[by_node],
        "edge_offsets": new_offsets,
        "edge_xy": geometry[take],
    }
    return WalkNetwork(crs=crs, version=digest(crs, arrays), source=source, **arrays)


def digest(crs: str, arrays: dict[str, NDArray[np.generic]]) -> str:
    """SHA-256 over the CRS and all arrays, in the order given."""
    total = hashlib.sha256(crs.encode())
    for name, array in arrays.items():
        total.update(f"{name}{array.dtype.str}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def save_network(network: WalkNetwork, folder: Path) -> None:
    """Write the arrays to ``folder``, which appears whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    texts = {"format": FORMAT}
    for field in fields(network):
        value = getattr(network, field.name)
        if isinstance(value, np.ndarray):
            np.save(draft / f"{field.name}.npy", value)
        else:
            texts[field.name] = value
    (draft / "network.json").write_text(json.dumps(texts), encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    draft.rename(folder)


def open_network(folder: Path) -> WalkNetwork:
    """Open a folder of `save_network` by memory map.

    Raises
    ------
    NetworkError
        If the folder is not whole or of another format.
    """
    remedy = "Delete the folder; it is made anew from the database."
    try:
        texts = json.loads((folder / "network.json").read_text(encoding="utf-8"))
        if texts.pop("format") != FORMAT:
            raise NetworkError(f"{folder} is of another format.", remedy=remedy)
        arrays = {
            field.name: np.load(folder / f"{field.name}.npy", mmap_mode="r")
            for field in fields(WalkNetwork)
            if field.name not in texts
        }
        return WalkNetwork(**texts, **arrays)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NetworkError(f"{folder} holds no whole network: {error}.", remedy=remedy) from error


@njit(cache=True)
def _segments(offsets, nodes):  # type: ignore[no-untyped-def]
    count = 0
    for way in range(len(offsets) - 1):
        for k in range(offsets[way], offsets[way + 1] - 1):
            if nodes[k] != nodes[k + 1]:
                count += 1
    first = np.empty(count, np.int32)
    second = np.empty(count, np.int32)
    owner = np.empty(count, np.int32)
    at = 0
    for way in range(len(offsets) - 1):
        for k in range(offsets[way], offsets[way + 1] - 1):
            if nodes[k] != nodes[k + 1]:
                first[at] = nodes[k]
                second[at] = nodes[k + 1]
                owner[at] = way
                at += 1
    return first, second, owner


@njit(cache=True)
def _turned(flags):  # type: ignore[no-untyped-def]
    forward = (flags >> 1) & 1
    backward = (flags >> 2) & 1
    return (flags & ~6) | (backward << 1) | (forward << 2)


@njit(cache=True)
def _chains(n, first, second, flags, way, waits, node_waits, source):  # type: ignore[no-untyped-def]
    """Join segments through nodes where nothing changes."""
    m = len(first)
    degree = np.zeros(n + 1, np.int64)
    for s in range(m):
        degree[first[s] + 1] += 1
        degree[second[s] + 1] += 1
    indptr = np.cumsum(degree)
    fill = indptr[:-1].copy()
    incident = np.empty(2 * m, np.int32)
    for s in range(m):
        incident[fill[first[s]]] = s
        fill[first[s]] += 1
        incident[fill[second[s]]] = s
        fill[second[s]] += 1
    kept = np.zeros(n, np.bool_)
    for v in range(n):
        k = indptr[v + 1] - indptr[v]
        if k == 0:
            continue
        if k != 2 or node_waits[v] > 0:
            kept[v] = True
            continue
        a = incident[indptr[v]]
        b = incident[indptr[v] + 1]
        fa = flags[a] if second[a] == v else _turned(flags[a])
        fb = flags[b] if first[b] == v else _turned(flags[b])
        if a == b or fa != fb:
            kept[v] = True
    starts = np.empty(m, np.int32)
    ends = np.empty(m, np.int32)
    edge_flags = np.empty(m, np.uint16)
    edge_waits = np.zeros(m, np.float64)
    edge_way = np.empty(m, np.int64)
    offsets = np.zeros(m + 1, np.int64)
    sequence = np.empty(2 * m, np.int32)
    done = np.zeros(m, np.bool_)
    edges = 0
    at = 0
    for sweep in range(2):  # the second sweep takes rings without a kept node
        for s in range(m):
            if done[s]:
                continue
            if sweep == 0:
                if kept[first[s]]:
                    v = first[s]
                elif kept[second[s]]:
                    v = second[s]
                else:
                    continue
            else:
                v = first[s]
                kept[v] = True
            starts[edges] = v
            edge_flags[edges] = flags[s] if first[s] == v else _turned(flags[s])
            edge_way[edges] = source[way[s]]
            sequence[at] = v
            at += 1
            current = s
            while True:
                done[current] = True
                edge_waits[edges] += waits[current]
                v = second[current] if first[current] == v else first[current]
                sequence[at] = v
                at += 1
                if kept[v]:
                    break
                a = incident[indptr[v]]
                current = incident[indptr[v] + 1] if a == current else a
            ends[edges] = v
            edges += 1
            offsets[edges] = at
    return (
        starts[:edges],
        ends[:edges],
        edge_flags[:edges],
        edge_waits[:edges],
        edge_way[:edges],
        offsets[: edges + 1],
        sequence[:at],
    )


def _hilbert(xy: NDArray[np.float64], order: int = 16) -> NDArray[np.int64]:
    """Distance along a Hilbert curve over the bounds of ``xy``."""
    low = xy.min(axis=0)
    span = max(float((xy.max(axis=0) - low).max()), 1e-9)
    grid = ((xy - low) / span * (2**order - 1)).astype(np.int64)
    x, y = grid[:, 0].copy(), grid[:, 1].copy()
    d = np.zeros(len(xy), np.int64)
    s = 2 ** (order - 1)
    while s:
        rx = ((x & s) > 0).astype(np.int64)
        ry = ((y & s) > 0).astype(np.int64)
        d += s * s * ((3 * rx) ^ ry)
        flip = (ry == 0) & (rx == 1)
        x[flip], y[flip] = s - 1 - x[flip], s - 1 - y[flip]
        swap = ry == 0
        x[swap], y[swap] = y[swap], x[swap].copy()
        s //= 2
    return d


def _components(
    n: int,
    pairs: NDArray[np.int32],
    flags: NDArray[np.uint16],
    lengths_mm: NDArray[np.int32],
) -> NDArray[np.int32]:
    walk = (flags & EdgeFlag.WALK) > 0
    matrix = coo_array(
        (np.ones(int(walk.sum()), np.int8), (pairs[walk, 0], pairs[walk, 1])), shape=(n, n)
    )
    count, label = connected_components(matrix, directed=False)
    length = np.bincount(label[pairs[walk, 0]], weights=lengths_mm[walk], minlength=count)
    rank = np.empty(count, np.int32)
    rank[np.argsort(-length, kind="stable")] = np.arange(count, dtype=np.int32)
    return rank[label].astype(np.int32)
