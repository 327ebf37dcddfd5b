"""Time, peak memory and the machine: how every benchmark measures, so that figures compare."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil


def median_seconds(work: Callable[[], Any], *, repeats: int = 5, warm: int = 1) -> float:
    """Median wall-clock seconds of ``work`` after ``warm`` unmeasured runs."""
    for _ in range(warm):
        work()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def in_fresh_process(
    work: Callable[..., dict[str, Any]], *arguments: object, limit_s: float = float("inf")
) -> dict[str, Any]:
    """Run ``work`` in a process of its own; its result plus the peak memory of that process.

    A peer that fails or takes more than ``limit_s`` seconds is a row that says so, not the end of
    the run.
    """
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(send, work, arguments))
    process.start()
    watched = psutil.Process(process.pid)
    peak_mb = 0.0
    started = time.perf_counter()
    while not receive.poll(0.02) and process.is_alive():
        if time.perf_counter() - started > limit_s:
            process.terminate()
            process.join()
            return {"failed": f"more than {limit_s:g} s", "peak_mb": round(peak_mb)}
        try:
            family = [watched, *watched.children(recursive=True)]
            peak_mb = max(peak_mb, sum(one.memory_info().rss for one in family) / 1e6)
        except psutil.NoSuchProcess:
            break
    result = receive.recv() if receive.poll(0.1) else {"failed": "the process died"}
    process.join()
    result.setdefault("peak_mb", round(peak_mb))
    return result


def _call(send: Any, work: Callable[..., dict[str, Any]], arguments: tuple[object, ...]) -> None:
    try:
        send.send(work(*arguments))
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is its result
        send.send({"failed": f"{type(error).__name__}: {error}"[:300]})


def machine() -> dict[str, Any]:
    """What this machine is and which versions ran."""
    cpu = platform.processor() or platform.machine()
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            cpu = next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    packages = {}
    for name in (
        "gridcircle",
        "numpy",
        "numba",
        "scipy",
        "shapely",
        "geopandas",
        "networkx",
        "osmnx",
        "pandana",
        "pyvalhalla",
        "osmium",
        "contourpy",
        "spopt",
        "gerrychain",
        "pymetis",
    ):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": packages,
    }


def report(name: str, **figures: object) -> None:
    """Print one result as a JSON line; `benchmarks/run` gathers them."""
    sys.stdout.write(json.dumps({"benchmark": name, **figures}) + "\n")
    sys.stdout.flush()
