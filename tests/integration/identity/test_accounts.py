"""Accounts: enrolment, password, lockout, sessions and their end, and attacks on the forms."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from services.identity.store import people, sessions
from services.identity.store.cleaning import delete_ended
from services.identity.store.record import Entry
from tests.support.identity.browser import Answer, Browser
from tests.support.identity.issuing import PAGES_BACK, PASSWORD, Issuing
from tests.support.identity.program import Program, content

LOGIN, FORM, BROWSER = "__Host-onedoor-login", "__Host-onedoor-form", "__Host-onedoor-browser"


async def enrol(browser: Browser, code: str, password: str, repeat: str | None = None) -> Answer:
    page = await browser.get("/enrol")
    return await browser.submit(page, "/enrol", code=code, password=password, repeat=repeat or password)


async def disable(running: Issuing, person_id: str) -> None:
    def work(connection: Connection) -> None:
        people.disable(connection, person_id, running.clock())
        sessions.end_all(connection, person_id, "disabled", running.clock())

    await running.issuer.run(work)


async def test_a_person_enrols_once_and_logs_in_with_the_password(browser: Browser, running: Issuing) -> None:
    code = await running.enrolment("li-na", "李娜")
    done = await enrol(browser, code, "blue kettle under the stairs")
    assert done.status == 200 and "李娜" in done.text
    assert (await enrol(browser, code, "another kettle under the stairs")).status == 403, "it works once"
    browser.cookies.clear()
    assert (await browser.log_in("li-na", "blue kettle under the stairs")).status == 303
    assert [entry[:3] for entry in reversed(await running.recorded())] == [
        ("enrolment", "password", "li-na"),
        ("enrolment", "wrong code", None),
        ("login", "password", "li-na"),
    ]
    assert all(entry.address == "127.0.0.1" for entry in await running.recorded())


@pytest.mark.parametrize(
    ("password", "repeat", "reason"),
    [
        ("short", None, "少于 12 个字符"),
        ("password1234", None, "过于常见"),
        ("123456789012", None, "过于常见"),
        ("li-na李娜li-na", None, "姓名或账号"),
        ("blue kettle under the stairs", "blue kettle under the chairs", "不一致"),
        ("x" * 129, None, "超过 128"),
    ],
)
async def test_a_password_that_is_refused_leaves_the_code_good(
    browser: Browser, running: Issuing, password: str, repeat: str | None, reason: str
) -> None:
    code = await running.enrolment("li-na", "李娜")
    refused = await enrol(browser, code, password, repeat)
    assert refused.status == 422 and reason in refused.text
    assert code in refused.text, "it need not be typed again"
    assert (await enrol(browser, code, "blue kettle under the stairs")).status == 200


async def test_a_code_of_enrolment_ends_after_72_hours_and_by_a_newer_one(browser: Browser, running: Issuing) -> None:
    first = await running.enrolment("li-na")
    running.clock.ahead = timedelta(seconds=1)
    second = await running.enrolment("li-na")
    assert (await enrol(browser, first, "blue kettle under the stairs")).status == 403
    running.clock.ahead = timedelta(hours=73)
    assert (await enrol(browser, second, "blue kettle under the stairs")).status == 403


async def test_a_new_enrolment_ends_all_that_was_open(pages: Program, browser: Browser, running: Issuing) -> None:
    tokens = await pages.tokens()
    async with Browser(running.url) as elsewhere:
        done = await enrol(elsewhere, await running.enrolment("wang-fang"), "blue kettle under the stairs")
        assert done.status == 200
    assert content(await pages.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"
    page = await browser.get("/login", Accept_Language="en")
    assert "set anew" in page.text


async def test_two_enrolments_by_one_code_at_once_set_one_password(running: Issuing) -> None:
    code = await running.enrolment("li-na")
    async with Browser(running.url) as one, Browser(running.url) as other:
        answers = await asyncio.gather(
            enrol(one, code, "blue kettle under the stairs"), enrol(other, code, "red kettle over the stairs")
        )
    assert sorted(answer.status for answer in answers) == [200, 403]


async def test_errors_do_not_tell_whether_an_account_exists(browser: Browser, running: Issuing) -> None:
    await running.with_password("disabled")
    await disable(running, "disabled")
    await running.enrolment("never-enrolled")
    answers = []
    for person_id, password in (
        ("wang-fang", "wrong password here"),
        ("nobody", PASSWORD),
        ("disabled", PASSWORD),
        ("never-enrolled", PASSWORD),
    ):
        answer = await browser.log_in(person_id, password)
        answers.append((answer.status, answer.text.replace(person_id, "").replace(browser.cookies[FORM], "")))
    assert len(set(answers)) == 1 and answers[0][0] == 401
    assert [entry[2] for entry in reversed(await running.recorded())] == [
        "wang-fang",
        None,
        "disabled",
        "never-enrolled",
    ], "a name that nobody has may be a password"


@pytest.mark.parametrize("person_id", ["wang-fang", "nobody"])
async def test_guesses_are_slowed_down_and_the_wait_ends_by_itself(
    browser: Browser, running: Issuing, person_id: str
) -> None:
    for _ in range(5):
        assert (await browser.log_in(person_id, "a wrong password")).status == 401
    assert (await browser.log_in(person_id, "a wrong password")).status == 429
    assert (await browser.log_in(person_id, PASSWORD)).status == 429, "not even with the right one"
    locked_out = [entry.person_id for entry in await running.recorded() if entry.outcome == "locked out"]
    assert locked_out == 2 * [person_id if person_id == "wang-fang" else None]
    running.clock.ahead = timedelta(seconds=3)
    assert (await browser.log_in(person_id, "a wrong password")).status == 401
    running.clock.ahead += timedelta(seconds=1)
    assert (await browser.log_in(person_id, "a wrong password")).status == 429, "each waits longer"


async def test_guesses_at_once_gain_nothing(running: Issuing) -> None:
    async def guess(number: int) -> int:
        async with Browser(running.url) as browser:
            return (await browser.log_in("wang-fang", f"a wrong password {number}")).status

    assert (await asyncio.gather(*(guess(number) for number in range(12)))).count(401) == 5


async def test_nobody_locks_a_colleague_out(browser: Browser, running: Issuing) -> None:
    """A browser in which the person has logged in before does not wait for the guesses of others."""
    await browser.log_in("wang-fang", PASSWORD)
    async with Browser(running.url) as attacker:
        for _ in range(6):
            await attacker.log_in("wang-fang", "a wrong password")
        assert (await attacker.log_in("wang-fang", PASSWORD)).status == 429
    del browser.cookies[LOGIN]
    assert (await browser.log_in("wang-fang", PASSWORD)).status == 303
    del browser.cookies[LOGIN], browser.cookies[BROWSER]
    assert (await browser.log_in("wang-fang", PASSWORD)).status == 429
    running.clock.ahead = timedelta(minutes=5)
    assert (await browser.log_in("wang-fang", PASSWORD)).status == 303


async def test_an_address_is_slowed_down_over_all_accounts(browser: Browser) -> None:
    statuses = [(await browser.log_in(f"person-{number}", "a wrong password")).status for number in range(32)]
    assert statuses[:30] == [401] * 30 and 429 in statuses[30:]


async def test_right_logins_of_an_office_are_no_guesses(running: Issuing) -> None:
    for _ in range(35):
        async with Browser(running.url) as browser:
            assert (await browser.log_in("wang-fang", PASSWORD)).status == 303


async def test_a_login_ends_when_it_is_not_used(pages: Program, browser: Browser, running: Issuing) -> None:
    await pages.code()
    for minutes in (14, 28):
        running.clock.ahead = timedelta(minutes=minutes)
        assert (await browser.get(pages.request())).location.startswith(PAGES_BACK)
    running.clock.ahead = timedelta(minutes=43)
    assert (await browser.get(pages.request())).location.startswith("/login")
    assert "没有操作" in (await browser.get("/login")).text


async def test_a_disabled_person_is_out_at_once(pages: Program, browser: Browser, running: Issuing) -> None:
    tokens = await pages.tokens()
    code = await pages.code()
    await disable(running, "wang-fang")
    assert content(await pages.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"
    assert content(await pages.redeem(code))["error"] == "invalid_grant"
    assert (await browser.get(pages.request())).location.startswith("/login")
    assert (await browser.log_in("wang-fang", PASSWORD)).status == 401


async def test_a_login_has_a_new_cookie_whatever_the_browser_had(pages: Program, browser: Browser) -> None:
    """Session fixation: a cookie that somebody has planted is worth nothing after the login."""
    browser.cookies[LOGIN] = "planted"
    await browser.log_in("wang-fang", PASSWORD)
    first = browser.cookies[LOGIN]
    assert first != "planted"
    await browser.log_in("wang-fang", PASSWORD, "/login?next=/device")
    assert browser.cookies[LOGIN] != first
    for secret in ("planted", first):
        async with Browser(browser.url) as other:
            other.cookies = {LOGIN: secret}
            assert (await other.get(pages.request())).location.startswith("/login")


async def test_cookies_are_of_this_host_alone_and_closed_to_scripts_and_other_sites(browser: Browser) -> None:
    answer = await browser.log_in("wang-fang", PASSWORD)
    assert {cookie.partition("=")[0] for cookie in answer.set_cookies} == {LOGIN, BROWSER, FORM}
    for cookie in answer.set_cookies:
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= attributes
        assert not any(one.startswith("domain") for one in attributes)


@pytest.mark.parametrize("path", ["/login", "/enrol", "/device", "/logout", "/enrol/passkey-options"])
async def test_a_form_of_another_site_is_refused(pages: Program, browser: Browser, path: str) -> None:
    """CSRF, and a login by a form of the attacker's as well."""
    tokens = await pages.tokens()
    fields = {"person": "wang-fang", "password": PASSWORD, "code": "x", "answer": "allow"}
    page = await browser.get("/device")
    own = page.form("/device").values["form"]
    for given, headers in (
        (fields, {}),
        (fields | {"form": "guessed"}, {}),
        (fields | {"form": own}, {"Origin": "https://evil.example"}),
        (fields | {"form": own}, {"Origin": "null"}),
    ):
        assert (await browser.post(path, given, **headers)).status == 403
    async with Browser(browser.url) as without_cookie:
        assert (await without_cookie.post(path, fields | {"form": own})).status == 403
        assert (await without_cookie.post(path, fields | {"form": ""})).status == 403
    assert (await pages.refresh(tokens["refresh_token"])).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/%0d%0aLocation:x",
        "/token",
        "javascript:alert(1)",
    ],
)
async def test_a_login_leads_to_no_other_site(browser: Browser, path: str) -> None:
    page = await browser.get("/login")
    answer = await browser.post("/login", {**page.form("/login").values, "next": path, **typed()})
    assert answer.location == "/login"


def typed() -> dict[str, str]:
    return {"person": "wang-fang", "password": PASSWORD}


@pytest.mark.parametrize("path", ["/login", "/enrol", "/authorize", "/.well-known/openid-configuration", "/nowhere"])
async def test_no_page_can_be_framed_or_extended(browser: Browser, path: str) -> None:
    headers = (await browser.get(path)).headers
    policy = headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in policy
    assert "unsafe" not in policy and "form-action 'self' http://127.0.0.1:9" in policy
    assert (headers["X-Frame-Options"], headers["Cache-Control"]) == ("DENY", "no-store")


async def test_what_is_typed_is_shown_as_text(browser: Browser) -> None:
    answer = await browser.log_in('"><script>alert(1)</script>', "a wrong password")
    assert "<script>alert" not in answer.text and "&lt;script&gt;alert" in answer.text
    assert PASSWORD not in (await browser.log_in("nobody", PASSWORD)).text


async def test_pages_are_in_the_readers_language(browser: Browser) -> None:
    assert "登录" in (await browser.get("/login")).text
    page = await browser.get("/login", Accept_Language="en-GB,en;q=0.9")
    assert "Log in" in page.text and 'lang="en"' in page.text
    chosen = await browser.get("/login?next=/device&language=zh", Accept_Language="en")
    assert chosen.location == "/login?next=%2Fdevice", "the way back stays"
    assert "登录" in (await browser.get("/login", Accept_Language="en")).text


async def test_the_way_back_survives_a_choice_after_an_error(browser: Browser) -> None:
    page = await browser.get("/login?next=/device")
    refused = await browser.submit(page, "/login", person="wang-fang", password="a wrong password")
    assert refused.status == 401
    assert 'href="?next=%2Fdevice&amp;language=en"' in refused.text


async def test_the_record_cannot_be_changed(browser: Browser, running: Issuing) -> None:
    await browser.log_in("wang-fang", PASSWORD)
    for statement in ("UPDATE access_record SET outcome = 'x'", "DELETE FROM access_record", "TRUNCATE access_record"):
        with pytest.raises(DBAPIError, match="append-only"):
            await running.issuer.run(lambda connection, one=statement: connection.execute(text(one)))  # type: ignore[misc]
    assert await running.recorded() == [Entry("login", "password", "wang-fang", None, "127.0.0.1")]


async def test_what_ended_long_ago_is_deleted_and_what_is_open_stays(
    pages: Program, browser: Browser, running: Issuing
) -> None:
    await pages.tokens()
    await browser.post("/device_authorization", {"client_id": "command-line"})
    running.clock.ahead = timedelta(days=20)
    browser.cookies.clear()
    open_now = await pages.tokens()

    def rows(connection: Connection) -> list[int]:
        tables = ["sessions", "grants", "codes", "refresh_tokens", "device_requests", "people", "access_record"]
        return [int(connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0) for table in tables]

    before = await running.issuer.run(rows)
    running.clock.ahead = timedelta(days=31)
    await running.issuer.run(lambda connection: delete_ended(connection, running.clock() - timedelta(days=11)))
    after_20_days = await running.issuer.run(rows)
    await running.issuer.run(lambda connection: delete_ended(connection, running.clock()))
    after_31_days = await running.issuer.run(rows)
    assert (before, after_20_days, after_31_days) == (
        [2, 2, 2, 2, 1, 1, 2],
        [2, 2, 2, 2, 0, 1, 2],
        [1, 1, 1, 1, 0, 1, 2],
    )
    running.clock.ahead = timedelta(days=20)
    assert (await pages.refresh(open_now["refresh_token"])).status == 200


async def test_no_secret_is_kept_as_it_is(pages: Program, browser: Browser, running: Issuing) -> None:
    code = await running.enrolment("li-na")
    tokens = await pages.tokens()
    secrets = [code, tokens["refresh_token"], browser.cookies[LOGIN], browser.cookies[BROWSER], PASSWORD]
    tables = (
        "people",
        "enrolments",
        "sessions",
        "refresh_tokens",
        "codes",
        "browsers",
        "grants",
        "signing_keys",
        "access_record",
    )

    def everything(connection: Connection) -> str:
        return " ".join(
            str(row) for table in tables for row in connection.execute(text(f"SELECT {table}::text FROM {table}"))
        )

    kept = await running.issuer.run(everything)
    assert "wang-fang" in kept
    assert [one for one in secrets if one in kept or one.encode().hex() in kept] == []
    assert b"ENCRYPTED PRIVATE KEY".hex() in kept and b"BEGIN PRIVATE KEY".hex() not in kept
