"""The declaration of the intake service."""

from functools import partial
from pathlib import Path

from contracts.messages.cases import CaseDecided, CaseExtended, CaseReported, CaseRestarted, CaseSuspended
from contracts.messages.commitments import CommitmentsMoved, CommitmentsOpened
from contracts.messages.side_timers import SideTimersReported, SideTimersRequested
from contracts.messages.tasks import TaskDelivered, TaskDone
from contracts.working_time.almanac import RegionalRules, almanac
from services.intake.catalogue.published import published
from services.intake.core.handle import handle
from services.intake.core.state import Case
from services.intake.documents import ALMANAC, keep
from services.intake.web.api import routes
from services.runtime.service import Service

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
    documents=(ALMANAC,),
    received=keep,
    published=published,
    decisions=(CaseSuspended, CaseExtended, CaseRestarted, SideTimersReported),
)
