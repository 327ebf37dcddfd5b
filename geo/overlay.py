"""Several nets of grids over one another (多网合一): common cells, conflicts, one proposed net.

The first net leads. Each grid of another net is set beside the grid of the leading net that holds
most of its households; a cell where the nets do not all point to the same leading grid is in
conflict, and goes to the grid most nets point to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.billionths import to_degrees, to_units

MIN_CELL_M2 = 1.0
"""Cells below this are where two nets drew one line twice; no conflict. Square metres."""

_M_PER_DEGREE = 111_320.0


@dataclass(frozen=True, slots=True)
class Net:
    """One system of grids in a community.

    Attributes
    ----------
    name : str
        Such as party, police, city management.
    codes : sequence of str
        Of its grids.
    shapes : sequence of Polygon
        WGS84 degrees; they need not cover the community.
    """

    name: str
    codes: Sequence[str]
    shapes: Sequence[shapely.Geometry]


@dataclass(frozen=True, slots=True)
class Overlaid:
    """Common cells of several nets.

    Attributes
    ----------
    cells : ndarray of Polygon, shape (n,)
        WGS84 degrees.
    members : ndarray, shape (n, nets), int64
        Index of the grid of each net a cell lies in; -1 where it has none there.
    votes : ndarray, shape (n, nets), int64
        The leading grid each net points to; -1 where it points to none.
    proposed : ndarray, shape (n,), int64
        The leading grid the cell goes to; -1 where no net has any.
    conflict : ndarray, shape (n,), bool
        Whether the nets do not agree.
    households : ndarray, shape (n,), int64
    """

    cells: NDArray[np.object_]
    members: NDArray[np.int64]
    votes: NDArray[np.int64]
    proposed: NDArray[np.int64]
    conflict: NDArray[np.bool_]
    households: NDArray[np.int64]


def overlay(
    nets: Sequence[Net],
    outline: shapely.Geometry,
    homes: NDArray[np.float64],
    households: NDArray[np.int64],
) -> Overlaid:
    """Lay nets over one another within a community.

    Parameters
    ----------
    nets : sequence of Net
        The first leads.
    outline : Polygon or MultiPolygon
        Of the community, WGS84 degrees.
    homes : ndarray, shape (n, 2)
        Points of buildings, WGS84 degrees.
    households : ndarray, shape (n,)
    """
    border = to_units(outline)
    shapes = [to_units(np.array(list(net.shapes), object)) for net in nets]
    lines = [shapely.boundary(border), *(shapely.boundary(s) for net in shapes for s in net)]
    noded = shapely.union_all(lines, grid_size=1)
    cells = np.asarray(shapely.get_parts(shapely.polygonize(shapely.get_parts(noded))))
    middles = shapely.point_on_surface(cells)
    inside = shapely.intersects(border, middles)
    cells, middles = cells[inside], middles[inside]
    members = np.full((len(cells), len(nets)), -1, np.int64)
    for column, net in enumerate(shapes):
        cell, grid = shapely.STRtree(net).query(middles, predicate="intersects")
        # Of overlapping grids of one net the first.
        members[cell[::-1], column] = grid[::-1]
    load = np.zeros(len(cells), np.int64)
    if len(homes):
        points = shapely.points(np.rint(homes * 1e9))
        point, cell = shapely.STRtree(cells).query(points, predicate="intersects")
        first = np.unique(point, return_index=True)[1]
        load += np.bincount(cell[first], households[point[first]], len(cells)).astype(np.int64)
    lon_m = _M_PER_DEGREE * np.cos(np.radians(shapely.bounds(border)[[1, 3]].mean() / 1e9))
    area_m2 = shapely.area(cells) * (lon_m / 1e9) * (_M_PER_DEGREE / 1e9)
    votes = _votes(members, load, area_m2)
    proposed = _most(votes)
    known = votes >= 0
    differs = (known & (votes != votes.max(axis=1, keepdims=True))).any(axis=1)
    # A cell that the leading net or another lacks is one to look at as well.
    conflict = (differs | (~known).any(axis=1)) & (area_m2 >= MIN_CELL_M2)
    return Overlaid(to_degrees(cells), members, votes, proposed, conflict, load)


def _votes(
    members: NDArray[np.int64], load: NDArray[np.int64], area_m2: NDArray[np.float64]
) -> NDArray[np.int64]:
    """For each cell and net the leading grid that holds most of the net's grid there."""
    votes = np.full_like(members, -1)
    votes[:, 0] = members[:, 0]
    # Households decide; where there are none, the ground does.
    weight = load + 1e-9 * area_m2
    lead = members[:, 0]
    for column in range(1, members.shape[1]):
        own = members[:, column]
        both = (own >= 0) & (lead >= 0)
        if not both.any():
            continue
        sums = np.zeros((int(own.max()) + 1, int(lead.max()) + 1))
        np.add.at(sums, (own[both], lead[both]), weight[both])
        best = np.where(sums.max(axis=1) > 0, sums.argmax(axis=1), -1)
        votes[own >= 0, column] = best[own[own >= 0]]
    return votes


def _most(votes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find the grid most nets point to; of equals the leading net's, then the lowest."""
    result = np.full(len(votes), -1, np.int64)
    for n, row in enumerate(votes.tolist()):
        known = [v for v in row if v >= 0]
        if known:
            result[n] = max(set(known), key=lambda v: (known.count(v), v == row[0], -v))
    return result
