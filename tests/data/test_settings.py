"""Settings from environment, file and default."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from data.errors import SettingsError
from data.settings import Settings, default_home, get_settings, in_container

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    return tmp_path


def test_without_anything_set_the_defaults_hold(folder: Path) -> None:
    settings = Settings.load()
    assert settings.home == folder / ".gridcircle"
    assert settings.database_url is None
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.default_profile == "norm"
    assert settings.cutoffs_s == (600, 900)


def test_environment_goes_before_the_file_and_the_file_before_the_default(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "gridcircle.toml").write_text('port = 8100\nwaits = "expected"\nminutes = [5, 20]\n')
    monkeypatch.setenv("GRIDCIRCLE_PORT", "8200")
    settings = Settings.load()
    assert (settings.port, settings.waits, settings.max_snap_m) == (8200, "expected", 200)
    assert settings.minutes == (5, 20)
    assert Settings.load(port=8300).port == 8300


def test_the_file_may_be_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "town.toml").write_text('language = "en"\n')
    monkeypatch.setenv("GRIDCIRCLE_CONFIG", str(folder / "town.toml"))
    assert Settings.load().language == "en"
    monkeypatch.setenv("GRIDCIRCLE_CONFIG", str(folder / "none.toml"))
    with pytest.raises(SettingsError, match=r"none\.toml"):
        Settings.load()


def test_the_database_url_has_two_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://a@h/one")
    assert Settings.load().database_url == "postgresql+psycopg://a@h/one"
    monkeypatch.setenv("GRIDCIRCLE_DATABASE_URL", "postgresql://a@h/two")
    assert Settings.load().database_url == "postgresql+psycopg://a@h/two"
    monkeypatch.setenv("GRIDCIRCLE_DATABASE_URL", "")
    assert Settings.load().database_url is None


def test_a_password_is_never_shown() -> None:
    settings = Settings.load(database_url="postgresql://a:geheim@h/one")
    assert "geheim" not in repr(settings)
    with pytest.raises(SettingsError, match="database_url") as caught:
        Settings.load(database_url="mysql://a:geheim@h/one")
    assert "geheim" not in str(caught.value)


def test_home_follows_the_xdg_variable_only_where_it_is_absolute(folder: Path) -> None:
    assert default_home({"XDG_DATA_HOME": "/data"}) == Path("/data/gridcircle")
    assert default_home({"XDG_DATA_HOME": "data"}) == folder / ".gridcircle"
    assert default_home({}) == folder / ".gridcircle"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("PORT", "0", "greater than or equal to 1"),
        ("PORT", "http", "valid integer"),
        ("LOG_LEVEL", "loud", "debug"),
        ("DEFAULT_PROFILE", "jogger", "norm, adult, elderly"),
        ("WAITS", "long", "none, expected, worst"),
        ("MAX_SNAP_M", "-1", "greater than 0"),
        ("MAX_SNAP_M", "nan", "finite"),
        ("MINUTES", "10,0", "1 to 120"),
        ("MINUTES", "ten", "valid integer"),
        ("NETWORKS_KEPT", "0", "greater than or equal to 1"),
        ("DATABASE_URL", "sqlite:///x", "postgresql://"),
    ],
)
def test_a_bad_value_is_refused_with_the_name_of_its_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(f"GRIDCIRCLE_{name}", value)
    with pytest.raises(SettingsError, match=re.escape(f"GRIDCIRCLE_{name}")) as caught:
        Settings.load()
    assert reason in str(caught.value)
    assert "docs/settings.md" in caught.value.remedy


def test_an_unknown_key_in_the_file_is_refused_with_a_near_one(folder: Path) -> None:
    (folder / "gridcircle.toml").write_text("max_snap = 100\n")
    with pytest.raises(SettingsError, match=r"max_snap is not a setting.*max_snap_m"):
        Settings.load()
    (folder / "gridcircle.toml").write_text("port = \n")
    with pytest.raises(SettingsError, match="TOML"):
        Settings.load()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost"])
def test_the_service_may_listen_on_loopback(host: str) -> None:
    assert Settings.load(host=host).host == host.strip("[]")


@pytest.mark.parametrize("host", ["192.168.1.5", "::", "8.8.8.8", "city.example", "", "10.0.0.1"])
def test_the_service_refuses_any_other_address_and_says_why(host: str) -> None:
    with pytest.raises(SettingsError, match="without accounts"):
        Settings.load(host=host)


def test_all_addresses_are_allowed_only_where_a_container_holds_them_in() -> None:
    if in_container():
        assert Settings.load(host="0.0.0.0").host == "0.0.0.0"
    else:
        with pytest.raises(SettingsError, match="without accounts"):
            Settings.load(host="0.0.0.0")


def test_a_container_is_known_by_its_marks(folder: Path) -> None:
    assert not in_container(folder, {})
    assert in_container(folder, {"container": "podman"})
    (folder / "run").mkdir()
    (folder / "run" / ".containerenv").touch()
    assert in_container(folder, {})
    (folder / "run" / ".containerenv").unlink()
    (folder / ".dockerenv").touch()
    assert in_container(folder, {})


def test_settings_are_read_once_for_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    get_settings.cache_clear()
    try:
        first = get_settings()
        monkeypatch.setenv("GRIDCIRCLE_PORT", "9999")
        assert get_settings() is first
    finally:
        get_settings.cache_clear()


def test_the_documentation_lists_every_setting_with_its_default() -> None:
    rows = {
        cells[0].strip(" `"): [cell.strip(" `") for cell in cells[1:]]
        for line in DOCS.read_text("utf-8").splitlines()
        if line.startswith("| `") and (cells := line.strip("|").split("|"))
    }
    assert set(rows) == set(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        environment, default = rows[name][:2]
        assert f"GRIDCIRCLE_{name.upper()}" in environment
        if isinstance(field.default, (int, float, str)) and field.default != "":
            assert default == str(field.default).removesuffix(".0"), name


@pytest.mark.parametrize("value", ["on", "ON", True])
def test_with_accounts_the_service_may_listen_anywhere(value: object) -> None:
    settings = Settings.load(accounts=value, host="192.168.1.5")
    assert (settings.accounts, settings.host) == ("on", "192.168.1.5")


def test_a_service_on_every_address_must_know_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.settings.in_container", lambda: False)
    with pytest.raises(SettingsError, match="allowed_hosts"):
        Settings.load(accounts="on", host="0.0.0.0")
    assert Settings.load(accounts="on", host="::", allowed_hosts="grids.example.org").host == "::"


@pytest.mark.parametrize(
    "issuer", ["http://id.example.org", "id.example.org", "https://", "https://a@b", "ftp://x"]
)
def test_a_provider_must_be_reached_safely(issuer: str) -> None:
    with pytest.raises(SettingsError, match="oidc_issuer"):
        Settings.load(oidc_issuer=issuer, oidc_client_id="x")


def test_a_provider_needs_a_client_id_and_no_message_shows_the_secret() -> None:
    with pytest.raises(SettingsError, match="oidc_client_id") as raised:
        Settings.load(oidc_issuer="https://id.example.org", oidc_client_secret="geheim")
    assert "geheim" not in str(raised.value)
    settings = Settings.load(
        oidc_issuer="https://id.example.org/", oidc_client_id="g", oidc_client_secret="geheim"
    )
    assert settings.oidc_issuer == "https://id.example.org"
    assert "geheim" not in repr(settings)


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [
        ("GRIDCIRCLE_PROT", "GRIDCIRCLE_PORT"),
        ("GRIDCIRCLE_MAX_SNAP", "GRIDCIRCLE_MAX_SNAP_M"),
        ("gridcircle_lanugage", "GRIDCIRCLE_LANGUAGE"),
        ("GRIDCIRCLE_CONFG", "GRIDCIRCLE_CONFIG"),
        ("GRIDCIRLE_PORT", "GRIDCIRCLE_PORT"),
        ("GRID_CIRCLE_HOME", "GRIDCIRCLE_HOME"),
        ("GRIDCIRCLE_XYZZY", None),
    ],
)
def test_a_mistyped_variable_is_named_with_the_one_probably_meant(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    mistyped: str,
    meant: str | None,
) -> None:
    monkeypatch.setenv(mistyped, "9000")
    assert Settings.load().port == 8000
    (warning,) = caplog.messages
    assert mistyped in warning
    assert (f"did you mean {meant}?" in warning) if meant else ("docs/settings.md" in warning)


def test_right_variables_and_those_of_others_raise_no_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, folder: Path
) -> None:
    (folder / "town.toml").write_text("port = 8100")
    for name, value in {
        "GRIDCIRCLE_CONFIG": str(folder / "town.toml"),
        "GRIDCIRCLE_LANGUAGE": "en",
        "gridcircle_waits": "worst",
        "DATABASE_URL": "",
        "GRID": "1",
        "GRIDLINES": "1",
        "PORT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert Settings.load().port == 8100
    assert caplog.messages == []


def test_the_command_line_shows_the_warning() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from api.cli import main; main()", "serve", "--host", "8.8.8.8"],
        cwd=DOCS.parents[1],
        env={**os.environ, "GRIDCIRCLE_PROT": "9000"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1  # by the address
    assert "GRIDCIRCLE_PROT is not a setting" in done.stderr
    assert "did you mean GRIDCIRCLE_PORT?" in done.stderr
