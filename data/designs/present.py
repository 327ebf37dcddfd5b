"""The present plan of a design: which of its grids each cell lies in."""

from __future__ import annotations

from collections.abc import Sequence

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from data.errors import SourceFileError
from data.surroundings import in_metres
from geo.cells import Cells


def present_of(
    cells: Cells, buildings: NDArray[np.object_], present: gpd.GeoDataFrame, crs: str
) -> NDArray[np.int64]:
    """Present grid of each cell: the one its building's middle, or its own, lies in; -1 in none.

    ``buildings`` are those the cells were built for, in metres of ``crs``; ``present`` is in
    EPSG:4326.
    """
    middle = shapely.point_on_surface(cells.geometry)
    inside = np.flatnonzero(cells.cell_of_building >= 0)[::-1]
    middle[cells.cell_of_building[inside]] = shapely.point_on_surface(buildings[inside])
    cell, grid = shapely.STRtree(in_metres(present.geometry.array, crs)).query(
        middle, predicate="intersects"
    )
    now = np.full(len(cells), -1, np.int64)
    order = np.lexsort((-grid, cell))
    now[cell[order]] = grid[order]
    # A present grid belongs to one community: what it has in another is not its own.
    home = np.full(len(present), -1, np.int64)
    for one in np.unique(now[now >= 0]):
        home[one] = np.bincount(cells.community[now == one]).argmax()
    now[(now >= 0) & (home[now] != cells.community)] = -1
    return now


def rows_of(wanted: Sequence[str], codes: NDArray[np.object_], option: str) -> NDArray[np.int64]:
    """Find the rows of codes that an option names.

    Raises
    ------
    SourceFileError
        If the present plan has no such grid.
    """
    place = {str(code): row for row, code in enumerate(codes)}
    for code in wanted:
        if code not in place:
            raise SourceFileError(
                f"{option} {code}: the present plan has no base grid with this code.",
                remedy="Give codes of --grids.",
            )
    return np.array([place[code] for code in wanted], np.int64)
