"""The rule sets that come with Gridcircle, and those a city writes itself, as TOML files."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

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


def read_toml(text: str) -> RuleSet:
    """Read a rule set from the text of a TOML file.

    Raises
    ------
    RuleSetError
        If it is no TOML or written wrongly.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleSetError(
            f"This is no TOML: {error}.", remedy="See docs/audits.md for an example."
        ) from error
    return checked(rule_set(content, origin=str(content.get("name") or "TOML")))


def write_toml(rules: RuleSet) -> str:
    """Write a rule set as TOML that reads back as the same."""
    content = rules.to_dict()
    lines = [
        f"{key} = {_toml(content[key])}"
        for key in ("name", "version", "title_zh", "title_en", "note")
        if content[key]
    ]
    lines += ["", "[costs]", *(f"{key} = {_toml(value)}" for key, value in rules.costs.items())]
    for rule in content["rules"]:
        lines += ["", "[[rules]]"]
        lines += [f"{key} = {_toml(value)}" for key, value in rule.items() if value not in ("", [])]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Write a text, number, truth or list; JSON writes those as TOML does, save for one letter."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
