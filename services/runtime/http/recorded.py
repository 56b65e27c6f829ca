"""Records the access to an application: what needs a right stands on record before it is done or given.

- An act that changes something is recorded when its right is found, before the endpoint runs, and again when it ends.
- Personal data and exports are recorded before the first byte of the answer.
- Refusals are recorded a moment later: nothing was done or given. So is the end of an act, since its begin stands.

An endpoint cannot forget it: rights are found only in an application that records (`Access.check`).
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.runtime.clock import machine_now
from services.runtime.http.bodies import csv, pdf, xlsx
from services.runtime.http.bodies.typed_text import typed_case_number
from services.runtime.http.problems import Answer, record_unavailable
from services.runtime.security.access_record import (
    PERSONAL,
    PRESENT,
    AccessEntry,
    AccessRecord,
    Asked,
    Outcome,
    RecordUnavailable,
)

PAGE_ROWS = 100
"""Rows of a page of a list. A client that requests more at once, or the pages after the first, exports the list."""

_READS = frozenset({"GET", "HEAD", "OPTIONS"})

_REFUSALS = {401: Outcome.NOT_LOGGED_IN, 403: Outcome.NO_RIGHT, 404: Outcome.NOT_FOUND}

_FILES = (csv.MEDIA_TYPE, pdf.MEDIA_TYPE, xlsx.MEDIA_TYPE)

_CASES = ("number", "case_id", "case")
"""Parameters that may have the number of a case. Those of alerts and digests are no case numbers."""

_PLAIN = re.compile(r"(?!.*[0-9]{11})[A-Za-z0-9._-]{1,64}")
"""A value that is on record before its endpoint has checked it: it is no name and no number of a person."""


class Recorded:
    """Records the access to an application. ``answer``: how it answers problems."""

    def __init__(self, app: ASGIApp, record: AccessRecord, answer: Answer) -> None:
        self._app = app
        self._record = record
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        recording = _Recording(self._record, scope)
        asked = recording.asked
        refused = False

        async def recorded_send(message: Message) -> None:
            nonlocal refused
            if asked.act is None:  # it is public
                await send(message)
                return
            if refused:
                return  # the answer that may not be given
            try:
                await recording.answered(message)
            except RecordUnavailable:
                refused = True
                await self._answer(Request(scope), record_unavailable())(scope, receive, send)
                return
            await send(message)

        token = PRESENT.set(asked)
        try:
            await self._app(scope, receive, recorded_send)
        finally:
            PRESENT.reset(token)
            if asked.act is not None:
                await recording.ended()


class _Recording:
    """The entries of one request."""

    __slots__ = ("_begun", "_exports", "_id", "_record", "_scope", "_settled", "asked")

    def __init__(self, record: AccessRecord, scope: Scope) -> None:
        self._record = record
        self._scope = scope
        self._id: str | None = None
        self._begun = False
        self._exports = False
        """Rows are being sent."""
        self._settled = False
        self.asked = Asked(self._permitted)

    async def _permitted(self, _: Asked) -> None:
        if self._scope["method"] not in _READS:
            await self._record.write(self._entry(Outcome.BEGUN, checked=False))
            self._begun = True

    async def answered(self, message: Message) -> None:
        """A part of the answer is about to be sent. Raises `RecordUnavailable` for one that may not be."""
        if message["type"] == "http.response.start":
            await self._started(message["status"], Headers(raw=message["headers"]))
        elif self._exports and not message.get("more_body", False):
            await self._settle(Outcome.SENT)

    async def ended(self) -> None:
        """The request is over, also where it was broken off."""
        if not self._settled and (self._exports or self._begun):
            await self._settle(Outcome.BROKEN_OFF if self._exports else Outcome.FAILED)

    async def _started(self, status: int, headers: Headers) -> None:
        if self._begun:
            await self._settle(_end_of(status))
        elif status in _REFUSALS:
            if "authorization" in Headers(scope=self._scope):
                await self._record.note(self._entry(_REFUSALS[status], checked=status == 404))
        elif status < 400 and (self._is_export(headers) or self.asked.act in PERSONAL):
            await self._record.write(self._entry(Outcome.GIVEN, checked=True))
            self._exports = self._is_export(headers)

    async def _settle(self, outcome: Outcome) -> None:
        self._settled = True
        with suppress(RecordUnavailable):  # its begin is on record, and the failure in the log
            await self._record.note(self._entry(outcome, checked=outcome not in (Outcome.REFUSED, Outcome.FAILED)))

    def _is_export(self, headers: Headers) -> bool:
        query = Request(self._scope).query_params
        limit = query.get("limit", "")
        more = "after" in query or (limit.isascii() and limit.isdigit() and int(limit[:9]) > PAGE_ROWS)
        is_file = headers.get("content-type", "").startswith(_FILES) or "content-disposition" in headers
        return is_file or (more and self._scope["method"] in _READS)

    def _entry(self, outcome: Outcome, *, checked: bool) -> AccessEntry:
        """``checked``: the endpoint has taken the parameters, so that they are what they are declared to be."""
        asked, scope = self.asked, self._scope
        self._id = self._id or uuid4().hex
        route = scope.get("route")
        path: Mapping[str, Any] = scope.get("path_params", {})
        values = {name: str(value) for name, value in path.items()}
        if checked:
            query = Request(scope).query_params
            values |= {name: query[name] for name in query if name in _query_names(route)}
            values |= asked.query
        cases = [found for name in _CASES if (found := _case_id(values.get(name))) is not None]
        filters = {
            name: value
            for name, value in values.items()
            if _case_id(value) is None and (checked or _PLAIN.fullmatch(value))
        }
        purpose = filters.pop("purpose", None)
        return AccessEntry(
            at=machine_now(),
            act=asked.act.value if asked.act is not None else "",
            outcome=outcome.value,
            person=asked.person,
            on_behalf_of=asked.on_behalf_of,
            client=asked.client,
            roles=asked.roles,
            purpose=purpose,
            request=f"{scope['method']} {scope.get('root_path', '')}{getattr(route, 'path', '')}",
            request_id=self._id,
            case_id=cases[0] if cases else None,
            filter=json.dumps(filters, ensure_ascii=False, sort_keys=True) if filters else None,
            rows=asked.rows,
        )


def _end_of(status: int) -> Outcome:
    if status < 400:
        return Outcome.DONE
    if status == 404:
        return Outcome.NOT_FOUND
    return Outcome.REFUSED if status < 500 else Outcome.FAILED


def _query_names(route: Any) -> frozenset[str]:
    """The parameters of the query that an endpoint takes. Others may be anything, and are not on record."""
    if not isinstance(route, APIRoute):
        return frozenset()
    names: set[str] = set()
    for field in _query_fields(route.dependant):
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names |= set(kind.model_fields)
        else:
            names.add(field.alias)
    return frozenset(names)


def _query_fields(dependant: Dependant) -> Iterator[ModelField]:
    yield from dependant.query_params
    for one in dependant.dependencies:
        yield from _query_fields(one)


def _case_id(value: str | None) -> str | None:
    """The case number that this value is; None if it is none."""
    typed = typed_case_number(value)
    return str(typed) if isinstance(typed, str) and _CASE.fullmatch(typed) else None


_CASE = re.compile(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){2}-[0-9A-Z]")
