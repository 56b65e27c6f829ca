"""The ports of a site."""

import random
from pathlib import Path

import pytest

from deploy.local.site import Site, free_port


def test_no_two_processes_of_a_site_have_one_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = free_port()
    repeated = iter([drawn, drawn, 10_000 + drawn % 5000, 10_000 + drawn % 5000, *range(20_000, 20_900)])
    monkeypatch.setattr(random, "randint", lambda *_: next(repeated))
    site = Site(tmp_path, lambda name: name)
    ports = [site.port(name) for name in ("front", "commerce-operator", "tax")]
    assert len({drawn, *ports}) == 4
    again = Site(tmp_path, lambda name: name)
    assert [again.port(name) for name in ("front", "commerce-operator", "tax")] == ports, "also after a restart"
