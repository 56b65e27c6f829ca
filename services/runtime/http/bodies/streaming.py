"""Responses that are sent in parts while they are produced."""

from collections.abc import AsyncGenerator, Mapping

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class ClosingStream(StreamingResponse):
    """A response that closes its source when it ends, also if the client leaves or the process stops.

    The source's resources, such as a database connection, are released at once and not by garbage collection. The
    caller should do everything that can fail before it passes the source: a later failure can only break off the
    response.
    """

    def __init__(
        self, source: AsyncGenerator[bytes, None], headers: Mapping[str, str], media_type: str | None = None
    ) -> None:
        super().__init__(source, headers=headers, media_type=media_type)
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._source.aclose()
