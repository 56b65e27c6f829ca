"""The text of each fault that pydantic finds, in English and in Chinese, for the people who have to correct it.

Values are never repeated, since they may be personal data. A validator of our own raises `contracts.faults.fault`.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from contracts.faults import Fault

_OBJECT = ("must be an object with fields", "须为含有各字段的对象")
_LIST = ("must be a list", "须为列表")
_TEXT = ("must be text, in quotation marks", "须为文字（加引号）")
_NUMBER = ("must be a number, without quotation marks", "须为数字（不加引号）")
_ADDRESS = ("must be an address such as https://example.gov.cn", "须为地址，例如 https://example.gov.cn")
_DAY = ("must be a day, such as 2026-03-02", "须为日期，例如 2026-03-02")
_MOMENT = (
    "must be a date and time with a zone, such as 2026-03-02T09:00:00+08:00",
    "须为带时区的日期和时间，例如 2026-03-02T09:00:00+08:00",
)

_TEXTS: Mapping[str, tuple[str, str]] = {
    "missing": ("is missing", "缺少此项"),
    "extra_forbidden": ("there is no such field; check its name", "没有此项，请核对名称"),
    "enum": ("must be {expected}", "须为 {expected}"),
    "literal_error": ("must be {expected}", "须为 {expected}"),
    "union_tag_invalid": ("must be one of {expected_tags}", "须为 {expected_tags} 之一"),
    "string_too_short": ("has fewer than {min_length} characters", "少于 {min_length} 个字符"),
    "string_too_long": ("has more than {max_length} characters", "超过 {max_length} 个字符"),
    "too_short": (
        "has {actual_length} entries; at least {min_length}",
        "有 {actual_length} 项，至少须有 {min_length} 项",
    ),
    "too_long": ("has more than {max_length} entries", "超过 {max_length} 项"),
    "greater_than": ("must be more than {gt}", "须大于 {gt}"),
    "greater_than_equal": ("must be {ge} or more", "不得小于 {ge}"),
    "less_than": ("must be less than {lt}", "须小于 {lt}"),
    "less_than_equal": ("must be {le} or less", "不得大于 {le}"),
    "int_type": ("must be a whole number, without quotation marks", "须为整数（不加引号）"),
    "int_parsing": ("must be a whole number", "须为整数"),
    "int_parsing_size": ("is too large a number", "数字过大"),
    "int_from_float": ("must be a whole number", "须为整数"),
    "float_type": _NUMBER,
    "float_parsing": ("must be a number", "须为数字"),
    "finite_number": ("must be a finite number", "须为有限的数字"),
    "bool_type": ("must be true or false", "须为 true 或 false"),
    "bool_parsing": ("must be true or false", "须为 true 或 false"),
    "string_type": _TEXT,
    "string_unicode": ("contains characters that are no text", "含有不是文字的字符"),
    "string_sub_type": _TEXT,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "dict_type": _OBJECT,
    "mapping_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "date_type": _DAY,
    "date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_from_datetime_inexact": _DAY,
    "datetime_type": _MOMENT,
    "datetime_parsing": _MOMENT,
    "datetime_from_date_parsing": _MOMENT,
    "datetime_object_invalid": _MOMENT,
    "url_type": _ADDRESS,
    "url_parsing": _ADDRESS,
    "url_scheme": _ADDRESS,
    "timezone_aware": ("lacks its time zone, such as +08:00", "缺少时区，例如 +08:00"),
}
"""The texts by pydantic's type of error, for `str.format` with the context of the error."""

_CODE = (
    "must have letters, digits, '.', '_' and '-' only, and begin with a letter or a digit",
    "只能含有字母、数字和 . _ -，且以字母或数字开头",
)
_REGION_PREFIX = (
    "must be a code of administrative division (GB/T 2260), such as 450103, or how it begins, such as 45",
    "须为行政区划代码（GB/T 2260）或其前几位，例如 450103 或 45",
)

PATTERNS: Mapping[str, tuple[str, str]] = {
    r"^[0-9A-Z]{4}(-[0-9A-Z]{4}){2}-[0-9A-Z]$": (
        "is no case number, such as K7Q2-9MXF-4TBA-3",
        "不是办件编号，例如 K7Q2-9MXF-4TBA-3",
    ),
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$": _CODE,
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": _CODE,
    r"^[a-z]+(/[A-Za-z0-9][A-Za-z0-9._-]*)?$": (
        "must be a kind of commitment, or a kind and a reference, such as complaint/12",
        "须为时限种类，或“种类/编号”，例如 complaint/12",
    ),
    r"^[^\x00]*[^\x00\s][^\x00]*$": ("has no visible text", "没有可见的文字"),
    r"^[^\x00]*$": ("contains a NUL character", "含有空字符 (NUL)"),
    r"^[^\x00-\x1f\x7f]+$": (
        "must be one line without control characters",
        "须为一行文字，且不含控制字符",
    ),
    r"^[1-9][0-9]{5}$": (
        "must be a code of administrative division (GB/T 2260), six digits such as 450103",
        "须为六位行政区划代码（GB/T 2260），例如 450103",
    ),
    r"^[1-9][0-9]{0,5}$": _REGION_PREFIX,
    r"^[1-9][0-9]{1,5}$": _REGION_PREFIX,
    r"^20[0-9]{2}-(0[1-9]|1[0-2])$": ("must be a month such as 2026-04", "须为月份，例如 2026-04"),
    r"^[0-9]{3}$": ("must be a code of three digits", "须为三位代码"),
    r"^[0-9]{1,18}\.[01]\.[0-9]{1,18}$": ("is no id of an event of this stream", "不是此事件流的事件编号"),
    r"^[a-z][a-z0-9-]{0,31}$": (
        "must have small letters, digits and '-' only, and begin with a letter",
        "只能含有小写字母、数字和 -，且以字母开头",
    ),
    r"^CN(-[0-9]{2}([0-9]{2}){0,2})?$": (
        "must be CN, a province such as CN-45, or a city or county such as CN-4501",
        "须为 CN、省级区域（例如 CN-45），或市、县（例如 CN-4501）",
    ),
    r"^[0-9a-f]{64}$": (
        "must be a SHA-256 in 64 small hexadecimal digits, as 'sha256sum' prints it",
        "须为 64 位小写十六进制的 SHA-256 值，即 sha256sum 的输出",
    ),
    r"^https?://[^/?#\s@*]+/[^#\s*]*$": (
        "must be a complete address with a path, without '#' and '*', such as https://onedoor.example/session/back",
        "须为带路径的完整地址，不含 # 和 *，例如 https://onedoor.example/session/back",
    ),
    r"^[a-z][a-z0-9-]{0,31}:[^\s\x00]+$": (
        "must be a channel and an address of it, such as mail:zhao@example.gov.cn",
        "须为“渠道:地址”，例如 mail:zhao@example.gov.cn",
    ),
}
"""The meaning of each pattern, by the pattern."""


def faults_of(error: ValidationError) -> list[Fault]:
    """The faults that pydantic has found."""
    return described(error.errors(include_url=False, include_input=False))


def on_one_line(error: ValidationError) -> tuple[str, str]:
    """The first five faults, in each language, for a message that has to be short."""
    faults = [(".".join(map(str, one.path)) or "*", one.en, one.zh) for one in faults_of(error)[:5]]
    en = "; ".join(f"{place}: {text}" for place, text, _ in faults)
    return en, "；".join(f"{place}：{text}" for place, _, text in faults)


def described(errors: Sequence[Mapping[str, Any]]) -> list[Fault]:
    """The faults of these details, without those that only follow from others.

    A list whose entries are faulty also counts as too short, since pydantic counts the faultless ones.
    """
    places = [tuple(error["loc"]) for error in errors]
    return [
        Fault(place, *_texts(error))
        for place, error in zip(places, errors, strict=True)
        if error["type"] != "too_short" or not any(other[: len(place)] == place != other for other in places)
    ]


def _texts(error: Mapping[str, Any]) -> tuple[str, str]:
    context, kind = error.get("ctx", {}), error["type"]
    message = str(error["msg"]).removeprefix("Value error, ")
    if "zh" in context:  # an error of our own
        return message, str(context["zh"])
    if kind == "string_pattern_mismatch":
        return _of_pattern(context["pattern"])
    if kind == "string_too_short" and context["min_length"] == 1:
        return "is empty", "不能为空"
    if kind in _TEXTS:
        shown = {name: _shown(value) for name, value in context.items()}
        en, zh = _TEXTS[kind]
        listed = {name: value.replace(", ", "、").replace(" or ", " 或 ") for name, value in shown.items()}
        return en.format(**shown), zh.format(**listed)
    return message, "不符合要求，见英文说明"


def _of_pattern(pattern: str) -> tuple[str, str]:
    if pattern in PATTERNS:
        return PATTERNS[pattern]
    if choices := re.fullmatch(r"\^\(([\w|-]+)\)\$", pattern):
        names = choices[1].split("|")
        return f"must be one of {', '.join(names)}", f"须为 {'、'.join(names)} 之一"
    return f"must match {pattern}", f"须符合格式 {pattern}"


def _shown(value: Any) -> str:
    return f"{value:%Y-%m-%d}" if isinstance(value, datetime) else str(value)
