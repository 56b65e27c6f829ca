"""The folder of the notices of holidays that are in force: a file for each year and region.

A notice is replaced by a whole file in one step, and a copy of the old file is kept in ``replaced/``. So a reader sees
one or the other at any moment, and the earlier notices stay readable.
"""

from pathlib import Path

from contracts.bilingual import both
from contracts.working_time import Calendar, published_calendar
from contracts.working_time.notices import InvalidNotice, Notice, in_force
from services.files import complete_file, file_fault, limited_content
from services.runtime.files.document import read_document
from services.runtime.files.encoding import InvalidFile

REPLACED = "replaced"


def notices(folder: Path) -> list[Notice]:
    """All notices of a folder; none if it does not exist. Raises `InvalidNotice`, which names the file."""
    if folder.exists() and not folder.is_dir():
        raise InvalidNotice(both(f"{folder} is not a folder; name one", f"{folder} 不是文件夹，请指定文件夹"))
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            notice = read_document(Notice, limited_content(path))
        except OSError as fault:
            raise InvalidNotice(file_fault(fault)) from None
        except InvalidFile as faults:
            raise InvalidNotice("\n".join(f"{path}: {fault}" for fault in str(faults).splitlines())) from None
        if path.name != _name(notice):
            raise InvalidNotice(
                both(
                    f"{path} contains the notice of {notice.region} for {notice.year}: name it {_name(notice)}",
                    f"{path} 的内容是 {notice.region} {notice.year} 年的通知，请命名为 {_name(notice)}",
                )
            )
        found.append(notice)
    return found


def calendar(folder: Path, region: str) -> Calendar:
    """The calendar of a region by the notices of a folder. Raises `InvalidNotice`."""
    return in_force(published_calendar(), notices(folder), region)


def put(folder: Path, notice: Notice) -> Path:
    """Put a notice in force. Returns its file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _name(notice)
    with complete_file(path) as file:
        file.write(notice.model_dump_json(by_alias=True, indent=1))
        if path.exists():
            old = path.read_bytes()
            kept = folder / REPLACED / f"{path.stem} {read_document(Notice, old).version.rsplit(' ', 1)[1]}.json"
            kept.parent.mkdir(exist_ok=True)
            kept.write_bytes(old)
    return path


def _name(notice: Notice) -> str:
    return f"{notice.region} {notice.year}.json"
