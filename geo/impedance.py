"""Impedance: what each arc of the network costs one traveller, in whole millimetres."""

from __future__ import annotations

import math
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from geo.errors import ProfileError
from geo.kernels import kernel
from geo.network import EdgeFlag, WalkNetwork, components
from geo.standards import TravelProfile, signal_wait_s

LONGEST_MM = 2**31 - 2
"""Longest walk that is looked for, millimetres: some 2,147 km."""
CLOSED = -1
"""Cost of an edge that may not be used in a direction."""

_Arcs = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Impedance:
    """Arc costs for one profile and one kind of waiting, as compressed sparse rows.

    Costs are int32 millimetres at the profile's speed: a wait of w seconds costs as much as
    w x speed metres. Seconds are ``cost / 1000 / speed_mps``.

    Attributes
    ----------
    network_version : str
    profile : TravelProfile
    waits : str
    indptr : ndarray, shape (n + 1,), int32
        Arcs leaving node v: ``indptr[v]:indptr[v + 1]``.
    head : ndarray, shape (a,), int32
        Node an arc leads to.
    arc_edge : ndarray, shape (a,), int32
    cost_mm : ndarray, shape (a,), int32
        Edge cost plus the wait of the node reached.
    reverse_indptr, reverse_head, reverse_edge, reverse_cost_mm : ndarray
        The same network walked backwards: the cost of an arc still holds the wait of the node
        reached backwards, so that a path costs the same from either end.
    forward_mm, backward_mm : ndarray, shape (m,), int32
        Cost of a whole edge, first node to second and back; `CLOSED` where not allowed.
    node_wait_mm : ndarray, shape (n,), int32
        Charged once for passing the node.
    """

    network_version: str
    profile: TravelProfile
    waits: str
    indptr: NDArray[np.int32]
    head: NDArray[np.int32]
    arc_edge: NDArray[np.int32]
    cost_mm: NDArray[np.int32]
    reverse_indptr: NDArray[np.int32]
    reverse_head: NDArray[np.int32]
    reverse_edge: NDArray[np.int32]
    reverse_cost_mm: NDArray[np.int32]
    forward_mm: NDArray[np.int32]
    backward_mm: NDArray[np.int32]
    node_wait_mm: NDArray[np.int32]

    @property
    def speed_mps(self) -> float:
        """Metres per second."""
        return self.profile.speed_mps

    def cutoff_mm(self, cutoff_s: float) -> int:
        """The cutoff in millimetres, rounded to the nearest; at most what int32 labels hold."""
        if math.isnan(cutoff_s):
            raise ProfileError("A cutoff must be a number of seconds.", remedy="Give 600 or 900.")
        return round(min(max(cutoff_s * self.profile.speed_mps * 1000, -1.0), LONGEST_MM))

    def seconds(self, cost_mm: NDArray[np.int64]) -> NDArray[np.float32]:
        """Millimetres to seconds; negative costs (none) become NaN."""
        seconds = cost_mm / (1000.0 * self.profile.speed_mps)
        return np.where(cost_mm >= 0, seconds, np.nan).astype(np.float32)


def impedance(network: WalkNetwork, profile: TravelProfile, *, waits: str = "none") -> Impedance:
    """Price every arc of the network for one profile.

    Parameters
    ----------
    network : WalkNetwork
    profile : TravelProfile
    waits : {"none", "expected", "worst"}
        Waiting at signal-controlled crossings, `geo.standards.SIGNAL_WAITS_S`.

    Raises
    ------
    ProfileError
        If ``waits`` is unknown.
    """
    wait_mm = signal_wait_s(waits) * profile.speed_mps * 1000
    flags = network.edge_flags
    if profile.mode == "walk":
        forward = (flags & EdgeFlag.WALK) > 0
        backward = forward.copy()
    else:
        forward = (flags & EdgeFlag.RIDE_FORWARD) > 0
        backward = (flags & EdgeFlag.RIDE_BACKWARD) > 0
    if not profile.steps:
        level = (flags & EdgeFlag.STEPS) == 0
        forward &= level
        backward &= level
    edge_mm = network.edge_length_mm + np.rint(network.edge_waits * wait_mm).astype(np.int32)
    node_mm = np.rint(network.node_waits * wait_mm).astype(np.int32)
    steps = network.edge_nodes, forward, backward, edge_mm, node_mm
    out: _Arcs = _arcs(*steps, turned=False)
    back: _Arcs = out if np.array_equal(forward, backward) else _arcs(*steps, turned=True)
    return Impedance(
        network.version,
        profile,
        waits,
        *out,
        *back,
        np.where(forward, edge_mm, CLOSED).astype(np.int32),
        np.where(backward, edge_mm, CLOSED).astype(np.int32),
        node_mm,
    )


_islands: WeakKeyDictionary[Impedance, NDArray[np.int32]] = WeakKeyDictionary()


def islands(network: WalkNetwork, impedance: Impedance) -> NDArray[np.int32]:
    """Connected component of each node over the edges that the traveller may use.

    What feet join may be apart for a wheelchair or an e-bike, and the other way round. Directions
    do not count: a one-way street joins its ends. Worked out once as long as the impedance lives.

    Parameters
    ----------
    network : WalkNetwork
    impedance : Impedance
        Of the same network.

    Returns
    -------
    ndarray, shape (n,), int32
        0 is the longest, and so on.
    """
    found = _islands.get(impedance)
    if found is None:
        usable = (impedance.forward_mm >= 0) | (impedance.backward_mm >= 0)
        if np.array_equal(usable, (network.edge_flags & EdgeFlag.WALK) > 0):
            found = network.node_component
        else:
            nodes = len(network.node_xy)
            found = components(nodes, network.edge_nodes, network.edge_length_mm, usable)
        _islands[impedance] = found
    return found


@kernel
def _arcs(edge_nodes, forward, backward, edge_mm, node_mm, turned):  # type: ignore[no-untyped-def]
    """Arcs of each node as compressed rows: first those along their edges, then those against.

    ``turned``: as walked backwards, from head to tail.
    """
    n = len(node_mm)
    indptr = np.zeros(n + 2, np.int32)
    for e in range(len(edge_nodes)):
        # An arc is kept with the node it leaves, walked backwards with the one it leads to.
        if forward[e]:
            indptr[edge_nodes[e, 1 if turned else 0] + 2] += 1
        if backward[e]:
            indptr[edge_nodes[e, 0 if turned else 1] + 2] += 1
    for v in range(2, n + 2):
        indptr[v] += indptr[v - 1]
    head = np.empty(indptr[n + 1], np.int32)
    arc_edge = np.empty(len(head), np.int32)
    cost = np.empty(len(head), np.int32)
    for against in range(2):
        for e in range(len(edge_nodes)):
            if not (backward[e] if against else forward[e]):
                continue
            at, to = edge_nodes[e, 0], edge_nodes[e, 1]
            if turned != (against == 1):
                at, to = to, at
            k = indptr[at + 1]
            indptr[at + 1] += 1
            head[k], arc_edge[k] = to, e
            cost[k] = edge_mm[e] + node_mm[to]
    return indptr[: n + 1].copy(), head, arc_edge, cost
