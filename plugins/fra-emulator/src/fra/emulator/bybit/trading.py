"""Bybit's signed paths about orders and executions."""

from collections.abc import Callable
from decimal import Decimal

from fra.emulator.accounts import Account
from fra.emulator.bybit import ids, orders, refusals
from fra.emulator.bybit.feed import MARKETS, BybitFeed
from fra.emulator.bybit.ledger import in_order
from fra.emulator.bybit.orders import Body, listed, word
from fra.emulator.bybit.paging import page
from fra.emulator.bybit.render import Row
from fra.emulator.bybit.rest import Refusal
from fra.emulator.bybit.rows import Rows
from fra.emulator.exchange import Listing, VenueExchange
from fra.matching import Order, Payment, Reason, Refused

_CLOSED_KEPT = 500


class Trading:
    """What an account may ask and do about its orders."""

    def __init__(self, feed: BybitFeed, exchange: VenueExchange, rows: Rows) -> None:
        self._feed = feed
        self._exchange = exchange
        self._rows = rows

    def create(self, account: Account, body: Body) -> object:
        listing = listed(self._exchange, body)
        spot = listing.terms.is_spot
        wanted = orders.request(listing, body, self._last(listing))
        try:
            if wanted.client_id is not None and self._bears(account, wanted.client_id):
                raise Refused(Reason.DUPLICATE_CLIENT_ID, "taken")
            order = self._exchange.place(account, wanted, expire=orders.EXPIRES)
        except Refused as refused:
            raise refusals.refusal(refused, spot=spot) from None
        return self._named(order)

    def _last(self, listing: Listing) -> Decimal:
        engine = self._feed.render(listing.instrument).engine
        return engine.last_trade.price * listing.terms.tick

    def _bears(self, account: Account, client_id: str) -> bool:
        """Whether an order, open or not, bears the id: the venue takes none twice."""
        try:
            self._exchange.engine.order(account.name, client_id=client_id)
        except Refused:
            return False
        return True

    def _named(self, order: Order) -> Row:
        return {"orderId": self._rows.order_id(order.symbol, order.id), "orderLinkId": order.client_id or ""}

    def _find(self, account: Account, body: Body, symbol: str) -> Order | None:
        """The order named by `orderId` or `orderLinkId`, if it is of the symbol. Raises Refusal if none is named."""
        order_id, client_id = word(body, "orderId"), orders.link_id(body)
        if not order_id and client_id is None:
            raise Refusal(10001, "params error: orderId or orderLinkId is required")
        try:
            if order_id:
                found = self._exchange.engine.order(account.name, order_id=ids.order_number(order_id) or 0)
            else:
                found = self._exchange.engine.order(account.name, client_id=client_id)
        except Refused:
            return None
        return found if found.symbol == symbol else None

    def cancel(self, account: Account, body: Body) -> object:
        listing = listed(self._exchange, body)
        order = self._find(account, body, listing.symbol)
        try:
            if order is None:
                raise Refused(Reason.UNKNOWN_ORDER, "unknown")
            return self._named(self._exchange.cancel(account, order_id=order.id))
        except Refused as refused:
            raise refusals.refusal(refused, spot=listing.terms.is_spot) from None

    def cancel_all(self, account: Account, body: Body) -> object:
        wanted = self.symbols(body, all_of=("spot",))
        only = _filter(body, spot=word(body, "category") == "spot")
        done = [
            self._exchange.cancel(account, order_id=order.id)
            for order in self._exchange.engine.open_orders(account.name)
            if order.symbol in wanted and only(order)
        ]
        return {"list": [self._named(order) for order in done], "success": "1"}

    def symbols(self, body: Body, *, all_of: tuple[str, ...] = ()) -> frozenset[str]:
        """The engine's symbols that a request is about: by `symbol`, `baseCoin`, `settleCoin`, or all of a category
        where the venue allows that. Raises Refusal."""
        category = word(body, "category")
        if category not in MARKETS:
            raise Refusal(10001, "Illegal category")
        if word(body, "symbol"):
            return frozenset({listed(self._exchange, body).symbol})
        base, settle = word(body, "baseCoin"), word(body, "settleCoin")
        if not (base or settle or category in all_of):
            raise Refusal(10001, "Missing some parameters that must be filled in, symbol or settleCoin or baseCoin")
        return frozenset(
            i.symbol
            for i in self._exchange.listings(category)
            if (not base or self._feed.render(i.instrument).base == base) and (not settle or i.terms.settle == settle)
        )

    def realtime(self, account: Account, body: Body) -> object:
        category = word(body, "category")
        every = self._exchange.engine.orders(account.name)
        if word(body, "orderId") or word(body, "orderLinkId"):
            wanted = self.symbols(body, all_of=MARKETS)
            kept = {order.id for order in [o for o in every if not o.status.is_open][-_CLOSED_KEPT:]}
            found = [
                order
                for symbol in wanted
                if (order := self._find(account, body, symbol)) is not None
                and (order.status.is_open or order.id in kept)
            ]
        else:
            wanted = self.symbols(body, all_of=("spot", "inverse"))
            only, closed = _filter(body, spot=category == "spot"), word(body, "openOnly", "0") == "1"
            pool = [o for o in every if o.status.is_open is not closed]
            found = [o for o in pool[-_CLOSED_KEPT:] if o.symbol in wanted and only(o)]
        return self._orders(found, body, category)

    def _orders(self, found: list[Order], body: Body, category: str, now_ms: int | None = None) -> Row:
        params = {name: str(value) for name, value in body.items()}
        rows, cursor = page(((o.created_ms, o) for o in found), params, default=20, most=50, now_ms=now_ms)
        return {"list": [self._rows.order(o) for o in rows], "nextPageCursor": cursor, "category": category}

    def history(self, account: Account, body: Body) -> object:
        category = word(body, "category")
        if word(body, "orderId") or word(body, "orderLinkId"):
            wanted = self.symbols(body, all_of=MARKETS)
            found = [o for s in wanted if (o := self._find(account, body, s)) is not None and not o.status.is_open]
            return self._orders(found, body, category)
        wanted = self.symbols(body, all_of=MARKETS)
        only = _filter(body, spot=category == "spot")
        every = self._exchange.engine.orders(account.name)
        found = [o for o in every if not o.status.is_open and o.symbol in wanted and only(o)]
        return self._orders(found, body, category, self._feed.settings.clock.now_ms())

    # -- executions
    def executions(self, account: Account, body: Body) -> object:
        category, kind = word(body, "category"), word(body, "execType")
        wanted = self.symbols(body, all_of=MARKETS)
        engine = self._exchange.engine
        named = word(body, "orderId") or word(body, "orderLinkId")
        orders_of = {o.id: o for o in engine.orders(account.name)}
        rows: list[tuple[int, Row]] = []
        left: dict[int, Decimal] = {}
        for happened in in_order(engine.fills(account.name), engine.payments(account.name)):
            if isinstance(happened, Payment):
                row = self._rows.funding(happened)
            else:
                order = orders_of[happened.order_id]
                left[order.id] = left.get(order.id, order.amount) - happened.amount
                row = self._rows.execution(happened, order, left[order.id])
            if happened.symbol not in wanted or kind not in ("", row["execType"]):
                continue
            if not named or named in (row["orderId"], row["orderLinkId"]):
                rows.append((happened.timestamp_ms, row))
        params = {name: str(value) for name, value in body.items()}
        found, cursor = page(rows, params, default=50, most=100, now_ms=self._feed.settings.clock.now_ms())
        return {"nextPageCursor": cursor, "category": category, "list": found}


def _filter(body: Body, *, spot: bool) -> Callable[[Order], bool]:
    """By `orderFilter`: without it spot lists plain orders only, contracts all."""
    wanted = word(body, "orderFilter")
    if wanted == "Order" or (spot and not wanted):
        return lambda order: order.trigger is None
    if wanted in ("StopOrder", "tpslOrder"):
        return lambda order: order.trigger is not None
    return lambda order: True
