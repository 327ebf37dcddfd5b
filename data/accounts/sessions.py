"""Sessions and API tokens: what a request carries, and the account behind it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from data.accounts.account import ROLE_RIGHTS, ROLES, Account, Grant
from data.accounts.secrets import TOKEN_PREFIX, digest, new_secret
from data.accounts.store import record
from data.errors import Fault, InvalidRowError, NotFoundError, RightMissingError

IDLE_S = 2 * 3600
"""A session that nobody used this long has ended."""
_SEEN_EVERY_S = 300
"""How often a session or token in use is written down as such."""
LONGEST_DAYS = 366
MOST_TOKENS = 50

_ACCOUNT = """
    SELECT a.id, a.name, a.must_change, a.password_hash IS NOT NULL AS has_password, s.*,
           (SELECT coalesce(array_agg(ARRAY[g.role::text, g.area_code::text]
                                      ORDER BY g.role, g.area_code), '{}')
              FROM account_grants g WHERE g.account_id = a.id) AS grants,
           (WITH RECURSIVE below AS (
                SELECT DISTINCT g.area_code AS top, r.id, r.code
                  FROM account_grants g JOIN areas r ON r.code = g.area_code
                 WHERE g.account_id = a.id
                UNION
                SELECT b.top, r.id, r.code FROM below b JOIN areas r ON r.parent_id = b.id
            ) SELECT coalesce(array_agg(ARRAY[top::text, code::text]), '{}') FROM below) AS below
      FROM accounts a
"""
_BY_SESSION = text(
    f"""
    {_ACCOUNT}
      JOIN (SELECT account_id, cookie_sha256, NULL::bigint AS token_id, NULL::text[] AS roles,
                   seen_at < now() - make_interval(secs => :stale) AS stale
              FROM account_sessions
             WHERE cookie_sha256 = :digest AND expires_at > now()
               AND seen_at > now() - make_interval(secs => :idle)) s ON s.account_id = a.id
     WHERE a.disabled_at IS NULL
    """
)
_BY_TOKEN = text(
    f"""
    {_ACCOUNT}
      JOIN (SELECT account_id, NULL::bytea AS cookie_sha256, id AS token_id, roles,
                   used_at IS NULL OR used_at < now() - make_interval(secs => :stale) AS stale
              FROM account_tokens
             WHERE token_sha256 = :digest AND expires_at > now() AND revoked_at IS NULL
           ) s ON s.account_id = a.id
     WHERE a.disabled_at IS NULL
    """
)


@dataclass(frozen=True, slots=True)
class Found:
    """The account behind a cookie or token.

    Attributes
    ----------
    account : Account
    stale : bool
        Whether it is time to write down that it is in use: `touch`.
    """

    account: Account
    stale: bool


@dataclass(frozen=True, slots=True)
class TokenSummary:
    """An API token as its owner sees it; the token itself is not kept."""

    id: int
    name: str
    roles: tuple[str, ...]
    created_at: dt.datetime
    expires_at: dt.datetime
    used_at: dt.datetime | None
    revoked_at: dt.datetime | None
    is_expired: bool


def open_session(connection: Connection, account_id: int, *, hours: int) -> str:
    """Begin a session; the answer is the cookie, new at every log-in."""
    cookie = new_secret()
    connection.execute(
        text("DELETE FROM account_sessions WHERE expires_at < now() OR seen_at < :idle"),
        {"idle": dt.datetime.now(dt.UTC) - dt.timedelta(seconds=IDLE_S)},
    )
    connection.execute(
        text(
            "INSERT INTO account_sessions (cookie_sha256, account_id, expires_at)"
            " VALUES (:digest, :id, now() + make_interval(hours => :hours))"
        ),
        {"digest": digest(cookie), "id": account_id, "hours": hours},
    )
    name = connection.execute(
        text("UPDATE accounts SET logged_in_at = now() WHERE id = :id RETURNING name"),
        {"id": account_id},
    ).scalar_one()
    record(connection, name, name, "logged in")
    return cookie


def close_session(connection: Connection, cookie: str) -> None:
    """End a session; no matter whether there is one."""
    connection.execute(
        text("DELETE FROM account_sessions WHERE cookie_sha256 = :digest"),
        {"digest": digest(cookie)},
    )


def account_of_cookie(connection: Connection, cookie: str) -> Found | None:
    """Find who holds a session; None where it ended or the account is disabled."""
    row = connection.execute(
        _BY_SESSION, {"digest": digest(cookie), "idle": IDLE_S, "stale": _SEEN_EVERY_S}
    ).one_or_none()
    return None if row is None else _found(row)


def account_of_token(connection: Connection, token: str) -> Found | None:
    """Find whose API token this is; None where it ended, was revoked or never was."""
    if not token.startswith(TOKEN_PREFIX):
        return None
    row = connection.execute(
        _BY_TOKEN, {"digest": digest(token), "stale": _SEEN_EVERY_S}
    ).one_or_none()
    return None if row is None else _found(row)


def touch(connection: Connection, account: Account) -> None:
    """Write down that a session or token is in use."""
    if account.session is not None:
        connection.execute(
            text("UPDATE account_sessions SET seen_at = now() WHERE cookie_sha256 = :digest"),
            {"digest": account.session},
        )
    if account.token_id is not None:
        connection.execute(
            text("UPDATE account_tokens SET used_at = now() WHERE id = :id"),
            {"id": account.token_id},
        )


def add_token(
    connection: Connection, account: Account, name: str, *, roles: tuple[str, ...], days: int
) -> str:
    """Make an API token for an account; the answer is the token, which is not kept.

    Parameters
    ----------
    connection : Connection
    account : Account
        Whose; the token never reaches further than the account at the time it is used.
    name : str
        What it is for.
    roles : tuple of str
        Which of the account's roles, or of the lesser ones these include, it has.
    days : int
        1 to 366.

    Raises
    ------
    InvalidRowError
        If name, roles or days make no sense.
    RightMissingError
        If the account has not got such a role, or came by a token itself.
    """
    if account.token_id is not None:
        raise RightMissingError(
            "A token cannot make tokens.", remedy="Log in with name and password."
        )
    faults = []
    name = name.strip()
    if not name or len(name) > 100 or not name.isprintable():
        faults.append(Fault("name", name[:80], "is no name", "Say in 1 to 100 letters what for."))
    if not roles or not set(roles) <= set(ROLES):
        faults.append(
            Fault("roles", ", ".join(roles), "is no role", f"Use some of: {', '.join(ROLES)}.")
        )
    if not 1 <= days <= LONGEST_DAYS:
        faults.append(Fault("days", days, "is no time", f"Give 1 to {LONGEST_DAYS} days."))
    if faults:
        raise InvalidRowError(
            f"The token's {faults[0].field} {faults[0].reason}.",
            remedy=faults[0].remedy,
            faults=tuple(faults),
        )
    lacking = {role for role in roles if not _narrowed(account.grants, (role,))}
    if lacking:
        raise RightMissingError(
            f"{account.name} is no {', '.join(sorted(lacking))}.",
            remedy="A token has only roles that its account has.",
        )
    held = connection.scalar(
        text(
            "SELECT count(*) FROM account_tokens WHERE account_id = :id"
            " AND revoked_at IS NULL AND expires_at > now()"
        ),
        {"id": account.id},
    )
    if held is not None and held >= MOST_TOKENS:
        raise InvalidRowError(
            f"{account.name} has {held} tokens.", remedy="Revoke those that nobody uses."
        )
    token = TOKEN_PREFIX + new_secret()
    connection.execute(
        text(
            "INSERT INTO account_tokens (account_id, name, token_sha256, roles, expires_at)"
            " VALUES (:id, :name, :digest, :roles, now() + make_interval(days => :days))"
        ),
        {
            "id": account.id,
            "name": name,
            "digest": digest(token),
            "roles": sorted(set(roles)),
            "days": days,
        },
    )
    record(connection, account.name, account.name, "token made", {"token": name, "days": days})
    return token


def list_tokens(connection: Connection, account_id: int) -> list[TokenSummary]:
    """List the tokens of an account, newest first."""
    rows = connection.execute(
        text(
            "SELECT id, name, roles, created_at, expires_at, used_at, revoked_at,"
            " expires_at < now() AS is_expired FROM account_tokens WHERE account_id = :id"
            " ORDER BY id DESC LIMIT 200"
        ),
        {"id": account_id},
    )
    return [
        TokenSummary(
            row.id,
            row.name,
            tuple(row.roles),
            row.created_at,
            row.expires_at,
            row.used_at,
            row.revoked_at,
            row.is_expired,
        )
        for row in rows
    ]


def revoke_token(connection: Connection, account: Account, token_id: int) -> None:
    """End a token of this account at once.

    Raises
    ------
    NotFoundError
        If the account has no such token.
    """
    name = connection.execute(
        text(
            "UPDATE account_tokens SET revoked_at = coalesce(revoked_at, now())"
            " WHERE id = :token AND account_id = :id RETURNING name"
        ),
        {"token": token_id, "id": account.id},
    ).scalar_one_or_none()
    if name is None:
        raise NotFoundError(f"{account.name} has no token {token_id}.", remedy="Look at /account.")
    record(connection, account.name, account.name, "token revoked", {"token": name})


def _found(row: Any) -> Found:
    grants = tuple(Grant(role, area) for role, area in row.grants)
    if row.roles is not None:
        grants = _narrowed(grants, row.roles)
    below: dict[str, set[str]] = {}
    for top, code in row.below:
        below.setdefault(top, set()).add(code)
    return Found(
        Account(
            row.id,
            row.name,
            grants,
            {top: frozenset(codes) for top, codes in below.items()},
            must_change=row.must_change,
            has_password=row.has_password,
            token_id=row.token_id,
            session=None if row.cookie_sha256 is None else bytes(row.cookie_sha256),
        ),
        row.stale,
    )


def _narrowed(grants: Iterable[Grant], roles: Iterable[str]) -> tuple[Grant, ...]:
    """What is left of grants for these roles: each where a grant holds that includes the role."""
    return tuple(
        sorted(
            {
                Grant(role, grant.area_code)
                for grant in grants
                for role in roles
                if ROLE_RIGHTS[role] <= ROLE_RIGHTS[grant.role]
            },
            key=lambda grant: (grant.role, grant.area_code),
        )
    )
