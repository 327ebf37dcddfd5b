"""Reading any vector file that GDAL knows, in WGS84, Chinese attributes in any encoding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from data.errors import SourceFileError


@dataclass(frozen=True, slots=True)
class Vector:
    """Features of a file.

    Attributes
    ----------
    frame : GeoDataFrame
        EPSG:4326; index is the feature number in the file, from 1.
    warnings : list of str
    """

    frame: gpd.GeoDataFrame
    warnings: list[str]


def read_vector(path: Path, *, layer: str | None = None, crs: str | None = None) -> Vector:
    """Read a vector file.

    Parameters
    ----------
    path : Path
        GeoPackage, Shapefile (also zipped, also in GBK), GeoJSON, KML, FlatGeobuf, GeoParquet …
    layer : str, optional
        Of a file with several; the first by default.
    crs : str, optional
        CRS of a file that does not say, for example ``EPSG:4490`` or ``EPSG:4548``.

    Raises
    ------
    SourceFileError
        If the file cannot be read, is empty, or its CRS is neither said nor sure.
    """
    warnings: list[str] = []
    try:
        if path.suffix.lower() == ".parquet":
            frame = gpd.read_parquet(path)
        else:
            frame = pyogrio.read_dataframe(path, layer=layer, encoding=_encoding(path))
    except (DataSourceError, DataLayerError, OSError, ValueError, UnicodeError) as error:
        raise SourceFileError(
            f"{path.name} cannot be read as a vector file: {error}.",
            remedy="Give a GeoPackage, Shapefile, GeoJSON, KML or GeoParquet file.",
        ) from error
    if not isinstance(frame, gpd.GeoDataFrame) or not len(frame):
        raise SourceFileError(f"{path.name} holds no features with geometry.")
    if frame.geometry.name != "geometry":
        frame = frame.rename_geometry("geometry")
    if frame.crs is None or crs is not None:
        frame, note = _placed(path, frame, crs)
        warnings.append(note)
    frame = frame.to_crs("EPSG:4326")
    frame["geometry"] = shapely.force_2d(frame.geometry.array)
    frame.index = np.arange(1, len(frame) + 1)
    return Vector(frame, warnings)


def _placed(path: Path, frame: gpd.GeoDataFrame, crs: str | None) -> tuple[gpd.GeoDataFrame, str]:
    if crs is not None:
        return (
            frame.set_crs(crs, allow_override=True),
            f"{path.name}: coordinates were read as {crs}, as named.",
        )
    bounds = frame.total_bounds
    if (
        np.isfinite(bounds).all()
        and (np.abs(bounds[[0, 2]]) <= 180).all()
        and (np.abs(bounds[[1, 3]]) <= 90).all()
    ):
        return (
            frame.set_crs("EPSG:4326"),
            f"{path.name} names no CRS; its values look like degrees and were read as WGS84. "
            "Name it with --crs if that is wrong.",
        )
    raise SourceFileError(
        f"{path.name} names no CRS and its values ({bounds[0]:.0f}, {bounds[1]:.0f}) are metres.",
        remedy="Name it, for example --crs EPSG:4548 for CGCS2000 Gauss-Krüger at 117 degrees.",
    )


def _encoding(path: Path) -> str | None:
    """Encoding of the attributes of a shapefile without .cpg; None lets GDAL decide."""
    if path.suffix.lower() != ".shp" or path.with_suffix(".cpg").exists():
        return None
    table = path.with_suffix(".dbf")
    if not table.exists():
        return None
    raw = table.read_bytes()
    if len(raw) > 29 and raw[29] not in (0, 0x57):
        return None  # the header names a code page, which GDAL reads
    for encoding in ("utf-8", "gb18030"):
        try:
            raw[32:].decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "gb18030"
