"""``onedoor serve``: one service against given addresses, as a cluster runs it."""

import asyncio
import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.site import kept_port
from tests.support.installation import COMMAND
from tests.support.staff import ISSUER
from tests.support.waiting import eventually


@contextmanager
def serving(database: str, kafka: str, tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str, str, Path]]:
    """A process that serves routing: itself, its public address, that for operators, its log."""
    port, operator_port = kept_port(tmp_path / "port"), kept_port(tmp_path / "operator-port")
    own = {
        "ONEDOOR_SYSTEMS": "tax,commerce,land",
        "ONEDOOR_DATABASE": database,
        "ONEDOOR_KAFKA": kafka,
        "ONEDOOR_PORT": str(port),
        "ONEDOOR_OPERATOR_PORT": str(operator_port),
        "ONEDOOR_SECRET_KEY": "k" * 32,
        "ONEDOOR_DOCUMENTS_KEY": "k" * 32,
        "ONEDOOR_ISSUER": ISSUER.url,
        "ONEDOOR_TOPIC_PREFIX": "serve-",
    }
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen([*COMMAND, "serve", "routing"], env={**os.environ, **own}, stdout=out, stderr=out)
    try:
        yield process, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{operator_port}", log
    finally:
        process.kill()
        process.wait()


def answer(address: str, path: str) -> tuple[int, str]:
    """Status and body; status 0 while no process listens."""
    try:
        with urllib.request.urlopen(address + path, timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def wait_for_answer(address: str, path: str, status: int, text: str = "") -> str:
    """The body of the first answer with this status and text."""
    body = ""

    async def answered() -> bool:
        nonlocal body
        found, body = answer(address, path)
        return found == status and text in body

    asyncio.run(eventually(answered, 30, f"{path} answers {status} {text}"))
    return body


def test_it_answers_when_it_is_ready_and_stops_in_order(database_url: str, kafka_address: str, tmp_path: Path) -> None:
    migrated = subprocess.run([*COMMAND, "migrate", "routing", "--database", database_url], check=False)
    assert migrated.returncode == 0
    with serving(database_url, kafka_address, tmp_path) as (process, public, operators, log):
        assert json.loads(wait_for_answer(operators, "/health/ready", 200)) == {"status": "ready", "faults": []}
        assert answer(operators, "/health/live")[0] == 200
        assert "onedoor_dead_letters_total" in answer(operators, "/metrics")[1]
        assert json.loads(answer(operators, "/openapi.json")[1])["servers"] == [{"url": "/api/routing"}]
        assert answer(operators, "/topics")[0] == 401
        assert answer(public, "/health") == (200, "")
        for path in ("/health/ready", "/health/live", "/metrics", "/openapi.json"):
            assert [answer(public, prefix + path)[0] for prefix in ("", "/api/routing")] == [404, 404], path
        assert [answer(public, prefix + "/topics")[0] for prefix in ("", "/api/routing")] == [404, 401]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
        lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines[-1]["event"] == "stopped"
    assert {line["service"] for line in lines} == {"routing"}


def test_a_database_that_is_not_up_to_date_is_reported_with_the_command_to_run(
    database_url: str, kafka_address: str, tmp_path: Path
) -> None:
    with serving(database_url, kafka_address, tmp_path) as (process, public, operators, _):
        wait_for_answer(operators, "/health/ready", 503, "run 'onedoor migrate'")
        assert answer(operators, "/health/live")[0] == 200
        assert answer(public, "/health") == (503, ""), "the public is not told why"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def test_without_kafka_it_is_not_ready(database_url: str, tmp_path: Path) -> None:
    with serving(database_url, "127.0.0.1:1", tmp_path) as (process, _, operators, _):
        wait_for_answer(operators, "/health/ready", 503, "not a member of the consumer group")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
