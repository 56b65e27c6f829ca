"""Routing as a service."""

from pathlib import Path

from contracts.cases import CaseAccepted
from contracts.commitments import CaseAsked
from contracts.tasks import TaskDelivered, TaskDone
from services.routing.core import Course, handle
from services.runtime.service import Service

SERVICE = Service(
    name="routing",
    core=handle,
    state=Course,
    consumes=(CaseAccepted, CaseAsked, TaskDelivered, TaskDone),
    migrations=Path(__file__).parent / "migrations",
)
