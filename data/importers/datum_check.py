"""Whether rows miss the map by a steady offset, as coordinates of another datum do."""

from __future__ import annotations

from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from geo.crs import project, projected_crs
from geo.datums import DATUMS, from_wgs84, shifted, to_wgs84

Beside = Literal["streets", "footprints"]

LEAST_ROWS = 12
"""Rows below which nothing is said: a few may be nearer to other streets by chance."""
MOST_FARTHER = 0.3
"""Share of rows that another datum may bring farther from the map and still be likely."""
_MOST_ROWS = 200
_REACH_DEG = 0.016
_NEAR_M = {"streets": 4.0, "footprints": 2.0}
"""Median distance that is right for rows beside streets or on footprints, metres. Our reading."""
_TRIED = {"wgs84": "WGS84", "gcj02": "GCJ-02 (AMap, Tencent)", "bd09": "BD-09 (Baidu)"}
_THINGS = {"streets": "street", "footprints": "building"}
_SHAPES = {
    "streets": (
        "SELECT t.id, ST_AsBinary(t.geom) AS geom FROM network_edges t JOIN network_versions v"
        " ON v.version = t.network_version AND v.is_current"
    ),
    "footprints": "SELECT t.id, ST_AsBinary(t.geom) AS geom FROM buildings t",
}


def datum_doubts(
    connection: Connection, lonlat: NDArray[np.float64], datum: str, *, beside: Beside
) -> list[str]:
    """What makes rows look like another datum than the one they were read as.

    The rows are read again as every other datum. One that brings most of them nearer to the map,
    at least twice as near in the median, is named with the offset.

    Parameters
    ----------
    connection : Connection
        Its current network, or its buildings, are what the rows should lie beside.
    lonlat : ndarray, shape (n, 2)
        WGS84 degrees, as read with `datum`; NaN is left out.
    datum : str
        As named by the user: one of `geo.datums.DATUMS`, or a CRS.
    beside : {"streets", "footprints"}
        What rows should lie beside: streets of the network, or footprints of buildings.

    Returns
    -------
    list of str
        Warnings; empty where all is well, or there is too little to tell.
    """
    points = lonlat[np.isfinite(lonlat).all(axis=1)]
    if len(points) < LEAST_ROWS:
        return []
    points = points[np.linspace(0, len(points) - 1, min(len(points), _MOST_ROWS)).astype(int)]
    shapes = _near(connection, points, beside)
    if not len(shapes):
        return []
    crs = projected_crs((*points.min(axis=0), *points.max(axis=0))).srs
    plan = shapely.transform(shapes, lambda xy: project(xy, crs))
    tree = shapely.STRtree(plan)

    def distances_m(places: NDArray[np.float64]) -> NDArray[np.float64]:
        _, distance = tree.query_nearest(
            shapely.points(project(places, crs)), all_matches=False, return_distance=True
        )
        return np.asarray(distance)

    now = distances_m(points)
    if np.median(now) <= _NEAR_M[beside] or not shifted(points).any():
        return []
    named = datum.lower()
    raw = from_wgs84(points, named) if named in DATUMS else points
    same = {named} if named in ("gcj02", "bd09") else {"wgs84"}
    others = {other: to_wgs84(raw, other) for other in _TRIED if other not in same}
    read_as = {other: distances_m(places) for other, places in others.items()}
    best = min(read_as, key=lambda other: float(np.median(read_as[other])))
    if np.median(read_as[best]) > np.median(now) / 2 or (read_as[best] > now).mean() > MOST_FARTHER:
        return []
    east, north = np.median(project(others[best], crs) - project(points, crs), axis=0)
    shown = _TRIED.get(named, "CGCS2000" if named == "cgcs2000" else datum)
    return [
        f"The rows look like {_TRIED[best]}, not {shown}: as read they lie {np.median(now):.0f} m "
        f"from the nearest {_THINGS[beside]} (median), read as {_TRIED[best]} "
        f"{np.median(read_as[best]):.0f} m. The steady offset is {_compass(east, north)}. Check a "
        f"row on the map, and import again with the datum named: {best}."
    ]


def _compass(east: float, north: float) -> str:
    return (
        f"{abs(east):.0f} m {'east' if east >= 0 else 'west'} and "
        f"{abs(north):.0f} m {'north' if north >= 0 else 'south'}"
    )


def _near(
    connection: Connection, points: NDArray[np.float64], beside: Beside
) -> NDArray[np.object_]:
    """Streets or footprints within the longest shift of any of the points; degrees."""
    rows = connection.execute(
        text(
            "WITH boxes AS MATERIALIZED (SELECT ST_Expand(ST_SetSRID(ST_MakePoint(x, y), 4326),"
            " :reach) AS box FROM unnest(CAST(:x AS float8[]), CAST(:y AS float8[])) p(x, y))"
            f" SELECT DISTINCT ON (t.id) t.geom FROM boxes JOIN LATERAL ({_SHAPES[beside]}"
            " WHERE t.geom && boxes.box) t ON true"
        ),
        {"reach": _REACH_DEG, "x": points[:, 0].tolist(), "y": points[:, 1].tolist()},
    )
    return np.asarray(shapely.from_wkb([bytes(row.geom) for row in rows]), dtype=object)
