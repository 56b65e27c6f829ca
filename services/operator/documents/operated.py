"""Shows, compares, applies, lists and follows the versions of a document.

A kind of document is declared as an `OperatedDocument`; `services.operator.documents.commands` makes commands of it.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from difflib import unified_diff
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import typer
from pydantic import BaseModel
from rich.progress import Progress as Bar
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.bilingual import both
from contracts.rights.actor import Actor
from contracts.rights.table import Act
from services.operator.databases import on_service
from services.operator.login.actor import Caller, calling, recorded
from services.operator.options import DatabaseOptions
from services.operator.output import UNCHANGED, end, print_result, stop
from services.operator.text_files import read_document_text
from services.runtime.files.encoding import InvalidFile
from services.runtime.store import documents, proposals, rollouts
from services.runtime.store.documents import Superseded, UnusableVersion, VersionedDocument
from services.runtime.store.proposals import NoProposal, SamePerson
from services.runtime.store.rollouts import Progress

D = TypeVar("D", bound=BaseModel)
T = TypeVar("T")

LISTED = 20
"""Number of versions that a history shows."""

POLL_S = 0.5
"""Machine seconds after which the progress of a roll-out is read again."""


@dataclass(frozen=True, slots=True)
class OperatedDocument(Generic[D]):
    """A kind of document as operators see it.

    ``service``: the service in which it is in force. ``act``: its change.
    ``read``: reads the text of a file; raises `InvalidFile`. ``describe``: names the content of a file,
    in each language.
    ``write``: a version as a file.
    ``differences``: the changes from one version, or from none, to another, a line each.
    ``summary``: these changes in one line, for the history.
    ``first_file``: the file to show while no version is in force.
    ``obstacle``: why a content must not come into force although it has no fault, in each language.
    """

    document: VersionedDocument[D]
    service: str
    act: Act
    read: Callable[[str], Any]
    describe: Callable[[Any], tuple[str, str]]
    write: Callable[[D], str]
    differences: Callable[[D | None, D], list[str]]
    summary: Callable[[D | None, D], str]
    first_file: Callable[[], str] | None = None
    obstacle: Callable[[D], tuple[str, str] | None] = lambda content: None

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
        found = self._on(options, lambda connection: documents.in_force(connection, self.kind))
        if found is None:
            return 0, self.document.shipped() if self.document.shipped is not None else None
        return found.number, self._content(found.number, found.body)

    def show(self, options: DatabaseOptions, number: int | None) -> None:
        """Print a version, or the one in force, as a file that can be changed and applied."""
        if number is not None:
            body = self._on(options, lambda connection: documents.body(connection, self.kind, number))
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
        """Print the changes of a version, ask for confirmation unless ``yes``, and put it in force, or propose it where
        a second person is needed.

        ``make`` makes its content from that of the version in force. ``wait``: until every open case follows it.
        """
        number, before = self.in_force(options)
        after = make(before)
        if number and before == after:
            raise self._no_change()
        caller = self.caller(options)
        self._check(after)
        self._print_differences(before, after)
        if caller.four_eyes:
            question = both(f"Propose this: {self.summary(before, after)}?", "是否提交审批？")
        else:
            question = both(f"Put this in force: {self.summary(before, after)}?", "是否启用？")
        if not yes and not typer.confirm(question):
            raise stop(*UNCHANGED)
        self.put(options, number, before, after, caller, wait=wait)

    def put(
        self, options: DatabaseOptions, known: int, before: D | None, after: D, caller: Caller, *, wait: bool
    ) -> bool:
        """Put a version in force that was made from the version ``known``, 0 for none, or propose it where a second
        person is needed. Returns whether it is in force."""
        summary = self.summary(before, after)
        if caller.four_eyes and caller.actor is not None:
            propose = partial(
                proposals.propose,
                document=self.document,
                content=after,
                summary=summary,
                author=caller.actor,
                after=known,
            )
            proposed = self._changed(
                options, recorded(propose, lambda made: caller.entry(proposal=made, summary=summary))
            )
            print_result(
                f"proposal {proposed} of the {self.kind} waits for a second person: 'onedoor {self.kind} approve "
                f"{proposed}'",
                f"已提交第 {proposed} 号变更，须由另一人批准：onedoor {self.kind} approve {proposed}",
            )
            return False
        put = partial(
            documents.put, document=self.document, content=after, summary=summary, after=known, author=caller.actor
        )
        number = self._changed(
            options,
            recorded(put, lambda made: caller.entry(version=made, summary=summary) if made is not None else None),
        )
        if number is None:
            raise self._no_change()
        self._print_in_force(options, number, wait=wait)
        return True

    def list_proposals(self, options: DatabaseOptions) -> None:
        """Print the proposals that wait for a second person."""
        known, _ = self.in_force(options)
        found = self._on(options, lambda connection: proposals.open_proposals(connection, self.kind))
        for one in found:
            line = f"{one.number:>4}  {one.proposed_at:%Y-%m-%d %H:%M}  {one.author}  {one.summary}"
            late = both("made from an earlier version", "基于较早的版本")
            typer.echo(line if one.after == known else f"{line}  {late}")
        if not found:
            print_result("none", "没有")

    def approve(self, options: DatabaseOptions, number: int, *, yes: bool, wait: bool) -> None:
        """Print what a proposal changes, ask for confirmation unless ``yes``, and put it in force."""
        caller, actor = self._acting(options)
        proposal = self._on(options, self._settling(number, proposals.find))
        known, before = self.in_force(options)
        if proposal.after != known:
            raise self._superseded()
        self._print_differences(before, self._content(number, proposal.body))
        typer.echo(f"{both('proposed by', '提交人')}: {proposal.author}")
        if proposal.author.shares_a_person_with(actor):
            raise self._same_person()
        if not yes and not typer.confirm(both(f"Put this in force: {proposal.summary}?", "是否启用？")):
            raise stop(*UNCHANGED)

        async def approve(connection: AsyncConnection, kind: str, number: int) -> int:
            return (await proposals.approve(connection, self.document, number, actor))[0]

        version = self._changed(
            options,
            recorded(self._settling(number, approve), lambda made: caller.entry(proposal=number, version=made)),
        )
        self._print_in_force(options, version, wait=wait)

    def withdraw(self, options: DatabaseOptions, number: int) -> None:
        """Settle a proposal without putting it in force."""
        caller, actor = self._acting(options)
        withdraw = self._settling(number, partial(proposals.withdraw, actor=actor))
        self._on(options, recorded(withdraw, lambda _: caller.entry(proposal=number, withdrawn="yes")))
        print_result(f"proposal {number} of the {self.kind} is withdrawn", f"第 {number} 号变更已撤回")

    def caller(self, options: DatabaseOptions) -> Caller:
        """The person who gives the command, with the right to change the document. Raises `typer.Exit`."""
        return calling(options, self.service, self.act)

    def _acting(self, options: DatabaseOptions) -> tuple[Caller, Actor]:
        caller = self.caller(options)
        actor = caller.actor
        if actor is None:
            raise stop(
                "no directory is in force, so that nobody can propose or approve: put one in force with 'onedoor "
                "directory apply'",
                "尚无生效的人员名录，无人可以提交或批准：请先用 onedoor directory apply 启用",
            )
        return caller, actor

    def _check(self, content: D) -> None:
        if (fault := self.obstacle(content)) is not None:
            raise stop(f"{fault[0]}; {UNCHANGED[0]}", f"{fault[1]}；{UNCHANGED[1]}")

    def _changed(self, options: DatabaseOptions, work: Callable[..., Awaitable[T]]) -> T:
        """Run the work in one transaction. It ends the command if the version in force is another one by now."""
        try:
            return self._on(options, work)
        except Superseded:
            raise self._superseded() from None

    def _settling(
        self, number: int, work: Callable[[AsyncConnection, str, int], Awaitable[T]]
    ) -> Callable[[AsyncConnection], Awaitable[T]]:
        """Work on an open proposal. It ends the command if the proposal cannot be settled like this."""

        async def settle(connection: AsyncConnection) -> T:
            try:
                return await work(connection, self.kind, number)
            except NoProposal:
                raise stop(
                    f"there is no open proposal {number} of the {self.kind}: 'onedoor {self.kind} proposals' lists "
                    "them",
                    f"没有待批准的第 {number} 号变更：请用 onedoor {self.kind} proposals 查看",
                ) from None
            except SamePerson:
                raise self._same_person() from None

        return settle

    def _print_in_force(self, options: DatabaseOptions, number: int, *, wait: bool) -> None:
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

    def _no_change(self) -> typer.Exit:
        print_result("in force already; nothing changes", "已经启用，没有变更")
        return typer.Exit(0)

    def _superseded(self) -> typer.Exit:
        return stop(
            f"another version of the {self.kind} came into force meanwhile: check the changes with 'onedoor "
            f"{self.kind} diff', and apply again",
            f"期间已启用另一版本：请用 onedoor {self.kind} diff 核对变更后重新提交",
        )

    def _same_person(self) -> typer.Exit:
        return stop(
            f"you have proposed this change, or act for the person who has: another person with the right approves it; "
            f"{UNCHANGED[0]}",
            f"该变更由您或您所代理的人提交，须由另一名有权人员批准；{UNCHANGED[1]}",
        )

    def _history(self, options: DatabaseOptions) -> list[Progress]:
        return self._on(options, lambda connection: rollouts.history(connection, self.kind, LISTED))

    def _line(self, one: Progress) -> str:
        line = f"{one.number:>4}  {one.made_at:%Y-%m-%d %H:%M}  {one.summary}{self._people(one)}"
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

    def _people(self, one: Progress) -> str:
        """The people who have made a version and put it in force, for the history."""
        if one.author is None:
            return ""
        author = Actor(one.author, one.author_on_behalf_of)
        if one.approver is None:
            return f"  {both(f'by {author} alone', f'由 {author} 一人启用')}"
        approver = Actor(one.approver, one.approver_on_behalf_of)
        return f"  {both(f'by {author}, approved by {approver}', f'{author} 提交，{approver} 批准')}"

    def _on(self, options: DatabaseOptions, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run the work in one transaction on the database of the service."""

        async def transaction(engine: AsyncEngine) -> T:
            async with engine.begin() as connection:
                return await work(connection)

        return on_service(self.service, options, transaction)


def file_differences(before: str, after: str) -> list[str]:
    """The lines in which two files differ, with one line around each."""
    return list(unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm=""))[2:]  # without file names
