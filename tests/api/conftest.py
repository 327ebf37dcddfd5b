"""The service as it runs: uvicorn on a port of its own, a made town in a real PostGIS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from plan_town import community_ids, seed_plan
from running import running
from town import seed_layers, seed_network

from data.database import Database
from data.settings import Settings


@pytest.fixture(scope="module")
def town(make_database: Callable[[], Database]) -> Iterator[Database]:
    """Database with the made town."""
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
    yield database
    database.close()


@pytest.fixture(scope="module")
def published(town: Database) -> int:
    """Id of a published plan of the town."""
    with town.transaction("test") as connection:
        return seed_plan(connection)


@pytest.fixture(scope="module")
def c1(town: Database) -> int:
    """Id of a community of it."""
    with town.connect() as connection:
        return community_ids(connection)["C1"]


@pytest.fixture(scope="module")
def service_settings(tmp_path_factory: pytest.TempPathFactory, town: Database) -> Settings:
    home: Path = tmp_path_factory.mktemp("home")
    return Settings.load(home=home, database_url=town.url)


@pytest.fixture(scope="module")
def url(service_settings: Settings, town: Database) -> Iterator[str]:
    """Address of the running service."""
    with running(service_settings, town) as address:
        yield address


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    """A client of the running service."""
    with httpx.Client(base_url=url, timeout=300) as client:
        yield client
