"""The exchanges that are registered by name: one row of differences each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from time import monotonic
from typing import Any, Final

import attrs

from fra.adapters.ccxt import urls
from fra.adapters.ccxt.convert import Raw
from fra.adapters.ccxt.funding import Interval, worded
from fra.adapters.ccxt.numbers import number
from fra.adapters.ccxt.plugin import CCXTAdapter
from fra.adapters.ccxt.symbols import Market
from fra.adapters.ccxt.venue import LETTERS, Venue
from fra.core import (
    ClientOrderIdRule,
    ExchangeError,
    Fill,
    IntervalSource,
    InvalidOrder,
    MarketKind,
    Operation,
    Order,
    OrderRequest,
    Position,
    PositionSide,
    RefusedInstrument,
    Symbol,
    SymbolList,
)

_LINEAR: Final = (MarketKind.LINEAR_SWAP,)
_INVERSE: Final = (MarketKind.INVERSE_SWAP,)
_SPOT: Final = (MarketKind.SPOT,)
_DEFAULT: Final = timedelta(hours=8)
_HTX_FINE: Final = "200"
_LEARN_AGAIN_S: Final = 600.0


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
        codes={"-2022": InvalidOrder},
        unchanged=frozenset({"-4046", "-4059"}),
        point=urls.binance,
        settings={"options": {"warnOnFetchOpenOrdersWithoutSymbol": False}},
        book_depths={
            "spot": (5000, 1000, 500, 100),
            "usdm": (1000, 500, 100, 50, 20, 10, 5),
            "coinm": (1000, 500, 100, 50, 20, 10, 5),
        },
    )

    _intervals: Mapping[str, timedelta] = {}
    _learnt: float | None = None

    async def learn_intervals(self, symbols: Sequence[Symbol]) -> None:
        """Binance lists adjusted intervals only, in a call of its own; the list is asked for each ten minutes."""
        if self._learnt is not None and monotonic() - self._learnt < _LEARN_AGAIN_S:
            return
        if any(symbol.kind.is_swap and not symbol.inverse for symbol in symbols):
            try:
                rows = await self.call("fetch_funding_intervals", params={"subType": "linear"})
            except ExchangeError as error:
                self.report(error, "funding intervals")  # the rate is still worth having
                return
            told = {name: worded(row.get("interval")) for name, row in rows.items()}
            self._intervals = {name: interval for name, interval in told.items() if interval is not None}
            self._learnt = monotonic()

    def funding_interval(self, raw: Raw, symbol: Symbol) -> Interval:
        """Binance, USD-M, "Get Funding Rate Info": symbols that it does not list settle each 8 hours."""
        if symbol.inverse or self._learnt is None:
            return None
        found = self._intervals.get(symbol.name)
        return (_DEFAULT, IntervalSource.VENUE_DEFAULT) if found is None else (found, IntervalSource.REPORTED)


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
        candles_in_contracts=True,
        candle_volume=(5, "vol"),
        volumes_in_contracts=True,
        codes={"51169": InvalidOrder},
        point=urls.okx,
        book_depths=(400,),
    )
    missing = frozenset((Operation.SET_MARGIN_MODE, kind) for kind in MarketKind)

    def fill(self, raw: Raw, symbol: Symbol, received_ms: int) -> Fill:
        """OKX, "Order channel": ``fillFee`` is negative when paid, and ccxt leaves it so on the stream."""
        made, told = super().fill(raw, symbol, received_ms), number((raw.get("info") or {}).get("fillFee"))
        return made if told is None else attrs.evolve(made, fee=-told)


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
        unchanged=frozenset({"110025", "110026", "110043"}),
        ask_params={"acknowledged": True},
        search_on=True,
        base_amount_buys={"marketUnit": "baseCoin"},
        candles_in_contracts=True,
        candle_volume=(5, "volume"),
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
        book_depths=(200,),
        stream_depth=200,
    )

    async def hedged(self, symbol: Symbol) -> bool | None:
        """Bybit, "Get Position Info": index 0 is one-way mode. There is no question for the mode alone."""
        rows = await self.call("fetch_positions", [symbol.name], params=self.scope(symbol.market))
        told = [str(row["info"].get("positionIdx")) for row in rows if row.get("info")]
        return None if not told else told[0] != "0"


class HTXCCXT(CCXTAdapter):
    """HTX through ccxt: spot, linear and inverse perpetual swaps. Linear needs multi-assets collateral mode, whose
    paths are the only ones that ccxt asks. Client order ids are numbers, which ccxt keeps exactly up to 15 digits.
    """

    venue = Venue(
        id="htx",
        display_name="HTX",
        types={"spot": "spot", "linear": "linear", "inverse": "inverse"},
        wallets={
            "spot": {"type": "spot"},
            "linear": {"type": "swap", "subType": "linear"},
            "inverse": {"type": "swap", "subType": "inverse"},
        },
        wallet_of={name: name for name in ("spot", "linear", "inverse")},
        client_order_id_rule=ClientOrderIdRule(15, "0123456789", "1"),
        unwatchable=frozenset({"watchBalance"}),
        by_client_id="param",
        settings={"options": {"createMarketBuyOrderRequiresPrice": False}},
        codes={"1048": InvalidOrder},
        types_as_flags=True,
        counts_both_sides=True,
        point=urls.htx,
        book_depths=(150,),
    )
    missing = frozenset((Operation.SET_MARGIN_MODE, kind) for kind in MarketKind)

    def refused(self, answer: object) -> bool:
        """ccxt lets codes of /v5 pass that it does not know: an order would be taken for sent, a setting for made."""
        return isinstance(answer, dict) and str(answer.get("code", _HTX_FINE)) != _HTX_FINE

    def adjust(self, client: Any) -> None:
        """HTX, spot "Subscribe Order Updates": after a subscription to ``orders#*`` each push names its symbol. ccxt
        waits for the star, so it is woken for that too.
        """
        handle = client.handle_message

        def handle_message(socket: Any, message: Any) -> None:
            handle(socket, message)
            channel = str(message.get("ch")) if isinstance(message, dict) and message.get("action") == "push" else ""
            if channel.startswith("orders#"):
                socket.resolve(client.orders, "orders#*")
            elif channel.startswith("trade.clearing#"):
                socket.resolve(client.myTrades, f"trade.clearing#*#{channel.rpartition('#')[2]}")

        client.handle_message = handle_message

    def make_symbol(self, market: Market, name: str) -> Symbol:
        """The minimum of a contract is one; ccxt writes its size there, in coins."""
        made = super().make_symbol(market, name)
        return attrs.evolve(made, min_amount=made.lot_size) if made.kind.is_derivative else made

    async def hedged(self, symbol: Symbol) -> bool | None:
        """HTX, "Query Position Mode" of /v5: linear only; inverse accounts are always in hedge mode."""
        if symbol.inverse:
            return True
        told = await self.call("contractPrivateGetV5PositionMode")
        return bool((told.get("data") or {}).get("position_mode") == "dual_side")

    def position_params(self, request: OrderRequest) -> dict[str, object]:
        """Linear orders of hedge mode name the position; there ccxt's ``hedged`` means the older paths' words."""
        params = super().position_params(request)
        if request.position_side is PositionSide.NET or ":USD" not in request.symbol:
            return params
        return {"position_side": request.position_side.value}

    def position(self, raw: Raw, symbol: Symbol) -> Position | None:
        """Linear positions of one-way mode are of side "both"."""
        made, told = super().position(raw, symbol), (raw.get("info") or {}).get("position_side")
        return made if made is None or told is None else attrs.evolve(made, hedge_mode=told != "both")

    def order(self, raw: Raw, symbol: Symbol) -> Order:
        """Linear orders have post-only among their types, which ccxt takes for a limit order."""
        made = super().order(raw, symbol)
        return attrs.evolve(made, post_only=True) if (raw.get("info") or {}).get("type") == "post_only" else made

    def fill(self, raw: Raw, symbol: Symbol, received_ms: int) -> Fill:
        """HTX, "Query Historical Order Details" of /v5: the fee is positive when paid. ccxt turns it round, as is right
        for the older paths.
        """
        made = super().fill(raw, symbol, received_ms)
        fee = number((raw.get("info") or {}).get("trade_fee"))
        return made if fee is None or "fee_currency" not in raw["info"] else attrs.evolve(made, fee=fee)


class BitgetCCXT(CCXTAdapter):
    """Bitget through ccxt: spot and linear perpetual swaps. It counts coin-margined contracts in base coin, which ccxt
    calls one contract of one quote coin: they are refused by name.
    """

    venue = Venue(
        id="bitget",
        display_name="Bitget",
        markets={"spot": _SPOT, "linear": _LINEAR},
        types={"spot": "spot", "linear": "swap"},
        wallet_of={"spot": "spot", "linear": "swap"},
        by_client_id="param",
        interval_source=IntervalSource.REPORTED,
        margin_mode_param=True,
        settings={"options": {"createMarketBuyOrderRequiresPrice": False}},
    )

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
    """KuCoin through ccxt: spot and futures."""

    venue = Venue(
        id="kucoin",
        display_name="KuCoin",
        by_client_id="param",
        base_amount_buys={},
        interval_source=IntervalSource.REPORTED,
        candles_in_contracts=True,
        book_depths=(20, 100),
    )

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


class GateCCXT(CCXTAdapter):
    """Gate through ccxt."""

    venue = Venue(
        id="gate",
        display_name="Gate",
        client_order_id_rule=ClientOrderIdRule(26, LETTERS),
        by_client_id="id",
        client_id_prefix="t-",
        interval_source=IntervalSource.REPORTED,
        candles_in_contracts=True,
        settings={"options": {"createMarketBuyOrderRequiresPrice": False}},
    )


class MEXCCCXT(CCXTAdapter):
    """MEXC through ccxt."""

    venue = Venue(
        id="mexc",
        display_name="MEXC",
        by_client_id="param",
        base_amount_buys={},
        interval_source=IntervalSource.REPORTED,
        candles_in_contracts=True,
    )


class CryptoComCCXT(CCXTAdapter):
    """Crypto.com through ccxt. ccxt writes an interval of one hour whatever the venue does, so it is unknown here."""

    venue = Venue(
        id="cryptocom",
        display_name="Crypto.com",
        client_order_id_rule=ClientOrderIdRule(36, LETTERS + "-_"),
        base_amount_buys={},
        interval_source=None,
    )


class BitfinexCCXT(CCXTAdapter):
    """Bitfinex through ccxt. Client order ids are numbers there."""

    venue = Venue(
        id="bitfinex",
        display_name="Bitfinex",
        client_order_id_rule=ClientOrderIdRule(15, "0123456789", "1"),
        base_amount_buys={},
        interval_source=None,
    )
