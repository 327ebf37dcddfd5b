"""A plan's own row: its name and its limits, changed while it is a draft; rule states follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import orjson
from sqlalchemy import Connection, text

from data.constraints import prove
from data.errors import StaleRowError
from data.plans.community import Community, kept_crossings, load_community, require_draft
from data.plans.crossings import with_crossings
from data.plans.edit_result import EditResult
from data.plans.images import with_versions
from data.plans.journal import note_event
from data.plans.reading import read_plan, require_plan
from data.plans.states import hold_plan


def change_plan(
    connection: Connection,
    plan_id: int,
    *,
    version: int,
    author: str,
    name: str | None = None,
    household_limit: int | None = None,
    people_limit: int | None = None,
) -> bool:
    """Change name or limits of a draft; what is None stays. Gives whether anything changed.

    Limits of households and people are compared where grids are read; whether a compound fits in
    one grid depends on the limit, too, and is worked out anew where it may have changed. The
    history keeps old and new values with the author.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.
    plan_id : int
    version : int
        Of the plan's row, as the author saw it.
    author : str
    name : str, optional
    household_limit, people_limit : int, optional
        Most households and people of a base grid, at least 1.

    Raises
    ------
    NotFoundError
        If there is no such plan.
    ConflictError
        If it is no draft.
    StaleRowError
        If it has another version; ``present`` is the plan.
    """
    hold_plan(connection, plan_id)
    plan = require_plan(connection, plan_id)
    require_draft(plan_id, plan.state)
    if version != plan.version:
        raise StaleRowError(
            f"Plan {plan_id} has been changed: it is at version {plan.version}, and you saw "
            f"{version}.",
            present=read_plan(connection, plan_id),
            remedy="Look at its present name and limits and make the change again.",
            zh=(
                f"方案 {plan_id} 刚被别人改过：现为第 {plan.version} 版，"
                f"您看到的是第 {version} 版。",
                "请看过现在的名称和上限，再改一次。",
            ),
        )
    before = {"name": plan.name, "households": plan.household_limit, "people": plan.people_limit}
    wanted = {"name": name, "households": household_limit, "people": people_limit}
    after = {key: before[key] if value is None else value for key, value in wanted.items()}
    if before == after:
        return False
    connection.execute(
        text("UPDATE plans SET name = :name, version = version + 1 WHERE id = :plan"),
        {"name": after["name"], "plan": plan_id},
    )
    set_limits(connection, plan_id, household_limit, people_limit)
    changed = [key for key in after if before[key] != after[key]]
    note_event(
        connection,
        plan_id,
        "name" if changed == ["name"] else "limits",
        author=author,
        request={
            "before": {key: before[key] for key in changed},
            "after": {key: after[key] for key in changed},
        },
    )
    return True


def set_limits(
    connection: Connection, plan_id: int, household_limit: int | None, people_limit: int | None
) -> None:
    """Write limits of a draft, None for as they are, and let the states of rules follow."""
    before, after = connection.execute(
        text(
            "UPDATE plans p SET household_limit = coalesce(:households, p.household_limit),"
            " people_limit = coalesce(:people, p.people_limit) FROM plans o"
            " WHERE o.id = p.id AND p.id = :plan RETURNING o.household_limit, p.household_limit"
        ),
        {"plan": plan_id, "households": household_limit, "people": people_limit},
    ).one()
    if before != after:
        _follow_limit(connection, plan_id, before, after)


def _follow_limit(connection: Connection, plan_id: int, before: int, after: int) -> None:
    """Work out anew which compounds are parted that fit in one grid under one limit only."""
    communities = connection.execute(
        text(
            "SELECT DISTINCT c.community_id FROM plan_communities c"
            " JOIN buildings b ON b.community_id = c.community_id"
            " JOIN (SELECT compound_id, sum(households) AS households FROM buildings"
            "        WHERE compound_id IS NOT NULL GROUP BY compound_id) k"
            "   ON k.compound_id = b.compound_id AND k.households > :low AND k.households <= :high"
            " WHERE c.plan_id = :plan ORDER BY c.community_id"
        ),
        {"plan": plan_id, "low": min(before, after), "high": max(before, after)},
    ).scalars()
    for community_id in communities.all():
        community = load_community(connection, plan_id, community_id, lock=True)
        grids = [g for g, row in community.grids.items() if row.kind != "micro"]
        _write(connection, community, grids)
    prove(connection)


def with_present_limits(connection: Connection, done: EditResult) -> EditResult:
    """Let grids that an undo or redo brought back keep the rules of the present limits."""
    changed = connection.execute(
        text("SELECT 1 FROM plan_edits WHERE plan_id = :plan AND kind = 'limits' LIMIT 1"),
        {"plan": done.after.plan_id},
    ).first()
    if changed is None:
        return done
    grids = [g for g in done.changed if done.after.grids[g].kind != "micro"]
    after, written = _write(connection, done.after, grids)
    if not written:
        return done
    prove(connection)
    return replace(done, after=with_versions(connection, after, written))


def _write(
    connection: Connection, community: Community, grids: Sequence[int]
) -> tuple[Community, list[int]]:
    after = with_crossings(connection, community, grids)
    changed = [g for g in after.grids if after.grids[g].crossings != community.grids[g].crossings]
    if changed:
        connection.execute(
            text("UPDATE plan_grids SET crossings = CAST(:crossings AS jsonb) WHERE id = :id"),
            [
                {
                    "id": g,
                    "crossings": orjson.dumps(kept_crossings(after.grids[g])).decode(),
                }
                for g in changed
            ],
        )
    return after, changed
