"""Coverage: minutes from every demand point to its nearest facility, and its state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from geo.impedance import Impedance, islands
from geo.kernels import kernel
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
    """On an island of the network that holds no facility, of the edges the traveller may use."""


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
    part = islands(network, impedance)
    served = np.zeros(int(part.max(initial=0)) + 1, np.bool_)
    served[0] = True
    placed = facilities.edge[facilities.edge >= 0]
    served[part[network.edge_nodes[placed, 0]]] = True
    state = _states(
        demand.edge,
        nearest.cost_mm,
        network.edge_nodes,
        part,
        served,
        impedance.cutoff_mm(cutoff_s),
        int(State.COVERED),
        int(State.GAP),
        int(State.UNSNAPPED),
        int(State.DISCONNECTED),
    )
    return Coverage(nearest.seconds, nearest.facility, state, network.version, cutoff_s)


@kernel
def _states(  # type: ignore[no-untyped-def]
    edge, cost_mm, edge_nodes, part, served, cutoff, covered, gap, unsnapped, disconnected
):
    state = np.empty(len(edge), np.uint8)
    for i in range(len(edge)):
        if edge[i] < 0:
            state[i] = unsnapped
        elif not served[part[edge_nodes[edge[i], 0]]]:
            state[i] = disconnected
        else:
            state[i] = covered if 0 <= cost_mm[i] <= cutoff else gap
    return state
