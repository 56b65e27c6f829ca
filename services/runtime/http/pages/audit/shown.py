"""The parts that the pages of the record and of the journal share: services, days, moments and addresses."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from babel.support import NullTranslations
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from contracts.bilingual import Language
from contracts.working_time import phrases
from contracts.zone import CHINA
from services.runtime.http.pages.languages import N_
from services.runtime.http.pages.words import SERVICES


def _written_day(value: object) -> object:
    """pydantic reads a number as seconds since 1970: here it is a mistake."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        raise PydanticCustomError("day", "is no day such as 2026-03-02", {"zh": "须为日期，例如 2026-03-02"})
    return value


Day = Annotated[date, BeforeValidator(_written_day)]
"""A day in a query."""


_NAMES = {**SERVICES, "identity": N_("Logins")}
"""The issuer keeps a record as well, where it is the one that comes with onedoor."""


def all_services(systems: Sequence[str]) -> tuple[str, ...]:
    """The services of an installation with these department systems."""
    return (*SERVICES, *systems)


def service_name(service: str, texts: NullTranslations) -> str:
    """The name of a service on pages, with the one that commands and settings have."""
    name: str = texts.gettext(_NAMES[service]) if service in _NAMES else service
    return name if name.lower() == service else f"{name} {service}"


def moment(at: datetime, now: datetime, language: Language) -> str:
    """A moment to the second, in China: 5月7日 10:24:07; 7 May, 10:24:07."""
    local = at.astimezone(CHINA)
    day = phrases.day(local.date(), now.astimezone(CHINA).date(), language)
    return f"{day} {local:%H:%M:%S}" if language == "zh" else f"{day}, {local:%H:%M:%S}"


def address(path: str, given: Mapping[str, Any], **changed: object) -> str:
    """The address of a page with these parameters, of which some are changed; None removes one."""
    query = {name: value for name, value in {**given, **changed}.items() if value is not None}
    return path + ("?" + urlencode(query) if query else "")
