"""Routing as a service."""

from pathlib import Path

from contracts.messages.cases import CaseAccepted, CaseStateRequested
from contracts.messages.tasks import TaskDelivered, TaskDone
from services.routing.core.handle import Course, handle
from services.runtime.service import Service

SERVICE = Service(
    name="routing",
    core=handle,
    state=Course,
    consumes=(CaseAccepted, CaseStateRequested, TaskDelivered, TaskDone),
    migrations=Path(__file__).parent / "migrations",
)
