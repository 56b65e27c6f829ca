"""Lawful time: working days of a published calendar, up to the close of business of a place.

The functions are pure and read no clock: callers pass the moment from which to count. The published calendar is data of
a library, and notices of holidays are data that amend it.
"""

from contracts.working_time.calendar import Calendar, Day
from contracts.working_time.deadlines import (
    due,
    due_after,
    due_uninterrupted,
    working_days_before,
    working_days_between,
    working_days_used,
)
from contracts.working_time.hours import OfficeHours
from contracts.working_time.limit_history import (
    CountingMethod,
    CountingRules,
    Due,
    Extension,
    LimitHistory,
    Suspended,
    Suspension,
)
from contracts.working_time.published import published_calendar

__all__ = [
    "Calendar",
    "CountingMethod",
    "CountingRules",
    "Day",
    "Due",
    "Extension",
    "LimitHistory",
    "OfficeHours",
    "Suspended",
    "Suspension",
    "due",
    "due_after",
    "due_uninterrupted",
    "published_calendar",
    "working_days_before",
    "working_days_between",
    "working_days_used",
]
