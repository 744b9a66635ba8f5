"""The aggregated exchange: orders to one member or several, accounts summed, on the members' merged markets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeVar

import attrs

from fra.adapters.aggregated import routing, sums
from fra.adapters.aggregated.holdings import AggregatedAccounts
from fra.adapters.aggregated.listings import Listing, Part
from fra.adapters.aggregated.market import page
from fra.adapters.aggregated.members import Answers, failure
from fra.adapters.aggregated.orders import (
    Known,
    Ledger,
    Placed,
    child_id,
    fill_of,
    newest_first,
    split_id,
    whole_of,
)
from fra.adapters.aggregated.routing import Venue
from fra.adapters.aggregated.streams import Everything
from fra.core import (
    ExchangeAPIError,
    ExchangeConfig,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeHandle,
    Fill,
    FraError,
    FundingPayment,
    InvalidOrder,
    Operation,
    Order,
    OrderNotFound,
    OrderOutcomeUnknown,
    OrderRequest,
    OrderStatus,
    Position,
    PriceLevel,
    StreamSource,
    Symbol,
    TimeInForce,
    UserEvent,
)

R = TypeVar("R")

_ROUTES: Final = ("best", "split")
_DEPTH: Final = 50
"""Levels a side that are looked at to choose a member."""


class AggregatedExchange(AggregatedAccounts):
    """Several configured exchanges as one."""

    def __init__(self, config: ExchangeConfig) -> None:
        super().__init__(config)
        self._ledger = Ledger()

    # --- creating orders

    async def create_order(self, request: OrderRequest, symbol: Symbol) -> Order:
        """To the member that the request names, else by the option ``route``.

        A split order is one order here: its id names its parts (``okx-main/1+bybit-main/7``), ``reason`` says what a
        member refused. Raises OrderOutcomeUnknown when what became of any part is not known, naming whose, and what
        became of the others; nothing is sent a second time, nor to another member.
        """
        assert request.client_order_id is not None
        listing = self.listing(symbol)
        shares = await self._shares(request, listing)
        parts: dict[str, Placed] = {}
        for name, share in shares.items():
            rule = self.members.handle(name).metadata.client_order_id_rule
            parts[name] = Placed(child_id(request.client_order_id, name, rule), share, listing.parts[name])
        known = Known(request, parts)
        self._ledger.add(known)
        await asyncio.gather(*(self._place(known, name) for name in parts))
        return self._outcome(known)

    async def _shares(self, request: OrderRequest, listing: Listing) -> Mapping[str, Decimal | None]:
        """Member → its amount. Raises InvalidOrder, ExchangeConnectionError: nothing was sent."""
        route = request.exchange or self.options.route
        if route == self.config.name:
            route = self.options.route
        if route not in _ROUTES:
            if route not in listing.parts:
                known = ", ".join(listing.parts)
                raise InvalidOrder(
                    f"{route} is no member that lists {listing.symbol.name}",
                    exchange=self.config.name,
                    cure=f"name {known}",
                )
            self.members.handle(route)
            return {route: request.amount}
        if request.reduce_only and len(listing.parts) > 1:
            raise InvalidOrder(
                "a position can only be reduced where it is: name the member",
                exchange=self.config.name,
                cure=f'OrderRequest(exchange="{next(iter(listing.parts))}", …)',
            )
        venues = await self._venues(listing)
        divisible = request.amount is not None and request.time_in_force is not TimeInForce.FOK
        if route == "split" and divisible and routing.marketable(request, venues):
            return routing.split(request, listing, venues)
        return {routing.best(request, venues).name: request.amount}

    async def _venues(self, listing: Listing) -> list[Venue]:
        """The members that could have it, with their books of now; one that does not answer in time is none."""
        members = self.members.all
        names = [
            name
            for name in self.able(Operation.CREATE_ORDER, listing.symbol.kind, listing.parts)
            if members[name].has_account and members[name].handle is not None
        ]
        # A member whose sockets are away may answer all the same: it is asked where no other is better.
        names = [name for name in names if members[name].trouble is None] or names

        async def look(name: str, handle: ExchangeHandle) -> Venue:
            part = listing.parts[name]
            book = await handle.get_orderbook(part.symbol.name, depth=_DEPTH)
            bids, asks = (
                [PriceLevel(part.price(row.price), part.amount(row.amount)) for row in side]
                for side in (book.bids, book.asks)
            )
            fees = handle.metadata.fee_structure
            taker, maker = (routing.fee(fees, part.symbol, "taker"), routing.fee(fees, part.symbol, "maker"))
            return Venue(name, attrs.evolve(book, bids=bids, asks=asks), taker, maker)

        answers = await self.members.ask(names, look)
        if not answers.good:
            error = failure(answers.bad, "no member can take the order") if answers.bad else None
            why = str(error) if error is not None else "no member with an account lists it and has started"
            raise ExchangeConnectionError(f"nothing was sent: {why}", sent=False, exchange=self.config.name)
        return list(answers.good.values())

    async def _place(self, known: Known, name: str) -> None:
        placed, request = known.parts[name], known.request
        part = placed.part
        its = attrs.evolve(
            request,
            symbol=part.symbol.name,
            amount=None if placed.amount is None else part.its_amount(placed.amount),
            price=None if request.price is None else part.its_price(request.price),
            trigger_price=None if request.trigger_price is None else part.its_price(request.trigger_price),
            client_order_id=placed.client_order_id,
            exchange=None,
        )
        try:
            order = await self.members.handle(name).create_order(its)
        except OrderOutcomeUnknown as error:
            placed.error, placed.unknown = error, True
        except FraError as error:
            placed.error = error
        except BaseException:
            placed.unknown = True  # cancelled on its way: it may live
            raise
        else:
            known.see(name, order)

    def _outcome(self, known: Known) -> Order:
        """The order, or why there is none, or that nobody knows."""
        parts = known.parts
        unknown = [name for name, placed in parts.items() if placed.unknown]
        refused = {
            name: placed.error for name, placed in parts.items() if placed.error is not None and not placed.unknown
        }
        if unknown:
            assert known.request.client_order_id is not None
            others = [f"{name}: {_became(placed)}" for name, placed in parts.items() if name not in unknown]
            also = f" ({'; '.join(others)})" if others else ""
            raise OrderOutcomeUnknown(
                f"what became of the part at {', '.join(unknown)} is not known{also}: {parts[unknown[0]].error}",
                client_order_id=known.request.client_order_id,
                exchange=self.config.name,
                cure=f"ask with get_order(client_order_id={known.request.client_order_id!r}); do not send it again",
            )
        if len(refused) == len(parts):
            raise self._refusal(refused)
        return known.order()

    def _refusal(self, refused: Mapping[str, Exception]) -> Exception:
        """One error for parts of which certainly nothing came: the members' own, where it says so by itself."""
        first, *others = refused.values()
        plain = isinstance(first, ExchangeError) and not (isinstance(first, ExchangeConnectionError) and first.sent)
        if plain and all(type(other) is type(first) for other in others):
            return first
        said = "; ".join(f"{name}: {error}" for name, error in refused.items())
        return ExchangeAPIError(f"no order came of it: {said}", exchange=self.config.name)

    # --- orders that there are

    async def cancel_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Every part of it. One that has ended already stands in no other's way."""
        return await self._by_id(
            order_id,
            symbol,
            client_order_id,
            by_id=lambda handle, id, its: handle.cancel_order(id, its),
            by_client=lambda handle, id, its: handle.cancel_order(None, its, client_order_id=id),
            canceling=True,
        )

    async def get_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Every part of it, of whichever members have one. Raises OrderNotFound when all that could have it say so."""
        return await self._by_id(
            order_id,
            symbol,
            client_order_id,
            by_id=lambda handle, id, its: handle.get_order(id, its),
            by_client=lambda handle, id, its: handle.get_order(None, its, client_order_id=id),
        )

    async def _by_id(
        self,
        order_id: str | None,
        symbol: Symbol | None,
        client_order_id: str | None,
        *,
        by_id: Callable[[ExchangeHandle, str, str | None], Awaitable[Order]],
        by_client: Callable[[ExchangeHandle, str, str | None], Awaitable[Order]],
        canceling: bool = False,
    ) -> Order:
        name = None if symbol is None else symbol.name
        ids = {} if order_id is None else split_id(order_id)
        if ids is None or any(member not in self.members.all for member in ids):
            raise OrderNotFound(f"{order_id!r} names no member: ids are member/id", exchange=self.config.name)
        known = self._ledger.by_ids(ids) if ids else self._ledger.find(name, client_order_id or "")
        its_names: Mapping[str, Part] = {} if symbol is None else self.listing(symbol).parts

        async def one(member: str, handle: ExchangeHandle) -> Order:
            its = its_names[member].symbol.name if member in its_names else None
            if member in ids:
                return await by_id(handle, ids[member], its)
            assert client_order_id is not None
            if known is not None:
                placed = known.parts[member]
                return await by_client(handle, placed.client_order_id, placed.part.symbol.name)
            rule = handle.metadata.client_order_id_rule
            for id in (child_id(client_order_id, member, rule), client_order_id):
                try:
                    return await by_client(handle, id, its)
                except OrderNotFound as error:
                    missing = error
            raise missing

        if ids:
            asked = list(ids)
        elif known is not None:
            asked = [member for member, placed in known.parts.items() if placed.unknown or placed.error is None]
        else:
            asked = [m for m in self.accounts(Operation.GET_ORDER, symbol) if symbol is None or m in its_names]
        answers = await self.members.ask(asked, one, timed=False)
        return self._together(known, answers, client_order_id, canceling=canceling)

    def _together(
        self, known: Known | None, answers: Answers[Order], client_order_id: str | None, *, canceling: bool
    ) -> Order:
        """One order of what the members said. A member that could not be asked is not one that has no such order."""
        elsewhere = {m: e for m, e in answers.bad.items() if not isinstance(e, OrderNotFound)}
        if elsewhere and (canceling or known is not None or not answers.good):
            raise failure(elsewhere, "a member could not be asked")
        if not answers.good:
            raise (
                failure(answers.bad, "no member knows it")
                if answers.bad
                else OrderNotFound("no member knows it", exchange=self.config.name)
            )
        if known is not None:
            for member, order in answers.good.items():
                if member in known.parts:
                    known.see(member, order)
            return known.order()
        return self._merged(answers.good, client_order_id)

    def _merged(self, orders: Mapping[str, Order], client_order_id: str | None = None) -> Order:
        names = {member: self.ours_of(member, order.symbol) for member, order in orders.items()}
        name = next(iter(names.values()))[0]
        whole = whole_of(name, {member: (order, names[member][1]) for member, order in orders.items()})
        assert whole is not None
        return whole if client_order_id is None else attrs.evolve(whole, client_order_id=client_order_id)

    def _ours(self, member: str, order: Order) -> Order:
        """A member's order: ours with its other parts, if it was sent from here."""
        known = self._ledger.of_child(member, order.client_order_id)
        return self._merged({member: order}) if known is None else known.see(member, order)

    async def cancel_all_orders(self, symbol: Symbol | None = None) -> Sequence[Order]:
        """At every member; raises what the first said that did not, when all have answered."""
        parts: Mapping[str, Part] = {} if symbol is None else self.listing(symbol).parts

        async def one(name: str, handle: ExchangeHandle) -> Sequence[Order]:
            return await handle.cancel_all_orders(parts[name].symbol.name if name in parts else None)

        answers = await self.members.ask(self.accounts(Operation.CANCEL_ALL_ORDERS, symbol), one, timed=False)
        self.enough(answers, len(answers.good) + len(answers.bad), Operation.CANCEL_ALL_ORDERS)
        return self._once(self._ours(name, order) for name, rows in answers.good.items() for order in rows)

    async def get_open_orders(self, symbol: Symbol | None = None) -> Sequence[Order]:
        answers = await self.ask_accounts(
            Operation.GET_OPEN_ORDERS, symbol, lambda name, handle, its: handle.get_open_orders(its)
        )
        return self._once(self._ours(name, order) for name, rows in answers.good.items() for order in rows)

    async def get_order_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Order]:
        """Of all members; the parts of an order that was split before this program began are orders of their own."""
        answers = await self.ask_accounts(
            Operation.GET_ORDER_HISTORY,
            symbol,
            lambda name, handle, its: handle.get_order_history(its, since=since, until=until, limit=limit),
        )
        found = self._once(self._ours(name, order) for name, rows in answers.good.items() for order in rows)
        return page((order for order in found if order.status.final), lambda o: o.created_ms or 0, since, limit)

    async def get_trade_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Fill]:
        """Of all members; ids are ``member/id``. Fills of a split order name the part that they are of."""
        answers = await self.ask_accounts(
            Operation.GET_TRADE_HISTORY,
            symbol,
            lambda name, handle, its: handle.get_trade_history(its, since=since, until=until, limit=limit),
        )
        found = [self._fill(name, fill) for name, rows in answers.good.items() for fill in rows]
        return page(found, lambda fill: fill.timestamp_ms, since, limit)

    def _fill(self, member: str, fill: Fill) -> Fill:
        made = fill_of(fill, *self.ours_of(member, fill.symbol), member)
        order = self._ledger.of_child(member, fill.client_order_id)
        if order is None:
            return made
        if len(order.parts) > 1:  # it is of one part, and proves nothing of the others
            return attrs.evolve(made, client_order_id=None)
        return attrs.evolve(made, client_order_id=order.request.client_order_id)

    @staticmethod
    def _once(orders: Iterable[Order]) -> list[Order]:
        """Each order once, as it was told last: a split one came once for each part."""
        found: dict[tuple[str, str | None, str | None], Order] = {}
        for order in orders:
            found[order.symbol, order.client_order_id, None if order.client_order_id else order.id] = order
        return newest_first(found.values())

    # --- the accounts' streams

    def subscribe_user_data(self) -> StreamSource[UserEvent]:
        """Of every member with an account: LIVE only while each of them is, and going on for the others meanwhile.

        Balances are those of a member's wallet (``okx-main/trading``), positions are :class:`MemberPosition`.
        """
        self.accounts(Operation.SUBSCRIBE_USER_DATA)  # that there is none is told now
        merged: Everything[UserEvent, UserEvent] = Everything(
            self.members,
            lambda: self.accounts(Operation.SUBSCRIBE_USER_DATA),
            lambda member, handle: handle.subscribe_user_data(),
            convert=self._event,
            quorum=self.options.quorum,
        )
        return merged.source

    def _event(self, member: str, event: UserEvent) -> UserEvent:
        if isinstance(event, Order):
            return self._ours(member, event)
        if isinstance(event, Fill):
            return self._fill(member, event)
        if isinstance(event, Position):
            return self.position(member, event)
        if isinstance(event, FundingPayment):
            return self.payment(member, event)
        return sums.of_member(event, member)


def _became(placed: Placed) -> str:
    if placed.order is None:
        return f"refused: {placed.error}"
    order = placed.order
    return f"{order.status.value}, {order.filled} filled" if order.status is not OrderStatus.PENDING else "sent"
