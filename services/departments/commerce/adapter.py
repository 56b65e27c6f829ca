"""The commerce department's exchange tables. One statement writes a batch of tasks; a reader's mark is on rows read.

A row that the department's table refuses is written by itself and reported; the rest of its batch is not held back.

The task id is the key of a task's row. A task that is submitted again is the same row, marked unread, so that the
department reads it again and answers with its present state.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import uuid4

from sqlalchemy import Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.tasks import TaskRequested
from contracts.text import number
from services.departments.commerce.refusal import locked_row, refused_row
from services.departments.commerce.settings import CommerceSettings
from services.departments.commerce.store import exchange
from services.departments.commerce.store.exchange import Read, Table
from services.departments.commerce.translate import (
    OTHER_ACTIONS,
    ProcedureRow,
    ProcessRow,
    ResultRow,
    accept_row,
    decision,
    procedure,
    receipt,
)
from services.departments.sdk.adapter import Clock, merge, notification, unparseable
from services.departments.sdk.core.messages import Answer, Decision, Posted, Receipt
from services.departments.sdk.lots import NotDivided, put_lot
from services.departments.sdk.polling import pauses
from services.departments.sdk.tables import open_tables
from services.runtime.external_system import InvalidNotification, Notification
from services.runtime.store.database import is_locked, refuses_data

LOCKED_S = 0.5
"""Seconds after which rows that another session had locked are tried again: most hold them for milliseconds, such as a
submission of this adapter that reads the same answers."""


class Locked(Exception):
    """No answer could be marked as read."""

    def __init__(self) -> None:
        super().__init__("another session of the department's database keeps the rows of the answers locked")


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
            refused = await self._put(connection, rows)
        await self._wait_until_read([task_id for task_id in task_ids if task_id not in refused])
        async with self._database.connect() as connection:
            known = await self._known(connection, task_ids)
        return [known.get(task_id) or refused.get(task_id) or Posted() for task_id in (one.task_id for one in tasks)]

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        async with self._database.connect() as connection:
            rows = await exchange.unread(connection, limit)
            written = {row.project_no or "" for read, row in rows if read.table is not Table.PROCEDURE}
            written |= set(map(number, written))
            taken = _receipts(await exchange.processes(connection, sorted(written)) if written else ())
            later = {read for read, row in rows if read.table is Table.PROCESS and _is_later_step(row, taken)}
            await exchange.mark_read(connection, sorted(later))
        return [_notification(row, read, taken) for read, row in rows if read not in later]

    async def acknowledge(self, ack_tokens: Sequence[Any]) -> None:
        async with self._database.connect() as connection:
            for pause_s in (0.0, LOCKED_S):
                await asyncio.sleep(pause_s)
                if await exchange.mark_read(connection, ack_tokens) or not ack_tokens:
                    return
                left = await exchange.unread(connection, len(ack_tokens))
                if not any(read in ack_tokens for read, _ in left):
                    return
        raise Locked  # else they would be polled again at once

    async def _put(self, connection: AsyncConnection, rows: Sequence[Mapping[str, str | None]]) -> dict[str, Exception]:
        """Write the rows of tasks. Returns the errors of those that the table refuses, by task id."""
        until = time.monotonic() + self._settings.timeout_s
        errors: dict[str, Exception] = {}
        likely: list[str] = []
        put = partial(exchange.put_tasks, connection)
        try:
            refused = await put_lot(rows, put, refuses_data, until)
        except DBAPIError as failure:
            if not is_locked(failure):
                raise
            locked = await exchange.locked(connection, [str(row["row_guid"]) for row in rows])
            errors = {task_id: locked_row(task_id) for task_id in locked}
            refused = await put_lot([row for row in rows if row["row_guid"] not in locked], put, refuses_data, until)
        for row, error in refused:
            task_id = str(row["row_guid"])
            if isinstance(error, NotDivided) or time.monotonic() >= until:
                errors[task_id] = NotDivided()
                continue
            refusal = await exchange.refusal(connection, row, error, likely)
            likely += [column for column in refusal.columns if column in row and column not in likely]
            errors[task_id] = refused_row(refusal, task_id)
        return errors

    async def _wait_until_read(self, task_ids: Sequence[str]) -> None:
        """Wait until the department has read the rows, at most as long as the settings allow."""
        if not task_ids:
            return
        for pause in pauses(self._settings.wait_s):
            await asyncio.sleep(pause)
            async with self._database.connect() as connection:
                if not await exchange.any_unread(connection, task_ids):
                    return

    async def _known(self, connection: AsyncConnection, task_ids: Sequence[str]) -> dict[str, Receipt | Decision]:
        """The answers to these tasks that are in the tables.

        The rows are marked read: should this answer be lost, the task is submitted again anyway. Invalid rows stay
        unread, and so do those that contradict an earlier one: `poll` reports them.
        """
        taken: dict[str, Receipt] = {}
        known: dict[str, Receipt | Decision] = {}
        agreeing: list[Read] = []
        for read, row in await exchange.answers(connection, task_ids):
            with suppress(ValueError):
                answer, task_id = _answer(row, read.table, taken), number(row.project_no)
                if isinstance(answer, Receipt):
                    taken.setdefault(task_id, answer)
                if merge(known, task_id, answer):
                    agreeing.append(read)
        await exchange.mark_read(connection, agreeing)
        return known


def _receipts(rows: Iterable[Row[Any]]) -> dict[str, Receipt]:
    """The first valid receipt of each task in these rows of ``up_pro_process``."""
    taken: dict[str, Receipt] = {}
    for row in rows:
        with suppress(ValueError):
            taken.setdefault(number(row.project_no), receipt(ProcessRow.model_validate(row)))
    return taken


def _is_later_step(row: Row[Any], taken: Mapping[str, Receipt]) -> bool:
    """Whether a row of ``up_pro_process`` is about another step than that in which the department received the case.

    The first step that is passed gives the case its number. What follows is the department's own affair.
    """
    if number(row.event_name or "") in OTHER_ACTIONS:
        return True
    return not number(row.remark or "") and number(row.project_no or "") in taken


def _answer(row: Row[Any], table: Table, taken: Mapping[str, Receipt]) -> Receipt | Decision:
    """The answer in a row. Raises `ValueError` for an invalid row."""
    if table is Table.PROCESS:
        return receipt(ProcessRow.model_validate(row))
    result = ResultRow.model_validate(row)
    return decision(result, taken.get(result.project_no))


def _notification(row: Row[Any], read: Read, taken: Mapping[str, Receipt]) -> Notification | InvalidNotification:
    try:
        if read.table is Table.PROCEDURE:
            changed = ProcedureRow.model_validate(row)
            return notification(changed.project_no, procedure(changed), read)
        return notification(row.project_no, _answer(row, read.table, taken), read)
    except ValueError as error:
        return InvalidNotification(unparseable(error, repr(row).encode()), read)
