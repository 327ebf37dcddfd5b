"""Coordinates of a file in WGS84, by the datum its owner names; doubts are told."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from data.errors import SourceFileError
from geo.datums import DATUMS, to_wgs84


def to_degrees(xy: NDArray[np.float64], datum: str) -> NDArray[np.float64]:
    """WGS84 degrees of coordinates in a named datum or CRS.

    Parameters
    ----------
    xy : ndarray, shape (n, 2)
        Longitude and latitude, or easting and northing; NaN stays NaN.
    datum : str
        One of `geo.datums.DATUMS`, or a CRS such as ``EPSG:4548`` for Gauss-Krüger metres.

    Raises
    ------
    SourceFileError
        If the datum is neither.
    """
    if datum.lower() in DATUMS:
        out = xy.copy()
        known = np.isfinite(xy).all(axis=1)
        out[known] = to_wgs84(xy[known], datum.lower())
        return out
    try:
        crs = CRS.from_user_input(datum)
    except Exception as error:  # pyproj raises CRSError, which has no public base
        raise SourceFileError(
            f"The datum {datum!r} is unknown.",
            remedy=f"Use one of {', '.join(DATUMS)}, or a CRS such as EPSG:4548.",
        ) from error
    x, y = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(xy[:, 0], xy[:, 1])
    return np.column_stack([x, y])


def doubts(lonlat: NDArray[np.float64], datum: str) -> list[str]:
    """What makes coordinates look like something else than they are said to be.

    Parameters
    ----------
    lonlat : ndarray, shape (n, 2)
        As the file has them, before any shift.
    datum : str
        As named by the user.
    """
    points = lonlat[np.isfinite(lonlat).all(axis=1)]
    if not len(points) or datum.lower() not in DATUMS:
        return []
    found = []
    x, y = points[:, 0], points[:, 1]
    swapped = (np.abs(y) > 90) & (np.abs(x) <= 90)
    in_china = (x > 73) & (x < 136) & (y > 17) & (y < 54)
    turned = (y > 73) & (y < 136) & (x > 17) & (x < 54)
    if swapped.mean() > 0.5 or (turned & ~in_china).mean() > 0.5:
        found.append(
            "Longitude and latitude look swapped: most rows lie in China only the other way round."
        )
    elif (np.abs(points) > 360).any(axis=1).mean() > 0.5:
        found.append(
            "The values look like metres, not degrees: name their CRS, for example EPSG:4548."
        )
    elif datum.lower() in ("gcj02", "bd09", "cgcs2000") and in_china.mean() < 0.5:
        found.append(f"Most positions lie outside China, where {datum} is not used.")
    return found
