"""The record of the front's refusals, without anything that somebody has typed."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from services.front.core.origin import METHODS
from services.front.core.routes import Routes, is_own
from services.front.web.visit import Visit
from services.runtime.security.access_record import AccessEntry, AccessRecord, Outcome, RecordUnavailable

ACT = "visit"
"""Reaching a page or an API through the front."""

LOGIN = "login"
"""Coming back from the issuer."""


class Refusals:
    """The record of what is refused."""

    def __init__(self, record: AccessRecord, routes: Routes, now: Callable[[], datetime]) -> None:
        self._record = record
        self._routes = routes
        self._now = now

    async def note(self, visit: Visit, outcome: Outcome, reason: str | None = None, act: str = ACT) -> None:
        """Have a refusal written. It stays refused where the record cannot be written; the log and a metric say so."""
        entry = AccessEntry(
            self._now(),
            act,
            outcome.value,
            request=f"{visit.method if visit.method in METHODS else '?'} {self._place(visit)}".strip(),
            filter=json.dumps({"reason": reason}) if reason is not None else None,
            address=visit.client,
        )
        with suppress(RecordUnavailable):
            await self._record.note(entry)

    def _place(self, visit: Visit) -> str:
        """The beginning of the path, as the table of routes has it; nothing of a path that leads nowhere."""
        route = self._routes.find(visit.path)
        if route is not None and route.kind == "api":
            return f"/api/{route.service}"
        return "/" + visit.path[1:].partition("/")[0] if route is not None or is_own(visit.path) else ""
