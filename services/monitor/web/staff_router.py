"""The router that all endpoints of monitor stand on: for staff only."""

from fastapi import APIRouter

from services.monitor.core.state import MonitoredCase
from services.runtime.http.json_route import json_router
from services.runtime.http.openapi import OVERLOAD, refusals
from services.runtime.security.staff import staff_only
from services.runtime.service import ServiceHost

ACTION_REFUSALS = (400, 401, 403, 404, 409, 422, *OVERLOAD)
"""The statuses with which an action of a person can be refused."""


def staff_router(host: ServiceHost[MonitoredCase], tag: str = "monitor", *refused: int) -> APIRouter:
    """A router for staff only. ``refused``: the statuses of its refusals, those of a query if omitted."""
    return json_router(
        dependencies=[staff_only(host.settings.api_token)],
        tags=[tag],
        responses=refusals(*(refused or (401, 422, 503))),
    )
