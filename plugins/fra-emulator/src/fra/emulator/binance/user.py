"""Binance's user data: listen keys and the WebSocket API, and what an account's events are told as."""

import time
from collections.abc import Callable, Iterable
from decimal import Decimal

import attrs
import msgspec

from fra.emulator.accounts import Account
from fra.emulator.binance import trading
from fra.emulator.binance.rest import Refusal
from fra.emulator.exchange import VenueExchange
from fra.matching import (
    BalanceChanged,
    BalanceReason,
    Event,
    Fill,
    Filled,
    MarginMode,
    Order,
    OrderChanged,
    OrderStatus,
    OrderType,
    Position,
    PositionChanged,
    SettingChanged,
    TriggerBy,
)

Row = dict[str, object]
Push = Callable[[Row], None]

_REASONS = {
    BalanceReason.FUNDING: "FUNDING_FEE",
    BalanceReason.DEPOSIT: "DEPOSIT",
    BalanceReason.WITHDRAWAL: "WITHDRAW",
    BalanceReason.TRANSFER: "ADMIN_TRANSFER",
}
_EXECUTIONS = {
    OrderStatus.NEW: "NEW",
    OrderStatus.UNTRIGGERED: "NEW",
    OrderStatus.CANCELED: "CANCELED",
    OrderStatus.EXPIRED: "EXPIRED",
    OrderStatus.REJECTED: "REJECTED",
}


@attrs.define
class ListenKey:
    """A key of USD-M's user data: `until` is when it dies, on the monotonic clock."""

    key: str
    account: Account
    until: float


class ListenKeys:
    """The listen keys of one venue: an account has one, which is the same until it dies (60 minutes)."""

    def __init__(self, valid_s: Callable[[], float]) -> None:
        self._valid_s = valid_s
        self._keys: dict[str, ListenKey] = {}
        self._made = 0

    def manage(self, account: Account, method: str) -> Row:
        """POST makes or extends, PUT extends, DELETE ends. Raises Refusal -1125 where there is none."""
        found = self.of(account)
        if method == "POST" and found is None:
            self._made += 1
            key = f"{account.key[:8]}{'x' * 40}{self._made:016d}"
            found = self._keys[account.key] = ListenKey(key, account, 0.0)
        if found is None:
            raise Refusal(400, -1125, "This listenKey does not exist.")
        if method == "DELETE":
            del self._keys[account.key]
            return {}
        found.until = time.monotonic() + self._valid_s()
        return {"listenKey": found.key}

    def of(self, account: Account) -> ListenKey | None:
        """The account's key, if it lives."""
        found = self._keys.get(account.key)
        return found if found is not None and found.until > time.monotonic() else None

    def find(self, key: str) -> ListenKey | None:
        """The living key of that text."""
        return next((found for found in self._keys.values() if found.key == key and self.of(found.account)), None)

    def expire(self) -> list[ListenKey]:
        """End all keys now; those that lived."""
        ended, self._keys = [*self._keys.values()], {}
        return ended


class UserStream:
    """The events of one account in one market, handed to `push` as the venue's JSON objects."""

    def __init__(self, market: str, account: Account, exchange: VenueExchange, push: Push) -> None:
        self._market = market
        self._account = account
        self._exchange = exchange
        self._push = push
        self.close = exchange.listen(account, self._on_event)

    def _on_event(self, event: Event) -> None:
        tell = self._spot if self._market == "spot" else self._usdm
        for told in tell(event):
            self._push({"e": told.pop("e"), "E": event.timestamp_ms, **told})

    def _is_here(self, symbol: str) -> bool:
        return self._exchange.listing(symbol).terms.market == self._market

    # -- spot
    def _spot(self, event: Event) -> Iterable[Row]:
        match event:
            case Filled(fill=fill, order=order) if self._is_here(order.symbol):
                yield self._report(order, fill)
            case OrderChanged(order=order) if self._is_here(order.symbol):
                yield self._report(order, None)
            case BalanceChanged(wallet="spot", asset=asset, free=free, total=total):
                held = {"a": asset, "f": trading.padded(free), "l": trading.padded(total - free)}
                yield {"e": "outboundAccountPosition", "u": event.timestamp_ms, "B": [held]}

    def _report(self, order: Order, fill: Fill | None) -> Row:
        """An `executionReport`. That of a cancel has a client id of its own, and the order's as `C`."""
        nothing, canceled = Decimal(0), order.status is OrderStatus.CANCELED
        price = order.price or nothing
        return {
            "e": "executionReport",
            "s": self._exchange.listing(order.symbol).instrument.symbol,
            "c": trading.cancel_id(order) if canceled else trading.client_id(order),
            "S": order.side.name,
            "o": trading.order_type(order, spot=True),
            "f": trading.lifetime(order, spot=True),
            "q": trading.padded(order.amount),
            "p": trading.padded(price),
            "P": trading.padded(order.trigger.price if order.trigger else nothing),
            "F": "0.00000000",
            "g": -1,
            "C": trading.client_id(order) if canceled else "",
            "x": "TRADE" if fill else _EXECUTIONS.get(order.status, "NEW"),
            "X": trading.STATES[order.status],
            "r": "NONE",
            "i": order.id,
            "l": trading.padded(fill.amount if fill else nothing),
            "z": trading.padded(order.filled),
            "L": trading.padded(fill.price if fill else nothing),
            "n": trading.padded(fill.fee if fill else nothing),
            "N": fill.fee_asset if fill else None,
            "T": order.updated_ms,
            "t": fill.trade_id if fill else -1,
            "I": order.id * 2,
            "w": order.status.is_open and order.status is not OrderStatus.UNTRIGGERED,
            "m": fill.maker if fill else False,
            "M": False,
            "O": order.created_ms,
            "Z": trading.padded(order.cost),
            "Y": trading.padded(fill.amount * fill.price if fill else nothing),
            "Q": trading.padded(order.quote_amount or nothing),
            "W": order.created_ms,
            "V": "EXPIRE_MAKER",
        }

    # -- USD-M
    def _usdm(self, event: Event) -> Iterable[Row]:
        at = event.timestamp_ms
        match event:
            case Filled(fill=fill, order=order) if self._is_here(order.symbol):
                yield {"e": "ORDER_TRADE_UPDATE", "T": at, "o": self._update(order, fill)}
            case OrderChanged(order=order) if self._is_here(order.symbol):
                if order.trigger is not None:
                    yield {"e": "ALGO_UPDATE", "T": at, "o": self._algo(order)}
                if order.trigger is None or order.triggered_ms is not None:
                    yield {"e": "ORDER_TRADE_UPDATE", "T": at, "o": self._update(order, None)}
            case PositionChanged(position=position) if self._is_here(position.symbol):
                yield self._account_update("ORDER", at, [position.settle], [position])
            case BalanceChanged(wallet="usdm", asset=asset, reason=reason, change=change) if reason in _REASONS:
                yield self._account_update(_REASONS[reason], at, [asset], (), change)
            case SettingChanged(symbol=str() as symbol, name="leverage", value=value) if self._is_here(symbol):
                name = self._exchange.listing(symbol).instrument.symbol
                yield {"e": "ACCOUNT_CONFIG_UPDATE", "T": at, "ac": {"s": name, "l": int(Decimal(value))}}

    def _update(self, order: Order, fill: Fill | None) -> Row:
        nothing = Decimal(0)
        kind = OrderType.LIMIT if order.type is OrderType.LIMIT else OrderType.MARKET
        row: Row = {
            "s": self._exchange.listing(order.symbol).instrument.symbol,
            "c": trading.client_id(order),
            "S": order.side.name,
            "o": kind.name,
            "f": trading.lifetime(order, spot=False),
            "q": trading.text(order.amount),
            "p": trading.text(order.price or nothing),
            "ap": trading.text(order.average or nothing),
            "sp": trading.text(order.trigger.price if order.trigger else nothing),
            "x": "TRADE" if fill else _EXECUTIONS.get(order.status, "NEW"),
            "X": trading.STATES[order.status],
            "i": order.id,
            "l": trading.text(fill.amount if fill else nothing),
            "z": trading.text(order.filled),
            "L": trading.text(fill.price if fill else nothing),
            "T": order.updated_ms,
            "t": fill.trade_id if fill else 0,
            "b": "0",
            "a": "0",
            "m": fill.maker if fill else False,
            "R": order.reduce_only,
            "wt": "CONTRACT_PRICE",
            "ot": kind.name if order.trigger is None else trading.order_type(order, spot=False),
            "ps": trading.position_side(order.position_side),
            "cp": False,
            "rp": trading.text(fill.realised if fill else nothing),
            "pP": False,
            "si": 0,
            "ss": 0,
            "V": "EXPIRE_MAKER",
            "pm": "NONE",
            "gtd": 0,
        }
        return row | {"N": fill.fee_asset, "n": trading.text(fill.fee)} if fill else row

    def _algo(self, order: Order) -> Row:
        trigger = order.trigger
        assert trigger is not None
        triggered = order.triggered_ms is not None
        return {
            "caid": trading.client_id(order),
            "aid": trading.algo_id(order),
            "at": "CONDITIONAL",
            "o": trading.order_type(order, spot=False),
            "s": self._exchange.listing(order.symbol).instrument.symbol,
            "S": order.side.name,
            "ps": trading.position_side(order.position_side),
            "f": trading.lifetime(order, spot=False),
            "q": trading.text(order.amount),
            "X": trading.algo_status(order),
            "ai": str(order.id) if triggered else "",
            "ap": trading.text(order.average or Decimal(0)),
            "aq": trading.text(order.filled),
            "act": order.type.name if triggered else "",
            "tp": trading.text(trigger.price),
            "p": trading.text(order.price or Decimal(0)),
            "V": "EXPIRE_MAKER",
            "wt": "MARK_PRICE" if trigger.by is TriggerBy.MARK else "CONTRACT_PRICE",
            "pm": "NONE",
            "cp": False,
            "pP": False,
            "R": order.reduce_only,
            "tt": order.triggered_ms or 0,
            "gtd": 0,
            "rm": "Reduce Only reject" if order.status is OrderStatus.REJECTED else "",
        }

    def _account_update(
        self,
        reason: str,
        at_ms: int,
        assets: Iterable[str],
        positions: Iterable[Position],
        change: Decimal = Decimal(0),
    ) -> Row:
        """An `ACCOUNT_UPDATE`: what changed, as it is now. `bc` is what moved beside profit and commission."""
        balances = [self._exchange.engine.balance(self._account.name, "usdm", asset) for asset in assets]
        return {
            "e": "ACCOUNT_UPDATE",
            "T": at_ms,
            "a": {
                "m": reason,
                "B": [
                    {
                        "a": held.asset,
                        "wb": trading.text(held.total),
                        "cw": trading.text(held.total),
                        "bc": trading.text(change),
                    }
                    for held in balances
                ],
                "P": [
                    {
                        "s": self._exchange.listing(held.symbol).instrument.symbol,
                        "pa": trading.text(held.amount),
                        "ep": trading.text(held.entry or Decimal(0)),
                        "bep": trading.text(held.entry or Decimal(0)),
                        "cr": trading.text(held.realised),
                        "up": trading.text(held.unrealised),
                        "mt": "isolated" if held.margin_mode is MarginMode.ISOLATED else "cross",
                        "iw": "0",
                        "ps": trading.position_side(held.side),
                    }
                    for held in positions
                ],
            },
        }


def encode(told: Row) -> str:
    return msgspec.json.encode(told).decode()
