"""Every endpoint names its act, and each role gets what the table of rights gives it, and nothing else."""

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import SecretStr

from contracts.messages.documents import PostsPublished, PublishedPost
from contracts.rights.holders import Holders
from contracts.rights.table import RIGHTS, Act, Role
from services.identity.web.routes import applications as issuer_applications
from services.intake.app import SERVICE as INTAKE
from services.monitor.app import SERVICE as MONITOR
from services.routing.app import SERVICE as ROUTING
from services.runtime.http.app import application, web_application
from services.runtime.http.operating import topics
from services.runtime.http.pages.application import service_pages
from services.runtime.security.access import Access, Check
from services.runtime.security.access_tokens import TokenVerifier
from services.runtime.service import Service
from services.runtime.settings import Settings
from tests.support.identity.issuing import issuer_without_database
from tests.support.messages import MONDAY
from tests.support.runtime.fakes import MemoryHost, MemoryRecord, NoTopics
from tests.support.staff import AUDIENCE, ISSUER
from tools import rights_table

PUBLIC = {
    ("intake", "POST", "/cases"): "an applicant needs no account",
    ("intake", "GET", "/cases/{number}"): "the secret of the case is asked for",
    ("intake", "POST", "/cases/{number}/tracking"): "the secret of the case is asked for",
    ("intake", "GET", "/catalogue"): "the catalogue is public",
    ("pages of monitor", "GET", "/home"): "it shows nothing but the way to the first page of each person",
    **{
        (f"pages of {service}", "GET", f"/assets/{service}/{{file}}"): "style and script are the same for all"
        for service in ("intake", "routing", "monitor", "identity")
    },
}
"""The endpoints without an act, and why."""

NOT_AN_ENDPOINT_YET = {Act.ACCEPT_CASE, Act.READ_CASE, Act.RECOUNT_FIGURES, Act.MANAGE_WALLS}
"""Acts that are commands, or belong to pages."""


class Endpoint(NamedTuple):
    service: str
    method: str
    path: str
    acts: frozenset[Act]


def access_of(role: Role) -> Access:
    """Access of a person with one post of this role, for everything."""
    access = Access(TokenVerifier(ISSUER.url, AUDIENCE), lambda: date(2026, 3, 2), MemoryRecord())
    access.holders = Holders(PostsPublished(posts=(PublishedPost(role=role.value, person=role.value),)))
    return access


def applications(role: Role) -> dict[str, FastAPI]:
    found: dict[str, FastAPI] = {}
    services: tuple[Service[Any], ...] = (INTAKE, MONITOR, ROUTING)
    for service in services:
        settings = Settings(
            service=service.name,
            systems=("tax", "commerce", "land"),
            database=SecretStr("postgresql+asyncpg://127.0.0.1:1/none"),
            secret_key=SecretStr("a secret key of more than thirty-two bytes"),
            documents_key=SecretStr("k" * 32),
        )
        host = MemoryHost(service, settings, MONDAY)
        host.access = access_of(role)
        found[service.name] = application(service, host)
        found[f"pages of {service.name}"] = service_pages(service, host)
    issuer = issuer_without_database(access_of(role))
    found["identity"], found["pages of identity"] = issuer_applications(issuer).with_rights
    found["operator"] = web_application("operator", topics.routes(NoTopics(), access_of(role)), record=MemoryRecord())
    return found


def acts_of(dependant: Dependant) -> Iterator[Act]:
    if isinstance(dependant.call, Check):
        yield dependant.call.act
    for one in dependant.dependencies:
        yield from acts_of(one)


def routes_of(routes: Iterable[Any]) -> Iterator[APIRoute]:
    """These routes, and those of the routers among them."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif (router := getattr(route, "original_router", None)) is not None:
            yield from routes_of(router.routes)


def endpoints() -> list[Endpoint]:
    found = []
    for service, app in applications(Role.AUDITOR).items():
        for route in routes_of(app.routes):
            for method in sorted(route.methods or ()):
                found.append(Endpoint(service, method, route.path, frozenset(acts_of(route.dependant))))
    return found


ENDPOINTS = endpoints()


def test_every_endpoint_has_one_act_or_is_public_for_a_reason() -> None:
    for service, app in applications(Role.AUDITOR).items():
        described = {(method.upper(), path) for path, of in app.openapi()["paths"].items() for method in of}
        found = {(one.method, one.path) for one in ENDPOINTS if one.service == service}
        assert found if service.startswith("pages") else described == found
    without = {one[:3] for one in ENDPOINTS if not one.acts}
    assert without == set(PUBLIC)
    assert all(len(one.acts) == 1 for one in ENDPOINTS if one.acts)


def test_every_act_has_an_endpoint_or_is_known_to_have_none() -> None:
    assert {act for one in ENDPOINTS for act in one.acts} == set(Act) - NOT_AN_ENDPOINT_YET


@pytest.mark.parametrize("role", Role)
def test_each_role_is_answered_by_what_the_table_gives_it(role: Role) -> None:
    clients = {name: TestClient(app, raise_server_exceptions=False) for name, app in applications(role).items()}
    for service, method, path, acts in ENDPOINTS:
        numbered = any(part in path for part in ("alerts", "digests", "letters"))
        address = re.sub(r"\{\w+\}", "1" if numbered else "0000-0000-0000-0", path)
        for person, allowed in ((role.value, acts <= RIGHTS[role].keys()), ("somebody without a post", not acts)):
            if method == "GET" and path == "/stream" and allowed:
                continue  # without end
            answer = clients[service].request(method, address, headers=ISSUER.header(person))
            assert (answer.status_code == 403) is not allowed, (service, method, path, person, answer.text)
            assert answer.status_code != 401
        anonymous = clients[service].request(method, address)
        assert (anonymous.status_code == 401) is bool(acts), (service, method, path)


def test_the_table_in_the_documents_is_up_to_date() -> None:
    text = rights_table.DOCUMENT.read_text(encoding="utf-8")
    assert text == rights_table.markdown(), "write it anew: make generated"
