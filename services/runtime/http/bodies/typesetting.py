"""The process that sets one document and ends; see `pdf`. It reads the order from its input, and writes the document.

It may take a certain memory and time of a processor, and reads no file but its fonts.
"""

import json
import resource
import sys
from base64 import b64decode
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

FONTS = "cvttf_NotoSansCJK_Regular"
"""The package that has the font for Chinese and Latin text (Noto Sans CJK, SIL Open Font License 1.1)."""

MOST_BYTES = 1 << 30
"""Memory that the process may take."""

CPU_S = 30
"""Seconds of a processor that it may take."""


def fonts_folder() -> Path:
    """The folder of the font. Raises `SystemExit` without the package."""
    found = find_spec(FONTS)
    if found is None or found.origin is None:
        raise SystemExit(
            "the font for documents is missing: install the package cvttf-notosanscjk-regular, as requirements/run.txt "
            "names it"
        )
    return Path(found.origin).parent


def main() -> None:
    """Set the document."""
    import typst

    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    if sys.platform == "linux":  # elsewhere the limit counts what is merely reserved
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    order = json.load(sys.stdin.buffer)
    with TemporaryDirectory() as folder:  # a template can read files below its root alone
        template = Path(folder) / "document.typ"
        template.write_bytes(b64decode(order["template"]))
        document = typst.compile(
            template,
            root=Path(folder),
            font_paths=[fonts_folder()],
            ignore_system_fonts=True,
            sys_inputs={"content": order["content"]},
            format="pdf",
            timestamp=order["made_at"],
        )
    sys.stdout.buffer.write(document)


if __name__ == "__main__":
    main()
