"""Photos of stations: made small, clean of all but the picture, kept with their history."""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from sqlalchemy import Connection, text

from data.errors import NotFoundError, SourceFileError

MOST_BYTES = 8 << 20
"""Of an upload: what the camera of a phone writes."""
SIDE_PX = 1024
"""Longest side of what is kept: a phone's width, and 9 cm on paper at 300 dots an inch."""
LEAST_PX = 200
"""Shortest side of an upload; a smaller one shows nothing."""
MOST_PIXELS = 40_000_000
"""Of a PNG or WebP, which are unpacked whole; JPEG is read at a fraction of its size."""
MOST_PIXELS_JPEG = 110_000_000
KEPT_BYTES = 160_000
"""Of what is kept: four seconds on slow 3G. Quality is lowered until it fits."""
FORMATS = ("JPEG", "PNG", "WEBP")

_AT_ONCE = threading.Lock()
"""Unpacked photos are large: one at a time."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo as it is kept and sent.

    Attributes
    ----------
    digest : str
        24 hexadecimal letters of its SHA-256; names it in addresses.
    width, height : int
        Pixels.
    image : bytes
        WebP.
    """

    digest: str
    width: int
    height: int
    image: bytes


def cleaned(given: bytes) -> Photo:
    """Turn an upload upright, make it small, and keep nothing but the picture.

    The pixels are written anew as WebP in sRGB: no EXIF, so neither place nor time nor camera, no
    other metadata, nothing hidden behind the picture.

    Parameters
    ----------
    given : bytes
        JPEG, PNG or WebP.

    Raises
    ------
    SourceFileError
        If it is larger than `MOST_BYTES`, no such picture, broken, too small or too large.
    """
    if len(given) > MOST_BYTES:
        raise SourceFileError(
            f"The photo has {len(given) / 1048576:.1f} MB; at most 8 MB are taken.",
            remedy="Make it smaller on the phone, or take it at a lower resolution.",
            zh=(f"照片有 {len(given) / 1048576:.1f} MB，最多 8 MB。", "请在手机上缩小后再传。"),
        )
    with _AT_ONCE, contextlib.ExitStack() as stack:
        try:
            opened = stack.enter_context(Image.open(io.BytesIO(given), formats=FORMATS))
            _refuse_size(opened)
            # A JPEG is read at a half, a quarter or an eighth where that is enough.
            opened.draft("RGB", (SIDE_PX, SIDE_PX))
            profile = opened.info.get("icc_profile")
            picture = ImageOps.exif_transpose(opened)
            picture = _flat(picture)
            picture.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
        except (UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise SourceFileError(
                "This is no JPEG, PNG or WebP picture.",
                remedy="Send a photo as JPEG, PNG or WebP. A phone that writes HEIC can be set to "
                "“most compatible”.",
                zh=(
                    "这不是 JPEG、PNG 或 WebP 图片。",
                    "请上传这三种格式；若手机拍的是 HEIC，请在相机设置里改为“兼容性最佳”。",
                ),
            ) from error
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise SourceFileError(
                "The photo is broken: it cannot be read to its end.",
                remedy="Send the file again, or take the photo again.",
                zh=("照片文件不完整，无法读完。", "请重新上传，或重拍一张。"),
            ) from error
        if profile:
            # A profile that cannot be read is left out: colours differ by little.
            with contextlib.suppress(ImageCms.PyCMSError, OSError):
                own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
                ImageCms.profileToProfile(
                    picture, own, ImageCms.createProfile("sRGB"), inPlace=True
                )
        # Pixels into a new picture: whatever else hung on the old one stays behind.
        bare = Image.frombytes("RGB", picture.size, picture.tobytes())
        image = _packed(bare)
    digest = hashlib.sha256(image).hexdigest()[:24]
    return Photo(digest, bare.width, bare.height, image)


def _refuse_size(picture: Image.Image) -> None:
    width, height = picture.size
    most = MOST_PIXELS_JPEG if picture.format in {"JPEG", "MPO"} else MOST_PIXELS
    if width * height > most:
        raise SourceFileError(
            f"The photo has {width} × {height} pixels, more than {most // 1_000_000} million.",
            remedy="Make it smaller, or save it as JPEG.",
            zh=(
                f"照片有 {width} × {height} 像素，超过 {most // 1_000_000} 百万。",
                "请缩小，或另存为 JPEG。",
            ),
        )
    if min(width, height) < LEAST_PX:
        raise SourceFileError(
            f"The photo has only {width} × {height} pixels.",
            remedy=f"Send one with at least {LEAST_PX} pixels on each side.",
            zh=(f"照片只有 {width} × {height} 像素。", f"请上传每边至少 {LEAST_PX} 像素的照片。"),
        )


def _flat(picture: Image.Image) -> Image.Image:
    """Three channels; what is transparent becomes white."""
    if picture.mode in {"RGBA", "LA", "PA", "P"} or "transparency" in picture.info:
        clear = picture.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB")
    return picture.convert("RGB")


def _packed(picture: Image.Image) -> bytes:
    for quality in (80, 70, 58, 45, 30):
        out = io.BytesIO()
        picture.save(out, "WEBP", quality=quality, method=4)
        if out.tell() <= KEPT_BYTES:
            break
    return out.getvalue()


def set_photo(connection: Connection, station_id: int, photo: Photo, *, actor: str) -> None:
    """Make a photo that of a station, in the caller's transaction; the one before is history.

    The station's version goes up by nothing: its fields are as they were.

    Raises
    ------
    NotFoundError
        If there is no such station.
    """
    _lock(connection, station_id)
    connection.execute(
        text(
            "UPDATE station_photos SET removed_at = now(), removed_by = :actor"
            " WHERE station_id = :station AND removed_at IS NULL"
        ),
        {"station": station_id, "actor": actor},
    )
    connection.execute(
        text(
            "INSERT INTO station_photos (station_id, digest, width, height, image, added_by)"
            " VALUES (:station, :digest, :width, :height, :image, :actor)"
        ),
        {
            "station": station_id,
            "digest": photo.digest,
            "width": photo.width,
            "height": photo.height,
            "image": photo.image,
            "actor": actor,
        },
    )


def remove_photo(connection: Connection, station_id: int, *, actor: str, erase: bool) -> int:
    """Take a station's photo off the next editions, or all its photos out of every edition.

    Parameters
    ----------
    connection : Connection
    station_id : int
    actor : str
    erase : bool
        Whether to throw away the pictures themselves, older ones too: a face was on one.

    Returns
    -------
    int
        How many photos were removed or erased.

    Raises
    ------
    NotFoundError
        If the station has no photo.
    """
    mine = "station_id = :station AND removed_at IS NULL"
    if erase:  # the same picture at another station too
        mine = (
            "image IS NOT NULL AND digest IN"
            " (SELECT digest FROM station_photos WHERE station_id = :station)"
        )
    image = ", image = NULL" if erase else ""
    done = connection.execute(
        text(
            "UPDATE station_photos SET removed_at = coalesce(removed_at, now()),"
            f" removed_by = coalesce(removed_by, :actor){image} WHERE {mine}"
        ),
        {"station": station_id, "actor": actor},
    ).rowcount
    if not done:
        raise NotFoundError(
            f"The station {station_id} has no photo.", remedy="Look at its check list."
        )
    return int(done)


def read_photo(connection: Connection, station_id: int) -> Photo:
    """Read the photo a station has now.

    Raises
    ------
    NotFoundError
        If it has none.
    """
    row = connection.execute(
        text(
            "SELECT digest, width, height, image FROM station_photos"
            " WHERE station_id = :station AND removed_at IS NULL"
        ),
        {"station": station_id},
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"The station {station_id} has no photo.", remedy="Upload one.")
    return Photo(row.digest, row.width, row.height, bytes(row.image))


def published_photo(connection: Connection, slug: str, digest: str) -> Photo:
    """Read a photo that a public edition shows.

    Raises
    ------
    NotFoundError
        If there is none of this name, it was erased, or no public edition of this map shows it.
    """
    row = connection.execute(
        text(
            "SELECT h.digest, h.width, h.height, h.image FROM station_photos h"
            " WHERE h.digest = :digest AND h.image IS NOT NULL AND EXISTS ("
            "  SELECT 1 FROM publications p JOIN editions e ON e.publication_id = p.id"
            "  WHERE p.slug = :slug AND p.state = 'published'"
            "  AND jsonb_path_exists(e.content, '$.stations[*].photo ? (@.digest == $digest)',"
            "   jsonb_build_object('digest', CAST(:digest AS text)))) LIMIT 1"
        ),
        {"digest": digest, "slug": slug},
    ).one_or_none()
    if row is None:
        raise NotFoundError(
            "This map shows no such photo.", remedy="It may have been taken back; reload the map."
        )
    return Photo(row.digest, row.width, row.height, bytes(row.image))


def photos_of(connection: Connection, station_ids: list[int]) -> dict[int, dict[str, Any]]:
    """Digest and size of the photo of each station that has one."""
    rows = connection.execute(
        text(
            "SELECT station_id, digest, width, height FROM station_photos"
            " WHERE station_id = ANY(:ids) AND removed_at IS NULL"
        ),
        {"ids": station_ids},
    )
    return {
        row.station_id: {"digest": row.digest, "width": row.width, "height": row.height}
        for row in rows
    }


def photo_history(connection: Connection, station_id: int) -> list[dict[str, Any]]:
    """Every photo a station ever had, the newest first: who added and removed it, and when."""
    rows = connection.execute(
        text(
            "SELECT digest, width, height, added_at, added_by, removed_at, removed_by,"
            " image IS NULL AS erased FROM station_photos"
            " WHERE station_id = :station ORDER BY id DESC"
        ),
        {"station": station_id},
    )
    return [dict(row) for row in rows.mappings()]


def _lock(connection: Connection, station_id: int) -> None:
    found = connection.execute(
        text("SELECT 1 FROM stations WHERE id = :id FOR UPDATE"), {"id": station_id}
    ).one_or_none()
    if found is None:
        raise NotFoundError(f"There is no station {station_id}.", remedy="List the stations.")
