"""Requests of other sites that may change something."""

import pytest

from services.front.core.origin import is_foreign

OWN = "https://onedoor.example"


@pytest.mark.parametrize(
    ("sites", "origins", "has_session", "foreign"),
    [
        (["same-origin"], [OWN], True, False),
        (["same-origin"], [], True, False),
        (["cross-site"], [OWN], True, True),
        (["same-site"], [OWN], True, True),
        (["none"], [], True, True),
        (["cross-site"], [], False, True),
        (["same-origin", "same-origin"], [OWN], True, True),
        ([""], [OWN], True, True),
        ([], [OWN], True, False),
        ([], ["https://evil.example"], True, True),
        ([], ["https://evil.example"], False, True),
        ([], ["null"], True, True),
        ([], ["https://onedoor.example:444"], True, True),
        ([], ["http://onedoor.example"], True, True),
        ([], ["https://onedoor.example.evil.example"], True, True),
        ([], [OWN, "https://evil.example"], True, True),
        ([], [], True, True),
        ([], [], False, False),
    ],
)
def test_a_request_of_another_site_is_refused(
    sites: list[str], origins: list[str], has_session: bool, foreign: bool
) -> None:
    assert is_foreign(sites, origins, OWN, has_session=has_session) is foreign
