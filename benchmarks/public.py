"""Published station maps against a static file server (nginx) with the same bytes, in one run.

Starts the service and nginx on loopback ports, asks each from a second process (wrk) for a few
seconds, with edits going on meanwhile, and stops both. Both have one worker and write no log.

    python -m benchmarks.public [ADDRESS SLUG PID]

With an address it measures a service that runs already; otherwise it starts the sample county.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

from benchmarks.measure import machine, report

SECONDS = 4
CONNECTIONS = 32
SLUG = "bench-riders"
NGINX = """
worker_processes 1;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
daemon off;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    gzip_static on;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    types {{ text/html html; application/json json; }}
    server {{
        listen 127.0.0.1:{port};
        root {folder}/www;
        add_header Cache-Control "public, max-age=60";
    }}
}}
"""


def publish(url: str) -> str:
    """Publish all rider and red stations of the city; gives the slug."""
    with httpx.Client(base_url=url, timeout=120) as http:
        stations = http.get(
            "/api/v1/stations?kind=rider_station&kind=red_station&status=open&limit=1000"
        ).json()["features"]
        for station in stations:
            http.patch(
                f"/api/v1/stations/{station['id']}",
                json={"published": True},
                headers={"If-Match": f'"{station["properties"]["version"]}"'},
            )
        http.post(
            "/api/v1/publications",
            json={"slug": SLUG, "title": "骑手", "kinds": ["rider_station", "red_station"]},
        )
        seen = http.get(f"/api/v1/publications/{SLUG}").headers["etag"]
        http.post(
            f"/api/v1/publications/{SLUG}/editions",
            json={"unready": "leave_out"},
            headers={"If-Match": seen},
        ).raise_for_status()
    return SLUG


PHONES = """
local n = 0
request = function()
  n = (n + 1) % 5000
  wrk.headers["User-Agent"] = "Mozilla/5.0 (Linux; Android 13; V2" .. n .. "A; wv) " ..
    "AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/116.0.0.0 Mobile Safari/537.36 " ..
    "XWEB/1160065 MMWEBSDK/20231202 MicroMessenger/8.0.47.2560(0x28002F35) WeChat/arm64"
  wrk.headers["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*"
  wrk.headers["Accept-Language"] = "zh-CN,zh;q=0.9,en-US;q=0.8,en;q=0.7"
  return wrk.format("GET")
end
"""
"""Five thousand kinds of phones: no two requests of a while are the same bytes."""


def load(url: str, headers: dict[str, str], script: Path | None = None) -> dict[str, float]:
    """Requests a second and milliseconds at the 50th and 99th percentile, by wrk."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency"]
    if script is not None:
        command += ["-s", str(script)]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    said = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}

    def at(share: str) -> float:
        found = re.search(rf"{share}%\s+([\d.]+)(us|ms|s)\b", said)
        return round(float(found[1]) * unit[found[2]], 2) if found else float("nan")

    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert rate is not None, said
    return {
        "per_s": round(float(rate[1])),
        "p50_ms": at("50"),
        "p99_ms": at("99"),
        "bad": int(bad[1]) if bad else 0,
    }


class Editing:
    """Somebody who changes a station ten times a second while others look at the map."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.taken_ms: list[float] = []
        self.refused = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._edit, daemon=True)

    def __enter__(self) -> Editing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _edit(self) -> None:
        with httpx.Client(base_url=self.url, timeout=30) as http:
            first = http.get("/api/v1/stations?limit=1").json()["features"][0]
            tag, place = f'"{first["properties"]["version"]}"', f"/api/v1/stations/{first['id']}"
            number = 0
            while not self._stop.wait(0.1):
                number += 1
                began = time.perf_counter()
                answer = http.patch(
                    place, json={"address": f"路 {number} 号"}, headers={"If-Match": tag}
                )
                self.taken_ms.append(1000 * (time.perf_counter() - began))
                tag = answer.headers.get("etag", tag)
                self.refused += answer.status_code != 200


def cpu_s(pid: int) -> float:
    """Seconds of processor time a process has used; tells more than rates on a busy machine."""
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def compare(url: str, slug: str, pid: int) -> None:
    """Measure page and feed, packed and known already, from both servers."""
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="bench-nginx-"))
    folder.chmod(0o755)
    www = folder / "www"
    www.mkdir()
    port = 9000 + os.getpid() % 900
    cases = {"page": (f"/s/{slug}", "page.html"), "feed": (f"/s/{slug}/feed.json", "feed.json")}
    with httpx.Client(base_url=url, timeout=60) as http:
        for address, name in cases.values():
            for encoding, ending in (("identity", ""), ("gzip", ".gz")):
                with http.stream("GET", address, headers={"Accept-Encoding": encoding}) as answer:
                    (www / f"{name}{ending}").write_bytes(b"".join(answer.iter_raw()))
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
    nginx = subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        workers = Path(f"/proc/{nginx.pid}/task/{nginx.pid}/children").read_text().split()
        pids = {"nginx": int(workers[0]), "ours": pid}
        static = f"http://127.0.0.1:{port}"
        phones = folder / "phones.lua"
        phones.write_text(PHONES)
        for what, (address, name) in cases.items():
            for encoding in ("gzip", "304", "304 for 5,000 kinds of phones"):
                row: dict[str, dict[str, float]] = {}
                for server, place in (("nginx", f"{static}/{name}"), ("ours", f"{url}{address}")):
                    headers = {"Accept-Encoding": "gzip"}
                    if encoding.startswith("304"):
                        headers["If-None-Match"] = httpx.get(place, headers=headers).headers["etag"]
                    before = cpu_s(pids[server])
                    row[server] = load(place, headers, phones if "phones" in encoding else None)
                    used_us = 1e6 * (cpu_s(pids[server]) - before)
                    row[server]["cpu_us"] = round(used_us / row[server]["per_s"] / SECONDS, 1)
                share = round(row["ours"]["per_s"] / row["nginx"]["per_s"], 3)
                report(f"public {what}, {encoding}", share_of_nginx=share, **row)
        with Editing(url) as alone:
            time.sleep(2)
        with Editing(url) as editing:
            meanwhile = load(f"{url}/s/{slug}", {"Accept-Encoding": "gzip"})
        report(
            "edits of stations, alone and while the page is asked for",
            alone_p50_ms=round(statistics.median(alone.taken_ms), 1),
            p50_ms=round(statistics.median(editing.taken_ms), 1),
            most_ms=round(max(editing.taken_ms), 1),
            edits=len(editing.taken_ms),
            refused=editing.refused,
            page=meanwhile,
        )
    finally:
        nginx.send_signal(signal.SIGTERM)
        nginx.wait(timeout=10)
        shutil.rmtree(folder)


def main() -> None:
    for tool in ("wrk", "nginx"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not installed: apt-get install wrk nginx-light")
    report("machine", **machine())
    if len(sys.argv) == 4:
        compare(sys.argv[1].rstrip("/"), sys.argv[2], int(sys.argv[3]))
        return
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
            compare(url.rstrip("/"), publish(url), service.pid)
        finally:
            service.send_signal(signal.SIGINT)
            service.communicate(timeout=60)


if __name__ == "__main__":
    main()
