"""Options that several commands share, with one spelling and one help text each."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from fra.core import KlineInterval

    IntParameter = click.ParamType[int]
    DecimalParameter = click.ParamType[Decimal]
else:  # click's own types have parameters only in its stubs of late
    IntParameter = DecimalParameter = click.ParamType

F = TypeVar("F", bound=Callable[..., Any])
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
# KlineInterval, which is not imported for the sake of a help text.
_INTERVALS: Final = "1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M"
_SECONDS: Final = {"ms": "0.001", "s": "1", "m": "60", "h": "3600", "d": "86400", "w": "604800"}


class DurationType(IntParameter):
    """``90s``, ``8h``, ``7d``: milliseconds as int."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = _DURATION.fullmatch(str(value).strip())
        if match is None or not Decimal(match[1]):
            self.fail(f"{value!r} is no duration: say 90s, 8h or 7d", param, context)
        return int(Decimal(match[1]) * Decimal(_SECONDS[match[2]]) * 1000)


class DecimalType(DecimalParameter):
    """An exact number; with a percent sign, the fraction it stands for."""

    name = "number"

    def __init__(self, *, least: Decimal | None = None, above: Decimal | None = None) -> None:
        self._least, self._above = least, above

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> Decimal:
        text = str(value).strip()
        try:
            number = Decimal(text[:-1]) / 100 if text.endswith("%") else Decimal(text)
        except InvalidOperation:
            self.fail(f"{value!r} is no number", param, context)
        if not number.is_finite():
            self.fail(f"{value!r} is no finite number", param, context)
        if self._least is not None and number < self._least:
            self.fail(f"must be at least {self._least}, not {value}", param, context)
        if self._above is not None and number <= self._above:
            self.fail(f"must be above {self._above}, not {value}", param, context)
        return number


class AmountType(DecimalType):
    """An exact number above zero: an amount or a price, of which a percentage makes no sense."""

    name = "amount"

    def __init__(self) -> None:
        super().__init__(above=Decimal(0))

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> Decimal:
        if str(value).strip().endswith("%"):
            self.fail(f"{value!r} is a share of nothing: give a number", param, context)
        return super().convert(value, param, context)


def config_option(function: F) -> F:
    """``--config PATH``: the configuration file."""
    return click.option(
        "--config",
        "config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The configuration to use; without it the file that FRA_CONFIG names, or ./fra.toml.",
    )(function)


def exchange_option(function: F) -> F:
    """``-e NAME``, repeatable: which exchanges."""
    return click.option(
        "-e",
        "--exchange",
        "exchanges",
        multiple=True,
        metavar="NAME",
        shell_complete=_complete_exchange,
        help="An exchange: a name from the configuration, or of a plugin. Repeatable.",
    )(function)


def account_option(function: F) -> F:
    """``-e NAME``, once: whose account."""
    return click.option(
        "-e",
        "--exchange",
        "exchange",
        metavar="NAME",
        shell_complete=_complete_exchange,
        help="The account: a name from the configuration, or of a plugin. Needed when there are several.",
    )(function)


def exchange_argument(name: str, *, metavar: str, required: bool = True) -> Callable[[F], F]:
    """An argument that names one exchange."""
    return click.argument(name, metavar=metavar, required=required, shell_complete=_complete_exchange)


def exchange_name_option(name: str, *, help: str) -> Callable[[F], F]:
    """An option that names one exchange."""
    return click.option(name, required=True, metavar="NAME", shell_complete=_complete_exchange, help=help)


def since_option(function: F) -> F:
    """``--since 7d``: how far back."""
    return click.option("--since", type=DurationType(), metavar="DURATION", help="How far back: 90m, 8h, 7d.")(function)


def limit_option(function: F) -> F:
    """``--limit N``: at most so many."""
    return click.option("--limit", type=click.IntRange(min=1), help="At most so many of each exchange, the newest.")(
        function
    )


def interval_option(function: F) -> F:
    """``--interval 1h``: the length of a candle."""
    return click.option("--interval", default="1h", show_default=True, help=f"The length of a candle: {_INTERVALS}.")(
        function
    )


def kline_interval(text: str) -> KlineInterval:
    """The interval that ``text`` says. Raises click.BadParameter; imports the models, so it is for inside commands."""
    from fra.core import KlineInterval

    try:
        return KlineInterval(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is none of {_INTERVALS}", param_hint="--interval") from None


def json_option(function: F) -> F:
    """``--json``: data for machines."""
    return click.option(
        "--json", "as_json", is_flag=True, help="One JSON object a line, on stdout; messages stay on stderr."
    )(function)


def watch_option(function: F) -> F:
    """``--watch``: go on until Ctrl-C."""
    return click.option("--watch", is_flag=True, help="Stay and follow the live streams until Ctrl-C.")(function)


def depth_option(function: F) -> F:
    """``--depth N``: levels a side."""
    return click.option("--depth", type=click.IntRange(min=1), default=10, show_default=True, help="Levels a side.")(
        function
    )


def _complete_exchange(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from fra.core import PluginRegistry

    return [CompletionItem(name) for name in PluginRegistry().names() if name.startswith(incomplete)]
