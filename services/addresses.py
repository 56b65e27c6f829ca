"""The file with the addresses of the databases, which ``onedoor up`` writes into its folder for operators' commands.

It contains passwords, so only its owner can read it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from contracts.bilingual import BilingualError
from services.files import PRIVATE, complete_file

FILE_NAME = "databases.json"


class NoAddresses(BilingualError):
    """The folder has no addresses. The message tells what to do."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses of databases, passwords included: not for logs.

    ``services`` is keyed by service, ``ledgers`` (of the sandboxes) by department system. ``issuer_database`` is empty
    where logins have another issuer, ``front_database`` where there is no front. ``issuer`` is the address of the
    issuer itself, as browsers reach it.
    """

    services: Mapping[str, str]
    ledgers: Mapping[str, str]
    issuer_database: str = ""
    issuer: str = ""
    front_database: str = ""


def write_addresses(folder: Path, addresses: Addresses) -> None:
    """Write the file of this folder."""
    with complete_file(folder / FILE_NAME, PRIVATE) as file:
        json.dump(asdict(addresses), file, indent=1)


def read_addresses(folder: Path) -> Addresses:
    """The addresses of this folder. Raises NoAddresses.

    The file outlives the processes: whether the server runs now shows when a command connects to it.
    """
    file = folder / FILE_NAME
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        others = {name: content.get(name, "") for name in ("issuer_database", "issuer", "front_database")}
        return Addresses(content["services"], content["ledgers"], **others)
    except (FileNotFoundError, NotADirectoryError):
        raise NoAddresses(
            f"{folder} is no folder of 'onedoor up': name its folder with --folder, or set ONEDOOR_DATABASE",
            f"{folder} 不是 onedoor up 的文件夹：请用 --folder 指定，或设置 ONEDOOR_DATABASE",
        ) from None
    except OSError as error:
        raise NoAddresses(
            f"{file} cannot be read ({error.strerror}): run the command with the account of 'onedoor up'",
            f"无法读取 {file}（{error.strerror}）：请以运行 onedoor up 的账户执行",
        ) from None
    except (ValueError, KeyError, TypeError):
        raise NoAddresses(
            f"{file} is damaged: delete it, and run 'onedoor up' again",
            f"{file} 已损坏：请删除后重新运行 onedoor up",
        ) from None
