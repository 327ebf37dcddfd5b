"""The shelf of public answers: fresh for a moment, one looks again for all."""

from __future__ import annotations

import pytest

import api.published
from api.published import FRESH_S, Shelf, make_ready

HOST = "localhost"


def ready(body: bytes = b"x"):
    return make_ready(body, media_type="text/plain", headers={})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(api.published.time, "monotonic", lambda: now[0])
    return now


def test_of_a_crowd_one_looks_again_and_the_others_are_served(clock: list[float]) -> None:
    shelf = Shelf()
    one = ready()
    shelf.put(HOST, "/s/a", b"", one, state=shelf.state)
    assert shelf.get(HOST, "/s/a", b"") is one
    clock[0] += FRESH_S + 0.1
    assert [shelf.get(HOST, "/s/a", b"") for _ in range(3)] == [None, one, one]


def test_what_was_made_before_a_clear_is_not_kept_after_it(clock: list[float]) -> None:
    shelf = Shelf()
    before = shelf.state
    shelf.clear()
    shelf.put(HOST, "/s/a", b"", ready(), state=before)
    assert shelf.get(HOST, "/s/a", b"") is None
    shelf.put(HOST, "/s/a", b"", ready(), state=shelf.state)
    shelf.drop("/s/a")
    assert shelf.get(HOST, "/s/a", b"") is None


def test_the_shelf_holds_so_many_bytes_and_the_oldest_go(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.published, "KEPT_BYTES", 250)
    shelf = Shelf()
    for name in "abc":
        shelf.put(HOST, f"/s/{name}", b"", ready(b"y" * 100), state=shelf.state)
    assert shelf.get(HOST, "/s/a", b"") is None
    assert shelf.get(HOST, "/s/c", b"") is not None


def test_packing_is_worth_it_for_text_only() -> None:
    assert set(make_ready(b"a" * 5000, media_type="text/html", headers={}).bodies) == {
        "identity", "br", "gzip",
    }  # fmt: skip
    assert set(make_ready(b"a" * 5000, media_type="image/png", headers={}).bodies) == {"identity"}
    assert set(make_ready(b"a" * 50, media_type="text/html", headers={}).bodies) == {"identity"}
