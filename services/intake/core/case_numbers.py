"""Case numbers, and the secrets that applicants track their cases with.

Random bytes and the secret key are arguments. Everything derived with the secret key is an HMAC-SHA-256, with its
purpose in the message, so that no value of one purpose is a value of another.
"""

import hmac
import re
from hashlib import sha256

from stdnum.iso7064 import mod_37_36

from contracts.envelope import CaseId

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: without I, L, O and U, which are easily mistaken for others."""

_SHAPE = re.compile(rf"[{_CROCKFORD}]{{4}}-[{_CROCKFORD}]{{4}}-[{_CROCKFORD}]{{4}}-[{_CROCKFORD}]")

_NUMBER_CHARACTERS = 12
_SECRET_CHARACTERS = 20


def number_from(entropy: bytes) -> CaseId:
    """The case number made of the first 60 bits.

    Twelve base 32 characters in groups of four, then the check character of ISO/IEC 7064 MOD 37,36, which finds every
    single wrong character and nearly every transposition. None of them is a letter that people take for a digit.
    Raises `ValueError` for fewer than 8 bytes.
    """
    number = _number_of(entropy, _NUMBER_CHARACTERS)
    while (check := mod_37_36.calc_check_digit(body := _base32(number, _NUMBER_CHARACTERS))) not in _CROCKFORD:
        number = (number + 1) % (1 << 5 * _NUMBER_CHARACTERS)  # the next number has another check character
    return f"{body[:4]}-{body[4:8]}-{body[8:]}-{check}"


def is_valid(number: str) -> bool:
    """Whether the shape and the check character are those of a case number."""
    return bool(_SHAPE.fullmatch(number)) and mod_37_36.is_valid(number.replace("-", ""))


def number_for_key(secret_key: bytes, key: str) -> CaseId:
    """The number of the case that is applied for under this idempotency key.

    Requests with one key lead to one number and so to one case, even at the same moment. Without the secret key no
    client can choose or foresee a number.
    """
    return number_from(_keyed(secret_key, "idempotency-key", key))


def number_for_reference(secret_key: bytes, reference: str) -> CaseId:
    """The number of the case that another system knows under this reference."""
    return number_from(_keyed(secret_key, "import", reference))


def fingerprint(secret_key: bytes, content: str) -> str:
    """Identifies a request without storing it.

    It has a key because a plain hash of a citizen number is found by trying all of them.
    """
    return _keyed(secret_key, "fingerprint", content).hex()


def tracking_secret(secret_key: bytes, number: CaseId) -> str:
    """The secret that an applicant shows, with the number, to see the case: 100 bits, derived and never stored."""
    secret = _base32(_number_of(_keyed(secret_key, "tracking", number), _SECRET_CHARACTERS), _SECRET_CHARACTERS)
    return "-".join(secret[start : start + 5] for start in range(0, _SECRET_CHARACTERS, 5))


def is_tracking_secret(secret_key: bytes, number: CaseId, shown: str) -> bool:
    """Whether the secret belongs to this number. Takes the same time for every secret of one length."""
    return hmac.compare_digest(tracking_secret(secret_key, number).encode(), shown.encode())


def _keyed(secret_key: bytes, purpose: str, content: str) -> bytes:
    return hmac.digest(secret_key, f"{purpose}:{content}".encode(), sha256)


def _number_of(entropy: bytes, characters: int) -> int:
    """The first bits, as many as this number of base 32 characters has."""
    bits = 5 * characters
    if len(entropy) * 8 < bits:
        raise ValueError(f"{characters} characters need {bits} bits, not {len(entropy) * 8}")
    return int.from_bytes(entropy, "big") >> (len(entropy) * 8 - bits)


def _base32(number: int, characters: int) -> str:
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(5 * characters - 5, -1, -5))
