"""A street by name or number as the line a grid is split along."""

from __future__ import annotations

import shapely
from sqlalchemy import Connection, text

from data.errors import NotFoundError

_MARGIN = 2e-4
"""Streets are taken this far beyond the grid, degrees: their ends reach its boundary."""


def street_line(
    connection: Connection, street: str | int, grid: shapely.Polygon
) -> shapely.Geometry:
    """Find the course of a street through a grid.

    Parameters
    ----------
    connection : Connection
    street : str or int
        Name of a road of the base map, or number of a way of the walking network.
    grid : Polygon
        WGS84 degrees.

    Raises
    ------
    NotFoundError
        If no such street touches the grid.
    """
    west, south, east, north = shapely.bounds(grid).tolist()
    box = {"w": west, "s": south, "e": east, "n": north}
    number = int(street) if str(street).isdigit() else -1
    rows = connection.execute(
        text(
            "SELECT ST_AsBinary(geom) FROM base_features WHERE layer = 'road' AND name = :name"
            " AND geom && ST_MakeEnvelope(:w, :s, :e, :n, 4326)"
            " UNION ALL SELECT ST_AsBinary(e.geom) FROM network_edges e"
            " JOIN network_versions v ON v.version = e.network_version AND v.is_current"
            " WHERE e.way = :way AND e.geom && ST_MakeEnvelope(:w, :s, :e, :n, 4326)"
        ),
        {**box, "name": str(street), "way": number},
    ).scalars()
    room = shapely.box(west - _MARGIN, south - _MARGIN, east + _MARGIN, north + _MARGIN)
    parts = [
        part
        for row in rows
        for part in shapely.get_parts(shapely.intersection(shapely.from_wkb(bytes(row)), room))
        if part.geom_type == "LineString"
    ]
    if not any(shapely.intersects(grid, part) for part in parts):
        raise NotFoundError(
            f"No street {street!r} passes through this grid.",
            remedy="Name a street of the base map as its label reads, or draw the line.",
            zh=(f"街道“{street}”不经过这个网格。", "请按底图标注填写街道名，或直接画线。"),
        )
    return shapely.line_merge(shapely.union_all(parts))
