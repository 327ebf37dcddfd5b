"""Gap zones: clusters of homes outside every catchment, ranked by households."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.kernels import kernel

LINK_M = 150.0
"""Homes nearer to each other than this are in one zone, metres: a block. Our reading."""
OUTLINE_M = 30.0
"""Margin of a zone's outline around its homes, metres."""


@dataclass(frozen=True, slots=True)
class GapZones:
    """Gap zones, the one with most households first.

    Attributes
    ----------
    zone : ndarray, shape (n,), int32
        Zone of every demand point; -1 outside.
    points : ndarray, shape (z,), int64
        Demand points in each zone.
    households : ndarray, shape (z,), float64
    centre_xy : ndarray, shape (z, 2), float64
        Mean position weighted by households, metres.
    outline : ndarray of Polygon, shape (z,)
        Concave outline around the homes, metres.
    """

    zone: NDArray[np.int32]
    points: NDArray[np.int64]
    households: NDArray[np.float64]
    centre_xy: NDArray[np.float64]
    outline: NDArray[np.object_]


def gap_zones(
    xy: NDArray[np.float64],
    households: NDArray[np.float64],
    in_gap: NDArray[np.bool_],
    *,
    link_m: float = LINK_M,
) -> GapZones:
    """Gather homes in a gap into zones by single linkage.

    Parameters
    ----------
    xy : ndarray, shape (n, 2)
        Metres.
    households : ndarray, shape (n,)
        Weights; NaN counts as none.
    in_gap : ndarray, shape (n,), bool
        Which demand points are in a gap.
    link_m : float
        Largest distance between neighbours of one zone, metres.
    """
    zone = np.full(len(xy), -1, np.int32)
    members = np.flatnonzero(in_gap)
    if not len(members):
        nothing = np.zeros(0)
        return GapZones(
            zone, np.zeros(0, np.int64), nothing, np.zeros((0, 2)), np.zeros(0, np.object_)
        )
    points = xy[members]
    label = _clusters(points, link_m)
    count = int(label.max()) + 1
    weight = np.nan_to_num(households[members])
    total = np.bincount(label, weights=weight, minlength=count)
    size = np.bincount(label, minlength=count)
    # Most households first; then most homes; then the westernmost, so that order is certain.
    west = np.full(count, np.inf)
    np.minimum.at(west, label, points[:, 0])
    rank = np.empty(count, np.int32)
    rank[np.lexsort((west, -size, -total))] = np.arange(count, dtype=np.int32)
    label = rank[label].astype(np.int64)
    zone[members] = label
    share = weight + 1e-9  # zones without households still have a middle
    centre = (
        np.column_stack([np.bincount(label, weights=points[:, i] * share) for i in (0, 1)])
        / np.bincount(label, weights=share)[:, None]
    )
    outline = _outlines(points, label, np.bincount(label, minlength=count))
    return GapZones(
        zone,
        np.bincount(label, minlength=count),
        np.bincount(label, weights=weight, minlength=count).astype(np.float64),
        centre,
        outline,
    )


def _outlines(
    points: NDArray[np.float64], label: NDArray[np.int64], size: NDArray[np.int64]
) -> NDArray[np.object_]:
    """Outline of each zone; single homes, which most zones are in thin settlement, all at once."""
    outline = np.empty(len(size), np.object_)
    single = size == 1
    order = np.argsort(label, kind="stable")
    alone = single[label[order]]
    circle = shapely.get_coordinates(shapely.buffer(shapely.Point(0, 0), OUTLINE_M, quad_segs=3))
    outline[single] = shapely.polygons(points[order[alone], None, :] + circle[None])
    several = order[~alone]
    if len(several):
        number = np.cumsum(~single) - 1
        clouds = shapely.multipoints(points[several], indices=number[label[several]])
        hulls = shapely.concave_hull(clouds, ratio=0.3)
        outline[~single] = shapely.buffer(hulls, OUTLINE_M, quad_segs=3)
    return outline


def _clusters(points: NDArray[np.float64], link_m: float) -> NDArray[np.int64]:
    """Cluster of each point under single linkage, numbered as they are met.

    Points are sorted into cells whose diagonal is just below ``link_m``: all points of a cell are
    one cluster without looking, and only cells at most two away hold others near enough.
    """
    side = max(link_m, 1e-3) / np.sqrt(2.0) * (1 - 1e-9)
    cell = np.floor((points - points.min(axis=0)) / side).astype(np.int64)
    wide = int(cell[:, 1].max()) + 5  # two empty cells on either side keep rows apart
    key = cell[:, 0] * wide + cell[:, 1]
    order = np.argsort(key, kind="stable")
    keys, first = np.unique(key[order], return_index=True)
    found: NDArray[np.int64] = _linked(
        points[order], order, keys, np.append(first, len(order)), wide, link_m
    )
    return found


@kernel
def _linked(points, order, keys, first, wide, link_m):  # type: ignore[no-untyped-def]
    """Single linkage of points sorted by cell: union-find over cells, the nearest pair decides."""
    cells = len(keys)
    above = np.arange(cells)
    limit2 = link_m * link_m
    # Only cells that come later in the order: each pair of cells is looked at once.
    for row in range(3):
        for column in range(-2, 3):
            if (row == 0 and column <= 0) or (row == 2 and (column == -2 or column == 2)):
                continue
            ahead = 0
            for a in range(cells):
                wanted = keys[a] + row * wide + column
                while ahead < cells and keys[ahead] < wanted:
                    ahead += 1
                if ahead == cells:
                    break
                if keys[ahead] != wanted:
                    continue
                x, y = a, ahead
                while above[x] != x:
                    above[x] = above[above[x]]
                    x = above[x]
                while above[y] != y:
                    above[y] = above[above[y]]
                    y = above[y]
                if x == y or not _near(points, first, a, ahead, limit2):
                    continue
                above[max(x, y)] = min(x, y)
    cluster = np.empty(len(order), np.int64)
    for a in range(cells):
        x = a
        while above[x] != x:
            x = above[x]
        for k in range(first[a], first[a + 1]):
            cluster[order[k]] = x
    number = np.full(cells, -1, np.int64)
    count = 0
    for i in range(len(cluster)):
        if number[cluster[i]] < 0:
            number[cluster[i]] = count
            count += 1
        cluster[i] = number[cluster[i]]
    return cluster


@kernel
def _near(points, first, a, b, limit2):  # type: ignore[no-untyped-def]
    """Whether two cells hold points within the limit of each other."""
    for i in range(first[a], first[a + 1]):
        for j in range(first[b], first[b + 1]):
            dx, dy = points[i, 0] - points[j, 0], points[i, 1] - points[j, 1]
            if dx * dx + dy * dy <= limit2:
                return True
    return False
