"""The city in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from data.changes import ChangeWatch
from data.database import Database
from data.settings import Settings


@dataclass(frozen=True)
class CityState:
    counts: dict[str, Any]
    missing: list[str]


class Circles:
    def __init__(self, database: Database, settings: Settings, *, watch: ChangeWatch) -> None:
        pass

    def warm(self) -> None: ...

    def state(self) -> CityState:
        return CityState({}, ["x"])
