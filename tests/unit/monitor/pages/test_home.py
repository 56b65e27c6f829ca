"""Each role begins at the place of the menu that it comes for."""

import pytest

from contracts.rights.table import RIGHTS, Role
from services.monitor.web.pages.home import first_page
from services.runtime.http.pages.reader import Reader


def first(*roles: Role) -> str | None:
    return first_page(Reader("zhou", frozenset(act for role in roles for act in RIGHTS[role]), ()), frozenset(roles))


@pytest.mark.parametrize(
    ("role", "path"),
    [
        (Role.SUPERVISOR, "/board"),
        (Role.DEPARTMENT_HEAD, "/board"),
        (Role.CENTRE_MANAGER, "/board"),
        (Role.CHIEF_REVIEWER, "/due"),
        (Role.WINDOW_CLERK, "/due"),
        (Role.OPERATOR, "/ops"),
        (Role.AUDITOR, "/record"),
    ],
)
def test_a_role_has_a_first_page(role: Role, path: str) -> None:
    assert first(role) == path


def test_of_several_roles_the_one_that_answers_for_most_counts() -> None:
    assert first(Role.WINDOW_CLERK, Role.DEPARTMENT_HEAD) == "/board"


def test_a_program_has_the_first_place_of_its_menu_and_nobody_has_none() -> None:
    assert first(Role.IMPORTING_SYSTEM) == "/overdue"
    assert first() is None
