"""`gridcircle accounts` and the first start, as the real programs on a real database."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from people import log_in
from sqlalchemy import text
from town import seed_layers

from data.accounts.login import check_login
from data.accounts.sessions import account_of_token
from data.database import Database

ROOT = Path(__file__).parents[1]
PROGRAM = [sys.executable, "-c", "from api.cli import main; main()"]


@pytest.fixture
def town(database: Database) -> Database:
    with database.transaction("test") as connection:
        seed_layers(connection)
    return database


def environment(database: Database, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": database.url,
        "GRIDCIRCLE_ACCOUNTS": "on",
        **more,
    }


def accounts(
    database: Database, folder: Path, *arguments: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, "accounts", *arguments],
        cwd=folder,
        env=environment(database),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_accounts_are_added_granted_disabled_and_listed(town: Database, tmp_path: Path) -> None:
    added = accounts(town, tmp_path, "add", "小李", "--role", "planner", "--area", "C1")
    assert added.returncode == 0, added.stderr
    password = added.stdout.strip()
    assert password not in added.stderr
    assert check_login(town, "小李", password, "127.0.0.1")
    accounts(town, tmp_path, "grant", "小李", "--role", "publisher")
    accounts(town, tmp_path, "grant", "小李", "--role", "planner", "--area", "C1", "--remove")
    accounts(town, tmp_path, "disable", "小李")
    listed = json.loads(accounts(town, tmp_path, "list", "--json").stdout)["accounts"]
    assert listed[0]["grants"] == [{"role": "publisher", "area": None}]
    assert listed[0]["disabled"] is True
    assert accounts(town, tmp_path, "enable", "小李").stdout == "小李: publisher (whole city)\n"


def test_a_password_may_come_by_standard_input(town: Database, tmp_path: Path) -> None:
    accounts(town, tmp_path, "add", "小李", "--role", "viewer")
    done = accounts(
        town, tmp_path, "password", "小李", "--password-stdin", stdin="ein-langes-neues-wort\n"
    )
    assert done.returncode == 0
    assert "ein-langes" not in done.stdout + done.stderr
    assert check_login(town, "小李", "ein-langes-neues-wort", "127.0.0.1")


def test_a_token_is_printed_and_holds(town: Database, tmp_path: Path) -> None:
    accounts(town, tmp_path, "add", "bot", "--role", "planner", "--area", "T1")
    made = accounts(
        town, tmp_path, "token", "bot", "--role", "viewer", "--for", "night", "--days", "2"
    )
    assert made.returncode == 0, made.stderr
    with town.connect() as connection:
        found = account_of_token(connection, made.stdout.strip())
    assert [(g.role, g.area_code) for g in found.account.grants] == [("viewer", "T1")]


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "x", "--role", "mayor"),
        ("add", "x", "--role", "planner", "--area", "nowhere"),
        ("password", "nobody"),
        ("disable", "nobody"),
        ("token", "nobody", "--role", "viewer", "--for", "x"),
    ],
)
def test_what_cannot_be_done_is_told_with_a_remedy(
    town: Database, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = accounts(town, tmp_path, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.strip().splitlines()) == 2
    with town.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM accounts")) == 0


@contextmanager
def served(database: Database, folder: Path, *, terminal: bool) -> Iterator[str]:
    """What `gridcircle serve` says up to its last line, on a terminal or into a file."""
    ours, theirs = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(
        [*PROGRAM, "serve", "--port", "8790"],
        cwd=folder,
        env=environment(database, COLUMNS="200"),
        stderr=theirs,
        stdout=subprocess.DEVNULL,
    )
    os.close(theirs)
    said, until = "", time.monotonic() + 120
    try:
        while "Ctrl-C stops it." not in said:
            assert time.monotonic() < until, said
            if select.select([ours], [], [], 1)[0]:
                said += os.read(ours, 4096).decode()
        yield said
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        os.close(ours)


def test_the_first_start_shows_a_password_on_the_terminal_once(
    town: Database, tmp_path: Path
) -> None:
    with served(town, tmp_path, terminal=True) as said:
        found = re.search(r"First administrator: admin\s+password: ([\w-]{23})", said)
        assert found, said
        url = re.search(r"http://[\d.:]+", said)[0]
        with httpx.Client(base_url=url, headers={"Origin": url}) as client:
            assert log_in(client, "admin", found[1]).status_code == 303
            account = client.get("/api/v1/account").json()
            assert account["must_change_password"] is True
            assert account["grants"] == [{"role": "administrator", "area": None}]
    with served(town, tmp_path, terminal=True) as said:
        assert "password" not in said
    with town.connect() as connection:
        rows = str(connection.execute(text("SELECT a::text FROM accounts a")).all())
    assert found[1] not in rows


def test_a_start_without_a_terminal_leaves_no_password_in_its_log(
    town: Database, tmp_path: Path
) -> None:
    with served(town, tmp_path, terminal=False) as said:
        assert "gridcircle accounts password admin" in said
        assert not re.search(r"\w{5}-\w{5}-\w{5}-\w{5}", said)
    made = accounts(town, tmp_path, "password", "admin")
    assert check_login(town, "admin", made.stdout.strip(), "127.0.0.1")
