"""The service as it runs: uvicorn on a port of its own, a made town in a real PostGIS."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from town import seed_layers

from api.app import create_app
from data.database import Database
from data.settings import Settings


@contextmanager
def running(settings: Settings, database: Database) -> Iterator[str]:
    """Run the service; gives its address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(settings, database=database), log_level="warning", access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the service did not start"
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(30)
    listener.close()


@pytest.fixture(scope="module")
def town(make_database: Callable[[], Database]) -> Iterator[Database]:
    """Database with the made town."""
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
    yield database
    database.close()


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
    with httpx.Client(base_url=url, timeout=60) as client:
        yield client
