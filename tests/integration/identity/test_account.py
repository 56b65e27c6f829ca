"""A person's own account: password, passkeys and open logins are changed by the person, soon after a login."""

from datetime import timedelta

import pytest

from services.identity.store.record import Entry
from tests.integration.identity.test_passkeys import enrol
from tests.support.identity.authenticator import Authenticator
from tests.support.identity.browser import Answer, Browser
from tests.support.identity.issuing import PASSWORD, Issuing
from tests.support.identity.program import content

NEW = "eleven boats behind the island"


async def entered(browser: Browser, password: str = PASSWORD) -> Answer:
    """The page after a login."""
    assert (await browser.log_in("wang-fang", password, "/login?next=/account")).location == "/account"
    return await browser.get("/account")


async def add_passkey(browser: Browser, authenticator: Authenticator) -> Answer:
    form = (await browser.get("/account")).form("/account/passkey").values
    options = content(await browser.post("/account/passkey-options", form))
    return await browser.post("/account/passkey", form | {"passkey": authenticator.create(options)})


def outcomes(entries: list[Entry]) -> list[str]:
    """Of the changes that a person has made to the own account."""
    return [entry.outcome for entry in entries if entry.event == "account"]


async def test_a_new_password_ends_all_other_logins(browser: Browser, running: Issuing) -> None:
    async with Browser(running.url) as other:
        await entered(other)
        page = await entered(browser)
        for wrong in ({"password": "short", "repeat": "short"}, {"password": NEW, "repeat": f"{NEW}s"}):
            assert (await browser.submit(page, "/account/password", **wrong)).status == 422
        done = await browser.submit(page, "/account/password", password=NEW, repeat=NEW)
        assert (done.status, done.location) == (303, "/account?done=password")
        assert (await browser.get("/account")).status == 200
        assert (await other.get("/account")).location == "/login?next=/account"
        assert (await other.log_in("wang-fang", PASSWORD)).status == 401
        assert (await entered(other, NEW)).status == 200
    assert outcomes(await running.recorded()) == ["password"]


async def test_one_login_is_ended_or_all_others_and_never_that_of_somebody_else(
    browser: Browser, running: Issuing
) -> None:
    await running.with_password("li-na", "李娜")
    async with Browser(running.url) as second, Browser(running.url) as third, Browser(running.url) as stranger:
        await stranger.log_in("li-na", PASSWORD)
        await entered(second)
        page = await entered(browser)
        foreign = (await entered(third)).form("/account/sessions/end").values["form"]
        assert (await browser.submit(page, "/account/sessions/end", session=foreign)).status == 303
        assert (await second.get("/account")).status == 200, "an unknown login ends none"
        listed = (await browser.get("/account")).text
        ids = [part.split('"')[0] for part in listed.split('name="session" value="')[1:]]
        assert len(ids) == 2
        await browser.submit(page, "/account/sessions/end", session=ids[0])
        assert [(await one.get("/account")).status for one in (second, third)].count(303) == 1
        await browser.post("/account/sessions/end", {"form": page.form("/account/sessions/end").values["form"]})
        assert [(await one.get("/account")).status for one in (browser, second, third)] == [200, 303, 303]
        assert (await stranger.get("/account")).status == 200


async def test_a_passkey_is_added_and_removed_and_the_last_way_in_stays(browser: Browser, running: Issuing) -> None:
    await entered(browser)
    assert (await add_passkey(browser, Authenticator(running.url))).location == "/account?done=passkey-added"
    page = await browser.get("/account")
    own = page.form("/account/passkey/remove").values["passkey_id"]
    for unknown in ("", "zz", "00ff"):
        assert (await browser.submit(page, "/account/passkey/remove", passkey_id=unknown)).status == 404
    async with Browser(running.url) as other:
        await enrol(other, await running.enrolment("li-na", "李娜"), Authenticator(running.url))
        theirs = await other.get("/account")
        assert (await other.submit(theirs, "/account/passkey/remove")).status == 409, "nothing else lets her in"
        assert (await other.submit(theirs, "/account/passkey/remove", passkey_id=own)).status in (404, 409)
    assert (await browser.submit(page, "/account/passkey/remove")).location == "/account?done=passkey-removed"
    assert "/account/passkey/remove" not in (await browser.get("/account")).text


@pytest.mark.parametrize("path", ["/account/password", "/account/passkey/remove", "/account/sessions/end"])
async def test_an_old_login_and_another_site_change_nothing(browser: Browser, running: Issuing, path: str) -> None:
    form = (await entered(browser)).form("/account/password").values["form"]
    fields = {"form": form, "password": NEW, "repeat": NEW}
    assert (await browser.post(path, fields | {"form": "forged"}, Origin="https://evil.example")).status == 403
    running.clock.ahead += timedelta(minutes=6)
    refused = await browser.post(path, fields, Origin=running.url)
    assert refused.status == 401
    assert "/account/password" not in refused.text, "there are no forms before a new login"
    async with Browser(running.url) as stranger:
        assert (await stranger.post(path, fields, Origin=running.url)).status in (303, 403)
    assert outcomes(await running.recorded()) == []
