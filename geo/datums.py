"""Datums of Chinese maps: WGS84, CGCS2000, GCJ-02 and BD-09, vectorised and exactly inverted.

GCJ-02 shifts positions in mainland China by 20 to 700 m (half of the country by more than 425);
BD-09 shifts GCJ-02 once more, by 760 to 980. Neither is published: the formulas are those of
the reverse-engineered form that all free tools share (eviltransform, 2013; prcoords, CC0).
CGCS2000 and WGS84 differ by decimetres at most, no public transformation is more exact than
treating them as equal (PROJ's own is a no-op of unknown accuracy), and that is what happens here.

Why not a library: those on PyPI (coord-convert, eviltransform, pygcj, prcoords, geocoordinates-rs)
take one point a call, plain inverses miss by up to 3 m, and a box for China moves Hong Kong, Macau,
Taipei, Seoul and Hanoi by half a kilometre.
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

_AXIS_M = 6378245.0  # the ellipsoid of Krasovsky 1940, which the shift is computed on
_ECCENTRICITY2 = 0.00669342162296594323
_X_PI = np.pi * 3000.0 / 180.0
_TOLERANCE_DEG = 1e-12  # a tenth of a micrometre
_ROUNDS = 12  # six to seven are needed
_REACH_DEG = 0.03  # more than the longest shift
_CHUNK = 16_384  # points whose working arrays fit the processor's cache

Points = NDArray[np.float64]


# How geo/china.json was made from Natural Earth (its own fields name file, version and licence),
# so that it can be made again:
#   land     China of countries-10m.json (TopoJSON: arcs joined, scaled, translated, made valid)
#   outline  land buffered 0.02 degrees, united with land buffered 0.3 degrees less everything
#            within 0.08 degrees of other countries or Taiwan: the map is exact to 1 or 2 km only,
#            lacks small islands, and a town on the border must be inside. Holes filled, simplified
#            to 0.012 degrees, coordinates rounded to 0.0005.
#   cut out  Taiwan as in the file with boxes around Kinmen, Matsu and Wuqiu; Macau, and Hong Kong
#            within 113.835 to 114.5 degrees east and north of 22.135, their land borders drawn by
#            hand along Deep Bay and the Shenzhen River through the crossings at Futian, Huanggang,
#            Luohu, Wenjindu, Liantang and Shatoujiao, and through Gongbei and the Inner Harbour:
#            Natural Earth is up to half a kilometre off here, in the middle of two cities.
@lru_cache(maxsize=1)
def _mainland() -> shapely.Geometry:
    """Mainland China with its coast, without Hong Kong, Macau and Taiwan."""
    text = files("geo").joinpath("china.json").read_text(encoding="utf-8")
    area = shapely.from_geojson(json.dumps(json.loads(text)["geometry"]))
    shapely.prepare(area)
    return area


def shifted(lonlat: Points) -> NDArray[np.bool_]:
    """Whether Chinese maps shift each position, that is, whether it lies in mainland China.

    The outline is generous at coasts and land borders (up to 2 km) and right to some 200 m where
    Shenzhen and Zhuhai meet Hong Kong and Macau.

    Parameters
    ----------
    lonlat : ndarray, shape (n, 2)
        WGS84 degrees; False where NaN.
    """
    points = np.asarray(lonlat, dtype=np.float64).reshape(-1, 2)
    return np.asarray(shapely.contains_xy(_mainland(), points[:, 0], points[:, 1]))


def to_wgs84(lonlat: Points, datum: str) -> Points:
    """Positions of ``datum`` in WGS84.

    Parameters
    ----------
    lonlat : ndarray, shape (n, 2)
        Degrees; NaN stays NaN.
    datum : str
        One of `DATUMS`.

    Returns
    -------
    ndarray, shape (n, 2)
        Degrees; unchanged outside mainland China. The inverse of `from_wgs84` to 1e-6 m. Of the
        few positions within a shift's length of the outline that have two originals, one inside
        and one outside, the inside one is given.

    Raises
    ------
    CoordinateError
        If the datum is unknown.
    """
    points = np.asarray(lonlat, dtype=np.float64).reshape(-1, 2)
    forward = _shift_named(datum)
    out = points.copy()
    if forward is None:
        return out
    west, south, east, north = shapely.bounds(_mainland()) + _REACH_DEG * np.array([-1, -1, 1, 1])
    x, y = points.T
    near = np.flatnonzero((x > west) & (x < east) & (y > south) & (y < north))
    for start in range(0, len(near), _CHUNK):
        part = near[start : start + _CHUNK]
        guess = _undone(points[part], forward)
        inside = shifted(guess)
        out[part[inside]] = guess[inside]
    return out


def from_wgs84(lonlat: Points, datum: str) -> Points:
    """WGS84 positions in ``datum``; the inverse of `to_wgs84`.

    Parameters
    ----------
    lonlat : ndarray, shape (n, 2)
        Degrees; NaN stays NaN.
    datum : str
        One of `DATUMS`.

    Raises
    ------
    CoordinateError
        If the datum is unknown.

    References
    ----------
    eviltransform (2013) and prcoords, both free, on which all open implementations rest.
    """
    points = np.asarray(lonlat, dtype=np.float64).reshape(-1, 2)
    forward = _shift_named(datum)
    out = points.copy()
    if forward is None:
        return out
    inside = np.flatnonzero(shifted(points))
    for start in range(0, len(inside), _CHUNK):
        part = inside[start : start + _CHUNK]
        out[part] = forward(points[part])
    return out


def _shift_named(datum: str) -> Callable[[Points], Points] | None:
    """The shift of a datum; None where there is none."""
    if datum not in DATUMS:
        raise CoordinateError(
            f"No datum is named {datum!r}.", remedy=f"Use one of: {', '.join(DATUMS)}."
        )
    return {"gcj02": _gcj02, "bd09": _bd09}.get(datum)


def _gcj02(points: Points) -> Points:
    """GCJ-02 of WGS84 positions, wherever they are."""
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
    return points + np.column_stack([lon / per_lon, lat / per_lat])


def _bd09(points: Points) -> Points:
    """BD-09 of WGS84 positions, wherever they are."""
    x, y = _gcj02(points).T
    z = np.hypot(x, y) + 2e-5 * np.sin(y * _X_PI)
    theta = np.arctan2(y, x) + 3e-6 * np.cos(x * _X_PI)
    return np.column_stack([z * np.cos(theta) + 0.0065, z * np.sin(theta) + 0.006])


def _undone(points: Points, forward: Callable[[Points], Points]) -> Points:
    """The positions whose images are ``points``: fixed point, moving the guess by its miss.

    The shift changes by at most some 2 % of a step, so that a round leaves less than a fortieth
    of the error. It is undone as if it held everywhere.
    """
    guess = points.copy()
    for _ in range(_ROUNDS):
        miss = forward(guess) - points
        guess -= miss
        if np.abs(miss).max(initial=0.0) < _TOLERANCE_DEG:
            break
    return guess
