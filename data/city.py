"""The city a database holds: name, bounds, counts, current walking network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from data.layers import list_layers


@dataclass(frozen=True, slots=True)
class CityFacts:
    """What there is to say about the city in a few lines.

    Attributes
    ----------
    name : str
        Empty where nothing has been imported.
    is_sample : bool
        Whether the city is made up.
    attribution : str
        Whose data this is, to be shown on every map.
    bounds : tuple of float or None
        West, south, east, north in WGS84 degrees: of the areas, else of buildings, stations and
        base map; None while all are empty.
    counts : dict
        Number of features of each layer, and ``households`` and ``people`` in all buildings;
        ``households_estimated`` and ``people_estimated`` are how many of these no ledger counts.
    network : dict or None
        Version, source, crs, nodes, edges, length_m of the current walking network.
    """

    name: str
    is_sample: bool
    attribution: str
    bounds: tuple[float, float, float, float] | None
    counts: dict[str, int]
    network: dict[str, Any] | None


def estimated_share(estimated: float, whole: float) -> float | None:
    """Share of a sum that is estimated; None of nothing."""
    return round(estimated / whole, 4) if whole else None


def read_city(connection: Connection) -> CityFacts:
    """Read the facts about the city."""
    city = connection.execute(text("SELECT name, is_sample, attribution FROM city")).one_or_none()
    summaries = {s.layer.name: s for s in list_layers(connection)}
    network = (
        connection.execute(
            text(
                "SELECT version, source, crs, nodes, edges, length_m, created_at"
                " FROM network_versions WHERE is_current"
            )
        )
        .mappings()
        .one_or_none()
    )
    lived_in = connection.execute(
        text(
            "SELECT coalesce(sum(households), 0) AS households,"
            " coalesce(sum(people), 0) AS people,"
            " coalesce(sum(households) FILTER (WHERE households_source = 'estimated'), 0)"
            "   AS households_estimated,"
            " coalesce(sum(people) FILTER (WHERE people_source = 'estimated'), 0)"
            "   AS people_estimated FROM buildings"
        )
    ).mappings()
    bounds = summaries["areas"].bounds
    if bounds is None:
        boxes = [
            b
            for name in ("buildings", "stations", "base_features")
            if (b := summaries[name].bounds) is not None
        ]
        if boxes:
            west, south, east, north = zip(*boxes, strict=True)
            bounds = (min(west), min(south), max(east), max(north))
    return CityFacts(
        name=city.name if city else "",
        is_sample=bool(city and city.is_sample),
        attribution=city.attribution if city else "",
        bounds=bounds,
        counts={
            **{name: summary.count for name, summary in summaries.items()},
            **{name: int(count) for name, count in lived_in.one().items()},
        },
        network=dict(network) if network else None,
    )
