"""Departments, items and steps have the names of the catalogue, and keep their codes where it has none."""

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from contracts.codec import encode
from contracts.envelope import envelop
from contracts.messages.commitments import CASE, step_key
from contracts.messages.documents import BundleName, CatalogueName, NamesPublished
from contracts.registry import MAX_DOCUMENT_BYTES
from services.intake.catalogue.load import sample_catalogue
from services.intake.core.catalogue.models import Catalogue
from services.intake.core.catalogue.names import names_of
from services.monitor.core.names import NOTHING, Names, NamesInForce
from tests.support.messages import MONDAY

SAMPLE = Names(names_of(sample_catalogue()))

TEXTS = st.text(min_size=1, max_size=20)


def test_everything_in_the_catalogue_is_called_by_its_name() -> None:
    assert SAMPLE.department("Tax (税务局)", "zh") == "税务局"
    assert SAMPLE.matter("transfer-property", "en") == "Transferring property"
    assert SAMPLE.step(step_key("taxes"), "transfer-property", "zh") == "不动产转移税费核定"
    assert (
        SAMPLE.step(step_key("transfer-tax"), "transfer-tax", "en") == "Assessment of taxes on a transfer of property"
    )
    assert SAMPLE.step_in_both(step_key("title"), "transfer-property") == "Examination of title (不动产权属审核)"
    assert SAMPLE.matter_in_both("premises-use") == "Confirmation of the use of premises (经营场所用途确认)"
    assert SAMPLE.step(CASE, "transfer-property", "zh") is None


@given(code=TEXTS, step=TEXTS)
def test_what_the_catalogue_lacks_keeps_its_code(code: str, step: str) -> None:
    names = Names(NOTHING)
    assert names.department(code, "zh") == names.matter(code, "en") == code
    assert names.step(step_key(step), code, "zh") is names.step_in_both(step_key(step), code) is None
    assert names.matter_in_both(code) is None


def test_without_english_the_chinese_name_serves() -> None:
    entry = CatalogueName(key="WS-PT-01", zh="企业投资项目备案")
    names = Names(NamesPublished(departments=(), items=(entry,), bundles=(BundleName(key="b", zh="一件事", steps={}),)))
    assert names.matter("WS-PT-01", "en") == names.matter_in_both("WS-PT-01") == "企业投资项目备案"


def test_an_item_is_found_by_a_name_that_only_one_has() -> None:
    assert SAMPLE.code_of(" 开办企业 ") == SAMPLE.code_of("Starting a business") == "start-business"
    entries = tuple(CatalogueName(key=key, zh="备案") for key in ("one", "other"))
    ambiguous = Names(NamesPublished(departments=(), items=entries))
    assert ambiguous.code_of("备案") == "备案" and ambiguous.code_of("one") == "one"
    assert SAMPLE.offered("zh")[0] == "公司设立登记"
    many = tuple(CatalogueName(key=str(number), zh=f"事项{number}") for number in range(1135))
    assert Names(NamesPublished(departments=(), items=many)).offered("zh") == [], "no page is as long as a catalogue"


def test_names_follow_the_document_in_force() -> None:
    documents: list[NamesPublished] = []
    names = NamesInForce(lambda: documents[-1] if documents else None)
    assert names().matter("a", "zh") == "a"
    for name in ("甲", "乙"):
        documents.append(NamesPublished(departments=(), items=(CatalogueName(key="a", zh=name),)))
        assert names().matter("a", "zh") == name
    assert names() is names()


def test_the_longest_names_of_a_whole_province_are_one_record() -> None:
    """A district has a thousand items; a name of the catalogue has 80 characters of Chinese at the most."""
    entry = sample_catalogue().items[0]
    longest = entry.name.model_copy(update={"zh": "项" * 80, "en": "e" * 110})
    items = tuple(entry.model_copy(update={"code": f"{number:064}", "name": longest}) for number in range(25_000))
    province: Catalogue = sample_catalogue().model_copy(update={"items": items})
    sent = envelop(names_of(province), id=uuid4(), source="/onedoor/intake", subject="names", time=MONDAY)
    assert len(encode(sent)) < MAX_DOCUMENT_BYTES
