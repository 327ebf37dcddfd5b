"""`EmbeddedServer`: made, started, joined, left and stopped.

The server outlives the process that started it when that process is killed; the next one finds
it. Every process that uses it holds a shared lock; the last one to leave stops it.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from data.embedded.access import (
    DATABASE,
    PORT,
    ROLE,
    SUPERUSER,
    open_own,
    socket_folder_for,
    write_access_rules,
    write_for,
)
from data.embedded.account import Account, account_for, may_enter
from data.embedded.install import REMEDY, PostgresInstall, find_postgres
from data.embedded.postmaster import (
    START_TIMEOUT_S,
    forget_dead_server,
    is_our_server,
    running_server,
    status,
)
from data.errors import DatabaseUnavailableError

Progress = Callable[[str, float], None]

STOP_TIMEOUT_S = 30.0

# Chosen for a city's layers on a small machine beside the service. Kept beside the data folder and
# not in it: root never writes where the server's account could have planted a link.
_CONFIGURATION = """\
# Written by Gridcircle when this folder was made; change what you like.
max_connections = 60
shared_buffers = 256MB
effective_cache_size = 1GB
work_mem = 32MB
maintenance_work_mem = 128MB
random_page_cost = 1.1
jit = off                    # compiling costs more than our short queries take
wal_level = minimal          # nothing replicates from here
max_wal_senders = 0
max_wal_size = 2GB
checkpoint_timeout = 15min
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
"""

_STAMP = re.compile(r"^\d{4}-\d\d-\d\d \S+ \S+ \[\d+\] ")

_LOSS = {
    True: "",
    # For tests and other data that may be lost.
    False: "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nautovacuum = off\n",
}


class EmbeddedServer:
    """A running private PostGIS; make one with `EmbeddedServer.start`.

    Attributes
    ----------
    folder : Path
        Where the server's data, log and locks are.
    socket_folder : Path
        Where its socket is; only the server's account (and root) can enter.
    pid : int
        Its main process.
    """

    def __init__(
        self, folder: Path, socket_folder: Path, pid: int, users: IO[str], child: _Child | None
    ) -> None:
        self.folder = folder
        self.socket_folder = socket_folder
        self.pid = pid
        self._users = users
        self._child = child
        # A process that ends without a word still leaves no server behind.
        atexit.register(self.stop)

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the database."""
        return (
            f"postgresql+psycopg://{ROLE}@/{DATABASE}"
            f"?host={quote(str(self.socket_folder), safe='/')}&port={PORT}"
        )

    @classmethod
    def start(
        cls,
        home: Path,
        *,
        account: str = "",
        bin_folder: Path | None = None,
        durable: bool = True,
        progress: Progress | None = None,
    ) -> EmbeddedServer:
        """Use the private PostGIS of `home`: join it if it runs, start it, or make it first.

        Parameters
        ----------
        home : Path
            Gridcircle's folder, absolute; the server lives in ``postgres`` below it. Started by
            root, and where the server's account cannot reach that folder, it lives in
            ``/var/lib/gridcircle/<digest of home>`` and progress says so.
        account : str
            Account to run the server as when started by root; empty looks for ``postgres``.
        bin_folder : Path, optional
            Where the server's programs are; None looks in the usual places.
        durable : bool
            False gives up safety against power loss for speed, for tests.
        progress : callable, optional
            Told stage and share done.

        Raises
        ------
        DatabaseUnavailableError
            If no server can be had; the remedy says what to install.
        """
        tell = progress or _silent
        try:
            folder = _server_folder(home, account, tell)
            start_lock = open_own(folder / "start.lock", "a")
            users = open_own(folder / "users.lock", "a")
        except OSError as error:
            raise DatabaseUnavailableError(
                f"The database folder cannot be made: {error}.",
                remedy="Set GRIDCIRCLE_HOME to a folder you may write to.",
            ) from error
        data = folder / "data"
        with start_lock:
            _lock(start_lock, tell)
            try:
                fcntl.flock(users, fcntl.LOCK_SH)
                running = running_server(data)
                child = None
                if running is None:
                    who = account_for(data, account)
                    install = find_postgres(bin_folder, major=_major_of(data))
                    if not data.exists():
                        _initialise(install, who, data, durable=durable, tell=tell)
                    running, child = _launch(install, who, folder, tell)
                pid, socket_folder = running
                tell("Opening the database", 0.9)
                _prepare(socket_folder)
            except OSError as error:
                users.close()
                raise DatabaseUnavailableError(
                    f"The database in {folder} cannot be started: {error}.",
                    remedy="Set GRIDCIRCLE_HOME to a folder of your own on an ordinary local disk.",
                ) from error
            except BaseException:
                users.close()
                raise
            return cls(folder, socket_folder, pid, users, child)

    def stop(self) -> bool:
        """Leave the server; stop it if nobody else uses it. Safe to call twice.

        Returns
        -------
        bool
            Whether the server was stopped.
        """
        atexit.unregister(self.stop)
        if self._users.closed:
            return False
        if self._child is not None:
            self._child.poll()  # a child that ended is not gone until its parent has looked
        try:
            start_lock = open_own(self.folder / "start.lock", "a")
        except FileNotFoundError:
            # Somebody deleted the folder under the server: nothing is left to shut down well.
            self._users.close()
            if self._child is not None and self._child.poll() is None:
                self._child.kill()
            return False
        with start_lock:
            # Nobody can join between the question and the stop while this is held.
            fcntl.flock(start_lock, fcntl.LOCK_EX)
            with self._users:
                try:
                    fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                running = running_server(self.folder / "data")
                if running is None or running[0] != self.pid:
                    return False
                _halt(self.pid, self.folder / "data", self._child)
                return True


_Child = subprocess.Popen[bytes]


def _silent(_stage: str, _share: float) -> None:
    pass


def _lock(file: IO[str], tell: Progress) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        tell("Waiting for another Gridcircle to start or stop the database", 0.05)
        fcntl.flock(file, fcntl.LOCK_EX)


def _server_folder(home: Path, account: str, tell: Progress) -> Path:
    """Folder of the server, made if missing, that its account can reach."""
    digest = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]
    away = Path("/var/lib/gridcircle") / digest
    near = home / "postgres"
    if os.geteuid() == 0 and (away / "data").exists() and not (near / "data").exists():
        return away
    near.mkdir(parents=True, exist_ok=True)
    who = account_for(near / "data", account)
    if may_enter(who, near):
        return near
    tell(f"{home} is closed to the account {who.name}: the database lives in {away}", 0.05)
    with suppress(OSError):
        near.rmdir()
    away.mkdir(parents=True, exist_ok=True)
    for folder in (away.parent, away):
        folder.chmod(0o711)
    return away


def _major_of(data: Path) -> int | None:
    try:
        return int((data / "PG_VERSION").read_text("ascii").strip())
    except FileNotFoundError:
        return None


def _initialise(
    install: PostgresInstall, who: Account, data: Path, *, durable: bool, tell: Progress
) -> None:
    """Make the data folder under another name first: a broken-off attempt leaves no half one."""
    tell("Making a new database", 0.1)
    fresh = data.with_name("data.new")
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir(mode=0o700)
    os.chown(fresh, who.uid, who.gid, follow_symlinks=False)
    for locale in ("C.UTF-8", "C"):  # systems without C.UTF-8 (macOS before 15) take C
        command = [
            str(install.bin / "initdb"),
            f"--pgdata={fresh}",
            f"--username={SUPERUSER}",
            "--encoding=UTF8",
            f"--locale={locale}",
            "--auth=peer",
            "--data-checksums",
            *([] if durable else ["--no-sync"]),
        ]
        done = subprocess.run(  # noqa: S603
            command,
            env=_environment(),
            cwd="/",
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            **who.run_as(),
        )
        if done.returncode == 0:
            break
    else:
        raise DatabaseUnavailableError(
            f"The database folder {data} could not be made: {_reason(done.stderr)}.",
            remedy="Set GRIDCIRCLE_HOME to a folder on an ordinary local disk with room.",
        )
    write_for(who, data.with_name("postgresql.conf"), _CONFIGURATION + _LOSS[durable])
    fresh.rename(data)


def _environment() -> dict[str, str]:
    """Environment of the server: nothing of the caller's PG* variables may steer it."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def _reason(text: str) -> str:
    """Find what went wrong in the output of a PostgreSQL program: one line, without its time."""
    lines = [_STAMP.sub("", line).strip() for line in text.splitlines() if line.strip()]
    fatal = [i for i, line in enumerate(lines) if "FATAL" in line or "rror:" in line]
    if not lines:
        return "no reason given"
    last = fatal[-1] if fatal else len(lines) - 1
    if "contains errors" in lines[last] and last > 0:
        last -= 1  # the line before says which
    return lines[last].removeprefix("FATAL:").removeprefix("LOG:").strip().rstrip(".")


def _launch(
    install: PostgresInstall, who: Account, folder: Path, tell: Progress
) -> tuple[tuple[int, Path], _Child]:
    """Start the server and wait until it lets clients in."""
    tell("Starting the database", 0.4)
    data = folder / "data"
    forget_dead_server(data, who)
    write_access_rules(folder, who)
    socket_folder = socket_folder_for(folder, who)
    for stale in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
        # Nobody else has a socket in this folder, and the server that left them is dead.
        (socket_folder / stale).unlink(missing_ok=True)
    log = folder / "server.log"
    if log.exists():
        log.replace(folder / "server.log.old")
    with open_own(log, "w") as log_file:
        # A session of its own: Ctrl-C in the terminal is for the service, which then stops this.
        child = subprocess.Popen(  # noqa: S603
            [
                str(install.bin / "postgres"),
                f"-D{data}",
                f"--config_file={folder / 'postgresql.conf'}",
                f"--hba_file={folder / 'pg_hba.conf'}",
                f"--ident_file={folder / 'pg_ident.conf'}",
                "--listen_addresses=",
                f"--port={PORT}",
                f"--unix_socket_directories={_quoted_folder(socket_folder)}",
                "--unix_socket_permissions=0700",
                "--logging_collector=off",
                "--log_destination=stderr",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=log_file,
            env=_environment(),
            cwd="/",
            start_new_session=True,
            **who.run_as(),
        )
    began = time.monotonic()
    told = False
    while child.poll() is None:
        if status(data, child.pid) == "ready":
            return (child.pid, socket_folder), child
        waited = time.monotonic() - began
        if waited > START_TIMEOUT_S:
            child.send_signal(signal.SIGINT)
            break
        if waited > 3 and not told:
            tell("The database is recovering from a crash", 0.5)
            told = True
        time.sleep(0.01)
    text = log.read_text("utf-8", errors="replace")
    raise DatabaseUnavailableError(
        f"The database did not start: {_reason(text)}.", remedy=f"See {log}. {REMEDY}"
    )


def _quoted_folder(folder: Path) -> str:
    # A list setting: quotes keep commas and spaces of a path together.
    return '"' + str(folder).replace('"', '""') + '"'


def _prepare(socket_folder: Path) -> None:
    """Make role, database and extension where missing; bring PostGIS up to what is installed."""
    with _superuser(socket_folder, "postgres") as connection:
        held = connection.execute(
            "SELECT (SELECT count(*) FROM pg_roles WHERE rolname = %s),"
            " (SELECT count(*) FROM pg_database WHERE datname = %s)",
            (ROLE, DATABASE),
        ).fetchone()
        has_role, has_database = held or (0, 0)
        if not has_role:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(sql.Identifier(ROLE))
            )
        if not has_database:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(DATABASE), sql.Identifier(ROLE)
                )
            )
    with _superuser(socket_folder, DATABASE) as connection:
        row = connection.execute(
            "SELECT installed_version, default_version FROM pg_available_extensions"
            " WHERE name = 'postgis'"
        ).fetchone()
        installed, default = row or (None, None)
        if installed is None:
            connection.execute("CREATE EXTENSION IF NOT EXISTS postgis")
        elif installed != default:
            connection.execute("ALTER EXTENSION postgis UPDATE")


@contextmanager
def _superuser(socket_folder: Path, database: str) -> Iterator[psycopg.Connection[Any]]:
    try:
        connection = psycopg.connect(
            host=str(socket_folder),
            port=PORT,
            user=SUPERUSER,
            dbname=database,
            autocommit=True,
            connect_timeout=10,
        )
        with connection:
            yield connection
    except psycopg.Error as error:
        raise DatabaseUnavailableError(
            f"The embedded database refused its own set-up: {_reason(str(error))}.",
            remedy=REMEDY,
        ) from error


def _halt(pid: int, data: Path, child: _Child | None) -> None:
    """Fast shutdown, by the number just checked to be our server."""
    for order, patience_s in ((signal.SIGINT, STOP_TIMEOUT_S), (signal.SIGQUIT, 10.0)):
        with suppress(ProcessLookupError):
            os.kill(pid, order)
        began = time.monotonic()
        while time.monotonic() - began < patience_s:
            if child is not None and child.pid == pid and child.poll() is not None:
                return
            if not is_our_server(pid, data):
                return
            time.sleep(0.01)
