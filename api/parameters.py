"""Query parameters and headers that several routers read alike."""

from __future__ import annotations

import re

from api.errors import BadHeaderError, VersionMissingError
from data.layers import check_bbox
from geo.errors import CoordinateError

_VERSION_TAG = re.compile(r'(?:W/)?"(\d{1,9})"')


def parse_bbox(value: str | None) -> tuple[float, float, float, float] | None:
    """Read ``west,south,east,north``.

    Raises
    ------
    CoordinateError
        If it is anything else.
    """
    if value is None:
        return None
    try:
        west, south, east, north = (float(part) for part in value.split(","))
    except ValueError as error:
        raise CoordinateError(
            f"The bbox {value[:80]!r} is not four numbers.",
            remedy="Write west,south,east,north in degrees: 118.08,36.94,118.12,36.97.",
        ) from error
    return check_bbox((west, south, east, north))


def split_words(values: list[str]) -> list[str]:
    """Read words given once or more, or parted by commas: ``kind=a&kind=b`` or ``kind=a,b``."""
    words = [word.strip() for value in values for word in value.split(",")]
    return list(dict.fromkeys(word for word in words if word))


def seen_version(if_match: str | None) -> int:
    """Read the row version that a write names in If-Match.

    Raises
    ------
    VersionMissingError
        If the header is missing, or ``*``, which names no version.
    BadHeaderError
        If it is something else than one version in quotes.
    """
    remedy = 'Read the row, then send its ETag back: If-Match: "3".'
    if if_match is None or if_match.strip() == "*":
        raise VersionMissingError(
            "This write must say in If-Match which version of the row it changes.", remedy=remedy
        )
    # A proxy that compresses makes the tag weak; a version is the same for any encoding.
    match = _VERSION_TAG.fullmatch(if_match.strip())
    if match is None:
        raise BadHeaderError(f"If-Match: {if_match[:80]} is not a version.", remedy=remedy)
    return int(match[1])
