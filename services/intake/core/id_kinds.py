"""The kinds of identity paper that an applicant can have, as data. The kind of a number decides how it is checked.

Codes of persons' papers are those of GA/T 517, codes of organisations' those of GB/T 39046.
"""

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from contracts.messages.cases import CITIZEN_CARD, CREDIT_CODE, OTHER_PAPER
from services.intake.core.id_numbers import is_citizen_number, is_credit_code

ApplicantKind = Literal["person", "organisation"]

_PASSPORT = re.compile(r"[0-9A-Z]{5,20}", re.ASCII)  # ICAO Doc 9303 has nine characters; some states have more
_RESIDENCE_PERMIT_UNTIL_2023 = re.compile(r"[A-Z]{3}[0-9]{12}", re.ASCII)
_HONG_KONG_MACAO_PERMIT = re.compile(r"[HM][0-9]{8}([0-9]{2})?", re.ASCII)
_TAIWAN_PERMIT = re.compile(r"[0-9]{8}|[0-9]{10}(\([A-Z]\)|[A-Z])?", re.ASCII)


class IdKind(NamedTuple):
    """A kind of paper. ``check`` tells whether a number can be of it; without a check, a number may be missing.

    ``dated``: a number in the form of a citizen number contains the date of birth.
    """

    code: str
    zh: str
    en: str
    applicants: tuple[ApplicantKind, ...]
    check: Callable[[str], bool] | None
    dated: bool = False


def _is_residence_permit(number: str) -> bool:
    """Since 2023 these numbers have the form of a citizen number and begin with 9."""
    return (number[:1] == "9" and is_citizen_number(number)) or _RESIDENCE_PERMIT_UNTIL_2023.fullmatch(
        number
    ) is not None


ID_KINDS = {
    kind.code: kind
    for kind in (
        IdKind(CITIZEN_CARD, "居民身份证", "citizen card", ("person",), is_citizen_number, dated=True),
        IdKind("414", "普通护照", "passport", ("person",), lambda number: bool(_PASSPORT.fullmatch(number))),
        IdKind(
            "511",
            "台湾居民来往大陆通行证",
            "mainland travel permit for Taiwan residents",
            ("person",),
            lambda number: bool(_TAIWAN_PERMIT.fullmatch(number)),
        ),
        IdKind(
            "516",
            "港澳居民来往内地通行证",
            "mainland travel permit for Hong Kong and Macao residents",
            ("person",),
            lambda number: bool(_HONG_KONG_MACAO_PERMIT.fullmatch(number)),
        ),
        IdKind(
            "553",
            "外国人永久居留身份证",
            "permanent residence permit of foreigners",
            ("person",),
            _is_residence_permit,
            dated=True,
        ),
        IdKind(CREDIT_CODE, "统一社会信用代码", "unified social credit code", ("organisation",), is_credit_code),
        IdKind(OTHER_PAPER, "其他证件或无证件", "another paper, or none", ("person", "organisation"), None),
    )
}
"""All kinds, by their codes."""
