"""What access legs do not cross: kept by imports, read in the metres of a network."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from data.models import BARRIER_KINDS
from geo.crs import project
from geo.snapping import Barriers

ON_OUTLINE_M = 0.5
"""A gate farther from its compound's outline than this stands beside it, and opens it there."""

_OPENING = "opening"


def store_barriers(
    connection: Connection, lines: gpd.GeoDataFrame, openings: gpd.GeoDataFrame, *, source: str
) -> int:
    """Replace the barriers of one source.

    Outlines of compounds and gates are left out: they are read from their own tables.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.
    lines : GeoDataFrame
        EPSG:4326 lines with ``source_key`` and ``kind``.
    openings : GeoDataFrame
        EPSG:4326 points with ``kind``: ``way`` where an open way passes a wall; ``gate`` is left
        out.
    source : str
        Where they come from.

    Returns
    -------
    int
        Rows written.
    """
    connection.execute(text("DELETE FROM barriers WHERE source = :source"), {"source": source})
    kept = lines[lines["kind"].isin(BARRIER_KINDS)]
    passages = openings[openings["kind"] != "gate"]
    kinds = [*kept["kind"], *([_OPENING] * len(passages))]
    shapes = np.concatenate([kept.geometry.to_numpy(), passages.geometry.to_numpy()])
    connection.execute(
        text(
            "INSERT INTO barriers (source, source_key, kind, geom)"
            " SELECT :source, key, kind, ST_GeomFromWKB(wkb, 4326)"
            " FROM unnest(CAST(:keys AS text[]), CAST(:kinds AS text[]), CAST(:wkb AS bytea[]))"
            " AS given (key, kind, wkb)"
        ),
        {
            "source": source,
            "keys": [str(key)[:64] for key in kept["source_key"]] + [""] * len(passages),
            "kinds": kinds,
            "wkb": list(shapely.to_wkb(shapes)),
        },
    )
    return len(kinds)


def read_barriers(connection: Connection, crs: str) -> Barriers:
    """Read the barriers as snapping wants them.

    A compound is walled in by its outline if a gate of it is known: otherwise nobody knows where
    its wall opens. Gates for emergencies only open nothing.

    Parameters
    ----------
    connection : Connection
    crs : str
        CRS of the network, metres.
    """
    kept = connection.execute(
        text(
            "SELECT kind = 'opening' AS opening, ST_AsBinary(geom) AS wkb FROM barriers ORDER BY id"
        )
    ).all()
    walls = _metres([row.wkb for row in kept if not row.opening], crs)
    passages = _metres([row.wkb for row in kept if row.opening], crs)
    compounds = connection.execute(
        text(
            "SELECT id, ST_AsBinary(ST_Boundary(geom)) AS wkb FROM compounds c"
            " WHERE EXISTS (SELECT FROM gates g WHERE g.compound_id = c.id) ORDER BY id"
        )
    ).all()
    outlines = _metres([row.wkb for row in compounds], crs)
    gates = connection.execute(
        text(
            "SELECT compound_id, ST_AsBinary(geom) AS wkb FROM gates"
            " WHERE access <> 'emergency' ORDER BY id"
        )
    ).all()
    points = _metres([row.wkb for row in gates], crs)
    outline_of = {row.id: outline for row, outline in zip(compounds, outlines, strict=True)}
    own = np.array([row.compound_id in outline_of for row in gates], bool)
    feet = shapely.get_point(
        shapely.shortest_line(
            points[own],
            np.array(
                [outline_of[r.compound_id] for r in gates if r.compound_id in outline_of], object
            ),
        ),
        1,
    )
    beside = feet[shapely.distance(points[own], feet) > ON_OUTLINE_M]
    return Barriers(
        _segments(np.concatenate([walls, outlines])),
        np.ascontiguousarray(
            shapely.get_coordinates(np.concatenate([passages, points, beside])).reshape(-1, 2)
        ),
    )


def _metres(wkb: list[bytes], crs: str) -> NDArray[np.object_]:
    shapes = shapely.from_wkb(np.array([bytes(one) for one in wkb], object))
    return np.asarray(shapely.transform(shapes, lambda xy: project(xy, crs)), dtype=object)


def _segments(lines: NDArray[np.object_]) -> NDArray[np.float64]:
    """List both ends of every segment, shape (n, 4)."""
    parts = shapely.get_parts(lines)
    xy, line = shapely.get_coordinates(parts, return_index=True)
    if not len(xy):
        return np.zeros((0, 4))
    same = line[1:] == line[:-1]
    return np.ascontiguousarray(np.hstack([xy[:-1], xy[1:]])[same])
