"""Six more exchanges that are registered by name; a package each knows the rest of their differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from fra.adapters.ccxt.capabilities import ACCOUNT, everywhere
from fra.adapters.ccxt.convert import Raw
from fra.adapters.ccxt.funding import Interval
from fra.adapters.ccxt.plugin import CCXTAdapter
from fra.adapters.ccxt.sequences import LostUpdate, gate
from fra.adapters.ccxt.symbols import Market, Refused
from fra.adapters.ccxt.venue import KINDS, LETTERS, SWAPS, Venue
from fra.core import (
    ClientOrderIdRule,
    IntervalSource,
    MarketKind,
    Operation,
    RefusedInstrument,
    Symbol,
    SymbolList,
    Ticker,
)

_PROTOBUF: Final = (
    Operation.SUBSCRIBE_TICKER,
    Operation.SUBSCRIBE_TRADES,
    Operation.SUBSCRIBE_KLINES,
)
"""MEXC's spot streams, which ccxt decodes with a package that it does not bring."""
_KUCOIN_SIDES: Final[Mapping[str, str]] = {"buy": "bids", "sell": "asks"}


class BitgetCCXT(CCXTAdapter):
    """Bitget through ccxt: spot and linear perpetual swaps. It counts coin-margined contracts in base coin, which ccxt
    calls one contract of one quote coin: they are refused by name. Contracts of USDC, and what ccxt misreads of orders
    and the account, are mended in fra-exchange-bitget, and refused here.
    """

    missing = everywhere(ACCOUNT)
    settles: ClassVar[frozenset[str]] = frozenset({"USDT"})

    venue = Venue(
        id="bitget",
        display_name="Bitget",
        markets={name: KINDS[name] for name in ("spot", "linear")},
        types={"spot": "spot", "linear": "swap"},
        wallet_of={"spot": "spot", "linear": "swap"},
        by_client_id="param",
        interval_source=IntervalSource.REPORTED,
        margin_mode_param=True,
        settings={"options": {"createMarketBuyOrderRequiresPrice": False}},
    )

    def adjust(self, client: Any) -> None:
        """A streamed book begins anew with its snapshot: ccxt adds it to what it has from an earlier socket."""
        handle = client.handle_order_book

        def handled(socket: Any, message: Raw) -> None:
            if message.get("action") == "snapshot":
                arg = client.safe_dict(message, "arg", {})
                kind = "spot" if client.safe_string_lower(arg, "instType") == "spot" else "contract"
                market = client.safe_market(client.safe_string_2(arg, "instId", "symbol"), None, None, kind)
                client.orderbooks.pop(market["symbol"], None)
            handle(socket, message)

        client.handle_order_book = handled

    def make_symbol(self, market: Market, name: str) -> Symbol:
        """Raises Refused for contracts of another coin: of lists ccxt asks for those of USDT only."""
        if market.get("swap") and market["settle"] not in self.settles:
            raise Refused(f"it settles in {market['settle']}")
        return super().make_symbol(market, name)

    def take_markets(self) -> SymbolList:
        made = super().take_markets()
        made.refused += tuple(
            RefusedInstrument(
                str(market["id"]), "Bitget counts coin-margined contracts in base coin, not in quote coin"
            )
            for market in self.client.markets.values()
            if market.get("swap") and market.get("inverse")
        )
        return made


class KuCoinCCXT(CCXTAdapter):
    """KuCoin through ccxt: spot and futures. What ccxt misreads of orders, the account and a change of the funding
    schedule is mended in fra-exchange-kucoin, and refused here or unknown.
    """

    missing = everywhere(ACCOUNT)

    venue = Venue(
        id="kucoin",
        display_name="KuCoin",
        by_client_id="param",
        base_amount_buys={},
        interval_source=IntervalSource.REPORTED,
        candles_in_contracts=SWAPS,
        book_depths=(20, 100),
    )

    def make_symbol(self, market: Market, name: str) -> Symbol:
        """A contract's size is KuCoin's ``multiplier`` of lots, below zero for inverse ones."""
        if market.get("swap") and market.get("settle") not in (market.get("base"), market.get("quote")):
            raise Refused(f"it settles in {market.get('settle')}, which it neither trades nor is priced in")
        if market.get("swap") and bool(market.get("inverse")) != (market.get("settle") == market.get("base")):
            raise Refused("KuCoin and ccxt disagree on what its contracts count")
        return super().make_symbol(market, name)

    def _ticker(self, raw: Raw, symbol: Symbol) -> Ticker:
        """Of inverse contracts KuCoin counts volume in contracts, which are quote coin, and turnover in base coin."""
        if symbol.inverse:
            raw = {**raw, "quoteVolume": raw.get("baseVolume")}
        return super()._ticker(raw, symbol)

    def funding_interval(self, raw: Raw, symbol: Symbol) -> Interval:
        """Unknown where another is announced: from when it counts is the package's affair."""
        info = raw.get("info") or {}
        announced = info.get("newGranularity")
        return super().funding_interval(raw, symbol) if announced in (None, info.get("currentGranularity")) else None

    def adjust(self, client: Any) -> None:
        """ccxt compares the contracts of an order with 1, which it cannot do with the text of an exact amount. They are
        whole numbers; ``create_order`` has refused others.
        """
        made = client.create_contract_order_request

        def with_whole_number(
            symbol: str, type: str, side: str, amount: object, price: object = None, params: object = None
        ) -> Any:
            whole = amount if amount is None else int(str(amount))
            return made(symbol, type, side, whole, price, params or {})

        client.create_contract_order_request = with_whole_number
        client.handle_book_delta = _in_order(client.handle_book_delta)


def _in_order(apply: Callable[[Any, Raw], object]) -> Callable[[Any, Raw], None]:
    """``apply`` for updates of KuCoin's books, "Orderbook - Increment": each begins at most one after where the one
    before ended, which ccxt does not check. One of contracts has a single level, as a text, whose numbers ccxt leaves
    texts. A price of 0 is no level. Raises LostUpdate where one is missing.
    """

    def applied(book: Any, update: Raw) -> None:
        known, last = book.get("nonce"), update.get("sequenceEnd", update.get("sequence"))
        if known is not None and last is not None:
            first = int(update.get("sequenceStart", last))
            if int(last) <= known:
                return
            if first > known + 1:
                raise LostUpdate(f"a book of KuCoin: the update {first} follows {first - 1}, and the last was {known}")
        if update.get("change") is not None:
            price, side, amount = str(update["change"]).split(",")
            update = {**update, "change": None, "changes": {_KUCOIN_SIDES[side]: [[price, amount]]}}
        if update.get("changes") is not None:
            told = {side: [row for row in rows if float(row[0])] for side, rows in update["changes"].items()}
            update = {**update, "changes": told}
        apply(book, update)

    return applied


class GateCCXT(CCXTAdapter):
    """Gate through ccxt. What ccxt misreads of its orders and its account is mended in fra-exchange-gate, and refused
    here; so are contracts that settle in a coin that they neither trade nor are priced in, which ccxt calls inverse.
    """

    missing = everywhere(ACCOUNT)

    venue = Venue(
        id="gate",
        display_name="Gate",
        client_order_id_rule=ClientOrderIdRule(26, LETTERS),
        by_client_id="id",
        client_id_prefix="t-",
        interval_source=IntervalSource.REPORTED,
        candles_in_contracts=SWAPS,
        book_numbers=gate,
        settings={"options": {"createMarketBuyOrderRequiresPrice": False}},
    )

    def make_symbol(self, market: Market, name: str) -> Symbol:
        """Raises Refused for a quanto contract, whose amounts are neither base nor quote coin."""
        if market.get("swap") and market["settle"] not in (market["base"], market["quote"]):
            raise Refused(f"a quanto contract: it settles in {market['settle']}")
        return super().make_symbol(market, name)


class MEXCCCXT(CCXTAdapter):
    """MEXC through ccxt. What ccxt misreads of its orders, its account and its streamed books is mended in
    fra-exchange-mexc, and refused here.
    """

    missing = everywhere((*ACCOUNT, Operation.SUBSCRIBE_ORDERBOOK)) | frozenset(
        (operation, MarketKind.SPOT) for operation in _PROTOBUF
    )

    venue = Venue(
        id="mexc",
        display_name="MEXC",
        by_client_id="param",
        base_amount_buys={},
        interval_source=IntervalSource.REPORTED,
        candles_in_contracts=SWAPS,
    )


class CryptoComCCXT(CCXTAdapter):
    """Crypto.com through ccxt. ccxt writes an interval of one hour whatever the venue does, so it is unknown here. What
    it misreads of orders and the account is mended in fra-exchange-cryptocom, and refused here.
    """

    missing = everywhere(ACCOUNT)

    venue = Venue(
        id="cryptocom",
        display_name="Crypto.com",
        client_order_id_rule=ClientOrderIdRule(36, LETTERS + "-_"),
        base_amount_buys={},
        interval_source=None,
    )


class BitfinexCCXT(CCXTAdapter):
    """Bitfinex through ccxt. Client order ids are numbers there. What ccxt misreads of orders, the account, books and
    settled rates (a snapshot of a rate is no settlement) is mended in fra-exchange-bitfinex, and refused here.
    """

    missing = everywhere(
        (*ACCOUNT, Operation.GET_ORDERBOOK, Operation.SUBSCRIBE_ORDERBOOK, Operation.GET_FUNDING_RATE_HISTORY)
    )

    venue = Venue(
        id="bitfinex",
        display_name="Bitfinex",
        client_order_id_rule=ClientOrderIdRule(15, "0123456789", "1"),
        base_amount_buys={},
        interval_source=None,
    )
