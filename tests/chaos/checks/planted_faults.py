"""Proves the checks: breaks one guarantee at a time in a copy of the program; a run with faults must detect each.

``python -m tests.chaos.checks.planted_faults [NAME...]``. The copy stands in a temporary folder.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]
PARTS = ("contracts", "services", "onedoor", "deploy", "tests")
SHOWN_LINES = 12


@dataclass(frozen=True, slots=True)
class PlantedFault:
    """A guarantee broken on purpose: ``old`` is replaced by ``new`` in ``file``.

    A run with these ``faults`` must print ``expected``, a regular expression.
    """

    name: str
    file: str
    old: str
    new: str
    faults: str
    expected: str


UNCHANGED = PlantedFault("nothing", "", "", "", "old records published again,power cut", "all faults passed")
"""The same faults on the unchanged program: they must find nothing."""

PLANTED_FAULTS = (
    PlantedFault(
        "processed ids are not compared",
        "services/runtime/batch/reducer.py",
        "if one.from_kafka and envelope.id.bytes in processed:",
        'if one.from_kafka and envelope.id.bytes in processed and envelope.type == "":',
        "old records published again",
        r"processed \S+ more than once",
    ),
    PlantedFault(
        "processed ids are not stored",
        "services/runtime/batch/reducer.py",
        "            processed_ids=processed_ids[-16 * cases.MAX_PROCESSED_IDS :],\n",
        '            processed_ids=b"",\n',
        "old records published again",
        r"never processed",
    ),
    PlantedFault(
        "offsets are committed before the transaction",
        "services/runtime/kafka/consumer.py",
        "        for attempt in count(1):\n",
        "        for record in batch.records:\n"
        "            place = {TopicPartition(record.topic, record.partition): record.offset + 1}\n"
        "            try:\n"
        "                await self.subscription.commit(place)\n"
        "            except (KafkaError, TimeoutError):\n"
        "                pass\n"
        "        for attempt in count(1):\n",
        "power cut",
        r"never processed",
    ),
    PlantedFault(
        "messages are published without the outbox",
        "services/runtime/batch/processor.py",
        "await self._save(driver, result, messages, statements, published)",
        "await self._save(driver, result, [], statements, published)",
        "power cut",
        r"which is in no outbox",
    ),
    PlantedFault(
        "each attempt at a department has a new idempotency key",
        "services/departments/tax/adapter.py",
        "        body = application(task)",
        "        from uuid import uuid4\n\n"
        '        task = task.model_copy(update={"task_id": f"{task.task_id}/{uuid4().hex}"})\n'
        "        body = application(task)",
        "power cut",
        r"the ledger of tax: \S+ is unexpected",
    ),
    PlantedFault(
        "a bad file ends the reading of the outbox",
        "services/departments/land/outbox.py",
        "            self._refuse(entry, fault)\n",
        "            raise\n",
        "bad file",
        r"bad files in land's outbox \d were reported",
    ),
    PlantedFault(
        "a refused row keeps its whole lot back",
        "services/departments/sdk/lots.py",
        "            if not is_refusal(error):\n",
        "            if error:\n",
        "bad row",
        r"no refused row was parked",
    ),
)


def is_detected(fault: PlantedFault) -> bool:
    """Whether a run of the copy with this fault prints the expected text."""
    with tempfile.TemporaryDirectory(prefix="onedoor-planted-") as folder:
        copy = Path(folder)
        for part in PARTS:
            shutil.copytree(CHECKOUT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        if fault.file:
            _plant_fault(copy / fault.file, fault)
        environment = {
            **os.environ,
            "PYTHONPATH": str(copy),
            "CHAOS_SEED": "4",
            "CHAOS_MINUTES": "1",
            "CHAOS_ONLY": fault.faults,
        }
        command = [sys.executable, "-m", "tests.chaos"]
        run = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    right = (run.returncode == 0) == (fault is UNCHANGED) and re.search(fault.expected, run.stdout) is not None
    print(f"{fault.name}: {'detected' if right else 'NOT DETECTED'}" if fault.file else f"unchanged: {right}")
    for line in (run.stdout if right else run.stdout + run.stderr).splitlines()[-SHOWN_LINES:]:
        print(f"    {line[:1000]}", flush=True)
    return right


def _plant_fault(file: Path, fault: PlantedFault) -> None:
    text = file.read_text()
    if text.count(fault.old) != 1:
        sys.exit(f"{fault.file} has changed: {fault.old!r} is there {text.count(fault.old)} times")
    file.write_text(text.replace(fault.old, fault.new))


def main() -> None:
    """Plant the named faults, or all. The exit status is 1 if one was not detected."""
    names = sys.argv[1:]
    chosen = [fault for fault in (UNCHANGED, *PLANTED_FAULTS) if not names or fault.name in names]
    missed = [fault.name for fault in chosen if not is_detected(fault)]
    sys.exit(f"not detected: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
