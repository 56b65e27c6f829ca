"""Passkeys: enrolment, login, and answers that prove nothing."""

import pytest

from tests.support.identity.authenticator import Authenticator
from tests.support.identity.browser import Answer, Browser
from tests.support.identity.issuing import Issuing
from tests.support.identity.program import content


async def enrol(browser: Browser, code: str, authenticator: Authenticator) -> Answer:
    form = (await browser.get("/enrol")).form("/enrol").values
    options = content(await browser.post("/enrol/passkey-options", form | {"code": code}))
    assert options["authenticatorSelection"]["userVerification"] == "required"
    return await browser.post("/enrol", form | {"code": code, "passkey": authenticator.create(options)})


async def log_in(browser: Browser, authenticator: Authenticator) -> Answer:
    form = (await browser.get("/login?next=/device")).form("/login").values
    options = content(await browser.post("/login/passkey-options", form))
    return await browser.post("/login", form | {"passkey": authenticator.get(options)})


@pytest.fixture
async def passkey(browser: Browser, running: Issuing) -> Authenticator:
    """The passkey of Li Na, who has no password."""
    authenticator = Authenticator(running.url)
    assert (await enrol(browser, await running.enrolment("li-na", "李娜"), authenticator)).status == 200
    browser.cookies.clear()
    return authenticator


async def test_a_person_logs_in_by_a_passkey(browser: Browser, running: Issuing, passkey: Authenticator) -> None:
    for _ in range(2):
        answer = await log_in(browser, passkey)
        assert (answer.status, answer.location) == (303, "/device")
    assert [entry[:3] for entry in reversed(await running.recorded())] == [
        ("enrolment", "passkey", "li-na"),
        ("login", "passkey", "li-na"),
        ("login", "passkey", "li-na"),
    ]


async def test_guesses_of_the_password_do_not_keep_a_passkey_out(browser: Browser, passkey: Authenticator) -> None:
    for _ in range(7):
        await browser.log_in("li-na", "a wrong password")
    assert (await log_in(browser, passkey)).status == 303


async def test_an_answer_is_good_once(browser: Browser, passkey: Authenticator) -> None:
    form = (await browser.get("/login")).form("/login").values
    options = content(await browser.post("/login/passkey-options", form))
    answer = form | {"passkey": passkey.get(options)}
    cookies = dict(browser.cookies)
    assert (await browser.post("/login", answer)).status == 303
    browser.cookies = cookies
    assert (await browser.post("/login", answer)).status == 401


async def test_an_answer_for_another_form_or_site_proves_nothing(browser: Browser, passkey: Authenticator) -> None:
    form = (await browser.get("/login")).form("/login").values
    await browser.post("/login/passkey-options", form)
    other = {"challenge": "b3RoZXI"}
    assert (await browser.post("/login", form | {"passkey": passkey.get(other)})).status == 401
    passkey.origin = "https://evil.example"
    assert (await log_in(browser, passkey)).status == 401


@pytest.mark.parametrize("answer", ["x", "{}", "[]", '{"rawId": "AAAA"}', '{"rawId": 1, "response": null}', "null"])
async def test_an_answer_that_is_none_is_refused(browser: Browser, passkey: Authenticator, answer: str) -> None:
    form = (await browser.get("/login")).form("/login").values
    await browser.post("/login/passkey-options", form)
    assert (await browser.post("/login", form | {"passkey": answer})).status == 401


async def test_an_unknown_passkey_or_one_that_recognises_nobody_is_refused(browser: Browser, running: Issuing) -> None:
    assert (await log_in(browser, Authenticator(running.url))).status == 401
    code = await running.enrolment("li-na")
    assert (await enrol(browser, code, Authenticator(running.url, verified=False))).status == 422
    assert (await enrol(browser, code, Authenticator(running.url, host="evil.example"))).status == 422
    assert (await enrol(browser, code, Authenticator(running.url))).status == 200, "the code stays good"
