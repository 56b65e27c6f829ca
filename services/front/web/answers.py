"""The front's own answers: a page for people, a problem (RFC 9457) for programs and scripts."""

from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.front.web.texts import text_of
from services.front.web.visit import Visit
from services.runtime.http.problems import Problem

_TEMPLATES = Environment(
    loader=PackageLoader("services.front.web"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

STYLE = (files("services.front.web") / "static" / "front.css").read_bytes()

MOST_FIELDS = 200
"""Fields of a form that a page gives back to be sent again."""

MOST_BYTES = 256 * 1024
"""The longest form that a page gives back to be sent again."""

FORM = "application/x-www-form-urlencoded"


class Action(NamedTuple):
    """A link of a page. ``key``: its text."""

    key: str
    path: str


START = Action("page.start", "/")


class Answers:
    """Makes the answers of one installation. ``address`` is the one address."""

    def __init__(self, address: str) -> None:
        self._address = address
        policy = (
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
            "base-uri 'none'"
        )
        self._headers = {
            "Content-Security-Policy": policy,
            "X-Frame-Options": "DENY",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
        }

    def page(
        self, visit: Visit, status: int, subject: str, key: str, actions: Sequence[Action] = (START,), **values: object
    ) -> Response:
        """A page about a subject, with the text of this key."""
        return self.rendered(
            visit,
            "notice.html",
            status,
            subject=subject,
            notice=text_of(visit.language, key, **values),
            actions=actions,
        )

    def refusal(
        self,
        visit: Visit,
        status: int,
        subject: str,
        key: str,
        actions: Sequence[Action] = (START,),
        *,
        program: bool = False,
        headers: dict[str, str] | None = None,
        **values: object,
    ) -> Response:
        """A page, or a problem if a ``program`` or a script asks."""
        if not (program or visit.is_scripted):
            response = self.page(visit, status, subject, key, actions, **values)
        else:
            title, title_zh = (text_of(language, f"{subject}.title") for language in ("en", "zh"))
            detail, detail_zh = (text_of(language, key, **values) for language in ("en", "zh"))
            problem = Problem(status, f"front-{subject}", title, title_zh, detail=detail, detail_zh=detail_zh)
            response = problem.response()
            response.headers["Cache-Control"] = "no-store"
        response.headers.update(headers or {})
        return response

    def resend(self, visit: Visit, body: bytes | None) -> Response:
        """The page that keeps a form which came after the session's end, so that it can be sent again."""
        fields = _fields(body) if body is not None else None
        path = visit.path + (f"?{visit.query}" if visit.query else "")
        return self.rendered(visit, "resend.html", 401, subject="resend", path=path, fields=fields)

    def redirect(self, path: str) -> Response:
        """Lead to a path of the one address, with GET. It is complete, so that a browser that came by another name of
        this machine is at the one address from then on."""
        return self.redirect_to(f"{self._address}{path}")

    def redirect_to(self, address: str) -> Response:
        """Lead to an address, with GET."""
        return RedirectResponse(address, 303, {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"})

    def rendered(self, visit: Visit, template: str, status: int, **values: object) -> Response:
        """A page of a template."""
        content = _TEMPLATES.get_template(template).render(
            text=lambda key: text_of(visit.language, key),
            language=visit.language,
            large=visit.is_large,
            here=visit.path if visit.method == "GET" and visit.path != "/session/back" else "/",
            **values,
        )
        return HTMLResponse(content, status, self._headers)


def login_path(way_back: str) -> str:
    """The path at which a login begins that leads back to this one."""
    return f"/session/login?next={quote(way_back, safe='')}"


def _fields(body: bytes) -> list[tuple[str, str]] | None:
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
            strict_parsing=True,
        )
    except ValueError:
        return None
