"""Runs the service as it runs for people: uvicorn, on a port of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from api.app import create_app
from data.database import Database
from data.settings import Settings


@contextmanager
def running(settings: Settings, database: Database) -> Iterator[str]:
    """Run the service; gives its address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app = create_app(settings, database=database)
    config = uvicorn.Config(app, http=app.state.protocol, log_level="warning", access_log=False)
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
