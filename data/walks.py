"""The walk from one building to its nearest station, with its route."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from data.circles import City, Travel, some_points
from data.coverage_runs import BuildingCoverage, Question, cover_buildings
from data.layers import DECIMALS, Feature
from data.memo import Memo
from data.models import STATION_KINDS
from geo.coverage import STATE_NAMES
from geo.crs import project, unproject
from geo.route import Route, route
from geo.snapping import SnappedPoints

COVERAGES_KEPT = 12
"""Coverages kept in memory, so that many buildings can be asked about one after another."""


class Walks:
    """Answers about single buildings."""

    def __init__(self) -> None:
        self._coverages: Memo[BuildingCoverage] = Memo(COVERAGES_KEPT)

    def coverage(self, city: City, question: Question) -> BuildingCoverage:
        """Coverage of all buildings, worked out once for each state of the city."""
        return self._coverages.get(
            (city.number, question.key), lambda: cover_buildings(city, question)
        )

    def of_building(self, city: City, question: Question, building_id: int) -> list[Feature]:
        """Find the walk to the nearest station of each kind asked for, the nearest first.

        Parameters
        ----------
        city : City
        question : Question
        building_id : int

        Returns
        -------
        list of Feature
            A line from the building's door to the station's for each kind that has a station
            counted: its properties are ``state``, ``seconds``, ``minutes``, ``station``,
            ``street_m``, ``access_m`` (both straight legs), ``waiting_s``. The geometry is null
            where nothing can be reached.

        Raises
        ------
        NotFoundError
            If there is no such building.
        """
        row = city.buildings.row(building_id)
        walks = [
            self._walk(city, replace(question, kinds=(kind,)), row)
            for kind in question.kinds or STATION_KINDS
            if len(city.stations.chosen((kind,), question.statuses))
        ]
        return sorted(walks, key=_nearest_first)

    def _walk(self, city: City, question: Question, row: int) -> Feature:
        found = self.coverage(city, question)
        seconds = float(found.seconds[row])
        station = int(found.station[row])
        properties: dict[str, Any] = {
            "building": int(city.buildings.ids[row]),
            "kind": question.kinds[0],
            "state": STATE_NAMES[found.state[row]],
            "seconds": None,
            "minutes": None,
            "station": None,
        }
        geometry = None
        if station >= 0:
            properties |= {
                "seconds": round(seconds),
                "minutes": round(seconds / 60, 1),
                "station": {
                    "id": int(city.stations.ids[station]),
                    "code": city.stations.code[station],
                    "name": city.stations.name[station],
                },
            }
            walk = _route(city, question.travel, int(found.point[row]), station, seconds)
            if walk is not None:
                way, line = walk
                properties |= {
                    "street_m": round(way.street_m, 1),
                    "access_m": [
                        round(way.origin_access_m, 1),
                        round(way.destination_access_m, 1),
                    ],
                    "waiting_s": round(way.waiting_s),
                }
                geometry = line
        return {
            "type": "Feature",
            "geometry": geometry,
            "properties": properties | question.travel.describe(),
        }


def _nearest_first(walk: Feature) -> tuple[bool, float]:
    seconds = walk["properties"]["seconds"]
    return seconds is None, seconds or 0.0


def _route(
    city: City, travel: Travel, point: int, station: int, seconds: float
) -> tuple[Route, dict[str, Any]] | None:
    demand = city.demand(travel)
    origin = some_points(demand.snapped, np.array([point]))
    destination = some_points(city.snapped_stations(travel), np.array([station]))
    way = route(city.network, city.streets.impedance(travel), origin, destination, cutoff_s=seconds)
    if way is None:
        return None
    crs = city.network.crs
    ends = project(
        np.stack([city.buildings.point_lonlat[point], city.stations.lonlat[station]]), crs
    )
    xy = np.concatenate(
        [
            ends[:1],
            _gate(city, origin),
            way.xy,
            _gate(city, destination),
            ends[1:],
        ]
    )
    moved = np.concatenate([[True], np.abs(np.diff(xy, axis=0)).max(axis=1) > 0.005])
    line = shapely.linestrings(unproject(xy[moved], crs).round(DECIMALS))
    return way, json.loads(shapely.to_geojson(line))


def _gate(city: City, end: SnappedPoints) -> NDArray[np.float64]:
    """Where a straight leg bends through a gate; nothing where it does not."""
    gate = int(end.gate[0])
    return city.streets.barriers.gates[gate : gate + 1] if gate >= 0 else np.zeros((0, 2))
