"""Compounds as single cells, so that a search moves them whole and opens only those it must.

A compound that fits into one grid becomes one cell of a smaller graph, with the sums of its cells
and all their borders to others. What is in the way of a packing is opened again, one after another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geo.cells import components, sums
from geo.gridgraph import Graph
from geo.gridpieces import Piece
from geo.standards import GridLimits

Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Contracted:
    """A piece with some compounds as single cells.

    Attributes
    ----------
    piece : Piece
        The smaller one; it knows no present plan.
    of : ndarray, shape (n,), int32
        Its cell for each cell of the whole piece.
    """

    piece: Piece
    of: Ints

    def spread(self, grid: Ints) -> Ints:
        """Grids of the cells of the whole piece."""
        return grid[self.of]

    def gathered(self, grid: Ints) -> Ints:
        """Grids of the cells of the smaller piece, where ``grid`` cuts through none of them."""
        small = np.zeros(len(self.piece.graph), np.int32)
        small[self.of] = grid
        return small


def contracted(piece: Piece, limits: GridLimits, opened: NDArray[np.bool_]) -> Contracted:
    """Make single cells of the compounds that fit into one grid.

    Parameters
    ----------
    piece : Piece
    limits : GridLimits
    opened : ndarray, shape (n,), bool
        Cells that stay cells.
    """
    graph = piece.graph
    n = len(graph)
    rows = np.repeat(np.arange(n), np.diff(graph.indptr))
    may = (piece.compound >= 0) & ~opened
    joined = may[rows] & (piece.compound[rows] == piece.compound[graph.head])
    joined &= ~opened[graph.head]
    part = components(n, np.column_stack([rows[joined], graph.head[joined]]).astype(np.int32))
    count = int(part.max()) + 1
    fits = sums(part, graph.households, count) <= limits.households + 1e-9
    fits &= sums(part, graph.people, count) <= limits.people + 1e-9
    key = np.where(fits[part], part, count + np.arange(n))
    # Numbered by the first cell of each, so that the order is that of the cells.
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    of = np.argsort(np.argsort(first, kind="stable"), kind="stable")[inverse.ravel()]
    return Contracted(_smaller(piece, rows, of), of.astype(np.int32))


def _smaller(piece: Piece, rows: NDArray[np.int64], of: NDArray[np.int64]) -> Piece:
    graph = piece.graph
    count = int(of.max()) + 1
    a, b = of[rows], of[graph.head]
    out = a != b
    order = np.lexsort((b[out], a[out]))
    station = np.full(count, np.inf)
    np.minimum.at(station, of, graph.station_m)
    compound = np.full(count, -1, np.int32)
    np.maximum.at(compound, of, graph.compound)
    raw = np.full(count, -1, np.int32)
    np.maximum.at(raw, of, piece.compound)
    small = Graph(
        sums(of, graph.households, count),
        sums(of, graph.people, count),
        sums(of, graph.area_m2, count),
        sums(of, graph.outer_m, count),
        np.searchsorted(a[out][order], np.arange(count + 1)).astype(np.int32),
        b[out][order].astype(np.int32),
        graph.border_m[out][order],
        graph.strength[out][order],
        compound,
        station,
        np.full(count, -1, np.int32),
        np.zeros(count, np.bool_),
    )
    return replace(
        piece,
        cells=np.arange(count),
        graph=small,
        labels=np.empty(0, np.int64),
        compound=raw,
    )
