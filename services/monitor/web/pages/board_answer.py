"""The sentence with which the page of the board begins: who has something overdue, and how much."""

from functools import cached_property

from markupsafe import Markup

from services.monitor.store.lists.filters import GroupBy
from services.monitor.web.pages.board_frame import BoardFrame
from services.runtime.http.pages.languages import N_, NN_

_NAMED = 2
"""Rows that the sentence names."""


class BoardAnswer(BoardFrame):
    """The answer, in parts."""

    @cached_property
    def answer(self) -> str:
        """How many rows have nothing overdue."""
        rows = self.board.rows
        number, bad = len(rows), sum(1 for row in rows if row.figures["overdue"])
        if number == 1:
            text = N_("%(name)s has something overdue.") if bad else N_("%(name)s has nothing overdue.")
            return self._(text, name=self.name_of(rows[0].name))
        every, none, some = _TEXTS[self.wanted.by]
        if not bad:
            return self._(none, number=number)
        if bad == number:
            return self._(every, number=number)
        return self.words.many(some, bad, of=number)

    @cached_property
    def detail(self) -> Markup:
        """How much is overdue, and who has most of it, with links to it."""
        total = self.board.total.figures["overdue"] or 0
        if not total:
            return Markup()
        rows = sorted(self.board.rows, key=lambda row: -(row.figures["overdue"] or 0))
        named = [row for row in rows[:_NAMED] if row.figures["overdue"]]
        worst = Markup("、" if self.language == "zh" else ", ").join(
            Markup('<a href="{}">{} {}</a>').format(number.link, self.name_of(row.name), number.text)
            for row in named
            for number in [self._number(row, "overdue")]
        )
        share = sum(row.figures["overdue"] or 0 for row in named) / total
        text = _ALL_OVERDUE if share == 1 else _OVERDUE
        return Markup(self._(text)).format(total=f"{total:,.0f}", worst=worst, share=f"{100 * share:.0f}%")

    @cached_property
    def faults(self) -> Markup:
        """How many failures of the platform there were in the period."""
        number = int(self.board.total.figures["platform_faults"] or 0)
        if not number:
            return Markup()
        text = self.texts.ngettext(
            "{number} platform fault is not counted against anybody.",
            "{number} platform faults are not counted against anybody.",
            number,
        )
        link = self._number(self.board.total, "platform_faults").link
        return Markup('<a href="{}">{}</a>').format(link, text.format(number=number))


_OVERDUE = N_("Overdue {total}, of which {worst}, together {share}.")
_ALL_OVERDUE = N_("Overdue {total}: {worst}.")
_TEXTS = {
    GroupBy.OWNER: (
        N_("All %(number)s departments have something overdue."),
        N_("None of the %(number)s departments has anything overdue."),
        NN_(
            "%(number)s of %(of)s departments has something overdue.",
            "%(number)s of %(of)s departments have something overdue.",
        ),
    ),
    GroupBy.REGION: (
        N_("All %(number)s counties have something overdue."),
        N_("None of the %(number)s counties has anything overdue."),
        NN_(
            "%(number)s of %(of)s counties has something overdue.",
            "%(number)s of %(of)s counties have something overdue.",
        ),
    ),
    GroupBy.ITEM: (
        N_("All %(number)s items have something overdue."),
        N_("None of the %(number)s items has anything overdue."),
        NN_(
            "%(number)s of %(of)s items has something overdue.",
            "%(number)s of %(of)s items have something overdue.",
        ),
    ),
}
"""The sentences about several rows: all have something overdue, none, or some."""
