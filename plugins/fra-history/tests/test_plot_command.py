"""`fra plot` as a process, and what is reckoned for the charts."""

import json
import re
import sys
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from fra.history.chart import funding_chart, spread_chart, summary
from fra.history.series import Series
from fra.history.settlements import Curve, Day, Settlement, days

HOUR = 3_600_000
DAY = 24 * HOUR
START = 1_700_006_400_000  # 2023-11-15T00:00Z
BTC = "BTC/USDT:USDT"


def curve(*rates, hours=8, exchange="venue", since=START, until=None):
    """Settlements from the beginning on, each as long after the one before as it is for."""
    settlements, at = [], since
    for rate in rates:
        settlements.append(Settlement(at, Decimal(rate), hours * 3600))
        at += hours * HOUR
    return Curve(Series(exchange, BTC), since, at if until is None else until, settlements)


def test_a_day_is_what_short_received_less_what_long_paid():
    long, short = curve(*["0.0001"] * 6), curve(*["0.0002"] * 12, hours=4)
    (day, other) = days(long, short)
    assert (day.long, day.short, day.spread) == (Decimal("0.0003"), Decimal("0.0012"), Decimal("0.0009"))
    assert (day.date.isoformat(), other.date.isoformat()) == ("2023-11-15", "2023-11-16")


def test_days_that_a_leg_does_not_cover_whole_are_left_out():
    long = curve(*["0.0001"] * 9)
    short = curve(*["0.0001"] * 9, since=START + HOUR)
    assert [day.date.isoformat() for day in days(long, short)] == ["2023-11-16", "2023-11-17"]


def test_a_day_whose_next_settlement_may_still_come_is_not_whole():
    long = curve(*["0.0001"] * 5, until=START + 2 * DAY)  # the one at 16:00 is not listed yet
    assert len(days(long, long)) == 1


def test_the_summary_says_whether_it_lasts():
    found = [Day(date=None, long=Decimal(0), short=Decimal(rate)) for rate in ("0.001", "-0.001", "0", "0.003")]
    assert summary(found) == "4 days: mean +0.0750 % a day (+27.38 % a year), 2 above zero, 2 changes of sign"


def test_rates_of_one_interval_are_annualised_on_the_right_of_the_same_panel():
    figure = funding_chart([curve("0.0001", "0.0002"), curve("0.0003", exchange="other")])
    (axes,) = figure.axes
    (right,) = axes.child_axes
    figure.draw_without_rendering()
    low, high = axes.get_ylim()
    assert right.get_ylim() == pytest.approx((low * 1095, high * 1095))
    assert "1,095 settlements of 8h" in right.get_ylabel()


def test_rates_of_several_intervals_are_annualised_each_by_its_own():
    figure = funding_chart([curve("0.0001"), curve("0.0001", hours=4)])
    rates, annualised = figure.axes
    assert [line.get_ydata()[0] for line in rates.lines[1:]] == pytest.approx([0.01, 0.01])
    assert [line.get_ydata()[0] for line in annualised.lines[1:]] == pytest.approx([10.95, 21.9])
    labels = [text.get_text() for text in rates.get_legend().get_texts()]
    assert [re.search(r"every \w+", label)[0] for label in labels] == ["every 8h", "every 4h"]


def test_a_step_spans_the_time_that_its_rate_was_for():
    (axes,) = funding_chart([curve("0.0001", "0.0002")]).axes
    x = [round(value * DAY) for value in axes.lines[1].get_xdata()]
    assert x == [START - 8 * HOUR, START, START, START + 8 * HOUR]


def test_a_change_of_interval_is_marked_where_it_happens():
    before, after = curve("0.0001", "0.0001"), curve("0.0001", hours=4, since=START + 12 * HOUR)
    both = Curve(before.series, START, START + DAY, [*before.settlements, *after.settlements])
    axes = funding_chart([both]).axes[0]
    assert [text.get_text() for text in axes.texts] == ["8h → 4h"]


def test_an_unknown_interval_is_a_question_mark_and_has_no_annualised_rate():
    unknown = Curve(Series("venue", BTC), START, START + DAY, [Settlement(START, Decimal("0.0001"), None)])
    rates, annualised = funding_chart([unknown]).axes
    assert "interval ?" in rates.get_legend().get_texts()[0].get_text()
    assert all(value != value for value in annualised.lines[1].get_ydata())


def test_a_spread_is_drawn_a_bar_a_day():
    long, short = curve(*["0.0001"] * 6), curve(*["0.0002"] * 6)
    bars = spread_chart(long, short, days(long, short)).axes[0].patches
    assert [bar.get_height() for bar in bars] == pytest.approx([0.03, 0.03])


PNG = b"\x89PNG\r\n\x1a\n"


def test_funding_is_drawn_straight_from_exchanges(fra):
    told = fra.json("plot", "funding", BTC, "-e", "okx", "-e", "binance", "--since", "5d", "--out", "x.png")
    assert told["series"] == [f"okx {BTC}", f"binance {BTC}"]
    assert (fra.folder / "x.png").read_bytes().startswith(PNG)


def test_a_page_holds_picture_and_figures_and_nothing_from_outside(fra):
    fra.run("history", "funding", BTC, "HYPE/USDT:USDT", "-e", "okx", "--since", "3d", "--out", "x.parquet")
    fra.run("plot", "funding", "HYPE/USDT:USDT", "--from", "x.parquet", "--out", "x.html")
    page = (fra.folder / "x.html").read_text()
    assert page.count("<td>HYPE/USDT:USDT</td>") == 72
    assert BTC not in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!#)", page.replace("xlink:href", "href"))
    picture = ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
    assert picture.get("role") == "img"


@pytest.mark.parametrize("source", [(), ("--from", "x.csv")])
def test_a_spread_is_drawn_from_exchanges_or_a_file(fra, source):
    if source:
        fra.run("history", "funding", BTC, "-e", "okx", "-e", "binance", "--since", "5d", "--out", "x.csv")
    told = fra.json(
        "plot", "spread", BTC, "--long", "okx", "--short", "binance", *source, "--since", "4d", "--out", "x.png"
    )
    assert told["rows"] == 3
    assert told["summary"].startswith("3 days: mean ")
    assert (fra.folder / "x.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("funding", "--from", "none.csv"), "is not there"),
        (("funding", "--from", "strange.csv"), "or was changed since → another file"),
        (("funding", "ETH/USDT:USDT", "--from", "x.csv"), "no such series"),
        (("spread", BTC, "--long", "okx", "--short", "htx", "--from", "x.csv"), f"has no htx {BTC}"),
        (("funding", BTC, "--from", "x.csv", "--out", "x.gif"), "--out x.png"),
        (("funding", BTC, "--from", "k.csv"), "holds klines"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(fra, arguments, words):
    fra.run("history", "funding", BTC, "-e", "okx", "--since", "2d", "--out", "x.csv")
    fra.folder.joinpath("strange.csv").write_text("a,b\n1,2\n")
    if "k.csv" in arguments:
        fra.run("history", "klines", BTC, "-e", "okx", "--since", "9h", "--out", "k.csv")
    (line,) = fra.run("plot", *arguments[:1], "--out", "x.png", *arguments[1:], code=1).stderr.splitlines()
    assert words in line


def test_without_matplotlib_the_cure_is_its_extra(fra):
    fra.run("history", "funding", BTC, "-e", "okx", "--since", "2d", "--out", "x.csv")
    fra.folder.joinpath("matplotlib.py").write_text("raise ImportError('not here')\n")
    done = fra.run("plot", "funding", "--from", "x.csv", "--out", "x.png", code=3)
    assert done.stderr.splitlines()[-1].endswith('pip install "fra-history[plot]"')


@pytest.mark.parametrize("arguments", [["--help"], ["history", "klines", "--help"], ["plot", "--help"]])
def test_help_imports_nothing_heavy(shell, arguments):
    import subprocess

    code = (
        "import json, sys; from fra.core.main import main; sys.argv[0] = 'fra'; code = main();"
        "print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=shell.environ, cwd=shell.folder, check=True)
    exit_code, modules = json.loads(done.stderr)
    assert exit_code == 0
    heavy = {"pyarrow", "matplotlib", "numpy", "asyncio", "aiohttp", "rich"}
    assert heavy.isdisjoint(name.partition(".")[0] for name in modules)
