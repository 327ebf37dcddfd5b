"""Waits for something that another thread or process does, however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], *, at_most_s: float = 60.0) -> None:
    """Ask again and again until it is so; raises TimeoutError where it never is."""
    until = time.monotonic() + at_most_s
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"not so after {at_most_s:g} s")
        time.sleep(0.02)
