"""`gridcircle version`: what runs here."""

from __future__ import annotations

import platform
from importlib.metadata import version as package_version

from api.commands.console import show
from api.commands.options import JsonOption

NAMED_PACKAGES = ("shapely", "geopandas", "pyproj", "numba", "osmium", "fastapi", "folium")


def version(*, as_json: JsonOption = False) -> None:
    """Print the version of Gridcircle, Python and the libraries that shape its results."""
    versions = {
        "gridcircle": package_version("gridcircle"),
        "python": platform.python_version(),
        **{name: package_version(name) for name in NAMED_PACKAGES},
    }
    text = "\n".join(f"{name} {number}" for name, number in versions.items())
    show(versions, text=text, as_json=as_json)
