"""``/home``: leads each person to the page that their role comes for."""

from collections.abc import Mapping
from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from contracts.rights.table import Role
from contracts.zone import CHINA
from services.monitor.core.names import NamesInForce
from services.monitor.core.state import MonitoredCase
from services.monitor.store.notifications import directory_store
from services.monitor.web.pages.words import Words
from services.runtime.http.pages.menu import LOG_IN, menu_of
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader
from services.runtime.http.pages.rendering import Pages
from services.runtime.security.access import Given
from services.runtime.service import ServiceHost

PATH = "/home"

FIRST: Mapping[Role, str] = {
    Role.SUPERVISOR: "/board",
    Role.DEPARTMENT_HEAD: "/board",
    Role.CENTRE_MANAGER: "/board",
    Role.CHIEF_REVIEWER: "/due",
    Role.WINDOW_CLERK: "/due",
    Role.OPERATOR: "/ops",
    Role.AUDITOR: "/record",
}
"""The first page of each role; of several roles the first one counts."""


def first_page(reader: Reader, roles: frozenset[Role]) -> str | None:
    """The first page of a reader with these roles: a place of their menu. None where the menu has nothing for them."""
    places = menu_of(reader)
    wanted = [path for role, path in FIRST.items() if role in roles and any(place.holds(path) for place in places)]
    return wanted[0] if wanted else places[0].path if places else None


def add(router: APIRouter, pages: Pages, host: ServiceHost[MonitoredCase], names: NamesInForce) -> None:
    """Add the page. It asks for no right: it shows nothing but the way to the page that one may read."""

    @router.get(PATH)
    async def home(request: Request, given: Given) -> Response:
        """To the first page of the person who has logged in, or a page that says whom to ask for a post."""
        if given is None:
            return RedirectResponse(LOG_IN, 303)
        token = await host.access.token(given)
        person = token.subject
        reader = request.state.reader = Reader(person, host.access.acts(person), (), called=token.name)
        path = first_page(reader, host.access.roles(person))
        if path is not None:
            return RedirectResponse(path, 303)
        language = preferences_of(request).language
        words = Words(language, pages.texts(language), names())
        asked = words.listed(await managers(words, host.clock.now()))
        return pages.render(request, "home.html", managers=asked, has_post=bool(host.access.roles(person)))

    async def managers(words: Words, now: datetime) -> list[str]:
        """The people who see to posts, by name; none where no directory is in force."""
        async with host.database.connect() as connection:
            found = await directory_store.latest(connection)
        if found is None:
            return []
        directory, day = found[1], now.astimezone(CHINA).date()
        ids = directory.holders(Role.CENTRE_MANAGER, day)
        return [words.named(directory, id, day) for id in ids]
