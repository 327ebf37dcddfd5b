"""The packed Chinese font, cut to the letters one sheet needs, as PDF embeds it."""

from __future__ import annotations

import itertools
import re
import tempfile
import threading
from functools import lru_cache
from pathlib import Path

from fontTools import merge, subset
from fontTools.ttLib import TTFont
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont as EmbeddedFont

from maps.assets import STATIC

_FOLDER = STATIC / "vendor" / "noto-sans-sc"
_LATIN = "".join(map(chr, range(0x20, 0x7F)))
_turn = threading.Lock()  # reportlab's registry is one for the process
_numbers = itertools.count()


@lru_cache(maxsize=1)
def _file_of() -> dict[int, str]:
    """Which font file holds each character, as the style sheet says it to browsers."""
    css = (_FOLDER / "400.css").read_text("utf-8")
    found: dict[int, str] = {}
    for name, ranges in re.findall(
        r"url\(\./(files/[^)]+)\).*?unicode-range:\s*([^;]+);", css, re.DOTALL
    ):
        for part in ranges.split(","):
            first, _, last = part.strip().removeprefix("U+").partition("-")
            for code in range(int(first, 16), int(last or first, 16) + 1):
                found.setdefault(code, name)
    return found


def can_write(words: str) -> str:
    """Put a box in place of letters the font has not, which is what a reader would see."""
    known = _file_of()
    return "".join(letter if ord(letter) in known else "□" for letter in words)


@lru_cache(maxsize=24)
def font_for(letters: frozenset[str]) -> str:
    """Name of an embedded font, known to reportlab, with at least these letters.

    Parameters
    ----------
    letters : frozenset of str
        What a sheet writes; the Latin ones are always there.
    """
    by_file: dict[str, set[str]] = {}
    known = _file_of()
    for letter in letters | set(_LATIN) | {"□"}:
        if ord(letter) in known:
            by_file.setdefault(known[ord(letter)], set()).add(letter)
    with tempfile.TemporaryDirectory(prefix="gridcircle-font-") as folder:
        parts = []
        for number, (name, some) in enumerate(sorted(by_file.items())):
            font = TTFont(_FOLDER / name)
            font.flavor = None
            options = subset.Options(layout_features=[], hinting=False, name_IDs=["*"])
            cutter = subset.Subsetter(options)
            cutter.populate(text="".join(sorted(some)))
            cutter.subset(font)
            path = Path(folder) / f"{number}.ttf"
            font.save(path)
            parts.append(str(path))
        with _turn:
            # A file of its own name: reportlab remembers fonts by the name of their file, and
            # takes every one from memory for the first.
            name = f"NotoSansSC-{next(_numbers)}"
            whole = Path(folder) / f"{name}.ttf"
            merge.Merger().merge(parts).save(whole)
            pdfmetrics.registerFont(EmbeddedFont(name, str(whole)))
    return name
