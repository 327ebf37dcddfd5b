"""Party-branch clusters: neighbouring grids joined until each has members enough for a branch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.errors import DesignError


@dataclass(frozen=True, slots=True)
class Branches:
    """Grids grouped into branches.

    Attributes
    ----------
    branch : ndarray, shape (g,), int32
        Branch of each grid, numbered from 0 by its first grid.
    members : ndarray, shape (k,), int64
    outside : ndarray, shape (k,), bool
        Branches whose number of members is not in the range, because no neighbour can join them.
    """

    branch: NDArray[np.int32]
    members: NDArray[np.int64]
    outside: NDArray[np.bool_]


def branches(
    members: NDArray[np.integer],
    community: NDArray[np.integer],
    touching: NDArray[np.integer],
    middle: NDArray[np.float64],
    *,
    least: int = 3,
    most: int = 50,
) -> Branches:
    """Join neighbouring grids of one community into branches: smallest first, nearest first.

    Seamless: every grid is in one branch, and the grids of a branch hang together.

    Parameters
    ----------
    members : ndarray, shape (g,)
        Party members of each grid, a count.
    community : ndarray, shape (g,)
    touching : ndarray, shape (m, 2)
        Pairs of grids that share a border.
    middle : ndarray, shape (g, 2)
        Metres.
    least, most : int
        Range of members. A branch needs three full members (党章, article 30) and usually has
        no more than fifty (中国共产党支部工作条例（试行）, article 5).

    Raises
    ------
    DesignError
        If the range is empty or counts are negative.
    """
    if not 0 < least <= most:
        raise DesignError(f"No branch has {least} to {most} members.", remedy="Give least <= most.")
    if (np.asarray(members) < 0).any():
        raise DesignError("A grid has fewer than no members.", remedy="Give counts of 0 or more.")
    count = len(members)
    group = np.arange(count)
    size = np.asarray(members, np.int64).copy()
    place = np.asarray(middle, float).copy()
    weight = np.ones(count)
    near: list[set[int]] = [set() for _ in range(count)]
    for a, b in np.asarray(touching).reshape(-1, 2).tolist():
        if community[a] == community[b] and a != b:
            near[a].add(b)
            near[b].add(a)
    alive = set(range(count))
    waiting = {k for k in alive if size[k] < least}
    while waiting:
        one = min(waiting, key=lambda k: (size[k], k))
        fits = [k for k in near[one] if size[k] + size[one] <= most]
        if not fits:
            waiting.discard(one)
            continue
        # First to whom it helps, then the nearest.
        other = min(
            fits,
            key=lambda k: (size[k] >= least, float(np.hypot(*(place[k] - place[one]))), k),
        )
        keep, gone = min(one, other), max(one, other)
        place[keep] = (place[keep] * weight[keep] + place[gone] * weight[gone]) / (
            weight[keep] + weight[gone]
        )
        weight[keep] += weight[gone]
        size[keep] += size[gone]
        near[keep] = (near[keep] | near[gone]) - {keep, gone}
        for k in near[gone] - {keep}:
            near[k].discard(gone)
            near[k].add(keep)
        group[group == gone] = keep
        alive.discard(gone)
        waiting.discard(gone)
        waiting.discard(keep)
        if size[keep] < least:
            waiting.add(keep)
    heads, branch = np.unique(group, return_inverse=True)
    total = size[heads]
    return Branches(branch.ravel().astype(np.int32), total, (total < least) | (total > most))
