"""The inputs of an audit as files, so that it can be made again from them alone, figure by figure.

Arrays are NumPy's own format without pickled objects; texts among them are JSON. The same place
gives the same bytes, so that audits of one city share what did not change between them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from data.audits.place import HomeRows, Place, SiteRows, StationRows
from data.errors import SourceFileError
from geo.audit import AreaTable
from geo.network import WalkNetwork
from geo.snapping import Barriers

FORMAT = 1
FILES = ("place.json", "network.npz", "ground.npz", "homes.npz", "stations.npz", "areas.npz")
"""Names of the parts."""

Arrays = dict[str, NDArray[Any]]
_TEXT = "text."


def inputs_of(place: Place) -> dict[str, bytes]:
    """Write a place as files in memory, by name."""
    network: Arrays = {}
    texts: dict[str, str] = {}
    for field in fields(place.network):
        value = getattr(place.network, field.name)
        if isinstance(value, np.ndarray):
            network[field.name] = value
        else:
            texts[field.name] = value
    areas: Arrays = {}
    for level, table in place.areas.items():
        areas |= {
            f"{_TEXT}{level}.code": _packed(table.code),
            f"{_TEXT}{level}.name": _packed(table.name),
            f"{_TEXT}{level}.parent": _packed(table.parent),
            f"{level}.home": table.home,
            f"{level}.station": table.station,
        }
        if table.workers is not None:
            areas[f"{level}.workers"] = table.workers
        if level in place.shapes:
            pieces = [bytes(wkb) for wkb in shapely.to_wkb(place.shapes[level])]
            areas[f"{level}.shape_ends"] = np.cumsum([len(piece) for piece in pieces])
            areas[f"{level}.shape"] = np.frombuffer(b"".join(pieces), np.uint8)
    about = {
        "format": FORMAT,
        "name": place.name,
        "is_sample": place.is_sample,
        "attribution": place.attribution,
        "max_snap_m": place.max_snap_m,
        "levels": list(place.areas),
        "network": texts,
        "inputs": place.inputs,
        "warnings": place.warnings,
    }
    return {
        "place.json": json.dumps(about, ensure_ascii=False, indent=1).encode(),
        "network.npz": _npz(network),
        "ground.npz": _npz({f.name: getattr(place.barriers, f.name) for f in fields(Barriers)}),
        "homes.npz": _rows(place.homes),
        "stations.npz": _rows(place.stations, place.sites),
        "areas.npz": _npz(areas),
    }


def place_from(files: Mapping[str, bytes]) -> Place:
    """Read a place as `inputs_of` wrote it.

    Raises
    ------
    SourceFileError
        If a part is missing, broken or of another format.
    """
    missing = [name for name in FILES if name not in files]
    if missing:
        raise SourceFileError(
            f"The pack has no inputs/{missing[0]}.",
            remedy="Give a whole pack: pack.zip of the service, or the folder of --out.",
        )
    try:
        about = json.loads(files["place.json"])
        if about["format"] != FORMAT:
            raise SourceFileError(
                f"The inputs of the pack are of format {about['format']}, not {FORMAT}.",
                remedy="Read it with the version of Gridcircle that wrote it.",
            )
        arrays = {name: _arrays(files[name]) for name in FILES[1:]}
        areas, shapes = {}, {}
        given = arrays["areas.npz"]
        for level in about["levels"]:
            areas[level] = AreaTable(
                given[f"{_TEXT}{level}.code"],
                given[f"{_TEXT}{level}.name"],
                given[f"{_TEXT}{level}.parent"],
                given[f"{level}.home"],
                given[f"{level}.station"],
                given.get(f"{level}.workers"),
            )
            if f"{level}.shape" in given:
                ends = given[f"{level}.shape_ends"].tolist()
                content = given[f"{level}.shape"].tobytes()
                pieces = [content[a:b] for a, b in zip([0, *ends], ends, strict=False)]
                shapes[level] = np.asarray(shapely.from_wkb(pieces), object).reshape(-1)
        stations = arrays["stations.npz"]
        network: dict[str, Any] = arrays["network.npz"] | about["network"]
        return Place(
            about["name"],
            about["is_sample"],
            about["attribution"],
            WalkNetwork(**network),
            Barriers(**arrays["ground.npz"]),
            about["max_snap_m"],
            HomeRows(**_fields(arrays["homes.npz"], "HomeRows")),
            StationRows(**_fields(stations, "StationRows")),
            SiteRows(**_fields(stations, "SiteRows")),
            areas,
            shapes,
            about["inputs"],
            about["warnings"],
        )
    except (KeyError, TypeError, ValueError, EOFError, OSError, shapely.GEOSException) as error:
        raise SourceFileError(
            f"The inputs of the pack are broken: {error}.",
            remedy="Fetch the pack again; manifest.json tells what its files should be.",
        ) from error


def _npz(arrays: Arrays) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **arrays)
    return out.getvalue()


def _arrays(content: bytes) -> Arrays:
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        return {
            name: _unpacked(found[name]) if name.startswith(_TEXT) else found[name]
            for name in found.files
        }


def _packed(values: Sequence[Any] | NDArray[np.object_]) -> NDArray[np.uint8]:
    """Texts (or lists of texts, or nothing) as JSON in bytes."""
    plain = [sorted(v) if isinstance(v, frozenset) else v for v in list(values)]
    return np.frombuffer(json.dumps(plain, ensure_ascii=False).encode(), np.uint8)


def _unpacked(content: NDArray[np.uint8]) -> NDArray[np.object_]:
    values = json.loads(content.tobytes())
    found = np.empty(len(values), object)
    found[:] = values
    return found


def _rows(*tables: Any) -> bytes:
    arrays: Arrays = {}
    for table in tables:
        for field in fields(table):
            value = getattr(table, field.name)
            if value is None:
                continue
            name = f"{type(table).__name__}.{field.name}"
            if isinstance(value, np.ndarray) and value.dtype != object:
                arrays[name] = value
            else:
                arrays[f"{_TEXT}{name}"] = _packed(value)
    return _npz(arrays)


def _fields(arrays: Arrays, table: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in arrays.items():
        plain = name.removeprefix(_TEXT)
        owner, _, field = plain.partition(".")
        if owner == table:
            found[field] = value
    if table == "StationRows":
        found["facilities"] = [frozenset(offered) for offered in found["facilities"]]
        found["hours"] = list(found["hours"])
    if table == "SiteRows":
        # Packs made before premises said what they could offer.
        given = found.get("facilities", [None] * len(found["code"]))
        found["facilities"] = [None if may is None else frozenset(may) for may in given]
    return found
