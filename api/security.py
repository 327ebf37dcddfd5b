"""What stands before every request: known hosts, no writes from other origins, small bodies."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import BodyTooLargeError, CrossOriginError, HostRefusedError
from api.problems import error_response
from geo.errors import GridcircleError

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
MAX_BODY_BYTES = 1 << 20
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_BASE_POLICY = (
    "default-src 'self'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'self'"
)
CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""Content-Security-Policy of what is no page: JSON, tiles, files."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(self), camera=(), microphone=(), payment=(), usb=()",
}

_INLINE_SCRIPT = re.compile(r"<script(?![^>]*\ssrc\s*=)[^>]*>(.*?)</script\s*>", re.S | re.I)


def page_policy(html: str) -> str:
    """Content-Security-Policy of a page: its own inline scripts by digest, and nothing else's.

    Folium writes its map into inline scripts. A digest for each lets exactly these run, so that
    markup which slips in through a name cannot: event handlers in attributes stay forbidden.
    """
    digests = {
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        for script in _INLINE_SCRIPT.findall(html)
        if script.strip()
    }
    return _BASE_POLICY.format(scripts="".join(f" 'sha256-{d}'" for d in sorted(digests)))


class Guard:
    """ASGI middleware: refuses what should not come in, adds security headers to what goes out.

    Parameters
    ----------
    app : ASGIApp
    hosts : iterable of str
        Names and addresses, without port, that the Host header may hold. This is what stops a
        foreign page from reaching a loopback service through a name of its own (DNS rebinding).
    max_body_bytes : int
    larger : mapping of pattern to int
        Paths that take larger bodies, with how many bytes; they read them piece by piece.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str] = LOOPBACK_HOSTS,
        max_body_bytes: int = MAX_BODY_BYTES,
        larger: Mapping[re.Pattern[str], int] = MappingProxyType({}),
    ) -> None:
        self.app = app
        self.hosts = frozenset(host.strip("[]").lower() for host in hosts)
        self.max_body_bytes = max_body_bytes
        self.larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request, then pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_headers(MutableHeaders(scope=message))
            await send(message)

        try:
            most = self._most_bytes(scope["path"])
            self._check(scope["method"], Headers(scope=scope), scope.get("scheme", "http"), most)
        except GridcircleError as error:
            await error_response(error, scope["path"])(scope, receive, send_guarded)
            return
        await self.app(scope, _limited(receive, most), send_guarded)

    def _most_bytes(self, path: str) -> int:
        found = (most for pattern, most in self.larger.items() if pattern.fullmatch(path))
        return next(found, self.max_body_bytes)

    def _check(self, method: str, headers: Headers, scheme: str, most: int) -> None:
        host = headers.get("host", "")
        if host_name(host) not in self.hosts:
            raise HostRefusedError(
                f"This service does not answer for the host {host!r}.",
                remedy="Open it by one of: " + ", ".join(sorted(self.hosts)) + ".",
            )
        if method not in SAFE_METHODS:
            check_origin(headers, scheme, host)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > most:
            raise BodyTooLargeError(
                f"The body has {length} bytes.",
                remedy=f"Send at most {_size(most)}; larger files are imported with the command "
                "line.",
                zh=(
                    f"内容过大（{_size(int(length)) if length.isdigit() else length}）。",
                    f"最多 {_size(most)}；更大的文件请用命令行导入。",
                ),
            )


def _limited(receive: Receive, most: int) -> Receive:
    """Count what comes in chunks without a length."""
    taken = 0

    async def receive_limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            # FastAPI lets HTTP errors through while it reads a body, and only these.
            raise HTTPException(413, f"The body has more than {_size(most)}.")
        return message

    return receive_limited


def _size(count: int) -> str:
    return f"{count} bytes" if count < 10 << 20 else f"{count / (1 << 20):.0f} MB"


def add_headers(headers: MutableHeaders) -> None:
    """Add the security headers that are not set yet."""
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Content-Security-Policy", CONTENT_POLICY)


def host_name(host: str) -> str:
    """Take name or address out of a Host header: no port, no brackets, lower case."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def check_origin(headers: Headers, scheme: str, host: str) -> None:
    """Refuse a write that a browser makes for a page of another origin.

    Browsers name the origin of every such request, or the relation in Sec-Fetch-Site; programs
    that name neither are let through: they hold no cookies of ours.

    Raises
    ------
    CrossOriginError
        If origin and host differ.
    """
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site")
    if site in {"cross-site", "same-site"} or (
        origin is not None and origin.lower() != f"{scheme}://{host}".lower()
    ):
        raise CrossOriginError(
            f"A page of {origin or 'another origin'} may not write here.",
            remedy="Open Gridcircle itself, or send the request from a program without Origin.",
        )
