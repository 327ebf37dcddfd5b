"""What a plan changes in communities that somebody does not plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, text

from data.accounts.account import WHOLE_CITY, Account, may, may_anywhere
from data.errors import RightMissingError
from data.plans.compare import SAME_BOUNDARY_DEG
from data.plans.models import STAFF
from data.plans.reading import require_plan

_NAMED = 10
"""Most grids a refusal names."""

_STAFF = ", ".join(f"g.{role}" for role in STAFF)
# All that publishing changes of a grid; a vertex more on a straight edge is no change, see
# `data.plans.compare`.
_CHANGED = f"""
WITH mine AS (
    SELECT g.code, g.community_id, g.geom, p.code AS parent,
           ROW(g.name, g.kind, g.branch, {_STAFF})::text AS said
      FROM plan_grids g LEFT JOIN plan_grids p ON p.id = g.parent_id WHERE g.plan_id = :plan
), theirs AS (
    SELECT g.code, g.community_id, g.geom, p.code AS parent,
           ROW(g.name, g.kind, g.branch, {_STAFF})::text AS said
      FROM plan_grids g LEFT JOIN plan_grids p ON p.id = g.parent_id WHERE g.plan_id = :other
)
SELECT a.code AS community, a.name AS community_name, array_agg(g.code ORDER BY g.code) AS grids
  FROM (SELECT coalesce(m.code, t.code) AS code,
               unnest(ARRAY[m.community_id, t.community_id]) AS community_id
          FROM mine m FULL JOIN theirs t ON t.code = m.code
         WHERE m.code IS NULL OR t.code IS NULL OR m.community_id <> t.community_id
            OR m.parent IS DISTINCT FROM t.parent OR m.said <> t.said
            OR NOT (m.geom && ST_Expand(t.geom, :apart)
                    AND (ST_OrderingEquals(m.geom, t.geom)
                         OR ST_HausdorffDistance(m.geom, t.geom) <= :apart
                            AND ST_Area(ST_SymDifference(m.geom, t.geom))
                                <= :apart * ST_Perimeter(t.geom)))
       ) g JOIN areas a ON a.id = g.community_id
 GROUP BY a.code, a.name ORDER BY a.code
"""


def changed_grids(connection: Connection, plan_id: int) -> list[dict[str, Any]]:
    """Grids that publishing a plan would change, by community.

    Compared with the published plan: what others have published since the draft was made counts,
    since this plan would take it back. Before the first is published, with the plan it is based
    on, or else every grid is a change.

    Returns
    -------
    list of dict
        ``community`` (code), ``community_name``, ``grids`` (codes), ``limits`` (whether the limits
        differ) last.
    """
    plan = require_plan(connection, plan_id)
    other = connection.execute(
        text("SELECT id FROM plans WHERE state = 'published' AND id <> :plan"), {"plan": plan_id}
    ).scalar_one_or_none()
    rows = connection.execute(
        text(_CHANGED),
        {"plan": plan_id, "other": other or plan.based_on or 0, "apart": SAME_BOUNDARY_DEG},
    ).mappings()
    return [
        {
            "community": row["community"],
            "community_name": row["community_name"],
            "grids": list(dict.fromkeys(row["grids"])),
        }
        for row in rows
    ]


def limits_changed(connection: Connection, plan_id: int) -> bool:
    """Whether a plan has other limits than the published one, or the one it is based on."""
    plan = require_plan(connection, plan_id)
    other = connection.execute(
        text(
            "SELECT household_limit, people_limit FROM plans"
            " WHERE id = coalesce((SELECT id FROM plans WHERE state = 'published' AND id <> :plan),"
            " :based)"
        ),
        {"plan": plan_id, "based": plan.based_on},
    ).one_or_none()
    mine = (plan.household_limit, plan.people_limit)
    return other is not None and tuple(other) != mine


def require_reach(connection: Connection, account: Account, plan_id: int) -> None:
    """Refuse to move a plan on that changes more than the account plans.

    A publisher or planner of the whole city may move any plan; a planner of some areas one whose
    changes lie in these alone. Who returns a plan that is in review needs the same.

    Parameters
    ----------
    connection : Connection
        Inside the transaction that moves it, with the plan's row held.
    account : Account
    plan_id : int

    Raises
    ------
    RightMissingError
        With the grids outside in ``outside``.
    """
    if may(account, "planner", WHOLE_CITY) or may(account, "publisher", WHOLE_CITY):
        return
    allowed: Callable[[str], bool] = lambda code: (  # noqa: E731
        may(account, "planner", code) or may(account, "publisher", code)
    )
    outside = [one for one in changed_grids(connection, plan_id) if not allowed(one["community"])]
    if outside:
        codes = [code for one in outside for code in one["grids"]]
        more = len(codes) - _NAMED
        named = ", ".join(codes[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        named_zh = "、".join(codes[:_NAMED]) + (f" 等 {len(codes)} 个" if more > 0 else "")
        places = ", ".join(one["community_name"] for one in outside[:_NAMED])
        places_zh = "、".join(one["community_name"] for one in outside[:_NAMED])
        raise RightMissingError(
            f"{account.name} does not plan all that plan {plan_id} changes: in {places} the grids "
            f"{named}.",
            remedy="Take these changes back, or ask who plans there. Where others have published "
            "since, make a draft of the plan in use and bring your changes over.",
            zh=(
                f"{account.name} 无权规划方案 {plan_id} 改动的全部网格：{places_zh}的 {named_zh}。",
                "请撤回这些改动，或请负责那里的人操作；若在用方案已更新，请由在用方案新建草稿再改。",
            ),
            outside=outside,
        )
    if limits_changed(connection, plan_id):
        raise RightMissingError(
            f"Plan {plan_id} has other limits than the plan in use, and they hold in the whole "
            "city.",
            remedy="Set the limits of the plan in use, or ask a planner of the whole city.",
            zh=(
                f"方案 {plan_id} 的户数、人口上限与在用方案不同，上限对全市有效。",
                "请改回在用方案的上限，或请负责全市的规划人员操作。",
            ),
        )


def require_own(connection: Connection, account: Account, plan_id: int) -> None:
    """Refuse to change a plan as a whole to who neither made it nor plans the whole city.

    Raises
    ------
    RightMissingError
    """
    plan = require_plan(connection, plan_id)
    if may(account, "planner", WHOLE_CITY):
        return
    if plan.created_by == account.name and may_anywhere(account, "planner"):
        return
    raise RightMissingError(
        f"{account.name} has not made plan {plan_id}, and its limits hold in the whole city.",
        remedy="Ask who made it, or a planner of the whole city.",
        zh=(
            f"方案 {plan_id} 不是 {account.name} 建立的，它的上限对全市有效。",
            "请联系建立者，或请负责全市的规划人员操作。",
        ),
    )
