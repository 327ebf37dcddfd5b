"""People who log in to a running service as a browser does, or come with a token."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from data.accounts.account import LOCAL, Grant
from data.accounts.sessions import account_of_cookie, add_token, open_session
from data.accounts.store import add_account
from data.database import Database

PASSWORD = "korrekt-pferd-batterie"
HTML = {"Accept": "text/html"}


def add_person(
    database: Database, name: str, *grants: Grant, password: str = PASSWORD, must: bool = False
) -> int:
    """Add an account."""
    with database.transaction("test") as connection:
        return add_account(
            connection, name, grants, by=LOCAL, password=password, must_change=must
        ).id


def token_for(database: Database, account_id: int, *roles: str) -> str:
    """Make an API token of an account."""
    with database.transaction("test") as connection:
        cookie = open_session(connection, account_id, hours=1)
        account = account_of_cookie(connection, cookie).account
        return add_token(connection, account, "test", roles=roles, days=1)


@contextmanager
def browsing(url: str) -> Iterator[httpx.Client]:
    """A client that keeps cookies and says where it comes from, as browsers do."""
    with httpx.Client(base_url=url, timeout=60, headers={"Origin": url}) as client:
        yield client


def form_token(page: httpx.Response) -> str:
    """What the forms of a page send back."""
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', page.text)
    assert found, page.text
    return found[1]


def log_in(
    client: httpx.Client, name: str, password: str = PASSWORD, next_address: str = "/"
) -> httpx.Response:
    """Fill in and send the log-in form."""
    page = client.get("/login", params={"next": next_address})
    return client.post(
        "/login",
        data={
            "name": name,
            "password": password,
            "next": next_address,
            "form_token": form_token(page),
        },
        headers=HTML,
    )
