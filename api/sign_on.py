"""Signing on elsewhere: OpenID Connect with code, PKCE and nonce, by Authlib."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from fastapi import Request
from httpx2 import HTTPError
from itsdangerous import BadSignature, URLSafeTimedSerializer
from joserfc.errors import JoseError
from starlette.responses import Response

from data.errors import LoginError
from data.settings import Settings

STATE_S = 600
"""How long somebody may take at the provider."""
COOKIE_PATH = "/login"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is at the provider.

    Attributes
    ----------
    issuer, subject : str
        Together they never mean somebody else.
    wished_name : str
        What they would like to be called; nothing rests on it.
    next_address : str
        Where they wanted to go.
    """

    issuer: str
    subject: str
    wished_name: str
    next_address: str


class SignOn:
    """One OpenID Connect provider, as the settings name it.

    State, nonce and the PKCE verifier of a log-in under way stay with the browser, in a cookie
    that is signed by a key of this process and good for ten minutes.
    """

    def __init__(self, settings: Settings) -> None:
        self.issuer = settings.oidc_issuer
        self.label = settings.oidc_label or (urlsplit(self.issuer).hostname or "")
        self._signer = URLSafeTimedSerializer(secrets.token_bytes(32), salt="sign-on")
        self._client: Any = None
        if self.issuer:
            oauth = OAuth()
            oauth.register(
                "provider",
                client_id=settings.oidc_client_id,
                client_secret=settings.oidc_client_secret or None,
                server_metadata_url=f"{self.issuer}/.well-known/openid-configuration",
                client_kwargs={
                    "scope": "openid profile",
                    "code_challenge_method": "S256",
                    "timeout": 10,
                },
            )
            self._client = oauth.create_client("provider")

    async def begin(self, request: Request, callback: str, next_address: str) -> Response:
        """Lead the browser to the provider.

        Raises
        ------
        LoginError
            If the provider does not answer.
        """
        request.scope["session"] = {}
        try:
            await self._check_issuer()
            answer: Response = await self._client.authorize_redirect(request, callback)
        except (OAuthError, HTTPError, RuntimeError, ValueError, KeyError) as error:
            raise _failed(error) from error
        kept = {"session": request.scope["session"], "next": next_address}
        answer.set_cookie(
            _cookie(request),
            self._signer.dumps(kept),
            max_age=STATE_S,
            path=COOKIE_PATH,
            httponly=True,
            samesite="lax",  # the provider sends the browser back from another site
            secure=request.url.scheme == "https",
        )
        answer.headers["Cache-Control"] = "no-store"
        return answer

    async def finish(self, request: Request) -> Identity:
        """Take the provider's answer: exchange the code, check the signed identity.

        Raises
        ------
        LoginError
            If the log-in was not begun here, was refused, or the answer cannot be trusted.
        """
        try:
            kept = self._signer.loads(request.cookies.get(_cookie(request), ""), max_age=STATE_S)
            request.scope["session"] = kept["session"]
            await self._check_issuer()
            token = await self._client.authorize_access_token(request)
            claims = token["userinfo"]  # of the ID token, checked by signature, nonce, audience
            self._require_issuer(claims)
            subject = str(claims["sub"])
            wished = _name_in(claims)
            if not wished:  # some providers tell names only when asked once more
                about = await self._client.userinfo(token=token)
                wished = _name_in(about) if str(about["sub"]) == subject else ""
        except (
            BadSignature,
            OAuthError,
            JoseError,
            HTTPError,
            RuntimeError,
            ValueError,
            KeyError,
            TypeError,
        ) as error:
            raise _failed(error) from error
        return Identity(self.issuer, subject, wished, kept["next"])

    async def _check_issuer(self) -> None:
        metadata = await self._client.load_server_metadata()
        self._require_issuer({"iss": metadata.get("issuer")})

    def _require_issuer(self, claims: Mapping[str, Any]) -> None:
        if str(claims["iss"]).rstrip("/") != self.issuer:
            raise ValueError("the provider calls itself otherwise")

    def forget(self, request: Request, answer: Response) -> None:
        """Take the cookie of the log-in under way back: it is good for once."""
        answer.delete_cookie(_cookie(request), path=COOKIE_PATH)


def _cookie(request: Request) -> str:
    return "__Secure-gridcircle-sign-on" if request.url.scheme == "https" else "gridcircle-sign-on"


def _name_in(claims: Mapping[str, Any]) -> str:
    return str(claims.get("preferred_username") or claims.get("name") or "")


def _failed(error: Exception) -> LoginError:
    # The reason goes to the log by its kind only: what came from outside may hold codes.
    return LoginError(
        f"The provider's log-in did not succeed ({type(error).__name__}).",
        remedy="Try again; check the oidc_ settings and the provider's own log.",
    )
