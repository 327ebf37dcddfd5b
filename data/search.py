"""Search by name: stations, compounds, areas, grids, buildings and streets."""

from __future__ import annotations

import unicodedata

import orjson
from sqlalchemy import Connection, text

from data.errors import InvalidRowError
from data.layers import DECIMALS, Feature

MAX_QUERY = 100
"""Longest text looked for."""

_RANK = (
    "CASE WHEN lower(t.name) = :needle THEN 0 WHEN strpos(lower(t.name), :needle) = 1 THEN 1"
    " WHEN strpos(lower(t.name), :needle) > 0 THEN 2 ELSE 3 END"
)
_NAMED = "strpos(lower(t.name), :needle) > 0"
_CODED = f"({_NAMED} OR strpos(lower(t.code), :needle) = 1)"
_ADDRESSED = f"({_CODED} OR strpos(lower(t.address), :needle) > 0)"
_IN_COMMUNITY = "(SELECT a.name FROM areas a WHERE a.id = t.community_id)"

# Layer: rows searched, what is true for a hit, kind, and what is shown beside the name. The last
# is worked out for the few rows that are shown only.
_SOURCES = {
    "stations": ("stations", f"{_ADDRESSED} AND t.status <> 'closed'", "t.kind", "t.address"),
    "areas": (
        "areas",
        _CODED,
        "t.level",
        "(SELECT a.name FROM areas a WHERE a.id = t.parent_id)",
    ),
    "compounds": ("compounds", _CODED, "t.kind", _IN_COMMUNITY),
    "grids": ("grids", _CODED, "t.kind", _IN_COMMUNITY),
    "buildings": (
        "buildings",
        _ADDRESSED,
        "t.kind",
        (
            "coalesce(nullif(t.address, ''),"
            " (SELECT c.name FROM compounds c WHERE c.id = t.compound_id))"
        ),
    ),
    # A street is many rows: the first of each name stands for all, with the box of all.
    "base_features": (
        (
            "(SELECT min(t.id) AS id, min(t.source_key) AS code, t.name, min(t.kind) AS kind,"
            f" t.layer, ST_Collect(t.geom) AS geom FROM base_features t WHERE {_NAMED}"
            " GROUP BY t.name, t.layer)"
        ),
        "true",
        "t.kind",
        "t.layer",
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
        f"(SELECT {place} AS place, '{layer}' AS layer, t.id, t.code, t.name, {kind} AS kind,"
        f" coalesce({beside}, '') AS beside, t.geom, t.rank"
        f" FROM (SELECT t.*, {_RANK} AS rank FROM {rows} t WHERE {hit}"
        f" ORDER BY {_RANK}, length(t.name), t.id LIMIT :limit) t)"
        for place, (layer, (rows, hit, kind, beside)) in enumerate(_SOURCES.items())
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
