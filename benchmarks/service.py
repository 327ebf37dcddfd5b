"""The running service on the sample county: catchments under load, tiles, the first view of a page.

Starts the service itself on a loopback port, sends a bounded number of requests, and stops it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np

from benchmarks.measure import machine, report

CLIENTS = 8
REQUESTS = 800


async def clients(url: str, bounds: list[float]) -> list[float]:
    """Milliseconds of each request: random points, so that no answer was kept."""
    rng = np.random.default_rng(5)
    west, south, east, north = bounds
    middle = rng.uniform(0.25, 0.75, (REQUESTS, 2))
    points = iter((middle * [east - west, north - south] + [west, south]).tolist())
    taken: list[float] = []

    async def one(http: httpx.AsyncClient) -> None:
        for lon, lat in points:
            started = time.perf_counter()
            answer = await http.post(
                f"{url}api/v1/catchments", json={"lon": lon, "lat": lat, "minutes": [10, 15]}
            )
            taken.append(1000 * (time.perf_counter() - started))
            if answer.status_code not in (200, 422):
                answer.raise_for_status()

    async with httpx.AsyncClient(timeout=30) as http:
        for _ in range(40):
            await http.post(
                f"{url}api/v1/catchments",
                json={"lon": (west + east) / 2, "lat": (south + north) / 2, "minutes": [10, 15]},
            )
        await asyncio.gather(*[one(http) for _ in range(CLIENTS)])
    return taken


def first_view(url: str) -> dict[str, float]:
    """Seconds until the page has loaded and the base map is drawn, in Chromium, warm service."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-background-networking"],
        )
        browser.new_page().goto(url)
        seconds = []
        for _ in range(5):
            page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
            started = time.perf_counter()
            page.goto(url, wait_until="networkidle")
            # networkidle waits half a second of silence after the last tile.
            seconds.append(time.perf_counter() - started - 0.5)
        browser.close()
    return {"first_view_s": statistics.median(seconds)}


def main() -> None:
    report("machine", **machine())
    port = 8900 + os.getpid() % 90
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        service = subprocess.Popen(
            [sys.executable, "-c", "from api.cli import main; main()", "demo", "--port", str(port)],
            env={**os.environ, "GRIDCIRCLE_HOME": f"{folder}/home", "DATABASE_URL": ""},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert service.stderr is not None
            url = next(line.split()[-1] for line in service.stderr if "is running:" in line)
            time.sleep(25)  # the service draws the circles of stations ahead at first
            city = httpx.get(f"{url}api/v1/city").json()
            taken = np.sort(asyncio.run(clients(url, city["bounds"])))
            report(
                "POST /catchments, 8 clients, random points",
                p50_ms=float(np.percentile(taken, 50)),
                p95_ms=float(np.percentile(taken, 95)),
                requests=len(taken),
            )
            tiles = []
            with httpx.Client() as http:
                for z, x, y in (
                    (13, 6788, 3214),
                    (14, 13576, 6428),
                    (15, 27152, 12857),
                    (16, 54305, 25714),
                ):
                    started = time.perf_counter()
                    http.get(f"{url}tiles/base/{z}/{x}/{y}.mvt").raise_for_status()
                    tiles.append(1000 * (time.perf_counter() - started))
            report("base tiles, cold", max_ms=max(tiles))
            report("city page in Chromium", **first_view(url))
        finally:
            service.send_signal(signal.SIGINT)
            service.communicate(timeout=60)


if __name__ == "__main__":
    main()
