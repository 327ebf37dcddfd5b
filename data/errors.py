"""The errors that keeping and reading layers can raise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geo.errors import GridcircleError


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule of a row: the field, its value, why it is refused and what to do."""

    field: str
    value: Any
    reason: str
    remedy: str


class SettingsError(GridcircleError):
    """A setting is unknown or out of range; the message names it."""


class DatabaseUnavailableError(GridcircleError):
    """No PostGIS can be reached or started; the remedy says what to install."""


class NotFoundError(GridcircleError):
    """The row asked for does not exist."""


class ConflictError(GridcircleError):
    """A row with this key exists already, or rows depend on the one to be deleted."""


class StaleRowError(GridcircleError):
    """A write named a row version that is no longer the present one.

    Parameters
    ----------
    message : str
        Which row, which version was named and which is present.
    present : dict
        The row as it is now, as a GeoJSON feature.
    zh : tuple of str, optional
        Message and remedy in Chinese.
    """

    def __init__(
        self,
        message: str,
        *,
        present: dict[str, object],
        remedy: str = "",
        zh: tuple[str, str] | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy, zh=zh)
        self.present = present


class InvalidRowError(GridcircleError):
    """A row breaks a rule of its layer; the message names field, value and rule.

    Parameters
    ----------
    message : str
        What is wrong.
    faults : sequence of Fault
        Every broken rule, where there may be more than one.
    zh : tuple of str, optional
        Message and remedy in Chinese.
    """

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        faults: tuple[Fault, ...] = (),
        zh: tuple[str, str] | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy, zh=zh)
        self.faults = faults


class SourceFileError(GridcircleError):
    """A file cannot be read as what it was given for."""


class LoginError(GridcircleError):
    """Name and password do not belong together, or the account is disabled: never which."""


class TooManyAttemptsError(GridcircleError):
    """Too many failed log-ins from here or for this name; later ones are let through again.

    Parameters
    ----------
    message : str
    wait_s : int
        Seconds until the next try.
    """

    def __init__(self, message: str, *, wait_s: int, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.wait_s = wait_s


class RightMissingError(GridcircleError):
    """The account may not do this, or not in this area.

    Parameters
    ----------
    message : str
    remedy : str
    zh : tuple of str, optional
        Message and remedy in Chinese.
    outside : sequence of dict, optional
        What lies where the account has no right: ``community``, ``community_name``, ``grids``.
    """

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        zh: tuple[str, str] | None = None,
        outside: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(message, remedy=remedy, zh=zh)
        self.outside = tuple(outside)
