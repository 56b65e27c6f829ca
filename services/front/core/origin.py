"""Whether a request that may change something was begun by a page of another site (CSRF).

Browsers say where a request comes from (Fetch Metadata, ``Sec-Fetch-Site``); older ones say it for requests that may
change something (``Origin``, RFC 6454). No script can change either.
"""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, section 9.2.1)."""

METHODS = SAFE | {"POST", "PUT", "PATCH", "DELETE"}
"""All methods that anything behind the front answers."""


def is_foreign(sites: list[str], origins: list[str], own: str, *, has_session: bool) -> bool:
    """Whether a request is refused. ``sites`` and ``origins`` are the values of the two headers, ``own`` is the origin
    of this address.

    A request with a session but without both headers comes from no browser that people use, so it is refused; without
    a session it is that of a program.
    """
    if sites:
        return sites != ["same-origin"]
    if origins:
        return origins != [own]
    return has_session
