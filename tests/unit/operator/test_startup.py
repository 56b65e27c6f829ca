"""The import of ``onedoor.cli``, which every command waits for."""

import subprocess
import sys


def test_no_library_is_imported_that_only_one_command_needs() -> None:
    loaded = "import sys, onedoor.cli; print(*{'pydantic', 'sqlalchemy', 'chinese_calendar'} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", loaded], text=True).split() == []
