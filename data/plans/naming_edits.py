"""Edits of what a grid is called and counts as: name, code, branch, staff, kind, numbering."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, text

from data.errors import ConflictError, Fault, InvalidRowError
from data.plans.branches import require_branch
from data.plans.codes import grid_code, is_grid_code, numbered
from data.plans.community import Community, GridRow
from data.plans.draft import Draft, Request
from data.plans.models import STAFF


def rename(connection: Connection, draft: Draft, request: Request) -> None:
    """Change name, code, branch or staff of a grid."""
    grid = draft.grid(request["grid"], micro=True)
    new: dict[str, Any] = {
        key: str(request[key]).strip()
        for key in ("name", "code", "branch")
        if request.get(key) is not None
    }
    code = new.get("code", grid.code)
    if code != grid.code:
        _require_code(connection, draft.community, grid, code)
        draft.lineage.append((grid.code, code))
    if request.get("staff") is not None:
        staff = dict(zip(STAFF, grid.staff, strict=True)) | dict(request["staff"])
        new["staff"] = tuple(int(staff[role]) for role in STAFF)
    changed = replace(grid, **new)
    if changed != grid:
        draft.rows[grid.id] = changed
        require_branch(draft.community, draft.rows, changed)


def renumber(_connection: Connection, draft: Draft, _request: Request) -> None:
    """Number the base and exclusive grids anew: west to east, north to south."""
    rows = [g for g in draft.rows.values() if g.kind != "micro"]
    for row, serial in zip(rows, numbered([g.shape for g in rows]), strict=True):
        code = grid_code(draft.community.code, serial)
        if code != row.code:
            draft.rows[row.id] = replace(row, code=code)
            draft.lineage.append((row.code, code))


def change_kind(_connection: Connection, draft: Draft, request: Request) -> None:
    """Make a base grid exclusive, or the other way."""
    grid = draft.grid(request["grid"])
    if request["grid_kind"] not in ("base", "exclusive"):
        raise InvalidRowError(
            "A grid that is part of the community's partition is base or exclusive.",
            remedy="Draw micro-grids inside a base grid.",
            zh=("构成社区整体划分的网格只能是基础网格或专属网格。", "微网格请画在基础网格以内。"),
        )
    if grid.kind != request["grid_kind"]:
        draft.rows[grid.id] = replace(grid, kind=request["grid_kind"])


def _require_code(connection: Connection, community: Community, grid: GridRow, code: str) -> None:
    """Refuse a new code that is not of the community, or belongs to another grid of the plan."""
    if grid.kind != "micro" and not is_grid_code(code, community.code):
        fault = Fault(
            "code",
            code,
            "is no grid code of this community",
            f"Use {grid_code(community.code, 1)} to {community.code}…999.",
        )
        raise InvalidRowError(
            f"The code {code} is not one of {community.name}.",
            remedy=fault.remedy,
            zh=(
                f"编码 {code} 不属于{community.name}。",
                "请用本社区的编码加三位顺序号。",
            ),
            faults=(fault,),
        )
    taken = connection.execute(
        text("SELECT 1 FROM plan_grids WHERE plan_id = :plan AND code = :code AND id <> :id"),
        {"plan": community.plan_id, "code": code, "id": grid.id},
    ).scalar_one_or_none()
    if taken:
        raise ConflictError(
            f"The code {code} belongs to another grid.",
            remedy="Choose a free one.",
            zh=(f"编码 {code} 已属于另一个网格。", "请换一个未使用的编码。"),
        )
