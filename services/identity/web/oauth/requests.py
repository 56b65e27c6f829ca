"""A request to an endpoint of OAuth as authlib sees it."""

from collections import Counter
from collections.abc import Mapping
from urllib.parse import parse_qsl

from authlib.oauth2.rfc6749 import OAuth2Payload, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from starlette.requests import Request

MOST_BYTES = 64 * 1024
MOST_FIELDS = 50

FORM = "application/x-www-form-urlencoded"


class Fields(OAuth2Payload):
    """The fields of a query or of a form, each of them once."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = dict(fields)

    @property
    def data(self) -> dict[str, str]:
        return self._fields

    @property
    def datalist(self) -> dict[str, list[str]]:
        return {name: [value] for name, value in self._fields.items()}


class OAuthRequest(OAuth2Request):
    """A request with its fields. Whether the connection is encrypted is checked with the setting of the issuer."""

    def __init__(self, method: str, headers: Mapping[str, str], fields: Mapping[str, str]) -> None:
        super().__init__(method, "https://issuer.invalid/", headers=headers)
        self.payload = Fields(fields)

    @property
    def args(self) -> dict[str, str]:
        return self.payload.data

    @property
    def form(self) -> dict[str, str]:
        return self.payload.data


def query_of(request: Request) -> dict[str, str]:
    """The fields of the query. Raises authlib's `InvalidRequestError` for one that is given twice."""
    return _once(request.query_params.multi_items())


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a posted form. Raises authlib's `InvalidRequestError` for another kind of body."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise InvalidRequestError(f"The body must be {FORM}")
    body = await request.body()
    if len(body) > MOST_BYTES:
        raise InvalidRequestError("The body is too long")
    try:
        return _once(
            parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
        )
    except ValueError:
        raise InvalidRequestError("The body is no form in UTF-8") from None


def _once(fields: list[tuple[str, str]]) -> dict[str, str]:
    repeated = [name for name, count in Counter(name for name, _ in fields).items() if count > 1]
    if repeated:
        raise InvalidRequestError("A parameter is given more than once")
    return {name: value for name, value in fields if "\0" not in value}
