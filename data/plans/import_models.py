"""Tables of imports: what a plan's file held, and what was done to make a partition of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    String,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from data.models import Base

_LOOKED = "(looked_by IS NULL) = (looked_at IS NULL)"


class PlanImport(Base):
    """The file a plan was made from, and the report of it."""

    __tablename__ = "plan_imports"
    __table_args__ = (CheckConstraint("tolerance_m >= 0", name="tolerance"),)

    plan_id: Mapped[int] = mapped_column(
        ForeignKey("plans.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    file_name: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(Text)
    at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    tolerance_m: Mapped[float] = mapped_column(Float)
    report: Mapped[dict[str, Any]] = mapped_column(JSONB)


class PlanImportGrid(Base):
    """A grid as the file had it and as the repair left it; either may be missing."""

    __tablename__ = "plan_import_grids"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    plan_id: Mapped[int] = mapped_column(
        ForeignKey("plan_imports.plan_id", ondelete="CASCADE"), index=True
    )
    code: Mapped[str | None] = mapped_column(Text)
    """In the file; None for a grid made for what none covered."""
    new_code: Mapped[str | None] = mapped_column(Text)
    """In the plan; None for a grid that lies in no community."""
    name: Mapped[str] = mapped_column(Text, server_default="")
    kind: Mapped[str] = mapped_column(String(16), server_default="base")
    changed: Mapped[bool] = mapped_column(Boolean)
    came: Mapped[Any | None] = mapped_column(Geometry("GEOMETRY", srid=4326), nullable=True)
    repaired: Mapped[Any | None] = mapped_column(Geometry("POLYGON", srid=4326), nullable=True)


class PlanImportPlace(Base):
    """A gap, an overlap, a loose piece or a part outside, and who has it now."""

    __tablename__ = "plan_import_places"
    __table_args__ = (
        CheckConstraint(_LOOKED, name="looked"),
        Index("ix_plan_import_places_plan", "plan_id", "decided"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("plan_imports.plan_id", ondelete="CASCADE"))
    community: Mapped[str] = mapped_column(Text)
    rule: Mapped[str] = mapped_column(String(16))
    grids: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    given_to: Mapped[str | None] = mapped_column(Text)
    area_m2: Mapped[float] = mapped_column(Float)
    width_m: Mapped[float] = mapped_column(Float)
    decided: Mapped[bool] = mapped_column(Boolean)
    geom: Mapped[Any] = mapped_column(Geometry("GEOMETRY", srid=4326))
    looked_by: Mapped[str | None] = mapped_column(Text)
    looked_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))


class PlanImportConflict(Base):
    """A grid that somebody changed in the plan after the file was exported from it."""

    __tablename__ = "plan_import_conflicts"
    __table_args__ = (CheckConstraint(_LOOKED, name="looked"),)

    plan_id: Mapped[int] = mapped_column(
        ForeignKey("plan_imports.plan_id", ondelete="CASCADE"), primary_key=True
    )
    code: Mapped[str] = mapped_column(Text, primary_key=True)
    community: Mapped[str | None] = mapped_column(Text)
    """Code of its community; None where that is not known any more."""
    kind: Mapped[str] = mapped_column(String(32))
    """The last edit of it, by whom and when."""
    author: Mapped[str] = mapped_column(Text)
    at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    in_file: Mapped[str | None] = mapped_column(String(16))
    """What the file changed of it; None for nothing."""
    looked_by: Mapped[str | None] = mapped_column(Text)
    looked_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
