"""Addresses whose text is UTF-8, as URIs are to be (RFC 3986, section 2.5).

Starlette replaces what it cannot decode, so that a filter in GBK would select nothing without a word.
"""

from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from services.runtime.http.problems import Answer, Problem

NOT_UTF_8 = Problem(
    400,
    "not-utf-8",
    "The text in the address is not UTF-8",
    "地址中的文字不是 UTF-8 编码",
    detail="Encode path and query as UTF-8, and that with percent signs: 务 is %E5%8A%A1, not %CE%F1 as in GBK.",
    detail_zh="请将路径和参数按 UTF-8 编码后再作百分号转义：“务”是 %E5%8A%A1，而不是 GBK 的 %CE%F1。",
)


class Utf8Urls:
    """Answers requests to other addresses with a problem. All else goes on unchanged."""

    def __init__(self, app: ASGIApp, answer: Answer) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_utf_8(scope.get("raw_path", b"") + scope["query_string"]):
            await self._answer(Request(scope), NOT_UTF_8)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_utf_8(address: bytes) -> bool:
    if not address.isascii():
        return False
    try:
        return b"%" not in address or bool(unquote_to_bytes(address).decode())
    except UnicodeDecodeError:
        return False
