"""Who may reach the embedded server: a socket in a folder of its own, and rules for who knocks."""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal

from data.embedded.account import Account, name_of

PORT = 5432
"""Only part of the socket's name: the server listens on no network address."""

DATABASE = "gridcircle"

ROLE = "gridcircle"
"""Owner of the database, not a superuser: what the service runs its statements as."""

SUPERUSER = "postgres"


def write_access_rules(folder: Path, who: Account) -> None:
    """Let in, by the kernel's word on who calls, the server's own account, its starter and root.

    The socket's folder is closed to all others as well: two locks on one door.
    """
    names = sorted({who.name, name_of(os.geteuid()), name_of(0)})
    ident = "".join(f'gridcircle "{name}" {role}\n' for name in names for role in (ROLE, SUPERUSER))
    note = "# Written by Gridcircle at every start.\n"
    write_for(who, folder / "pg_ident.conf", note + ident)
    write_for(who, folder / "pg_hba.conf", note + "local all all peer map=gridcircle\n")


def write_for(who: Account, path: Path, text: str) -> None:
    """Write a file that stays ours and that the server's group may read."""
    with open_own(path, "w") as file:
        os.fchown(file.fileno(), -1, who.gid)
        os.fchmod(file.fileno(), 0o640)
        file.write(text)


def open_own(path: Path, mode: Literal["w", "a"]) -> IO[str]:
    """Open a file of ours to write; a link planted in its place is refused, not followed.

    Root may work in a folder that belongs to somebody else.
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW, 0o644)

    return open(path, mode, encoding="utf-8", opener=opener)


def socket_folder_for(folder: Path, who: Account) -> Path:
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


def _make_private(place: Path, who: Account) -> bool:
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
