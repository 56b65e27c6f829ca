"""The history of an account, in words."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from babel.support import NullTranslations

from contracts.bilingual import Language
from contracts.working_time import phrases
from contracts.zone import CHINA
from services.identity.store.record import Happened
from services.runtime.http.pages.languages import N_

SENTENCES: Mapping[tuple[str, str], str] = {
    ("login", "password"): N_("Logged in with the password"),
    ("login", "passkey"): N_("Logged in with a passkey"),
    ("login", "wrong password"): N_("A wrong password was typed"),
    ("login", "wrong passkey"): N_("A passkey did not prove who used it"),
    ("login", "locked out"): N_("A password was not examined: too many wrong ones before"),
    ("login", "disabled"): N_("A login was refused: the account is disabled"),
    ("login", "left"): N_("A login was refused: the directory has no post of this person"),
    ("logout", "by the person"): N_("Logged out"),
    ("logout", "by the program"): N_("Logged out"),
    ("logout", "by a manager"): N_("All logins were ended"),
    ("enrolment", "asked"): N_("An enrolment was asked for"),
    ("enrolment", "code"): N_("A code of enrolment was given out"),
    ("enrolment", "withdrawn"): N_("The enrolment was withdrawn"),
    ("enrolment", "password"): N_("Enrolled with a password"),
    ("enrolment", "passkey"): N_("Enrolled with a passkey"),
    ("account", "password"): N_("The password was changed"),
    ("account", "passkey added"): N_("A passkey was added"),
    ("account", "passkey removed"): N_("A passkey was removed"),
    ("account", "sessions ended"): N_("Other logins were ended"),
    ("added", "by the directory"): N_("The account was made: the directory has a post of this person"),
    ("added", "by a person"): N_("The account was made or named"),
    ("left", "by the directory"): N_("The account was closed: the directory has no post of this person any more"),
    ("returned", "by the directory"): N_("The account was opened again: the directory has a post of this person"),
    ("disabled", "by a person"): N_("The account was disabled"),
    ("enabled", "by a person"): N_("The account was enabled"),
    ("unlocked", "by a person"): N_("Wrong passwords were forgotten"),
    ("code", "reused"): N_("A code was used twice, which is a sign of theft; what it had given was ended"),
    ("refresh", "reused"): N_("A token was used twice, which is a sign of theft; the login was ended"),
    ("device", "allowed"): N_("A program was connected"),
    ("device", "denied"): N_("A program was refused"),
    ("device", "wrong code"): N_("A wrong code of a program was typed"),
    ("revocation", "given back"): N_("A program ended its login"),
}
"""The sentence of each entry, by event and outcome."""


class Told(NamedTuple):
    """An entry as it is shown."""

    at: datetime
    when: str
    text: str
    by: str
    reason: str | None
    address: str | None


class Times:
    """Moments of the machine as people in China write them."""

    def __init__(self, now: datetime, language: Language) -> None:
        self._today = now.astimezone(CHINA).date()
        self._language = language

    def moment(self, at: datetime | None) -> str:
        """A moment; a dash where there is none."""
        return "–" if at is None else phrases.moment(at.astimezone(CHINA), self._today, self._language)


def told(entries: Iterable[Happened], times: Times, texts: NullTranslations) -> list[Told]:
    """These entries in words."""
    found = []
    for entry in entries:
        sentence = SENTENCES.get((entry.event, entry.outcome))
        text = f"{entry.event}: {entry.outcome}" if sentence is None else texts.gettext(sentence)
        people = [one for one in (entry.by, entry.asked_by) if one is not None]
        by = " + ".join(people) if entry.on_behalf_of is None else f"{entry.by} ({entry.on_behalf_of})"
        found.append(Told(entry.at, times.moment(entry.at), text, by, entry.reason, entry.address))
    return found
