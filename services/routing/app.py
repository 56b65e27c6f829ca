"""The declaration of the routing service."""

from pathlib import Path

from contracts.messages.cases import CaseAccepted, CaseStateRequested
from contracts.messages.tasks import TaskDelivered, TaskDone
from services.routing.core.handle import handle
from services.routing.core.state import RoutedCase
from services.runtime.service import Service

SERVICE = Service(
    name="routing",
    core=handle,
    state=RoutedCase,
    consumes=(CaseAccepted, CaseStateRequested, TaskDelivered, TaskDone),
    migrations=Path(__file__).parent / "migrations",
)
