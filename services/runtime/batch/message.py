"""A message on its way into the core."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from contracts.bilingual import both
from contracts.envelope import Envelope, Message
from contracts.values import Value
from services.runtime.store.dead_letters import DeadLetter, make_dead_letter

WAITING = ("waits for an earlier message of its case", "等待该办件较早的消息")
WAITS = both(*WAITING)
"""The reason of a dead letter that is parked only because its case is blocked."""


@dataclass(slots=True)
class InboundMessage:
    """A message on its way into the core.

    ``origin``, ``topic`` and ``raw`` describe the Kafka record it came from; a message of the service's own has none.
    ``reply`` receives the state of the case after the commit, or the exception that the message met.
    ``is_call_result`` marks the result of the case's open external call, and ``call_wait`` is the machine time for
    which the external system asks not to be called again.
    """

    envelope: Envelope[Message]
    origin: str = ""
    topic: str = ""
    raw: bytes | None = None
    reply: "asyncio.Future[Value] | None" = None
    is_call_result: bool = False
    call_wait: timedelta = timedelta()

    @property
    def from_kafka(self) -> bool:
        """Whether the message was a Kafka record."""
        return self.raw is not None

    def dead_letter(self, reason: str, *, blocking: bool) -> DeadLetter:
        """The dead letter of this message, which must have come from Kafka."""
        case_id = self.envelope.subject
        key, message_id = case_id.encode(), self.envelope.id
        return make_dead_letter(reason, self.topic, self.origin, key, self.raw, case_id, blocking, message_id)
