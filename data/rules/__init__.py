"""The rule sets that come with Gridcircle, and those a city writes itself, as TOML files."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

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
    return rule_set(content, origin=path.name)
