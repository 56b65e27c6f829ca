"""Documents for print: what they show is data, and a process that goes wrong ends."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pypdf import PdfReader

from services.runtime.http.bodies.pdf import Typesetter
from services.runtime.http.problems import Problem

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

SHOW = '#set text(font: "Noto Sans CJK TC")\n#json(bytes(sys.inputs.content)).text'


def template(folder: Path, text: str) -> Path:
    file = folder / "template.typ"
    file.write_text(text, encoding="utf-8")
    return file


async def test_what_somebody_typed_is_shown_as_it_is(tmp_path: Path) -> None:
    text = '骨直#emph[a]*b*$c$@d<e>\\#read("/etc/passwd")'
    document = await Typesetter().pdf(template(tmp_path, SHOW), {"text": text}, NOON)
    reader = PdfReader(io.BytesIO(document))
    assert "".join(reader.pages[0].extract_text().split()) == "".join(text.split())
    assert reader.metadata is not None and reader.metadata.creation_date == NOON
    again = await Typesetter().pdf(template(tmp_path, SHOW), {"text": text}, NOON)
    assert again == document, "the same content gives the same document"


@pytest.mark.parametrize("text", ["#unknown", '#read("/etc/passwd")', '#read("../secret")'])
async def test_a_template_that_is_wrong_or_reads_elsewhere_makes_no_document(tmp_path: Path, text: str) -> None:
    (tmp_path.parent / "secret").write_text("x")
    with pytest.raises(Problem) as failed:
        await Typesetter().pdf(template(tmp_path, text), {}, NOON)
    assert failed.value.status == 500


async def test_a_document_that_takes_too_long_is_given_up_and_the_next_one_is_made(tmp_path: Path) -> None:
    slow = template(tmp_path, "#for a in range(100000) { for b in range(100000) {} }")
    typesetter = Typesetter(longest_s=0.7)
    with pytest.raises(Problem) as late:
        await typesetter.pdf(slow, {}, NOON)
    assert (late.value.status, (late.value.headers or {})["Retry-After"]) == (503, "10")
    assert await typesetter.pdf(template(tmp_path, SHOW), {"text": "x"}, NOON)
