"""The monitor service, as it is declared to the process that runs it."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import APIRouter

from contracts.messages.documents import NamesPublished
from services.monitor.core.decisions import DECISIONS
from services.monitor.core.handle import CONSUMES, handle
from services.monitor.core.names import NamesInForce
from services.monitor.core.state import MonitoredCase
from services.monitor.jobs.figure_counter import FigureCounter
from services.monitor.notifications.digest_builder import DigestBuilder
from services.monitor.notifications.digest_collector import DigestCollector
from services.monitor.notifications.digest_sender import DigestSender
from services.monitor.settings import MonitorSettings
from services.monitor.store import rule_store
from services.monitor.store.lists.query_limits import LimitedQueries
from services.monitor.store.notifications import directory_store
from services.monitor.store.projection import project
from services.monitor.web import alerts, bulletin, cases, digests, directory, proposals, rules, stream
from services.monitor.web.actions import alert_actions, doubtful_times, holds
from services.monitor.web.board import board
from services.monitor.web.board import cases as board_cases
from services.monitor.web.lists import due, overdue
from services.monitor.web.pages import routes as page_routes
from services.runtime.configuration import read
from services.runtime.service import Loop, Service, ServiceHost

NOTIFICATIONS_S = 1.0
"""Machine seconds between two runs of each job of notifications."""


FIGURES_S = 1.0
"""Machine seconds between two looks for changes that the figures do not count yet."""


def background(host: ServiceHost[MonitoredCase]) -> Sequence[Loop]:
    """The figures and the notifications: jobs of their own, so that decisions do not wait for them."""
    own = read(MonitorSettings)
    quiet, longest = timedelta(seconds=own.digest_quiet_s), timedelta(seconds=own.digest_longest_s)
    collector = DigestCollector(host.database, host.clock)
    builder = DigestBuilder(host.database, host.clock, quiet, longest, _names(host))
    sender = DigestSender(host.database, own.channels, host.settings.call_timeout_s)
    return [
        Loop("figures", FigureCounter(host.database, own.figures_longest_s).run_once, FIGURES_S),
        Loop("digest collector", collector.run_once, NOTIFICATIONS_S),
        Loop("digest builder", builder.run_once, NOTIFICATIONS_S),
        Loop("digest sender", sender.run_once, NOTIFICATIONS_S),
    ]


def _names(host: ServiceHost[MonitoredCase]) -> NamesInForce:
    return NamesInForce(partial(host.document, NamesPublished))


def routes(host: ServiceHost[MonitoredCase]) -> APIRouter:
    """All endpoints of monitor."""
    router = APIRouter()
    queries = LimitedQueries(host.database)
    for part in (alert_actions, directory, holds, proposals, rules, stream):
        router.include_router(part.routes(host))
    names = _names(host)
    for limited in (cases, digests):
        router.include_router(limited.routes(host, queries))
    for listed in (alerts, board_cases, doubtful_times, due, overdue):
        router.include_router(listed.routes(host, queries, names))
    pools = read(MonitorSettings).region_pools
    router.include_router(board.routes(host, queries, pools, names))
    router.include_router(bulletin.routes(host, queries, pools, page_routes.documents(names)))
    return router


def pages(host: ServiceHost[MonitoredCase]) -> APIRouter:
    """All pages of monitor."""
    return page_routes.routes(host, LimitedQueries(host.database), read(MonitorSettings).region_pools, _names(host))


SERVICE = Service(
    name="monitor",
    core=partial(handle, rule_store.shipped()),
    state=MonitoredCase,
    consumes=CONSUMES,
    migrations=Path(__file__).parent / "migrations",
    routes=routes,
    pages=pages,
    projection=project,
    background=background,
    decisions=DECISIONS,
    documents=(rule_store.RULES, directory_store.DIRECTORY),
    records_changes=True,
    published=lambda: (directory_store.posts_in_force, rule_store.almanac_in_force),
    watches_processes=True,
)
