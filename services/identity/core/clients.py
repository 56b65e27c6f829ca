"""The programs that are registered with the issuer (clients in OAuth 2.0), and what each may do."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.faults import Fault, fault, located
from contracts.values import StrictValue

PERSONAL = ("authorization_code", "device_code")
"""Ways in which a person gives access to a program. Such a program gets refresh tokens as well."""

Scope = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Uri = Annotated[str, Field(pattern=r"^https?://[^/?#\s@*]+/[^#\s*]*$", max_length=500)]
"""A complete address without fragment and placeholder: it is compared as a whole (RFC 9700, section 2.1)."""


class Client(StrictValue):
    """A registered program. It is confidential if it has a secret, else public, and then it uses PKCE alone."""

    client_id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    name_zh: Annotated[str, Field(min_length=1, max_length=100)]
    secret_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    grants: Annotated[
        tuple[Literal["authorization_code", "device_code", "client_credentials"], ...], Field(min_length=1)
    ]
    redirect_uris: tuple[Uri, ...] = ()
    logout_uris: tuple[Uri, ...] = ()
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if "client_credentials" in self.grants and self.secret_sha256 is None:
            raise fault(
                f"{self.client_id}: a program that acts by itself needs a secret; give secret_sha256",
                f"{self.client_id}：以自身名义运行的程序须有密钥；请填写 secret_sha256",
            )
        if ("authorization_code" in self.grants) != bool(self.redirect_uris):
            raise fault(
                f"{self.client_id}: redirect_uris belong to authorization_code, and it needs at least one",
                f"{self.client_id}：redirect_uris 与 authorization_code 须同时填写",
            )
        return self

    @property
    def personal(self) -> bool:
        """Whether people give access to it."""
        return any(grant in PERSONAL for grant in self.grants)


class Clients(StrictValue):
    """All registered programs."""

    clients: Annotated[tuple[Client, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        seen: set[str] = set()
        faults = []
        for index, client in enumerate(self.clients):
            if client.client_id in seen:
                faults.append(Fault(("clients", index, "client_id"), "is given twice; keep one", "重复，请只保留一个"))
            seen.add(client.client_id)
        if faults:
            raise located("Clients", faults)
        return self

    def find(self, client_id: str | None) -> Client | None:
        """The program of this id."""
        return next((client for client in self.clients if client.client_id == client_id), None)

    @property
    def redirect_uris(self) -> tuple[str, ...]:
        """Every address to which a login may lead."""
        return tuple(uri for client in self.clients for uri in (*client.redirect_uris, *client.logout_uris))
