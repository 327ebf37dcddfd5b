"""The pages of an inspection pack: reports in both languages, one to publish, one for print."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Connection

from data.audits.compare import compare
from data.audits.inputs import place_from
from data.audits.pack import write_pack
from data.audits.runs import KeptAudit, audit_homes, audit_inputs, audit_shapes
from maps.audit import report_page
from maps.audit_pdf import audit_pdf


def pack_pages(
    summary: Mapping[str, Any],
    homes: pd.DataFrame,
    shapes: Mapping[str, NDArray[np.object_]],
    *,
    made_on: str,
    changes: Mapping[str, Any] | None,
) -> dict[str, str | bytes]:
    """Write the pages of a pack, by file name.

    Parameters
    ----------
    summary, homes, shapes, made_on, changes
        As in `maps.audit.report_page`.
    """
    pages: dict[str, str | bytes] = {
        name: report_page(
            summary,
            homes,
            shapes,
            language=language,
            made_on=made_on,
            changes=changes,
            public=public,
        )
        for name, language, public in (
            ("report.html", "zh", False),
            ("report.en.html", "en", False),
            ("report.public.html", "zh", True),
        )
    }
    pages["report.pdf"] = audit_pdf(summary, homes, shapes, language="zh", made_on=made_on)
    return pages


def write_kept_pack(
    connection: Connection, kept: KeptAudit, before: KeptAudit | None, out: Path
) -> list[Path]:
    """Write the pack of an audit that the service keeps.

    Parameters
    ----------
    connection : Connection
    kept : KeptAudit
    before : KeptAudit or None
        To compare with.
    out : Path
        Folder.
    """
    homes = audit_homes(connection, kept.id)
    inputs = audit_inputs(connection, kept.id)
    place = place_from(inputs) if inputs is not None else None
    shapes = place.shapes if place is not None else audit_shapes(connection, kept.id)
    changes = compare(before.summary, kept.summary) if before is not None else None
    return write_pack(
        out,
        kept.summary,
        homes.drop(columns="building_id"),
        place=place,
        changes=changes,
        pages=pack_pages(
            kept.summary, homes, shapes, made_on=kept.created_at[:10], changes=changes
        ),
        inputs=inputs,
    )
