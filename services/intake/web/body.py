"""Reading the body of a request without trusting its size."""

from typing import Any

from fastapi import Request
from pydantic import TypeAdapter

from services.runtime.problems import Problem


async def read(request: Request, limit: int) -> bytes:
    """The body, of at most ``limit`` bytes of JSON.

    A larger one is refused with 413 before it has been read, and one that is declared as something else than JSON
    with 415: a form on a foreign page cannot declare JSON, so it cannot make a browser post here.
    """
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "application/json" and not declared.endswith("+json"):
        raise Problem(415, "not-json", "Send the body as application/json", "请以 application/json 发送")
    if int(request.headers.get("content-length", 0)) > limit:
        raise _too_large(limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def described(body: Any) -> dict[str, Any]:
    """What OpenAPI says of a body of this type, which FastAPI cannot know since it does not read the body itself."""
    schema = TypeAdapter(body).json_schema()
    content = {"application/json": {"schema": _inlined(schema, schema.pop("$defs", {}))}}
    return {"requestBody": {"required": True, "content": content}}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """The schema without references, which would point into the wrong document."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(part, definitions) for name, part in schema.items()}


def _too_large(limit: int) -> Problem:
    detail, detail_zh = f"At most {limit} bytes are taken.", f"最多 {limit} 字节。"
    return Problem(413, "too-large", "The body is too large", "请求内容过大", detail=detail, detail_zh=detail_zh)
