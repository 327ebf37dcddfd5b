"""The file in which a running PostgreSQL says who it is, and what it is worth after a crash."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from data.embedded.account import Account

START_TIMEOUT_S = 180.0
"""Recovery after a crash replays the log before it lets anybody in."""


def _pid_file(data: Path) -> list[str]:
    """Lines of postmaster.pid: pid, data, start, port, socket folder, address, memory, status."""
    try:
        return (data / "postmaster.pid").read_text("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def status(data: Path, pid: int) -> str:
    """State the server itself reports, ``ready`` when it lets clients in; empty if unknown."""
    lines = _pid_file(data)
    return lines[7].strip() if len(lines) >= 8 and lines[0].strip() == str(pid) else ""


def running_server(data: Path) -> tuple[int, Path] | None:
    """Process and socket folder of the server on `data`, waiting for one that still starts."""
    began = time.monotonic()
    while time.monotonic() - began < START_TIMEOUT_S:
        lines = _pid_file(data)
        if not lines or not lines[0].strip().isdigit():
            return None
        pid = int(lines[0])
        if not is_our_server(pid, data):
            return None
        if status(data, pid) == "ready":
            return pid, Path(lines[4])
        time.sleep(0.05)
    return None


def is_our_server(pid: int, data: Path) -> bool:
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
    shown = subprocess.run(  # noqa: S603
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return str(data) in shown.stdout


def forget_dead_server(data: Path, who: Account) -> None:
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
