"""Search by name: stations, compounds, areas, grids, buildings and streets."""

from __future__ import annotations

import unicodedata
from typing import Any

import orjson
from sqlalchemy import Connection, Row, text

from data.errors import InvalidRowError
from data.layers import DECIMALS, Feature
from data.search_index import grams

MAX_QUERY = 100
"""Longest text looked for."""

_NAME = "gridcircle_folded(t.name)"
_CODE = "gridcircle_folded(t.code)"


def _holds(column: str) -> str:
    # Grams lead to the rows by their index. (<> 0, as the planner takes > 0 for something rare.)
    return (
        f"gridcircle_grams(t.{column}) @> CAST(:grams AS text[])"
        f" AND strpos(gridcircle_folded(t.{column}), :needle) <> 0"
    )


# What makes a hit, best first: the whole name, its beginning, a part of it, the beginning of a
# code, a part of an address. A rank may repeat hits of those before it. Each is answered from an
# index of `data.search_index`, in the order of that index: names by length, codes as text,
# addresses as they come.
_BY_LENGTH = f"length({_NAME})"
_BY_TEXT = f"{_CODE} USING ~<~"
_RANKS = (
    ("name", f"{_NAME} = :needle", ""),
    # The least length lets the index by length begin where names are long enough.
    ("name", f"{_NAME} LIKE :beginning AND {_BY_LENGTH} >= :size", _BY_LENGTH),
    ("name", f"{_holds('name')} AND {_BY_LENGTH} >= :size", _BY_LENGTH),
    ("code", f"{_CODE} LIKE :beginning", _BY_TEXT),
    ("address", _holds("address"), ""),
)
_IN_COMMUNITY = "(SELECT a.name FROM areas a WHERE a.id = t.community_id)"

# Layer: what more must be true of a row, kind, what is shown beside the name, and whether the layer
# has addresses. What is shown is worked out for the few rows that are shown only.
_LAYERS = {
    "stations": (" AND t.status <> 'closed'", "t.kind", "t.address", True),
    "areas": ("", "t.level", "(SELECT a.name FROM areas a WHERE a.id = t.parent_id)", False),
    "compounds": ("", "t.kind", _IN_COMMUNITY, False),
    "grids": ("", "t.kind", _IN_COMMUNITY, False),
    "buildings": (
        "",
        "t.kind",
        (
            "coalesce(nullif(t.address, ''),"
            " (SELECT c.name FROM compounds c WHERE c.id = t.compound_id))"
        ),
        True,
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
    needle = unicodedata.normalize("NFKC", query).strip()
    if not needle or len(needle) > MAX_QUERY or "\0" in needle:
        raise InvalidRowError(
            f"A search takes 1 to {MAX_QUERY} characters.", remedy="Give part of a name or a code."
        )
    bound = search_parameters(connection, needle)
    found: dict[tuple[str, int], Row[Any]] = {}
    for statement in SEARCH_STATEMENTS:
        # Where earlier ranks left room they were listed whole: what comes again is known.
        if len(found) < limit:
            for row in connection.execute(text(statement), bound | {"limit": limit}):
                found.setdefault((row.layer, row.id), row)
    return [_feature(row) for row in found.values()][:limit]


def search_parameters(connection: Connection, needle: str) -> dict[str, Any]:
    """Ready this transaction for `SEARCH_STATEMENTS`, and say what they are bound to.

    Parameters
    ----------
    connection : Connection
    needle : str
        What is looked for, not empty.

    Returns
    -------
    dict
        All that the statements take but ``limit``.
    """
    # How common the text is decides between indexes: no plan is good for every text. Starting
    # parallel workers takes longer than a search, and so does reading a table to its end where
    # hits are not spread evenly.
    connection.execute(
        text(
            "SET LOCAL plan_cache_mode = force_custom_plan;"
            "SET LOCAL max_parallel_workers_per_gather = 0;"
            "SET LOCAL enable_seqscan = off"
        )
    )
    # The database folds: its idea of lower case is the one the indexes are made with.
    folded: str = connection.execute(
        text("SELECT gridcircle_folded(:needle)"), {"needle": needle}
    ).scalar_one()
    pattern = folded.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return {
        "needle": folded,
        "beginning": f"{pattern}%",
        "grams": grams(folded),
        "size": len(folded),
    }


def _statement(column: str, condition: str, order: str) -> str:
    if column != "address":
        order = f"ORDER BY {order}{', ' if order else ''}t.id"
    parts = [
        f"(SELECT {place} AS place, row_number() OVER () AS at, '{layer}' AS layer, t.*"
        f" FROM (SELECT t.id, t.code, t.name, {kind} AS kind, coalesce({beside}, '') AS beside,"
        f" t.geom FROM {layer} t WHERE {condition}{more} {order} LIMIT :limit) t)"
        for place, (layer, (more, kind, beside, addressed)) in enumerate(_LAYERS.items())
        if addressed or column != "address"
    ]
    if column == "name":
        # A street is many rows: the first of each name stands for all, with the box of all. All
        # hits are grouped: one or two characters are grams themselves and need no second look.
        looked = f"strpos({_NAME}, :needle) <> 0"
        short = condition.replace(looked, f"(CAST(:size AS int) <= 2 OR {looked})")
        parts.append(
            f"(SELECT {len(_LAYERS)} AS place, row_number() OVER () AS at, 'base_features' AS"
            " layer, t.id, t.source_key AS code, t.name, t.kind, t.layer AS beside,"
            " (SELECT ST_Collect(o.geom) FROM base_features o"
            f"   WHERE gridcircle_folded(o.name) = {_NAME}"
            "      AND o.name = t.name AND o.layer = t.layer) AS geom"
            " FROM (SELECT min(t.id) AS id FROM base_features t"
            f"       WHERE {short} GROUP BY t.name, t.layer"
            f"       ORDER BY length({_NAME}), min(t.id) LIMIT :limit) s"
            f" JOIN base_features t USING (id) {order})"
        )
    return (
        "SELECT layer, id, code, name, kind, beside,"
        f" ST_AsGeoJSON(ST_PointOnSurface(geom), {DECIMALS}) AS point,"
        " ST_XMin(geom) AS west, ST_YMin(geom) AS south, ST_XMax(geom) AS east,"
        f" ST_YMax(geom) AS north FROM ({' UNION ALL '.join(parts)}) hits"
        " ORDER BY place, at LIMIT :limit"
    )


SEARCH_STATEMENTS = tuple(_statement(*rank) for rank in _RANKS)
"""SQL that finds the hits of each rank, best rank first."""


def _feature(row: Row[Any]) -> Feature:
    return {
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
