"""Logging in and out, one's own account, and the accounts of others."""

from __future__ import annotations

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.errors import FormRefusedError
from api.problems import error_response
from api.responses import JsonResponse
from api.rights import (
    PUBLIC,
    SELF,
    CurrentAccount,
    client_address,
    cookie_name,
    form_token_of,
    identify,
    is_https,
    opens_page,
    right,
    safe_next,
    sends_form,
    session_cookie,
)
from api.routers.pages import A_YEAR_S, LANGUAGE_COOKIE, Context, page_context
from api.security import page_policy
from api.service import Service, ServiceDependency
from api.sign_on import SignOn
from data.accounts.account import LOCAL, Account, Grant
from data.accounts.login import check_login
from data.accounts.passwords import random_password
from data.accounts.places import area_codes
from data.accounts.secrets import form_token, is_form_token, new_secret
from data.accounts.sessions import (
    add_token,
    close_session,
    list_tokens,
    open_session,
    revoke_token,
)
from data.accounts.store import (
    account_of_sign_on,
    add_account,
    change_password,
    find_account,
    list_accounts,
    list_events,
    reset_password,
    set_disabled,
    set_grants,
)
from data.errors import (
    ConflictError,
    InvalidRowError,
    LoginError,
    NotFoundError,
    RightMissingError,
    TooManyAttemptsError,
)
from maps.account_menu import account_words
from maps.accounts import account_page, admin_page, login_page, refused_page, secret_page
from maps.page import PageContext

router = APIRouter(tags=["accounts"])

Text = Annotated[str, Form(max_length=2000)]
AccountId = Annotated[int, Path(ge=1, le=2**63 - 1)]

log = logging.getLogger("gridcircle.api")


# --- log in and out -----------------------------------------------------------------------------


@router.get("/login", include_in_schema=False, openapi_extra=right(PUBLIC))
def login_form(
    request: Request,
    context: Context,
    service: ServiceDependency,
    next_address: Annotated[str, Query(alias="next", max_length=2000)] = "/",
) -> Response:
    """Show the log-in page."""
    _require_accounts(service)
    return _login_page(request, context, service, next_address=next_address)


@router.post("/login", include_in_schema=False, openapi_extra=right(PUBLIC))
def login(
    request: Request,
    context: Context,
    service: ServiceDependency,
    name: Text = "",
    password: Text = "",
    token: Annotated[str, Form(alias="form_token")] = "",
    next_address: Annotated[str, Form(alias="next")] = "/",
) -> Response:
    """Log in by name and password."""
    _require_accounts(service)
    words = account_words(context.language)
    shown: dict[str, Any] = {"next_address": next_address, "name": name[:200]}
    cookie = request.cookies.get(_login_cookie(request), "")
    # Tied to this browser: nobody else's page logs somebody in to an account of theirs.
    if not cookie or not is_form_token(cookie, token):
        return _login_page(
            request, context, service, problem=words["form_old"], status_code=403, **shown
        )
    try:
        account_id = check_login(service.database, name, password, client_address(request))
    except TooManyAttemptsError as error:
        minutes = -(-error.wait_s // 60)
        problem = words["too_many"].format(minutes=minutes)
        answer = _login_page(request, context, service, problem=problem, status_code=429, **shown)
        answer.headers["Retry-After"] = str(error.wait_s)
        return answer
    except LoginError:
        return _login_page(
            request, context, service, problem=words["login_failed"], status_code=401, **shown
        )
    return _enter(request, service, account_id, next_address)


@router.get("/login/sign-on", include_in_schema=False, openapi_extra=right(PUBLIC))
async def sign_on(
    request: Request,
    service: ServiceDependency,
    next_address: Annotated[str, Query(alias="next", max_length=2000)] = "/",
) -> Response:
    """Lead to the OpenID Connect provider."""
    provider = _provider(request, service)
    callback = str(request.url_for("sign_on_callback"))
    try:
        return await provider.begin(request, callback, safe_next(next_address))
    except LoginError as error:
        log.warning("%s %s", error, error.remedy)
        return _to("/login?failed=sign-on")


@router.get("/login/sign-on/back", include_in_schema=False, openapi_extra=right(PUBLIC))
async def sign_on_callback(request: Request, service: ServiceDependency) -> Response:
    """Take the provider's answer and log in."""
    provider = _provider(request, service)
    try:
        identity = await provider.finish(request)

        def enter() -> Response:
            with service.database.transaction("login") as connection:
                account = account_of_sign_on(
                    connection,
                    issuer=identity.issuer,
                    subject=identity.subject,
                    wished_name=identity.wished_name,
                )
            if account.disabled:
                log.warning("%s signed on, but the account is disabled.", account.name)
                return _to("/login?failed=sign-on")
            return _enter(request, service, account.id, identity.next_address)

        answer = await run_in_threadpool(enter)
    except LoginError as error:
        log.warning("%s %s", error, error.remedy)
        answer = _to("/login?failed=sign-on")
    provider.forget(request, answer)
    return answer


@router.post("/logout", include_in_schema=False, openapi_extra=right(SELF))
def logout(
    request: Request,
    service: ServiceDependency,
    account: CurrentAccount,
    token: Annotated[str, Form(alias="form_token")] = "",
) -> Response:
    """End the session."""
    _require_form(request, account, token)
    with service.database.transaction(account.name) as connection:
        close_session(connection, session_cookie(request))
    answer = _to("/login")
    answer.delete_cookie(cookie_name(request), path="/", secure=is_https(request), httponly=True)
    # What the browser kept of pages and tiles goes with the session.
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


# --- one's own account --------------------------------------------------------------------------


@router.get("/api/v1/account", summary="Who asks, and what they may do", openapi_extra=right(SELF))
def own_account(account: CurrentAccount) -> Response:
    """Name, grants and rights of the account the request comes from."""
    return JsonResponse(
        {
            "name": account.name,
            "is_local": account is LOCAL,
            "must_change_password": account.must_change,
            "grants": [
                {"role": grant.role, "area": grant.area_code or None} for grant in account.grants
            ],
        },
        headers={"Cache-Control": "no-store"},
    )


@router.get("/account", include_in_schema=False, openapi_extra=right(SELF))
def account_form(
    request: Request, context: Context, service: ServiceDependency, account: CurrentAccount
) -> Response:
    """Show one's own account."""
    _require_accounts(service)
    notice = "password_changed" if request.query_params.get("done") == "password" else ""
    return _account_page(request, context, service, account, notice=notice)


@router.post("/account/password", include_in_schema=False, openapi_extra=right(SELF))
def new_password(
    request: Request,
    context: Context,
    service: ServiceDependency,
    account: CurrentAccount,
    old: Text = "",
    new: Text = "",
    again: Text = "",
    token: Annotated[str, Form(alias="form_token")] = "",
) -> Response:
    """Change one's own password; this browser gets a new session, all others end."""
    _require_form(request, account, token)
    problem = ""
    try:
        # The same counting as at the door: a session left open must not be used to guess.
        check_login(service.database, account.name, old, client_address(request))
        if new != again:
            problem = "password_differs"
        else:
            with service.database.transaction(account.name) as connection:
                change_password(connection, account.id, new)
    except LoginError:
        problem = "password_wrong"
    except TooManyAttemptsError as error:
        words = account_words(context.language)
        text = words["too_many"].format(minutes=-(-error.wait_s // 60))
        return _account_page(request, context, service, account, problem_text=text, status_code=429)
    except InvalidRowError:
        problem = "password_weak"
    if problem:
        return _account_page(request, context, service, account, problem=problem, status_code=422)
    return _enter(request, service, account.id, "/account?done=password")


@router.post("/account/tokens", include_in_schema=False, openapi_extra=right(SELF))
def new_token(
    request: Request,
    context: Context,
    service: ServiceDependency,
    account: CurrentAccount,
    name: Text = "",
    roles: Annotated[list[str], Form()] = [],  # noqa: B006
    days: Text = "",
    token: Annotated[str, Form(alias="form_token")] = "",
) -> Response:
    """Make an API token and show it, this once."""
    _require_form(request, account, token)
    _refuse_due(account)
    try:
        with service.database.transaction(account.name) as connection:
            made = add_token(
                connection,
                account,
                name,
                roles=tuple(roles),
                days=int(days) if days.isascii() and days.isdigit() else 0,
            )
    except (InvalidRowError, RightMissingError):
        return _account_page(
            request, context, service, account, problem="token_refused", status_code=422
        )
    words = account_words(context.language)
    return _answer(
        context,
        secret_page(
            context,
            text=words["token_made"],
            secret=made,
            hint=words["token_use"],
            back="/account",
        ),
    )


@router.post(
    "/account/tokens/{token_id}/revoke", include_in_schema=False, openapi_extra=right(SELF)
)
def end_token(
    request: Request,
    service: ServiceDependency,
    account: CurrentAccount,
    token_id: AccountId,
    token: Annotated[str, Form(alias="form_token")] = "",
) -> Response:
    """Revoke one of one's own tokens."""
    _require_form(request, account, token)
    with service.database.transaction(account.name) as connection:
        revoke_token(connection, account, token_id)
    return _to("/account")


# --- the accounts of others ---------------------------------------------------------------------


@router.get("/admin/accounts", include_in_schema=False, openapi_extra=right("administrator"))
def accounts_form(
    request: Request, context: Context, service: ServiceDependency, account: CurrentAccount
) -> Response:
    """Show all accounts."""
    _require_accounts(service)
    notice = "saved" if request.query_params.get("done") else ""
    return _admin_page(request, context, service, account, notice=notice)


@router.post("/admin/accounts", include_in_schema=False, openapi_extra=right("administrator"))
def add(
    request: Request,
    context: Context,
    service: ServiceDependency,
    account: CurrentAccount,
    name: Text = "",
    role: Text = "",
    area: Text = "",
    token: Annotated[str, Form(alias="form_token")] = "",
) -> Response:
    """Add an account; its first password is shown, this once."""
    _require_form(request, account, token)
    password = random_password()
    try:
        with service.database.transaction(account.name) as connection:
            made = add_account(
                connection, name, [Grant(role, area.strip())], by=account, password=password
            )
    except (InvalidRowError, ConflictError, RightMissingError) as error:
        return _not_saved(request, context, service, account, error)
    return _password_page(context, made.name, password)


@router.post(
    "/admin/accounts/{account_id}/grants",
    include_in_schema=False,
    openapi_extra=right("administrator"),
)
def add_grant(
    request: Request,
    context: Context,
    service: ServiceDependency,
    account: CurrentAccount,
    account_id: AccountId,
    role: Text = "",
    area: Text = "",
    token: Annotated[str, Form(alias="form_token")] = "",
) -> Response:
    """Give an account a role in an area."""
    _require_form(request, account, token)
    grant = Grant(role, area.strip())
    return _change_grants(request, context, service, account, account_id, add={grant})


@router.post(
    "/admin/accounts/{account_id}/grants/remove",
    include_in_schema=False,
    openapi_extra=right("administrator"),
)
def remove_grant(
    request: Request,
    context: Context,
    service: ServiceDependency,
    account: CurrentAccount,
    account_id: AccountId,
    role: Text = "",
    area: Text = "",
    token: Annotated[str, Form(alias="form_token")] = "",
) -> Response:
    """Take a role in an area from an account."""
    _require_form(request, account, token)
    grant = Grant(role, area.strip())
    return _change_grants(request, context, service, account, account_id, remove={grant})


@router.post(
    "/admin/accounts/{account_id}/password",
    include_in_schema=False,
    openapi_extra=right("administrator"),
)
def reset(
    request: Request,
    context: Context,
    service: ServiceDependency,
    account: CurrentAccount,
    account_id: AccountId,
    token: Annotated[str, Form(alias="form_token")] = "",
) -> Response:
    """Give an account a random password and show it, this once."""
    _require_form(request, account, token)
    password = random_password()
    try:
        with service.database.transaction(account.name) as connection:
            reset_password(connection, account_id, password, by=account)
            name = find_account(connection, account_id).name
    except (RightMissingError, NotFoundError) as error:
        return _not_saved(request, context, service, account, error)
    return _password_page(context, name, password)


@router.post(
    "/admin/accounts/{account_id}/disable",
    include_in_schema=False,
    openapi_extra=right("administrator"),
)
def disable(
    request: Request,
    context: Context,
    service: ServiceDependency,
    account: CurrentAccount,
    account_id: AccountId,
    token: Annotated[str, Form(alias="form_token")] = "",
) -> Response:
    """Shut an account out; its sessions and tokens end at once."""
    _require_form(request, account, token)
    return _switch(request, context, service, account, account_id, disabled=True)


@router.post(
    "/admin/accounts/{account_id}/enable",
    include_in_schema=False,
    openapi_extra=right("administrator"),
)
def enable(
    request: Request,
    context: Context,
    service: ServiceDependency,
    account: CurrentAccount,
    account_id: AccountId,
    token: Annotated[str, Form(alias="form_token")] = "",
) -> Response:
    """Let an account in again."""
    _require_form(request, account, token)
    return _switch(request, context, service, account, account_id, disabled=False)


def refused(request: Request, error: Exception) -> Response:
    """Answer who may not: a page for who opens pages or sends forms, a problem for programs."""
    if not (opens_page(request) or sends_form(request)):
        return error_response(error, request.url.path)
    service: Service = request.app.state.service
    context = page_context(request, service, request.query_params.get("lang"))
    words = account_words(context.language)
    text = words["form_old" if isinstance(error, FormRefusedError) else "refused_text"]
    page = refused_page(context, text=text, detail=str(error))
    return _answer(context, page, status_code=403)


# --- what they share ----------------------------------------------------------------------------


def _require_accounts(service: Service) -> None:
    if service.settings.accounts == "off":
        raise NotFoundError(
            "There are no accounts here.", remedy="Set accounts to on: see docs/accounts.md."
        )


def _require_form(request: Request, account: Account, token: str) -> None:
    """Refuse a form that was not made for this session; API tokens fill in no forms.

    Raises
    ------
    FormRefusedError
    """
    cookie = session_cookie(request)
    if account.session is None or not is_form_token(cookie, token):
        raise FormRefusedError(
            "The form does not belong to this session.",
            remedy="Open the page again and send it from there.",
        )


def _refuse_due(account: Account) -> None:
    if account.must_change:
        raise RightMissingError("Change the password first.", remedy="At /account.")


def _enter(request: Request, service: Service, account_id: int, next_address: str) -> Response:
    """Begin a new session, whatever cookie came with the request, and go on."""
    with service.database.transaction("login") as connection:
        close_session(connection, session_cookie(request))
        cookie = open_session(connection, account_id, hours=service.settings.session_hours)
    answer = _to(safe_next(next_address))
    answer.set_cookie(
        cookie_name(request),
        cookie,
        max_age=service.settings.session_hours * 3600,
        path="/",
        httponly=True,
        samesite="lax",
        secure=is_https(request),
    )
    answer.delete_cookie(_login_cookie(request), path="/", secure=is_https(request), httponly=True)
    return answer


def _login_cookie(request: Request) -> str:
    return "__Host-gridcircle-login" if is_https(request) else "gridcircle-login"


def _login_page(
    request: Request,
    context: PageContext,
    service: Service,
    *,
    next_address: str,
    name: str = "",
    problem: str = "",
    status_code: int = 200,
) -> Response:
    account = identify(service, request)
    next_address = safe_next(next_address)
    words = account_words(context.language)
    if account is not None and request.method == "GET":
        return _to(next_address)
    if request.query_params.get("failed") == "sign-on":
        problem = words["sign_on_failed"]
    cookie = request.cookies.get(_login_cookie(request), "") or new_secret()
    answer = _answer(
        context,
        login_page(
            context,
            form_token=form_token(cookie),
            next_address=next_address,
            name=name,
            provider=_sign_on_of(request).label,
            problem=problem,
        ),
        status_code=status_code,
    )
    answer.set_cookie(
        _login_cookie(request),
        cookie,
        max_age=3600,
        path="/",
        httponly=True,
        samesite="strict",
        secure=is_https(request),
    )
    return answer


def _account_page(
    request: Request,
    context: PageContext,
    service: Service,
    account: Account,
    *,
    notice: str = "",
    problem: str = "",
    problem_text: str = "",
    status_code: int = 200,
) -> Response:
    words = account_words(context.language)
    with service.database.connect() as connection:
        page = account_page(
            context,
            account,
            form_token=form_token_of(request),
            tokens=list_tokens(connection, account.id),
            areas=area_codes(connection),
            notice=words[notice] if notice else "",
            problem=problem_text or (words[problem] if problem else ""),
        )
    return _answer(context, page, status_code=status_code)


def _admin_page(
    request: Request,
    context: PageContext,
    service: Service,
    account: Account,
    *,
    notice: str = "",
    problem: str = "",
    status_code: int = 200,
) -> Response:
    words = account_words(context.language)
    with service.database.connect() as connection:
        page = admin_page(
            context,
            account,
            form_token=form_token_of(request),
            accounts=list_accounts(connection),
            areas=area_codes(connection),
            events=list_events(connection),
            notice=words[notice] if notice else "",
            problem=problem,
        )
    return _answer(context, page, status_code=status_code)


_REASONS = (
    (RightMissingError, "e_rights", 403),
    (NotFoundError, "e_missing", 404),
    (InvalidRowError, "e_invalid", 422),
    (ConflictError, "e_conflict_name", 409),
)


def _not_saved(
    request: Request,
    context: PageContext,
    service: Service,
    account: Account,
    error: Exception,
) -> Response:
    words = account_words(context.language)
    key, status = next((k, s) for kind, k, s in _REASONS if isinstance(error, kind))
    if isinstance(error, ConflictError) and "last administrator" in str(error):
        key = "e_last"
    problem = f"{words['not_saved']} {words[key]}"
    if context.language == "en":
        problem = f"{words['not_saved']} {error} {getattr(error, 'remedy', '')}"
    return _admin_page(request, context, service, account, problem=problem, status_code=status)


def _change_grants(
    request: Request,
    context: PageContext,
    service: Service,
    account: Account,
    account_id: int,
    *,
    add: set[Grant] | None = None,
    remove: set[Grant] | None = None,
) -> Response:
    try:
        with service.database.transaction(account.name) as connection:
            present = set(find_account(connection, account_id).grants)
            set_grants(
                connection, account_id, (present | (add or set())) - (remove or set()), by=account
            )
    except (InvalidRowError, ConflictError, RightMissingError, NotFoundError) as error:
        return _not_saved(request, context, service, account, error)
    return _to(f"/admin/accounts?done=1#account-{account_id}")


def _switch(
    request: Request,
    context: PageContext,
    service: Service,
    account: Account,
    account_id: int,
    *,
    disabled: bool,
) -> Response:
    try:
        with service.database.transaction(account.name) as connection:
            set_disabled(connection, account_id, disabled=disabled, by=account)
    except (ConflictError, RightMissingError, NotFoundError) as error:
        return _not_saved(request, context, service, account, error)
    return _to(f"/admin/accounts?done=1#account-{account_id}")


def _password_page(context: PageContext, name: str, password: str) -> Response:
    words = account_words(context.language)
    return _answer(
        context,
        secret_page(
            context,
            text=words["password_for"].format(name=name),
            secret=password,
            hint=words["password_for_hint"],
            back="/admin/accounts",
        ),
    )


def _answer(context: PageContext, html: str, *, status_code: int = 200) -> Response:
    answer = HTMLResponse(
        html,
        status_code=status_code,
        headers={"Content-Security-Policy": page_policy(html), "Cache-Control": "no-store"},
    )
    answer.set_cookie(
        LANGUAGE_COOKIE, context.language, max_age=A_YEAR_S, samesite="lax", httponly=True
    )
    return answer


def _to(address: str) -> Response:
    return RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})


def _sign_on_of(request: Request) -> SignOn:
    provider: SignOn = request.app.state.sign_on
    return provider


def _provider(request: Request, service: Service) -> SignOn:
    _require_accounts(service)
    provider = _sign_on_of(request)
    if not provider.issuer:
        raise NotFoundError(
            "No OpenID Connect provider is set.", remedy="Set oidc_issuer: see docs/accounts.md."
        )
    return provider
