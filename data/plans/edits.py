"""Edits of a plan: one call, one transaction, one community; previewed, undone and done again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import shapely
from sqlalchemy import Connection

from data.constraints import prove
from data.errors import InvalidRowError
from data.plans import boundary_edits, naming_edits
from data.plans.branch_proposals import take_branches
from data.plans.community import Community, GridRow, load_community, require
from data.plans.crossings import with_crossings
from data.plans.draft import Draft, Request
from data.plans.edit_result import EditResult
from data.plans.images import images_of, new_grid_ids, with_versions, write_images
from data.plans.journal import write_edit
from data.plans.micro import make_microgrids
from data.plans.nesting import parent_of, pieces_inside
from data.plans.take import take
from geo.billionths import snapped

_KINDS: dict[str, Callable[[Connection, Draft, Request], None]] = {
    "split": boundary_edits.split,
    "merge": boundary_edits.merge,
    "transfer": boundary_edits.transfer,
    "reshape": boundary_edits.reshape,
    "draw": boundary_edits.draw,
    "remove": boundary_edits.remove,
    "rename": naming_edits.rename,
    "renumber": naming_edits.renumber,
    "change_kind": naming_edits.change_kind,
    "take": take,
    "microgrids": make_microgrids,
    "branches": take_branches,
}


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
    kind = _KINDS[request["kind"]]
    return change_community(
        connection,
        community,
        lambda draft: kind(connection, draft, request),
        request,
        author=author,
        preview=preview,
    )


def change_community(
    connection: Connection,
    community: Community,
    change: Callable[[Draft], None],
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
    draft = Draft.of(community)
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


def _settle(connection: Connection, draft: Draft, *, preview: bool) -> Community:
    """Give new grids their ids, buildings their grids, micro-grids their parents."""
    new = [g for g in draft.rows if g < 0]
    given = new if preview else new_grid_ids(connection, len(new))
    ids: dict[int | None, int] = dict(zip(new, given, strict=True))
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


def _nest(draft: Draft, rows: dict[int, GridRow]) -> None:
    """Let micro-grids stay inside a base grid: the one most of each lies in, cut to it."""
    bases = {g: r for g, r in rows.items() if r.kind != "micro"}
    changed = {g for g, r in bases.items() if r is not draft.community.grids.get(g)}
    for grid, row in [(g, r) for g, r in rows.items() if r.kind == "micro"]:
        if row.parent_id in bases and row.parent_id not in changed:
            continue
        parent = parent_of(row.shape, bases.values())
        if parent is None:
            continue  # the database refuses it
        shape = max(pieces_inside(row.shape, parent.shape), key=shapely.area)
        if parent.id == row.parent_id and shapely.equals(shape, row.shape):
            continue
        # What was counted does not hold for the part that is left.
        kept = row.counts if shapely.equals(shape, row.shape) else None
        rows[grid] = replace(row, parent_id=parent.id, shape=snapped(shape), counts=kept)


def _write(connection: Connection, result: EditResult, request: Request, author: str) -> EditResult:
    images = images_of(result)
    version = write_images(connection, result.after.plan_id, result.after.id, images["after"])
    seq = write_edit(connection, result, request, images, author=author)
    prove(connection)
    after = with_versions(connection, result.after, result.changed)
    return replace(result, seq=seq, after=replace(after, version=version))
