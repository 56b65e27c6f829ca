"""People are named with their post and department, and those who have left with their id."""

from datetime import date

import pytest

from contracts.bilingual import Language
from services.intake.catalogue.load import sample_catalogue
from services.intake.core.catalogue.names import names_of
from services.monitor.core.names import Names
from services.monitor.core.notifications.directory import Directory
from services.monitor.store.notifications import directory_store
from services.monitor.web.pages.words import Words
from services.runtime.http.pages.rendering import Pages

SAMPLE = directory_store.read(directory_store.SAMPLE.read_bytes())
DAY = date(2026, 4, 14)
TAX, LAND = "Tax (税务局)", "Land (自然资源局)"

PAGES = Pages("monitor", "services.monitor.web.pages")


def words(language: Language) -> Words:
    return Words(language, PAGES.texts(language), Names(names_of(sample_catalogue())))


@pytest.mark.parametrize(
    ("person", "department", "zh", "en"),
    [
        ("zhou", None, "周宁（监督人员）", "周宁 (supervisor)"),
        ("li", None, "李强（税务局部门负责人）", "李强 (department head, Tax)"),
        ("li", LAND, "李强（自然资源局部门负责人）", "李强 (department head, Land)"),
        ("gone", TAX, "gone（已不在人员名录中）", "gone (no longer in the directory)"),
    ],
)
def test_a_person_is_named_with_the_post(person: str, department: str | None, zh: str, en: str) -> None:
    directory = Directory(SAMPLE)
    assert words("zh").named(directory, person, DAY, department) == zh
    assert words("en").named(directory, person, DAY, department) == en


def test_a_post_that_is_over_comes_after_one_that_lasts() -> None:
    past = SAMPLE.posts[4].replace(person="zhou", until=date(2026, 1, 31))
    directory = Directory(SAMPLE.replace(posts=(past, *SAMPLE.posts)))
    assert words("zh").named(directory, "zhou", DAY, LAND) == "周宁（监督人员）"
    before = Directory(SAMPLE.replace(posts=(past, *(post for post in SAMPLE.posts if post.person != "zhou"))))
    assert words("zh").named(before, "zhou", DAY) == "周宁（自然资源局部门负责人）"
