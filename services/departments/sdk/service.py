"""A department's service: the same core and runtime for every department, with an adapter of its own."""

from pathlib import Path

from contracts.messages.tasks import TaskCorrected, TaskRequested, TimeSettled
from services.departments.sdk.core.handle import handle, pending_submit
from services.departments.sdk.core.state import Tasks
from services.departments.sdk.corrections import correct_reply
from services.departments.sdk.declaration import Department, resolve
from services.departments.sdk.external_system import DepartmentSystem, submit_failed
from services.runtime.configuration import read
from services.runtime.external_system import ExternalSystem
from services.runtime.service import Service, ServiceHost

MIGRATIONS = Path(__file__).parent / "migrations"


def department_service(department: Department) -> Service[Tasks]:
    """The service of a department. Adapter and settings are imported and read when the service starts."""

    def external_system(host: ServiceHost[Tasks]) -> ExternalSystem:
        settings = read(resolve(department.settings))
        settings.check_call_timeout(host.settings.call_timeout_s)
        adapter = resolve(department.adapter)(settings, host.clock)
        return DepartmentSystem(adapter, host.settings.clock_tolerance)

    return Service(
        name=department.system,
        core=handle,
        state=Tasks,
        consumes=(TaskCorrected, TaskRequested, TimeSettled),
        migrations=MIGRATIONS,
        pending_request=pending_submit,
        call_failed=submit_failed,
        external_system=external_system,
        correct_reply=correct_reply,
    )
