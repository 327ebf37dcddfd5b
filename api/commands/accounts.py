"""`gridcircle accounts`: look after accounts on the machine itself, without the service."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.commands.console import errors_for_people, say, show
from api.commands.options import JsonOption

if TYPE_CHECKING:
    from data.accounts.store import AccountSummary
    from data.database import Database

accounts_app = typer.Typer(
    help="Look after accounts; takes effect at once, also in a running service.",
    no_args_is_help=True,
)

NameArgument = Annotated[str, typer.Argument(help="Name of the account.")]
RoleOption = Annotated[
    str,
    typer.Option("--role", help="viewer, auditor, planner, publisher or administrator."),
]
AreaOption = Annotated[
    str,
    typer.Option("--area", help="Code of a district, street or community; whole city without."),
]
StdinOption = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read the password from standard input, one line."),
]


@accounts_app.command()
def add(
    name: NameArgument,
    role: RoleOption,
    area: AreaOption = "",
    *,
    password_stdin: StdinOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add an account with a role; prints its first password, which must be changed."""
    with errors_for_people(as_json=as_json), _database() as database:
        from data.accounts.account import LOCAL, Grant
        from data.accounts.store import add_account

        password = _password(from_stdin=password_stdin)
        with database.transaction(LOCAL.name) as connection:
            made = add_account(connection, name, [Grant(role, area)], by=LOCAL, password=password)
        _show_password(made.name, password, given=password_stdin, as_json=as_json)


@accounts_app.command("list")
def list_(*, as_json: JsonOption = False) -> None:
    """List all accounts with their roles and areas."""
    with errors_for_people(as_json=as_json), _database() as database:
        from data.accounts.store import list_accounts

        with database.connect() as connection:
            accounts = list_accounts(connection)
        plain = [_plain(account) for account in accounts]
        text = "\n".join(_line(account) for account in accounts) or "There are no accounts yet."
        show({"accounts": plain}, text=text, as_json=as_json)


@accounts_app.command()
def grant(
    name: NameArgument,
    role: RoleOption,
    area: AreaOption = "",
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Take the role away.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Give an account a role in an area, or take it away."""
    with errors_for_people(as_json=as_json), _database() as database:
        from data.accounts.account import LOCAL, Grant
        from data.accounts.store import find_account, set_grants

        with database.transaction(LOCAL.name) as connection:
            account = find_account(connection, name)
            one = {Grant(role, area)}
            present = set(account.grants)
            account = set_grants(
                connection, account.id, present - one if remove else present | one, by=LOCAL
            )
        show(_plain(account), text=_line(account), as_json=as_json)


@accounts_app.command()
def disable(name: NameArgument, *, as_json: JsonOption = False) -> None:
    """Shut an account out; its sessions and tokens end at once."""
    _switch(name, disabled=True, as_json=as_json)


@accounts_app.command()
def enable(name: NameArgument, *, as_json: JsonOption = False) -> None:
    """Let an account in again."""
    _switch(name, disabled=False, as_json=as_json)


@accounts_app.command()
def password(
    name: NameArgument, *, password_stdin: StdinOption = False, as_json: JsonOption = False
) -> None:
    """Give an account a new password, which it must change; also unlocks it."""
    with errors_for_people(as_json=as_json), _database() as database:
        from data.accounts.account import LOCAL
        from data.accounts.store import find_account, reset_password

        chosen = _password(from_stdin=password_stdin)
        with database.transaction(LOCAL.name) as connection:
            account = find_account(connection, name)
            reset_password(connection, account.id, chosen, by=LOCAL)
        _show_password(account.name, chosen, given=password_stdin, as_json=as_json)


@accounts_app.command()
def token(
    name: NameArgument,
    roles: Annotated[
        list[str], typer.Option("--role", help="Role the token has; give it once or more.")
    ],
    purpose: Annotated[str, typer.Option("--for", help="What it is for.")],
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How long it holds.")] = 90,
    *,
    as_json: JsonOption = False,
) -> None:
    """Make an API token for an account and print it; it is not kept."""
    with errors_for_people(as_json=as_json), _database() as database:
        from data.accounts.account import LOCAL
        from data.accounts.sessions import add_token
        from data.accounts.store import account_with_grants, find_account

        with database.transaction(LOCAL.name) as connection:
            account = account_with_grants(find_account(connection, name))
            made = add_token(connection, account, purpose, roles=tuple(roles), days=days)
        show({"account": account.name, "token": made}, text=made, as_json=as_json)


def _switch(name: str, *, disabled: bool, as_json: bool) -> None:
    with errors_for_people(as_json=as_json), _database() as database:
        from data.accounts.account import LOCAL
        from data.accounts.store import find_account, set_disabled

        with database.transaction(LOCAL.name) as connection:
            account = find_account(connection, name)
            account = set_disabled(connection, account.id, disabled=disabled, by=LOCAL)
        show(_plain(account), text=_line(account), as_json=as_json)


@contextmanager
def _database() -> Iterator[Database]:
    from data.database import open_database
    from data.settings import get_settings

    with open_database(get_settings()) as database:
        yield database


def _password(*, from_stdin: bool) -> str:
    from data.accounts.passwords import random_password

    return sys.stdin.readline().rstrip("\r\n") if from_stdin else random_password()


def _show_password(name: str, password: str, *, given: bool, as_json: bool) -> None:
    if given:
        show({"account": name}, text=f"{name}: saved.", as_json=as_json)
        return
    show({"account": name, "password": password}, text=password, as_json=as_json)
    if not as_json:
        say(f"  This is the password of {name}, shown this once; the first log-in changes it.")


def _plain(account: AccountSummary) -> dict[str, Any]:
    return {
        "name": account.name,
        "grants": [
            {"role": grant.role, "area": grant.area_code or None} for grant in account.grants
        ],
        "disabled": account.disabled,
        "must_change_password": account.must_change,
        "logged_in_at": account.logged_in_at,
    }


def _line(account: AccountSummary) -> str:
    grants = ", ".join(
        f"{grant.role} ({grant.area_code or 'whole city'})" for grant in account.grants
    )
    return f"{account.name}: {grants or 'no role'}{' [disabled]' if account.disabled else ''}"
