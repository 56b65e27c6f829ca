"""Forms as they were typed, and their faults as the sentences that stand in the summary and at the fields."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qs

from pydantic import ValidationError
from starlette.requests import Request

from contracts.bilingual import Language
from services.runtime.fault_text import faults_of

_FORM = "application/x-www-form-urlencoded"

_MOST_FIELDS = 2000

_OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,4000}")
"""A path with query: printable ASCII without a backslash. After two slashes a browser reads the name of a host."""


def field_faults(error: ValidationError, labels: Mapping[str, str], language: Language) -> dict[str, str]:
    """The first fault of each field, with its label: the field's id -> the sentence.

    ``labels``: the label of each field in the reader's language; a field without one keeps its name.
    """
    found: dict[str, str] = {}
    for fault in faults_of(error):
        name = str(fault.path[0]) if fault.path else ""
        label = labels.get(name, name)
        found.setdefault(name, f"{label}{fault.zh}" if language == "zh" else f"{label} {fault.en}".strip())
    return found


async def typed_form(request: Request) -> dict[str, list[str]]:
    """The fields of a form as they were typed, each with its values; none of a body of another kind."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return {}
    try:
        return parse_qs((await request.body()).decode("ascii"), errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}


def own_path(text: str | None, otherwise: str) -> str:
    """A path of this address to which a page may lead back, else the other one: never the address of another site."""
    return text if text is not None and _OWN_PATH.fullmatch(text) else otherwise
