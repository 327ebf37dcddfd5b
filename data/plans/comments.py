"""Remarks on a plan, pinned to a place or a grid where they have one."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import Connection, text

from data.plans.journal import note_event
from data.plans.reading import require_plan

_COLUMNS = "id, author, at, text, grid_id AS grid, ST_AsGeoJSON(geom, 9) AS point"


def list_comments(connection: Connection, plan_id: int) -> list[dict[str, Any]]:
    """Read the comments of a plan, oldest first."""
    require_plan(connection, plan_id)
    rows = connection.execute(
        text(f"SELECT {_COLUMNS} FROM plan_comments WHERE plan_id = :plan ORDER BY id"),
        {"plan": plan_id},
    ).mappings()
    return [_comment(row) for row in rows]


def add_comment(
    connection: Connection,
    plan_id: int,
    words: str,
    *,
    author: str,
    point: tuple[float, float] | None = None,
    grid: int | None = None,
) -> dict[str, Any]:
    """Write a comment; the feed of the plan tells others.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.
    plan_id : int
    words : str
    author : str
    point : tuple of float, optional
        Longitude, latitude, WGS84 degrees.
    grid : int, optional
    """
    require_plan(connection, plan_id)
    row = (
        connection.execute(
            text(
                "INSERT INTO plan_comments (plan_id, author, text, grid_id, geom) VALUES"
                " (:plan, :author, :words, :grid, CASE WHEN CAST(:lon AS float8) IS NULL"
                " THEN NULL ELSE ST_SetSRID(ST_MakePoint(:lon, :lat), 4326) END)"
                f" RETURNING {_COLUMNS}"
            ),
            {
                "plan": plan_id,
                "author": author,
                "words": words,
                "grid": grid,
                "lon": None if point is None else point[0],
                "lat": None if point is None else point[1],
            },
        )
        .mappings()
        .one()
    )
    note_event(connection, plan_id, "comment", author=author, grids=[] if grid is None else [grid])
    return _comment(row)


def _comment(row: Any) -> dict[str, Any]:
    return {**row, "point": None if row["point"] is None else orjson.loads(row["point"])}
