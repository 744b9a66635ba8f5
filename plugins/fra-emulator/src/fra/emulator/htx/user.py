"""HTX's account sockets: what an account's events are told as, and to whom (HTX docs: "WebSocket Asset and Order",
and USDT-M "Orders and Accounts WebSocket Interfaces")."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from decimal import Decimal

import msgspec

from fra.emulator.accounts import Account
from fra.emulator.htx.contracts import Row, is_waiting
from fra.emulator.htx.multi_assets import MultiAssets
from fra.emulator.htx.single_rows import SingleRows
from fra.emulator.htx.spot_account import SpotAccount, account_id, order_id, plain, size, state, type_name
from fra.emulator.htx.triggers import Triggers
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

Silent = Callable[[str], bool]


class User(ABC):
    """One logged-in connection and its topics."""

    def __init__(self, connection: Connection, account: Account, rooms: SpotAccount | SingleRows | MultiAssets) -> None:
        self.account = account
        self.topics: dict[str, str] = {}
        """By the topic as it was asked for: the symbol it is for, or `*`."""
        self._connection = connection
        self._exchange = rooms.live
        self.close = self._exchange.listen(account, self.on_event)

    def push(self, told: Row) -> None:
        self._connection.send(msgspec.json.encode(told).decode())

    @abstractmethod
    def join(self, topic: str, code: str) -> int:
        """0 if there is such a topic, else the code of the refusal."""

    @abstractmethod
    def greet(self, topic: str) -> None:
        """What is pushed right after the acknowledgement."""

    @abstractmethod
    def on_event(self, event: Event) -> None:
        """Something has happened to the account."""


class SpotUser(User):
    """`/ws/v2`: `orders#`, `trade.clearing#`, `accounts.update#`."""

    def __init__(self, connection: Connection, account: Account, spot: SpotAccount, silent: Silent) -> None:
        super().__init__(connection, account, spot)
        self._spot = spot
        self._silent = silent
        self._seq = 0

    def join(self, topic: str, code: str) -> int:
        name, *rest = topic.split("#")
        symbol = rest[0] if rest else ""
        if name == "accounts.update" and symbol in ("", "0", "1", "2"):
            self.topics[topic] = "*"
            return 0
        if name not in ("orders", "trade.clearing") or (len(rest) > 1 and rest[1] not in ("0", "1")):
            return 2001
        if symbol != "*" and self._exchange.find("spot", symbol) is None:
            return 2001
        self.topics[topic] = symbol
        return 0

    def greet(self, topic: str) -> None:
        if topic.startswith("accounts.update"):
            for held in self._exchange.engine.balances(self.account.name):
                if held.wallet == "spot":
                    self._tell_balance(topic, held.asset, {"balance": held.total, "available": held.free}, None)

    def _tell_balance(self, topic: str, asset: str, money: dict[str, Decimal], change: str | None) -> None:
        self._seq += 1
        data: Row = {"currency": asset.lower(), "accountId": account_id(self.account)}
        data |= {name: plain(value) for name, value in money.items()}
        now = None if change is None else self._exchange.now_ms()
        data |= {"changeType": change, "accountType": "trade", "seqNum": str(self._seq), "changeTime": now}
        self._push(topic, data)

    def _push(self, topic: str, data: Row) -> None:
        if not self._silent(topic.partition("#")[0]):
            self.push({"action": "push", "ch": topic, "data": data})

    # -- events
    def on_event(self, event: Event) -> None:
        match event:
            case OrderChanged(order=order) if self._is_spot(order.symbol):
                self._tell_order(order, None)
            case Filled(fill=fill, order=order) if self._is_spot(order.symbol):
                self._tell_order(order, fill)
            case BalanceChanged(wallet="spot"):
                for topic in self.topics:
                    if topic.startswith("accounts.update"):
                        self._tell_change(topic, event)

    def _is_spot(self, symbol: str) -> bool:
        return self._exchange.listing(symbol).instrument.market == "spot"

    def _tell_change(self, topic: str, event: BalanceChanged) -> None:
        """Mode 0 tells of balances only, 1 of either by itself, 2 of both together."""
        order = "order.match" if event.change else "order.place"
        change = order if event.reason is BalanceReason.ORDER else event.reason.value
        mode = topic.partition("#")[2] or "0"
        if mode == "2":
            self._tell_balance(topic, event.asset, {"balance": event.total, "available": event.free}, change)
            return
        if event.change:
            self._tell_balance(topic, event.asset, {"balance": event.total}, change)
        if mode == "1":
            self._tell_balance(topic, event.asset, {"available": event.free}, change)

    def _tell_order(self, order: Order, fill: Fill | None) -> None:
        symbol = self._exchange.listing(order.symbol).instrument.symbol
        for topic, wanted in self.topics.items():
            if wanted not in ("*", symbol):
                continue
            if topic.startswith("orders#"):
                row = self._order_event(order, fill)
                if row is not None:
                    self._push(topic.replace("*", symbol) if wanted == "*" else topic, row)
            elif topic.startswith("trade.clearing#"):
                row = self._clearing(order, fill, cancels=topic.endswith("#1"))
                if row is not None:
                    self._push(topic.replace("*", symbol) if wanted == "*" else topic, row)

    def _common(self, order: Order) -> Row:
        row: Row = {
            "orderId": order_id(order.id),
            "symbol": self._exchange.listing(order.symbol).instrument.symbol,
            "clientOrderId": order.client_id or "",
            "orderSource": "spot-api",
            "accountId": account_id(self.account),
            "type": type_name(order),
            "orderStatus": state(order),
        }
        row["orderValue" if order.quote_amount is not None else "orderSize"] = plain(size(order))
        return row | ({"orderPrice": plain(order.price)} if order.price is not None else {})

    def _order_event(self, order: Order, fill: Fill | None) -> Row | None:
        common = self._common(order)
        done = order.cost if order.quote_amount is not None else order.filled
        amounts: Row = {"execAmt": plain(done), "remainAmt": plain(max(size(order) - done, Decimal(0)))}
        if fill is not None:
            trade: Row = {"tradePrice": plain(fill.price), "tradeVolume": plain(fill.amount), "tradeId": fill.trade_id}
            trade |= {"tradeTime": fill.timestamp_ms, "aggressor": not fill.maker}
            if order.status is OrderStatus.FILLED:
                amounts["remainAmt"] = "0"
            return {"eventType": "trade", **common, **trade, **amounts}
        if order.status is OrderStatus.NEW:
            return {"eventType": "creation", **common, "orderCreateTime": order.created_ms}
        if order.status in (OrderStatus.UNTRIGGERED, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED):
            return None
        if order.status is OrderStatus.REJECTED:
            why: Row = {"errCode": 2002, "errMessage": order.reason.value if order.reason else "", "lastActTime": 0}
            return {"eventType": "trigger", **common, **why, "orderSide": order.side.value}
        waited = order.trigger is not None and order.triggered_ms is None
        ended: Row = {"lastActTime": order.updated_ms}
        if waited:
            return {"eventType": "deletion", **common, **ended, "orderSide": order.side.value}
        return {"eventType": "cancellation", **common, **amounts, **ended}

    def _clearing(self, order: Order, fill: Fill | None, *, cancels: bool) -> Row | None:
        over = not order.status.is_open and order.status is not OrderStatus.FILLED
        if fill is None and not (cancels and over):
            return None
        common = self._common(order)
        row: Row = {"eventType": "trade" if fill is not None else "cancellation"}
        row |= {k: v for k, v in common.items() if k not in ("orderSource", "type")}
        row |= {"orderSide": order.side.value, "orderType": common["type"], "source": "spot-api"}
        row |= {"orderCreateTime": order.created_ms}
        if fill is None:
            return {**row, "remainAmt": plain(max(order.remaining, Decimal(0)))}
        return {
            **row,
            "tradePrice": plain(fill.price),
            "tradeVolume": plain(fill.amount),
            "aggressor": not fill.maker,
            "tradeId": fill.trade_id,
            "tradeTime": fill.timestamp_ms,
            "transactFee": plain(fill.fee),
            "feeCurrency": fill.fee_asset.lower(),
            "feeDeduct": "0",
            "feeDeductType": "",
        }


class ContractUser(User):
    """What both notification sockets share."""

    def __init__(
        self, connection: Connection, account: Account, rooms: SingleRows | MultiAssets, silent: Silent
    ) -> None:
        super().__init__(connection, account, rooms)
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
