"""Puts a notice of holidays in force: at monitor, and in the folder of notices on this machine."""

from pathlib import Path

import typer

from contracts.bilingual import both
from contracts.working_time import published_calendar
from contracts.working_time.notices import NATION, InvalidNotice, Notice, changes, in_force
from services.operator import notice_folder
from services.operator.documents.rule_versions import RULES, apply_notices, day_lines, in_force_here
from services.operator.login.actor import Caller
from services.operator.options import DatabaseOptions
from services.operator.output import UNCHANGED, end, file_errors, print_result, stop, wrong_option
from services.operator.text_files import read_document_text
from services.runtime.files.document import check_document, load_document
from services.runtime.files.encoding import InvalidFile


def load_notice(file: Path, region: str | None, calendars: Path, options: DatabaseOptions, *, yes: bool) -> None:
    """Print the changes of a notice, ask for confirmation unless ``yes``, and put it in force.

    ``region`` is that of a notice whose file names none. ``calendars`` is the folder of notices.
    """
    try:
        notice = _read(file, region)
        # The notices in force at monitor count; a folder on this machine may lack some.
        at_monitor = in_force_here(options)
        if at_monitor is not None:
            published, known = at_monitor[1].almanac.published.calendar(), list(at_monitor[1].notices)
        else:
            published, known = published_calendar(), notice_folder.notices(calendars)
        others = [one for one in known if (one.region, one.year) != (notice.region, notice.year)]
        before = in_force(published, known, notice.region)
        after = in_force(published, [*others, notice], notice.region)
    except (InvalidNotice, InvalidFile) as faults:
        lines = "".join(f"\n  {fault}" for fault in str(faults).splitlines())
        unchanged = both(f"{file} is not put in force, and nothing has changed", "未启用，没有任何变更")
        raise end(f"{unchanged}:{lines}") from None
    found = changes(before, after)
    shipped = notice.region == NATION and notice.year < before.first_unpublished.year and not found
    if shipped or notice.version in before.version.split(", "):
        print_result(f"{notice.version} is in force already; nothing changes", "已经启用，没有变更")
        if not shipped and notice not in notice_folder.notices(calendars):
            _store(calendars, notice)
        return
    caller = RULES.caller(options) if at_monitor is not None else Caller(None, four_eyes=False)
    for line in day_lines(found) if found else [both("no day is counted in another way", "没有一天改变计算方式")]:
        typer.echo(line)
    if not yes and not typer.confirm(both(f"Put {notice.version} in force?", "是否启用？")):
        raise stop(*UNCHANGED)
    # Monitor first: if its database cannot be reached, nothing has changed.
    if at_monitor is not None and not apply_notices(options, at_monitor, [*others, notice], caller):
        print_result(
            "run this command again after the approval, so that this machine counts by the notice as well",
            "批准后请再次运行本命令，使本机也按此通知计算",
        )
        return
    _store(calendars, notice)
    if at_monitor is None:
        print_result(
            "it is not in force at monitor: name its database, or run 'onedoor rules apply' where it is",
            "尚未在 monitor 启用：请指定其数据库，或在其所在处运行 onedoor rules apply",
        )


def _store(calendars: Path, notice: Notice) -> None:
    with file_errors():
        stored = notice_folder.put(calendars, notice)
    print_result(f"stored as {stored}", f"已保存为 {stored}")


def _read(file: Path, region: str | None) -> Notice:
    """The notice in a file, for this region if the file names none. Raises `InvalidFile`."""
    content = load_document(read_document_text(file))
    notice = check_document(Notice, content)
    if region is None:
        return notice
    if "region" in content and notice.region != region:
        raise wrong_option(
            f"the notice names its region: {notice.region}; leave the option out",
            f"通知已写明区域 {notice.region}，请勿再填",
            "--region",
        )
    return notice.replace(region=region)
