"""The pages of operators, which every service has: its state, and its dead letters; one service shows all processes."""

from typing import Any

from fastapi import APIRouter

from services.runtime.http.pages.operations import letter, letters, platform, process
from services.runtime.http.pages.rendering import Pages
from services.runtime.service import Service, ServiceHost


def add(router: APIRouter, pages: Pages, host: ServiceHost[Any], service: Service[Any]) -> None:
    """Add the pages of a service."""
    if service.watches_processes:
        platform.add(router, pages, host)
    process.add(router, pages, host, service)
    letters.add(router, pages, host, service)
    letter.add(router, pages, host, service)
