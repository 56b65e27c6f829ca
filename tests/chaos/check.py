"""Whether anything is broken, asked in processes of their own: what it costs must not slow the run that it judges.

Three ways of looking: ``onedoor audit``, the ledger of the end-to-end tests, and who has heard what (`heard`).

``python -m tests.chaos.check`` reads a `Question` as JSON and writes an `Answer`.
"""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile

from pydantic import BaseModel

from tests.chaos import processed
from tests.chaos.testbed import Site
from tests.support import ledger_checks

FIRST = datetime(2000, 1, 1, tzinfo=UTC)
SHOWN = 10
"""Most faults of a check that are shown; the rest are counted."""

LEDGER_MOST = 20_000
"""Most cases that the ledger_checks, which reads everything at once, is asked about before the end of a run."""

AUDIT_PATIENCE_S = 10
"""Seconds that the audit waits for what is merely on its way: nothing is, when it is asked."""

CHECKOUT = Path(__file__).parents[2]


class Question(BaseModel):
    """What to check: an installation at rest, in which exactly these cases have been accepted."""

    urls: dict[str, str]
    numbers: list[str]
    since: datetime = FIRST
    """By the database's clock: messages said earlier have been checked."""
    said_are_heard: bool = True
    last: bool = False
    """Whether all is checked, whatever it costs."""


class Answer(BaseModel):
    """What is broken, and until when it has been looked at."""

    faults: list[str]
    until: datetime


async def broken(site: Site, question: Question) -> Answer:
    """What is broken now."""
    question = question.model_copy(update={"urls": {name: site.url(name) for name in ledger_checks.DATABASES}})
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos.check"),
        cwd=CHECKOUT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(question.model_dump_json().encode())
    if process.returncode != 0:
        raise RuntimeError(f"the check ended with status {process.returncode}")
    answer = Answer.model_validate_json(output)
    return answer.model_copy(update={"faults": [*answer.faults, *await _audited(site)]})


async def _audited(site: Site) -> list[str]:
    """What ``onedoor audit`` finds, as an operator would call it on the running platform."""
    with NamedTemporaryFile(suffix=".json") as result:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "onedoor.cli", "audit", "--folder", str(site.platform.folder)),
            *("--json", result.name, "--patience", str(AUDIT_PATIENCE_S)),
            cwd=CHECKOUT,
            env={**os.environ, "ONEDOOR_CLOCK": site.platform.options.clock},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        if process.returncode not in (0, 1):
            raise RuntimeError(f"onedoor audit: {output.decode()[-1000:]}")
        findings = json.load(result)["invariants"].values()
    return [
        f"audit: {finding['title']}: {finding['broken']} broken, such as {one['number']}: {one['what']}"
        for finding in findings
        for one in finding["first"][:1]
    ]


async def _answer(question: Question) -> Answer:
    async with ledger_checks.opened(question.urls.__getitem__) as tables:
        until = await tables["onedoor_intake"].fetchval("SELECT clock_timestamp()")
        found = await processed.faults(tables, question.since, said_are_heard=question.said_are_heard)
        if question.last:
            found += await processed.faults(tables, FIRST, said_are_heard=False)
        if question.last or len(question.numbers) <= LEDGER_MOST:
            found += await processed.unsaid(tables)
            found += await ledger_checks.faults(tables, set(question.numbers))
    found = list(dict.fromkeys(found))
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return Answer(faults=[*_varied(found), *more], until=until)


def _varied(found: list[str]) -> list[str]:
    """Some of them, of as many sorts as there are: a sort is what is left when digits and letters of numbers go."""
    by_sort: dict[str, list[str]] = {}
    for fault in found:
        sort = " ".join(word for word in fault.split() if not any(sign.isdigit() or sign == "-" for sign in word))
        by_sort.setdefault(sort, []).append(fault)
    turns = [faults[turn] for turn in range(SHOWN) for faults in by_sort.values() if turn < len(faults)]
    return turns[:SHOWN]


if __name__ == "__main__":
    asked = Question.model_validate_json(sys.stdin.read())
    sys.stdout.write(asyncio.run(_answer(asked)).model_dump_json())
