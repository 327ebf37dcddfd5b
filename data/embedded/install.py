"""Finding a PostgreSQL with PostGIS on this machine, or saying what to install."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data.errors import DatabaseUnavailableError

MIN_POSTGRES = 14

MIN_POSTGIS = (3, 3)

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
