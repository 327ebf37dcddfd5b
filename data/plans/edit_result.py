"""What an edit did to a community, or would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from data.layers import Feature
from data.plans.community import Community


@dataclass(frozen=True, slots=True)
class EditResult:
    """What an edit did, or would do.

    Attributes
    ----------
    seq : int or None
        Number of the edit; None for a preview.
    before, after : Community
    changed : tuple of int
        Grids that are new or differ; new grids of a preview have negative numbers.
    removed : tuple of int
    lineage : tuple of (str, str)
        Code before, code after.
    """

    seq: int | None
    before: Community
    after: Community
    changed: tuple[int, ...]
    removed: tuple[int, ...]
    lineage: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        touched = [g for g in (*self.changed, *self.removed) if g in self.before.grids]
        return {
            "edit": self.seq,
            "preview": self.seq is None,
            "community": self.after.id,
            "version": self.after.version,
            "changed": _collection(self.after.features(self.changed)),
            "before": _collection(self.before.features(touched)),
            "removed": list(self.removed),
            "moved": self.moved(),
            "lineage": [{"before": a, "after": b} for a, b in self.lineage],
            "broken": self.after.broken(self.changed),
        }

    def moved(self) -> dict[str, int]:
        """Count the buildings that lie in another grid than before, with their people."""
        was = dict(zip(self.before.building.tolist(), self.before.grid_of.tolist(), strict=True))
        other = np.array(
            [
                was.get(b, g) != g
                for b, g in zip(
                    self.after.building.tolist(), self.after.grid_of.tolist(), strict=True
                )
            ],
            bool,
        )
        return {
            "buildings": int(other.sum()),
            "households": int(self.after.households[other].sum()),
            "people": int(self.after.people[other].sum()),
        }


def _collection(features: list[Feature]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": features}
