"""A short way for published answers: from the bytes of a request to the bytes of its answer.

A crowd of phones asks for few addresses, with plain GET requests, and its answers lie ready on the
shelf (`api.published`). For these the work of a general HTTP parser, of tasks and of ASGI messages
is most of the cost. `lane_protocol` makes a uvicorn protocol that answers them as they come in. It
takes a request only if

- it stands at a message boundary, and nothing is being answered on its connection;
- its head came whole, is written strictly (RFC 9112: one Host, tokens, CRLF, no folded lines), and
  says ``GET`` of a plain address by HTTP/1.1;
- it has no field that changes how messages are framed or answered: no body, no upgrade, no
  ``Connection`` but keep-alive;
- its host is one the service answers for, and its answer is on the shelf and fresh.

Everything else goes to uvicorn's parser byte for byte, as if the lane were not there.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.published import Ready, Shelf, choose
from api.security import host_name

LONGEST_HEAD = 4096
"""Bytes of a request head; longer ones are left to the parser."""
HEADS_KEPT = 512
"""Request heads whose answer is remembered, for a second at most."""
IN_A_ROW = 16
"""Requests answered of one read; more in one read (pipelined) are left to the parser."""

_HEAD = re.compile(
    rb"GET (/[A-Za-z0-9/._-]*)(?:\?([A-Za-z0-9=&._-]*))? HTTP/1\.1\r\n"
    rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)+\r\n"
)
_ASIDE = re.compile(
    rb"\n(?:content-length|transfer-encoding|expect|upgrade|http2-settings|te|trailer|range|if-range"
    rb"|if-match|if-modified-since|if-unmodified-since|authorization)[ \t]*:"
)
"""Fields that only the whole application may judge."""
_HOST = re.compile(rb"\nhost:[ \t]*([^\r]*?)[ \t]*\r")
_CONNECTION = re.compile(rb"\nconnection:[ \t]*([^\r]*?)[ \t]*\r")
_ACCEPTED = re.compile(rb"\naccept-encoding:[ \t]*([^\r]*?)[ \t]*\r")
_KNOWN = re.compile(rb"(?i)\nif-none-match:[ \t]*([^\r]*?)[ \t]*\r")


class Lane:
    """Finds the bytes to send for the bytes of a request; one for all connections.

    Parameters
    ----------
    shelf : Shelf
    hosts : iterable of str
        Names and addresses that the Host header may hold, as for `api.security.Guard`.
    """

    def __init__(self, shelf: Shelf, hosts: Iterable[str]) -> None:
        self.shelf = shelf
        self.hosts = frozenset(host.strip("[]").lower() for host in hosts)
        self._date = b""
        self._state = -1
        self._by_head: dict[bytes, bytes] = {}
        self._wires: dict[tuple[int, str], tuple[Ready, bytes]] = {}

    def answer(self, head: bytes, date: bytes) -> bytes | None:
        """Give the whole answer to a request, or None where the application is to answer.

        Parameters
        ----------
        head : bytes
            Of one request, with the empty line at its end.
        date : bytes
            Value of the Date header now.
        """
        if date is not self._date or self._state != self.shelf.state:
            # Once a second, and whenever something is published: what lay ready is looked up again.
            self._date, self._state = date, self.shelf.state
            self._by_head.clear()
            self._wires.clear()
        found = self._by_head.get(head)
        if found is None:
            found = self._look(head)
            if found is not None and len(self._by_head) < HEADS_KEPT:
                self._by_head[head] = found
        return found

    def _look(self, head: bytes) -> bytes | None:
        line = _HEAD.fullmatch(head)
        if line is None:
            return None
        small = head.lower()
        hosts = _HOST.findall(small)
        if len(hosts) != 1 or _ASIDE.search(small) is not None:
            return None
        connection = _CONNECTION.findall(small)
        if connection not in ([], [b"keep-alive"]):
            return None
        host = hosts[0].decode("latin-1")
        if host_name(host) not in self.hosts:
            return None
        accepted, known = _ACCEPTED.findall(small), _KNOWN.findall(head)
        if len(accepted) > 1 or len(known) > 1:
            return None
        path, query = line.groups(default=b"")
        ready = self.shelf.get(host, path.decode(), query)
        if ready is None:
            return None
        chosen = choose(ready, accepted[0] if accepted else b"", known[0] if known else b"")
        kept = self._wires.get((id(ready), chosen))
        if kept is None:
            kept = ready, ready.wire(chosen, self._date)
            self._wires[id(ready), chosen] = kept
        return kept[1]


class LaneProtocol(HttpToolsProtocol):
    """uvicorn's protocol with the lane before its parser."""

    lane: Lane
    _between = True
    _answered_at = 0.0

    def on_message_begin(self) -> None:
        """Note that a message is being read."""
        self._between = False
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """Note that the message is read to its end."""
        super().on_message_complete()
        self._between = True

    def data_received(self, data: bytes) -> None:
        """Answer what lies ready; give the rest to the parser."""
        if self._between:
            data = self._answer_ready(data)
            if not data:
                return
        super().data_received(data)

    def _answer_ready(self, data: bytes) -> bytes:
        """Answer requests from the front of `data`; give what is left."""
        for _ in range(IN_A_ROW):
            end = data.find(b"\r\n\r\n", 0, LONGEST_HEAD) + 4
            if (
                end == 3
                or self.flow.write_paused
                or self.transport.is_closing()
                or not (self.cycle is None or self.cycle.response_complete)
                or self.limit_concurrency is not None
                or self.access_log
            ):
                break
            fixed = self.server_state.default_headers
            if len(fixed) != 1 or fixed[0][0] != b"date":  # the answers lie ready with a date only
                break
            answer = self.lane.answer(data if end == len(data) else data[:end], fixed[0][1])
            if answer is None:
                break
            self.transport.write(answer)
            self.server_state.total_requests += 1
            self._answered_at = self.loop.time()
            if self.timeout_keep_alive_task is None:
                self._wait_for_more(self.timeout_keep_alive)
            data = data[end:]
            if not data:
                break
        return data

    def _wait_for_more(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been quiet for long; the lane does not wind the clock."""
        left_s = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._wait_for_more(left_s)
        else:
            super().timeout_keep_alive_handler()


def lane_protocol(shelf: Shelf, hosts: Iterable[str]) -> type[asyncio.Protocol]:
    """Make the protocol class for `uvicorn.Config(http=...)`."""
    return type("LaneProtocol", (LaneProtocol,), {"lane": Lane(shelf, hosts)})
