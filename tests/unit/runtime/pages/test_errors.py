"""Errors as pages, in both languages."""

import httpx2
import pytest
from fastapi import APIRouter

from services.runtime.batch.queue import Overloaded, Unavailable
from services.runtime.http.pages.application import pages_application
from services.runtime.http.problems import FieldFault, Problem, not_found, wrong_fields
from tests.support.languages import in_both

ERRORS: dict[str, Exception] = {
    "missing": not_found("There is no alert with this number.", "没有该编号的警示。"),
    "forbidden": Problem(403, "forbidden", "Forbidden", "没有权限"),
    "busy": Unavailable(),
    "full": Overloaded(),
    "wrong": wrong_fields([FieldFault(parameter="days", detail="must be a whole number", detail_zh="须为整数")]),
    "conflict": Problem(409, "not-now", "Not now", "现在不行", detail="It was decided.", detail_zh="已经裁决。"),
    "broken": ZeroDivisionError("secret"),
}

STATUS = {
    "missing": 404,
    "forbidden": 403,
    "busy": 503,
    "full": 429,
    "wrong": 422,
    "conflict": 409,
    "broken": 500,
    "nothing": 404,
}

SAID = {
    "missing": ("This page cannot be found", "找不到这个页面"),
    "nothing": ("This page cannot be found", "找不到这个页面"),
    "forbidden": ("You may not open this page", "您不能打开这个页面"),
    "busy": ("Nothing is lost.", "没有任何内容丢失。"),
    "full": ("Nothing is lost.", "没有任何内容丢失。"),
    "wrong": ("days: must be a whole number", "days: 须为整数"),
    "conflict": ("It was decided.", "已经裁决。"),
    "broken": ("A fault of the platform", "平台故障"),
}


async def answer(path: str, language: str) -> httpx2.Response:
    router = APIRouter()

    @router.get("/{name}")
    async def fail(name: str) -> None:
        if name in ERRORS:
            raise ERRORS[name]
        raise not_found("There is no such thing.", "没有。")

    transport = httpx2.ASGITransport(pages_application("toy", router), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
        return await client.get(path, headers={"accept-language": language})


@pytest.mark.parametrize("name", STATUS)
async def test_an_error_is_a_page_in_the_language_of_the_reader(name: str) -> None:
    for language, other, said in (("en", "zh", SAID[name][0]), ("zh", "en", SAID[name][1])):
        found = await answer(f"/{name}", language)
        assert found.status_code == STATUS[name]
        assert found.headers["content-type"].startswith("text/html"), other
        assert "content-security-policy" in found.headers
        assert said in found.text
        assert "secret" not in found.text
    assert in_both(" ".join(SAID[name]))


async def test_what_is_foreign_and_what_is_unknown_look_the_same() -> None:
    foreign, unknown = await answer("/missing", "en"), await answer("/nothing", "en")
    nowhere = await answer("/no/such/page", "en")
    assert foreign.text.replace("/missing", "") == unknown.text.replace("/nothing", "")
    assert nowhere.status_code == 404 and "no alert" not in foreign.text


async def test_an_error_of_the_address_is_a_page_as_well() -> None:
    found = await answer("/missing?owner=%CE%F1", "zh")
    assert found.status_code == 400 and "UTF-8" in found.text
    assert found.headers["content-type"].startswith("text/html")


async def test_a_page_that_cannot_be_shown_now_leads_back_to_itself() -> None:
    found = await answer("/busy?region=45", "zh")
    assert 'href="/busy?region=45"' in found.text
    assert found.headers["retry-after"] == "1"
