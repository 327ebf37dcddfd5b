"""Any division of a piece into so many grids that keeps the limits."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from geo import gridgraph, gridsearch
from geo.gridanneal import CHUNK, Found, Settings, improve, steps_of, terms_of
from geo.gridcontract import contracted
from geo.gridgraph import Graph
from geo.gridpieces import Piece
from geo.gridtrees import cut_in_two

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
_PACKING_STEPS = 300_000
_SOFT = 0.03
_OPENINGS = 4
_NEAR = 0.1
_ATTEMPTS = (
    (0.03, 100.0, 100.0, 2.0, 0.01, 0.06),
    (0.03, 100.0, 100.0, 0.5, 0.05, 0.02),
    (0.01, 1.0, 100.0, 5.0, 0.05, 0.10),
    (0.003, 0.1, 30.0, 1.0, 0.01, 0.06),
    (0.01, 1.0, 100.0, 2.0, 0.02, 0.06),
)
"""Weight of other wishes, of equal loads and of too great ones, temperatures at both ends, share of
joined moves: one attempt each, because no one of them packs every community."""


def packing(
    piece: Piece, grids: int, settings: Settings, rng: NDArray[np.uint64], *, attempts: int = 3
) -> Ints:
    """Look for any division into so many grids that keeps the limits; else the nearest to it.

    Loads are made equal before anything else counts: what is too much in one place finds its way
    to where there is room over many borders. Where large buildings stand in the way of that, other
    attempts let loads be as unequal as they like.
    """
    terms = terms_of(piece, grids, settings)
    terms[[gridgraph.SPLIT, gridgraph.STATION, gridgraph.CHANGE, gridgraph.GRID]] = 0.0
    arrays = piece.graph.arrays()
    steps = int(max(_PACKING_STEPS * settings.effort, steps_of(piece, settings)))
    best: Ints = np.zeros(len(piece.graph), np.int32)
    least = math.inf
    for attempt in range(attempts):
        soft, equal, over_price, hot, cold, recombine = _ATTEMPTS[attempt % len(_ATTEMPTS)]
        for wish in (gridgraph.CUT, gridgraph.SHAPE, gridgraph.BARRIER, gridgraph.BIND):
            terms[wish] = soft
        terms[gridgraph.BALANCE], terms[gridgraph.OVER] = equal, over_price
        start = _start(piece, grids, settings, rng)
        for chunk in range(chunks := max(1, math.ceil(steps / CHUNK))):
            if settings.stop() and least < math.inf:
                return best
            warm, cool = (hot * (cold / hot) ** ((chunk + s) / chunks) for s in (0, 1))
            met, over, _, start = gridsearch.anneal(
                arrays, terms, start, grids, steps // chunks, warm, cool, recombine, rng
            )
            if over < least - 1e-12:
                best, least = met, over
            if least <= 1e-9:
                return best
        if least > 2 * _NEAR * (attempt + 1) or (attempt >= 2 and least > _NEAR):
            break  # far from it: another attempt would not find one either
    return best


def packing_whole(
    piece: Piece, grids: int, settings: Settings, rng: NDArray[np.uint64]
) -> Ints | None:
    """Look for a division that keeps the limits and cuts through few compounds.

    Compounds that fit into a grid are single cells at first. Where the limits cannot be kept so,
    the largest one of each grid above a limit is opened, and the search goes on from there.
    Returns None where that does not end in a packing, or where there is nothing to keep whole.
    """
    opened = np.zeros(len(piece.graph), np.bool_)
    small = contracted(piece, settings.limits, opened)
    if len(small.piece.graph) == len(piece.graph):
        return None
    terms = terms_of(piece, grids, settings)
    for wish in (gridgraph.CUT, gridgraph.SHAPE, gridgraph.BARRIER, gridgraph.BIND):
        terms[wish] = _SOFT
    terms[[gridgraph.STATION, gridgraph.CHANGE, gridgraph.GRID]] = 0.0
    terms[gridgraph.SPLIT] = _SOFT
    terms[[gridgraph.BALANCE, gridgraph.OVER]] = 100.0
    grid = packing(small.piece, grids, settings, rng, attempts=1)
    for _ in range(_OPENINGS):
        _, over = gridsearch.costs(small.piece.graph.arrays(), terms, grid, grids)
        if over.sum() <= 1e-9:
            hot = max(1.0, 0.5 * settings.weights.compounds)
            found = improve(small.piece, grid, grids, settings, rng, hot=hot)
            return small.spread(found.grid)
        if settings.stop():
            break
        whole = small.spread(grid)
        size = np.bincount(small.of)
        for label in np.flatnonzero(over > 1e-9).tolist():
            inside = np.flatnonzero((grid == label) & (size > 1))
            if len(inside):
                largest = inside[small.piece.graph.households[inside].argmax()]
                opened |= small.of == largest
        small = contracted(piece, settings.limits, opened)
        grid, _, _, _ = gridsearch.anneal(
            small.piece.graph.arrays(), terms, small.gathered(whole), grids,
            int(_PACKING_STEPS * settings.effort), 1.0, 0.02, 0.06, rng,
        )  # fmt: skip
    return None


def _start(piece: Piece, grids: int, settings: Settings, rng: NDArray[np.uint64]) -> Ints:
    """Cut the piece in two again and again along random spanning trees."""
    terms = terms_of(piece, grids, settings)
    arrays = piece.graph.arrays()
    grid = np.zeros(len(piece.graph), np.int32)
    parts = [(np.arange(len(piece.graph)), grids)]
    done = 0
    while parts:
        members, wanted = parts.pop()
        if wanted <= 1 or len(members) < 2:
            grid[members] = done
            done += 1
            continue
        total = float(piece.graph.households[members].sum())
        a = wanted // 2
        room = settings.limits.households
        far = cut_in_two(
            arrays,
            terms,
            members,
            a / wanted,
            total - (wanted - a) * room,
            a * room,
            12,
            rng,
        )
        if not far.any() or far.all():
            grid[members] = done
            done += 1
            continue
        parts.append((members[far], a))
        parts.append((members[~far], wanted - a))
    return grid


def first_fit(piece: Piece, settings: Settings) -> Found:
    """A design that surely keeps the limits: grids grown cell by cell while they do."""
    graph = piece.graph
    grid = np.full(len(graph), -1, np.int32)
    done = 0
    for seed in np.argsort(-graph.households, kind="stable").tolist():
        if grid[seed] >= 0:
            continue
        h, p = graph.households[seed], graph.people[seed]
        grid[seed] = done
        edge = [seed]
        while edge:
            cell = edge.pop(0)
            for other in graph.head[graph.indptr[cell] : graph.indptr[cell + 1]].tolist():
                fits = (
                    h + graph.households[other] <= settings.limits.households
                    and p + graph.people[other] <= settings.limits.people
                )
                if grid[other] < 0 and fits:
                    grid[other] = done
                    h, p = h + graph.households[other], p + graph.people[other]
                    edge.append(other)
        done += 1
    cost, over = gridsearch.costs(graph.arrays(), terms_of(piece, done, settings), grid, done)
    return Found(grid, float(over.sum()), float(cost.sum()), complete=False)


def fits(graph: Graph, grid: Ints, settings: Settings) -> bool:
    """Whether no grid of a division is above a limit."""
    h = np.bincount(grid, graph.households)
    p = np.bincount(grid, graph.people)
    return bool((h <= settings.limits.households).all() and (p <= settings.limits.people).all())
