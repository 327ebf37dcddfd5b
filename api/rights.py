"""Who asks, and whether they may: every route states its right, one place enforces it.

A route says what it needs in its decorator, ``openapi_extra=right("planner")``; this stands in the
OpenAPI document as ``x-right``, and `enforce` reads the same words before the route runs. A route
that says nothing is for administrators only. Where something is done in an area, the route asks
`data.accounts.may` or `require` besides, inside its transaction.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.errors import CrossOriginError, LoginRequiredError, PasswordDueError
from api.security import SAFE_METHODS
from api.service import Service
from data.accounts.account import LOCAL, ROLES, Account, may_anywhere
from data.accounts.secrets import form_token
from data.accounts.sessions import account_of_cookie, account_of_token, touch
from data.errors import RightMissingError
from maps.account_menu import AccountMenu

PUBLIC = "public"
"""For everybody, logged in or not."""
SELF = "account"
"""For everybody who is logged in, whatever they may do."""
RIGHT_KEY = "x-right"
UNDECLARED = ("administrator",)
"""What a route needs that does not say so."""

LOGIN_PATH = "/login"


def right(*names: str) -> dict[str, Any]:
    """State what a route needs, for its ``openapi_extra``; of several any one is enough.

    Parameters
    ----------
    *names : str
        `PUBLIC`, `SELF`, or roles of `data.accounts.ROLES`: ``right("planner")``.
    """
    unknown = set(names) - {PUBLIC, SELF, *ROLES}
    if unknown or not names:
        raise ValueError(f"No right is named {', '.join(sorted(unknown)) or 'at all'}.")
    return {RIGHT_KEY: names[0] if len(names) == 1 else list(names)}


def declared_rights(route: object) -> tuple[str, ...] | None:
    """Read what a route says it needs; None where it says nothing."""
    if isinstance(route, Mount):
        return route.app.rights if isinstance(route.app, Gate) else None
    said = (getattr(route, "openapi_extra", None) or {}).get(RIGHT_KEY)
    if said is None:
        return None
    return (said,) if isinstance(said, str) else tuple(said)


def all_routes(app: FastAPI) -> Iterator[tuple[str, frozenset[str], tuple[str, ...] | None]]:
    """Every route and mount of an application: path, methods, and what it says it needs."""
    yield from _routes(app.routes, "")


def _routes(
    routes: list[BaseRoute], prefix: str
) -> Iterator[tuple[str, frozenset[str], tuple[str, ...] | None]]:
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is not None:  # an included router of FastAPI
            for context in contexts():
                yield (
                    prefix + context.path,
                    frozenset(context.methods or ()),
                    declared_rights(context.original_route),
                )
        elif isinstance(route, APIRoute | Route | Mount):
            methods = frozenset(getattr(route, "methods", None) or ())
            yield prefix + route.path, methods, declared_rights(route)
        else:
            yield prefix + repr(route), frozenset(), None


async def enforce(request: Request) -> None:
    """Refuse a request that may not reach its route; a dependency of the whole application.

    The account is then found by `current_account`.

    Raises
    ------
    LoginRequiredError
        If nobody is logged in and the route is not public.
    RightMissingError
        If the account has none of the rights the route names, anywhere.
    PasswordDueError
        If the account must first change its password.
    CrossOriginError
        If a browser's cookie comes with a write that does not say it is from a page of ours.
    """
    rights = declared_rights(request.scope.get("route")) or UNDECLARED
    request.state.account = await admit(request, request.app.state.service, rights)


async def admit(
    request: HTTPConnection, service: Service, rights: tuple[str, ...]
) -> Account | None:
    """Find who asks and check that they have one of these rights; None for a public route."""
    if service.settings.accounts == "off":
        return LOCAL
    if PUBLIC in rights:
        return None
    account = await run_in_threadpool(identify, service, request)
    if account is None:
        raise LoginRequiredError(
            "This needs a log-in.",
            remedy="Open /login in a browser, or send an API token: Authorization: Bearer …",
        )
    if account.session is not None and request.scope["method"] not in SAFE_METHODS:
        _require_own_page(request)
    if SELF in rights:
        return account
    if account.must_change:
        raise PasswordDueError(
            f"The password of {account.name} was given by somebody else.",
            remedy="Change it at /account first.",
        )
    if not any(may_anywhere(account, name) for name in rights):
        raise RightMissingError(
            f"{account.name} is no {' or '.join(rights)}.",
            remedy="Ask an administrator for the role.",
        )
    return account


def identify(service: Service, request: HTTPConnection) -> Account | None:
    """Find the account a request comes from, by token or else by cookie; None where by neither."""
    authorization = request.headers.get("authorization")
    cookie = session_cookie(request)
    if authorization is None and not cookie:
        return None
    with service.database.look() as connection:
        if authorization is not None:
            found = account_of_token(connection, _token(authorization))
        else:
            found = account_of_cookie(connection, cookie)
    if found is None:
        return None
    if found.stale:
        with service.database.transaction(found.account.name) as connection:
            touch(connection, found.account)
    return found.account


def session_cookie(request: HTTPConnection) -> str:
    """Read the session cookie; empty where there is none."""
    return request.cookies.get(cookie_name(request), "")


def cookie_name(request: HTTPConnection) -> str:
    """Name of the session cookie: over HTTPS one that no other host can set (``__Host-``)."""
    return "__Host-gridcircle" if is_https(request) else "gridcircle"


def is_https(request: HTTPConnection) -> bool:
    """Whether the browser speaks HTTPS, here or to a trusted proxy in front."""
    return bool(request.url.scheme == "https")


def client_address(request: HTTPConnection) -> str:
    """Where a request comes from, for counting: IPv6 by its network, as one host has them all."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


async def current_account(request: Request) -> Account:
    """Find the account of a request that `enforce` let through."""
    account: Account | None = getattr(request.state, "account", None)
    if account is None:
        raise LoginRequiredError("This needs a log-in.", remedy="Open /login.")
    return account


CurrentAccount = Annotated[Account, Depends(current_account)]


def form_token_of(request: HTTPConnection) -> str:
    """What forms on a page must send back: tied to the session; empty without one."""
    cookie = session_cookie(request)
    return form_token(cookie) if cookie else ""


def menu_of(request: Request, language: str) -> AccountMenu | None:
    """What pages say about who is logged in; None without accounts and on public pages."""
    account: Account | None = getattr(request.state, "account", None)
    if account is None or account is LOCAL:
        return None
    return AccountMenu.of(
        account.name,
        form_token=form_token_of(request) if account.session is not None else "",
        administers=may_anywhere(account, "administrator"),
        language=language,
    )


class Gate:
    """ASGI application around a mounted one: the right it needs, stated where it is mounted.

    Parameters
    ----------
    app : ASGIApp
    service : Service
    *rights : str
        As in `right`.
    """

    def __init__(self, app: ASGIApp, service: Service, *rights: str) -> None:
        right(*rights)
        self.app = app
        self.rights = rights
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through who may, raise for the others."""
        if scope["type"] != "http":
            return  # nothing mounted here speaks anything else
        await admit(HTTPConnection(scope), self._service, self.rights)
        await self.app(scope, receive, send)


class KeepPrivate:
    """ASGI middleware: what one account may see is not kept by a proxy for another."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Mark every answer that does not say that it is for all."""

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                said = headers.get("cache-control", "")
                if not {"public", "private", "no-store"} & set(re.findall(r"[\w-]+", said)):
                    headers["Cache-Control"] = f"private, {said or 'no-cache'}"
                    headers.add_vary_header("Cookie, Authorization")
            await send(message)

        await self.app(scope, receive, send_marked if scope["type"] == "http" else send)


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with how programs come in."""
    document = app.openapi()
    components: dict[str, Any] = document.setdefault("components", {})
    components["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API token, where there are accounts: make one at /account.",
        }
    }
    for operations in document["paths"].values():
        for operation in operations.values():
            rights = operation.get(RIGHT_KEY, ())
            operation["security"] = [] if PUBLIC in rights else [{"token": []}]
    return document


def install(app: FastAPI) -> None:
    """Answer missing log-ins: a browser that opens a page is led to the log-in page."""

    async def login_required(request: Request, error: Exception) -> Response:
        if opens_page(request):
            return _led_to(f"{LOGIN_PATH}?next={quote(_address(request), safe='')}")
        if sends_form(request):
            page = urlsplit(request.headers.get("referer", "")).path or "/"
            return _led_to(f"{LOGIN_PATH}?next={quote(page, safe='')}")
        return _challenged(error, request)

    async def password_due(request: Request, error: Exception) -> Response:
        if opens_page(request):
            return _led_to("/account")
        return problems.error_response(error, request.url.path)

    app.add_exception_handler(LoginRequiredError, login_required)
    app.add_exception_handler(PasswordDueError, password_due)


def opens_page(request: HTTPConnection) -> bool:
    """Whether a browser asks for a page to show, not a script for data."""
    return (
        request.scope["method"] in {"GET", "HEAD"}
        and "text/html" in request.headers.get("accept", "")
        and not request.url.path.startswith(("/api/", "/tiles/"))
    )


def sends_form(request: HTTPConnection) -> bool:
    """Whether a browser sends a form of a page and shows what comes back."""
    return bool(
        request.scope["method"] == "POST"
        and "text/html" in request.headers.get("accept", "")
        and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    )


def safe_next(address: str) -> str:
    r"""Where to go after the log-in: an address of ours, or else the front page.

    Browsers take ``//host``, ``/\host`` and addresses with tabs or line ends in them for other
    hosts; all of these become ``/``.
    """
    ours = (
        address.startswith("/")
        and not address.startswith("//")
        and "\\" not in address
        and all(32 < ord(letter) < 127 for letter in address)
        and not address.startswith((LOGIN_PATH, "/logout"))
        and len(address) <= 2000
    )
    return address if ours else "/"


def _led_to(address: str) -> Response:
    return RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})


def _challenged(error: Exception, request: Request) -> Response:
    answer = problems.error_response(error, request.url.path)
    answer.headers["WWW-Authenticate"] = 'Bearer realm="gridcircle"'
    return answer


def _address(request: Request) -> str:
    query = request.url.query
    return quote(request.url.path, safe="/:@!$&'()*+,;=-._~") + (f"?{query}" if query else "")


def _require_own_page(request: HTTPConnection) -> None:
    """Let a browser's cookie write only for a page of this service.

    `api.security.Guard` has refused every Origin and Sec-Fetch-Site that is not ours; here one of
    them must be there. All browsers send Origin with a write; a program has a token instead.
    """
    headers: Mapping[str, str] = request.headers
    if "origin" not in headers and headers.get("sec-fetch-site") != "same-origin":
        raise CrossOriginError(
            "A write with a session cookie must say which page it comes from.",
            remedy="Programs use an API token: Authorization: Bearer …",
        )


def _token(authorization: str) -> str:
    """Read the API token out of a header: Bearer, or Basic with the token as password (QGIS)."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
