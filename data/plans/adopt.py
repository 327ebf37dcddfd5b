"""Several communities of a proposal taken at once: into the plan, or into a new draft of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from data.errors import InvalidRowError
from data.plans.community import Community, load_community, require
from data.plans.create import create_plan
from data.plans.edit_result import EditResult
from data.plans.edits import edit
from data.plans.take import parts


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to take in one community.

    Attributes
    ----------
    community : int
    version : int or None
        Of the community in the plan, as the author saw it; None for a new draft.
    grids : tuple of int or None
        Grids of the proposal; None for all.
    """

    community: int
    version: int | None = None
    grids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Adopted:
    """What came of it.

    Attributes
    ----------
    plan : int
        The plan that has the grids now.
    edits : tuple of EditResult
        One for each community that changes; each can be undone.
    same : tuple of int
        Communities that were like the proposal already.
    """

    plan: int
    edits: tuple[EditResult, ...]
    same: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "plan": self.plan,
            "edits": [one.to_dict() for one in self.edits],
            "same": list(self.same),
        }


def adopt(
    connection: Connection,
    plan_id: int,
    source: int,
    wanted: Sequence[Wanted],
    *,
    author: str,
    name: str | None = None,
) -> Adopted:
    """Take grids of a proposal in some communities, all or none.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.
    plan_id : int
        The plan that takes them, a draft; with ``name`` any plan.
    source : int
        Plan of the proposal.
    wanted : sequence of Wanted
        One a community.
    author : str
    name : str, optional
        Of a new draft: a copy of the plan, which itself stays as it is.

    Raises
    ------
    StaleRowError, ConflictError, NotFoundError, InvalidRowError, PartitionError
        As `data.plans.edits.edit`; also if nothing would change.
    """
    plan = plan_id if name is None else create_plan(connection, name, plan_id, author=author)
    edits, same = [], []
    for one in sorted(wanted, key=lambda w: w.community):
        now = load_community(connection, plan, one.community, lock=True)
        if name is None and one.version is None:
            raise InvalidRowError(
                f"version: the version of {now.name} that was seen is not given.",
                remedy=f"See /api/v1/plans/{plan}/communities, or give a name for a new draft.",
                zh=(f"没有给出{now.name}的版本。", "请先读取社区的版本，或填写新草稿的名称。"),
            )
        version = now.version if name is not None else one.version
        require(now, version)
        proposal = load_community(connection, source, one.community)
        if plan != source and _alike(now, proposal, one.grids):
            same.append(one.community)
            continue
        request: dict[str, Any] = {"kind": "take", "community": one.community, "source": source}
        if one.grids is not None:
            request["grids"] = list(one.grids)
        edits.append(edit(connection, plan, request, version=version, author=author))
    if not edits:
        raise InvalidRowError(
            "The plan is like the proposal there already; nothing changes.",
            remedy="Choose other communities or grids.",
            zh=("所选范围内本方案与建议已经一致，没有变化。", "请选择其他社区或网格。"),
        )
    return Adopted(plan, tuple(edits), tuple(same))


def _alike(plan: Community, proposal: Community, grids: Sequence[int] | None) -> bool:
    """Whether taking these would move no boundary; grids there are not are told of later."""
    chosen = None if grids is None else set(grids)
    if chosen is not None and not chosen <= set(proposal.grids):
        return False
    return not any(
        part.changes
        for part in parts(plan, proposal)
        if chosen is None or chosen & set(part.proposed)
    )
