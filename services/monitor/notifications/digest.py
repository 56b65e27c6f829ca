"""What a digest says: how many of what, by department, and the most urgent lines. Pure; no applicant is named."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from contracts.messages.alerts import Rung
from contracts.messages.commitments import CommitmentKey, Kind, kind_of
from contracts.values import Value
from contracts.working_time.wording import Language, moment
from services.monitor.notifications.policy import NewsKind

MOST_LINES = 50
"""Alerts that are named, and departments that are counted, in one digest."""

ORDER = (Rung.FURTHER, Rung.RED, Rung.YELLOW, Rung.WARNING, NewsKind.APPEAL, NewsKind.DECISION, NewsKind.WITHDRAWN)
"""The most urgent first."""


class Count(NamedTuple):
    """So many alerts of a department's."""

    what: NewsKind
    rung: Rung
    owner: str
    many: int

    @property
    def kind(self) -> Rung | NewsKind:
        """What is counted: alerts by their rungs, news of them by what it is."""
        return self.rung if self.what is NewsKind.RUNG else self.what


class DigestLine(NamedTuple):
    """One alert of which somebody is told, by its ``number`` in the list. ``due_at`` is the end of the committed limit,
    None while it stands still; ``zone`` the time zone of the place; ``upheld`` how its appeal was decided."""

    number: int
    what: NewsKind
    rung: Rung
    level: int
    case_id: str
    commitment: CommitmentKey
    matter: str
    owner: str
    due_at: datetime | None
    zone: str
    upheld: bool | None = None


class DigestText(Value):
    """A digest as it is sent."""

    language: Language
    subject: str
    text: str
    counts: dict[str, int]


_ZH = {
    Rung.FURTHER: "督办",
    Rung.RED: "红牌",
    Rung.YELLOW: "黄牌",
    Rung.WARNING: "预警",
    NewsKind.APPEAL: "申诉",
    NewsKind.DECISION: "申诉决定",
    NewsKind.WITHDRAWN: "撤销",
}

_EN = {
    Rung.FURTHER: ("further supervision", "further supervisions"),
    Rung.RED: ("red card", "red cards"),
    Rung.YELLOW: ("yellow card", "yellow cards"),
    Rung.WARNING: ("warning", "warnings"),
    NewsKind.APPEAL: ("appeal", "appeals"),
    NewsKind.DECISION: ("decided appeal", "decided appeals"),
    NewsKind.WITHDRAWN: ("withdrawn", "withdrawn"),
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


def digest_text(
    number: int, counts: Sequence[Count], lines: Sequence[DigestLine], more: int, language: Language, now: datetime
) -> DigestText:
    """The digest of this number. ``lines`` are the most urgent alerts, ``more`` how many others there are."""
    zh = language == "zh"
    totals = _totals(counts)
    said = _counted(totals, language)
    parts = [said, "", "按部门" if zh else "By department", *_by_department(counts, language)]
    parts += ["", "最紧急" if zh else "Most urgent", *(f"  {_line(line, language, now)}" for line in lines)]
    if more:
        parts.append(f"  另有{more}条" if zh else f"  and {more} more")
    parts += ["", f"onedoor 督办通知第{number}号" if zh else f"onedoor, digest {number}"]
    subject = f"onedoor 督办：{said}" if zh else f"onedoor: {said}"
    named = {kind.value: count for kind, count in totals.items()}
    return DigestText(language=language, subject=subject, text="\n".join(parts) + "\n", counts=named)


def _totals(counts: Iterable[Count]) -> Counter[Rung | NewsKind]:
    totals: Counter[Rung | NewsKind] = Counter()
    for one in counts:
        totals[one.kind] += one.many
    return totals


def _counted(totals: Counter[Rung | NewsKind], language: Language) -> str:
    """3 red cards, 1 warning."""
    if language == "zh":
        return "，".join(f"{_ZH[kind]}{totals[kind]}件" for kind in ORDER if totals[kind])
    return ", ".join(f"{totals[kind]} {_EN[kind][totals[kind] > 1]}" for kind in ORDER if totals[kind])


def _by_department(counts: Iterable[Count], language: Language) -> list[str]:
    owners: dict[str, list[Count]] = {}
    for one in counts:
        owners.setdefault(one.owner, []).append(one)
    totals = {owner: _totals(of_it) for owner, of_it in owners.items()}
    worst_first = sorted(totals.items(), key=lambda one: ([-one[1][kind] for kind in ORDER], one[0]))
    colon = "：" if language == "zh" else ": "
    lines = [f"  {owner}{colon}{_counted(of_it, language)}" for owner, of_it in worst_first[:MOST_LINES]]
    if (more := len(worst_first) - MOST_LINES) > 0:
        lines.append(f"  另有{more}个部门" if language == "zh" else f"  and {more} more departments")
    return lines


def _line(line: DigestLine, language: Language, now: datetime) -> str:
    zh = language == "zh"
    number = f"第{line.number}号" if zh else f"alert {line.number}"
    parts = [
        f"{_what(line, language)} {number}",
        line.case_id,
        f"{line.matter} {_commitment(line.commitment, language)}",
        line.owner,
    ]
    if line.due_at is None:
        parts.append("计时中止" if zh else "time stands still")
    else:
        due = moment(line.due_at, line.zone, language)
        parts.append(f"{due} 到期" if zh else f"due {due}")
        parts.append(_hours(line.due_at - now, language))
    if line.what is NewsKind.RUNG and line.level:
        parts.append(f"无人认领，第{line.level}次升级" if zh else f"nobody has taken it in hand, climbed {line.level}")
    return ("，" if zh else ", ").join(parts)


def _what(line: DigestLine, language: Language) -> str:
    zh = language == "zh"
    rung = _ZH[line.rung] if zh else _EN[line.rung][0]
    match line.what:
        case NewsKind.RUNG:
            return rung
        case NewsKind.WITHDRAWN:
            return f"{rung}已撤销" if zh else f"{rung} withdrawn"
        case NewsKind.APPEAL:
            return f"对{rung}的申诉" if zh else f"appeal against a {rung}"
        case NewsKind.DECISION if line.upheld:
            return f"对{rung}的申诉成立" if zh else f"appeal against a {rung} upheld"
        case NewsKind.DECISION:
            return f"对{rung}的申诉不成立" if zh else f"appeal against a {rung} rejected"


def _commitment(key: CommitmentKey, language: Language) -> str:
    kind, _, which = key.partition("/")
    name = _KINDS_ZH[kind_of(key)] if language == "zh" else kind
    return f"{name} {which}".rstrip()


def _hours(left: timedelta, language: Language) -> str:
    hours = abs(left) // timedelta(hours=1)
    if language == "zh":
        return f"尚余{hours}小时" if left > timedelta() else f"已超{hours}小时"
    return f"{hours} h left" if left > timedelta() else f"{hours} h over"
