"""The intake service, as it is given to the shell."""

from pathlib import Path

from contracts.commitments import CommitmentsOpened
from contracts.plans import CaseDecided, CaseReported
from contracts.tasks import TaskDelivered, TaskDone
from services.intake.core import Case, handle
from services.intake.web.api import routes
from services.runtime.service import Service

SERVICE = Service(
    name="intake",
    core=handle,
    state=Case,
    consumes=(TaskDelivered, TaskDone, CaseReported, CaseDecided, CommitmentsOpened),
    migrations=Path(__file__).parent / "migrations",
    routes=routes,
)
