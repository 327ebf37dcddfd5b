"""Asking a running service for an audit and its pack, for the command line."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from httpx2 import Client, HTTPError, Response

from geo.errors import GridcircleError

WAIT_S = 3600.0
"""Longest time an audit or its pack may take, seconds."""


class ServiceError(GridcircleError):
    """A service cannot be reached or refuses."""


class AuditClient:
    """Makes and fetches audits of one service.

    Parameters
    ----------
    address : str
        Of the service, with http or https.
    token : str
        API token of an auditor; empty where the service has no accounts.
    """

    def __init__(self, address: str, token: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ServiceError(
                f"{address!r} is no address of a service.",
                remedy="Write it whole, for example https://grids.example.org.",
            )
        if parts.username or parts.password:
            raise ServiceError(
                "The address holds a name or password.", remedy="Give a token by --token instead."
            )
        # A token goes to this address only: redirects are not followed.
        self._client = Client(
            base_url=address.rstrip("/"),
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=WAIT_S,
        )
        self._address = address

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def make(self, rules: str | dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """Audit by a rule set, named or given whole; also says whether the audit is new."""
        body = {"rules": rules} if isinstance(rules, str) else {"rule_set": rules}
        answer = self._asked("POST", "/api/v1/audits", body)
        told: dict[str, Any] = answer.json()
        return told, answer.status_code == 201

    def pack(self, number: int) -> bytes:
        """Fetch the pack of an audit, as ZIP."""
        return self._asked("GET", f"/api/v1/audits/{number}/pack.zip", None).content

    def _asked(self, method: str, path: str, body: dict[str, Any] | None) -> Response:
        try:
            answer = self._client.request(method, path, json=body)
        except HTTPError as error:
            raise ServiceError(
                f"{self._address} does not answer: {error}.",
                remedy="See that the service runs and the address is right.",
            ) from error
        if answer.is_success:
            return answer
        problem: dict[str, Any] = {}
        if "json" in answer.headers.get("content-type", ""):
            problem = answer.json()
        detail = problem.get("detail") or problem.get("title") or answer.reason_phrase
        remedy = problem.get("remedy") or ""
        if answer.status_code in (401, 403):
            remedy = "Give the token of an account with the role auditor by --token or "
            remedy += "GRIDCIRCLE_TOKEN."
        raise ServiceError(f"{self._address}: {detail} ({answer.status_code})", remedy=remedy)
