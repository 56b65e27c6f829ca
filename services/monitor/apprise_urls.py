"""URLs of apprise: the library, loaded where a channel needs it, and whether a channel of it is encrypted."""

import logging
from functools import cache
from types import ModuleType

from services.runtime.security.encryption import require_encryption


@cache
def apprise() -> ModuleType:
    """The library, without its log, which names addresses. It is large."""
    import apprise

    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return apprise


def require_encrypted_channel(url: str) -> None:
    """Raise `ValueError` if a channel to another machine is not encrypted, or its server not verified.

    By the convention of apprise, ``mailto`` is plain and ``mailtos`` is encrypted, and so are ``json`` and ``jsons``.
    A URL that apprise does not know is reported when a notification is sent.
    """
    plugins = apprise().plugins
    parts = plugins.url_to_dict(url)
    if not parts or parts.get("schema") not in plugins.N_MGR:
        return
    plain = plugins.N_MGR[parts["schema"]].protocol or ()
    is_plain = parts["schema"] in ((plain,) if isinstance(plain, str) else plain)
    is_insecure = parts.get("secure_mode") == "insecure"  # of e-mail, whatever its schema
    if is_plain or is_insecure or not parts.get("verify", True):
        host = parts.get("smtp_host") or parts.get("host")
        encrypted = f"{parts['schema'].removesuffix('s')}s://"
        require_encryption(
            [host] if host else [],
            f"begin the channel with {encrypted}, and without verify=no and mode=insecure",
            f"渠道须以 {encrypted} 开头，且不带 verify=no 和 mode=insecure",
        )
