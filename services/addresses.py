"""The file with the addresses of the databases, which ``onedoor up`` writes into its folder for operators' commands.

It contains passwords, so only its owner can read it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from services.files import PRIVATE, complete_file

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
    with complete_file(folder / FILE_NAME, PRIVATE) as file:
        json.dump(asdict(addresses), file, indent=1)


def read_addresses(folder: Path) -> Addresses:
    """The addresses of this folder. Raises NoAddresses.

    The file outlives the processes: whether the server runs now shows when a command connects to it.
    """
    try:
        content = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise NoAddresses(folder) from None
    return Addresses(content["services"], content["ledgers"])
