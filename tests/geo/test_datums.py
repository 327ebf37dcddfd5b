"""Datums: exact there and back over China, untouched elsewhere."""

from __future__ import annotations

import math

import numpy as np
import pytest

from geo.datums import DATUMS, from_wgs84, shifted, to_wgs84
from geo.errors import CoordinateError

ELSEWHERE = {
    "Hong Kong": (114.17, 22.30),
    "Macau": (113.55, 22.19),
    "Taipei": (121.56, 25.03),
    "Seoul": (126.98, 37.57),
    "Hanoi": (105.85, 21.03),
    "Ulaanbaatar": (106.9, 47.9),
}
CITIES = {
    "Beijing": (116.397, 39.909),
    "Shenzhen": (114.06, 22.545),
    "Shanghai": (121.47, 31.23),
    "Zibo": (118.05, 36.81),
    "Kashgar": (75.99, 39.47),
    "Sanya": (109.5, 18.25),
    "Qingdao": (120.38, 36.07),
    "Harbin": (126.64, 45.75),
}


def grid() -> np.ndarray:
    lon, lat = np.meshgrid(np.arange(73.5, 135.1, 0.21), np.arange(18.1, 53.6, 0.17))
    return np.column_stack([lon.ravel(), lat.ravel()])


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
def test_there_and_back_is_within_a_micrometre_over_a_dense_grid_of_china(datum: str) -> None:
    points = grid()
    here = shifted(points)
    assert here.sum() > 20_000
    back = to_wgs84(from_wgs84(points, datum), datum)
    assert np.abs(back - points)[here].max() * 111_000 < 1e-6


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
@pytest.mark.parametrize("place", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_places_outside_the_mainland_stay(datum: str, place: tuple[float, float]) -> None:
    assert np.array_equal(from_wgs84(np.array([place]), datum), [place])
    assert np.array_equal(to_wgs84(np.array([place]), datum), [place])


@pytest.mark.parametrize("place", CITIES.values(), ids=CITIES.keys())
def test_cities_are_shifted_as_the_scalar_formula_says(place: tuple[float, float]) -> None:
    assert from_wgs84(np.array([place]), "gcj02")[0] == pytest.approx(
        _scalar_gcj02(*place), abs=1e-11
    )


def test_a_published_pair_holds() -> None:
    assert from_wgs84(np.array([[116.397, 39.909]]), "gcj02")[0] == pytest.approx(
        [116.40324, 39.91040], abs=1e-5
    )


def test_cgcs2000_is_taken_as_wgs84_and_an_unknown_datum_is_refused() -> None:
    point = np.array([[118.0, 36.0]])
    assert np.array_equal(to_wgs84(point, "cgcs2000"), point)
    with pytest.raises(CoordinateError) as refused:
        to_wgs84(point, "beijing54")
    assert all(name in refused.value.remedy for name in DATUMS)


def _scalar_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """The formula once more, a number at a time, as published."""
    a, ee = 6378245.0, 0.00669342162296594323
    x, y = lon - 105.0, lat - 35.0
    pi, sin = math.pi, math.sin
    both = (20 * sin(6 * x * pi) + 20 * sin(2 * x * pi)) * 2 / 3
    dlat = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + both
    dlat += (20 * sin(y * pi) + 40 * sin(y / 3 * pi)) * 2 / 3
    dlat += (160 * sin(y / 12 * pi) + 320 * sin(y * pi / 30)) * 2 / 3
    dlon = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + both
    dlon += (20 * sin(x * pi) + 40 * sin(x / 3 * pi)) * 2 / 3
    dlon += (150 * sin(x / 12 * pi) + 300 * sin(x / 30 * pi)) * 2 / 3
    magic = 1 - ee * sin(math.radians(lat)) ** 2
    return (
        lon + dlon * 180 / (a / math.sqrt(magic) * math.cos(math.radians(lat)) * pi),
        lat + dlat * 180 / (a * (1 - ee) / (magic * math.sqrt(magic)) * pi),
    )
