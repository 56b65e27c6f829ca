"""The recipients by a directory, and the directories that are refused."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.messages.alerts import Rung
from contracts.zone import CHINA
from services.monitor.core.notifications.directory import Directory
from services.monitor.core.notifications.directory_file import DEFAULT_ESCALATION, SUPERVISOR, DirectoryFile
from services.runtime.files.document import read_document
from services.runtime.files.encoding import InvalidFile

FILE = """\
version: "2026-11"
people:
  - {id: zhou, name: 周敏, addresses: ["mail:zhou@example.gov.cn", "wecom:zhou"]}
  - {id: li, name: 李强, addresses: ["mail:li@example.gov.cn"]}
  - {id: wang, name: 王芳, addresses: ["mail:wang@example.gov.cn"]}
  - {id: smith, name: J. Smith, language: en, addresses: ["hook:smith"]}
  - {id: chen, name: 陈静, addresses: ["file:chen"]}
leave:
  - {person: zhou, since: 2026-03-02, until: 2026-03-06}
  - {person: li, since: 2026-03-06, until: 2026-03-06}
posts:
  - {role: head, department: 税务局, region: "4503", person: zhou, deputy: li}
  - {role: head, department: 税务局, person: wang}
  - {role: head, department: 税务局, region: "4503", items: [tax-refund], person: smith}
  - {role: supervisor, region: "45", person: smith}
  - {role: supervisor, region: "45", person: chen, until: 2026-03-31}
  - {role: director, person: chen}
powers_apart: false
"""


def at(day: str, clock: str = "10:00") -> datetime:
    return datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=CHINA)


@pytest.fixture(scope="module")
def directory() -> Directory:
    return Directory(read_document(DirectoryFile, FILE.encode()))


@pytest.mark.parametrize(
    ("rung", "level", "owner", "region", "item", "day", "expected"),
    [
        (Rung.YELLOW, 0, "税务局", "450302", "licence", "2026-02-27", ["zhou"]),
        (Rung.YELLOW, 0, "税务局", "450302", "licence", "2026-03-02", ["li"]),  # deputises from the first day of leave
        (Rung.YELLOW, 0, "税务局", "450302", "licence", "2026-03-06", ["wang"]),  # both on leave: the more general post
        (Rung.YELLOW, 0, "税务局", "450302", "licence", "2026-03-07", ["zhou"]),
        (Rung.YELLOW, 0, "税务局", "450302", "tax-refund", "2026-02-27", ["smith"]),  # the most specific post
        (Rung.YELLOW, 0, "税务局", "110101", "licence", "2026-02-27", ["wang"]),
        (Rung.YELLOW, 0, "自然资源局", "450302", "licence", "2026-02-27", ["smith", "chen"]),  # no head: next role up
        (Rung.RED, 0, "税务局", "450302", "licence", "2026-03-31", ["smith", "chen"]),  # equally specific: all
        (Rung.RED, 0, "税务局", "450302", "licence", "2026-04-01", ["smith"]),  # a post that has ended
        (Rung.RED, 0, "税务局", "110101", "licence", "2026-03-01", ["chen"]),
        (Rung.RED, 1, "税务局", "450302", "licence", "2026-03-01", ["chen"]),
        (Rung.RED, 2, "税务局", "450302", "licence", "2026-03-01", []),  # beyond the highest role
        (Rung.WARNING, 0, "税务局", "450302", "licence", "2026-03-01", ["zhou"]),  # neither clerk nor office
        (Rung.WARNING, 1, "税务局", "450302", "licence", "2026-03-01", ["zhou"]),
        (Rung.WARNING, 3, "税务局", "450302", "licence", "2026-03-01", ["chen"]),
        (Rung.OVERSIGHT, 0, "税务局", "450302", "licence", "2026-03-01", ["chen"]),
    ],
)
def test_the_recipients_of_a_rung(
    directory: Directory, rung: Rung, level: int, owner: str, region: str, item: str, day: str, expected: list[str]
) -> None:
    found = directory.recipients(rung, level, owner, region, item, at(day))
    assert [person.id for person in found] == expected


def test_only_present_people_of_several_roles_are_recipients() -> None:
    """A clerk and no office: no higher role takes the place of the office."""
    content = read_document(DirectoryFile, FILE.replace("posts:", "posts:\n  - {role: clerk, person: li}").encode())
    for day, expected in (("2026-03-02", ["li"]), ("2026-03-06", ["wang"])):
        people = Directory(content).recipients(Rung.WARNING, 0, "税务局", "450302", "licence", at(day))
        assert [person.id for person in people] == expected


def test_a_day_is_one_of_china(directory: Directory) -> None:
    begins = datetime.fromisoformat("2026-03-02T00:00+08:00")
    for moment, expected in ((begins - timedelta(microseconds=1), "zhou"), (begins, "li")):
        (person,) = directory.recipients(Rung.YELLOW, 0, "税务局", "450302", "licence", moment)
        assert person.id == expected


@pytest.mark.parametrize(
    ("person", "role", "region", "day", "holds", "at_least"),
    [
        ("zhou", "head", "450302", "2026-03-01", True, True),
        ("zhou", "head", "450302", "2026-03-03", True, True),  # on leave, and still the head
        ("zhou", "head", "450400", "2026-03-01", False, False),
        ("zhou", SUPERVISOR, "450302", "2026-03-01", False, False),
        ("li", "head", "450302", "2026-03-01", False, False),  # the head is present
        ("li", "head", "450302", "2026-03-03", True, True),
        ("li", "head", "450302", "2026-03-06", False, False),  # on leave too
        ("wang", "head", "450302", "2026-03-01", True, True),  # of a more general post
        ("chen", "head", "450302", "2026-03-01", False, True),
        ("chen", "clerk", "110101", "2026-05-01", False, True),
        ("chen", "janitor", "110101", "2026-05-01", False, False),
        ("nobody", "director", "110101", "2026-05-01", False, False),
    ],
)
def test_a_person_holds_a_post_by_region_and_day(
    directory: Directory, person: str, role: str, region: str, day: str, holds: bool, at_least: bool
) -> None:
    held = (person, role, "税务局", region, "licence", at(day))
    assert (directory.holds(*held), directory.holds_at_least(*held)) == (holds, at_least)


def test_supervisors_are_notified_of_appeals(directory: Directory) -> None:
    assert [one.id for one in directory.supervisors("税务局", "450302", "licence", at("2026-03-01"))] == [
        "smith",
        "chen",
    ]


def test_omitted_parts_keep_their_defaults() -> None:
    content = read_document(
        DirectoryFile, f"{FILE}unacknowledged_hours: {{yellow: 6}}\nfirst_recipients: {{red: [head]}}\n".encode()
    )
    found = Directory(content)
    assert [found.unacknowledged_hours(rung) for rung in Rung] == [8, 6, 2, 2]
    assert [found.levels(rung) for rung in Rung] == [4, 3, 3, 1]
    assert content == DirectoryFile.model_validate_json(content.model_dump_json())


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("id: li,", "id: zhou,", ["line 4: people[2]: zhou is listed twice"]),
        ("mail:li@example.gov.cn", "li@example.gov.cn", ["line 4: people[2].addresses[1]: "]),
        ("wecom:zhou", "mail:zhou@example.gov.cn", ["line 3: people[1].addresses[2]: mail:zhou@"]),
        ("language: en", "language: fr", ["line 6: people[4].language: "]),
        ("until: 2026-03-06}\n  - {p", "until: 2026-03-01}\n  - {p", ["line 9: leave[1].until: it cannot"]),
        ("since: 2026-03-02", "since: 2026-02-30", ["line 9: leave[1].since: "]),
        ("person: li,", "person: lu,", ["line 10: leave[2].person: lu is not among"]),
        ("deputy: li", "deputy: zhou", ["line 12: posts[1].deputy: zhou cannot deputise for themselves"]),
        ("deputy: li", "deputy: lu", ["line 12: posts[1].deputy: lu is not among"]),
        ("role: supervisor", "role: overseer", ["line 15: posts[4].role: overseer is none of roles"]),
        ("chen, until: 2026-03-31", "chen, since: 2026-04-01, until: 2026-03-31", ["line 16: posts[5].until"]),
        ("director, person", "director, region: '45', person", ["line 11: posts: one director must be for all"]),
        ("director, person", "director, since: 2026-04-01, person", ["line 11: posts: before 2026-04-01 no director"]),
        ("director, person", "director, until: 2026-04-01, person", ["line 11: posts: on 2026-04-02 no director"]),
        (
            "since: 2026-03-06, until: 2026-03-06}",
            "since: 2026-03-06, until: 2026-03-06}\n  - {person: chen, since: 2026-05-01, until: 2026-05-05}",
            ["line 12: posts: on 2026-05-01 no director for all"],
        ),
        (
            "posts:",
            "escalation: [head, director]\nposts:",
            ["line 11: escalation: supervisor is missing", "first_recipients.warning: clerk is no role"],
        ),
        ("posts:", "roles: {clerk: king}\nposts:", ["line 11: roles.clerk: "]),
        (
            "posts:",
            "escalation: [mayor, supervisor, director]\nposts:",
            ["line 11: escalation: mayor is none of roles"],
        ),
        ("posts:", "colour: red\nposts:", ["line 11: colour: "]),
        ("posts:", "unacknowledged_hours: {yellow: 0}\nposts:", ["line 11: unacknowledged_hours.yellow"]),
        ("posts:", "first_recipients: {purple: [head]}\nposts:", ["line 11: first_recipients.purple"]),
        ("posts:", "posts: ]", ["line 11: "]),
    ],
)
def test_a_directory_with_faults_is_refused_with_line_and_reason(old: str, new: str, expected: list[str]) -> None:
    assert old in FILE
    with pytest.raises(InvalidFile) as refused:
        read_document(DirectoryFile, FILE.replace(old, new, 1).encode())
    assert all(part in str(refused.value) for part in expected), str(refused.value)
    assert all(line.startswith("line ") for line in str(refused.value).splitlines())


def test_all_faults_are_reported_at_once() -> None:
    text = FILE.replace("id: li,", "id: zhou,").replace("role: supervisor", "role: overseer")
    with pytest.raises(InvalidFile) as refused:
        read_document(DirectoryFile, text.encode())
    lines = str(refused.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["line 4", "line 10", "line 12", "line 15", "line 16"]


DAYS = st.dates(date(2026, 3, 1), date(2026, 3, 12))
PEOPLE = ("a", "b", "c", "boss")
OWNERS, REGIONS, ITEMS = ("税务局", "规划局"), ("450302", "450400", "110101"), ("x", "y")


@st.composite
def directories(draw: st.DrawFn) -> Directory:
    """Any directory that is accepted, with the director on leave at times."""

    def span() -> dict[str, Any]:
        since, until = sorted((draw(DAYS), draw(DAYS)))
        return {"since": since, "until": until}

    def post() -> dict[str, Any]:
        person, deputy = draw(st.permutations(PEOPLE))[:2]
        return {
            "role": draw(st.sampled_from(DEFAULT_ESCALATION)),
            "department": draw(st.sampled_from((None, *OWNERS))),
            "region": draw(st.sampled_from((None, "45", "4503", "11"))),
            "items": draw(st.sampled_from(((), ("x",)))),
            "person": person,
            "deputy": draw(st.sampled_from((None, deputy))),
            **draw(st.sampled_from(({}, span()))),
        }

    content = {
        "version": "any",
        "people": [{"id": one, "name": one, "addresses": [f"mail:{one}@example.gov.cn"]} for one in PEOPLE],
        "leave": [{"person": draw(st.sampled_from(PEOPLE)), **span()} for _ in range(draw(st.integers(0, 6)))],
        "posts": [post() for _ in range(draw(st.integers(0, 8)))]
        + [{"role": "director", "person": "boss", "deputy": "a"}, {"role": "director", "person": "b", "deputy": "c"}],
    }
    try:
        return Directory(DirectoryFile.model_validate(content))
    except ValidationError:
        reject()  # the highest role is empty on some day


@given(
    directories(),
    st.sampled_from(Rung),
    st.integers(0, 4),
    st.sampled_from(OWNERS),
    st.sampled_from(REGIONS),
    st.sampled_from(ITEMS),
    DAYS,
)
def test_there_is_always_a_recipient_and_none_on_leave(
    directory: Directory, rung: Rung, level: int, owner: str, region: str, item: str, day: date
) -> None:
    moment = datetime(day.year, day.month, day.day, 10, tzinfo=CHINA)
    expected = directory.recipients(rung, level, owner, region, item, moment)
    assert bool(expected) == (level < directory.levels(rung))
    appeals = directory.supervisors(owner, region, item, moment)
    assert appeals
    for person in {one.id for one in (*expected, *appeals)}:
        assert not any(leave.covers(day) for leave in directory.content.leave if leave.person == person)
        assert directory.holds_at_least(person, DEFAULT_ESCALATION[0], owner, region, item, moment)
    assert len({person.id for person in expected}) == len(expected)


@given(st.lists(st.sets(st.integers(0, 8), min_size=1, max_size=3), min_size=1, max_size=10))
def test_people_who_share_addresses_are_found_over_any_number_of_them(addresses: list[set[int]]) -> None:
    people = [
        {"id": f"p{place}", "name": "x", "addresses": [f"mail:{number}@x" for number in sorted(own)]}
        for place, own in enumerate(addresses)
    ]
    posts = [{"role": "supervisor", "person": "p0"}, {"role": "director", "person": "p0"}]
    found = Directory(DirectoryFile.model_validate({"version": "1", "people": people, "posts": posts}))
    for place, own in enumerate(addresses):
        reached, people_reached = set(own), {place}
        for _ in addresses:
            people_reached = {other for other, others in enumerate(addresses) if others & reached}
            reached = reached.union(*(addresses[other] for other in people_reached))
        assert found.sharing(f"p{place}") == {f"p{other}" for other in people_reached}


def test_an_address_is_the_same_in_upper_and_lower_case_if_it_is_one_of_mail() -> None:
    people = [
        {"id": "a", "name": "a", "addresses": ["mail:Zhou@Example.gov.cn", "hook:A"]},
        {"id": "b", "name": "b", "addresses": ["mail:zhou@example.gov.cn"]},
        {"id": "c", "name": "c", "addresses": ["hook:a"]},
    ]
    posts = [{"role": "supervisor", "person": "a"}, {"role": "director", "person": "a"}]
    found = Directory(DirectoryFile.model_validate({"version": "1", "people": people, "posts": posts}))
    assert [sorted(found.sharing(one)) for one in ("a", "c", "gone")] == [["a", "b"], ["c"], ["gone"]]


APART = FILE.replace("powers_apart: false", "powers_apart: true").replace('45", person: smith', '45", person: chen')


@pytest.mark.parametrize(
    ("posts", "fault"),
    [
        ("  - {role: manager, person: chen}", "posts[7].person: chen holds a post of supervisor as well"),
        ("  - {role: head, person: wang, deputy: chen}", "posts[7].deputy: chen holds a post of supervisor as well"),
        ("  - {role: auditor, person: li}", "posts[7].person: li holds a post of head as well"),
        ("  - {role: auditor, person: chen}", None),
        ("  - {role: manager, person: zhao}\n  - {role: operator, person: zhao}", None),
        (
            "  - {role: clerk, person: zhao, until: 2026-03-01}\n  - {role: manager, person: zhao, since: 2026-03-02}",
            None,
        ),
        (
            "  - {role: clerk, person: zhao, until: 2026-03-02}\n  - {role: manager, person: zhao, since: 2026-03-02}",
            "posts[8].person: zhao holds a post of clerk as well",
        ),
    ],
)
def test_nobody_holds_two_powers_at_once(posts: str, fault: str | None) -> None:
    person = '  - {id: zhao, name: 赵敏, addresses: ["mail:zhao@example.gov.cn"]}\nleave:'
    content = APART.replace("leave:", person, 1).replace("powers_apart", f"{posts}\npowers_apart").encode()
    if fault is None:
        read_document(DirectoryFile, content)
        return
    with pytest.raises(InvalidFile) as refused:
        read_document(DirectoryFile, content)
    assert fault in str(refused.value)
    read_document(DirectoryFile, content.replace(b"apart: true", b"apart: false"))
