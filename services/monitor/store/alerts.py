"""The list of alerts, written in the commit of the batch that raised them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from contracts.envelope import Envelope, Message
from contracts.messages.alerts import (
    AlertAcknowledged,
    AlertAction,
    AlertAppealed,
    AlertClosed,
    AlertRaised,
    AlertWithdrawn,
    AppealDecided,
    OperationsAlerted,
)
from services.runtime import telemetry
from services.runtime.service import Statement

LINES = 20
"""Alerts of one batch that each have a line in the log. More than that are a flood, and one line tells of it."""

log = telemetry.logger(__name__)

# An answer that was late is known with the alert itself, and nobody is told of what is over.
_RAISE = """
    INSERT INTO alerts (case_id, commitment, rung, occurrence, owner, matter, region, due_at, raised_at, ended_at,
    tell_at)
    SELECT *, CASE WHEN ended_at IS NULL THEN raised_at END
    FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[],
        $8::timestamptz[], $9::timestamptz[], $10::timestamptz[])
        AS said (case_id, commitment, rung, occurrence, owner, matter, region, due_at, raised_at, ended_at)
    ON CONFLICT DO NOTHING
"""

_TELL = """
    INSERT INTO operations (case_id, commitment, issue, owner, matter, region, raised_at, settled_at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
        $8::timestamptz[])
    ON CONFLICT (case_id, commitment, issue) DO UPDATE SET settled_at = excluded.settled_at,
        changed = pg_current_xact_id()
"""

# Whoever has been told of it is told that it is withdrawn; whoever has not been need not be.
_WITHDRAW = """
    UPDATE alerts SET withdrawn_at = said.withdrawn_at, reason = said.reason, tell_at = said.withdrawn_at,
        changed = pg_current_xact_id(), became = 'withdrawn'
    FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::timestamptz[])
        AS said (case_id, commitment, rung, occurrence, reason, withdrawn_at)
    WHERE alerts.case_id = said.case_id AND alerts.commitment = said.commitment AND alerts.rung = said.rung
        AND alerts.occurrence = said.occurrence AND alerts.withdrawn_at IS NULL
"""

_CLOSE = """
    UPDATE alerts SET ended_at = said.ended_at, changed = pg_current_xact_id(), became = 'closed',
        tell_at = CASE WHEN withdrawn_at IS NOT NULL OR appealed_at IS NOT NULL THEN tell_at END
    FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS said (case_id, commitment, ended_at)
    WHERE alerts.case_id = said.case_id AND alerts.commitment = said.commitment
"""

_ACKNOWLEDGE = """
    UPDATE alerts SET acknowledged_at = said.acknowledged_at, acknowledged_by = said.by,
        acknowledgement = said.reason, changed = pg_current_xact_id(), became = 'acknowledged',
        tell_at = CASE WHEN withdrawn_at IS NOT NULL OR appealed_at IS NOT NULL THEN tell_at END
    FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::timestamptz[])
        AS said (case_id, commitment, rung, occurrence, by, reason, acknowledged_at)
    WHERE alerts.case_id = said.case_id AND alerts.commitment = said.commitment AND alerts.rung = said.rung
        AND alerts.occurrence = said.occurrence
"""

_APPEAL = """
    UPDATE alerts SET appealed_at = said.appealed_at, appealed_by = said.by, appeal = said.reason,
        tell_at = said.appealed_at, changed = pg_current_xact_id(), became = 'appealed'
    FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::timestamptz[])
        AS said (case_id, commitment, rung, occurrence, by, reason, appealed_at)
    WHERE alerts.case_id = said.case_id AND alerts.commitment = said.commitment AND alerts.rung = said.rung
        AND alerts.occurrence = said.occurrence
"""

_DECIDE = """
    UPDATE alerts SET appeal_decided_at = said.decided_at, appeal_decided_by = said.by, appeal_upheld = said.upheld,
        appeal_decision = said.reason, tell_at = said.decided_at, changed = pg_current_xact_id(), became = 'decided'
    FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::boolean[], $7::text[],
        $8::timestamptz[]) AS said (case_id, commitment, rung, occurrence, by, upheld, reason, decided_at)
    WHERE alerts.case_id = said.case_id AND alerts.commitment = said.commitment AND alerts.rung = said.rung
        AND alerts.occurrence = said.occurrence
"""


class _Written(NamedTuple):
    """How messages of one type are written: the statement, what is remembered of each, and what they are in the log.

    ``one``: of several in one batch only the last is written, by this key, as a statement cannot write a row twice.
    """

    type: type[Any]
    event: str
    statement: str
    columns: Callable[[Any], tuple[Any, ...]]
    one: Callable[[Any], tuple[Any, ...]] | None = None


# In this order: what is raised, acknowledged and withdrawn within one batch was so in this order.
_ALL = (
    _Written(
        AlertRaised,
        "alert",
        _RAISE,
        lambda m: (m.commitment, m.rung, m.occurrence, m.owner, m.matter, m.region, m.due_at, m.raised_at, m.ended_at),
    ),
    _Written(
        AlertAcknowledged,
        "alert acknowledged",
        _ACKNOWLEDGE,
        lambda m: (m.commitment, m.rung, m.occurrence, m.by, m.reason, m.acknowledged_at),
    ),
    _Written(
        AlertAppealed,
        "alert appealed",
        _APPEAL,
        lambda m: (m.commitment, m.rung, m.occurrence, m.by, m.reason, m.appealed_at),
    ),
    _Written(
        AppealDecided,
        "appeal decided",
        _DECIDE,
        lambda m: (m.commitment, m.rung, m.occurrence, m.by, m.upheld, m.reason, m.decided_at),
    ),
    _Written(
        AlertWithdrawn,
        "alert withdrawn",
        _WITHDRAW,
        lambda m: (m.commitment, m.rung, m.occurrence, m.reason, m.withdrawn_at),
    ),
    _Written(AlertClosed, "alert closed", _CLOSE, lambda m: (m.commitment, m.ended_at), lambda m: (m.commitment,)),
    _Written(
        OperationsAlerted,
        "operations",
        _TELL,
        lambda m: (m.commitment, m.issue, m.owner, m.matter, m.region, m.raised_at, m.settled_at),
        lambda m: (m.commitment, m.issue),
    ),
)


def project(said: Sequence[Envelope[Message]]) -> Sequence[Statement]:
    """One row an alert with all that became of it, and one row a failure of the platform's own; each is also a line in
    the log, unless there are many.

    At most one statement for each type of message, however many messages. The log is written before the commit: should
    that fail, the line appears once more with the next attempt. The table is the record, the log a view of it.
    """
    by_type: dict[type[Any], list[tuple[str, Any]]] = {}
    for envelope in said:
        by_type.setdefault(type(envelope.data), []).append((envelope.subject, envelope.data))
    statements: list[Statement] = []
    for written in _ALL:
        if found := by_type.get(written.type):
            if (one := written.one) is not None:
                found = list({(case, *one(message)): (case, message) for case, message in found}.values())
            _log(written.event, found)
            columns = zip(*((case, *written.columns(message)) for case, message in found), strict=True)
            statements.append((written.statement, tuple(columns)))
    return statements


def _log(event: str, alerts: Sequence[tuple[str, Any]]) -> None:
    if len(alerts) > LINES:
        log.warning(f"{event}: many at once", alerts=len(alerts), cases=len({case_id for case_id, _ in alerts}))
        return
    for case_id, alert in alerts:
        # What people write may name others, and stays out of the log.
        written_by_people = {"reason"} if isinstance(alert, AlertAction) else set()
        log.warning(event, case_id=case_id, **alert.model_dump(mode="json", exclude=written_by_people))
