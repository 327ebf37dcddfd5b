"""Table of the photos of stations."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from data.models import Base


class StationPhoto(Base):
    """One upload; it outlives its station, since frozen editions show it.

    The photo of a station is the row that is not removed. Rows stay as history; an erased one has
    no image any more.
    """

    __tablename__ = "station_photos"
    __table_args__ = (
        CheckConstraint("digest ~ '^[0-9a-f]{24}$'", name="digest"),
        CheckConstraint("octet_length(image) BETWEEN 1 AND 1000000", name="image"),
        CheckConstraint(
            "(removed_at IS NULL) = (removed_by IS NULL)"
            " AND (image IS NOT NULL OR removed_at IS NOT NULL)",
            name="removed",
        ),
        Index(
            "uq_station_photos_current",
            "station_id",
            unique=True,
            postgresql_where=text("removed_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    station_id: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str] = mapped_column(String(24), index=True)
    """First letters of the SHA-256 of the image."""
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    image: Mapped[bytes | None] = mapped_column(LargeBinary)
    """WebP as `data.editions.photos.cleaned` writes it; NULL once erased."""
    added_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    added_by: Mapped[str] = mapped_column(Text)
    removed_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    removed_by: Mapped[str | None] = mapped_column(Text)
