"""The monitor service, as it is given to the host."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import APIRouter

from services.monitor.core.handle import CONSUMES, handle
from services.monitor.core.state import MonitoredCase
from services.monitor.journal.blocks import signing_key
from services.monitor.journal.writer import JOURNALED, JournalWriter
from services.monitor.notifications.digest_builder import DigestBuilder
from services.monitor.notifications.digest_collector import DigestCollector
from services.monitor.notifications.digest_sender import DigestSender
from services.monitor.settings import MonitorSettings
from services.monitor.store import directory_store, rule_store
from services.monitor.store.alerts import project
from services.monitor.web import api, lists, stream
from services.runtime.configuration import read
from services.runtime.service import Loop, Service, ServiceHost

JOURNAL_S = 5.0
"""Machine seconds between two looks at what has been said long enough ago."""


TELLING_S = 1.0
"""Machine seconds between two looks at whether somebody is to be told something."""


def background(host: ServiceHost[MonitoredCase]) -> Sequence[Loop]:
    """The journal is written, and people are told, behind the back of the decisions."""
    key = signing_key(host.settings.secret_key.get_secret_value())
    own = read(MonitorSettings)
    quiet, longest = timedelta(seconds=own.digest_quiet_s), timedelta(seconds=own.digest_longest_s)
    sealing = DigestBuilder(host.database, host.clock, quiet, longest)
    return [
        Loop("journal", JournalWriter(host.database, key).run_once, JOURNAL_S),
        Loop("gathering", DigestCollector(host.database, host.clock).run_once, TELLING_S),
        Loop("sealing", sealing.run_once, TELLING_S),
        Loop("sending", DigestSender(host.database, own.channels, host.settings.call_timeout_s).run_once, TELLING_S),
    ]


def routes(host: ServiceHost[MonitoredCase]) -> APIRouter:
    """Everything that monitor answers by HTTP."""
    router = APIRouter()
    for part in (api, lists, stream):
        router.include_router(part.routes(host))
    return router


SERVICE = Service(
    name="monitor",
    core=partial(handle, rule_store.shipped()),
    state=MonitoredCase,
    consumes=CONSUMES,
    migrations=Path(__file__).parent / "migrations",
    routes=routes,
    projection=project,
    background=background,
    outbox_read_until=JOURNALED,
    documents=(rule_store.RULES, directory_store.DIRECTORY),
)
