"""Whole billionths of a degree, about 0.1 mm: equal vertices are equal numbers."""

from __future__ import annotations

import numpy as np
import shapely

UNITS = 1e9
"""Units of a degree."""
M_PER_DEGREE = 111_320.0
"""Metres of a degree of latitude."""


def snapped(geometry: shapely.Geometry) -> shapely.Geometry:
    """Degrees rounded to whole billionths, as grids and cells are kept.

    Parameters
    ----------
    geometry : Geometry or array of Geometry
        WGS84 degrees.
    """
    return shapely.transform(geometry, lambda c: np.rint(c * UNITS) / UNITS)


def to_units(geometry: shapely.Geometry) -> shapely.Geometry:
    """Degrees to whole billionths of a degree."""
    return shapely.transform(geometry, lambda c: np.rint(c * UNITS))


def to_degrees(geometry: shapely.Geometry) -> shapely.Geometry:
    """Whole billionths of a degree to degrees."""
    return shapely.transform(geometry, lambda c: c / UNITS)
