"""The pages of kept audits: the list, and one audit with its map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from maps.audit import audit_words
from maps.audit_figures import COLOURS
from maps.page import PageContext, map_page


def audits_page(context: PageContext, *, rule_sets: Sequence[Mapping[str, Any]]) -> str:
    """Write the list of audits, with the rule sets a new one can be made by.

    Parameters
    ----------
    context : PageContext
    rule_sets : sequence of mapping
        As `data.audits.rulebook.list_rule_sets` gives them.
    """
    language = context.language
    return map_page(
        context,
        "audits",
        data={
            "auditWords": audit_words(language),
            "ruleSets": [
                {
                    "name": one["name"],
                    "version": one["version"],
                    "title": one[f"title_{language}"],
                    "note": one["note"],
                    "shipped": one["shipped"],
                    "rules": [rule[f"title_{language}"] for rule in one["rules"]],
                }
                for one in rule_sets
            ],
        },
    )


def audit_page(context: PageContext, *, number: int, created_at: str) -> str:
    """Write the page of one audit; its figures are asked for by the page itself.

    Parameters
    ----------
    context : PageContext
    number : int
    created_at : str
        ISO 8601.
    """
    return map_page(
        context,
        "audit",
        data={
            "auditWords": audit_words(context.language),
            "audit": number,
            "createdAt": created_at,
            "colours": COLOURS,
        },
        scripts=("audit_whatif",),
    )
