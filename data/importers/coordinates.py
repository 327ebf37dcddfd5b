"""Coordinates of a file in WGS84, by the datum its owner names; doubts are told."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from data.errors import SourceFileError
from geo.datums import DATUMS, to_wgs84

STEADY_M = (200.0, 1000.0)
"""Length of an offset from the streets that looks like a datum shift, metres."""
GAUSS_KRUEGER = range(4513, 4555)
"""EPSG codes of the CGCS2000 3-degree Gauss-Krüger zones, with and without zone prefix."""


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


def steady_offset(
    xy: NDArray[np.float64], lines: NDArray[np.object_]
) -> tuple[float, float] | None:
    """The one offset by which all points miss the streets, if there is one.

    Parameters
    ----------
    xy : ndarray, shape (n, 2)
        Points that should stand at streets, metres.
    lines : ndarray of LineString
        Streets in the same CRS.

    Returns
    -------
    tuple of float or None
        East and north metres that bring the points to the streets, where that at least halves
        their median distance to a street and is as long as a datum shift; else None.
    """
    if len(xy) < 5 or not len(lines):
        return None
    tree = shapely.STRtree(lines)

    def median_m(moved: NDArray[np.float64]) -> float:
        _, distance = tree.query_nearest(
            shapely.points(moved), all_matches=False, return_distance=True
        )
        return float(np.median(distance))

    now = median_m(xy)
    if now < 15:
        return None
    angles = np.radians(np.arange(0, 360, 15))
    tried = [(r * np.cos(a), r * np.sin(a)) for r in np.arange(200, 1001, 50) for a in angles]
    best = min(tried, key=lambda offset: median_m(xy + offset))
    length = float(np.hypot(*best))
    if median_m(xy + best) > now / 2 or not STEADY_M[0] <= length <= STEADY_M[1]:
        return None
    return float(best[0]), float(best[1])
