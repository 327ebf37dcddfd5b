"""What others did to a plan since last asked; nothing is missed, though some may come twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Changes:
    """Edits after a number.

    Attributes
    ----------
    seq : int
        Ask again after this one. Numbers are given out before transactions end, so an edit with a
        lower number may still appear: ``seq`` stays below every edit that could.
    changes : list of dict
        ``seq, community, kind, author, at, grids``, in order.
    """

    seq: int
    changes: list[dict[str, Any]]


def read_changes(
    connection: Connection, plan_id: int, *, after: int = 0, limit: int = 1000
) -> Changes:
    """Read the edits of a plan after a number.

    Parameters
    ----------
    connection : Connection
    plan_id : int
    after : int
        ``seq`` of the last answer.
    limit : int
    """
    rows = connection.execute(
        text(
            "SELECT seq, community_id AS community, kind, author, at, grids, request,"
            " transaction < pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS settled"
            " FROM plan_edits WHERE plan_id = :plan AND seq > :after ORDER BY seq LIMIT :limit"
        ),
        {"plan": plan_id, "after": after, "limit": limit},
    ).mappings()
    changes, seq, settled = [], after, True
    for row in rows:
        settled = settled and row["settled"]
        if settled:
            seq = row["seq"]
        change = {k: row[k] for k in ("seq", "community", "kind", "author", "at", "grids")}
        if row["kind"] == "state":
            change["state"] = row["request"]["to"]
        changes.append(change)
    return Changes(seq, changes)
