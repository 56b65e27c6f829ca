"""Shared by the actions of people: their requests, their rights by the directory in force, and the refusals."""

from datetime import datetime

from pydantic import ConfigDict

from contracts.messages.fields import PersonId, Reason
from contracts.values import Model
from services.monitor.core.notifications.directory import Directory
from services.monitor.core.notifications.directory_file import SUPERVISOR
from services.monitor.core.state import MonitoredCase
from services.monitor.store.alerts import NumberedAlert
from services.monitor.store.notifications import directory_store
from services.runtime.http.problems import Problem
from services.runtime.service import ServiceHost


class ActionRequest(Model):
    """An action of a person. ``by``: their id in the directory."""

    model_config = ConfigDict(extra="forbid")

    by: PersonId
    reason: Reason


async def directory_in_force(host: ServiceHost[MonitoredCase]) -> Directory:
    """The directory in force. Raises `Problem` (409) without one."""
    async with host.database.connect() as connection:
        found = await directory_store.latest(connection)
    if found is None:
        title, title_zh = "No directory is in force", "尚无生效的人员名录"
        detail, detail_zh = "put one in force with 'onedoor directory apply'", "请先用 onedoor directory apply 启用"
        raise Problem(409, "no-directory", title, title_zh, detail=detail, detail_zh=detail_zh)
    return found[1]


def may_act_on(directory: Directory, person: PersonId, alert: NumberedAlert, now: datetime) -> bool:
    """Whether a person holds a post that is notified of such alerts, or a higher one."""
    lowest = directory.content.escalation[0]
    return directory.holds_at_least(person, lowest, alert.owner, alert.region, alert.matter, now)


def must_supervise(directory: Directory, person: PersonId, owner: str, region: str, matter: str, now: datetime) -> None:
    """Raise `Problem` (403) unless a person is a supervisor of this department, region and matter, or above one."""
    if not directory.holds_at_least(person, SUPERVISOR, owner, region, matter, now):
        raise no_right()


def no_right() -> Problem:
    """The refusal of an action for which the person has no right."""
    title, title_zh = "The directory in force gives this person no right to do so", "按现行人员名录，其无权办理此事"
    return Problem(403, "no-right", title, title_zh)
