"""What a running service holds: settings, database, the city in memory, tiles made lately."""

from __future__ import annotations

import logging
import threading
import time
from typing import Annotated

from fastapi import Depends, Request

from api.errors import NotReadyError
from api.limits import RateLimit
from api.ogc import OgcService
from api.published import Ready, Shelf
from api.responses import dump
from data.catchments import Method, Origin, draw_catchments
from data.changes import ChangeWatch
from data.circles import Circles, City, Travel
from data.city import CityFacts, read_city
from data.coverage_runs import CoverageRun
from data.database import Database, open_database
from data.editions.nearest import StationTimes
from data.editions.publishing import Edition
from data.layers import Feature
from data.memo import Memo
from data.settings import Settings
from data.walks import Walks
from geo.errors import GridcircleError

LOCAL_ACTOR = "local"
"""Who writes, until there are accounts: somebody on this machine."""

KEPT_BYTES = 64 << 20
"""Bytes of tiles, and as many of catchments, kept as they are sent."""

WARM_S = 20.0
"""How long after a start circles of open stations are drawn ahead, seconds."""
RUNS_KEPT = 16
"""Coverage results kept in memory, beside those in the database."""

Drawn = tuple[int, list[Feature]]
"""Catchments and how many bytes they are."""

log = logging.getLogger("gridcircle.api")


class Service:
    """Opens what requests need, and says what is not there yet.

    Parameters
    ----------
    settings : Settings
    database : Database, optional
        An open one, which stays the caller's to close; otherwise the settings' one is opened and
        closed with the service.
    """

    def __init__(self, settings: Settings, database: Database | None = None) -> None:
        self.settings = settings
        self.watch = ChangeWatch()
        self.tiles: Memo[tuple[str, bytes]] = Memo(KEPT_BYTES, weigh=_tile_bytes)
        # Apart, so that clicks all over the map do not push out what every visitor asks for.
        self.drawn_stations: Memo[Drawn] = Memo(KEPT_BYTES, weigh=_drawn_bytes)
        self.drawn_points: Memo[Drawn] = Memo(KEPT_BYTES // 4, weigh=_drawn_bytes)
        self.runs: Memo[CoverageRun] = Memo(RUNS_KEPT)
        self.walks = Walks()
        # Public station maps: editions and answers made from them.
        self.published = Shelf()
        self.made_public: Memo[Ready] = Memo(KEPT_BYTES, weigh=lambda ready: ready.size)
        self.editions: Memo[Edition] = Memo(64)
        self.station_times = StationTimes()
        # Phones of one mobile network share addresses.
        self.nearest_limit = RateLimit(240, 60.0)
        self.report_limit = RateLimit(15, 600.0)
        self.reports_limit = RateLimit(120, 600.0)
        self._facts: Memo[CityFacts] = Memo(1)
        self.ogc = OgcService(lambda: self.database.url, self._data_version)
        self._given = database
        self._database = database
        self._circles: Circles | None = None
        self._warming: threading.Thread | None = None
        self._closing = threading.Event()

    @property
    def database(self) -> Database:
        """The open database.

        Raises
        ------
        NotReadyError
            While it is being opened.
        """
        if self._database is None:
            raise NotReadyError("The database is being opened.", remedy="Try again shortly.")
        return self._database

    @property
    def circles(self) -> Circles:
        """The city in memory.

        Raises
        ------
        NotReadyError
            While the database is being opened.
        """
        if self._circles is None:
            raise NotReadyError("The database is being opened.", remedy="Try again shortly.")
        return self._circles

    def start(self) -> None:
        """Open the database, then load the city in a thread of its own."""
        if self._database is None:
            self._database = open_database(self.settings)
        self._circles = Circles(self._database, self.settings, watch=self.watch)
        self.ogc.start()
        self._warming = threading.Thread(target=self._warm, name="load-city", daemon=True)
        self._warming.start()

    def stop(self) -> None:
        """Close what was opened."""
        self._closing.set()
        self.ogc.stop()
        if self._warming is not None:
            self._warming.join(timeout=30)
        if self._database is not None and self._given is None:
            self._database.close()

    def city_facts(self) -> CityFacts:
        """Read name, bounds and counts of the city, once for each state of the database."""
        with self.database.connect() as connection:
            version = self.watch.read(connection).everything
            return self._facts.get(version, lambda: read_city(connection))

    def draw(
        self,
        city: City,
        origin: Origin,
        travel: Travel,
        *,
        minutes: tuple[float, ...],
        method: Method = "network",
    ) -> list[Feature]:
        """Draw catchments with their streets, or take those drawn lately."""

        def drawn() -> Drawn:
            features = draw_catchments(
                city, origin, travel, minutes=minutes, method=method, lines=True
            )
            return len(dump(features)), features

        key = (city.ground, origin.key, travel.key, minutes, method)
        kept = self.drawn_points if origin.station is None else self.drawn_stations
        return kept.get(key, drawn)[1]

    def _warm(self) -> None:
        """Load the city, then draw the circles of open stations until somebody could wait."""
        try:
            city, travel = self.circles.city(), self.circles.travel()
            began = time.monotonic()
            on_network = city.snapped_stations(travel).edge >= 0
            for row in city.stations.chosen():
                if self._closing.is_set() or time.monotonic() - began > WARM_S:
                    break
                if on_network[row]:
                    drawing = time.monotonic()
                    origin = Origin.of_station(city, int(city.stations.ids[row]))
                    self.draw(city, origin, travel, minutes=self.settings.minutes)
                    # Half of the time belongs to whoever is there already.
                    self._closing.wait(time.monotonic() - drawing)
        except GridcircleError as error:
            # /ready tells; the next request tries again and gets the same reason.
            log.warning("The city is not loaded: %s %s", error, error.remedy)

    def _data_version(self) -> str:
        with self.database.connect() as connection:
            return self.watch.read(connection).everything


def _tile_bytes(tile: tuple[str, bytes]) -> int:
    # An empty tile costs its place in the book as well.
    return len(tile[1]) + 200


def _drawn_bytes(drawn: Drawn) -> int:
    return drawn[0]


async def get_service(request: Request) -> Service:
    """Find the service of a request's application."""
    service: Service = request.app.state.service
    return service


ServiceDependency = Annotated[Service, Depends(get_service)]
