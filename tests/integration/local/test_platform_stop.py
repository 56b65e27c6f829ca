"""The platform on this machine stops its engines whatever happens to its services."""

from pathlib import Path

import pytest

from deploy.local.platform import Platform


async def test_engines_are_stopped_after_services_that_fail_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = Platform(tmp_path)
    stopped: list[str] = []

    async def fail() -> None:
        stopped.append("services")
        raise RuntimeError("a fault while stopping")

    async def stop() -> None:
        stopped.append("engines")

    monkeypatch.setattr(platform.supervisor, "stop", fail)
    monkeypatch.setattr(platform.engines, "stop", stop)
    with pytest.raises(RuntimeError, match="while stopping"):
        await platform.stop()
    assert stopped == ["services", "engines"]
