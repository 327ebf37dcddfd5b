"""The rule sets that come with Gridcircle, and those a city writes itself, as TOML files."""

from __future__ import annotations

import tomllib
from pathlib import Path

from geo.rulesets import RuleSet, RuleSetError, rule_set

_FOLDER = Path(__file__).parent


def rule_set_names() -> list[str]:
    """Names of the rule sets that come along."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def open_rule_set(name: str) -> RuleSet:
    """Read a rule set by its name, or a city's own by the path of its TOML file.

    Raises
    ------
    RuleSetError
        If there is none, or it is written wrongly.
    """
    path = Path(name) if name.endswith(".toml") else _FOLDER / f"{name}.toml"
    if path.parent == _FOLDER and path.stem not in rule_set_names():
        raise RuleSetError(
            f"No rule set is named {name!r}.",
            remedy=f"Use one of: {', '.join(rule_set_names())}; or the path of a .toml file.",
        )
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise RuleSetError(f"{name}: it cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RuleSetError(
            f"{name}: this is not TOML: {error}.", remedy="See docs/audits.md for an example."
        ) from error
    return rule_set(content, origin=path.name)
