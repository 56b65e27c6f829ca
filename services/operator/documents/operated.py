"""Shows, compares, applies, lists and follows the versions of a document.

A kind of document is declared as an `OperatedDocument`; `services.operator.documents.commands` makes commands of it.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from functools import partial
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import typer
from pydantic import BaseModel
from rich.progress import Progress as Bar
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.bilingual import both
from services.operator.databases import PLACE, on_service
from services.operator.options import DatabaseOptions
from services.operator.output import UNCHANGED, end, print_result, stop, wrong_option
from services.operator.text_files import read_document_text
from services.runtime.files.encoding import InvalidFile
from services.runtime.store import documents, rollouts
from services.runtime.store.documents import Superseded, UnusableVersion, VersionedDocument
from services.runtime.store.rollouts import Progress

D = TypeVar("D", bound=BaseModel)
T = TypeVar("T")

LISTED = 20
"""Number of versions that a history shows."""

POLL_S = 0.5
"""Machine seconds after which the progress of a roll-out is read again."""


class Copy(NamedTuple):
    """A document of another service that follows from a version, and is put in force after it."""

    service: str
    document: VersionedDocument[Any]
    content: BaseModel


@dataclass(frozen=True, slots=True)
class OperatedDocument(Generic[D]):
    """A kind of document as operators see it.

    ``service``: the service in which it is in force.
    ``read``: reads the text of a file; raises `InvalidFile`. ``describe``: names the content of a file,
    in each language.
    ``write``: a version as a file.
    ``differences``: the changes from one version, or from none, to another, a line each.
    ``summary``: these changes in one line, for the history.
    ``copies``: the documents of other services that follow from a version.
    ``first_file``: the file to show while no version is in force.
    """

    document: VersionedDocument[D]
    service: str
    read: Callable[[str], Any]
    describe: Callable[[Any], tuple[str, str]]
    write: Callable[[D], str]
    differences: Callable[[D | None, D], list[str]]
    summary: Callable[[D | None, D], str]
    copies: Callable[[D], Sequence[Copy]] = lambda content: ()
    first_file: Callable[[], str] | None = None

    @property
    def kind(self) -> str:
        """The name of the kind: rules or directory."""
        return self.document.kind

    def read_file(self, file: Path) -> Any:
        """The content of a file. Its faults end the command."""
        try:
            return self.read(read_document_text(file))
        except InvalidFile as faults:
            lines = "\n".join(f"{file}: {fault}" for fault in str(faults).splitlines())
            raise end(f"{lines}\n{both(*UNCHANGED)}") from None

    def check(self, file: Path) -> None:
        """Print each fault of a file with its line, or that there is none."""
        en, zh = self.describe(self.read_file(file))
        typer.echo(f"{file}: {both(f'{en}, nothing wrong', f'{zh}，没有错误')}")

    def in_force(self, options: DatabaseOptions) -> tuple[int, D | None]:
        """The number of the version in force, 0 for none, and its content, or else what onedoor ships with."""
        found = self._on(options, self.service, lambda connection: documents.in_force(connection, self.kind))
        if found is None:
            return 0, self.document.shipped() if self.document.shipped is not None else None
        return found.number, self._content(found.number, found.body)

    def show(self, options: DatabaseOptions, number: int | None) -> None:
        """Print a version, or the one in force, as a file that can be changed and applied."""
        if number is not None:
            body = self._on(options, self.service, lambda connection: documents.body(connection, self.kind, number))
            if body is None:
                raise stop(
                    f"version {number} of the {self.kind} is not on record; 'onedoor {self.kind} history' lists them",
                    f"没有第 {number} 版；请用 onedoor {self.kind} history 查看",
                )
            typer.echo(self.write(self._content(number, body)), nl=False)
            return
        in_force, content = self.in_force(options)
        if in_force == 0 and self.first_file is not None:
            typer.echo(self.first_file(), nl=False)
        elif content is None:
            raise self._none_in_force()
        else:
            typer.echo(self.write(content), nl=False)

    def diff(self, options: DatabaseOptions, make: Callable[[D | None], D]) -> None:
        """Print the changes of a version. ``make`` makes its content from that of the version in force."""
        _, before = self.in_force(options)
        self._print_differences(before, make(before))

    def apply(self, options: DatabaseOptions, make: Callable[[D | None], D], *, yes: bool, wait: bool) -> None:
        """Print the changes of a version, ask for confirmation unless ``yes``, and put it in force.

        ``make`` makes its content from that of the version in force. ``wait``: until every open case follows it.
        """
        number, before = self.in_force(options)
        after = make(before)
        self._print_differences(before, after)
        question = both(f"Put this in force: {self.summary(before, after)}?", "是否启用？")
        if before != after and not yes and not typer.confirm(question):
            raise stop(*UNCHANGED)
        self.put(options, number, before, after, wait=wait)

    def put(self, options: DatabaseOptions, known: int, before: D | None, after: D, *, wait: bool) -> None:
        """Put a version in force that was made from the version ``known``, 0 for none."""
        summary = self.summary(before, after)
        put = partial(documents.put, document=self.document, content=after, summary=summary, after=known)
        try:
            number = self._on(options, self.service, put)
        except Superseded:
            raise stop(
                f"another version of the {self.kind} came into force meanwhile: check the changes with 'onedoor "
                f"{self.kind} diff', and apply again",
                f"期间已启用另一版本：请用 onedoor {self.kind} diff 核对变更后重新启用",
            ) from None
        for copy in self.copies(after):
            put = partial(documents.put, document=copy.document, content=copy.content, summary=summary)
            self._on(options, copy.service, put)
        if number is None:
            print_result("in force already; nothing changes", "已经启用，没有变更")
            return
        print_result(f"version {number} of the {self.kind} is in force", f"第 {number} 版已启用")
        if self.document.core_for is None:
            return
        if wait:
            self.follow(options, number)
        else:
            command = f"onedoor {self.kind} follow"
            print_result(f"'{command}' shows how many open cases follow it", f"{command} 显示已有多少在办件按此计算")

    def history(self, options: DatabaseOptions) -> None:
        """Print the last versions, the newest first."""
        for one in self._history(options):
            typer.echo(self._line(one))

    def follow(self, options: DatabaseOptions, number: int | None = None) -> None:
        """Show how many open cases follow a version, or the one in force, until all do."""
        with Bar(transient=True) as bar:
            task = bar.add_task(both("recalculating", "正在重算"), total=None)
            while True:
                known = self._history(options)
                if not known:
                    raise self._none_in_force()
                wanted = number or known[0].number
                if known[0].number > wanted:
                    newest = known[0].number
                    print_result(
                        f"version {newest} is in force by now: {known[0].summary}", f"现行的已是第 {newest} 版"
                    )
                    return
                one = next(one for one in known if one.number == wanted)
                bar.update(task, completed=one.visited, total=max(one.open_cases, one.visited) or None)
                if one.done_at is not None or self.document.core_for is None:
                    break
                time.sleep(POLL_S)
        typer.echo(self._line(one))

    def _print_differences(self, before: D | None, after: D) -> None:
        for line in self.differences(before, after):
            typer.echo(line)

    def _content(self, number: int, body: str) -> D:
        try:
            return self.document.parse(number, body)
        except UnusableVersion:
            raise stop(
                f"version {number} of the {self.kind} cannot be read by this program; update onedoor on this machine",
                f"本程序无法读取第 {number} 版；请更新本机的 onedoor",
            ) from None

    def _none_in_force(self) -> typer.Exit:
        return stop(
            f"no {self.kind} is in force; put one in force with 'onedoor {self.kind} apply FILE'",
            f"尚未启用任何版本；请用 onedoor {self.kind} apply 文件 启用",
        )

    def _history(self, options: DatabaseOptions) -> list[Progress]:
        return self._on(options, self.service, lambda connection: rollouts.history(connection, self.kind, LISTED))

    def _line(self, one: Progress) -> str:
        line = f"{one.number:>4}  {one.made_at:%Y-%m-%d %H:%M}  {one.summary}"
        if self.document.core_for is None:
            return line
        state, state_zh = f"{one.visited:,} open cases recalculated", f"已重算 {one.visited:,} 件在办件"
        if one.began_at is None:
            state, state_zh = "waiting for the service", "等待服务处理"
        elif one.done_at is not None:
            seconds = (one.done_at - one.began_at).total_seconds()
            state = f"followed by all {one.visited:,} open cases after {seconds:.1f} s"
            state_zh = f"全部 {one.visited:,} 件在办件已按此计算，用时 {seconds:.1f} 秒"
        return f"{line}  {both(f'{state}, {one.changed:,} changed', f'{state_zh}，变动 {one.changed:,} 件')}"

    def _on(self, options: DatabaseOptions, service: str, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run the work in one transaction on the database of a service."""

        async def transaction(engine: AsyncEngine) -> T:
            async with engine.begin() as connection:
                return await work(connection)

        if service != self.service and options.address and options.folder is None and PLACE not in options.address:
            raise wrong_option(
                f"{service} and {self.service} each have their own: put {PLACE} in it",
                f"{service} 和 {self.service} 各有数据库，地址中请写 {PLACE}",
                "--database",
            )
        return on_service(service, options, transaction)


def file_differences(before: str, after: str) -> list[str]:
    """The lines in which two files differ, with one line around each."""
    return list(unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm=""))[2:]  # without file names
