"""Edits that move boundaries: split, merge, transfer, reshape, draw, remove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import orjson
import shapely
from sqlalchemy import Connection

from data.plans.branch_proposals import added_members
from data.plans.codes import grid_name, new_codes
from data.plans.community import GridRow
from data.plans.draft import Draft, Request
from data.plans.journal import used_codes
from data.plans.nesting import pieces_inside
from data.plans.patches import building_patch
from data.plans.streets import street_line
from geo.billionths import snapped
from geo.errors import CoordinateError, PartitionError
from geo.partition import Change


def split(connection: Connection, draft: Draft, request: Request) -> None:
    """Part a grid along a line or a street; the largest piece stays the grid."""
    grid = draft.grid(request["grid"])
    if request.get("street") is not None:
        line = street_line(connection, request["street"], grid.shape)
        change = draft.community.partition().split(grid.id, line, pieces=2)
    else:
        change = draft.community.partition().split(grid.id, _geometry(request, "line"))
    draft.apply(change)
    for number, row in _new_rows(connection, draft, change).items():
        draft.rows[number] = replace(row, kind=grid.kind, branch=grid.branch)
        draft.lineage.append((grid.code, row.code))
    draft.lineage.append((grid.code, grid.code))


def merge(_connection: Connection, draft: Draft, request: Request) -> None:
    """Join neighbouring grids: the largest keeps code and name, staff and members add up."""
    rows = [draft.grid(g) for g in dict.fromkeys(request["grids"])]
    change = draft.community.partition().merge([row.id for row in rows])
    kept = next(iter(change.parents))
    draft.apply(change)
    staff = np.sum([row.staff for row in rows], axis=0).tolist()
    draft.rows[kept] = replace(draft.rows[kept], staff=tuple(staff), counts=added_members(rows))
    draft.lineage += [(row.code, draft.rows[kept].code) for row in rows]


def transfer(connection: Connection, draft: Draft, request: Request) -> None:
    """Give a grid a patch of its neighbours, or the ground of some buildings."""
    to = draft.grid(request["to"])
    if request.get("patch") is not None:
        draft.apply(draft.community.partition().transfer(to.id, _geometry(request, "patch")))
        return
    patch = building_patch(connection, draft.community, to.id, request["buildings"])
    draft.apply(draft.community.partition().transfer(to.id, patch))


def reshape(_connection: Connection, draft: Draft, request: Request) -> None:
    """Draw the border between two grids anew, or move one corner."""
    partition = draft.community.partition()
    if request.get("between") is not None:
        one, other = (draft.grid(g).id for g in request["between"])
        draft.apply(partition.reshape(one, other, _geometry(request, "line")))
    else:
        draft.apply(partition.move_vertex(_lonlat(request["vertex"]), _lonlat(request["to"])))


def draw(connection: Connection, draft: Draft, request: Request) -> None:
    """Draw a new grid over those there are, or a micro-grid inside one."""
    kind = request.get("grid_kind") or "base"
    patch = _geometry(request, "patch")
    if kind == "micro":
        _draw_micro(draft, request, patch)
        return
    before = dict(draft.rows)
    change = draft.community.partition().draw(patch)
    draft.apply(change)
    for number, row in _new_rows(connection, draft, change).items():
        draft.rows[number] = replace(row, kind=kind, name=request.get("name") or row.name)
        draft.lineage += [(before[g].code, row.code) for g in change.parents[number]]


def _draw_micro(draft: Draft, request: Request, patch: shapely.Geometry) -> None:
    shape = snapped(patch)
    middle = _place(shape)
    point = shapely.Point(middle)
    parent = next(
        (g for g in draft.rows.values() if g.kind != "micro" and g.shape.intersects(point)), None
    )
    if parent is None:
        raise PartitionError(
            "There is no base grid under this micro-grid.",
            at=middle,
            remedy="Draw it inside one base grid.",
            zh=("这个微网格下面没有基础网格。", "请画在一个基础网格以内。"),
        )
    beside = [g for g in draft.rows.values() if g.parent_id == parent.id]
    pieces = pieces_inside(shape, parent.shape, [g.shape for g in beside])
    if len(pieces) != 1:
        raise PartitionError(
            "What is left inside the base grid, beside other micro-grids, is not one piece.",
            at=middle,
            remedy="Draw it on free ground inside one base grid.",
            zh=(
                "除去其他微网格后，在基础网格内剩下的不是完整的一块。",
                "请画在一个基础网格内的空地上。",
            ),
        )
    ends = [g.code.removeprefix(parent.code) for g in beside]
    serial = max((int(end) for end in ends if end.isdigit()), default=0) + 1
    draft.rows[-1] = GridRow(
        id=-1,
        code=f"{parent.code}{serial:02d}",
        name=request.get("name") or f"{parent.name}微网格{serial}",
        kind="micro",
        parent_id=parent.id,
        shape=snapped(pieces[0]),
    )


def remove(_connection: Connection, draft: Draft, request: Request) -> None:
    """Take a micro-grid away; of the others none can go without leaving a gap."""
    grid = draft.grid(request["grid"], micro=True)
    if grid.kind != "micro":
        raise PartitionError(
            "Removing this grid would leave a gap.",
            at=_place(grid.shape),
            remedy="Merge it with a neighbour; only micro-grids are removed.",
            zh=("撤销这个网格会留下空缺。", "请把它与相邻网格合并；只有微网格可以直接撤销。"),
        )
    del draft.rows[grid.id]
    draft.removed.append(grid.id)


def _geometry(request: Request, key: str) -> shapely.Geometry:
    try:
        shape = shapely.from_geojson(orjson.dumps(request[key]))
    except (shapely.GEOSException, TypeError) as error:
        raise CoordinateError(f"{key} is no GeoJSON geometry: {error}.") from error
    bounds = shapely.bounds(shape)
    if shape is None or not np.isfinite(bounds).all() or np.abs(bounds).max() > 180:
        raise CoordinateError(f"{key} does not lie in degrees of WGS84.")
    return shapely.force_2d(shape)


def _lonlat(value: Sequence[float]) -> tuple[float, float]:
    return float(value[0]), float(value[1])


def _place(shape: shapely.Geometry) -> tuple[float, float]:
    middle = shapely.point_on_surface(shape)
    return middle.x, middle.y


def _new_rows(connection: Connection, draft: Draft, change: Change) -> dict[int, GridRow]:
    community = draft.community
    shapes = {g: change.after[g] for g in sorted(change.after, reverse=True) if g < 0}
    codes = new_codes(
        community.code,
        community.name,
        used_codes(connection, community),
        list(shapes.values()),
    )
    return {
        g: GridRow(id=g, code=code, name=grid_name(community.name, code), kind="base", shape=shape)
        for (g, shape), code in zip(shapes.items(), codes, strict=True)
    }
