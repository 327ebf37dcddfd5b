"""The embedded database: a private PostGIS in a folder of its own, reached by a socket only."""

from data.embedded.install import MIN_POSTGIS, MIN_POSTGRES, PostgresInstall, find_postgres
from data.embedded.server import EmbeddedServer

__all__ = [
    "MIN_POSTGIS",
    "MIN_POSTGRES",
    "EmbeddedServer",
    "PostgresInstall",
    "find_postgres",
]
