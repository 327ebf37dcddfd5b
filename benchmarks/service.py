"""The running service on the sample county: catchments under load, tiles, the first view of a page.

Starts the service itself on a loopback port, sends a bounded number of requests, and stops it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import machine, report

CLIENTS = 8
REQUESTS = 800


async def clients(url: str, bodies: list[dict[str, object]]) -> NDArray[np.float64]:
    """Milliseconds of each request, rising; 8 clients that keep their connections.

    Sent over bare sockets: a client that spends a millisecond a request on the same two cores
    would measure itself.
    """
    address = urlsplit(url)
    waiting = iter(bodies)
    taken: list[float] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        for body in waiting:
            content = json.dumps(body).encode()
            started = time.perf_counter()
            writer.write(
                b"POST /api/v1/catchments HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json"
                b"\r\nContent-Length: %d\r\n\r\n%b"
                % (address.netloc.encode(), len(content), content)
            )
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            answer = await reader.readexactly(length)
            taken.append(1000 * (time.perf_counter() - started))
            # 422: no walkable street near the point.
            if head.split(b" ", 2)[1] not in (b"200", b"422"):
                raise RuntimeError(answer[:300])
        writer.close()

    await asyncio.gather(*[one() for _ in range(CLIENTS)])
    return np.sort(taken)


def random_points(bounds: list[float], count: int) -> list[dict[str, object]]:
    """Requests around points that nobody has asked for: no answer was kept."""
    rng = np.random.default_rng(5)
    west, south, east, north = bounds
    middle = rng.uniform(0.25, 0.75, (count, 2))
    return [
        {"lon": lon, "lat": lat, "minutes": [10, 15]}
        for lon, lat in (middle * [east - west, north - south] + [west, south]).tolist()
    ]


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
            ids = [
                one["id"]
                for one in httpx.get(f"{url}api/v1/stations?limit=1000").json()["features"]
            ]
            of_stations = [
                {"station_id": ids[i % len(ids)], "minutes": [10, 15]} for i in range(REQUESTS)
            ]
            asyncio.run(clients(url, of_stations))  # every answer made once
            for name, bodies in (
                ("stations", of_stations),
                ("random points", random_points(city["bounds"], REQUESTS)),
            ):
                taken = asyncio.run(clients(url, bodies))
                report(
                    f"POST /catchments, {CLIENTS} clients, {name}",
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
