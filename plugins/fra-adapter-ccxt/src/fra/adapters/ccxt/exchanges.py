"""The four exchanges that have native adapters, too: one row of differences each, and what ccxt misreads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import attrs

from fra.adapters.ccxt import codes, sequences, urls
from fra.adapters.ccxt.convert import Raw, moment
from fra.adapters.ccxt.funding import Interval, apart, outdated, worded
from fra.adapters.ccxt.numbers import number, plain, positive
from fra.adapters.ccxt.plugin import CCXTAdapter
from fra.adapters.ccxt.sockets import drop
from fra.adapters.ccxt.venue import INVERSE, LETTERS, SWAPS, Venue
from fra.core import (
    Balance,
    ClientOrderIdRule,
    ExchangeAuthError,
    ExchangeError,
    Fill,
    FundingPayment,
    IntervalSource,
    MarketKind,
    Operation,
    Order,
    OrderRequest,
    OrderType,
    PermissionDenied,
    Position,
    Side,
    Symbol,
)

_LINEAR: Final = (MarketKind.LINEAR_SWAP,)
_INVERSE: Final = (MarketKind.INVERSE_SWAP,)
_SPOT: Final = (MarketKind.SPOT,)
_DEFAULT: Final = timedelta(hours=8)
_KEY_OR_RIGHT: Final = "-2015"


class BinanceCCXT(CCXTAdapter):
    """Binance through ccxt: spot, USD-M and COIN-M perpetual swaps."""

    venue = Venue(
        id="binance",
        display_name="Binance",
        markets={"spot": _SPOT, "usdm": _LINEAR, "coinm": _INVERSE},
        types={"spot": "spot", "usdm": "linear", "coinm": "inverse"},
        wallets={
            "spot": {"type": "spot"},
            "usdm": {"type": "swap", "subType": "linear"},
            "coinm": {"type": "swap", "subType": "inverse"},
        },
        wallet_of={"spot": "spot", "usdm": "usdm", "coinm": "coinm"},
        client_order_id_rule=ClientOrderIdRule(32, LETTERS),
        by_client_id="param",
        base_amount_buys={},
        interval_source=IntervalSource.REPORTED,
        candles_in_contracts=INVERSE,
        candle_volume={MarketKind.INVERSE_SWAP: (5, "v")},
        codes=codes.BINANCE,
        words=codes.BINANCE_WORDS,
        unchanged=frozenset({"-4046", "-4059"}),
        point=urls.binance,
        settings={"options": {"warnOnFetchOpenOrdersWithoutSymbol": False}},
        book_depths={
            "spot": (5000, 1000, 500, 100),
            "usdm": (1000, 500, 100, 50, 20, 10, 5),
            "coinm": (1000, 500, 100, 50, 20, 10, 5),
        },
    )

    _intervals: Mapping[str, timedelta | None] = {}
    _learnt_ms: int | None = None

    async def learn_intervals(self, symbols: Sequence[Symbol]) -> None:
        """Binance lists adjusted intervals only, in a call of its own; the list is asked for each ten minutes and after
        each full hour.
        """
        now = self.context.now_ms()
        if not outdated(self._learnt_ms, now):
            return
        if any(symbol.kind.is_swap and not symbol.inverse for symbol in symbols):
            try:
                rows = await self.call("fetch_funding_intervals", params={"subType": "linear"})
            except ExchangeError as error:
                self.report(error, "funding intervals")  # the rate is still worth having
                return
            self._intervals = {name: worded(row.get("interval")) for name, row in rows.items()}
            self._learnt_ms = now

    def adjust(self, client: Any) -> None:
        """Of a user stream that is refused ccxt takes its note away twice, and dies of the second. It does not hear
        that a listen key has expired.
        """
        handle = client.handle_ws_error

        def handle_ws_error(socket: Any, message: Any) -> None:
            noted = dict(socket.subscriptions)
            handle(socket, message)
            socket.subscriptions |= {name: note for name, note in noted.items() if note is True}

        client.handle_ws_error = handle_ws_error
        hear = client.handle_message

        def handle_message(socket: Any, message: Any) -> None:
            if isinstance(message, dict) and message.get("e") == "listenKeyExpired":
                for kind in ("linear", "inverse"):
                    client.options[kind] = {**(client.options.get(kind) or {}), "lastAuthenticatedTime": 0}
                if self.pumps is not None:
                    self.pumps.spawn(drop(socket, client), name="a listen key that expired")
                return
            hear(socket, message)

        client.handle_message = handle_message

    def trigger_params(self, request: OrderRequest, symbol: Symbol) -> dict[str, object] | None:
        """Binance, Spot, "New Order": conditional orders are types of orders there, and stay what they are."""
        if symbol.kind is not MarketKind.SPOT or request.trigger_price is None:
            return None
        if request.post_only:  # ccxt would leave the trigger out and send it at once
            raise self._cannot("a conditional order cannot be post-only there")
        name = "stopLossPrice" if request.type is OrderType.STOP else "takeProfitPrice"
        return {name: plain(request.trigger_price)}

    def order(self, raw: Raw, symbol: Symbol) -> Order:
        """Of a market order that was triggered ccxt gives the average for the price."""
        made, info = super().order(raw, symbol), raw.get("info") or {}
        bare = symbol.kind is MarketKind.SPOT and (info.get("type") or info.get("o")) in ("STOP_LOSS", "TAKE_PROFIT")
        return attrs.evolve(made, price=None) if bare else made

    def failure(self, error: Exception, what: str = "") -> ExchangeError:
        """-2015 is a wrong key or a missing right: of a key that was good before it is no wrong key."""
        made = super().failure(error, what)
        if made.code != _KEY_OR_RIGHT:
            return made
        known = self.client.options.get("hasAlreadyAuthenticatedSuccessfully")
        kind = PermissionDenied if known else ExchangeAuthError
        return kind(made.message, exchange=made.exchange, code=made.code, response=made.response)

    def funding_interval(self, raw: Raw, symbol: Symbol) -> Interval:
        """Binance, USD-M, "Get Funding Rate Info": symbols that it does not list settle each 8 hours."""
        if symbol.inverse or self._learnt_ms is None:
            return None
        if symbol.name not in self._intervals:
            return _DEFAULT, IntervalSource.VENUE_DEFAULT
        found = self._intervals[symbol.name]
        return None if found is None else (found, IntervalSource.REPORTED)

    async def get_positions(self, symbol: Symbol | None = None) -> list[Position]:
        """Binance, USD-M, "Position Information V3" says no leverage and "Symbol Configuration" does: one more request
        where there is a position without one. It stays unknown where that fails.
        """
        found = await super().get_positions(symbol)
        bare = {position.symbol: self.symbol(position.symbol) for position in found if position.leverage is None}
        linear = {one.venue_id: name for name, one in bare.items() if not one.inverse}
        if not linear:
            return found
        asked = {"symbol": next(iter(linear))} if len(linear) == 1 else {}
        try:
            rows = await self.call("fapiPrivateGetSymbolConfig", params=asked)
        except ExchangeError as error:
            self.report(error, "the leverage of positions")
            return found
        told = {
            linear[row["symbol"]]: positive(row.get("leverage"))
            for row in rows
            if isinstance(row, dict) and row.get("symbol") in linear
        }
        return [attrs.evolve(one, leverage=one.leverage or told.get(one.symbol)) for one in found]


class OKXCCXT(CCXTAdapter):
    """OKX through ccxt: spot and perpetual swaps."""

    venue = Venue(
        id="okx",
        display_name="OKX",
        markets={"spot": _SPOT, "swap": (*_LINEAR, *_INVERSE)},
        types={"spot": "spot", "swap": "swap"},
        wallets={"trading": {"type": "trading"}},
        wallet_of={"spot": "trading", "swap": "trading"},
        by_client_id="param",
        base_amount_buys={"tgtCcy": "base_ccy"},
        margin_mode_param=True,
        interval_source=IntervalSource.DERIVED,
        one_account=True,
        candles_in_contracts=SWAPS,
        candle_volume=dict.fromkeys(MarketKind, (5, "vol")),
        volumes_in_contracts=True,
        codes=codes.OKX,
        words=codes.OKX_WORDS,
        clock_codes=frozenset({"50102", "60006"}),
        point=urls.okx,
        book_numbers=sequences.okx,
        book_depths=(400,),
    )
    missing = frozenset((Operation.SET_MARGIN_MODE, kind) for kind in MarketKind)

    def funding_interval(self, raw: Raw, symbol: Symbol) -> Interval:
        """OKX, "Get funding rate": the distance between the settlements that it tells. ccxt knows few of these by name,
        and not six hours.
        """
        made = apart(raw.get("fundingTimestamp"), raw.get("nextFundingTimestamp"))
        return None if made is None else (made, IntervalSource.DERIVED)

    def fill(self, raw: Raw, symbol: Symbol, received_ms: int) -> Fill:
        """OKX, "Order channel": ``fillFee`` is negative when paid, and ccxt leaves it so on the stream."""
        made, told = super().fill(raw, symbol, received_ms), number((raw.get("info") or {}).get("fillFee"))
        return made if told is None else attrs.evolve(made, fee=-told)


_RISING: Final = {"1": True, "2": False}
"""Bybit's ``triggerDirection``: whether an order waits for the price to rise."""


def _triggered(info: Raw, order: Order) -> OrderType:
    """Bybit, "Enums Definitions", ``stopOrderType``: those that a position brings along say what they are."""
    word, rising = str(info.get("stopOrderType")), _RISING.get(str(info.get("triggerDirection")))
    if word.endswith("TakeProfit"):
        return OrderType.TAKE_PROFIT
    if word.endswith("StopLoss") or word == "TrailingStop" or rising is None:
        return OrderType.STOP
    return OrderType.STOP if rising == (order.side is Side.BUY) else OrderType.TAKE_PROFIT


class BybitCCXT(CCXTAdapter):
    """Bybit through ccxt: spot, linear and inverse perpetual swaps of a unified account."""

    venue = Venue(
        id="bybit",
        display_name="Bybit",
        types={"spot": "spot", "linear": "linear", "inverse": "inverse"},
        wallets={"unified": {}},
        wallet_of=dict.fromkeys(("spot", "linear", "inverse"), "unified"),
        client_order_id_rule=ClientOrderIdRule(36, LETTERS + "-_"),
        one_account=True,
        codes=codes.BYBIT,
        words=codes.BYBIT_WORDS,
        unchanged=frozenset({"110025", "110026", "110043"}),
        ask_params={"acknowledged": True},
        search_on=True,
        base_amount_buys={"marketUnit": "baseCoin"},
        candles_in_contracts=SWAPS,
        candle_volume=dict.fromkeys(MarketKind, (5, "volume")),
        volumes_in_contracts=True,
        settings={
            "commonCurrencies": {"SHIB1000": "1000SHIB"},
            "options": {
                "createMarketBuyOrderRequiresPrice": False,
                "enableUnifiedAccount": True,
                "enableUnifiedMargin": False,
            },
        },
        point=urls.bybit,
        book_numbers=sequences.bybit,
        book_depths=(200,),
        stream_depth=200,
    )

    def funding_interval(self, raw: Raw, symbol: Symbol) -> Interval:
        """Bybit, "Get Tickers": ``fundingIntervalHour``. ccxt gives what the instrument had when it was listed last,
        which is not so any more after a change; it is taken of tickers from before there was this field.
        """
        info = raw.get("info") or {}
        if "fundingIntervalHour" not in info:
            return super().funding_interval(raw, symbol)
        made = worded(f"{info['fundingIntervalHour']}h")
        return None if made is None else (made, IntervalSource.REPORTED)

    def balances(self, raw: Raw, wallet: str) -> list[Balance]:
        """Bybit, "Get Wallet Balance": what open positions have won or lost counts; ccxt gives ``walletBalance``."""
        info = raw.get("info")
        wallets = info if isinstance(info, list) else ((info or {}).get("result") or {}).get("list") or ()
        coins = [coin for one in wallets for coin in one.get("coin") or ()]
        if not coins:
            return super().balances(raw, wallet)
        made = [self._balance(coin, wallet, raw) for coin in coins]
        return [one for one in made if one.total or one.free or one.borrowed]

    def _balance(self, coin: Raw, wallet: str, raw: Raw) -> Balance:
        def told(name: str) -> Decimal:
            return number(coin.get(name)) or Decimal(0)

        total = told("walletBalance") + told("unrealisedPnl")
        return Balance(
            asset=str(self.client.safe_currency_code(coin["coin"])),
            market=wallet,
            free=total - told("locked") - told("totalOrderIM") - told("totalPositionIM"),
            total=total,
            borrowed=told("borrowAmount") or told("spotBorrow"),
            timestamp_ms=moment(raw.get("timestamp")),
        )

    def trigger_params(self, request: OrderRequest, symbol: Symbol) -> dict[str, object] | None:
        """Bybit, "Place Order": ``triggerDirection`` tells a stop from a take-profit, on contracts only. There a
        conditional order keeps its id to its end, and is among the others in each answer and on the stream.
        """
        if not symbol.kind.is_derivative or request.trigger_price is None:
            return None
        rising = (request.side is Side.BUY) == (request.type is OrderType.STOP)
        return {"triggerPrice": plain(request.trigger_price), "triggerDirection": "above" if rising else "below"}

    def order(self, raw: Raw, symbol: Symbol) -> Order:
        """ccxt does not read ``triggerDirection``; and the price of a market order is how far it may slip."""
        made, info = super().order(raw, symbol), raw.get("info") or {}
        if made.trigger_price is None:
            return made
        price = made.price if info.get("orderType") == "Limit" else None
        return attrs.evolve(made, type=_triggered(info, made), price=price)

    def payment(self, raw: Raw, symbol: Symbol) -> FundingPayment:
        """Bybit, "Get Trade History": ``execFee`` is above zero when paid. ccxt leaves it so, and in quote coin."""
        made = super().payment(raw, symbol)
        return attrs.evolve(made, amount=-made.amount, asset=symbol.settle or symbol.quote)

    async def hedged(self, symbol: Symbol) -> bool | None:
        """Bybit, "Get Position Info": index 0 is one-way mode. There is no question for the mode alone."""
        rows = await self.call("fetch_positions", [symbol.name], params=self.scope(symbol.market))
        told = [str(row["info"].get("positionIdx")) for row in rows if row.get("info")]
        return None if not told else told[0] != "0"
