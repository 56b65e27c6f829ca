"""Passkeys (WebAuthn), as forms and the script of the pages use them."""

import json
from collections.abc import Iterable

from sqlalchemy import Connection
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from services.identity.store import passkeys, people
from services.identity.store.passkeys import Kept, Passkey
from services.identity.store.people import Person
from services.identity.web.pages.page import PageRequest


class WrongPasskey(Exception):
    """The passkey's answer proves nothing. ``person_id``: whose passkey it says to be, if it is known."""

    def __init__(self, person_id: str | None = None) -> None:
        super().__init__()
        self.person_id = person_id


def login_options(page: PageRequest, connection: Connection) -> str:
    """The options of a login by any passkey of this issuer, as JSON."""
    options = generate_authentication_options(
        rp_id=page.issuer.host, user_verification=UserVerificationRequirement.REQUIRED
    )
    passkeys.put_challenge(connection, page.form_secret, options.challenge, page.now)
    return options_to_json(options)


def new_options(page: PageRequest, connection: Connection, person: Person, kept: Iterable[Kept]) -> str:
    """The options of a new passkey for this person beside those that are kept, as JSON."""
    options = generate_registration_options(
        rp_id=page.issuer.host,
        rp_name="onedoor",
        user_name=person.person_id,
        user_display_name=person.name,
        user_id=person.user_handle.bytes,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one.credential_id) for one in kept],
    )
    passkeys.put_challenge(connection, page.form_secret, options.challenge, page.now)
    return options_to_json(options)


def person_of(page: PageRequest, connection: Connection) -> Person:
    """The person who has answered the challenge of this form by a passkey. Raises `WrongPasskey`."""
    challenge = passkeys.take_challenge(connection, page.form_secret, page.now)
    try:
        credential = json.loads(page.form["passkey"])
        known = passkeys.find(connection, base64url_to_bytes(credential["rawId"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WrongPasskey from None
    if known is None or challenge is None:
        raise WrongPasskey
    try:
        proof = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=page.issuer.host,
            expected_origin=page.issuer.url,
            credential_public_key=known.public_key,
            credential_current_sign_count=known.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError):
        raise WrongPasskey(known.person_id) from None
    passkeys.used(connection, known.credential_id, proof.new_sign_count, page.now)
    person = people.find(connection, known.person_id)
    if person is None or not person.is_open:
        raise WrongPasskey(known.person_id)
    return person


def add(page: PageRequest, connection: Connection, person: Person) -> bytes:
    """Add the passkey that this form has made. Returns its id. Raises `WrongPasskey`."""
    challenge = passkeys.take_challenge(connection, page.form_secret, page.now)
    if challenge is None:
        raise WrongPasskey
    try:
        made = verify_registration_response(
            credential=page.form["passkey"],
            expected_challenge=challenge,
            expected_rp_id=page.issuer.host,
            expected_origin=page.issuer.url,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError):
        raise WrongPasskey from None
    passkey = Passkey(made.credential_id, person.person_id, made.credential_public_key, made.sign_count)
    if not passkeys.add(connection, passkey, page.now):
        raise WrongPasskey
    return passkey.credential_id
