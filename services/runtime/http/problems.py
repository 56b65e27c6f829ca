"""Errors as problem details (RFC 9457), in English and in Chinese.

Values of the request are never repeated, since they may be personal data.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import ConfigDict, ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from contracts.core import InvalidMessage, Rejected, UnknownCase
from contracts.faults import Fault
from contracts.values import Model
from services.runtime import telemetry
from services.runtime.batch.queue import Overloaded, Unavailable
from services.runtime.fault_text import described, faults_of
from services.runtime.files.strict_json import InvalidJson
from services.runtime.http.connections.methods import allowed_methods
from services.runtime.security.access import NoRight, NotLoggedIn, PostsUnknown
from services.runtime.security.access_record import RecordUnavailable
from services.runtime.security.access_tokens import KeysUnavailable
from services.runtime.store.database import DatabaseUnreachable
from services.runtime.store.documents import UnusableVersion

MEDIA_TYPE = "application/problem+json"

log = telemetry.logger(__name__)

TITLES_ZH = {
    400: "请求有误",
    401: "未通过身份验证",
    403: "没有权限",
    404: "未找到",
    405: "不支持该方法",
    408: "请求超时",
    409: "与当前状态冲突",
    413: "请求内容过大",
    415: "不支持的内容类型",
    429: "请求过多，请稍后再试",
    422: "填写内容有误",
    431: "请求头过大",
    500: "系统内部错误",
    503: "系统繁忙，请稍后再试",
}
"""The Chinese title of each status."""


class FieldFault(Model):
    """A fault in one field of a request.

    ``pointer`` is a JSON pointer into the body, as a URI fragment (RFC 6901 section 6); ``parameter`` names a query
    parameter, path parameter or header instead.
    """

    model_config = ConfigDict(frozen=True)

    pointer: str | None = None
    parameter: str | None = None
    detail: str
    detail_zh: str


class ProblemDetails(Model):
    """The body of a problem response. ``type`` identifies the kind of problem."""

    type: str
    title: str
    title_zh: str
    status: int
    detail: str | None = None
    detail_zh: str | None = None
    errors: list[FieldFault] | None = None


class Problem(Exception):
    """A request that cannot be fulfilled. ``kind`` becomes part of the ``type`` URI."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        title_zh: str,
        *,
        detail: str | None = None,
        detail_zh: str | None = None,
        errors: Sequence[FieldFault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.headers = headers
        members = {
            "type": f"urn:onedoor:problem:{kind}" if kind else "about:blank",
            "title": title,
            "title_zh": title_zh,
            "status": status,
            "detail": detail,
            "detail_zh": detail_zh,
            "errors": [fault.model_dump(exclude_none=True) for fault in errors] or None,
        }
        self.members = {name: value for name, value in members.items() if value is not None}

    def response(self) -> JSONResponse:
        """The response to the client."""
        return JSONResponse(self.members, self.status, self.headers, MEDIA_TYPE)


class InvalidBody(HTTPException):
    """The body is no JSON, or a name stands twice in it. An `HTTPException`, since FastAPI lets only these through."""

    def __init__(self, fault: InvalidJson) -> None:
        super().__init__(400)
        self.fault = fault


NO_SUCH_CASE = Problem(404, "no-such-case", "There is no case with this number", "没有该编号的办件")


def wrong_fields(errors: Sequence[FieldFault]) -> Problem:
    """The problem of a request with faulty fields, all of them listed."""
    return Problem(422, "wrong-fields", "Fields of the request are wrong", "填写内容有误", errors=errors)


def unreadable(error: ValidationError) -> Problem:
    """The problem of a body that pydantic rejected."""
    return wrong_fields(body_faults(error))


def not_json(error: InvalidJson) -> Problem:
    """The problem of a body that is no JSON, or in which a name stands twice."""
    if error.path is not None:
        return wrong_fields([FieldFault(pointer=pointer(error.path), detail=error.en, detail_zh=error.zh)])
    title, title_zh = "The body is not JSON", "请求内容不是 JSON"
    return Problem(400, "not-json", title, title_zh, detail=error.en, detail_zh=error.zh)


def body_faults(error: ValidationError) -> list[FieldFault]:
    """The faults that pydantic found in a body."""
    return [FieldFault(pointer=pointer(one.path), detail=one.en, detail_zh=one.zh) for one in faults_of(error)]


def pointer(path: Iterable[int | str]) -> str:
    """A JSON pointer to this place in the body, as a URI fragment."""
    return "#" + "".join("/" + quote(str(part).replace("~", "~0").replace("/", "~1")) for part in path)


Answer = Callable[[Request, Problem], Response]
"""Makes the response of a problem: JSON, or a page."""


def as_json(_: Request, problem: Problem) -> Response:
    """The problem as JSON."""
    return problem.response()


def install(app: FastAPI, answer: Answer = as_json) -> None:
    """Make every error of this application a problem, which is answered in this way."""
    for kind, problem_of in _PROBLEMS.items():
        app.exception_handler(kind)(_handler(problem_of, answer))

    @app.exception_handler(HTTPException)
    async def http_exception(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:  # Starlette names the methods of one route of the path
            headers["Allow"] = allowed_methods(request.scope)
        return answer(request, _plain(error.status_code, str(error.detail), None, headers))


def _handler(
    problem_of: Callable[[Any], Problem], answer: Answer
) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        return answer(request, problem_of(error))

    return handle


def _invalid_request(error: RequestValidationError) -> Problem:
    return wrong_fields([_request_fault(fault) for fault in described(error.errors())])


def _rejected(error: Rejected) -> Problem:
    title, title_zh = "This cannot be done as things stand", "当前状态下不能这样办理"
    return Problem(409, "not-now", title, title_zh, detail=error.en, detail_zh=error.zh)


def _overloaded(_: Exception) -> Problem:
    detail = "Too many requests are waiting, and this one was not accepted: send it again after Retry-After."
    return _plain(429, detail, "等待处理的请求过多，本次请求未受理：请在 Retry-After 之后重新发送。", _RETRY)


def _unavailable(_: Exception) -> Problem:
    detail = "The database is not available now: send the request again after Retry-After."
    return _plain(503, detail, "数据库暂时不可用：请在 Retry-After 之后重新发送。", _RETRY)


def _database_error(error: Exception) -> Problem:
    # Queries do not go through the batch queue, which logs this itself.
    log.warning("database unavailable", error=error)
    return _unavailable(error)


def _unusable_version(error: Exception) -> Problem:
    log.error("a version in force cannot be used; update this service or put another in force", reason=str(error))
    return Problem(
        503,
        "unusable-version",
        "The rules or the directory in force need another version of this program",
        "现行规则或人员名录须由其他版本的程序处理",
        detail="Operators must update this service, or put another version in force.",
        detail_zh="请联系运行维护人员更新本服务，或启用其他版本的规则、名录。",
        headers=_RETRY,
    )


def _not_logged_in(error: NotLoggedIn) -> Problem:
    title, title_zh = "Log in first", "请先登录"
    headers = {"WWW-Authenticate": f"Bearer {error.challenge}".rstrip()}
    return Problem(401, "not-logged-in", title, title_zh, detail=error.en, detail_zh=error.zh, headers=headers)


def _no_right(error: NoRight) -> Problem:
    return Problem(403, "no-right", "You have no right to do so", "您无权办理此事", detail=error.en, detail_zh=error.zh)


def _keys_unavailable(error: KeysUnavailable) -> Problem:
    title, title_zh = "Logins cannot be verified now", "暂时无法验证登录"
    headers = {"Retry-After": "10"}
    return Problem(503, "no-keys", title, title_zh, detail=error.en, detail_zh=error.zh, headers=headers)


def _posts_unknown(error: PostsUnknown) -> Problem:
    return _plain(503, error.en, error.zh, _RETRY)


def record_unavailable(error: RecordUnavailable | None = None) -> Problem:
    """The problem of a request that would have to be on record."""
    error = error or RecordUnavailable()
    title, title_zh = "Nothing is done or shown without a record", "暂时无法记录，未予办理"
    return Problem(503, "no-record", title, title_zh, detail=error.en, detail_zh=error.zh, headers=_RETRY)


def not_found(detail: str, detail_zh: str) -> Problem:
    """The problem of a path that leads to nothing on record."""
    return _plain(404, detail, detail_zh)


def _plain(
    status: int, detail: str | None = None, detail_zh: str | None = None, headers: Mapping[str, str] | None = None
) -> Problem:
    """A problem whose kind is its HTTP status alone (RFC 9457 section 4.2.1)."""
    phrase = HTTPStatus(status).phrase
    detail = detail if detail != phrase else None
    title_zh = TITLES_ZH.get(status, phrase)
    return Problem(status, "", phrase, title_zh, detail=detail, detail_zh=detail_zh, headers=headers)


def _request_fault(fault: Fault) -> FieldFault:
    where, *path = fault.path
    if where == "body":
        return FieldFault(pointer=pointer(path), detail=fault.en, detail_zh=fault.zh)
    return FieldFault(parameter=".".join(map(str, path)), detail=fault.en, detail_zh=fault.zh)


_RETRY = {"Retry-After": "1"}

_PROBLEMS: Mapping[type[Exception], Callable[[Any], Problem]] = {
    Problem: lambda error: error,
    InvalidBody: lambda error: not_json(error.fault),
    RequestValidationError: _invalid_request,
    InvalidMessage: lambda error: _plain(409, error.en, error.zh),
    UnknownCase: lambda _: NO_SUCH_CASE,
    Rejected: _rejected,
    Overloaded: _overloaded,
    Unavailable: _unavailable,
    ClientDisconnect: lambda _: _plain(400),  # The response is not read, and the log needs no entry.
    NoConnectionFree: _unavailable,
    DBAPIError: _database_error,
    DatabaseUnreachable: _database_error,
    UnusableVersion: _unusable_version,
    NotLoggedIn: _not_logged_in,
    NoRight: _no_right,
    KeysUnavailable: _keys_unavailable,
    PostsUnknown: _posts_unknown,
    RecordUnavailable: record_unavailable,
    Exception: lambda _: _plain(500),  # The server logs the exception after this response. The client must not see it.
}
"""The problem of each exception."""
