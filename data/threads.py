"""How compiled loops share the cores when many requests run at a time."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache

import numba
from numba.core import config

_TURN = threading.RLock()


@lru_cache(maxsize=1)
def bears_several_callers() -> bool:
    """Whether numba's threads may be used by several threads of Python at a time.

    TBB and OpenMP bear it; numba's own work queue, which it falls back to where neither is
    installed, ends the process.
    """
    layer = config.THREADING_LAYER
    if layer == "workqueue":
        return False
    for pool in ("tbbpool", "omppool"):
        try:
            importlib.import_module(f"numba.np.ufunc.{pool}")
        except ImportError:
            continue
        return True
    return False


def in_turn() -> AbstractContextManager[object]:
    """Run compiled parallel loops one caller after another, where they bear no more than one."""
    return nullcontext() if bears_several_callers() else _TURN


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep compiled loops of the block on the calling thread.

    To wake other threads costs more than one catchment, and many requests at a time fill the
    cores anyway.
    """
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        with in_turn():
            yield
    finally:
        numba.set_num_threads(before)
