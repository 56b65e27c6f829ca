"""Registered programs."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.identity.core.clients import Client, Clients

PAGES = {
    "client_id": "pages",
    "name": "Pages",
    "name_zh": "页面",
    "grants": ["authorization_code"],
    "redirect_uris": ["https://onedoor.example/back"],
    "scopes": ["openid"],
}


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uris": ["https://*.example/back"]},
        {"redirect_uris": ["https://onedoor.example/back#x"]},
        {"redirect_uris": ["https://onedoor.example"]},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": ["https://user@onedoor.example/back"]},
        {"redirect_uris": []},
        {"grants": ["client_credentials"], "redirect_uris": []},
        {"grants": ["implicit"]},
        {"grants": []},
        {"scopes": []},
        {"client_id": "Pages"},
        {"secret_sha256": "the secret itself"},
        {"secret": "x"},
    ],
)
def test_a_registration_that_would_be_unsafe_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Client.model_validate(PAGES | changes)


def test_an_id_stands_once() -> None:
    with pytest.raises(ValidationError, match="given twice"):
        Clients.model_validate({"clients": [PAGES, PAGES]})
    assert Clients.model_validate({"clients": [PAGES]}).find("pages") is not None
