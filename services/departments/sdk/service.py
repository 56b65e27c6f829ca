"""A department's service: the same core and runtime for all of them, and an adapter of its own."""

from collections.abc import Callable
from pathlib import Path

from contracts.messages.tasks import TaskRequested
from services.departments.sdk.adapter import Adapter, Clock
from services.departments.sdk.core.handle import Tasks, handle, question
from services.departments.sdk.external_system import DepartmentSystem, submit_failed
from services.runtime.external_system import ExternalSystem
from services.runtime.service import Service, ServiceHost

MIGRATIONS = Path(__file__).parent / "migrations"


def department(name: str, adapter: Callable[[Clock], Adapter]) -> Service[Tasks]:
    """The service of the department system ``name``, which names its two topics as well.

    ``adapter`` makes the adapter; it reads the adapter's own settings when the service starts.
    """

    def outside(host: ServiceHost[Tasks]) -> ExternalSystem:
        return DepartmentSystem(adapter(host.clock))

    return Service(
        name=name,
        core=handle,
        state=Tasks,
        consumes=(TaskRequested,),
        migrations=MIGRATIONS,
        pending_request=question,
        call_failed=submit_failed,
        external_system=outside,
    )
