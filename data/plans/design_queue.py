"""Jobs in the database, designs and micro-grids: asked for, followed, stopped.

What a job is, how far it is and what came of it are rows of ``design_jobs``. Who works on it, and
when, is the matter of the library procrastinate; both are written in one transaction.
"""

from __future__ import annotations

from typing import Any

import orjson
from procrastinate import App, SyncPsycopgConnector
from sqlalchemy import Connection, text

from data.database import Database
from data.errors import NotFoundError
from data.plans.design_job import DesignRequest, Proposal, check_request
from data.plans.micro_job import TASK, MicroRequest, check_micro_request

SCHEMA = "jobs"
"""Where the library has its tables."""
QUEUE = "design"
TASK_NAME = "gridcircle.design"
_ASKING = App(connector=SyncPsycopgConnector())
"""Only writes down what is asked for, on connections of ours; opens none."""


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
    connection.execute(text(f"SET LOCAL search_path TO {SCHEMA}, public"))
    _ASKING.configure_task(
        TASK_NAME, queue=QUEUE, connection=connection.connection.driver_connection
    ).defer(job=job)
    connection.execute(text("SET LOCAL search_path TO DEFAULT"))
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


def begin(database: Database, job: int) -> tuple[str, DesignRequest | MicroRequest] | None:
    """Mark a job as at work; gives author and request, None where it no longer waits."""
    with database.transaction("gridcircle") as connection:
        row = connection.execute(
            text(
                "UPDATE design_jobs SET state = 'running', started_at = now()"
                " WHERE id = :id AND state = 'queued' RETURNING author, request"
            ),
            {"id": job},
        ).one_or_none()
    return None if row is None else (row.author, _request_of(row.request))


def _request_of(kept: dict[str, Any]) -> DesignRequest | MicroRequest:
    if kept.get("task") == TASK:
        return MicroRequest.of(kept)
    return DesignRequest.of(kept)


def fail_left(database: Database, job: int) -> None:
    """Mark a job that a dead service left running as failed."""
    with database.transaction("gridcircle") as connection:
        connection.execute(
            text(
                "UPDATE design_jobs SET state = 'failed', finished_at = now(),"
                " error = CAST(:error AS jsonb) WHERE id = :id AND state = 'running'"
            ),
            {
                "id": job,
                "error": _problem(
                    "ServiceStopped",
                    "The service stopped while this was being designed.",
                    "Ask again.",
                ),
            },
        )


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
