"""The supervision ladder's rule (预警, 黄牌, 红牌), as data, and the moments that follow from it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from contracts.plans import Limits
from contracts.working_time import Calendar, OfficeHours, resolve, working_days_before


@dataclass(frozen=True, slots=True)
class LadderRule:
    """When a warning falls due. The yellow card is due at the committed limit, the red one at the statutory one.

    The warning comes when office opens on the working day that lies ``most_days`` before the day on which the
    committed limit ends, or ``1 / share_of_limit`` of the limit before it if that is less. A moment pinned by
    somebody else has no known length: there it is always ``most_days``.
    """

    most_days: int
    share_of_limit: int

    def days_before(self, working_days: int | None) -> int:
        """How many working days before the last day of the limit the warning comes."""
        return self.most_days if working_days is None else min(self.most_days, working_days // self.share_of_limit)


RULE = LadderRule(most_days=2, share_of_limit=2)


class Moments(NamedTuple):
    """When each rung of one commitment falls due, in UTC; ``provisional`` as in `contracts.working_time.Due`."""

    warning: datetime
    yellow: datetime
    red: datetime
    provisional: bool


def moments(
    limits: Limits, opened_at: datetime, calendar: Calendar, hours: OfficeHours, rule: LadderRule = RULE
) -> Moments:
    """The ladder of a commitment that began at ``opened_at``.

    Raises `OverflowError` or `ValueError` for a limit that ends beyond the year 9999.
    """
    committed = resolve(limits.committed, opened_at, calendar, hours)
    statutory = resolve(limits.statutory, opened_at, calendar, hours)
    return Moments(
        warning=_warning(limits.committed.working_days, opened_at, committed.at, calendar, hours, rule),
        yellow=committed.at,
        red=statutory.at,
        provisional=committed.provisional or statutory.provisional,
    )


def _warning(
    working_days: int | None,
    opened_at: datetime,
    committed_due: datetime,
    calendar: Calendar,
    hours: OfficeHours,
    rule: LadderRule,
) -> datetime:
    if working_days == 0:
        # What must be done on the spot leaves no time to warn in. A warning at the opening would warn of every
        # filing, so it falls due with the yellow card and only the late ones are warned of.
        return committed_due
    days = rule.days_before(working_days)
    opening = working_days_before(committed_due, days, calendar, hours)
    # Never before there was anything to warn of, and never after the card it warns of: a commitment that was
    # broken when it was opened climbs the ladder in order all the same.
    return min(max(opening, opened_at), committed_due)
