"""Tables: in colour and fitted on a terminal, plain and whole in a pipe. rich is imported only for a terminal."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Generic, Literal, TextIO, TypeVar

import attrs

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table as RichTable

Row = TypeVar("Row")
Tone = Literal["good", "bad", "warn", "dim", "plain"]
_STYLES: Final[dict[Tone, str]] = {"good": "green", "bad": "red", "warn": "yellow", "dim": "dim", "plain": ""}
_GAP: Final = 2
# What a column that wraps is given before others have to leave.
_WRAPPED: Final = 24
# Also the marks that turn the direction of writing: they make one symbol look like another.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """``text`` on one line, in which nothing moves a cursor: a venue's words must not write to the terminal."""
    return _CONTROL.sub("\ufffd", text)


@attrs.frozen
class Column(Generic[Row]):
    """One column: its title and what a row says there. ``tone`` colours it, and never says what the text does not.

    Columns of the lowest ``weight`` leave first, together, when a terminal is too narrow; weight 9 stays. Long text may
    ``wrap`` there instead.
    """

    title: str
    text: Callable[[Row], str]
    right: bool = False
    weight: int = 9
    tone: Callable[[Row], Tone] | None = None
    wrap: bool = False


@attrs.frozen
class Table(Generic[Row]):
    """Columns and rows, and lines of text below them."""

    columns: Sequence[Column[Row]]
    rows: Sequence[Row]
    footer: Sequence[str] = ()

    def plain(self) -> str:
        """The whole table as text, each column as wide as it needs."""
        cells = [[column.title for column in self.columns]]
        cells += [[printable(column.text(row)) for column in self.columns] for row in self.rows]
        widths = [max(len(line[index]) for line in cells) for index in range(len(self.columns))]
        lines = [self._line(line, widths) for line in cells]
        return "\n".join([*lines, *self.footer])

    def _line(self, line: Sequence[str], widths: Sequence[int]) -> str:
        parts = (
            text.rjust(width) if column.right else text.ljust(width)
            for text, width, column in zip(line, widths, self.columns, strict=True)
        )
        return (" " * _GAP).join(parts).rstrip()

    def fitted(self, width: int) -> tuple[Sequence[Column[Row]], list[str]]:
        """The columns that fit into ``width``, and the titles of those that do not."""
        kept = list(self.columns)
        hidden: list[str] = []
        while len(kept) > 1 and self._width(kept) > width:
            least = min(column.weight for column in kept)
            if least >= 9:
                break
            hidden += [column.title for column in kept if column.weight == least]
            kept = [column for column in kept if column.weight > least]
        return kept, hidden

    def _width(self, columns: Sequence[Column[Row]]) -> int:
        widths = (
            _WRAPPED
            if column.wrap
            else max([len(column.title), *(len(printable(column.text(row))) for row in self.rows)])
            for column in columns
        )
        return sum(widths) + (len(columns) - 1) * _GAP

    def rich(self, width: int) -> RichTable:
        """The table for a terminal of ``width``."""
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        columns, hidden = self.fitted(width)
        made = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, _GAP - 1, 0, 0), show_edge=False)
        for column in columns:
            made.add_column(column.title, justify="right" if column.right else "left", no_wrap=not column.wrap)
        for row in self.rows:
            cells = (
                Text(printable(column.text(row)), style=_STYLES[column.tone(row) if column.tone else "plain"])
                for column in columns
            )
            made.add_row(*cells)
        footer = [*self.footer]
        if hidden:
            footer.append(f"{len(hidden)} columns do not fit: {', '.join(hidden)} (widen the terminal, or pipe it)")
        if footer:
            made.caption = Text("\n".join(footer))
            made.caption_justify = "left"
        return made


def interactive(stream: TextIO | None = None) -> bool:
    """Whether somebody watches ``stream`` (stdout) on a terminal."""
    stream = sys.stdout if stream is None else stream
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def show(table: Table[Row], *, stream: TextIO | None = None) -> None:
    """Print ``table``: for a terminal fitted and in colour (NO_COLOR is honoured), else plain and whole."""
    stream = sys.stdout if stream is None else stream
    if not interactive(stream):
        stream.write(table.plain() + "\n")
        stream.flush()
        return
    from rich.console import Console

    console = Console(file=stream)
    console.print(table.rich(console.width))


def say(message: str) -> None:
    """A message for people: on stderr, where it disturbs no data."""
    sys.stderr.write("\n".join(map(printable, message.split("\n"))) + "\n")
    sys.stderr.flush()


def _cut(table: Table[Row], width: int, height: int) -> Table[Row]:
    """As many rows as a screen holds above the footer; what is redrawn in place cannot be scrolled."""
    footer = sum(len(line) // width + 1 for line in table.footer)
    # The title and its rule, a line on hidden columns that may take two, one on hidden rows, and the cursor's.
    room = max(1, height - footer - 6)
    if len(table.rows) <= room:
        return table
    more = f"{len(table.rows) - room} rows do not fit (a taller terminal, --top, or pipe it)"
    return attrs.evolve(table, rows=table.rows[:room], footer=[*table.footer, more])


class LiveTable:
    """A table that is redrawn in place on a terminal, and printed again, whole, elsewhere.

    Use it as a context manager; leaving it keeps the last table on the screen.
    """

    def __init__(self) -> None:
        self._live = self._make() if interactive() else None
        self._printed = False

    @staticmethod
    def _make() -> Live:
        from rich.live import Live

        return Live(auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> LiveTable:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *failure: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, table: Table[Row]) -> None:
        """Show this table now."""
        if self._live is None:
            sys.stdout.write(("\n" if self._printed else "") + table.plain() + "\n")
            sys.stdout.flush()
        else:
            width, height = shutil.get_terminal_size()
            self._live.update(_cut(table, width, height).rich(width), refresh=True)
        self._printed = True
