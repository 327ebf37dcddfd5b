"""Edits of a plan: one call, one transaction, one community; previewed, undone and done again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import orjson
import shapely
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from data.constraints import refusal
from data.errors import ConflictError, Fault, InvalidRowError, NotFoundError
from data.layers import Feature
from data.plans.branch_proposals import added_members, take_branches
from data.plans.branches import require_branch
from data.plans.codes import grid_code, is_grid_code, next_serials, numbered
from data.plans.community import Community, GridRow, load_community, require
from data.plans.crossings import with_crossings
from data.plans.micro import make_microgrids
from data.plans.models import STAFF
from data.plans.patches import building_patch
from data.plans.streets import street_line
from data.plans.take import take
from geo.errors import CoordinateError, PartitionError
from geo.partition import Change, snapped

EDIT_KINDS = (
    "split",
    "merge",
    "transfer",
    "reshape",
    "draw",
    "rename",
    "renumber",
    "change_kind",
    "remove",
    "take",
    "microgrids",
    "branches",
)

Request = Mapping[str, Any]
"""The body of an edit: ``kind``, ``community`` and what the kind needs; geometries as GeoJSON."""


@dataclass(frozen=True, slots=True)
class EditResult:
    """What an edit did, or would do.

    Attributes
    ----------
    seq : int or None
        Number of the edit; None for a preview.
    before, after : Community
    changed : tuple of int
        Grids that are new or differ; new grids of a preview have negative numbers.
    removed : tuple of int
    lineage : tuple of (str, str)
        Code before, code after.
    """

    seq: int | None
    before: Community
    after: Community
    changed: tuple[int, ...]
    removed: tuple[int, ...]
    lineage: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        touched = [g for g in (*self.changed, *self.removed) if g in self.before.grids]
        return {
            "edit": self.seq,
            "preview": self.seq is None,
            "community": self.after.id,
            "version": self.after.version,
            "changed": _collection(self.after.features(self.changed)),
            "before": _collection(self.before.features(touched)),
            "removed": list(self.removed),
            "moved": self.moved(),
            "lineage": [{"before": a, "after": b} for a, b in self.lineage],
            "broken": self.after.broken(self.changed),
        }

    def moved(self) -> dict[str, int]:
        """Count the buildings that lie in another grid than before, with their people."""
        was = dict(zip(self.before.building.tolist(), self.before.grid_of.tolist(), strict=True))
        other = np.array(
            [
                was.get(b, g) != g
                for b, g in zip(
                    self.after.building.tolist(), self.after.grid_of.tolist(), strict=True
                )
            ],
            bool,
        )
        return {
            "buildings": int(other.sum()),
            "households": int(self.after.households[other].sum()),
            "people": int(self.after.people[other].sum()),
        }


@dataclass(slots=True)
class _Draft:
    """A community being changed."""

    community: Community
    rows: dict[int, GridRow]
    outline: shapely.Geometry
    removed: list[int] = field(default_factory=list)
    lineage: list[tuple[str, str]] = field(default_factory=list)

    def take(self, change: Change) -> None:
        for grid in change.removed:
            del self.rows[grid]
            self.removed.append(grid)
        for grid, shape in change.after.items():
            if grid in self.rows:
                self.rows[grid] = replace(self.rows[grid], shape=shape)
        if change.outline is not None:
            self.outline = change.outline


def _collection(features: list[Feature]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": features}


def edit(
    connection: Connection,
    plan_id: int,
    request: Request,
    *,
    version: int | None,
    author: str,
    preview: bool = False,
) -> EditResult:
    """Change grids of one community of a draft.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`; for a preview a reading one is enough.
    plan_id : int
    request : mapping
        As the API takes it.
    version : int or None
        Version of the community that the author saw; None for a preview of the present.
    author : str
    preview : bool
        Compute and write nothing.

    Raises
    ------
    StaleRowError
        If the community has another version; with the present grids.
    PartitionError
        If the grids would be no partition; with the place.
    NotFoundError, ConflictError, InvalidRowError
        If something is not there, the plan is no draft, or a value makes no sense.
    """
    community = load_community(connection, plan_id, int(request["community"]), lock=not preview)
    require(community, version)
    taken = _codes(connection, plan_id, community) if request["kind"] in _NEW_CODES else set()
    kind = _KINDS[request["kind"]]
    return change_community(
        connection,
        community,
        lambda draft: kind(connection, draft, request, taken),
        request,
        author=author,
        preview=preview,
    )


def change_community(
    connection: Connection,
    community: Community,
    change: Callable[[_Draft], None],
    request: Request,
    *,
    author: str,
    preview: bool = False,
) -> EditResult:
    """Change the grids of a community and write it down as one edit that can be undone.

    Parameters
    ----------
    connection : Connection
    community : Community
        Locked, unless for a preview; the caller has looked at its version.
    change : callable
        Changes the draft it is given.
    request : mapping
        With ``kind``; kept with the edit.
    author : str
    preview : bool

    Raises
    ------
    PartitionError, InvalidRowError
        As `edit`.
    """
    draft = _Draft(community, dict(community.grids), community.outline)
    change(draft)
    after = _settle(connection, draft, preview=preview)
    changed = tuple(g for g, row in after.grids.items() if row is not community.grids.get(g))
    if not changed and not draft.removed:
        raise InvalidRowError(
            "This edit changes nothing.",
            remedy="Draw or choose something else than is there.",
            zh=("这次编辑没有改变任何内容。", "请画出或选择与现状不同的内容。"),
        )
    result = EditResult(None, community, after, changed, tuple(draft.removed), tuple(draft.lineage))
    return result if preview else _write(connection, result, request, author)


# Kinds -------------------------------------------------------------------------------------------


def _split(connection: Connection, draft: _Draft, request: Request, taken: set[str]) -> None:
    grid = _grid(draft, request["grid"])
    if request.get("street") is not None:
        line = street_line(connection, request["street"], grid.shape)
        change = draft.community.partition().split(grid.id, line, pieces=2)
    else:
        change = draft.community.partition().split(grid.id, _geometry(request, "line"))
    draft.take(change)
    for number, row in _new_rows(draft, change, taken).items():
        draft.rows[number] = replace(row, kind=grid.kind, branch=grid.branch)
        draft.lineage.append((grid.code, row.code))
    draft.lineage.append((grid.code, grid.code))


def _merge(_connection: Connection, draft: _Draft, request: Request, _taken: set[str]) -> None:
    rows = [_grid(draft, g) for g in dict.fromkeys(request["grids"])]
    change = draft.community.partition().merge([row.id for row in rows])
    kept = next(iter(change.parents))
    draft.take(change)
    staff = np.sum([row.staff for row in rows], axis=0).tolist()
    draft.rows[kept] = replace(draft.rows[kept], staff=tuple(staff), counts=added_members(rows))
    draft.lineage += [(row.code, draft.rows[kept].code) for row in rows]


def _transfer(_connection: Connection, draft: _Draft, request: Request, _taken: set[str]) -> None:
    to = _grid(draft, request["to"])
    if request.get("patch") is not None:
        draft.take(draft.community.partition().transfer(to.id, _geometry(request, "patch")))
        return
    patch = building_patch(_connection, draft.community, to.id, request["buildings"])
    draft.take(draft.community.partition().transfer(to.id, patch))


def _reshape(_connection: Connection, draft: _Draft, request: Request, _taken: set[str]) -> None:
    partition = draft.community.partition()
    if request.get("between") is not None:
        one, other = (_grid(draft, g).id for g in request["between"])
        draft.take(partition.reshape(one, other, _geometry(request, "line")))
    else:
        draft.take(partition.move_vertex(_lonlat(request["vertex"]), _lonlat(request["to"])))


def _draw(_connection: Connection, draft: _Draft, request: Request, taken: set[str]) -> None:
    kind = request.get("grid_kind") or "base"
    patch = _geometry(request, "patch")
    if kind == "micro":
        _draw_micro(draft, request, patch)
        return
    before = dict(draft.rows)
    change = draft.community.partition().draw(patch)
    draft.take(change)
    for number, row in _new_rows(draft, change, taken).items():
        draft.rows[number] = replace(row, kind=kind, name=request.get("name") or row.name)
        draft.lineage += [(before[g].code, row.code) for g in change.parents[number]]


def _draw_micro(draft: _Draft, request: Request, patch: shapely.Geometry) -> None:
    shape = snapped(patch)
    middle = shapely.point_on_surface(shape)
    parent = next(
        (g for g in draft.rows.values() if g.kind != "micro" and g.shape.intersects(middle)), None
    )
    if parent is None:
        raise PartitionError(
            "There is no base grid under this micro-grid.",
            at=(middle.x, middle.y),
            remedy="Draw it inside one base grid.",
            zh=("这个微网格下面没有基础网格。", "请画在一个基础网格以内。"),
        )
    shape = shapely.intersection(shape, parent.shape, grid_size=1e-9)
    for other in draft.rows.values():
        if other.parent_id == parent.id:
            shape = shapely.difference(shape, other.shape, grid_size=1e-9)
    # Where the drawn edge runs along that of the grid, a line may be left beside the area.
    pieces = [p for p in shapely.get_parts(shape) if p.geom_type == "Polygon"]
    shape = pieces[0] if len(pieces) == 1 else shape
    if shape.geom_type != "Polygon" or shape.is_empty:
        raise PartitionError(
            "What is left inside the base grid, beside other micro-grids, is not one piece.",
            at=(middle.x, middle.y),
            remedy="Draw it on free ground inside one base grid.",
            zh=(
                "除去其他微网格后，在基础网格内剩下的不是完整的一块。",
                "请画在一个基础网格内的空地上。",
            ),
        )
    serials = [
        int(serial)
        for g in draft.rows.values()
        if g.parent_id == parent.id and (serial := g.code.removeprefix(parent.code)).isdigit()
    ]
    code = f"{parent.code}{max(serials, default=0) + 1:02d}"
    draft.rows[-1] = GridRow(
        id=-1,
        code=code,
        name=request.get("name") or f"{parent.name}微网格{max(serials, default=0) + 1}",
        kind="micro",
        parent_id=parent.id,
        branch="",
        staff=(0,) * len(STAFF),
        crossings=(),
        version=1,
        shape=snapped(shape),
    )


def _rename(connection: Connection, draft: _Draft, request: Request, _taken: set[str]) -> None:
    grid = _grid(draft, request["grid"], micro=True)
    new: dict[str, Any] = {
        key: str(request[key]).strip()
        for key in ("name", "code", "branch")
        if request.get(key) is not None
    }
    code = new.get("code", grid.code)
    if code != grid.code:
        if grid.kind != "micro" and not is_grid_code(code, draft.community.code):
            fault = Fault(
                "code",
                code,
                "is no grid code of this community",
                f"Use {grid_code(draft.community.code, 1)} to {draft.community.code}…999.",
            )
            raise InvalidRowError(
                f"The code {code} is not one of {draft.community.name}.",
                remedy=fault.remedy,
                zh=(
                    f"编码 {code} 不属于{draft.community.name}。",
                    "请用本社区的编码加三位顺序号。",
                ),
                faults=(fault,),
            )
        taken = connection.execute(
            text("SELECT 1 FROM plan_grids WHERE plan_id = :plan AND code = :code AND id <> :id"),
            {"plan": draft.community.plan_id, "code": code, "id": grid.id},
        ).scalar_one_or_none()
        if taken:
            raise ConflictError(
                f"The code {code} belongs to another grid.",
                remedy="Choose a free one.",
                zh=(f"编码 {code} 已属于另一个网格。", "请换一个未使用的编码。"),
            )
        draft.lineage.append((grid.code, code))
    if request.get("staff") is not None:
        staff = dict(zip(STAFF, grid.staff, strict=True)) | dict(request["staff"])
        new["staff"] = tuple(int(staff[role]) for role in STAFF)
    changed = replace(grid, **new)
    if changed != grid:
        draft.rows[grid.id] = changed
        require_branch(draft.community, draft.rows, changed)


def _renumber(_connection: Connection, draft: _Draft, _request: Request, _taken: set[str]) -> None:
    rows = [g for g in draft.rows.values() if g.kind != "micro"]
    for row, serial in zip(rows, numbered([g.shape for g in rows]), strict=True):
        code = grid_code(draft.community.code, serial)
        if code != row.code:
            draft.rows[row.id] = replace(row, code=code)
            draft.lineage.append((row.code, code))


def _change_kind(
    _connection: Connection, draft: _Draft, request: Request, _taken: set[str]
) -> None:
    grid = _grid(draft, request["grid"])
    if request["grid_kind"] not in ("base", "exclusive"):
        raise InvalidRowError(
            "A grid that is part of the community's partition is base or exclusive.",
            remedy="Draw micro-grids inside a base grid.",
            zh=("构成社区整体划分的网格只能是基础网格或专属网格。", "微网格请画在基础网格以内。"),
        )
    if grid.kind != request["grid_kind"]:
        draft.rows[grid.id] = replace(grid, kind=request["grid_kind"])


def _remove(_connection: Connection, draft: _Draft, request: Request, _taken: set[str]) -> None:
    grid = _grid(draft, request["grid"], micro=True)
    if grid.kind != "micro":
        raise PartitionError(
            "Removing this grid would leave a gap.",
            at=_place(grid.shape),
            remedy="Merge it with a neighbour; only micro-grids are removed.",
            zh=("撤销这个网格会留下空缺。", "请把它与相邻网格合并；只有微网格可以直接撤销。"),
        )
    del draft.rows[grid.id]
    draft.removed.append(grid.id)


_KINDS = {
    "split": _split,
    "merge": _merge,
    "transfer": _transfer,
    "reshape": _reshape,
    "draw": _draw,
    "rename": _rename,
    "renumber": _renumber,
    "change_kind": _change_kind,
    "remove": _remove,
    "take": take,
    "microgrids": make_microgrids,
    "branches": take_branches,
}
_NEW_CODES = ("split", "draw", "take")


def _grid(draft: _Draft, grid: int, *, micro: bool = False) -> GridRow:
    row = draft.community.grids.get(int(grid))
    if row is None or (row.kind == "micro" and not micro):
        raise NotFoundError(
            f"{draft.community.name} has no grid {grid} in this plan"
            + ("." if row is None else " that is no micro-grid."),
            remedy="Load the grids of the community anew and choose one of them.",
            zh=(
                f"本方案中{draft.community.name}没有网格 {grid}"
                + ("。" if row is None else "（微网格除外）。"),
                "请重新载入社区的网格，再选择其中一个。",
            ),
        )
    return row


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


def _codes(connection: Connection, plan_id: int, community: Community) -> set[str]:
    """Codes the community has in this plan, or had: no other grid gets them."""
    rows = connection.execute(
        text(
            "SELECT l.successor FROM plan_lineage l JOIN plan_edits e ON e.seq = l.edit_seq"
            " WHERE e.plan_id = :plan AND e.community_id = :community AND e.state = 'done'"
            " UNION SELECT l.predecessor FROM plan_lineage l JOIN plan_edits e"
            " ON e.seq = l.edit_seq WHERE e.plan_id = :plan AND e.community_id = :community"
            " AND e.state = 'done'"
        ),
        {"plan": plan_id, "community": community.id},
    ).scalars()
    return {*rows, *(g.code for g in community.grids.values())}


def _new_rows(draft: _Draft, change: Change, taken: set[str]) -> dict[int, GridRow]:
    new = sorted((g for g in change.after if g < 0), reverse=True)
    community = draft.community
    try:
        serials = next_serials(community.code, taken, len(new))
    except ValueError as error:
        raise ConflictError(
            f"{community.name} has used all its 999 grid numbers.",
            remedy="Renumber the community.",
            zh=(f"{community.name}的 999 个网格编号已经用完。", "请对本社区重新编号。"),
        ) from error
    # New grids of one edit are numbered among themselves as everywhere: west to east.
    order = numbered([change.after[g] for g in new])
    return {
        g: GridRow(
            id=g,
            code=grid_code(community.code, serials[place - 1]),
            name=f"{community.name}第{serials[place - 1]}网格",
            kind="base",
            parent_id=None,
            branch="",
            staff=(0,) * len(STAFF),
            crossings=(),
            version=1,
            shape=change.after[g],
        )
        for g, place in zip(new, order, strict=True)
    }


# Writing -----------------------------------------------------------------------------------------


def _settle(connection: Connection, draft: _Draft, *, preview: bool) -> Community:
    """Give new grids their ids, buildings their grids, micro-grids their parents."""
    new = [g for g in draft.rows if g < 0]
    ids: dict[int | None, int] = dict(zip(new, new, strict=True))
    if new and not preview:
        given = connection.execute(
            text(
                "SELECT nextval(pg_get_serial_sequence('plan_grids', 'id'))"
                " FROM generate_series(1, :count)"
            ),
            {"count": len(new)},
        ).scalars()
        ids = dict(zip(new, given, strict=True))
    rows = {
        ids.get(g, g): replace(r, id=ids[g], parent_id=ids.get(r.parent_id, r.parent_id))
        if g in ids
        else r
        for g, r in draft.rows.items()
    }
    _nest(draft, rows)
    before = draft.community
    after = replace(before, grids=rows, outline=draft.outline).settled()
    reshaped = [
        g
        for g, row in rows.items()
        if row.kind != "micro" and (g not in before.grids or before.grids[g].shape is not row.shape)
    ]
    return with_crossings(connection, after, reshaped)


def _nest(draft: _Draft, rows: dict[int, GridRow]) -> None:
    """Let micro-grids stay inside a base grid: the one most of each lies in, cut to it."""
    bases = {g: r for g, r in rows.items() if r.kind != "micro"}
    changed = {g for g, r in bases.items() if r is not draft.community.grids.get(g)}
    for grid, row in [(g, r) for g, r in rows.items() if r.kind == "micro"]:
        if row.parent_id in bases and row.parent_id not in changed:
            continue
        near = [r for r in bases.values() if r.shape.intersects(row.shape)]
        shares = shapely.area([shapely.intersection(r.shape, row.shape) for r in near])
        parent = near[int(np.argmax(shares))]
        inside = shapely.intersection(row.shape, parent.shape, grid_size=1e-9)
        pieces = [p for p in shapely.get_parts(inside) if p.geom_type == "Polygon"]
        shape = max(pieces, key=shapely.area)
        if parent.id == row.parent_id and shapely.equals(shape, row.shape):
            continue
        # What was counted does not hold for the part that is left.
        kept = row.counts if shapely.equals(shape, row.shape) else None
        rows[grid] = replace(row, parent_id=parent.id, shape=snapped(shape), counts=kept)


def _write(connection: Connection, result: EditResult, request: Request, author: str) -> EditResult:
    before, after = result.before, result.after
    images = _images(before, after, result)
    write_images(connection, after.plan_id, after.id, images["after"])
    connection.execute(
        text(
            "UPDATE plan_edits SET state = 'discarded' WHERE plan_id = :plan"
            " AND community_id = :community AND state = 'undone'"
        ),
        {"plan": after.plan_id, "community": after.id},
    )
    grids = [*result.changed, *result.removed]
    seq = connection.execute(
        text(
            "INSERT INTO plan_edits (plan_id, community_id, kind, author, request, grids, before,"
            " after) VALUES (:plan, :community, :kind, :author, CAST(:request AS jsonb), :grids,"
            " CAST(:before AS jsonb), CAST(:after AS jsonb)) RETURNING seq"
        ),
        {
            "plan": after.plan_id,
            "community": after.id,
            "kind": request["kind"],
            "author": author,
            "request": orjson.dumps(dict(request)).decode(),
            "grids": grids,
            "before": orjson.dumps(images["before"]).decode(),
            "after": orjson.dumps(images["after"]).decode(),
        },
    ).scalar_one()
    if result.lineage:
        connection.execute(
            text(
                "INSERT INTO plan_lineage (plan_id, edit_seq, predecessor, successor)"
                " VALUES (:plan, :seq, :before, :after)"
            ),
            [
                {"plan": after.plan_id, "seq": seq, "before": a, "after": b}
                for a, b in result.lineage
            ],
        )
    prove(connection)
    versions = read_versions(connection, result.changed)
    rows = {g: replace(row, version=versions.get(g, row.version)) for g, row in after.grids.items()}
    return replace(result, seq=seq, after=replace(after, grids=rows, version=before.version + 1))


def _images(before: Community, after: Community, result: EditResult) -> dict[str, Any]:
    plan, community = after.plan_id, after.id
    touched = [*result.changed, *result.removed]
    moved = np.flatnonzero(before.grid_of != after.grid_of)
    outline = before.outline is not after.outline

    def side(of: Community) -> dict[str, Any]:
        return {
            "grids": [of.grids[g].image(plan, community) for g in touched if g in of.grids],
            "gone": [g for g in touched if g not in of.grids],
            "outline": outline_hex(of.outline) if outline else None,
            "buildings": [[int(of.building[n]), int(of.grid_of[n])] for n in moved],
        }

    return {"before": side(before), "after": side(after)}


def outline_hex(outline: shapely.Geometry) -> str:
    """Write an outline as the database takes it: hexadecimal EWKB of a multipolygon."""
    whole = outline if outline.geom_type == "MultiPolygon" else shapely.multipolygons([outline])
    return str(shapely.to_wkb(shapely.set_srid(whole, 4326), hex=True, include_srid=True))


def write_images(
    connection: Connection, plan_id: int, community_id: int, image: Mapping[str, Any]
) -> int:
    """Bring a community to an image of an edit; gives its new version.

    Grids first, then the buildings that move, then the grids that go: no building is ever
    without a grid.
    """
    columns = (
        "id, plan_id, community_id, code, name, kind, parent_id, branch, "
        f"{', '.join(STAFF)}, crossings, counts, version, geom"
    )
    own = [c for c in columns.split(", ") if c not in ("id", "plan_id", "community_id", "version")]
    bound = {"plan": plan_id, "community": community_id}
    version: int = connection.execute(
        text(
            "UPDATE plan_communities SET version = version + 1, pending = true"
            + (", outline = CAST(:outline AS geometry)" if image["outline"] else "")
            + " WHERE plan_id = :plan AND community_id = :community RETURNING version"
        ),
        bound | ({"outline": image["outline"]} if image["outline"] else {}),
    ).scalar_one()
    if image["grids"]:
        connection.execute(
            text(
                f"INSERT INTO plan_grids ({columns}) SELECT {columns}"
                " FROM jsonb_populate_recordset(NULL::plan_grids, CAST(:rows AS jsonb))"
                " ON CONFLICT (id) DO UPDATE SET " + ", ".join(f"{c} = excluded.{c}" for c in own)
            ),
            {"rows": orjson.dumps(image["grids"]).decode()},
        )
    if image["buildings"]:
        connection.execute(
            text(
                "UPDATE plan_buildings b SET grid_id = m.grid FROM"
                " unnest(CAST(:b AS bigint[]), CAST(:g AS bigint[])) AS m (building, grid)"
                " WHERE b.plan_id = :plan AND b.building_id = m.building"
            ),
            bound
            | {
                "b": [b for b, _ in image["buildings"]],
                "g": [g for _, g in image["buildings"]],
            },
        )
    if image["gone"]:
        connection.execute(
            text("DELETE FROM plan_grids WHERE plan_id = :plan AND id = ANY(:ids)"),
            bound | {"ids": image["gone"]},
        )
    return version


def prove(connection: Connection) -> None:
    """Let the database look at what is pending now, and say what it refuses.

    Raises
    ------
    PartitionError
        If grids overlap, leave a gap or are not nested, whatever wrote them.
    """
    try:
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    except DBAPIError as error:
        refused = refusal(error)
        if refused is None:
            raise
        raise refused from error


def read_versions(connection: Connection, grids: Sequence[int]) -> dict[int, int]:
    """Versions of grids as the database has raised them."""
    rows = connection.execute(
        text("SELECT id, version FROM plan_grids WHERE id = ANY(:ids)"), {"ids": list(grids)}
    )
    return {row.id: row.version for row in rows}
