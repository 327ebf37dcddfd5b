"""The short way for published answers: what it takes, and what it must leave to the parser."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from api.lane import HEADS_KEPT, IN_A_ROW, LONGEST_HEAD, Lane, lane_protocol
from api.published import ServeReady, Shelf, make_ready
from api.security import HEADERS

PAGE = b"<p>" + b"a" * 5000
DATE = b"Sat, 21 Nov 2026 10:00:00 GMT"
HOST = "localhost:8000"


def shelf_with(body: bytes = PAGE, path: str = "/s/riders", query: bytes = b"") -> Shelf:
    shelf = Shelf()
    ready = make_ready(body, media_type="text/html", headers={"Cache-Control": "max-age=60"})
    shelf.put(HOST, path, query, ready, state=shelf.state)
    return shelf


def head(*fields: str, line: str = "GET /s/riders HTTP/1.1", host: str | None = HOST) -> bytes:
    lines = [line, *([] if host is None else [f"Host: {host}"]), *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


@pytest.fixture
def lane() -> Lane:
    return Lane(shelf_with(), ["localhost", "127.0.0.1"])


def test_a_plain_request_gets_status_date_security_headers_and_body(lane: Lane) -> None:
    answer = lane.answer(head(), DATE)
    assert answer is not None
    top, body = answer.split(b"\r\n\r\n", 1)
    assert body == PAGE
    lines = top.decode().split("\r\n")
    assert lines[:2] == ["HTTP/1.1 200 OK", f"date: {DATE.decode()}"]
    named = dict(line.split(": ", 1) for line in lines[1:])
    assert named["content-length"] == str(len(PAGE))
    assert {name.lower() for name in HEADERS} | {"content-security-policy"} <= set(named)


def test_encodings_and_etags_are_those_of_the_application(lane: Lane) -> None:
    packed = lane.answer(head("Accept-Encoding: gzip, deflate, br;q=0"), DATE)
    assert packed is not None
    assert b"\r\ncontent-encoding: gzip\r\n" in packed
    tag = re.search(rb'\r\netag: ("[^"]+")\r\n', packed)
    assert tag is not None
    known = lane.answer(head(f"IF-NONE-MATCH: W/{tag[1].decode()}"), DATE)
    assert known is not None
    assert known.startswith(b"HTTP/1.1 304 Not Modified\r\n")
    assert known.endswith(b"\r\n\r\n")
    assert b"content-length" not in known
    other = lane.answer(head('If-None-Match: "other"'), DATE)
    assert other is not None
    assert other.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "raw",
    [
        head(line="HEAD /s/riders HTTP/1.1"),
        head(line="POST /s/riders HTTP/1.1"),
        head(line="GET /s/riders HTTP/1.0"),
        head(line="GET /s/riders HTTP/2.0"),
        head(line="GET http://localhost:8000/s/riders HTTP/1.1"),
        head(line="GET  /s/riders HTTP/1.1"),
        head(line="GET /s/riders\t HTTP/1.1"),
        head(line="GET /s/%72iders HTTP/1.1"),
        head(line="GET /s/riders#x HTTP/1.1"),
        head(line="get /s/riders HTTP/1.1"),
        head(host=None),
        head(f"Host: {HOST}"),
        head("Host: evil.example"),
        head("host : localhost"),
        head(host="evil.example"),
        head(host="localhost:9"),
        head(host="localhost:8000@evil.example"),
        head("Content-Length: 0"),
        head("Content-Length: 5"),
        head("content-length:\t5"),
        head("Content-Length : 5"),
        head("Transfer-Encoding: chunked"),
        head("TRANSFER-ENCODING: identity"),
        head("Expect: 100-continue"),
        head("Upgrade: websocket", "Connection: Upgrade"),
        head("Connection: close"),
        head("Connection: keep-alive, x"),
        head("Connection: keep-alive", "Connection: close"),
        head("Range: bytes=0-9"),
        head("If-Match: *"),
        head("If-None-Match: *", "If-None-Match: *"),
        head("Accept-Encoding: br", "Accept-Encoding: gzip"),
        head("X: a\n b"),
        head("X: a\nContent-Length: 3"),
        head("X: a\rContent-Length: 3"),
        head("X: a", " folded"),
        head("X: a\0b"),
        head("X"),
        head(": a"),
        head("X y: a"),
        head().replace(b"\r\n", b"\n"),
        b" " + head(),
        b"\r\n" + head(),
        head()[:-2],
        head() + b"GET",
    ],
)
def test_anything_unusual_is_left_to_the_parser(lane: Lane, raw: bytes) -> None:
    assert lane.answer(raw, DATE) is None


def test_an_address_that_is_not_on_the_shelf_is_left_to_the_application(lane: Lane) -> None:
    for line in ("GET /s/other HTTP/1.1", "GET /s/riders?lang=en HTTP/1.1", "GET / HTTP/1.1"):
        assert lane.answer(head(line=line), DATE) is None


def test_what_is_taken_down_is_gone_at_once_for_heads_seen_before(lane: Lane) -> None:
    assert lane.answer(head(), DATE) is not None
    assert lane.answer(head(), DATE) is not None
    lane.shelf.drop("/s/riders")
    assert lane.answer(head(), DATE) is None


def test_a_new_second_looks_at_the_shelf_again_and_writes_the_new_date(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    import api.published

    later = b"Sat, 21 Nov 2026 10:00:01 GMT"
    lane.answer(head(), DATE)
    answer = lane.answer(head(), later)
    assert answer is not None
    assert later in answer
    at = time.monotonic() + 60
    monkeypatch.setattr(api.published.time, "monotonic", lambda: at)
    asked = [lane.answer(head(), bytes(f"{n}", "ascii")) is None for n in range(3)]
    assert asked == [True, False, False]  # of a crowd one looks again


def test_so_many_heads_are_remembered_and_no_more(lane: Lane) -> None:
    for n in range(HEADS_KEPT + 50):
        assert lane.answer(head(f"User-Agent: phone {n}"), DATE) is not None
    assert len(lane._by_head) == HEADS_KEPT


# Over a socket: uvicorn with the lane against uvicorn without it, the same bytes sent.


async def behind(scope, receive, send) -> None:
    """Tell what came through to the application."""
    if scope["type"] == "lifespan":
        for name in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{name}.complete"})
        return
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    said = f"{scope['method']} {scope['path']} {len(body)}".encode()
    length = str(len(said)).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]}
    )
    await send({"type": "http.response.body", "body": said})


def served(*, lane: bool) -> Iterator[int]:
    shelf = Shelf()
    app = ServeReady(behind, shelf=shelf, hosts=["localhost"])
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    http = lane_protocol(shelf, ["localhost"]) if lane else "httptools"
    config = uvicorn.Config(app, http=http, log_level="critical", access_log=False)
    config.timeout_keep_alive = 1
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    for path, body in (("/s/riders", PAGE), ("/s/large", PAGE * 400)):
        # Fresh for as long as the tests take.
        ready = make_ready(body, media_type="image/png", headers={})
        shelf._kept[HOST, path, b""] = (time.monotonic() + 600, ready)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.fixture(scope="module")
def quick() -> Iterator[int]:
    yield from served(lane=True)


@pytest.fixture(scope="module")
def plain() -> Iterator[int]:
    yield from served(lane=False)


def talk(port: int, *pieces: bytes, pause_s: float = 0.03) -> bytes:
    """Send pieces, say that there are no more, read to the end; dates taken out."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        for piece in pieces:
            connection.sendall(piece)
            if len(pieces) > 1:
                time.sleep(pause_s)
        answers = b""
        connection.settimeout(60)
        try:
            while more := connection.recv(1 << 20):
                answers += more
        except ConnectionResetError:
            pass
    return re.sub(rb"date: [^\r]+", b"date: now", answers)


ASIDE = head(line="GET /s/other HTTP/1.1")
POST = head("Content-Length: 30", line="POST /s/riders HTTP/1.1")
INSIDE = b"GET /s/riders HTTP/1.1\r\nHost: "  # thirty bytes that look like a request
CHUNKED = head("Transfer-Encoding: chunked", line="POST /x HTTP/1.1")
LAST = head("Connection: close")
SMALL_CHUNK = CHUNKED + b"3\r\nGET\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        (head(), LAST),
        (head() + LAST,),
        (head() * 3 + ASIDE + head() * 2 + LAST,),
        (head() * (IN_A_ROW + 5) + LAST,),
        (head()[:10], head()[10:] + head()[:30], head()[30:], LAST),
        (POST + INSIDE + head() + LAST,),
        (POST, INSIDE, head(), LAST),
        (POST + INSIDE[:5], INSIDE[5:] + head(), LAST),
        (CHUNKED, b"1c\r\n", INSIDE[:28], b"\r\n0\r\n\r\n", head(), LAST),
        (CHUNKED + b"0\r\n\r\n" + head() + LAST,),
        (head("Content-Length: 7", "Transfer-Encoding: chunked") + head(),),
        (head("Content-Length: 5") + head()[:5] + head()[5:] + LAST,),
        (head("X: a\nContent-Length: 3"), LAST),
        (b"\r\n" + head() + LAST,),
        (b"NONSENSE\r\n\r\n" + head(),),
        (head("Connection: close"), head()),
        (head(line="GET /s/riders HTTP/1.0"), head()),
        (head(line="HEAD /s/riders HTTP/1.1"), head(), LAST),
        (head("X: " + "a" * LONGEST_HEAD) + LAST,),
        (head("Upgrade: h2c", "Connection: Upgrade"), LAST),
        (head(line="GET /s/large HTTP/1.1") * 3 + head() + LAST,),
    ],
)
def test_the_lane_answers_every_stream_as_the_parser_alone_does(
    quick: int, plain: int, pieces: tuple[bytes, ...]
) -> None:
    expected = talk(plain, *pieces)
    assert talk(quick, *pieces).lower() == expected.lower()


@given(
    st.lists(
        st.sampled_from([head(), ASIDE, POST + INSIDE, SMALL_CHUNK, b"\r\n"]),
        min_size=1, max_size=5,
    ),
    st.lists(st.integers(0, 400), max_size=4),
)  # fmt: skip
def test_however_a_stream_is_cut_the_answers_are_the_same(
    quick: int, plain: int, requests: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(requests) + LAST
    at = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[a:b] for a, b in pairwise(at)]
    # Cut, the lane; whole, the parser: the same answers in the same order.
    assert talk(quick, *pieces, pause_s=0.004).lower() == talk(plain, stream).lower()


def test_a_quiet_connection_is_closed_and_a_busy_one_is_not(quick: int) -> None:
    with socket.create_connection(("127.0.0.1", quick), timeout=5) as connection:
        began = time.monotonic()
        while time.monotonic() - began < 1.6:
            connection.sendall(head())
            assert connection.recv(1 << 20)
            time.sleep(0.2)
        quiet = time.monotonic()
        assert connection.recv(10) == b""
        assert 0.5 < time.monotonic() - quiet < 3


def test_a_reader_who_does_not_read_keeps_nobody_else_waiting(quick: int) -> None:
    with socket.create_connection(("127.0.0.1", quick), timeout=5) as connection:
        connection.sendall(head(line="GET /s/large HTTP/1.1") * 200)
        time.sleep(0.5)
        # Somebody else is answered meanwhile.
        assert talk(quick, LAST).startswith(b"HTTP/1.1 200")
