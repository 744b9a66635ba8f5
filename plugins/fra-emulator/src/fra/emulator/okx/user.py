"""OKX's private channels: what an account's events are told as, and to whom."""

from collections.abc import Callable, Sequence

import msgspec

from fra.emulator.accounts import Account
from fra.emulator.exchange import VenueExchange
from fra.emulator.okx import trading
from fra.emulator.okx.render import inst_type
from fra.emulator.sockets import Connection
from fra.matching import (
    BalanceChanged,
    BalanceReason,
    Event,
    Filled,
    FundingPaid,
    Order,
    OrderChanged,
    OrderStatus,
    PositionChanged,
)

CHANNELS = frozenset({"orders", "orders-algo", "account", "positions", "balance_and_position"})
KINDED = frozenset({"orders", "orders-algo", "positions"})
"""Those that are subscribed to for an instType."""


class UserConnection:
    """One logged-in connection and what it is subscribed to: (channel, instType, instId), as it was asked for."""

    def __init__(
        self, connection: Connection, account: Account, exchange: VenueExchange, silent: Callable[[str], bool]
    ) -> None:
        self.account = account
        self._connection = connection
        self._exchange = exchange
        self._silent = silent
        self._args: list[dict[str, object]] = []
        self.close = exchange.listen(account, self._on_event)

    def subscribe(self, arg: dict[str, object]) -> None:
        """From now on; `account`, `positions` and `balance_and_position` begin with how things stand."""
        if arg not in self._args:
            self._args.append(arg)
        match arg["channel"]:
            case "account":
                self._push(arg, [trading.balance(self._exchange, self.account, str(arg.get("ccy", "")))])
            case "positions":
                self._push(arg, self._positions(arg))
            case "balance_and_position":
                self._push(arg, [self._both("snapshot", self._positions({}))])

    def unsubscribe(self, arg: dict[str, object]) -> None:
        if arg in self._args:
            self._args.remove(arg)

    def _positions(self, arg: dict[str, object]) -> list[object]:
        now = self._exchange.now_ms()
        return [
            trading.position(self._exchange, self.account, position, now)
            for position in self._exchange.engine.positions(self.account.name)
            if self._concerns(arg, position.symbol)
        ]

    def _concerns(self, arg: dict[str, object], symbol: str) -> bool:
        instrument = self._exchange.listing(symbol).instrument
        kind, name = arg.get("instType", "ANY"), arg.get("instId", "")
        return kind in ("ANY", inst_type(instrument.market)) and name in ("", instrument.symbol)

    # -- events
    def _on_event(self, event: Event) -> None:
        exchange, now = self._exchange, event.timestamp_ms
        match event:
            case Filled(fill=fill, order=order):
                self._tell_order(order, [trading.order(exchange, order, fill)])
            case OrderChanged(order=order):
                self._tell_order(order, [trading.order(exchange, order)])
            case PositionChanged(position=position):
                row = trading.position(exchange, self.account, position, now)
                for arg in self._of("positions"):
                    if self._concerns(arg, position.symbol):
                        self._push(arg, [row])
                for arg in self._of("balance_and_position"):
                    self._push(arg, [self._both("filled", [row])])
            case BalanceChanged(asset=asset, reason=reason):
                for arg in self._of("account"):
                    if arg.get("ccy", asset) == asset:
                        self._push(arg, [trading.balance(exchange, self.account, asset)])
                if reason is BalanceReason.FUNDING:
                    for arg in self._of("balance_and_position"):
                        self._push(arg, [self._both("funding_fee", [])])
            case FundingPaid():
                pass  # the balance says it

    def _tell_order(self, order: Order, rows: Sequence[object]) -> None:
        algo = order.trigger is not None
        if algo:
            for arg in self._of("orders-algo"):
                if self._concerns(arg, order.symbol):
                    self._push(arg, [trading.algo_order(self._exchange, order)])
        if algo and order.triggered_ms is None:
            return
        if order.status is OrderStatus.REJECTED:
            return  # a rejected order never appears in the channel
        for arg in self._of("orders"):
            if self._concerns(arg, order.symbol):
                self._push(arg, rows)

    def _of(self, channel: str) -> list[dict[str, object]]:
        return [arg for arg in self._args if arg["channel"] == channel]

    def _both(self, event_type: str, positions: Sequence[object]) -> dict[str, object]:
        balances = [
            {"ccy": held.asset, "cashBal": f"{held.total:f}", "uTime": str(self._exchange.now_ms())}
            for held in self._exchange.engine.balances(self.account.name)
        ]
        now = str(self._exchange.now_ms())
        return {"pTime": now, "eventType": event_type, "balData": balances, "posData": positions, "trades": []}

    def _push(self, arg: dict[str, object], data: Sequence[object]) -> None:
        if not self._silent(str(arg["channel"])):
            told = {**arg, "uid": "446556"}
            self._connection.send(msgspec.json.encode({"arg": told, "data": data}).decode())
