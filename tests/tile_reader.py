"""Reads vector tiles with GDAL: an independent implementation of the format."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pyogrio


def read_tile(folder: Path, z: int, x: int, y: int, body: bytes) -> dict[str, gpd.GeoDataFrame]:
    """Layers of a tile by name, in EPSG:3857."""
    path = folder / str(z) / str(x) / f"{y}.mvt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    if not body:
        return {}
    return {
        name: pyogrio.read_dataframe(path, layer=name) for name in pyogrio.list_layers(path)[:, 0]
    }
