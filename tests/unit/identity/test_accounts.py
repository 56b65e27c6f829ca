"""Accounts: who has one by the directory, how it stands, and who gets the code of an enrolment."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.documents import PostsPublished, PublishedPost
from contracts.rights.actor import Actor
from services.identity.core.accounts import Request, Standing, State, gives_code, people_of, state_of
from services.identity.core.codes import GROUP, GROUPS, LETTERS, as_kept, written
from services.identity.core.throttle import ACCOUNT_FREE, Attempts

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
TODAY = date(2026, 3, 2)


def post(role: str = "window_clerk", person: str = "wang", **more: object) -> PublishedPost:
    return PublishedPost.model_validate({"role": role, "person": person, **more})


@pytest.mark.parametrize(
    ("held", "people"),
    [
        (post(), {"wang"}),
        (post(deputy="li"), {"wang", "li"}),
        (post(until=TODAY), {"wang"}),
        (post(until=TODAY - timedelta(days=1)), set()),
        (post(since=TODAY + timedelta(days=9)), {"wang"}),
        (post("importing_system", "importing"), set()),
        (post("department_system", "tax-system"), set()),
        (post("newer_role"), set()),
    ],
)
def test_people_with_a_post_that_has_not_ended_have_an_account_and_programs_have_none(
    held: PublishedPost, people: set[str]
) -> None:
    assert people_of(PostsPublished(posts=(held,)), TODAY) == people


ENROLLED = Standing(is_enrolled=True)


@pytest.mark.parametrize(
    ("standing", "state"),
    [
        (ENROLLED, State.ACTIVE),
        (Standing(is_enrolled=False), State.NOT_ENROLLED),
        (ENROLLED._replace(attempts=Attempts(ACCOUNT_FREE + 3, NOW)), State.LOCKED),
        (ENROLLED._replace(attempts=Attempts(ACCOUNT_FREE + 3, NOW - timedelta(seconds=8))), State.ACTIVE),
        (ENROLLED._replace(attempts=Attempts(ACCOUNT_FREE - 1, NOW)), State.ACTIVE),
        (ENROLLED._replace(left_at=NOW), State.LEFT),
        (ENROLLED._replace(left_at=NOW, disabled_at=NOW), State.DISABLED),
        (Standing(is_enrolled=False, disabled_at=NOW), State.DISABLED),
    ],
)
def test_the_state_of_an_account_follows_from_its_facts(standing: Standing, state: State) -> None:
    assert state_of(standing, NOW) is state


@pytest.mark.parametrize(
    ("asked_by", "actor", "four_eyes", "gives"),
    [
        (None, Actor("zheng"), True, False),
        (Actor("zheng"), Actor("zheng"), True, False),
        (Actor("zheng"), Actor("he", "zheng"), True, False),
        (Actor("he", "zheng"), Actor("zheng"), True, False),
        (Actor("zheng"), Actor("qian"), True, True),
        (None, Actor("zheng"), False, True),
        (None, None, True, True),
    ],
)
def test_under_four_eyes_nobody_gets_a_code_alone_also_not_as_the_deputy(
    asked_by: Actor | None, actor: Actor | None, four_eyes: bool, gives: bool
) -> None:
    asked = None if asked_by is None else Request(asked_by, "forgotten", NOW)
    assert gives_code(asked, actor, four_eyes=four_eyes) is gives


@given(st.text(LETTERS, min_size=GROUPS * GROUP, max_size=GROUPS * GROUP))
def test_a_code_is_read_as_people_type_it(code: str) -> None:
    printed = written(code)
    assert printed.count("-") == GROUPS - 1
    typed = printed.lower().replace("0", "o").replace("1", "l").replace("-", " ")
    assert as_kept(typed) == as_kept(printed) == code
