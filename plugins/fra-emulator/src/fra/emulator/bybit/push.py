"""The private socket: who is logged in, which topics it hears, and what an account's events become on them."""

import uuid
from collections.abc import Callable, Iterator, Sequence

import msgspec

from fra.emulator.accounts import Account
from fra.emulator.bybit.feed import MARKETS
from fra.emulator.bybit.private import Private
from fra.emulator.bybit.render import Row
from fra.matching import BalanceChanged, Event, Filled, FundingPaid, OrderChanged, PositionChanged, SettingChanged

_BY_CATEGORY = ("order", "execution", "execution.fast", "position")
TOPICS = frozenset({"wallet", *_BY_CATEGORY, *(f"{topic}.{c}" for topic in _BY_CATEGORY for c in MARKETS)}) - {
    "position.spot"
}

Send = Callable[[str, str], None]


class Session:
    """One logged-in connection; hears its account until it is closed. Nothing is pushed on subscribing."""

    def __init__(self, account: Account, private: Private, send: Send) -> None:
        self.account = account
        self.topics: set[str] = set()
        self._private = private
        self._send = send
        self._stop = private.rows.exchange.listen(account, self._hear)

    def close(self) -> None:
        self._stop()

    def wrong(self, topics: Sequence[str]) -> str | None:
        """Why the venue would not subscribe to these, None if it would."""
        unknown = next((topic for topic in topics if topic not in TOPICS), None)
        if unknown is not None:
            return f"error:handler not found,topic:{unknown}"
        # an all-in-one topic and one by category do not go together (Bybit docs: "Order", WebSocket stream)
        heard = {*topics, *self.topics}
        mixed = next((t for t in sorted(heard) if t.endswith(MARKETS) and t.rpartition(".")[0] in heard), None)
        return None if mixed is None else f"error:already subscribed,topic:{mixed}"

    def _hear(self, event: Event) -> None:
        for topic, category, row in self._told(event):
            for name in (topic, f"{topic}.{category}"):
                if name in self.topics:
                    frame = {
                        "id": uuid.uuid4().hex,
                        "topic": name,
                        "creationTime": self._private.now_ms(),
                        "data": [row],
                    }
                    self._send(name, msgspec.json.encode(frame).decode())

    def _told(self, event: Event) -> Iterator[tuple[str, str, Row]]:
        """What an event says on each topic, with its category."""
        rows, now = self._private.rows, self._private.now_ms()
        match event:
            case OrderChanged(order=order):
                category = rows.category(order.symbol)
                yield "order", category, {"category": category, **rows.order(order)}
            case Filled(fill=fill, order=order):
                category = rows.category(fill.symbol)
                row = {"category": category, **rows.execution(fill, order, order.remaining), "feeCoin": fill.fee_asset}
                yield "execution", category, row
                yield "execution.fast", category, rows.fast(fill)
                yield "order", category, {"category": category, **rows.order(order)}
            case FundingPaid(payment=payment):
                category = rows.category(payment.symbol)
                yield "execution", category, {"category": category, **rows.funding(payment), "feeCoin": payment.asset}
            case PositionChanged(position=position):
                yield "position", rows.category(position.symbol), rows.position_event(position, now)
            case SettingChanged(symbol=str(symbol), name="leverage"):
                for position in rows.exchange.engine.positions(self.account.name, symbol):
                    yield "position", rows.category(symbol), rows.position_event(position, now)
            case BalanceChanged(asset=asset):
                yield "wallet", "", self._private.wallet(self.account, [asset])
