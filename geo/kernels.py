"""Compiled loops: how they are compiled and kept, shared among cores, and the arrays they fill."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numba import config, njit
from numpy.typing import NDArray

UNREACHED = 2**31 - 1
"""Label of a node that no search has reached."""

_SOURCES = Path(__file__).parent
_SHARES_A_THREAD = 4
"""More shares than threads, since some are done sooner."""
_LABELS_KEPT = 8
"""Label arrays that stay between searches: about as many as there are searches at a time."""

_T = TypeVar("_T")
_deciding = threading.Lock()
_alone: ContextVar[bool] = ContextVar("one_thread", default=False)
_free_labels: dict[int, list[NDArray[Any]]] = {}


def kernel(function: Callable[..., Any] | None = None, /, **options: Any) -> Callable[..., Any]:
    """Compile a function of arrays when it is first called, and keep what was compiled.

    It runs without the interpreter's lock. What was compiled is kept in a folder named after the
    contents of all sources of this package: numba itself looks at one file only, and would go on
    running a kernel with an old copy of what it calls in another file. Where no folder is
    writable, nothing is kept and every process compiles anew.

    Parameters
    ----------
    function : callable
    **options
        As for `numba.njit`.
    """
    if function is None:
        return lambda given: kernel(given, **options)
    folder = kept_in()
    if folder is None:
        return njit(nogil=True, **options)(function)
    # Numba reads the folder from its settings, while it decorates and only then.
    with _deciding:
        before = config.CACHE_DIR
        config.CACHE_DIR = str(folder)
        try:
            return njit(nogil=True, cache=True, **options)(function)
        finally:
            config.CACHE_DIR = before


@lru_cache(maxsize=1)
def kept_in() -> Path | None:
    """Folder of the compiled kernels: where NUMBA_CACHE_DIR says, beside the sources or at home.

    Returns
    -------
    Path or None
        None where none of them is writable.
    """
    sources = hashlib.sha256()
    for source in sorted(_SOURCES.rglob("*.py")):
        sources.update(source.relative_to(_SOURCES).as_posix().encode())
        sources.update(source.read_bytes())
    name = f"kernels-{sources.hexdigest()[:16]}"
    if config.CACHE_DIR:
        places = [Path(config.CACHE_DIR)]
    else:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
        places = [_SOURCES / "__pycache__", Path(home) / "gridcircle"]
    for place in places:
        try:
            fresh = not (place / name).exists()
            (place / name).mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=place / name).close()
        except OSError:
            continue
        if fresh and place.parent == _SOURCES:
            for outdated in place.glob("kernels-*"):
                if outdated.name != name:
                    shutil.rmtree(outdated, ignore_errors=True)
        return place / name
    return None


def in_shares(work: Callable[[int, int], _T], rows: int, *, least: int) -> list[_T]:
    """Do ``work(low, high)`` for rows 0 to ``rows`` in shares, a thread a core.

    The threads are ours and not numba's: its parallel loops compile several times as long, and
    what it falls back to where OpenMP is missing ends the process when two callers meet in it.

    Parameters
    ----------
    work : callable
        Mostly a kernel; the shares run at the same time.
    rows : int
    least : int
        Rows that are worth a thread. Fewer are done on the calling thread.

    Returns
    -------
    list
        What each share returned, in order of rows.
    """
    threads = 1 if _alone.get() else config.NUMBA_NUM_THREADS
    shares = min(_SHARES_A_THREAD * threads, rows // least)
    if shares < 2 or threads < 2:
        return [work(0, rows)]
    ends = [rows * k // shares for k in range(shares + 1)]
    with ThreadPoolExecutor(min(threads, shares)) as pool:
        return list(pool.map(work, ends[:-1], ends[1:]))


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep the loops of the block on the calling thread.

    To wake other threads costs more than one catchment, and many requests at a time fill the
    cores anyway.
    """
    before = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(before)


@contextmanager
def borrowed_labels(n: int, unreached: int = UNREACHED) -> Iterator[NDArray[Any]]:
    """An array of at least ``n`` labels, all ``unreached``; whoever borrows it leaves it so.

    Resetting what was reached instead of clearing all makes a search independent of the size of
    the network. Nobody else has the array meanwhile. It is thrown away where the search fails.

    Parameters
    ----------
    n : int
    unreached : int
        `UNREACHED` gives int32 labels, a larger one int64.
    """
    free = _free_labels.setdefault(unreached, [])
    try:
        label = free.pop()
    except IndexError:
        label = np.zeros(0, np.int32)
    if len(label) < n:
        label = np.full(n, unreached, np.int32 if unreached <= UNREACHED else np.int64)
    yield label
    if len(free) < _LABELS_KEPT:
        free.append(label)
