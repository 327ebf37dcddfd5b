"""The nodes, ways and relations of an OpenStreetMap file as arrays, without a loop over nodes.

libosmium reads the file (XML, PBF, o5m; plain or compressed), puts the coordinates on the ways,
keeps what carries one of the keys asked for, and writes that in its line format OPL
(https://osmcode.org/opl-file-format/). The lines are then taken apart here: tags one by one,
node numbers and coordinates all at once. Everything stays in C++ or numpy except the tags.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import osmium
from numpy.typing import NDArray

from data.errors import SourceFileError

FORMATS = (".osm", ".xml", ".pbf", ".o5m", ".opl", ".gz", ".bz2")
"""Endings of files that libosmium reads."""

_NEW = 1 << 50
"""Ids above this stand for ids below zero while a file is in order."""
_MISSING = 999.0
_CHUNK_BYTES = 4_000_000
_TO_SPACES = bytes.maketrans(b"nxy,", b"    ")
_ESCAPE = re.compile("%([0-9a-fA-F]+)%")
_WAY, _NODE = ord("w"), ord("n")

Tags = dict[str, str]
_Filters = list[osmium.BaseFilter]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class OsmWays:
    """Ways in the order of their ids.

    Attributes
    ----------
    ids : ndarray, shape (w,), int64
    tags : list of dict
        Equal tag sets share one dict: do not change them.
    offsets : ndarray, shape (w + 1,), int64
        Nodes of way i are rows ``offsets[i]:offsets[i + 1]`` of the next two.
    refs : ndarray, shape (k,), int64
        Node ids.
    lonlat : ndarray, shape (k, 2), float64
        WGS84 degrees; NaN where the file does not hold the node.
    """

    ids: NDArray[np.int64]
    tags: list[Tags]
    offsets: NDArray[np.int64]
    refs: NDArray[np.int64]
    lonlat: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OsmNodes:
    """Nodes with tags, in the order of their ids: ids (n,), lonlat (n, 2) WGS84, tags."""

    ids: NDArray[np.int64]
    lonlat: NDArray[np.float64]
    tags: list[Tags]


@dataclass(frozen=True, slots=True)
class OsmRelation:
    """A relation: its tags and members as (kind ``n``/``w``/``r``, id, role)."""

    id: int
    tags: Tags
    members: tuple[tuple[str, int, str], ...]


class OsmFile:
    """A map file that can be read several times; put in order first where it must be.

    Editors write files with ways before their nodes and with new objects numbered below zero.
    Such a file is found out by nodes that seem to be missing, and is then put in order in the
    temporary folder given.

    Parameters
    ----------
    path : Path
        A file that ends in one of `FORMATS`.
    folder : Path
        Where temporary files may be written.

    Raises
    ------
    SourceFileError
        If the file is missing, empty, a history or change file, or no map at all.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        _check_name(path)
        self.name = path.name
        self._path = path
        self._folder = folder
        self._ordered = False
        self._rewritten = False
        with (
            self.reading(),
            osmium.io.Reader(str(path), osmium.osm.NOTHING) as reader,
        ):
            header = reader.header()
            history = header.has_multiple_object_versions
            self.generator = header.get("generator")
            self._ordered = header.get("sorting") == "Type_then_ID"
            box = header.box()
            self.bounds = (
                (
                    box.bottom_left.lon,
                    box.bottom_left.lat,
                    box.top_right.lon,
                    box.top_right.lat,
                )
                if box.valid()
                else None
            )
        if history:
            raise SourceFileError(
                f"{path.name} is a history or change file, not a map of one moment.",
                remedy="Export the present state, for example with osmium time-filter.",
            )

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn what libosmium says of a broken file into a `SourceFileError`."""
        try:
            yield
        except (RuntimeError, UnicodeDecodeError, osmium.InvalidLocationError) as error:
            raise SourceFileError(
                f"{self.name} cannot be read as an OpenStreetMap file: {str(error).strip()}.",
                remedy="It may be cut short or damaged: download or export it again as .osm.pbf "
                "or .osm, and compare its size with the source's.",
            ) from error

    def elements(
        self,
        keys: Collection[str],
        tags: frozenset[str],
        *,
        ways_wanted: Callable[[Tags], bool] | None = None,
    ) -> tuple[OsmNodes, OsmWays]:
        """Read the nodes and ways that carry any of ``keys``, with those of their tags in ``tags``.

        Parameters
        ----------
        keys : collection of str
            Any of these keys makes an element matter.
        tags : frozenset of str
            Keys to keep; nothing else of an element is read into memory.
        ways_wanted : callable, optional
            Which ways to keep, by the tags kept; default all.
        """
        filters: _Filters = [osmium.filter.KeyFilter(*keys)]
        found = self._read(filters, tags, ways_wanted)
        if not self._ordered and np.isnan(found[1].lonlat).any() and self._needs_order(found[1]):
            self._put_in_order()
            found = self._read(filters, tags, ways_wanted)
        return found

    def ways(self, ids: Iterable[int]) -> OsmWays:
        """Read ways by id, whatever their tags; those the file does not hold are left out."""
        filters: _Filters = [
            osmium.filter.EntityFilter(osmium.osm.WAY),
            osmium.filter.IdFilter(_plus(i) for i in ids),
        ]
        return self._read(filters, frozenset())[1]

    def relations(self, keys: Collection[str], tags: frozenset[str]) -> list[OsmRelation]:
        """Read multipolygons and boundaries that carry any of ``keys``, in order of id.

        Keys that begin with ``ref:`` are kept with those in ``tags``.
        """
        found = []
        with self.reading():
            processor = (
                osmium.FileProcessor(str(self._path), osmium.osm.RELATION)
                .with_filter(
                    osmium.filter.TagFilter(("type", "multipolygon"), ("type", "boundary"))
                )
                .with_filter(osmium.filter.KeyFilter(*keys))
            )
            for relation in processor:
                if not isinstance(relation, osmium.osm.Relation):
                    continue
                kept = {k: v for k, v in relation.tags if k in tags or k.startswith("ref:")}
                members = tuple((m.type, _minus(m.ref), m.role) for m in relation.members)
                found.append(OsmRelation(_minus(relation.id), kept, members))
        return sorted(found, key=lambda relation: relation.id)

    def areas(self, keys: Collection[str]) -> list[tuple[int, str]]:
        """Assemble multipolygons and boundaries that carry any of ``keys``: id and WKB as hex.

        Relations with missing or open parts give nothing.
        """
        if not self._rewritten:
            try:
                return self._assembled(keys)
            except RuntimeError:
                # Assembling wants ids in order and only once: give it that before giving up.
                self._put_in_order()
        with self.reading():
            return self._assembled(keys)

    def _assembled(self, keys: Collection[str]) -> list[tuple[int, str]]:
        factory = osmium.geom.WKBFactory()
        processor = (
            osmium.FileProcessor(str(self._path))
            .with_areas(osmium.filter.KeyFilter(*keys))
            .with_filter(osmium.filter.EntityFilter(osmium.osm.AREA))
            .with_filter(osmium.filter.KeyFilter(*keys))
        )
        return [
            (_minus(area.orig_id()), factory.create_multipolygon(area))
            for area in processor
            if isinstance(area, osmium.osm.Area) and not area.from_way() and area.num_rings()[0]
        ]

    def _needs_order(self, ways: OsmWays) -> bool:
        """Whether missing nodes may stand elsewhere in the file: PBF is written in order."""
        return not self.name.endswith(".pbf") or bool(ways.refs.size and ways.refs.min() < 0)

    def _put_in_order(self) -> None:
        ordered = self._folder / "ordered.osm.pbf"
        with self.reading():
            numbered = self._folder / "numbered.osm.pbf"
            _number_above_zero(self._path, numbered)
            merge = osmium.MergeInputReader()
            merge.add_file(str(numbered))
            with osmium.SimpleWriter(str(ordered)) as writer:
                merge.apply(writer)
            numbered.unlink()
        self._path, self._ordered, self._rewritten = ordered, True, True

    def _read(
        self,
        filters: _Filters,
        tags: frozenset[str],
        ways_wanted: Callable[[Tags], bool] | None = None,
    ) -> tuple[OsmNodes, OsmWays]:
        lines = self._folder / "elements.opl"
        with self.reading():
            locations = osmium.NodeLocationsForWays(osmium.index.create_map("flex_mem"))
            locations.ignore_errors()
            target = osmium.io.File(str(lines), "opl,locations_on_ways=true,add_metadata=false")
            with (
                osmium.io.Reader(str(self._path), osmium.osm.NODE | osmium.osm.WAY) as reader,
                osmium.SimpleWriter(target, overwrite=True) as writer,
            ):
                osmium.apply(reader, locations, *filters, writer)
            del locations
            found = _take_apart(lines, tags, ways_wanted)
        lines.unlink()
        return found


def _check_name(path: Path) -> None:
    remedy = "Give an OpenStreetMap file that ends in .osm, .osm.gz, .osm.bz2 or .osm.pbf."
    if not path.exists():
        raise SourceFileError(f"There is no file {path}.", remedy="Check the path.")
    if not path.is_file():
        raise SourceFileError(f"{path} is a folder, not a map file.", remedy=remedy)
    if not path.name.endswith(FORMATS):
        raise SourceFileError(
            f"{path.name} does not look like an OpenStreetMap file.", remedy=remedy
        )
    if path.stat().st_size == 0:
        raise SourceFileError(
            f"{path.name} is empty.", remedy="Download or export it again: it holds no bytes."
        )


def _plus(number: int) -> int:
    """Give the id an element has in an ordered file: above zero."""
    return number if number >= 0 else _NEW - number


def _minus(number: int) -> int:
    """Give the id an element has in its source: new objects of an editor are below zero."""
    return number if number <= _NEW else _NEW - number


def _number_above_zero(source: Path, target: Path) -> None:
    """Copy a map file, giving objects below zero ids above `_NEW`: libosmium's indexes need it."""
    with osmium.SimpleWriter(str(target)) as writer:
        for element in osmium.FileProcessor(str(source)):
            number = _plus(element.id)
            if isinstance(element, osmium.osm.Way):
                nodes = [_plus(node.ref) for node in element.nodes]
                writer.add_way(element.replace(id=number, nodes=nodes))
            elif isinstance(element, osmium.osm.Relation):
                members = [(m.type, _plus(m.ref), m.role) for m in element.members]
                writer.add_relation(element.replace(id=number, members=members))
            elif isinstance(element, osmium.osm.Node):
                writer.add_node(element.replace(id=number))


def _take_apart(
    lines: Path, wanted: frozenset[str], ways_wanted: Callable[[Tags], bool] | None
) -> tuple[OsmNodes, OsmWays]:
    """Parse OPL lines: ``n1 Tkey=value,… x118.1 y36.2`` and ``w2 T… Nn1x118.1y36.2,…``."""
    node_ids: list[bytes] = []
    node_tags: list[Tags] = []
    node_places: list[bytes] = []
    way_ids: list[bytes] = []
    way_tags: list[Tags] = []
    chains = _Chains()
    tag_sets = _TagSets(wanted, ways_wanted)
    with lines.open("rb") as file:
        for line in file:
            fields = line.split(b" ")
            tags, is_wanted = tag_sets.of(fields[1])
            if line[0] == _WAY:
                if not is_wanted:
                    continue
                way_ids.append(fields[0][1:])
                way_tags.append(tags)
                chains.add(fields[2][1:-1])
            elif line[0] == _NODE:
                node_ids.append(fields[0][1:])
                node_tags.append(tags)
                node_places.append(fields[2] + fields[3][:-1])
    places = _numbers(b",".join(node_places)).reshape(-1, 2)
    nodes = OsmNodes(_ids(node_ids), _nan_where_missing(places), node_tags)
    refs, lonlat, offsets = chains.done()
    ways = OsmWays(_ids(way_ids), way_tags, offsets, refs, lonlat)
    return _nodes_in_order(nodes), _ways_in_order(ways)


class _Chains:
    """Node chains of ways, parsed some megabytes at a time so that the text is soon let go."""

    def __init__(self) -> None:
        self._counts: list[int] = []
        self._texts: list[bytes] = []
        self._bytes = 0
        self._parsed: list[NDArray[np.float64]] = []

    def add(self, text: bytes) -> None:
        self._counts.append(text.count(b"x"))
        if text:
            self._texts.append(text)
            self._bytes += len(text)
            if self._bytes > _CHUNK_BYTES:
                self._parse()

    def _parse(self) -> None:
        self._parsed.append(_numbers(b",".join(self._texts)).reshape(-1, 3))
        self._texts, self._bytes = [], 0

    def done(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        self._parse()
        refs = np.concatenate([part[:, 0] for part in self._parsed]).astype(np.int64)
        lonlat = np.concatenate([part[:, 1:] for part in self._parsed])
        offsets = np.zeros(len(self._counts) + 1, np.int64)
        np.cumsum(self._counts, out=offsets[1:])
        return _as_written(refs), _nan_where_missing(lonlat), offsets


def _numbers(text: bytes) -> NDArray[np.float64]:
    """All numbers of a text of node ids and places; ids stay exact below 2^53."""
    text = text.replace(b"xy", b"x999y999").translate(_TO_SPACES)
    return np.fromstring(text, dtype=np.float64, sep=" ") if text.strip() else np.empty(0)


def _nan_where_missing(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    lonlat = np.ascontiguousarray(lonlat)
    lonlat[lonlat[:, 0] == _MISSING] = np.nan
    return lonlat


def _ids(texts: list[bytes]) -> NDArray[np.int64]:
    return _as_written(np.array(texts, dtype=np.int64) if texts else np.empty(0, np.int64))


def _as_written(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(ids > _NEW, _NEW - ids, ids)


class _TagSets:
    """Tags of lines, one dict for all that are equal: who applies rules may do it once for each."""

    def __init__(self, wanted: frozenset[str], ways_wanted: Callable[[Tags], bool] | None) -> None:
        self._wanted = wanted
        self._ways_wanted = ways_wanted
        self._by_field: dict[bytes, tuple[Tags, bool]] = {}
        self._by_tags: dict[tuple[tuple[str, str], ...], tuple[Tags, bool]] = {}

    def of(self, field: bytes) -> tuple[Tags, bool]:
        """Give the tags of a line, and whether a way of these tags is wanted."""
        found = self._by_field.get(field)
        if found is None:
            tags = self._parsed(field)
            key = tuple(tags.items())
            found = self._by_tags.get(key)
            if found is None:
                found = tags, self._ways_wanted is None or self._ways_wanted(tags)
                self._by_tags[key] = found
            self._by_field[field] = found
        return found

    def _parsed(self, field: bytes) -> Tags:
        tags = {}
        for pair in field[1:].decode().split(","):
            key, _, value = pair.partition("=")
            if key in self._wanted:
                tags[key] = _ESCAPE.sub(_character, value) if "%" in value else value
        return tags


def _character(match: re.Match[str]) -> str:
    return chr(int(match[1], 16))


def _nodes_in_order(nodes: OsmNodes) -> OsmNodes:
    """Sort by id; of two nodes of one id the later one counts, as in an editor."""
    order = _last_of_each(nodes.ids)
    if order is None:
        return nodes
    return OsmNodes(nodes.ids[order], nodes.lonlat[order], [nodes.tags[i] for i in order])


def _ways_in_order(ways: OsmWays) -> OsmWays:
    order = _last_of_each(ways.ids)
    if order is None:
        return ways
    rows, offsets = ragged_rows(ways.offsets, order)
    return OsmWays(
        ways.ids[order],
        [ways.tags[i] for i in order],
        offsets,
        ways.refs[rows],
        ways.lonlat[rows],
    )


def _last_of_each(ids: NDArray[np.int64]) -> NDArray[np.int64] | None:
    if ids.size < 2 or (np.diff(ids) > 0).all():
        return None
    order = np.argsort(ids, kind="stable")
    last = np.append(np.diff(ids[order]) != 0, True)
    kept: NDArray[np.int64] = order[last]
    return kept


def each(rule: Callable[[Tags], _T], tag_sets: list[Tags]) -> list[_T]:
    """Apply a rule to many tag sets, once to each of those that are one dict.

    Parameters
    ----------
    rule : callable
    tag_sets : list of dict
        As in `OsmWays.tags`.
    """
    distinct = {id(tags): tags for tags in tag_sets}
    said = {key: rule(tags) for key, tags in distinct.items()}
    return [said[id(tags)] for tags in tag_sets]


def ragged_rows(
    offsets: NDArray[np.int64], chosen: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the chosen parts of a ragged array, and the offsets of what they make.

    Parameters
    ----------
    offsets : ndarray, shape (w + 1,)
    chosen : ndarray of int
        Which parts, in the order wanted.
    """
    counts = (offsets[1:] - offsets[:-1])[chosen]
    out = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=out[1:])
    rows = np.arange(out[-1]) + np.repeat(offsets[:-1][chosen] - out[:-1], counts)
    return rows, out
