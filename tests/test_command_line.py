"""The command line as people and machines use it: real files, the real program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest

from data.sample import SampleFiles, write_sample

SHARED = Path(__file__).parents[1].parent / "shared" / "data"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> SampleFiles:
    return write_sample(tmp_path_factory.mktemp("town"))


def gridcircle(
    *arguments: object, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from api.cli import main; main()", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **(env or {})},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_coverage_writes_one_row_a_building_and_sums_that_agree(
    town: SampleFiles, tmp_path: Path
) -> None:
    out, summary = tmp_path / "coverage.parquet", tmp_path / "summary.csv"
    done = gridcircle(
        "coverage",
        "--network",
        town.osm,
        "--stations",
        town.stations,
        "--demand",
        town.buildings,
        "--minutes",
        15,
        "--out",
        out,
        "--summary",
        summary,
        "--json",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(out)
    assert list(table.columns) == ["demand_id", "seconds", "station_id", "state"]
    assert len(table) == town.counts["buildings"]
    covered = table[table["state"] == "covered"]
    assert (covered["seconds"] <= 900.001).all()
    assert (table.loc[table["state"] == "gap", "seconds"].fillna(1e9) > 899.999).all()
    whole = pd.read_csv(summary).iloc[0]
    assert whole["households"] == town.counts["households"]
    result = json.loads(done.stdout)
    assert sum(result["states"].values()) == len(table)
    assert result["notes"]["speed_mps"] == "1"
    ledger = pd.read_csv(town.buildings, dtype={"楼栋编码": str}).set_index("楼栋编码")["户数"]
    by_hand = ledger[covered["demand_id"]].sum()
    assert by_hand == pytest.approx(result["households_by_state"]["covered"])


def test_catchments_write_a_polygon_a_station_and_cutoff_and_agree_with_coverage(
    town: SampleFiles, tmp_path: Path
) -> None:
    few = pd.read_csv(town.stations).iloc[:6]
    plain = tmp_path / "stations.csv"
    few.rename(columns={"编号": "id", "经度": "lon", "纬度": "lat"})[["id", "lon", "lat"]].to_csv(
        plain, index=False
    )
    out = tmp_path / "catchments.gpkg"
    done = gridcircle(
        "catchments",
        "--network",
        town.osm,
        "--stations",
        plain,
        "--demand",
        town.buildings,
        "--minutes",
        10,
        "--minutes",
        15,
        "--out",
        out,
        "--lines",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    made = gpd.read_file(out, layer="catchments")
    assert {"station_id", "minutes", "reached_m", "households"} <= set(made.columns)
    assert len(made) == 12
    assert (made["false_inside"] == 0).all()
    assert (made["false_outside"] == 0).all()
    wide = made.to_crs(made.estimate_utm_crs()).set_index(["station_id", "minutes"])
    for station in few["编号"]:
        ten, fifteen = wide.geometry[(station, 10)], wide.geometry[(station, 15)]
        assert ten.difference(fifteen).area < 1e-3 * ten.area
    lines = gpd.read_file(out, layer="lines").to_crs(wide.crs)
    assert lines.length.to_numpy() == pytest.approx(made["reached_m"].to_numpy(), rel=2e-3)
    alone = gridcircle(
        "coverage",
        "--network",
        town.osm,
        "--stations",
        plain,
        "--demand",
        town.buildings,
        "--minutes",
        15,
        "--out",
        tmp_path / "c.csv",
        "--json",
        cwd=tmp_path,
    )
    most = made[made["minutes"] == 15]["households"].max()
    assert json.loads(alone.stdout)["households_by_state"]["covered"] >= most


def test_without_demand_the_buildings_of_the_extract_walk(
    town: SampleFiles, tmp_path: Path
) -> None:
    out = tmp_path / "coverage.geojson"
    done = gridcircle(
        "coverage", "--network", town.osm, "--stations", town.stations, "--out", out, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    made = gpd.read_file(out)
    assert len(made) >= town.counts["buildings"]
    assert made["demand_id"].str.startswith("osm:").all()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--profile", "bicycle"), "No travel profile is named 'bicycle'"),
        (("--speed", "90"), "A speed of 90.0 m/s is out of range"),
        (("--waits", "long"), "No signal wait is named 'long'"),
        (("--datum", "bd10"), "The datum 'bd10' is unknown"),
        (("--kind", "bank"), "There is no station kind 'bank'"),
    ],
)
def test_a_wrong_option_is_named_with_its_remedy_and_nothing_is_written(
    town: SampleFiles, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    out = tmp_path / "coverage.csv"
    done = gridcircle(
        "coverage",
        "--network",
        town.osm,
        "--stations",
        town.stations,
        "--out",
        out,
        *arguments,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_a_station_file_without_coordinates_is_refused_with_the_columns_it_has(
    town: SampleFiles, tmp_path: Path
) -> None:
    (tmp_path / "s.csv").write_text("id,name\n1,a\n", encoding="utf-8")
    done = gridcircle(
        "coverage",
        "--network",
        town.osm,
        "--stations",
        tmp_path / "s.csv",
        "--out",
        tmp_path / "o.csv",
        "--json",
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "no column for lon, lat" in json.loads(done.stdout)["message"]


def test_a_file_that_is_no_map_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.osm.pbf").write_bytes(b"not a map")
    (tmp_path / "s.csv").write_text("id,lon,lat\n1,118,36\n", encoding="utf-8")
    done = gridcircle(
        "coverage",
        "--network",
        tmp_path / "x.osm.pbf",
        "--stations",
        tmp_path / "s.csv",
        "--out",
        tmp_path / "o.csv",
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_version_names_the_libraries(tmp_path: Path) -> None:
    done = gridcircle("version", "--json", cwd=tmp_path)
    assert done.returncode == 0
    assert {"gridcircle", "python", "shapely"} <= set(json.loads(done.stdout))


def test_an_import_is_rehearsed_done_and_done_again_without_a_change(
    town: SampleFiles, reachable_folder: Path, tmp_path: Path
) -> None:
    env = {"GRIDCIRCLE_HOME": str(reachable_folder / "home"), "DATABASE_URL": ""}

    def run(*arguments: object) -> dict[str, object]:
        done = gridcircle("import", *arguments, "--json", cwd=tmp_path, env=env)
        assert done.returncode in (0, 3), done.stderr
        return json.loads(done.stdout)

    rehearsed = run("osm", town.osm, "--dry-run")
    assert rehearsed["dry_run"]
    assert rehearsed["inserted"]
    assert run("osm", town.osm)["inserted"] == rehearsed["inserted"]
    assert run("layer", town.areas, "--as", "areas")["inserted"] == 14
    first = run("households", town.buildings)
    assert first["updated"] == town.counts["buildings"]
    again = run("households", town.buildings)
    assert again["updated"] == 0
    assert again["unchanged"] == town.counts["buildings"]
    (tmp_path / "totals.csv").write_text("社区编码,户数\n没有,5\n", encoding="utf-8")
    totals = run("households", "--totals", tmp_path / "totals.csv")
    assert [fault["value"] for fault in totals["rejected"]] == ["没有"]
    ledger = town.stations.read_text("utf-8-sig").replace(",红色驿站,", ",红色驿战,", 1)
    (tmp_path / "stations.csv").write_text(ledger, encoding="gb18030")
    report = run("stations", tmp_path / "stations.csv")
    assert len(report["rejected"]) == 1
    assert "红色驿站" in report["rejected"][0]["remedy"]
    assert (tmp_path / "stations.csv.rejects.csv").exists()
    assert report["inserted"] == 75
    state = json.loads(gridcircle("db", "status", "--json", cwd=tmp_path, env=env).stdout)
    assert state["stations"] == 75
    assert state["areas"] == 14


def _ready(url: str) -> bool:
    """Whether the service becomes ready within a minute: it reads the city after it answers."""
    for _ in range(120):
        try:
            with urllib.request.urlopen(f"{url}ready", timeout=60) as answer:
                return json.load(answer)["status"] == "ready"
        except urllib.error.HTTPError:
            time.sleep(0.5)
    return False


def test_a_real_extract_is_shown_like_the_sample_and_stops_cleanly(
    reachable_folder: Path, tmp_path: Path
) -> None:
    extract = SHARED / "liechtenstein" / "liechtenstein.osm.pbf"
    if not extract.exists():
        pytest.skip(f"{extract.name} is not beside the project")
    stations = tmp_path / "stations.csv"
    stations.write_text(
        "id,lon,lat,kind,name\nV,9.5209,47.1410,red_station,Vaduz\nS,9.5098,47.1652,,Schaan\n",
        encoding="utf-8",
    )
    port = 8460 + os.getpid() % 400
    service = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from api.cli import main; main()",
            "demo",
            "--extract",
            str(extract),
            "--stations",
            str(stations),
            "--port",
            str(port),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "GRIDCIRCLE_HOME": str(reachable_folder / "home"),
            "DATABASE_URL": "",
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = None
        assert service.stderr is not None
        for line in service.stderr:
            if "Gridcircle is running:" in line:
                url = line.split()[-1]
                break
        assert url is not None
        assert _ready(url)
        with urllib.request.urlopen(
            f"{url}api/v1/coverage?minutes=15&level=community", timeout=60
        ) as answer:
            covered = json.load(answer)
        assert covered["totals"]["stations"] == 2
        assert 0 < covered["totals"]["covered_share"] < 1
    finally:
        service.send_signal(signal.SIGINT)
        rest = service.communicate(timeout=60)[1]
    assert service.returncode == 0
    assert "Traceback" not in rest
    time.sleep(0.2)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}health", timeout=2)
