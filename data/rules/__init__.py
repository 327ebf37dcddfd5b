"""The rule sets that come with Gridcircle, and those a city writes itself, as TOML files."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from data.models import FACILITIES, STATION_KINDS
from geo.rulesets import RuleSet, RuleSetError, rule_set

_FOLDER = Path(__file__).parent


def rule_set_names() -> list[str]:
    """Names of the rule sets that come along."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def open_rule_set(name: str) -> RuleSet:
    """Read a rule set by its name, or by the path of a city's own TOML or an audit's JSON.

    Raises
    ------
    RuleSetError
        If there is none, or it is written wrongly.
    """
    own = name.endswith((".toml", ".json"))
    path = Path(name) if own else _FOLDER / f"{name}.toml"
    if path.parent == _FOLDER and path.stem not in rule_set_names():
        raise RuleSetError(
            f"No rule set is named {name!r}.",
            remedy=f"Use one of: {', '.join(rule_set_names())}; or the path of a .toml file, or of "
            "an audit's rules.json.",
        )
    try:
        text = path.read_text("utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise RuleSetError(f"{name}: it cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RuleSetError(
            f"{name}: this is neither TOML nor the JSON of an audit: {error}.",
            remedy="See docs/audits.md for an example.",
        ) from error
    return checked(rule_set(content, origin=path.name))


def checked(rules: RuleSet) -> RuleSet:
    """Give the rule set back if it names only station kinds and facilities that there are.

    Raises
    ------
    RuleSetError
        Naming the rule and the word.
    """
    for rule in rules.rules:
        for field, words, known in (
            ("stations", rule.terms.get("stations", ()), STATION_KINDS),
            ("facility", filter(None, [rule.terms.get("facility")]), FACILITIES),
        ):
            unknown = [word for word in words if word not in known]
            if unknown:
                raise RuleSetError(
                    f"{rules.name}, rule {rule.id}: {field} {unknown[0]!r} is not in the list.",
                    remedy=f"Use any of: {', '.join(known)}.",
                )
    return rules
