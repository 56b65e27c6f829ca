"""The intake service, as the host runs it."""

from functools import partial
from pathlib import Path

from contracts.core import Core
from contracts.messages.cases import CaseDecided, CaseReported
from contracts.messages.commitments import CommitmentsMoved, CommitmentsOpened
from contracts.messages.side_timers import SideTimersRequested
from contracts.messages.tasks import TaskDelivered, TaskDone
from contracts.working_time.almanac import Almanac, RegionalRules, almanac
from services.intake.core.handle import handle
from services.intake.core.state import Case
from services.intake.web.api import routes
from services.runtime.service import Service
from services.runtime.store.documents import Edition


def core_for(edition: Edition) -> Core[Case]:
    """The core with the working time of this edition of the almanac. Raises `ValueError` for an invalid edition."""
    return partial(handle, RegionalRules(Almanac.model_validate_json(edition.body)))


SERVICE = Service(
    name="intake",
    core=partial(handle, RegionalRules(almanac())),
    state=Case,
    consumes=(
        TaskDelivered,
        TaskDone,
        CaseReported,
        CaseDecided,
        CommitmentsOpened,
        CommitmentsMoved,
        SideTimersRequested,
    ),
    migrations=Path(__file__).parent / "migrations",
    routes=routes,
    shipped_rules=lambda: almanac().model_dump(mode="json", by_alias=True),
    core_for=core_for,
)
