"""What another edition of monitor's rules would change, in words."""

from collections.abc import Iterator, Sequence
from difflib import unified_diff

from contracts.working_time.almanac import RegionalRules
from contracts.working_time.festivals import english
from contracts.working_time.notices import NATION, CalendarChange, changes
from contracts.working_time.wording import day_name
from services.monitor.core.rules import RuleSet
from services.runtime.yaml_file import write_yaml


def differences(before: RuleSet, after: RuleSet) -> list[str]:
    """Each difference, a line each; none if both say the same."""
    lines = []
    was, now = before.almanac.published, after.almanac.published
    if was != now:
        lines.append(f"published calendar: {was.version} -> {now.version}")
    before_there, after_there = RegionalRules(before.almanac), RegionalRules(after.almanac)
    for region in sorted({notice.region for notice in (*before.notices, *after.notices)} | {NATION}):
        found = changes(before_there.calendar(region), after_there.calendar(region))
        lines += [f"{region}  {line}" for line in told(found)]
    return [*lines, *_rules(before, after)]


def told(found: Sequence[CalendarChange]) -> Iterator[str]:
    """Changes of a calendar, a line each."""
    for change in found:
        name = f"{change.name} ({english(change.name)})" if change.name else ""
        yield f"{day_name(change.day, 'en')}  {change.kind}  {name}".rstrip()


def summary(before: RuleSet, after: RuleSet) -> str:
    """What is new, in a line."""
    known = {notice.version for notice in before.notices}
    news = [notice.version for notice in after.notices if notice.version not in known]
    if before.rules != after.rules:
        news.append(f"rules {after.rules.version}")
    if before.almanac.published != after.almanac.published:
        news.append(after.almanac.published.version)
    return ", ".join(news) or "notices taken away"


def _rules(before: RuleSet, after: RuleSet) -> list[str]:
    lines = list(unified_diff(written(before).splitlines(), written(after).splitlines(), n=2, lineterm=""))
    return lines[2:]  # without the names of two files


def written(said: RuleSet) -> str:
    """Its rules as a rule file."""
    return write_yaml(said.rules)
