"""KML as Google Earth and Chinese map tools write it, for GDAL to read."""

from __future__ import annotations

import html
import re
import zipfile
from pathlib import Path

import geopandas as gpd

from data.errors import SourceFileError

ENDINGS = (".kml", ".kmz")

_DATA_NAME = re.compile(r"(<(?:\w+:)?Data\s+name\s*=\s*)(\"[^\"]*\"|'[^']*')")
_OF_THE_FORMAT = (
    "id",
    "timestamp",
    "begin",
    "end",
    "altitudeMode",
    "tessellate",
    "extrude",
    "visibility",
    "drawOrder",
    "icon",
    "snippet",
)
"""Columns that GDAL makes of the format's own elements: how a feature is drawn, not what it is."""


def readable(path: Path) -> tuple[bytes, dict[str, str]]:
    """Content of a KML or KMZ file with names of data that GDAL keeps, and what they stand for.

    GDAL's driver turns every Chinese letter of an untyped ``<Data name="编号">`` into underscores,
    so that two columns become one. The names are numbered first, and given back afterwards.

    Parameters
    ----------
    path : Path

    Returns
    -------
    tuple of bytes and dict
        The KML, and the names that the file uses by the names in the KML.

    Raises
    ------
    SourceFileError
        If a KMZ holds no KML, or the text is neither UTF-8 nor GB18030.
    """
    if path.suffix.lower() == ".kmz":
        try:
            with zipfile.ZipFile(path) as archive:
                inside = [n for n in archive.namelist() if n.lower().endswith(".kml")]
                if not inside:
                    raise SourceFileError(f"{path.name} holds no KML file.")
                raw = archive.read("doc.kml" if "doc.kml" in inside else inside[0])
        except zipfile.BadZipFile as error:
            raise SourceFileError(
                f"{path.name} is no KMZ file: {error}.", remedy="Save it anew as .kml."
            ) from error
    else:
        raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = raw.decode("gb18030")
        except UnicodeDecodeError as error:
            raise SourceFileError(
                f"{path.name} is neither UTF-8 nor GB18030.", remedy="Save it anew as UTF-8."
            ) from error
        text = re.sub(r"(<\?xml[^>]*encoding=)[\"'][^\"']*[\"']", r'\1"UTF-8"', text, count=1)
    names: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        name = html.unescape(match[2][1:-1])
        known = names.setdefault(name, f"data_{len(names)}")
        return f'{match[1]}"{known}"'

    numbered = _DATA_NAME.sub(number, text)
    return numbered.encode(), {known: name for name, known in names.items()}


def columns_named(frame: gpd.GeoDataFrame, names: dict[str, str]) -> gpd.GeoDataFrame:
    """Give columns their names back, join those of one name, and drop those of the format."""
    frame = frame.drop(columns=[column for column in _OF_THE_FORMAT if column in frame.columns])
    for known, name in names.items():
        if known not in frame.columns:
            continue
        values = frame[known]
        if name in frame.columns:  # typed in one folder, untyped in another
            values = frame[name].where(frame[name].notna(), values)
            frame = frame.drop(columns=name)
        frame = frame.drop(columns=known).assign(**{name: values})
    return frame
