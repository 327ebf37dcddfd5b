"""How far imports are that a page waits for: kept in memory, told to whoever knows the name.

Memory is enough as long as one process answers everything: `gridcircle serve` runs one, and offers
no way to run several (neither an option nor a setting; uvicorn is started in this process). The
import itself runs in that process, too, so what is lost with it is the progress of an import that
is lost as well. With several processes a page could ask one that knows nothing and be told 404;
then this belongs in a small table, written by a connection of its own, outside of the import's
transaction. The same holds for `api.service.Service.import_turn`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

Progress = Callable[[str, float], None]

_KEPT = 200


class ImportProgress:
    """Stage and share done of each import, by a name the sender chose; the oldest are forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def tell(self, name: str | None, stage: str, share: float) -> None:
        """Note how far an import is; nothing where it has no name."""
        if name is None:
            return
        with self._lock:
            self._told.pop(name, None)
            self._told[name] = (stage, round(min(1.0, max(0.0, share)), 3))
            while len(self._told) > _KEPT:
                self._told.popitem(last=False)

    def read(self, name: str) -> tuple[str, float] | None:
        """Stage and share of an import; None where there is none of this name."""
        with self._lock:
            return self._told.get(name)
