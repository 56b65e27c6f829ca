"""All pages of monitor."""

from collections.abc import Mapping

from fastapi import APIRouter

from services.monitor.core.board.ranks import Pool
from services.monitor.core.names import NamesInForce
from services.monitor.core.state import MonitoredCase
from services.monitor.store.lists.query_limits import LimitedQueries
from services.monitor.web.pages import audit, board, cases, figures_page, home
from services.monitor.web.pages.alerts import acknowledgement, alert, listing
from services.monitor.web.pages.bulletin import page as bulletin
from services.monitor.web.pages.bulletin.document import Documents
from services.monitor.web.pages.case_time import page as case_time
from services.monitor.web.pages.proposals import page as proposals
from services.monitor.web.pages.wall import page as wall
from services.monitor.web.pages.way import Ways
from services.monitor.web.pages.worklists import lists
from services.runtime.http.pages.languages import LANGUAGES
from services.runtime.http.pages.rendering import Pages
from services.runtime.service import ServiceHost


def routes(
    host: ServiceHost[MonitoredCase], queries: LimitedQueries, pools: Mapping[str, Pool], names: NamesInForce
) -> APIRouter:
    """The routes of the pages."""
    pages = _pages()
    router = pages.router()
    ways = Ways(host, queries)
    board.add(router, pages, host, queries, pools, names)
    cases.add(router, pages, host, queries, names)
    home.add(router, pages, host, names)
    figures_page.add(router, pages, host)
    wall.add(router, pages, host, queries, pools, names)
    bulletin.add(router, pages, host, queries, pools, names, _documents(pages, names))
    lists.add(router, pages, host, queries, names)
    acknowledgement.add(router, pages, host, names)
    listing.add(router, pages, host, names)
    alert.add(router, pages, host, names, ways)
    case_time.add(router, pages, host, names, ways)
    audit.add(router, pages, host)
    proposals.add(router, pages, host, names)
    return router


def documents(names: NamesInForce) -> Documents:
    """The documents for print, with the words of the pages."""
    return _documents(_pages(), names)


def _pages() -> Pages:
    return Pages("monitor", __package__)


def _documents(pages: Pages, names: NamesInForce) -> Documents:
    return Documents({language: pages.texts(language) for language in LANGUAGES}, names)
