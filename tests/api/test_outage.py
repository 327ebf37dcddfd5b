"""The database goes away and comes back while the service runs."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from running import running
from sqlalchemy import create_engine, make_url, text
from town import lonlat, seed_layers, seed_network

from data.database import Database
from data.embedded import EmbeddedServer
from data.settings import Settings


def test_without_its_database_the_service_says_so_and_recovers_by_itself(
    postgis: EmbeddedServer, database: Database, tmp_path: Path
):
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
    name = make_url(database.url).database
    admin = create_engine(
        postgis.url.replace("/gridcircle?", "/postgres?"), isolation_level="AUTOCOMMIT"
    )
    lon, lat = lonlat(400, 500)
    settings = Settings.load(home=tmp_path, database_url=database.url)
    with (
        running(settings, database) as url,
        httpx.Client(base_url=url, timeout=300) as client,
        admin.connect() as connection,
    ):
        before = client.post("/api/v1/catchments", json={"lon": lon, "lat": lat}).json()
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": name},
        )
        for path in ("/api/v1/city", "/api/v1/stations", "/tiles/base/14/1/1.mvt", "/ogc/"):
            answer = client.get(path)
            assert answer.status_code == 503, (path, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["retry-after"]
            assert "FATAL" not in answer.text
        assert client.get("/health").status_code == 200
        ready = client.get("/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "not ready")
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
        assert client.get("/ready").status_code == 200
        assert client.post("/api/v1/catchments", json={"lon": lon, "lat": lat}).json() == before
        assert client.get("/ogc/collections/stations/items").status_code == 200
    admin.dispose()


@pytest.mark.parametrize("path", ["/", "/maps/coverage"])
def test_pages_of_a_city_without_anything_can_be_opened(database, tmp_path, path):
    settings = Settings.load(home=tmp_path, database_url=database.url)
    with running(settings, database) as url, httpx.Client(base_url=url, timeout=300) as client:
        assert client.get(path).status_code == 200
