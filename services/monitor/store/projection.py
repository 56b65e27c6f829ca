"""Writes the tables of alerts, platform issues and doubtful times in the commit that publishes the messages."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from contracts.envelope import Envelope, Message
from contracts.messages.alerts import (
    AlertAcknowledged,
    AlertAction,
    AlertAppealed,
    AlertClosed,
    AlertRaised,
    AlertReopened,
    AlertWithdrawn,
    AppealDecided,
    OperationsAlerted,
    TimeDoubted,
)
from services.runtime import telemetry
from services.runtime.service import Statement

MAX_LOG_LINES = 20
"""Alerts of one type and batch that get a log line each; more of them share one line."""

log = telemetry.logger(__name__)

# An alert with a late answer is closed when it is raised, so it needs no notification.
_RAISE = """
    INSERT INTO alerts (case_id, commitment, rung, occurrence, owner, matter, region, due_at, raised_at, ended_at,
    notify_at)
    SELECT *, CASE WHEN ended_at IS NULL THEN raised_at END
    FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[],
        $8::timestamptz[], $9::timestamptz[], $10::timestamptz[])
        AS new (case_id, commitment, rung, occurrence, owner, matter, region, due_at, raised_at, ended_at)
    ON CONFLICT DO NOTHING
"""

_RECORD_ISSUE = """
    INSERT INTO platform_issues (case_id, commitment, issue, owner, matter, region, raised_at, settled_at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
        $8::timestamptz[])
    ON CONFLICT (case_id, commitment, issue) DO UPDATE SET settled_at = excluded.settled_at,
        changed_xid = pg_current_xact_id()
"""

# Another time that is reported later in place of a doubtful one, and is doubtful as well, is notified as new.
_DOUBT = """
    INSERT INTO doubtful_times (case_id, step, procedure, field, claimed, counts_at, owner, matter, region, doubted_at,
        settled_at, settled_by, reason, resolved_at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[],
        $7::text[], $8::text[], $9::text[], $10::timestamptz[], $11::timestamptz[], $12::text[], $13::text[],
        $14::timestamptz[])
    ON CONFLICT (case_id, step, procedure, field) DO UPDATE SET (claimed, counts_at, doubted_at, settled_at, settled_by,
        reason, resolved_at, digests) = (excluded.claimed, excluded.counts_at, excluded.doubted_at, excluded.settled_at,
        excluded.settled_by, excluded.reason, excluded.resolved_at,
        CASE WHEN doubtful_times.doubted_at = excluded.doubted_at THEN doubtful_times.digests END)
"""

_SAME_ALERT = """
    alerts.case_id = new.case_id AND alerts.commitment = new.commitment AND alerts.rung = new.rung
    AND alerts.occurrence = new.occurrence
"""

# The collector finds the people who have an entry about the alert. Without any, the withdrawal has no recipient.
_WITHDRAW = f"""
    UPDATE alerts SET withdrawn_at = new.withdrawn_at, reason = new.reason, notify_at = new.withdrawn_at,
        changed_xid = pg_current_xact_id(), last_event = 'withdrawn'
    FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::timestamptz[])
        AS new (case_id, commitment, rung, occurrence, reason, withdrawn_at)
    WHERE {_SAME_ALERT} AND alerts.withdrawn_at IS NULL
"""

# One statement for the end of a commitment and its reopening, since the order of the two matters within a batch. A
# reopened alert that nobody has acknowledged escalates again.
_CLOSE_OR_REOPEN = """
    UPDATE alerts SET ended_at = new.ended_at, changed_xid = pg_current_xact_id(),
        last_event = CASE WHEN new.ended_at IS NULL THEN 'reopened' ELSE 'closed' END,
        notify_at = CASE WHEN withdrawn_at IS NULL AND acknowledged_at IS NULL AND new.ended_at IS NULL
            THEN new.reopened_at WHEN withdrawn_at IS NOT NULL OR appealed_at IS NOT NULL THEN notify_at END
    FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[])
        AS new (case_id, commitment, ended_at, reopened_at)
    WHERE alerts.case_id = new.case_id AND alerts.commitment = new.commitment
"""

_ACKNOWLEDGE = f"""
    UPDATE alerts SET acknowledged_at = new.acknowledged_at, acknowledged_by = new.by,
        acknowledged_for = new.on_behalf_of, acknowledgement = new.reason,
        changed_xid = pg_current_xact_id(), last_event = 'acknowledged',
        notify_at = CASE WHEN withdrawn_at IS NOT NULL OR appealed_at IS NOT NULL THEN notify_at END
    FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[],
        $8::timestamptz[])
        AS new (case_id, commitment, rung, occurrence, by, on_behalf_of, reason, acknowledged_at)
    WHERE {_SAME_ALERT}
"""

_APPEAL = f"""
    UPDATE alerts SET appealed_at = new.appealed_at, appealed_by = new.by, appealed_for = new.on_behalf_of,
        appeal = new.reason, notify_at = new.appealed_at, changed_xid = pg_current_xact_id(), last_event = 'appealed'
    FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[],
        $8::timestamptz[])
        AS new (case_id, commitment, rung, occurrence, by, on_behalf_of, reason, appealed_at)
    WHERE {_SAME_ALERT}
"""

_DECIDE = f"""
    UPDATE alerts SET appeal_decided_at = new.decided_at, appeal_decided_by = new.by,
        appeal_decided_for = new.on_behalf_of, appeal_upheld = new.upheld, appeal_decision = new.reason,
        notify_at = new.decided_at, changed_xid = pg_current_xact_id(),
        last_event = 'decided'
    FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::boolean[],
        $8::text[], $9::timestamptz[])
        AS new (case_id, commitment, rung, occurrence, by, on_behalf_of, upheld, reason, decided_at)
    WHERE {_SAME_ALERT}
"""


class _Projected(NamedTuple):
    """How messages are written: the log event, the statement, and its columns beside the case.

    ``types``: the messages that the statement writes. ``key``: of several messages with this key in one batch only the
    last is written, because a statement cannot update a row twice.
    """

    types: tuple[type[Any], ...]
    event: str
    statement: str
    columns: Callable[[Any], tuple[Any, ...]]
    key: Callable[[Any], tuple[Any, ...]] | None = None


# The order of execution: within a batch an alert is raised, acknowledged and withdrawn in this order.
_PROJECTED = (
    _Projected(
        (AlertRaised,),
        "alert",
        _RAISE,
        lambda m: (m.commitment, m.rung, m.occurrence, m.owner, m.matter, m.region, m.due_at, m.raised_at, m.ended_at),
    ),
    _Projected(
        (AlertAcknowledged,),
        "alert acknowledged",
        _ACKNOWLEDGE,
        lambda m: (m.commitment, m.rung, m.occurrence, m.by, m.on_behalf_of, m.reason, m.acknowledged_at),
    ),
    _Projected(
        (AlertAppealed,),
        "alert appealed",
        _APPEAL,
        lambda m: (m.commitment, m.rung, m.occurrence, m.by, m.on_behalf_of, m.reason, m.appealed_at),
    ),
    _Projected(
        (AppealDecided,),
        "appeal decided",
        _DECIDE,
        lambda m: (
            *(m.commitment, m.rung, m.occurrence, m.by, m.on_behalf_of),
            *(m.upheld, m.reason, m.decided_at),
        ),
    ),
    _Projected(
        (AlertWithdrawn,),
        "alert withdrawn",
        _WITHDRAW,
        lambda m: (m.commitment, m.rung, m.occurrence, m.reason, m.withdrawn_at),
    ),
    _Projected(
        (AlertClosed, AlertReopened),
        "alert closed or reopened",
        _CLOSE_OR_REOPEN,
        lambda m: (m.commitment, getattr(m, "ended_at", None), getattr(m, "reopened_at", None)),
        lambda m: (m.commitment,),
    ),
    _Projected(
        (OperationsAlerted,),
        "platform issue",
        _RECORD_ISSUE,
        lambda m: (m.commitment, m.issue, m.owner, m.matter, m.region, m.raised_at, m.settled_at),
        lambda m: (m.commitment, m.issue),
    ),
    _Projected(
        (TimeDoubted,),
        "doubtful time",
        _DOUBT,
        lambda m: (
            *(m.step, m.procedure or "", m.field, m.claimed, m.counts_at),
            *(m.owner, m.matter, m.region, m.doubted_at, m.settled_at, m.settled_by, m.reason, m.resolved_at),
        ),
        lambda m: (m.step, m.procedure, m.field),
    ),
)

_BY_TYPE = {message: projected for projected in _PROJECTED for message in projected.types}


def project(published: Sequence[Envelope[Message]]) -> Sequence[Statement]:
    """The statements for these messages: at most one of each kind, however many messages. Writes the log as well.

    The log is written before the commit. If the commit fails, its lines appear once more with the next attempt: the
    table is the record.
    """
    messages_of: dict[str, list[tuple[str, Any]]] = {}
    for envelope in published:
        if (projected := _BY_TYPE.get(type(envelope.data))) is not None:
            messages_of.setdefault(projected.event, []).append((envelope.subject, envelope.data))
    statements: list[Statement] = []
    for projected in _PROJECTED:
        if messages := messages_of.get(projected.event):
            if (key := projected.key) is not None:
                messages = list({(case_id, *key(m)): (case_id, m) for case_id, m in messages}.values())
            _log(projected.event, messages)
            columns = zip(*((case_id, *projected.columns(m)) for case_id, m in messages), strict=True)
            statements.append((projected.statement, tuple(columns)))
    return statements


def _log(event: str, messages: Sequence[tuple[str, Any]]) -> None:
    if len(messages) > MAX_LOG_LINES:
        cases = len({case_id for case_id, _ in messages})
        log.warning(f"{event}: many at once", alerts=len(messages), cases=cases)
        return
    for case_id, message in messages:
        # Reasons that people write may name others, and stay out of the log.
        excluded = {"reason"} if isinstance(message, AlertAction | TimeDoubted) else set()
        log.warning(event, case_id=case_id, **message.model_dump(mode="json", exclude=excluded))
