"""The account the embedded server runs as: the one that starts it, or one below root."""

from __future__ import annotations

import os
import pwd
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import DatabaseUnavailableError


@dataclass(frozen=True, slots=True)
class Account:
    """The account the server runs as; never root."""

    name: str
    uid: int
    gid: int

    def run_as(self) -> dict[str, Any]:
        """Arguments for `subprocess` that give up root for good: ids and all further groups."""
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def account_for(data: Path, wanted: str) -> Account:
    """Account to run as: the owner of an existing data folder, ourselves, or one below root."""
    owner = data.stat().st_uid if data.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner != os.geteuid():
            raise DatabaseUnavailableError(
                f"The database in {data} belongs to the account {name_of(owner)}.",
                remedy="Run as that account, or set GRIDCIRCLE_HOME to a folder of your own.",
            )
        return Account(name_of(os.geteuid()), os.geteuid(), os.getegid())
    if owner:
        try:
            entry = pwd.getpwuid(owner)
        except KeyError:
            return Account(str(owner), owner, data.stat().st_gid)
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    for name in [wanted] if wanted else ["postgres", "_postgres", "gridcircle"]:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            if entry.pw_uid != 0:
                return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise DatabaseUnavailableError(
        "PostgreSQL refuses to run as root, and "
        + (f"there is no account {wanted} below root" if wanted else "there is no account postgres")
        + " to run it as.",
        remedy="As root: useradd --system gridcircle. Or start Gridcircle as an ordinary account, "
        "or set GRIDCIRCLE_DATABASE_USER to an account that may run the database.",
    )


def name_of(uid: int) -> str:
    """Name of an account; its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def may_enter(who: Account, folder: Path) -> bool:
    """Whether an account can reach a folder, asked of the system itself."""
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
