"""Few requests a minute for what anybody may send."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict

from api.errors import TooManyRequestsError

_ADDRESSES_KEPT = 20_000


class RateLimit:
    """Lets an address through some times a while; forgets addresses, and never writes them down.

    Parameters
    ----------
    count : int
        How often in a window.
    window_s : float
    """

    def __init__(self, count: int, window_s: float) -> None:
        self.count = count
        self.window_s = window_s
        self._lock = threading.Lock()
        self._salt = secrets.token_bytes(16)
        self._seen: OrderedDict[bytes, list[float]] = OrderedDict()

    def check(self, address: str) -> None:
        """Count one request.

        Raises
        ------
        TooManyRequestsError
            If there were as many already; it says how long to wait.
        """
        key = hashlib.blake2b(address.encode(), key=self._salt, digest_size=16).digest()
        now = time.monotonic()
        with self._lock:
            times = [at for at in self._seen.pop(key, []) if now - at < self.window_s]
            self._seen[key] = times
            while len(self._seen) > _ADDRESSES_KEPT:
                self._seen.popitem(last=False)
            if len(times) >= self.count:
                wait_s = max(1, round(self.window_s - (now - times[0])))
                raise TooManyRequestsError(
                    "That was a lot in a short time.",
                    remedy=f"Try again in {wait_s} s.",
                    wait_s=wait_s,
                )
            times.append(now)
