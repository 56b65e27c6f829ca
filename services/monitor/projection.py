"""The list of alerts, written in the commit of the batch that raised them."""

from collections.abc import Sequence

from contracts.commitments import AlertRaised, AlertWithdrawn, OperationsAlerted
from contracts.envelope import Envelope, Message
from services.runtime import telemetry
from services.runtime.service import Statement

LINES = 20
"""Alerts of one batch that each have a line in the log. More than that are a flood, and one line tells of it."""

log = telemetry.logger(__name__)

_RAISE = """
    INSERT INTO alerts (case_id, commitment, rung, turn, owner, matter, region, due_at, raised_at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[],
        $8::timestamptz[], $9::timestamptz[])
    ON CONFLICT DO NOTHING
"""

_TELL = """
    INSERT INTO operations (case_id, commitment, problem, owner, matter, region, raised_at, settled_at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
        $8::timestamptz[])
    ON CONFLICT (case_id, commitment, problem) DO UPDATE SET settled_at = excluded.settled_at
"""

_WITHDRAW = """
    UPDATE alerts SET withdrawn_at = said.withdrawn_at, reason = said.reason
    FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::timestamptz[])
        AS said (case_id, commitment, rung, turn, reason, withdrawn_at)
    WHERE alerts.case_id = said.case_id AND alerts.commitment = said.commitment AND alerts.rung = said.rung
        AND alerts.turn = said.turn AND alerts.withdrawn_at IS NULL
"""


def project(said: Sequence[Envelope[Message]]) -> Sequence[Statement]:
    """One row an alert, a mark on those withdrawn, and one row a failure of the platform's own; each is also a line in
    the log, unless there are many.

    At most three statements, however many messages. The log is written before the commit: should that fail, the
    line appears once more with the next attempt. The table is the record, the log a view of it.
    """
    raised = [(envelope.subject, envelope.data) for envelope in said if isinstance(envelope.data, AlertRaised)]
    withdrawn = [(envelope.subject, envelope.data) for envelope in said if isinstance(envelope.data, AlertWithdrawn)]
    statements: list[Statement] = []
    # Raised first: an alert may be raised and withdrawn within one batch, never the other way round.
    if raised:
        _log("alert", raised)
        columns = (
            (case, one.commitment, one.rung, one.turn, one.owner, one.matter, one.region, one.due_at, one.raised_at)
            for case, one in raised
        )
        statements.append((_RAISE, tuple(zip(*columns, strict=True))))
    if withdrawn:
        _log("alert withdrawn", withdrawn)
        marks = ((case, one.commitment, one.rung, one.turn, one.reason, one.withdrawn_at) for case, one in withdrawn)
        statements.append((_WITHDRAW, tuple(zip(*marks, strict=True))))
    # Of two words about one problem in a batch the later one holds; a statement cannot write a row twice.
    problems = {
        (envelope.subject, one.commitment, one.problem): one
        for envelope in said
        if isinstance(one := envelope.data, OperationsAlerted)
    }
    if problems:
        _log("operations", [(case, one) for (case, _, _), one in problems.items()])
        told = (
            (case, one.commitment, one.problem, one.owner, one.matter, one.region, one.raised_at, one.settled_at)
            for (case, _, _), one in problems.items()
        )
        statements.append((_TELL, tuple(zip(*told, strict=True))))
    return statements


def _log(event: str, alerts: Sequence[tuple[str, AlertRaised | AlertWithdrawn | OperationsAlerted]]) -> None:
    if len(alerts) > LINES:
        log.warning(f"{event}: many at once", alerts=len(alerts), cases=len({case_id for case_id, _ in alerts}))
        return
    for case_id, alert in alerts:
        log.warning(event, case_id=case_id, **alert.model_dump(mode="json"))
