"""Parts of the OpenAPI documents that FastAPI does not derive by itself."""

from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter

from services.runtime.http.problems import MEDIA_TYPE, ProblemDetails

OVERLOAD = (429, 503)
"""The statuses of every command: too many requests are waiting, or the database is unavailable."""


def schema_of(described: Any) -> dict[str, Any]:
    """The JSON Schema of a type without references, which would point into the wrong document."""
    schema = TypeAdapter(described).json_schema()
    inlined: dict[str, Any] = _inlined(schema, schema.pop("$defs", {}))
    return inlined


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that answers with problems of these statuses."""
    content = {MEDIA_TYPE: {"schema": schema_of(ProblemDetails)}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in sorted(statuses)}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(part, definitions) for name, part in schema.items()}
