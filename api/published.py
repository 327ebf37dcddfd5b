"""Public answers kept ready to send: made once for an edition and a day, packed once.

A request that finds its answer here is sent without a look at the database and without FastAPI
(`api.lane`: without a parser too); after `FRESH_S` the next one looks again whether another edition
is current. Publishing in this process empties the shelf at once.
"""

from __future__ import annotations

import gzip
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import cramjam
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.security import CONTENT_POLICY, HEADERS, host_name

FRESH_S = 2.0
"""How long an answer is sent without asking the database again."""
KEPT_BYTES = 96 << 20
_PACKED = ("text/", "application/json", "application/geo+json", "application/feed+json", "+xml")
_LEAST_PACKED = 600
_NO_BODY: Message = {"type": "http.response.body", "body": b""}


@dataclass(frozen=True, slots=True)
class Ready:
    """One answer in all its encodings.

    Attributes
    ----------
    bodies : dict of str to bytes
        By content encoding; ``identity`` is always there.
    etags : dict of str to bytes
    headers : list of (bytes, bytes)
        All but ETag, Content-Length and Content-Encoding.
    """

    bodies: dict[str, bytes]
    etags: dict[str, bytes]
    headers: list[tuple[bytes, bytes]]
    starts: dict[str, Message] = field(default_factory=dict)
    """First message of the answer by encoding, and of the 304, made once."""

    def __post_init__(self) -> None:
        for encoding, body in self.bodies.items():
            tag = (b"etag", self.etags[encoding])
            own = [(b"content-length", str(len(body)).encode())]
            if encoding != "identity":
                own.append((b"content-encoding", encoding.encode()))
            for name, status, more in ((encoding, 200, own), (f"304 {encoding}", 304, [])):
                self.starts[name] = {
                    "type": "http.response.start",
                    "status": status,
                    "headers": [*self.headers, tag, *more],
                }

    def wire(self, chosen: str, date: bytes) -> bytes:
        """Write one of `starts` with its body as HTTP/1.1 sends them.

        Parameters
        ----------
        chosen : str
            Key of `starts`, see `choose`.
        date : bytes
            Value of the Date header.
        """
        start = self.starts[chosen]
        phrase = b"200 OK" if start["status"] == 200 else b"304 Not Modified"
        lines = [b"HTTP/1.1 " + phrase, b"date: " + date]
        lines += [name + b": " + value for name, value in start["headers"]]
        return b"\r\n".join([*lines, b"", self.bodies.get(chosen, b"")])

    @property
    def size(self) -> int:
        """Bytes it takes to keep."""
        return sum(map(len, self.bodies.values()))


def make_ready(body: bytes, *, media_type: str, headers: dict[str, str]) -> Ready:
    """Pack an answer.

    Parameters
    ----------
    body : bytes
    media_type : str
    headers : dict
        Further ones: Cache-Control, Content-Security-Policy …
    """
    bodies = {"identity": body}
    if len(body) >= _LEAST_PACKED and any(part in media_type for part in _PACKED):
        bodies["br"] = bytes(cramjam.brotli.compress(body, level=9))
        bodies["gzip"] = gzip.compress(body, 7, mtime=0)
    digest = hashlib.sha256(body).hexdigest()[:24]
    etags = {name: f'"{digest}-{name[0]}"'.encode() for name in bodies}
    given = {name.lower(): value for name, value in headers.items()}
    guards = {name.lower(): value for name, value in HEADERS.items()}
    policy = {"content-security-policy": CONTENT_POLICY}
    all_headers = {"content-type": media_type, **guards, **policy, **given}
    if len(bodies) > 1:
        all_headers["vary"] = "Accept-Encoding"
    return Ready(bodies, etags, [(k.encode(), v.encode()) for k, v in all_headers.items()])


_Address = tuple[str, str, bytes]


class Shelf:
    """Ready answers by Host header, path and query; those asked for least lately go first.

    The host counts because an answer may hold links with it: nobody can put a host of his own into
    what others get.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Address, tuple[float, Ready]] = OrderedDict()
        self._bytes = 0
        self._emptied = 0

    @property
    def state(self) -> int:
        """Differs after each `clear` and `drop`: what was made before is not put here after it."""
        return self._emptied

    def put(self, host: str, path: str, query: bytes, ready: Ready, *, state: int) -> None:
        """Keep an answer, unless the shelf was emptied since it was made."""
        with self._lock:
            if state != self._emptied:
                return
            address = host, path, query
            old = self._kept.pop(address, None)
            if old is not None:
                self._bytes -= old[1].size
            self._kept[address] = (time.monotonic() + FRESH_S, ready)
            self._bytes += ready.size
            while self._bytes > KEPT_BYTES and len(self._kept) > 1:
                _, (_, dropped) = self._kept.popitem(last=False)
                self._bytes -= dropped.size

    def get(self, host: str, path: str, query: bytes) -> Ready | None:
        """Find a fresh answer.

        Of those who find one that is not fresh, the first gets nothing and looks again; the
        others get it still, so that a crowd does not look all at once.
        """
        address = host, path, query
        found = self._kept.get(address)
        if found is None:
            return None
        fresh_until, ready = found
        now = time.monotonic()
        if fresh_until < now:
            with self._lock:
                if address in self._kept:
                    self._kept[address] = (now + FRESH_S, ready)
            return None
        return ready

    def drop(self, path: str) -> None:
        """Forget the answers of one path: it is not public any more."""
        with self._lock:
            gone = [address for address in self._kept if address[1] == path]
            for address in gone:
                self._bytes -= self._kept.pop(address)[1].size
            if gone:  # else requests for nothing would keep others' answers off the shelf
                self._emptied += 1

    def clear(self) -> None:
        """Forget everything: something was published or taken down."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0
            self._emptied += 1


class ServeReady:
    """ASGI middleware: sends what is on the shelf, passes on what is not.

    It stands before the guard, for speed, and so asks for the host itself; the guard's headers are
    in the answers already.

    Parameters
    ----------
    app : ASGIApp
    shelf : Shelf
    hosts : iterable of str
        Names and addresses that the Host header may hold, as for `api.security.Guard`.
    """

    def __init__(self, app: ASGIApp, *, shelf: Shelf, hosts: Iterable[str]) -> None:
        self.app = app
        self.shelf = shelf
        self.hosts = frozenset(host.strip("[]").lower() for host in hosts)
        self._known_hosts: dict[bytes, bool] = {}

    def _answers_for(self, host: bytes) -> bool:
        known = self._known_hosts.get(host)
        if known is None:
            known = host_name(host.decode("latin-1")) in self.hosts
            if len(self._known_hosts) < 256:
                self._known_hosts[host] = known
        return known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET from the shelf."""
        if scope["type"] == "http" and scope["method"] == "GET":
            host = next((value for name, value in scope["headers"] if name == b"host"), b"")
            address = host.decode("latin-1").lower(), scope["path"], scope["query_string"]
            if self._answers_for(host) and (ready := self.shelf.get(*address)) is not None:
                await send_ready(ready, scope, send)
                return
        await self.app(scope, receive, send)


async def send_ready(ready: Ready, scope: Scope, send: Send) -> None:
    """Send an answer in the encoding asked for, or 304 where the client has it."""
    accepted = known = b""
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            accepted = value
        elif name == b"if-none-match":
            known = value
    chosen = choose(ready, accepted, known)
    await send(ready.starts[chosen])
    body = ready.bodies.get(chosen)
    await send(_NO_BODY if body is None else {"type": "http.response.body", "body": body})


def choose(ready: Ready, accepted: bytes, known: bytes) -> str:
    """Choose one of the starts of an answer: an encoding, or a 304 of it.

    Parameters
    ----------
    ready : Ready
    accepted, known : bytes
        Values of Accept-Encoding and If-None-Match; empty where there is none.
    """
    encoding = "identity"
    if len(ready.bodies) > 1 and accepted:
        offered = _offered(accepted)
        encoding = next((name for name in ("br", "gzip") if name in offered), encoding)
    return f"304 {encoding}" if known and _has(known, ready) else encoding


@lru_cache(maxsize=64)
def _offered(accepted: bytes) -> frozenset[str]:
    """Encodings of an Accept-Encoding header; those with a weight of 0 are not."""
    found = set()
    for part in accepted.decode("latin-1").split(","):
        name, _, weight = part.replace(" ", "").partition(";q=")
        if weight.rstrip("0.") or not weight:
            found.add(name)
    return frozenset(found)


def _has(known: bytes, ready: Ready) -> bool:
    """Whether If-None-Match names this answer in any of its encodings (RFC 9110, 13.1.2)."""
    if known.strip() == b"*":
        return True
    tags = {part.strip().removeprefix(b"W/") for part in known.split(b",")}
    return not tags.isdisjoint(ready.etags.values())


class ReadyResponse(Response):
    """The same as the response of a route."""

    def __init__(self, ready: Ready) -> None:
        super().__init__()
        self.ready = ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it."""
        await send_ready(self.ready, scope, send)
