"""The embedded PostGIS: made, found again, shared, recovered, and closed to everybody else."""

from __future__ import annotations

import os
import pwd
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from waiting import wait_until

from data.embedded import EmbeddedServer, find_postgres
from data.errors import DatabaseUnavailableError

AS_ROOT = os.geteuid() == 0
ROOT = Path(__file__).parents[2]

needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root may take on other accounts")


def _open_to_others(path: Path) -> bool:
    """Whether any account may read a folder: a checkout in root's home is root's alone."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def _python_runs_for_others() -> bool:
    """Whether another account may start this Python, whose libraries may lie in root's home."""
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable]
    return subprocess.run([*command, "-c", ""], capture_output=True, check=False).returncode == 0


needs_open_checkout = pytest.mark.skipif(
    AS_ROOT and not (_open_to_others(ROOT) and _python_runs_for_others()),
    reason="other accounts may not enter the folder of this checkout, or of its Python",
)


started: list[EmbeddedServer] = []


def start(home: Path, *, durable: bool = False, **options: Any) -> EmbeddedServer:
    server = EmbeddedServer.start(home, durable=durable, **options)
    started.append(server)
    return server


@pytest.fixture(autouse=True)
def leave_all() -> Iterator[None]:
    """A test that fails leaves no server behind for the next."""
    yield
    while started:
        started.pop().stop()


@pytest.fixture(scope="module")
def home(reachable_folder: Path) -> Path:
    """A home whose database has been made, with one row in a table; it does not run."""
    folder = reachable_folder / "embedded"
    server = start(folder, durable=True)
    with connected(server) as connection:
        connection.execute("CREATE TABLE note (text text)")
        connection.execute("INSERT INTO note VALUES ('保留')")
    assert server.stop()
    return folder


def connected(server: EmbeddedServer) -> psycopg.Connection[tuple[str]]:
    return psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True)


def note(server: EmbeddedServer) -> str:
    with connected(server) as connection:
        row = connection.execute("SELECT text FROM note").fetchone()
    assert row is not None
    return row[0]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


PROCESS = """
import sys
from pathlib import Path
from data.embedded import EmbeddedServer
server = EmbeddedServer.start(Path(sys.argv[1]), durable=False)
print(server.pid, server.socket_folder, flush=True)
sys.stdin.readline()
print(server.stop(), flush=True)
"""


@pytest.fixture
def process() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts another Gridcircle process on a home; it leaves when it reads a line."""
    running: list[subprocess.Popen[str]] = []

    def run(
        home: Path, *, account: str | None = None, extra: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        prefix = []
        if account is not None:
            entry = pwd.getpwnam(account)
            prefix = [
                "setpriv",
                f"--reuid={entry.pw_uid}",
                f"--regid={entry.pw_gid}",
                "--clear-groups",
            ]
        child = subprocess.Popen(
            [*prefix, sys.executable, "-c", PROCESS, str(home)],
            cwd=ROOT,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(extra or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(child)
        return child

    yield run
    for child in running:
        child.kill()
        child.communicate()


def told(child: subprocess.Popen[str]) -> tuple[int, Path]:
    assert child.stdout is not None
    line = child.stdout.readline()
    assert line, child.stderr.read() if child.stderr else ""
    pid, folder = line.split(maxsplit=1)
    return int(pid), Path(folder.strip())


def test_what_was_written_is_found_again_at_the_next_start(home: Path) -> None:
    server = start(home)
    assert note(server) == "保留"
    assert server.stop()
    assert not alive(server.pid)
    assert not server.stop()  # safe to call twice


def test_the_server_has_postgis_text_as_utf8_and_a_role_that_is_no_superuser(home: Path) -> None:
    server = start(home)
    with connected(server) as connection:
        row = connection.execute(
            "SELECT current_setting('server_encoding'), postgis_lib_version(),"
            " current_setting('is_superuser'), lower('ÀÉ')"
        ).fetchone()
    server.stop()
    assert row is not None
    assert row[0] == "UTF8"
    assert tuple(map(int, row[1].split(".")[:2])) >= (3, 3)
    assert row[2:] == ("off", "àé")


def test_the_last_to_leave_stops_the_server(home: Path) -> None:
    first = start(home)
    second = start(home)
    assert first.pid == second.pid
    assert not first.stop()
    assert note(second) == "保留"
    assert second.stop()
    assert not alive(second.pid)


def test_another_process_uses_the_running_server_and_does_not_stop_it(
    home: Path, process: Callable[..., subprocess.Popen[str]]
) -> None:
    server = start(home)
    other = process(home)
    assert told(other)[0] == server.pid
    assert other.communicate("leave\n")[0].strip() == "False"
    assert note(server) == "保留"
    assert server.stop()


def test_processes_that_start_together_share_one_server(
    home: Path, process: Callable[..., subprocess.Popen[str]]
) -> None:
    children = [process(home) for _ in range(3)]
    pids = {told(child)[0] for child in children}
    assert len(pids) == 1
    stopped = [child.communicate("leave\n")[0].strip() for child in children]
    assert stopped == ["False", "False", "True"]
    assert not alive(pids.pop())


def test_a_server_whose_process_was_killed_is_found_and_stopped_by_the_next(
    home: Path, process: Callable[..., subprocess.Popen[str]]
) -> None:
    child = process(home)
    pid, _ = told(child)
    child.kill()
    child.wait()
    assert alive(pid)
    server = start(home)
    assert server.pid == pid
    assert note(server) == "保留"
    assert server.stop()
    assert not alive(pid)


def test_a_crashed_server_is_recovered(home: Path) -> None:
    server = start(home)
    with connected(server) as connection:
        connection.execute("INSERT INTO note VALUES ('还在')")
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    assert (server.folder / "data" / "postmaster.pid").exists()
    again = start(home)
    assert again.pid != server.pid
    with connected(again) as connection:
        row = connection.execute("SELECT count(*) FROM note").fetchone()
        assert row == (2,)
        connection.execute("DELETE FROM note WHERE text = '还在'")
    again.stop()


def test_a_stale_number_that_another_process_has_by_now_does_not_keep_it_from_starting(
    home: Path,
) -> None:
    server = start(home)
    owner = (server.folder / "data").stat()
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    stale = server.folder / "data" / "postmaster.pid"
    innocent = subprocess.Popen(
        ["sleep", "60"], user=owner.st_uid if AS_ROOT else None, start_new_session=True
    )
    try:
        lines = stale.read_text().splitlines()
        stale.write_text("\n".join([str(innocent.pid), *lines[1:]]) + "\n")
        again = start(home)
        assert note(again) == "保留"
        assert again.stop()
        assert innocent.poll() is None  # nobody took it for the server
    finally:
        innocent.kill()
        innocent.wait()


def test_a_server_stopped_by_somebody_else_is_left_in_peace(home: Path) -> None:
    server = start(home)
    os.kill(server.pid, signal.SIGINT)
    wait_until(lambda: not alive(server.pid))
    assert not server.stop()


def test_the_server_never_runs_as_root_and_keeps_no_group_of_roots(home: Path) -> None:
    server = start(home)
    status = Path(f"/proc/{server.pid}/status").read_text()
    server.stop()
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    assert "0" not in lines["Uid"].split()
    if AS_ROOT:
        assert "0" not in lines["Gid"].split()
        assert lines["Groups"].split() == []


def test_ctrl_c_in_the_terminal_is_not_for_the_server(home: Path) -> None:
    server = start(home)
    session = os.getsid(server.pid)
    server.stop()
    assert session != os.getsid(0)


def test_the_server_listens_on_a_socket_only_in_a_folder_closed_to_others(home: Path) -> None:
    server = start(home)
    with connected(server) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    folder = server.socket_folder.stat()
    socket = (server.socket_folder / ".s.PGSQL.5432").stat()
    data = (server.folder / "data").stat()
    server.stop()
    assert stat.S_IMODE(folder.st_mode) == 0o700
    assert stat.S_IMODE(socket.st_mode) == 0o700
    assert stat.S_IMODE(data.st_mode) == 0o700
    assert folder.st_uid == socket.st_uid == data.st_uid != 0


@needs_root
def test_another_account_of_the_machine_does_not_get_in_even_with_the_folder_open(
    home: Path,
) -> None:
    server = start(home)

    def knock() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [find_postgres().bin / "psql", "-h", server.socket_folder, "-U", "gridcircle"],
            user="nobody",
            group="nogroup",
            extra_groups=[],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )

    closed = knock()
    server.socket_folder.chmod(0o755)
    (server.socket_folder / ".s.PGSQL.5432").chmod(0o777)
    open_ = knock()
    server.stop()
    assert closed.returncode == 2
    assert "Permission denied" in closed.stderr
    assert open_.returncode == 2
    assert "Peer authentication failed" in open_.stderr


def test_variables_meant_for_other_servers_do_not_steer_ours(
    home: Path, process: Callable[..., subprocess.Popen[str]]
) -> None:
    child = process(
        home,
        extra={"PGHOST": "db.example", "PGPORT": "1", "PGDATA": "/nowhere", "PGUSER": "somebody"},
    )
    assert told(child)[0]
    assert child.communicate("leave\n")[0].strip() == "True"


def test_a_making_that_was_broken_off_is_begun_anew(reachable_folder: Path) -> None:
    home = reachable_folder / "broken-off"
    (home / "postgres" / "data.new" / "base").mkdir(parents=True)
    (home / "postgres" / "data.new" / "PG_VERSION").write_text("15\n")
    stages: list[str] = []
    server = start(home, progress=lambda stage, _share: stages.append(stage))
    assert server.stop()
    assert "Making a new database" in stages
    assert not (home / "postgres" / "data.new").exists()


def test_a_path_too_long_for_a_socket_gets_a_short_private_folder(
    home: Path, reachable_folder: Path
) -> None:
    long = reachable_folder / ("长" * 30) / ("x" * 60)
    long.mkdir(parents=True)
    moved = long / "home"
    home.rename(moved)
    try:
        server = start(moved)
        assert note(server) == "保留"
        folder = server.socket_folder
        assert len(os.fsencode(folder / ".s.PGSQL.5432")) <= 107
        assert moved not in folder.parents
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        server.stop()
        again = start(moved)
        assert again.socket_folder == folder  # found again, not one more at each start
        again.stop()
        folder.rmdir()
    finally:
        moved.rename(home)


@needs_root
def test_a_home_that_the_account_cannot_reach_moves_the_database_and_says_so(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o700)
    stages: list[str] = []
    server = start(tmp_path / "home", progress=lambda stage, _share: stages.append(stage))
    folder = server.folder
    try:
        assert folder.parent == Path("/var/lib/gridcircle")
        assert any(str(folder) in stage for stage in stages)
        assert server.stop()
        again = start(tmp_path / "home")
        assert again.folder == folder
        assert again.stop()
    finally:
        subprocess.run(["rm", "-r", str(folder)], check=True)


@needs_root
@needs_open_checkout
def test_an_ordinary_account_runs_the_server_as_itself_and_keeps_it_from_others(
    process: Callable[..., subprocess.Popen[str]],
) -> None:
    account = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="gridcircle-test-") as folder:
        os.chown(folder, account.pw_uid, account.pw_gid)
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        child = process(home, account="nobody")
        pid, socket_folder = told(child)
        assert Path(f"/proc/{pid}").stat().st_uid == account.pw_uid
        assert (home / "postgres" / "data").stat().st_uid == account.pw_uid
        other = process(home, account="games")
        out, err = other.communicate()
        assert out == ""
        assert "belongs to the account nobody" in err
        # root joins the server of the account whose data it is, and does not stop it
        server = start(home)
        assert server.pid == pid
        assert server.socket_folder == socket_folder
        assert not server.stop()
        assert child.communicate("leave\n")[0].strip() == "True"
        # and runs it as that account where it does not run
        server = start(home)
        assert Path(f"/proc/{server.pid}").stat().st_uid == account.pw_uid
        assert server.stop()


def test_without_postgis_the_message_says_exactly_what_to_do(
    reachable_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(DatabaseUnavailableError, match="No PostgreSQL 14 or newer") as caught:
        start(reachable_folder / "without", bin_folder=tmp_path)
    remedy = caught.value.remedy
    assert "apt-get install postgresql-15 postgresql-15-postgis-3" in remedy
    assert "create_main_cluster=false" in remedy
    assert "docker compose up" in remedy
    assert "DATABASE_URL" in remedy


def test_data_of_another_major_version_names_the_package_it_needs(reachable_folder: Path) -> None:
    home = reachable_folder / "older"
    data = home / "postgres" / "data"
    data.mkdir(parents=True)
    if AS_ROOT:
        os.chown(data, pwd.getpwnam("postgres").pw_uid, -1)
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(DatabaseUnavailableError, match="No PostgreSQL 9 ") as caught:
        start(home)
    assert "apt-get install postgresql-9 postgresql-9-postgis-3" in caught.value.remedy


def test_a_server_that_does_not_start_shows_why(home: Path) -> None:
    configuration = home / "postgres" / "postgresql.conf"
    good = configuration.read_text()
    configuration.write_text(good + "shared_buffers = many\n")
    try:
        with pytest.raises(DatabaseUnavailableError, match="shared_buffers") as caught:
            start(home)
        assert "server.log" in caught.value.remedy
    finally:
        configuration.write_text(good)
    assert start(home).stop()


def test_a_link_planted_in_place_of_a_file_of_ours_is_not_followed(
    home: Path, tmp_path: Path
) -> None:
    rules = home / "postgres" / "pg_hba.conf"
    precious = tmp_path / "precious"
    precious.write_text("kept")
    rules.unlink()
    rules.symlink_to(precious)
    try:
        with pytest.raises(DatabaseUnavailableError, match="cannot be started"):
            start(home)
        assert precious.read_text() == "kept"
    finally:
        rules.unlink()
    assert start(home).stop()


@needs_root
def test_an_account_that_does_not_exist_is_named(reachable_folder: Path) -> None:
    with pytest.raises(DatabaseUnavailableError, match="no account keiner") as caught:
        start(reachable_folder / "nobody-there", account="keiner")
    assert "GRIDCIRCLE_DATABASE_USER" in caught.value.remedy


def test_the_newest_postgresql_with_postgis_is_found() -> None:
    install = find_postgres()
    assert install.major >= 14
    assert install.postgis >= (3, 3)
    assert (install.bin / "initdb").exists()
    with pytest.raises(DatabaseUnavailableError, match="not 99"):
        find_postgres(major=99)


def test_the_database_keeps_every_safety_against_power_loss(home: Path) -> None:
    server = start(home)
    with connected(server) as connection:
        for name in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
            assert connection.execute(f"SHOW {name}").fetchone() == ("on",), name
    server.stop()
