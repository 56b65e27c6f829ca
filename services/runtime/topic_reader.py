"""The reader of a process's topics, as operators see it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from contracts.bilingual import Bilingual


class Pause(Protocol):
    """Since when a topic is not read, and why."""

    @property
    def since(self) -> datetime:
        """Machine time."""

    @property
    def reason(self) -> Bilingual:
        """The reason in words."""


class TopicReader(Protocol):
    """The reader of the topics."""

    @property
    def topics(self) -> Sequence[str]:
        """The topics that it reads."""

    @property
    def paused(self) -> Mapping[str, Pause]:
        """The topics that are not read."""

    async def resume(self, topic: str) -> bool:
        """Read a paused topic on. Returns False if it is not paused."""
