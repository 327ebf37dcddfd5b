"""Base grids proposed for communities of the database, ending in a draft plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, text

from data.database import Database
from data.designs.present import present_of
from data.errors import InvalidRowError, NotFoundError
from data.plans.begin import checked_name
from data.plans.design_cells import design_cells
from data.plans.from_grids import plan_from_grids
from data.plans.given import GivenGrid
from data.plans.limits import set_limits
from data.plans.models import STAFF
from data.plans.reading import no_communities, require_plan
from data.surroundings import in_metres, read_surroundings, surroundings
from geo.cells import Cells, nearest_m
from geo.crs import projected_crs, unproject
from geo.griddesign import Design, Scenario, design, scenario_named
from geo.standards import GRID_PRESETS, GridLimits

Progress = Callable[[str, float], None]

_BEGINS = {"reading": 0.0, "cells": 0.02, "grids": 0.3, "draft": 0.85}
_ENDS = {"reading": 0.02, "cells": 0.3, "grids": 0.85, "draft": 1.0}
_LONGEST_S = 3600.0


@dataclass(frozen=True, slots=True)
class DesignRequest:
    """What a planner asks for.

    Attributes
    ----------
    name : str
        Of the draft.
    source : int or None
        Plan that holds the present grids; None for none.
    communities : tuple of int
        Ids of the areas to design; empty for all.
    preset, scenario : str
        See `geo.griddesign.design`.
    max_households, max_people : int
    locked, selected : tuple of int
        Ids of base grids of ``source`` whose buildings stay, and that are to be re-balanced.
    seed : int
    time_limit_s : float
        Seconds for the search.
    """

    name: str
    source: int | None = None
    communities: tuple[int, ...] = ()
    preset: str = "standard"
    scenario: Scenario = "fewest"
    max_households: int = GridLimits().households
    max_people: int = GridLimits().people
    locked: tuple[int, ...] = ()
    selected: tuple[int, ...] = ()
    seed: int = 1
    time_limit_s: float = 120.0

    @classmethod
    def of(cls, kept: dict[str, Any]) -> DesignRequest:
        """Make it again from the JSON of `to_dict`."""
        lists = {key: tuple(kept[key]) for key in ("communities", "locked", "selected")}
        return cls(**(kept | lists))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(slots=True)
class Proposal:
    """What a proposal came to.

    Attributes
    ----------
    plan : int
        The draft.
    figures : dict
        ``communities`` (grids, present grids, bound, gap, moved, reasons of each), ``totals``,
        ``kept``, ``complete`` and ``warnings``.
    """

    plan: int
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Ground:
    """What the database holds that a design needs."""

    communities: gpd.GeoDataFrame
    ids: NDArray[np.int64]
    """Of the buildings; ``homes`` are the ids of their communities."""
    homes: NDArray[np.int64]
    buildings: NDArray[np.object_]
    households: NDArray[np.float64]
    people: NDArray[np.float64]
    compounds: gpd.GeoDataFrame
    base: gpd.GeoDataFrame
    stations: NDArray[np.object_]
    grids: list[Row[Any]]
    """All grids of the source plan, also of communities that are left alone."""
    uncounted: int


def check_request(connection: Connection, request: DesignRequest) -> None:
    """Refuse what can never be designed, before it waits for its turn.

    Raises
    ------
    NotFoundError
        If there is no such plan, community or base grid.
    InvalidRowError
        If the preset or a number makes no sense, or the scenario lacks a plan or a grid.
    geo.errors.DesignError
        If there is no such scenario.
    """
    scenario_named(request.scenario)
    checked_name(request.name)
    _check_choices(request)
    _check_places(connection, request)


def _check_choices(request: DesignRequest) -> None:
    if request.preset not in GRID_PRESETS:
        raise InvalidRowError(
            f"preset: there is no preset {request.preset!r}.",
            remedy=f"Use one of: {', '.join(GRID_PRESETS)}.",
            zh=(f"没有预设 {request.preset!r}。", f"请使用：{'、'.join(GRID_PRESETS)}。"),
        )
    if min(request.max_households, request.max_people) < 1:
        raise InvalidRowError(
            "A limit is below 1.",
            remedy="Give limits of 1 or more.",
            zh=("上限不能小于 1。", "请填写 1 或更大的上限。"),
        )
    if not 0 < request.time_limit_s <= _LONGEST_S:
        raise InvalidRowError(
            f"time_limit_s: {request.time_limit_s:g} is not between 0 and {_LONGEST_S:g}.",
            remedy="Give the seconds the search may take.",
            zh=(
                f"计算时限 {request.time_limit_s:g} 秒不在 0 到 {_LONGEST_S:g} 之间。",
                "请填写允许计算的秒数。",
            ),
        )
    builds_on = request.scenario in ("least_change", "rebalance")
    if request.source is None and (builds_on or request.locked or request.selected):
        raise InvalidRowError(
            "source: this scenario, and locked or selected grids, need a present plan.",
            remedy="Name the plan to start from, or use the scenario fewest.",
            zh=(
                "这种划分方式、锁定或选中网格，都需要一个现有方案。",
                "请指明从哪个方案开始，或改用“网格最少”。",
            ),
        )
    if request.scenario == "rebalance" and not request.selected:
        raise InvalidRowError(
            "selected: no grid is named to re-balance.",
            remedy="Name at least one grid of the present plan.",
            zh=("没有选中要重新平衡的网格。", "请至少选择一个现有网格。"),
        )


def _check_places(connection: Connection, request: DesignRequest) -> None:
    if request.source is not None:
        require_plan(connection, request.source)
    known = set(
        connection.execute(text("SELECT id FROM areas WHERE level = 'community'")).scalars()
    )
    if not known:
        raise no_communities()
    for community in request.communities:
        if community not in known:
            raise NotFoundError(
                f"There is no community {community}.",
                remedy="See /api/v1/areas for the communities there are.",
                zh=(f"没有社区 {community}。", "请重新选择社区。"),
            )
    wanted = {*request.locked, *request.selected}
    inside = list(request.communities) or list(known)
    found = set(
        connection.execute(
            text(
                "SELECT id FROM plan_grids WHERE plan_id = :plan AND kind = 'base'"
                " AND id = ANY(:ids) AND community_id = ANY(:inside)"
            ),
            {"plan": request.source, "ids": list(wanted), "inside": inside},
        ).scalars()
    )
    for grid in sorted(wanted - found):
        raise NotFoundError(
            f"Grid {grid} is no base grid of plan {request.source} in the communities to design.",
            remedy="Name base grids of the plan the design starts from.",
            zh=(
                f"网格 {grid} 不是方案 {request.source} 在这些社区里的基础网格。",
                "请选择起始方案中的基础网格。",
            ),
        )


def propose(
    database: Database,
    request: DesignRequest,
    *,
    author: str,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Proposal:
    """Design grids and keep them as a draft.

    No connection is held while the search runs. The draft is made as an import of grids makes
    one: repaired on billionths of a degree, then proven by the database at commit. Communities
    that are not designed keep the grids of the source plan.

    Parameters
    ----------
    database : Database
    request : DesignRequest
    author : str
    progress : callable, optional
        Told the stage (reading, cells, grids or draft) and the share of the whole that is done.
    cancelled : callable, optional
        Whether to take the best so far.

    Raises
    ------
    NotFoundError, InvalidRowError
        As `check_request`.
    geo.errors.DesignError
        If the communities cannot be designed at all.
    """

    def tell(stage: str, share: float) -> None:
        if progress is not None:
            low, high = _BEGINS[stage], _ENDS[stage]
            progress(stage, round(low + (high - low) * min(1.0, max(0.0, share)), 4))

    tell("reading", 0.0)
    with database.connect() as connection:
        check_request(connection, request)
        ground = _read(connection, request)
    crs = projected_crs(ground.communities.total_bounds).to_wkt()
    shapes = in_metres(ground.buildings, crs)
    ids = set(ground.communities["id"])
    present = _frame([g for g in ground.grids if g.kind == "base" and g.community_id in ids])
    sites = _frame([g for g in ground.grids if g.kind == "exclusive" and g.community_id in ids])
    fixed = present[_staying(request, present)]
    around = surroundings(
        ground.base,
        ground.compounds,
        np.asarray(sites.geometry.array, object),
        crs,
        # What stays keeps its course where it can: its outline bounds cells as a street does.
        streets=gpd.GeoDataFrame(geometry=fixed.geometry.array, crs="EPSG:4326"),
    )
    designed = ground.communities["id"].to_numpy(np.int64)
    cells = design_cells(
        database,
        designed,
        in_metres(ground.communities.geometry.array, crs),
        ground.ids,
        ground.homes,
        shapes,
        around,
        np.isin(designed, [row.community_id for row in (*fixed["row"], *sites["row"])]),
        crs,
        author=author,
        progress=lambda share: tell("cells", share),
    )
    households, people = cells.count(ground.households), cells.count(ground.people)
    now = present_of(cells, shapes, present, crs) if len(present) else None
    rows = {int(grid): row for row, grid in enumerate(present["id"])}
    points = shapely.get_coordinates(in_metres(ground.stations, crs))
    made = design(
        cells,
        households,
        people,
        limits=GridLimits(request.max_households, request.max_people),
        preset=request.preset,
        scenario=request.scenario,
        present=now,
        selected=np.array([rows[g] for g in request.selected], np.int64),
        locked=None
        if now is None
        else np.isin(now, [rows[g] for g in request.locked]) & (now >= 0),
        station_m=nearest_m(cells, points) if len(points) else None,
        seed=request.seed,
        time_limit_s=request.time_limit_s,
        progress=lambda _, share: tell("grids", share),
        cancelled=cancelled,
    )
    tell("draft", 0.0)
    given = _given(made, cells, ground.communities, present, sites, crs)
    given += [_kept(row) for row in ground.grids if row.community_id not in ids]
    with database.transaction(actor=author) as connection:
        report = plan_from_grids(
            connection,
            request.name,
            given,
            author=author,
            based_on=request.source,
            progress=lambda _, share: tell("draft", share),
        )
        set_limits(connection, report.plan, request.max_households, request.max_people)
    return Proposal(report.plan, _figures(made, ground, present, report.undecided))


def _read(connection: Connection, request: DesignRequest) -> _Ground:
    areas = connection.execute(
        text(
            "SELECT id, code, name, ST_AsBinary(geom) AS geom FROM areas WHERE level = 'community'"
            " AND (:all OR id = ANY(:ids)) ORDER BY code"
        ),
        {"all": not request.communities, "ids": list(request.communities)},
    ).all()
    bound = {"ids": [area.id for area in areas]}
    buildings = connection.execute(
        text(
            "SELECT id, community_id, households, people, ST_AsBinary(geom) AS geom FROM buildings"
            " WHERE community_id = ANY(:ids) ORDER BY id"
        ),
        bound,
    ).all()
    base, compounds = read_surroundings(connection, bound["ids"])
    stations = connection.execute(
        text(
            "SELECT ST_AsBinary(geom) AS geom FROM stations"
            " WHERE kind = 'red_station' AND status = 'open' ORDER BY id"
        )
    ).all()
    grids = (
        []
        if request.source is None
        else list(
            connection.execute(
                text(
                    f"SELECT g.id, g.code, g.name, g.kind, g.branch, {', '.join(STAFF)},"
                    " g.community_id, a.code AS community, ST_AsBinary(g.geom) AS geom"
                    " FROM plan_grids g JOIN areas a ON a.id = g.community_id"
                    " WHERE g.plan_id = :plan ORDER BY g.id"
                ),
                {"plan": request.source},
            ).all()
        )
    )

    def counted(column: str) -> NDArray[np.float64]:
        return np.array([getattr(b, column) or 0 for b in buildings], np.float64)

    return _Ground(
        gpd.GeoDataFrame(
            {
                "id": [a.id for a in areas],
                "code": [a.code for a in areas],
                "name": [a.name for a in areas],
            },
            geometry=_shapes(areas),
            crs="EPSG:4326",
        ),
        np.array([b.id for b in buildings], np.int64),
        np.array([b.community_id for b in buildings], np.int64),
        _shapes(buildings),
        counted("households"),
        counted("people"),
        compounds,
        base,
        _shapes(stations),
        grids,
        sum(b.households is None for b in buildings),
    )


def _shapes(rows: Sequence[Row[Any]]) -> NDArray[np.object_]:
    shapes = np.empty(len(rows), object)
    shapes[:] = [shapely.from_wkb(bytes(row.geom)) for row in rows]
    return shapes


def _frame(grids: Sequence[Row[Any]]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"id": np.array([g.id for g in grids], np.int64), "row": list(grids)},
        geometry=_shapes(grids),
        crs="EPSG:4326",
    )


def _staying(request: DesignRequest, present: gpd.GeoDataFrame) -> NDArray[np.bool_]:
    ids = present["id"].to_numpy(np.int64)
    stays: NDArray[np.bool_] = np.isin(ids, request.locked)
    if request.scenario == "rebalance":
        stays |= ~np.isin(ids, request.selected)
    return stays


def _given(
    made: Design,
    cells: Cells,
    communities: gpd.GeoDataFrame,
    present: gpd.GeoDataFrame,
    sites: gpd.GeoDataFrame,
    crs: str,
) -> list[GivenGrid]:
    """Grids as `plan_from_grids` takes them; one that goes on keeps its code, name and staff."""
    order = np.argsort(made.grid, kind="stable")
    starts = np.searchsorted(made.grid[order], np.arange(len(made.community)))
    tree = shapely.STRtree(np.asarray(sites.geometry.array, object))
    grids = []
    for number, members in enumerate(np.split(order, starts[1:])):
        shape = shapely.transform(
            shapely.coverage_union_all(cells.geometry[members]), lambda xy: unproject(xy, crs)
        )
        before = None
        if made.exclusive[number]:
            found = tree.query(shapely.point_on_surface(shape), predicate="intersects")
            before = sites["row"].iloc[int(found[0])] if len(found) else None
        elif made.present[number] >= 0:
            before = present["row"].iloc[int(made.present[number])]
        grids.append(
            GivenGrid(
                code="" if before is None else before.code,
                name="" if before is None else before.name,
                kind="exclusive" if made.exclusive[number] else "base",
                community=str(communities["code"].iloc[int(made.community[number])]),
                shape=shape,
                branch="" if before is None else before.branch,
                staff=(0,) * len(STAFF)
                if before is None
                else tuple(getattr(before, role) for role in STAFF),
            )
        )
    return grids


def _kept(row: Row[Any]) -> GivenGrid:
    return GivenGrid(
        row.code,
        row.name,
        row.kind,
        row.community,
        shapely.from_wkb(bytes(row.geom)),
        row.branch,
        tuple(getattr(row, role) for role in STAFF),
    )


def _figures(
    made: Design, ground: _Ground, present: gpd.GeoDataFrame, undecided: int
) -> dict[str, Any]:
    areas = ground.communities
    homes = [row.community_id for row in present["row"]]
    communities: list[dict[str, Any]] = []
    for one in made.communities:
        area = areas.iloc[one.community]
        communities.append(
            {
                "id": int(area["id"]),
                "code": str(area["code"]),
                "name": str(area["name"]),
                "households": round(one.households),
                "people": round(one.people),
                "grids": one.grids,
                "exclusive": one.exclusive,
                "present_grids": homes.count(area["id"]) if len(present) else None,
                "bound": one.bound,
                "gap": _finite(one.gap),
                "moved": one.moved,
                "moved_bound": one.moved_bound,
                "kept": one.kept,
                "complete": one.complete,
                "reasons": [
                    {
                        "rule": reason.rule,
                        "value": _finite(reason.value),
                        "limit": _finite(reason.limit),
                        "message": reason.message,
                        "message_zh": reason.message_zh,
                    }
                    for reason in one.reasons
                ],
            }
        )
    warnings = []
    if ground.uncounted:
        warnings.append({"kind": "uncounted", "count": ground.uncounted})
    if undecided:
        warnings.append({"kind": "undecided", "count": undecided})

    def summed(key: str) -> float | None:
        values = [float(c[key]) for c in communities if c[key] is not None]
        return sum(values) if values else None

    keys = ("households", "people", "grids", "exclusive", "present_grids", "bound", "moved")
    return {
        "communities": communities,
        "totals": {key: summed(key) for key in (*keys, "moved_bound")},
        "kept": made.kept and not any(one.reasons for one in made.communities),
        "complete": all(one.complete for one in made.communities),
        "warnings": warnings,
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
