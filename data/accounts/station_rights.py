"""Who may write a station: planners where it stands and where it goes, publishers what is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from data.accounts.account import Account, may, require
from data.accounts.places import area_of_station
from data.layers import Feature, read_feature


@dataclass(frozen=True, slots=True)
class _Standing:
    area: str | None
    feature: Feature

    @property
    def published(self) -> bool:
        return bool(self.feature["properties"]["published"])

    @property
    def rest(self) -> tuple[Any, dict[str, Any]]:
        """Everything that is not for publishers."""
        kept = {
            name: value
            for name, value in self.feature["properties"].items()
            if name not in {"published", "version", "updated_at"}
        }
        return self.feature["geometry"], kept


def write_station(
    connection: Connection,
    account: Account,
    station_id: int | None,
    write: Callable[[], Feature],
) -> Feature:
    """Create or change a station if the account may, in the caller's transaction.

    A planner of the area where the station stands, and of the area it is moved to, may change
    everything but ``published``; that takes a publisher of the area.

    Parameters
    ----------
    connection : Connection
        In a transaction that is given up when this raises.
    account : Account
    station_id : int or None
        None for a new station.
    write : callable
        Writes; gives the station as it is then.

    Raises
    ------
    NotFoundError
        If there is no such station.
    RightMissingError
        If the account may not do this there.
    """
    before = None if station_id is None else _standing(connection, station_id)
    if before is not None and not may(account, "publisher", before.area):
        # Before anything else is said about the row, its version for one.
        require(account, "planner", before.area)
    feature = write()
    after = _standing(connection, int(feature["id"]))
    if before is None or before.rest != after.rest:
        for area in {after.area} if before is None else {before.area, after.area}:
            require(account, "planner", area)
    if after.published != (before is not None and before.published):
        require(account, "publisher", after.area)
    return feature


def require_delete(connection: Connection, account: Account, station_id: int) -> None:
    """Refuse to delete a station to who is no planner where it stands.

    Raises
    ------
    NotFoundError, RightMissingError
        As `write_station`.
    """
    require(account, "planner", area_of_station(connection, station_id))


def _standing(connection: Connection, station_id: int) -> _Standing:
    area = area_of_station(connection, station_id)
    return _Standing(area, read_feature(connection, "stations", station_id))
