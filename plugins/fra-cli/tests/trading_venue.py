"""A scripted exchange with an account, kept in a file, so that one command sees what another one did."""

import json
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import attrs
from scripted_venue import Options as MarketOptions
from scripted_venue import ScriptedVenue, now_ms

from fra.core import (
    Balance,
    ExchangeCapabilities,
    ExchangeConnectionError,
    Fill,
    InsufficientFunds,
    MarginMode,
    MarketKind,
    Operation,
    Order,
    OrderNotFound,
    OrderOutcomeUnknown,
    OrderStatus,
    OrderType,
    PluginType,
    Position,
    PositionSide,
    Side,
    Symbol,
    TimeInForce,
)

TRADING = (
    Operation.CREATE_ORDER,
    Operation.CANCEL_ORDER,
    Operation.CANCEL_ALL_ORDERS,
    Operation.GET_ORDER,
    Operation.GET_OPEN_ORDERS,
    Operation.GET_ORDER_HISTORY,
    Operation.GET_TRADE_HISTORY,
    Operation.GET_BALANCE,
    Operation.GET_POSITIONS,
    Operation.SET_LEVERAGE,
)


@attrs.frozen
class Options(MarketOptions):
    account: str = "account.json"
    free: Decimal = Decimal(10_000)
    orders: str = "fill"
    """What becomes of an order that can trade: fill, part, refuse, lose (nobody ever hears of it), swallow (it
    fills, and the answer is lost), ack (the answer is an id and no more)."""
    exit_orders: str | None = None
    """What becomes of reduce-only orders; None: the same."""
    lot: Decimal = Decimal("0.001")
    least: Decimal | None = None
    least_notional: Decimal | None = None
    leverage: Decimal | None = None


class TradingVenue(ScriptedVenue):
    Options = Options
    plugin_type: ClassVar = PluginType.CUSTOM

    @classmethod
    def describe(cls):
        return attrs.evolve(super().describe(), plugin_type=cls.plugin_type)

    @staticmethod
    def matrix():
        return ScriptedVenue.matrix() | ExchangeCapabilities.of(TRADING, [MarketKind.LINEAR_SWAP])

    def instrument(self, name):
        made = super().instrument(name)
        return Symbol(
            made.name,
            made.venue_id,
            made.kind,
            made.base,
            made.quote,
            made.settle,
            tick_size=made.tick_size,
            lot_size=self.options.lot,
            min_amount=self.options.least,
            min_notional=self.options.least_notional,
            market="swap",
        )

    # --- the account, in a file

    @property
    def _file(self):
        return Path(self.options.account)

    def _orders(self):
        return json.loads(self._file.read_text()) if self._file.exists() else []

    def _save(self, orders):
        self._file.write_text(json.dumps(orders))

    def _order(self, row):
        return Order(
            symbol=row["symbol"],
            side=Side(row["side"]),
            type=OrderType(row["type"]),
            status=OrderStatus(row["status"]),
            id=row["id"],
            client_order_id=row["client_order_id"],
            amount=Decimal(row["amount"]),
            filled=Decimal(row["filled"]),
            price=None if row["price"] is None else Decimal(row["price"]),
            average_price=Decimal(row["at"]) if Decimal(row["filled"]) else None,
            time_in_force=TimeInForce(row["tif"]),
            reduce_only=row["reduce_only"],
            created_ms=row["ms"],
            timestamp_ms=row["ms"],
        )

    async def create_order(self, request, symbol):
        script = self.options.exit_orders if request.reduce_only and self.options.exit_orders else self.options.orders
        if script == "refuse":
            raise InsufficientFunds("the account cannot pay for this", exchange=self.config.name, code="51008")
        if script == "lose":
            raise OrderOutcomeUnknown("no answer", client_order_id=request.client_order_id, exchange=self.config.name)
        book = self.book(symbol)
        level = (book.asks if request.side is Side.BUY else book.bids)[0].price
        crosses = request.price is None or (
            request.price >= level if request.side is Side.BUY else request.price <= level
        )
        filled = Decimal(0) if not crosses else request.amount / 2 if script == "part" else request.amount
        over = filled < request.amount and (request.price is None or request.time_in_force is not TimeInForce.GTC)
        status = "filled" if filled == request.amount else "canceled" if over else "open"
        orders = self._orders()
        row = {
            "symbol": request.symbol,
            "side": request.side.value,
            "type": request.type.value,
            "status": status,
            "id": str(len(orders) + 1),
            "client_order_id": request.client_order_id,
            "amount": str(request.amount),
            "filled": str(filled),
            "price": None if request.price is None else str(request.price),
            "at": str(level),
            "tif": request.time_in_force.value,
            "reduce_only": request.reduce_only,
            "ms": now_ms(),
        }
        self._save([*orders, row])
        if script == "swallow":
            raise ExchangeConnectionError("the answer was lost", exchange=self.config.name)
        return Order.of(request, id=row["id"]) if script == "ack" else self._order(row)

    async def get_order(self, order_id=None, symbol=None, *, client_order_id=None):
        for row in self._orders():
            if client_order_id == row["client_order_id"] or order_id == row["id"]:
                return self._order(row)
        raise OrderNotFound("no such order", exchange=self.config.name, code="51603")

    async def cancel_order(self, order_id=None, symbol=None, *, client_order_id=None):
        found = await self.get_order(order_id, symbol, client_order_id=client_order_id)
        self._cancel({found.id})
        return attrs.evolve(found, status=OrderStatus.CANCELED)

    async def cancel_all_orders(self, symbol=None):
        found = await self.get_open_orders(symbol)
        self._cancel({order.id for order in found})
        return [attrs.evolve(order, status=OrderStatus.CANCELED) for order in found]

    def _cancel(self, ids):
        self._save([{**row, "status": "canceled"} if row["id"] in ids else row for row in self._orders()])

    async def get_open_orders(self, symbol=None):
        return [self._order(row) for row in self._orders() if row["status"] == "open"]

    async def get_order_history(self, symbol=None, *, since=None, until=None, limit=None):
        return [self._order(row) for row in self._orders() if row["status"] != "open"]

    async def get_trade_history(self, symbol=None, *, since=None, until=None, limit=None):
        return [
            Fill(
                symbol=row["symbol"],
                trade_id=f"t{row['id']}",
                order_id=row["id"],
                side=Side(row["side"]),
                price=Decimal(row["at"]),
                amount=Decimal(row["filled"]),
                timestamp_ms=row["ms"],
                fee=Decimal("0.01"),
                fee_asset="USDT",
                maker=False,
            )
            for row in self._orders()
            if Decimal(row["filled"])
        ]

    async def get_balance(self, market=None):
        return [
            Balance(asset="USDT", market="trading", free=self.options.free, total=self.options.free + 5),
            Balance(asset="BTC", market="trading", free=Decimal("0.1"), total=Decimal("0.1")),
        ]

    async def get_positions(self, symbol=None):
        held = {}
        for row in self._orders():
            sign = 1 if row["side"] == "buy" else -1
            held[row["symbol"]] = held.get(row["symbol"], Decimal(0)) + sign * Decimal(row["filled"])
        return [
            Position(
                symbol=name,
                side=PositionSide.LONG if amount > 0 else PositionSide.SHORT,
                amount=abs(amount),
                entry_price=self.options.mark,
                mark_price=self.options.mark,
                unrealized_pnl=Decimal("-0.5"),
                leverage=self.options.leverage,
                margin_mode=MarginMode.CROSS,
                hedge_mode=False,
            )
            for name, amount in held.items()
            if amount
        ]

    async def set_leverage(self, symbol, leverage):
        pass


class SimulatedVenue(TradingVenue):
    plugin_type: ClassVar = PluginType.SIMULATED
