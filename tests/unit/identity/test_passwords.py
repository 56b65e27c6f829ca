"""Which passwords are accepted."""

import pytest
from argon2 import PasswordHasher

from services.identity.core.passwords import normalized, password_fault
from services.identity.jobs.passwords import Passwords


@pytest.mark.parametrize(
    "password",
    [
        "seven lamps on the river",
        "correct horse battery staple",
        "门前的老槐树今年又开花了",
        "x8$kQ2!vbn0Zp",
        "鱼kettle under stairs",
    ],
)
def test_a_long_password_is_accepted_whatever_its_characters(password: str) -> None:
    assert password_fault(password, "wang-fang", "王芳") is None


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("seven lamps", "fewer than 12"),
        ("x" * 129, "more than 128"),
        ("password1234", "tried first"),
        ("qwertyuiop12", "tried first"),
        ("aaaaaaaaaaaaaaaa", "tried first"),
        ("wangfang2026!", "own name or id"),
        ("Wang.Fang-123", "own name or id"),
        ("王芳王芳2026王芳王芳", "own name or id"),
        ("ｗａｎｇｆａｎｇ１２３４", "own name or id"),
    ],
)
def test_a_password_that_is_tried_first_is_refused(password: str, reason: str) -> None:
    fault = password_fault(password, "wang-fang", "王芳")
    assert fault is not None and reason in fault.en and fault.zh


def test_a_password_is_the_same_from_every_input_method() -> None:
    assert normalized("ｓｅｖｅｎ　ｌａｍｐｓ") == "seven lamps"


class Counting(PasswordHasher):
    """A cheap hasher that counts."""

    verified = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]
        self.verified += 1
        return super().verify(hash, password)


async def test_an_unknown_account_takes_as_long_as_a_wrong_password() -> None:
    hasher = Counting(time_cost=1, memory_cost=64, parallelism=1)
    passwords = Passwords(hasher)
    known = await passwords.hashed("seven lamps on the river")
    assert await passwords.is_right(known, "ｓｅｖｅｎ lamps on the river")
    assert not await passwords.is_right(known, "a wrong password")
    assert not await passwords.is_right(None, "the password of nobody")
    assert not await passwords.is_right("no hash", "a wrong password")
    assert hasher.verified == 4
