"""Values that the checks share: answers, contents of messages, and whether a case may have been deleted."""

from collections.abc import Iterable, Mapping
from typing import Any

from services.operator.audit.case_record import CaseRecord, PublishedMessage
from services.operator.audit.invariants import Moments


def answer(step: Mapping[str, Any]) -> tuple[str, ...]:
    """The answer to a step: outcome, document and time, empty where there is none."""
    return tuple(step.get(name) or "" for name in ("outcome", "document", "decided_at"))


def contents(messages: Iterable[PublishedMessage]) -> set[str]:
    """The different contents of these messages."""
    return {message.text.split('"data":', 1)[1] for message in messages}


def may_be_deleted(case: CaseRecord, moments: Moments) -> bool:
    """Whether all services that know the case closed it so long ago that others may have deleted it."""
    rows = [row for rows in case.rows.values() for row in rows]
    return bool(rows) and all(row.closed_at is not None and row.closed_at < moments.closed_since for row in rows)
