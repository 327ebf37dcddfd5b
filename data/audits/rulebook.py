"""Rule sets that a city writes itself: kept in versions that never change, beside those shipped."""

from __future__ import annotations

import json
import re
from typing import Any

from sqlalchemy import Connection, text

from data.errors import ConflictError, NotFoundError
from data.rules import checked, open_rule_set, rule_set_names
from geo.rulesets import RuleSet, RuleSetError, rule_set

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def list_rule_sets(connection: Connection) -> list[dict[str, Any]]:
    """All rule sets that may be used: those shipped, and the newest version of each own one.

    Returns
    -------
    list of dict
        As `geo.rulesets.RuleSet.to_dict`, with ``shipped`` and ``versions`` (newest first, each
        with who made it and when).
    """
    rows = connection.execute(
        text(
            "SELECT name, version, created_at, actor, digest, content FROM rule_sets"
            " WHERE NOT withdrawn ORDER BY name, id DESC"
        )
    ).all()
    own: dict[str, dict[str, Any]] = {}
    for row in rows:
        one = own.setdefault(row.name, row.content | {"shipped": False, "versions": []})
        one["versions"].append(
            {
                "version": row.version,
                "created_at": row.created_at.isoformat(),
                "actor": row.actor,
                "digest": row.digest,
            }
        )
    shipped = [
        made.to_dict() | {"shipped": True, "versions": [{"version": made.version}]}
        for made in map(open_rule_set, rule_set_names())
    ]
    return [*own.values(), *shipped]


def named_rule_set(connection: Connection, name: str, version: str | None = None) -> RuleSet:
    """Find a rule set by name: of the city's own or shipped, its newest version unless named.

    Raises
    ------
    RuleSetError
        If there is none.
    """
    content = connection.execute(
        text(
            "SELECT content FROM rule_sets WHERE name = :name AND NOT withdrawn"
            " AND (CAST(:version AS text) IS NULL OR version = :version) ORDER BY id DESC LIMIT 1"
        ),
        {"name": name, "version": version},
    ).scalar_one_or_none()
    if content is not None:
        return checked(rule_set(content, origin=name))
    if name in rule_set_names():
        shipped = open_rule_set(name)
        if version in (None, shipped.version):
            return shipped
    names = sorted(
        {
            *rule_set_names(),
            *connection.scalars(text("SELECT DISTINCT name FROM rule_sets WHERE NOT withdrawn")),
        }
    )
    said = f"{name!r} of version {version!r}" if version else repr(name)
    raise RuleSetError(
        f"No rule set is named {said}.",
        remedy=f"Use one of: {', '.join(names)}; or give rule_set.",
    )


def keep_rule_set(connection: Connection, content: dict[str, Any], *, actor: str) -> RuleSet:
    """Keep a new version of a rule set.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.
    content : dict
        As a TOML or JSON file holds it.
    actor : str

    Raises
    ------
    RuleSetError
        If it is written wrongly, or its name is that of one shipped.
    ConflictError
        If this version is there already with other rules: versions do not change.
    """
    made = checked(rule_set(content, origin=str(content.get("name") or "rule_set")))
    if not _NAME.fullmatch(made.name):
        raise RuleSetError(
            f"The name {made.name!r} cannot stand in an address.",
            remedy="Use small letters, digits, dots, dashes; begin with a letter or digit.",
        )
    if made.name in rule_set_names():
        raise RuleSetError(
            f"{made.name} is the name of a rule set that comes along.",
            remedy="Copy it under a name of your own.",
        )
    if len(made.version) > 64:
        raise RuleSetError("The version is longer than 64 characters.", remedy="Shorten it.")
    known = connection.execute(
        text("SELECT digest FROM rule_sets WHERE name = :name AND version = :version"),
        {"name": made.name, "version": made.version},
    ).scalar_one_or_none()
    if known is not None and known != made.digest:
        raise ConflictError(
            f"Version {made.version} of {made.name} is kept already, with other rules.",
            remedy="Versions do not change: give the new rules a new version.",
        )
    if known is None:
        connection.execute(
            text(
                "INSERT INTO rule_sets (name, version, actor, digest, content)"
                " VALUES (:name, :version, :actor, :digest, CAST(:content AS jsonb))"
            ),
            {
                "name": made.name,
                "version": made.version,
                "actor": actor,
                "digest": made.digest,
                "content": json.dumps(made.to_dict(), ensure_ascii=False),
            },
        )
    # Writing a version brings a withdrawn name back.
    connection.execute(
        text("UPDATE rule_sets SET withdrawn = false WHERE name = :name"), {"name": made.name}
    )
    return made


def withdraw_rule_set(connection: Connection, name: str) -> None:
    """Hide a rule set from new audits; audits made by it stay as they are.

    Raises
    ------
    NotFoundError
        If the city has none of this name.
    """
    done = connection.execute(
        text("UPDATE rule_sets SET withdrawn = true WHERE name = :name AND NOT withdrawn"),
        {"name": name},
    ).rowcount
    if not done:
        raise NotFoundError(
            f"The city has no rule set of its own named {name!r}.",
            remedy="List them by /api/v1/rule-sets; those that come along stay.",
        )
