"""KML as drawn in Google Earth: folders, typed and untyped data, heights, descriptions."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import shapely

from data.database import Database
from data.errors import SourceFileError
from data.importers.layers import import_layer, read_layer
from data.importers.stations import import_stations, read_stations
from data.importers.vectors import read_vector

KML = Path(__file__).parent / "community.kml"
"""Two folders; one compound has data typed by a schema, the other untyped, as tools mix them."""


def test_compounds_keep_their_codes_kinds_and_parts(tmp_path: Path) -> None:
    frame, report = read_layer(KML, "compounds")
    assert frame["code"].tolist() == ["K7", "K8"]
    assert frame["name"].tolist() == ["杏花小区", "东苑"]
    assert frame["kind"].tolist() == ["courtyard", "new"]
    assert frame.geometry.geom_type.tolist() == ["MultiPolygon"] * 2
    assert shapely.get_num_geometries(frame.geometry.array).tolist() == [1, 2]
    assert not shapely.has_z(frame.geometry.array).any()
    assert frame.crs.to_epsg() == 4326
    assert [column.name for column in report.left_out_columns] == ["description"]
    assert any("2 layers" in warning and "驿站" in warning for warning in report.warnings)


def test_another_folder_is_read_when_named() -> None:
    frame, report = read_stations(KML, file_layer="驿站")
    assert frame["code"].tolist() == ["S9"]
    assert frame["name"].tolist() == ["城西红色驿站"]
    assert (frame.geometry[0].x, frame.geometry[0].y) == (118.101, 36.951)
    assert not report.rejected
    with pytest.raises(SourceFileError, match="no layer") as caught:
        read_vector(KML, layer="网格")
    assert "小区, 驿站" in caught.value.remedy


@pytest.mark.parametrize("wrapped", ["kmz", "gb18030"])
def test_zipped_or_in_gbk_it_says_the_same(tmp_path: Path, wrapped: str) -> None:
    if wrapped == "kmz":
        path = tmp_path / "c.kmz"
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(KML, "doc.kml")
    else:
        path = tmp_path / "c.kml"
        text = KML.read_text("utf-8").replace('encoding="UTF-8"', 'encoding="GBK"')
        path.write_bytes(text.encode("gb18030"))
    frame, _ = read_layer(path, "compounds")
    plain, _ = read_layer(KML, "compounds")
    assert frame.drop(columns="geometry").equals(plain.drop(columns="geometry"))
    assert frame.geometry.geom_equals(plain.geometry).all()


def test_it_reaches_the_database_once(database: Database) -> None:
    assert import_layer(database, KML, "compounds", actor="t").inserted == 2
    assert import_layer(database, KML, "compounds", actor="t").unchanged == 2
    assert import_stations(database, KML, actor="t", file_layer="驿站").inserted == 1


def test_what_is_no_kml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.kml").write_text("no map")
    (tmp_path / "b.kmz").write_text("no zip")
    for name in ("a.kml", "b.kmz"):
        with pytest.raises(SourceFileError):
            read_vector(tmp_path / name)
