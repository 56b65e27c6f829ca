"""Writes the list of alerts, in the commit of the batch that raised them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.commitments import AlertRaised, AlertWithdrawn
from contracts.envelope import Envelope, Message
from services.runtime import telemetry

LINES = 20
"""Alerts of one batch that each have a line in the log. More than that are a flood, and one line tells of it."""

log = telemetry.logger(__name__)

_RAISE = text("""
    INSERT INTO alerts (case_id, commitment, rung, owner, matter, region, due_at, raised_at)
    SELECT * FROM unnest(CAST(:cases AS text[]), CAST(:commitments AS text[]), CAST(:rungs AS text[]),
        CAST(:owners AS text[]), CAST(:matters AS text[]), CAST(:regions AS text[]),
        CAST(:dues AS timestamptz[]), CAST(:raised AS timestamptz[]))
    ON CONFLICT DO NOTHING
    RETURNING case_id, commitment, rung, owner
""")

_WITHDRAW = text("""
    UPDATE alerts SET withdrawn_at = said.withdrawn_at, reason = said.reason
    FROM unnest(CAST(:cases AS text[]), CAST(:commitments AS text[]), CAST(:rungs AS text[]),
        CAST(:reasons AS text[]), CAST(:withdrawn AS timestamptz[]))
        AS said (case_id, commitment, rung, reason, withdrawn_at)
    WHERE alerts.case_id = said.case_id AND alerts.commitment = said.commitment AND alerts.rung = said.rung
        AND alerts.withdrawn_at IS NULL
    RETURNING alerts.case_id, alerts.commitment, alerts.rung, alerts.owner
""")


async def project(connection: AsyncConnection, said: Sequence[Envelope[Message]]) -> None:
    """Write one row an alert, and mark those withdrawn; each new one, unless there are many, is also a line in the log.

    At most two statements, however many messages. The log is written before the commit: should that fail, the
    line appears once more with the next attempt. The table is the record, the log a view of it.
    """
    raised = [(envelope.subject, envelope.data) for envelope in said if isinstance(envelope.data, AlertRaised)]
    withdrawn = [(envelope.subject, envelope.data) for envelope in said if isinstance(envelope.data, AlertWithdrawn)]
    # Raised first: an alert may be raised and withdrawn within one batch, never the other way round.
    if raised:
        rows = await connection.execute(
            _RAISE,
            {
                "cases": [case_id for case_id, _ in raised],
                "commitments": [alert.commitment for _, alert in raised],
                "rungs": [alert.rung for _, alert in raised],
                "owners": [alert.owner for _, alert in raised],
                "matters": [alert.matter for _, alert in raised],
                "regions": [alert.region for _, alert in raised],
                "dues": [alert.due_at for _, alert in raised],
                "raised": [alert.raised_at for _, alert in raised],
            },
        )
        _log("alert", list(rows))
    if withdrawn:
        rows = await connection.execute(
            _WITHDRAW,
            {
                "cases": [case_id for case_id, _ in withdrawn],
                "commitments": [alert.commitment for _, alert in withdrawn],
                "rungs": [alert.rung for _, alert in withdrawn],
                "reasons": [alert.reason for _, alert in withdrawn],
                "withdrawn": [alert.withdrawn_at for _, alert in withdrawn],
            },
        )
        _log("alert withdrawn", list(rows))


def _log(event: str, rows: Sequence[Row[Any]]) -> None:
    if len(rows) > LINES:
        log.warning(f"{event}: many at once", alerts=len(rows), owners=len({row.owner for row in rows}))
        return
    for row in rows:
        log.warning(event, **row._mapping)
