"""`WalkNetwork`: the streets and paths people walk on, as compressed sparse rows in metres."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray


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
