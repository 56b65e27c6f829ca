"""The monitor service, as it is given to the shell."""

from functools import partial
from pathlib import Path

from contracts.envelope import Core
from services.monitor import rulebook
from services.monitor.core import CONSUMES, handle
from services.monitor.projection import project
from services.monitor.state import MonitoredCase
from services.monitor.web.api import routes
from services.runtime.editions import Edition
from services.runtime.service import Service


def under(edition: Edition) -> Core[MonitoredCase]:
    """The core that keeps to these rules. Raises `ValueError` for rules that cannot be read."""
    return partial(handle, rulebook.edition(*edition))


SERVICE = Service(
    name="monitor",
    core=partial(handle, rulebook.shipped()),
    state=MonitoredCase,
    consumes=CONSUMES,
    migrations=Path(__file__).parent / "migrations",
    routes=routes,
    project=project,
    rules=lambda: rulebook.shipped().said.model_dump(mode="json", by_alias=True),
    under=under,
)
