"""Micro-grids counted again after buildings have changed: the same borders, new figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection

from data.accounts.account import Account, require
from data.errors import ConflictError
from data.plans.community import Community, GridRow, load_community
from data.plans.edits import change_community
from data.plans.micro import COUNTED, part_of, read_buildings
from data.plans.micro_stale import micro_counts
from data.plans.reading import require_plan
from data.surroundings import in_metres
from geo.crs import projected_crs
from geo.microgrids import KINDS, UNIT, Buildings, recount

if TYPE_CHECKING:
    from data.plans.draft import Draft

KIND = "recount"
"""Of the edit, as the history names it."""
_PART_OF_FOOTPRINT = 0.1
"""Units that hold less of a footprint than this share it only by a crooked line. Our reading."""


def count_again(
    connection: Connection, account: Account, plan_id: int, communities: Sequence[int] = ()
) -> dict[str, Any]:
    """Count the stale micro-grids of a draft again, one edit a community, each undone by itself.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.
    account : Account
        Must be a planner of each community.
    plan_id : int
    communities : sequence of int
        Ids; empty for all that have stale counts. Those that have none are left alone.

    Returns
    -------
    dict
        ``edits`` (``community``, ``edit``), ``recounted`` (micro-grids with other figures), and
        what `micro_counts` gives afterwards.

    Raises
    ------
    NotFoundError
        If there is no such plan, or it has no such community.
    ConflictError
        If it is no draft.
    RightMissingError
    """
    plan = require_plan(connection, plan_id)
    if plan.state != "draft":
        raise ConflictError(
            f"Plan {plan_id} is no draft; its micro-grids are not counted again.",
            remedy="Make a draft from it, count there, and publish that.",
            zh=(
                f"方案 {plan_id} 不是草稿，不能重新计数。",
                "请由它新建草稿，重新计数后再启用。",
            ),
        )
    stale = {one["id"]: one for one in micro_counts(connection, plan_id)["communities"]}
    chosen = sorted(set(communities)) or list(stale)
    edits, recounted = [], 0
    for community_id in chosen:
        community = load_community(connection, plan_id, community_id, lock=True)
        require(account, "planner", community.code)
        if community_id not in stale:
            continue
        rows = counted_again(connection, community)
        if not rows:
            continue

        def change(draft: Draft, rows: dict[int, GridRow] = rows) -> None:
            draft.rows.update(rows)

        done = change_community(
            connection,
            community,
            change,
            {"kind": KIND, "community": community_id},
            author=account.name,
        )
        edits.append({"community": community_id, "edit": done.seq})
        recounted += len(rows)
    return {"edits": edits, "recounted": recounted, **micro_counts(connection, plan_id)}


def counted_again(connection: Connection, community: Community) -> dict[int, GridRow]:
    """Rows of the micro-grids of a community whose counts are others now, by id."""
    homes = read_buildings(connection, community)
    crs = projected_crs(list(shapely.bounds(community.outline))).to_wkt()
    buildings = Buildings(
        in_metres(homes["geom"], crs),
        *(homes[name] for name in ("households", "people", "floors", "units", "kind")),
    )
    grid_of = dict(zip(community.building.tolist(), community.grid_of.tolist(), strict=True))
    parents = np.array([grid_of.get(int(b), 0) for b in homes["id"]], np.int64)
    result: dict[int, GridRow] = {}
    by_parent: dict[int, list[GridRow]] = {}
    for row in sorted(community.grids.values(), key=lambda g: g.id):
        if row.kind == "micro" and row.parent_id is not None:
            by_parent.setdefault(row.parent_id, []).append(row)
    for parent, rows in by_parent.items():
        if any(_by_rule(row) for row in rows):
            here = np.flatnonzero(parents == parent)
            for row in _counted(homes, buildings, here, rows):
                result[row.id] = row
    return result


def _by_rule(row: GridRow) -> bool:
    return row.counts is not None and "kind" in row.counts


def _counted(
    homes: dict[str, Any],
    figures: Buildings,
    here: NDArray[np.int64],
    rows: Sequence[GridRow],
) -> list[GridRow]:
    """Micro-grids of one base grid with their new counts; those that differ."""
    place = {int(homes["id"][building]): int(building) for building in here}
    parts: list[tuple[int, int, int, int]] = []
    known: set[int] = set()
    for micro, row in enumerate(rows):
        for kept in (row.counts or {}).get(COUNTED, ()) if _by_rule(row) else ():
            building = place.get(int(kept[0]))
            if building is not None:
                known.add(building)
                parts.append((building, micro, int(kept[1]), int(kept[2])))
    parts = _whole(parts)
    known &= {building for building, *_ in parts}
    for building in here.tolist():
        if building not in known:
            parts += _placed(homes["geom"][building], building, rows)
    parts = [one for one in parts if _by_rule(rows[one[1]])]
    kinds = np.array(
        [KINDS.index(str((row.counts or {}).get("kind", KINDS[-1]))) for row in rows], np.uint8
    )
    counts = recount(kinds, np.array(parts, np.int64).reshape(-1, 4), figures)
    result = []
    for micro, row in enumerate(rows):
        if not _by_rule(row):
            continue
        households, people, buildings, units = map(int, counts[micro])
        now = {
            **(row.counts or {}),
            "households": households,
            "people": people,
            "buildings": buildings,
            "units": units,
            COUNTED: [
                part_of(homes, building, part=part, parts=of)
                for building, at, part, of in sorted(parts)
                if at == micro
            ],
        }
        if now != row.counts:
            result.append(replace(row, counts=now))
    return result


def _whole(parts: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Number the units anew of which one is gone: every household stays in exactly one."""
    by_building: dict[int, list[tuple[int, int, int, int]]] = {}
    for part in parts:
        by_building.setdefault(part[0], []).append(part)
    return [
        (building, micro, number, len(own))
        for building, some in by_building.items()
        for own in [sorted(some, key=lambda part: part[2])]
        for number, (_, micro, _, _) in enumerate(own)
    ]


def _placed(
    footprint: shapely.Geometry, building: int, rows: Sequence[GridRow]
) -> list[tuple[int, int, int, int]]:
    """Find the micro-grid of a building that none was counted from, or its units."""
    shapes = np.array([row.shape for row in rows], object)
    area = shapely.area(footprint)
    share = shapely.area(shapely.intersection(shapely.make_valid(footprint), shapes))
    if not area or not share.any():
        return [(building, int(shapely.distance(footprint, shapes).argmin()), 0, 1)]
    units = [
        micro
        for micro in np.flatnonzero(share > _PART_OF_FOOTPRINT * area).tolist()
        if (rows[micro].counts or {}).get("kind") == KINDS[UNIT]
    ]
    if int(share.argmax()) in units and len(units) > 1:
        return [(building, micro, part, len(units)) for part, micro in enumerate(units)]
    return [(building, int(share.argmax()), 0, 1)]
