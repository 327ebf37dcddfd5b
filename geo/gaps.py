"""Gap zones: clusters of homes outside every catchment, ranked by households."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import Delaunay, QhullError

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
    outline = shapely.buffer(shapely.concave_hull(clouds, ratio=0.3), OUTLINE_M, quad_segs=3)
    return GapZones(
        zone,
        np.bincount(label, minlength=count),
        np.bincount(label, weights=weight, minlength=count).astype(np.float64),
        centre,
        np.asarray(outline, dtype=np.object_),
    )


def _links(points: NDArray[np.float64], link_m: float) -> NDArray[np.int64]:
    """Pairs that connect what single linkage connects.

    The Euclidean minimum spanning tree lies within the Delaunay triangulation, so its edges up to
    ``link_m`` suffice; homes on one spot are linked in a row.
    """
    order = np.lexsort((points[:, 1], points[:, 0]))
    same = (points[order][1:] == points[order][:-1]).all(axis=1)
    spots = order[np.concatenate([[True], ~same])]
    stacked = np.column_stack([order[:-1][same], order[1:][same]])
    try:
        corners = spots[Delaunay(points[spots]).simplices]
        pairs = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    except (QhullError, ValueError):  # fewer than three spots, or all on one line: in a row
        pairs = np.column_stack([spots[:-1], spots[1:]])
    short = np.hypot(*(points[pairs[:, 0]] - points[pairs[:, 1]]).T) <= link_m
    return np.concatenate([stacked, pairs[short]])
