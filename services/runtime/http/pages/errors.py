"""Errors as pages, in the reader's language. What is foreign and what is unknown look the same."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi import Request
from starlette.responses import Response

from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.rendering import Pages
from services.runtime.http.problems import Answer, Problem

_KINDS = {401: "login", 403: "forbidden", 404: "missing", 422: "fields", 429: "busy", 500: "fault", 503: "busy"}
"""What an error page says, by status. Of all others it has the title and the detail."""


class _Texts(NamedTuple):
    title: str
    detail: str | None
    faults: list[str]


def error_pages(pages: Pages, headers: Mapping[str, str]) -> Answer:
    """Answers each problem by a page with these headers, which the page of a fault would not get elsewhere."""

    def answer(request: Request, problem: Problem) -> Response:
        zh = preferences_of(request).language == "zh"
        status = problem.status
        kind = _KINDS.get(status, "other")
        response = pages.render(
            request,
            "shared/error.html",
            status,
            kind=kind,
            problem=_texts(problem.members, "_zh" if zh else ""),
            again=_again(request),
        )
        response.headers.update({**headers, **(problem.headers or {})})
        return response

    return answer


def _texts(members: dict[str, Any], language: str) -> _Texts:
    faults = [
        f"{fault.get('parameter') or fault.get('pointer')}: {fault['detail' + language]}"
        for fault in members.get("errors", ())
    ]
    return _Texts(members["title" + language], members.get("detail" + language), faults)


def _again(request: Request) -> str:
    query = request.url.query
    return "/" + request.url.path.lstrip("/\\") + (f"?{query}" if query and request.method == "GET" else "")
