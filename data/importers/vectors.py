"""Reading any vector file that GDAL knows, in WGS84, Chinese attributes in any encoding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from data.errors import SourceFileError
from data.importers import kml
from geo.datums import DATUMS, to_wgs84


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
        CRS of a file that does not say, for example ``EPSG:4490`` or ``EPSG:4548``; or one of
        `geo.datums.DATUMS` where its degrees are in that datum, whatever the file says.

    Raises
    ------
    SourceFileError
        If the file cannot be read, is empty, or its CRS is neither said nor sure.
    """
    warnings: list[str] = []
    try:
        if path.suffix == ".parquet":
            frame = gpd.read_parquet(path)
        else:
            frame, layers = _read(path, layer)
            if layer is None and len(layers) > 1:
                warnings.append(
                    f"{path.name} has {len(layers)} layers; the first, {layers[0]}, was read. "
                    f"Name another with --layer: {', '.join(layers[1:])}."
                )
    except (DataSourceError, DataLayerError, OSError, ValueError, UnicodeError) as error:
        raise SourceFileError(
            f"{path.name} cannot be read as a vector file: {error}.",
            remedy="Give a GeoPackage, Shapefile, GeoJSON, KML or GeoParquet file.",
            zh=(
                f"{path.name} 无法作为矢量数据读取。",
                "请使用 GeoPackage、Shapefile、GeoJSON、KML 或 GeoParquet 文件。",
            ),
        ) from error
    if not isinstance(frame, gpd.GeoDataFrame) or not len(frame):
        raise SourceFileError(
            f"{path.name} holds no features with geometry.",
            zh=(f"{path.name} 里没有带图形的要素。", "请检查导出的图层是否选对。"),
        )
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
    if crs is not None and crs.lower() in DATUMS:
        degrees = frame.set_crs("EPSG:4326", allow_override=True)
        degrees["geometry"] = shapely.transform(
            shapely.force_2d(degrees.geometry.array), lambda xy: to_wgs84(xy, crs.lower())
        )
        return degrees, f"{path.name}: coordinates were read as {crs} and written as WGS84."
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
        zh=(
            f"{path.name} 没有坐标系信息，坐标值（{bounds[0]:.0f}, {bounds[1]:.0f}）是米制的。",
            "请注明坐标系，例如 EPSG:4548（CGCS2000，中央经线 117°）。",
        ),
    )


def _read(path: Path, layer: str | None) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Read one layer with GDAL; gives the names of all layers too."""
    source: Path | bytes = path
    names: dict[str, str] = {}
    if path.suffix.lower() in kml.ENDINGS:
        source, names = kml.readable(path)
    layers = [str(name) for name in pyogrio.list_layers(source)[:, 0]]
    if layer is not None and layer not in layers:
        raise SourceFileError(
            f"{path.name} has no layer {layer!r}.", remedy=f"It has: {', '.join(layers)}."
        )
    chosen = layer if layer is not None else layers[0] if layers else None
    if names or isinstance(source, bytes):
        return kml.columns_named(pyogrio.read_dataframe(source, layer=chosen), names), layers
    return _decoded(path, chosen), layers


def _decoded(path: Path, layer: str | None) -> gpd.GeoDataFrame:
    """Read with GDAL; the table of a shapefile byte by byte, to decode it ourselves.

    A shapefile cuts column names after ten bytes, in UTF-8 through the middle of a Chinese letter,
    which readers that decode strictly refuse.
    """
    encoding = _table_encoding(path)
    if encoding is None:
        return pyogrio.read_dataframe(path, layer=layer)
    frame = pyogrio.read_dataframe(path, layer=layer, encoding="ISO-8859-1")

    def text(value: object) -> object:
        if not isinstance(value, str):
            return value
        return value.encode("latin-1").decode(encoding, "ignore")

    for column in frame.columns:
        if column != frame.geometry.name and not pd.api.types.is_numeric_dtype(frame[column]):
            frame[column] = frame[column].map(text)
    return frame.rename(columns={c: text(c) for c in frame.columns if c != frame.geometry.name})


def _table_encoding(path: Path) -> str | None:
    """Encoding of the table of a plain shapefile: as .cpg says, else what its rows decode as."""
    table = path.with_suffix(".dbf")
    if path.suffix.lower() != ".shp" or not table.exists():
        return None
    said = path.with_suffix(".cpg")
    if said.exists():
        name = said.read_text("ascii", "ignore").strip()
        name = {"936": "gb18030", "65001": "utf-8"}.get(name, name)
        try:
            "".encode(name)
        except LookupError:
            pass
        else:
            return name
    raw = table.read_bytes()
    rows = raw[int.from_bytes(raw[8:10], "little") :]
    try:
        rows.decode("utf-8")
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8"
