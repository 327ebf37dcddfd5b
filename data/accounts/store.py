"""Keeping accounts: adding, granting, disabling, new passwords; every change leaves an event."""

from __future__ import annotations

import datetime as dt
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from data.accounts.account import (
    LOCAL,
    ROLES,
    WHOLE_CITY,
    Account,
    Grant,
    may_manage,
)
from data.accounts.passwords import check_password, hash_password
from data.database import Database
from data.errors import (
    ConflictError,
    Fault,
    InvalidRowError,
    NotFoundError,
    RightMissingError,
)

FIRST_ADMINISTRATOR = "admin"
_RESERVED = frozenset({"local", "unknown", "demo", "console"})
"""Authors in the history that are no accounts."""
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """An account as administrators see it.

    Attributes
    ----------
    id : int
    name : str
    grants : tuple of Grant
    disabled : bool
    must_change : bool
        Whether its password must be changed at the next log-in.
    has_password, by_sign_on : bool
        How it comes in: by password, by OpenID Connect, or not at all yet.
    created_at : datetime
    logged_in_at : datetime or None
    """

    id: int
    name: str
    grants: tuple[Grant, ...]
    disabled: bool
    must_change: bool
    has_password: bool
    by_sign_on: bool
    created_at: dt.datetime
    logged_in_at: dt.datetime | None


def name_key(name: str) -> str:
    """What two names that people would mix up have in common."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def list_accounts(connection: Connection) -> list[AccountSummary]:
    """Every account with its grants, by name."""
    rows = connection.execute(
        text(
            "SELECT id, name, disabled_at, must_change, password_hash IS NOT NULL AS has_password,"
            " oidc_subject IS NOT NULL AS by_sign_on, created_at, logged_in_at,"
            " (SELECT coalesce(array_agg(ARRAY[role::text, area_code::text]"
            "    ORDER BY role, area_code), '{}') FROM account_grants WHERE account_id = a.id)"
            " AS grants FROM accounts a ORDER BY name_key"
        )
    )
    return [
        AccountSummary(
            row.id,
            row.name,
            tuple(Grant(role, area) for role, area in row.grants),
            row.disabled_at is not None,
            row.must_change,
            row.has_password,
            row.by_sign_on,
            row.created_at,
            row.logged_in_at,
        )
        for row in rows
    ]


def find_account(connection: Connection, who: int | str) -> AccountSummary:
    """An account by id or name.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    key = name_key(who) if isinstance(who, str) else who
    for account in list_accounts(connection):
        if key in (account.id, name_key(account.name)):
            return account
    raise NotFoundError(
        f"There is no account {who!r}.", remedy="List them with: gridcircle accounts list."
    )


def account_with_grants(summary: AccountSummary) -> Account:
    """The account itself, as one who looks after it on this machine acts for it.

    Raises
    ------
    ConflictError
        If it is disabled.
    """
    if summary.disabled:
        raise ConflictError(f"{summary.name} is disabled.", remedy="Enable it first.")
    return Account(summary.id, summary.name, summary.grants)


def add_account(
    connection: Connection,
    name: str,
    grants: Iterable[Grant],
    *,
    by: Account,
    password: str | None,
    must_change: bool = True,
) -> AccountSummary:
    """Add an account.

    Parameters
    ----------
    connection : Connection
    name : str
        1 to 64 characters; unique whatever the case.
    grants : iterable of Grant
    by : Account
        Who adds it; may give only what it administers.
    password : str or None
        None for an account that cannot log in by password yet.
    must_change : bool
        Whether the password is known to somebody else, so that it must be changed first.

    Raises
    ------
    InvalidRowError
        If name, password, role or area is none.
    ConflictError
        If the name is taken.
    RightMissingError
        If `by` does not administer every area of the grants.
    """
    name, chosen = _checked_name(name), _checked_grants(connection, grants)
    _require_manager(by, chosen, name)
    if password is not None:
        check_password(password, name)
    try:
        new_id = connection.execute(
            text(
                "INSERT INTO accounts (name, name_key, password_hash, must_change)"
                " VALUES (:name, :key, :hash, :must_change) RETURNING id"
            ),
            {
                "name": name,
                "key": name_key(name),
                "hash": None if password is None else hash_password(password),
                "must_change": must_change and password is not None,
            },
        ).scalar_one()
    except IntegrityError as error:
        raise ConflictError(
            f"There is an account {name!r} already.", remedy="Choose another name."
        ) from error
    _write_grants(connection, new_id, chosen)
    record(connection, by.name, name, "added", {"grants": _plain(chosen)})
    return find_account(connection, int(new_id))


def set_grants(
    connection: Connection, account_id: int, grants: Iterable[Grant], *, by: Account
) -> AccountSummary:
    """Give an account these grants instead of those it has; holds from its next request on.

    Raises
    ------
    NotFoundError, InvalidRowError
        If the account, a role or an area is none.
    RightMissingError
        If `by` does not administer the areas it had or gets.
    ConflictError
        If nobody would administer the whole city any more.
    """
    _hold(connection)
    before = _administrators(connection)
    account, chosen = find_account(connection, account_id), _checked_grants(connection, grants)
    _require_manager(by, account.grants, account.name)
    _require_manager(by, chosen, account.name)
    connection.execute(
        text("DELETE FROM account_grants WHERE account_id = :id"), {"id": account_id}
    )
    _write_grants(connection, account_id, chosen)
    _refuse_nobody(connection, before)
    record(
        connection,
        by.name,
        account.name,
        "granted",
        {"before": _plain(account.grants), "after": _plain(chosen)},
    )
    return find_account(connection, account_id)


def set_disabled(
    connection: Connection, account_id: int, *, disabled: bool, by: Account
) -> AccountSummary:
    """Shut an account out, or let it in again; its sessions and tokens end at once.

    Raises
    ------
    NotFoundError, RightMissingError, ConflictError
        As `set_grants`.
    """
    _hold(connection)
    account = find_account(connection, account_id)
    _require_manager(by, account.grants, account.name)
    if account.disabled != disabled:
        before = _administrators(connection)
        connection.execute(
            text(
                "UPDATE accounts SET disabled_at = CASE WHEN :disabled THEN now() END"
                " WHERE id = :id"
            ),
            {"id": account_id, "disabled": disabled},
        )
        if disabled:
            _end_sessions(connection, account_id)
            _revoke_tokens(connection, account_id)
        _refuse_nobody(connection, before)
        record(connection, by.name, account.name, "disabled" if disabled else "enabled")
    return find_account(connection, account_id)


def reset_password(connection: Connection, account_id: int, password: str, *, by: Account) -> None:
    """Give an account a password that it must change at the next log-in.

    Its sessions and tokens end: who resets a password may have reason to. Failed log-ins
    so far are forgotten, so that who locked themselves out comes in.

    Raises
    ------
    NotFoundError, RightMissingError, InvalidRowError
        As `add_account`.
    """
    account = find_account(connection, account_id)
    _require_manager(by, account.grants, account.name)
    _set_password(connection, account, password, must_change=True)
    _revoke_tokens(connection, account.id)
    record(connection, by.name, account.name, "password reset")


def change_password(connection: Connection, account_id: int, password: str) -> None:
    """Give an account the password its owner chose; its sessions end, the caller opens a new one.

    Raises
    ------
    NotFoundError, InvalidRowError
        If there is no such account, or the password is easily guessed.
    """
    account = find_account(connection, account_id)
    _set_password(connection, account, password, must_change=False)
    record(connection, account.name, account.name, "password changed")


def account_of_sign_on(
    connection: Connection, *, issuer: str, subject: str, wished_name: str
) -> AccountSummary:
    """Find the account of somebody who came by OpenID Connect, or add one without any grant.

    The name is only a wish: where it is taken, a number is added. An account that logs in by
    password is never handed to whoever calls themselves so elsewhere.
    """
    _hold(connection)
    found = connection.execute(
        text("SELECT id FROM accounts WHERE oidc_issuer = :issuer AND oidc_subject = :subject"),
        {"issuer": issuer, "subject": subject},
    ).scalar_one_or_none()
    if found is not None:
        return find_account(connection, int(found))
    taken = {name_key(account.name) for account in list_accounts(connection)} | _RESERVED
    try:
        base = _checked_name(wished_name)[: _LONGEST_NAME - 6]
    except InvalidRowError:
        base = "user"
    name = next(
        candidate
        for number in range(1, 10_000)
        if name_key(candidate := base if number == 1 else f"{base}-{number}") not in taken
    )
    new_id = connection.execute(
        text(
            "INSERT INTO accounts (name, name_key, oidc_issuer, oidc_subject)"
            " VALUES (:name, :key, :issuer, :subject) RETURNING id"
        ),
        {"name": name, "key": name_key(name), "issuer": issuer, "subject": subject},
    ).scalar_one()
    record(connection, name, name, "added", {"sign_on": issuer})
    return find_account(connection, int(new_id))


def ensure_administrator(database: Database, password: str | None) -> str | None:
    """Make sure that somebody administers the whole city: at the first start, add ``admin``.

    Parameters
    ----------
    database : Database
    password : str or None
        For the new account; None leaves it without one, to be given by the command line.

    Returns
    -------
    str or None
        Name of the account that was added; None where there was nothing to do.
    """
    with database.transaction(LOCAL.name) as connection:
        _hold(connection)
        if connection.scalar(text("SELECT count(*) FROM accounts")):
            return None
        made = add_account(
            connection,
            FIRST_ADMINISTRATOR,
            [Grant("administrator")],
            by=LOCAL,
            password=password,
        )
        return made.name


def list_events(connection: Connection, *, limit: int = 100) -> list[dict[str, Any]]:
    """What was done to accounts lately, newest first."""
    rows = connection.execute(
        text(
            "SELECT at, actor, account, what, detail FROM account_events ORDER BY id DESC"
            " LIMIT :limit"
        ),
        {"limit": limit},
    )
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 — public in spite of its name


def record(
    connection: Connection,
    actor: str,
    account: str,
    what: str,
    detail: dict[str, Any] | None = None,
) -> None:
    """Write down what was done to an account; the caller leaves secrets out."""
    connection.execute(
        text(
            "INSERT INTO account_events (actor, account, what, detail)"
            " VALUES (:actor, :account, :what, CAST(:detail AS jsonb))"
        ),
        {
            "actor": actor,
            "account": account,
            "what": what,
            "detail": json.dumps(detail or {}, ensure_ascii=False),
        },
    )


def _checked_name(name: str) -> str:
    name = unicodedata.normalize("NFKC", name).strip()
    if not name:
        reason, remedy = "is empty", "Give a name."
    elif len(name) > _LONGEST_NAME:
        reason, remedy = f"has {len(name)} characters", f"Use at most {_LONGEST_NAME}."
    elif not name.isprintable():
        reason, remedy = "holds invisible characters", "Write it on one line of plain text."
    elif name_key(name) in _RESERVED:
        reason = "is an author of its own in the history"
        remedy = f"Use another than: {', '.join(sorted(_RESERVED))}."
    else:
        return name
    raise InvalidRowError(
        f"The account name {reason}.",
        remedy=remedy,
        faults=(Fault("name", name[:80], reason, remedy),),
    )


def _checked_grants(connection: Connection, grants: Iterable[Grant]) -> tuple[Grant, ...]:
    chosen = tuple(sorted(set(grants), key=lambda grant: (grant.role, grant.area_code)))
    known = set(
        connection.scalars(
            text("SELECT code FROM areas WHERE code = ANY(:codes)"),
            {"codes": [grant.area_code for grant in chosen]},
        )
    )
    faults = [
        Fault("role", grant.role, "is no role", f"Use one of: {', '.join(ROLES)}.")
        for grant in chosen
        if grant.role not in ROLES
    ] + [
        Fault(
            "area",
            grant.area_code,
            "is no area",
            "Give the code of a district, street or community, or none for the whole city.",
        )
        for grant in chosen
        if grant.area_code != WHOLE_CITY and grant.area_code not in known
    ]
    if faults:
        first = faults[0]
        raise InvalidRowError(
            f"{first.value!r} {first.reason}.", remedy=first.remedy, faults=tuple(faults)
        )
    return chosen


def _write_grants(connection: Connection, account_id: int, grants: tuple[Grant, ...]) -> None:
    for grant in grants:
        connection.execute(
            text("INSERT INTO account_grants VALUES (:id, :role, :area)"),
            {"id": account_id, "role": grant.role, "area": grant.area_code},
        )


def _set_password(
    connection: Connection, account: AccountSummary, password: str, *, must_change: bool
) -> None:
    check_password(password, account.name)
    connection.execute(
        text("UPDATE accounts SET password_hash = :hash, must_change = :must WHERE id = :id"),
        {"id": account.id, "hash": hash_password(password), "must": must_change},
    )
    _end_sessions(connection, account.id)
    from data.accounts.login import forget_failures

    forget_failures(connection, account.name)


def _end_sessions(connection: Connection, account_id: int) -> None:
    connection.execute(
        text("DELETE FROM account_sessions WHERE account_id = :id"), {"id": account_id}
    )


def _revoke_tokens(connection: Connection, account_id: int) -> None:
    connection.execute(
        text(
            "UPDATE account_tokens SET revoked_at = now()"
            " WHERE account_id = :id AND revoked_at IS NULL"
        ),
        {"id": account_id},
    )


def _require_manager(by: Account, grants: tuple[Grant, ...], name: str) -> None:
    if not may_manage(by, grants):
        places = sorted({grant.area_code or "the whole city" for grant in grants}) or [
            "the whole city"
        ]
        raise RightMissingError(
            f"{by.name} does not administer {', '.join(places)}, as the account {name!r} needs.",
            remedy="Ask an administrator of the whole city.",
        )


def _hold(connection: Connection) -> None:
    """Let no two change accounts at a time: who administers is counted."""
    connection.execute(text("LOCK TABLE accounts IN SHARE ROW EXCLUSIVE MODE"))


def _administrators(connection: Connection) -> int:
    """Count who administers the whole city."""
    count: int = connection.execute(
        text(
            "SELECT count(*) FROM accounts a JOIN account_grants g ON g.account_id = a.id"
            " WHERE a.disabled_at IS NULL AND g.role = 'administrator' AND g.area_code = ''"
        )
    ).scalar_one()
    return count


def _refuse_nobody(connection: Connection, before: int) -> None:
    if before and not _administrators(connection):
        raise ConflictError(
            "This is the last administrator of the whole city.",
            remedy="Make somebody else administrator first.",
        )


def _plain(grants: tuple[Grant, ...]) -> list[list[str]]:
    return [[grant.role, grant.area_code] for grant in grants]
