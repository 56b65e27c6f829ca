"""Attacks on the protocol: codes, tokens and redirects in wrong hands."""

import asyncio
import hmac
import json
from base64 import urlsafe_b64encode
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from joserfc.jwk import RSAKey

from services.runtime.security.access_tokens import InvalidToken, TokenVerifier
from tests.support.identity.browser import Browser
from tests.support.identity.issuing import PAGES_BACK, PASSWORD, PROGRAM_SECRET, Issuing
from tests.support.identity.program import Program, content


async def test_a_replayed_code_gives_nothing_and_takes_what_it_gave(pages: Program, running: Issuing) -> None:
    code = await pages.code()
    tokens = content(await pages.redeem(code))
    assert content(await pages.redeem(code))["error"] == "invalid_grant"
    assert content(await pages.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"
    assert ("code", "reused", "wang-fang") in [entry[:3] for entry in await running.recorded()]


async def test_of_two_uses_at_once_one_gives_tokens_at_most(pages: Program) -> None:
    code = await pages.code()
    answers = await asyncio.gather(*(pages.redeem(code) for _ in range(5)))
    assert sorted(answer.status for answer in answers)[1:] == [400] * 4


async def test_a_code_is_worth_nothing_after_a_minute(pages: Program, running: Issuing) -> None:
    code = await pages.code()
    running.clock.ahead = timedelta(seconds=61)
    assert content(await pages.redeem(code))["error"] == "invalid_grant"


@pytest.mark.parametrize("verifier", ["x" * 43, "", "short", "ä" * 43])
async def test_a_stolen_code_is_worth_nothing_without_its_verifier(pages: Program, verifier: str) -> None:
    code = await pages.code()
    assert (await pages.redeem(code, code_verifier=verifier)).status == 400
    assert (await pages.redeem(code)).status == 400, "it is used up"


async def test_a_code_belongs_to_its_program_and_address(pages: Program, browser: Browser) -> None:
    code = await pages.code()
    other = Program(browser, "other", "http://127.0.0.1:9/other")
    other.verifier = pages.verifier
    assert content(await other.redeem(code))["error"] == "invalid_grant"
    assert content(await pages.redeem(code, redirect_uri=f"{PAGES_BACK}/"))["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:10/login/back",
        "http://localhost:9/login/back",
        "https://127.0.0.1:9/login/back",
        f"{PAGES_BACK}/",
        f"{PAGES_BACK}?x=1",
        f"{PAGES_BACK}#x",
        f"{PAGES_BACK}/../elsewhere",
        "http://127.0.0.1:9/login/BACK",
        "http://127.0.0.1:9@evil.example/login/back",
        "//evil.example",
        "javascript:alert(1)",
        None,
    ],
)
async def test_no_login_leads_to_an_address_that_is_not_registered(
    pages: Program, browser: Browser, address: str | None
) -> None:
    await browser.log_in("wang-fang", PASSWORD)
    answer = await browser.get(pages.request(redirect_uri=address))
    assert answer.status == 400 and "Location" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"scope": "openid operate"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"max_age": "-1"}, "invalid_request"),
    ],
)
async def test_a_request_that_is_less_safe_is_refused(
    pages: Program, browser: Browser, changes: dict[str, str | None], error: str
) -> None:
    await browser.log_in("wang-fang", PASSWORD)
    answer = await browser.get(pages.request(**changes))
    assert answer.location.startswith(PAGES_BACK)
    assert (answer.query["error"], answer.query["state"]) == (error, "state-1")


async def test_a_parameter_that_is_given_twice_is_refused(pages: Program, browser: Browser) -> None:
    twice = pages.request() + "&" + urlencode({"redirect_uri": "http://evil.example/"})
    assert (await browser.get(twice)).status == 400


async def test_an_unknown_program_gets_a_page_and_no_redirect(pages: Program, browser: Browser) -> None:
    answer = await browser.get(pages.request(client_id="<script>alert(1)</script>"))
    assert answer.status == 400 and "Location" not in answer.headers and "<script>alert" not in answer.text


async def test_a_stolen_refresh_token_ends_the_whole_family(pages: Program, running: Issuing) -> None:
    tokens = await pages.tokens()
    thief = content(await pages.refresh(tokens["refresh_token"]))
    assert content(await pages.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"
    assert content(await pages.refresh(thief["refresh_token"]))["error"] == "invalid_grant"
    assert ("refresh", "reused", "wang-fang", "pages") in [entry[:4] for entry in await running.recorded()]


async def test_a_refresh_token_of_another_program_is_refused_and_stays_good(pages: Program, browser: Browser) -> None:
    tokens = await pages.tokens()
    other = Program(browser, "other")
    assert content(await other.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"
    assert content(await other.token(token=tokens["refresh_token"]))["error"] == "unsupported_grant_type"
    assert (await browser.post("/revoke", {"client_id": "other", "token": tokens["refresh_token"]})).status == 400
    assert (await pages.refresh(tokens["refresh_token"])).status == 200


async def test_a_refresh_token_gives_no_more_than_was_granted(pages: Program) -> None:
    tokens = await pages.tokens()
    assert content(await pages.refresh(tokens["refresh_token"], scope="openid cases"))["error"] == "invalid_scope"


@pytest.mark.parametrize(
    "fields",
    [
        {"client_id": "importing", "client_secret": "wrong"},
        {"client_id": "importing"},
        {"client_id": "pages"},
        {"client_id": "pages", "client_secret": ""},
        {"client_id": "nobody", "client_secret": PROGRAM_SECRET},
        {"client_id": "importing", "client_secret": PROGRAM_SECRET, "scope": "operate"},
    ],
)
async def test_no_program_gets_a_token_for_itself_without_its_secret(browser: Browser, fields: dict[str, str]) -> None:
    answer = await browser.post("/token", {"grant_type": "client_credentials"} | fields)
    assert answer.status in (400, 401) and "access_token" not in answer.text


@pytest.mark.parametrize("grant_type", ["password", "implicit", "", "urn:ietf:params:oauth:grant-type:jwt-bearer"])
async def test_no_other_way_to_tokens_is_open(browser: Browser, grant_type: str) -> None:
    fields = {"grant_type": grant_type, "client_id": "pages", "username": "wang-fang", "password": PASSWORD}
    assert content(await browser.post("/token", fields))["error"] == "unsupported_grant_type"


def encoded(header: dict[str, str | None]) -> str:
    """A header of a token."""
    return urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")


async def test_a_token_that_somebody_else_has_made_is_refused(
    pages: Program, browser: Browser, running: Issuing
) -> None:
    """Among them ``alg: none``, and the public key taken for a shared secret."""
    tokens = await pages.tokens()
    verifier = TokenVerifier(running.url, "onedoor")
    await verifier.verify(tokens["access_token"])
    head, body, signature = tokens["access_token"].split(".")
    public = RSAKey.import_key(content(await browser.get("/jwks"))["keys"][0])
    signed = f"{encoded({'alg': 'HS256', 'typ': 'at+jwt', 'kid': public.kid})}.{body}"
    made = hmac.new(public.as_pem(private=False), signed.encode(), "sha256").digest()
    confused = f"{signed}.{urlsafe_b64encode(made).decode().rstrip('=')}"
    nothing = encoded({"alg": "none", "typ": "at+jwt"})
    for forged in (
        f"{nothing}.{body}.",
        f"{nothing}.{body}.{signature}",
        f"{head}.{body[:-2]}AA.{signature}",
        confused,
    ):
        with pytest.raises(InvalidToken):
            await verifier.verify(forged)
    with pytest.raises(InvalidToken, match="no access token"):
        await verifier.verify(tokens["id_token"])


async def test_nothing_secret_stands_in_an_address(pages: Program, browser: Browser) -> None:
    """A token in a query is not read, and a logout with an ID token in it ends nothing."""
    tokens = await pages.tokens()
    query = urlencode({"grant_type": "refresh_token", "client_id": "pages", "refresh_token": tokens["refresh_token"]})
    assert (await browser.post(f"/token?{query}", {})).status == 400
    assert (await browser.get(f"/token?{query}")).status == 405
    await browser.get(f"/logout?{urlencode({'id_token_hint': tokens['id_token']})}")
    assert (await pages.refresh(tokens["refresh_token"])).status == 200


async def test_a_forged_id_token_logs_nobody_out(pages: Program, browser: Browser, running: Issuing) -> None:
    tokens = await pages.tokens()
    head, body, signature = tokens["id_token"].split(".")
    for hint in (f"{head}.{body}.", f"{head}.{body}.{signature[:-4]}AAAA", tokens["access_token"], "x"):
        assert (await browser.post("/logout", {"id_token_hint": hint})).status == 403
    assert (await pages.refresh(tokens["refresh_token"])).status == 200


async def test_a_person_with_the_id_of_a_program_gets_no_tokens(
    pages: Program, browser: Browser, running: Issuing
) -> None:
    await running.with_password("importing")
    to_login = await browser.get(pages.request())
    done = await browser.log_in("importing", PASSWORD, to_login.location)
    answer = await browser.get(done.location)
    assert "code=" not in answer.headers.get("Location", "") and "access_denied" in answer.text + answer.headers.get(
        "Location", ""
    )


async def test_the_code_of_a_device_cannot_be_guessed(browser: Browser, running: Issuing) -> None:
    await browser.log_in("wang-fang", PASSWORD)
    statuses = []
    for number in range(8):
        page = await browser.get("/device")
        statuses.append((await browser.submit(page, "/device", code=f"BBBB-BBB{'BCDFGHJK'[number]}")).status)
    assert statuses[:5] == [404] * 5 and 429 in statuses[5:]


async def test_the_code_of_a_device_belongs_to_its_program(browser: Browser) -> None:
    asked = content(await browser.post("/device_authorization", {"client_id": "command-line"}))
    for fields in ({"client_id": "pages"}, {"client_id": "importing", "client_secret": PROGRAM_SECRET}):
        answer = await browser.post(
            "/token",
            {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": asked["device_code"]}
            | fields,
        )
        assert content(answer)["error"] == "unauthorized_client"
    assert (await browser.post("/device_authorization", {"client_id": "pages"})).status == 400
