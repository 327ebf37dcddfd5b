"""The life of a plan: draft, in review, published, archived; publishing is one transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from data.errors import ConflictError, InvalidRowError
from data.plans.journal import note_event
from data.plans.reading import no_plan

_WAYS = {
    "draft": ("review", "published", "archived"),
    "review": ("draft", "published", "archived"),
    "published": ("archived",),
    "archived": ("published", "draft"),
}
"""From a state to the states it may go to. An archived plan is published again to undo; back to
draft goes only what never was published."""


STATES_ZH = {"draft": "草稿", "review": "待审核", "published": "在用", "archived": "已归档"}


def change_state(
    connection: Connection, plan_id: int, to: str, *, author: str, comment: str = ""
) -> None:
    """Move a plan to another state.

    Publishing archives the plan published before and makes the layer ``grids`` and the grid of
    every building what this plan says, all in this transaction.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.
    plan_id : int
    to : str
        ``draft``, ``review``, ``published`` or ``archived``.
    author, comment : str

    Raises
    ------
    NotFoundError
        If there is no such plan.
    InvalidRowError
        If there is no such state.
    ConflictError
        If the plan cannot go there from its state.
    """
    if to not in _WAYS:
        raise InvalidRowError(
            f"There is no state {to!r}.",
            remedy=f"Use one of: {', '.join(_WAYS)}.",
            zh=(f"没有状态 {to!r}。", f"请使用：{'、'.join(_WAYS)}。"),
        )
    row = hold_plan(connection, plan_id)
    state = row.state
    ways = [w for w in _WAYS[state] if w != "draft" or row.published_at is None]
    if to not in ways:
        raise ConflictError(
            f"Plan {plan_id} is {state} and cannot become {to}.",
            remedy=f"From {state} it goes to {' or '.join(ways)}; to change what was published, "
            "make a draft from it.",
            zh=(
                f"方案 {plan_id} 现为{STATES_ZH[state]}，不能改为{STATES_ZH[to]}。",
                f"它可以改为：{'、'.join(STATES_ZH[w] for w in ways)}；"
                "要修改启用过的方案，请由它新建草稿。",
            ),
        )
    if to == "published":
        earlier = connection.execute(
            text(
                "UPDATE plans SET state = 'archived', version = version + 1"
                " WHERE state = 'published' RETURNING id"
            )
        ).scalars()
        for other in earlier:
            note_event(
                connection,
                other,
                "state",
                author=author,
                request={"to": "archived", "comment": f"replaced by plan {plan_id}"},
            )
    connection.execute(
        text(
            "UPDATE plans SET state = CAST(:to AS text), version = version + 1, published_at ="
            " CASE WHEN CAST(:to AS text) = 'published' THEN now() ELSE published_at END"
            " WHERE id = :plan"
        ),
        {"to": to, "plan": plan_id},
    )
    if to == "published":
        _publish(connection, plan_id)
    note_event(connection, plan_id, "state", author=author, request={"to": to, "comment": comment})


def hold_plan(connection: Connection, plan_id: int) -> Any:
    """Hold a plan's row until the transaction ends: waits for edits, and makes later ones wait.

    Raises
    ------
    NotFoundError
        If there is no such plan.
    """
    row = connection.execute(
        text("SELECT state, published_at FROM plans WHERE id = :plan FOR UPDATE"),
        {"plan": plan_id},
    ).one_or_none()
    if row is None:
        raise no_plan(plan_id)
    return row


def _publish(connection: Connection, plan_id: int) -> None:
    """Make the layer of grids what the plan says; only rows that differ are written."""
    bound = {"plan": plan_id}
    connection.execute(
        text(
            "DELETE FROM grids g WHERE NOT EXISTS"
            " (SELECT FROM plan_grids p WHERE p.plan_id = :plan AND p.code = g.code)"
        ),
        bound,
    )
    connection.execute(
        text(
            "INSERT INTO grids (code, name, kind, community_id, geom, source)"
            " SELECT code, name, kind, community_id, ST_Multi(geom), 'plan'"
            " FROM plan_grids WHERE plan_id = :plan ORDER BY code"
            " ON CONFLICT (code) DO UPDATE SET name = excluded.name, kind = excluded.kind,"
            " community_id = excluded.community_id, geom = excluded.geom, source = excluded.source"
            " WHERE (grids.name, grids.kind, grids.community_id, grids.source,"
            "        ST_AsBinary(grids.geom)) IS DISTINCT FROM (excluded.name, excluded.kind,"
            "        excluded.community_id, excluded.source, ST_AsBinary(excluded.geom))"
        ),
        bound,
    )
    connection.execute(
        text(
            "UPDATE buildings b SET grid_id = l.grid_id FROM"
            " (SELECT b.id, g.id AS grid_id FROM buildings b"
            "    LEFT JOIN plan_buildings a ON a.building_id = b.id AND a.plan_id = :plan"
            "    LEFT JOIN plan_grids p ON p.id = a.grid_id"
            "    LEFT JOIN grids g ON g.code = p.code) l"
            " WHERE l.id = b.id AND b.grid_id IS DISTINCT FROM l.grid_id"
        ),
        bound,
    )
