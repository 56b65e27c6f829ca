"""The pages of proposals: what waits, what it changes, and its approval by a second person."""

import asyncio
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Request
from starlette.responses import RedirectResponse, Response

from contracts.rights.actor import Actor
from contracts.rights.table import Act
from services.monitor.core.names import NamesInForce
from services.monitor.core.state import MonitoredCase
from services.monitor.web.pages.acting import permit_of
from services.monitor.web.pages.alerts.alert import CHALLENGE, CONFIRM
from services.monitor.web.pages.proposals.view import CHANGED, Changed, ProposalView, Shown
from services.monitor.web.pages.words import Words
from services.monitor.web.proposals import approve_proposal, find_proposal, withdraw_proposal
from services.runtime.clock import machine_now
from services.runtime.files.document import write_yaml
from services.runtime.http.pages.audit.journal import needs_two
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader, reader_may
from services.runtime.http.pages.rendering import Pages
from services.runtime.http.problems import Problem
from services.runtime.security.access_record import count_rows
from services.runtime.service import ServiceHost
from services.runtime.store import documents, proposals, rollouts

PATH = "/proposals"

LISTED = 5
"""Versions of each document that are listed."""

Number = Annotated[int, Path(ge=1, lt=2**31)]


def add(router: APIRouter, pages: Pages, host: ServiceHost[MonitoredCase], names: NamesInForce) -> None:
    """Add the pages."""

    @router.get(PATH)
    async def waiting(request: Request, reader: Annotated[Reader, reader_may(host, Act.READ_RULES)]) -> Response:
        """The proposals that wait for a second person, and the versions that came into force last."""
        shown = await makes(request)
        parts = []
        async with host.database.connect() as connection:
            for changed in (one for one in CHANGED.values() if one.reads in reader.acts):
                found = await proposals.open_proposals(connection, changed.kind)
                history = await rollouts.history(connection, changed.kind, LISTED)
                in_force = history[0].number if history else 0
                parts.append((changed, found, in_force, [shown.version(changed, one) for one in history]))
        count_rows(sum(len(found) for _, found, _, _ in parts))
        return pages.render(
            request,
            "proposals.html",
            parts_shown=parts,
            shown=shown,
            waiting=sum(len(found) for _, found, _, _ in parts),
            four_eyes=needs_two(host),
            done=done(request),
        )

    for changed in CHANGED.values():
        _add_document(router, pages, host, changed, names)

    async def makes(request: Request) -> Shown:
        return await _shown(pages, host, names, request)

    def done(request: Request) -> dict[str, Any] | None:
        query = request.query_params
        kind, number = query.get("kind", ""), query.get("number", "")
        if query.get("done") not in ("approved", "withdrawn") or kind not in CHANGED or not number.isdigit():
            return None
        return {"what": query["done"], "kind": kind, "number": int(number[:9])}


def _add_document(
    router: APIRouter, pages: Pages, host: ServiceHost[MonitoredCase], changed: Changed, names: NamesInForce
) -> None:
    """Add the pages of one document and of its proposals."""
    path = f"{PATH}/{changed.kind}/{{number}}"
    reads, changes = reader_may(host, changed.reads), reader_may(host, changed.changes)

    @router.get(f"/{changed.kind}")
    async def in_force(request: Request, _: Annotated[Reader, reads]) -> Response:
        """The version in force, as its file says it."""
        shown = await _shown(pages, host, names, request)
        async with host.database.connect() as connection:
            found = await documents.in_force(connection, changed.kind)
            history = await rollouts.history(connection, changed.kind, LISTED)
        content = _content(changed, found)
        text = write_yaml(changed.content(content)) if content is not None else ""
        versions = [shown.version(changed, one) for one in history]
        return pages.render(request, "document.html", changed=changed, text=text, versions=versions)

    @router.get(path)
    async def proposal(number: Number, request: Request, reader: Annotated[Reader, reads]) -> Response:
        """The page of a proposal, with its changes."""
        return await show(request, reader, number)

    @router.post(f"{path}/approval")
    async def approve(number: Number, request: Request, reader: Annotated[Reader, changes]) -> Response:
        """Put it in force, as its second person."""
        if not reader.is_fresh:
            return await show(request, reader, number, status=401)
        try:
            version = await approve_proposal(host, changed.document, number, actor_of(reader))
        except Problem as problem:
            return await refused(request, reader, number, problem)
        query = {"done": "approved", "kind": changed.kind, "number": version}
        return RedirectResponse(f"{PATH}?{urlencode(query)}", 303)

    @router.post(f"{path}/withdrawal")
    async def withdraw(number: Number, request: Request, reader: Annotated[Reader, changes]) -> Response:
        """Settle it without putting it in force."""
        if not reader.is_fresh:
            return await show(request, reader, number, status=401)
        await withdraw_proposal(host, changed.document, number, actor_of(reader))
        query = {"done": "withdrawn", "kind": changed.kind, "number": number}
        return RedirectResponse(f"{PATH}?{urlencode(query)}", 303)

    def actor_of(reader: Reader) -> Actor:
        permit = permit_of(host, reader, changed.changes)
        assert permit is not None
        return permit.actor

    async def refused(request: Request, reader: Reader, number: int, problem: Problem) -> Response:
        if problem.status == 404:
            raise problem
        chinese = preferences_of(request).language == "zh"
        text = str(problem.members["detail_zh" if chinese else "detail"])
        return await show(request, reader, number, {"": text}, problem.status)

    async def show(
        request: Request, reader: Reader, number: int, problems: dict[str, str] | None = None, status: int = 200
    ) -> Response:
        found = await find_proposal(host, changed.document, number)
        async with host.database.connect() as connection:
            before = await documents.in_force(connection, changed.kind)
        permit = permit_of(host, reader, changed.changes)
        view = ProposalView(
            await _shown(pages, host, names, request),
            changed,
            found,
            before.number if before is not None else 0,
            _content(changed, before),
            changed.document.parse(number, found.body),
            permit.actor if permit is not None else None,
            reader.is_fresh,
        )
        await asyncio.to_thread(lambda: view.lines)  # the difference of long files takes a moment
        response = pages.render(
            request,
            "proposal.html",
            status,
            proposal=view,
            problems=problems or {},
            stale=status == 401,
            confirm=f"{CONFIRM}?{urlencode({'next': view.path})}",
        )
        if status == 401:
            response.headers["WWW-Authenticate"] = CHALLENGE
        return response


def _content(changed: Changed, version: documents.DocumentVersion | None) -> Any:
    """The content of a version; where there is none, that which onedoor ships with, or None."""
    if version is not None:
        return changed.document.parse(version.number, version.body)
    return changed.document.shipped() if changed.document.shipped is not None else None


async def _shown(pages: Pages, host: ServiceHost[MonitoredCase], names: NamesInForce, request: Request) -> Shown:
    language = preferences_of(request).language
    words, now = Words(language, pages.texts(language), names()), machine_now()
    async with host.database.connect() as connection:
        return Shown(words, await words.people(connection, host.clock.now()), now)
