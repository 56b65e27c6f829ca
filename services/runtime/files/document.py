"""Documents that people write, YAML or JSON: reading them with the line of each fault, and writing them.

YAML 1.2, of which JSON is a part: ``no`` and ``on`` are text. A date stays text as well, so that the model that expects
a date reports an impossible one.
"""

import re
from collections.abc import Sequence
from io import StringIO
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from contracts.bilingual import both
from contracts.faults import Fault, Path
from services.runtime.fault_text import faults_of
from services.runtime.files.encoding import InvalidFile, invalid, read_text
from services.runtime.files.field_names import unknown_field

M = TypeVar("M", bound=BaseModel)


_UNREADABLE = ("an entry cannot be read", "有条目无法读取")

_SURROGATE = re.compile("[\ud800-\udfff]")


class _Constructor(RoundTripConstructor):
    """Keeps the line of each entry, leaves dates as they are written, and refuses a name that stands twice."""

    def check_mapping_key(self, node: MappingNode, key_node: Node, mapping: CommentedMap, key: Any, value: Any) -> bool:
        if key in mapping:
            first = next(one for one, _ in node.value if one.value == key_node.value)
            lines = first.start_mark.line + 1, key_node.start_mark.line + 1
            raise invalid(
                lines[1],
                f"{key} stands in line {lines[0]} already; keep one of them",
                f"{key} 已出现于第 {lines[0]} 行，请只保留一处",
            )
        return True

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        """Any exception of the library's constructors is a fault of the entry: ``!!int x``, or too large a number."""
        try:
            return super().construct_object(node, deep)
        except (InvalidFile, YAMLError, RecursionError):
            raise
        except Exception:
            raise _no_yaml(node.start_mark.line + 1, *_UNREADABLE) from None

    def construct_scalar(self, node: ScalarNode) -> Any:
        """A character beyond the first 65,536 may be written as a pair of surrogates, as in JSON (RFC 8259, 7)."""
        if not (node.value.isascii() or _SURROGATE.search(node.value) is None):
            node.value = node.value.encode("utf-16", "surrogatepass").decode("utf-16")
        if "\0" in node.value:
            raise invalid(node.start_mark.line + 1, "contains a NUL character; delete it", "含有空字符 (NUL)，请删除")
        return super().construct_scalar(node)


def _as_text(constructor: RoundTripConstructor, node: ScalarNode) -> str:
    return str(node.value)


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _as_text)


def load_document(content: bytes | str) -> Any:
    """The content of a file as dictionaries, lists and scalars that know their lines (`line_of`).

    Raises `InvalidFile` for what is no text or no YAML, for something else than fields or a list, and for a name that
    stands twice in one place.
    """
    text = content if isinstance(content, str) else read_text(content).text
    if text.lstrip()[:1] in ("{", "["):
        text = text.replace("\t", " ")  # JSON may be indented with tabs, and has none within its texts
    yaml = YAML()
    yaml.Constructor = _Constructor
    try:
        loaded = yaml.load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _no_yaml(line, str(error.problem).strip()) from None
    except YAMLError as error:
        raise _no_yaml(1, " ".join(str(error).split())) from None
    except InvalidFile:
        raise
    except RecursionError:
        raise _no_yaml(1, "entries stand within entries too many times", "条目嵌套层数过多") from None
    except Exception:  # a fault that the library's scanner or composer does not expect, such as "\UFFFFFFFF"
        raise _no_yaml(1, *_UNREADABLE) from None
    if not isinstance(loaded, CommentedMap | CommentedSeq):
        raise invalid(
            1,
            "there are no fields; write 'name: value', with a space and a half-width colon",
            "文件中没有字段，请按“名称: 值”填写，冒号用半角，其后空一格",
        )
    return loaded


def _no_yaml(line: int, reason: str, reason_zh: str = "") -> InvalidFile:
    return invalid(
        line,
        f"no YAML: {reason}; check indentation, colons and quotation marks",
        f"不符合 YAML 格式（{reason_zh or reason}），请检查缩进、冒号和引号",
    )


def read_document(model: type[M], content: bytes | str) -> M:
    """The content of a file as a value of this model. Raises `InvalidFile`."""
    return check_document(model, load_document(content))


def check_document(model: type[M], loaded: Any, name_fields: Sequence[str] = ()) -> M:
    """Loaded content as a value of this model. A field that the model does not have is a fault, also within a model
    that ignores such fields in messages.

    Raises `InvalidFile`; ``name_fields`` as for `describe_fault`.
    """
    try:
        return model.model_validate(loaded, extra="forbid")
    except ValidationError as error:
        unknown = {tuple(one["loc"]) for one in error.errors() if one["type"] == "extra_forbidden"}
        faults = [unknown_field(model, one.path) if one.path in unknown else one for one in faults_of(error)]
        raise InvalidFile("\n".join(describe_fault(loaded, fault, name_fields) for fault in faults)) from None


def describe_fault(loaded: Any, fault: Fault, name_fields: Sequence[str] = ()) -> str:
    """The line and the place of a fault, and its description in both languages.

    An entry of a list is named by the first of the ``name_fields`` that it has, or by itself if it is a text; without
    ``name_fields`` by its number.
    """
    place, node = "", loaded
    for part in fault.path:
        node = _child(node, part)
        place += f".{part}" if isinstance(part, str) else f"[{_name(node, name_fields) or part + 1}]"
    where = f"line {line_of(loaded, fault.path)}"
    what = both(fault.en, fault.zh)
    return f"{where}: {place.removeprefix('.')}: {what}" if place else f"{where}: {what}"


def write_yaml(value: BaseModel) -> str:
    """A value as a file that `read_document` reads again, without the fields that have their defaults."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 120
    out = StringIO()
    yaml.dump(value.model_dump(mode="json", exclude_defaults=True), out)
    return out.getvalue()


def line_of(loaded: Any, path: Path) -> int:
    """The line, from 1, of the entry at the end of this path, or of the last entry on the path that exists.

    An entry of a mapping stands where its name does.
    """
    line, node = _first_line(loaded), loaded
    for part in path:
        if isinstance(node, CommentedMap) and part in node:
            line = node.lc.key(part)[0] + 1
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            line = node.lc.item(part)[0] + 1
        else:
            break
        node = node[part]
    return line


def _first_line(loaded: Any) -> int:
    return loaded.lc.line + 1 if isinstance(loaded, CommentedMap | CommentedSeq) else 1


def _child(node: Any, part: int | str) -> Any:
    try:
        return node[part]
    except (KeyError, IndexError, TypeError):  # the path of a missing field ends where there is nothing
        return None


def _name(entry: Any, name_fields: Sequence[str]) -> str | None:
    if isinstance(entry, CommentedMap):
        # No lists: by references a few lines can be one of any size.
        return next((str(entry[field]) for field in name_fields if isinstance(entry.get(field), str | int)), None)
    return str(entry) if name_fields and isinstance(entry, str) else None
