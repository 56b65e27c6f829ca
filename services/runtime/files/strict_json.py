"""JSON in which each object has each name once (RFC 8259, section 4, only recommends it).

Other parsers take the last of two equal names and drop the first without a word.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from contracts.bilingual import BilingualError

Path = tuple[int | str, ...]


class InvalidJson(BilingualError, ValueError):
    """Text that is no JSON, or has a name twice. The message does not repeat values, which may be personal data.

    ``en`` and ``zh`` tell what is wrong. ``path`` leads to a name that stands twice; it is None for text that is no
    JSON.
    """

    def __init__(self, en: str, zh: str, path: Path | None = None) -> None:
        super().__init__(en, zh)
        self.path = path


class _Repeated(Exception):
    """An object has a name twice."""


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text in UTF-8, with or without a byte order mark. Raises `InvalidJson`."""
    try:
        decoded = (text if isinstance(text, str) else text.decode()).removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise InvalidJson("the text is not UTF-8; send JSON in UTF-8", "文字编码不是 UTF-8，请以 UTF-8 发送") from None
    try:
        value = _DECODER.decode(decoded)
        if "\\ud" in decoded or "\\uD" in decoded:
            json.dumps(value, ensure_ascii=False).encode()  # raises for half of a pair of surrogates, which is no text
        return value
    except _Repeated:
        raise _repeated(decoded) from None
    except json.JSONDecodeError as error:
        line, column = error.lineno, error.colno
        raise InvalidJson(
            f"no JSON: there is a fault in line {line}, column {column}", f"不是 JSON：第 {line} 行第 {column} 列有误"
        ) from None
    except (ValueError, RecursionError):  # also NaN, a number of thousands of digits, thousands of nested lists
        raise InvalidJson("no JSON that can be read here", "不是可以读取的 JSON") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Repeated
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)

_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?|[{}\[\],]', re.DOTALL)


def _repeated(text: str) -> InvalidJson:
    """The error for the first name that stands twice in its object."""
    for path, first, second in _repetitions(text):
        one, other = text.count("\n", 0, first) + 1, text.count("\n", 0, second) + 1
        en = f"stands twice, in line {one} and in line {other}; keep one of them"
        return InvalidJson(en, f"在第 {one} 行和第 {other} 行重复出现，请只保留一处", path)
    raise AssertionError("the decoder has found a name that stands twice")


def _repetitions(text: str) -> Iterator[tuple[Path, int, int]]:
    """The path and the two places of each name that stands twice. The text has balanced brackets up to there."""
    path: list[int | str] = []
    names: list[dict[str, int] | None] = []  # of each open object; None for a list
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "{":
                names.append({})
                path.append("")
            case "[":
                names.append(None)
                path.append(0)
            case "}" | "]":
                names.pop()
                path.pop()
            case ",":
                if isinstance(place := path[-1], int):
                    path[-1] = place + 1
            case _ if token[2] and (known := names[-1]) is not None:
                name = json.loads(f'"{token[1]}"', strict=False)
                path[-1] = name
                if name in known:
                    yield tuple(path), known[name], token.start()
                known[name] = token.start()
