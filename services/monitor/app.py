"""The monitor service, as it is given to the shell."""

from pathlib import Path

from services.monitor.core import CONSUMES, handle
from services.monitor.projection import project
from services.monitor.state import MonitoredCase
from services.monitor.web.api import routes
from services.runtime.service import Service

SERVICE = Service(
    name="monitor",
    core=handle,
    state=MonitoredCase,
    consumes=CONSUMES,
    migrations=Path(__file__).parent / "migrations",
    routes=routes,
    project=project,
)
