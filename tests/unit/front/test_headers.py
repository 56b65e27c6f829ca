"""Which headers go on, and which go back."""

import pytest

from services.front.core.headers import (
    CHOICES,
    ISSUER_COOKIES,
    back,
    cookie_header,
    cookies_of,
    forwarded,
    onward,
    repeated,
)

SMUGGLED = (
    "Authorization",
    "Cookie",
    "Forwarded",
    "Remote-User",
    "X-Auth-Request-User",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-User",
    "X-HTTP-Method-Override",
    "X-Original-URL",
    "X-Real-IP",
    "X-Remote-User",
    "X_Forwarded_For",
    "Host",
    "Transfer-Encoding",
    "Proxy-Authorization",
)


@pytest.mark.parametrize("name", SMUGGLED)
def test_what_a_client_says_about_itself_does_not_go_on(name: str) -> None:
    assert list(onward([(name.lower().encode(), b"zhou")])) == []


def test_what_a_service_needs_goes_on_once_for_each_line() -> None:
    given = [(b"accept", b"text/html"), (b"idempotency-key", b"k1"), (b"case-secret", b"s"), (b"last-event-id", b"7")]
    assert list(onward(given)) == [(name.decode(), value.decode()) for name, value in given]


def test_headers_of_the_connection_end_with_it() -> None:
    given = [(b"connection", b"close, Accept-Language , content-length"), (b"accept-language", b"zh"), (b"te", b"x")]
    assert list(onward([*given, (b"content-length", b"3")])) == [("content-length", "3")]
    answer = [(b"Connection", b"X-Internal"), (b"X-Internal", b"1"), (b"Keep-Alive", b"1"), (b"ETag", b"e")]
    assert back(answer, CHOICES) == [(b"etag", b"e")]


def test_text_beyond_ascii_does_not_go_on() -> None:
    assert list(onward([(b"user-agent", "浏览器".encode())])) == []


def test_a_service_sets_its_own_cookies_only() -> None:
    names = ("__Host-onedoor", "__Host-onedoor-begun", "__Host-onedoor-login", "onedoor-language", "other")
    given = [(b"Set-Cookie", f"{name}=1; Path=/".encode()) for name in names]
    assert back(given, CHOICES) == [(b"set-cookie", b"onedoor-language=1; Path=/")]
    assert [value.partition(b"=")[0] for _, value in back(given, ISSUER_COOKIES)] == [
        b"__Host-onedoor-login",
        b"onedoor-language",
    ]


def test_a_service_sees_the_choices_of_the_reader_only() -> None:
    cookies = cookies_of(["__Host-onedoor=s; onedoor-language=en; __Host-onedoor-login=l; a=b;c"])
    assert cookie_header(cookies, CHOICES) == "onedoor-language=en"
    assert cookie_header(cookies, ISSUER_COOKIES) == "onedoor-language=en; __Host-onedoor-login=l"


def test_a_cookie_that_stands_twice_is_none() -> None:
    assert cookies_of(["a=1; b=2; a=3"]) == {"b": "2"}


def test_headers_that_are_read_are_given_once() -> None:
    assert repeated([(b"cookie", b"a"), (b"cookie", b"b")])
    assert not repeated([(b"accept", b"a"), (b"accept", b"b"), (b"host", b"h")])


def test_the_client_is_named_in_all_ways() -> None:
    assert dict(forwarded("2001:db8::1", "https", "onedoor.example")) == {
        "Forwarded": 'for="[2001:db8::1]";host="onedoor.example";proto=https',
        "X-Forwarded-For": "2001:db8::1",
        "X-Forwarded-Host": "onedoor.example",
        "X-Forwarded-Proto": "https",
    }
