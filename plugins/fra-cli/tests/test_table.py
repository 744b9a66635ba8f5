"""Tables are whole in a pipe, fitted on a terminal, and honour NO_COLOR."""

import io

import pytest

from fra.cli.main import report
from fra.cli.table import Column, Table, show
from fra.core import ExchangeAPIError


class Terminal(io.StringIO):
    def isatty(self):
        return True


COLUMNS = (
    Column("NAME", lambda row: row[0]),
    Column("NOTE", lambda row: row[1], weight=1),
    Column("VALUE", lambda row: row[2], right=True, tone=lambda row: "good"),
)
ROWS = (("BTC/USDT:USDT", "x" * 300, "+1.0"), ("X", "", "-22.5"))


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_a_piped_table_is_not_cut_to_a_width():
    pipe = io.StringIO()
    show(Table(COLUMNS, ROWS), stream=pipe)
    assert "x" * 300 in pipe.getvalue()


def test_a_piped_table_has_one_line_a_row():
    assert len(Table(COLUMNS, ROWS).plain().splitlines()) == 3


def test_a_piped_table_has_no_escapes():
    assert "\x1b" not in Table(COLUMNS, ROWS).plain()


@pytest.mark.parametrize(
    "evil", ["\x1b]0;mine\x07", "\x1b[2J", "A\nfra: all is well", "\u202eTDSU/CTB", "\x9b31m", "\r"]
)
def test_what_a_venue_says_cannot_write_to_the_terminal(evil, terminal, capsys):
    table = Table([Column("NAME", lambda row: row[0])], [(evil,)])
    show(table, stream=terminal)
    report(ExchangeAPIError(evil, exchange=evil))
    for shown in (table.plain().partition("\n")[2], capsys.readouterr().err.rstrip("\n")):
        assert not any(character in shown for character in evil if not character.isprintable())
    assert evil not in terminal.getvalue()


def test_figures_stand_right_in_their_column():
    _, first, second = Table(COLUMNS, ROWS).plain().splitlines()
    assert len(first) == len(second)


def test_a_terminal_too_narrow_loses_the_least_columns_and_says_so(terminal):
    show(Table(COLUMNS, ROWS), stream=terminal)
    assert "x" * 20 not in terminal.getvalue()
    assert "NOTE" in terminal.getvalue()
    assert "-22.5" in terminal.getvalue()


def test_a_terminal_gets_colours(terminal):
    show(Table(COLUMNS, ROWS), stream=terminal)
    assert "\x1b[32m" in terminal.getvalue()


def test_no_color_is_honoured(terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    show(Table(COLUMNS, ROWS), stream=terminal)
    assert "\x1b[32m" not in terminal.getvalue()


def test_columns_that_must_stay_do(terminal):
    columns = [Column(str(n), lambda row: "x" * 20) for n in range(9)]
    kept, hidden = Table(columns, [("x",)]).fitted(60)
    assert (len(kept), hidden) == (9, [])
