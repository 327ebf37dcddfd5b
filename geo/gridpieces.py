"""A community taken apart: exclusive sites, grids that stay, and the pieces to design.

Each connected piece of what is left is a graph of its own for the search.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo import gridgraph
from geo.cells import Cells, components
from geo.gridbounds import fewest_grids
from geo.gridgraph import Graph
from geo.standards import GridLimits

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


@dataclass(slots=True)
class Piece:
    """One connected piece of a community."""

    cells: NDArray[np.int64]
    graph: Graph
    labels: NDArray[np.int64]
    """Present grids in this piece; label k of the graph is ``labels[k]``."""
    bound: int
    compound: Ints
    """Compound of each cell, also of cells without households; -1 in none."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A community taken apart: exclusive sites, empty land they cut off, pieces to design."""

    community: int
    mine: NDArray[np.int64]
    sites: list[tuple[NDArray[np.int64], int]]
    """Cells of each exclusive site, and the present grid most of them are in."""
    frozen: list[tuple[NDArray[np.int64], int]]
    """Cells of each present grid that is not to be changed, and its number."""
    loose: list[tuple[NDArray[np.int64], NDArray[np.int64], Floats]]
    """Cells of a piece of empty land, its neighbours outside, and the borders with them."""
    pieces: list[Piece]


def prepare(
    cells: Cells,
    community: int,
    mine: NDArray[np.int64],
    loads: tuple[Floats, Floats],
    present: NDArray[np.int64],
    locked: NDArray[np.bool_],
    frozen: NDArray[np.bool_],
    station: Floats,
    limits: GridLimits,
) -> Draft:
    """Take a community apart, given which of its cells keep the grid they have."""
    low, high = np.searchsorted(cells.edges[:, 0], [mine[0], mine[-1] + 1])
    edges = cells.edges[low:high] - mine[0]
    border, strength = cells.border_m[low:high], cells.strength[low:high]
    site = cells.site[mine]
    # Exclusive sites: the cells of one that touch are one grid.
    same_site = (site[edges[:, 0]] == site[edges[:, 1]]) & (site[edges[:, 0]] >= 0)
    free = (site < 0) & ~frozen[mine]
    open_both = free[edges[:, 0]] & free[edges[:, 1]]
    piece_of = components(len(mine), edges[same_site | open_both])
    still = mine[~free & (site < 0)]
    draft = Draft(
        community,
        mine,
        [],
        [(still[present[still] == one], int(one)) for one in np.unique(present[still])],
        [],
        [],
    )
    for number in range(int(piece_of.max()) + 1):
        members = np.flatnonzero(piece_of == number)
        if frozen[mine[members[0]]] and site[members[0]] < 0:
            continue
        load = loads[0][mine[members]].sum() + loads[1][mine[members]].sum()
        if site[members[0]] >= 0:
            draft.sites.append((mine[members], _most_common(present[mine[members]])))
        elif load == 0 and len(members) < len(mine):
            inside = np.zeros(len(mine), np.bool_)
            inside[members] = True
            out = inside[edges[:, 0]] != inside[edges[:, 1]]
            other = np.where(inside[edges[out, 0]], edges[out, 1], edges[out, 0])
            draft.loose.append((mine[members], mine[other], border[out]))
        else:
            draft.pieces.append(
                _piece(
                    cells,
                    mine,
                    members,
                    edges,
                    border,
                    strength,
                    loads,
                    present,
                    locked,
                    station,
                    limits,
                )
            )
    return draft


def _piece(
    cells: Cells,
    mine: NDArray[np.int64],
    members: NDArray[np.int64],
    edges: Ints,
    border: Floats,
    strength: Floats,
    loads: tuple[Floats, Floats],
    present: NDArray[np.int64],
    locked: NDArray[np.bool_],
    station: Floats,
    limits: GridLimits,
) -> Piece:
    number = np.full(len(mine), -1, np.int64)
    number[members] = np.arange(len(members))
    inside = (number[edges[:, 0]] >= 0) & (number[edges[:, 1]] >= 0)
    crossing = (number[edges[:, 0]] >= 0) != (number[edges[:, 1]] >= 0)
    rows = number[edges[inside]]
    both = np.concatenate([rows, rows[:, ::-1]])
    order = np.lexsort((both[:, 1], both[:, 0]))
    which = np.tile(np.flatnonzero(inside), 2)[order]
    indptr = np.searchsorted(both[order, 0], np.arange(len(members) + 1)).astype(np.int32)
    outer = cells.outer_m[mine[members]].copy()
    ends = number[edges[crossing]].max(axis=1) if crossing.any() else np.empty(0, np.int64)
    np.add.at(outer, ends, border[crossing])
    at = mine[members]
    labels = np.unique(present[at][present[at] >= 0])
    now = np.searchsorted(labels, present[at]).astype(np.int32)
    now[present[at] < 0] = -1
    h = np.minimum(loads[0][at], limits.households)
    p = np.minimum(loads[1][at], limits.people)
    compound = cells.compound[at].copy()
    compound[h <= 0] = -1
    names, compound_number = np.unique(compound, return_inverse=True)
    compound_number = compound_number.ravel() - (1 if len(names) and names[0] == -1 else 0)
    metres = np.where(np.isfinite(station[at]), station[at], 2 * gridgraph.STATION_M)
    graph = Graph(
        h,
        p,
        cells.area_m2[at].astype(np.float64),
        outer.astype(np.float64),
        indptr,
        both[order, 1].astype(np.int32),
        border[which].astype(np.float64),
        strength[which].astype(np.float64),
        compound_number.astype(np.int32),
        metres.astype(np.float64),
        now,
        locked[at].copy(),
    )
    return Piece(
        at,
        graph,
        labels,
        fewest_grids(h, p, (limits.households, limits.people)),
        cells.compound[at].astype(np.int32),
    )


def _most_common(labels: NDArray[np.int64]) -> int:
    known = labels[labels >= 0]
    return int(np.bincount(known).argmax()) if len(known) else -1
