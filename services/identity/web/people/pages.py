"""The pages for managing people."""

from fastapi import APIRouter

from services.identity.web.issuer import Issuer


def routes(issuer: Issuer) -> APIRouter:
    """The routes of the pages."""
    return APIRouter(include_in_schema=False)
