"""An audit of a real city against networkx and against PostGIS with pgRouting, each on its own.

Both join homes and stations to streets by themselves (shapely here, PostGIS there) and walk the
same edges; what the audit counts must be what they count.
"""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import shapely
from sqlalchemy import create_engine, text

from data.audits.conduct import Audit, conduct
from data.audits.ground import ground_of
from data.audits.place import HomeRows, Place, SiteRows, StationRows
from data.embedded import EmbeddedServer
from data.importers.osm import read_osm
from data.rules import open_rule_set
from geo.audit import AreaTable
from geo.crs import project
from geo.links import carry_points, doubtful_links, with_links
from geo.network import EdgeFlag, build_network
from geo.snapping import no_barriers

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
HOMES, STATIONS = 3000, 60
REACH_M = 900.0
SNAP_M = 200.0
NEAR_M = 0.05
"""What millimetres of rounding on the way may add up to."""


@pytest.fixture(scope="module", params=["liechtenstein", "porto"])
def place(request: pytest.FixtureRequest) -> Place:
    path = SHARED / request.param / f"{request.param}.osm.pbf"
    if not path.exists():
        pytest.skip(f"the {request.param} extract is not here")
    city = read_osm(path, parts=("network", "buildings"))
    net = build_network(city.ways, source=request.param)
    rng = np.random.default_rng(3)
    many = HOMES + STATIONS
    if len(city.buildings) >= many:
        drawn = rng.choice(len(city.buildings), many, replace=False)
        doors = shapely.point_on_surface(city.buildings.geometry.to_numpy()[drawn])
        lonlat = shapely.get_coordinates(doors)
    else:  # an extract without buildings: places some 25 m off its streets
        drawn = rng.choice(len(city.ways.lonlat), many, replace=False)
        lonlat = city.ways.lonlat[drawn] + rng.normal(0, 25 / 111_000, (many, 2))
    code = np.array([f"B{i}" for i in range(many)], object)
    cell = np.floor(project(lonlat, net.crs) / 3000)
    _, row = np.unique(cell, axis=0, return_inverse=True)
    row = row.reshape(-1).astype(np.int32)
    names = np.array([f"cell {i}" for i in range(row.max() + 1)], object)
    empty = np.full(len(names), "", object)
    nothing = np.zeros(0, object)
    return Place(
        request.param,
        False,
        city.attribution,
        net,
        no_barriers(),
        SNAP_M,
        HomeRows(
            code[:HOMES],
            code[:HOMES],
            lonlat[:HOMES],
            rng.integers(1, 60, HOMES).astype(float),
            rng.integers(1, 150, HOMES).astype(float),
            np.zeros(HOMES, np.bool_),
            np.arange(HOMES, dtype=np.int32),
            lonlat[:HOMES],
        ),
        StationRows(
            code[HOMES:],
            code[HOMES:],
            np.full(STATIONS, "red_station", object),
            lonlat[HOMES:],
            np.full(STATIONS, 100.0),
            [frozenset()] * STATIONS,
            ["24/7"] * STATIONS,
        ),
        SiteRows(nothing, nothing, nothing, np.zeros((0, 2)), np.zeros(0), []),
        {"community": AreaTable(names, names, empty, row[:HOMES], row[HOMES:])},
        {},
        [],
        [],
    )


@pytest.fixture(scope="module")
def audit(place: Place) -> Audit:
    return conduct(place, open_rule_set("circle-15"))


def same_as(audit: Audit, metres: np.ndarray, place: Place) -> None:
    """The audit's figures are those that the metres to the nearest station give."""
    ours = audit.homes["minutes"].to_numpy() * 60
    assert np.array_equal(np.isfinite(ours), np.isfinite(metres))
    both = np.isfinite(ours)
    assert both.sum() > HOMES / 2
    # Minutes are kept to two digits: 0.3 m.
    assert np.abs(ours - metres)[both].max() < 0.3 + NEAR_M
    inside = metres <= REACH_M
    sure = np.abs(metres - REACH_M) > NEAR_M
    assert np.array_equal(audit.homes["covered"].to_numpy()[sure], inside[sure])
    households = place.homes.households
    found = next(r for r in audit.summary["rules"] if r["id"] == "reach-15")
    assert 0 < found["numerator"] < found["denominator"] == households.sum()
    assert abs(found["numerator"] - households[inside].sum()) <= households[~sure].sum()
    for row in found["areas"]["community"]:
        here = audit.homes["community"].to_numpy() == row["code"]
        assert row["denominator"] == households[here].sum()
        slack = households[here & ~sure].sum()
        assert abs(row["numerator"] - households[here & inside].sum()) <= slack


def test_an_audit_counts_the_homes_that_networkx_walks_to(place: Place, audit: Audit) -> None:
    net = place.network
    walk = np.flatnonzero(net.edge_flags & EdgeFlag.WALK)
    lines = np.array(
        [
            shapely.LineString(net.edge_xy[net.edge_offsets[e] : net.edge_offsets[e + 1]])
            for e in walk
        ]
    )
    tree = shapely.STRtree(lines)
    length = net.edge_length_mm[walk] / 1000
    ends = net.edge_nodes[walk]
    graph = nx.MultiGraph()
    graph.add_weighted_edges_from(zip(*ends.T.tolist(), length.tolist(), strict=True))

    def joined(lonlat: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Edge (-1: none), metres along it and metres to it."""
        points = shapely.points(project(lonlat, net.crs))
        row, line = tree.query_nearest(points, max_distance=SNAP_M, all_matches=False)
        edge = np.full(len(points), -1)
        edge[row] = line
        share = shapely.line_locate_point(lines[edge], points, normalized=True)
        return edge, share * length[edge], shapely.distance(lines[edge], points)

    station_edge, station_at, station_off = joined(place.stations.lonlat)
    for edge, at, off in zip(station_edge, station_at, station_off, strict=True):
        if edge >= 0:
            a, b = ends[edge].tolist()
            graph.add_edge("all", a, weight=at + off)
            graph.add_edge("all", b, weight=length[edge] - at + off)
    away = nx.single_source_dijkstra_path_length(graph, "all")
    metres = np.full(HOMES, np.inf)
    for i, (edge, at, off) in enumerate(zip(*joined(place.homes.lonlat), strict=True)):
        if edge < 0:
            continue
        a, b = ends[edge].tolist()
        same = station_edge == edge
        metres[i] = off + min(
            away.get(a, np.inf) + at,
            away.get(b, np.inf) + length[edge] - at,
            (np.abs(station_at - at) + station_off)[same].min(initial=np.inf),
        )
    same_as(audit, metres, place)


@pytest.fixture(scope="module")
def pgrouting(postgis: EmbeddedServer):
    """A database of its own with PostGIS and pgRouting."""
    owner = postgis.url.replace("//gridcircle@", "//postgres@")
    admin = create_engine(owner.replace("/gridcircle?", "/postgres?"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        there = connection.scalar(
            text("SELECT count(*) FROM pg_available_extensions WHERE name = 'pgrouting'")
        )
        if not there:
            pytest.skip("pgRouting is not installed (postgresql-15-pgrouting)")
        connection.execute(text("DROP DATABASE IF EXISTS routing"))
        connection.execute(text("CREATE DATABASE routing"))
    admin.dispose()
    engine = create_engine(owner.replace("/gridcircle?", "/routing?"))
    with engine.begin() as connection:
        connection.execute(text("CREATE EXTENSION pgrouting CASCADE"))
    yield engine
    engine.dispose()


JOINED = """
CREATE TABLE {name}_at AS
SELECT p.id, e.id AS edge, e.source, e.target, e.cost AS length,
       ST_LineLocatePoint(e.line, p.point) * e.cost AS at, ST_Distance(e.line, p.point) AS off
FROM {name} p CROSS JOIN LATERAL
     (SELECT * FROM street ORDER BY line <-> p.point LIMIT 1) e
WHERE ST_Distance(e.line, p.point) <= {snap}
"""
# Stations hang on one node more by edges as long as their legs.
WALKED = """
WITH legs AS (
    SELECT id, source, target, cost FROM street
    UNION ALL
    SELECT -2 * id - 1, -1, source, at + off FROM station_at
    UNION ALL
    SELECT -2 * id - 2, -1, target, length - at + off FROM station_at
)
SELECT * FROM legs
"""
NEAREST = """
SELECT h.id, least(
    a.agg_cost + h.at, b.agg_cost + h.length - h.at,
    (SELECT min(abs(s.at - h.at) + s.off) FROM station_at s WHERE s.edge = h.edge)
) + h.off AS metres
FROM home_at h
LEFT JOIN away a ON a.node = h.source
LEFT JOIN away b ON b.node = h.target
"""


def test_an_audit_counts_the_homes_that_pgrouting_walks_to(
    place: Place, audit: Audit, pgrouting
) -> None:
    net = place.network
    walk = np.flatnonzero(net.edge_flags & EdgeFlag.WALK)
    with pgrouting.begin() as connection:
        for name in ("street", "home", "station", "home_at", "station_at", "legs", "away"):
            connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
        connection.execute(
            text("CREATE TABLE street (id int, source int, target int, cost float, line geometry)")
        )
        raw = connection.connection.cursor()
        with raw.copy("COPY street FROM STDIN") as out:
            for e in walk.tolist():
                line = shapely.LineString(net.edge_xy[slice(*net.edge_offsets[e : e + 2])])
                a, b = net.edge_nodes[e].tolist()
                out.write_row((e, a, b, int(net.edge_length_mm[e]) / 1000, line.wkb_hex))
        for name, lonlat in (("home", place.homes.lonlat), ("station", place.stations.lonlat)):
            connection.execute(text(f"CREATE TABLE {name} (id int, point geometry)"))
            with raw.copy(f"COPY {name} FROM STDIN") as out:
                for i, point in enumerate(shapely.points(project(lonlat, net.crs))):
                    out.write_row((i, point.wkb_hex))
        connection.execute(text("CREATE INDEX ON street USING gist (line)"))
        connection.execute(text("ANALYZE"))
        for name in ("home", "station"):
            connection.execute(text(JOINED.format(name=name, snap=SNAP_M)))
        connection.execute(text(f"CREATE TABLE legs AS {WALKED}"))
        connection.execute(
            text(
                "CREATE TABLE away AS SELECT node, agg_cost FROM pgr_drivingDistance("
                "'SELECT id, source, target, cost FROM legs', -1, 1e7, false)"
            )
        )
        found = connection.execute(text(NEAREST)).all()
    metres = np.full(HOMES, np.inf)
    for home, far in found:
        metres[home] = np.inf if far is None else far
    same_as(audit, metres, place)


def test_the_band_counts_who_would_walk_over_the_doubtful_links(place: Place, audit: Audit) -> None:
    base = ground_of(place, "norm", "none")
    links = doubtful_links(place.network, base.impedance)
    assert len(links) > 100
    net = with_links(place.network, links)
    first, last = net.edge_offsets[:-1], net.edge_offsets[1:] - 1
    for at, end in ((first, 0), (last, 1)):
        away = net.edge_xy[at] - net.node_xy[net.edge_nodes[:, end]]
        assert np.hypot(*away.T).max() < 0.02
    homes, stations = (
        carry_points(p, place.network, links, net) for p in (base.points, base.stations)
    )
    length = net.edge_length_mm.astype(int)
    walk = (net.edge_flags & EdgeFlag.WALK) > 0
    graph = nx.MultiGraph()
    graph.add_weighted_edges_from(
        zip(*net.edge_nodes[walk].T.tolist(), length[walk].tolist(), strict=True)
    )
    for edge, at, off in zip(stations.edge, stations.offset_mm, stations.access_mm, strict=True):
        if edge >= 0:
            a, b = net.edge_nodes[edge].tolist()
            graph.add_edge("all", a, weight=int(at + off))
            graph.add_edge("all", b, weight=int(length[edge] - at + off))
    away = nx.single_source_dijkstra_path_length(graph, "all", cutoff=REACH_M * 1000)
    covered = np.zeros(HOMES, bool)
    for i, (edge, at, off) in enumerate(
        zip(homes.edge.tolist(), homes.offset_mm, homes.access_mm, strict=True)
    ):
        if edge >= 0:
            a, b = net.edge_nodes[edge].tolist()
            same = stations.edge == edge
            along = np.abs(stations.offset_mm - at) + stations.access_mm
            nearest = min(
                away.get(a, 10**9) + at,
                away.get(b, 10**9) + length[edge] - at,
                along[same].min(initial=10**9),
            )
            covered[i] = nearest + off <= REACH_M * 1000
    households = place.homes.households
    band = audit.summary["quality"]["band"]
    assert audit.summary["quality"]["doubtful_links"] == len(links)
    assert band["high"] == pytest.approx(households[covered].sum() / households.sum(), abs=1e-6)
    assert band["low"] <= band["high"]
    assert covered[audit.homes["covered"].to_numpy(bool)].all()
