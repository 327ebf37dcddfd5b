"""Jobs in the database, designs and micro-grids: asked for, claimed by one worker, stopped.

A worker holds an advisory lock of its job as long as it lives; a running job whose lock is free
was left by a service that died.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from sqlalchemy import Connection, text

from data.database import Database
from data.errors import NotFoundError
from data.plans.design_job import DesignRequest, Proposal, check_request
from data.plans.micro_job import TASK, MicroRequest, check_micro_request

_LOCKS = 741_631
"""Class of our advisory locks; the second key is the job."""


def ask(connection: Connection, request: DesignRequest | MicroRequest, *, author: str) -> int:
    """Put a job into the queue; gives its id.

    Raises
    ------
    NotFoundError, InvalidRowError, ConflictError
        As `data.plans.design_job.check_request` or `data.plans.micro_job.check_micro_request`.
    """
    if isinstance(request, MicroRequest):
        check_micro_request(connection, request)
    else:
        check_request(connection, request)
    job: int = connection.execute(
        text(
            "INSERT INTO design_jobs (author, request) VALUES (:author, CAST(:request AS jsonb))"
            " RETURNING id"
        ),
        {"author": author, "request": orjson.dumps(request.to_dict()).decode()},
    ).scalar_one()
    return job


def read_job(connection: Connection, job: int) -> dict[str, Any]:
    """Read a job as JSON values.

    Raises
    ------
    NotFoundError
        If there is no such job.
    """
    row = (
        connection.execute(
            text(
                "SELECT id, created_at, started_at, finished_at, author, request, state, stage,"
                " progress, asked_to_stop, result, error, plan_id AS plan"
                " FROM design_jobs WHERE id = :id"
            ),
            {"id": job},
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotFoundError(
            f"There is no design job {job}.",
            remedy="POST /api/v1/plans/design makes one.",
            zh=(f"没有划分任务 {job}。", "请重新发起网格划分。"),
        )
    found = dict(row)
    for moment in ("created_at", "started_at", "finished_at"):
        if found[moment] is not None:
            found[moment] = found[moment].isoformat()
    return found


def ask_to_stop(connection: Connection, job: int) -> dict[str, Any]:
    """Stop a job: one that waits is cancelled, one that runs ends in a draft of the best so far.

    A job that has ended stays as it is.

    Raises
    ------
    NotFoundError
        If there is no such job.
    """
    connection.execute(
        text(
            "UPDATE design_jobs SET asked_to_stop = true,"
            " state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END,"
            " finished_at = CASE state WHEN 'queued' THEN now() ELSE finished_at END"
            " WHERE id = :id AND state IN ('queued', 'running')"
        ),
        {"id": job},
    )
    return read_job(connection, job)


@contextmanager
def claimed(
    database: Database,
) -> Iterator[tuple[int, str, DesignRequest | MicroRequest] | None]:
    """Take the oldest job that waits: its id, author and request; None where there is none."""
    with database.engine.connect() as holder:
        with holder.begin():
            row = holder.execute(
                text(
                    "SELECT id, author, request FROM design_jobs WHERE state = 'queued'"
                    " ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
                )
            ).one_or_none()
            if row is not None:
                # Outlives this transaction; goes with the connection whatever happens to us.
                holder.execute(
                    text("SELECT pg_advisory_lock(:locks, CAST(:id AS integer))"),
                    {"locks": _LOCKS, "id": row.id},
                )
                holder.execute(
                    text(
                        "UPDATE design_jobs SET state = 'running', started_at = now()"
                        " WHERE id = :id"
                    ),
                    {"id": row.id},
                )
        if row is None:
            yield None
            return
        try:
            yield row.id, row.author, _request_of(row.request)
        finally:
            with holder.begin():
                holder.execute(
                    text("SELECT pg_advisory_unlock(:locks, CAST(:id AS integer))"),
                    {"locks": _LOCKS, "id": row.id},
                )


def _request_of(kept: dict[str, Any]) -> DesignRequest | MicroRequest:
    if kept.get("task") == TASK:
        return MicroRequest.of(kept)
    return DesignRequest.of(kept)


def fail_left(database: Database) -> int:
    """Mark jobs that a dead service left running as failed; gives how many."""
    with database.transaction("gridcircle") as connection:
        running = connection.execute(
            text("SELECT id FROM design_jobs WHERE state = 'running'")
        ).scalars()
        left = [
            job
            for job in list(running)
            if connection.execute(
                text("SELECT pg_try_advisory_xact_lock(:locks, CAST(:id AS integer))"),
                {"locks": _LOCKS, "id": job},
            ).scalar_one()
        ]
        if not left:
            return 0
        marked = connection.execute(
            text(
                "UPDATE design_jobs SET state = 'failed', finished_at = now(),"
                " error = CAST(:error AS jsonb) WHERE id = ANY(:ids) AND state = 'running'"
            ),
            {
                "ids": left,
                "error": _problem(
                    "ServiceStopped",
                    "The service stopped while this was being designed.",
                    "Ask again.",
                ),
            },
        )
        return marked.rowcount


def report(database: Database, job: int, stage: str, progress: float) -> bool:
    """Tell how far a job is; gives whether somebody asked to stop it."""
    with database.transaction("gridcircle") as connection:
        return bool(
            connection.execute(
                text(
                    "UPDATE design_jobs SET stage = :stage,"
                    " progress = greatest(progress, :progress) WHERE id = :id"
                    " RETURNING asked_to_stop"
                ),
                {"id": job, "stage": stage, "progress": min(1.0, max(0.0, progress))},
            ).scalar_one_or_none()
        )


def finish(database: Database, job: int, proposal: Proposal) -> None:
    """Keep what came of a job."""
    with database.transaction("gridcircle") as connection:
        connection.execute(
            text(
                "UPDATE design_jobs SET state = 'done', progress = 1, finished_at = now(),"
                " plan_id = :plan, result = CAST(:result AS jsonb) WHERE id = :id"
            ),
            {
                "id": job,
                "plan": proposal.plan,
                "result": orjson.dumps(proposal.figures).decode(),
            },
        )


def fail(database: Database, job: int, code: str, message: str, remedy: str) -> None:
    """Keep why a job came to nothing."""
    with database.transaction("gridcircle") as connection:
        connection.execute(
            text(
                "UPDATE design_jobs SET state = 'failed', finished_at = now(),"
                " error = CAST(:error AS jsonb) WHERE id = :id"
            ),
            {"id": job, "error": _problem(code, message, remedy)},
        )


def cancel(database: Database, job: int) -> None:
    """Note that a job was stopped before it had written anything."""
    with database.transaction("gridcircle") as connection:
        connection.execute(
            text(
                "UPDATE design_jobs SET state = 'cancelled', finished_at = now()"
                " WHERE id = :id AND state = 'running'"
            ),
            {"id": job},
        )


def put_back(database: Database, job: int) -> None:
    """Let a job wait again: the service that worked on it is about to stop."""
    with database.transaction("gridcircle") as connection:
        connection.execute(
            text(
                "UPDATE design_jobs SET state = 'queued', stage = '', progress = 0,"
                " started_at = NULL WHERE id = :id AND state = 'running'"
            ),
            {"id": job},
        )


def _problem(code: str, message: str, remedy: str) -> str:
    return orjson.dumps({"code": code, "message": message, "remedy": remedy}).decode()
