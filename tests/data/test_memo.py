"""Values made once and shared by threads."""

from __future__ import annotations

import threading
import time

import pytest

from data.memo import Memo


def test_many_threads_that_ask_at_once_make_a_value_once():
    memo: Memo[object] = Memo(4)
    made, got = [], []
    start = threading.Barrier(8)

    def make() -> object:
        time.sleep(0.05)
        made.append(1)
        return object()

    def ask() -> None:
        start.wait()
        got.append(memo.get("key", make))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len({id(value) for value in got}) == 1


def test_the_least_recently_used_is_forgotten_first():
    memo: Memo[str] = Memo(2)
    for key in ("a", "b", "a", "c"):
        memo.get(key, lambda key=key: f"{key}1")
    assert memo.get("a", lambda: "a2") == "a1"
    assert memo.get("b", lambda: "b2") == "b2"


def test_values_are_weighed_and_the_newest_always_stays():
    memo: Memo[bytes] = Memo(10, weigh=len)
    memo.get("small", lambda: b"1234")
    memo.get("large", lambda: b"x" * 50)
    assert len(memo) == 1
    assert memo.get("large", lambda: b"") == b"x" * 50
    memo.get("again", lambda: b"1234")
    assert memo.get("large", lambda: b"new") == b"new"


def test_what_fails_is_tried_again_by_the_next():
    memo: Memo[int] = Memo(2)
    with pytest.raises(ZeroDivisionError):
        memo.get("key", lambda: 1 // 0)
    assert memo.get("key", lambda: 7) == 7
