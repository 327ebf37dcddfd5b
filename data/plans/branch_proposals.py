"""Party branches of a plan: proposed from neighbouring grids, and taken as an edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import shapely
from sqlalchemy import Connection

from data.errors import InvalidRowError, NotFoundError
from data.plans.branches import neighbours, require_branch
from data.plans.community import Community, GridRow, load_community
from data.plans.draft import Draft, Request
from geo.branches import branches
from geo.crs import project, projected_crs

LEAST, MOST = 3, 50
"""Members of a branch, as `geo.branches` has them from the party's rules."""


def propose_branches(
    connection: Connection,
    plan_id: int,
    community_id: int,
    *,
    members: Mapping[int, int],
    least: int = LEAST,
    most: int = MOST,
) -> dict[str, Any]:
    """Join neighbouring grids of a community into branches; writes nothing.

    Parameters
    ----------
    connection : Connection
    plan_id, community_id : int
    members : mapping of int to int
        Party members by grid, counts; grids left out keep what is known of them, else 0.
    least, most : int
        Range of members of a branch.

    Returns
    -------
    dict
        ``community``, its ``version``, ``members`` by grid, and ``branches``: name, grids, members
        and whether the number is outside the range.

    Raises
    ------
    NotFoundError
        If the plan has no such community, or the community no such grid.
    geo.errors.DesignError
        If the range is empty or a count negative.
    """
    community = load_community(connection, plan_id, community_id)
    rows = sorted((g for g in community.grids.values() if g.kind != "micro"), key=lambda g: g.code)
    counted = _counted(community, rows, members)
    shapes = np.array([g.shape for g in rows], object)
    crs = projected_crs(shapely.total_bounds(shapes).tolist()).to_wkt()
    metres = shapely.transform(shapes, lambda xy: project(xy, crs))
    found = branches(
        np.array([counted[g.id] for g in rows], np.int64),
        np.zeros(len(rows), np.int64),
        neighbours(shapes),
        shapely.get_coordinates(shapely.point_on_surface(metres)),
        least=least,
        most=most,
    )
    names = iter(range(1, len(found.members) + 1))
    return {
        "community": community.id,
        "name": community.name,
        "version": community.version,
        "members": {str(g): n for g, n in counted.items()},
        "least": least,
        "most": most,
        "branches": [
            {
                "name": _name(community, next(names), [rows[n] for n in own]),
                "grids": [rows[n].id for n in own],
                "codes": [rows[n].code for n in own],
                "members": int(found.members[k]),
                "outside": bool(found.outside[k]),
            }
            for k, own in enumerate(
                [np.flatnonzero(found.branch == k).tolist() for k in range(len(found.members))]
            )
        ],
    }


def take_branches(_connection: Connection, draft: Draft, request: Request) -> None:
    """Give grids their branches, and keep the numbers of members they were made from."""
    community = draft.community
    rows = [g for g in community.grids.values() if g.kind != "micro"]
    members = {int(g): int(n) for g, n in (request.get("members") or {}).items()}
    _counted(community, rows, members)
    seen: set[int] = set()
    known = {g.id for g in rows}
    for branch in request["branches"]:
        for grid in branch["grids"]:
            if grid not in known:
                raise _no_grid(community, grid)
            if grid in seen:
                raise InvalidRowError(
                    f"Grid {grid} is in two branches.",
                    remedy="Put each grid into one branch.",
                    zh=(f"网格 {grid} 同时在两个党支部中。", "每个网格只能属于一个党支部。"),
                )
            seen.add(grid)
            row = draft.rows[grid]
            if row.branch != branch["name"]:
                draft.rows[grid] = replace(row, branch=branch["name"])
    for grid in seen:
        require_branch(community, draft.rows, draft.rows[grid])
    for grid, count in members.items():
        row = draft.rows[grid]
        if (row.counts or {}).get("party_members") != count:
            draft.rows[grid] = replace(row, counts={**(row.counts or {}), "party_members": count})


def added_members(rows: Sequence[GridRow]) -> dict[str, Any] | None:
    """Counts of grids that are joined: their party members added up."""
    known = [(g.counts or {}).get("party_members") for g in rows]
    numbers = [n for n in known if n is not None]
    return {"party_members": sum(numbers)} if numbers else None


def _counted(
    community: Community, rows: Sequence[GridRow], members: Mapping[int, int]
) -> dict[int, int]:
    known = {g.id: int((g.counts or {}).get("party_members") or 0) for g in rows}
    for grid in members:
        if grid not in known:
            raise _no_grid(community, grid)
    return known | dict(members)


def _no_grid(community: Community, grid: int) -> NotFoundError:
    return NotFoundError(
        f"{community.name} has no base or exclusive grid {grid} in this plan.",
        remedy="Load the grids of the community anew and choose one of them.",
        zh=(
            f"本方案中{community.name}没有基础网格或专属网格 {grid}。",
            "请重新载入社区的网格，再选择其中一个。",
        ),
    )


def _name(community: Community, number: int, rows: Sequence[GridRow]) -> str:
    """The name its grids have already where they agree on one, else a number."""
    present = {g.branch for g in rows if g.branch}
    return present.pop() if len(present) == 1 else f"{community.name}第{number}网格党支部"
