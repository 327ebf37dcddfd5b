"""Merging several nets into one (多网合一): plans laid over one another, and a draft proposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import shapely
from sqlalchemy import Connection, text

from data.errors import InvalidRowError
from data.layers import Feature
from data.plans.community import Community, load_community
from data.plans.from_grids import plan_from_grids
from data.plans.given import GivenGrid, PlanReport
from data.plans.reading import require_plan
from geo.overlay import Net, Overlaid, overlay

MOST_NETS = 6


@dataclass(frozen=True, slots=True)
class MergedNets:
    """What laying nets over one another showed.

    Attributes
    ----------
    conflicts : list of Feature
        Cells in which the nets disagree, with the grid of each.
    cells, households, households_in_conflict : int
        Sums over the district.
    report : PlanReport or None
        Of the draft that was made.
    """

    conflicts: list[Feature]
    cells: int
    households: int
    households_in_conflict: int
    report: PlanReport | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "plan": None if self.report is None else self.report.plan,
            "cells": self.cells,
            "households": self.households,
            "households_in_conflict": self.households_in_conflict,
            "conflicts": {"type": "FeatureCollection", "features": self.conflicts},
            "report": None if self.report is None else self.report.to_dict(),
        }


def merge_nets(
    connection: Connection,
    nets: Sequence[tuple[str, int]],
    *,
    name: str,
    author: str,
    draft: bool = True,
) -> MergedNets:
    """Lay plans over one another and propose a single net.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction` to make a draft.
    nets : sequence of (str, int)
        What each net is called, and the plan that holds it; the first leads.
    name : str
        Of the draft.
    author : str
    draft : bool
        Whether to make the draft.

    Raises
    ------
    InvalidRowError
        If there are fewer than two nets, or too many, or one twice.
    NotFoundError
        If there is no such plan.
    """
    plans = [plan for _, plan in nets]
    if not 2 <= len(plans) <= MOST_NETS or len(set(plans)) < len(plans):
        raise InvalidRowError(
            f"Merging takes two to {MOST_NETS} different nets.",
            remedy="Import each net as a plan of its own: gridcircle import grids FILE.",
            zh=(f"合并需要 2 到 {MOST_NETS} 张不同的网。", "请先把每张网各导入为一个方案。"),
        )
    for plan in plans:
        require_plan(connection, plan)
    communities = connection.execute(
        text(
            "SELECT community_id FROM plan_communities WHERE plan_id = ANY(:plans)"
            " GROUP BY community_id HAVING count(*) = :count ORDER BY community_id"
        ),
        {"plans": plans, "count": len(plans)},
    ).scalars()
    conflicts: list[Feature] = []
    given: list[GivenGrid] = []
    cells = households = disputed = 0
    for community_id in communities.all():
        each = [load_community(connection, plan, community_id) for plan in plans]
        names = [word for word, _ in nets]
        over = overlay(
            [_net(word, c) for word, c in zip(names, each, strict=True)],
            each[0].outline,
            each[0].point,
            each[0].households,
        )
        cells += len(over.cells)
        households += int(over.households.sum())
        disputed += int(over.households[over.conflict].sum())
        conflicts += _conflicts(over, names, each)
        given += _proposed(over, each[0])
    report = plan_from_grids(connection, name, given, author=author) if draft else None
    return MergedNets(conflicts, cells, households, disputed, report)


def _bases(community: Community) -> list[Any]:
    rows = [g for g in community.grids.values() if g.kind != "micro"]
    return sorted(rows, key=lambda g: g.code)


def _net(name: str, community: Community) -> Net:
    rows = _bases(community)
    return Net(name, [g.code for g in rows], [g.shape for g in rows])


def _conflicts(over: Overlaid, names: list[str], each: list[Community]) -> list[Feature]:
    codes = [[g.code for g in _bases(c)] for c in each]
    features = []
    for n in np.flatnonzero(over.conflict).tolist():
        proposed = int(over.proposed[n])
        features.append(
            {
                "type": "Feature",
                "id": f"{each[0].id}-{n}",
                "geometry": orjson.loads(shapely.to_geojson(over.cells[n])),
                "properties": {
                    "community": each[0].id,
                    "households": int(over.households[n]),
                    "grids": {
                        word: None if m < 0 else codes[k][m]
                        for k, (word, m) in enumerate(
                            zip(names, over.members[n].tolist(), strict=True)
                        )
                    },
                    "proposed": None if proposed < 0 else codes[0][proposed],
                },
            }
        )
    return features


def _proposed(over: Overlaid, leading: Community) -> list[GivenGrid]:
    given = []
    for number, row in enumerate(_bases(leading)):
        own = over.cells[over.proposed == number]
        if len(own):
            shape = shapely.union_all(own, grid_size=1e-9)
            given.append(
                GivenGrid(row.code, row.name, row.kind, leading.code, shape, row.branch, row.staff)
            )
    return given
