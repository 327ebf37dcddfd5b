"""Proposals side by side: the plan they started from and each draft, measured in the same way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from data.errors import InvalidRowError, NotFoundError
from data.plans.reading import require_plan
from geo.gridbounds import fewest_grids, fewest_moved
from geo.staffing import staffing

MOST_PLANS = 8
"""Most plans side by side; the newest proposals are taken."""

BETTER: Mapping[str, int] = MappingProxyType(
    {
        "grids": -1,
        "within_limits": 1,
        "households_over": -1,
        "load_spread": -1,
        "compounds_split": -1,
        "barrier_crossings": -1,
        "compactness": 1,
        "moved": -1,
        "workers": -1,
    }
)
"""Figures that have a best value: 1 where more is better, -1 where less is."""

_WITHIN_LIMITS = ("grids", "moved", "workers")
_BARRIERS = ("road", "rail", "river")

_GRIDS = """
SELECT g.id, g.community_id, g.kind = 'exclusive' AS exclusive,
       coalesce(f.households, 0)::float AS households, coalesce(f.people, 0)::float AS people,
       coalesce(f.homes, 0)::int AS homes, coalesce(f.units, 0)::int AS units,
       ST_Area(g.geom::geography) AS area_m2, ST_Perimeter(g.geom::geography) AS around_m,
       EXISTS (SELECT FROM jsonb_array_elements(g.crossings) c
                WHERE c ->> 'rule' = ANY(:barriers)) AS crosses
  FROM plan_grids g
  LEFT JOIN LATERAL (
       SELECT sum(t.households) AS households, sum(t.people) AS people,
              count(*) FILTER (WHERE t.households > 0 OR t.people > 0) AS homes,
              sum(greatest(coalesce(t.units, 1), 1))
                  FILTER (WHERE t.households > 0 OR t.people > 0) AS units
         FROM plan_buildings b JOIN buildings t ON t.id = b.building_id
        WHERE b.grid_id = g.id) f ON true
 WHERE g.plan_id = :plan AND g.kind <> 'micro' AND g.community_id = ANY(:communities)
 ORDER BY g.id
"""
# As in `geo.gridfigures`: parts of a compound beyond as many as its households need.
_SPLIT = """
SELECT coalesce(sum(greatest(parts - need, 0)), 0)::int FROM (
  SELECT count(DISTINCT b.grid_id) AS parts, ceil(sum(t.households)::float / :households) AS need
    FROM plan_buildings b JOIN buildings t ON t.id = b.building_id
    JOIN plan_grids g ON g.id = b.grid_id
   WHERE b.plan_id = :plan AND b.community_id = ANY(:communities) AND g.kind = 'base'
     AND t.compound_id IS NOT NULL AND t.households > 0
   GROUP BY b.community_id, t.compound_id) c
"""
_MOVED = """
SELECT coalesce(sum(t.households), 0)::int
  FROM plan_buildings a JOIN plan_grids o ON o.id = a.grid_id AND o.kind = 'base'
  JOIN plan_buildings b ON b.building_id = a.building_id AND b.plan_id = :after
  JOIN plan_grids n ON n.id = b.grid_id JOIN buildings t ON t.id = a.building_id
 WHERE a.plan_id = :before AND a.community_id = ANY(:communities) AND o.code <> n.code
"""
_HOMES = """
SELECT b.community_id, b.grid_id, coalesce(t.households, 0)::float AS households,
       coalesce(t.people, 0)::float AS people
  FROM plan_buildings b JOIN buildings t ON t.id = b.building_id
  JOIN plan_grids g ON g.id = b.grid_id
 WHERE b.plan_id = :plan AND g.kind = 'base' AND b.community_id = ANY(:communities)
 ORDER BY b.community_id, b.building_id
"""


@dataclass(frozen=True, slots=True)
class PlanFigures:
    """How good a plan is within some communities, under given limits.

    Attributes
    ----------
    grids, exclusive : int
    households, people : int
        In base grids.
    within_limits : float
        Share of base grids that keep both limits.
    households_over : int
        Households above the limit, summed over base grids.
    load_spread : float
        Standard deviation of households over their mean, of base grids people live in.
    compounds_split : int
        Parts of compounds beyond as many as their households need.
    barrier_crossings : int
        Base grids that a trunk road, railway or river cuts homes off in.
    compactness : float
        Mean Polsby-Popper ratio of base grids, 1 for a circle.
    moved : int or None
        Households in a grid of another code than in the source; None for the source itself.
    workers, building_heads, unit_heads : int
        Staff these grids need, by `geo.staffing`.
    """

    grids: int
    exclusive: int
    households: int
    people: int
    within_limits: float
    households_over: int
    load_spread: float
    compounds_split: int
    barrier_crossings: int
    compactness: float
    moved: int | None
    workers: int
    building_heads: int
    unit_heads: int


def scenarios(
    connection: Connection,
    plan_id: int,
    *,
    communities: Sequence[int] = (),
    household_limit: int | None = None,
    people_limit: int | None = None,
) -> dict[str, Any]:
    """Set the plan and the proposals made from it side by side.

    All are measured in the same communities and under the same limits. A draft from which no
    proposal was made stands beside those of the plan it came from.

    Parameters
    ----------
    connection : Connection
    plan_id : int
    communities : sequence of int
        Where to measure; by default what the proposals shown have designed, or all.
    household_limit, people_limit : int, optional
        By default those of the proposals where they agree, else those of the source.

    Returns
    -------
    dict
        ``source``, ``limits``, ``communities`` (all of the source, with ``measured``), ``bound``
        and ``moved_bound`` of the measured ones, ``plans`` (the source first, then the draft asked
        about where it is none of them, then proposals by age, each with ``figures`` and how it
        was made), ``best`` (plans by figure) and ``jobs``
        that wait or run.

    Raises
    ------
    NotFoundError
        If there is no such plan, or it has no such community.
    InvalidRowError
        If a limit is below 1.
    """
    source = require_plan(connection, _source_of(connection, plan_id))
    made = _proposals(connection, source.id)
    areas = connection.execute(
        text(
            "SELECT a.id, a.code, a.name FROM plan_communities c JOIN areas a"
            " ON a.id = c.community_id WHERE c.plan_id = :plan ORDER BY a.code"
        ),
        {"plan": source.id},
    ).all()
    measured = _measured(communities, [a.id for a in areas], made, source.id)
    limits = _limits(source, made, household_limit, people_limit)
    bound, moved_bound = _bounds(connection, source.id, measured, limits)
    plans = [
        {
            "plan": source.id,
            "name": source.name,
            "state": source.state,
            "role": "source",
            "made": None,
            "figures": asdict(_figures(connection, source.id, None, measured, limits)),
        }
    ]
    plans += [
        {
            "plan": row.plan_id,
            "name": row.name,
            "state": row.state,
            "role": "proposal",
            "made": _made(row, set(measured)),
            "figures": asdict(_figures(connection, row.plan_id, source.id, measured, limits)),
        }
        for row in made
    ]
    if plan_id not in {p["plan"] for p in plans}:
        own = require_plan(connection, plan_id)
        column = {
            "plan": own.id,
            "name": own.name,
            "state": own.state,
            "role": "draft",
            "made": None,
            "figures": asdict(_figures(connection, own.id, source.id, measured, limits)),
        }
        plans.insert(1, column)
    return {
        "source": {"id": source.id, "name": source.name, "state": source.state},
        "limits": {"households": limits[0], "people": limits[1]},
        "communities": [
            {"id": a.id, "code": a.code, "name": a.name, "measured": a.id in measured}
            for a in areas
        ],
        "bound": bound,
        "moved_bound": moved_bound,
        "plans": plans,
        "best": _best(plans),
        "jobs": _waiting(connection, source.id),
    }


def _source_of(connection: Connection, plan_id: int) -> int:
    """Find where the proposals beside a plan start from.

    The plan itself where proposals were made from it; else what it was proposed from; else the
    plan it is based on, where proposals were made from that.
    """
    plan = require_plan(connection, plan_id)
    candidates = [plan_id]
    candidates += connection.execute(
        text(
            "SELECT (request ->> 'source')::bigint FROM design_jobs WHERE plan_id = :plan"
            " AND request ->> 'source' IS NOT NULL ORDER BY id DESC LIMIT 1"
        ),
        {"plan": plan_id},
    ).scalars()
    if plan.based_on is not None:
        candidates.append(plan.based_on)
    with_proposals = set(
        connection.execute(
            text(
                "SELECT p.id FROM plans p WHERE p.id = ANY(:ids) AND EXISTS (SELECT"
                " FROM design_jobs j WHERE (j.request ->> 'source')::bigint = p.id"
                " AND (j.plan_id IS NOT NULL OR j.state IN ('queued', 'running')))"
            ),
            {"ids": candidates},
        ).scalars()
    )
    return next((int(c) for c in candidates if c in with_proposals), plan_id)


def _proposals(connection: Connection, source: int) -> list[Any]:
    rows = connection.execute(
        text(
            "SELECT DISTINCT ON (j.plan_id) j.id, j.plan_id, j.author, j.finished_at, j.request,"
            " j.result, p.name, p.state FROM design_jobs j JOIN plans p ON p.id = j.plan_id"
            " WHERE (j.request ->> 'source')::bigint = :source AND j.state = 'done'"
            " AND p.state <> 'archived' AND p.id <> :source ORDER BY j.plan_id, j.id DESC"
        ),
        {"source": source},
    ).all()
    return list(rows)[-(MOST_PLANS - 1) :]


def _waiting(connection: Connection, source: int) -> list[dict[str, Any]]:
    rows = connection.execute(
        text(
            "SELECT id, state, stage, progress, request ->> 'scenario' AS scenario"
            " FROM design_jobs WHERE (request ->> 'source')::bigint = :source"
            " AND state IN ('queued', 'running') ORDER BY id"
        ),
        {"source": source},
    ).mappings()
    return [dict(row) for row in rows]


def _measured(
    wanted: Sequence[int], known: Sequence[int], made: Sequence[Any], source: int
) -> list[int]:
    for community in wanted:
        if community not in known:
            raise NotFoundError(
                f"Plan {source} has no community {community}.",
                remedy=f"See /api/v1/plans/{source}/communities.",
                zh=(f"方案 {source} 中没有社区 {community}。", "请从方案的社区列表中选择。"),
            )
    if wanted:
        return [c for c in known if c in set(wanted)]
    designed: set[int] = set()
    for row in made:
        designed |= set(row.request["communities"] or known)
    return [c for c in known if c in designed] or list(known)


def _limits(
    source: Any, made: Sequence[Any], household_limit: int | None, people_limit: int | None
) -> tuple[int, int]:
    agreed = {(row.request["max_households"], row.request["max_people"]) for row in made}
    usual = agreed.pop() if len(agreed) == 1 else (source.household_limit, source.people_limit)
    limits = (
        usual[0] if household_limit is None else household_limit,
        usual[1] if people_limit is None else people_limit,
    )
    if min(limits) < 1:
        raise InvalidRowError(
            "A limit is below 1.",
            remedy="Give limits of 1 or more.",
            zh=("上限不能小于 1。", "请填写 1 或更大的数。"),
        )
    return limits


def _bounds(
    connection: Connection, source: int, communities: list[int], limits: tuple[int, int]
) -> tuple[int, int]:
    """Least grids any plan needs here, and least households any plan within the limits moves."""
    rows = connection.execute(text(_HOMES), {"plan": source, "communities": communities}).all()
    home = np.array([r.community_id for r in rows], np.int64)
    grid = np.array([r.grid_id for r in rows], np.int64)
    load = np.array([(r.households, r.people) for r in rows], float).reshape(-1, 2)
    most = (float(limits[0]), float(limits[1]))
    bound = 0
    for community in np.unique(home):
        mine = home == community
        bound += fewest_grids(load[mine, 0], load[mine, 1], most)
    _, number = np.unique(grid, return_inverse=True)
    return bound, round(fewest_moved(load[:, 0], load[:, 1], number.ravel(), most))


def _figures(
    connection: Connection,
    plan: int,
    source: int | None,
    communities: list[int],
    limits: tuple[int, int],
) -> PlanFigures:
    bound = {"plan": plan, "communities": communities}
    rows = connection.execute(text(_GRIDS), bound | {"barriers": list(_BARRIERS)}).all()

    def column(name: str) -> NDArray[np.float64]:
        return np.array([getattr(r, name) for r in rows if not r.exclusive], float)

    households, people = column("households"), column("people")
    area, around = column("area_m2"), column("around_m")
    lived = households[households + people > 0]
    mean = float(lived.mean()) if len(lived) else 0.0
    need = staffing(
        np.zeros(len(households), np.int64),
        households,
        column("homes").astype(np.int64),
        column("units").astype(np.int64),
        1,
    )
    moved = None
    if source is not None:
        moved = connection.execute(
            text(_MOVED), {"before": source, "after": plan, "communities": communities}
        ).scalar_one()
    split = connection.execute(text(_SPLIT), bound | {"households": limits[0]}).scalar_one()
    keep = (households <= limits[0]) & (people <= limits[1])
    return PlanFigures(
        grids=len(households),
        exclusive=sum(r.exclusive for r in rows),
        households=int(households.sum()),
        people=int(people.sum()),
        within_limits=float(keep.mean()) if len(keep) else 1.0,
        households_over=int(np.maximum(households - limits[0], 0).sum()),
        load_spread=float(lived.std() / mean) if mean else 0.0,
        compounds_split=int(split),
        barrier_crossings=sum(r.crosses for r in rows if not r.exclusive),
        compactness=float((4 * math.pi * area / np.maximum(around, 1e-9) ** 2).mean())
        if len(area)
        else 0.0,
        moved=moved,
        workers=int(need.workers[0]),
        building_heads=int(need.building_heads[0]),
        unit_heads=int(need.unit_heads[0]),
    )


def _made(row: Any, measured: set[int]) -> dict[str, Any]:
    asked, result = row.request, row.result or {}
    return {
        "job": row.id,
        "scenario": asked["scenario"],
        "preset": asked["preset"],
        "limits": {"households": asked["max_households"], "people": asked["max_people"]},
        "communities": asked["communities"],
        "author": row.author,
        "finished_at": row.finished_at and row.finished_at.isoformat(),
        "complete": result.get("complete", True),
        "reasons": [
            {"community": one["name"], **reason}
            for one in result.get("communities", [])
            if one["id"] in measured
            for reason in one["reasons"]
        ],
    }


def _best(plans: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    """Plans with the best value of each figure; none where all are alike.

    Few grids, moves or workers are no merit of a plan above the limits where another is not.
    """
    best: dict[str, list[int]] = {}
    least_over = min(p["figures"]["households_over"] for p in plans)
    for figure, sign in BETTER.items():
        values = {
            p["plan"]: p["figures"][figure]
            for p in plans
            if figure not in _WITHIN_LIMITS or p["figures"]["households_over"] == least_over
        }
        known = {p: round(sign * v, 6) for p, v in values.items() if v is not None}
        top = max(known.values(), default=0.0)
        chosen = [p for p, v in known.items() if v == top]
        alike = len(chosen) == sum(v["figures"][figure] is not None for v in plans)
        best[figure] = [] if alike and len(plans) > 1 else chosen
    return best
