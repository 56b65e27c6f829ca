"""Errors as problem details (RFC 9457), in English and in Chinese.

Values of the request are never repeated, since they may be personal data.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from contracts.core import InvalidMessage, Rejected, UnknownCase
from services.runtime import telemetry
from services.runtime.batch.queue import Overloaded, Unavailable

MEDIA_TYPE = "application/problem+json"

log = telemetry.logger(__name__)

_TITLES_ZH = {
    400: "请求有误",
    401: "未通过身份验证",
    403: "没有权限",
    404: "未找到",
    405: "不支持该方法",
    409: "与当前状态冲突",
    413: "请求内容过大",
    415: "不支持的内容类型",
    429: "请求过多，请稍后再试",
    422: "填写内容有误",
    500: "系统内部错误",
    503: "系统繁忙，请稍后再试",
}

_DETAILS_ZH = {
    "missing": "缺少此项",
    "extra_forbidden": "不应有此项",
    "enum": "不在允许的取值之内",
    "literal_error": "不在允许的取值之内",
    "string_pattern_mismatch": "格式不正确",
    "string_too_short": "内容过短",
    "string_too_long": "内容过长",
    "too_short": "数量过少",
    "too_long": "数量过多",
    "timezone_aware": "时间缺少时区",
}
"""The Chinese description of a fault, by pydantic's type of error."""


class FieldFault(BaseModel):
    """A fault in one field of a request.

    ``pointer`` is a JSON pointer into the body, as a URI fragment (RFC 6901 section 6); ``parameter`` names a query
    parameter, path parameter or header instead.
    """

    model_config = ConfigDict(frozen=True)

    pointer: str | None = None
    parameter: str | None = None
    detail: str
    detail_zh: str


class ProblemDetails(BaseModel):
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


NO_SUCH_CASE = Problem(404, "no-such-case", "There is no case with this number", "没有该编号的办件")


def wrong_fields(errors: Sequence[FieldFault]) -> Problem:
    """The problem of a request with faulty fields, all of them listed."""
    return Problem(422, "wrong-fields", "Fields of the request are wrong", "填写内容有误", errors=errors)


def unreadable(error: ValidationError) -> Problem:
    """The problem of a body that pydantic rejected."""
    if error.errors(include_input=False)[0]["type"] == "json_invalid":
        return Problem(400, "not-json", "The body is not JSON", "请求内容不是 JSON")
    return wrong_fields(faults_of(error))


def faults_of(error: ValidationError) -> list[FieldFault]:
    """The faults that pydantic found in a body."""
    return [
        FieldFault(pointer=pointer(fault["loc"]), detail=_detail(fault), detail_zh=_detail_zh(fault))
        for fault in error.errors(include_url=False, include_input=False)
    ]


def pointer(path: Iterable[int | str]) -> str:
    """A JSON pointer to this place in the body, as a URI fragment."""
    return "#" + "".join("/" + quote(str(part).replace("~", "~0").replace("/", "~1")) for part in path)


def install(app: FastAPI) -> None:
    """Make every error of this application a problem."""
    for kind, problem_of in _PROBLEMS.items():
        app.exception_handler(kind)(_handler(problem_of))


def _handler(problem_of: Callable[[Any], Problem]) -> Callable[[Request, Exception], Awaitable[JSONResponse]]:
    async def handle(_: Request, error: Exception) -> JSONResponse:
        return problem_of(error).response()

    return handle


def _invalid_request(error: RequestValidationError) -> Problem:
    return wrong_fields([_request_fault(fault) for fault in error.errors()])


def _rejected(error: Rejected) -> Problem:
    title, title_zh = "This cannot be done as things stand", "当前状态下不能这样办理"
    return Problem(409, "not-now", title, title_zh, detail=error.why, detail_zh=error.why_zh)


def _unavailable(_: Exception) -> Problem:
    return _plain(503, str(Unavailable.__doc__), _RETRY)


def _database_error(error: Exception) -> Problem:
    # Queries do not go through the batch queue, which logs this itself.
    log.warning("database unavailable", error=repr(error))
    return _unavailable(error)


def _plain(status: int, detail: str | None = None, headers: Mapping[str, str] | None = None) -> Problem:
    """A problem that is described by its HTTP status alone (RFC 9457 section 4.2.1)."""
    phrase = HTTPStatus(status).phrase
    detail = detail if detail != phrase else None
    return Problem(status, "", phrase, _TITLES_ZH.get(status, phrase), detail=detail, headers=headers)


def _request_fault(fault: Mapping[str, Any]) -> FieldFault:
    where, *path = fault["loc"]
    detail, detail_zh = _detail(fault), _detail_zh(fault)
    if where == "body":
        return FieldFault(pointer=pointer(path), detail=detail, detail_zh=detail_zh)
    return FieldFault(parameter=".".join(map(str, path)), detail=detail, detail_zh=detail_zh)


def _detail(fault: Mapping[str, Any]) -> str:
    return str(fault["msg"]).removeprefix("Value error, ")


def _detail_zh(fault: Mapping[str, Any]) -> str:
    """The Chinese description that comes with an error of our own, else that of pydantic's type of error."""
    own = fault.get("ctx", {}).get("zh")
    return str(own) if own else _DETAILS_ZH.get(fault["type"], "填写不正确")


_RETRY = {"Retry-After": "1"}

_PROBLEMS: Mapping[type[Exception], Callable[[Any], Problem]] = {
    Problem: lambda error: error,
    RequestValidationError: _invalid_request,
    HTTPException: lambda error: _plain(error.status_code, str(error.detail), error.headers),
    InvalidMessage: lambda error: _plain(409, str(error)),
    UnknownCase: lambda _: NO_SUCH_CASE,
    Rejected: _rejected,
    Overloaded: lambda error: _plain(429, str(type(error).__doc__), _RETRY),
    Unavailable: _unavailable,
    ClientDisconnect: lambda _: _plain(400),  # The response is not read, and the log needs no entry.
    NoConnectionFree: _unavailable,
    DBAPIError: _database_error,
    OSError: _database_error,
    Exception: lambda _: _plain(500),  # The server logs the exception after this response. The client must not see it.
}
"""The problem of each exception."""
