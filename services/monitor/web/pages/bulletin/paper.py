"""The text of a bulletin in one language: sentences and tables, for its page and for its document alike."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import urlencode

from contracts.working_time import phrases
from services.monitor.core.board import periods
from services.monitor.core.board.board import Row
from services.monitor.core.board.bulletin import JUDGED_BY, Ranking, Standing
from services.monitor.core.board.ranks import Pool
from services.monitor.web.board.bulletin import LoadedBulletin
from services.monitor.web.board.loading import Board
from services.monitor.web.pages.figures import FIGURES, Unit
from services.monitor.web.pages.filters import CITY, PROVINCE, period_text
from services.monitor.web.pages.words import Words
from services.runtime.http.pages.formats import change, count, decimals
from services.runtime.http.pages.languages import N_

COUNTY = 6
"""Digits of a code that name the county."""

POOLS: Mapping[Pool, str] = {
    Pool.PROVINCES: N_("Provinces"),
    Pool.CITIES: N_("Cities"),
    Pool.DISTRICTS: N_("Districts"),
    Pool.COUNTIES: N_("Counties and cities of their rank"),
}

SUMMARY = (
    *("received", "closed", "on_time_rate", "early_rate", "same_day_rate", "mean_days", "mean_days_committed"),
    *("warnings", "yellow_cards", "red_cards", "appeals", "platform_faults"),
)
"""The figures of all work together."""

IN_RANKING = ("closed", "on_time_rate", "early_rate", "same_day_rate", "yellow_cards", "red_cards")

OF_WORST = ("closed", "late", "on_time_rate", "yellow_cards", "red_cards")


class Cell(NamedTuple):
    """A cell of a table. ``link``: the page of what it is about."""

    text: str
    link: str | None = None


class Table(NamedTuple):
    """A table. ``name_at``: the column that names each row; those before and after it are numbers.

    ``is_named``: whether the head above it does not say the same as the caption.
    """

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    name_at: int = 0
    is_named: bool = False


class Section(NamedTuple):
    """A part of the bulletin."""

    head: str
    text: Sequence[str]
    tables: Sequence[Table]


def place_of(board: Board, region: str | None, words: Words) -> str:
    """The place of a board of regions: the one that was chosen, or the smallest one in which all lie; empty without."""
    codes = {row.name for row in board.rows}
    for digits in (COUNTY, CITY, PROVINCE) if region is None else ():
        if len(shared := {code[:digits] for code in codes}) == 1:
            return words.place(shared.pop())
    return "" if region is None else words.place(region)


class Paper:
    """A bulletin in one language."""

    def __init__(self, loaded: LoadedBulletin, words: Words) -> None:
        self.loaded = loaded
        self._words = words
        self._board = loaded.board
        self._found = loaded.bulletin

    def _(self, text: str, **values: object) -> str:
        return self._words._(text, **values)

    # --- what it is about ---

    @cached_property
    def period(self) -> str:
        """The month."""
        return period_text(self._board.period, self._words.language)

    @cached_property
    def before(self) -> str:
        """The month before."""
        one = periods.before(self._board.period)
        return phrases.period(one.first, one.last, one.months, self._words.language, self._board.period.first)

    @cached_property
    def place(self) -> str:
        """The place: the region that was chosen, or the smallest one in which all lie; empty if they share none."""
        return place_of(self._board, self.loaded.region, self._words)

    @cached_property
    def title(self) -> str:
        """Its title."""
        if not self.place:
            return self._(N_("Bulletin of cases, %(period)s"), period=self.period)
        return self._(N_("Bulletin of cases, %(place)s, %(period)s"), place=self.place, period=self.period)

    @cached_property
    def is_empty(self) -> bool:
        """Whether nothing began and nothing was closed in the month."""
        return not (self._found.total.figures["received"] or self._found.total.figures["closed"])

    @cached_property
    def moment(self) -> str:
        """When it was made, with the year."""
        now = self._board.now
        return f"{now:%Y-%m-%d %H:%M}"

    @cached_property
    def stamp(self) -> str:
        """The moment and the version of its numbers."""
        return self._(
            N_("Numbers as of %(moment)s, version %(version)s"), moment=self.moment, version=self.loaded.version
        )

    @cached_property
    def remarks(self) -> list[str]:
        """The reasons why the numbers are preliminary."""
        found = []
        if not self.loaded.is_over:
            found.append(self._(N_("The month is not over: these numbers are preliminary.")))
        if self._board.uncounted_since is not None:
            found.append(self._(N_("The latest changes are not counted yet: make the bulletin again in some minutes.")))
        return found

    # --- the answer ---

    @cached_property
    def answer(self) -> str:
        """The sentence with which it begins."""
        total = self._found.total
        return self._(
            N_("Closed: %(closed)s, of which on time %(rate)s%%, %(change)s."),
            closed=self._number(total, "closed"),
            rate=self._number(total, JUDGED_BY),
            change=self._against(total, JUDGED_BY),
        )

    @cached_property
    def detail(self) -> str:
        """The last one, and the one that has improved most."""
        parts = []
        if self._found.worst:
            row = self._found.worst[0]
            text = N_("%(name)s has the lowest on-time rate, %(rate)s%%.")
            parts.append(self._(text, name=self._words.department(row.name), rate=self._number(row, JUDGED_BY)))
        if self._found.improved:
            row = self._found.improved[0]
            text = N_("%(name)s has improved most, by %(points)s points.")
            parts.append(self._(text, name=self._words.department(row.name), points=decimals(row.change[JUDGED_BY])))
        return ("" if self._words.language == "zh" else " ").join(parts)

    # --- its parts ---

    @cached_property
    def sections(self) -> list[Section]:
        """All parts, in their order."""
        return [self._summary(), self._rankings(), self._worst(), self._improved(), self._notes()]

    def _summary(self) -> Section:
        total = self._found.total
        number = {name: self._number(total, name) for name in total.figures}
        text = [
            self._(
                N_("Cases received: %(received)s; closed: %(closed)s, %(change)s."),
                received=number["received"],
                closed=number["closed"],
                change=self._against(total, "closed"),
            ),
            self._(
                N_(
                    "Closed on time: %(on_time)s (%(on_time_rate)s%%), of which early: %(early)s (%(early_rate)s%%); "
                    "on the day of their acceptance: %(same_day)s (%(same_day_rate)s%%)."
                ),
                **number,
            ),
            self._(
                N_(
                    "A case took %(mean_days)s working days in the mean, where %(mean_days_committed)s were committed "
                    "and the law allows %(mean_days_statutory)s."
                ),
                **number,
            ),
            self._(
                N_(
                    "Warnings: %(warnings)s; yellow cards: %(yellow_cards)s; red cards: %(red_cards)s. Appeals: "
                    "%(appeals)s, of which upheld: %(appeals_upheld)s, rejected: %(appeals_rejected)s, undecided: "
                    "%(appeals_undecided)s. Platform faults, not counted against any department: %(platform_faults)s."
                ),
                **number,
            ),
        ]
        rows = [
            [
                Cell(self._(FIGURES[name].name) + self._unit(name)),
                Cell(number[name]),
                Cell(FIGURES[name].unit.write(total.before[name])),
                Cell(self._change(total, name)),
            ]
            for name in SUMMARY
        ]
        heads = [self._(N_("Measure")), self.period, self.before, self._(N_("Change"))]
        return Section(self._(N_("All work")), text, [Table(self._(N_("All work together")), heads, rows)])

    def _rankings(self) -> Section:
        text = [] if self._found.rankings else [self._(N_("There is no region to rank."))]
        tables = [self._ranking(one) for one in self._found.rankings]
        return Section(self._(N_("Ranking by cases closed")), text, tables)

    def _ranking(self, ranking: Ranking) -> Table:
        of = next((one.rank.of for one in ranking.standings if one.rank is not None), len(ranking.standings))
        caption = self._(N_("%(pool)s, %(of)s in all"), pool=self._(POOLS[ranking.pool]), of=of)
        heads = [
            self._(N_("Rank")),
            self._(N_("Region")),
            self._(N_("Against %(before)s"), before=self.before),
            self._(N_("From the last")),
            *(self._(FIGURES[name].name) + self._unit(name) for name in IN_RANKING),
        ]
        return Table(caption, heads, [self._standing(one) for one in ranking.standings], 1, is_named=True)

    def _standing(self, standing: Standing) -> list[Cell]:
        row, rank = standing.row, standing.rank
        return [
            Cell(str(rank.rank) if rank is not None else "–"),
            Cell(self._words.place(row.name), self._board_of("region", row.name)),
            Cell(self._climbed(standing.climbed)),
            Cell(str(rank.from_last) if rank is not None else "–"),
            *(Cell(self._number(row, name)) for name in IN_RANKING),
        ]

    def _climbed(self, ranks: int | None) -> str:
        if ranks is None:
            return "–"
        if not ranks:
            return self._(N_("same"))
        return self._(N_("up %(ranks)s") if ranks > 0 else N_("down %(ranks)s"), ranks=abs(ranks))

    def _worst(self) -> Section:
        rows = [
            [
                Cell(self._words.department(row.name), self._board_of("owner", row.name)),
                *(Cell(self._number(row, name)) for name in OF_WORST),
                Cell(self._change(row, JUDGED_BY)),
            ]
            for row in self._found.worst
        ]
        head = self._(N_("The five lowest on-time rates"))
        if not rows:
            return Section(head, [self._(N_("No department has closed anything late."))], [])
        heads = [
            self._(N_("Department")),
            *(self._(FIGURES[name].name) + self._unit(name) for name in OF_WORST),
            self._(N_("Against %(before)s, points"), before=self.before),
        ]
        return Section(head, [], [Table(head, heads, rows)])

    def _improved(self) -> Section:
        rows = [
            [
                Cell(self._words.department(row.name), self._board_of("owner", row.name)),
                Cell(self._number(row, "closed")),
                Cell(self._number(row, JUDGED_BY)),
                Cell(FIGURES[JUDGED_BY].unit.write(row.before[JUDGED_BY])),
                Cell(self._change(row, JUDGED_BY)),
            ]
            for row in self._found.improved
        ]
        head = self._(N_("The most improved"))
        if not rows:
            text = self._(N_("No department has a higher on-time rate than in %(before)s."), before=self.before)
            return Section(head, [text], [])
        name = self._(FIGURES[JUDGED_BY].name)
        heads = [
            self._(N_("Department")),
            self._(FIGURES["closed"].name),
            f"{name}{self._unit(JUDGED_BY)}",
            self._(N_("In %(before)s, %%"), before=self.before),
            self._(N_("Points")),
        ]
        return Section(head, [], [Table(head, heads, rows)])

    def _notes(self) -> Section:
        return Section(
            self._(N_("How these figures are counted")),
            [
                self._(
                    N_(
                        "Whole cases are counted, by their lead department. A case is received on the day of its "
                        "acceptance and closed on the day of its decision. Rates are in percent and means in working "
                        "days, to two decimals, halves away from zero; – stands where there is nothing to divide."
                    )
                ),
                self._(
                    N_(
                        "Regions are ranked by the cases that they have closed, among their peers: cities, districts, "
                        "and counties; equal ones share a rank. Cards that were withdrawn are not counted."
                    )
                ),
                self._(
                    N_(
                        "Late messages and decisions on appeals correct past months. Two bulletins with the same "
                        "version have the same numbers."
                    )
                ),
            ],
            [],
        )

    # --- numbers ---

    def _number(self, row: Row, name: str) -> str:
        return FIGURES[name].unit.write(row.figures[name]) if name in FIGURES else ""

    def _unit(self, name: str) -> str:
        match FIGURES[name].unit:
            case Unit.PERCENT:
                return " %"
            case Unit.MEAN_DAYS:
                return self._(N_(", working days"))
            case _:
                return ""

    def _change(self, row: Row, name: str) -> str:
        return change(row.change[name], whole=FIGURES[name].unit is Unit.CASES)

    def _against(self, row: Row, name: str) -> str:
        value = row.change[name]
        if value is None:
            return self._(N_("without a figure for %(before)s to compare"), before=self.before)
        if FIGURES[name].unit is Unit.PERCENT:
            unit = "个百分点" if self._words.language == "zh" else "points"
            return phrases.change(float(value), unit, self.before, self._words.language)
        if not value:
            return self._(N_("as many as in %(before)s"), before=self.before)
        text = N_("%(number)s more than in %(before)s") if value > 0 else N_("%(number)s fewer than in %(before)s")
        return self._(text, number=count(abs(value)), before=self.before)

    def _board_of(self, name: str, value: str) -> str:
        own = {"period": str(self._board.period), "by": "owner" if name == "region" else "region", name: value}
        return f"/board?{urlencode(own)}"

    # --- as content of a document ---

    def content(self) -> dict[str, Any]:
        """All of it, for the template of the document."""
        zh = self._words.language == "zh"
        return {
            "language": "zh" if zh else "en",
            "title": self.title,
            "lead": f"{self.answer}{'' if zh else ' '}{self.detail}",
            "remarks": self.remarks,
            "stamp": self.stamp,
            "issuer": self._(N_("One door")),
            "sections": [
                {
                    "head": section.head,
                    "text": section.text,
                    "tables": [
                        {
                            "caption": table.caption if table.is_named else "",
                            "heads": table.heads,
                            "name_at": table.name_at,
                            "rows": [[cell.text for cell in row] for row in table.rows],
                        }
                        for table in section.tables
                    ],
                }
                for section in self.sections
            ],
            "signed": [self._(N_("Published by")), self._(N_("On"))],
            "numerals": ["一", "二", "三", "四", "五"] if zh else ["1", "2", "3", "4", "5"],
        }
