"""Gap zones: clusters of homes outside every catchment, ranked by households."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

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
    links = _links(points, link_m)
    count, label = connected_components(
        coo_array((np.ones(len(links), np.int8), links.T), shape=(len(points),) * 2),
        directed=False,
    )
    weight = np.nan_to_num(households[members])
    total = np.bincount(label, weights=weight, minlength=count)
    size = np.bincount(label, minlength=count)
    # Most households first; then most homes; then the westernmost, so that order is certain.
    west = np.full(count, np.inf)
    np.minimum.at(west, label, points[:, 0])
    rank = np.empty(count, np.int32)
    rank[np.lexsort((west, -size, -total))] = np.arange(count, dtype=np.int32)
    label = rank[label]
    zone[members] = label
    share = weight + 1e-9  # zones without households still have a middle
    centre = (
        np.column_stack([np.bincount(label, weights=points[:, i] * share) for i in (0, 1)])
        / np.bincount(label, weights=share)[:, None]
    )
    order = np.argsort(label, kind="stable")
    clouds = shapely.multipoints(points[order], indices=label[order])
    outline = shapely.buffer(
        shapely.concave_hull(shapely.buffer(clouds, OUTLINE_M / 2, quad_segs=2), ratio=0.3),
        OUTLINE_M / 2,
        quad_segs=3,
    )
    return GapZones(
        zone,
        np.bincount(label, minlength=count),
        np.bincount(label, weights=weight, minlength=count),
        centre,
        np.asarray(outline, dtype=np.object_),
    )


def _links(points: NDArray[np.float64], link_m: float) -> NDArray[np.int64]:
    """Pairs that connect what single linkage connects, near-linear also in dense towns.

    Homes in one square of side link_m / √2 are linked in a row, since all of them are near each
    other; between squares the closest pair decides.
    """
    side = link_m / np.sqrt(2)
    cell = np.floor(points / side).astype(np.int64)
    _, square = np.unique(cell, axis=0, return_inverse=True)
    square = square.ravel()
    order = np.argsort(square, kind="stable")
    same = square[order][1:] == square[order][:-1]
    inside = np.column_stack([order[:-1][same], order[1:][same]])
    starts = np.flatnonzero(np.concatenate([[True], ~same]))
    groups = np.split(order, starts[1:])
    # Squares near enough to hold a link, by their corners.
    corner = cell[order[starts]]
    squares = KDTree(corner)
    near = squares.query_pairs(2.9, output_type="ndarray")  # two squares away on either axis
    between = []
    for a, b in near:
        first, second = groups[a], groups[b]
        if len(first) > len(second):
            first, second = second, first
        distance, partner = KDTree(points[second]).query(points[first], distance_upper_bound=link_m)
        k = int(np.argmin(distance))
        if np.isfinite(distance[k]):
            between.append((first[k], second[int(partner[k])]))
    return np.concatenate([inside, np.array(between, np.int64).reshape(-1, 2)])
