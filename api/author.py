"""Who writes: the one place that says so."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from api.service import LOCAL_ACTOR


async def get_author(_request: Request) -> str:
    """Name the author of a request for the history."""
    return LOCAL_ACTOR


AuthorDependency = Annotated[str, Depends(get_author)]
