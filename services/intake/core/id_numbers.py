"""The numbers by which persons and organisations are known, and their check characters. Pure."""

import re
from datetime import date

_CITIZEN = re.compile(r"[1-9][0-9]{16}[0-9X]", re.ASCII)
_CITIZEN_CHECKS = "10X98765432"

_CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT = re.compile(rf"[{_CREDIT_ALPHABET}]{{2}}[0-9]{{6}}[{_CREDIT_ALPHABET}]{{10}}", re.ASCII)


def citizen_check_character(first_seventeen: str) -> str:
    """The check character of a citizen number (GB 11643-1999: ISO 7064 MOD 11-2, ``X`` for ten)."""
    total = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(first_seventeen))
    return _CITIZEN_CHECKS[total % 11]


def is_citizen_number(number: str) -> bool:
    """Whether this is a well-formed citizen number (公民身份号码, GB 11643-1999).

    Eighteen characters: the region, a day of birth that exists, a sequence number, and the check character.
    """
    if not _CITIZEN.fullmatch(number):
        return False
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    return citizen_check_character(number[:17]) == number[17]


def credit_check_character(first_seventeen: str) -> str:
    """The check character of a unified social credit code (GB 32100-2015: weights 3^i, modulo 31)."""
    total = sum(
        _CREDIT_ALPHABET.index(character) * pow(3, place, 31) for place, character in enumerate(first_seventeen)
    )
    return _CREDIT_ALPHABET[-total % 31]


def is_credit_code(code: str) -> bool:
    """Whether this is a well-formed unified social credit code (统一社会信用代码, GB 32100-2015).

    Eighteen characters without I, O, S, V and Z: registering authority, kind, region, organisation, check character.
    """
    return bool(_CREDIT.fullmatch(code)) and credit_check_character(code[:17]) == code[17]
