"""A community parted into grids: every edit keeps it a partition, to the last bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geo.errors import PartitionError
from geo.partition import Change, Partition, snapped

LON, LAT = 118.1, 36.95
X, Y = 1 / (111_320 * math.cos(math.radians(LAT))), 1 / 111_320


def at(x: float, y: float) -> tuple[float, float]:
    return LON + x * X, LAT + y * Y


def shape(*points: tuple[float, float]) -> shapely.Polygon:
    return snapped(shapely.Polygon([at(*p) for p in points]))


def box(x0: float, y0: float, x1: float, y1: float) -> shapely.Polygon:
    return shape((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def line(*points: tuple[float, float]) -> shapely.LineString:
    return shapely.LineString([at(*p) for p in points])


def two_by_two() -> dict[int, shapely.Polygon]:
    """Four squares of 100 m; the middle vertex is shared by all."""
    return {
        1: box(0, 0, 100, 100),
        2: box(100, 0, 200, 100),
        3: box(0, 100, 100, 200),
        4: box(100, 100, 200, 200),
    }


def square_outline() -> shapely.Polygon:
    return shapely.coverage_union_all(list(two_by_two().values()))


def square() -> Partition:
    return Partition(two_by_two(), square_outline())


def applied(
    grids: dict[int, shapely.Polygon],
    outline: shapely.Geometry,
    change: Change,
    *,
    homes: np.ndarray | None = None,
) -> tuple[dict[int, shapely.Polygon], shapely.Geometry]:
    """The grids after a change, with new ids for new grids."""
    result = {g: s for g, s in grids.items() if g not in change.removed}
    newest = max(grids)
    for grid, polygon in change.after.items():
        result[grid if grid > 0 else newest - grid] = polygon
    return result, change.outline or outline


def check(grids: dict[int, shapely.Polygon], outline: shapely.Geometry, area: float) -> None:
    """An independent look: shapely's own coverage check, validity, one piece, area."""
    shapes = np.array(list(grids.values()), object)
    assert shapely.is_valid(shapes).all()
    assert {s.geom_type for s in shapes} == {"Polygon"}
    assert shapely.coverage_is_valid(shapes)
    assert shapely.area(shapes).sum() == pytest.approx(area, rel=1e-6)
    assert shapely.area(shapely.symmetric_difference(outline, shapely.union_all(shapes))) < 1e-16
    assert Partition(grids, outline).flaws() == []


def test_a_split_keeps_the_larger_part_and_gives_the_neighbours_the_new_vertices() -> None:
    change = square().split(1, line((-5, 30), (105, 30)))
    assert set(change.after) == {1, -1, 2}  # 2 gains a vertex; the west lies on the border
    assert change.after[1].area > change.after[-1].area
    assert change.parents[-1] == (1,)
    assert change.outline is not None
    assert len(change.after[2].exterior.coords) == 6
    grids, outline = applied(two_by_two(), square_outline(), change)
    check(grids, outline, square_outline().area)


def test_a_line_that_ends_just_inside_reaches_the_boundary() -> None:
    change = square().split(1, line((1.5, 30), (98.2, 30)))
    assert -1 in change.after


def test_a_line_that_ends_well_inside_is_refused_at_its_end() -> None:
    with pytest.raises(PartitionError, match="does not part") as refused:
        square().split(1, line((-5, 30), (50, 30)))
    assert refused.value.at == pytest.approx(at(50, 30), abs=1e-8)


def test_a_slip_of_the_hand_is_refused() -> None:
    with pytest.raises(PartitionError, match="m²"):
        square().split(1, line((-1, 2.2), (2.2, -1)))


def test_merging_keeps_the_vertices_of_the_neighbours() -> None:
    change = square().merge([1, 2])
    assert set(change.after) | set(change.removed) == {1, 2}
    grids, outline = applied(two_by_two(), square_outline(), change)
    check(grids, outline, square_outline().area)


def test_grids_that_meet_in_a_corner_are_not_merged() -> None:
    with pytest.raises(PartitionError, match="touch along an edge"):
        square().merge([1, 4])


def test_undoing_a_split_by_a_merge_gives_the_same_area_back() -> None:
    grids, outline = applied(
        two_by_two(), square_outline(), square().split(1, line((30, -5), (60, 105)))
    )
    change = Partition(grids, outline).merge([1, 5])
    after, outline = applied(grids, outline, change)
    check(after, outline, square_outline().area)
    assert after[1].symmetric_difference(two_by_two()[1]).area < 1e-16


def test_a_patch_goes_to_the_neighbour_and_the_outline_only_gains_vertices() -> None:
    change = square().transfer(1, box(90, -10, 130, 60))
    assert set(change.after) == {1, 2}
    grids, outline = applied(two_by_two(), square_outline(), change)
    check(grids, outline, square_outline().area)
    assert change.after[1].area / two_by_two()[1].area == pytest.approx(1.18, rel=1e-3)


def test_a_patch_apart_from_the_receiver_is_refused_at_the_place() -> None:
    with pytest.raises(PartitionError, match="fall into pieces") as refused:
        square().transfer(1, box(150, 20, 170, 60))
    assert refused.value.at is not None
    assert 150 <= (refused.value.at[0] - LON) / X <= 170


def test_taking_a_whole_grid_is_refused_in_favour_of_a_merge() -> None:
    with pytest.raises(PartitionError, match="Nothing would be left") as refused:
        square().transfer(1, box(90, -10, 210, 110))
    assert "Merge" in refused.value.remedy


def test_a_grid_of_which_next_to_nothing_would_be_left_is_not_given_away() -> None:
    nearly = shape((99, -1), (201, -1), (201, 99.2), (199.2, 99.2), (199.2, 101), (99, 101))
    with pytest.raises(PartitionError, match=r"0\.64 m²") as refused:
        square().transfer(1, nearly)
    assert refused.value.at == pytest.approx(at(199.6, 99.6), abs=1e-6)


def test_a_patch_led_onto_a_crooked_boundary_takes_no_hair_of_the_grid_beyond() -> None:
    # The boundary between 1 and 2 has vertices every centimetre, none of them on a line.
    rng = np.random.default_rng(8)
    y = np.linspace(0, 2, 160)
    x = 1 + 0.2 * y + rng.normal(0, 2e-4, len(y))
    course = [at(*p) for p in zip(x, y, strict=True)]
    west = snapped(shapely.Polygon([at(0, 0), *course, at(0, 2)]))
    east = snapped(shapely.Polygon([at(4, 0), at(4, 2), *course[::-1]]))
    south = snapped(shapely.Polygon([at(0, -40), at(4, -40), at(4, 0), course[0], at(0, 0)]))
    grids = {1: west, 2: east, 3: south}
    outline = shapely.coverage_union_all(list(grids.values()))
    made = 0
    for _ in range(60):
        middle = at(*rng.uniform((0.9, 0), (2.2, 2)))
        patch = shapely.Point(middle).buffer(rng.uniform(2e-6, 8e-6), 4)
        for change in (lambda p: Partition(grids, outline).transfer(1, p),
                       lambda p: Partition(grids, outline).draw(p)):  # fmt: skip
            try:
                after, border = applied(grids, outline, change(patch))
            except PartitionError as refused:
                reason = str(refused)
                assert "overlap" not in reason
                continue
            made += 1
            check(after, border, outline.area)
    assert made > 20


def test_a_part_without_buildings_that_is_cut_off_follows() -> None:
    homes = np.array([at(150, 80), at(50, 50)])
    partition = Partition(two_by_two(), square_outline(), homes=homes)
    # The patch reaches across grid 2 and cuts its south-west corner off.
    change = partition.transfer(1, shape((99, 20), (150, -5), (170, -5), (99, 40)))
    assert change.after[1].contains(shapely.Point(at(105, 5)))
    grids, outline = applied(two_by_two(), square_outline(), change)
    check(grids, outline, square_outline().area)


def test_a_new_grid_takes_its_area_from_those_beneath() -> None:
    change = square().draw(box(50, 50, 150, 150))
    assert set(change.after) == {1, 2, 3, 4, -1}
    assert set(change.parents[-1]) == {1, 2, 3, 4}
    grids, outline = applied(two_by_two(), square_outline(), change)
    check(grids, outline, square_outline().area)
    assert change.outline is None


def test_a_new_grid_over_a_whole_one_replaces_it() -> None:
    change = square().draw(box(-5, -5, 101, 100.1))
    assert change.removed == (1,)


def test_a_boundary_gets_a_new_course_and_both_sides_follow() -> None:
    change = square().reshape(1, 2, line((100, 0), (120, 50), (100, 100)))
    assert set(change.after) == {1, 2}
    assert change.after[1].area > two_by_two()[1].area
    grids, outline = applied(two_by_two(), square_outline(), change)
    check(grids, outline, square_outline().area)


def test_grids_without_a_common_boundary_cannot_be_reshaped() -> None:
    with pytest.raises(PartitionError, match="share no boundary"):
        square().reshape(1, 4, line((0, 0), (1, 1)))


def test_dragging_a_vertex_takes_every_grid_with_it() -> None:
    change = square().move_vertex(at(100, 100), at(120, 110))
    assert set(change.after) == {1, 2, 3, 4}
    grids, outline = applied(two_by_two(), square_outline(), change)
    check(grids, outline, square_outline().area)


def test_dragging_an_edge_puts_a_vertex_into_both_neighbours() -> None:
    change = square().move_vertex(at(100, 50), at(110, 50))
    assert set(change.after) == {1, 2}
    assert len(change.after[1].exterior.coords) == len(change.after[2].exterior.coords) == 6
    grids, outline = applied(two_by_two(), square_outline(), change)
    check(grids, outline, square_outline().area)


def test_the_border_of_the_community_does_not_move() -> None:
    with pytest.raises(PartitionError, match="border of the community"):
        square().move_vertex(at(0, 0), at(10, 10))


def test_a_vertex_dragged_across_another_boundary_is_refused_at_the_crossing() -> None:
    with pytest.raises(PartitionError, match=r"cross|overlap") as refused:
        square().move_vertex(at(100, 100), at(250, 50))
    assert refused.value.at is not None


def test_flaws_name_gap_and_overlap() -> None:
    grids = two_by_two() | {4: box(101, 100, 200, 200)}
    flaws = Partition(grids, square_outline()).flaws()
    assert flaws
    assert {f.rule for f in flaws} == {"edge"}
    assert any(4 in f.ids for f in flaws)


def test_the_grid_around_a_point_is_found() -> None:
    found = square().at(np.array([at(50, 50), at(150, 50), at(-10, 0)]))
    assert found.tolist() == [1, 2, 0]


# Long random sequences --------------------------------------------------------------------------


def voronoi_community(seed: int, count: int = 60) -> tuple[dict, shapely.Geometry, np.ndarray]:
    """Grids made of the cells of random buildings in a crooked community."""
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 17))
    radii = rng.uniform(300, 520, 17)
    ring = [at(r * math.cos(a), r * math.sin(a)) for a, r in zip(angles, radii, strict=True)]
    outline = snapped(shapely.make_valid(shapely.Polygon(ring)))
    outline = max(shapely.get_parts(outline), key=shapely.area)
    points = rng.uniform(-500, 500, (400, 2))
    homes = np.array([at(*p) for p in points])
    homes = homes[shapely.contains_xy(outline, homes[:, 0], homes[:, 1])][:count]
    grids = {1: outline}
    return grids, outline, homes


def random_edit(
    partition: Partition,
    grids: dict[int, shapely.Polygon],
    homes: np.ndarray,
    rng: np.random.Generator,
) -> Change:
    ids = list(grids)
    kind = rng.choice(["split", "split", "merge", "transfer", "draw", "reshape", "vertex", "cell"])
    one = grids[chosen := int(rng.choice(ids))]
    west, south, east, north = one.bounds
    wide, high = east - west, north - south

    def spot(margin: float = 0.1) -> tuple[float, float]:
        return (
            rng.uniform(west - margin * wide, east + margin * wide),
            rng.uniform(south - margin * high, north + margin * high),
        )

    match str(kind):
        case "split" if len(ids) < 25:
            turn = rng.uniform(0, np.pi)
            middle = one.representative_point()
            far = wide + high
            d = np.array([math.cos(turn), math.sin(turn)]) * far
            mid = np.array([middle.x, middle.y])
            points = [mid - d, mid + rng.normal(0, 0.1 * wide, 2), mid + d]
            return partition.split(chosen, shapely.LineString(points), pieces=2)
        case "split" | "merge":
            return partition.merge([chosen, int(rng.choice(ids))])
        case "transfer" | "draw":
            x, y = spot()
            patch = shapely.Point(x, y).buffer(rng.uniform(0.05, 0.4) * min(wide, high), 4)
            if kind == "draw":
                return partition.draw(patch)
            return partition.transfer(chosen, patch)
        case "cell":
            cells = shapely.voronoi_polygons(shapely.MultiPoint(homes), ordered=True)
            return partition.transfer(chosen, cells.geoms[int(rng.integers(len(homes)))])
        case "reshape":
            points = np.array([spot(0.3) for _ in range(3)])
            return partition.reshape(chosen, int(rng.choice(ids)), shapely.LineString(points))
        case _:
            corners = shapely.get_coordinates(one)
            corner = corners[rng.integers(len(corners))]
            goal = corner + rng.normal(0, 0.05, 2) * [wide, high]
            return partition.move_vertex((corner[0], corner[1]), (goal[0], goal[1]))


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_sequence_of_edits_keeps_a_partition_and_undoing_all_gives_the_bytes_back(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    grids, outline, homes = voronoi_community(seed)
    area = outline.area
    first = (outline.wkb, {g: s.wkb for g, s in grids.items()})
    undo = []
    done = 0
    for _ in range(80):
        partition = Partition(grids, outline, homes=homes)
        try:
            change = random_edit(partition, grids, homes, rng)
        except PartitionError:
            continue
        done += 1
        untouched = {g: s.wkb for g, s in grids.items() if g not in change.after}
        undo.append((dict(grids), outline))
        grids, outline = applied(grids, outline, change)
        check(grids, outline, area)
        assert all(grids[g].wkb == b for g, b in untouched.items() if g in grids)
        assert (Partition(grids, outline).at(homes) > 0).all()
    assert done > 10
    while undo:
        grids, outline = undo.pop()
    assert (outline.wkb, {g: s.wkb for g, s in grids.items()}) == first
