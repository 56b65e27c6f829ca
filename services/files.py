"""Files that are read within a limit, or written completely or not at all; folders for one account. Cheap to import."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from contracts.bilingual import both

PRIVATE = 0o600
"""The mode of a file that only its owner can read."""

PRIVATE_FOLDER = 0o700
"""The mode of a folder that only its owner can enter."""


PASSABLE_FOLDER = 0o711
"""The mode of a folder that others can pass, to what is open to them in it, and not list."""

MOST_MB = 64
"""The largest file that a person gives to onedoor, in megabytes. A national catalogue has a few."""

_PARTIAL = ".partial"

_REASONS = {
    errno.ENOENT: ("there is no such file or folder; check the name", "文件或文件夹不存在，请核对名称"),
    errno.EACCES: ("this account may not use it; change its permissions", "当前账户无权使用，请更改权限"),
    errno.EPERM: ("this account may not use it; change its permissions", "当前账户无权使用，请更改权限"),
    errno.EROFS: ("it is on a disk that is read-only; choose another", "所在磁盘只读，请另选位置"),
    errno.EFBIG: (f"it has more than {MOST_MB} MB; divide it", f"文件超过 {MOST_MB} MB，请拆分"),
    errno.EISDIR: ("this is a folder; name a file", "这是文件夹，请指定文件"),
    errno.ENOTDIR: (
        "a file stands where a folder is needed; choose another name",
        "此处须为文件夹，却是文件，请另选名称",
    ),
    errno.EEXIST: (
        "a file stands where a folder is needed; choose another name",
        "此处须为文件夹，却是文件，请另选名称",
    ),
    errno.ENOSPC: ("the disk is full; make room", "磁盘空间已满，请清理"),
    errno.EDQUOT: ("the disk is full; make room", "磁盘空间已满，请清理"),
    errno.ENAMETOOLONG: ("the name is too long; choose a shorter one", "名称过长，请改短"),
}
"""Why a file cannot be used, in both languages."""


def limited_content(file: Path) -> bytes:
    """The content of a file, a pipe or a device. Raises `OSError`, also for one that is larger than `MOST_MB`."""
    with file.open("rb") as source:
        content = source.read(MOST_MB * 1_000_000 + 1)
    if len(content) > MOST_MB * 1_000_000:
        raise OSError(errno.EFBIG, both(*_REASONS[errno.EFBIG]), str(file))
    return content


def file_fault(error: OSError) -> str:
    """The file of an error and why it cannot be used, in both languages."""
    system = error.strerror or str(error)
    reason = both(*_REASONS.get(error.errno or 0, (f"it cannot be used: {system}", f"无法使用（{system}）")))
    if error.filename is None:
        return reason
    return f"{str(error.filename).removesuffix(_PARTIAL)}: {reason}"


def private_folder(folder: Path) -> Path:
    """The folder, made if it is missing, and closed to all other accounts whatever the files in it allow."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(PRIVATE_FOLDER)
    return folder


@contextmanager
def complete_file(file: Path, mode: int = 0o666) -> Iterator[TextIO]:
    """Open a text file that replaces ``file`` when the body has ended without an error, and only then."""
    partial = file.with_name(f"{file.name}{_PARTIAL}")
    partial.unlink(missing_ok=True)
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as output:
            yield output
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
