"""Proves the checks: breaks one guarantee at a time in a copy of the program, and sees that a run with faults notices.

``python -m tests.chaos.planted_faults [NAME...]``. The copy is made beside temporary files and thrown away.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PARTS = ("contracts", "services", "deploy", "tests")
SHOWN_LINES = 12


@dataclass(frozen=True, slots=True)
class Plant:
    """A guarantee broken on purpose, the faults under which that shows, and what must be said then."""

    name: str
    file: str
    old: str
    new: str
    faults: str
    expected: str


SOUND = Plant("nothing", "", "", "", "old records said again,power cut", "all is well")
"""The same faults on the program as it is: what shouts below must not shout here."""

PLANTS = (
    Plant(
        "ids that were heard are not looked at",
        "services/runtime/batch/reducer.py",
        "if one.from_kafka and envelope.id.bytes in processed:",
        'if one.from_kafka and envelope.id.bytes in processed and envelope.type == "":',
        "old records said again",
        r"heard \S+ more than once",
    ),
    Plant(
        "ids that were heard are not kept",
        "services/runtime/batch/reducer.py",
        "            processed_ids=processed_ids[-16 * cases.MAX_PROCESSED_IDS :],\n",
        '            processed_ids=b"",\n',
        "old records said again",
        r"never heard",
    ),
    Plant(
        "Kafka is told before the commit",
        "services/runtime/kafka/consumer.py",
        "        backoff_s = FIRST_BACKOFF_S\n",
        "        for record in batch.records:\n"
        "            place = {TopicPartition(record.topic, record.partition): record.offset + 1}\n"
        "            try:\n"
        "                await self.subscription.commit(place)\n"
        "            except (KafkaError, TimeoutError):\n"
        "                pass\n"
        "        backoff_s = FIRST_BACKOFF_S\n",
        "power cut",
        r"never heard",
    ),
    Plant(
        "messages go straight to Kafka, past the outbox",
        "services/runtime/batch/processor.py",
        "await self._save(driver, result, messages, statements, published)",
        "await self._save(driver, result, [], statements, published)",
        "power cut",
        r"which nobody has said",
    ),
    Plant(
        "a department is given a fresh key each time",
        "services/departments/tax/adapter.py",
        "        body = application(task)",
        "        from uuid import uuid4\n\n"
        '        task = task.model_copy(update={"task_id": f"{task.task_id}/{uuid4().hex}"})\n'
        "        body = application(task)",
        "power cut",
        r"the books of tax: \S+ is there, and should not be",
    ),
)


def noticed(plant: Plant) -> bool:
    """Whether a run of the copy with this plant says what it must."""
    with tempfile.TemporaryDirectory(prefix="onedoor-plant-") as folder:
        copy = Path(folder)
        for part in PARTS:
            shutil.copytree(CHECKOUT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        if plant.file:
            _plant(copy / plant.file, plant)
        environment = {
            **os.environ,
            "PYTHONPATH": str(copy),
            "CHAOS_SEED": "4",
            "CHAOS_MINUTES": "1",
            "CHAOS_ONLY": plant.faults,
        }
        command = [sys.executable, "-m", "tests.chaos"]
        run = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    right = (run.returncode == 0) == (plant is SOUND) and re.search(plant.expected, run.stdout) is not None
    print(f"{plant.name}: {'noticed' if right else 'NOT NOTICED'}" if plant.file else f"as it is: {right}")
    for line in (run.stdout if right else run.stdout + run.stderr).splitlines()[-SHOWN_LINES:]:
        print(f"    {line[:1000]}", flush=True)
    return right


def _plant(file: Path, plant: Plant) -> None:
    text = file.read_text()
    if text.count(plant.old) != 1:
        sys.exit(f"{plant.file} has changed: {plant.old!r} is there {text.count(plant.old)} times")
    file.write_text(text.replace(plant.old, plant.new))


def main() -> None:
    """Plant those that are named, or all; end with status 1 if one was not noticed."""
    names = sys.argv[1:]
    chosen = [plant for plant in (SOUND, *PLANTS) if not names or plant.name in names]
    missed = [plant.name for plant in chosen if not noticed(plant)]
    sys.exit(f"not noticed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
