"""Datums of Chinese maps: the shift, its exact inverse, and where it stops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod, Transformer

from geo.datums import DATUMS, from_wgs84, shifted, to_wgs84
from geo.errors import CoordinateError

WGS84 = Geod(ellps="WGS84")

# Pairs that the tests of the public implementations agree on (eviltransform), lon and lat.
PUBLISHED_GCJ02 = [
    ((121.5272106, 31.1774276), (121.531541859215, 31.17530398364597)),
    ((113.912316, 22.543847), (113.9171764808363, 22.540796131694766)),
    ((116.377817, 39.911954), (116.38404722455657, 39.91334545536069)),
]
# BD-09 and the WGS84 that the iterated inverse of prcoords 1.0.2 gives for it (to a millimetre).
INVERSE_BD09 = [
    ((120.00873981820818, 29.196220284954137), (120.019809, 29.199786)),
    ((120.02528303853785, 29.207157616711456), (120.036455, 29.210504)),
]
# WGS84, GCJ-02, BD-09 by prcoords 1.0.2, the tidiest of the public implementations.
BY_PRCOORDS = {
    "桓台 Huantai": (
        (118.0979, 36.959),
        (118.10402642051011, 36.959670283763344),
        (118.11049197337071, 36.965779202824336),
    ),
    "北京 Beijing": (
        (116.397389, 39.908722),
        (116.40363255334069, 39.91012547567846),
        (116.41000541474482, 39.91646510875541),
    ),
    "喀什 Kashgar": (
        (75.9898, 39.4704),
        (75.99275499023025, 39.470627026037526),
        (75.99926364705559, 39.47658990909995),
    ),
    "漠河 Mohe": (
        (122.5371, 52.9721),
        (122.54413402507024, 52.9736163979695),
        (122.55059200011883, 52.97973014964592),
    ),
    "三亚 Sanya": (
        (109.5082, 18.2479),
        (109.51229465201837, 18.246207534442775),
        (109.51884473436448, 18.251945802876918),
    ),
}
OUTSIDE = {
    "Hong Kong, Central": (114.158, 22.283),
    "Hong Kong, Lok Ma Chau": (114.066, 22.509),
    "Hong Kong, Lo Wu": (114.1133, 22.5275),
    "Hong Kong, Sheung Shui": (114.1283, 22.5010),
    "Hong Kong, Tung Chung": (113.943, 22.289),
    "Hong Kong, Po Toi": (114.260, 22.165),
    "Hong Kong, Tung Ping Chau": (114.433, 22.543),
    "Macau, peninsula": (113.543, 22.193),
    "Macau, next to the border gate": (113.553, 22.2125),
    "Macau, Cotai": (113.565, 22.147),
    "Macau, airport": (113.590, 22.150),
    "Taipei": (121.56, 25.04),
    "Kaohsiung": (120.30, 22.63),
    "Kinmen": (118.32, 24.43),
    "Matsu": (119.93, 26.16),
    "Seoul": (126.98, 37.57),
    "Pyongyang": (125.75, 39.03),
    "Hanoi": (105.85, 21.03),
    "Haiphong": (106.68, 20.86),
    "Lao Cai": (103.97, 22.48),
    "Ulaanbaatar": (106.92, 47.92),
    "Vladivostok": (131.90, 43.10),
    "Blagoveshchensk": (127.53, 50.27),
    "Kathmandu": (85.30, 27.70),
    "Almaty": (76.90, 43.25),
    "Berlin": (13.40, 52.52),
    "São Paulo": (-46.63, -23.55),
}
# On a map in GCJ-02 something of Shenzhen has these positions too: `to_wgs84` takes it for that.
NEXT_TO_THE_BORDER = ("Hong Kong, Lok Ma Chau", "Hong Kong, Lo Wu")
INSIDE = {
    "Shenzhen, Luohu port": (114.1133, 22.5325),
    "Shenzhen, Futian port": (114.0680, 22.5195),
    "Shenzhen, Shekou": (113.917, 22.482),
    "Shenzhen, Yantian": (114.270, 22.560),
    "Shenzhen, Shatoujiao": (114.228, 22.551),
    "Shenzhen, Nan'ao": (114.485, 22.537),
    "Zhuhai, Gongbei": (113.548, 22.2185),
    "Zhuhai, Wanzai": (113.524, 22.196),
    "Zhuhai, Hengqin": (113.530, 22.130),
    "Xiamen": (118.09, 24.48),
    "Xiamen, Dadeng": (118.33, 24.56),
    "Pingtan": (119.79, 25.50),
    "Shanghai, Lingang": (121.93, 30.90),
    "Yangshan port": (122.07, 30.62),
    "Zhoushan": (122.20, 30.00),
    "Changdao": (120.73, 37.92),
    "Qingdao": (120.38, 36.06),
    "Rongcheng": (122.50, 37.10),
    "Dalian": (121.60, 38.90),
    "Sanya": (109.50, 18.25),
    "Yongxing": (112.34, 16.83),
    "Dandong": (124.39, 40.12),
    "Heihe": (127.50, 50.245),
    "Manzhouli": (117.43, 49.60),
    "Erenhot": (111.97, 43.65),
    "Suifenhe": (131.16, 44.40),
    "Horgos": (80.41, 44.21),
    "Alashankou": (82.57, 45.17),
    "Kashgar": (75.99, 39.47),
    "Yadong": (88.90, 27.48),
    "Ruili": (97.85, 24.01),
    "Hekou": (103.96, 22.51),
    "Dongxing": (107.97, 21.545),
}


def gcj02_by_hand(lon: float, lat: float) -> tuple[float, float]:
    """The public formula again, one point at a time, from its own description.

    Krasovsky's ellipsoid; a shift in metres as a polynomial plus three pairs of sines of 20, 40,
    160, 320 (north) and 20, 40, 150, 300 (east), divided by the metres of a degree.
    """
    x, y, sin, pi = lon - 105, lat - 35, math.sin, math.pi
    north = -100 + 2 * x + 3 * y + y**2 / 5 + x * y / 10 + math.sqrt(abs(x)) / 5
    east = 300 + x + 2 * y + x**2 / 10 + x * y / 10 + math.sqrt(abs(x)) / 10
    shared = 20 * sin(6 * pi * x) + 20 * sin(2 * pi * x)
    north += 2 / 3 * (shared + 20 * sin(pi * y) + 40 * sin(pi * y / 3)) + 2 / 3 * (
        160 * sin(pi * y / 12) + 320 * sin(pi * y / 30)
    )
    east += 2 / 3 * (shared + 20 * sin(pi * x) + 40 * sin(pi * x / 3)) + 2 / 3 * (
        150 * sin(pi * x / 12) + 300 * sin(pi * x / 30)
    )
    flattening_term = 1 - 0.00669342162296594323 * sin(math.radians(lat)) ** 2
    meridian_m = 6378245 * (1 - 0.00669342162296594323) / flattening_term**1.5
    parallel_m = 6378245 / math.sqrt(flattening_term) * math.cos(math.radians(lat))
    return lon + math.degrees(east / parallel_m), lat + math.degrees(north / meridian_m)


def bd09_by_hand(lon: float, lat: float) -> tuple[float, float]:
    """BD-09 of a GCJ-02 position, as Baidu's own tools were read to do it, in complex numbers."""
    k = 3000 * math.pi / 180
    place = complex(lon, lat)
    radius = abs(place) + 0.00002 * math.sin(lat * k)
    angle = math.atan2(lat, lon) + 0.000003 * math.cos(lon * k)
    return radius * math.cos(angle) + 0.0065, radius * math.sin(angle) + 0.006


def apart_m(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(WGS84.inv(a[:, 0], a[:, 1], b[:, 0], b[:, 1])[2])


@pytest.mark.parametrize(("wgs84", "gcj02"), PUBLISHED_GCJ02)
def test_published_pairs_of_gcj02_agree(
    wgs84: tuple[float, float], gcj02: tuple[float, float]
) -> None:
    assert from_wgs84(np.array([wgs84]), "gcj02")[0] == pytest.approx(gcj02, abs=1e-12)
    assert to_wgs84(np.array([gcj02]), "gcj02")[0] == pytest.approx(wgs84, abs=1e-12)


@pytest.mark.parametrize(("wgs84", "bd09"), INVERSE_BD09)
def test_another_inverse_of_bd09_agrees(
    wgs84: tuple[float, float], bd09: tuple[float, float]
) -> None:
    assert to_wgs84(np.array([bd09]), "bd09")[0] == pytest.approx(wgs84, abs=1e-8)


@pytest.mark.parametrize("city", BY_PRCOORDS)
def test_another_implementation_agrees_from_north_to_south(city: str) -> None:
    wgs84, gcj02, bd09 = BY_PRCOORDS[city]
    assert from_wgs84(np.array([wgs84]), "gcj02")[0] == pytest.approx(gcj02, abs=1e-12)
    assert from_wgs84(np.array([wgs84]), "bd09")[0] == pytest.approx(bd09, abs=1e-12)


@given(st.floats(74, 134), st.floats(18.2, 53))
def test_the_formula_written_anew_point_by_point_agrees(lon: float, lat: float) -> None:
    point = np.array([[lon, lat]])
    if not shifted(point)[0]:
        assert (from_wgs84(point, "gcj02") == point).all()
        return
    gcj02 = gcj02_by_hand(lon, lat)
    assert from_wgs84(point, "gcj02")[0] == pytest.approx(gcj02, abs=1e-11)
    assert from_wgs84(point, "bd09")[0] == pytest.approx(bd09_by_hand(*gcj02), abs=1e-11)


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
def test_round_trips_over_all_of_china_come_back_within_a_micrometre(datum: str) -> None:
    lon, lat = np.meshgrid(np.arange(73.6, 134.8, 0.13), np.arange(18.1, 53.6, 0.11))
    grid = np.column_stack([lon.ravel(), lat.ravel()])
    grid = grid[shifted(grid)]
    assert len(grid) > 60_000
    there = from_wgs84(grid, datum)
    assert apart_m(to_wgs84(there, datum), grid).max() < 1e-6
    shift = apart_m(there, grid)
    limits = (10, 710) if datum == "gcj02" else (680, 1530)
    assert limits[0] < shift.min()
    assert shift.max() < limits[1]


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
def test_maps_on_a_datum_come_back_to_it(datum: str) -> None:
    """Start from what a map says: its positions well inside China all have an original."""
    rng = np.random.default_rng(7)
    said = np.column_stack([rng.uniform(100, 118, 20_000), rng.uniform(25, 40, 20_000)])
    again = from_wgs84(to_wgs84(said, datum), datum)
    assert apart_m(again, said).max() < 1e-6


@pytest.mark.parametrize("place", OUTSIDE)
def test_places_outside_mainland_china_are_not_moved(place: str) -> None:
    point = np.array([OUTSIDE[place]])
    for datum in DATUMS:
        assert (from_wgs84(point, datum) == point).all()
        if place not in NEXT_TO_THE_BORDER:
            assert (to_wgs84(point, datum) == point).all()


@pytest.mark.parametrize("place", INSIDE)
def test_towns_on_coasts_and_borders_are_moved(place: str) -> None:
    point = np.array([INSIDE[place]])
    assert apart_m(from_wgs84(point, "gcj02"), point)[0] > 10
    assert apart_m(from_wgs84(point, "bd09"), point)[0] > 600


def test_hong_kong_lies_next_to_shenzhen_on_one_map_without_either_being_lost() -> None:
    lon, lat = np.meshgrid(np.linspace(113.9, 114.4, 60), np.linspace(22.2, 22.7, 60))
    grid = np.column_stack([lon.ravel(), lat.ravel()])
    inside = shifted(grid)
    assert 0.2 < inside.mean() < 0.8
    back = to_wgs84(from_wgs84(grid, "gcj02"), "gcj02")
    assert apart_m(back, grid)[inside].max() < 1e-6
    # Of the others only those that a shifted original lands on are taken for it.
    moved = apart_m(back, grid) > 1e-6
    assert moved.mean() < 0.02
    assert (
        shapely.distance(shapely.points(grid[moved]), shapely.MultiPoint(grid[inside])) < 0.015
    ).all()


def test_cgcs2000_is_taken_as_wgs84_as_proj_does() -> None:
    points = np.array([[118.1, 36.96], [121.5, 31.2]])
    assert (from_wgs84(points, "cgcs2000") == points).all()
    assert (to_wgs84(points, "cgcs2000") == points).all()
    proj = Transformer.from_crs("EPSG:4490", "EPSG:4326", always_xy=True)
    assert np.column_stack(proj.transform(*points.T)) == pytest.approx(points, abs=1e-9)


def test_missing_positions_stay_missing_and_none_are_no_problem() -> None:
    points = np.array([[np.nan, np.nan], [118.1, 36.96], [118.1, np.nan], [1e30, -1e30]])
    out = to_wgs84(points, "gcj02")
    assert np.isnan(out[[0, 2], 1]).all()
    assert out[3] == pytest.approx(points[3])
    assert np.isfinite(out[1]).all()
    assert to_wgs84(np.zeros((0, 2)), "bd09").shape == (0, 2)


def test_the_points_given_are_not_changed() -> None:
    points = np.array([[118.1, 36.96]])
    for datum in DATUMS:
        to_wgs84(points, datum)
        from_wgs84(points, datum)
    assert points.tolist() == [[118.1, 36.96]]


def test_a_datum_that_does_not_exist_is_named_and_the_known_ones_listed() -> None:
    with pytest.raises(CoordinateError, match="bj54") as error:
        to_wgs84(np.zeros((1, 2)), "bj54")
    assert "gcj02" in error.value.remedy


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
def test_everywhere_else_on_earth_positions_stay_to_the_last_bit(datum: str) -> None:
    lon, lat = np.meshgrid(np.arange(-180, 180.01, 0.61), np.arange(-90, 90.01, 0.47))
    earth = np.column_stack([lon.ravel(), lat.ravel()])
    outside = earth[~shifted(earth)]
    assert len(outside) > 220_000
    assert (from_wgs84(outside, datum) == outside).all()
    back = to_wgs84(outside, datum)
    # Said by a Chinese map, a strip along the border as wide as the shift lies inside.
    moved = (back != outside).any(axis=1)
    assert moved.mean() < 2e-4
    assert shifted(back[moved]).all()


@given(st.lists(st.tuples(st.floats(73.5, 134.9), st.floats(18.0, 53.7)), max_size=200))
def test_any_points_of_china_come_back_within_a_tenth_of_a_metre(
    places: list[tuple[float, float]],
) -> None:
    points = np.array(places, dtype=float).reshape(-1, 2)
    inside = points[shifted(points)]
    for datum in DATUMS:
        back = to_wgs84(from_wgs84(inside, datum), datum)
        assert (apart_m(back, inside) < 0.1).all()
