"""The common part of the forms by which letters are settled: their acts, and the fresh login that they need."""

from typing import NamedTuple
from urllib.parse import urlencode

from starlette.responses import Response

from contracts.bilingual import Language
from services.runtime.http.pages.languages import N_
from services.runtime.http.pages.rendering import Pages
from services.runtime.security.access import FRESH

ACTS = ("replay", "drop")
"""The acts on several letters at once."""

CONFIRM = "/session/confirm"
"""Where the front has a person prove anew who it is."""

_CHALLENGE = f'Bearer error="insufficient_user_authentication", max_age={int(FRESH.total_seconds())}'


class Confirmation(NamedTuple):
    """Whether a form can be sent, or the reader has to log in once more before."""

    is_fresh: bool
    stale: bool
    """The form was sent too late: what was typed is kept."""
    is_typed: bool
    address: str
    """Where to come back."""

    @property
    def shows_form(self) -> bool:
        """Whether the form shows; else the way to a fresh login."""
        return self.is_fresh or self.stale or self.is_typed

    @property
    def way(self) -> str:
        """The address at which to log in once more, which leads back."""
        return f"{CONFIRM}?{urlencode({'next': self.address})}"

    @property
    def in_another_tab(self) -> str:
        """The same, while what was typed stays here."""
        return f"{CONFIRM}?{urlencode({'next': '/session/done'})}"

    def answered(self, response: Response) -> Response:
        """The response, with the challenge where the form was sent too late."""
        if self.stale:
            response.headers["WWW-Authenticate"] = _CHALLENGE
        return response


def reason_label(pages: Pages, language: Language) -> dict[str, str]:
    """The labels of the fields of these forms."""
    texts = pages.texts(language)
    return {"reason": texts.gettext(N_("Reason")), "fields": texts.gettext(N_("Corrected fields"))}
