"""Tiles made lately, kept while the data they show stays the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from api.responses import strong_etag


class TileCache:
    """Least-recently-used tiles, bounded by their bytes.

    Parameters
    ----------
    max_bytes : int
    """

    def __init__(self, *, max_bytes: int = 64 << 20) -> None:
        self._lock = threading.Lock()
        self._tiles: OrderedDict[Hashable, tuple[str, bytes]] = OrderedDict()
        self._bytes = 0
        self._max_bytes = max_bytes

    def get(self, key: Hashable, make: Callable[[], bytes]) -> tuple[str, bytes]:
        """Entity tag and bytes of a tile, made when it is not here.

        Parameters
        ----------
        key : hashable
            Address of the tile and version of the data it shows.
        make : callable
        """
        with self._lock:
            kept = self._tiles.get(key)
            if kept is not None:
                self._tiles.move_to_end(key)
                return kept
        body = make()
        made = (strong_etag(body), body)
        with self._lock:
            if key not in self._tiles:
                self._tiles[key] = made
                self._bytes += len(body)
            while self._bytes > self._max_bytes and len(self._tiles) > 1:
                _, (_, dropped) = self._tiles.popitem(last=False)
                self._bytes -= len(dropped)
        return made
