"""Things worked out once and shared by all threads, the least recently used forgotten first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Memo(Generic[Value]):
    """Keeps what was made for a key; who asks for a key being made waits for it.

    Parameters
    ----------
    size : int
        How much to keep.
    weigh : callable, optional
        How much one value counts; each counts 1 without it.
    """

    def __init__(self, size: int, *, weigh: Callable[[Value], int] | None = None) -> None:
        self._size = size
        self._weigh = weigh or (lambda _: 1)
        self._weight = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Value] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return what is kept for `key`, made by `make` when there is nothing.

        What `make` raises is raised here and nothing is kept.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._kept:
                    return self._kept[key]
            try:
                made = make()
            finally:
                with self._lock:
                    self._making.pop(key, None)
            with self._lock:
                self._kept[key] = made
                self._weight += self._weigh(made)
                while self._weight > self._size and len(self._kept) > 1:
                    _, dropped = self._kept.popitem(last=False)
                    self._weight -= self._weigh(dropped)
            return made

    def __len__(self) -> int:
        return len(self._kept)
