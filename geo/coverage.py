"""Coverage: minutes from every demand point to its nearest facility, and its state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from geo.impedance import Impedance
from geo.network import WalkNetwork
from geo.search import nearest_facility
from geo.snapping import SnappedPoints


class State(IntEnum):
    """What a demand point is under one cutoff; names in files are `STATE_NAMES`."""

    COVERED = 0
    GAP = 1
    """On the network, but no facility within the cutoff."""
    UNSNAPPED = 2
    """No walkable edge within the snapping limit."""
    DISCONNECTED = 3
    """On an island of the network that holds no facility."""


STATE_NAMES = ("covered", "gap", "unsnapped", "disconnected")


@dataclass(frozen=True, slots=True)
class Coverage:
    """Coverage of every demand point.

    Attributes
    ----------
    seconds : ndarray, shape (n,), float32
        Walk to the nearest facility, also beyond the cutoff; NaN where none can be reached.
    facility : ndarray, shape (n,), int32
        Its index; -1 where none.
    state : ndarray, shape (n,), uint8
        `State`.
    network_version : str
    cutoff_s : float
    """

    seconds: NDArray[np.float32]
    facility: NDArray[np.int32]
    state: NDArray[np.uint8]
    network_version: str
    cutoff_s: float


def coverage(
    network: WalkNetwork,
    impedance: Impedance,
    demand: SnappedPoints,
    facilities: SnappedPoints,
    *,
    cutoff_s: float,
) -> Coverage:
    """Find for every demand point its nearest facility and whether it lies within the cutoff.

    Raises
    ------
    SnapError
        If points or impedance belong to another version of the network.
    """
    nearest = nearest_facility(network, impedance, demand, facilities)
    state = np.full(len(demand), State.GAP, np.uint8)
    state[(nearest.cost_mm >= 0) & (nearest.cost_mm <= impedance.cutoff_mm(cutoff_s))] = (
        State.COVERED
    )
    snapped = demand.edge >= 0
    state[~snapped] = State.UNSNAPPED
    node = network.edge_nodes[np.where(snapped, demand.edge, 0), 0]
    component = network.node_component[node]
    served = np.zeros(int(network.node_component.max()) + 1, np.bool_)
    served[0] = True
    placed = facilities.edge[facilities.edge >= 0]
    served[network.node_component[network.edge_nodes[placed, 0]]] = True
    # Riders use edges that join what feet cannot, so who reaches a facility is not cut off.
    state[snapped & ~served[component] & (nearest.facility < 0)] = State.DISCONNECTED
    return Coverage(nearest.seconds, nearest.facility, state, network.version, cutoff_s)
