"""Photos: nothing but the picture is kept, upright and small; what is no photo is refused."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from data.editions.photos import KEPT_BYTES, LEAST_PX, MOST_BYTES, SIDE_PX, cleaned
from data.errors import SourceFileError


def picture(width: int = 1600, height: int = 1200, mode: str = "RGB") -> Image.Image:
    """Red in the upper left corner, blue elsewhere."""
    made = Image.new("RGB", (width, height), (20, 40, 200))
    made.paste((220, 20, 20), (0, 0, width // 4, height // 4))
    return made.convert(mode)


def written(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def opened(image: bytes) -> Image.Image:
    found = Image.open(io.BytesIO(image))
    found.load()
    return found


def colour(image: Image.Image, x: float, y: float) -> tuple[int, ...]:
    pixel = image.convert("RGB").getpixel((int(x * image.width), int(y * image.height)))
    assert isinstance(pixel, tuple)
    return pixel


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_what_is_kept_is_a_small_webp_of_the_same_picture(kind: str) -> None:
    photo = cleaned(written(picture(), kind))
    found = opened(photo.image)
    assert found.format == "WEBP"
    assert (photo.width, photo.height) == found.size == (SIDE_PX, SIDE_PX * 3 // 4)
    assert colour(found, 0.1, 0.1)[0] > 180
    assert colour(found, 0.8, 0.8)[2] > 160
    assert len(photo.image) < KEPT_BYTES


def test_place_time_and_camera_are_not_in_what_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretPhone"
    exif[0x9286] = "Zhang San"
    exif.get_ifd(0x8825)[2] = (36.0, 12.0, 34.56)  # GPSLatitude
    given = written(picture(), exif=exif, comment=b"13812345678")
    assert b"SecretPhone" in given
    assert b"13812345678" in given
    photo = cleaned(given)
    found = opened(photo.image)
    assert not dict(found.getexif())
    assert {"exif", "xmp", "icc_profile", "comment"}.isdisjoint(found.info)
    for secret in (b"SecretPhone", b"Zhang", b"13812345678", b"EXIF", b"XMP "):
        assert secret not in photo.image


def test_text_and_trailing_bytes_of_a_png_are_gone() -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Author", "Li Si")
    photo = cleaned(written(picture(400, 300), "PNG", pnginfo=info) + b"<script>hidden</script>")
    assert b"Li Si" not in photo.image
    assert b"hidden" not in photo.image


@pytest.mark.parametrize(
    ("orientation", "x", "y"), [(1, 0.1, 0.1), (3, 0.9, 0.9), (6, 0.9, 0.1), (8, 0.1, 0.9)]
)
def test_a_phone_held_sideways_gives_an_upright_photo(orientation: int, x: float, y: float) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = opened(cleaned(written(picture(1200, 900), exif=exif)).image)
    assert (found.width > found.height) == (orientation in {1, 3})
    assert colour(found, x, y)[0] > 180


def test_what_is_transparent_becomes_white() -> None:
    clear = Image.new("RGBA", (300, 300), (0, 0, 0, 0))
    assert min(colour(opened(cleaned(written(clear, "PNG")).image), 0.5, 0.5)) > 250


def test_colours_of_another_profile_are_turned_into_srgb() -> None:
    # A profile whose red is another colour: the pixels must change.
    lab = ImageCms.createProfile("LAB")
    odd = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = cleaned(written(picture(400, 300), icc_profile=odd))
    assert colour(opened(same.image), 0.1, 0.1)[0] > 180
    # One that does not fit the pixels, or is broken, is left out and refuses nobody.
    for profile in (ImageCms.ImageCmsProfile(lab).tobytes(), b"nonsense"):
        cleaned(written(picture(400, 300), icc_profile=profile))


def test_a_small_photo_is_not_made_larger() -> None:
    photo = cleaned(written(picture(320, 240)))
    assert (photo.width, photo.height) == (320, 240)


def test_noise_is_packed_until_it_fits() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (1024, 1024, 3), np.uint8)
    photo = cleaned(written(Image.fromarray(noise), quality=95))
    assert len(photo.image) <= 1_000_000  # what the table takes


def bomb() -> bytes:
    """A PNG of few bytes that says it has ten thousand million pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        size, check = len(data).to_bytes(4), zlib.crc32(kind + data).to_bytes(4)
        return size + kind + data + check

    head = (100_000).to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"", "no JPEG, PNG or WebP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no JPEG, PNG or WebP"),
        (written(picture(300, 300), "GIF"), "no JPEG, PNG or WebP"),
        (written(picture(300, 300), "TIFF"), "no JPEG, PNG or WebP"),
        (b"%PDF-1.7", "no JPEG, PNG or WebP"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 100, "no JPEG, PNG or WebP"),
        (written(picture())[:3000], "broken"),
        (written(picture(), "PNG")[:200], "broken"),
        (written(picture(LEAST_PX - 1, 900)), "only 199"),
        (bomb(), "million|no JPEG"),
        (b"\xff" * (MOST_BYTES + 1), "8 MB"),
    ],
)
def test_what_is_no_photo_is_refused_with_a_reason_in_both_languages(
    given: bytes, said: str
) -> None:
    with pytest.raises(SourceFileError, match=said) as refused:
        cleaned(given)
    assert refused.value.remedy
    assert refused.value.zh
    assert all(refused.value.zh)
