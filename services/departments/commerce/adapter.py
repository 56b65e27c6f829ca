"""The commerce department's exchange tables. One statement writes a batch of tasks; a reader's mark is on rows read.

The task id is the key of a task's row. A task that is submitted again is the same row, marked unread, so that the
department reads it again and answers with its present state.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.tasks import TaskRequested
from services.departments.commerce.settings import CommerceSettings
from services.departments.commerce.store import exchange
from services.departments.commerce.store.exchange import Read, Table
from services.departments.commerce.translate import (
    ProcedureRow,
    ProcessRow,
    ResultRow,
    accept_row,
    decision,
    procedure,
    receipt,
)
from services.departments.sdk.adapter import Clock, notification, unparseable
from services.departments.sdk.core.messages import Answer, Decision, Posted, Receipt
from services.departments.sdk.polling import pauses
from services.departments.sdk.tables import open_tables
from services.runtime.external_system import InvalidNotification, Notification


class CommerceAdapter:
    """Implements `services.departments.sdk.adapter.Adapter`."""

    batch_size = 500

    def __init__(self, settings: CommerceSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._database = open_tables(
            settings.exchange.get_secret_value(), "onedoor commerce", settings.connections, settings.timeout_s
        )

    async def open(self) -> None:
        """Connections are made when they are needed."""

    async def close(self) -> None:
        await self._database.dispose()

    async def submit(self, tasks: Sequence[TaskRequested]) -> Sequence[Answer | Exception]:
        by_id = {task.task_id: task for task in tasks}
        task_ids = sorted(by_id)  # rows are locked in one order, so that two batches cannot deadlock
        batch, now = uuid4().hex, self._clock.now()
        rows = [accept_row(by_id[task_id], self._settings.org_code, batch, now) for task_id in task_ids]
        async with self._database.connect() as connection:
            await exchange.put_tasks(connection, rows)
        await self._wait_until_read(task_ids)
        async with self._database.connect() as connection:
            known = await self._known(connection, task_ids)
        return [known.get(task.task_id, Posted()) for task in tasks]

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        async with self._database.connect() as connection:
            rows = await exchange.unread(connection, limit)
        return [_notification(row, read) for read, row in rows]

    async def acknowledge(self, ack_tokens: Sequence[Any]) -> None:
        async with self._database.connect() as connection:
            await exchange.mark_read(connection, ack_tokens)

    async def _wait_until_read(self, task_ids: Sequence[str]) -> None:
        """Wait until the department has read the rows, at most as long as the settings allow."""
        for pause in pauses(self._settings.wait_s):
            await asyncio.sleep(pause)
            async with self._database.connect() as connection:
                if not await exchange.any_unread(connection, task_ids):
                    return

    async def _known(self, connection: AsyncConnection, task_ids: Sequence[str]) -> dict[str, Receipt | Decision]:
        """The answers to these tasks that are in the tables. Invalid rows stay unread, for `poll`.

        Valid rows are marked read: should this answer be lost, the task is submitted again anyway.
        """
        known: dict[tuple[str, Table], Receipt | Decision] = {}
        valid: list[Read] = []
        for read, row in await exchange.answers(connection, task_ids):
            with suppress(ValueError):
                known.setdefault((row.project_no, read.table), _answer(row, read.table))
                valid.append(read)
        await exchange.mark_read(connection, valid)
        return {task_id: answer for (task_id, _), answer in known.items()}  # a decision replaces the receipt


def _answer(row: Row[Any], table: Table) -> Receipt | Decision:
    """The answer in a row. Raises `ValueError` for an invalid row."""
    return decision(ResultRow.model_validate(row)) if table is Table.RESULT else receipt(ProcessRow.model_validate(row))


def _notification(row: Row[Any], read: Read) -> Notification | InvalidNotification:
    try:
        if read.table is Table.PROCEDURE:
            return notification(row.project_no, procedure(ProcedureRow.model_validate(row)), read)
        return notification(row.project_no, _answer(row, read.table), read)
    except ValueError as error:
        return InvalidNotification(unparseable(error, repr(row).encode()), read)
