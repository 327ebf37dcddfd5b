"""What was done to a plan, line by line: edits that can be undone, and events that tell of more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, text

from data.plans.community import Community
from data.plans.edit_result import EditResult


def note_event(
    connection: Connection,
    plan_id: int,
    kind: str,
    *,
    author: str,
    request: Mapping[str, Any] | None = None,
    community_id: int | None = None,
    grids: Iterable[int] = (),
) -> int:
    """Write down what is no edit of grids and is not undone; gives its number.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.
    plan_id : int
    kind : str
        created, state, name, limits, comment, undo or redo.
    author : str
    request : mapping, optional
        What there is to tell, as JSON.
    community_id : int, optional
    grids : iterable of int
    """
    seq: int = connection.execute(
        text(
            "INSERT INTO plan_edits (plan_id, community_id, kind, author, state, request, grids)"
            " VALUES (:plan, :community, :kind, :author, 'event', CAST(:request AS jsonb), :grids)"
            " RETURNING seq"
        ),
        {
            "plan": plan_id,
            "community": community_id,
            "kind": kind,
            "author": author,
            "request": _json(request or {}),
            "grids": list(grids),
        },
    ).scalar_one()
    return seq


def write_edit(
    connection: Connection,
    result: EditResult,
    request: Mapping[str, Any],
    images: Mapping[str, Any],
    *,
    author: str,
) -> int:
    """Write down an edit with its images and lineage; gives its number.

    What was undone in the community before cannot be done again from now on.
    """
    plan, community = result.after.plan_id, result.after.id
    connection.execute(
        text(
            "UPDATE plan_edits SET state = 'discarded' WHERE plan_id = :plan"
            " AND community_id = :community AND state = 'undone'"
        ),
        {"plan": plan, "community": community},
    )
    seq: int = connection.execute(
        text(
            "INSERT INTO plan_edits (plan_id, community_id, kind, author, request, grids, before,"
            " after) VALUES (:plan, :community, :kind, :author, CAST(:request AS jsonb), :grids,"
            " CAST(:before AS jsonb), CAST(:after AS jsonb)) RETURNING seq"
        ),
        {
            "plan": plan,
            "community": community,
            "kind": request["kind"],
            "author": author,
            "request": _json(request),
            "grids": [*result.changed, *result.removed],
            "before": _json(images["before"]),
            "after": _json(images["after"]),
        },
    ).scalar_one()
    if result.lineage:
        connection.execute(
            text(
                "INSERT INTO plan_lineage (plan_id, edit_seq, predecessor, successor)"
                " VALUES (:plan, :seq, :before, :after)"
            ),
            [{"plan": plan, "seq": seq, "before": a, "after": b} for a, b in result.lineage],
        )
    return seq


def can_step(connection: Connection, plan_id: int) -> tuple[bool, bool]:
    """Whether there is anything to undo, and to redo."""
    row = connection.execute(
        text(
            "SELECT EXISTS (SELECT FROM plan_edits WHERE plan_id = :plan AND state = 'done'),"
            " EXISTS (SELECT FROM plan_edits WHERE plan_id = :plan AND state = 'undone')"
        ),
        {"plan": plan_id},
    ).one()
    return bool(row[0]), bool(row[1])


def used_codes(connection: Connection, community: Community) -> set[str]:
    """Codes the community has in this plan, or had: no other grid gets them."""
    rows = connection.execute(
        text(
            "SELECT unnest(ARRAY[l.predecessor, l.successor]) FROM plan_lineage l"
            " JOIN plan_edits e ON e.seq = l.edit_seq WHERE e.plan_id = :plan"
            " AND e.community_id = :community AND e.state = 'done'"
        ),
        {"plan": community.plan_id, "community": community.id},
    ).scalars()
    return {*rows, *(g.code for g in community.grids.values())}


def _json(value: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(value)).decode()
