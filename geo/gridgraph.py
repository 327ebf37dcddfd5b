"""Cells as a graph for the search of base grids, and what each wish weighs there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

(
    LIMIT_HOUSEHOLDS,
    LIMIT_PEOPLE,
    TARGET,
    SCALE_M,
    OVER,
    BALANCE,
    CUT,
    SHAPE,
    BARRIER,
    BIND,
    SPLIT,
    STATION,
    CHANGE,
    GRID,
    TERMS,
) = range(15)
"""Places in the array of terms: limits, scales, then weights."""

STATION_M = 300.0
"""A red station this far from a grid costs one unit; twice as far, two, and no more."""


@dataclass(frozen=True, slots=True)
class Graph:
    """One connected piece of cells, as arrays for the search.

    Attributes
    ----------
    households, people : ndarray, shape (n,), float64
        Load, at most the limit (what is above it is reported, not balanced).
    area_m2, outer_m : ndarray, shape (n,), float64
    indptr, head : ndarray, int32
        Neighbours of each cell as compressed rows.
    border_m, strength : ndarray, float64
        Of each neighbour, as in `geo.cells.Cells`.
    compound : ndarray, shape (n,), int32
        Numbered from 0; -1 in none, or without households.
    station_m : ndarray, shape (n,), float64
        Metres to the nearest red station; 0 everywhere where stations do not count.
    present : ndarray, shape (n,), int32
        Label of the grid of the present plan; -1 in none.
    locked : ndarray, shape (n,), bool
        Cells that stay in their present grid.
    """

    households: NDArray[np.float64]
    people: NDArray[np.float64]
    area_m2: NDArray[np.float64]
    outer_m: NDArray[np.float64]
    indptr: NDArray[np.int32]
    head: NDArray[np.int32]
    border_m: NDArray[np.float64]
    strength: NDArray[np.float64]
    compound: NDArray[np.int32]
    station_m: NDArray[np.float64]
    present: NDArray[np.int32]
    locked: NDArray[np.bool_]

    def __len__(self) -> int:
        """How many cells."""
        return len(self.households)

    def arrays(self) -> tuple[NDArray[np.generic], ...]:
        """All of it in the order the compiled functions take it."""
        return (
            self.households,
            self.people,
            self.area_m2,
            self.outer_m,
            self.indptr,
            self.head,
            self.border_m,
            self.strength,
            self.compound,
            self.station_m,
            self.present,
            self.locked,
        )
