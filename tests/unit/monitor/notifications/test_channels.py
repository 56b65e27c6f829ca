"""Where channels may lead, and how a web hook is signed."""

import base64
import json
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from services.monitor.notifications.channels import signed_headers
from services.monitor.settings import FileSettings, HookSettings, MonitorSettings
from services.runtime.configuration import WrongSetting, read

SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()


def settings(monkeypatch: pytest.MonkeyPatch, **channels: object) -> MonitorSettings:
    monkeypatch.setenv("ONEDOOR_CHANNELS", json.dumps(channels))
    return read(MonitorSettings)


def test_a_channel_is_apprise_a_web_hook_or_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = {"hook": "https://example.gov.cn/{address}", "secret": SECRET}
    found = settings(monkeypatch, mail="mailtos://u:p@example.gov.cn?to={address}", hook=hook, log={"file": "/tmp/log"})
    assert isinstance(found.channels["mail"], SecretStr)
    assert isinstance(found.channels["hook"], HookSettings)
    assert isinstance(found.channels["log"], FileSettings)
    assert "u:p" not in repr(found) and SECRET not in repr(found)


@pytest.mark.parametrize(
    "channel",
    [
        "nowhere",
        7,
        None,
        {},
        {"file": "/tmp/x", "secret": SECRET},
        {"hook": "https://example.gov.cn"},
        {"hook": "http://example.gov.cn", "secret": SECRET},
        {"hook": "ftp://127.0.0.1", "secret": SECRET},
        {"hook": "https://", "secret": SECRET},
        {"hook": "https://example.gov.cn", "secret": "whsec_c2hvcnQ="},
        {"hook": "https://example.gov.cn", "secret": SECRET.removeprefix("whsec_")},
        {"hook": "https://example.gov.cn", "secret": "whsec_!"},
        "wecombot://KEY",
        "dingtalk://TOKEN",
        {"bot": "wecom", "url": "http://qyapi.weixin.qq.com/send?key=KEY"},
        {"bot": "other", "url": "https://example.gov.cn"},
        {"bot": "wecom"},
    ],
)
def test_an_unsafe_or_incomplete_channel_is_refused(monkeypatch: pytest.MonkeyPatch, channel: object) -> None:
    with pytest.raises(WrongSetting) as refused:
        settings(monkeypatch, mail=channel)
    assert "ONEDOOR_CHANNELS" in str(refused.value) and SECRET not in str(refused.value)


def test_a_digest_is_not_open_for_longer_than_its_longest_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDOOR_DIGEST_QUIET_S", "301")
    with pytest.raises(WrongSetting, match=r"ONEDOOR_\*: digest_quiet_s must not be longer than digest_longest_s"):
        read(MonitorSettings)
    monkeypatch.setenv("ONEDOOR_DIGEST_LONGEST_S", "301")
    read(MonitorSettings)


def test_the_signature_is_that_of_the_standards_example() -> None:
    """The worked example of Standard Webhooks' reference libraries."""
    secret = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    id, now, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), '{"test": 2432232314}'
    assert signed_headers(secret, id, now, body) == {
        "webhook-id": id,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
