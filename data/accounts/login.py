"""Logging in by name and password: counted by name and by address before anything is checked."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, text

from data.accounts.passwords import hash_password, is_outdated, verify_password
from data.accounts.store import name_key, record
from data.database import Database
from data.errors import LoginError, TooManyAttemptsError

WINDOW_S = 15 * 60
"""Failures older than this are forgotten."""
MOST_BY_PAIR = 5
"""Failures for a name from one address: whoever mistypes, or guesses, from one place."""
MOST_BY_NAME = 25
"""Failures for a name from everywhere: guessing from many places."""
MOST_BY_ADDRESS = 60
"""Failures from one address: guessing many names. An office may share one address."""
KEPT_DAYS = 30

_COUNTS = text(
    """
    WITH recent AS (
        SELECT at, name_sha256 = :name AS same_name, address = :address AS same_address
          FROM login_attempts
         WHERE (name_sha256 = :name OR address = :address) AND NOT succeeded
           AND at > clock_timestamp() - make_interval(secs => :window)
    ), since AS (
        SELECT coalesce(max(at), '-infinity') AS at FROM login_attempts
         WHERE name_sha256 = :name AND address = :address AND succeeded
    )
    SELECT count(*) FILTER (WHERE same_name AND same_address AND recent.at > since.at) AS by_pair,
           count(*) FILTER (WHERE same_name) AS by_name,
           count(*) FILTER (WHERE same_address) AS by_address,
           extract(epoch FROM clock_timestamp() - min(recent.at))::int AS oldest_s
      FROM recent, since
    """
)


def check_login(database: Database, name: str, password: str, address: str) -> int:
    """Find the account that a name and a password belong to.

    The attempt is written down as failed before the password is looked at, one at a time for
    each name: many attempts at once are counted like attempts one after the other.

    Parameters
    ----------
    database : Database
    name, password : str
        As typed.
    address : str
        Where the attempt comes from.

    Returns
    -------
    int
        Id of the account.

    Raises
    ------
    TooManyAttemptsError
        If the name, or the address, failed too often lately; also for names that do not exist.
    LoginError
        If they do not belong together or the account is disabled; it does not say which.
    """
    digest, address = _name_digest(name), address[:64]
    with database.transaction("login") as connection:
        attempt = _count_attempt(connection, digest, address)
    with database.connect() as connection:
        row = connection.execute(
            text("SELECT id, name, password_hash, disabled_at FROM accounts WHERE name_key = :key"),
            {"key": name_key(name)[:200]},
        ).one_or_none()
    # No transaction is open while the password is checked, which takes its time on purpose.
    right = verify_password(row.password_hash if row else None, password)
    if not right or row is None or row.disabled_at is not None:
        raise LoginError(
            "The name and the password do not belong together.",
            remedy="Check both. An administrator can give a new password.",
        )
    with database.transaction(row.name) as connection:
        connection.execute(
            text("UPDATE login_attempts SET succeeded = true WHERE id = :id"), {"id": attempt}
        )
        if is_outdated(row.password_hash):
            connection.execute(
                text(
                    "UPDATE accounts SET password_hash = :new WHERE id = :id"
                    " AND password_hash = :old"
                ),
                {"id": row.id, "new": hash_password(password), "old": row.password_hash},
            )
    return int(row.id)


def forget_failures(connection: Connection, name: str) -> None:
    """Let a name that was locked try again at once."""
    connection.execute(
        text("DELETE FROM login_attempts WHERE name_sha256 = :name AND NOT succeeded"),
        {"name": _name_digest(name)},
    )


def _count_attempt(connection: Connection, digest: bytes, address: str) -> int:
    connection.execute(
        text("SELECT pg_advisory_xact_lock(:key)"),
        {"key": int.from_bytes(digest[:8], "big", signed=True)},
    )
    counts = connection.execute(
        _COUNTS, {"name": digest, "address": address, "window": WINDOW_S}
    ).one()
    if (
        counts.by_pair >= MOST_BY_PAIR
        or counts.by_name >= MOST_BY_NAME
        or counts.by_address >= MOST_BY_ADDRESS
    ):
        wait_s = max(30, WINDOW_S - (counts.oldest_s or 0))
        raise TooManyAttemptsError(
            "There were too many failed log-ins for this name, or from this address.",
            wait_s=wait_s,
            remedy=f"Try again in {-(-wait_s // 60)} minutes, or ask an administrator.",
        )
    connection.execute(
        text("DELETE FROM login_attempts WHERE at < now() - make_interval(days => :days)"),
        {"days": KEPT_DAYS},
    )
    attempt = connection.execute(
        text(
            "INSERT INTO login_attempts (at, name_sha256, address)"
            " VALUES (clock_timestamp(), :name, :address) RETURNING id"
        ),
        {"name": digest, "address": address},
    ).scalar_one()
    if counts.by_pair == MOST_BY_PAIR - 1 or counts.by_name == MOST_BY_NAME - 1:
        name = connection.scalar(
            text("SELECT name FROM accounts WHERE sha256(convert_to(name_key, 'UTF8')) = :name"),
            {"name": digest},
        )
        if name is not None:
            record(connection, "login", name, "last try before lock", {"address": address})
    return int(attempt)


def _name_digest(name: str) -> bytes:
    return hashlib.sha256(name_key(name).encode("utf-8", "surrogatepass")).digest()
