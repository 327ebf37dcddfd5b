"""Writing results to the file kind that the ending names, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import SourceFileError

VECTOR_DRIVERS = {
    ".gpkg": "GPKG",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".fgb": "FlatGeobuf",
    ".shp": "ESRI Shapefile",
}
TABLE_ENDINGS = (".parquet", ".csv", ".xlsx")
LAYERED_ENDINGS = (".gpkg",)
"""Endings of files that can hold several layers."""


def check_ending(path: Path, *, layers: int = 1) -> None:
    """Refuse a file kind that cannot be written, before anything is computed.

    Raises
    ------
    SourceFileError
        If the ending is unknown, the folder does not exist, or the kind holds one layer only
        and several are wanted.
    """
    ending = path.suffix.lower()
    if ending not in VECTOR_DRIVERS and ending not in TABLE_ENDINGS:
        known = ", ".join([*VECTOR_DRIVERS, *TABLE_ENDINGS])
        raise SourceFileError(
            f"{path.name}: files ending in {ending or 'nothing'!r} cannot be written.",
            remedy=f"Use one of: {known}.",
        )
    if layers > 1 and ending not in LAYERED_ENDINGS:
        raise SourceFileError(
            f"{path.name}: a {ending} file holds one layer, and {layers} are to be written.",
            remedy="Write a .gpkg file.",
        )
    if not path.parent.is_dir():
        raise SourceFileError(
            f"{path}: the folder {path.parent} does not exist.", remedy="Make the folder first."
        )


def write_layers(
    path: Path,
    layers: Mapping[str, gpd.GeoDataFrame | pd.DataFrame],
    *,
    notes: Mapping[str, str],
) -> None:
    """Write one or more layers to ``path``; an old file is replaced only when the new one is whole.

    Parameters
    ----------
    path : Path
        Its ending chooses the kind. Vector kinds need frames with geometry; CSV and XLSX drop it;
        Parquet keeps it where there is one (GeoParquet).
    layers : mapping of str to frame
        More than one only where the kind holds several.
    notes : mapping of str to str
        What a reader must know (speed, waits, network version …): kept as file metadata in
        Parquet and GeoPackage; other kinds carry the same as columns.

    Raises
    ------
    SourceFileError
        If the kind cannot be written or does not hold several layers.
    """
    check_ending(path, layers=len(layers))
    ending = path.suffix.lower()
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".gridcircle-") as folder:
        draft = Path(folder) / path.name
        for number, (name, frame) in enumerate(layers.items()):
            if ending in VECTOR_DRIVERS:
                _write_vector(draft, name, frame, notes, append=number > 0)
            else:
                _write_table(draft, frame, notes)
        for written in Path(folder).iterdir():  # a shapefile is several files
            shutil.move(written, path.parent / written.name)


def _write_vector(
    draft: Path,
    name: str,
    frame: gpd.GeoDataFrame | pd.DataFrame,
    notes: Mapping[str, str],
    *,
    append: bool,
) -> None:
    if not isinstance(frame, gpd.GeoDataFrame):
        raise SourceFileError(
            f"{draft.name}: the layer {name!r} has no geometry.",
            remedy="Write it as .csv, .xlsx or .parquet.",
        )
    driver = VECTOR_DRIVERS[draft.suffix.lower()]
    extra: dict[str, object] = {}
    if driver == "GPKG":
        extra["dataset_metadata"] = None if append else dict(notes)
        extra["append"] = append
    if driver == "GeoJSON":
        extra["COORDINATE_PRECISION"] = "7"
    if driver == "ESRI Shapefile":
        extra["encoding"] = "UTF-8"
    frame.to_file(draft, layer=name, driver=driver, engine="pyogrio", **extra)


def _write_table(draft: Path, frame: pd.DataFrame, notes: Mapping[str, str]) -> None:
    ending = draft.suffix.lower()
    if ending == ".parquet":
        if isinstance(frame, gpd.GeoDataFrame):
            frame.to_parquet(draft, index=False)
            table = pq.read_table(draft)
        else:
            table = pa.Table.from_pandas(frame, preserve_index=False)
        metadata = {**(table.schema.metadata or {}), **notes}
        pq.write_table(table.replace_schema_metadata(metadata), draft)
        return
    plain = pd.DataFrame(frame.drop(columns="geometry", errors="ignore"))
    if ending == ".csv":
        text = plain.to_csv(index=False, lineterminator="\n")
        # Excel needs the byte-order mark to know Chinese text as UTF-8; plain ASCII does without.
        draft.write_text(text, encoding="utf-8" if text.isascii() else "utf-8-sig", newline="")
    else:
        plain.to_excel(draft, index=False)
