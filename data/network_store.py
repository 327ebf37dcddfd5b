"""The walking network in PostGIS, and compiled from there into arrays mapped into memory.

Nodes and edges keep their exact coordinates in the CRS of the network beside longitude and
latitude, so that the arrays made from the tables are the arrays that were stored, bit by bit:
the digest that names a version proves it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import psycopg
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from data.database import Database
from data.settings import Settings
from geo.crs import unproject
from geo.errors import NetworkError
from geo.network import WalkNetwork, digest, open_network, save_network

Progress = Callable[[str, float], None]

_ROWS = 50_000
"""Rows written or read at a time: some megabytes."""

_LITTLE_ENDIAN, _POINT, _LINESTRING, _WITH_SRID, _WGS84 = 1, 1, 2, 0x20000000, 4326

# What PostgreSQL's binary COPY format puts before the rows and after them.
_COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TAIL = b"\xff\xff"


def store_network(
    connection: Connection,
    network: WalkNetwork,
    *,
    keep: int = 3,
    progress: Progress | None = None,
) -> str:
    """Write a network to the tables and make it the current one.

    A version that is there already is only made current. Of older versions the newest stay.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`: readers see the old network until it ends.
    network : WalkNetwork
    keep : int
        Versions to keep, this one included; at least 1.
    progress : callable, optional
        Told stage and share done.

    Returns
    -------
    str
        The version.
    """
    connection.execute(text("LOCK TABLE network_versions IN SHARE ROW EXCLUSIVE MODE"))
    connection.execute(text("UPDATE network_versions SET is_current = false WHERE is_current"))
    known = connection.execute(
        text(
            "UPDATE network_versions SET is_current = true, created_at = now(), source = :source"
            " WHERE version = :version"
        ),
        {"version": network.version, "source": network.source},
    ).rowcount
    if not known:
        connection.execute(
            text(
                "INSERT INTO network_versions"
                " (version, source, crs, nodes, edges, length_m, is_current)"
                " VALUES (:version, :source, :crs, :nodes, :edges, :length_m, true)"
            ),
            {
                "version": network.version,
                "source": network.source,
                "crs": network.crs,
                "nodes": len(network.node_xy),
                "edges": len(network.edge_nodes),
                "length_m": float(network.edge_length_mm.sum(dtype=np.int64)) / 1000,
            },
        )
        tell = progress or _silent
        _copy(
            connection,
            "network_nodes (network_version, id, component, waits, plan, geom)",
            _node_rows(network),
        )
        tell("Storing the walking network", 0.2)
        _copy(
            connection,
            "network_edges (network_version, id, from_node, to_node, length_mm, flags, waits, way,"
            " plan, geom)",
            _edge_rows(network, tell),
        )
    connection.execute(
        text(
            "DELETE FROM network_versions WHERE version NOT IN (SELECT version"
            " FROM network_versions ORDER BY is_current DESC, created_at DESC LIMIT :keep)"
        ),
        {"keep": max(keep, 1)},
    )
    connection.execute(text("ANALYZE network_versions, network_nodes, network_edges"))
    return network.version


def current_version(connection: Connection) -> str | None:
    """Return the version of the current network; None where no network has been stored."""
    version: str | None = connection.scalar(
        text("SELECT version FROM network_versions WHERE is_current")
    )
    return version


def current_network(database: Database, settings: Settings) -> WalkNetwork:
    """Open the current network, mapped into memory from ``<home>/networks/<version>``.

    A folder that is missing or broken is made from the tables first.

    Parameters
    ----------
    database : Database
    settings : Settings
        Where the home folder is.

    Raises
    ------
    NetworkError
        If no network has been stored, the tables no longer hold what was stored, or the folder
        cannot be written.
    """
    with database.connect() as connection:
        version = current_version(connection)
        if version is None:
            raise NetworkError(
                "The database holds no walking network yet.",
                remedy="Import one: gridcircle import osm FILE.osm.pbf.",
            )
        folder = settings.home / "networks" / version
        if folder.exists():
            try:
                return _same(open_network(folder), version)
            except NetworkError:
                # A folder broken off or of an older format is only a copy: it is made anew.
                pass
        network = read_network(connection, version)
        kept = set(connection.scalars(text("SELECT version FROM network_versions")))
    try:
        save_network(network, folder)
        _forget_folders(folder.parent, kept)
    except OSError as error:
        raise NetworkError(
            f"The compiled network cannot be kept in {folder}: {error.strerror}.",
            remedy="Set GRIDCIRCLE_HOME to a folder you may write to, on a disk with room.",
        ) from error
    return open_network(folder)


def read_network(connection: Connection, version: str) -> WalkNetwork:
    """Make the arrays of one version from the tables.

    Raises
    ------
    NetworkError
        If the version is unknown, or its rows are not those that were stored.
    """
    row = connection.execute(
        text("SELECT crs, source, nodes, edges FROM network_versions WHERE version = :version"),
        {"version": version},
    ).one_or_none()
    if row is None:
        raise NetworkError(
            f"The database holds no network {version}.", remedy="Import the network again."
        )
    nodes = _fixed(
        connection,
        version,
        "SELECT id, component, waits, ST_X(plan), ST_Y(plan) FROM network_nodes",
        [("id", ">i4"), ("component", ">i4"), ("waits", ">f4"), ("x", ">f8"), ("y", ">f8")],
    )
    edges = _fixed(
        connection,
        version,
        "SELECT id, from_node, to_node, length_mm, flags, waits, way, ST_NPoints(plan)"
        " FROM network_edges",
        [
            ("id", ">i4"),
            ("from_node", ">i4"),
            ("to_node", ">i4"),
            ("length_mm", ">i4"),
            ("flags", ">i4"),
            ("waits", ">f4"),
            ("way", ">i8"),
            ("points", ">i4"),
        ],
    )
    offsets = np.zeros(len(edges) + 1, np.int64)
    np.cumsum(edges["points"], out=offsets[1:])
    arrays: dict[str, NDArray[Any]] = {
        "node_xy": np.column_stack([nodes["x"], nodes["y"]]).astype(np.float64),
        "node_waits": nodes["waits"].astype(np.float32),
        "node_component": nodes["component"].astype(np.int32),
        "edge_nodes": np.column_stack([edges["from_node"], edges["to_node"]]).astype(np.int32),
        "edge_length_mm": edges["length_mm"].astype(np.int32),
        "edge_flags": edges["flags"].astype(np.uint16),
        "edge_waits": edges["waits"].astype(np.float32),
        "edge_way": edges["way"].astype(np.int64),
        "edge_offsets": offsets,
        "edge_xy": _vertices(connection, version, len(edges)),
    }
    ordered = {f.name: arrays[f.name] for f in fields(WalkNetwork) if f.name in arrays}
    if digest(row.crs, ordered) != version:
        raise NetworkError(
            f"The rows of network {version[:12]} have been changed since they were stored.",
            remedy="Import the network again; its tables are not meant to be edited.",
        )
    return WalkNetwork(crs=row.crs, version=version, source=row.source, **ordered)


def _silent(_stage: str, _share: float) -> None:
    pass


def _same(network: WalkNetwork, version: str) -> WalkNetwork:
    if network.version != version:
        raise NetworkError(f"The folder of network {version} holds {network.version}.")
    return network


def _forget_folders(networks: Path, kept: set[str]) -> None:
    """Delete compiled versions that the database no longer keeps."""
    for folder in networks.iterdir():
        if re.fullmatch(r"[0-9a-f]{64}", folder.name) and folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def _psycopg(connection: Connection) -> psycopg.Connection[Any]:
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)


def _copy(connection: Connection, table: str, chunks: Iterator[bytes]) -> None:
    with (
        _psycopg(connection).cursor() as cursor,
        cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.write(_COPY_HEAD)
        for chunk in chunks:
            copy.write(chunk)
        copy.write(_COPY_TAIL)


def _node_rows(network: WalkNetwork) -> Iterator[bytes]:
    """Rows of network_nodes in binary COPY format, all of one length."""
    kinds = [
        *_field("network_version", f"S{len(network.version)}"),
        *_field("id", ">i4"),
        *_field("component", ">i4"),
        *_field("waits", ">f4"),
        *_shape("plan", with_srid=False, line=False),
        ("plan", "<f8", 2),
        *_shape("geom", with_srid=True, line=False),
        ("geom", "<f8", 2),
    ]
    for start in range(0, len(network.node_xy), _ROWS):
        chunk = slice(start, start + _ROWS)
        xy = network.node_xy[chunk]
        rows = _filled(kinds, len(xy), 6)
        rows["network_version"] = network.version.encode("ascii")
        rows["id"] = np.arange(start, start + len(xy))
        rows["component"] = network.node_component[chunk]
        rows["waits"] = network.node_waits[chunk]
        rows["plan"] = xy
        rows["geom"] = unproject(xy, network.crs)
        rows["plan length"] = 21  # order and type, x and y
        rows["geom length"] = 25  # and the SRID
        yield rows.tobytes()


def _edge_rows(network: WalkNetwork, tell: Progress) -> Iterator[bytes]:
    """Rows of network_edges in binary COPY format: fixed parts, with vertices between them."""
    head = [
        *_field("network_version", f"S{len(network.version)}"),
        *_field("id", ">i4"),
        *_field("from_node", ">i4"),
        *_field("to_node", ">i4"),
        *_field("length_mm", ">i4"),
        *_field("flags", ">i4"),
        *_field("waits", ">f4"),
        *_field("way", ">i8"),
        *_shape("plan", with_srid=False, line=True),
    ]
    middle = _shape("geom", with_srid=True, line=True)
    total = len(network.edge_nodes)
    for start in range(0, total, _ROWS):
        chunk = slice(start, min(start + _ROWS, total))
        offsets = network.edge_offsets[chunk.start : chunk.stop + 1]
        points = np.diff(offsets)
        rows = _filled(head, len(points), 10)
        rows["network_version"] = network.version.encode("ascii")
        rows["id"] = np.arange(chunk.start, chunk.stop)
        rows["from_node"], rows["to_node"] = network.edge_nodes[chunk].T
        rows["length_mm"] = network.edge_length_mm[chunk]
        rows["flags"] = network.edge_flags[chunk]
        rows["waits"] = network.edge_waits[chunk]
        rows["way"] = network.edge_way[chunk]
        rows["plan length"] = 9 + 16 * points  # order, type and number of points
        rows["plan points"] = points
        between = _filled(middle, len(points))
        between["geom length"] = 13 + 16 * points  # and the SRID
        between["geom points"] = points
        xy = network.edge_xy[offsets[0] : offsets[-1]]
        plan = np.ascontiguousarray(xy, "<f8").tobytes()
        geom = np.ascontiguousarray(unproject(xy, network.crs), "<f8").tobytes()
        ends = (16 * (offsets - offsets[0])).tolist()
        heads, betweens = rows.tobytes(), between.tobytes()
        wide, narrow = rows.dtype.itemsize, between.dtype.itemsize
        yield b"".join(
            part
            for i in range(len(points))
            for part in (
                heads[wide * i : wide * (i + 1)],
                plan[ends[i] : ends[i + 1]],
                betweens[narrow * i : narrow * (i + 1)],
                geom[ends[i] : ends[i + 1]],
            )
        )
        tell("Storing the walking network", 0.2 + 0.8 * chunk.stop / total)


_Kind = list[Any]


def _field(name: str, kind: str) -> _Kind:
    return [(f"{name} length", ">i4"), (name, kind)]


def _shape(name: str, *, with_srid: bool, line: bool) -> _Kind:
    """EWKB before its coordinates; its length in bytes is filled in by the caller."""
    srid = [(f"{name} srid", "<u4")] if with_srid else []
    points = [(f"{name} points", "<u4")] if line else []
    return [
        (f"{name} length", ">i4"),
        (f"{name} order", "u1"),
        (f"{name} type {'line' if line else 'point'}", "<u4"),
        *srid,
        *points,
    ]


def _filled(kinds: _Kind, count: int, columns: int | None = None) -> NDArray[Any]:
    """Rows with all constant parts: number of columns, lengths of fields, heads of shapes."""
    before = [] if columns is None else [("columns", ">i2")]
    rows = np.zeros(count, np.dtype([*before, *kinds]))
    if columns is not None:
        rows["columns"] = columns
    names = rows.dtype.names or ()
    for name in names:
        if name.endswith(" length") and name.removesuffix(" length") in names:
            rows[name] = rows.dtype[name.removesuffix(" length")].itemsize
        elif name.endswith(" order"):
            rows[name] = _LITTLE_ENDIAN
        elif name.endswith(" srid"):
            rows[name] = _WGS84
        elif " type " in name:
            shape = _LINESTRING if name.endswith("line") else _POINT
            with_srid = f"{name.split()[0]} srid" in names
            rows[name] = shape | (_WITH_SRID if with_srid else 0)
    return rows


def _fixed(connection: Connection, version: str, query: str, kinds: _Kind) -> NDArray[Any]:
    """Rows of a query without nulls, in order of id, read as one array."""
    dtype = np.dtype([("columns", ">i2"), *(pair for kind in kinds for pair in _field(*kind))])
    statement = f"COPY ({query} WHERE network_version = %s ORDER BY id) TO STDOUT (FORMAT BINARY)"
    with (
        _psycopg(connection).cursor() as cursor,
        cursor.copy(statement, (version,)) as copy,
    ):
        data = b"".join(copy)
    rows = data[len(_COPY_HEAD) : -len(_COPY_TAIL)]
    if len(rows) % dtype.itemsize:
        raise NetworkError(
            f"The rows of network {version[:12]} are not what was stored.",
            remedy="Import the network again; its tables are not meant to be edited.",
        )
    return np.frombuffer(rows, dtype)


def _vertices(connection: Connection, version: str, edges: int) -> NDArray[np.float64]:
    """Vertices of all edges one after the other, metres."""
    parts = [
        connection.scalar(
            text(
                # Well-known binary of a line: order, type and number of points, then the points.
                "SELECT string_agg(substring(ST_AsBinary(plan, 'NDR') FROM 10), '' ORDER BY id)"
                " FROM network_edges"
                " WHERE network_version = :version AND id >= :start AND id < :stop"
            ),
            {"version": version, "start": start, "stop": start + _ROWS},
        )
        for start in range(0, edges, _ROWS)
    ]
    return np.frombuffer(b"".join(bytes(part or b"") for part in parts), "<f8").reshape(-1, 2)
