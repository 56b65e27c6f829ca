"""Rights follow from the posts that somebody fills today."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.documents import Absence, PostsPublished, PublishedPost
from contracts.rights.holders import Holders
from contracts.rights.scope import EVERYWHERE, Area, HeldPost, scope_of
from contracts.rights.table import POWERS, RIGHTS, Act, Power, Role

TAX, LAND = "Tax (税务局)", "Land (自然资源局)"
MONDAY = date(2026, 3, 2)

HOLDERS = Holders(
    PostsPublished(
        posts=(
            PublishedPost(role="department_head", department=TAX, region="4503", person="zhou", deputy="li"),
            PublishedPost(role="department_head", department=LAND, person="li", until=date(2026, 3, 31)),
            PublishedPost(role="supervisor", region="45", person="wu"),
            PublishedPost(role="a-role-of-a-later-version", person="wu"),
        ),
        leave=(Absence(person="zhou", since=MONDAY, until=MONDAY),),
    )
)


def areas() -> st.SearchStrategy[Area]:
    return st.builds(
        Area,
        st.sampled_from([None, TAX, LAND]),
        st.sampled_from([None, "4", "45", "450302", "110101"]),
        st.sampled_from([(), ("licence",), ("refund",), ("licence", "refund")]),
    )


REGIONS = st.sampled_from(["450302", "450100", "110101"])
WORK = st.tuples(
    st.sampled_from([TAX, LAND]),
    st.sampled_from(["450302", "450100", "110101"]),
    st.sampled_from(["licence", "refund"]),
)


def test_every_role_has_a_power_and_a_row_and_every_act_a_role() -> None:
    assert set(RIGHTS) == set(Role) == set(POWERS)
    assert {act for acts in RIGHTS.values() for act in acts} == set(Act)


def test_the_powers_are_apart_in_the_table() -> None:
    of_power = {power: {act for role in Role if POWERS[role] is power for act in RIGHTS[role]} for power in Power}
    decides = {Act.ACCEPT_CASE, Act.SUSPEND_CASE, Act.EXTEND_CASE, Act.RESTART_CASE, Act.APPEAL_ALERT}
    assert decides <= of_power[Power.APPROVE]
    assert not decides & (of_power[Power.MANAGE] | of_power[Power.SUPERVISE])
    assert Act.DECIDE_APPEAL not in of_power[Power.APPROVE] | of_power[Power.MANAGE]
    assert {Act.CHANGE_RULES, Act.CHANGE_DIRECTORY} <= of_power[Power.MANAGE]
    assert not {Act.CHANGE_RULES, Act.CHANGE_DIRECTORY} & (of_power[Power.APPROVE] | of_power[Power.SUPERVISE])


def test_an_auditor_changes_nothing() -> None:
    assert all(act.rpartition(".")[2] == "read" for act in RIGHTS[Role.AUDITOR])


def test_a_deputy_fills_the_post_of_a_person_on_leave_and_no_longer() -> None:
    own = HeldPost(Role.DEPARTMENT_HEAD, Area(LAND))
    deputised = HeldPost(Role.DEPARTMENT_HEAD, Area(TAX, "4503"), "zhou")
    assert set(HOLDERS.held_by("li", MONDAY)) == {own, deputised}
    assert HOLDERS.held_by("li", date(2026, 3, 3)) == (own,)
    assert HOLDERS.held_by("li", date(2026, 4, 1)) == ()
    assert HOLDERS.held_by("zhou", MONDAY) == (HeldPost(Role.DEPARTMENT_HEAD, Area(TAX, "4503")),)
    assert HOLDERS.held_by("nobody", MONDAY) == ()


@pytest.mark.parametrize(
    ("person", "act", "scope"),
    [
        ("li", Act.EXTEND_CASE, (Area(LAND), Area(TAX, "4503"))),
        ("wu", Act.DECIDE_APPEAL, (Area(region="45"),)),
        ("wu", Act.READ_JOURNAL, (EVERYWHERE,)),
        ("wu", Act.EXTEND_CASE, ()),
        ("nobody", Act.READ_BOARD, ()),
    ],
)
def test_the_scope_of_an_act(person: str, act: Act, scope: tuple[Area, ...]) -> None:
    assert scope_of(HOLDERS.held_by(person, MONDAY), act) == scope


@given(st.lists(areas(), max_size=6), WORK)
def test_a_scope_covers_what_one_of_its_posts_covers(held: list[Area], work: tuple[str, str, str]) -> None:
    posts = [HeldPost(Role.DEPARTMENT_HEAD, area) for area in held]
    scope = scope_of(posts, Act.EXTEND_CASE)
    assert any(area.covers(*work) for area in scope) == any(area.covers(*work) for area in held)
    assert not any(one is not other and one.includes(other) for one in scope for other in scope)
