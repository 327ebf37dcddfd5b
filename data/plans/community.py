"""One community of one plan in memory: its grids, buildings and figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from data.errors import ConflictError, NotFoundError, StaleRowError
from data.layers import Feature
from data.plans.models import STAFF
from geo.grid_rules import Broken, load_broken
from geo.partition import Partition

DECIMALS = 9
"""Decimals of a degree: all there are, so that a vertex comes back as the same vertex."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRow:
    """One grid of a plan; ``shape`` in WGS84 degrees."""

    id: int
    code: str
    name: str
    kind: str
    shape: shapely.Polygon
    parent_id: int | None = None
    branch: str = ""
    staff: tuple[int, ...] = (0,) * len(STAFF)
    crossings: tuple[Broken, ...] = ()
    version: int = 1
    counts: Mapping[str, Any] | None = None
    """What is counted of this grid itself: of a micro-grid made by rule its kind, households,
    people, buildings and units, and what these were counted from (`data.plans.micro.COUNTED`);
    of a base grid its party members."""

    def image(self, plan_id: int, community_id: int) -> dict[str, Any]:
        """Give the row as JSON that the database takes back bit by bit."""
        return {
            "id": self.id,
            "plan_id": plan_id,
            "community_id": community_id,
            "code": self.code,
            "name": self.name,
            "kind": self.kind,
            "parent_id": self.parent_id,
            "branch": self.branch,
            **dict(zip(STAFF, self.staff, strict=True)),
            "crossings": kept_crossings(self),
            "version": self.version,
            "counts": None if self.counts is None else dict(self.counts),
            "geom": shapely.to_wkb(shapely.set_srid(self.shape, 4326), hex=True, include_srid=True),
        }


def told_counts(counts: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Counts of a grid without what they were made from, which is for counting again only."""
    return None if counts is None else {k: v for k, v in counts.items() if k != "of"}


def kept_crossings(row: GridRow) -> list[dict[str, Any]]:
    """Broken rules of a grid that do not follow from its counts, as the database keeps them."""
    return [
        {"rule": b.rule, "value": b.value, "limit": b.limit, "name": b.name} for b in row.crossings
    ]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a base grid of a plan may hold."""

    households: int
    people: int


@dataclass(frozen=True, slots=True)
class Community:
    """A community of a plan.

    Attributes
    ----------
    plan_id, id : int
    code, name : str
    version : int
        What a write names in If-Match.
    state : str
        Of the plan.
    limits : Limits
    outline : Polygon or MultiPolygon
    grids : mapping of int to GridRow
    building : ndarray, shape (n,), int64
    point : ndarray, shape (n, 2), float64
        Of each building, WGS84 degrees.
    households, people : ndarray, shape (n,), int64
        Zero where not known.
    grid_of : ndarray, shape (n,), int64
        Grid of each building; 0 where the building is new and in none yet.
    stations : mapping of int to int
        Red stations by grid.
    """

    plan_id: int
    id: int
    code: str
    name: str
    version: int
    state: str
    limits: Limits
    outline: shapely.Geometry
    grids: Mapping[int, GridRow]
    building: NDArray[np.int64]
    point: NDArray[np.float64]
    households: NDArray[np.int64]
    people: NDArray[np.int64]
    grid_of: NDArray[np.int64]
    stations: NDArray[np.float64]

    def partition(self) -> Partition:
        """Base and exclusive grids."""
        return Partition(
            {g.id: g.shape for g in self.grids.values() if g.kind != "micro"},
            self.outline,
            homes=self.point,
        )

    def settled(self) -> Community:
        """Put every building into the grid its point lies in; those that still do stay."""
        partition = self.partition()
        found = partition.at(self.point)
        stays = np.zeros(len(found), bool)
        points = shapely.points(self.point)
        for grid in np.unique(self.grid_of):
            row = self.grids.get(int(grid))
            if row is not None and row.kind != "micro":
                own = np.flatnonzero(self.grid_of == grid)
                stays[own] = shapely.intersects(row.shape, points[own])
        return replace(self, grid_of=np.where(stays, self.grid_of, found))

    def sums(self) -> dict[int, tuple[int, int, int]]:
        """Households, people and buildings of every grid; of micro-grids by their own area."""
        ids = list(self.grids)
        place = {grid: n for n, grid in enumerate(ids)}
        at = np.array([place.get(int(g), len(ids)) for g in self.grid_of], np.int64)
        count = len(ids) + 1
        households = np.bincount(at, self.households, count)
        people = np.bincount(at, self.people, count)
        buildings = np.bincount(at, minlength=count)
        result = {
            g: (int(households[n]), int(people[n]), int(buildings[n])) for g, n in place.items()
        }
        for grid in self.grids.values():
            if grid.kind == "micro" and grid.counts is not None:
                counts = grid.counts
                result[grid.id] = (
                    int(counts["households"]),
                    int(counts["people"]),
                    int(counts["buildings"]),
                )
            elif grid.kind == "micro":
                inside = shapely.intersects(grid.shape, shapely.points(self.point))
                result[grid.id] = (
                    int(self.households[inside].sum()),
                    int(self.people[inside].sum()),
                    int(inside.sum()),
                )
        return result

    def features(self, grids: Iterable[int] | None = None) -> list[Feature]:
        """Grids as GeoJSON features with their figures; all of them by default."""
        sums = self.sums()
        chosen = self.grids if grids is None else [g for g in grids if g in self.grids]
        return [self._feature(self.grids[g], sums[g]) for g in chosen]

    def broken(self, grids: Iterable[int]) -> list[dict[str, Any]]:
        """Broken rules of some grids, each with the grid."""
        sums = self.sums()
        return [
            {"grid": g, **b.to_dict()}
            for g in grids
            if g in self.grids
            for b in self._broken(self.grids[g], sums[g])
        ]

    def _broken(self, grid: GridRow, sums: tuple[int, int, int]) -> list[Broken]:
        return [
            *load_broken(
                grid.kind,
                sums[0],
                sums[1],
                household_limit=self.limits.households,
                people_limit=self.limits.people,
            ),
            *grid.crossings,
        ]

    def _feature(self, grid: GridRow, sums: tuple[int, int, int]) -> Feature:
        inside = 0
        if len(self.stations):
            inside = int(shapely.intersects(grid.shape, shapely.points(self.stations)).sum())
        return {
            "type": "Feature",
            "id": grid.id,
            "geometry": orjson.loads(shapely.to_geojson(grid.shape)),
            "properties": {
                "code": grid.code,
                "name": grid.name,
                "kind": grid.kind,
                "community": self.id,
                "parent": grid.parent_id,
                "households": sums[0],
                "people": sums[1],
                "buildings": sums[2],
                "stations": inside,
                "branch": grid.branch,
                "version": grid.version,
                "broken": [b.to_dict() for b in self._broken(grid, sums)],
                "staff": dict(zip(STAFF, grid.staff, strict=True)),
                "counts": told_counts(grid.counts),
            },
        }


def load_community(
    connection: Connection, plan_id: int, community_id: int, *, lock: bool = False
) -> Community:
    """Read a community of a plan.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction` to lock.
    plan_id, community_id : int
    lock : bool
        Keep others from writing this community until the transaction ends, and the plan from
        being published; other communities stay free.

    Raises
    ------
    NotFoundError
        If there is no such plan, or the community is not in it.
    """
    head = connection.execute(
        text(
            "SELECT c.version, ST_AsBinary(c.outline) AS outline, a.code, a.name, p.state,"
            " p.household_limit, p.people_limit"
            " FROM plan_communities c JOIN plans p ON p.id = c.plan_id"
            " JOIN areas a ON a.id = c.community_id"
            " WHERE c.plan_id = :plan AND c.community_id = :community"
            + (" FOR UPDATE OF c FOR SHARE OF p" if lock else "")
        ),
        {"plan": plan_id, "community": community_id},
    ).one_or_none()
    if head is None:
        raise NotFoundError(
            f"Plan {plan_id} has no community {community_id}.",
            remedy="See /api/v1/plans for the plans and their communities.",
            zh=(
                f"方案 {plan_id} 里没有社区 {community_id}。",
                "请在方案列表里查看方案和它的社区。",
            ),
        )
    bound = {"plan": plan_id, "community": community_id}
    rows = connection.execute(
        text(
            f"SELECT id, code, name, kind, parent_id, branch, {', '.join(STAFF)}, crossings,"
            " counts, version, ST_AsBinary(geom) AS geom FROM plan_grids"
            " WHERE plan_id = :plan AND community_id = :community ORDER BY id"
        ),
        bound,
    ).all()
    homes = connection.execute(
        text(
            "SELECT b.building_id, ST_X(c.point) AS lon, ST_Y(c.point) AS lat,"
            " coalesce(t.households, 0) AS households, coalesce(t.people, 0) AS people,"
            " b.grid_id"
            " FROM plan_buildings b JOIN building_cells c USING (building_id)"
            " JOIN buildings t ON t.id = b.building_id"
            " WHERE b.plan_id = :plan AND b.community_id = :community ORDER BY b.building_id"
        ),
        bound,
    ).all()
    stations = connection.execute(
        text(
            "SELECT ST_X(geom), ST_Y(geom) FROM stations WHERE community_id = :community"
            " AND kind = 'red_station' AND status = 'open' ORDER BY id"
        ),
        bound,
    ).all()
    grids = {
        row.id: GridRow(
            id=row.id,
            code=row.code,
            name=row.name,
            kind=row.kind,
            parent_id=row.parent_id,
            branch=row.branch,
            staff=tuple(getattr(row, role) for role in STAFF),
            crossings=tuple(Broken(**b) for b in row.crossings),
            version=row.version,
            shape=shapely.from_wkb(bytes(row.geom)),
            counts=row.counts,
        )
        for row in rows
    }
    numbers = np.array([[h[0], h[3], h[4], h[5]] for h in homes], np.int64).reshape(-1, 4)
    return Community(
        plan_id=plan_id,
        id=community_id,
        code=head.code,
        name=head.name,
        version=head.version,
        state=head.state,
        limits=Limits(head.household_limit, head.people_limit),
        outline=shapely.from_wkb(bytes(head.outline)),
        grids=grids,
        building=numbers[:, 0],
        point=np.array([[h[1], h[2]] for h in homes], float).reshape(-1, 2),
        households=numbers[:, 1],
        people=numbers[:, 2],
        grid_of=numbers[:, 3],
        stations=np.array([tuple(s) for s in stations], float).reshape(-1, 2),
    )


def require(community: Community, version: int | None) -> None:
    """Refuse a write to a plan that is no draft, or to a community that has changed since.

    Raises
    ------
    ConflictError
        If the plan is not a draft.
    StaleRowError
        If ``version`` is not the present one; ``present`` holds version and grids.
    """
    require_draft(community.plan_id, community.state)
    if version is not None and version != community.version:
        raise StaleRowError(
            f"{community.name} has been changed: it is at version {community.version}, "
            f"and you saw {version}.",
            present={
                "version": community.version,
                "grids": {"type": "FeatureCollection", "features": community.features()},
            },
            remedy="Look at the present grids and make the change again.",
            zh=(
                f"{community.name}刚被别人改过：现为第 {community.version} 版，"
                f"您看到的是第 {version} 版。",
                "请看过现在的网格，再改一次。",
            ),
        )


def require_draft(plan_id: int, state: str) -> None:
    """Refuse a write to a plan that is no draft.

    Raises
    ------
    ConflictError
        If it is in another state.
    """
    if state != "draft":
        raise ConflictError(
            f"Plan {plan_id} is {state}; only drafts are changed.",
            remedy="Return it to draft, or make a draft from it.",
            zh=(
                f"方案 {plan_id} 不是草稿，只有草稿可以修改。",
                "请先退回为草稿，或由它新建草稿。",
            ),
        )
