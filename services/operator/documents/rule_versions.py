"""Versions of monitor's rules: made from files, and compared line by line."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from contracts.bilingual import both
from contracts.rights.table import Act
from contracts.working_time.almanac import RegionalRules
from contracts.working_time.explanation.wording import day_name
from contracts.working_time.notices import NATION, CalendarChange, InvalidNotice, Notice, changes
from contracts.working_time.published import festival_in_english
from services.monitor.core.rules import RuleFile, Rules, RuleSet, rule_set
from services.monitor.store import rule_store
from services.operator.databases import WrongChoice, chosen
from services.operator.documents.operated import OperatedDocument, file_differences
from services.operator.login.actor import Caller
from services.operator.notice_folder import notices
from services.operator.options import DatabaseOptions
from services.operator.output import UNCHANGED, end, wrong_option
from services.runtime.files.document import write_yaml


def differences(before: RuleSet | None, after: RuleSet) -> list[str]:
    """The differences, a line each; none if both are equal."""
    if before is None:
        return file_differences("", write_yaml(after.rules))
    lines = []
    was, now = before.almanac.published, after.almanac.published
    if was != now:
        lines.append(f"{both('published calendar', '公布的日历')}: {was.version} -> {now.version}")
    before_there, after_there = RegionalRules(before.almanac), RegionalRules(after.almanac)
    for region in sorted({notice.region for notice in (*before.notices, *after.notices)} | {NATION}):
        found = changes(before_there.calendar(region), after_there.calendar(region))
        lines += [f"{region}  {line}" for line in day_lines(found)]
    return [*lines, *file_differences(write_yaml(before.rules), write_yaml(after.rules))]


def day_lines(found: Sequence[CalendarChange]) -> Iterator[str]:
    """Changes of a calendar, a line each."""
    for change in found:
        name = f"{change.name} ({festival_in_english(change.name)})" if change.name else ""
        yield f"{day_name(change.day, 'en')}  {change.kind}  {name}".rstrip()


def made_from(file: Path | None, calendars: Path) -> Callable[[RuleSet | None], RuleSet]:
    """A function that makes a version from a rule file and the notices of a folder. Without a file, the rules stay."""
    written: RuleFile | None = RULES.read_file(file) if file is not None else None

    def make(before: RuleSet | None) -> RuleSet:
        rules = written or (before.rules if before is not None else rule_store.read(rule_store.SHIPPED.read_bytes()))
        try:
            made = rule_set(rules, notices(calendars))
            Rules(0, made)  # raises for content that monitor cannot apply
        except InvalidNotice as fault:
            raise end(f"{fault}\n{both(*UNCHANGED)}") from None
        return made

    return make


def in_force_here(options: DatabaseOptions) -> tuple[int, RuleSet] | None:
    """The version in force at monitor, and its content; None if no database is named, and there is none in ``data``."""
    try:
        chosen("monitor", options)
    except WrongChoice as wrong:
        if options.address or options.folder is not None:
            raise wrong_option(wrong.en, wrong.zh) from None
        return None
    number, content = RULES.in_force(options)
    return (number, content) if content is not None else None


def apply_notices(
    options: DatabaseOptions, known: tuple[int, RuleSet], in_force: Sequence[Notice], caller: Caller
) -> bool:
    """Put these notices in force, in place of those that were, or propose it where a second
    person is needed. Returns whether they are in force."""
    number, before = known
    return RULES.put(options, number, before, rule_set(before.rules, in_force), caller, wait=False)


RULES = OperatedDocument(
    rule_store.RULES,
    service="monitor",
    act=Act.CHANGE_RULES,
    read=rule_store.read,
    describe=lambda file: (f"rules {file.version}", f"规则 {file.version}"),
    write=lambda content: write_yaml(content.rules),
    differences=differences,
    summary=rule_store.summary,
    first_file=lambda: rule_store.SHIPPED.read_text(encoding="utf-8"),
)
