"""The monitor service, as it is given to the shell."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import APIRouter

from contracts.core import Core
from services.monitor.core.handle import CONSUMES, handle
from services.monitor.core.state import MonitoredCase
from services.monitor.journal.blocks import signing_key
from services.monitor.journal.writer import JOURNALED, Journalist
from services.monitor.notifications.digest_builder import Sealing
from services.monitor.notifications.digest_collector import Gathering
from services.monitor.notifications.digest_sender import Sender
from services.monitor.settings import MonitorSettings
from services.monitor.store import rule_store
from services.monitor.store.alerts import project
from services.monitor.web import api, lists, stream
from services.runtime.process import Shell
from services.runtime.service import Loop, Service
from services.runtime.store.documents import Edition

JOURNAL_S = 5.0
"""Machine seconds between two looks at what has been said long enough ago."""


TELLING_S = 1.0
"""Machine seconds between two looks at whether somebody is to be told something."""


def under(edition: Edition) -> Core[MonitoredCase]:
    """The core that keeps to these rules. Raises `ValueError` for rules that cannot be read."""
    return partial(handle, rule_store.edition(*edition))


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
    core=partial(handle, rule_store.shipped()),
    state=MonitoredCase,
    consumes=CONSUMES,
    migrations=Path(__file__).parent / "migrations",
    routes=routes,
    project=project,
    background=background,
    ledger_read=JOURNALED,
    rules=lambda: rule_store.shipped().said.model_dump(mode="json", by_alias=True),
    under=under,
)
