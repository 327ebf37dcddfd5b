"""The thread of a service that works off design jobs, one at a time."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time

import psycopg
from procrastinate import App, BaseRetryStrategy, PsycopgConnector, RetryDecision
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from data.database import Database
from data.plans import design_queue as queue
from data.plans.design_job import DesignRequest, propose
from data.plans.micro_job import MicroRequest, divide
from geo.errors import GridcircleError

APPLICATION = "gridcircle jobs"
"""How the connections of the library are called in the database."""
AWAY_S = 2.0
"""Seconds until another try where the database is away."""
HEARTBEAT_S = 5.0
DEAD_AFTER_S = 20.0
"""Seconds without a sign of life after which a service counts as dead and its jobs as left."""
TOLD_EVERY_S = 0.4
"""Seconds between notes of progress, and until a cancellation is heard."""

log = logging.getLogger("gridcircle.design")


class _StoppingError(Exception):
    """The service is about to stop."""


class _PutBack(BaseRetryStrategy):
    """A job that a stopping service lets go waits again; one that failed has said why."""

    def get_retry_decision(
        self,
        *,
        exception: BaseException,
        job: Job,  # noqa: ARG002
    ) -> RetryDecision | None:
        again = isinstance(exception, _StoppingError)
        return RetryDecision(retry_in={"seconds": 0}) if again else None


class DesignWorker:
    """Works off design jobs, one at a time, in a thread with an event loop of its own.

    Several services on one database share the queue; the library procrastinate gives each job to
    one of them, wakes them by NOTIFY, and keeps a heartbeat of each.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._closing = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve()), name="design", daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 30.0) -> None:
        """End; a job at work waits for the next start of a service."""
        self._closing.set()
        self._thread.join(timeout_s)

    async def _serve(self) -> None:
        while not self._closing.is_set():
            app = self._app()
            try:
                async with app.open_async():
                    await self._work(app)
            except (psycopg.Error, PoolTimeout, ConnectorException, SQLAlchemyError) as error:
                # The database is away; what it holds waits there.
                log.warning("Design jobs wait: %s", error)
                await asyncio.sleep(AWAY_S)

    def _app(self) -> App:
        url = self._database.engine.url.set(drivername="postgresql")
        conninfo = url.render_as_string(hide_password=False)
        given = conninfo_to_dict(conninfo).get("options") or ""
        options = f"{given} -c search_path={queue.SCHEMA},public".strip()
        app = App(
            connector=PsycopgConnector(
                conninfo=make_conninfo(conninfo, options=options, application_name=APPLICATION),
                min_size=1,
                max_size=3,
            )
        )
        app.task(name=queue.TASK_NAME, queue=queue.QUEUE, retry=_PutBack())(self._run)
        return app

    async def _work(self, app: App) -> None:
        """Let the library work until the service stops, or the database goes away."""
        worker = asyncio.create_task(
            app.run_worker_async(
                queues=[queue.QUEUE],
                concurrency=1,
                install_signal_handlers=False,
                update_heartbeat_interval=HEARTBEAT_S,
                stalled_worker_timeout=DEAD_AFTER_S,
                delete_jobs="always",
            )
        )
        looked = -math.inf
        try:
            while not (worker.done() or self._closing.is_set()):
                if time.monotonic() - looked > HEARTBEAT_S:
                    await self.fail_left(app)
                    looked = time.monotonic()
                await asyncio.wait([worker], timeout=0.1)
        finally:
            worker.cancel()  # lets the job at work come to its end, which is near
            await asyncio.gather(worker, return_exceptions=True)
        if not self._closing.is_set() and not worker.cancelled() and worker.exception():
            raise ConnectorException from worker.exception()

    async def fail_left(self, app: App) -> None:
        """Mark jobs that a dead service left as failed."""
        for job in await app.job_manager.get_stalled_jobs(
            queue=queue.QUEUE, seconds_since_heartbeat=DEAD_AFTER_S
        ):
            await asyncio.to_thread(
                queue.fail_left, self._database, int(str(job.task_kwargs["job"]))
            )
            await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=True)

    def _run(self, job: int) -> None:
        if self._closing.is_set():
            raise _StoppingError
        begun = queue.begin(self._database, job)
        if begun is not None:
            self._design(job, *begun)

    def _design(self, job: int, author: str, request: DesignRequest | MicroRequest) -> None:
        watch = _Watch(self._database, job, self._closing)
        work = divide if isinstance(request, MicroRequest) else propose
        try:
            proposal = work(
                self._database,
                request,  # type: ignore[arg-type]
                author=author,
                progress=watch.progress,
                cancelled=watch.cancelled,
            )
            if proposal is None:
                queue.cancel(self._database, job)
            else:
                queue.finish(self._database, job, proposal)
        except _StoppingError:
            queue.put_back(self._database, job)
            raise
        except GridcircleError as error:
            queue.fail(self._database, job, type(error).__name__, str(error), error.remedy)
        except Exception as error:
            if isinstance(error, OperationalError):
                raise  # the database is away, and cannot be told
            log.exception("Design job %d failed", job)
            queue.fail(
                self._database,
                job,
                "Unexpected",
                f"The design failed: {type(error).__name__}.",
                "The log of the service says where; report it with the data if you can.",
            )


class _Watch:
    """Notes progress in the database now and then, and hears there who wants to stop."""

    def __init__(self, database: Database, job: int, closing: threading.Event) -> None:
        self._database = database
        self._job = job
        self._closing = closing
        self._lock = threading.Lock()
        self._told = 0.0
        self._at = ("reading", 0.0)
        self._stop = False

    def progress(self, stage: str, share: float) -> None:
        """Note how far it is."""
        if self._closing.is_set():
            raise _StoppingError
        new_stage = stage != self._at[0]
        self._at = (stage, share)
        self._tell(at_once=new_stage)

    def cancelled(self) -> bool:
        """Whether to take the best so far."""
        if not self._closing.is_set():
            self._tell()
        return self._stop or self._closing.is_set()

    def _tell(self, *, at_once: bool = False) -> None:
        # Asked by all threads of a search; one of them looks, the others go on.
        if not self._lock.acquire(blocking=at_once):
            return
        try:
            if at_once or time.monotonic() - self._told > TOLD_EVERY_S:
                if queue.report(self._database, self._job, *self._at):
                    self._stop = True
                self._told = time.monotonic()
        finally:
            self._lock.release()
