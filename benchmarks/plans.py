"""One edit of each kind on plans of 14 to 4,300 grids: server time, round trip, publishing.

Starts a database of its own below /tmp and the service on a loopback port, and stops both. The city
is made of square communities of 334 buildings and 14 grids each, parted by streets; cells are those
of `geo.cells`, and grids are joined of them, so that their boundaries have as many vertices as real
ones. ``cells_s`` is what making the cells of one community takes when it is first looked at.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import shapely
from sqlalchemy import text

from benchmarks.measure import machine, report
from data.database import Database, open_database
from data.plans.cells import cells_of
from data.plans.create import create_plan
from data.plans.edits import edit
from data.plans.from_grids import plan_from_grids
from data.plans.given import GivenGrid
from data.plans.reading import list_communities, list_grids, plan_tile, read_plan
from data.plans.states import change_state
from data.plans.undo import undo
from data.settings import Settings
from data.tiles import Tile
from geo.billionths import UNITS, snapped
from geo.cellfit import fitted
from geo.cells import Surroundings, build_cells
from geo.errors import PartitionError
from tests.running import running

SIDE_M = 600.0
BUILDINGS = 334
REPEATS = 15
PATTERNS = 10
"""Communities that differ; the others repeat them elsewhere."""
X, Y = 1 / 89_000, 1 / 111_000
WEST, SOUTH = 118.0, 36.0


@dataclass(frozen=True)
class Pattern:
    """One community at the origin, degrees: buildings, streets, and grids joined of its cells."""

    outline: shapely.Polygon
    homes: np.ndarray
    streets: np.ndarray
    grids: np.ndarray


def pattern(seed: int) -> Pattern:
    """Make a community of buildings and streets, and join its cells to fourteen grids."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(15, SIDE_M - 15, (BUILDINGS, 2))
    area = shapely.box(0, 0, SIDE_M, SIDE_M)
    homes = shapely.buffer(shapely.points(xy), 4, cap_style="square")
    across = np.array([SIDE_M / 3, 2 * SIDE_M / 3]) + rng.normal(0, 9, 2)
    streets = shapely.linestrings(
        [[(0, y), (SIDE_M, y + 12)] for y in across] + [[(x, 0), (x - 9, SIDE_M)] for x in across]
    )
    kinds = np.full(len(streets), "street", object)
    cells = build_cells([area], homes, Surroundings(streets, kinds))

    def degrees(shapes: Any) -> Any:
        return snapped(shapely.transform(shapes, lambda c: c * [X, Y]))

    middle = shapely.get_coordinates(shapely.centroid(cells.geometry))
    which = np.clip(middle // [SIDE_M / 7, SIDE_M / 2], 0, [6, 1]).astype(int)
    bins = which[:, 0] * 2 + which[:, 1]
    shapes = fitted(degrees(cells.geometry), degrees(area))
    grids = [shapely.coverage_union_all(shapes[bins == b]) for b in np.unique(bins)]
    joined = np.empty(len(grids), object)
    joined[:] = grids
    return Pattern(degrees(area), degrees(homes), degrees(streets), joined)


def load_city(database: Database, communities: int) -> list[GivenGrid]:
    """Write areas and buildings; gives the grids."""
    rng = np.random.default_rng(3)
    columns = int(np.ceil(np.sqrt(communities)))
    patterns = [pattern(seed) for seed in range(min(PATTERNS, communities))]
    grids: list[GivenGrid] = []
    areas: list[dict[str, Any]] = []
    homes: list[dict[str, Any]] = []
    streets: list[dict[str, Any]] = []
    for n in range(communities):
        shift = np.rint(
            np.array([(n % columns) * SIDE_M * X + WEST, (n // columns) * SIDE_M * Y + SOUTH])
            * UNITS
        )

        def here(shape: Any, shift: np.ndarray = shift) -> Any:
            """Move whole billionths of a degree: the pattern stays the same to the last bit."""
            return shapely.transform(shape, lambda xy: (np.rint(xy * UNITS) + shift) / UNITS)

        own = patterns[n % len(patterns)]
        code = f"370303{n // 100 + 1:03d}{n % 100 + 1:03d}"
        outline = shapely.multipolygons([here(own.outline)])
        areas.append({"code": code, "name": f"社区{n}", "wkt": outline.wkt})
        grids += [
            GivenGrid(f"{code}{serial:03d}", "", "base", code, shape)
            for serial, shape in enumerate(here(own.grids), 1)
        ]
        streets += [
            {"key": f"{n}-{i}", "wkt": street.wkt} for i, street in enumerate(here(own.streets))
        ]
        homes += [
            {
                "code": f"{n}-{i}",
                "h": int(rng.integers(4, 30)),
                "wkt": shapely.multipolygons([shape]).wkt,
                "area": code,
            }
            for i, shape in enumerate(here(own.homes))
        ]
    with database.transaction("bench") as connection:
        connection.execute(
            text(
                "INSERT INTO areas (code, level, name, geom) SELECT code, 'community', name,"
                " ST_GeomFromText(wkt, 4326) FROM jsonb_to_recordset(CAST(:rows AS jsonb))"
                " AS r (code text, name text, wkt text)"
            ),
            {"rows": _json(areas)},
        )
        for start in range(0, len(homes), 20_000):
            connection.execute(
                text(
                    "INSERT INTO buildings (code, kind, households, households_source, people,"
                    " people_source, community_id, geom) SELECT r.code, 'multi_storey', h,"
                    " 'surveyed', h * 3, 'surveyed', a.id, ST_GeomFromText(wkt, 4326)"
                    " FROM jsonb_to_recordset(CAST(:rows AS jsonb))"
                    " AS r (code text, h int, wkt text, area text) JOIN areas a ON a.code = r.area"
                ),
                {"rows": _json(homes[start : start + 20_000])},
            )
        connection.execute(
            text(
                "INSERT INTO base_features (source, source_key, layer, kind, name, min_zoom, geom)"
                " SELECT 'bench', key, 'road', 'residential', '', 12, ST_GeomFromText(wkt, 4326)"
                " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (key text, wkt text)"
            ),
            {"rows": _json(streets)},
        )
        connection.execute(text("ANALYZE areas, buildings, base_features"))
    return grids


def _json(rows: list[dict[str, Any]]) -> str:
    import orjson

    return orjson.dumps(rows).decode()


def requests_of(features: list[dict[str, Any]], cells: dict[int, list[int]]) -> dict[str, Any]:
    """One edit of each kind for the grids of a community."""
    shapes = {f["id"]: shapely.from_geojson(_json(f["geometry"])) for f in features}  # type: ignore[arg-type]
    ids = sorted(shapes, key=lambda g: shapes[g].centroid.x)
    one = ids[6]
    west, _, east, _ = shapes[one].bounds
    middle = shapes[one].centroid
    near = [g for g in ids if g != one and shapes[g].intersection(shapes[one]).length > 1e-5]
    other = near[0]
    common = shapely.line_merge(shapes[one].intersection(shapes[other]))
    corner = shapely.get_parts(common)[0].coords
    vertex = corner[len(corner) // 2]
    patch = shapely.box(middle.x - 15 * X, middle.y - 15 * Y, middle.x + 15 * X, middle.y + 15 * Y)
    border = min(
        cells[other], key=lambda b: shapely.distance(shapely.Point(POINTS[b]), shapes[one])
    )
    return {
        "split": {
            "grid": one,
            "line": {
                "type": "LineString",
                "coordinates": [[west - 1e-4, middle.y], [east + 1e-4, middle.y]],
            },
        },
        "merge": {"grids": [one, other]},
        "transfer": {"to": one, "buildings": [border]},
        "reshape": {"vertex": list(vertex), "to": [vertex[0] + 2 * X, vertex[1] + 2 * Y]},
        "draw": {"patch": _geojson(patch), "grid_kind": "exclusive"},
        "rename": {"grid": one, "name": "新网格"},
    }


POINTS: dict[int, tuple[float, float]] = {}


def _geojson(shape: shapely.Geometry) -> dict[str, Any]:
    import orjson

    return dict(orjson.loads(shapely.to_geojson(shape)))


def _ms(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started)


def run(communities: int) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        settings = Settings.load(home=Path(folder) / "home")
        with open_database(settings) as database:
            grids = load_city(database, communities)
            started = time.perf_counter()
            with database.transaction("bench") as connection:
                made = plan_from_grids(connection, "现行", grids, author="bench")
            imported = time.perf_counter() - started
            with database.transaction("bench") as connection:
                connection.execute(text("ANALYZE"))
                published = _ms(
                    lambda: change_state(connection, made.plan, "published", author="bench")
                )
            started = time.perf_counter()
            with database.transaction("bench") as connection:
                draft = create_plan(connection, "草案", "published", author="bench")
            copied = time.perf_counter() - started
            with database.transaction("bench") as connection:
                connection.execute(text("ANALYZE"))
            figures: dict[str, float] = {}
            with database.connect() as connection:
                figures["read plan"] = _ms(lambda: read_plan(connection, draft))
                figures["list communities"] = _ms(lambda: list_communities(connection, draft))
                areas = list_communities(connection, draft)
                west, south, east, north = areas[len(areas) // 2]["bounds"]
                box = (west - 1e-3, south - 1e-3, east + 1e-3, north + 1e-3)
                figures["grids in view"] = _ms(lambda: list_grids(connection, draft, bbox=box))
                z = 14
                tile = Tile(
                    z,
                    int((west + 180) / 360 * (1 << z)),
                    int((1 - np.arcsinh(np.tan(np.radians(north))) / np.pi) / 2 * (1 << z)),
                )
                figures["tile z14"] = _ms(lambda: plan_tile(connection, draft, tile))
                for row in connection.execute(
                    text("SELECT building_id, ST_X(point), ST_Y(point) FROM building_cells")
                ):
                    POINTS[row[0]] = (row[1], row[2])
            cells: list[float] = []
            for area in areas[: 2 * REPEATS]:
                with database.transaction("bench") as connection:
                    cells.append(_ms(lambda: cells_of(connection, [area["id"]])))  # noqa: B023
            server: dict[str, list[float]] = {}
            trip: dict[str, list[float]] = {}
            rng = np.random.default_rng(1)
            chosen = [
                areas[i]
                for i in rng.choice(min(len(areas), 2 * REPEATS), min(REPEATS, len(areas)), False)
            ]
            with running(settings, database) as url, httpx.Client(base_url=url) as client:
                for area in chosen:
                    _edits(database, client, draft, area, server, trip)
                figures["editor in Chromium"] = editor_ms(f"{url}/plans/{draft}/edit")
            report(
                f"plans, {len(grids)} grids, {len(POINTS)} buildings",
                import_s=round(imported, 1),
                copy_s=round(copied, 2),
                publish_ms=round(published),
                cells="geo.cells",
                cells_s=round(statistics.median(cells) / 1000, 2),
                server_p50_ms={k: round(statistics.median(v), 1) for k, v in server.items()},
                server_min_ms={k: round(min(v), 1) for k, v in server.items()},
                server_max_ms={k: round(max(v), 1) for k, v in server.items()},
                round_trip_p50_ms={k: round(statistics.median(v), 1) for k, v in trip.items()},
                reads_ms={k: round(v, 1) for k, v in figures.items()},
            )
        POINTS.clear()


def editor_ms(address: str) -> float:
    """Milliseconds until the editor is loaded and its grids are drawn, in Chromium; a median."""
    from playwright.sync_api import sync_playwright

    taken = []
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-background-networking"],
        )
        for _ in range(5):
            page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
            started = time.perf_counter()
            page.goto(address, wait_until="networkidle")
            # networkidle waits half a second of silence after the last tile.
            taken.append(1000 * (time.perf_counter() - started) - 500)
            page.context.close()
        browser.close()
    return statistics.median(taken)


def _edits(
    database: Database,
    client: httpx.Client,
    draft: int,
    area: dict[str, Any],
    server: dict[str, list[float]],
    trip: dict[str, list[float]],
) -> None:
    community = area["id"]
    with database.connect() as connection:
        features = list_grids(connection, draft, community=community)
        rows = connection.execute(
            text(
                "SELECT grid_id, building_id FROM plan_buildings WHERE plan_id = :p"
                " AND community_id = :c"
            ),
            {"p": draft, "c": community},
        ).all()
    cells: dict[int, list[int]] = {}
    for row in rows:
        cells.setdefault(row.grid_id, []).append(row.building_id)
    for kind, body in requests_of(features, cells).items():
        request = {"kind": kind, "community": community, **body}

        def once() -> None:
            with database.transaction("bench") as connection:
                edit(connection, draft, request, version=None, author="bench")  # noqa: B023

        def back() -> None:
            with database.transaction("bench") as connection:
                undo(connection, draft, community_id=community, author="bench")

        try:
            server.setdefault(kind, []).append(_ms(once))
        except PartitionError:
            continue  # a building whose cell holds its grid together
        server.setdefault("undo", []).append(_ms(back))
        with database.connect() as connection:
            version = connection.execute(
                text(
                    "SELECT version FROM plan_communities WHERE plan_id = :p AND community_id = :c"
                ),
                {"p": draft, "c": community},
            ).scalar_one()
        started = time.perf_counter()
        answer = client.post(
            f"/api/v1/plans/{draft}/edits", json=request, headers={"If-Match": f'"{version}"'}
        )
        trip.setdefault(kind, []).append(1000 * (time.perf_counter() - started))
        answer.raise_for_status()
        back()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--communities", type=int, nargs="*", default=[30, 300])
    report("machine", **machine())
    for communities in options.parse_args().communities:
        run(communities)


if __name__ == "__main__":
    main()
