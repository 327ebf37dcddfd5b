"""`WalkNetwork`: the streets and paths people walk on, as compressed sparse rows in metres."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass, fields
from enum import IntFlag
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geo.crs import project, projected_crs
from geo.errors import NetworkError
from geo.kernels import kernel

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
        If there is no way, or none has two nodes.
    """
    if len(ways.offsets) < 2:
        raise NetworkError(
            f"{source} holds no ways to walk on.", remedy="Give an extract with streets or paths."
        )
    used = _rows_named(len(ways.lonlat), ways.nodes)
    if crs is None:
        lonlat = ways.lonlat[used]
        chosen = projected_crs((*lonlat.min(axis=0), *lonlat.max(axis=0)))
        authority = chosen.to_authority()
        crs = ":".join(authority) if authority else chosen.srs
    xy = np.zeros((len(ways.lonlat), 2))
    xy[used] = project(ways.lonlat[used], crs)
    first, second, way, waits = _segments(ways.offsets, ways.nodes, xy, ways.way_waits)
    if not len(way):
        raise NetworkError(
            f"No way of {source} has two different nodes.",
            remedy="Check that the extract is whole: its ways have lost their nodes.",
        )
    flags = ways.flags[way]
    xy_all, node_waits = xy, ways.waits
    copied = _dead_ends(first, second, ways.blocked)
    if len(copied):
        xy_all = np.concatenate([xy, xy[copied]])
        node_waits = np.concatenate([node_waits, np.zeros(len(copied), np.float32)])
    chains = _chains(len(xy_all), first, second, flags, way, waits, node_waits, ways.source)
    starts, ends, edge_flags, edge_waits, edge_way, offsets, sequence = chains
    lengths = _lengths_mm(xy_all, sequence, offsets)
    kept = _rows_named(len(xy_all), starts, ends)
    order = np.argsort(_hilbert(xy_all[kept]), kind="stable")
    number = np.full(len(xy_all), -1, np.int32)
    number[kept[order]] = np.arange(len(kept), dtype=np.int32)
    pairs = np.column_stack([number[starts], number[ends]])
    low, high = np.minimum(*pairs.T), np.maximum(*pairs.T)
    by_node = np.argsort((low.astype(np.int64) << 32) | high, kind="stable")
    counts = np.diff(offsets)[by_node]
    new_offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    take = np.repeat(offsets[:-1][by_node] - new_offsets[:-1], counts) + np.arange(
        new_offsets[-1], dtype=np.int64
    )
    walk = (edge_flags[by_node] & EdgeFlag.WALK) > 0
    component = components(len(kept), pairs[by_node], lengths[by_node], walk)
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
        "edge_xy": xy_all[sequence[take]],
    }
    for array in arrays.values():
        array.flags.writeable = False  # as if mapped into memory: kernels are compiled once
    return WalkNetwork(crs=crs, version=digest(crs, arrays), source=source, **arrays)


def _rows_named(rows: int, *numbers: NDArray[np.int32]) -> NDArray[np.int64]:
    """Row numbers that occur, rising: quicker than sorting them."""
    named = np.zeros(rows, np.bool_)
    for some in numbers:
        named[some] = True
    return np.flatnonzero(named)


def digest(crs: str, arrays: dict[str, NDArray[np.generic]]) -> str:
    """SHA-256 over the CRS and all arrays, in the order given."""
    total = hashlib.sha256(crs.encode())
    for name, array in arrays.items():
        total.update(f"{name}{array.dtype.str}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def save_network(network: WalkNetwork, folder: Path) -> None:
    """Write the arrays to ``folder``, which appears whole or not at all.

    A network that is there already is replaced; whoever has it open keeps what they opened.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name[:8]}-") as aside:
        draft = Path(aside) / "new"
        draft.mkdir()
        texts = {"format": FORMAT}
        for field in fields(network):
            value = getattr(network, field.name)
            if isinstance(value, np.ndarray):
                np.save(draft / f"{field.name}.npy", value)
            else:
                texts[field.name] = value
        (draft / "network.json").write_text(json.dumps(texts), encoding="utf-8")
        if folder.exists():
            folder.rename(Path(aside) / "old")
        draft.rename(folder)


def open_network(folder: Path) -> WalkNetwork:
    """Open a folder of `save_network` by memory map.

    Raises
    ------
    NetworkError
        If the folder is not whole or of another format. The digest is not computed anew, since
        that would read all of it.
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
        network = WalkNetwork(**texts, **arrays)
        nodes, edges = len(network.node_xy), len(network.edge_nodes)
        fits = [
            *(len(a) == nodes for a in (network.node_waits, network.node_component)),
            *(
                len(a) == edges
                for a in (
                    network.edge_length_mm,
                    network.edge_flags,
                    network.edge_waits,
                    network.edge_way,
                    network.edge_offsets[1:],
                )
            ),
            network.edge_offsets[-1] == len(network.edge_xy),
        ]
        if not all(fits):
            raise NetworkError(f"The arrays of {folder} do not fit together.", remedy=remedy)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise NetworkError(f"{folder} holds no whole network: {error}.", remedy=remedy) from error
    return network


@kernel
def _segments(offsets, nodes, xy, way_waits):  # type: ignore[no-untyped-def]
    """Pieces of ways between two nodes, each with its share of the way's waits."""
    count = 0
    for way in range(len(offsets) - 1):
        for k in range(offsets[way], offsets[way + 1] - 1):
            if nodes[k] != nodes[k + 1]:
                count += 1
    first = np.empty(count, np.int32)
    second = np.empty(count, np.int32)
    owner = np.empty(count, np.int32)
    waits = np.zeros(count)
    at = 0
    for way in range(len(offsets) - 1):
        begin = at
        length_m = 0.0
        for k in range(offsets[way], offsets[way + 1] - 1):
            a, b = nodes[k], nodes[k + 1]
            if a != b:
                first[at], second[at], owner[at] = a, b, way
                length_m += np.hypot(xy[b, 0] - xy[a, 0], xy[b, 1] - xy[a, 1])
                at += 1
        if way_waits[way] > 0:
            for s in range(begin, at):
                a, b = first[s], second[s]
                piece_m = np.hypot(xy[b, 0] - xy[a, 0], xy[b, 1] - xy[a, 1])
                share = piece_m / length_m if length_m > 0 else 1.0 / (at - begin)
                waits[s] = way_waits[way] * share
    return first, second, owner, waits


@kernel
def _dead_ends(first, second, blocked):  # type: ignore[no-untyped-def]
    """Give every piece that touches a blocked node an end of its own; which nodes were copied."""
    count = 0
    for s in range(len(first)):
        count += blocked[first[s]] + blocked[second[s]]
    copied = np.empty(count, np.int32)
    at = 0
    for s in range(len(first)):
        if blocked[first[s]]:
            copied[at] = first[s]
            first[s] = len(blocked) + at
            at += 1
        if blocked[second[s]]:
            copied[at] = second[s]
            second[s] = len(blocked) + at
            at += 1
    return copied


@kernel
def _lengths_mm(xy, sequence, offsets):  # type: ignore[no-untyped-def]
    lengths = np.empty(len(offsets) - 1, np.int32)
    for e in range(len(lengths)):
        length_m = 0.0
        for k in range(offsets[e], offsets[e + 1] - 1):
            a, b = sequence[k], sequence[k + 1]
            length_m += np.hypot(xy[b, 0] - xy[a, 0], xy[b, 1] - xy[a, 1])
        lengths[e] = np.rint(length_m * 1000)
    return lengths


@kernel
def _turned(flags):  # type: ignore[no-untyped-def]
    forward = (flags >> 1) & 1
    backward = (flags >> 2) & 1
    return (flags & ~6) | (backward << 1) | (forward << 2)


@kernel
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


def components(
    n: int,
    edge_nodes: NDArray[np.int32],
    length_mm: NDArray[np.int32],
    usable: NDArray[np.bool_],
) -> NDArray[np.int32]:
    """Connected component of each node over usable edges, whatever their direction.

    Parameters
    ----------
    n : int
        Number of nodes.
    edge_nodes : ndarray, shape (m, 2)
    length_mm : ndarray, shape (m,)
    usable : ndarray, shape (m,)

    Returns
    -------
    ndarray, shape (n,), int32
        0 is the longest, and so on; nodes without a usable edge come last.
    """
    label, length = _joined(n, edge_nodes, length_mm, usable)
    rank = np.empty(len(length), np.int32)
    rank[np.argsort(-length, kind="stable")] = np.arange(len(length), dtype=np.int32)
    numbered: NDArray[np.int32] = rank[label]
    return numbered


@kernel
def _joined(n, edge_nodes, length_mm, usable):  # type: ignore[no-untyped-def]
    """Component of each node, numbered as they are met, and the length of each (union-find)."""
    above = np.arange(n).astype(np.int32)
    for e in range(len(usable)):
        if not usable[e]:
            continue
        a, b = edge_nodes[e, 0], edge_nodes[e, 1]
        while above[a] != a:
            above[a] = above[above[a]]
            a = above[a]
        while above[b] != b:
            above[b] = above[above[b]]
            b = above[b]
        # The lower number above: every chain of nodes falls.
        if a < b:
            above[b] = a
        elif b < a:
            above[a] = b
    count = 0
    label = np.empty(n, np.int32)
    for v in range(n):
        if above[v] == v:
            label[v] = count
            count += 1
        else:
            label[v] = label[above[v]]
    length = np.zeros(count, np.int64)
    for e in range(len(usable)):
        if usable[e]:
            length[label[edge_nodes[e, 0]]] += length_mm[e]
    return label, length
