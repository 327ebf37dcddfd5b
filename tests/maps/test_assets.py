"""Assets: every file of a page is here, is what it was, and a plugin that is not is refused."""

from __future__ import annotations

import re

import folium
import pytest
from branca.element import Figure
from folium.plugins import MarkerCluster, Terminator

from maps.assets import LOCAL, MANIFEST, STATIC, AssetError, asset, broken_files, localise


def test_third_party_files_are_the_ones_the_manifest_lists() -> None:
    assert len(MANIFEST.read_text("utf-8").splitlines()) > 100
    assert broken_files() == []


def test_a_changed_a_missing_and_an_unlisted_file_are_told(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kept.js", "changed.js", "new.js"):
        (tmp_path / name).write_text("x")
    same = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"  # of "x"
    (tmp_path / "SHA256SUMS").write_text(
        f"{same}  kept.js\n{'0' * 64}  changed.js\n{same}  lost.js\n"
    )
    monkeypatch.setattr("maps.assets.MANIFEST", tmp_path / "SHA256SUMS")
    assert broken_files() == ["changed.js", "lost.js", "new.js"]


def test_every_third_party_package_has_its_licence_and_its_row_in_the_list() -> None:
    listed = (STATIC / "VENDORED.md").read_text("utf-8")
    script = (STATIC / "vendor.sh").read_text("utf-8")
    for folder in (STATIC / "vendor").iterdir():
        if folder.is_dir():
            assert (folder / "LICENSE").is_file(), folder.name
            assert f"`vendor/{folder.name}`" in listed
    for package, version in re.findall(r"^\| (\S+) \| ([\d.]+)", listed, re.MULTILINE):
        assert f"{package}@{version}" in script


def test_every_local_file_folium_is_given_is_here() -> None:
    for name in filter(None, LOCAL.values()):
        assert asset(name).startswith(f"/static/{name}?v=")


def test_a_file_that_is_not_here_is_not_linked() -> None:
    with pytest.raises(AssetError, match=r"gone\.js") as refusal:
        asset("gridcircle/gone.js")
    assert refusal.value.remedy


def test_a_map_of_folium_links_no_other_host_once_it_is_local() -> None:
    chart = folium.Map(tiles=None)
    figure = Figure()
    chart.add_to(figure)
    assert "https://" in "".join(address for _, address in chart.default_js)
    localise(figure)
    assert not re.search(r"(?:src|href)=\"(?!/static/)", figure.render())
    # Other users of Folium in this process keep their links.
    assert "https://" in "".join(address for _, address in folium.Map(tiles=None).default_js)


@pytest.mark.parametrize("plugin", [MarkerCluster, Terminator])
def test_a_plugin_that_is_not_kept_here_is_refused(plugin) -> None:
    chart = folium.Map(tiles=None)
    plugin().add_to(chart)
    with pytest.raises(AssetError, match="would be loaded from https://"):
        localise(chart)
