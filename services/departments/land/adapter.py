"""The land department's files over SFTP: one file for a batch of tasks, one file for its answers.

Both sides write a file as ``.part`` and then rename it, so that a reader sees whole files only. A file that has been
read moves to ``done/`` once all its lines are acknowledged. A task that is delivered again, in another file, is
answered again with the present state.

    inbox/<batch>.jsonl     tasks
    outbox/<batch>.jsonl    the answers to that batch
    outbox/*.jsonl          notifications of the department
    done/                   files that have been read; with the ending .refused, those that cannot be

A department that cannot rename is read with the setting ``settle_s``.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from asyncssh import SFTPClient

from contracts.messages.tasks import TaskRequested
from services.departments.land.connection import Connection
from services.departments.land.inbox import batch_name, deliver, remove_leftovers
from services.departments.land.outbox import Outbox
from services.departments.land.settings import LandSettings
from services.departments.land.translate import application, file_of
from services.departments.sdk.adapter import Clock
from services.departments.sdk.core.messages import Answer, Posted
from services.departments.sdk.polling import pauses
from services.runtime.external_system import InvalidNotification, Notification

LEFTOVERS_EVERY = timedelta(hours=1)
"""How often the inbox is searched for what failed deliveries have left, and how old that is."""


class LandAdapter:
    """Implements `services.departments.sdk.adapter.Adapter`."""

    batch_size = 500

    def __init__(self, settings: LandSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._outbox = Outbox(settings)
        self._connection = Connection(settings, self._outbox.connected)
        self._awaited: set[bytes] = set()
        """Files in the outbox that a `submit` is waiting for. `poll` leaves them alone."""
        self._leftovers_at = datetime.min.replace(tzinfo=UTC)

    async def open(self) -> None:
        """The connection is made when it is needed."""

    async def close(self) -> None:
        await self._connection.close()

    async def submit(self, tasks: Sequence[TaskRequested]) -> Sequence[Answer | Exception]:
        name = batch_name(self._clock.now(), uuid4())
        content = file_of(application(task) for task in tasks)
        self._awaited.add(name)
        try:
            async with self._connection.session(self._settings.timeout_s + self._settings.wait_s) as sftp:
                await deliver(sftp, name, content)
                answers = await self._wait_for(sftp, name)
        finally:
            self._awaited.discard(name)
        return [answers.get(task.task_id, Posted()) for task in tasks]

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        async with self._connection.session(self._settings.timeout_s + self._settings.file_timeout_s) as sftp:
            found = await self._outbox.unread(sftp, limit, self._awaited)
            if (now := self._clock.now()) >= self._leftovers_at:
                self._leftovers_at = now + LEFTOVERS_EVERY
                await remove_leftovers(sftp, now - LEFTOVERS_EVERY)
        return found

    async def acknowledge(self, ack_tokens: Sequence[Any]) -> None:
        async with self._connection.session(self._settings.timeout_s) as sftp:
            await self._outbox.acknowledge(sftp, ack_tokens)

    async def _wait_for(self, sftp: SFTPClient, name: bytes) -> Mapping[str, Answer]:
        """The answers to a batch by task id; empty if they do not come in time, since `poll` reads them later.

        The file counts as read: should this answer be lost, the tasks are submitted again anyway. A file that must
        settle first is left to `poll`.
        """
        for pause in pauses(0 if self._settings.settle_s else self._settings.wait_s):
            await asyncio.sleep(pause)
            if (answers := await self._outbox.answers(sftp, name)) is not None:
                return answers
        return {}
