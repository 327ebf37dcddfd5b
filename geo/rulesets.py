"""Rule sets: what a city promises about its stations and grids, as named, versioned data."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from geo.errors import GridcircleError
from geo.standards import PROFILES, SIGNAL_WAITS_S

RuleKind = Literal["reach", "redundancy", "presence", "capacity", "size", "hours", "staffing"]
KINDS = ("reach", "redundancy", "presence", "capacity", "size", "hours", "staffing")
LEVELS = ("city", "district", "street", "community", "grid", "compound")
BASES = ("text", "report", "quoted", "memory", "ours")
"""Where a number was seen: in the standard's text, in a city's report, in a third party's
quotation, remembered only, or our own reading. Only the first two may bind."""

COSTS = {
    "link": 500.0,
    "gate": 10_000.0,
    "hours": 20_000.0,
    "crossing": 30_000.0,
    "site": 100_000.0,
    "footbridge": 2_000_000.0,
}
"""What one change costs where a rule set says nothing, yuan: a look at a doubtful link, a gate in a
wall, a year of longer hours of one station, a crossing or short path, a new station, a footbridge.
Our reading, orders of magnitude only: a city gives its own under ``[costs]``."""

FIELDS: dict[str, tuple[str, ...]] = {
    "reach": ("stations", "facility", "minutes", "metres", "profile", "waits", "at"),
    "redundancy": ("stations", "facility", "minutes", "metres", "profile", "waits", "at", "count"),
    "presence": ("stations", "facility", "level", "count", "min_households"),
    "capacity": (
        "stations",
        "level",
        "m2_per_100_households",
        "min_m2",
        "places_per_100_households",
        "min_places",
        "households_per_station",
        "min_households",
    ),
    "size": ("level", "max_households", "max_people", "mean"),
    "hours": ("stations", "at", "whole_week"),
    "staffing": ("level", "households_per_worker", "min_workers"),
}
_CAPACITIES = {
    "m2_per_100_households": "min_m2",
    "places_per_100_households": "min_places",
    "households_per_station": "",
}
"""What a capacity rule may hold against households, each with the name of its least."""
_COUNTED = {
    "m2_per_100_households": "square metres",
    "places_per_100_households": "places",
    "households_per_station": "stations",
}
_COMMON = (
    "id",
    "kind",
    "title_zh",
    "title_en",
    "clause",
    "source",
    "basis",
    "binding",
    "share",
    "note",
)


_AT = re.compile(r"(Mo|Tu|We|Th|Fr|Sa|Su) ([01]\d|2[0-3]):00")


class RuleSetError(GridcircleError):
    """A rule set is unknown or written wrongly."""


@dataclass(frozen=True, slots=True)
class WalkKey:
    """What a walk to the nearest station depends on; rules with the same key share one search.

    Attributes
    ----------
    stations : tuple of str
        Kinds that count; empty for all.
    facility : str
        What a station must offer; empty for anything.
    at : str
        Weekday and time it must be open, like ``Mo 19:00``; empty where hours do not matter.
    profile, waits : str
        As in `geo.standards`.
    """

    stations: tuple[str, ...]
    facility: str
    at: str
    profile: str
    waits: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes
    ----------
    id, kind, title_zh, title_en : str
    clause, source : str
        Where the rule stands.
    basis : str
        One of `BASES`.
    binding : bool
        Whether failing it fails the audit; others only advise.
    share : float
        Of what is counted (households, areas, stations) that must comply, 0 to 1.
    note : str
        What had to be assumed.
    terms : dict
        What belongs to the kind: see the documentation of audits.
    """

    id: str
    kind: RuleKind
    title_zh: str
    title_en: str
    clause: str
    source: str
    basis: str
    binding: bool
    share: float
    note: str
    terms: dict[str, Any]

    @property
    def walk(self) -> WalkKey | None:
        """The walk this rule needs; None where it needs none."""
        if self.kind not in ("reach", "redundancy"):
            return None
        t = self.terms
        return WalkKey(
            tuple(sorted(t.get("stations", ()))),
            t.get("facility", ""),
            t.get("at", ""),
            t.get("profile", "norm"),
            t.get("waits", "none"),
        )

    @property
    def cutoff_s(self) -> float:
        """Cutoff in seconds; metres are walked at the profile's own speed."""
        if "metres" in self.terms:
            return float(self.terms["metres"]) / PROFILES[self.terms["profile"]].speed_mps
        return 60.0 * float(self.terms["minutes"])

    def title(self, language: str) -> str:
        """Its title in a language."""
        return self.title_zh if language == "zh" else self.title_en


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules under one name and version.

    Attributes
    ----------
    name, version, title_zh, title_en, note : str
    rules : tuple of Rule
    costs : dict of str to float
        Yuan of each kind of change, by the names of `COSTS`.
    digest : str
        SHA-256 of its content: two sets of one name and version that differ are told apart.
    """

    name: str
    version: str
    title_zh: str
    title_en: str
    note: str
    rules: tuple[Rule, ...]
    costs: dict[str, float]
    digest: str

    def title(self, language: str) -> str:
        """Its title in a language."""
        return self.title_zh if language == "zh" else self.title_en

    def to_dict(self) -> dict[str, Any]:
        """All of it, so that a report can be made again from itself."""
        return {
            "name": self.name,
            "version": self.version,
            "title_zh": self.title_zh,
            "title_en": self.title_en,
            "note": self.note,
            "digest": self.digest,
            "costs": self.costs,
            "rules": [
                {k: v for k, v in asdict(rule).items() if k != "terms"} | rule.terms
                for rule in self.rules
            ],
        }


def rule_set(content: Mapping[str, Any], *, origin: str) -> RuleSet:
    """Read a rule set from the mapping a TOML or JSON file holds.

    Parameters
    ----------
    content : mapping
        ``name``, ``version``, ``title_zh``, ``title_en``, ``note`` and the list ``rules``.
    origin : str
        What errors call it: a file name.

    Raises
    ------
    RuleSetError
        Naming rule, field, value and remedy.
    """
    for field in ("name", "version", "title_zh"):
        if not isinstance(content.get(field), str) or not content[field]:
            raise RuleSetError(
                f"{origin}: the rule set has no {field}.", remedy=f'Add {field} = "…".'
            )
    given = content.get("rules")
    if not isinstance(given, list) or not given:
        raise RuleSetError(f"{origin}: there are no rules.", remedy="Add [[rules]] tables.")
    rules = tuple(_rule(one, f"{origin}, rule {number}") for number, one in enumerate(given, 1))
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            raise RuleSetError(
                f"{origin}: two rules have the id {rule.id!r}.", remedy="Give each its own id."
            )
        seen.add(rule.id)
    made = RuleSet(
        content["name"],
        content["version"],
        content["title_zh"],
        content.get("title_en") or content["title_zh"],
        content.get("note", ""),
        rules,
        _costs(content.get("costs", {}), origin),
        "",
    )
    # Over what was read, not how it was written: a copy in a report has the same digest.
    text = json.dumps(made.to_dict(), sort_keys=True, ensure_ascii=False)
    return replace(made, digest=hashlib.sha256(text.encode()).hexdigest())


def _costs(given: object, origin: str) -> dict[str, float]:
    if not isinstance(given, Mapping):
        raise RuleSetError(f"{origin}: costs is no table.", remedy="Write it under [costs].")
    for name, value in given.items():
        _listed(name, tuple(COSTS), origin, "cost")
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise RuleSetError(
                f"{origin}: the cost of {name}, {value!r}, is not a number of yuan.",
                remedy="Give a number, 0 or more.",
            )
    return COSTS | {name: float(value) for name, value in given.items()}


def _rule(given: Mapping[str, Any], where: str) -> Rule:
    kind = given.get("kind")
    _listed(kind, KINDS, where, "kind")
    assert isinstance(kind, str)  # noqa: S101 — narrowed for the type checker
    for field in ("id", "title_zh"):
        if not isinstance(given.get(field), str) or not given[field]:
            raise RuleSetError(f"{where}: it has no {field}.", remedy=f'Add {field} = "…".')
    where = f"{where} ({given['id']})"
    unknown = [f for f in given if f not in _COMMON and f not in FIELDS[kind]]
    if unknown:
        raise RuleSetError(
            f"{where}: a {kind} rule has no field {unknown[0]!r}.",
            remedy=f"Use: {', '.join((*_COMMON, *FIELDS[kind]))}.",
        )
    basis = given.get("basis", "ours")
    _listed(basis, BASES, where, "basis")
    binding = bool(given.get("binding", True))
    share = given.get("share", 1.0)
    if not isinstance(share, int | float) or not 0 < share <= 1:
        raise RuleSetError(f"{where}: share {share!r} is not above 0 and at most 1.", remedy="")
    terms = {field: given[field] for field in FIELDS[kind] if field in given}
    _terms(kind, terms, where)
    # In the same order whether filled in or given, so that copies are the same to the byte.
    terms = {field: terms[field] for field in FIELDS[kind] if field in terms}
    return Rule(
        given["id"],
        kind,  # type: ignore[arg-type]
        given["title_zh"],
        given.get("title_en") or given["title_zh"],
        given.get("clause", ""),
        given.get("source", ""),
        basis,
        binding,
        float(share),
        given.get("note", ""),
        terms,
    )


def _terms(kind: str, terms: dict[str, Any], where: str) -> None:
    """Check what belongs to the kind; fill in what may be left out."""
    if kind in ("reach", "redundancy"):
        if ("minutes" in terms) == ("metres" in terms):
            raise RuleSetError(
                f"{where}: it says neither or both of minutes and metres.", remedy="Give one."
            )
        terms.setdefault("profile", "norm")
        terms.setdefault("waits", "none")
        _listed(terms["profile"], tuple(PROFILES), where, "profile")
        _listed(terms["waits"], tuple(SIGNAL_WAITS_S), where, "waits")
        if "metres" in terms and terms["waits"] != "none":
            raise RuleSetError(
                f"{where}: a distance knows no waits.", remedy="Leave waits out or give minutes."
            )
    if kind in ("presence", "capacity", "size", "staffing"):
        _listed(terms.get("level"), LEVELS[1:], where, "level")
    if kind in ("presence", "redundancy"):
        terms.setdefault("count", 2 if kind == "redundancy" else 1)
    at = terms.get("at", "")
    if at and not (isinstance(at, str) and _AT.fullmatch(at)):
        raise RuleSetError(
            f"{where}: at {at!r} is no weekday and hour.", remedy='Write it like "We 19:00".'
        )
    stations = terms.get("stations", [])
    if not isinstance(stations, list | tuple) or not all(isinstance(s, str) for s in stations):
        raise RuleSetError(
            f"{where}: stations {stations!r} is no list of kinds.",
            remedy='Write stations = ["red_station"].',
        )
    needed = {
        "capacity": tuple(_CAPACITIES),
        "size": ("max_households", "max_people"),
        "hours": ("at", "whole_week"),
        "staffing": ("households_per_worker", "min_workers"),
    }.get(kind, ())
    if needed and not any(field in terms for field in needed):
        raise RuleSetError(
            f"{where}: it says nothing to check.", remedy=f"Give {' or '.join(needed)}."
        )
    counted = [field for field, least in _CAPACITIES.items() if {field, least} & terms.keys()]
    if len(counted) > 1:
        raise RuleSetError(
            f"{where}: it counts {' and '.join(_COUNTED[field] for field in counted)} at once.",
            remedy="Make a rule of each.",
        )
    for field in (
        "minutes",
        "metres",
        "count",
        "m2_per_100_households",
        "min_m2",
        "places_per_100_households",
        "min_places",
        "max_households",
        "max_people",
        "households_per_station",
        "households_per_worker",
        "min_workers",
    ):
        value = terms.get(field, 1)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise RuleSetError(
                f"{where}: {field} {value!r} is not a number above 0.", remedy="Give one."
            )


def _listed(value: object, known: tuple[str, ...], where: str, field: str) -> None:
    if value not in known:
        raise RuleSetError(
            f"{where}: {field} {value!r} is not in the list.",
            remedy=f"Use one of: {', '.join(known)}.",
        )
