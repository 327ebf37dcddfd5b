"""What-ifs on the map of a large city: how long the running service takes to answer each change.

Input: Porto with 100,000 buildings along its streets and 400 stations, its walls and rivers as
barriers. Starts a database and the service on loopback, audits the city by the rules ``circle-15``,
asks each kind of change at places drawn by lot, and stops both.

``tiled``: fourteen Portos (a million nodes), 300,000 buildings, 1,300 stations and 60,000 made walls,
in this process: what the service does between question and answer, without its database.

    python -m benchmarks.whatif [tiled] [markdown]
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
from numpy.typing import NDArray

from benchmarks.inputs import PORTO, SEED, network, points_near_streets
from benchmarks.measure import machine, report
from data.audits.whatif import what_if
from data.barriers import read_barriers
from data.changes import DataVersions
from data.circles import Buildings, City, Stations, Streets
from data.database import Database
from data.embedded import EmbeddedServer
from data.memo import Memo
from data.migrations import upgrade
from data.network_store import store_network
from data.rules import open_rule_set
from geo.catchment import Walls
from geo.crs import unproject
from geo.errors import GridcircleError
from geo.network import WalkNetwork
from geo.snapping import Barriers

ASKED = 12
"""Changes of each kind."""


def fill(url: str, home: Path, net: WalkNetwork, homes: int, stations: int) -> None:
    """Import the map, then buildings and stations; the network where it is not the map's own."""
    database = Database(url)
    upgrade(database)
    home.mkdir(parents=True, exist_ok=True)
    extract = Path(shutil.copy(PORTO, home))  # faults are listed beside what is imported
    imported = subprocess.run(
        [sys.executable, "-c", "from api.cli import main; main()", "import", "osm", str(extract)],
        env={**os.environ, "GRIDCIRCLE_HOME": str(home), "DATABASE_URL": url},
        check=False,
        stdout=sys.stderr,
    )
    if imported.returncode not in (0, 3):  # 3: some rows were at fault
        raise RuntimeError("the map was not imported")
    with database.transaction(actor="benchmark") as connection:
        store_network(connection, net)
    database.close()
    places = unproject(points_near_streets(net, homes, seed=SEED), net.crs)
    at = unproject(points_near_streets(net, stations, seed=SEED + 2), net.crs)
    weight = np.random.default_rng(SEED).integers(1, 60, homes)
    with psycopg.connect(url.replace("+psycopg", "")) as link:
        link.execute("CREATE TEMPORARY TABLE given (n int, lon float8, lat float8, households int)")
        with link.cursor().copy("COPY given FROM STDIN") as out:
            for n, ((lon, lat), count) in enumerate(
                zip(places.tolist(), weight.tolist(), strict=True)
            ):
                out.write_row((n, lon, lat, count))
        link.execute(
            "INSERT INTO buildings (code, name, kind, households, households_source, geom, source)"
            " SELECT 'BENCH' || n, '', 'multi_storey', households, 'surveyed',"
            " ST_Multi(ST_Expand(ST_SetSRID(ST_Point(lon, lat), 4326), 0.00005)), 'benchmark'"
            " FROM given"
        )
        for n, (lon, lat) in enumerate(at.tolist()):
            link.execute(
                "INSERT INTO stations (code, kind, name, status, geom, source) VALUES (%s,"
                " 'red_station', %s, 'open', ST_SetSRID(ST_Point(%s, %s), 4326), 'benchmark')",
                (f"BENCH{n}", f"S{n}", lon, lat),
            )
        link.execute("ANALYZE")


@contextmanager
def service(url: str, home: Path) -> Iterator[str]:
    """The service on a loopback port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = subprocess.Popen(
        [sys.executable, "-c", "from api.cli import main; main()", "serve", "--port", str(port)],
        env={**os.environ, "GRIDCIRCLE_HOME": str(home), "DATABASE_URL": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                httpx.get(f"{address}/api/v1/city", timeout=60).raise_for_status()
                break
            except httpx.HTTPError:
                if running.poll() is not None:
                    raise RuntimeError("the service did not start") from None
                time.sleep(0.5)
        yield address
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(60)


def changes(
    net: WalkNetwork, walls: NDArray[np.float64], stations: int
) -> dict[str, Callable[[int], dict[str, Any]]]:
    """What is asked: each kind of change, the i-th of its places."""
    rng = np.random.default_rng(SEED + 5)
    pins = unproject(points_near_streets(net, 500, seed=SEED + 4, spread_m=5.0), net.crs).tolist()
    middle = rng.choice(walls, 500).reshape(-1, 2, 2).mean(axis=1)
    gates = unproject(middle, net.crs).tolist()
    start = points_near_streets(net, 500, seed=SEED + 6, spread_m=1.0)
    turn = rng.uniform(0, 2 * np.pi, 500)
    end = start + 80 * np.column_stack([np.cos(turn), np.sin(turn)])
    bridges = unproject(np.stack([start, end], axis=1).reshape(-1, 2), net.crs)
    bridges = bridges.reshape(-1, 2, 2).tolist()
    shut = rng.permutation(stations)
    return {
        "a pin": lambda i: {"stations": [pins[i]]},
        "a station closed": lambda i: {"closed": [f"BENCH{shut[i]}"]},
        "a footbridge": lambda i: {"links": [bridges[i]]},
        "a gate": lambda i: {"gates": [gates[i]]},
        "three pins, two gates, a bridge, three closed": lambda i: {
            "stations": pins[3 * i : 3 * i + 3],
            "gates": gates[2 * i : 2 * i + 2],
            "links": bridges[i : i + 1],
            "closed": [f"BENCH{n}" for n in shut[3 * i : 3 * i + 3]],
        },
    }


def timed(
    asked: dict[str, Callable[[int], dict[str, Any]]],
    ask: Callable[[dict[str, Any]], dict[str, Any] | None],
) -> dict[str, dict[str, Any]]:
    """Milliseconds from question to answer; ``ask`` gives None where a place does not fit."""
    found: dict[str, dict[str, Any]] = {}
    for kind, body in asked.items():
        taken: list[float] = []
        sizes: list[int] = []
        first = 0.0
        for i in range(100):
            started = time.perf_counter()
            answer = ask(body(i))
            ms = 1000 * (time.perf_counter() - started)
            if i == 0:
                first = ms
            elif answer is not None:  # else no street near an end, or no wall near a gate
                taken.append(ms)
                sizes.append(len(answer["gained"]) + answer["lost"])
            if len(taken) == ASKED:
                break
        found[kind] = {
            "p50_ms": float(np.median(taken)),
            "max_ms": max(taken),
            "first_ms": first,
            "homes_changed": float(np.median(sizes)),
        }
    return found


def over_http(url: str, home: Path, net: WalkNetwork, stations: int) -> dict[str, dict[str, Any]]:
    """As a client on the same machine waits for them."""
    database = Database(url)
    with database.connect() as connection:
        walls = read_barriers(connection, net.crs).segments
    database.close()
    with service(url, home) as address, httpx.Client(base_url=address, timeout=600) as http:
        started = time.perf_counter()
        audit = http.post("/api/v1/audits", json={"rules": "circle-15"}).raise_for_status().json()
        took = 1000 * (time.perf_counter() - started)

        def ask(body: dict[str, Any]) -> dict[str, Any] | None:
            answer = http.post(f"/api/v1/audits/{audit['id']}/what-if", json=body)
            return answer.json() if answer.status_code == 200 else None

        return {
            "the audit itself": {"first_ms": took},
            **timed(changes(net, walls, stations), ask),
        }


def in_process(net: WalkNetwork, homes: int, stations: int) -> dict[str, dict[str, Any]]:
    """The service's work on a city of a million nodes."""
    rng = np.random.default_rng(SEED)
    middle = points_near_streets(net, 60_000, seed=SEED + 8)
    along = rng.normal(0, 30, middle.shape)
    barriers = Barriers(np.concatenate([middle - along, middle + along], axis=1), np.zeros((0, 2)))
    lonlat = unproject(points_near_streets(net, homes, seed=SEED), net.crs)
    rows = np.arange(homes)
    none = np.zeros(homes, np.int64)
    count = rng.integers(1, 60, homes).astype(float)
    names = np.array([f"BENCH{n}" for n in range(stations)], object)
    at = unproject(points_near_streets(net, stations, seed=SEED + 2), net.crs)
    city = City(
        1,
        1,
        DataVersions(network=net.version),
        Streets(net, barriers, Walls(barriers), 200.0),
        Buildings(
            rows,
            lonlat,
            count,
            count,
            none > 0,
            none,
            none,
            none,
            rows.astype(np.int32),
            lonlat,
            rows,
        ),
        Stations(
            np.arange(stations),
            at,
            np.full(stations, "red_station"),
            np.full(stations, "open"),
            names,
            names,
        ),
        Memo(4),
        Memo(4),
        Memo(4),
    )
    rule = next(r for r in open_rule_set("circle-15").rules if r.kind == "reach")

    def ask(body: dict[str, Any]) -> dict[str, Any] | None:
        try:
            # Its rule asks for no facility and no hours, so that no database is asked.
            return what_if(None, city, rule, **body)  # type: ignore[arg-type]
        except GridcircleError:
            return None

    return timed(changes(net, barriers.segments, stations), ask)


def main() -> None:
    tiled = "tiled" in sys.argv[1:]
    homes, stations = (300_000, 1_300) if tiled else (100_000, 400)
    net = network(tiled=tiled)
    if tiled:
        found = in_process(net, homes, stations)
    else:
        with tempfile.TemporaryDirectory(prefix="gridcircle-bench-", dir="/tmp") as folder:
            Path(folder).chmod(0o755)
            server = EmbeddedServer.start(Path(folder) / "home", durable=False)
            try:
                fill(server.url, Path(folder) / "own", net, homes, stations)
                found = over_http(server.url, Path(folder) / "own", net, stations)
            finally:
                server.stop()
    if "markdown" not in sys.argv[1:]:
        report("machine", **machine())
        for kind, row in found.items():
            report(f"what-if: {kind}", **row)
        return
    size = f"{len(net.node_xy):,} nodes, {homes:,} buildings, {stations:,} stations"
    sys.stdout.write(f"| {size} | p50 ms | worst ms | first ms | buildings changed |\n")
    sys.stdout.write("|---|---|---|---|---|\n")
    for kind, row in found.items():
        cells = [
            f"{row[name]:,.0f}" if name in row else ""
            for name in ("p50_ms", "max_ms", "first_ms", "homes_changed")
        ]
        sys.stdout.write(f"| {kind} | {' | '.join(cells)} |\n")
    sys.stderr.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
