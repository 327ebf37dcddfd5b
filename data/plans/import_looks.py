"""What an import left for somebody to look at, ticked off one by one: by whom, and when.

The repair settles every place, also those it cannot be sure of, and a file edited elsewhere may
differ from what others changed meanwhile. These *open* items hold nobody up; they are counted,
named when a draft is sent to review, and ticked off by who plans the area.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, text

from data.accounts.account import Account, may, require
from data.errors import ConflictError, NotFoundError
from data.plans.states import STATES_ZH, hold_plan

MOST_NAMED = 10
"""Open items that a warning names, the largest first."""
LOOKED_IN = ("draft", "review")
"""States of a plan in which its items are ticked off; later the list is a record."""


@dataclass(frozen=True, slots=True)
class Looks:
    """How much of an import somebody has looked at.

    Attributes
    ----------
    places, conflicts : int
        Undecided places and conflicts of an import.
    open_places, open_conflicts : int
        Those that nobody has looked at.
    communities : list of dict
        Where these are: ``community``, ``name``, ``open``, the most first.
    """

    places: int
    conflicts: int
    open_places: int
    open_conflicts: int
    communities: list[dict[str, Any]] = field(default_factory=list)

    @property
    def of(self) -> int:
        """Items there are."""
        return self.places + self.conflicts

    @property
    def left(self) -> int:
        """Items that nobody has looked at."""
        return self.open_places + self.open_conflicts

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "of": self.of,
            "left": self.left,
            "open_places": self.open_places,
            "open_conflicts": self.open_conflicts,
            "communities": self.communities,
        }


_ITEMS = (
    "SELECT 'place' AS what, community, looked_at FROM plan_import_places"
    " WHERE plan_id = :plan AND NOT decided"
    " UNION ALL SELECT 'conflict', community, looked_at FROM plan_import_conflicts"
    " WHERE plan_id = :plan"
)


def count_looks(connection: Connection, plan_id: int) -> Looks:
    """Count what an import left to look at; nothing for a plan that was not imported."""
    rows = connection.execute(
        text(
            "SELECT i.what, i.community, a.name, count(*)::int AS items,"
            " (count(*) FILTER (WHERE i.looked_at IS NULL))::int AS open"
            f" FROM ({_ITEMS}) i LEFT JOIN areas a ON a.code = i.community"
            " GROUP BY i.what, i.community, a.name"
        ),
        {"plan": plan_id},
    ).all()
    by_place: dict[str | None, dict[str, Any]] = {}
    for row in rows:
        if row.open:
            told = by_place.setdefault(
                row.community,
                {"community": row.community, "name": row.name or row.community or "", "open": 0},
            )
            told["open"] += row.open

    def total(what: str, column: str) -> int:
        return sum(getattr(row, column) for row in rows if row.what == what)

    return Looks(
        total("place", "items"),
        total("conflict", "items"),
        total("place", "open"),
        total("conflict", "open"),
        sorted(by_place.values(), key=lambda one: (-one["open"], one["community"] or "")),
    )


def list_conflicts(
    connection: Connection, plan_id: int, based_on: int | None
) -> list[dict[str, Any]]:
    """Read the conflicts of a file with the plan it came from, with a point of each grid.

    Parameters
    ----------
    connection : Connection
    plan_id : int
    based_on : int or None
        The plan the file came from: where a grid stands that the file has not got.

    Returns
    -------
    list of dict
        ``code, community, community_name, kind, author, at, edited_in_file, in_file, looked_by,
        looked_at`` and ``point`` (longitude, latitude; None for a grid that is nowhere now).
    """
    rows = connection.execute(
        text(
            "SELECT c.code, c.community, coalesce(a.name, '') AS community_name, c.kind, c.author,"
            " c.at, c.in_file IS NOT NULL AS edited_in_file, c.in_file, c.looked_by, c.looked_at,"
            " CASE WHEN g.geom IS NULL THEN NULL ELSE"
            "  ARRAY[ST_X(ST_PointOnSurface(g.geom)), ST_Y(ST_PointOnSurface(g.geom))] END AS point"
            " FROM plan_import_conflicts c LEFT JOIN areas a ON a.code = c.community"
            " LEFT JOIN LATERAL (SELECT geom FROM plan_grids g WHERE g.code = c.code"
            "  AND g.plan_id IN (c.plan_id, CAST(:based AS bigint))"
            "  ORDER BY g.plan_id = c.plan_id DESC LIMIT 1) g ON true"
            " WHERE c.plan_id = :plan ORDER BY c.code"
        ),
        {"plan": plan_id, "based": based_on},
    ).mappings()
    return [dict(row) for row in rows]


def tick_off(
    connection: Connection,
    account: Account,
    plan_id: int,
    *,
    places: Sequence[int] = (),
    conflicts: Sequence[str] = (),
    looked: bool = True,
) -> dict[str, Any]:
    """Note that somebody has looked at places and conflicts of an import, or take that back.

    All or nothing. What was ticked off before keeps who did it first, and when.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.
    account : Account
        Must be a planner wherever one of the items is.
    plan_id : int
    places : sequence of int
        Ids of undecided places.
    conflicts : sequence of str
        Codes of grids in conflict.
    looked : bool
        False to open them again.

    Returns
    -------
    dict
        ``places`` and ``conflicts`` (``id`` or ``code`` with ``looked_by``, ``looked_at``) as they
        are now, ``looks`` as `Looks.to_dict`, and ``edit``, the number in the plan's history or
        None where nothing was to be done.

    Raises
    ------
    NotFoundError
        If the plan has no such undecided place or conflict.
    RightMissingError
        If the account does not plan an area of them.
    ConflictError
        If the plan is published or archived.
    """
    state = hold_plan(connection, plan_id).state
    if state not in LOOKED_IN:
        raise ConflictError(
            f"Plan {plan_id} is {state}; what somebody has looked at is not changed any more.",
            remedy="Make a draft from it to change something.",
            zh=(
                f"方案 {plan_id} {STATES_ZH[state]}，核对记录不再改动。",
                "需要修改时，请由它新建草稿。",
            ),
        )
    found = [
        *_held(connection, plan_id, "plan_import_places", "id", sorted(set(places))),
        *_held(connection, plan_id, "plan_import_conflicts", "code", sorted(set(conflicts))),
    ]
    _require_planner(account, {community for _, community in found})
    change = (
        "looked_by = :by, looked_at = now()" if looked else "looked_by = NULL, looked_at = NULL"
    )
    done: dict[str, Any] = {}
    changed: dict[str, list[Any]] = {}
    for table, name, keys in (
        ("plan_import_places", "id", list(set(places))),
        ("plan_import_conflicts", "code", list(set(conflicts))),
    ):
        where = f"plan_id = :plan AND {name} = ANY(:keys)"
        bound = {"plan": plan_id, "keys": keys}
        changed[name] = list(
            connection.execute(
                text(
                    f"UPDATE {table} SET {change} WHERE {where}"
                    f" AND looked_at IS {'' if looked else 'NOT '}NULL RETURNING {name}"
                ),
                bound | {"by": account.name},
            ).scalars()
        )
        done["places" if name == "id" else "conflicts"] = [
            dict(row)
            for row in connection.execute(
                text(
                    f"SELECT {name}, looked_by, looked_at FROM {table} WHERE {where}"
                    f" ORDER BY {name}"
                ),
                bound,
            ).mappings()
        ]
    edit = None
    if any(changed.values()):
        edit = connection.execute(
            text(
                "INSERT INTO plan_edits (plan_id, kind, author, state, request)"
                " VALUES (:plan, 'look', :author, 'event', CAST(:request AS jsonb)) RETURNING seq"
            ),
            {
                "plan": plan_id,
                "author": account.name,
                "request": orjson.dumps(
                    {
                        "looked": looked,
                        "places": sorted(changed["id"]),
                        "conflicts": sorted(changed["code"]),
                    }
                ).decode(),
            },
        ).scalar_one()
    return done | {"looks": count_looks(connection, plan_id).to_dict(), "edit": edit}


def _held(
    connection: Connection, plan_id: int, table: str, name: str, keys: Sequence[Any]
) -> list[tuple[Any, str | None]]:
    """Hold items until the transaction ends; key and community of each."""
    if not keys:
        return []
    undecided = " AND NOT decided" if name == "id" else ""
    found = {
        row[0]: row[1]
        for row in connection.execute(
            text(
                f"SELECT {name}, community FROM {table} WHERE plan_id = :plan"
                f" AND {name} = ANY(:keys){undecided} ORDER BY {name} FOR UPDATE"
            ),
            {"plan": plan_id, "keys": list(keys)},
        )
    }
    missing = [key for key in keys if key not in found]
    if missing:
        what, what_zh = (
            ("undecided place", "待判断的地方") if name == "id" else ("conflict", "冲突")
        )
        raise NotFoundError(
            f"The import of plan {plan_id} has no {what} {missing[0]}.",
            remedy=f"See /api/v1/plans/{plan_id}/import for those it has.",
            zh=(
                f"方案 {plan_id} 的导入结果里没有编号 {missing[0]} 的{what_zh}。",
                "请刷新导入结果页面再试。",
            ),
        )
    return list(found.items())


def _require_planner(account: Account, communities: set[str | None]) -> None:
    """Refuse with the first area in which the account is no planner."""
    for community in sorted(communities, key=lambda code: code or ""):
        if not may(account, "planner", community):
            require(account, "planner", community)


def open_warning(connection: Connection, plan_id: int) -> dict[str, Any] | None:
    """What somebody who sends a plan on is told of items that nobody has looked at.

    Returns
    -------
    dict or None
        ``rule`` (``import-open``), ``left``, ``of``, ``message``, ``message_zh`` and ``named``: the
        first `MOST_NAMED` with ``what``, ``rule``, ``community``, ``community_name``, ``grids``,
        ``area_m2`` and ``point``. None where nothing is left.
    """
    looks = count_looks(connection, plan_id)
    if not looks.left:
        return None
    named = [
        {
            "what": "place",
            **{n: row[n] for n in ("id", "rule", "community", "community_name")},
            **{n: row[n] for n in ("grids", "area_m2")},
            "point": [row["lon"], row["lat"]],
        }
        for row in connection.execute(
            text(
                "SELECT p.id, p.rule, p.community, coalesce(a.name, '') AS community_name, p.grids,"
                " p.area_m2, ST_X(ST_PointOnSurface(p.geom)) AS lon,"
                " ST_Y(ST_PointOnSurface(p.geom)) AS lat FROM (SELECT * FROM plan_import_places"
                "  WHERE plan_id = :plan AND NOT decided AND looked_at IS NULL"
                "  ORDER BY area_m2 DESC, id LIMIT :most) p"
                " LEFT JOIN areas a ON a.code = p.community ORDER BY p.area_m2 DESC, p.id"
            ),
            {"plan": plan_id, "most": MOST_NAMED},
        ).mappings()
    ]
    if len(named) < MOST_NAMED and looks.open_conflicts:
        based_on = connection.execute(
            text("SELECT based_on FROM plans WHERE id = :plan"), {"plan": plan_id}
        ).scalar_one()
        named += [
            {
                "what": "conflict",
                "rule": one["kind"],
                **{n: one[n] for n in ("community", "community_name", "point")},
                "grids": [one["code"]],
                "area_m2": None,
            }
            for one in list_conflicts(connection, plan_id, based_on)
            if one["looked_at"] is None
        ][: MOST_NAMED - len(named)]
    where = [one["name"] for one in looks.communities if one["name"]]
    more = len(where) - MOST_NAMED
    return {
        "rule": "import-open",
        "left": looks.left,
        "of": looks.of,
        "message": (
            f"{looks.left} of {looks.of} places and conflicts of the import have not been looked"
            f" at, in {', '.join(where[:MOST_NAMED])}"
            + (f" and {more} more communities." if more > 0 else ".")
        ),
        "message_zh": (
            f"导入时留下的 {looks.of} 处中还有 {looks.left} 处未核对，在"
            f"{'、'.join(where[:MOST_NAMED])}" + (f"等 {len(where)} 个社区。" if more > 0 else "。")
        ),
        "named": named,
    }
