"""Micro-grids for many communities of a plan, made in the background, written all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, text

from data.database import Database
from data.errors import NotFoundError
from data.plans.community import load_community, require, require_draft
from data.plans.design_job import Progress, Proposal
from data.plans.edits import change_community
from data.plans.micro import MicroGrid, micro_of, put_microgrids
from data.plans.reading import require_plan
from geo.microgrids import KINDS

TASK = "microgrids"


@dataclass(frozen=True, slots=True)
class MicroRequest:
    """What a planner asks for.

    Attributes
    ----------
    plan : int
        A draft.
    communities : tuple of int
        Ids; empty for all.
    """

    plan: int
    communities: tuple[int, ...] = ()

    @classmethod
    def of(cls, kept: dict[str, Any]) -> MicroRequest:
        """Make it again from the JSON of `to_dict`."""
        return cls(int(kept["plan"]), tuple(kept["communities"]))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"task": TASK, **asdict(self)}


def check_micro_request(connection: Connection, request: MicroRequest) -> list[int]:
    """Refuse what can never be done; gives the communities to divide.

    Raises
    ------
    NotFoundError
        If there is no such plan, or it has no such community.
    ConflictError
        If the plan is no draft.
    """
    plan = require_plan(connection, request.plan)
    require_draft(plan.id, plan.state)
    known = list(
        connection.execute(
            text(
                "SELECT c.community_id FROM plan_communities c JOIN areas a"
                " ON a.id = c.community_id WHERE c.plan_id = :plan ORDER BY a.code"
            ),
            {"plan": request.plan},
        ).scalars()
    )
    for community in request.communities:
        if community not in known:
            raise NotFoundError(
                f"Plan {request.plan} has no community {community}.",
                remedy=f"See /api/v1/plans/{request.plan}/communities.",
                zh=(
                    f"方案 {request.plan} 中没有社区 {community}。",
                    "请从方案的社区列表中选择。",
                ),
            )
    return [c for c in known if not request.communities or c in request.communities]


def divide(
    database: Database,
    request: MicroRequest,
    *,
    author: str,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Proposal | None:
    """Make the micro-grids of a plan anew; one transaction, one edit a community.

    Nothing is locked while they are computed; a community that somebody has changed meanwhile is
    refused, and then nothing is written.

    Returns
    -------
    Proposal or None
        The plan and how many micro-grids of each kind; None where it was cancelled.

    Raises
    ------
    NotFoundError, ConflictError
        As `check_micro_request`.
    StaleRowError
        If a community has changed meanwhile.
    """

    def tell(stage: str, share: float) -> None:
        if progress is not None:
            progress(stage, round(share, 4))

    tell("reading", 0.0)
    with database.connect() as connection:
        communities = check_micro_request(connection, request)
    made: list[tuple[int, int, list[MicroGrid]]] = []
    for number, community_id in enumerate(communities):
        tell("micro", 0.02 + 0.83 * number / len(communities))
        if cancelled is not None and cancelled():
            return None
        with database.connect() as connection:
            community = load_community(connection, request.plan, community_id)
            made.append((community_id, community.version, micro_of(connection, community)))
    tell("draft", 0.85)
    totals = dict.fromkeys(KINDS, 0)
    figures: list[dict[str, Any]] = []
    with database.transaction(actor=author) as connection:
        for community_id, version, some in made:
            community = load_community(connection, request.plan, community_id, lock=True)
            require(community, version)
            figures.append(
                {
                    "id": community.id,
                    "code": community.code,
                    "name": community.name,
                    "microgrids": len(some),
                    "building_heads": sum(int(m.counts["buildings"]) for m in some),
                    "unit_heads": sum(int(m.counts["units"]) for m in some),
                    "households": sum(int(m.counts["households"]) for m in some),
                }
            )
            for one in some:
                totals[str(one.counts["kind"])] += 1
            if some and _differ(community.grids.values(), some):
                change_community(
                    connection,
                    community,
                    lambda draft, some=some: put_microgrids(draft, some),  # type: ignore[misc]
                    {"kind": TASK, "community": community_id},
                    author=author,
                )
    return Proposal(
        request.plan,
        {
            "task": TASK,
            "communities": figures,
            "kinds": totals,
            "totals": {
                key: sum(one[key] for one in figures)
                for key in ("microgrids", "building_heads", "unit_heads", "households")
            },
        },
    )


def _differ(grids: Any, made: list[MicroGrid]) -> bool:
    """Whether these are other micro-grids than the community has."""
    old = {g.code: g for g in grids if g.kind == "micro"}
    if set(old) != {m.code for m in made}:
        return True
    return any(
        old[m.code].shape != m.shape or old[m.code].counts != m.counts or old[m.code].name != m.name
        for m in made
    )
