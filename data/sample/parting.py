"""Parting a map of pieces into connected parts of equal weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

Ints = NDArray[np.integer]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Which pieces touch along an edge.

    Attributes
    ----------
    pairs : ndarray, shape (m, 2)
        Piece numbers, lower first.
    barrier : ndarray, shape (m,)
        How much the border parts the two: low inside a compound, high along a river.
    length_m : ndarray, shape (m,)
        Length of the shared border.
    """

    pairs: Ints
    barrier: Floats
    length_m: Floats

    def among(self, chosen: Ints) -> Neighbours:
        """Neighbours within a subset, numbered by place in the subset."""
        place = np.full(max(int(self.pairs.max(initial=-1)), int(chosen.max(initial=-1))) + 1, -1)
        place[chosen] = np.arange(len(chosen))
        pairs = place[self.pairs]
        keep = (pairs >= 0).all(axis=1)
        return Neighbours(pairs[keep], self.barrier[keep], self.length_m[keep])


def part(
    weight: Floats, neighbours: Neighbours, shares: Floats, rng: np.random.Generator, *, trees: int
) -> Ints:
    """Part pieces into connected parts with weights in proportion to shares.

    Recursive cuts of random spanning trees. Trees prefer to run inside compounds and between
    streets, so that the cuts fall on strong borders.

    Parameters
    ----------
    weight : ndarray, shape (n,)
        Weight of each piece, for instance households.
    neighbours : Neighbours
        Must join all pieces.
    shares : ndarray, shape (k,)
        Wanted share of each part, any unit.
    rng : Generator
    trees : int
        Trees tried for each cut; the best cut is kept.

    Returns
    -------
    ndarray, shape (n,)
        Part of each piece, 0 … k - 1.

    References
    ----------
    DeFord, Duchin, Solomon (2021), "Recombination", on cuts of spanning trees.
    """
    label = np.zeros(len(weight), np.int64)
    stack = [(np.arange(len(weight)), np.arange(len(shares)))]
    while stack:
        pieces, parts = stack.pop()
        if len(parts) == 1:
            label[pieces] = parts[0]
            continue
        here = neighbours.among(pieces)
        half = len(parts) // 2
        first = _cut(weight[pieces], here, shares[parts], half, rng, trees)
        stack.append((pieces[first], parts[:half]))
        stack.append((pieces[~first], parts[half:]))
    return label


def _cut(
    weight: Floats,
    near: Neighbours,
    shares: Floats,
    half: int,
    rng: np.random.Generator,
    trees: int,
) -> NDArray[np.bool_]:
    """Choose one side of a cut: connected, and so is the rest."""
    n, parts = len(weight), len(shares)
    total = float(weight.sum())
    wanted = total * float(shares[:half].sum() / shares.sum())
    unit = max(total / parts, 1e-9)
    best_cost, best = np.inf, np.zeros(n, bool)
    reach = float(near.length_m.mean()) * np.sqrt(n)
    for _ in range(trees):
        random = rng.uniform(0.2, 1.0, len(near.pairs)) * (1 + near.barrier)
        graph = coo_array((random, (near.pairs[:, 0], near.pairs[:, 1])), shape=(n, n)).tocsr()
        tree = minimum_spanning_tree(graph)
        order, before = breadth_first_order(tree, int(rng.integers(n)), directed=False)
        if len(order) != n:
            raise ValueError("the pieces to be parted are not connected")
        below, count = weight.copy(), np.ones(n)
        for i in order[:0:-1]:
            below[before[i]] += below[i]
            count[before[i]] += count[i]
        # Either side of a tree edge may become the first half; it must have pieces for its parts.
        for side in (below, total - below):
            sizes = count if side is below else n - count
            short = (sizes < half) | (n - sizes < parts - half)
            short[order[0]] = True
            off = np.where(short, np.inf, np.abs(side - wanted) / unit)
            for i in np.argsort(off)[:3]:
                if not np.isfinite(off[i]):
                    break
                inside = _below(int(i), order, before)
                crossing = inside[near.pairs[:, 0]] != inside[near.pairs[:, 1]]
                border = float((near.length_m[crossing] / (0.4 + near.barrier[crossing])).sum())
                cost = 4.0 * off[i] ** 1.5 + border / reach
                if cost < best_cost:
                    best_cost = cost
                    best = inside if side is below else ~inside
    if not np.isfinite(best_cost):
        raise ValueError("fewer pieces than parts")
    return best


def _below(top: int, order: Ints, before: Ints) -> NDArray[np.bool_]:
    inside = np.zeros(len(order), bool)
    inside[top] = True
    start = int(np.flatnonzero(order == top)[0])
    for i in order[start + 1 :]:
        if inside[before[i]]:
            inside[i] = True
    return inside
