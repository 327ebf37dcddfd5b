"""Pictures of sheets and addresses: PNG of a PDF's page, QR codes, the icon of the map."""

from __future__ import annotations

import io
import threading

import pypdfium2
import segno
from PIL import Image

from maps.print.sheet import GOLD, NAVY, Sheet

_PDFIUM = threading.Lock()  # PDFium is not safe for several threads


def as_png(pdf: bytes, *, width_px: int, page: int = 0) -> bytes:
    """Rasterise a page of a PDF.

    Parameters
    ----------
    pdf : bytes
    width_px : int
    page : int
    """
    with _PDFIUM:
        document = pypdfium2.PdfDocument(pdf)
        try:
            sheet = document[page]
            image = sheet.render(scale=width_px / sheet.get_width()).to_pil()
            # A page that is a hair wider than whole points is rounded up.
            image = image.crop((0, 0, width_px, image.height))
        finally:
            document.close()
    out = io.BytesIO()
    # 256 colours are enough for a flat map and make a third of the bytes.
    image.convert("RGB").quantize(256, dither=0).save(out, "PNG", optimize=True)
    return out.getvalue()


def qr_svg(address: str) -> bytes:
    """QR code as SVG with its quiet zone."""
    out = io.BytesIO()
    segno.make(address, error="m", micro=False).save(
        out, kind="svg", scale=8, border=4, light="#fff"
    )
    return out.getvalue()


def qr_png(address: str) -> bytes:
    """QR code as PNG with its quiet zone."""
    out = io.BytesIO()
    segno.make(address, error="m", micro=False).save(out, kind="png", scale=12, border=4)
    return out.getvalue()


def icon_png(side_px: int) -> bytes:
    """Draw the icon that a phone shows when the map is put on its home screen."""
    sheet = Sheet(64, 64, words=[""], title="Gridcircle")
    sheet.box(0, 0, 64, 64, fill=NAVY)
    sheet.pin(32, 54, 42, GOLD, "")
    drawn = Image.open(io.BytesIO(as_png(sheet.finish(), width_px=side_px)))
    out = io.BytesIO()
    drawn.crop((0, 0, side_px, side_px)).save(out, "PNG", optimize=True)
    return out.getvalue()
