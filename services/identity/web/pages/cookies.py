"""The cookies of the issuer. ``__Host-``: of this host alone, and encrypted (RFC 6265bis, section 4.1.3)."""

from starlette.responses import Response

SESSION = "__Host-onedoor-login"
"""The secret of a session. A session cookie: it goes with the browser's window."""

FORM = "__Host-onedoor-form"
"""A secret that forms repeat, so that no other site can post them."""

BROWSER = "__Host-onedoor-browser"
"""A secret by which a browser is known in which somebody has logged in."""

BROWSER_S = 365 * 24 * 3600


def set_cookie(response: Response, name: str, value: str, seconds: int | None = None) -> None:
    """Set a cookie that no script reads, and that no other site's form carries."""
    response.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")


def drop_cookie(response: Response, name: str) -> None:
    """Delete a cookie."""
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")
