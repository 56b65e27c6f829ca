"""A toy process that a test kills: ``python -m tests.support.runtime.toy_process DATABASE KAFKA PREFIX REPLICA``."""

import asyncio
import sys

from services.runtime import reported
from services.runtime.process import ServiceProcess
from tests.support.runtime.toy import settings, toy

REPORTED_S = 0.2
"""Machine seconds between two of its reports."""


async def main(database: str, kafka: str, prefix: str, replica: str) -> None:
    """Run until it is killed."""
    reported.REPORTED_S = REPORTED_S
    declared = settings(database, kafka=kafka, topic_prefix=prefix, replica=replica)
    async with ServiceProcess(toy(), declared):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
