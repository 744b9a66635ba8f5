"""What is different from venue to venue, as a row of data: names, markets, wallets, ids, settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import attrs

from fra.adapters.ccxt.errors import Words
from fra.adapters.ccxt.sequences import Numbers
from fra.core import ClientOrderIdRule, ExchangeError, IntervalSource, MarketKind

Urls = Mapping[str, Mapping[str, str]]
"""Market → {"rest": …, "ws": …}, as ``base_url`` has them."""
Point = Callable[[dict[str, Any], Urls], None]
"""``point(api, urls)`` changes ccxt's ``urls["api"]`` so that every URL leads where ``urls`` says."""

KINDS: Final[Mapping[str, tuple[MarketKind, ...]]] = {
    "spot": (MarketKind.SPOT,),
    "linear": (MarketKind.LINEAR_SWAP,),
    "inverse": (MarketKind.INVERSE_SWAP,),
}
"""The markets of a venue that names them no other way."""

SWAPS: Final = frozenset({MarketKind.LINEAR_SWAP, MarketKind.INVERSE_SWAP})
INVERSE: Final = frozenset({MarketKind.INVERSE_SWAP})

LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

_RULE: Final = ClientOrderIdRule(32, LETTERS)


@attrs.frozen(kw_only=True)
class Venue:
    """One exchange of ccxt as fra configures it. An exchange package gives its own row.

    The names of things: ``id`` is ccxt's name of the exchange; ``markets`` are fra's names of its markets and the
    kinds in them; ``types`` what ccxt calls each when it loads them (``types_as_flags`` where it wants a table);
    ``wallets`` wallet → the parameters by which ccxt asks for its balance, ``wallet_of`` market → wallet; with
    ``one_account`` each of the account's lists is watched once for all markets, and those in ``unwatchable``
    (``watchBalance``, …) not at all, since ccxt gets them wrong: they are asked for after each order and fill.

    Orders: ``client_id_param`` is how ccxt calls a client order id; ``by_client_id`` how an order is found by it: by
    that parameter, in place of the id (with ``client_id_prefix``), or by looking through the account's orders.
    ``ask_params`` go with each question for an order; with ``search_on`` one that was not found is looked for among
    open and ended orders. ``order_params`` go with each order, ``base_amount_buys`` with a spot market buy by base
    amount, None where there is none. ``margin_mode_param`` says that the margin mode belongs to each order.

    Data: ``interval_source`` says what ccxt's ``interval`` of a funding rate is, None that it is not to be trusted;
    ``candles_in_contracts`` are the kinds whose candles count them, ``volumes_in_contracts`` says so of all tickers;
    ``candle_volume`` where a raw candle has its contracts (in a list, in a table), where ccxt takes something else;
    ``counts_both_sides`` that volumes and trades of swaps count buyers and sellers both;
    ``book_depths`` what may be asked for, per market if
    they differ; ``stream_depth`` the largest that streams; ``book_numbers`` reads the numbers of streamed
    updates where ccxt does not check them all.

    ``codes`` are the venue's codes that mean something else than ccxt makes of them, ``words`` those that do with a
    part of their text; ``clock_codes`` are given to a request whose time is off, beside ccxt's InvalidNonce, and
    ``unchanged`` those that only say that a setting is so already.
    ``settings`` are given to ccxt's constructor, ``point`` makes a table of hosts ccxt's.
    """

    id: str
    display_name: str
    markets: Mapping[str, tuple[MarketKind, ...]] = KINDS
    types: Mapping[str, str] = {"spot": "spot", "linear": "swap", "inverse": "swap"}
    types_as_flags: bool = False
    wallets: Mapping[str, Mapping[str, object]] = {"spot": {"type": "spot"}, "swap": {"type": "swap"}}
    wallet_of: Mapping[str, str] = {"spot": "spot", "linear": "swap", "inverse": "swap"}
    one_account: bool = False
    unwatchable: frozenset[str] = frozenset()

    client_order_id_rule: ClientOrderIdRule = _RULE
    client_id_param: str = "clientOrderId"
    client_id_prefix: str = ""
    by_client_id: Literal["param", "id", "scan"] = "scan"
    ask_params: Mapping[str, object] = {}
    search_on: bool = False
    order_params: Mapping[str, object] = {}
    base_amount_buys: Mapping[str, object] | None = None
    margin_mode_param: bool = False

    interval_source: IntervalSource | None = IntervalSource.REPORTED
    candles_in_contracts: frozenset[MarketKind] = frozenset()
    volumes_in_contracts: bool = False
    candle_volume: Mapping[MarketKind, tuple[int, str]] = {}
    counts_both_sides: bool = False
    book_depths: tuple[int, ...] | Mapping[str, tuple[int, ...]] = ()
    stream_depth: int | None = None
    book_numbers: Numbers | None = None

    codes: Mapping[str, type[ExchangeError]] = {}
    words: tuple[Words, ...] = ()
    clock_codes: frozenset[str] = frozenset()
    unchanged: frozenset[str] = frozenset()
    settings: Mapping[str, object] = {}
    point: Point | None = None
