"""All that others send and people write: numbers are numbers, a name stands once, each fault has words for people."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, SecretStr, TypeAdapter

import services
import services.intake.web
import services.monitor.web
from contracts.working_time.notices import Notice
from services.identity.core.clients import Clients
from services.intake.app import SERVICE as INTAKE
from services.intake.core.catalogue.models import Catalogue
from services.intake.web.requests import ImportRow
from services.monitor.app import SERVICE as MONITOR
from services.monitor.core.notifications.directory_file import DirectoryFile
from services.monitor.core.rules import RuleFile
from services.runtime.fault_text import PATTERNS
from services.runtime.http.app import application
from services.runtime.service import Service
from services.runtime.settings import Settings
from tests.support.messages import MONDAY
from tests.support.runtime.fakes import MemoryHost
from tests.support.staff import STAFF

DOCUMENTS: tuple[type[BaseModel], ...] = (RuleFile, DirectoryFile, Catalogue, Notice, Clients)


def application_of(service: Service[Any]) -> FastAPI:
    settings = Settings(
        service=service.name,
        systems=("tax", "commerce", "land"),
        database=SecretStr("postgresql+asyncpg://127.0.0.1:1/none"),
        secret_key=SecretStr("a secret key of more than thirty-two bytes"),
        documents_key=SecretStr("k" * 32),
    )
    host = MemoryHost(service, settings, MONDAY)
    return application(service, host)


APPLICATIONS = {service.name: application_of(service) for service in (INTAKE, MONITOR)}
SERVICES = {name: TestClient(app, headers=STAFF, raise_server_exceptions=False) for name, app in APPLICATIONS.items()}


def descriptions() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Service, method, path and description of every endpoint."""
    for name, app in APPLICATIONS.items():
        for path, methods in app.openapi()["paths"].items():
            for method, description in methods.items():
                yield name, method, path, description


POSTS = [(name, path) for name, method, path, described in descriptions() if "requestBody" in described]


def address_of(path: str) -> str:
    """The path with parameters that are valid."""
    return re.sub(r"\{\w+\}", "1" if path.startswith("/alerts") else "0000-0000-0000-0", path)


def test_there_are_bodies_in_both_services() -> None:
    assert {("intake", "/cases"), ("intake", "/imports"), ("monitor", "/alerts/acknowledgements")} <= set(POSTS)
    assert len(POSTS) >= 12


@pytest.mark.parametrize(("service", "path"), POSTS)
def test_a_body_in_which_a_name_stands_twice_is_refused_with_both_lines(service: str, path: str) -> None:
    content = b'[{"reason": "a",\n "reason": "b"}]' if path == "/imports" else b'{"reason": "a",\n "reason": "b"}'
    answer = SERVICES[service].post(address_of(path), content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    (fault,) = answer.json()["errors"]
    assert fault["pointer"].endswith("/reason")
    assert "in line 1 and in line 2" in fault["detail"] and "第 1 行和第 2 行" in fault["detail_zh"]


@pytest.mark.parametrize(("service", "path"), POSTS)
def test_a_body_that_is_no_json_is_refused_with_its_place(service: str, path: str) -> None:
    answer = SERVICES[service].post(
        address_of(path), content=b'{"a":\n 1,}', headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400, answer.text
    assert "line 2, column " in answer.json()["detail"] and "第 2 行第 " in answer.json()["detail_zh"]


QUERIES = [
    (name, path, parameter["name"])
    for name, method, path, described in descriptions()
    for parameter in described.get("parameters", [])
    if method == "get" and parameter["in"] == "query" and name == "monitor"
]


@pytest.mark.parametrize(("service", "path", "parameter"), QUERIES)
def test_a_filter_that_is_given_twice_is_refused(service: str, path: str, parameter: str) -> None:
    answer = SERVICES[service].get(f"{address_of(path)}?{parameter}=1&{parameter}=2")
    assert answer.status_code == 422, answer.text
    assert {"parameter": parameter, "detail": "is given twice; keep one", "detail_zh": "重复给出，请只保留一个"} in (
        answer.json()["errors"]
    )


SECRET = re.compile("secret|token|password|passkey|code_verifier|id_number|applicant|phone", re.IGNORECASE)
"""Names of what must not stand in an address, which histories, logs and proxies keep."""


def test_no_secret_and_nothing_personal_stands_in_an_address() -> None:
    names = {
        parameter["name"]
        for *_, described in descriptions()
        for parameter in described.get("parameters", [])
        if parameter["in"] in ("path", "query")
    }
    assert {"number", "case_id", "after", "region"} <= names
    assert not [name for name in names if SECRET.search(name)]


def test_readers_of_whole_queries_take_no_secret_from_them() -> None:
    """The modules that read a query by themselves, and the names that they read."""
    read = re.compile(r"quer(?:y|y_params)\.get\(\"(\w+)\"\)|query_params\[\"(\w+)\"\]")
    found = {
        name
        for room in ("intake", "monitor", "identity", "runtime")
        for file in Path(services.__path__[0], room).rglob("*.py")
        for match in read.findall(file.read_text(encoding="utf-8"))
        for name in match
        if name
    }
    assert {"next", "state"} <= found
    assert not [name for name in found if SECRET.search(name)]


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """All parts of a schema."""
    if isinstance(schema, dict):
        yield schema
        for part in schema.values():
            yield from nodes(part)
    elif isinstance(schema, list | tuple):
        for part in schema:
            yield from nodes(part)


def test_every_pattern_has_a_meaning_for_people() -> None:
    written = [*(described for *_, described in descriptions()), *(model.model_json_schema() for model in DOCUMENTS)]
    patterns = {node["pattern"] for node in nodes(written) if isinstance(node.get("pattern"), str)}
    assert patterns
    assert patterns <= PATTERNS.keys()


def bodies() -> dict[str, TypeAdapter[Any]]:
    """The models of all bodies and documents."""
    models: set[type[BaseModel]] = {ImportRow, *DOCUMENTS}
    for package in (services.intake.web, services.monitor.web):
        for found in walk_packages(package.__path__, f"{package.__name__}."):
            for part in vars(import_module(found.name)).values():
                if isinstance(part, type) and issubclass(part, BaseModel) and part.__name__.endswith("Request"):
                    models.add(part)
    return {model.__name__: TypeAdapter(model) for model in models}


BODIES = bodies()


@pytest.mark.parametrize("model", sorted(BODIES))
def test_true_is_no_number_and_one_is_not_true(model: str) -> None:
    assert {
        "CaseRequest",
        "ExtensionRequest",
        "AcknowledgementRequest",
        "DecisionRequest",
        "TimerRequest",
    } <= BODIES.keys()
    schema = BODIES[model].core_schema
    numbers = [node for node in nodes(schema) if node.get("type") in ("int", "float", "bool")]
    assert all(node.get("strict") for node in numbers), [node for node in numbers if not node.get("strict")]
