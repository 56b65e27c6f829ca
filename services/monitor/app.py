"""The monitor service, as it is given to the shell."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import APIRouter

from contracts.envelope import Core
from services.monitor import rulebook
from services.monitor.core import CONSUMES, handle
from services.monitor.gathering import Gathering
from services.monitor.journal import signing_key
from services.monitor.journalist import JOURNALED, Journalist
from services.monitor.projection import project
from services.monitor.sealing import Sealing
from services.monitor.sending import Sender
from services.monitor.settings import MonitorSettings
from services.monitor.state import MonitoredCase
from services.monitor.web import api, lists, stream
from services.runtime.editions import Edition
from services.runtime.service import Loop, Service
from services.runtime.shell import Shell

JOURNAL_S = 5.0
"""Machine seconds between two looks at what has been said long enough ago."""


TELLING_S = 1.0
"""Machine seconds between two looks at whether somebody is to be told something."""


def under(edition: Edition) -> Core[MonitoredCase]:
    """The core that keeps to these rules. Raises `ValueError` for rules that cannot be read."""
    return partial(handle, rulebook.edition(*edition))


def background(shell: Shell[MonitoredCase]) -> Sequence[Loop]:
    """The journal is written, and people are told, behind the back of the decisions."""
    key = signing_key(shell.settings.secret_key.get_secret_value())
    own = MonitorSettings()
    quiet, longest = timedelta(seconds=own.digest_quiet_s), timedelta(seconds=own.digest_longest_s)
    sealing = Sealing(shell.database, shell.clock, quiet, longest)
    return [
        Loop("journal", Journalist(shell.database, key).run_once, JOURNAL_S),
        Loop("gathering", Gathering(shell.database, shell.clock).run_once, TELLING_S),
        Loop("sealing", sealing.run_once, TELLING_S),
        Loop("sending", Sender(shell.database, own.channels, shell.settings.call_timeout_s).run_once, TELLING_S),
    ]


def routes(shell: Shell[MonitoredCase]) -> APIRouter:
    """Everything that monitor answers by HTTP."""
    router = APIRouter()
    for part in (api, lists, stream):
        router.include_router(part.routes(shell))
    return router


SERVICE = Service(
    name="monitor",
    core=partial(handle, rulebook.shipped()),
    state=MonitoredCase,
    consumes=CONSUMES,
    migrations=Path(__file__).parent / "migrations",
    routes=routes,
    project=project,
    background=background,
    ledger_read=JOURNALED,
    rules=lambda: rulebook.shipped().said.model_dump(mode="json", by_alias=True),
    under=under,
)
