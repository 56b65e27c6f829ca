"""What an action of a person would change, by the law itself: the core processes it, and nothing is kept."""

from datetime import datetime
from uuid import UUID

from contracts.core import Rejected
from contracts.envelope import Message, envelop
from services.monitor.core.handle import handle
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase

_NOTHING = UUID(int=8 << 76 | 2 << 62)
"""The id of a message that is never published."""

PREVIEW = "preview"
"""Stands for the person, the reason and the name in a command that is not kept."""


def after(
    rules: Rules, state: MonitoredCase, case_id: str, command: Message, now: datetime
) -> MonitoredCase | Rejected:
    """The case as it would be after this command, or why the command is not possible."""
    envelope = envelop(command, id=_NOTHING, source="/onedoor/monitor", subject=case_id, time=now)
    try:
        return handle(rules, state, envelope).state
    except Rejected as error:
        return error
