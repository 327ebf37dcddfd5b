"""What requests about plans hold, for checking and for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.schemas import Latitude, Longitude

Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Position = tuple[Longitude, Latitude]
GridKind = Literal["base", "exclusive", "micro"]
PlanState = Literal["draft", "review", "published", "archived"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class LineString(_Strict):
    """A GeoJSON LineString, WGS84 degrees."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["LineString"]
    coordinates: list[Position] = Field(min_length=2, max_length=10_000)


class Polygon(_Strict):
    """A GeoJSON Polygon, WGS84 degrees."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["Polygon"]
    coordinates: list[Annotated[list[Position], Field(min_length=4, max_length=10_000)]] = Field(
        min_length=1
    )


class Point(_Strict):
    """A GeoJSON Point, WGS84 degrees."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["Point"]
    coordinates: Position


class _Edit(_Strict):
    community: Id


class SplitEdit(_Edit):
    """Part a grid along a line, or along a street by name or way number."""

    kind: Literal["split"]
    grid: Id
    line: LineString | None = None
    street: str | int | None = None

    @model_validator(mode="after")
    def _one(self) -> SplitEdit:
        if (self.line is None) == (self.street is None):
            raise ValueError("give either line or street")
        return self


class MergeEdit(_Edit):
    """Join neighbours; the largest keeps its code."""

    kind: Literal["merge"]
    grids: list[Id] = Field(min_length=2, max_length=200)


class TransferEdit(_Edit):
    """Give buildings with their cells, or the ground under a patch, to a grid."""

    kind: Literal["transfer"]
    to: Id
    buildings: list[Id] | None = Field(None, min_length=1, max_length=10_000)
    patch: Polygon | None = None

    @model_validator(mode="after")
    def _one(self) -> TransferEdit:
        if (self.buildings is None) == (self.patch is None):
            raise ValueError("give either buildings or patch")
        return self


class ReshapeEdit(_Edit):
    """Give a shared boundary a new course, or drag a vertex of it."""

    kind: Literal["reshape"]
    between: tuple[Id, Id] | None = None
    line: LineString | None = None
    vertex: Position | None = None
    to: Position | None = None

    @model_validator(mode="after")
    def _one(self) -> ReshapeEdit:
        course = (self.between is not None, self.line is not None)
        drag = (self.vertex is not None, self.to is not None)
        if not (all(course) and not any(drag)) and not (all(drag) and not any(course)):
            raise ValueError("give between and line, or vertex and to")
        return self


class DrawEdit(_Edit):
    """Make a new grid that takes its area from those beneath."""

    kind: Literal["draw"]
    patch: Polygon
    grid_kind: GridKind = "base"
    name: str = Field("", max_length=200)


class Staff(_Strict):
    """Numbers of staff by role."""

    grid_head: int | None = Field(None, ge=0, le=10_000)
    full_time: int | None = Field(None, ge=0, le=10_000)
    part_time: int | None = Field(None, ge=0, le=10_000)
    building_heads: int | None = Field(None, ge=0, le=10_000)
    unit_heads: int | None = Field(None, ge=0, le=10_000)


class RenameEdit(_Edit):
    """Change name, code, branch or staff numbers of a grid."""

    kind: Literal["rename"]
    grid: Id
    name: str | None = Field(None, max_length=200)
    code: str | None = Field(None, min_length=1, max_length=64)
    branch: str | None = Field(None, max_length=200)
    staff: Staff | None = None


class RenumberEdit(_Edit):
    """Number the grids of the community anew: west to east, north to south."""

    kind: Literal["renumber"]


class ChangeKindEdit(_Edit):
    """Make a base grid exclusive, or the other way."""

    kind: Literal["change_kind"]
    grid: Id
    grid_kind: GridKind


class RemoveEdit(_Edit):
    """Remove a micro-grid."""

    kind: Literal["remove"]
    grid: Id


class TakeEdit(_Edit):
    """Bring in grids of a proposal: the whole community, or those that cover the same ground."""

    kind: Literal["take"]
    source: Id = Field(description="Plan of the proposal.")
    grids: list[Id] | None = Field(
        None, min_length=1, max_length=10_000, description="Grids of the proposal; null for all."
    )


class MicrogridsEdit(_Edit):
    """Divide the base grids of a community into micro-grids by rule; what was there goes."""

    kind: Literal["microgrids"]


class Branch(_Strict):
    """A party branch and its grids."""

    name: str = Field(min_length=1, max_length=200)
    grids: list[Id] = Field(min_length=1, max_length=1000)


class BranchesEdit(_Edit):
    """Give grids their party branches, with the counts of members they were made from."""

    kind: Literal["branches"]
    branches: list[Branch] = Field(min_length=1, max_length=1000)
    members: dict[Id, Annotated[int, Field(ge=0, le=100_000)]] = Field(default_factory=dict)


Edit = Annotated[
    SplitEdit
    | MergeEdit
    | TransferEdit
    | ReshapeEdit
    | DrawEdit
    | RenameEdit
    | RenumberEdit
    | ChangeKindEdit
    | RemoveEdit
    | TakeEdit
    | MicrogridsEdit
    | BranchesEdit,
    Field(discriminator="kind"),
]


class PlanSource(_Strict):
    """Another plan."""

    plan: Id


class PlanLimits(_Strict):
    """Most households and people of a base grid; what is left out is as in the source."""

    households: int | None = Field(None, ge=1, le=100_000)
    people: int | None = Field(None, ge=1, le=1_000_000)


class NewPlan(_Strict):
    """A plan to be made."""

    name: str = Field(min_length=1, max_length=200)
    source: Literal["published", "empty"] | PlanSource = "published"
    limits: PlanLimits | None = None


class PlanChanges(_Strict):
    """What is to be changed of a plan as a whole; what is left out stays."""

    name: str | None = Field(None, min_length=1, max_length=200)
    limits: PlanLimits | None = None

    @model_validator(mode="after")
    def _any(self) -> PlanChanges:
        if self.name is None and self.limits is None:
            raise ValueError("give name or limits")
        return self


class NetSource(_Strict):
    """One net: what it is called, and the plan that holds it."""

    name: str = Field(min_length=1, max_length=50)
    plan: Id


class NetMerge(_Strict):
    """Nets to be laid over one another; the first leads."""

    name: str = Field(min_length=1, max_length=200)
    nets: list[NetSource] = Field(min_length=2, max_length=6)


class Step(_Strict):
    """What to undo or redo."""

    community: Id | None = None


class Looked(_Strict):
    """Undecided places and conflicts of an import that somebody has looked at, or not."""

    places: list[Id] = Field(default=[], max_length=5000, description="Ids of places.")
    conflicts: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        default=[], max_length=5000, description="Codes of grids in conflict."
    )
    looked: bool = Field(True, description="False opens them again.")

    @model_validator(mode="after")
    def _something(self) -> Looked:
        if not self.places and not self.conflicts:
            raise ValueError("name at least one place or conflict")
        return self


class StateChange(_Strict):
    """Where a plan is to go."""

    to: PlanState
    comment: str = Field("", max_length=2000)


class NewComment(_Strict):
    """A remark."""

    text: str = Field(min_length=1, max_length=2000)
    point: Point | None = None
    grid: Id | None = None


class EditAnswer(BaseModel):
    """What an edit did, or would do."""

    model_config = ConfigDict(extra="allow")

    edit: int | None
    preview: bool
    community: int
    version: int
    changed: dict[str, Any]
    before: dict[str, Any]
    removed: list[int]
    moved: dict[str, int]
    broken: list[dict[str, Any]]
