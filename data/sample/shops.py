"""Shops and services on the streets: where a station might find room."""

from __future__ import annotations

import numpy as np

from data.sample.draft import OsmDraft, Tags
from data.sample.town import Town

_BY_GATES: tuple[tuple[str, str, str, str], ...] = (
    ("shop", "convenience", "便利店", "Convenience Store"),
    ("shop", "supermarket", "超市", "Supermarket"),
    ("amenity", "pharmacy", "药店", "Pharmacy"),
    ("amenity", "restaurant", "饭店", "Restaurant"),
    ("shop", "greengrocer", "果蔬店", "Greengrocer"),
    ("shop", "bakery", "馒头房", "Bakery"),
    ("shop", "hairdresser", "理发店", "Hairdresser"),
    ("amenity", "bank", "储蓄所", "Bank"),
    ("shop", "laundry", "洗衣店", "Laundry"),
    ("office", "property_management", "物业办公室", "Property Office"),
    ("shop", "vacant", "空置商铺", "Vacant Shop"),
)


def build_shops(draft: OsmDraft, town: Town, rng: np.random.Generator) -> None:
    """Put shops beside gates, outside the wall, and into markets and shopping streets."""
    for compound in town.compounds:
        title = compound.name
        for gate in compound.gates[:2]:
            wall, street = np.array(gate.wall_xy), gate.street.point
            out = street - wall
            out /= np.hypot(*out)
            aside = np.array((-out[1], out[0]))
            for k in range(int(rng.integers(0, 3))):
                xy = wall + 1.6 * out - (6.0 + 7.0 * k) * aside
                draft.node(xy[0], xy[1], _tags(title, rng))
    for lot, layout in town.fronts.items():
        if town.uses[lot] not in ("market", "commercial", "shops"):
            continue
        for door in layout.doors:
            if rng.random() < 0.5:
                wall = layout.corners[door.building].mean(axis=0)
                xy = np.array(door.xy) + 0.25 * (wall - np.array(door.xy))
                draft.node(xy[0], xy[1], _tags(town.titles[lot], rng))


def _tags(title: tuple[str, str], rng: np.random.Generator) -> Tags:
    key, value, zh, en = _BY_GATES[int(rng.integers(len(_BY_GATES)))]
    if value == "vacant":
        return {"shop": "vacant"}
    return {key: value, "name": f"{title[0]}{zh}", "name:en": f"{title[1]} {en}"}
