"""Which OpenStreetMap ways, nodes and crossings people and e-bikes may use: the tag rules.

Pure functions on tag dictionaries. `docs/osm-rules.md` holds the same rules as a table with the
practice of other routers beside them; change both together.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from geo.network import EdgeFlag

Tags = Mapping[str, str]

NETWORK_KEYS = ("highway", "barrier", "railway", "public_transport", "man_made", "landuse")
"""Keys that make an element matter to the network; land tells where private ways stay open."""

NETWORK_TAGS = frozenset(
    {
        *NETWORK_KEYS,
        "access",
        "area",
        "bicycle",
        "bicycle:backward",
        "bicycle:forward",
        "bridge",
        "crossing",
        "crossing:signals",
        "cycleway",
        "cycleway:both",
        "cycleway:left",
        "cycleway:left:oneway",
        "cycleway:right",
        "cycleway:right:oneway",
        "foot",
        "footway",
        "junction",
        "locked",
        "motorroad",
        "oneway",
        "oneway:bicycle",
        "segregated",
        "service",
        "sidewalk",
        "sidewalk:both",
        "sidewalk:left",
        "sidewalk:right",
        "traffic_signals",
        "tunnel",
        "vehicle",
    }
)
"""Keys the rules of this file look at; nothing else is read for the network."""

FOOT_HIGHWAYS = frozenset(
    {
        "footway",
        "path",
        "pedestrian",
        "steps",
        "living_street",
        "residential",
        "unclassified",
        "service",
        "track",
        "road",
        "tertiary",
        "tertiary_link",
        "secondary",
        "secondary_link",
        "primary",
        "primary_link",
        "trunk",
        "trunk_link",
        "corridor",
        "elevator",
        "platform",
    }
)
"""Open to feet unless their access tags say otherwise."""

FOOT_BY_TAG_HIGHWAYS = frozenset(
    {"cycleway", "bridleway", "motorway", "motorway_link", "busway", "bus_guideway"}
)
"""Open to feet only where ``foot=*`` or a pavement says so."""

RIDE_HIGHWAYS = frozenset(
    {
        "cycleway",
        "path",
        "living_street",
        "residential",
        "unclassified",
        "service",
        "track",
        "road",
        "tertiary",
        "tertiary_link",
        "secondary",
        "secondary_link",
        "primary",
        "primary_link",
        "trunk",
        "trunk_link",
    }
)
"""Open to e-bikes unless their access tags say otherwise."""

RIDE_BY_TAG_HIGHWAYS = frozenset({"footway", "pedestrian", "bridleway", "busway"})
"""Open to e-bikes only where ``bicycle=*`` says so."""

KNOWN_CLOSED_HIGHWAYS = frozenset(
    {
        "abandoned",
        "bus_stop",
        "construction",
        "demolished",
        "disused",
        "emergency_bay",
        "escape",
        "ladder",
        "no",
        "planned",
        "proposed",
        "raceway",
        "razed",
        "removed",
        "rest_area",
        "services",
        "via_ferrata",
        "virtual",
    }
)
"""Highway values nobody walks on; any other unknown value is reported."""

HIGHWAY_ALIASES = {
    "trail": "path",
    "walkway": "footway",
    "crossing": "footway",
    "byway": "track",
    "minor": "unclassified",
    "residential_link": "residential",
}
"""Retired values of ``highway`` and what they became."""

AREA_HIGHWAYS = frozenset({"pedestrian", "footway", "path", "platform", "corridor", "steps"})
"""Where ``area=yes`` is walked along its outline; other areas double a centre line."""

OPEN_VALUES = frozenset(
    {"yes", "designated", "official", "permissive", "public", "allowed", "use_sidepath"}
)
DESTINATION_VALUES = frozenset({"destination", "customers", "delivery"})
RESIDENTS_VALUES = frozenset({"private", "residents", "resident", "permit", "service", "key"})
CLOSED_VALUES = frozenset(
    {"no", "agricultural", "forestry", "military", "emergency", "restricted", "discouraged"}
)

SOLID_BARRIERS = frozenset(
    {"wall", "fence", "city_wall", "retaining_wall", "hedge", "cable_barrier", "ditch"}
)
"""Barriers that stop a person where they cross a way and no tag says otherwise."""

WALL_BARRIERS = frozenset({"wall", "fence", "city_wall", "retaining_wall", "hedge"})
"""Linear barriers that access legs do not cross."""

GATE_BARRIERS = frozenset(
    {
        "gate",
        "lift_gate",
        "swing_gate",
        "sliding_gate",
        "wicket_gate",
        "entrance",
        "turnstile",
        "full-height_turnstile",
        "kissing_gate",
        "sally_port",
    }
)
"""Barrier nodes that are gates of a compound or openings of a wall."""

FOOTPATHS = frozenset(
    {"footway", "path", "pedestrian", "steps", "cycleway", "bridleway", "corridor", "platform"}
)
"""Ways without a carriageway: who walks on them and meets a carriageway crosses it."""

MINOR_CARRIAGEWAYS = frozenset({"service", "track"})
"""Carriageways whose mouth does not make a junction."""

_PAVEMENT = frozenset({"yes", "both", "left", "right"})
_TRUE = frozenset({"yes", "true", "1"})
_SIGNALS_NO = frozenset({"no", "none"})
_CROSSING_SIGNALS = frozenset({"crossing", "pedestrian_crossing", "crossing_on_demand"})

_WALK = int(EdgeFlag.WALK)
_RIDE_FORWARD = int(EdgeFlag.RIDE_FORWARD)
_RIDE_BACKWARD = int(EdgeFlag.RIDE_BACKWARD)
_STEPS = int(EdgeFlag.STEPS)
_BRIDGE = int(EdgeFlag.BRIDGE)
_TUNNEL = int(EdgeFlag.TUNNEL)
_CROSSING = int(EdgeFlag.CROSSING)


class Access(IntEnum):
    """Who may pass, from the first access key that says something known."""

    UNSAID = 0
    OPEN = 1
    DESTINATION = 2
    """Only to get to something here."""
    RESIDENTS = 3
    """Only those who live here or hold a key."""
    CLOSED = 4


_VALUE_ACCESS: dict[str, Access] = (
    dict.fromkeys(OPEN_VALUES, Access.OPEN)
    | dict.fromkeys(DESTINATION_VALUES, Access.DESTINATION)
    | dict.fromkeys(RESIDENTS_VALUES, Access.RESIDENTS)
    | dict.fromkeys(CLOSED_VALUES, Access.CLOSED)
)


def access(tags: Tags, keys: tuple[str, ...]) -> Access:
    """Who may pass, read from the most special key to the most general.

    A value nobody knows says nothing, so the next key decides. Of several values joined by
    semicolons the most permissive counts.

    Parameters
    ----------
    tags : mapping
        Tags of a way or node.
    keys : tuple of str
        For instance ``("foot", "access")``.
    """
    for key in keys:
        value = tags.get(key)
        if value is None:
            continue
        said = _VALUE_ACCESS.get(value)
        if said is None and ";" in value:
            known = [
                _VALUE_ACCESS[part.strip()]
                for part in value.split(";")
                if part.strip() in _VALUE_ACCESS
            ]
            said = min(known, default=None)
        if said is not None:
            return said
    return Access.UNSAID


def highway_value(tags: Tags) -> str | None:
    """Tell the kind of way: ``highway``, or what stands in for it (platforms and piers).

    Retired values are translated; of several values the first known one counts.
    """
    value = tags.get("highway")
    if value is None:
        if tags.get("railway") == "platform" or tags.get("public_transport") == "platform":
            return "platform"
        return "footway" if tags.get("man_made") == "pier" else None
    if ";" in value:
        parts = [part.strip() for part in value.split(";")]
        value = next((p for p in parts if is_known_highway(p)), parts[0])
    return HIGHWAY_ALIASES.get(value, value)


def matters_to_network(tags: Tags) -> bool:
    """Whether a way is a street or path, open or closed, or residential land."""
    return highway_value(tags) is not None or tags.get("landuse") == "residential"


def is_known_highway(value: str) -> bool:
    """Whether the rules name this value of ``highway``."""
    return (
        value in FOOT_HIGHWAYS
        or value in FOOT_BY_TAG_HIGHWAYS
        or value in KNOWN_CLOSED_HIGHWAYS
        or value in HIGHWAY_ALIASES
    )


def way_use(tags: Tags, highway: str | None) -> tuple[int, Access]:
    """Tell what a way is and who may use it.

    Parameters
    ----------
    tags : mapping
        Tags of the way, or of the multipolygon whose outline it is.
    highway : str or None
        `highway_value` of the tags.

    Returns
    -------
    flags : int
        `EdgeFlag` bits; 0 where neither feet nor e-bikes may go. PRIVATE is not among them: it
        depends on the place and is set by `data.importers.osm_network`.
    access : Access
        RESIDENTS where the way may only be kept inside a residential compound, DESTINATION
        where it is private there and public elsewhere, otherwise OPEN.
    """
    if highway is None or highway in KNOWN_CLOSED_HIGHWAYS:
        return 0, Access.CLOSED
    if highway not in AREA_HIGHWAYS and tags.get("area") == "yes":
        return 0, Access.CLOSED
    on_foot = access(tags, ("foot", "access"))
    flags = 0
    if on_foot is not Access.CLOSED and _open_to_feet(tags, highway, on_foot):
        flags = _WALK
    flags |= _riding(tags, highway)
    if flags == 0:
        return 0, Access.CLOSED
    if highway == "steps":
        flags |= _STEPS
    if tags.get("bridge", "no") != "no":
        flags |= _BRIDGE
    # A passage through a building is on the ground: only real tunnels are away from the surface.
    if tags.get("tunnel", "no") not in {"no", "building_passage", "covered"}:
        flags |= _TUNNEL
    if is_crossing_way(tags):
        flags |= _CROSSING
    if on_foot is Access.UNSAID and tags.get("service") == "private":
        on_foot = Access.RESIDENTS
    return flags, on_foot if on_foot in {Access.RESIDENTS, Access.DESTINATION} else Access.OPEN


def _open_to_feet(tags: Tags, highway: str, on_foot: Access) -> bool:
    if tags.get("foot") in OPEN_VALUES or _has_pavement(tags):
        return highway in FOOT_HIGHWAYS or highway in FOOT_BY_TAG_HIGHWAYS
    if tags.get("motorroad") == "yes":
        return False
    if highway in FOOT_HIGHWAYS:
        return True
    # A cycle track said to be divided (or not) between the two has room for both.
    return highway == "cycleway" and (
        "segregated" in tags or ("foot" in tags and on_foot is not Access.UNSAID)
    )


def _has_pavement(tags: Tags) -> bool:
    return (
        tags.get("sidewalk") in _PAVEMENT
        or tags.get("sidewalk:both") == "yes"
        or tags.get("sidewalk:left") == "yes"
        or tags.get("sidewalk:right") == "yes"
    )


def _riding(tags: Tags, highway: str) -> int:
    """RIDE_FORWARD and RIDE_BACKWARD bits: e-bikes are non-motor vehicles and follow bicycles."""
    riding = access(tags, ("bicycle", "vehicle", "access"))
    if riding is Access.CLOSED or tags.get("bicycle") in {"dismount", "use_sidepath"}:
        return 0
    if highway in RIDE_BY_TAG_HIGHWAYS:
        if access(tags, ("bicycle",)) not in {Access.OPEN, Access.DESTINATION}:
            return 0
    elif highway not in RIDE_HIGHWAYS:
        return 0
    if tags.get("motorroad") == "yes" and tags.get("bicycle") not in OPEN_VALUES:
        return 0
    own = tags.get("oneway:bicycle")
    if own in _TRUE:
        return _RIDE_FORWARD
    if own == "-1":
        return _RIDE_BACKWARD
    both = _RIDE_FORWARD | _RIDE_BACKWARD
    if own == "no" or _rides_against_traffic(tags):
        return both
    oneway = tags.get("oneway")
    if oneway in _TRUE or (oneway is None and tags.get("junction") in {"roundabout", "circular"}):
        return _RIDE_FORWARD
    if oneway in {"-1", "reverse"}:
        return _RIDE_BACKWARD
    return both


def _rides_against_traffic(tags: Tags) -> bool:
    return (
        tags.get("cycleway", "").startswith("opposite")
        or tags.get("cycleway:left", "").startswith("opposite")
        or tags.get("cycleway:right", "").startswith("opposite")
        or tags.get("cycleway:left:oneway") == "no"
        or tags.get("cycleway:right:oneway") == "no"
        or tags.get("bicycle:backward") in OPEN_VALUES
    )


def barrier_stops(tags: Tags, *, at_compound: bool) -> bool:
    """Whether a barrier node stops everybody on foot.

    Parameters
    ----------
    tags : mapping
        Tags of a node with ``barrier=*``.
    at_compound : bool
        Whether the node is a gate of a residential compound: its residents pass a private gate.
    """
    barrier = tags.get("barrier")
    if barrier is None or barrier == "no":
        return False
    said = access(tags, ("foot", "access"))
    if said is Access.CLOSED:
        return True
    if said is Access.RESIDENTS:
        return not at_compound
    if said is not Access.UNSAID:
        return False
    return tags.get("locked") == "yes" or barrier in SOLID_BARRIERS


def is_crossing_way(tags: Tags) -> bool:
    """Whether a way is the marked part of a footpath that crosses a carriageway."""
    return (
        tags.get("footway") == "crossing"
        or tags.get("path") == "crossing"
        or tags.get("cycleway") == "crossing"
        or tags.get("highway") == "crossing"
    )


def is_island_way(tags: Tags) -> bool:
    """Whether a way is the refuge between the two halves of a crossing."""
    return tags.get("footway") == "traffic_island"


def says_signals(tags: Tags) -> bool:
    """Whether a crossing (node or way) says that signals control it."""
    if tags.get("crossing:signals", "no") not in _SIGNALS_NO:
        return True
    return "traffic_signals" in tags.get("crossing", "").split(";")


def is_junction_signal(tags: Tags) -> bool:
    """Whether a node is the signal of a junction, and not of a crossing alone."""
    return (
        tags.get("highway") == "traffic_signals"
        and not says_signals(tags)
        and tags.get("traffic_signals") not in _CROSSING_SIGNALS
    )


def is_crossing_signal(tags: Tags) -> bool:
    """Whether a node is the signal of a crossing."""
    return says_signals(tags) or (
        tags.get("highway") == "traffic_signals"
        and tags.get("traffic_signals") in _CROSSING_SIGNALS
    )
