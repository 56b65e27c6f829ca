"""The pages of operators where the databases and Kafka are away, and paused topics that are read on from there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from contracts.bilingual import Bilingual
from contracts.messages.processes import PausedTopic, ProcessReported, Reason
from services.runtime.http.operating import judgement
from services.runtime.http.pages.application import service_pages
from services.runtime.http.pages.operations.shown import Shown
from services.runtime.http.pages.rendering import Pages
from services.runtime.process import ServiceProcess
from services.runtime.service import ServiceHost
from tests.support.runtime.fakes import MemoryHost
from tests.support.runtime.toy import TOPIC, Tally, settings, toy
from tests.support.staff import HOLDERS, ISSUER, STAFF

NOW = datetime(2026, 11, 28, 19, 30, tzinfo=UTC)

NOWHERE = "postgresql+asyncpg://127.0.0.1:1/none"

WATCHING = toy(watches_processes=True)


class Pause:
    """A pause of the toy's topic."""

    since = NOW
    reason = Bilingual("too many dead letters", "死信过多")


class PausedHost(MemoryHost[Tally]):
    """A process that has paused the toy's topic."""

    async def report(self) -> ProcessReported:
        report = await super().report()
        return report.replace(
            paused=tuple(
                PausedTopic(topic=topic, since=one.since, reason=Reason(en=one.reason.en, zh=one.reason.zh))
                for topic, one in self.consumer.paused.items()
            )
        )


def client(host: ServiceHost[Any], language: str = "en") -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(service_pages(WATCHING, host))
    headers = {**STAFF, "Accept-Language": language}
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=headers)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("Kafka has delivered no report since", "The database of toy cannot be read", "Not ready")),
        ("zh", ("Kafka 未送达任何报告", "无法读取 toy 的数据库", "未就绪")),
    ],
)
async def test_the_page_is_useful_while_kafka_and_the_database_are_down(
    language: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judgement, "SILENT", timedelta())
    process = ServiceProcess(WATCHING, settings(NOWHERE, kafka="127.0.0.1:1", issuer=ISSUER.url))
    process.access.holders = HOLDERS
    async with client(process, language) as operator:
        page = await operator.get("/ops")
        own = await operator.get("/ops/toy")
    assert (page.status_code, own.status_code) == (200, 200)
    for part in words:
        assert part in page.text
    assert words[1] in own.text


async def test_a_paused_topic_is_read_on_from_the_page_of_the_process_that_has_paused_it() -> None:
    host = PausedHost(WATCHING, settings(NOWHERE), NOW)
    host.consumer.topics = (TOPIC,)
    host.consumer.paused = {TOPIC: Pause()}
    async with client(host) as operator:
        shown = (await operator.get("/ops/toy")).text
        assert "too many dead letters" in shown and "Read it on" in shown
        done = await operator.post("/ops/toy/resume", data={"topic": TOPIC})
        assert done.status_code == 303
        assert "The topic is read on" in (await operator.get(done.headers["location"])).text
        again = await operator.post("/ops/toy/resume", data={"topic": TOPIC})
        assert again.status_code == 409 and "Another process of the service has answered" in again.text


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "–"), (0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d")]
)
def test_a_length_of_time_has_one_unit(seconds: float | None, words: str) -> None:
    assert Shown("en", Pages("toy").texts("en"), NOW).seconds(seconds) == words


@pytest.mark.parametrize(
    ("text", "en", "zh"),
    [
        ("the record is no JSON / 记录不是 JSON", "the record is no JSON", "记录不是 JSON"),
        ("the core failed: KeyError", "the core failed: KeyError", "the core failed: KeyError"),
        ("a / b", "a / b", "a / b"),
    ],
)
def test_the_reason_of_a_letter_is_shown_in_the_language_of_its_reader(text: str, en: str, zh: str) -> None:
    pages = Pages("toy")
    assert Shown("en", pages.texts("en"), NOW).reason(text) == en
    assert Shown("zh", pages.texts("zh"), NOW).reason(text) == zh


def test_moments_and_sizes_are_those_that_people_read() -> None:
    shown = Shown("zh", Pages("toy").texts("zh"), NOW)
    assert shown.moment(NOW) == "03:30:00"
    assert shown.moment(NOW - timedelta(hours=4)) == "2026-11-28 23:30:00"
    assert (shown.size(999), shown.size(734_003_200), shown.size(10**15), shown.size(None)) == (
        "999 B",
        "734 MB",
        "1 PB",
        "–",
    )
