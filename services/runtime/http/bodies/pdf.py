"""Documents for print (PDF), set by typst in a process of its own, whose time, memory and number are limited.

What a document shows is data (JSON) that its template reads, and never part of the template: nothing that somebody has
typed is ever read as instructions. All fonts come with the packages that onedoor needs, so that a document is the same
on every machine; fonts of the machine are not used.
"""

import asyncio
import json
import sys
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from importlib.resources.abc import Traversable
from typing import Any

from services.runtime import telemetry
from services.runtime.http.problems import Problem

MEDIA_TYPE = "application/pdf"

WAIT_S = 5.0
"""Machine seconds for which a document waits for those before it, until it is refused."""

LONGEST_S = 30.0
"""Machine seconds that a document may take. One of a hundred pages takes two."""

DOCUMENTS = 1
"""Documents at a time in one process: each takes a whole core."""

log = telemetry.logger(__name__)


class Typesetter:
    """Sets documents, one at a time. To be made once in a process."""

    def __init__(self, longest_s: float = LONGEST_S) -> None:
        self._longest_s = longest_s
        self._free = asyncio.Semaphore(DOCUMENTS)

    async def pdf(self, template: Traversable, content: Mapping[str, Any], made_at: datetime) -> bytes:
        """The document of this template with this content.

        Raises `Problem`: 503 where others are in the way or it takes too long, 500 where it cannot be set.
        """
        order = {
            "template": b64encode(template.read_bytes()).decode("ascii"),
            "content": json.dumps(content, ensure_ascii=False, default=str),
            "made_at": int(made_at.timestamp()),
        }
        try:
            async with asyncio.timeout(WAIT_S):
                await self._free.acquire()
        except TimeoutError:
            raise _busy() from None
        try:
            return await self._set(json.dumps(order).encode())
        finally:
            self._free.release()

    async def _set(self, order: bytes) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"{__package__}.typesetting"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(self._longest_s):
                document, error = await process.communicate(order)
        except TimeoutError:
            log.warning("a document takes too long", seconds=self._longest_s)
            raise _busy() from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            # The diagnostics of typst repeat the template, and nothing of the content.
            log.error("a document cannot be set", code=process.returncode, reason=error.decode(errors="replace")[-500:])
            raise Problem(
                500,
                "document",
                "The document cannot be made",
                "无法生成文件",
                detail="The page and the spreadsheet have the same content. The log of the service has the reason.",
                detail_zh="网页和电子表格有相同内容。原因见该服务的日志。",
            )
        return document


def _busy() -> Problem:
    return Problem(
        503,
        "busy",
        "The document takes too long, or others are being made",
        "正在生成其他文件，或生成时间过长，请稍后再试",
        headers={"Retry-After": "10"},
    )
