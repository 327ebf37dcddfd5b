"""The made town, for tests that only read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from town import seed_layers

from data.database import Database


@pytest.fixture(scope="module")
def town(make_database: Callable[[], Database]) -> Iterator[Database]:
    """Database with the layers of the made town."""
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
    yield database
    database.close()
