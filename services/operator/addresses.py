"""The file with the addresses of the databases, which ``onedoor up`` writes into its folder for operators' commands.

It contains passwords, so only its owner can read it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "databases.json"


class NoAddresses(Exception):
    """No ``onedoor up`` has run in this folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} is no folder of 'onedoor up': name its folder with --folder, or set ONEDOOR_DATABASE"
        )


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses of databases, passwords included: not for logs.

    ``services`` is keyed by service, ``ledgers`` (of the sandboxes) by department system.
    """

    services: Mapping[str, str]
    ledgers: Mapping[str, str]


def write_addresses(folder: Path, addresses: Addresses) -> None:
    """Write the file of this folder."""
    write_private(folder / FILE_NAME, json.dumps(asdict(addresses), indent=1))


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, completely or not at all."""
    partial = file.with_name(f"{file.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as output:
        output.write(text)
    partial.replace(file)


def read_addresses(folder: Path) -> Addresses:
    """The addresses of this folder. Raises NoAddresses.

    The file outlives the processes: whether the server runs now shows when a command connects to it.
    """
    try:
        content = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise NoAddresses(folder) from None
    return Addresses(content["services"], content["ledgers"])
