"""Bybit through ccxt."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import attrs

from fra.adapters.ccxt import codes, sequences, urls
from fra.adapters.ccxt.convert import Raw, moment
from fra.adapters.ccxt.funding import Interval, worded
from fra.adapters.ccxt.numbers import number, plain
from fra.adapters.ccxt.plugin import CCXTAdapter
from fra.adapters.ccxt.venue import LETTERS, SWAPS, Venue
from fra.core import (
    Balance,
    ClientOrderIdRule,
    FundingPayment,
    IntervalSource,
    MarketKind,
    Order,
    OrderRequest,
    OrderType,
    Side,
    Symbol,
)

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
