"""The application of a service's pages."""

from fastapi import APIRouter, FastAPI
from starlette.middleware.gzip import GZipMiddleware

from services.runtime.http.app import web_application
from services.runtime.http.pages.errors import error_pages
from services.runtime.http.pages.headers import PageHeaders, page_headers
from services.runtime.http.pages.preferences import TidyAddresses
from services.runtime.http.pages.rendering import Pages
from services.runtime.security.access_record import AccessRecord

SMALLEST_COMPRESSED = 1024
"""Bytes from which a page is compressed."""


def pages_application(
    name: str, router: APIRouter | None, pages: Pages | None = None, record: AccessRecord | None = None
) -> FastAPI:
    """The pages of a service, its errors as pages. ``router``: see `Pages.router`; None for a service without any.

    ``record``: see `web_application`.
    """
    shared = pages or Pages(name)
    headers = page_headers()
    app = web_application(name, router, answer=error_pages(shared, headers), record=record)
    app.router.routes.extend(shared.router().routes)
    app.add_middleware(TidyAddresses)
    # No page of a service has a secret of its own that a length could betray: other sites cannot send its forms.
    app.add_middleware(GZipMiddleware, minimum_size=SMALLEST_COMPRESSED, compresslevel=5)
    app.add_middleware(PageHeaders, headers=headers)
    return app
