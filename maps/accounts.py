"""The pages about accounts: log in, my account, accounts of others; plain forms, no scripts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from data.accounts.account import ROLE_RIGHTS, ROLES, Account, may_manage
from data.accounts.sessions import TokenSummary
from data.accounts.store import AccountSummary
from maps.account_menu import account_words
from maps.assets import asset
from maps.messages import LANGUAGES, messages
from maps.page import PageContext
from maps.templating import environment

Areas = Sequence[tuple[str, str, str]]
"""Code, name and level of areas."""

_TEMPLATES = Path(__file__).parent / "templates"


def login_page(
    context: PageContext,
    *,
    form_token: str,
    next_address: str,
    name: str = "",
    provider: str = "",
    problem: str = "",
) -> str:
    """Write the log-in page.

    Parameters
    ----------
    context : PageContext
    form_token : str
        What the form sends back.
    next_address : str
        Where to go afterwards; checked already.
    name : str
        As typed before.
    provider : str
        What the OpenID Connect provider is called; empty where there is none.
    problem : str
        Why the last try failed.
    """
    return _page(
        context,
        "login",
        "/login",
        query={"next": next_address},
        form_token=form_token,
        next=next_address,
        name=name,
        provider=provider,
        problem=problem,
    )


def account_page(
    context: PageContext,
    account: Account,
    *,
    form_token: str,
    tokens: Sequence[TokenSummary],
    areas: Areas,
    notice: str = "",
    problem: str = "",
) -> str:
    """Write the page of one's own account: rights, password, API tokens."""
    return _page(
        context,
        "account",
        "/account",
        form_token=form_token,
        due=account.must_change,
        grants=account.grants,
        has_password=account.has_password,
        tokens=tokens,
        roles=[
            role
            for role in ROLES
            if any(ROLE_RIGHTS[role] <= ROLE_RIGHTS[grant.role] for grant in account.grants)
        ],
        area_names={code: name for code, name, _ in areas},
        notice=notice,
        problem=problem,
    )


def admin_page(
    context: PageContext,
    account: Account,
    *,
    form_token: str,
    accounts: Sequence[AccountSummary],
    areas: Areas,
    events: Sequence[dict[str, Any]],
    notice: str = "",
    problem: str = "",
) -> str:
    """Write the page of the accounts that somebody administers, with what was done to them."""
    shown = [one for one in accounts if one.id == account.id or may_manage(account, one.grants)]
    names = {one.name for one in shown}
    return _page(
        context,
        "admin",
        "/admin/accounts",
        panel="accounts_admin.html",
        form_token=form_token,
        accounts=shown,
        managed={one.id for one in shown if may_manage(account, one.grants)},
        roles=ROLES,
        areas=areas,
        area_names={code: name for code, name, _ in areas},
        events=[event for event in events if event["account"] in names],
        notice=notice,
        problem=problem,
    )


def secret_page(context: PageContext, *, text: str, secret: str, hint: str, back: str) -> str:
    """Write the page that shows a secret, this once."""
    return _page(context, "secret", back, text=text, secret=secret, hint=hint, back=back)


def refused_page(context: PageContext, *, text: str, detail: str) -> str:
    """Write what somebody sees who may not open a page."""
    return _page(context, "refused", "/account", text=text, detail=detail)


def _page(
    context: PageContext,
    page: str,
    address: str,
    *,
    panel: str = "",
    query: dict[str, str] | None = None,
    **values: Any,
) -> str:
    other = next(language for language in LANGUAGES if language != context.language)
    return (
        environment(moment=_moment)
        .get_template("plain.html")
        .render(
            context=context,
            words={**messages(context.language), **account_words(context.language)},
            page=page,
            ways=context.account is not None,
            panel=panel or f"{page}.html",
            other=other,
            other_address=f"{address}?" + urlencode({**(query or {}), "lang": other}),
            styles=[
                asset("vendor/noto-sans-sc/400.css"),
                asset("gridcircle/gridcircle.css"),
                asset("gridcircle/navigation.css"),
                asset("gridcircle/accounts.css"),
            ],
            **{"problem": "", "notice": "", **values},
        )
    )


def _moment(at: dt.datetime) -> str:
    """Date and time on the clock of the machine, to the minute."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M")
