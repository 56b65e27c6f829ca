"""Delivers digests: outside any transaction, under a lease, repeatedly until a delivery arrives or is given up.

A successful delivery is committed at once by itself. A crash before that commit repeats the delivery, with the same id.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.core import backoff
from services.monitor.core.notifications.digest_text import DigestText
from services.monitor.notifications.channels import OutgoingDigest, send
from services.monitor.notifications.posting import DeliveryFailed
from services.monitor.settings import ChannelSettings
from services.monitor.store.notifications import digest_deliveries
from services.runtime import telemetry
from services.runtime.store.database import transaction

MAX_UNDER_WAY = 20
"""Messages under way at a time, of one replica."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
"""Pauses between attempts: each is twice as long as the one before."""

GIVE_UP = timedelta(days=1)

MAX_ERROR_LENGTH = 500

log = telemetry.logger(__name__)


class DigestSender:
    """Call `run_once` periodically. ``timeout_s``: machine seconds after which an attempt has failed."""

    def __init__(self, database: AsyncEngine, channels: Mapping[str, ChannelSettings], timeout_s: float) -> None:
        self._database = database
        self._channels = channels
        self._timeout_s = timeout_s
        self._held_until: dict[str, float] = {}
        """Machine time until which the receiver of a channel asks for no message."""

    async def run_once(self) -> bool:
        """Send the deliveries that are due. Returns whether there may be more. Raises if a result cannot be stored."""
        lease = timedelta(seconds=2 * self._timeout_s)
        held = [channel for channel, until in self._held_until.items() if time.monotonic() < until]
        async with transaction(self._database) as connection:
            claimed = await digest_deliveries.claim_due(connection, lease, MAX_UNDER_WAY, held)
        attempts = (
            self._send(
                OutgoingDigest(
                    id=row.id,
                    digests=tuple(row.digest_numbers),
                    people=tuple(row.people),
                    address=row.address,
                    built_at=row.built_at,
                    text=DigestText.model_validate_json(row.content),
                ),
                row.attempts,
            )
            for row in claimed
        )
        # One result that cannot be stored must not cancel the deliveries under way.
        for outcome in await asyncio.gather(*attempts, return_exceptions=True):
            if outcome is not None:
                raise outcome
        return len(claimed) == MAX_UNDER_WAY

    async def _send(self, delivery: OutgoingDigest, attempts: int) -> None:
        try:
            await send(delivery, self._channels, self._timeout_s)
        except DeliveryFailed as failure:
            wait = timedelta(seconds=failure.retry_after_s)
            await self._mark_failed(delivery, attempts, str(failure)[:MAX_ERROR_LENGTH], wait)
        except Exception as failure:  # of a library: a failure like any other
            await self._mark_failed(delivery, attempts, repr(failure)[:MAX_ERROR_LENGTH])
        else:
            await self._mark_sent(delivery)

    async def _mark_sent(self, delivery: OutgoingDigest) -> None:
        async with transaction(self._database) as connection:
            await digest_deliveries.mark_sent(connection, delivery.id)
        telemetry.NOTIFICATIONS.labels("sent").inc()
        log.info("digest sent", digests=delivery.digests, channel=delivery.channel)

    async def _mark_failed(
        self, delivery: OutgoingDigest, attempts: int, error: str, wait: timedelta = timedelta()
    ) -> None:
        """Record the failure. If the receiver asks to ``wait``, this process sends nothing by its channel meanwhile."""
        pause = max(backoff(attempts, FIRST_PAUSE, LONGEST_PAUSE), wait)
        if wait:
            until = time.monotonic() + wait.total_seconds()
            self._held_until[delivery.channel] = max(until, self._held_until.get(delivery.channel, until))
        async with transaction(self._database) as connection:
            given_up = await digest_deliveries.mark_failed(
                connection, delivery.id, attempts=attempts, error=error, pause=pause, give_up=GIVE_UP
            )
        telemetry.NOTIFICATIONS.labels("given up" if given_up else "failed").inc()
        # The table has the error. It may name an address, and stays out of the log.
        log.warning(
            "digest not sent", digests=delivery.digests, channel=delivery.channel, attempts=attempts, last=given_up
        )
