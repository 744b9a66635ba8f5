"""What an account's events are told as on the contracts' sockets (HTX docs: USDT-M, "Orders and Accounts WebSocket
Interfaces")."""

from abc import abstractmethod

from fra.emulator.accounts import Account
from fra.emulator.htx.contracts import Row, is_waiting
from fra.emulator.htx.multi_assets import MultiAssets
from fra.emulator.htx.single_rows import SingleRows
from fra.emulator.htx.spot_rows import account_id
from fra.emulator.htx.triggers import Triggers
from fra.emulator.htx.user import Silent, User
from fra.emulator.sockets import Connection
from fra.matching import (
    BalanceChanged,
    BalanceReason,
    Event,
    Fill,
    Filled,
    Order,
    OrderChanged,
    OrderStatus,
    Position,
    PositionChanged,
)


class ContractUser(User):
    """What both notification sockets share."""

    def __init__(
        self, connection: Connection, account: Account, rooms: SingleRows | MultiAssets, silent: Silent
    ) -> None:
        super().__init__(connection, account, rooms.live)
        self._uid = str(account_id(account) + 1)
        self._silent = silent

    def tell(self, topic: str, told: Row) -> None:
        """One notification."""
        if not self._silent(topic):
            now = self._exchange.now_ms()
            self.push({"op": "notify", "topic": topic, "ts": now, "uid": self._uid, **told})

    def code(self, symbol: str) -> str:
        return self._exchange.listing(symbol).instrument.symbol

    def is_linear(self, symbol: str) -> bool:
        return self._exchange.listing(symbol).instrument.market == "linear"

    def on_event(self, event: Event) -> None:
        match event:
            case OrderChanged(order=order) if self.is_linear(order.symbol):
                if order.trigger is not None:
                    self.tell_trigger(order)
                if not is_waiting(order) and order.status is not OrderStatus.REJECTED:
                    self.tell_order(order, None)
            case Filled(fill=fill, order=order) if self.is_linear(order.symbol):
                self.tell_order(order, fill)
            case PositionChanged(position=position) if self.is_linear(position.symbol):
                self.tell_position(position)
            case BalanceChanged(wallet="linear", reason=reason, change=change):
                named = {
                    BalanceReason.ORDER: "order.match" if change else "order.open",
                    BalanceReason.FUNDING: "funding",
                }
                self.tell_money(named.get(reason, reason.value))

    @abstractmethod
    def tell_order(self, order: Order, fill: Fill | None) -> None:
        """An order has changed, by a fill or else."""

    def tell_trigger(self, order: Order) -> None:
        """An order that waits has changed; where there is no topic for it, nothing is said."""
        return

    @abstractmethod
    def tell_position(self, position: Position) -> None:
        """A position has changed."""

    @abstractmethod
    def tell_money(self, event: str) -> None:
        """The wallet has changed."""


_CROSS = ("orders_cross", "matchOrders_cross", "accounts_cross", "positions_cross", "trigger_order_cross")
_ISOLATED = ("orders", "matchOrders", "accounts", "positions", "trigger_order")


class SingleUser(ContractUser):
    """`/linear-swap-notification` of a single-asset account: cross topics speak, isolated ones have nothing to say."""

    def __init__(self, connection: Connection, account: Account, single: Triggers, silent: Silent) -> None:
        super().__init__(connection, account, single, silent)
        self._single = single

    def join(self, topic: str, code: str) -> int:
        name, _, told = topic.partition(".")
        if name not in (*_CROSS, *_ISOLATED):
            return 2011
        if name == "accounts_cross":
            known = told.upper() in ("*", "USDT")
        else:
            known = told == "*" or self._exchange.find("linear", told.upper()) is not None
        if not known:
            return 2011
        self.topics[topic] = told.upper()
        return 0

    def greet(self, topic: str) -> None:
        name = topic.partition(".")[0]
        if name == "accounts_cross":
            self._tell_wallet("init")
        elif name == "positions_cross":
            self._tell_positions(self.topics[topic], "init")

    def repeat(self) -> None:
        """What is pushed every five seconds, changed or not."""
        names = {topic.partition(".")[0] for topic in self.topics}
        if "accounts_cross" in names:
            self._tell_wallet("snapshot")
        for topic, wanted in self.topics.items():
            if topic.startswith("positions_cross"):
                self._tell_positions(wanted, "snapshot")

    def _tell_wallet(self, event: str) -> None:
        self.tell("accounts_cross", {"event": event, "data": [self._single.wallet(self.account)]})

    def _tell_positions(self, wanted: str, event: str) -> None:
        held = self._single.positions(self.account, None)
        rows = [self._single.position(p) for p in held if wanted in ("*", self.code(p.symbol))]
        self.tell("positions_cross", {"event": event, "data": rows})

    def _hears(self, name: str, code: str) -> bool:
        return any(t.partition(".")[0] == name and wanted in ("*", code) for t, wanted in self.topics.items())

    def tell_order(self, order: Order, fill: Fill | None) -> None:
        code = self.code(order.symbol)
        trades = [self._single.trade(fill)] if fill is not None else []
        if self._hears("orders_cross", code):
            self.tell(f"orders_cross.{code.lower()}", {**self._single.row(order), "trade": trades})
        if fill is not None and self._hears("matchOrders_cross", code):
            self.tell(f"matchOrders_cross.{code.lower()}", {**self._single.row(order), "trade": trades})

    def tell_trigger(self, order: Order) -> None:
        if self._hears("trigger_order_cross", self.code(order.symbol)):
            rows = [self._single.trigger_row(order)]
            self.tell("trigger_order_cross", {"event": "order" if is_waiting(order) else "trigger", "data": rows})

    def tell_position(self, position: Position) -> None:
        if self._hears("positions_cross", self.code(position.symbol)):
            self.tell("positions_cross", {"event": "order.match", "data": [self._single.position(position)]})

    def tell_money(self, event: str) -> None:
        if any(topic.startswith("accounts_cross") for topic in self.topics):
            self._tell_wallet(event)


class MultiUser(ContractUser):
    """`/ws/v5/notification` of a multi-assets account; a topic's contract is a field beside it."""

    def __init__(self, connection: Connection, account: Account, multi: MultiAssets, silent: Silent) -> None:
        super().__init__(connection, account, multi, silent)
        self._multi = multi

    def join(self, topic: str, code: str) -> int:
        if topic not in ("orders", "trade", "positions", "account"):
            return 2011
        if code not in ("", "*") and self._exchange.find("linear", code.upper()) is None:
            return 2011
        # a second contract of the same topic widens it
        self.topics[topic] = code.upper() or "*" if self.topics.get(topic, code.upper()) == code.upper() else "*"
        return 0

    def greet(self, topic: str) -> None:
        if topic == "account":
            self.tell_money("snapshot")
        elif topic == "positions":
            rows = [self._multi.position(p) for p in self._multi.positions(self.account, None)]
            self.tell("positions", {"contract_code": self.topics[topic], "event": "snapshot", "data": rows})

    def _hears(self, topic: str, code: str) -> bool:
        return self.topics.get(topic) in ("*", code)

    def tell_order(self, order: Order, fill: Fill | None) -> None:
        code = self.code(order.symbol)
        if self._hears("orders", code):
            self.tell("orders", {"contract_code": code, "data": self._multi.row(order)})
        if fill is not None and self._hears("trade", code):
            row = self._multi.fill(fill)
            row |= {"direction": fill.side.value, "role": "maker" if fill.maker else "taker"}
            self.tell("trade", {"contract_code": code, "data": [row]})

    def tell_position(self, position: Position) -> None:
        code = self.code(position.symbol)
        if self._hears("positions", code):
            rows = [self._multi.position(position)]
            self.tell("positions", {"contract_code": code, "event": "update", "data": rows})

    def tell_money(self, event: str) -> None:
        if "account" in self.topics:
            balance = self._multi.balance(self.account, {})
            self.tell("account", {"contract_code": "", "event": event, "data": balance})
