"""The cheapest ways to bring a grid back under its limits, each one edit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from data.errors import NotFoundError
from data.plans.community import Community, load_community
from data.plans.patches import building_parts
from geo.errors import PartitionError

MOST = 5
"""Suggestions given."""
TRIES = 60
"""Cells looked at for each neighbour, nearest first."""
CHECKED = 12
"""Of these so many where each step has to be tried out."""
TOUCH = 2e-9
"""Cells this near have a common edge, degrees: their vertices are rounded."""

_DIRECTIONS = (
    ("east", "东"),
    ("north-east", "东北"),
    ("north", "北"),
    ("north-west", "西北"),
    ("west", "西"),
    ("south-west", "西南"),
    ("south", "南"),
    ("south-east", "东南"),
)


def suggest(connection: Connection, grid_id: int, plan_id: int) -> list[dict[str, Any]]:
    """Find edits that mend a grid with too many households or people.

    Buildings nearest to a neighbour with room are given to it, as few households as bring the
    grid under its limits, each checked to leave both grids in one piece; where no neighbour has
    room, a split into halves of equal households.

    Parameters
    ----------
    connection : Connection
    grid_id, plan_id : int

    Returns
    -------
    list of dict
        ``text``, ``text_zh``, ``edit`` (as the API takes it) and ``after`` (figures by grid),
        best first; empty for a grid within its limits.

    Raises
    ------
    NotFoundError
        If there is no such grid in the plan.
    """
    community_id = connection.execute(
        text("SELECT community_id FROM plan_grids WHERE id = :grid AND plan_id = :plan"),
        {"grid": grid_id, "plan": plan_id},
    ).scalar_one_or_none()
    if community_id is None:
        raise NotFoundError(
            f"Plan {plan_id} has no grid {grid_id}.",
            remedy="List its grids to see them.",
            zh=(f"方案 {plan_id} 里没有网格 {grid_id}。", "请重新载入方案的网格。"),
        )
    community = load_community(connection, plan_id, int(community_id))
    grid = community.grids[grid_id]
    households, people, _ = community.sums()[grid_id]
    limits = community.limits
    over = (households - limits.households, people - limits.people)
    if grid.kind != "base" or max(over) <= 0:
        return []
    lots = _lots(community, building_parts(connection, community, grid_id))
    found = []
    for other in community.grids.values():
        if other.id != grid_id and other.kind == "base":
            given = _give(community, lots, grid_id, other.id, over)
            if given is not None:
                found.append(given)
    found.sort(key=lambda s: (s["_left"], s["_moved"]))
    if not found or found[0]["_left"] > 0:
        halves = _halves(community, grid_id)
        if halves is not None:
            found.append(halves)
    return [{k: v for k, v in s.items() if not k.startswith("_")} for s in found[:MOST]]


@dataclass(frozen=True, slots=True, eq=False)
class _Lot:
    """Buildings that share a cell and so can only be given together.

    ``places`` in the community, and the ground that goes with them, WGS84 degrees.
    """

    places: tuple[int, ...]
    shape: shapely.Geometry
    load: NDArray[np.int64]
    """Households and people."""


def _lots(community: Community, parts: Mapping[int, shapely.Geometry]) -> list[_Lot]:
    together: dict[bytes, list[int]] = {}
    for place, shape in parts.items():
        together.setdefault(shapely.to_wkb(shape), []).append(place)
    return [
        _Lot(
            tuple(places),
            parts[places[0]],
            np.array([community.households[places].sum(), community.people[places].sum()]),
        )
        for places in together.values()
        if community.households[places].any()
    ]


def _load(lots: Sequence[_Lot]) -> NDArray[np.int64]:
    return np.sum([lot.load for lot in lots], axis=0) if lots else np.zeros(2, np.int64)


def _give(
    community: Community, lots: Sequence[_Lot], grid: int, to: int, over: tuple[int, int]
) -> dict[str, Any] | None:
    """Find the fewest buildings near a neighbour to give to it; None where it has no room."""
    giver, taker = community.grids[grid], community.grids[to]
    if shapely.distance(giver.shape, taker.shape) > 0:
        return None
    sums = community.sums()
    room = (
        community.limits.households - sums[to][0],
        community.limits.people - sums[to][1],
    )
    if min(room) <= 0:
        return None
    points = [shapely.multipoints(community.point[list(lot.places)]) for lot in lots]
    away = shapely.distance(points, taker.shape)
    order = [lots[n] for n in np.argsort(away, kind="stable")[:TRIES]]
    chosen = _grown(taker.shape, order, room, over)
    if chosen and not _possible(community, to, chosen):
        # What is left of the giver would fall apart: one cell at a time, each checked.
        chosen = _grown(
            taker.shape,
            order[:CHECKED],
            room,
            over,
            allowed=lambda some: _possible(community, to, some),
        )
    if not chosen:
        return None
    chosen = _fewer(community, to, chosen, over)
    moved = _load(chosen)
    left = max(0, *(int(o - m) for o, m in zip(over, moved, strict=True)))
    english, chinese = _direction(giver.shape, taker.shape)
    buildings = [int(community.building[n]) for lot in chosen for n in lot.places]
    count = len(buildings)
    return {
        "text": f"Give {count} building{'s' * (count > 1)} with {moved[0]}"
        f" households to {taker.name} in the {english}",
        "text_zh": f"把 {count} 栋楼（{moved[0]} 户）划给{chinese}面的{taker.name}",
        "edit": {
            "kind": "transfer",
            "community": community.id,
            "to": to,
            "buildings": buildings,
        },
        "after": {
            str(grid): _figures(sums[grid], -moved, -count),
            str(to): _figures(sums[to], moved, count),
        },
        "_left": left,
        "_moved": int(moved[0]),
    }


def _grown(
    taker: shapely.Geometry,
    order: Sequence[_Lot],
    room: tuple[int, int],
    over: tuple[int, int],
    *,
    allowed: Callable[[list[_Lot]], bool] = lambda _: True,
) -> list[_Lot]:
    """Take cells that touch the taker or those taken, nearest first, until it is enough."""
    chosen: list[_Lot] = []
    moved = np.zeros(2, np.int64)
    ground = [taker]
    waiting = list(order)
    while waiting:
        for lot in waiting:
            if (moved + lot.load > room).any():
                continue
            if shapely.distance(lot.shape, ground).min() > TOUCH:
                continue
            if allowed([*chosen, lot]):
                break
        else:
            break
        waiting.remove(lot)
        chosen.append(lot)
        ground.append(lot.shape)
        moved = moved + lot.load
        if (moved >= over).all():
            break
    return chosen


def _fewer(community: Community, to: int, chosen: list[_Lot], over: tuple[int, int]) -> list[_Lot]:
    """Leave out what is not needed: the last ones may have been enough without the first."""
    for lot in sorted(chosen, key=lambda lot: int(lot.load[0])):
        rest = [other for other in chosen if other is not lot]
        if rest and (_load(rest) >= over).all() and _possible(community, to, rest):
            chosen = rest
    return chosen


def _possible(community: Community, to: int, chosen: Sequence[_Lot]) -> bool:
    """Whether the transfer is let through and moves exactly these buildings."""
    patch = shapely.union_all([lot.shape for lot in chosen], grid_size=1e-9)
    try:
        change = community.partition().transfer(to, patch)
    except PartitionError:
        return False
    rows = {g: replace(r, shape=change.after.get(g, r.shape)) for g, r in community.grids.items()}
    after = replace(community, grids=rows).settled()
    moved = np.flatnonzero(after.grid_of != community.grid_of)
    return set(moved.tolist()) == {n for lot in chosen for n in lot.places}


def _halves(community: Community, grid: int) -> dict[str, Any] | None:
    """Split across the longer axis, where half of the households lie on each side."""
    row = community.grids[grid]
    own = np.flatnonzero(community.grid_of == grid)
    weights = community.households[own].astype(float)
    if len(own) < 2 or weights.sum() <= 0:
        return None
    stretch = np.array([math.cos(math.radians(row.shape.centroid.y)), 1.0])
    points = community.point[own] * stretch
    middle = np.average(points, axis=0, weights=weights)
    spread = np.cov((points - middle).T, aweights=weights) if len(own) > 2 else np.eye(2)
    axis = np.linalg.eigh(spread)[1][:, -1]
    along = (points - middle) @ axis
    order = np.argsort(along)
    half = int(np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2))
    half = min(max(half, 0), len(own) - 2)
    cut = (along[order[half]] + along[order[half + 1]]) / 2
    across = np.array([-axis[1], axis[0]])
    west, south, east, north = row.shape.bounds
    far = math.hypot(east - west, north - south)
    ends = [(middle + axis * cut + across * side * far) / stretch for side in (-1, 1)]
    line = shapely.LineString(ends)
    try:
        change = community.partition().split(grid, line, pieces=2)
    except PartitionError:
        return None
    new = next(g for g in change.after if g < 0)
    inside = shapely.intersects(change.after[new], shapely.points(community.point[own]))
    sums = community.sums()[grid]
    moved = np.array([community.households[own[inside]].sum(), community.people[own[inside]].sum()])
    return {
        "text": f"Split {row.name} into {sums[0] - moved[0]} and {moved[0]} households",
        "text_zh": f"把{row.name}分成 {sums[0] - moved[0]} 户和 {moved[0]} 户两个网格",
        "edit": {
            "kind": "split",
            "community": community.id,
            "grid": grid,
            "line": {
                "type": "LineString",
                "coordinates": [[round(float(v), 9) for v in end] for end in ends],
            },
        },
        "after": {
            str(grid): _figures(sums, -moved, -int(inside.sum())),
            "new": _figures((0, 0, 0), moved, int(inside.sum())),
        },
        "_left": 0,
        "_moved": int(moved[0]),
    }


def _figures(
    sums: tuple[int, int, int], moved: NDArray[np.int64], buildings: int
) -> dict[str, int]:
    return {
        "households": int(sums[0] + moved[0]),
        "people": int(sums[1] + moved[1]),
        "buildings": int(sums[2] + buildings),
    }


def _direction(one: shapely.Polygon, other: shapely.Polygon) -> tuple[str, str]:
    a, b = one.centroid, other.centroid
    angle = math.atan2(b.y - a.y, (b.x - a.x) * math.cos(math.radians(a.y)))
    return _DIRECTIONS[round(angle / (math.pi / 4)) % 8]
