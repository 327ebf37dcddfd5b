"""Building cells: a community parted so that every place belongs to its nearest building.

A cell is what moves when a building is given to another grid.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from geo.partition import snapped


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of one community.

    Attributes
    ----------
    building : ndarray, shape (n,), int64
        Building ids.
    point : ndarray, shape (n, 2), float64
        The point that stands for each building, WGS84 degrees.
    shape : ndarray, shape (n,), object
        Polygons or multipolygons, WGS84 degrees.
    """

    building: NDArray[np.int64]
    point: NDArray[np.float64]
    shape: NDArray[np.object_]


def tessellate(points: NDArray[np.float64], outline: shapely.Geometry) -> NDArray[np.object_]:
    """Part an outline between points: Voronoi cells, clipped.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        WGS84 degrees; of equal points the later ones get an empty cell.
    outline : Polygon or MultiPolygon

    Returns
    -------
    ndarray, shape (n,), object
    """
    cells = np.full(len(points), shapely.Polygon(), object)
    if not len(points):
        return cells
    unique, first = np.unique(points, axis=0, return_index=True)
    if len(unique) == 1:
        cells[first] = outline
        return cells
    # At this latitude a degree of longitude is shorter: nearest is meant in metres.
    stretch = np.array([np.cos(np.radians(unique[:, 1].mean())), 1.0])
    plane = unique * stretch
    made = shapely.voronoi_polygons(
        shapely.multipoints(plane),
        extend_to=shapely.box(*(np.array(outline.bounds).reshape(2, 2) * stretch).ravel()),
        ordered=True,
    )
    back = shapely.transform(shapely.get_parts(made), lambda c: c / stretch)
    cells[first] = shapely.intersection(back, outline, grid_size=1e-9)
    return cells


def refresh_cells(connection: Connection, community_id: int) -> bool:
    """Make the cells of a community anew where its buildings or its border have changed.

    Returns
    -------
    bool
        Whether anything was written.
    """
    outline, rows = _sources(connection, community_id)
    if outline is None:
        return False
    digest = hashlib.md5(outline, usedforsecurity=False)
    for row in rows:
        digest.update(b"%d" % row.id + bytes(row.point))
    name = f"{len(rows)}-{digest.hexdigest()[:20]}"
    kept = connection.execute(
        text(
            "SELECT count(*) AS n, count(*) FILTER (WHERE digest = :digest) AS same"
            " FROM building_cells WHERE community_id = :community"
        ),
        {"community": community_id, "digest": name},
    ).one()
    if kept.n == kept.same == len(rows):
        return False
    connection.execute(
        text("DELETE FROM building_cells WHERE community_id = :c OR building_id = ANY(:b)"),
        {"c": community_id, "b": [row.id for row in rows]},
    )
    if not rows:
        return True
    points = snapped(shapely.from_wkb([bytes(row.point) for row in rows]))
    xy = shapely.get_coordinates(points)
    shapes = tessellate(xy, shapely.from_wkb(outline))
    connection.execute(
        text(
            "INSERT INTO building_cells (building_id, community_id, digest, point, geom)"
            " SELECT b, :community, :digest, ST_SetSRID(ST_GeomFromWKB(p), 4326),"
            " ST_SetSRID(ST_GeomFromWKB(g), 4326)"
            " FROM unnest(CAST(:b AS bigint[]), CAST(:p AS bytea[]), CAST(:g AS bytea[]))"
            " AS t (b, p, g)"
        ),
        {
            "community": community_id,
            "digest": name,
            "b": [row.id for row in rows],
            "p": shapely.to_wkb(points).tolist(),
            "g": shapely.to_wkb(shapes).tolist(),
        },
    )
    return True


def _sources(connection: Connection, community_id: int):  # type: ignore[no-untyped-def]
    outline = connection.execute(
        text("SELECT ST_AsBinary(geom) FROM areas WHERE id = :id"), {"id": community_id}
    ).scalar_one_or_none()
    # A building lies where its point lies; of several communities in the first, as everywhere.
    rows = connection.execute(
        text(
            "SELECT b.id, ST_AsBinary(b.point) AS point FROM"
            " (SELECT b.id, ST_PointOnSurface(b.geom) AS point FROM buildings b"
            "   WHERE b.community_id = :id) b ORDER BY b.id"
        ),
        {"id": community_id},
    ).all()
    return (None if outline is None else bytes(outline)), rows


def read_cells(connection: Connection, community_id: int) -> Cells:
    """Read the cells of a community."""
    rows = connection.execute(
        text(
            "SELECT building_id, ST_AsBinary(point), ST_AsBinary(geom) FROM building_cells"
            " WHERE community_id = :community ORDER BY building_id"
        ),
        {"community": community_id},
    ).all()
    points = shapely.from_wkb([bytes(row[1]) for row in rows])
    shapes = np.empty(len(rows), object)
    shapes[:] = list(shapely.from_wkb([bytes(row[2]) for row in rows]))
    return Cells(
        np.array([row[0] for row in rows], np.int64),
        shapely.get_coordinates(points).reshape(-1, 2),
        shapes,
    )
