"""Searches an idle platform for violations, in processes of its own: the search must not slow the observed run.

It combines ``onedoor audit``, the ledger checks of the end-to-end tests, and the message checks (`message_checks`).

``python -m tests.chaos.checks.check`` reads a `CheckRequest` as JSON and writes a `CheckResult`.
"""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile

from pydantic import BaseModel

from tests.chaos.checks import message_checks
from tests.chaos.testbed import Testbed
from tests.support import ledger_checks

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
MAX_SHOWN = 10
"""Violations shown of one check; the rest are counted."""

MAX_LEDGER_CASES = 20_000
"""The ledger checks read everything at once, so they run during a run only while there are no more cases than this."""

AUDIT_WAIT_S = 10
"""Seconds that the audit waits for messages under way. There are none when it is called."""

CHECKOUT = Path(__file__).parents[3]


class CheckRequest(BaseModel):
    """An idle installation in which exactly these cases have been accepted."""

    urls: dict[str, str]
    numbers: list[str]
    since: datetime = BEGINNING
    """By the database's clock: messages published earlier have been checked before."""
    all_kept: bool = True
    """Whether Kafka has kept every message that it acknowledged since then."""
    last: bool = False
    """Whether everything is checked, regardless of the cost."""


class CheckResult(BaseModel):
    """The violations found, and the time on the database's clock up to which messages were checked."""

    violations: list[str]
    until: datetime


async def find_violations(testbed: Testbed, request: CheckRequest) -> CheckResult:
    """Run all checks against the testbed."""
    request = request.model_copy(update={"urls": {name: testbed.url(name) for name in ledger_checks.DATABASES}})
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos.checks.check"),
        cwd=CHECKOUT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(request.model_dump_json().encode())
    if process.returncode != 0:
        raise RuntimeError(f"the check ended with status {process.returncode}")
    result = CheckResult.model_validate_json(output)
    return result.model_copy(update={"violations": [*result.violations, *await _audit_violations(testbed)]})


async def _audit_violations(testbed: Testbed) -> list[str]:
    """The findings of ``onedoor audit``, called as an operator calls it on the running platform."""
    with NamedTemporaryFile(suffix=".json") as result:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "onedoor.cli", "audit", "--folder", str(testbed.platform.folder)),
            *("--json", result.name, "--lost-after", str(AUDIT_WAIT_S)),
            cwd=CHECKOUT,
            env={**os.environ, "ONEDOOR_CLOCK": testbed.platform.options.clock},
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


async def _check(request: CheckRequest) -> CheckResult:
    async with ledger_checks.opened(request.urls.__getitem__) as tables:
        until = await tables["onedoor_intake"].fetchval("SELECT clock_timestamp()")
        found = await message_checks.violations(tables, request.since, all_kept=request.all_kept)
        if request.last:
            found += await message_checks.violations(tables, BEGINNING, all_kept=False)
        if request.last or len(request.numbers) <= MAX_LEDGER_CASES:
            found += await message_checks.never_published(tables)
            found += await ledger_checks.faults(tables, set(request.numbers))
    found = list(dict.fromkeys(found))
    more = [f"and {len(found) - MAX_SHOWN} more"] if len(found) > MAX_SHOWN else []
    return CheckResult(violations=[*_of_many_kinds(found), *more], until=until)


def _of_many_kinds(found: list[str]) -> list[str]:
    """At most `MAX_SHOWN` violations, of as many kinds as possible. A kind is the text without ids and numbers."""
    by_kind: dict[str, list[str]] = {}
    for violation in found:
        kind = " ".join(part for part in violation.split() if not any(sign.isdigit() or sign == "-" for sign in part))
        by_kind.setdefault(kind, []).append(violation)
    in_turn = [of_kind[rank] for rank in range(MAX_SHOWN) for of_kind in by_kind.values() if rank < len(of_kind)]
    return in_turn[:MAX_SHOWN]


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(_check(CheckRequest.model_validate_json(sys.stdin.read()))).model_dump_json())
