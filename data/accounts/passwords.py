"""Passwords: rules, hashing by argon2id, and checking in the same time whoever is asked for."""

from __future__ import annotations

import secrets
import threading
import unicodedata
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from data.errors import Fault, InvalidRowError

SHORTEST, LONGEST = 12, 256
"""Characters. Long enough to need no rules about their kinds (NIST SP 800-63B, 5.1.1)."""

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""Without letters that look like others: it is read off a screen and typed in."""

_hasher = PasswordHasher()
"""RFC 9106's second choice, the default of argon2-cffi: 64 MiB, three passes."""
_at_once = threading.BoundedSemaphore(2)
"""Each check takes 64 MiB: a crowd at the door must not take all memory."""


def check_password(password: str, name: str) -> None:
    """Refuse a password that is easily guessed.

    Raises
    ------
    InvalidRowError
        If it is too short, too long, one letter over and over, or holds the account's name.
    """
    word = _normal(password)
    folded, key = word.casefold(), unicodedata.normalize("NFKC", name).casefold()
    if not SHORTEST <= len(word) <= LONGEST:
        reason = f"has {len(word)} characters"
        remedy = f"Use {SHORTEST} to {LONGEST} characters, for example four words."
    elif len(set(folded)) < 5:
        reason, remedy = "repeats few characters", "Use at least five different ones."
    elif len(key) >= 3 and key in folded:
        reason, remedy = "holds the account's name", "Leave the name out."
    else:
        return
    # The password itself is not repeated.
    raise InvalidRowError(
        f"The password {reason}.",
        remedy=remedy,
        faults=(Fault("password", None, reason, remedy),),
    )


def random_password() -> str:
    """A password of 100 bits, in groups that can be read out."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(20))
    return "-".join(letters[i : i + 5] for i in range(0, 20, 5))


def hash_password(password: str) -> str:
    """Digest to keep, with its own salt and parameters."""
    with _at_once:
        return _hasher.hash(_normal(password))


def verify_password(kept: str | None, password: str) -> bool:
    """Whether a password belongs to a kept digest.

    Where there is none (no such account, or one that comes by single sign-on), a digest of
    nothing is checked all the same, so that the answer takes as long.
    """
    with _at_once:
        try:
            right = _hasher.verify(kept or _nobodys(), _normal(password)[: 4 * LONGEST])
        except (VerificationError, InvalidHashError):
            return False
    return right and kept is not None


def is_outdated(kept: str) -> bool:
    """Whether the parameters have been raised since this digest was made."""
    return _hasher.check_needs_rehash(kept)


@lru_cache(maxsize=1)
def _nobodys() -> str:
    return _hasher.hash(secrets.token_urlsafe(32))


def _normal(password: str) -> str:
    # The same characters, however a keyboard composes them.
    return unicodedata.normalize("NFKC", password)
