"""What a running service holds: settings, database, the city in memory, tiles made lately."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import Connection

from api.errors import NotReadyError
from api.import_progress import ImportProgress
from api.limits import RateLimit
from api.ogc import OgcService
from api.published import Ready, Shelf
from api.responses import dump
from data.accounts.passwords import random_password
from data.accounts.store import ensure_administrator
from data.audits.small_week import SmallWeeks
from data.catchments import Method, Origin, draw_catchments
from data.changes import ChangeWatch
from data.circles import Circles, City, Travel
from data.city import CityFacts, read_city
from data.coverage_runs import CoverageRun
from data.database import Database, open_database
from data.editions.edition import Edition
from data.editions.nearest import StationTimes
from data.layers import Feature
from data.memo import Memo
from data.plans.design_worker import DesignWorker
from data.plans.micro_stale import micro_counts
from data.plans.reading import plan_totals
from data.settings import Settings
from data.walks import Walks
from geo.errors import GridcircleError
from geo.rulesets import Rule

KEPT_BYTES = 64 << 20
"""Bytes of tiles, and as many of catchments, kept as they are sent."""

WARM_S = 20.0
"""How long after a start circles of open stations are drawn ahead, seconds."""
RASTER_TILES = 8192
"""How many tiles of the raster are laid ahead for clicks on the map: about 100 MB."""
TILES_AT_ONCE = 16
RUNS_KEPT = 16
"""Coverage results kept in memory, beside those in the database."""

AUDITS_KEPT = 2
"""Audits whose homes' hours are kept in memory, about 30 bytes a home each."""

PLANS_KEPT = 200
"""Plans whose totals are kept in memory."""

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
        self.small_weeks: Memo[SmallWeeks | None] = Memo(AUDITS_KEPT)
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
        # An audit never changes once it is kept.
        self.audit_rules: Memo[Rule] = Memo(64)
        self.station_times = StationTimes()
        # Phones of one mobile network share addresses.
        self.nearest_limit = RateLimit(240, 60.0)
        self.report_limit = RateLimit(15, 600.0)
        self.reports_limit = RateLimit(120, 600.0)
        self.import_progress = ImportProgress()
        self.import_turn = asyncio.Semaphore(2)  # each import holds its layer in memory
        self._plans: Memo[dict[str, Any]] = Memo(PLANS_KEPT)
        self._micro: Memo[dict[str, Any]] = Memo(PLANS_KEPT)
        self._facts: Memo[CityFacts] = Memo(1)
        self.ogc = OgcService(lambda: self.database.url, self._data_version)
        self._given = database
        self._database = database
        self._circles: Circles | None = None
        self._warming: threading.Thread | None = None
        self._designs: DesignWorker | None = None
        self._closing = threading.Event()
        # More at once than cores would only take turns at Python's lock.
        self._drawing = threading.Semaphore(os.cpu_count() or 1)
        self.first_administrator: tuple[str, str | None] | None = None

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

    @property
    def closing(self) -> bool:
        """Whether the service is about to stop."""
        return self._closing.is_set()

    def start(self) -> None:
        """Open the database, then load the city in a thread of its own."""
        if self._database is None:
            self._database = open_database(self.settings)
        if self.settings.accounts == "on":
            self._add_first_administrator()
        self._circles = Circles(self._database, self.settings, watch=self.watch)
        self.ogc.start()
        self._warming = threading.Thread(target=self._warm, name="load-city", daemon=True)
        self._warming.start()
        self._designs = DesignWorker(self._database)
        self._designs.start()

    def stop(self) -> None:
        """Close what was opened."""
        self._closing.set()
        self.ogc.stop()
        if self._designs is not None:
            self._designs.stop()
        if self._warming is not None:
            self._warming.join(timeout=30)
        if self._database is not None and self._given is None:
            self._database.close()

    def city_facts(self) -> CityFacts:
        """Read name, bounds and counts of the city, once for each state of the database."""

        def read() -> CityFacts:
            with self.database.connect() as connection:
                return read_city(connection)

        return self._facts.get(self.watch.now(self.database).everything, read)

    def plan_totals(self, connection: Connection, plan_id: int, edits: int) -> dict[str, Any]:
        """Sum up a plan, once for each state of it and of the buildings."""
        versions = self.watch.read(connection).of(("buildings", "areas"))
        return self._plans.get(
            (plan_id, edits, versions), lambda: plan_totals(connection, plan_id, edits)
        )

    def micro_counts(self, connection: Connection, plan_id: int, edits: int) -> dict[str, Any]:
        """Find stale counts of micro-grids, once for each state of a plan and of the buildings."""
        versions = self.watch.read(connection).of(("buildings", "areas"))
        return self._micro.get(
            (plan_id, edits, versions), lambda: micro_counts(connection, plan_id)
        )

    def draw(
        self,
        city: City,
        origin: Origin,
        travel: Travel,
        *,
        minutes: tuple[float, ...],
        method: Method = "network",
        lines: bool = True,
    ) -> list[Feature]:
        """Draw catchments, or take those drawn lately; those of stations have their streets."""
        lines = lines or origin.station is not None

        def drawn() -> Drawn:
            with self._drawing:
                features = draw_catchments(
                    city, origin, travel, minutes=minutes, method=method, lines=lines
                )
            return len(dump(features)), features

        key = (city.ground, origin.key, travel.key, minutes, method, lines)
        kept = self.drawn_points if origin.station is None else self.drawn_stations
        return kept.get(key, drawn)[1]

    def _add_first_administrator(self) -> None:
        """At the first start with accounts: somebody must be able to come in.

        The password is shown on a terminal only, where it is read and gone; a log would keep it.
        """
        password = random_password() if sys.stderr.isatty() else None
        name = ensure_administrator(self.database, password)
        self.first_administrator = None if name is None else (name, password)

    def _warm(self) -> None:
        """Load the city, draw the circles of open stations, lay the raster of the others."""
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
            field_index = city.streets.field_index(travel)
            laid = 0
            while laid < RASTER_TILES and not self._closing.is_set():
                laying = time.monotonic()
                left = field_index.fill(tiles=TILES_AT_ONCE)
                laid += TILES_AT_ONCE
                if not left:
                    break
                self._closing.wait(time.monotonic() - laying)
        except GridcircleError as error:
            # /ready tells; the next request tries again and gets the same reason.
            log.warning("The city is not loaded: %s %s", error, error.remedy)

    def _data_version(self) -> str:
        return self.watch.now(self.database).everything


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
