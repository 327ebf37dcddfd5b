"""Search by name: stations, compounds, areas, grids, buildings and streets."""

from __future__ import annotations

import unicodedata

import orjson
from sqlalchemy import Connection, text

from data.errors import InvalidRowError
from data.layers import DECIMALS, Feature

MAX_QUERY = 100
"""Longest text looked for."""

# Name of the layer, SQL of: id, code, name, kind, what is shown beside it, geometry.
_SOURCES = {
    "stations": (
        "SELECT id, code, name, kind, address AS beside, geom FROM stations"
        " WHERE status <> 'closed'"
    ),
    "areas": "SELECT id, code, name, level AS kind, '' AS beside, geom FROM areas",
    "compounds": (
        "SELECT c.id, c.code, c.name, c.kind, coalesce(a.name, '') AS beside, c.geom"
        " FROM compounds c LEFT JOIN areas a ON a.id = c.community_id"
    ),
    "grids": "SELECT id, code, name, kind, '' AS beside, geom FROM grids",
    "buildings": (
        "SELECT b.id, b.code, b.name, b.kind,"
        " coalesce(nullif(b.address, ''), c.name, '') AS beside, b.geom"
        " FROM buildings b LEFT JOIN compounds c ON c.id = b.compound_id"
    ),
    # A street is many rows: the first of each name stands for all, with the box of all.
    "base_features": (
        "SELECT min(id) AS id, min(source_key) AS code, name, min(kind) AS kind, layer AS beside,"
        " ST_Collect(geom) AS geom FROM base_features"
        " WHERE strpos(lower(name), :needle) > 0 GROUP BY name, layer"
    ),
}


def search(connection: Connection, query: str, *, limit: int = 20) -> list[Feature]:
    """Find features whose name, code or address holds a text.

    Full-width and half-width letters are the same; so are upper and lower case. The whole name
    first, then names that begin with the text, then the rest; shorter names first.

    Parameters
    ----------
    connection : Connection
    query : str
        At most `MAX_QUERY` characters.
    limit : int
        Most features in the answer.

    Returns
    -------
    list of Feature
        A point on each, with ``layer``, ``id``, ``code``, ``name``, ``kind``, ``beside`` (address
        or what it lies in), and ``bbox``.

    Raises
    ------
    InvalidRowError
        If the text is empty or too long.
    """
    needle = unicodedata.normalize("NFKC", query).strip().lower()
    if not needle or len(needle) > MAX_QUERY:
        raise InvalidRowError(
            f"A search takes 1 to {MAX_QUERY} characters.", remedy="Give part of a name or a code."
        )
    parts = " UNION ALL ".join(
        f"(SELECT {order} AS place, '{layer}' AS layer, found.*, {_RANK} AS rank"
        f" FROM ({rows}) found WHERE strpos(lower(name), :needle) > 0"
        " OR strpos(lower(code), :needle) = 1 OR strpos(lower(beside), :needle) > 0"
        f" ORDER BY {_RANK}, length(name), id LIMIT :limit)"
        for order, (layer, rows) in enumerate(_SOURCES.items())
    )
    rows = connection.execute(
        text(
            "SELECT layer, id, code, name, kind, beside,"
            f" ST_AsGeoJSON(ST_PointOnSurface(geom), {DECIMALS}) AS point,"
            " ST_XMin(geom) AS west, ST_YMin(geom) AS south, ST_XMax(geom) AS east,"
            f" ST_YMax(geom) AS north FROM ({parts}) hits"
            " ORDER BY rank, place, length(name), id LIMIT :limit"
        ),
        {"needle": needle, "limit": limit},
    )
    return [
        {
            "type": "Feature",
            "id": f"{row.layer}/{row.id}",
            "bbox": [round(v, DECIMALS) for v in (row.west, row.south, row.east, row.north)],
            "geometry": orjson.loads(row.point),
            "properties": {
                "layer": row.layer,
                "id": row.id,
                "code": row.code,
                "name": row.name,
                "kind": row.kind,
                "beside": row.beside,
            },
        }
        for row in rows
    ]


_RANK = (
    "CASE WHEN lower(name) = :needle THEN 0 WHEN strpos(lower(name), :needle) = 1 THEN 1"
    " WHEN strpos(lower(name), :needle) > 0 THEN 2 ELSE 3 END"
)
