"""The base of the settings of all adapters: it checks that their time limits fit into those of the service."""

from typing import ClassVar

from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.bilingual import both
from services.runtime.configuration import WrongSetting


class AdapterSettings(BaseSettings):
    """The base class of an adapter's settings. A subclass sets its prefix, ``env_prefix``."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    call_limits: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Names of settings in seconds. The sum of each group is the longest time that one submit or poll may take by the
    adapter's own limits."""

    def check_call_timeout(self, call_timeout_s: float) -> None:
        """Raise `WrongSetting` unless the adapter's own limits end before the service gives up a call.

        Otherwise a single slow request or file takes all that was called or read with it down, each time anew.
        """
        for names in self.call_limits:
            seconds = [getattr(self, name) for name in names]
            if sum(seconds) >= call_timeout_s:
                prefix = self.model_config.get("env_prefix", "")
                sums = " + ".join(f"{prefix}{name}".upper() for name in names)
                values = " + ".join(f"{value:g}" for value in seconds)
                raise WrongSetting(
                    f"{sums} = {values} s: "
                    + both(
                        f"must be less than ONEDOOR_CALL_TIMEOUT_S = {call_timeout_s:g} s, after which a whole call "
                        "has failed. Lower the former or raise the latter",
                        f"须小于 ONEDOOR_CALL_TIMEOUT_S = {call_timeout_s:g} 秒，超过后整次调用即失败。"
                        "请调低前者或调高后者",
                    )
                )
