"""The application of a service's pages."""

from typing import TypeVar

from fastapi import APIRouter, FastAPI
from starlette.middleware.gzip import GZipMiddleware

from contracts.values import Value
from services.runtime.http.app import web_application
from services.runtime.http.pages import operations
from services.runtime.http.pages.audit import journal, record
from services.runtime.http.pages.errors import error_pages
from services.runtime.http.pages.headers import PageHeaders, page_headers
from services.runtime.http.pages.preferences import TidyAddresses
from services.runtime.http.pages.rendering import Pages
from services.runtime.security.access_record import AccessRecord
from services.runtime.service import Service, ServiceHost

S = TypeVar("S", bound=Value)

SMALLEST_COMPRESSED = 1024
"""Bytes from which a page is compressed."""


def service_pages(service: Service[S], host: ServiceHost[S]) -> FastAPI:
    """All pages of a service: its own, and those that every service has."""
    shared, common = Pages(service.name), APIRouter()
    record.add(common, shared, host, service.name, host.settings.secret_key, host.settings.systems)
    if service.decisions:
        journal.add(common, shared, host, service.name)
    operations.add(common, shared, host, service)
    own = [service.pages(host)] if service.pages is not None else []
    return pages_application(service.name, *own, common, record=host.access.record)


def pages_application(name: str, *routers: APIRouter, record: AccessRecord | None = None) -> FastAPI:
    """An application of pages, its errors as pages. ``routers``: see `Pages.router`.

    ``record``: see `web_application`.
    """
    shared = Pages(name)
    headers = page_headers()
    app = web_application(name, answer=error_pages(shared, headers), record=record)
    for router in (*routers, shared.router()):
        app.router.routes.extend(router.routes)
    app.add_middleware(TidyAddresses)
    # No page of a service has a secret of its own that a length could betray: other sites cannot send its forms.
    app.add_middleware(GZipMiddleware, minimum_size=SMALLEST_COMPRESSED, compresslevel=5)
    app.add_middleware(PageHeaders, headers=headers)
    return app
