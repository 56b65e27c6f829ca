"""The text of a digest: counts by rung and department, the most urgent alerts, and doubtful times. Pure.

It names no applicant.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from contracts.bilingual import Language
from contracts.messages.alerts import Rung
from contracts.messages.commitments import CommitmentKey, Kind, kind_of
from contracts.values import Value
from contracts.working_time.explanation.wording import moment
from services.monitor.core.names import CODES, Names
from services.monitor.core.notifications.doubt_section import NO_DOUBTS, DoubtSection, counted, section_lines
from services.monitor.core.notifications.policy import EntryKind

MAX_LINES = 50
"""Alerts that are named, departments that are counted, and doubtful times that are named, in one digest."""

DOUBTFUL_TIME = "doubtful_time"
"""The name under which doubtful times are counted."""

URGENCY = (
    Rung.OVERSIGHT,
    Rung.RED,
    Rung.YELLOW,
    Rung.WARNING,
    EntryKind.APPEAL,
    EntryKind.DECISION,
    EntryKind.WITHDRAWN,
)
"""The most urgent first."""


class AlertCount(NamedTuple):
    """How many entries of one kind and rung a department has."""

    entry_kind: EntryKind
    rung: Rung
    owner: str
    alerts: int

    @property
    def kind(self) -> Rung | EntryKind:
        """The name under which they are counted: the rung of an alert that was raised, the kind of other entries."""
        return self.rung if self.entry_kind is EntryKind.RUNG else self.entry_kind


class DigestLine(NamedTuple):
    """One alert, by its ``number`` in the list.

    ``due_at`` is the end of the committed limit, None while it is paused; ``zone`` the time zone of the place;
    ``upheld`` the decision on an appeal; ``unmoved``: time was suspended, and does not move the end, because another
    party has fixed it; ``people`` the names of those who are notified of it, where a message to
    several people has alerts for some of them only.
    """

    number: int
    kind: EntryKind
    rung: Rung
    level: int
    case_id: str
    commitment: CommitmentKey
    matter: str
    owner: str
    due_at: datetime | None
    zone: str
    upheld: bool | None = None
    unmoved: bool = False
    people: tuple[str, ...] = ()


class DigestText(Value):
    """A digest as it is sent, or several digests of people who share an address."""

    languages: tuple[Language, ...]
    subject: str
    text: str
    counts: dict[str, int]


_ZH = {
    Rung.OVERSIGHT: "督办",
    Rung.RED: "红牌",
    Rung.YELLOW: "黄牌",
    Rung.WARNING: "预警",
    EntryKind.APPEAL: "申诉",
    EntryKind.DECISION: "申诉决定",
    EntryKind.WITHDRAWN: "撤销",
}

_EN = {
    Rung.OVERSIGHT: ("oversight order", "oversight orders"),
    Rung.RED: ("red card", "red cards"),
    Rung.YELLOW: ("yellow card", "yellow cards"),
    Rung.WARNING: ("warning", "warnings"),
    EntryKind.APPEAL: ("appeal", "appeals"),
    EntryKind.DECISION: ("decided appeal", "decided appeals"),
    EntryKind.WITHDRAWN: ("withdrawn", "withdrawn"),
}

_KINDS_ZH = {
    Kind.CASE: "全程",
    Kind.STEP: "环节",
    Kind.PROCEDURE: "特别程序",
    Kind.ACCEPTANCE: "受理",
    Kind.NOTICE: "一次性告知",
    Kind.DELIVERY: "送达",
    Kind.COMPLAINT: "投诉",
    Kind.CONSULTATION: "咨询",
}


class Recipients(NamedTuple):
    """The people of one message: one person, or several who share the address. ``digests``: the number of each digest.

    The text is in each of the ``languages``.
    """

    digests: tuple[int, ...]
    names: tuple[str, ...]
    languages: tuple[Language, ...]


def digest_text(
    recipients: Recipients,
    counts: Sequence[AlertCount],
    lines: Sequence[DigestLine],
    more: int,
    now: datetime,
    doubts: DoubtSection = NO_DOUBTS,
    names: Names = CODES,
) -> DigestText:
    """The text of a digest. ``lines`` are its most urgent alerts, ``more`` counts the others."""
    totals = _totals(counts)
    texts = [_text(recipients, counts, lines, more, doubts, language, now, names) for language in recipients.languages]
    return DigestText(
        languages=recipients.languages,
        subject=" / ".join(_subject_line(totals, doubts, language) for language in recipients.languages),
        text="\n".join(texts),
        counts={kind.value: count for kind, count in totals.items()}
        | ({DOUBTFUL_TIME: doubts.total} if doubts.total else {}),
    )


def _subject_line(totals: Counter[Rung | EntryKind], doubts: DoubtSection, language: Language) -> str:
    summary = _summary(totals, doubts, language)
    return f"onedoor 督办：{summary}" if language == "zh" else f"onedoor: {summary}"


def _summary(totals: Counter[Rung | EntryKind], doubts: DoubtSection, language: Language) -> str:
    parts = [_counted(totals, language)] if totals else []
    parts += [counted(doubts, language)] if doubts.total else []
    return ("，" if language == "zh" else ", ").join(parts)


def _text(
    recipients: Recipients,
    counts: Sequence[AlertCount],
    lines: Sequence[DigestLine],
    more: int,
    doubts: DoubtSection,
    language: Language,
    now: datetime,
    names: Names,
) -> str:
    zh = language == "zh"
    parts = []
    if len(recipients.names) > 1:
        parts += [f"致：{'、'.join(recipients.names)}" if zh else f"To: {', '.join(recipients.names)}", ""]
    parts += [_summary(_totals(counts), doubts, language)]
    if counts:
        parts += ["", "按部门" if zh else "By department", *_by_department(counts, language, names)]
        parts += ["", "最紧急" if zh else "Most urgent", *(f"  {_line(line, language, now, names)}" for line in lines)]
    if more:
        parts.append(f"  另有{more}条" if zh else f"  and {more} more")
    if doubts.total:
        parts += ["", *section_lines(doubts, language, names)]
    numbers = [str(number) for number in recipients.digests]
    plural = "s" if len(numbers) > 1 else ""
    parts += [
        "",
        f"onedoor 督办通知第{'、'.join(numbers)}号" if zh else f"onedoor, digest{plural} {', '.join(numbers)}",
    ]
    return "\n".join(parts) + "\n"


def _totals(counts: Iterable[AlertCount]) -> Counter[Rung | EntryKind]:
    totals: Counter[Rung | EntryKind] = Counter()
    for count in counts:
        totals[count.kind] += count.alerts
    return totals


def _counted(totals: Counter[Rung | EntryKind], language: Language) -> str:
    """For example ``3 red cards, 1 warning``."""
    if language == "zh":
        return "，".join(f"{_ZH[kind]}{totals[kind]}件" for kind in URGENCY if totals[kind])
    return ", ".join(f"{totals[kind]} {_EN[kind][totals[kind] > 1]}" for kind in URGENCY if totals[kind])


def _by_department(counts: Iterable[AlertCount], language: Language, names: Names) -> list[str]:
    owners: dict[str, list[AlertCount]] = {}
    for count in counts:
        owners.setdefault(count.owner, []).append(count)
    totals = {owner: _totals(own) for owner, own in owners.items()}
    worst_first = sorted(totals.items(), key=lambda item: ([-item[1][kind] for kind in URGENCY], item[0]))
    colon = "：" if language == "zh" else ": "
    lines = [
        f"  {names.department(owner, language)}{colon}{_counted(own, language)}"
        for owner, own in worst_first[:MAX_LINES]
    ]
    if (more := len(worst_first) - MAX_LINES) > 0:
        others = "department" if more == 1 else "departments"
        lines.append(f"  另有{more}个部门" if language == "zh" else f"  and {more} more {others}")
    return lines


def _line(line: DigestLine, language: Language, now: datetime, names: Names) -> str:
    zh = language == "zh"
    number = f"第{line.number}号" if zh else f"alert {line.number}"
    parts = [
        f"{_subject(line, language)} {number}",
        line.case_id,
        f"{names.matter(line.matter, language)} {_commitment(line, language, names)}",
        names.department(line.owner, language),
    ]
    if line.due_at is None:
        parts.append("暂停计时" if zh else "time is suspended")
    else:
        due = moment(line.due_at, line.zone, language)
        parts.append(f"{due} 到期" if zh else f"due {due}")
        parts.append(_hours(line.due_at - now, language))
    if line.unmoved:
        parts.append(
            "曾暂停计时，但到期时刻由他人指定，不因此移动"
            if zh
            else "was suspended, but another party has fixed the end"
        )
    if line.kind is EntryKind.RUNG and line.level:
        times = "once" if line.level == 1 else f"{line.level} times"
        parts.append(f"无人认领，第{line.level}次升级" if zh else f"not acknowledged, escalated {times}")
    if line.people:
        parts.append(f"通知{'、'.join(line.people)}" if zh else f"for {', '.join(line.people)}")
    return ("，" if zh else ", ").join(parts)


def _subject(line: DigestLine, language: Language) -> str:
    zh = language == "zh"
    rung = _ZH[line.rung] if zh else _EN[line.rung][0]
    a = "an" if line.rung is Rung.OVERSIGHT else "a"
    match line.kind:
        case EntryKind.RUNG:
            return rung
        case EntryKind.WITHDRAWN:
            return f"{rung}已撤销" if zh else f"{rung} withdrawn"
        case EntryKind.APPEAL:
            return f"对{rung}的申诉" if zh else f"appeal against {a} {rung}"
        case EntryKind.DECISION if line.upheld:
            return f"对{rung}的申诉成立" if zh else f"appeal against {a} {rung} upheld"
        case EntryKind.DECISION:
            return f"对{rung}的申诉不成立" if zh else f"appeal against {a} {rung} rejected"


def _commitment(line: DigestLine, language: Language, names: Names) -> str:
    kind, _, which = line.commitment.partition("/")
    which = names.step(line.commitment, line.matter, language) or which
    name = _KINDS_ZH[kind_of(line.commitment)] if language == "zh" else kind
    return f"{name} {which}".rstrip()


def _hours(left: timedelta, language: Language) -> str:
    hours = abs(left) // timedelta(hours=1)
    if language == "zh":
        return f"尚余{hours}小时" if left > timedelta() else f"已超{hours}小时"
    return f"{hours} h left" if left > timedelta() else f"{hours} h over"
