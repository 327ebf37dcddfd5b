"""The thread of a service that works off design jobs, one at a time."""

from __future__ import annotations

import logging
import threading
import time

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from data.database import Database
from data.plans import design_queue as queue
from data.plans.design_job import DesignRequest, propose
from data.plans.micro_job import MicroRequest, divide
from geo.errors import GridcircleError

POLL_S = 2.0
"""Seconds between looks for a job that another process put into the queue."""
TOLD_EVERY_S = 0.4
"""Seconds between notes of progress, and until a cancellation is heard."""

log = logging.getLogger("gridcircle.design")


class _StoppingError(Exception):
    """The service is about to stop."""


class DesignWorker:
    """Works off design jobs in a thread of its own.

    Several services on one database share the queue; each job is claimed by one.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="design", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look for a job now."""
        self._wake.set()

    def stop(self, timeout_s: float = 30.0) -> None:
        """End; a job at work waits for the next start of a service."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            try:
                queue.fail_left(self._database)
                with queue.claimed(self._database) as job:
                    if job is not None:
                        self._design(*job)
            except SQLAlchemyError as error:
                # The database is away; what it holds waits there.
                log.warning("Design jobs wait: %s", error)
                job = None
            if job is None:
                self._wake.wait(POLL_S)

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
