"""An account, its grants, and the one rule of what it may do where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from data.errors import RightMissingError

ROLES = ("viewer", "auditor", "planner", "publisher", "administrator")
"""What somebody is for, in an area or in the whole city."""

ROLES_ZH: Mapping[str, str] = MappingProxyType(
    dict(zip(ROLES, ("查看", "体检", "规划", "发布", "管理员"), strict=True))
)

ROLE_RIGHTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "viewer": frozenset({"viewer"}),
        "auditor": frozenset({"viewer", "auditor"}),
        "planner": frozenset({"viewer", "planner"}),
        "publisher": frozenset({"viewer", "publisher"}),
        "administrator": frozenset(ROLES),
    }
)
"""Role → rights. Everybody may look; drawing, publishing and auditing are apart, so that one who
draws does not publish; an administrator may do all."""

WHOLE_CITY = ""
"""Area code of a grant that holds everywhere, also outside every area."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in an area and in all areas below it.

    Attributes
    ----------
    role : str
        One of `ROLES`.
    area_code : str
        Code of an area; `WHOLE_CITY` for everywhere.
    """

    role: str
    area_code: str = WHOLE_CITY


@dataclass(frozen=True, slots=True)
class Account:
    """Who a request is from, with what it may do.

    Attributes
    ----------
    id : int
        0 for `LOCAL`.
    name : str
        Unique; the author in the history.
    grants : tuple of Grant
    below : mapping of str to frozenset of str
        For each area code of the grants, the codes of the area and of all areas below it.
    must_change : bool
        Whether the password was given by somebody else, so that it must be changed first.
    has_password : bool
        False for those who come by single sign-on only.
    token_id : int or None
        The API token the request came with, if any.
    session : bytes or None
        Digest of the session the request came with, if any.
    """

    id: int
    name: str
    grants: tuple[Grant, ...] = ()
    below: Mapping[str, frozenset[str]] = field(default_factory=dict)
    must_change: bool = False
    has_password: bool = True
    token_id: int | None = None
    session: bytes | None = None


LOCAL = Account(0, "local", (Grant("administrator"),), has_password=False)
"""Everybody, while there are no accounts: somebody on this machine."""


def may(account: Account, right: str, area_code: str | None) -> bool:
    """Whether an account has a right in an area.

    Parameters
    ----------
    account : Account
    right : str
        One of `ROLES`: what a planner, a publisher … may do.
    area_code : str or None
        Code of the area in which something is to be done, as narrow as it is known (a community).
        None or empty for what lies in no area, or concerns the whole city: only a grant for the
        whole city reaches that.

    Returns
    -------
    bool
        True if a grant whose role has the right is for the whole city, for this area, or for an
        area above it.

    Raises
    ------
    ValueError
        If there is no such right: a misspelt one must not pass for one that is merely refused.
    """
    _check(right)
    return any(
        grant.area_code == WHOLE_CITY
        or (bool(area_code) and area_code in account.below.get(grant.area_code, ()))
        for grant in account.grants
        if right in ROLE_RIGHTS[grant.role]
    )


def may_anywhere(account: Account, right: str) -> bool:
    """Whether an account has a right somewhere: enough to look, or to open a page.

    Raises
    ------
    ValueError
        If there is no such right.
    """
    _check(right)
    return any(right in ROLE_RIGHTS[grant.role] for grant in account.grants)


def require(account: Account, right: str, area_code: str | None) -> None:
    """Refuse what `may` does not allow.

    Raises
    ------
    RightMissingError
        If the account has not got the right in this area.
    """
    if not may(account, right, area_code):
        where = f"in {area_code}" if area_code else "outside every area"
        raise RightMissingError(
            f"{account.name} is no {right} {where}.",
            remedy="Ask an administrator for the role there, or ask who has it.",
            zh=(
                f"{account.name} 在{f'区域 {area_code} ' if area_code else '全市'}"
                f"没有“{ROLES_ZH[right]}”权限。",
                "请向管理员申请，或请有权限的人操作。",
            ),
        )


def may_manage(manager: Account, grants: tuple[Grant, ...]) -> bool:
    """Whether one may look after an account with these grants, or give them.

    An administrator of a street looks after accounts of this street only; an account without any
    grant belongs to those of the whole city.
    """
    places = {grant.area_code for grant in grants} or {WHOLE_CITY}
    return all(may(manager, "administrator", place) for place in places)


def _check(right: str) -> None:
    if right not in ROLES:
        raise ValueError(f"There is no right {right!r}; use one of {', '.join(ROLES)}.")
