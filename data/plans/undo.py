"""Undo and redo without limit: an edit is taken back to the last bit, or done again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, text

from data.constraints import prove
from data.errors import ConflictError
from data.plans.buildings import assign_buildings
from data.plans.community import load_community, require
from data.plans.edit_result import EditResult
from data.plans.images import write_images
from data.plans.journal import note_event
from data.plans.reading import no_plan


def undo(
    connection: Connection,
    plan_id: int,
    *,
    community_id: int | None = None,
    version: int | None = None,
    author: str,
) -> EditResult:
    """Take back the newest edit in force, of one community or of the whole plan.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.
    plan_id : int
    community_id : int, optional
    version : int, optional
        Version of the community that the author saw.
    author : str

    Raises
    ------
    ConflictError
        If there is nothing to take back, or the plan is no draft.
    StaleRowError
        If the community has another version.
    """
    return _step(connection, plan_id, community_id, version, author, back=True)


def redo(
    connection: Connection,
    plan_id: int,
    *,
    community_id: int | None = None,
    version: int | None = None,
    author: str,
) -> EditResult:
    """Do the edit again that was taken back last; parameters and errors as `undo`."""
    return _step(connection, plan_id, community_id, version, author, back=False)


def _step(
    connection: Connection,
    plan_id: int,
    community_id: int | None,
    version: int | None,
    author: str,
    *,
    back: bool,
) -> EditResult:
    found = _next(connection, plan_id, community_id, back=back)
    if found is None:
        word = "undo" if back else "do again"
        known = connection.execute(
            text("SELECT 1 FROM plans WHERE id = :plan"), {"plan": plan_id}
        ).scalar_one_or_none()
        if known is None:
            raise no_plan(plan_id)
        raise ConflictError(
            f"There is nothing to {word}.",
            remedy="Make an edit first.",
            zh=(f"没有可{'撤销' if back else '重做'}的改动。", "请先编辑网格。"),
        )
    before = load_community(connection, plan_id, found.community_id, lock=True)
    require(before, version)
    # Somebody may have been quicker while we waited for the lock.
    again = _next(connection, plan_id, found.community_id, back=back)
    if again is None or again.seq != found.seq:
        require(before, -1)
    image: dict[str, Any] = found.before if back else found.after
    write_images(connection, plan_id, found.community_id, image)
    # Buildings that came after the edit are in no image of it.
    assign_buildings(connection, plan_id, found.community_id)
    seq = note_event(
        connection,
        plan_id,
        "undo" if back else "redo",
        author=author,
        request={"of": found.seq},
        community_id=found.community_id,
        grids=found.grids,
    )
    connection.execute(
        text("UPDATE plan_edits SET state = :state, undone_seq = :undone WHERE seq = :seq"),
        {
            "seq": found.seq,
            "state": "undone" if back else "done",
            "undone": seq if back else None,
        },
    )
    prove(connection)
    after = load_community(connection, plan_id, found.community_id)
    present = [g["id"] for g in image["grids"]]
    return EditResult(
        seq,
        before,
        replace(after, version=before.version + 1),
        tuple(g for g in present if g in after.grids),
        tuple(image["gone"]),
    )


def _next(
    connection: Connection, plan_id: int, community_id: int | None, *, back: bool
) -> Any | None:
    where = "" if community_id is None else " AND community_id = :community"
    order = "seq DESC" if back else "undone_seq DESC"
    return connection.execute(
        text(
            "SELECT seq, community_id, before, after, grids FROM plan_edits"
            f" WHERE plan_id = :plan AND state = :state{where} ORDER BY {order} LIMIT 1"
        ),
        {
            "plan": plan_id,
            "community": community_id,
            "state": "done" if back else "undone",
        },
    ).one_or_none()
