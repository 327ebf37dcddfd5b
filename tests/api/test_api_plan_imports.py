"""Files of grids sent to the running service: drafts, reports, refusals that keep nothing."""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import sqlite3
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import httpx
import pyogrio
import pytest
import shapely
from plan_town import community_ids, line, seed_plan
from sqlalchemy import text
from town import lonlat
from waiting import wait_until

from api.routers.plan_imports import MAX_UPLOAD_BYTES
from data.database import Database

IMPORT = "/api/v1/plans/import"


@pytest.fixture(scope="module")
def published(town: Database) -> int:
    with town.transaction("test") as connection:
        return seed_plan(connection)


@pytest.fixture(scope="module")
def c1(town: Database) -> int:
    with town.connect() as connection:
        return community_ids(connection)["C1"]


@pytest.fixture
def draft(client: httpx.Client, published: int) -> int:
    made = client.post("/api/v1/plans", json={"name": "底稿", "source": {"plan": published}})
    return int(made.json()["id"])


def send(client: httpx.Client, path: Path, **fields: Any) -> httpx.Response:
    with path.open("rb") as file:
        return client.post(IMPORT, files={"file": (path.name, file)}, data=fields)


@pytest.fixture(scope="module", autouse=True)
def own_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A place for uploads that no other run of tests writes to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("uploads")))
        yield


def folders() -> set[Path]:
    """What imports have on the disk now."""
    return set(Path(tempfile.gettempdir()).glob("gridcircle-import-*"))


def plans(client: httpx.Client) -> list[int]:
    return [plan["id"] for plan in client.get("/api/v1/plans").json()["plans"]]


def faulty(folder: Path, driver: str = "ESRI Shapefile") -> Path:
    """A gap of a metre, an overlap of a metre, a gap of fifty metres."""
    frame = gpd.GeoDataFrame(
        [
            {"网格编码": code, "网格名称": f"网格{code}", "geometry": shapely.box(*corners)}
            for code, *corners in (
                ("A", *lonlat(-50, -50), *lonlat(349.5, 1050)),
                ("B", *lonlat(350.5, -50), *lonlat(600, 1050)),
                ("C", *lonlat(599, -50), *lonlat(700, 1050)),
                ("E", *lonlat(750, -50), *lonlat(1550, 1050)),
            )
        ],
        crs="EPSG:4326",
    )
    if driver == "GeoJSON":
        path = folder / "旧网格.geojson"
        pyogrio.write_dataframe(frame, path, driver=driver)
        return path
    pyogrio.write_dataframe(
        frame.to_crs("EPSG:4548"), folder / "旧网格.shp", driver=driver, encoding="GBK"
    )
    (folder / "旧网格.cpg").unlink(missing_ok=True)
    path = folder / "旧网格.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for part in sorted(folder.glob("旧网格.*")):
            if part != path:
                archive.write(part, f"街道/{part.name}")
    return path


@pytest.mark.parametrize("driver", ["ESRI Shapefile", "GeoJSON"])
def test_a_faulty_layer_becomes_a_draft_with_both_sides_kept(
    client: httpx.Client, published: int, tmp_path: Path, driver: str
) -> None:
    answer = send(client, faulty(tmp_path, driver), name="旧网格入库")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    plan = made["plan"]["id"]
    assert answer.headers["Location"].endswith(f"/plans/{plan}")
    assert made["plan"]["name"] == "旧网格入库"
    assert made["plan"]["state"] == "draft"
    told = client.get(f"/api/v1/plans/{plan}/import").json()
    assert told == made["import"]
    places = {(one["rule"], one["decided"]): one["places"] for one in told["places"]}
    assert places[("gap", True)] == 1
    assert places[("overlap", True)] == 1
    assert [f["properties"]["rule"] for f in told["undecided"]] == ["gap"]
    (wide,) = told["undecided"]
    assert wide["properties"]["given_to"] == told["added"][0]
    assert shapely.from_geojson(str(wide["geometry"]).replace("'", '"')).area > 0
    came = client.get(f"/api/v1/plans/{plan}/import/grids", params={"side": "came"}).json()
    repaired = client.get(f"/api/v1/plans/{plan}/import/grids", params={"side": "repaired"}).json()
    assert {f["properties"]["code"] for f in came["features"]} == {"A", "B", "C", "E"}
    assert came["numberReturned"] + 1 == repaired["numberReturned"]
    names = {f["properties"]["name"] for f in came["features"]}
    assert names == {"网格A", "网格B", "网格C", "网格E"}
    # What the repair says it made is what stands in the plan.
    grids = client.get(f"/api/v1/plans/{plan}/grids").json()["features"]
    assert {f["properties"]["code"] for f in grids} >= {
        f["properties"]["new_code"] for f in repaired["features"]
    }
    near = ",".join(map(str, [*lonlat(340, 100), *lonlat(360, 200)]))
    found = client.get(f"/api/v1/plans/{plan}/import/places", params={"bbox": near}).json()
    assert [f["properties"]["rule"] for f in found["features"]] == ["gap"]
    assert client.get(f"/api/v1/plans/{published}/import").status_code == 404


def test_a_geopackage_edited_in_qgis_says_who_changed_what(
    client: httpx.Client, draft: int, c1: int, tmp_path: Path
) -> None:
    path = tmp_path / "edited.gpkg"
    path.write_bytes(client.get(f"/api/v1/plans/{draft}/export?format=gpkg").content)
    frame = gpd.read_file(path, layer="grids")
    mine = frame.index[frame["community_code"] == "C2"][0]
    west, east = (frame.index[frame["name"] == f"第{n}网格"][0] for n in (1, 2))
    frame.loc[mine, "name"] = "改名"
    corner = shapely.box(*lonlat(340, 400), *lonlat(380, 600))
    frame.loc[west, "geometry"] = frame.geometry[west].union(corner)
    frame.loc[east, "geometry"] = frame.geometry[east].difference(corner)
    pyogrio.write_dataframe(frame, path, layer="grids", driver="GPKG", append=False)
    there = client.get(f"/api/v1/plans/{draft}/grids", params={"community": c1}).json()["features"]
    grids = [next(g for g in there if g["properties"]["name"] == f"第{n}网格") for n in (1, 2)]

    def edit(body: dict[str, Any], version: int) -> None:
        answer = client.post(
            f"/api/v1/plans/{draft}/edits",
            json={"community": c1, **body},
            headers={"If-Match": f'"{version}"'},
        )
        assert answer.status_code == 200, answer.text

    # Undone again: no conflict. Then one that stays.
    edit({"kind": "rename", "grid": grids[1]["id"], "name": "试改"}, 1)
    undone = client.post(
        f"/api/v1/plans/{draft}/undo", json={"community": c1}, headers={"If-Match": '"2"'}
    )
    assert undone.status_code == 200
    edit({"kind": "split", "grid": grids[0]["id"], "line": line((120, -60), (120, 1060))}, 3)
    answer = send(client, path)
    assert answer.status_code == 201, answer.text
    told = answer.json()["import"]
    assert answer.json()["plan"]["based_on"] == draft
    by_code = {c["code"]: c for c in told["conflicts"]}
    first, second = grids[0]["properties"]["code"], grids[1]["properties"]["code"]
    assert by_code[first]["in_file"] == "boundary"
    assert by_code[first]["author"] == "local"
    assert len(by_code) == 2  # the grid split, and the part that is new
    assert {c["in_file"] for c in by_code.values()} == {"boundary", None}
    only_here = {c["code"]: c["in_file"] for c in told["changed_in_file"]}
    assert only_here == {second: "boundary", str(frame["code"][mine]): "figures"}


def test_an_export_in_gbk_comes_back_with_branches_and_staff(
    client: httpx.Client, draft: int, c1: int, tmp_path: Path
) -> None:
    grid = client.get(f"/api/v1/plans/{draft}/grids", params={"community": c1}).json()["features"][
        0
    ]
    answer = client.post(
        f"/api/v1/plans/{draft}/edits",
        json={
            "kind": "rename",
            "community": c1,
            "grid": grid["id"],
            "branch": "第一支部",
            "staff": {"full_time": 3},
        },
        headers={"If-Match": '"1"'},
    )
    assert answer.status_code == 200, answer.text
    path = tmp_path / "plan.gbk.shp.zip"
    path.write_bytes(client.get(f"/api/v1/plans/{draft}/export?format=shp-gbk").content)
    made = send(client, path).json()["plan"]["id"]
    again = {
        f["properties"]["code"]: f["properties"]
        for f in client.get(f"/api/v1/plans/{made}/grids").json()["features"]
    }[grid["properties"]["code"]]
    assert again["branch"] == "第一支部"
    assert again["staff"]["full_time"] == 3
    assert client.get(f"/api/v1/plans/{made}/import").json()["left_out_columns"] is not None


# --- refusals -----------------------------------------------------------------------------------


def zipped(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def elsewhere() -> bytes:
    frame = gpd.GeoDataFrame({"code": ["A"]}, geometry=[shapely.box(10, 50, 10.1, 50.1)], crs=4326)
    return frame.to_json().encode()


VRT = b"""<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>/etc/passwd</SrcDataSource>
</OGRVRTLayer></OGRVRTDataSource>"""


@pytest.mark.parametrize(
    ("name", "content", "status", "says"),
    [
        ("a.gpkg", b"", 422, "空文件"),
        ("a.geojson", b"{not json", 422, "GeoJSON"),
        ("a.geojson", b'{"type": "Topology", "objects": {}}', 422, "要素集合"),
        ("a.geojson", b'{"type": "FeatureCollection", "features": []}', 422, "没有带图形"),
        ("a.geojson", elsewhere(), 422, "社区范围"),
        ("a.geojson", VRT, 422, "不是矢量数据"),
        ("a.vrt", VRT, 422, "不是矢量数据"),
        ("a.shp", b"\x00\x00\x27\x0a" + b"\x00" * 96, 422, "一部分"),
        ("a.zip", b"PK\x03\x04broken", 422, "解压"),
        ("a.zip", zipped(("readme.txt", b"x")), 422, "0 个图层"),
        ("a.zip", zipped(("a.shp", b"x"), ("b.shp", b"x")), 422, "2 个图层"),
        ("a.zip", zipped(("a.shp", b"x")), 422, "缺少"),
        ("a.zip", zipped(("a.shp", b"x"), ("a.shx", b"x"), ("a.dbf", b"x")), 422, "Shapefile"),
        ("a.zip", zipped(("a.geojson", VRT)), 422, "不是矢量数据"),
        ("a.zip", zipped(("a.gpkg", zipped(("b.gpkg", b"x")))), 422, "压缩包"),
        ("a.gpkg", b"SQLite format 3\x00" + b"\x00" * 200, 422, "无法作为矢量"),
        ("a.parquet", b"PAR1nothing", 422, "无法作为矢量"),
    ],
)
def test_a_file_that_is_none_is_refused_in_both_languages_and_nothing_is_kept(
    client: httpx.Client,
    town: Database,
    published: int,
    name: str,
    content: bytes,
    status: int,
    says: str,
) -> None:
    before = plans(client)
    answer = client.post(IMPORT, files={"file": (name, content)})
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert says in problem["detail_zh"], problem
    assert problem["detail"]
    assert plans(client) == before
    with town.connect() as connection:
        kept = connection.execute(text("SELECT count(*) FROM plan_imports")).scalar_one()
        assert kept <= len(before)


def test_an_archive_that_unpacks_to_more_than_it_should_is_refused_unread(
    client: httpx.Client, published: int
) -> None:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a.geojson", "w") as member,
    ):
        for _ in range(520):
            member.write(b" " * (1 << 20))
    bomb = out.getvalue()
    assert len(bomb) < 4 << 20
    answer = client.post(IMPORT, files={"file": ("a.zip", bomb)})
    assert answer.status_code == 422
    assert "MB" in answer.json()["detail_zh"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"tolerance_m": "-1"}, "容差"),
        ({"tolerance_m": "nan"}, "容差"),
        ({"crs": "EPSG:1"}, "EPSG"),
        ({"colour": "red"}, "字段"),
        ({"name": "x" * 201}, "200"),
    ],
)
def test_fields_that_make_no_sense_are_refused(
    client: httpx.Client, published: int, fields: dict[str, str], says: str
) -> None:
    answer = client.post(IMPORT, files={"file": ("a.geojson", elsewhere())}, data=fields)
    assert answer.status_code == 400, answer.text
    problem = answer.json()
    assert problem["type"].endswith("bad-upload")
    assert says in problem["detail_zh"] + problem["remedy_zh"]


def test_a_body_without_a_file_is_a_bad_request(client: httpx.Client) -> None:
    assert client.post(IMPORT, json={"file": "x"}).status_code == 400
    assert client.post(IMPORT, data={"name": "x"}, files={"other": b"x"}).status_code == 400
    two = [("file", ("a.json", b"{}")), ("file", ("b.json", b"{}"))]
    assert client.post(IMPORT, files=two).status_code == 400


def test_only_this_route_takes_large_bodies(client: httpx.Client) -> None:
    answer = client.post("/api/v1/plans", content=b" " * (2 << 20))
    assert answer.status_code == 413
    assert answer.json()["detail_zh"]
    # Refused by what it says, before a byte of it has come.
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port, timeout=60)
    connection.putrequest("POST", IMPORT)
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", str(MAX_UPLOAD_BYTES + 1))
    connection.endheaders()
    refused = connection.getresponse()
    assert refused.status == 413
    assert "256 MB" in json.loads(refused.read())["remedy"]
    connection.close()


def test_a_large_body_does_not_lie_in_memory(
    client: httpx.Client, published: int, tmp_path: Path
) -> None:
    """A hundred megabytes that are no layer: read, refused, gone from the disk."""
    path = tmp_path / "big.geojson"
    with path.open("wb") as file:
        file.write(b"x" * (100 << 20))

    def resident_mb() -> int:
        words = Path("/proc/self/statm").read_text().split()
        return int(words[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

    others = folders()
    most = before = resident_mb()
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.02):
            most = max(most, resident_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        answer = send(client, path)
    finally:
        done.set()
        watcher.join()
    assert answer.status_code == 422
    # Client and service share this process: neither holds the file.
    assert most - before < 60
    assert folders() <= others


def test_a_refused_geopackage_leaves_the_database_as_it_was(
    client: httpx.Client, town: Database, published: int, tmp_path: Path
) -> None:
    """The layer is read and repaired, then no grid lies anywhere: all of it is taken back."""
    path = tmp_path / "far.gpkg"
    frame = gpd.GeoDataFrame({"code": ["A"]}, geometry=[shapely.box(10, 50, 10.1, 50.1)], crs=4326)
    pyogrio.write_dataframe(frame, path, layer="grids")
    tables = ("plans", "plan_grids", "plan_edits", "plan_imports", "imports")

    def counts() -> list[int]:
        with town.connect() as connection:
            return [
                connection.execute(text(f"SELECT count(*) FROM {t}")).scalar_one() for t in tables
            ]

    before = counts()
    assert send(client, path).status_code == 422
    assert counts() == before
    with sqlite3.connect(path) as raw:  # it was a good file
        assert raw.execute("SELECT count(*) FROM grids").fetchone() == (1,)


def test_progress_is_told_while_an_import_runs(
    client: httpx.Client, url: str, town: Database, published: int, tmp_path: Path
) -> None:
    """An import that must wait for a table tells how far it is, and goes on from there."""
    path = faulty(tmp_path, "GeoJSON")
    told: list[tuple[str, float]] = []
    answers: list[int] = []

    def ask() -> str | None:
        answer = client.get(f"{IMPORT}/my-import-1")
        if answer.status_code == 200:
            told.append((answer.json()["stage"], answer.json()["share"]))
            return told[-1][0]
        return None

    def post() -> None:
        with httpx.Client(base_url=url, timeout=300) as other, path.open("rb") as file:
            sent = {"file": (path.name, file)}
            answer = other.post(IMPORT, params={"progress": "my-import-1"}, files=sent)
            answers.append(answer.status_code)

    poster = threading.Thread(target=post)
    with town.connect() as connection:
        connection.execute(text("LOCK TABLE plan_imports IN EXCLUSIVE MODE"))
        poster.start()
        wait_until(lambda: ask() == "repairing")
        connection.rollback()
    poster.join()
    ask()
    assert answers == [201]
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert 0 < shares[-2] < 1
    assert told[-1] == ("done", 1.0)
    assert client.get(f"{IMPORT}/nothing-of-the-kind").status_code == 404


def test_an_upload_that_is_stopped_leaves_nothing(
    client: httpx.Client, published: int, caplog: pytest.LogCaptureFixture
) -> None:
    before, others = plans(client), folders()
    with socket.create_connection((client.base_url.host, client.base_url.port)) as raw:
        head = (
            f"POST {IMPORT} HTTP/1.1\r\nHost: {client.base_url.host}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n\r\n"
        )
        part = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.geojson"\r\n\r\n{'
        raw.sendall((head + part).encode())
        wait_until(lambda: folders() > others)
    wait_until(lambda: folders() == others)
    assert plans(client) == before
    assert not [r for r in caplog.records if "Mistake" in r.message]
