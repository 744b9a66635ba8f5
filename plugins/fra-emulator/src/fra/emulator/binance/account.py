"""What Binance's spot and USD-M accounts answer alike: orders and fills, oldest first, by id or within times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from fra.emulator.accounts import Account
from fra.emulator.binance.rest import Refusal
from fra.emulator.exchange import Listing, VenueExchange
from fra.matching import Fill, Order, PositionMode

Params = Mapping[str, str]
Row = dict[str, object]


class MarketAccount:
    """Answers about one account in one market."""

    market: ClassVar[str]

    def __init__(self, exchange: Callable[[], VenueExchange], now_ms: Callable[[], int]) -> None:
        self._exchange = exchange
        self.now_ms = now_ms

    @property
    def live(self) -> VenueExchange:
        """What matches the orders."""
        return self._exchange()

    def listing(self, params: Params) -> Listing:
        """What the parameter ``symbol`` names. Raises Refusal."""
        symbol = params.get("symbol", "")
        if not symbol:
            raise Refusal(400, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        found = self.live.find(self.market, symbol)
        if found is None:
            raise Refusal(400, -1121, "Invalid symbol.")
        return found

    def is_hedge(self, account: Account) -> bool:
        """Whether both sides of a symbol can be held at once."""
        return self.live.engine.position_mode(account.name) is PositionMode.HEDGE

    def open_orders(self, account: Account, params: Params) -> list[Row]:
        return [self._tell_order(order) for order in self._orders(account, params) if order.status.is_open]

    def all_orders(self, account: Account, params: Params) -> list[Row]:
        rows = [self._tell_order(order) for order in self._orders(account, params)]
        return page(rows, params, by="orderId", start="orderId")

    def fills(self, account: Account, params: Params) -> list[Row]:
        fills = self.live.engine.fills(account.name, self.listing(params).symbol)
        rows = [self._tell_fill(fill) for fill in fills]
        if params.get("orderId"):
            rows = [row for row in rows if str(row["orderId"]) == params["orderId"]]
        return page(rows, params, by="id", start="fromId")

    def _orders(self, account: Account, params: Params) -> list[Order]:
        """The account's orders in this market or of a symbol."""
        symbol = self.listing(params).symbol if params.get("symbol") else None
        orders = self.live.engine.orders(account.name, symbol)
        return [order for order in orders if self.live.listing(order.symbol).terms.market == self.market]

    def _tell_order(self, order: Order) -> Row:
        raise NotImplementedError

    def _tell_fill(self, fill: Fill) -> Row:
        raise NotImplementedError


def page(rows: Sequence[Row], params: Params, *, by: str, start: str, default: int = 500) -> list[Row]:
    """Oldest first: from an id on, or within times, or the newest."""
    limit = min(int(params.get("limit") or default), 1000)
    first, last = int(params.get("startTime") or 0), int(params.get("endTime") or 2**63)
    if start and params.get(start):
        return [row for row in rows if int(str(row[by])) >= int(params[start])][:limit]
    times = [row.get("time") or row.get("createTime") or 0 for row in rows]
    found = [row for row, at in zip(rows, times, strict=True) if first <= int(str(at)) <= last]
    return found[:limit] if params.get("startTime") else found[-limit:]
