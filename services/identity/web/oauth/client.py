"""A registered program as authlib sees it."""

import hashlib
import hmac

from authlib.oauth2.rfc6749 import ClientMixin

from services.identity.core.clients import Client
from services.identity.web.oauth.names import DEVICE_GRANT


class RegisteredClient(ClientMixin):
    """Answers authlib's questions about a program."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def get_client_id(self) -> str:
        return self.client.client_id

    def get_default_redirect_uri(self) -> None:
        """OpenID Connect demands that a request names the address it leads to."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """The scope that is granted: the one that is asked for, or all where none is. None if one is not allowed."""
        asked = (scope or "").split() or [one for one in self.client.scopes if one != "openid"]
        return " ".join(dict.fromkeys(asked)) if set(asked) <= set(self.client.scopes) else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.client.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        given = hashlib.sha256(client_secret.encode()).hexdigest()
        return self.client.secret_sha256 is not None and hmac.compare_digest(given, self.client.secret_sha256)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return (method == "none") == (self.client.secret_sha256 is None)

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and "authorization_code" in self.client.grants

    def check_grant_type(self, grant_type: str) -> bool:
        if grant_type == "refresh_token":
            return self.client.personal
        return {DEVICE_GRANT: "device_code"}.get(grant_type, grant_type) in self.client.grants
