"""Stations of the sample: plausible places and hours, and real gaps to be found."""

from __future__ import annotations

import geopandas as gpd
import networkx as nx
import numpy as np
import opening_hours
import pytest
import shapely
from scipy.spatial import KDTree

from data.models import FACILITIES
from data.sample import SampleFiles
from tests.data.sample.conftest import rows
from tests.data.sample.osm_map import OsmMap

NORM_M_PER_MIN = 60


def lonlat(table: list[dict[str, str]]) -> np.ndarray:
    return np.array([(float(r["经度"]), float(r["纬度"])) for r in table])


def test_the_map_has_gaps_but_not_too_many(town: OsmMap, county: SampleFiles) -> None:
    """Share of households within 10 and 15 minutes, by networkx on the nodes of the map."""
    graph = town.walking()
    nodes = list(graph)
    tree = KDTree(town.points(nodes))
    open_ones = [
        r for r in rows(county.stations) if r["状态"] == "开放" and r["类型"] != "小哥驿站"
    ]
    access, at = tree.query(town.metres(lonlat(open_ones)))
    for k, (leg, node) in enumerate(zip(access, at, strict=True)):
        graph.add_edge(f"station {k}", nodes[node], length=float(leg))
    sources = {f"station {k}" for k in range(len(open_ones))}
    reached = nx.multi_source_dijkstra_path_length(graph, sources, weight="length")
    homes = rows(county.buildings)
    leg, node = tree.query(town.metres(lonlat(homes)))
    metres = np.array([reached.get(nodes[n], np.inf) for n in node]) + leg
    households = np.array([int(r["户数"]) for r in homes])
    within = {
        m: households[metres <= m * NORM_M_PER_MIN].sum() / households.sum() for m in (10, 15)
    }
    assert 0.65 <= within[10] <= 0.85
    assert 0.85 <= within[15] <= 0.95


def test_every_community_has_its_service_centre(county: SampleFiles) -> None:
    areas = gpd.read_file(county.areas)
    communities = areas[areas["级别"] == "社区"].set_index("编码")
    centres = [r for r in rows(county.stations) if r["类型"] == "党群服务中心"]
    at = gpd.GeoSeries(gpd.points_from_xy(*lonlat(centres).T), crs=4326)
    for row, point in zip(centres, at, strict=True):
        code = row["编号"].split("-")[0]
        assert communities.geometry[code].covers(point)
        assert row["名称"] == f"{communities['名称'][code]}党群服务中心"
        assert float(row["面积"]) > 200


def test_stations_stand_within_a_few_steps_of_a_path(town: OsmMap, county: SampleFiles) -> None:
    paths = shapely.STRtree(town.lines(town.select("highway")))
    buildings = shapely.STRtree(town.polygons(town.select("building")))
    at = shapely.points(town.metres(lonlat(rows(county.stations))))
    assert paths.query_nearest(at, return_distance=True)[1].max() < 15
    assert not buildings.query(at, predicate="within").size


def test_opening_hours_are_of_many_kinds_and_can_be_read(county: SampleFiles) -> None:
    hours = [r["开放时间"] for r in rows(county.stations)]
    for text in filter(None, hours):
        opening_hours.OpeningHours(text)
    assert {"22:00-02:00", "24/7"} <= set(hours)
    assert any("PH off" in text for text in hours)
    assert "" in hours, "unknown hours are a case of their own"


def test_facilities_are_those_of_the_controlled_list(county: SampleFiles) -> None:
    words = {w for r in rows(county.stations) for w in r["设施"].split("、")}
    assert len(words) <= len(FACILITIES)
    assert {"休息", "饮水", "热餐", "卫生间", "电动车充电"} <= words


@pytest.mark.parametrize("state", ["开放", "规划", "关闭"])
def test_all_states_are_to_be_seen(county: SampleFiles, state: str) -> None:
    assert any(r["状态"] == state for r in rows(county.stations))


def test_numbers_and_names_are_unique(county: SampleFiles) -> None:
    table = rows(county.stations)
    assert len({r["编号"] for r in table}) == len(table)
    assert len({r["名称"] for r in table}) == len(table)
