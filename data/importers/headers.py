"""Which column of a file fills which field, and which word means which value."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from rapidfuzz import fuzz, process

NEAR = 75
"""Likeness (0 to 100, rapidfuzz ratio) from which a header is offered as a near-miss."""


def plain(text: object) -> str:
    """Fold what spelling does not matter: width, case, spaces, punctuation."""
    folded = unicodedata.normalize("NFKC", "" if text is None else str(text)).casefold()
    return re.sub(r"[\s_\-/()\[\]:：、,.]+", "", folded)


@lru_cache(maxsize=1)
def _file() -> dict[str, Any]:
    text = files("data.importers").joinpath("headers.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """Columns of one file matched to fields.

    Attributes
    ----------
    column : dict of str to str
        Column name by field.
    unknown : list of str
        Columns that fill nothing.
    hints : list of str
        Near-misses, as sentences.
    """

    column: dict[str, str]
    unknown: list[str]
    hints: list[str]


def match_headers(columns: Sequence[str], layer: str) -> HeaderMatch:
    """Match the columns of a file to the fields of a layer.

    A layer's own words go before common ones, and exact names before near ones; of two columns
    for one field the first holds.

    Parameters
    ----------
    columns : sequence of str
        As the file has them.
    layer : str
        Section of ``headers.toml``.
    """
    own, common = _file().get(layer, {}), _file()["common"]
    words: dict[str, str] = {}
    for section in (own, common):
        for field, names in section.items():
            for name in (field, *names):
                words.setdefault(plain(name), field)
    rank = {plain(name): i for s in (own, common) for i, name in enumerate(_listed(s))}
    column: dict[str, str] = {}
    unknown = []
    for name in sorted(columns, key=lambda c: rank.get(plain(c), 10_000)):
        field = words.get(plain(name))
        if field is not None and field not in column:
            column[field] = name
        else:
            unknown.append(name)
    hints = []
    for name in unknown:
        near = process.extractOne(plain(name), words.keys(), scorer=fuzz.ratio, score_cutoff=NEAR)
        if near is not None and words[near[0]] not in column:
            hints.append(
                f"Column {name!r} was not read; did you mean {_spelt(near[0], own, common)!r}?"
            )
    return HeaderMatch(column, [c for c in columns if c in unknown], hints)


def _listed(section: dict[str, list[str]]) -> list[str]:
    return [name for field, names in section.items() for name in (field, *names)]


def _spelt(folded: str, *sections: dict[str, list[str]]) -> str:
    for section in sections:
        for name in _listed(section):
            if plain(name) == folded:
                return name
    return folded


def word_value(group: str, text: object) -> str | None:
    """What a word means in a controlled list; None where it is unknown.

    Parameters
    ----------
    group : str
        Section ``words.<group>`` of ``headers.toml``.
    text : object
        The cell.
    """
    folded = plain(text)
    for value, names in _file()["words"][group].items():
        if folded == plain(value) or folded in {plain(name) for name in names}:
            return str(value)
    return None


def known_words(group: str) -> str:
    """The words of a controlled list, for messages."""
    return ", ".join(
        f"{value} ({next((n for n in names if not n.isascii()), value)})"
        for value, names in _file()["words"][group].items()
    )


def nearest_word(group: str, text: object) -> str | None:
    """The known word most like ``text``, for messages; None where none is near."""
    names = [n for v, ns in _file()["words"][group].items() for n in (v, *ns) if n]
    near = process.extractOne(plain(text), names, processor=plain, score_cutoff=55)
    return None if near is None else str(near[0])
