"""Figures of a division into grids, the same for a proposal, the present plan or another tool's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.cells import STRONG, Cells, components, sums
from geo.standards import GridLimits

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figures:
    """How good a division is.

    Attributes
    ----------
    grids, exclusive : int
    households, people : float
        In base grids.
    within_limits : float
        Share of base grids that keep both limits.
    in_one_piece : float
        Share of base grids that are connected.
    load_spread : float
        Standard deviation of households over their mean, of base grids.
    compounds_split : int
        Grids that hold part of a compound beyond as many as its households need.
    barrier_crossings : int
        Base grids that lie on both sides of a strong barrier and touch across it.
    compactness : float
        Mean Polsby-Popper ratio of base grids, 1 for a circle.
    cut_m : float
        Metres of border between grids.
    """

    grids: int
    exclusive: int
    households: float
    people: float
    within_limits: float
    in_one_piece: float
    load_spread: float
    compounds_split: int
    barrier_crossings: int
    compactness: float
    cut_m: float


def figures(
    cells: Cells,
    grid: NDArray[np.integer],
    exclusive: NDArray[np.bool_] | None,
    households: Floats,
    people: Floats,
    limits: GridLimits,
) -> Figures:
    """Measure a division.

    Parameters
    ----------
    cells : Cells
    grid : ndarray, shape (n,)
        Grid of each cell; -1 in none, which is left out.
    exclusive : ndarray, shape (g,), bool, optional
        Which grids are exclusive; by default none.
    households, people : ndarray, shape (n,)
    limits : GridLimits
    """
    names, label = np.unique(grid, return_inverse=True)
    label = label.ravel()
    count = len(names)
    special = np.zeros(count, np.bool_)
    if exclusive is not None:
        special = np.where(names >= 0, exclusive[np.maximum(names, 0)], False)
    base = (names >= 0) & ~special
    h, p = sums(label, households, count), sums(label, people, count)
    area = sums(label, cells.area_m2, count)
    a, b = label[cells.edges[:, 0]], label[cells.edges[:, 1]]
    cut = a != b
    around = sums(label, cells.outer_m, count)
    around += sums(a[cut], cells.border_m[cut], count) + sums(b[cut], cells.border_m[cut], count)
    part = components(len(cells), cells.edges[~cut])
    pieces = np.bincount(np.unique(np.column_stack([label, part]), axis=0)[:, 0], minlength=count)
    strong = ~cut & (cells.strength >= STRONG)
    crossed = np.unique(a[strong])
    whole = base & (h + p > 0)
    mean = float(h[whole].mean()) if whole.any() else 0.0
    return Figures(
        int(base.sum()),
        int(special.sum()),
        float(h[base].sum()),
        float(p[base].sum()),
        float(((h <= limits.households) & (p <= limits.people))[base].mean())
        if base.any()
        else 1.0,
        float((pieces[base] == 1).mean()) if base.any() else 1.0,
        float(h[whole].std() / mean) if mean else 0.0,
        _compounds_split(cells, label, base, households, limits),
        int(base[crossed].sum()),
        float((4 * np.pi * area / np.maximum(around, 1e-9) ** 2)[base].mean())
        if base.any()
        else 0.0,
        float(cells.border_m[cut].sum()),
    )


def _compounds_split(
    cells: Cells,
    label: NDArray[np.int64],
    base: NDArray[np.bool_],
    households: Floats,
    limits: GridLimits,
) -> int:
    """Parts of compounds beyond as many as their households need, within each community."""
    lived = (cells.compound >= 0) & (households > 0) & base[label]
    place = np.column_stack([cells.community[lived], cells.compound[lived]])
    if not len(place):
        return 0
    compounds, of = np.unique(place, axis=0, return_inverse=True)
    of = of.ravel()
    parts = np.bincount(
        np.unique(np.column_stack([of, label[lived]]), axis=0)[:, 0], minlength=len(compounds)
    )
    need = np.ceil(sums(of, households[lived], len(compounds)) / limits.households)
    return int(np.maximum(0, parts - need).sum())
