"""Waits for something that another thread or process does, however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def wait_until(
    condition: Callable[[], object], *, at_most_s: float = 60.0, pause_s: float = 0.02
) -> None:
    """Ask again and again until it is so; raises TimeoutError where it never is."""
    until = time.monotonic() + at_most_s
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"not so after {at_most_s:g} s")
        time.sleep(pause_s)


def ended(read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Read a job until it has ended in whatever way; gives what was told last."""
    told: dict[str, Any] = {}

    def over() -> bool:
        told.update(read())
        return told["state"] not in ("queued", "running")

    wait_until(over, at_most_s=180)
    return told
