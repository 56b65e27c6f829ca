"""Answers that are sent piece by piece, while they are made."""

from collections.abc import AsyncGenerator, Mapping

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class ClosingStream(StreamingResponse):
    """An answer whose source is closed with it, however it ends: read whole, left by the client, cut off at the stop.

    What the source holds, a connection to the database or a place among a few, is so given back at once and not when
    somebody collects it. Before the source is handed over, whatever can fail should have been tried: afterwards the
    only way to tell the client is to break off.
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
