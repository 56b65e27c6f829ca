"""Public case numbers and the secrets they are tracked with. Pure: randomness and keys come from the caller."""

import hmac
import re
from datetime import datetime
from hashlib import sha256

from contracts.envelope import CaseId

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O and U, which are misread or misheard."""

_ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SHAPE = re.compile(rf"[{_CROCKFORD}]{{4}}-[{_CROCKFORD}]{{4}}-[{_CROCKFORD}]{{4}}-[0-9A-Z]")

_NUMBER_CHARACTERS = 12
_SECRET_CHARACTERS = 20


def number_from(entropy: bytes) -> CaseId:
    """The case number that these bytes stand for: their first 60 bits and a check character.

    Twelve base 32 characters in groups of four, then the check character of ISO/IEC 7064 MOD 37,36, which finds
    every single wrong character and nearly every transposition. Raises `ValueError` for fewer than 8 bytes.
    """
    body = _base32(entropy, _NUMBER_CHARACTERS)
    return f"{body[:4]}-{body[4:8]}-{body[8:]}-{_check_character(body)}"


def is_valid(number: str) -> bool:
    """Whether this can be a case number of ours: its shape and its check character."""
    return bool(_SHAPE.fullmatch(number)) and _check_character(number[:-2].replace("-", "")) == number[-1]


def number_for_key(secret_key: bytes, key: str) -> CaseId:
    """The number of the case that is asked for under this idempotency key.

    Posts with one key meet in one case, even at the same moment, because they arrive at one number. Without the
    secret key nobody can choose or foresee a number.
    """
    return number_from(_keyed(secret_key, "idempotency-key", key))


def number_for_reference(secret_key: bytes, reference: str) -> CaseId:
    """The number of the case that another system knows under this reference."""
    return number_from(_keyed(secret_key, "import", reference))


def fingerprint(secret_key: bytes, content: str) -> str:
    """Tells two requests apart without keeping them. Keyed, since the numbers of persons could be tried out."""
    return _keyed(secret_key, "fingerprint", content).hex()


def tracking_secret(secret_key: bytes, number: CaseId) -> str:
    """What an applicant shows, with the number, to see the case: 100 bits derived from the number, kept nowhere."""
    secret = _base32(_keyed(secret_key, "tracking", number), _SECRET_CHARACTERS)
    return "-".join(secret[start : start + 5] for start in range(0, _SECRET_CHARACTERS, 5))


def is_tracking_secret(secret_key: bytes, number: CaseId, shown: str) -> bool:
    """Whether the secret shown belongs to this number; takes the same time whatever is shown."""
    return hmac.compare_digest(tracking_secret(secret_key, number).encode(), shown.strip().upper().encode())


def _keyed(secret_key: bytes, purpose: str, content: str) -> bytes:
    return hmac.digest(secret_key, f"{purpose}:{content}".encode(), sha256)


def _base32(entropy: bytes, characters: int) -> str:
    bits = 5 * characters
    if len(entropy) * 8 < bits:
        raise ValueError(f"{characters} characters need {bits} bits, not {len(entropy) * 8}")
    number = int.from_bytes(entropy, "big") >> (len(entropy) * 8 - bits)
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(bits - 5, -1, -5))


def _check_character(body: str) -> str:
    """ISO/IEC 7064 MOD 37,36 (the hybrid system for alphanumeric strings)."""
    product = 36
    for character in body:
        total = (product + _ALPHANUMERIC.index(character)) % 36 or 36
        product = total * 2 % 37
    return _ALPHANUMERIC[(37 - product) % 36]


def word_from(number: str, what: str, which: str, at: datetime) -> str:
    """The name of a word about the time of a case: the same for the same word, so that it counts once."""
    return sha256(f"{number}/{what}/{which}/{at.isoformat()}".encode()).hexdigest()[:16]
