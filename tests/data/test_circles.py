"""The city in memory: as new as the database, exact against brute force from the raw streets."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import orjson
import pytest
import shapely
from pyproj import Transformer
from sqlalchemy import text
from town import buildings, lonlat, point, polygon, seed_layers, seed_network, ways

from data.catchments import Origin, draw_catchments
from data.circles import Circles
from data.coverage_runs import Question, cover_buildings, coverage_run
from data.database import Database
from data.errors import InvalidRowError, NotFoundError
from data.settings import Settings
from data.stations import StationDraft, change_station, create_station
from data.walks import Walks
from geo.coverage import STATE_NAMES, State
from geo.errors import NetworkError, SnapError


@pytest.fixture(scope="module")
def circles(
    make_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Circles]:
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
    home: Path = tmp_path_factory.mktemp("home")
    yield Circles(database, Settings.load(home=home, database_url=database.url))
    database.close()


@pytest.fixture
def own_circles(database: Database, settings: Settings) -> Circles:
    """A town that the test may change."""
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
    return Circles(database, settings)


class BruteForce:
    """Walking times of the town by networkx on every raw street segment, and by trying all."""

    def __init__(self, crs: str) -> None:
        self.to_metres = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
        raw = ways()
        xy = np.column_stack(self.to_metres.transform(*raw.lonlat.T))
        self.graph = nx.Graph()
        for way in range(len(raw.offsets) - 1):
            nodes = raw.nodes[raw.offsets[way] : raw.offsets[way + 1]]
            for a, b in itertools.pairwise(nodes):
                length = float(np.hypot(*(xy[a] - xy[b])))
                self.graph.add_edge(
                    int(a), int(b), weight=length, line=shapely.LineString(xy[[a, b]])
                )
        wall = shapely.from_wkt(polygon(10, 10, 290, 290)).boundary
        self.wall = shapely.transform(
            wall, lambda c: np.column_stack(self.to_metres.transform(*c.T))
        )
        self.gate = shapely.Point(*self.to_metres.transform(*lonlat(100, 10)))

    def place(
        self, lon: float, lat: float
    ) -> tuple[float, dict[int, float], tuple[int, int], float] | None:
        """Straight leg, distance to both ends of the segment, the segment, and where on it."""
        at = shapely.Point(*self.to_metres.transform(lon, lat))
        tried = []
        for a, b, edge in self.graph.edges(data=True):
            leg = shapely.shortest_line(at, edge["line"])
            crossing = shapely.intersection(leg, self.wall)
            if leg.length <= 200 and (crossing.is_empty or crossing.distance(self.gate) <= 3):
                along = edge["line"].project(at)
                ends = shapely.get_coordinates(edge["line"])
                first = a if np.allclose(ends[0], self._xy(a, edge, ends)) else b
                second = b if first == a else a
                tried.append((leg.length, first, second, along, edge["weight"]))
        if not tried:
            return None
        leg_m, first, second, along, length = min(tried)
        return leg_m, {first: along, second: length - along}, (first, second), along

    def _xy(self, node: int, edge: dict, ends: np.ndarray) -> np.ndarray:
        return ends[0] if self.start_of(edge) == node else ends[1]

    def start_of(self, edge: dict) -> int:
        raw = ways()
        start = np.column_stack(self.to_metres.transform(*raw.lonlat.T))
        return int(np.argmin(np.hypot(*(start - shapely.get_coordinates(edge["line"])[0]).T)))

    def metres(self, one, other) -> float:
        """Walk between two places."""
        best = np.inf
        for a, to_a in one[1].items():
            lengths = self.reach(a)
            for b, to_b in other[1].items():
                if b in lengths:
                    best = min(best, to_a + lengths[b] + to_b)
        if set(one[2]) == set(other[2]):
            best = min(best, abs(one[3] - other[3]))
        return one[0] + best + other[0]

    def reach(self, node: int) -> dict[int, float]:
        if not hasattr(self, "_reach"):
            self._reach = dict(nx.all_pairs_dijkstra_path_length(self.graph))
        return self._reach[node]


@pytest.fixture(scope="module")
def truth(circles: Circles) -> BruteForce:
    return BruteForce(circles.city().network.crs)


@pytest.fixture(scope="module")
def walks_of_all(circles: Circles, truth: BruteForce) -> dict[str, dict[str, float]]:
    """Metres from every building (by code) to every station (by code); missing where no way."""
    city = circles.city()
    stations = {
        str(code): truth.place(*lonlat_)
        for code, lonlat_ in zip(city.stations.code, city.stations.lonlat, strict=True)
    }
    found: dict[str, dict[str, float]] = {}
    for building in buildings():
        middle = shapely.point_on_surface(shapely.from_wkt(building["wkt"]))
        place = truth.place(middle.x, middle.y)
        found[str(building["code"])] = (
            {}
            if place is None
            else {
                code: metres
                for code, station in stations.items()
                if np.isfinite(metres := truth.metres(place, station))
            }
        )
    return found


def codes(circles: Circles) -> list[str]:
    with circles.database.connect() as connection:
        return list(connection.scalars(text("SELECT code FROM buildings ORDER BY id")))


@pytest.mark.parametrize("kinds", [(), ("rider_station",), ("red_station", "service_centre")])
@pytest.mark.parametrize("minutes", [5, 10, 15])
@pytest.mark.parametrize("statuses", [("open",), ("open", "planned")])
def test_coverage_is_that_of_brute_force_for_every_building(
    circles, walks_of_all, kinds, minutes, statuses
):
    city = circles.city()
    chosen = [str(code) for code in city.stations.code[city.stations.chosen(kinds, statuses)]]
    found = cover_buildings(city, Question(kinds, minutes, circles.travel(), statuses))
    for row, code in enumerate(codes(circles)):
        near = {s: m for s, m in walks_of_all[code].items() if s in chosen}
        if code == "BFAR":
            assert found.state[row] == State.UNSNAPPED
        elif not near:
            assert code == "BISLE"
            assert found.state[row] == State.DISCONNECTED
        else:
            nearest = min(near.values())
            assert found.seconds[row] == pytest.approx(nearest / 1.0, abs=0.02)
            assert near[str(city.stations.code[found.station[row]])] == pytest.approx(
                nearest, abs=0.02
            )
            assert (found.state[row] == State.COVERED) == (nearest <= 60 * minutes)


def test_a_wall_makes_the_walk_go_another_way(circles, truth):
    """The building in the corner of the compound cannot step over the wall to the near street."""
    city = circles.city()
    row = codes(circles).index("B0202")
    snapped = city.demand(circles.travel()).snapped.row(row)
    street = shapely.Point(snapped.xy[0])
    outside = shapely.Point(*truth.to_metres.transform(*lonlat(246, 300)))
    assert street.distance(outside) > 30


def test_only_open_stations_count_unless_asked_otherwise(circles):
    city = circles.city()
    names = set(city.stations.code[city.stations.chosen()])
    assert names == {"S1", "S2", "S3"}
    assert set(city.stations.code[city.stations.chosen(statuses=("planned", "closed"))]) == {
        "S4",
        "S5",
    }


def test_without_a_station_nothing_is_covered(circles):
    # AccessMod#219, #104
    question = Question(("red_station",), 15, circles.travel(), ("planned",))
    run = coverage_run(circles.database, circles.city(), question)
    assert run.totals["stations"] == 0
    assert run.totals["covered"] == run.totals["covered_households"] == 0
    assert run.totals["covered_share"] == 0
    assert run.totals["buildings"] == len(buildings())


def test_the_union_of_catchments_is_the_covered_set_recounted_building_by_building(circles):
    # GOAT#1725
    city, travel = circles.city(), circles.travel()
    run = coverage_run(circles.database, city, Question((), 10, travel))
    union, total = set(), 0
    for row in city.stations.chosen():
        origin = Origin.of_station(city, int(city.stations.ids[row]))
        (feature,) = draw_catchments(city, origin, travel, minutes=[10])
        total += feature["properties"]["households"]
        found = cover_buildings(
            city, Question((str(city.stations.kind[row]),), 10, travel, ("open",))
        )
        mine = np.flatnonzero((found.state == State.COVERED) & (found.station == row))
        assert feature["properties"]["buildings"] >= len(mine)
        union |= set(mine.tolist())
    everyone = cover_buildings(city, Question((), 10, travel))
    assert union == set(np.flatnonzero(everyone.state == State.COVERED).tolist())
    households = int(np.nansum(city.buildings.households[sorted(union)]))
    assert run.totals["covered_households"] == households <= total


def test_sums_by_area_add_up_to_the_city_at_every_level(circles):
    run = coverage_run(circles.database, circles.city(), Question((), 10, circles.travel()))
    for level, rows in run.levels.items():
        for name in ("buildings", "households", "people", *STATE_NAMES):
            assert sum(row[name] for row in rows) == run.totals[name], (level, name)
    community = {row["code"]: row for row in run.levels["community"]}
    assert community["C1"]["buildings"] == sum(b["community"] == "C1" for b in buildings())
    assert community["C1"]["households"] == sum(
        int(b["households"] or 0) for b in buildings() if b["community"] == "C1"
    )
    assert community[None]["buildings"] == 2
    (street,) = [row for row in run.levels["street"] if row["id"]]
    assert street["name"] == "河畔街道"


def test_gap_zones_hold_exactly_the_homes_in_a_gap(circles):
    question = Question(("rider_station",), 5, circles.travel())
    run = coverage_run(circles.database, circles.city(), question)
    zones = [zone["properties"] for zone in run.zones]
    assert sum(zone["households"] for zone in zones) == run.totals["gap_households"]
    assert [z["households"] for z in zones] == sorted(
        (z["households"] for z in zones), reverse=True
    )
    with circles.database.connect() as connection:
        kept = connection.execute(
            text(
                "SELECT r.zone, ST_X(p) AS lon, ST_Y(p) AS lat FROM coverage_results r"
                " JOIN buildings b ON b.id = r.building_id, ST_PointOnSurface(b.geom) p"
                " WHERE r.run_id = :run AND r.zone IS NOT NULL"
            ),
            {"run": run.id},
        ).all()
    outlines = {
        zone["id"]: shapely.from_geojson(json.dumps(zone["geometry"])) for zone in run.zones
    }
    assert kept
    assert all(outlines[row.zone].covers(shapely.Point(row.lon, row.lat)) for row in kept)


def test_a_result_is_kept_once_and_found_again_by_another_process(circles):
    question = Question(("service_centre",), 12, circles.travel())
    first = coverage_run(circles.database, circles.city(), question)
    other = Circles(circles.database, circles.settings)
    second = coverage_run(circles.database, other.city(), question)
    assert second == first
    with circles.database.connect() as connection:
        stored = connection.execute(
            text(
                "SELECT b.code, r.seconds, r.state FROM coverage_results r"
                " JOIN buildings b ON b.id = r.building_id WHERE run_id = :run ORDER BY b.id"
            ),
            {"run": first.id},
        ).all()
    found = cover_buildings(circles.city(), question)
    assert [row.state for row in stored] == [STATE_NAMES[s] for s in found.state]
    assert [row.seconds for row in stored] == [
        None if np.isnan(s) else pytest.approx(float(s)) for s in found.seconds
    ]


@pytest.mark.parametrize("z", [6, 12, 19])
def test_squares_of_every_zoom_hold_all_buildings(circles, z):
    run = coverage_run(circles.database, circles.city(), Question((), 10, circles.travel()))
    with circles.database.connect() as connection:
        sums = connection.execute(
            text(
                "SELECT sum(buildings), sum(households), sum(covered_buildings),"
                " sum(covered_households) FROM coverage_cells WHERE run_id = :run AND z = :z"
            ),
            {"run": run.id, "z": z},
        ).one()
    totals = run.totals
    assert tuple(sums) == (
        totals["buildings"],
        totals["households"],
        totals["covered"],
        totals["covered_households"],
    )


def test_entrances_are_where_a_walk_begins_and_the_best_one_counts(own_circles):
    city, travel = own_circles.city(), own_circles.travel()
    question = Question((), 15, travel)
    row = codes(own_circles).index("B0406")
    before = cover_buildings(city, question)
    with own_circles.database.transaction("test") as connection:
        for number, (x, y) in enumerate(((446, 662), (452, 656))):
            connection.execute(
                text(
                    "INSERT INTO entrances (code, building_id, geom) SELECT :code, id,"
                    " ST_GeomFromText(:wkt, 4326) FROM buildings WHERE code = 'B0406'"
                ),
                {"code": f"E{number}", "wkt": point(x, y)},
            )
    newer = own_circles.city()
    after = cover_buildings(newer, question)
    assert len(newer.buildings.point_lonlat) == len(city.buildings.point_lonlat) + 1
    truth = BruteForce(city.network.crs)
    stations = [truth.place(*lonlat_) for lonlat_ in city.stations.lonlat[city.stations.chosen()]]
    best = min(
        truth.metres(truth.place(*lonlat(x, y)), station)
        for x, y in ((446, 662), (452, 656))
        for station in stations
    )
    assert after.seconds[row] == pytest.approx(best, abs=0.02)
    others = np.arange(len(before.state)) != row
    np.testing.assert_array_equal(before.seconds[others], after.seconds[others])


def test_only_what_has_changed_is_loaded_anew(own_circles):
    one = own_circles.city()
    assert own_circles.city() is one
    with own_circles.database.transaction("somebody else") as connection:
        made = create_station(
            connection,
            StationDraft(
                kind="red_station", name="新", lon=lonlat(900, 900)[0], lat=lonlat(0, 900)[1]
            ),
        )
    two = own_circles.city()
    assert two is not one
    assert two.buildings is one.buildings
    assert two.streets is one.streets
    assert len(two.stations.ids) == len(one.stations.ids) + 1
    with own_circles.database.transaction("somebody else") as connection:
        connection.execute(text("UPDATE buildings SET households = 99 WHERE code = 'B0000'"))
        change_station(connection, made["id"], {"name": "新二"}, version=1)
    three = own_circles.city()
    assert three.streets is one.streets
    assert three.buildings.households[0] == 99
    with own_circles.database.transaction("somebody else") as connection:
        connection.execute(text("DELETE FROM gates"))
    four = own_circles.city()
    assert four.network is one.network
    assert four.streets is not one.streets
    assert len(four.streets.barriers.gates) == len(one.streets.barriers.gates) - 1


def test_results_of_rows_that_changed_are_not_given_out_for_the_new_ones(own_circles):
    question = Question((), 10, own_circles.travel())
    before = coverage_run(own_circles.database, own_circles.city(), question)
    with own_circles.database.transaction("somebody else") as connection:
        connection.execute(text("UPDATE stations SET status = 'closed'"))
    after = coverage_run(own_circles.database, own_circles.city(), question)
    assert after.id != before.id
    assert before.totals["covered"] > 0 == after.totals["covered"]


def test_many_threads_get_one_and_the_same_city(own_circles):
    cities = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        city = own_circles.city()
        cities.append((city, city.demand(own_circles.travel())))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(city) for city, _ in cities}) == 1
    assert len({id(demand) for _, demand in cities}) == 1


def test_a_database_without_a_network_says_what_to_do(database, settings):
    circles = Circles(database, settings)
    with pytest.raises(NetworkError, match="no walking network") as caught:
        circles.city()
    assert "import" in caught.value.remedy
    assert circles.state().missing
    assert "import" in circles.state().missing[0]


def test_a_point_away_from_every_street_is_refused_by_name(circles):
    # Valhalla#4459, GH#1686
    city, travel = circles.city(), circles.travel()
    with pytest.raises(SnapError, match="walkable street"):
        draw_catchments(city, Origin(*lonlat(5000, 5000)), travel, minutes=[10])


def test_a_station_anywhere_gives_the_circle_it_would_have_there(circles):
    city, travel = circles.city(), circles.travel()
    row = city.stations.row(1)
    station = draw_catchments(city, Origin.of_station(city, 1), travel, minutes=[10, 15])
    lon, lat = city.stations.lonlat[row]
    what_if = draw_catchments(city, Origin(lon, lat), travel, minutes=[10, 15])
    for one, other in zip(station, what_if, strict=True):
        assert orjson.dumps(one["geometry"]) == orjson.dumps(other["geometry"])
        assert one["properties"]["households"] == other["properties"]["households"]


def test_the_walk_of_a_building_leads_from_its_door_to_the_station(circles, walks_of_all):
    city, walks = circles.city(), Walks()
    question = Question((), 15, circles.travel())
    by_code = {code: row for row, code in enumerate(codes(circles))}
    for code in ("B0000", "B0509", "B1200", "B1408"):
        row = by_code[code]
        found = walks.of_building(city, question, int(city.buildings.ids[row]))
        assert len(found) == 3
        seconds = [walk["properties"]["seconds"] for walk in found]
        assert seconds == sorted(seconds)
        for walk in found:
            properties = walk["properties"]
            station = city.stations.row(properties["station"]["id"])
            metres = walks_of_all[code][properties["station"]["code"]]
            assert properties["seconds"] == pytest.approx(metres, abs=0.6)
            line = np.array(walk["geometry"]["coordinates"])
            np.testing.assert_allclose(line[0], city.buildings.lonlat[row], atol=2e-7)
            np.testing.assert_allclose(line[-1], city.stations.lonlat[station], atol=2e-7)
            truth = BruteForce(city.network.crs)
            xy = np.column_stack(truth.to_metres.transform(*line.T))
            length = np.hypot(*np.diff(xy, axis=0).T).sum()
            assert length == pytest.approx(metres, abs=0.1)


def test_a_building_that_reaches_nothing_says_why(circles):
    city, walks = circles.city(), Walks()
    question = Question((), 15, circles.travel())
    by_code = {code: row for row, code in enumerate(codes(circles))}
    for code, state in (("BISLE", "disconnected"), ("BFAR", "unsnapped")):
        found = walks.of_building(city, question, int(city.buildings.ids[by_code[code]]))
        assert {walk["properties"]["state"] for walk in found} == {state}
        assert all(walk["geometry"] is None for walk in found)
    with pytest.raises(NotFoundError):
        walks.of_building(city, question, 10**9)


@pytest.mark.parametrize(
    "wrong",
    [{"kinds": ("palace",)}, {"statuses": ("gone",)}, {"minutes": 0}, {"minutes": float("nan")}],
)
def test_a_question_out_of_range_is_refused(circles, wrong):
    with pytest.raises(InvalidRowError):
        replace(Question((), 10, circles.travel()), **wrong)


def test_slower_people_reach_less(circles):
    city = circles.city()
    covered = [
        int(
            (
                cover_buildings(city, Question((), 7, circles.travel(name))).state == State.COVERED
            ).sum()
        )
        for name in ("elderly", "norm", "adult")
    ]
    assert covered[0] < covered[1] < covered[2]
