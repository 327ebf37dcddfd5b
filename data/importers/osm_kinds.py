"""What OpenStreetMap tags make of a thing: kinds of buildings, compounds, base map and premises.

Pure functions on tag dictionaries; `docs/osm-rules.md` holds them as tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from data.importers.osm_rules import (
    CLOSED_VALUES,
    HIGHWAY_ALIASES,
    NETWORK_TAGS,
    OPEN_VALUES,
    RESIDENTS_VALUES,
    WALL_BARRIERS,
    Tags,
)

HIGH_RISE_FLOORS = 10
"""GB 50352-2019: a residential building above 27 m, about ten floors, is high-rise."""
MULTI_STOREY_FLOORS = 3
"""Below this a residential building counts as a bungalow (平房). Our reading."""
FLOOR_HEIGHT_M = 3.0
"""Metres a floor, to read floors from ``height``."""
BLOCK_FOOTPRINT_M2 = 200.0
"""A residential building of unknown height covers at least this if it is a block. Our reading."""
MAX_FLOORS = 200
MAX_FLATS = 5000
MAX_UNITS = 100

FEATURE_KEYS = (
    "amenity",
    "barrier",
    "boundary",
    "building",
    "disused:shop",
    "entrance",
    "highway",
    "landuse",
    "leisure",
    "man_made",
    "natural",
    "office",
    "place",
    "public_transport",
    "railway",
    "shop",
    "tourism",
    "waterway",
)
"""Keys that make an element matter to the layers."""

FEATURE_TAGS = frozenset(
    {
        *FEATURE_KEYS,
        *NETWORK_TAGS,
        "type",
        "addr:full",
        "addr:housename",
        "addr:housenumber",
        "addr:street",
        "addr:unit",
        "admin_level",
        "building:flats",
        "building:levels",
        "emergency",
        "height",
        "location",
        "name",
        "opening_hours",
        "ref",
        "residential",
        "vacant",
    }
)
"""Keys kept for the layers. Phones, contacts, operators and owners are never read."""

_HOUSES = frozenset(
    {
        "house",
        "detached",
        "semidetached_house",
        "terrace",
        "bungalow",
        "farm",
        "cabin",
        "hut",
        "static_caravan",
        "houseboat",
        "ger",
    }
)
_BLOCKS = frozenset({"apartments", "dormitory"})
_PUBLIC = frozenset(
    {
        "bakehouse",
        "cathedral",
        "chapel",
        "church",
        "civic",
        "college",
        "fire_station",
        "government",
        "hospital",
        "kindergarten",
        "library",
        "monastery",
        "mosque",
        "museum",
        "police",
        "public",
        "religious",
        "school",
        "shrine",
        "sports_centre",
        "sports_hall",
        "stadium",
        "synagogue",
        "temple",
        "toilets",
        "townhall",
        "train_station",
        "transportation",
        "university",
    }
)
_COMMERCIAL = frozenset(
    {"bank", "commercial", "hotel", "kiosk", "mall", "office", "retail", "shop", "supermarket"}
)
_INDUSTRIAL = frozenset(
    {"digester", "factory", "industrial", "manufacture", "storage_tank", "warehouse", "works"}
)
_UNSAID = frozenset({"yes", "residential", "mixed", "part"})
_PUBLIC_AMENITIES = frozenset(
    {
        "arts_centre",
        "clinic",
        "college",
        "community_centre",
        "courthouse",
        "fire_station",
        "hospital",
        "kindergarten",
        "library",
        "nursing_home",
        "place_of_worship",
        "police",
        "post_office",
        "public_building",
        "school",
        "social_centre",
        "social_facility",
        "theatre",
        "toilets",
        "townhall",
        "university",
    }
)
_COMMERCIAL_AMENITIES = frozenset(
    {
        "bank",
        "bar",
        "cafe",
        "cinema",
        "fast_food",
        "food_court",
        "fuel",
        "marketplace",
        "nightclub",
        "pharmacy",
        "pub",
        "restaurant",
    }
)
_LODGINGS = frozenset({"hotel", "motel", "guest_house", "hostel"})
_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?)")


def is_building(tags: Tags) -> bool:
    """Whether an outline is a building that stands."""
    return tags.get("building", "no") not in {"no", "demolished", "razed", "construction", "ruins"}


def building_kind(
    tags: Tags, floors: int | None, *, footprint_m2: float, on_residential_ground: bool
) -> str:
    """One of `data.models.BUILDING_KINDS`.

    Parameters
    ----------
    tags : mapping
    floors : int or None
        From `building_floors`.
    footprint_m2 : float
        Square metres of the outline: tells blocks from houses where nothing else does.
    on_residential_ground : bool
        Whether it stands on ``landuse=residential``: there a building without a use is a home.
    """
    value = tags.get("building", "yes")
    use = _use(tags, value)
    if use is not None:
        return use
    homes = value in _HOUSES or value in _BLOCKS or value == "residential"
    homes = homes or "building:flats" in tags or (value in _UNSAID and on_residential_ground)
    if not homes:
        return "other"
    if floors is not None:
        if floors >= HIGH_RISE_FLOORS:
            return "high_rise"
        return "multi_storey" if floors >= MULTI_STOREY_FLOORS else "bungalow"
    if value in _HOUSES:
        return "bungalow"
    if value in _BLOCKS:
        return "multi_storey"
    return "multi_storey" if footprint_m2 >= BLOCK_FOOTPRINT_M2 else "bungalow"


def _use(tags: Tags, value: str) -> str | None:
    if value in _PUBLIC:
        return "public"
    if value in _COMMERCIAL:
        return "commercial"
    if value in _INDUSTRIAL:
        return "industrial"
    if value != "yes":
        return None
    if tags.get("amenity") in _PUBLIC_AMENITIES or tags.get("office") == "government":
        return "public"
    if (
        "shop" in tags
        or "office" in tags
        or tags.get("amenity") in _COMMERCIAL_AMENITIES
        or tags.get("tourism") in _LODGINGS
    ):
        return "commercial"
    return None


def building_floors(tags: Tags) -> tuple[int | None, str]:
    """Floors above ground and where they are from: ``surveyed``, ``estimated`` or ``none``.

    ``building:levels`` is taken as surveyed; ``height`` divided by `FLOOR_HEIGHT_M` as estimated.
    Of several values (``4;6``) the highest counts; halves count down.
    """
    levels = _numbers(tags.get("building:levels", ""))
    if levels:
        floors = int(max(levels))
        return (floors, "surveyed") if 1 <= floors <= MAX_FLOORS else (None, "none")
    heights = _numbers(tags.get("height", ""))
    if heights:
        floors = round(max(heights) / FLOOR_HEIGHT_M)
        return (floors, "estimated") if 1 <= floors <= MAX_FLOORS else (None, "none")
    return None, "none"


def building_flats(tags: Tags) -> int | None:
    """Flats of a building where ``building:flats`` gives a number: its households."""
    flats = _numbers(tags.get("building:flats", ""))
    return int(flats[0]) if len(flats) == 1 and 0 <= flats[0] <= MAX_FLATS else None


def odd_numbers(tags: Tags) -> list[tuple[str, str]]:
    """Key and value of those numbers on a building that could not be read."""
    odd = []
    for key, limit in (("building:levels", MAX_FLOORS), ("building:flats", MAX_FLATS)):
        value = tags.get(key)
        if value is None:
            continue
        numbers = _numbers(value)
        if not numbers or max(numbers) > limit:
            odd.append((key, value))
    return odd


def _numbers(text: str) -> list[float]:
    found = []
    for part in text.split(";"):
        match = _NUMBER.match(part)
        if match:
            found.append(float(match[1]))
    return found


def address(tags: Tags) -> str:
    """Street and house number of a place, in the order of its script; no person is ever in it."""
    if "addr:full" in tags:
        return tags["addr:full"]
    street, number = tags.get("addr:street", ""), tags.get("addr:housenumber", "")
    joint = " " if street and number and street[-1].isascii() else ""
    if street or number:
        return street + joint + number
    return tags.get("addr:housename", "")


def compound_kind(tags: Tags) -> str:
    """One of `data.models.COMPOUND_KINDS`, from ``residential=*`` where it says so."""
    return {
        "new": "new",
        "courtyard": "courtyard",
        "work_unit": "work_unit",
        "urban_village": "urban_village",
        "suburban": "suburban",
        "rural": "suburban",
        "village": "suburban",
    }.get(tags.get("residential", ""), "unknown")


def gate_access(tags: Tags) -> str:
    """One of `data.models.GATE_ACCESS`: who may pass a gate."""
    said = tags.get("foot") or tags.get("access") or ""
    if said in CLOSED_VALUES or tags.get("emergency") == "yes":
        return "emergency"
    if tags.get("locked") == "yes" and said not in RESIDENTS_VALUES | OPEN_VALUES:
        return "emergency"
    return "residents" if said in RESIDENTS_VALUES or said == "destination" else "all"


ROADS: Mapping[str, tuple[str, int]] = {
    "motorway": ("motorway", 5),
    "motorway_link": ("motorway", 9),
    "trunk": ("trunk", 6),
    "trunk_link": ("trunk", 10),
    "primary": ("primary", 8),
    "primary_link": ("primary", 11),
    "secondary": ("secondary", 10),
    "secondary_link": ("secondary", 12),
    "tertiary": ("tertiary", 11),
    "tertiary_link": ("tertiary", 13),
    "unclassified": ("residential", 12),
    "residential": ("residential", 13),
    "living_street": ("residential", 13),
    "road": ("residential", 13),
    "pedestrian": ("pedestrian", 13),
    "service": ("service", 14),
    "track": ("track", 14),
    "footway": ("path", 15),
    "path": ("path", 15),
    "cycleway": ("path", 15),
    "bridleway": ("path", 15),
    "steps": ("steps", 15),
    "corridor": ("path", 16),
    "platform": ("platform", 16),
}
"""Class of a road on the base map and the zoom from which it is drawn."""

WATERWAYS: Mapping[str, tuple[str, int]] = {
    "river": ("river", 8),
    "canal": ("canal", 11),
    "stream": ("stream", 14),
    "ditch": ("ditch", 15),
    "drain": ("ditch", 15),
}
BARRIER_WATERWAYS = frozenset({"river", "canal"})
"""Watercourses drawn as a line that nobody steps across."""

_WATER_AREAS = {
    ("natural", "water"): "water",
    ("natural", "bay"): "water",
    ("waterway", "riverbank"): "water",
    ("waterway", "dock"): "water",
    ("landuse", "reservoir"): "water",
    ("landuse", "basin"): "water",
    ("leisure", "swimming_pool"): "pool",
}
_GREEN_AREAS = {
    ("leisure", "park"): "park",
    ("leisure", "garden"): "garden",
    ("leisure", "pitch"): "pitch",
    ("leisure", "playground"): "playground",
    ("leisure", "golf_course"): "park",
    ("leisure", "nature_reserve"): "wood",
    ("leisure", "dog_park"): "park",
    ("landuse", "grass"): "grass",
    ("landuse", "forest"): "wood",
    ("landuse", "meadow"): "grass",
    ("landuse", "recreation_ground"): "park",
    ("landuse", "village_green"): "park",
    ("landuse", "cemetery"): "cemetery",
    ("landuse", "allotments"): "allotments",
    ("landuse", "orchard"): "farmland",
    ("landuse", "vineyard"): "farmland",
    ("landuse", "farmland"): "farmland",
    ("natural", "wood"): "wood",
    ("natural", "grassland"): "grass",
    ("natural", "scrub"): "scrub",
    ("natural", "heath"): "scrub",
    ("natural", "wetland"): "wetland",
}
_RAILS: Mapping[str, tuple[str, int]] = {
    "rail": ("rail", 10),
    "light_rail": ("light_rail", 12),
    "subway": ("subway", 12),
    "monorail": ("light_rail", 12),
    "narrow_gauge": ("rail", 12),
    "tram": ("tram", 14),
}
BARRIER_RAILS = frozenset({"rail", "light_rail", "subway", "narrow_gauge"})
"""Tracks nobody walks across except on the network; tramways run in streets."""

_PLACES: Mapping[str, int] = {
    "city": 6,
    "town": 9,
    "district": 10,
    "borough": 11,
    "suburb": 12,
    "village": 13,
    "quarter": 13,
    "neighbourhood": 14,
    "island": 13,
    "square": 15,
    "hamlet": 14,
    "locality": 15,
}
_LANDMARKS: Mapping[tuple[str, str], tuple[str, int]] = {
    ("amenity", "school"): ("school", 15),
    ("amenity", "kindergarten"): ("school", 16),
    ("amenity", "university"): ("university", 14),
    ("amenity", "college"): ("university", 14),
    ("amenity", "hospital"): ("hospital", 14),
    ("amenity", "marketplace"): ("market", 15),
    ("amenity", "townhall"): ("townhall", 15),
    ("amenity", "community_centre"): ("community_centre", 16),
    ("leisure", "park"): ("park", 14),
    ("leisure", "stadium"): ("stadium", 14),
    ("natural", "water"): ("water", 14),
    ("railway", "station"): ("station", 13),
    ("railway", "halt"): ("station", 14),
}


def road_class(tags: Tags) -> tuple[str, int] | None:
    """Class and first zoom of a road on the base map; None where it is not drawn."""
    value = tags.get("highway", "").split(";")[0]
    return ROADS.get(HIGHWAY_ALIASES.get(value, value))


def water_line(tags: Tags) -> tuple[str, int] | None:
    """Class and first zoom of a watercourse drawn as a line; not where it runs underground."""
    if is_underground(tags):
        return None
    return WATERWAYS.get(tags.get("waterway", ""))


def rail_class(tags: Tags) -> tuple[str, int] | None:
    """Class and first zoom of a railway; yard tracks later, tunnels as kind ``tunnel``."""
    found = _RAILS.get(tags.get("railway", ""))
    if found is None:
        return None
    if is_underground(tags):
        return "tunnel", 15
    return (found[0], max(found[1], 14)) if "service" in tags else found


def wall_class(tags: Tags) -> tuple[str, int] | None:
    """Kind and first zoom of a wall or fence drawn as a line."""
    value = tags.get("barrier", "")
    if value not in WALL_BARRIERS:
        return None
    return value, 14 if value == "city_wall" else 16


def area_class(tags: Tags) -> tuple[str, str] | None:
    """Layer (``water`` or ``green``) and kind of an area on the base map."""
    for key in ("natural", "waterway", "landuse", "leisure"):
        value = tags.get(key)
        if value is None:
            continue
        if (key, value) in _WATER_AREAS:
            return "water", _WATER_AREAS[key, value]
        if (key, value) in _GREEN_AREAS:
            return "green", _GREEN_AREAS[key, value]
    return None


def area_zoom(area_m2: float) -> int:
    """First zoom of an area: when it is about four pixels wide."""
    for limit, zoom in ((4e6, 8), (1e6, 10), (1e5, 12), (1e4, 13), (1e3, 14)):
        if area_m2 >= limit:
            return zoom
    return 15


def label_class(tags: Tags) -> tuple[str, int] | None:
    """Kind and first zoom of a name on the base map; None where it gets no label."""
    if "name" not in tags:
        return None
    place = tags.get("place", "")
    if place in _PLACES:
        return place, _PLACES[place]
    for key in ("amenity", "leisure", "natural", "railway"):
        found = _LANDMARKS.get((key, tags.get(key, "")))
        if found:
            return found
    return None


def is_underground(tags: Tags) -> bool:
    """Whether a line runs below ground, where it is nobody's barrier."""
    return tags.get("tunnel", "no") != "no" or tags.get("location") == "underground"


def is_off_the_ground(tags: Tags) -> bool:
    """Whether a line runs below or above ground: in a tunnel, or on a bridge."""
    return is_underground(tags) or tags.get("bridge", "no") != "no"


def premises_kind(tags: Tags) -> str | None:
    """Kind of a candidate site; None for anything that is none.

    A community centre in OpenStreetMap is a candidate only: stations come from ledgers.
    """
    if tags.get("shop") == "vacant" or "disused:shop" in tags:
        return "vacant_shop"
    if "shop" in tags and tags.get("vacant") == "yes":
        return "vacant_shop"
    if tags.get("amenity") in {"community_centre", "social_centre"}:
        return "community_centre"
    if tags.get("office") == "property_management":
        return "property_office"
    if tags.get("amenity") in {"library", "social_facility", "townhall", "post_office"}:
        return "public_service"
    return "shop" if tags.get("shop", "no") != "no" else None


_POINT_KEYS = ("amenity", "shop", "office", "disused:shop", "tourism", "place")


def is_area(tags: Tags, *, closed: bool) -> bool:
    """Whether a way is an outline that some layer uses.

    Buildings, water and green are areas whatever their ends: one that is not closed is a
    problem. Other things are areas only where they are closed.
    """
    if is_building(tags) or area_class(tags) is not None or tags.get("landuse") == "residential":
        return True
    if not closed:
        return False
    if tags.get("boundary") == "administrative" or any(key in tags for key in _POINT_KEYS):
        return True
    return "highway" in tags and (tags.get("area") == "yes" or tags.get("type") == "multipolygon")
