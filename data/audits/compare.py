"""Comparing two audits: what got better or worse, where, and what changed underneath."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geo.errors import GridcircleError


class AuditFormatError(GridcircleError):
    """What should be the summary of an audit is none."""


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Compare the summaries of two audits.

    Parameters
    ----------
    before, after : mapping
        As `data.audits.conduct.conduct` writes them.

    Returns
    -------
    dict
        ``rules``: share and verdict before and after; ``areas``: every area whose share changed,
        the worst change first, with likely causes; ``inputs``: what differs underneath;
        ``stations``: opened, closed, moved, of changed hours; ``same``: whether all figures agree.

    Raises
    ------
    AuditFormatError
        If one of them is no summary.
    """
    for summary in (before, after):
        if "rules" not in summary or "rule_set" not in summary or "inputs" not in summary:
            raise AuditFormatError(
                "This is not the summary of an audit.", remedy="Give a summary.json of an audit."
            )
    stations = _stations(before, after)
    network = _version(before, "network") != _version(after, "network")
    old_rules = {rule["id"]: rule for rule in before["rules"]}
    rules, areas = [], []
    for rule in after["rules"]:
        old = old_rules.get(rule["id"])
        rules.append(
            {
                "id": rule["id"],
                "before": _fraction(old) if old else None,
                "after": _fraction(rule),
                "verdict_before": old["verdict"] if old else None,
                "verdict_after": rule["verdict"],
            }
        )
        if old is None:
            continue
        for level, rows in rule["areas"].items():
            known = {row["code"]: row for row in old["areas"].get(level, [])}
            for row in rows:
                was = known.get(row["code"])
                if was is None or was["share"] == row["share"]:
                    continue
                areas.append(
                    {
                        "rule": rule["id"],
                        "level": level,
                        "code": row["code"],
                        "name": row["name"],
                        "before": was["share"],
                        "after": row["share"],
                        "numerator": (row["numerator"] or 0) - (was["numerator"] or 0),
                        "denominator": (row["denominator"] or 0) - (was["denominator"] or 0),
                        "causes": _causes(level, row, was, stations, network=network),
                    }
                )
    areas.sort(key=lambda a: ((a["after"] or 0) - (a["before"] or 0), -abs(a["numerator"])))
    inputs = _inputs(before, after)
    same = not areas and all(
        r["before"] == r["after"] and r["verdict_before"] == r["verdict_after"] for r in rules
    )
    return {
        "verdict_before": before["verdict"],
        "verdict_after": after["verdict"],
        "rules": rules,
        "areas": areas,
        "inputs": inputs,
        "stations": stations,
        "same": same and before["totals"] == after["totals"],
    }


def _fraction(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {key: rule[key] for key in ("numerator", "denominator", "value")}


def _version(summary: Mapping[str, Any], kind: str) -> list[str]:
    return sorted(i["version"] for i in summary["inputs"] if i["kind"] == kind)


def _inputs(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Inputs of which the version differs, or that only one of the audits had."""

    def by_name(summary: Mapping[str, Any]) -> dict[tuple[str, str], str]:
        # A file may be renamed from one night to the next: its part in the audit counts.
        return {(i["kind"], i.get("part", "")): i["version"] for i in summary["inputs"]}

    old, new = by_name(before), by_name(after)
    return [
        {
            "kind": kind,
            "part": part,
            "before": old.get((kind, part)),
            "after": new.get((kind, part)),
        }
        for kind, part in sorted(old.keys() | new.keys())
        if old.get((kind, part)) != new.get((kind, part))
    ]


def _stations(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    old = {s["code"]: s for s in before["stations"]}
    new = {s["code"]: s for s in after["stations"]}
    both = [(old[c], new[c]) for c in sorted(old.keys() & new.keys())]
    return {
        "opened": [new[c] for c in sorted(new.keys() - old.keys())],
        "closed": [old[c] for c in sorted(old.keys() - new.keys())],
        "moved": [b for a, b in both if (a["lon"], a["lat"]) != (b["lon"], b["lat"])],
        "hours": [b for a, b in both if a["hours"] != b["hours"]],
        "area": [b for a, b in both if a["area_m2"] != b["area_m2"]],
        "places": [b for a, b in both if a.get("places") != b.get("places")],
    }


def _causes(
    level: str,
    row: Mapping[str, Any],
    was: Mapping[str, Any],
    stations: Mapping[str, list[Any]],
    *,
    network: bool,
) -> list[str]:
    """What changed that could explain it; an area's own stations only where that is known."""
    causes = []
    for change in ("closed", "opened", "moved"):
        changed = stations[change]
        if level == "community":
            own = [s for s in changed if s.get("community") == row["code"]]
            changed = own or changed
        if changed:
            causes.append(f"station_{change}")
    if row.get("denominator") != was.get("denominator"):
        causes.append("homes")
    if network:
        causes.append("network")
    return causes
