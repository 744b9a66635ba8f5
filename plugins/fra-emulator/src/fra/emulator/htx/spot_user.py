"""What an account's events are told as on `/ws/v2` (HTX docs: spot, "WebSocket Asset and Order")."""

from decimal import Decimal

from fra.emulator.accounts import Account
from fra.emulator.htx.contracts import Row
from fra.emulator.htx.spot_account import SpotAccount
from fra.emulator.htx.spot_rows import account_id, order_id, plain, size, state, type_name
from fra.emulator.htx.user import Silent, User
from fra.emulator.sockets import Connection
from fra.matching import BalanceChanged, BalanceReason, Event, Fill, Filled, Order, OrderChanged, OrderStatus


class SpotUser(User):
    """`/ws/v2`: `orders#`, `trade.clearing#`, `accounts.update#`."""

    def __init__(self, connection: Connection, account: Account, spot: SpotAccount, silent: Silent) -> None:
        super().__init__(connection, account, spot.live)
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
