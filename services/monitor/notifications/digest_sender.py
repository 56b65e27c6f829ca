"""Sends what is sealed: outside any transaction, under a lease, again and again until it arrives or is given up.

That something was sent is committed by itself at once. A crash in between repeats it, with the same id.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.core import backoff
from services.monitor.notifications.channels import NotSent, OutgoingDigest, send
from services.monitor.notifications.digest import DigestText
from services.monitor.settings import ChannelSettings
from services.runtime import telemetry
from services.runtime.store.database import transaction

AT_ONCE = 20
"""Messages under way at a time, of one replica."""

FIRST, LONGEST = timedelta(seconds=30), timedelta(hours=1)
"""Pauses between attempts: each is twice as long as the one before."""

GIVE_UP = timedelta(days=1)

MOST_OF_A_FAULT = 500
"""Characters."""

log = telemetry.logger(__name__)

_CLAIM = text("""
    UPDATE sendings SET attempts = attempts + 1, next_at = clock_timestamp() + CAST(:lease AS interval)
    FROM (
        SELECT id FROM sendings WHERE next_at <= clock_timestamp() ORDER BY next_at LIMIT :most FOR UPDATE SKIP LOCKED
    ) AS due, digests
    WHERE sendings.id = due.id AND digests.number = sendings.digest
    RETURNING sendings.id, digest, person, address, attempts, sealed_at, content
""")

_SENT = text("""
    UPDATE sendings SET sent_at = clock_timestamp(), next_at = NULL, fault = NULL, given_up_at = NULL WHERE id = :id
""")

# Whoever has been given it meanwhile, because the lease was over, says for himself how it went.
_FAILED = text("""
    UPDATE sendings SET fault = :fault,
        given_up_at = CASE WHEN since <= clock_timestamp() - CAST(:give_up AS interval) THEN clock_timestamp() END,
        next_at = CASE WHEN since > clock_timestamp() - CAST(:give_up AS interval)
            THEN clock_timestamp() + CAST(:pause AS interval) END
    WHERE id = :id AND attempts = :attempts AND sent_at IS NULL
    RETURNING given_up_at IS NOT NULL
""")


class DigestSender:
    """Use `run_once` again and again. ``timeout_s``: machine seconds after which an attempt has failed."""

    def __init__(self, database: AsyncEngine, channels: Mapping[str, ChannelSettings], timeout_s: float) -> None:
        self._database = database
        self._channels = channels
        self._timeout_s = timeout_s

    async def run_once(self) -> bool:
        """Send what is due, each to its address; whether there may be more. Raises what keeps it from being noted."""
        lease = timedelta(seconds=2 * self._timeout_s)
        async with transaction(self._database) as connection:
            claimed = (await connection.execute(_CLAIM, {"lease": lease, "most": AT_ONCE})).all()
        attempts = (
            self._send(
                OutgoingDigest(
                    id=row.id,
                    digest=row.digest,
                    person=row.person,
                    address=row.address,
                    sealed_at=row.sealed_at,
                    letter=DigestText.model_validate_json(row.content),
                ),
                row.attempts,
            )
            for row in claimed
        )
        # All are waited for: what is under way is not to be cut off because another could not be noted.
        for outcome in await asyncio.gather(*attempts, return_exceptions=True):
            if outcome is not None:
                raise outcome
        return len(claimed) == AT_ONCE

    async def _send(self, sending: OutgoingDigest, attempts: int) -> None:
        try:
            await send(sending, self._channels, self._timeout_s)
        except NotSent as failure:
            await self._failed(sending, attempts, str(failure)[:MOST_OF_A_FAULT])
        except Exception as failure:  # a library's own: it is a failure as any other, and kept with the sending
            await self._failed(sending, attempts, repr(failure)[:MOST_OF_A_FAULT])
        else:
            await self._mark_sent(sending)

    async def _mark_sent(self, sending: OutgoingDigest) -> None:
        async with transaction(self._database) as connection:
            await connection.execute(_SENT, {"id": sending.id})
        telemetry.NOTIFICATIONS.labels("sent").inc()
        log.info("digest sent", digest=sending.digest, channel=sending.channel)

    async def _failed(self, sending: OutgoingDigest, attempts: int, fault: str) -> None:
        values = {"pause": backoff(attempts, FIRST, LONGEST), "give_up": GIVE_UP, "attempts": attempts}
        async with transaction(self._database) as connection:
            given_up = await connection.scalar(_FAILED, {"id": sending.id, "fault": fault, **values})
        telemetry.NOTIFICATIONS.labels("given up" if given_up else "failed").inc()
        # Why it failed stands in the table: it may name an address.
        log.warning("digest not sent", digest=sending.digest, channel=sending.channel, attempts=attempts, last=given_up)
