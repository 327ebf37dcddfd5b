"""Files that come over the network: what they are is read from their bytes, never from their name.

GDAL opens whatever a file says it is, descriptions that point to other files and hosts among them.
So only formats that hold their own data get to it, each under the ending that says so.
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path, PurePosixPath

from data.errors import SourceFileError

MAX_UNPACKED_BYTES = 512 << 20
"""Most bytes that a ZIP archive may unpack to."""
MAX_MEMBERS = 500

_SHAPEFILE = (".shp", ".shx", ".dbf", ".prj", ".cpg")
_SHAPE_MAGIC = b"\x00\x00\x27\x0a"
_KINDS = ((b"PK\x03\x04", ".zip"), (b"SQLite format 3\x00", ".gpkg"), (b"PAR1", ".parquet"))
_FORMATS = "Send a GeoPackage, GeoJSON or GeoParquet file, or a shapefile packed as ZIP."
_FORMATS_ZH = "请上传 GeoPackage、GeoJSON、GeoParquet 文件，或打包成 ZIP 的 Shapefile。"


def opened_upload(upload: Path, name: str, folder: Path) -> Path:
    """Bring an uploaded file into a form that may be read: unpacked, with the right ending.

    Parameters
    ----------
    upload : Path
        The bytes that came; moved away unless it is an archive.
    name : str
        As the sender calls it; only its letters, digits and dashes are used.
    folder : Path
        An empty folder of its own.

    Returns
    -------
    Path
        A GeoPackage, GeoJSON, GeoParquet or shapefile in ``folder``.

    Raises
    ------
    SourceFileError
        If it is none of these, or an archive with none or several of them, too large or broken.
    """
    stem = clean_stem(name)
    kind = _kind(upload, name)
    if kind != ".zip":
        return _named(upload, folder / f"{stem}{kind}")
    try:
        with zipfile.ZipFile(upload) as archive:
            return _unpacked(archive, name, folder)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise _error(
            f"{name} cannot be unpacked: {error}.",
            "Pack the files again as a plain ZIP archive without a password.",
            f"{name} 无法解压。",
            "请重新打包为不加密的普通 ZIP 文件。",
        ) from error


def clean_stem(name: str) -> str:
    """The name of a file without folders and endings, in letters that no path reads as more."""
    last = re.split(r"[/\\]", name)[-1]
    stem = re.sub(r"(\.(gpkg|geojson|json|parquet|shp|gbk|zip))+$", "", last, flags=re.I)
    return re.sub(r"[^\w\- ()（）]+", "_", stem).strip(" _")[:80] or "grids"


def _kind(path: Path, name: str) -> str:
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise _error(
            f"{name} is empty.", "Choose the file again.", f"{name} 是空文件。", "请重新选择文件。"
        )
    for magic, kind in _KINDS:
        if head.startswith(magic):
            return kind
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        _check_geojson(path, name)
        return ".geojson"
    if head.startswith(_SHAPE_MAGIC) or Path(name).suffix.lower() in _SHAPEFILE:
        raise _error(
            f"{name} is only one part of a shapefile.",
            "Pack its .shp, .shx, .dbf and .prj into one ZIP archive and send that.",
            f"{name} 只是 Shapefile 的一部分。",
            "请把 .shp、.shx、.dbf、.prj 一起打包成 ZIP 再上传。",
        )
    raise _error(
        f"{name} is no file of map features.", _FORMATS, f"{name} 不是矢量数据文件。", _FORMATS_ZH
    )


def _check_geojson(path: Path, name: str) -> None:
    """Let only GeoJSON through: its relatives may point to other files."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            said = json.load(file)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise _error(
            f"{name} cannot be read as GeoJSON: {error}.",
            "Save it again as GeoJSON in UTF-8.",
            f"{name} 无法按 GeoJSON 读取。",
            "请以 UTF-8 编码重新保存为 GeoJSON。",
        ) from error
    if not isinstance(said, dict) or said.get("type") != "FeatureCollection":
        raise _error(
            f"{name} is no GeoJSON FeatureCollection.",
            "Export the layer of grids as GeoJSON.",
            f"{name} 不是 GeoJSON 要素集合。",
            "请把网格图层导出为 GeoJSON。",
        )


def _unpacked(archive: zipfile.ZipFile, name: str, folder: Path) -> Path:
    members = [
        m
        for m in archive.infolist()
        if not m.is_dir()
        and "__MACOSX" not in m.filename
        and not PurePosixPath(m.filename).name.startswith(".")
    ]
    size = sum(m.file_size for m in members)
    if len(members) > MAX_MEMBERS or size > MAX_UNPACKED_BYTES:
        raise _error(
            f"{name} unpacks to {len(members)} files and {size >> 20} MB.",
            f"Pack the layer of grids alone: at most {MAX_UNPACKED_BYTES >> 20} MB.",
            f"{name} 解压后有 {len(members)} 个文件、{size >> 20} MB。",
            f"请只打包网格图层，解压后不超过 {MAX_UNPACKED_BYTES >> 20} MB。",
        )
    endings = (".shp", ".gpkg", ".geojson", ".json", ".parquet")
    layers = [m for m in members if PurePosixPath(m.filename).suffix.lower() in endings]
    if len(layers) != 1:
        found = ", ".join(_text(m) for m in layers) or ", ".join(_text(m) for m in members[:5])
        raise _error(
            f"{name} holds {len(layers)} layers ({found}).",
            "Pack exactly one layer of grids.",
            f"{name} 里有 {len(layers)} 个图层（{found}）。",
            "请只打包一个网格图层。",
        )
    layer = layers[0]
    place = PurePosixPath(layer.filename)
    stem = clean_stem(_text(layer))
    if place.suffix.lower() != ".shp":
        inner = folder / "inner"
        _extract(archive, layer, inner)
        kind = _kind(inner, place.name)
        if kind == ".zip":
            raise _error(
                f"{name} holds another archive.", _FORMATS, f"{name} 里还是压缩包。", _FORMATS_ZH
            )
        return _named(inner, folder / f"{stem}{kind}")
    beside = {
        PurePosixPath(m.filename).suffix.lower(): m
        for m in members
        if PurePosixPath(m.filename).with_suffix("") == place.with_suffix("")
    }
    missing = [ending for ending in (".shx", ".dbf") if ending not in beside]
    if missing:
        raise _error(
            f"{name} lacks {' and '.join(missing)} of {place.name}.",
            "Pack .shp, .shx, .dbf and .prj of the layer together.",
            f"{name} 缺少 {'、'.join(missing)}。",
            "请把图层的 .shp、.shx、.dbf、.prj 一起打包。",
        )
    for ending in _SHAPEFILE:
        if ending in beside:
            _extract(archive, beside[ending], folder / f"{stem}{ending}")
    path = folder / f"{stem}.shp"
    if path.open("rb").read(4) != _SHAPE_MAGIC:
        raise _error(
            f"{place.name} is no shapefile.",
            _FORMATS,
            f"{place.name} 不是 Shapefile。",
            _FORMATS_ZH,
        )
    return path


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, to: Path) -> None:
    """Unpack one member, never more than it says it holds."""
    left = member.file_size
    with archive.open(member) as packed, to.open("wb") as file:
        while block := packed.read(min(1 << 20, left + 1)):
            left -= len(block)
            if left < 0:
                raise zipfile.BadZipFile(f"{member.filename} is larger than the archive says")
            file.write(block)


def _text(member: zipfile.ZipInfo) -> str:
    """Name of a member; archives made on Chinese Windows name it in GBK and do not say so."""
    name = PurePosixPath(member.filename).name
    if member.flag_bits & 0x800:
        return name
    try:
        return name.encode("cp437").decode("gb18030")
    except UnicodeError:
        return name


def _named(path: Path, to: Path) -> Path:
    shutil.move(path, to)
    return to


def _error(message: str, remedy: str, message_zh: str, remedy_zh: str) -> SourceFileError:
    return SourceFileError(message, remedy=remedy, zh=(message_zh, remedy_zh))
