"""Staffing of a plan: workers and heads its grids need, against those entered, by community."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlalchemy import Connection, text

from data.plans.reading import require_plan
from geo.staffing import staffing
from geo.standards import StaffingRule

_ROLES = {"workers": "full_time", "building_heads": "building_heads", "unit_heads": "unit_heads"}
"""What is needed → the number of staff entered with grids that answers it."""

_GRIDS = """
SELECT g.community_id, g.full_time, g.building_heads, g.unit_heads,
       coalesce(f.households, 0)::float AS households, coalesce(f.homes, 0)::int AS homes,
       coalesce(f.units, 0)::int AS units
  FROM plan_grids g
  LEFT JOIN LATERAL (
       SELECT sum(t.households) AS households,
              count(*) FILTER (WHERE t.households > 0 OR t.people > 0) AS homes,
              sum(greatest(coalesce(t.units, 1), 1))
                  FILTER (WHERE t.households > 0 OR t.people > 0) AS units
         FROM plan_buildings b JOIN buildings t ON t.id = b.building_id
        WHERE b.grid_id = g.id) f ON true
 WHERE g.plan_id = :plan AND g.kind = 'base' ORDER BY g.id
"""


def plan_staffing(connection: Connection, plan_id: int) -> dict[str, Any]:
    """Compare the staff a plan needs with the numbers entered for its base grids.

    A role that no grid of the plan has a number of counts as not given, not as nobody.

    Returns
    -------
    dict
        ``rule`` with its source, ``given`` (roles with numbers), ``communities`` and ``totals``;
        each role has ``needed``, ``present`` and ``spare`` (negative where short), the latter two
        None where not given.

    Raises
    ------
    NotFoundError
        If there is no such plan.
    """
    require_plan(connection, plan_id)
    areas = connection.execute(
        text(
            "SELECT a.id, a.code, a.name FROM plan_communities c JOIN areas a"
            " ON a.id = c.community_id WHERE c.plan_id = :plan ORDER BY a.code"
        ),
        {"plan": plan_id},
    ).all()
    rows = connection.execute(text(_GRIDS), {"plan": plan_id}).all()
    place = {a.id: n for n, a in enumerate(areas)}
    home = np.array([place[r.community_id] for r in rows], np.int64)
    count = len(areas)
    present = {
        role: np.bincount(home, [getattr(r, column) for r in rows], count).astype(np.int64)
        for role, column in _ROLES.items()
    }
    given = [role for role, numbers in present.items() if numbers.any()]
    rule = StaffingRule()
    found = staffing(
        home,
        np.array([r.households for r in rows], float),
        np.array([r.homes for r in rows], np.int64),
        np.array([r.units for r in rows], np.int64),
        count,
        rule=rule,
        **{role: present[role] for role in given},
    )

    def figures(one: int | slice) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for role in _ROLES:
            spare = getattr(found, f"spare_{role}")
            result[role] = {
                "needed": int(np.sum(getattr(found, role)[one])),
                "present": int(np.sum(present[role][one])) if role in given else None,
                "spare": None if spare is None else int(np.sum(spare[one])),
            }
        return result

    return {
        "rule": {"households_a_worker": rule.households_a_worker, "source": rule.source},
        "given": given,
        "communities": [
            {"id": a.id, "code": a.code, "name": a.name, **figures(n)} for n, a in enumerate(areas)
        ],
        "totals": figures(slice(None)),
    }
