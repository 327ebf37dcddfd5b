"""What a design over files came to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import cast

from data.designs.people import told_of_staff


@dataclass(frozen=True, slots=True)
class DesignFileResult:
    """What a design over files came to.

    Attributes
    ----------
    out : str
        The file written.
    kept : bool
        Whether every grid keeps the limits; False also where one building alone is above them.
    totals : dict
        Figures of the whole plan; ``present`` has those of the present plan where one was given.
    communities : list of dict
        Figures, bounds, reasons and staff of each community.
    warnings : list of str
    branches : list of dict
        Party branches, where members are given.
    """

    out: str
    kept: bool
    totals: dict[str, object]
    present: dict[str, object] | None
    communities: list[dict[str, object]]
    settings: dict[str, object]
    warnings: list[str]
    branches: list[dict[str, object]] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        """All of it, for JSON."""
        return asdict(self)

    def describe(self) -> str:
        """Some lines for people."""
        t = self.totals
        lines = [
            f"{t['grids']:,} base grids and {t['exclusive']:,} exclusive ones in "
            f"{len(self.communities):,} communities; at least {t['bound']:,} are needed "
            f"({t['over_bound']:.1%} above)",
            f"  {t['households']:,.0f} households, {t['people']:,.0f} people; "
            f"{t['within_limits']:.1%} of grids within {self.settings['max_households']} "
            f"households and {self.settings['max_people']} people",
            f"  {t.get('microgrids', 0):,} micro-grids; "
            f"load spread {t['load_spread']:.1%}, compounds split {t['compounds_split']}, "
            f"grids across a barrier {t['barrier_crossings']}, compactness {t['compactness']:.2f}",
        ]
        if self.present is not None:
            lines.append(
                f"  present plan: {self.present['grids']:,} grids, "
                f"{self.present['within_limits']:.1%} within the limits; moved "
                f"{t['moved']:,.0f} households, never fewer than {t['moved_bound']:,.0f}"
            )
        for one in self.communities:
            moved = "" if one["moved"] is None else f", moved {one['moved']:g}"
            lines.append(
                f"  {one['code']} {one['name']}: {one['grids']} grids (bound {one['bound']}), "
                f"{one['households']:g} households{moved}"
            )
            lines += [f"      {text}" for text in told_of_staff(one)]
            reasons = cast("list[dict[str, object]]", one["reasons"])
            lines += [f"      {reason['message']}" for reason in reasons[:5]]
            if len(reasons) > 5:
                lines.append(f"      and {len(reasons) - 5} more")
        if self.branches:
            outside = sum(bool(one["outside"]) for one in self.branches)
            lines.append(
                f"  {len(self.branches):,} party branches"
                + (f", {outside:,} of them outside the range of members" if outside else "")
            )
        lines.append(f"Wrote {self.out}")
        return "\n".join(lines)
