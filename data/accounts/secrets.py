"""Random secrets for sessions and tokens: given out once, kept as digests."""

from __future__ import annotations

import hashlib
import hmac
import secrets

TOKEN_PREFIX = "gridcircle_"  # noqa: S105 — lets scanners of leaked secrets know it


def new_secret() -> str:
    """256 random bits, fit for a cookie or a header."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """SHA-256: enough for secrets that are random, where guessing is hopeless anyway."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def form_token(cookie: str) -> str:
    """What forms of a page must send back, made from a cookie that other sites cannot read."""
    return hmac.new(cookie.encode(), b"gridcircle form", hashlib.sha256).hexdigest()


def is_form_token(cookie: str, token: str) -> bool:
    """Whether a form was made for the holder of this cookie; compared in constant time."""
    return hmac.compare_digest(form_token(cookie).encode(), token.encode("utf-8", "replace"))
