"""Each way to get tokens, by HTTP, and the tokens as the services verify them."""

import json
from base64 import b64encode, urlsafe_b64decode
from datetime import UTC, datetime, timedelta

from joserfc import jwt
from joserfc.jwk import KeySet

from services.runtime.security.access_tokens import TokenVerifier
from tests.support.identity.browser import Answer, Browser
from tests.support.identity.issuing import PAGES_AFTER, PAGES_BACK, PASSWORD, PROGRAM_SECRET, Issuing
from tests.support.identity.program import Program, content

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


async def id_claims(browser: Browser, token: str) -> dict[str, object]:
    keys = KeySet.import_key_set(content(await browser.get("/jwks")))  # type: ignore[arg-type]
    return jwt.decode(token, keys, algorithms=["RS256"]).claims


async def test_the_metadata_leads_to_the_endpoints_and_keys(browser: Browser, running: Issuing) -> None:
    metadata = content(await browser.get("/.well-known/openid-configuration"))
    assert metadata["issuer"] == running.url
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    await running.issuer.run(lambda connection: running.issuer.signing.rotate(connection, running.clock()))
    keys = content(await browser.get(metadata["jwks_uri"]))["keys"]
    assert [(key["kty"], key["use"], key["alg"]) for key in keys] == [("RSA", "sig", "RS256")]
    assert all(key.keys().isdisjoint({"d", "p", "q", "dp", "dq", "qi"}) for key in keys)


async def test_a_person_logs_in_and_the_pages_get_tokens_that_services_accept(
    pages: Program, browser: Browser, running: Issuing
) -> None:
    begun = await browser.get(pages.request(scope="openid cases"))
    assert begun.status == 303 and begun.location.startswith("/login?next=")
    logged_in = await browser.log_in("wang-fang", "seven lamps on the river", begun.location)
    back = await browser.get(logged_in.location)
    assert back.location.startswith(PAGES_BACK)
    assert (back.query["state"], back.query["iss"]) == ("state-1", running.url)
    tokens = content(await pages.redeem(back.query["code"]))
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("Bearer", 600, "openid cases")
    verifier = TokenVerifier(running.url, "onedoor")
    token = await verifier.verify(tokens["access_token"])
    assert (token.subject, token.client, token.scopes) == ("wang-fang", "pages", frozenset({"openid", "cases"}))
    assert token.authenticated_at is not None
    assert datetime.now(UTC) - token.authenticated_at < timedelta(minutes=1)
    claims = await id_claims(browser, tokens["id_token"])
    assert (claims["sub"], claims["name"], claims["aud"], claims["nonce"], claims["amr"]) == (
        "wang-fang",
        "王芳",
        ["pages"],
        "nonce-1",
        ["pwd"],
    )


async def test_a_second_program_needs_no_second_login(pages: Program, browser: Browser) -> None:
    await pages.code()
    other = Program(browser, "other", "http://127.0.0.1:9/other")
    answer = await browser.get(other.request())
    assert answer.location.startswith("http://127.0.0.1:9/other?code=")


async def test_a_refresh_token_gives_the_next_one_with_the_time_of_the_login(pages: Program, running: Issuing) -> None:
    tokens = await pages.tokens()
    verifier = TokenVerifier(running.url, "onedoor")
    first = await verifier.verify(tokens["access_token"])
    running.clock.ahead = timedelta(minutes=5)
    again = content(await pages.refresh(tokens["refresh_token"]))
    assert again["refresh_token"] != tokens["refresh_token"]
    renewed = await verifier.verify(again["access_token"])
    assert (renewed.subject, renewed.authenticated_at) == ("wang-fang", first.authenticated_at)


async def test_refresh_tokens_end_with_the_working_day(pages: Program, running: Issuing) -> None:
    tokens = await pages.tokens()
    running.clock.ahead = timedelta(hours=11)
    tokens = content(await pages.refresh(tokens["refresh_token"]))
    running.clock.ahead = timedelta(hours=12, minutes=1)
    assert content(await pages.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"


async def test_a_program_gets_a_token_for_itself_by_its_secret(browser: Browser, running: Issuing) -> None:
    basic = b64encode(f"importing:{PROGRAM_SECRET}".encode()).decode()
    for fields, headers in (
        ({"client_id": "importing", "client_secret": PROGRAM_SECRET}, {}),
        ({}, {"Authorization": f"Basic {basic}"}),
    ):
        answer = await browser.post(
            "/token", {"grant_type": "client_credentials", "scope": "import"} | fields, **headers
        )
        tokens = content(answer)
        assert "refresh_token" not in tokens
        token = await TokenVerifier(running.url, "onedoor").verify(tokens["access_token"])
        assert (token.subject, token.client, token.scopes) == ("importing", "importing", frozenset({"import"}))
        assert token.authenticated_at is None


async def test_keys_change_and_no_verifier_meets_an_unknown_one(browser: Browser, running: Issuing) -> None:
    fields = {"grant_type": "client_credentials", "client_id": "importing", "client_secret": PROGRAM_SECRET}

    async def token() -> str:
        return str(content(await browser.post("/token", fields))["access_token"])

    async def rotate() -> list[str]:
        await running.issuer.run(lambda connection: running.issuer.signing.rotate(connection, running.clock()))
        return [key["kid"] for key in content(await browser.get("/jwks"))["keys"]]

    (first,) = await rotate()
    running.clock.ahead = timedelta(days=29)
    before = await token()
    known, second = await rotate()
    assert known == first and kid(before) == kid(await token()) == first
    verifier = TokenVerifier(running.url, "onedoor")
    await verifier.verify(before)
    running.clock.ahead = timedelta(days=30)
    assert await rotate() == [first, second]
    after = await token()
    assert kid(after) == second
    await verifier.verify(after)
    await verifier.verify(before)
    running.clock.ahead = timedelta(days=30, hours=1)
    assert await rotate() == [second]


def kid(token: str) -> object:
    """The name of the key that signed a token."""
    head = token.partition(".")[0]
    return json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


async def ask_for_device(browser: Browser) -> dict[str, object]:
    return content(
        await browser.post("/device_authorization", {"client_id": "command-line", "scope": "openid operate"})
    )


async def poll(browser: Browser, device_code: object, client_id: str = "command-line") -> Answer:
    fields = {"grant_type": DEVICE_GRANT, "client_id": client_id, "device_code": str(device_code)}
    return await browser.post("/token", fields)


async def test_the_command_line_gets_tokens_when_a_person_consents(browser: Browser, running: Issuing) -> None:
    asked = await ask_for_device(browser)
    assert asked["verification_uri"] == f"{running.url}/device" and "verification_uri_complete" not in asked
    assert content(await poll(browser, asked["device_code"]))["error"] == "authorization_pending"
    assert content(await poll(browser, asked["device_code"]))["error"] == "slow_down"
    to_login = await browser.get("/device")
    logged_in = await browser.log_in("wang-fang", "seven lamps on the river", to_login.location)
    assert logged_in.location == "/device"
    page = await browser.get("/device", Accept_Language="en")
    typed = str(asked["user_code"]).lower().replace("-", " ")
    consent = await browser.submit(page, "/device", code=typed)
    assert "命令行" in consent.text and "王芳" in consent.text
    await browser.submit(consent, "/device", answer="allow")
    tokens = content(await poll(browser, asked["device_code"]))
    token = await TokenVerifier(running.url, "onedoor").verify(tokens["access_token"])
    assert (token.subject, token.client) == ("wang-fang", "command-line")
    assert (await id_claims(browser, tokens["id_token"]))["sub"] == "wang-fang"
    assert content(await poll(browser, asked["device_code"]))["error"] == "invalid_request", "given once"
    refreshed = await browser.post(
        "/token",
        {"grant_type": "refresh_token", "client_id": "command-line", "refresh_token": tokens["refresh_token"]},
    )
    assert refreshed.status == 200


async def test_a_device_needs_a_login_of_the_last_minutes(browser: Browser, running: Issuing) -> None:
    await browser.log_in("wang-fang", PASSWORD)
    asked = await ask_for_device(browser)
    page = await browser.get("/device")
    running.clock.ahead = timedelta(minutes=6)
    for answer in (await browser.get("/device"), await browser.submit(page, "/device", code=str(asked["user_code"]))):
        assert answer.location == "/login?next=/device"
    again = await browser.log_in("wang-fang", PASSWORD, "/login?next=/device")
    assert again.location == "/device" and (await browser.get("/device")).status == 200


async def test_a_device_that_is_refused_or_too_late_gets_nothing(browser: Browser, running: Issuing) -> None:
    await browser.log_in("wang-fang", "seven lamps on the river")
    asked = await ask_for_device(browser)
    consent = await browser.submit(await browser.get("/device"), "/device", code=str(asked["user_code"]))
    await browser.submit(consent, "/device", answer="deny")
    assert content(await poll(browser, asked["device_code"]))["error"] == "access_denied"
    late = await ask_for_device(browser)
    running.clock.ahead = timedelta(minutes=11)
    assert content(await poll(browser, late["device_code"]))["error"] == "expired_token"


async def test_a_token_that_is_given_back_gives_nothing_more(pages: Program, browser: Browser) -> None:
    tokens = await pages.tokens()
    answer = await browser.post("/revoke", {"client_id": "pages", "token": tokens["refresh_token"]})
    assert answer.status == 200
    assert content(await pages.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"
    unknown = await browser.post("/revoke", {"client_id": "pages", "token": "unknown"})
    assert unknown.status == 200, "RFC 7009, section 2.2"


async def test_a_program_logs_a_person_out_by_its_id_token(pages: Program, browser: Browser) -> None:
    tokens = await pages.tokens()
    fields = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": PAGES_AFTER, "state": "s"}
    async with Browser(browser.url) as without_cookies:
        answer = await without_cookies.post("/logout", fields)
    assert answer.location == f"{PAGES_AFTER}?state=s"
    assert (await browser.get(pages.request())).location.startswith("/login")
    assert content(await pages.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"


async def test_a_person_logs_out_by_the_page_and_reads_why_at_the_next_login(pages: Program, browser: Browser) -> None:
    await pages.tokens()
    secret = dict(browser.cookies)
    page = await browser.get(f"/logout?client_id=pages&post_logout_redirect_uri={PAGES_AFTER}")
    answer = await browser.submit(page, "/logout")
    assert answer.location == PAGES_AFTER
    assert "__Host-onedoor-login" not in browser.cookies
    browser.cookies = secret  # as if the cookie had been kept
    assert "您已退出登录" in (await browser.get("/login")).text


async def test_a_new_login_is_asked_for_by_prompt_and_by_age(
    pages: Program, browser: Browser, running: Issuing
) -> None:
    await pages.code()
    again = await browser.get(pages.request(prompt="login"))
    assert again.location.startswith("/login")
    done = await browser.log_in("wang-fang", "seven lamps on the river", again.location)
    assert (await browser.get(done.location)).location.startswith(PAGES_BACK)
    running.clock.ahead = timedelta(minutes=6)
    assert (await browser.get(pages.request(max_age="300"))).location.startswith("/login")
    assert (await browser.get(pages.request(max_age="3600"))).location.startswith(PAGES_BACK)
    silent = await browser.get(pages.request(max_age="300", prompt="none"))
    assert silent.query["error"] == "login_required"
    assert (await browser.get(done.location)).location.startswith("/login"), "nobody skips it by the address"
