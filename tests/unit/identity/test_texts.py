"""The words of the pages that stand in code; the catalogue has a test of its own."""

from typing import get_args

from services.identity.core.sessions import EndReason
from services.identity.web.pages.texts import ENDED


def test_every_end_of_a_session_is_explained() -> None:
    assert ENDED.keys() == set(get_args(EndReason))
