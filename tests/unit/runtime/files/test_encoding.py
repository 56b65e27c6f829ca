"""Text in the encodings that files come in: recognised, or refused with what to do."""

import pytest

from services.runtime.files.encoding import InvalidFile, read_text

CHINESE = [
    "case_id,startdate\n1,2023-01-03\n,南宁\n",
    "办件编号,受理日期,部门\nA1,2023-01-03,税务局\n",
    "id,name\n1,朱镕基\n",
    "a,部门\n1,住建局\n",
    "事项编码;承诺时限\n12;5\n",
    "version: 1\nname: 人员名录\n",
    "姓名\t部门\n李㛃\t自然资源局\n",
    "姓名，地址：“广西”（南宁）\n",
]
"""Short texts: a few characters are no statistics."""


@pytest.mark.parametrize("text", CHINESE)
@pytest.mark.parametrize(
    ("codec", "encoding"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("gb18030", "GB18030"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
    ],
)
def test_a_text_is_read_in_the_encoding_in_which_it_was_written(text: str, codec: str, encoding: str) -> None:
    if codec == "utf-16-be" and text.isascii():
        return
    found = read_text(text.encode(codec))
    assert (found.text, found.encoding) == (text, encoding)
    assert (found.note is None) == (encoding == "UTF-8")


@pytest.mark.parametrize("text", ["", "a,b\n", "Müller\n", "\ufeff"])
def test_plain_files_need_no_remark(text: str) -> None:
    assert read_text(text.encode()).note is None


@pytest.mark.parametrize(
    ("content", "line", "remedy"),
    [
        ("id,name\n1,Müller\n2,José García\n".encode("cp1252"), 2, "save the file in UTF-8"),
        ("a\nb\n中文字\n".encode("big5"), 3, "save the file in UTF-8"),
        ("a\n字字字字".encode()[:-1], 2, "save the file in UTF-8"),
        (b"\xef\xbb\xbfa\n\xff", 2, "not UTF-8 throughout"),
        (b"PK\x03\x04 and so on", 1, "CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0 and so on", 1, "CSV UTF-8"),
        (b"a\nb\0\0\0\0c", 2, "plain text in UTF-8"),
    ],
)
def test_another_file_is_refused_with_its_line_and_what_to_do(content: bytes, line: int, remedy: str) -> None:
    with pytest.raises(InvalidFile) as refused:
        read_text(content)
    english, chinese = str(refused.value).split(" / ")
    assert english.startswith(f"line {line}: ") and remedy in english
    assert chinese.startswith(f"第 {line} 行：") and "UTF-8" in chinese
