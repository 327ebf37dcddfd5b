"""A prefecture's layer of grids sent to the running service: time, memory, answer, its page.

Starts a database of its own below /tmp and the service as a process of its own on a loopback port,
and stops both. The city is that of `benchmarks.plans`. Its grids are drawn as offices draw them:
vertices left out, each grid moved by some decimetres (slivers and gaps on every boundary), one in
sixteen drawn metres too small or too large (wide gaps and overlaps, which somebody must decide).
They are sent once as a shapefile in GBK and Gauss-Krüger metres, zipped, and once as a GeoPackage.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import httpx
import numpy as np
import psutil
import pyogrio
import shapely

from benchmarks.measure import machine, report
from benchmarks.plans import load_city
from data.database import open_database
from data.plans.given import GivenGrid
from data.settings import Settings

CRS = "EPSG:4548"
MOVED_M = 0.25
LEFT_OUT_M = 0.5
WIDE_SHARE = 1 / 16
WIDE_M = 8.0


def drawn(grids: list[GivenGrid], seed: int = 11) -> gpd.GeoDataFrame:
    """The grids with slivers, gaps and overlaps; metres."""
    rng = np.random.default_rng(seed)
    frame = gpd.GeoDataFrame(
        {
            "网格编码": [grid.code for grid in grids],
            "网格名称": [f"第{n}网格" for n in range(1, len(grids) + 1)],
        },
        geometry=[grid.shape for grid in grids],
        crs="EPSG:4326",
    ).to_crs(CRS)
    shapes = shapely.simplify(frame.geometry.to_numpy(), LEFT_OUT_M)
    wide = np.where(
        rng.random(len(shapes)) < WIDE_SHARE, rng.uniform(-WIDE_M, WIDE_M, len(shapes)), 0.0
    )
    shapes = np.where(wide == 0, shapes, shapely.buffer(shapes, wide, join_style="mitre"))
    moves = rng.normal(0, MOVED_M, (len(shapes), 2))
    frame.geometry = [
        shapely.transform(shape, lambda xy, by=by: xy + by)
        for shape, by in zip(shapes, moves, strict=True)
    ]
    return frame


def files(frame: gpd.GeoDataFrame, folder: Path) -> list[tuple[str, Path]]:
    """A zipped shapefile in GBK, and a GeoPackage."""
    parts = folder / "parts"
    parts.mkdir()
    pyogrio.write_dataframe(frame, parts / "网格.shp", driver="ESRI Shapefile", encoding="GBK")
    zipped = folder / "网格.zip"
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in sorted(parts.iterdir()):
            archive.write(part, part.name)
    geopackage = folder / "网格.gpkg"
    pyogrio.write_dataframe(frame, geopackage, layer="grids", driver="GPKG")
    return [("shapefile in GBK, zipped", zipped), ("GeoPackage", geopackage)]


class Watched:
    """Resident memory of a process, looked at fifty times a second."""

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self.peak_mb = self.now_mb()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def now_mb(self) -> float:
        return float(self.process.memory_info().rss / 1e6)

    def _look(self) -> None:
        while not self._done.wait(0.02):
            self.peak_mb = max(self.peak_mb, self.now_mb())

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def send(url: str, path: Path, pid: int) -> dict[str, Any]:
    """Upload one file; seconds, memory, and how long others waited meanwhile."""
    waits: list[float] = []
    stages: list[str] = []
    done = threading.Event()

    def others() -> None:
        with httpx.Client(base_url=url, timeout=60) as http:
            while not done.wait(0.5):
                started = time.perf_counter()
                http.get("/health")
                waits.append(1000 * (time.perf_counter() - started))
                told = http.get("/api/v1/plans/import/benchmark")
                if told.status_code == 200:
                    stages.append(told.json()["stage"])

    watcher = threading.Thread(target=others)
    with Watched(pid) as watched:
        before = watched.now_mb()
        watcher.start()
        started = time.perf_counter()
        with path.open("rb") as file:
            answer = httpx.post(
                f"{url}/api/v1/plans/import",
                params={"progress": "benchmark"},
                files={"file": (path.name, file)},
                timeout=None,
            )
        seconds = time.perf_counter() - started
        done.set()
        watcher.join()
    answer.raise_for_status()
    made = answer.json()
    places = {True: 0, False: 0}
    for one in made["import"]["places"]:
        places[one["decided"]] += one["places"]
    return {
        "plan": made["plan"]["id"],
        "file_mb": round(path.stat().st_size / 1e6, 1),
        "seconds": round(seconds, 1),
        "memory_before_mb": round(before),
        "memory_peak_mb": round(watched.peak_mb),
        "answer_kb": round(len(answer.content) / 1e3),
        "grids": made["import"]["grids"],
        "mended": places[True],
        "to_decide": places[False],
        "others_p50_ms": round(statistics.median(waits), 1),
        "others_max_ms": round(max(waits)),
        "stages_seen": list(dict.fromkeys(stages)),
    }


def answers(url: str, plan: int) -> dict[str, Any]:
    """What the page asks for: milliseconds and kilobytes, medians of three."""
    told = {}
    with httpx.Client(base_url=url, timeout=120) as http:
        bounds = http.get(f"/api/v1/plans/{plan}").json()["bounds"]
        box = f"limit=2500&bbox={','.join(map(str, bounds))}"
        there = f"/api/v1/plans/{plan}/import"
        for name, path in {
            "report": f"{there}?listed=0",
            "list": f"{there}/places?decided=false&points=true&limit=100",
            "places in view": f"{there}/places?points=true&{box}",
            "one side in view": f"{there}/grids?coarse=true&{box}",
            "what is open": f"{there}/open",
        }.items():
            taken = []
            for _ in range(3):
                started = time.perf_counter()
                answer = http.get(path)
                taken.append(1000 * (time.perf_counter() - started))
                answer.raise_for_status()
            told[name] = {
                "ms": round(statistics.median(taken)),
                "kb": round(len(answer.content) / 1e3),
            }
    return told


def opening(url: str, plan: int, shot: Path | None = None) -> dict[str, float]:
    """Seconds until the page of an import shows its list and its map, in Chromium."""
    from playwright.sync_api import sync_playwright

    taken: dict[str, list[float]] = {"list_s": [], "quiet_s": [], "tick_s": []}
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-background-networking"],
        )
        for _ in range(3):
            page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
            page.set_default_timeout(120_000)
            started = time.perf_counter()
            page.goto(f"{url}/plans/{plan}/import?lang=zh")
            page.locator("#gp-undecided .gp-tick input").first.wait_for()
            taken["list_s"].append(time.perf_counter() - started)
            page.wait_for_load_state("networkidle")
            # networkidle waits half a second of silence.
            taken["quiet_s"].append(time.perf_counter() - started - 0.5)
            if shot is not None:
                page.screenshot(path=shot)
            tick = page.locator("#gp-undecided .gp-tick input").first
            started = time.perf_counter()
            tick.check()
            page.locator("#gp-undecided .gp-looked").first.wait_for()
            taken["tick_s"].append(time.perf_counter() - started)
            tick.uncheck()
            page.locator("#gp-undecided .gp-looked").first.wait_for(state="detached")
            page.context.close()
        browser.close()
    return {name: round(statistics.median(seconds), 2) for name, seconds in taken.items()}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--communities", type=int, default=308)
    options.add_argument("--files", type=int, default=2, help="1: only the shapefile.")
    options.add_argument("--shot", type=Path, help="Write a picture of the page here.")
    asked = options.parse_args()
    report("machine", **machine())
    port = 8900 + os.getpid() % 90
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        settings = Settings.load(home=folder / "home")
        with open_database(settings) as database:
            frame = drawn(load_city(database, asked.communities))
            service = subprocess.Popen(
                [
                    *(sys.executable, "-c", "from api.cli import main; main()"),
                    *("serve", "--port", str(port)),
                ],
                env={
                    **os.environ,
                    "GRIDCIRCLE_HOME": str(folder / "service"),
                    "DATABASE_URL": database.url,
                },
                stderr=subprocess.PIPE,
                text=True,
            )
            try:
                assert service.stderr is not None
                line = next(line for line in service.stderr if "is running" in line)
                url = line.split()[-1].rstrip("/")
                threading.Thread(target=service.stderr.read, daemon=True).start()
                for kind, path in files(frame, folder)[: asked.files]:
                    told = send(url, path, service.pid)
                    plan = told["plan"]
                    report(f"import of {len(frame)} grids over HTTP, {kind}", **told)
                    report(f"what its page asks for, {kind}", **answers(url, plan))
                    report(f"its page, {kind}", **opening(url, plan, asked.shot))
            finally:
                service.terminate()
                service.wait(30)


if __name__ == "__main__":
    main()
