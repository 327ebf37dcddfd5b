"""The page of rule sets: read, copied, written and kept in versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from data.models import FACILITIES, STATION_KINDS
from geo.rulesets import BASES, COSTS, FIELDS, KINDS, LEVELS
from geo.standards import PROFILES, SIGNAL_WAITS_S
from maps.audit import audit_words
from maps.page import PageContext, map_page


def rule_sets_page(context: PageContext, *, rule_sets: Sequence[Mapping[str, Any]]) -> str:
    """Write the page.

    Parameters
    ----------
    context : PageContext
    rule_sets : sequence of mapping
        As `data.audits.rulebook.list_rule_sets` gives them.
    """
    chinese = context.language == "zh"
    return map_page(
        context,
        "rule_sets",
        data={
            "auditWords": audit_words(context.language),
            "ruleSets": list(rule_sets),
            "costs": COSTS,
            "fields": {kind: list(FIELDS[kind]) for kind in KINDS},
            "choices": {
                "kind": list(KINDS),
                "basis": list(BASES),
                "level": list(LEVELS[1:]),
                "stations": list(STATION_KINDS),
                "facility": list(FACILITIES),
                "waits": list(SIGNAL_WAITS_S),
            },
            "profiles": [
                [name, p.label_zh if chinese else p.label_en] for name, p in PROFILES.items()
            ],
        },
    )
