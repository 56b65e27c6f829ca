"""When a topic has too many dead letters to be read on: by number and by share."""

from collections import deque

from contracts.bilingual import Bilingual

FEWEST = 50
"""Dead letters of a topic below which their share says nothing."""

LATEST = 500
"""The share is that among so many of the latest records of a topic."""


class DeadLetterLimits:
    """Counts the dead letters of each topic.

    Two limits, since two kinds of faults need them. A flood of bad records exceeds a number a minute. A bad release, or
    a producer whose every message is wrong, may have few records a day, and exceeds a share. The share counts from the
    first dead letter of a topic on, so a topic without any costs nothing.
    """

    def __init__(self, a_minute: int, share: float) -> None:
        """``a_minute``: the most letters of a topic within a minute. ``share``: their largest share, from 0 to 1."""
        self._a_minute = a_minute
        self._share = share
        self._topics: dict[str, _Counts] = {}

    def counts(self, topic: str) -> bool:
        """Whether the records of this topic count now: it has had dead letters of late."""
        return topic in self._topics

    @property
    def suspects(self) -> bool:
        """Whether the records of any topic count now."""
        return bool(self._topics)

    def exceeded(self, topic: str, records: int, letters: int, now: float) -> Bilingual | None:
        """Count so many records of a topic, and their dead letters, at machine time ``now``.

        Returns which limit is exceeded, in words, or None.
        """
        counts = self._topics.setdefault(topic, _Counts())
        counts.add(records, letters, now)
        if counts.in_minute > self._a_minute:
            return Bilingual(
                f"{counts.in_minute} dead letters within a minute, where {self._a_minute} are allowed",
                f"一分钟内有 {counts.in_minute} 封死信，上限为 {self._a_minute} 封",
            )
        if counts.letters >= FEWEST and counts.letters > self._share * counts.records:
            return Bilingual(
                f"{counts.letters} of its latest {counts.records} records became dead letters",
                f"最近 {counts.records} 条记录中有 {counts.letters} 条成为死信",
            )
        if not counts.letters and not counts.in_minute:
            self.forget(topic)
        return None

    def forget(self, topic: str) -> None:
        """Count anew: the topic has been well for long, or a person has decided that it is read on."""
        self._topics.pop(topic, None)


class _Counts:
    """The dead letters of one topic."""

    def __init__(self) -> None:
        self._minute: deque[tuple[float, int]] = deque()
        self._latest: deque[tuple[int, int]] = deque()
        self.in_minute = 0
        self.records = self.letters = 0
        """Among the latest records."""

    def add(self, records: int, letters: int, now: float) -> None:
        self._latest.append((records, letters))
        self.records += records
        self.letters += letters
        while self.records - self._latest[0][0] >= LATEST:
            gone = self._latest.popleft()
            self.records -= gone[0]
            self.letters -= gone[1]
        if letters:
            self._minute.append((now, letters))
            self.in_minute += letters
        while self._minute and self._minute[0][0] <= now - 60:
            self.in_minute -= self._minute.popleft()[1]
