"""Totals of grids that follow each cell as it moves, so that a move is priced without a recount.

A grid's cost is made of sums over its cells and borders. A cell that changes its grid changes those
of two grids only, and only by its own load and borders.
"""

from __future__ import annotations

import numpy as np

from geo.gridgraph import (
    BALANCE,
    BARRIER,
    BIND,
    CHANGE,
    CUT,
    GRID,
    LIMIT_HOUSEHOLDS,
    LIMIT_PEOPLE,
    SCALE_M,
    SHAPE,
    SPLIT,
    STATION,
    STATION_M,
    TARGET,
)
from geo.kernels import kernel

(
    HOUSEHOLDS,
    PEOPLE,
    AREA,
    AROUND,
    INNER,
    CUT_M,
    BOUND,
    MOVED,
    COMPOUNDS,
    NEAREST,
    TOTALS,
) = range(11)
"""Places in the totals of a grid: loads, square metres, metres of outline, borders inside by
strength, borders to others by strength, those through a compound, households moved, compounds held
and metres to the nearest red station."""


@kernel
def over(households, people, terms):  # type: ignore[no-untyped-def]
    """How far a load is above the limits, as shares of them."""
    share = 0.0
    if households > terms[LIMIT_HOUSEHOLDS]:
        share += (households - terms[LIMIT_HOUSEHOLDS]) / terms[LIMIT_HOUSEHOLDS]
    if people > terms[LIMIT_PEOPLE]:
        share += (people - terms[LIMIT_PEOPLE]) / terms[LIMIT_PEOPLE]
    return share


@kernel
def count_grid(graph, label, cells, size, grid, totals, held):  # type: ignore[no-untyped-def]
    """Count one grid anew into its row of ``totals``, and the compounds of its cells in ``held``.

    ``cells[:size]`` are its cells; ``held`` counts cells by grid and compound.
    """
    (h, p, area_m2, outer_m, indptr, head, border_m, strength, compound, station_m, present, _) = (
        graph
    )
    row = totals[label]
    row[:] = 0.0
    row[NEAREST] = np.inf
    held[label, :] = 0
    for s in range(size):
        i = cells[s]
        row[HOUSEHOLDS] += h[i]
        row[PEOPLE] += p[i]
        row[AREA] += area_m2[i]
        row[AROUND] += outer_m[i]
        row[NEAREST] = min(row[NEAREST], station_m[i])
        own = compound[i]
        if own >= 0:
            if held[label, own] == 0:
                row[COMPOUNDS] += 1.0
            held[label, own] += 1
        if present[i] >= 0 and present[i] != label:
            row[MOVED] += h[i]
        for e in range(indptr[i], indptr[i + 1]):
            j = head[e]
            if grid[j] == label:
                row[INNER] += border_m[e] * strength[e] * strength[e]
            else:
                row[AROUND] += border_m[e]
                row[CUT_M] += border_m[e] * (1.0 - 0.8 * strength[e])
                if own >= 0 and compound[j] == own:
                    row[BOUND] += border_m[e]


@kernel
def move(graph, grid, totals, held, i, b):  # type: ignore[no-untyped-def]
    """Give cell ``i`` to grid ``b``: changes ``grid``, ``totals`` and ``held``.

    ``NEAREST`` of the grid it leaves is not raised; see `nearest`.
    """
    (h, p, area_m2, outer_m, indptr, head, border_m, strength, compound, station_m, present, _) = (
        graph
    )
    a = grid[i]
    around = weakly = torn = inner = gained = 0.0
    around_b = weakly_b = torn_b = 0.0
    own = compound[i]
    for e in range(indptr[i], indptr[i + 1]):
        j = head[e]
        metres = border_m[e]
        weak = metres * (1.0 - 0.8 * strength[e])
        through = metres if own >= 0 and compound[j] == own else 0.0
        to = grid[j]
        if to == a:
            inner += 2.0 * metres * strength[e] * strength[e]
            around += metres
            weakly += weak
            torn += through
            around_b += metres
            weakly_b += weak
            torn_b += through
        elif to == b:
            gained += 2.0 * metres * strength[e] * strength[e]
            around -= metres
            weakly -= weak
            torn -= through
            around_b -= metres
            weakly_b -= weak
            torn_b -= through
        else:
            around -= metres
            weakly -= weak
            torn -= through
            around_b += metres
            weakly_b += weak
            torn_b += through
    totals[a, HOUSEHOLDS] -= h[i]
    totals[b, HOUSEHOLDS] += h[i]
    totals[a, PEOPLE] -= p[i]
    totals[b, PEOPLE] += p[i]
    totals[a, AREA] -= area_m2[i]
    totals[b, AREA] += area_m2[i]
    totals[a, AROUND] += around - outer_m[i]
    totals[b, AROUND] += around_b + outer_m[i]
    totals[a, CUT_M] += weakly
    totals[b, CUT_M] += weakly_b
    totals[a, BOUND] += torn
    totals[b, BOUND] += torn_b
    totals[a, INNER] -= inner
    totals[b, INNER] += gained
    totals[b, NEAREST] = min(totals[b, NEAREST], station_m[i])
    if own >= 0:
        held[a, own] -= 1
        if held[a, own] == 0:
            totals[a, COMPOUNDS] -= 1.0
        if held[b, own] == 0:
            totals[b, COMPOUNDS] += 1.0
        held[b, own] += 1
    if present[i] >= 0:
        if present[i] != a:
            totals[a, MOVED] -= h[i]
        if present[i] != b:
            totals[b, MOVED] += h[i]
    grid[i] = b


@kernel
def nearest(graph, cells, size):  # type: ignore[no-untyped-def]
    """Metres from a grid to the nearest red station."""
    least = np.inf
    for s in range(size):
        least = min(least, graph[9][cells[s]])
    return least


@kernel
def price(totals, label, size, terms):  # type: ignore[no-untyped-def]
    """Cost of one grid without its overload, and the overload; an empty grid costs nothing."""
    if size == 0:
        return 0.0, 0.0
    row = totals[label]
    off = (row[HOUSEHOLDS] - terms[TARGET]) / terms[TARGET]
    scale = terms[SCALE_M]
    around = row[AROUND]
    cost = (
        terms[GRID]
        + terms[BALANCE] * off * off
        + terms[CUT] * row[CUT_M] / (4.0 * scale)
        + terms[SHAPE] * (1.0 - min(1.0, 4.0 * np.pi * row[AREA] / max(around * around, 1e-9)))
        + terms[BARRIER] * 0.5 * row[INNER] / scale
        + terms[BIND] * 0.5 * row[BOUND] / scale
        + terms[SPLIT] * row[COMPOUNDS]
        + terms[STATION] * min(2.0, row[NEAREST] / STATION_M)
        + terms[CHANGE] * row[MOVED] / terms[LIMIT_HOUSEHOLDS]
    )
    return cost, over(row[HOUSEHOLDS], row[PEOPLE], terms)
