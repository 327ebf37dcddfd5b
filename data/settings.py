"""Settings: from the environment, one TOML file, or the default, in this order."""

from __future__ import annotations

import ipaddress
import logging
import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from data.errors import SettingsError
from geo.standards import DEFAULT_CUTOFFS_S, DEFAULT_MAX_SNAP_M, PROFILES, SIGNAL_WAITS_S

log = logging.getLogger("gridcircle.settings")

ENV_PREFIX = "GRIDCIRCLE_"
ENV_BESIDE = ("GRIDCIRCLE_CONFIG",)
"""Variables with our prefix that are read and are no settings."""
CONFIG_FILE = "gridcircle.toml"


def in_container(root: Path = Path("/"), environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this process runs inside a container, as Docker, Podman and systemd mark it.

    Parameters
    ----------
    root : Path
        Root of the file system.
    environ : mapping
        Environment variables.
    """
    marks = (root / ".dockerenv", root / "run" / ".containerenv")
    return bool(environ.get("container")) or any(mark.exists() for mark in marks)


def default_home(environ: Mapping[str, str] = os.environ) -> Path:
    """Folder of the embedded database and compiled networks when none is set.

    ``$XDG_DATA_HOME/gridcircle`` when that variable holds an absolute path, otherwise
    ``.gridcircle`` in the working folder.
    """
    data_home = environ.get("XDG_DATA_HOME", "")
    # The XDG base directory specification: a path that is not absolute is to be ignored.
    if Path(data_home).is_absolute():
        return Path(data_home) / "gridcircle"
    return Path.cwd() / ".gridcircle"


class Settings(BaseSettings):
    """Everything that can be set; docs/settings.md lists each with its default.

    Each is read from the environment as ``GRIDCIRCLE_<NAME>``, then from the TOML file named by
    ``GRIDCIRCLE_CONFIG`` (``gridcircle.toml`` in the working folder when unset), then the default
    holds. Arguments given here stand before all of them.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, extra="forbid", frozen=True, populate_by_name=True
    )

    home: Path = Field(default_factory=default_home)
    """Folder of the embedded database and compiled networks; absolute."""
    database_url: str | None = Field(
        default=None,
        repr=False,  # it may hold a password
        validation_alias=AliasChoices("GRIDCIRCLE_DATABASE_URL", "DATABASE_URL", "database_url"),
    )
    """PostGIS to use; None starts the embedded one."""
    database_user: str = ""
    """Account the embedded server runs as when started by root; empty: ``postgres`` or like it."""
    postgres_bin: Path | None = None
    """Folder of ``initdb`` and ``postgres`` for the embedded server; None looks in usual places."""
    accounts: Literal["off", "on"] = "off"
    """Whether people log in. Off: everybody on this machine may do everything."""
    session_hours: int = Field(default=12, ge=1, le=168)
    """Longest time a log-in holds; two hours without use end it sooner."""
    oidc_issuer: str = ""
    """OpenID Connect provider people may log in by; empty: none."""
    oidc_client_id: str = ""
    oidc_client_secret: str = Field(default="", repr=False)
    oidc_label: str = ""
    """What the log-in page calls the provider; empty: its host."""
    host: str = "127.0.0.1"
    """Address the service listens on; loopback only unless there are accounts."""
    port: int = Field(default=8000, ge=1, le=65535)
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(default=(), validate_default=True)
    """Names beside this machine's own that requests may ask by: of a proxy in front."""
    public_url: str = ""
    """Address the public opens the service by, for QR codes and feeds; empty: as asked."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    language: Literal["zh", "en"] = "zh"
    """Language of pages when the request names none."""
    default_profile: str = "norm"
    """Travel profile used when none is named; a key of `geo.standards.PROFILES`."""
    waits: str = "none"
    """Signal waits used when none are named; a key of `geo.standards.SIGNAL_WAITS_S`."""
    max_snap_m: float = Field(default=DEFAULT_MAX_SNAP_M, gt=0, le=5_000, allow_inf_nan=False)
    """Farthest a point may lie from a walkable edge, metres."""
    minutes: Annotated[tuple[int, ...], NoDecode] = tuple(s // 60 for s in DEFAULT_CUTOFFS_S)
    """Cutoffs of service circles, minutes of walking, rising."""
    networks_kept: int = Field(default=3, ge=1, le=100)
    """Versions of the walking network kept in the database, the current one included."""

    @property
    def cutoffs_s(self) -> tuple[int, ...]:
        """Cutoffs of service circles, seconds of walking, rising."""
        return tuple(60 * minutes for minutes in self.minutes)

    @field_validator("home", "postgres_bin")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _postgres_url(cls, value: str | None) -> str | None:
        if value is None or not value.strip():
            return None
        scheme = value.split("://", 1)[0]
        if "://" not in value or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
            # The value itself may hold a password: it is not repeated.
            raise ValueError("must look like postgresql://user:password@host:5432/database")
        return "postgresql+psycopg://" + value.strip().split("://", 1)[1]

    @field_validator("accounts", mode="before")
    @classmethod
    def _switch(cls, value: object) -> object:
        if isinstance(value, bool):  # accounts = true in TOML
            return "on" if value else "off"
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        if value and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", value):
            raise ValueError("must be an address like https://id.example.org/realms/city")
        # Codes and keys come from there: nobody may listen on the way.
        if value.startswith("http://") and not is_loopback(urlsplit(value).hostname or ""):
            raise ValueError("must begin with https://, unless it is on this machine")
        return value

    @field_validator("host")
    @classmethod
    def _loopback(cls, value: str, info: ValidationInfo) -> str:
        host = value.strip().strip("[]").lower()
        if is_loopback(host):
            return host
        if info.data.get("accounts") == "on" and host and not set(host) & set("*/ @?#"):
            return host
        # Inside a container the published port, not this address, decides who can come in;
        # docker-compose.yml publishes it on the host's loopback only.
        if host == "0.0.0.0" and in_container():  # noqa: S104
            return host
        raise ValueError(
            "not a loopback address; without accounts Gridcircle serves "
            "this machine only: use 127.0.0.1, ::1 or localhost, or set accounts to on"
        )

    @field_validator("log_level", "language", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("default_profile")
    @classmethod
    def _known_profile(cls, value: str) -> str:
        if value not in PROFILES:
            raise ValueError(f"no travel profile is named {value!r}; use {', '.join(PROFILES)}")
        return value

    @field_validator("waits")
    @classmethod
    def _known_waits(cls, value: str) -> str:
        if value not in SIGNAL_WAITS_S:
            raise ValueError(f"no signal wait is named {value!r}; use {', '.join(SIGNAL_WAITS_S)}")
        return value

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _hosts_text(cls, value: object) -> object:
        return value.replace(",", " ").split() if isinstance(value, str) else value

    @field_validator("allowed_hosts")
    @classmethod
    def _host_names(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not value and info.data.get("host") in {"0.0.0.0", "::"} and not in_container():  # noqa: S104
            raise ValueError(
                "a service that listens on every address must know the names it is asked by; "
                "write them, for example grids.example.org,192.168.1.5"
            )
        for name in value:
            if not name.strip() or set(name) & set("*/ @?#"):
                raise ValueError(
                    f"{name!r} is no host name; write names without scheme, path or *, "
                    "for example grids.example.org"
                )
        return tuple(name.strip().strip("[]").lower() for name in value)

    @model_validator(mode="after")
    def _whole_provider(self) -> Self:
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("oidc_issuer needs oidc_client_id: register Gridcircle there first")
        return self

    @field_validator("minutes", mode="before")
    @classmethod
    def _minutes_text(cls, value: object) -> object:
        if isinstance(value, str):
            return [part for part in value.strip(" []").replace(",", " ").split() if part]
        return [value] if isinstance(value, int) else value

    @field_validator("minutes")
    @classmethod
    def _minutes_sense(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or not all(1 <= minutes <= 120 for minutes in value):
            raise ValueError("give one or more whole minutes from 1 to 120, for example 10,15")
        return tuple(sorted(set(value)))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then environment, then the TOML file; no dotenv and no secrets folder."""
        named = os.environ.get(ENV_PREFIX + "CONFIG", "")
        path = Path(named).expanduser() if named else Path.cwd() / CONFIG_FILE
        if named and not path.is_file():
            raise SettingsError(
                f"{ENV_PREFIX}CONFIG names {path}, which is not a file.",
                remedy=f"Write the file or unset {ENV_PREFIX}CONFIG.",
            )
        try:
            toml = TomlConfigSettingsSource(settings_cls, toml_file=path)
        except (ValueError, OSError) as error:  # tomllib.TOMLDecodeError is a ValueError
            raise SettingsError(
                f"{path} cannot be read as TOML: {error}.", remedy="Correct the file."
            ) from error
        return init_settings, env_settings, toml

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the settings, with `overrides` before every other source.

        Raises
        ------
        SettingsError
            If a value is out of range or a name is unknown; the message names the setting.

        Notes
        -----
        A variable that looks like a setting and is none is named in a warning of the log: unlike
        a key in the file it may belong to somebody else.
        """
        for doubt in environment_doubts():
            log.warning("%s", doubt)
        try:
            return cls(**overrides)
        except ValidationError as error:
            raise _settings_error(error) from error


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own loopback."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def environment_doubts(environ: Mapping[str, str] = os.environ) -> list[str]:
    """One sentence for each environment variable that looks like a setting and is none.

    Parameters
    ----------
    environ : mapping
        Environment variables.
    """
    known = [f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields] + [*ENV_BESIDE]
    found = []
    for name in sorted(environ):
        folded = name.upper()
        if folded in known:
            continue
        near = get_close_matches(folded, known, n=1, cutoff=0.75)
        if folded.startswith(ENV_PREFIX):
            hint = f"did you mean {near[0]}?" if near else "docs/settings.md lists all."
        elif folded.startswith("GRID") and get_close_matches(folded, known, n=1, cutoff=0.9):
            hint = f"did you mean {near[0]}?"  # the prefix itself is mistyped
        else:
            continue
        found.append(f"The environment variable {name} is not a setting and is ignored; {hint}")
    return found


def _settings_error(error: ValidationError) -> SettingsError:
    problems = [_problem(detail) for detail in error.errors(include_url=False)]
    return SettingsError(
        "Settings: " + "; ".join(problems) + ".",
        remedy=f"Correct the environment variable or {CONFIG_FILE}; docs/settings.md lists all.",
    )


def _problem(detail: ErrorDetails) -> str:
    name = str(detail["loc"][0]) if detail["loc"] else ""
    if name.upper().endswith("DATABASE_URL"):
        name = "database_url"
    if detail["type"] == "extra_forbidden":
        near = get_close_matches(name, Settings.model_fields, n=1)
        return f"{name} is not a setting" + (f" (did you mean {near[0]}?)" if near else "")
    reason = detail["msg"].removeprefix("Value error, ")
    if not name:  # a rule about several settings; what came in may hold secrets
        return reason
    secret = name in {"database_url", "oidc_client_secret"}
    value = "" if secret else f" = {detail['input']!r}"
    return f"{name} ({ENV_PREFIX}{name.upper()}){value}: {reason}"


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Read the settings of this process, once.

    Raises
    ------
    SettingsError
        As `Settings.load`.
    """
    return Settings.load()
