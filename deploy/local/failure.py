"""The failure of the platform on this machine."""

from pathlib import Path

from contracts.bilingual import BilingualError
from deploy.local.processes.child import log_tail


class PlatformFailed(BilingualError):
    """The platform did not start, or cannot go on. The message ends with the last lines of ``log``."""

    def __init__(self, en: str, zh: str, log: Path | None = None) -> None:
        super().__init__(en, f"{zh}\n{log_tail(log)}" if log is not None else zh)
