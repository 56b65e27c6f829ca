"""The files of the inbox: batches of tasks, each delivered whole."""

import asyncio
import re
from contextlib import aclosing
from datetime import datetime
from uuid import UUID

import structlog
from asyncssh import SFTPClient, SFTPError

from services.departments.land.connection import CONNECTION_ERRORS, entries, write_whole
from services.departments.land.outbox import PART, SUFFIX

INBOX = b"inbox"

SEARCH_S = 3.0
SEARCHED_ENTRIES = 10_000
"""A search for leftovers ends after so many seconds, or so many entries."""

_STAMP = "%Y%m%d%H%M%S"
_OWN_PART = re.compile(rb"([0-9]{14})-[0-9a-f]{32}\.jsonl\.part")

log = structlog.get_logger(__name__)


def batch_name(now: datetime, id: UUID) -> bytes:
    """The file name of a batch."""
    return f"{now.strftime(_STAMP)}-{id.hex}".encode() + SUFFIX


async def deliver(sftp: SFTPClient, name: bytes, content: bytes) -> None:
    """Put a batch into the inbox."""
    path = INBOX + b"/" + name
    await write_whole(sftp, path, path + PART, content)


async def remove_leftovers(sftp: SFTPClient, before: datetime) -> None:
    """Remove what the platform began to write before then and did not finish, such as by a crash."""
    stamp = before.strftime(_STAMP).encode()
    found: list[bytes] = []
    try:
        async with asyncio.timeout(SEARCH_S):
            async with aclosing(entries(sftp, INBOX)) as listed:
                seen = 0
                async for name, _ in listed:
                    if (own := _OWN_PART.fullmatch(name)) and own[1] < stamp:
                        found.append(name)
                    seen += 1
                    if seen == SEARCHED_ENTRIES:
                        break
            for name in found:
                await sftp.remove(INBOX + b"/" + name)
    except CONNECTION_ERRORS:
        raise
    except (SFTPError, TimeoutError) as error:  # a department may not let its inbox be listed
        log.info("the inbox is not searched for the rest of failed deliveries", error=type(error).__name__)
    else:
        if found:
            log.warning("the rest of failed deliveries is removed from inbox/", files=len(found))
