"""Numbers that identify persons and organisations, with their check characters.

The algorithms are python-stdnum's. Its own validators (`stdnum.cn.ric`, `stdnum.cn.uscc`) are not used: they accept
spaces, lower case and full-width digits, and refuse numbers that have been issued. `stdnum.cn.ric` wants a county that
existed in the year of birth, but a number has the county of its registration, and residents of Hong Kong, Macau and
Taiwan (81, 82, 83) and foreign permanent residents (9) have none. `stdnum.cn.uscc` wants two digits at the beginning,
but registering authorities have letters as well (N for rural collectives).
"""

import re
from datetime import date

from stdnum.cn import uscc
from stdnum.iso7064 import mod_11_2

_CITIZEN_NUMBER = re.compile(r"[1-9][0-9]{16}[0-9X]", re.ASCII)
_CREDIT_CODE = re.compile(r"[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}", re.ASCII)


def is_citizen_number(number: str) -> bool:
    """Whether this is a well-formed citizen number (公民身份号码, GB 11643-1999).

    Eighteen characters: the region, a date of birth that exists, a sequence number, and the check character of ISO 7064
    MOD 11-2.
    """
    return date_of_birth(number) is not None and bool(mod_11_2.calc_check_digit(number[:17]) == number[17])


def date_of_birth(number: str) -> date | None:
    """The date of birth in a text of the form of a citizen number; None for another form, and for a day that does not
    exist."""
    if not _CITIZEN_NUMBER.fullmatch(number):
        return None
    try:
        return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None


def is_credit_code(code: str) -> bool:
    """Whether this is a well-formed unified social credit code (统一社会信用代码, GB 32100-2015).

    Eighteen characters without I, O, S, V and Z: registering authority, kind, region, organisation, check character.
    """
    return bool(_CREDIT_CODE.fullmatch(code)) and uscc.calc_check_digit(code[:17]) == code[17]
