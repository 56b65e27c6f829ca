"""The router that all endpoints of monitor stand on. Each endpoint names its act by ``host.access.may``."""

from fastapi import APIRouter

from services.runtime.http.bodies.json_route import json_router
from services.runtime.http.operating.openapi import OVERLOAD, refusals

ACTION_REFUSALS = (400, 401, 403, 404, 409, 422, *OVERLOAD)
"""The statuses with which an action of a person can be refused."""


def monitor_router(tag: str = "monitor", *refused: int) -> APIRouter:
    """A router. ``refused``: the statuses of its refusals, those of a query if omitted."""
    return json_router(tags=[tag], responses=refusals(*(refused or (401, 403, 422, 503))))
