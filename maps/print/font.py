"""The packed Chinese font, cut to the letters one sheet needs, as PDF embeds it."""

from __future__ import annotations

import hashlib
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
        whole = merge.Merger().merge(parts)
        # reportlab tells fonts apart by their PostScript names, and would take a second font of
        # the same name for the first. The same letters give the same name, and the same file.
        digest = hashlib.sha256("".join(sorted(letters)).encode()).hexdigest()[:10]
        name = f"NotoSansSC-{digest}"
        for record in list(whole["name"].names):
            if record.nameID == 6:
                record.string = name
        path = Path(folder) / "whole.ttf"
        whole.save(path)
        with _turn:
            pdfmetrics.registerFont(EmbeddedFont(name, str(path)))
    return name
