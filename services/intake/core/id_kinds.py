"""The kinds of identity paper that an applicant can have, as data. The kind of a number decides how it is checked.

Codes are those of GB/T 36903-2018 (电子证照 元数据规范, 持证主体代码类型), one list for persons and organisations. Its
codes of persons are those of GA/T 2000.156-2016 (常用证件代码, before: GA/T 517-2004), which GB/T 39046-2020, table 5,
prescribes for applicants. 553 stands in GA/T 2000.156 alone.

Forms of numbers: GB 11643-1999 for 111, which the residence permits of residents of Hong Kong, Macao and Taiwan have
as well (国办发〔2018〕81号, article 3; the region is 810000, 820000 or 830000); ICAO Doc 9303 for passports; the
notices of the exit and entry administration of September 2008 for 511, of 10 March 2010 for 516, and of October 2023
for 553; GB 32100-2015 for 001.
"""

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from contracts.messages.cases import CITIZEN_CARD, CREDIT_CODE
from services.intake.core.id_numbers import is_citizen_number, is_credit_code

ApplicantKind = Literal["person", "organisation"]

OTHER_PAPERS = OTHER_OF_PERSON, OTHER_OF_ORGANISATION = "999", "099"
"""The kinds for everybody whose paper has no kind of its own, or who has no number at all."""

_PASSPORT = re.compile(r"[0-9A-Z]{5,20}", re.ASCII)  # ICAO Doc 9303 has nine characters; some states have more
_RESIDENCE_PERMIT_UNTIL_2023 = re.compile(r"[A-Z]{3}[0-9]{12}", re.ASCII)
_HONG_KONG_MACAO_PERMIT = re.compile(r"[HM][0-9]{8}([0-9]{2})?", re.ASCII)  # two digits more before 2013: issues
_TAIWAN_PERMIT = re.compile(r"[0-9]{8}|[0-9]{10}(\([0-9A-Z]\)|[0-9A-Z])?", re.ASCII)  # more than eight before 2008


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


def _is_number_of_a_citizen(number: str) -> bool:
    return is_citizen_number(number) and number[0] != "9"  # 9 is for foreigners


def _is_residence_permit(number: str) -> bool:
    """Since December 2023 these numbers have the form of a citizen number and begin with 9."""
    return (number[:1] == "9" and is_citizen_number(number)) or bool(_RESIDENCE_PERMIT_UNTIL_2023.fullmatch(number))


def _passport(code: str, zh: str, en: str) -> IdKind:
    return IdKind(code, zh, en, ("person",), lambda number: bool(_PASSPORT.fullmatch(number)))


def _military(code: str, zh: str, en: str) -> IdKind:
    """A paper of the armed forces. The forms of their numbers are not published: any is accepted."""
    return IdKind(code, zh, en, ("person",), bool)


ID_KINDS = {
    kind.code: kind
    for kind in (
        IdKind(
            CITIZEN_CARD,
            "居民身份证或港澳台居民居住证",
            "citizen card or residence permit of a resident of Hong Kong, Macao or Taiwan",
            ("person",),
            _is_number_of_a_citizen,
            dated=True,
        ),
        _military("114", "中国人民解放军军官证", "card of an officer of the People's Liberation Army"),
        _military("115", "中国人民武装警察部队警官证", "card of an officer of the People's Armed Police"),
        _military("118", "中国人民解放军士兵证", "card of a soldier of the People's Liberation Army"),
        _military("119", "中国人民武装警察部队士兵证", "card of a soldier of the People's Armed Police"),
        _military("120", "中国人民解放军文职人员证", "card of a civilian of the People's Liberation Army"),
        _military("122", "中国人民武装警察部队文职人员证", "card of a civilian of the People's Armed Police"),
        _passport("411", "外交护照", "diplomatic passport"),
        _passport("412", "公务护照", "service passport"),
        _passport("413", "公务普通护照", "passport for public affairs"),
        _passport("414", "普通护照", "passport"),
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
        IdKind(OTHER_OF_PERSON, "其他证件或无证件", "another paper, or none", ("person",), None),
        IdKind(CREDIT_CODE, "统一社会信用代码", "unified social credit code", ("organisation",), is_credit_code),
        IdKind(OTHER_OF_ORGANISATION, "其他证件或无证件", "another paper, or none", ("organisation",), None),
    )
}
"""All kinds, by their codes."""
