"""Every endpoint of every service follows its OpenAPI document, and only staff may call those of staff."""

import asyncio
import os
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner

from services.registry import CORE_SERVICES, default_systems
from tests.hostile.attacked_centre import processes
from tests.support.centre import Centre
from tests.support.staff import TOKEN

SYSTEMS = default_systems()

pytestmark = pytest.mark.asyncio(loop_scope="package")

SERVICES = (*CORE_SERVICES, *SYSTEMS)
WITH_API = ("intake", "monitor")
"""The others have those endpoints alone that every service has."""

EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "10"))
SEED = int(os.environ.get("HOSTILE_SEED", "20261122"))

NOT_CHECKED = "positive_data_acceptance"
"""A schema cannot express check characters, nor the bundles of the catalogue."""

ENDLESS = "/stream"
"""An endless answer has a test of its own."""

RUNS = (
    *(
        (service, ("--exclude-path", "/imports", "--exclude-path", ENDLESS, "--exclude-checks", NOT_CHECKED))
        for service in WITH_API
    ),
    # The answer is 200, and lists the refused rows.
    ("intake", ("--include-path", "/imports", "--exclude-checks", f"{NOT_CHECKED},negative_data_rejection")),
)
"""Services to test, with options of schemathesis."""

OPEN = {
    "intake": {
        ("post", "/cases"),
        ("get", "/cases/{number}"),
        ("post", "/cases/{number}/tracking"),
        ("get", "/catalogue"),
    },
}
"""Endpoints that anybody may call: all others are for staff."""

SANDBOX_PATHS = ("/oauth/token", "/applications", "/applications/decided", "/applications/decided/acknowledged", "/")
JUNK = (b"", b"\xff\xfe", b"{", b"null", b"[" * 100_000, b'{"entries":["\\u0000"]}', b"grant_type=%ff", b"\x00" * 1000)


async def document_of(centre: Centre, service: str) -> dict[str, Any]:
    document: dict[str, Any] = (await centre.client.get(description(centre, service))).json()
    return document


def description(centre: Centre, service: str) -> str:
    return f"{centre.platform.operator_address(service)}/openapi.json"


@pytest.mark.timeout(max(120, 2 * EXAMPLES))
@pytest.mark.parametrize(("service", "options"), RUNS)
async def test_endpoints_follow_their_description(
    centre: Centre, service: str, options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from schemathesis.cli import schemathesis  # its import takes longer than most tests, and one worker needs it

    monkeypatch.chdir(tmp_path)  # it writes files where it runs
    before = processes(centre.platform)
    log = centre.platform.folder / "logs" / f"{service}.log"
    size = log.stat().st_size
    arguments = (
        *("run", description(centre, service), "--url", centre.platform.api(service)),
        *(*options, "--checks", "all", "--max-examples", str(EXAMPLES), "--seed", str(SEED)),
        *("--header", f"Authorization: Bearer {TOKEN}", "--request-timeout", "10", "--max-response-time", "5"),
        # One worker, as by default: in two threads at once, the parser of Python 3.11 fails now and then.
        *("--no-shrink", "--warnings", "off", "--generation-database", "none", "--no-color"),
    )
    # In this process: a process of its own for each would import and prepare everything again.
    result = await asyncio.to_thread(CliRunner().invoke, schemathesis, arguments)
    assert result.exit_code == 0, result.output
    assert processes(centre.platform) == before
    with log.open("rb") as lines:
        lines.seek(size)
        assert b"Traceback" not in lines.read()


async def test_the_endless_answer_follows_its_description_and_refuses_nonsense(centre: Centre) -> None:
    described = (await document_of(centre, "monitor"))["paths"][ENDLESS]["get"]
    assert described["responses"]["200"]["content"].keys() == {"text/event-stream"}
    address = f"{centre.platform.api('monitor')}{ENDLESS}"
    async with centre.client.stream("GET", address) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert (await anext(answer.aiter_lines())).startswith("id: ")
    wrong = [{name: junk} for name in ("region", "rung") for junk in ("", "\x00", "x" * 500, "税", "-1", "9" * 40)]
    for params in (*wrong, {"owner": "\x00"}, {"owner": "x" * 500}, {"colour": "red"}):
        answer = await centre.client.get(address, params=params)
        assert answer.status_code == httpx2.codes.UNPROCESSABLE_CONTENT, params
    for junk in (b"", b"x", b"\xff", b"1.2.3", b"9" * 19 + b".0.1", b"-1.0.1", "１.0.1".encode()):
        answer = await centre.client.get(address, headers={b"Last-Event-ID": junk})
        assert answer.status_code == httpx2.codes.UNPROCESSABLE_CONTENT, junk
    for method in ("POST", "PUT", "DELETE"):
        assert (await centre.client.request(method, address)).status_code == httpx2.codes.METHOD_NOT_ALLOWED


@pytest.mark.parametrize("service", SERVICES)
async def test_all_endpoints_but_the_public_ones_require_a_token(centre: Centre, service: str) -> None:
    document = await document_of(centre, service)
    operations = {(method, path): one for path, methods in document["paths"].items() for method, one in methods.items()}
    assert operations
    public: set[tuple[str, str]] = OPEN.get(service, set())
    assert {place for place, one in operations.items() if not one.get("security")} == public
    async with httpx2.AsyncClient(base_url=centre.platform.api(service)) as stranger:
        for method, path in operations.keys() - public:
            for header in ({}, *({b"Authorization": given.encode("latin-1")} for given in WRONG)):
                answer = await stranger.request(method, path.replace("{case_id}", "K7Q2-9MXF-4TBA-3"), headers=header)
                assert answer.status_code == httpx2.codes.UNAUTHORIZED, (method, path, header)
                assert answer.headers["www-authenticate"].split()[0] == "Bearer"
                assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("service", SERVICES)
async def test_the_public_port_has_nothing_for_operators(centre: Centre, service: str) -> None:
    public, api = centre.platform.address(service), centre.platform.api(service)
    paths = ("/health/ready", "/health/live", "/metrics", "/openapi.json")
    topics = ("/topics", "/topics/onedoor.cases/resume")  # as endpoints of the API they need a right
    for address in (*(public + path for path in (*paths, *topics)), *(api + path for path in paths)):
        assert (await centre.client.get(address)).status_code == httpx2.codes.NOT_FOUND, address
    health = await centre.client.get(f"{centre.platform.address(service)}/health")
    assert (health.status_code, health.content) == (httpx2.codes.OK, b"")


WRONG = (
    *("Bearer", "Bearer x", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"),
    *(f"Bearer {TOKEN.upper()}", f"Bearer {TOKEN}, Bearer {TOKEN}", "Bearer ÿ", "Bearer " + "x" * 20_000),
)


async def test_the_sandbox_of_tax_survives_nonsense(centre: Centre) -> None:
    before = processes(centre.platform)
    port = (centre.platform.folder / "addresses" / "sandbox-tax.port").read_text().strip()
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as stranger:
        for path in SANDBOX_PATHS:
            for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
                for junk in JUNK:
                    given = {"Authorization": "Bearer x.y", "Content-Type": "application/json"}
                    answer = await stranger.request(method, path, content=junk, headers=given)
                    assert answer.status_code < httpx2.codes.INTERNAL_SERVER_ERROR, (method, path, junk[:20])
    assert processes(centre.platform) == before
