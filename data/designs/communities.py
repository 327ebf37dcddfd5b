"""Communities of a design over files."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from data.errors import SourceFileError
from data.importers.layers import read_layer
from data.importers.osm import read_osm


def read_communities(path: Path, warnings: list[str]) -> gpd.GeoDataFrame:
    """Read the communities of a file of areas, by code; EPSG:4326.

    Raises
    ------
    SourceFileError
        If it has none.
    """
    if path.name.lower().endswith((".osm", ".osm.pbf", ".o5m")):
        frame = read_osm(path, parts=("areas",)).areas
    else:
        frame, report = read_layer(path, "areas")
        warnings += report.told()
    chosen = frame[frame["level"] == "community"].sort_values("code").reset_index(drop=True)
    if not len(chosen):
        raise SourceFileError(
            f"{path.name} has no area of the level community.",
            remedy="Grids are designed within communities 社区; give their outlines.",
        )
    return chosen


def tell_overlaps(
    areas: NDArray[np.object_], communities: gpd.GeoDataFrame, warnings: list[str]
) -> None:
    """Tell of communities that share ground; ``areas`` are their shapes in metres."""
    one, other = shapely.STRtree(areas).query(areas, predicate="overlaps")
    for a, b in zip(one[one < other], other[one < other], strict=True):
        shared = shapely.intersection(areas[a], areas[b]).area
        if shared > 10:
            warnings.append(
                f"Communities {communities['name'].iloc[a]} and {communities['name'].iloc[b]} "
                f"overlap by {shared:,.0f} m²; buildings there go to the first."
            )
