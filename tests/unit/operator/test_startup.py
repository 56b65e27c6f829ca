"""What every command pays for: the importing of ``onedoor.cli``."""

import subprocess
import sys


def test_help_waits_for_no_library_that_only_a_command_needs() -> None:
    loaded = "import sys, onedoor.cli; print(*{'pydantic', 'sqlalchemy', 'chinese_calendar'} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", loaded], text=True).split() == []
