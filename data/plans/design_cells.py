"""The cells a design in the service starts from: those that the editor shows, where it can be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import shapely
from numpy.typing import NDArray

from data.database import Database
from data.plans.cells import cells_of
from data.surroundings import in_metres
from geo.cells import Cells, Surroundings, build_cells, cells_of_coverage

Geometries = NDArray[np.object_]


def design_cells(
    database: Database,
    communities: NDArray[np.int64],
    areas: Geometries,
    buildings: NDArray[np.int64],
    home: NDArray[np.int64],
    shapes: Geometries,
    around: Surroundings,
    cut: NDArray[np.bool_],
    crs: str,
    *,
    author: str,
    progress: Callable[[float], None],
) -> Cells:
    """Give the cells of communities in metres: the kept ones, or cut for this design alone.

    Parameters
    ----------
    database : Database
    communities, areas : ndarray, shape (c,)
        Ids, and polygons in metres.
    buildings, home, shapes : ndarray, shape (b,)
        Ids, ids of their communities, footprints in metres.
    around : Surroundings
        With the exclusive sites and the outlines of grids that stay.
    cut : ndarray, shape (c,), bool
        Communities in which a site or a grid that stays cuts through the kept cells.
    crs : str
    author : str
        Who is named where cells are made and kept.
    progress : callable
        Told the share done.
    """
    geometry: list[Geometries] = []
    middle: list[Geometries] = []
    cell_of = np.full(len(buildings), -1, np.int64)
    first = 0
    for number, community in enumerate(communities.tolist()):
        progress(number / len(communities))
        mine = np.flatnonzero(home == community)
        if cut[number]:
            made = build_cells(areas[[number]], shapes[mine], around)
            polygons, own = made.geometry, made.cell_of_building.astype(np.int64)
        else:
            with database.transaction(actor=author) as connection:
                kept = cells_of(connection, [community])[community]
            polygons = in_metres(kept.shape, crs)
            place = dict(zip(kept.building.tolist(), kept.cell_of.tolist(), strict=True))
            own = np.array([place.get(b, -1) for b in buildings[mine].tolist()], np.int64)
        points = shapely.point_on_surface(polygons)
        anchors = shapely.point_on_surface(shapes[mine])
        points[own[own >= 0]] = anchors[own >= 0]
        cell_of[mine[own >= 0]] = own[own >= 0] + first
        geometry.append(polygons)
        middle.append(points)
        first += len(polygons)
    which = np.repeat(np.arange(len(communities)), [len(g) for g in geometry])
    return cells_of_coverage(
        np.concatenate(geometry), which, cell_of, np.concatenate(middle), around
    )
