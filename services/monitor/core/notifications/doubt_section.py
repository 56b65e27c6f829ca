"""The section of a digest on doubtful times of departments, for the supervisors who settle them. Pure."""

from datetime import datetime
from typing import NamedTuple

from contracts.bilingual import Language
from contracts.envelope import Code
from contracts.messages.commitments import step_key
from contracts.messages.tasks import TimeField
from contracts.working_time.explanation.wording import moment
from services.monitor.core.names import Names


class DoubtLine(NamedTuple):
    """One doubtful time.

    ``counts_at`` is the moment that counts meanwhile, None for an end that counts as not yet known; ``zone`` the time
    zone of the place; ``people`` the names of those who may settle it, where a message to several people has doubtful
    times for some of them only.
    """

    case_id: str
    matter: Code
    step: Code
    procedure: Code | None
    field: TimeField
    owner: str
    claimed: datetime
    counts_at: datetime | None
    zone: str
    people: tuple[str, ...] = ()


class DoubtSection(NamedTuple):
    """Doubtful times: the oldest in ``lines``, ``more`` counts the others."""

    lines: tuple[DoubtLine, ...]
    more: int

    @property
    def total(self) -> int:
        """How many doubtful times there are."""
        return len(self.lines) + self.more


NO_DOUBTS = DoubtSection((), 0)

_FIELDS: dict[TimeField, dict[Language, str]] = {
    TimeField.DELIVERED_AT: {"zh": "接收时间", "en": "time of receipt"},
    TimeField.DECIDED_AT: {"zh": "办结时间", "en": "time of decision"},
    TimeField.SINCE: {"zh": "开始时间", "en": "beginning"},
    TimeField.UNTIL: {"zh": "结束时间", "en": "end"},
}


def counted(section: DoubtSection, language: Language) -> str:
    """For example ``2 doubtful times``."""
    if language == "zh":
        return f"存疑时间{section.total}项"
    return f"{section.total} doubtful time{'s' if section.total > 1 else ''}"


def section_lines(section: DoubtSection, language: Language, names: Names) -> list[str]:
    """The lines of the section: what the departments reported, what counts meanwhile, and what to do."""
    zh = language == "zh"
    lines = [
        "存疑时间（部门报告的时间不可能属实，请认定以何时为准）"
        if zh
        else "Doubtful times (reported by departments, and impossible: please settle which moments count)"
    ]
    lines += [f"  {_line(line, language, names)}" for line in section.lines]
    if section.more:
        lines.append(f"  另有{section.more}项" if zh else f"  and {section.more} more")
    lines += [
        "  查看全部：onedoor times list，或 GET /doubtful-times"
        if zh
        else "  To see all: onedoor times list, or GET /doubtful-times",
        "  认定：onedoor times settle 办件编号 环节 时间项 以何时为准 --reason 理由"
        "（特别程序另加 --procedure 编号），或 POST /commitments/办件编号/times"
        if zh
        else "  To settle one: onedoor times settle CASE STEP TIME COUNTS_AT --reason REASON"
        " (and --procedure ID for a special procedure), or POST /commitments/CASE/times",
    ]
    return lines


def _line(line: DoubtLine, language: Language, names: Names) -> str:
    zh = language == "zh"
    # The command by which it is settled takes the code.
    step = names.step(step_key(line.step), line.matter, language)
    named = line.step if step is None else f"{step} {line.step}"
    where = f"环节 {named}" if zh else f"step {named}"
    if line.procedure is not None:
        where += f" 特别程序 {line.procedure}" if zh else f" procedure {line.procedure}"
    claimed = moment(line.claimed, line.zone, language)
    name = f"{_FIELDS[line.field][language]} {line.field}"
    parts = [
        line.case_id,
        f"{names.matter(line.matter, language)} {where}",
        names.department(line.owner, language),
        f"{name} 报告为 {claimed}" if zh else f"{name} reported as {claimed}",
    ]
    if line.counts_at is None:
        parts.append("目前视为尚未结束" if zh else "counts as not ended meanwhile")
    else:
        counts_at = moment(line.counts_at, line.zone, language)
        parts.append(f"目前以 {counts_at} 为准" if zh else f"{counts_at} counts meanwhile")
    if line.people:
        parts.append(f"请{'、'.join(line.people)}认定" if zh else f"for {', '.join(line.people)}")
    return ("，" if zh else ", ").join(parts)
