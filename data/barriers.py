"""Barriers of access legs as the database keeps them: lines of the base map never drawn.

They are rows of ``base_features`` with the layer ``barrier``: walls are drawn and stop access
legs, the rest (rivers, railways, outlines of gated compounds …) only stops them and is given a
zoom no map reaches. Points of the kind ``opening`` are where they may be passed.
"""

from __future__ import annotations

import numpy as np
import shapely
from sqlalchemy import Connection, text

from geo.crs import project
from geo.snapping import Barriers

OPENING = "opening"
"""Kind of the points where barriers may be passed."""
NEVER_DRAWN_ZOOM = 22
"""First zoom of barriers that are not shown: beyond that of any page."""


def read_barriers(connection: Connection, crs: str) -> Barriers:
    """Read the barriers of the city, for snapping.

    Gates of the table ``gates`` open barriers too, so that a gate added by hand counts at once;
    those for emergencies only do not.

    Parameters
    ----------
    connection : Connection
    crs : str
        `WalkNetwork.crs`; the result is in its metres.
    """
    lines = _shapes(
        connection,
        "SELECT ST_AsBinary(geom) FROM base_features"
        f" WHERE layer = 'barrier' AND kind <> '{OPENING}' ORDER BY id",
    )
    points = _shapes(
        connection,
        "SELECT ST_AsBinary(geom) FROM base_features"
        f" WHERE layer = 'barrier' AND kind = '{OPENING}'"
        " UNION SELECT ST_AsBinary(geom) FROM gates WHERE access <> 'emergency' ORDER BY 1",
    )
    return Barriers(segments(lines, crs), project(shapely.get_coordinates(points), crs))


def segments(lines: np.ndarray, crs: str) -> np.ndarray:
    """Cut lines (EPSG:4326) into segments in metres of ``crs``: x0, y0, x1, y1, shape (s, 4)."""
    parts = shapely.get_parts(shapely.get_parts(lines))
    areas = shapely.get_dimensions(parts) == 2
    parts = np.concatenate([parts[~areas], shapely.get_rings(parts[areas])])
    xy = project(shapely.get_coordinates(parts), crs)
    owner = np.repeat(np.arange(len(parts)), shapely.get_num_coordinates(parts))
    pairs = np.hstack([xy[:-1], xy[1:]])[owner[1:] == owner[:-1]] if len(xy) else np.zeros((0, 4))
    return np.ascontiguousarray(pairs)


def _shapes(connection: Connection, query: str) -> np.ndarray:
    found = [bytes(row[0]) for row in connection.execute(text(query))]
    return np.array(shapely.from_wkb(found), dtype=object)
