"""Pages about the API: the reference made from its OpenAPI document, and OGC answers for people."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

_TEMPLATES = Path(__file__).parent / "templates"
_METHODS = ("get", "post", "put", "patch", "delete")


def reference_page(openapi: dict[str, Any], *, root: str = "") -> str:
    """Write the reference of an API; one page without scripts.

    Parameters
    ----------
    openapi : dict
        OpenAPI 3 document.
    root : str
        Path where the API is mounted.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, operations in openapi["paths"].items():
        for method in _METHODS:
            operation = operations.get(method)
            if operation is not None:
                group = (operation.get("tags") or ["API"])[0]
                groups.setdefault(group, []).append(
                    {"method": method.upper(), "path": root + path, **operation}
                )
    return (
        _environment()
        .get_template("reference.html")
        .render(
            info=openapi["info"],
            groups=groups,
            schemas=openapi.get("components", {}).get("schemas", {}),
        )
    )


@lru_cache(maxsize=1)
def ogc_templates() -> jinja2.Environment:
    """Templates for every page of the OGC API: one that shows any answer as a nested list.

    tipg's own load fonts, maps and styles from other hosts.
    """
    source = (_TEMPLATES / "ogc.html").read_text(encoding="utf-8")
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda _: source), autoescape=True, trim_blocks=True
    )


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
