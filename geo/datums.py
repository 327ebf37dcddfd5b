"""Datums of Chinese maps: WGS84, CGCS2000, GCJ-02 and BD-09, vectorised and exactly inverted.

GCJ-02 shifts every position in mainland China by 300 to 700 m; BD-09 shifts GCJ-02 once more.
CGCS2000 and WGS84 differ by less than a decimetre at a common epoch, and no public
transformation is more exact than treating them as equal, which is what happens here.
The formulas are those of the public reverse-engineered form (eviltransform, 2013; prcoords, CC0).
No maintained Python library is vectorised with an exact inverse, so they stand here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.errors import CoordinateError

DATUMS = ("wgs84", "cgcs2000", "gcj02", "bd09")
_AXIS_M = 6378245.0
_ECCENTRICITY2 = 0.00669342162296594323
_X_PI = np.pi * 3000.0 / 180.0
_TOLERANCE_DEG = 1e-12
_ROUNDS = 30

Points = NDArray[np.float64]


@lru_cache(maxsize=1)
def _mainland() -> shapely.Geometry:
    """Mainland China with its coast, without Hong Kong, Macau and Taiwan."""
    text = files("geo").joinpath("china.json").read_text(encoding="utf-8")
    area = shapely.from_geojson(json.dumps(json.loads(text)["geometry"]))
    shapely.prepare(area)
    return area


def shifted(lonlat: Points) -> NDArray[np.bool_]:
    """Whether Chinese maps shift each position.

    Parameters
    ----------
    lonlat : ndarray, shape (n, 2)
        Degrees, of either datum.
    """
    points = np.asarray(lonlat, dtype=np.float64).reshape(-1, 2)
    return np.asarray(shapely.contains_xy(_mainland(), points[:, 0], points[:, 1]))


def to_wgs84(lonlat: Points, datum: str) -> Points:
    """Positions of ``datum`` in WGS84.

    Parameters
    ----------
    lonlat : ndarray, shape (n, 2)
        Degrees.
    datum : str
        One of `DATUMS`.

    Returns
    -------
    ndarray, shape (n, 2)
        Degrees; unchanged outside mainland China. The inverse is exact to 1e-6 m.

    Raises
    ------
    CoordinateError
        If the datum is unknown.
    """
    points = np.asarray(lonlat, dtype=np.float64).reshape(-1, 2)
    _check(datum)
    if datum in ("wgs84", "cgcs2000"):
        return points.copy()
    return _inverse(points, _gcj02_of if datum == "gcj02" else _bd09_of)


def from_wgs84(lonlat: Points, datum: str) -> Points:
    """WGS84 positions in ``datum``; the inverse of `to_wgs84`.

    Raises
    ------
    CoordinateError
        If the datum is unknown.
    """
    points = np.asarray(lonlat, dtype=np.float64).reshape(-1, 2)
    _check(datum)
    if datum in ("wgs84", "cgcs2000"):
        return points.copy()
    return (_gcj02 if datum == "gcj02" else _bd09)(points)


def _check(datum: str) -> None:
    if datum not in DATUMS:
        raise CoordinateError(
            f"No datum is named {datum!r}.", remedy=f"Use one of: {', '.join(DATUMS)}."
        )


def _gcj02(points: Points) -> Points:
    here = shifted(points)[:, None]
    return np.where(here, _gcj02_of(points), points)


def _gcj02_of(points: Points) -> Points:
    """GCJ-02 of WGS84 positions, wherever they are."""
    return points + _gcj02_offset(points)


def _bd09(points: Points) -> Points:
    here = shifted(points)[:, None]
    return np.where(here, _bd09_of(points), points)


def _bd09_of(points: Points) -> Points:
    """BD-09 of WGS84 positions, wherever they are."""
    x, y = _gcj02_of(points).T
    z = np.hypot(x, y) + 2e-5 * np.sin(y * _X_PI)
    theta = np.arctan2(y, x) + 3e-6 * np.cos(x * _X_PI)
    return np.column_stack([z * np.cos(theta) + 0.0065, z * np.sin(theta) + 0.006])


def _gcj02_offset(points: Points) -> Points:
    x, y = points[:, 0] - 105.0, points[:, 1] - 35.0
    root = np.sqrt(np.abs(x))
    waves = (20 * np.sin(6 * x * np.pi) + 20 * np.sin(2 * x * np.pi)) * 2 / 3
    lat = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + waves
    lat += (20 * np.sin(y * np.pi) + 40 * np.sin(y / 3 * np.pi)) * 2 / 3
    lat += (160 * np.sin(y / 12 * np.pi) + 320 * np.sin(y * np.pi / 30)) * 2 / 3
    lon = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + waves
    lon += (20 * np.sin(x * np.pi) + 40 * np.sin(x / 3 * np.pi)) * 2 / 3
    lon += (150 * np.sin(x / 12 * np.pi) + 300 * np.sin(x / 30 * np.pi)) * 2 / 3
    phi = np.radians(points[:, 1])
    magic = 1 - _ECCENTRICITY2 * np.sin(phi) ** 2
    per_lat = _AXIS_M * (1 - _ECCENTRICITY2) / (magic * np.sqrt(magic)) * np.pi / 180
    per_lon = _AXIS_M / np.sqrt(magic) * np.cos(phi) * np.pi / 180
    return np.column_stack([lon / per_lon, lat / per_lat])


def _inverse(points: Points, forward: Callable[[Points], Points]) -> Points:
    """Fixed point: move the guess by what its image misses.

    The shift is undone as if it held everywhere, and kept where that leads into mainland China: of
    the few positions within a shift of the border that have two originals, the inner one holds.
    """
    guess = points.copy()
    for _ in range(_ROUNDS):
        miss = forward(guess) - points
        guess -= miss
        if np.abs(miss).max(initial=0.0) < _TOLERANCE_DEG:
            break
    return np.where(shifted(guess)[:, None], guess, points)
