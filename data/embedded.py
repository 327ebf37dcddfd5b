"""The embedded database: a private PostGIS in a folder of its own, reached by a socket only.

The server outlives the process that started it when that process is killed; the next one finds
it. Every process that uses it holds a shared lock; the last one to leave stops it.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from data.errors import DatabaseUnavailableError

Progress = Callable[[str, float], None]

MIN_POSTGRES = 14
MIN_POSTGIS = (3, 3)
DATABASE = "gridcircle"
ROLE = "gridcircle"
"""Owner of the database, not a superuser: what the service runs its statements as."""
SUPERUSER = "postgres"
PORT = 5432
"""Only part of the socket's name: the server listens on no network address."""
START_TIMEOUT_S = 180.0
"""Recovery after a crash replays the log before it lets anybody in."""
STOP_TIMEOUT_S = 30.0

REMEDY = (
    "Do one of these. (1) On Debian, as root: "
    "mkdir -p /etc/postgresql-common/createcluster.d && "
    "echo create_main_cluster=false > /etc/postgresql-common/createcluster.d/gridcircle.conf && "
    "apt-get install postgresql-15 postgresql-15-postgis-3 "
    f"(any PostgreSQL {MIN_POSTGRES} or newer with PostGIS "
    f"{MIN_POSTGIS[0]}.{MIN_POSTGIS[1]} or newer will do). "
    "(2) With Docker: docker compose up. "
    "(3) Set DATABASE_URL to a PostGIS you have."
)

_BIN_GLOBS = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # the PostgreSQL project's own RPMs
    "/usr/bin",  # Fedora, Arch
    "/usr/local/pgsql/bin",  # built from source
    "/usr/libexec/postgresql*",  # Alpine
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/opt/homebrew/bin",
    "/opt/local/lib/postgresql*/bin",  # MacPorts
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)

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


@dataclass(frozen=True, slots=True)
class PostgresInstall:
    """A PostgreSQL with PostGIS on this machine.

    Attributes
    ----------
    bin : Path
        Folder of ``initdb`` and ``postgres``.
    major : int
        PostgreSQL major version.
    version : tuple of int
        PostgreSQL version.
    postgis : tuple of int
        PostGIS version its extension folder holds.
    """

    bin: Path
    major: int
    version: tuple[int, ...]
    postgis: tuple[int, ...]


def find_postgres(bin_folder: Path | None = None, *, major: int | None = None) -> PostgresInstall:
    """Find the newest usable PostgreSQL with PostGIS.

    Parameters
    ----------
    bin_folder : Path, optional
        Look only there.
    major : int, optional
        Accept only this major version: the one that made an existing data folder.

    Raises
    ------
    DatabaseUnavailableError
        If there is none; the message names what was found and why it will not do.
    """
    folders = [bin_folder] if bin_folder is not None else list(_bin_folders())
    usable: list[PostgresInstall] = []
    refused: list[str] = []
    for folder in folders:
        if not ((folder / "initdb").exists() and (folder / "postgres").exists()):
            continue
        version = _version(_output([str(folder / "postgres"), "--version"]))
        postgis = _postgis_version(folder, version)
        if not version or version[0] < MIN_POSTGRES:
            refused.append(f"{folder} is PostgreSQL {_dotted(version)}")
        elif postgis < MIN_POSTGIS:
            held = f"PostGIS {_dotted(postgis)}" if postgis else "no PostGIS"
            refused.append(f"{folder} (PostgreSQL {_dotted(version)}) has {held}")
        elif major is not None and version[0] != major:
            refused.append(f"{folder} is PostgreSQL {version[0]}, not {major}")
        else:
            usable.append(PostgresInstall(folder, version[0], version, postgis))
    if usable:
        return max(usable, key=lambda install: (install.version, install.postgis))
    where = f"in {bin_folder}" if bin_folder is not None else "on this machine"
    wanted = f"PostgreSQL {MIN_POSTGRES} or newer" if major is None else f"PostgreSQL {major}"
    raise DatabaseUnavailableError(
        f"No {wanted} with PostGIS {_dotted(MIN_POSTGIS)} or newer was found {where}"
        + (f": {'; '.join(refused)}." if refused else "."),
        remedy=REMEDY if major is None else _same_major_remedy(major),
    )


def _same_major_remedy(major: int) -> str:
    return (
        f"The data folder was made by PostgreSQL {major} and needs it: "
        f"apt-get install postgresql-{major} postgresql-{major}-postgis-3. "
        "Or move the folder away to begin anew, or set DATABASE_URL to a PostGIS you have."
    )


def _bin_folders() -> Iterator[Path]:
    seen: set[Path] = set()
    named = [_output(["pg_config", "--bindir"]).strip()] if shutil.which("pg_config") else []
    on_path = shutil.which("postgres")
    named += [str(Path(on_path).parent)] if on_path else []
    named += [f"{os.environ['CONDA_PREFIX']}/bin"] if os.environ.get("CONDA_PREFIX") else []
    globbed = (str(p) for pattern in _BIN_GLOBS for p in Path("/").glob(pattern[1:]))
    for name in (*named, *globbed):
        if name and (folder := Path(name).resolve()) not in seen:
            seen.add(folder)
            yield folder


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=20, check=False, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _version(text: str) -> tuple[int, ...]:
    match = re.search(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?", text)
    return tuple(int(part) for part in match.groups() if part) if match else ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version)) or "of unknown version"


def _postgis_version(folder: Path, version: tuple[int, ...]) -> tuple[int, ...]:
    """Read the version from the extension's control file; () where there is none."""
    shares = [Path(_output([str(folder / "pg_config"), "--sharedir"]).strip() or "/nonexistent")]
    if version:
        # Debian's share folder follows the version number.
        shares += [Path(f"/usr/share/postgresql/{version[0]}")]
    shares += [folder.parent / "share" / "postgresql", folder.parent / "share"]
    for share in shares:
        control = share / "extension" / "postgis.control"
        if control.is_file():
            match = re.search(r"default_version\s*=\s*'([^']+)'", control.read_text("utf-8"))
            return _version(match.group(1)) if match else ()
    return ()


@dataclass(frozen=True, slots=True)
class _Account:
    """The account the server runs as; never root."""

    name: str
    uid: int
    gid: int

    def run_as(self) -> dict[str, Any]:
        """Arguments for `subprocess` that give up root for good: ids and all further groups."""
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def _account(data: Path, wanted: str) -> _Account:
    """Account to run as: the owner of an existing data folder, ourselves, or one below root."""
    owner = data.stat().st_uid if data.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner != os.geteuid():
            raise DatabaseUnavailableError(
                f"The database in {data} belongs to the account {_name_of(owner)}.",
                remedy="Run as that account, or set GRIDCIRCLE_HOME to a folder of your own.",
            )
        return _Account(_name_of(os.geteuid()), os.geteuid(), os.getegid())
    if owner:
        try:
            entry = pwd.getpwuid(owner)
        except KeyError:
            return _Account(str(owner), owner, data.stat().st_gid)
        return _Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    for name in [wanted] if wanted else ["postgres", "_postgres", "gridcircle"]:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            if entry.pw_uid != 0:
                return _Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise DatabaseUnavailableError(
        "PostgreSQL refuses to run as root, and "
        + (f"there is no account {wanted} below root" if wanted else "there is no account postgres")
        + " to run it as.",
        remedy="As root: useradd --system gridcircle. Or start Gridcircle as an ordinary account, "
        "or set GRIDCIRCLE_DATABASE_USER to an account that may run the database.",
    )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


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
            start_lock = (folder / "start.lock").open("a")
            users = (folder / "users.lock").open("a")
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
                running = _running(data)
                child = None
                if running is None:
                    who = _account(data, account)
                    install = find_postgres(bin_folder, major=_major_of(data))
                    if not data.exists():
                        _initialise(install, who, data, durable=durable, tell=tell)
                    running, child = _launch(install, who, folder, tell)
                pid, socket_folder = running
                tell("Opening the database", 0.9)
                _prepare(socket_folder)
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
            start_lock = (self.folder / "start.lock").open("a")
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
                running = _running(self.folder / "data")
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
    who = _account(near / "data", account)
    if _may_enter(who, near):
        return near
    tell(f"{home} is closed to the account {who.name}: the database lives in {away}", 0.05)
    with suppress(OSError):
        near.rmdir()
    away.mkdir(parents=True, exist_ok=True)
    for folder in (away.parent, away):
        folder.chmod(0o711)
    return away


def _may_enter(who: _Account, folder: Path) -> bool:
    if os.geteuid() == who.uid:
        return True
    asked = subprocess.run(  # noqa: S603
        ["/usr/bin/env", "test", "-x", str(folder)],
        cwd="/",
        check=False,
        capture_output=True,
        **who.run_as(),
    )
    return asked.returncode == 0


def _major_of(data: Path) -> int | None:
    try:
        return int((data / "PG_VERSION").read_text("ascii").strip())
    except FileNotFoundError:
        return None


def _initialise(
    install: PostgresInstall, who: _Account, data: Path, *, durable: bool, tell: Progress
) -> None:
    """Make the data folder under another name first: a broken-off attempt leaves no half one."""
    tell("Making a new database", 0.1)
    fresh = data.with_name("data.new")
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir(mode=0o700)
    os.chown(fresh, who.uid, who.gid)
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
    _write_for(who, data.with_name("postgresql.conf"), _CONFIGURATION + _LOSS[durable])
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
    install: PostgresInstall, who: _Account, folder: Path, tell: Progress
) -> tuple[tuple[int, Path], _Child]:
    """Start the server and wait until it lets clients in."""
    tell("Starting the database", 0.4)
    data = folder / "data"
    _forget_dead_server(data, who)
    _write_access_rules(folder, who)
    socket_folder = _socket_folder(folder, who)
    for stale in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
        # Nobody else has a socket in this folder, and the server that left them is dead.
        (socket_folder / stale).unlink(missing_ok=True)
    log = folder / "server.log"
    if log.exists():
        log.replace(folder / "server.log.old")
    with log.open("wb") as log_file:
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
        if _status(data, child.pid) == "ready":
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


def _pid_file(data: Path) -> list[str]:
    """Lines of postmaster.pid: pid, data, start, port, socket folder, address, memory, status."""
    try:
        return (data / "postmaster.pid").read_text("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _status(data: Path, pid: int) -> str:
    lines = _pid_file(data)
    return lines[7].strip() if len(lines) >= 8 and lines[0].strip() == str(pid) else ""


def _running(data: Path) -> tuple[int, Path] | None:
    """Process and socket folder of the server on `data`, waiting for one that still starts."""
    began = time.monotonic()
    while time.monotonic() - began < START_TIMEOUT_S:
        lines = _pid_file(data)
        if not lines or not lines[0].strip().isdigit():
            return None
        pid = int(lines[0])
        if not _is_our_server(pid, data):
            return None
        if _status(data, pid) == "ready":
            return pid, Path(lines[4])
        time.sleep(0.05)
    return None


def _is_our_server(pid: int, data: Path) -> bool:
    """Whether `pid` is alive and a PostgreSQL server on this very data folder.

    A number in postmaster.pid proves nothing after a crash: in a container the same small
    numbers come round again.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False
    if Path("/proc/self/cwd").exists():
        try:
            # The server's working folder is its data folder.
            return Path(f"/proc/{pid}/cwd").readlink() == data.resolve()
        except OSError:  # ended meanwhile, or a dead child not yet collected
            return False
    return str(data) in _output(["ps", "-o", "command=", "-p", str(pid)])


def _forget_dead_server(data: Path, who: _Account) -> None:
    """Make PostgreSQL see that the server named in a stale postmaster.pid is dead.

    Its number may by now belong to another process of the same account, which PostgreSQL would
    take for the server. The other lines stay, so that its own check for processes
    still attached to the old shared memory is not lost.
    """
    lines = _pid_file(data)
    if not lines:
        return
    no_such_process = str(2**31 - 2)
    subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", 'cat > "$1"', "sh", str(data / "postmaster.pid")],
        input="\n".join([no_such_process, *lines[1:]]) + "\n",
        text=True,
        cwd="/",
        check=False,
        **who.run_as(),
    )


def _write_access_rules(folder: Path, who: _Account) -> None:
    """Let in, by the kernel's word on who calls, the server's own account, its starter and root.

    The socket's folder is closed to all others as well: two locks on one door.
    """
    names = sorted({who.name, _name_of(os.geteuid()), _name_of(0)})
    ident = "".join(f'gridcircle "{name}" {role}\n' for name in names for role in (ROLE, SUPERUSER))
    note = "# Written by Gridcircle at every start.\n"
    _write_for(who, folder / "pg_ident.conf", note + ident)
    _write_for(who, folder / "pg_hba.conf", note + "local all all peer map=gridcircle\n")


def _write_for(who: _Account, path: Path, text: str) -> None:
    """Write a file that stays ours and that the server's group may read."""
    path.write_text(text, "utf-8")
    os.chown(path, -1, who.gid)
    path.chmod(0o640)


def _socket_folder(folder: Path, who: _Account) -> Path:
    """Folder for the socket with rights 0700, short enough: its path may have 107 bytes."""
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    name = f"gridcircle-{who.uid}-{digest}"
    places = [folder / "socket"]
    if os.geteuid() == 0:
        places.append(Path("/run") / name)
    if os.environ.get("XDG_RUNTIME_DIR") and os.geteuid() == who.uid:
        places.append(Path(os.environ["XDG_RUNTIME_DIR"]) / name)
    places.append(Path("/tmp") / name)  # noqa: S108 — checked below to be ours alone
    for place in places:
        with suppress(OSError):
            place.mkdir(mode=0o700, exist_ok=True)
            if _make_private(place, who) and _takes_sockets(place):
                return place
    # Somebody else holds the name in /tmp: take one that nobody can foresee.
    place = Path(tempfile.mkdtemp(prefix="gridcircle-", dir="/tmp"))
    os.chown(place, who.uid, who.gid)
    return place


def _make_private(place: Path, who: _Account) -> bool:
    # O_NOFOLLOW: a link planted in /tmp must not make us give away what it points to.
    handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(handle).st_uid not in {who.uid, os.geteuid()}:
            return False
        os.fchown(handle, who.uid, who.gid)
        os.fchmod(handle, 0o700)
        return True
    finally:
        os.close(handle)


def _takes_sockets(place: Path) -> bool:
    """Try: paths too long and file systems without sockets (mounts of other systems) fail."""
    trial = place / f".s.PGSQL.{PORT}.lock.trial"  # longer than what PostgreSQL will make
    with suppress(OSError), socket.socket(socket.AF_UNIX) as door:
        trial.unlink(missing_ok=True)
        door.bind(str(trial))
        trial.unlink()
        return True
    return False


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
            if not _is_our_server(pid, data):
                return
            time.sleep(0.01)
