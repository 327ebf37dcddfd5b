"""The projected CRS of a data set: metres that are metres, chosen from where the data lies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from geo.errors import CoordinateError

CHINA_BOUNDS = (73.0, 17.5, 135.5, 54.0)
"""West, south, east, north of mainland China and Hainan, WGS84 degrees."""
FIRST_ZONE_EPSG = 4534
"""CGCS2000 / 3-degree Gauss-Krüger CM 75E; EPSG:4534-4554 step by 3 degrees to CM 135E."""


def projected_crs(lonlat_bounds: Sequence[float]) -> CRS:
    """Choose the CRS in metres in which to measure data within ``lonlat_bounds``.

    In China: the CGCS2000 3-degree Gauss-Krüger zone nearest to the middle, the CRS of city
    surveys (GB/T 18314, EPSG:4534-4554). Elsewhere: a transverse Mercator of unit scale centred
    on the data, whose lengths are true to 1:30,000 within 50 km.

    Parameters
    ----------
    lonlat_bounds : sequence of float
        West, south, east, north in WGS84 degrees.

    Raises
    ------
    CoordinateError
        If the bounds are not finite or not degrees.
    """
    west, south, east, north = (float(value) for value in lonlat_bounds)
    if not all(np.isfinite([west, south, east, north])):
        raise CoordinateError("There are no coordinates to choose a projection for.")
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise CoordinateError(
            f"The bounds {west:g}, {south:g}, {east:g}, {north:g} are not WGS84 degrees.",
            remedy="Give longitude and latitude; check for swapped axes or metres.",
        )
    lon, lat = (west + east) / 2, (south + north) / 2
    china = CHINA_BOUNDS
    if china[0] <= lon <= china[2] and china[1] <= lat <= china[3] and east - west < 6:
        zone = int(np.clip(round(lon / 3), 25, 45))
        return CRS.from_epsg(FIRST_ZONE_EPSG + zone - 25)
    return CRS.from_proj4(
        f"+proj=tmerc +lat_0={lat:.2f} +lon_0={lon:.2f} +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m"
    )


@lru_cache(maxsize=16)
def _transformer(source: str, target: str) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def project(lonlat: NDArray[np.float64], crs: str) -> NDArray[np.float64]:
    """WGS84 degrees to metres of ``crs``.

    Parameters
    ----------
    lonlat : ndarray, shape (n, 2)
        Longitude, latitude.
    crs : str
        Projected CRS, as `geo.network.WalkNetwork.crs`.

    Returns
    -------
    ndarray, shape (n, 2), float64
        Easting, northing.
    """
    points = np.asarray(lonlat, dtype=np.float64).reshape(-1, 2)
    return np.column_stack(_transformer("EPSG:4326", crs).transform(points[:, 0], points[:, 1]))


def unproject(xy: NDArray[np.float64], crs: str) -> NDArray[np.float64]:
    """Metres of ``crs`` to WGS84 degrees; the inverse of `project`.

    Parameters
    ----------
    xy : ndarray, shape (n, 2)
        Easting, northing.
    crs : str

    Returns
    -------
    ndarray, shape (n, 2), float64
        Longitude, latitude.
    """
    points = np.asarray(xy, dtype=np.float64).reshape(-1, 2)
    return np.column_stack(_transformer(crs, "EPSG:4326").transform(points[:, 0], points[:, 1]))
