"""The tables: layers of a city as GeoAlchemy2 models, SRID 4326.

Geography and counts only: households and people are numbers on buildings.
Every editable row has a ``code`` (its key in the source) and a ``version`` that the
database raises by one at every change. Checks are plain expressions, without functions of our
own, so that a dump restores in any order. `data.constraints` says what each check means to people.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Text,
    event,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from data.search_index import CREATE_FUNCTIONS, searched

AREA_LEVELS = ("district", "street", "community")
COMPOUND_KINDS = ("new", "courtyard", "work_unit", "urban_village", "suburban", "unknown")
GATE_ACCESS = ("all", "residents", "emergency")
BUILDING_KINDS = (
    "high_rise",
    "multi_storey",
    "bungalow",
    "public",
    "commercial",
    "industrial",
    "other",
)
COUNT_SOURCES = ("surveyed", "estimated", "none")
STATION_KINDS = ("service_centre", "red_station", "rider_station")
STATION_STATUSES = ("planned", "open", "closed")
FACILITIES = (
    "rest",
    "water",
    "hot_meal",
    "microwave",
    "phone_charging",
    "ebike_charging",
    "battery_swap",
    "toilet",
    "first_aid",
    "wifi",
    "books",
    "air_conditioning",
    "parking",
    "fridge",
    "umbrella",
    "pump",
    "aed",
    "blood_pressure",
)
GRID_KINDS = ("base", "exclusive", "micro")
BASE_LAYERS = ("road", "water", "green", "rail", "barrier", "label")
COVERAGE_STATES = ("covered", "gap", "unsnapped", "disconnected")
HISTORY_OPERATIONS = ("insert", "update", "delete")


# A geometry outside these is in another CRS, or not a number: NaN is greater than every number in
# PostgreSQL and fails the second half of each pair. An empty geometry has no bounds.
_ON_EARTH = (
    "NOT ST_IsEmpty(geom) AND ST_XMin(geom) >= -180 AND ST_XMax(geom) <= 180"
    " AND ST_YMin(geom) >= -90 AND ST_YMax(geom) <= 90"
)


# The upper bound also refuses infinity and NaN.
_PLACES = "places BETWEEN 0 AND 100000"
_AREA_M2 = "area_m2 IS NULL OR (area_m2 > 0 AND area_m2 <= 1000000)"


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(v) for v in values)})"


def _short(column: str, most: int) -> CheckConstraint:
    return CheckConstraint(f"length({column}) <= {most}", name=f"{column}_length")


def _on_earth() -> CheckConstraint:
    return CheckConstraint(_ON_EARTH, name="geom_on_earth")


def _kept_checks() -> tuple[CheckConstraint, ...]:
    """Check the columns in `Kept` and ``geom``."""
    return (
        CheckConstraint("code <> ''", name="code_given"),
        CheckConstraint("version >= 1", name="version"),
        _short("source", 200),
        _on_earth(),
    )


def _valid() -> CheckConstraint:
    return CheckConstraint("ST_IsValid(geom)", name="geom_valid")


class Base(DeclarativeBase):
    """Registry of all tables, with a naming convention so that migrations can name constraints."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


for _function in CREATE_FUNCTIONS:
    event.listen(Base.metadata, "before_create", _function)


class Kept:
    """Columns every editable layer has, before its own."""

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True, sort_order=-5)
    code: Mapped[str] = mapped_column(String(64), unique=True, sort_order=-4)
    source: Mapped[str] = mapped_column(Text, server_default="", sort_order=-3)
    version: Mapped[int] = mapped_column(Integer, server_default="1", sort_order=-2)
    updated_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), sort_order=-1
    )


class Area(Kept, Base):
    """District 区县, street 街道 or community 社区, nested by ``parent_id``."""

    __tablename__ = "areas"
    __table_args__ = (
        *_kept_checks(),
        *searched("areas"),
        _valid(),
        CheckConstraint(_one_of("level", AREA_LEVELS), name="level"),
        CheckConstraint("name <> ''", name="name_given"),
        _short("name", 200),
        # That a parent is of a higher level is checked by the trigger `areas_nested`.
        CheckConstraint("level <> 'district' OR parent_id IS NULL", name="district_on_top"),
    )

    level: Mapped[str] = mapped_column(String(16), index=True)
    name: Mapped[str] = mapped_column(Text)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("areas.id"), index=True)
    geom: Mapped[Any] = mapped_column(Geometry("MULTIPOLYGON", srid=4326))


class Compound(Kept, Base):
    """Residential compound 小区; walls are its outline, openings are its gates."""

    __tablename__ = "compounds"
    __table_args__ = (
        *_kept_checks(),
        *searched("compounds"),
        _valid(),
        CheckConstraint(_one_of("kind", COMPOUND_KINDS), name="kind"),
        _short("name", 200),
    )

    name: Mapped[str] = mapped_column(Text, server_default="")
    kind: Mapped[str] = mapped_column(String(16), server_default="unknown")
    walled: Mapped[bool] = mapped_column(Boolean, server_default="false")
    community_id: Mapped[int | None] = mapped_column(
        ForeignKey("areas.id", ondelete="SET NULL"), index=True
    )
    geom: Mapped[Any] = mapped_column(Geometry("MULTIPOLYGON", srid=4326))


class Gate(Kept, Base):
    """Gate of a compound 小区门: the point where its wall may be crossed."""

    __tablename__ = "gates"
    __table_args__ = (
        *_kept_checks(),
        CheckConstraint(_one_of("access", GATE_ACCESS), name="access"),
        _short("name", 200),
        _short("opening_hours", 500),
    )

    compound_id: Mapped[int | None] = mapped_column(
        ForeignKey("compounds.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(Text, server_default="")
    access: Mapped[str] = mapped_column(String(16), server_default="all")
    opening_hours: Mapped[str | None] = mapped_column(Text)
    geom: Mapped[Any] = mapped_column(Geometry("POINT", srid=4326))


class Grid(Kept, Base):
    """Grid 网格 of the published plan: base, exclusive or micro."""

    __tablename__ = "grids"
    __table_args__ = (
        *_kept_checks(),
        *searched("grids"),
        _valid(),
        CheckConstraint(_one_of("kind", GRID_KINDS), name="kind"),
        _short("name", 200),
    )

    name: Mapped[str] = mapped_column(Text, server_default="")
    kind: Mapped[str] = mapped_column(String(16), server_default="base")
    community_id: Mapped[int | None] = mapped_column(
        ForeignKey("areas.id", ondelete="SET NULL"), index=True
    )
    geom: Mapped[Any] = mapped_column(Geometry("MULTIPOLYGON", srid=4326))


class Building(Kept, Base):
    """Building 楼栋 with its counts; each count says whether it was surveyed or estimated."""

    __tablename__ = "buildings"
    __table_args__ = (
        *_kept_checks(),
        *searched("buildings", address=True),
        _valid(),
        _short("name", 200),
        _short("address", 500),
        CheckConstraint(_one_of("kind", BUILDING_KINDS), name="kind"),
        CheckConstraint("floors IS NULL OR floors BETWEEN 1 AND 200", name="floors"),
        CheckConstraint("units IS NULL OR units BETWEEN 0 AND 100", name="units"),
        CheckConstraint("households IS NULL OR households BETWEEN 0 AND 20000", name="households"),
        CheckConstraint("people IS NULL OR people BETWEEN 0 AND 100000", name="people"),
        CheckConstraint(_one_of("households_source", COUNT_SOURCES), name="households_source"),
        CheckConstraint(_one_of("people_source", COUNT_SOURCES), name="people_source"),
        CheckConstraint(_one_of("floors_source", COUNT_SOURCES), name="floors_source"),
        CheckConstraint(
            "(households IS NULL) = (households_source = 'none')", name="households_has_source"
        ),
        CheckConstraint("(people IS NULL) = (people_source = 'none')", name="people_has_source"),
    )

    name: Mapped[str] = mapped_column(Text, server_default="")
    address: Mapped[str] = mapped_column(Text, server_default="")
    kind: Mapped[str] = mapped_column(String(16), server_default="other")
    floors: Mapped[int | None] = mapped_column(SmallInteger)
    floors_source: Mapped[str] = mapped_column(String(16), server_default="none")
    units: Mapped[int | None] = mapped_column(SmallInteger)
    households: Mapped[int | None] = mapped_column(Integer)
    households_source: Mapped[str] = mapped_column(String(16), server_default="none")
    people: Mapped[int | None] = mapped_column(Integer)
    people_source: Mapped[str] = mapped_column(String(16), server_default="none")
    compound_id: Mapped[int | None] = mapped_column(
        ForeignKey("compounds.id", ondelete="SET NULL"), index=True
    )
    community_id: Mapped[int | None] = mapped_column(
        ForeignKey("areas.id", ondelete="SET NULL"), index=True
    )
    grid_id: Mapped[int | None] = mapped_column(
        ForeignKey("grids.id", ondelete="SET NULL"), index=True
    )
    geom: Mapped[Any] = mapped_column(Geometry("MULTIPOLYGON", srid=4326))


class Entrance(Kept, Base):
    """Entrance of a building or of one of its units 单元门: where a walk begins."""

    __tablename__ = "entrances"
    __table_args__ = (*_kept_checks(), _short("unit", 50))

    building_id: Mapped[int] = mapped_column(
        ForeignKey("buildings.id", ondelete="CASCADE"), index=True
    )
    unit: Mapped[str] = mapped_column(Text, server_default="")
    geom: Mapped[Any] = mapped_column(Geometry("POINT", srid=4326))


class Station(Kept, Base):
    """Service centre 党群服务中心, red station 红色驿站 or rider station 小哥驿站."""

    __tablename__ = "stations"
    __table_args__ = (
        *_kept_checks(),
        *searched("stations", address=True),
        CheckConstraint(_one_of("kind", STATION_KINDS), name="kind"),
        CheckConstraint(_one_of("status", STATION_STATUSES), name="status"),
        CheckConstraint(_AREA_M2, name="area_m2"),
        CheckConstraint(_PLACES, name="places"),
        CheckConstraint(
            f"facilities <@ ARRAY[{', '.join(repr(f) for f in FACILITIES)}]::text[]",
            name="facilities",
        ),
        CheckConstraint("name <> ''", name="name_given"),
        _short("name", 200),
        _short("address", 500),
        _short("opening_hours", 500),
    )

    kind: Mapped[str] = mapped_column(String(16), index=True)
    name: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text, server_default="")
    opening_hours: Mapped[str | None] = mapped_column(Text)
    area_m2: Mapped[float | None] = mapped_column(Float)
    facilities: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    status: Mapped[str] = mapped_column(String(16), server_default="open")
    published: Mapped[bool] = mapped_column(Boolean, server_default="false")
    community_id: Mapped[int | None] = mapped_column(
        ForeignKey("areas.id", ondelete="SET NULL"), index=True
    )
    outside_areas: Mapped[bool] = mapped_column(Boolean, server_default="false")
    geom: Mapped[Any] = mapped_column(Geometry("POINT", srid=4326))
    verified_on: Mapped[dt.date | None] = mapped_column(Date)
    """When somebody was there last and found it as it is written here."""
    places: Mapped[int | None] = mapped_column(Integer)
    """People it serves at a time 座位数: seats, or desks of a service hall."""


class PatrolPoint(Kept, Base):
    """Hazard or asset a grid worker passes on patrol 巡查点: well, river bank, charging pile."""

    __tablename__ = "patrol_points"
    __table_args__ = (
        *_kept_checks(),
        CheckConstraint("kind <> ''", name="kind_given"),
        _short("name", 200),
    )

    kind: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(Text, server_default="")
    geom: Mapped[Any] = mapped_column(Geometry("POINT", srid=4326))


class Premises(Kept, Base):
    """Candidate site 候选场所: premises where a station could open."""

    __tablename__ = "premises"
    __table_args__ = (
        *_kept_checks(),
        CheckConstraint("kind <> ''", name="kind_given"),
        _short("name", 200),
        CheckConstraint(_AREA_M2, name="area_m2"),
        CheckConstraint("cost >= 0", name="cost"),
        CheckConstraint(
            f"facilities <@ ARRAY[{', '.join(repr(f) for f in FACILITIES)}]::text[]",
            name="facilities",
        ),
    )

    kind: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(Text, server_default="")
    area_m2: Mapped[float | None] = mapped_column(Float)
    cost: Mapped[float | None] = mapped_column(Float)
    """Of opening a station there, yuan."""
    facilities: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """What a station there could offer; nothing given where nobody said."""
    geom: Mapped[Any] = mapped_column(Geometry("POINT", srid=4326))


class BaseFeature(Base):
    """Base-map feature: road, water, green, rail, barrier or label.

    Replaced as a whole by each import of its ``source``; barriers (walls, rivers, railways)
    also stop access legs from crossing them.
    """

    __tablename__ = "base_features"
    __table_args__ = (
        *searched("base_features", code=False),
        _on_earth(),
        CheckConstraint("kind <> ''", name="kind_given"),
        _short("name", 300),
        _short("source", 200),
        CheckConstraint(_one_of("layer", BASE_LAYERS), name="layer"),
        CheckConstraint("min_zoom BETWEEN 0 AND 22", name="min_zoom"),
        # Low zooms draw few of very many features.
        *(
            Index(
                f"idx_base_features_geom_z{zoom}",
                "geom",
                postgresql_using="gist",
                postgresql_where=f"min_zoom <= {zoom}",
            )
            for zoom in (10, 12, 13)
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    source: Mapped[str] = mapped_column(Text, index=True)
    source_key: Mapped[str] = mapped_column(String(64))
    layer: Mapped[str] = mapped_column(String(16), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(Text, server_default="")
    min_zoom: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    geom: Mapped[Any] = mapped_column(Geometry("GEOMETRY", srid=4326))


class NetworkVersion(Base):
    """One compiled walking network; ``version`` is the digest of its arrays."""

    __tablename__ = "network_versions"
    __table_args__ = (
        CheckConstraint("nodes >= 0 AND edges >= 0 AND length_m >= 0", name="size"),
        Index(
            "ix_network_versions_current",
            "is_current",
            unique=True,
            postgresql_where="is_current",
        ),
    )

    version: Mapped[str] = mapped_column(String(64), primary_key=True)
    created_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    source: Mapped[str] = mapped_column(Text)
    crs: Mapped[str] = mapped_column(Text)
    nodes: Mapped[int] = mapped_column(Integer)
    edges: Mapped[int] = mapped_column(Integer)
    length_m: Mapped[float] = mapped_column(Float)
    is_current: Mapped[bool] = mapped_column(Boolean, server_default="false")


class NetworkNode(Base):
    """Node of a walking network version.

    ``plan`` holds the exact coordinates in the CRS of the version, metres: the arrays are made
    from it again, bit by bit. ``geom`` is the same point in longitude and latitude, for maps.
    """

    __tablename__ = "network_nodes"

    network_version: Mapped[str] = mapped_column(
        ForeignKey("network_versions.version", ondelete="CASCADE"), primary_key=True
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    component: Mapped[int] = mapped_column(Integer)
    waits: Mapped[float] = mapped_column(REAL, server_default="0")
    plan: Mapped[Any] = mapped_column(Geometry("POINT", spatial_index=False))
    geom: Mapped[Any] = mapped_column(Geometry("POINT", srid=4326, spatial_index=False))


class NetworkEdge(Base):
    """Edge of a walking network version; ``flags`` are `geo.network.EdgeFlag` bits.

    ``plan`` and ``geom`` as in `NetworkNode`. ``from_node`` and ``to_node`` carry no foreign key:
    versions are written and deleted whole, by `data.network_store` alone.
    """

    __tablename__ = "network_edges"
    __table_args__ = (CheckConstraint("length_mm >= 0", name="length_mm"),)

    network_version: Mapped[str] = mapped_column(
        ForeignKey("network_versions.version", ondelete="CASCADE"), primary_key=True
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    from_node: Mapped[int] = mapped_column(Integer)
    to_node: Mapped[int] = mapped_column(Integer)
    length_mm: Mapped[int] = mapped_column(Integer)
    flags: Mapped[int] = mapped_column(Integer)
    waits: Mapped[float] = mapped_column(REAL, server_default="0")
    way: Mapped[int] = mapped_column(BigInteger)
    plan: Mapped[Any] = mapped_column(Geometry("LINESTRING", spatial_index=False))
    geom: Mapped[Any] = mapped_column(Geometry("LINESTRING", srid=4326))


class CoverageRun(Base):
    """One coverage result with the parameters and versions it was computed from.

    ``network_version`` is a name, not a foreign key: the result outlives old networks.
    """

    __tablename__ = "coverage_runs"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    network_version: Mapped[str] = mapped_column(String(64), index=True)
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    summary: Mapped[dict[str, Any]] = mapped_column(JSONB)


class CoverageResult(Base):
    """State of one building in one coverage run.

    Building and station are numbers, not foreign keys: a kept result says what was true then,
    also of what has been deleted since.
    """

    __tablename__ = "coverage_results"
    __table_args__ = (
        CheckConstraint(_one_of("state", COVERAGE_STATES), name="state"),
        CheckConstraint("seconds IS NULL OR seconds >= 0", name="seconds"),
    )

    run_id: Mapped[int] = mapped_column(
        ForeignKey("coverage_runs.id", ondelete="CASCADE"), primary_key=True
    )
    building_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    seconds: Mapped[float | None] = mapped_column(Float)
    station_id: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))
    zone: Mapped[int | None] = mapped_column(Integer)


class CoverageCell(Base):
    """Sums of one coverage run in one square: a tile of the WebMercatorQuad pyramid.

    Low zooms draw these in place of buildings.
    """

    __tablename__ = "coverage_cells"
    __table_args__ = (
        CheckConstraint(
            "covered_buildings <= buildings AND covered_households <= households", name="covered"
        ),
    )

    run_id: Mapped[int] = mapped_column(
        ForeignKey("coverage_runs.id", ondelete="CASCADE"), primary_key=True
    )
    z: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    y: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    x: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    buildings: Mapped[int] = mapped_column(Integer)
    households: Mapped[int] = mapped_column(Integer)
    covered_buildings: Mapped[int] = mapped_column(Integer)
    covered_households: Mapped[int] = mapped_column(Integer)
    minutes: Mapped[float | None] = mapped_column(REAL)
    """Mean walk to the nearest station, weighted by households; NULL where nobody reaches one."""


class History(Base):
    """Every insert, change and delete of a layer row, written by database triggers.

    ``before`` and ``after`` hold the whole row at an insert (after) and a delete (before); at an
    update only the columns that changed. Geometry is its hexadecimal EWKB, so that it comes back
    to the last bit. Rows are never changed or deleted: a trigger refuses it.
    """

    __tablename__ = "history"
    __table_args__ = (
        CheckConstraint(_one_of("operation", HISTORY_OPERATIONS), name="operation"),
        Index("ix_history_row", "table_name", "row_id", "id"),
        # Rows come in the order of their transactions, nearly: a block range index costs nothing.
        Index(
            "ix_history_transaction",
            "transaction",
            postgresql_using="brin",
            postgresql_with={"autosummarize": "on"},
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    table_name: Mapped[str] = mapped_column(Text)
    row_id: Mapped[int] = mapped_column(BigInteger)
    operation: Mapped[str] = mapped_column(String(6))
    actor: Mapped[str] = mapped_column(Text)
    at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    transaction: Mapped[int] = mapped_column(BigInteger)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class CommunityTotal(Base):
    """Known households and people of a community; estimates of its buildings add up to them."""

    __tablename__ = "community_totals"
    __table_args__ = (
        CheckConstraint("households BETWEEN 0 AND 1000000", name="households"),
        CheckConstraint("people IS NULL OR people BETWEEN 0 AND 5000000", name="people"),
    )

    area_id: Mapped[int] = mapped_column(
        ForeignKey("areas.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    households: Mapped[int] = mapped_column(Integer)
    people: Mapped[int | None] = mapped_column(Integer)
    source: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )


class ImportRun(Base):
    """One import: which file, by whom, and its report."""

    __tablename__ = "imports"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    actor: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(32))
    file_name: Mapped[str] = mapped_column(Text)
    file_sha256: Mapped[str] = mapped_column(String(64))
    report: Mapped[dict[str, Any]] = mapped_column(JSONB)


class City(Base):
    """The one city this database holds: its name, and whether it is made up."""

    __tablename__ = "city"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"), _short("name", 200))

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(Text)
    is_sample: Mapped[bool] = mapped_column(Boolean, server_default="false")
    attribution: Mapped[str] = mapped_column(Text, server_default="")


EDITED_TABLES = (
    "areas",
    "compounds",
    "gates",
    "grids",
    "buildings",
    "entrances",
    "stations",
    "patrol_points",
    "premises",
)
"""Tables with ``version`` and ``history``."""

# Tables of rooms of their own, in the same metadata.
import data.accounts.models  # noqa: E402
import data.audits.models  # noqa: E402
import data.editions.models  # noqa: E402
import data.editions.photo_models  # noqa: E402
import data.plans.design_models  # noqa: E402
import data.plans.import_models  # noqa: E402
import data.plans.models  # noqa: E402, F401
