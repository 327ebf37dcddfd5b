"""Layers of grids sent as files: made into drafts, and what was mended on the way."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import shapely
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pyproj import CRS
from pyproj.exceptions import CRSError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from api.errors import BadUploadError
from api.parameters import parse_bbox
from api.plan_schemas import Looked
from api.responses import GeoJsonResponse, JsonResponse
from api.rights import CurrentAccount, right
from api.schemas import BBox, FeatureCollection, RowId
from api.service import Service, ServiceDependency
from data.errors import NotFoundError, SourceFileError
from data.importers.grids import GridImport, import_grids
from data.importers.uploads import clean_stem, opened_upload
from data.plans.import_looks import count_looks, open_warning, tick_off
from data.plans.imports import (
    MOST_UNDECIDED,
    list_import_grids,
    list_places,
    read_import,
    require_import,
)
from data.plans.reading import MOST_GRIDS, read_plan, require_plan
from geo.datums import DATUMS
from geo.repair import TOLERANCE_M

router = APIRouter(prefix="/api/v1/plans", tags=["plans"])

IMPORT_PATH = re.compile(r"/api/v1/plans/import")
MAX_UPLOAD_BYTES = 256 << 20
"""Most bytes of a file of grids; other bodies are small (`api.security`)."""
STAGES = ("waiting", "reading", "repairing", "writing")
"""What `GET /import/{name}` tells, in order; between ``repairing`` names of communities come."""

_FIELD_BYTES = 4096

Name = Annotated[
    str,
    Query(pattern=r"^[0-9A-Za-z-]{8,64}$", description="A name of your own, to ask how far it is."),
]


class ImportOptions(BaseModel):
    """Fields of the form beside ``file``."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: str = Field("", max_length=200)
    tolerance_m: float = Field(TOLERANCE_M, ge=0, le=50, allow_inf_nan=False)
    crs: str = Field("", max_length=40)
    layer: str = Field("", max_length=200)


_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "GeoPackage, GeoJSON, GeoParquet or a zipped shapefile.",
                        },
                        "name": {"type": "string", "description": "Of the draft."},
                        "tolerance_m": {
                            "type": "number",
                            "default": TOLERANCE_M,
                            "description": "Width up to which gaps and overlaps are closed, m.",
                        },
                        "crs": {
                            "type": "string",
                            "description": "Of a file that does not say: EPSG:4548, gcj02, bd09.",
                        },
                        "layer": {"type": "string", "description": "Of a file with several."},
                    },
                }
            }
        },
    }
}


@dataclass(frozen=True, slots=True)
class _Sent:
    """A file that has come, in a folder that goes when it has been read."""

    folder: Path
    path: Path
    name: str
    options: ImportOptions


@router.post(
    "/import",
    summary="Make a draft from a file of grids",
    status_code=201,
    openapi_extra={**right("planner"), **_FORM},
)
async def import_file(
    request: Request,
    service: ServiceDependency,
    account: CurrentAccount,
    progress: Name | None = None,
) -> Response:
    """Bring in a layer of grids, repaired into a partition, as a new draft; in one transaction.

    The answer is the draft with the report of its import, which stays at ``/{id}/import``. A file
    that came from an export of a plan becomes a draft based on that plan, with the grids that
    others have changed there since.
    """
    folder = Path(await run_in_threadpool(tempfile.mkdtemp, prefix="gridcircle-import-"))
    tell = partial(service.import_progress.tell, progress)
    try:
        sent = await _received(request, folder)
        tell("waiting", 0.0)
        async with service.import_turn:
            made = await run_in_threadpool(_import, service, account.name, sent, tell)
    finally:
        await run_in_threadpool(shutil.rmtree, folder, ignore_errors=True)
    location = str(request.url_for("plan", plan_id=made["plan"]["id"]))
    return JsonResponse(made, status_code=201, headers={"Location": location})


@router.get("/import/{name}", summary="How far an import is", openapi_extra=right("planner"))
def progress_of(service: ServiceDependency, name: str) -> Response:
    """Tell stage and share done of an import that was sent with ``?progress={name}``."""
    told = service.import_progress.read(name)
    if told is None:
        raise NotFoundError(
            "No import of this name is known.",
            remedy="It may not have come in yet; send it with ?progress=NAME.",
            zh=("没有这个名称的导入。", "文件可能还在上传；请用 ?progress=名称 发送。"),
        )
    return JsonResponse({"stage": told[0], "share": told[1]}, headers={"Cache-Control": "no-store"})


@router.get(
    "/{plan_id}/import", summary="What a plan was imported from", openapi_extra=right("viewer")
)
def report(
    service: ServiceDependency,
    plan_id: RowId,
    listed: Annotated[
        int, Query(ge=0, le=MOST_UNDECIDED, description="Most undecided places in the answer.")
    ] = MOST_UNDECIDED,
) -> Response:
    """Read file, counts, places that nobody decided, conflicts, rows and columns left out."""
    with service.database.connect() as connection:
        told = read_import(connection, plan_id, listed=listed)
    return JsonResponse(told, headers={"Cache-Control": "no-cache"})


@router.get(
    "/{plan_id}/import/open",
    summary="What of an import nobody has looked at",
    openapi_extra=right("viewer"),
)
def left_open(service: ServiceDependency, plan_id: RowId) -> Response:
    """Counts, and a warning that names the first of them; ``warning`` is null where none is."""
    with service.database.connect() as connection:
        require_plan(connection, plan_id)
        told = {
            "looks": count_looks(connection, plan_id).to_dict(),
            "warning": open_warning(connection, plan_id),
        }
    return JsonResponse(told, headers={"Cache-Control": "no-cache"})


@router.post(
    "/{plan_id}/import/looks",
    summary="Tick off what an import left open",
    openapi_extra=right("planner"),
)
def looks(
    service: ServiceDependency, account: CurrentAccount, plan_id: RowId, body: Looked
) -> Response:
    """Note who has looked at undecided places and conflicts, or with ``looked: false`` open them.

    All of them or none, in one transaction. Takes a planner of each community they are in (403),
    and a plan that is a draft or in review (409). What was ticked off before keeps who and when.
    """
    with service.database.transaction(actor=account.name) as connection:
        done = tick_off(
            connection,
            account,
            plan_id,
            places=body.places,
            conflicts=body.conflicts,
            looked=body.looked,
        )
    return JsonResponse(done)


@router.get(
    "/{plan_id}/import/places",
    summary="Places an import mended",
    response_model=FeatureCollection,
    response_class=GeoJsonResponse,
    openapi_extra=right("viewer"),
)
def places(
    service: ServiceDependency,
    plan_id: RowId,
    bbox: BBox = None,
    decided: Annotated[bool | None, Query(description="Only those that were, or were not.")] = None,
    looked: Annotated[
        bool | None, Query(description="Only those somebody has looked at, or nobody has.")
    ] = None,
    after: Annotated[
        int | None, Query(ge=1, description="Id of a place: only those that follow it.")
    ] = None,
    points: Annotated[bool, Query(description="A point in each instead of its shape.")] = False,
    limit: Annotated[int, Query(ge=1, le=MOST_GRIDS)] = MOST_GRIDS,
) -> Response:
    """Gaps, overlaps, loose pieces and parts outside, the undecided first, the largest first."""
    with service.database.connect() as connection:
        require_import(connection, plan_id)
        found = list_places(
            connection,
            plan_id,
            bbox=parse_bbox(bbox),
            decided=decided,
            looked=looked,
            after=after,
            points=points,
            limit=limit,
        )
    return _features(found)


@router.get(
    "/{plan_id}/import/grids",
    summary="Grids as they came, or as repaired",
    response_model=FeatureCollection,
    response_class=GeoJsonResponse,
    openapi_extra=right("viewer"),
)
def import_sides(
    service: ServiceDependency,
    plan_id: RowId,
    side: Literal["came", "repaired"] = "came",
    bbox: BBox = None,
    code: Annotated[list[str] | None, Query(max_length=100, description="In the file.")] = None,
    coarse: Annotated[bool, Query(description="Shapes for a small scale, within 2 m.")] = False,
    limit: Annotated[int, Query(ge=1, le=MOST_GRIDS)] = MOST_GRIDS,
) -> Response:
    """Grids of the file before and after the repair; ``changed`` says whether they differ."""
    with service.database.connect() as connection:
        require_import(connection, plan_id)
        found = list_import_grids(
            connection,
            plan_id,
            side,
            bbox=parse_bbox(bbox),
            codes=code,
            coarse=coarse,
            limit=limit,
        )
    return _features(found)


async def _received(request: Request, folder: Path) -> _Sent:
    """Take the file in piece by piece; beyond a megabyte it lies on the disk, never in memory.

    Raises
    ------
    BadUploadError
        If the body is no form with one file, or a field makes no sense.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise BadUploadError(
            "The body is no multipart form.",
            remedy="Send the file as field file of a multipart/form-data form.",
            zh=("请求不是带文件的表单。", "请用 multipart/form-data 表单的 file 字段上传文件。"),
        )
    parser = MultiPartParser(
        request.headers, request.stream(), max_files=1, max_fields=8, max_part_size=_FIELD_BYTES
    )
    try:
        form = await parser.parse()
    except ClientDisconnect as error:
        raise BadUploadError("The upload was stopped.", zh=("上传已停止。", "")) from error
    except MultiPartException as error:
        raise BadUploadError(
            f"The form cannot be read: {error.message}",
            remedy="Send one file, and short fields beside it.",
            zh=("上传的表单无法读取。", "每次只上传一个文件。"),
        ) from error
    try:
        file, options = _fields(form)
        path = folder / "upload"
        await run_in_threadpool(_copy, file, path)
        return _Sent(folder, path, file.filename or "grids", options)
    finally:
        await form.close()


def _fields(form: FormData) -> tuple[UploadFile, ImportOptions]:
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise BadUploadError(
            "The form has no file.",
            remedy="Send the layer of grids as field file.",
            zh=("表单里没有文件。", "请选择要导入的网格图层文件。"),
        )
    words = {key: value for key, value in form.items() if key != "file" and value != ""}
    try:
        options = ImportOptions.model_validate(words)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise BadUploadError(
            f"{field}: {first['msg']}.",
            remedy="tolerance_m is 0 to 50 metres, name has at most 200 characters.",
            zh=(f"字段 {field} 的值不对。", "容差为 0 到 50 米，方案名称不超过 200 个字。"),
        ) from error
    if options.crs and options.crs.lower() not in DATUMS:
        try:
            CRS.from_user_input(options.crs)
        except CRSError as error:
            raise BadUploadError(
                f"crs: {options.crs!r} is no coordinate system.",
                remedy="Use EPSG:4490, EPSG:4548 and the like, gcj02 or bd09.",
                zh=(
                    f"{options.crs} 不是坐标系。",
                    "请填写 EPSG:4490、EPSG:4548 等编号，或 gcj02、bd09。",
                ),
            ) from error
    return file, options


def _copy(file: UploadFile, path: Path) -> None:
    file.file.seek(0)
    with path.open("wb") as out:
        shutil.copyfileobj(file.file, out, 1 << 20)


def _import(
    service: Service, author: str, sent: _Sent, tell: Callable[[str, float], None]
) -> dict[str, Any]:
    """Read, repair and keep a file in one transaction."""
    tell("reading", 0.02)
    unpacked = sent.folder / "open"
    unpacked.mkdir()
    path = opened_upload(sent.path, sent.name, unpacked)
    options = sent.options

    def progress(stage: str, share: float) -> None:
        # Communities are told by name; reading comes before the first of them.
        if stage.startswith("Reading"):
            tell("reading", 0.05)
        else:
            tell("repairing", 0.1 + 0.8 * share)

    try:
        done: GridImport = import_grids(
            service.database,
            path,
            actor=author,
            name=options.name or clean_stem(sent.name),
            tolerance_m=options.tolerance_m,
            crs=options.crs or None,
            file_layer=options.layer or None,
            progress=progress,
        )
    except shapely.errors.GEOSException as error:
        raise SourceFileError(
            f"The shapes of {sent.name} cannot be brought together: {error}.",
            remedy="Mend them with Fix geometries in QGIS and send the file again.",
            zh=(
                f"{sent.name} 中的图形无法拼合。",
                "请在 QGIS 里用“修正几何图形”处理后再上传。",
            ),
        ) from error
    assert done.plan is not None  # noqa: S101 — only where an import is published
    tell("writing", 0.97)
    with service.database.connect() as connection:
        made = {
            "plan": read_plan(connection, done.plan),
            "import": read_import(connection, done.plan),
        }
    tell("done", 1.0)
    return made


def _features(features: list[dict[str, Any]]) -> Response:
    return GeoJsonResponse(
        {"type": "FeatureCollection", "numberReturned": len(features), "features": features},
        headers={"Cache-Control": "no-cache"},
    )
