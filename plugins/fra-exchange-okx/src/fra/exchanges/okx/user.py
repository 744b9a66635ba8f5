"""The account's stream: private channels on two connections, joined, and what their pushes mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

import attrs

from fra.adapters.custom import UserChannel, UserFeed
from fra.core import Balance, Fill, Order, OrderNotFound, Position, PositionSide, StreamSource, Symbol, UserEvent
from fra.exchanges.okx import account, conditional, wire
from fra.exchanges.okx.tables import ACCOUNT_CHANNEL, ALGO_CHANNEL, ENDED, FILLS, ORDER_CHANNEL, POSITION_CHANNEL
from fra.exchanges.okx.trading import OKXTrading

Row = TypeVar("Row", wire.Order, wire.AlgoOrder, wire.Position)

_TRIGGERED: Final = ("effective", "partially_effective")


class UserData:
    """One subscription of an account: keeps what is needed to understand its pushes.

    What comes before the instruments are known is held until they are, and then told first.
    """

    def __init__(self, plugin: OKXTrading) -> None:
        self._plugin = plugin
        self._ready = False
        self._held: list[Callable[[], list[UserEvent]]] = []
        self._sides: dict[str, PositionSide] = {}

    def open(self) -> StreamSource[UserEvent]:
        """Subscribe. The channels tell of all instruments, so those of one market do for all."""
        parts: list[UserChannel[Any]] = [
            UserChannel(self._row(ORDER_CHANNEL), self._when_ready(self._orders)),
            UserChannel(self._row(ALGO_CHANNEL), self._when_ready(self._algo_orders)),
            UserChannel(self._row(ACCOUNT_CHANNEL), self._when_ready(self._balances)),
            UserChannel(self._row(POSITION_CHANNEL), self._when_ready(self._positions)),
        ]
        return UserFeed(self._plugin.streams, parts, self._since).source

    def _row(self, rows: tuple[Any, ...]) -> Any:
        return next(row for row in rows if row.market == self._plugin.markets[0])

    def _when_ready(self, convert: Callable[[Any], Iterator[UserEvent]]) -> Callable[[Any, int], list[UserEvent]]:
        def events(push: Any, received_ms: int) -> list[UserEvent]:
            if self._ready:
                return list(convert(push))
            self._held.append(lambda: list(convert(push)))
            return []

        return events

    async def _since(self, since: int | None) -> list[UserEvent]:
        await self._plugin.load_symbols()
        self._ready = True
        early = [event for told in self._held for event in told()]
        self._sides.clear()
        now = await self._account_now(since)
        self._held.clear()  # only now: where the account does not answer this is done again
        for event in now:
            if isinstance(event, Position) and not event.hedge_mode:
                self._sides.setdefault(event.symbol, event.side)  # a push in the meantime is newer
        return [*early, *now]

    # --- what happened while nobody listened

    async def _account_now(self, since: int | None) -> list[Order | Fill | Balance | Position]:
        """Open orders, balances and positions; with ``since`` (UTC ms) also what ended and was filled after it.

        OKX finds ended orders by their creation. So the older ones are found by their fills, and by ``canceled``,
        of which there are few: what was not filled at all is forgotten after two hours.
        """
        plugin = self._plugin
        waiting = plugin.conditionals.waiting()
        open_orders = await plugin.get_open_orders()
        past: list[Order | Fill] = []
        if since is not None:
            past = await self._past(since, {order.id for order in open_orders}, waiting)
        positions = await plugin.get_positions() if "swap" in plugin.markets else ()
        return [*past, *open_orders, *await plugin.get_balance(), *positions]

    async def _past(
        self, since: int, open_ids: set[str | None], waiting: Sequence[wire.AlgoOrder]
    ) -> list[Order | Fill]:
        plugin = self._plugin
        fills = await plugin.named(await plugin.pages(FILLS, None, {"begin": since}, lambda row: row.billId))
        ended = await plugin.pages(ENDED, None, {"begin": since, "state": "filled"}, lambda row: row.ordId)
        cancelled = await plugin.pages(ENDED, None, {"state": "canceled"}, lambda row: row.ordId)
        ended += [row for row in cancelled if int(row.uTime or 0) >= since]
        await plugin.learn(ended, None)
        found = [plugin.conditionals.order(row, of) for row, of in await plugin.named(ended)]
        known = {order.id for order in found} | open_ids
        missing = {plugin.fill(row, of).order_id: of for row, of in fills}
        missing |= {row.algoId: of for row, of in await plugin.named(waiting)}
        for order_id in missing.keys() - known - {None}:
            try:
                found.append(await plugin.get_order(order_id, missing[order_id]))
            except OrderNotFound as error:
                plugin.streams.report(error, where="account")
                plugin.conditionals.forget(order_id)
        found.sort(key=lambda order: order.timestamp_ms or 0)
        executions = [plugin.fill(row, of) for row, of in reversed(fills)]
        return [*found, *sorted(executions, key=lambda fill: fill.timestamp_ms)]

    # --- pushes

    def _orders(self, push: wire.UserPush[wire.Order]) -> Iterator[Order | Fill]:
        for row, symbol in self._named(push.data):
            order = self._plugin.conditionals.order(row, symbol)
            yield order
            if (fill := account.pushed_fill(row, symbol, order)) is not None:
                yield fill

    def _algo_orders(self, push: wire.UserPush[wire.AlgoOrder]) -> Iterator[Order]:
        for row, symbol in self._named(push.data):
            if row.ordType == conditional.KINDS:
                self._plugin.conditionals.remember(row)
                if row.state not in _TRIGGERED:  # of those the channel ``orders`` tells
                    yield conditional.untriggered(row, symbol)

    def _balances(self, push: wire.UserPush[wire.Account]) -> Iterator[Balance]:
        for row in push.data:
            yield from account.balances(row)

    def _positions(self, push: wire.UserPush[wire.Position]) -> Iterator[Position]:
        for row, symbol in self._named(push.data):
            position = account.position(row, symbol)
            if position.hedge_mode:
                yield position
                continue
            # In one-way mode the sign tells the side: nothing tells which one was closed, or that it was turned over.
            before = self._sides.pop(symbol.name, None)
            if not position.amount:
                for side in (PositionSide.LONG, PositionSide.SHORT) if before is None else (before,):
                    yield attrs.evolve(position, side=side)
                continue
            self._sides[symbol.name] = position.side
            if before not in (None, position.side):
                assert before is not None
                yield Position(symbol=symbol.name, side=before, amount=Decimal(0), hedge_mode=False)
            yield position

    def _named(self, rows: list[Row]) -> Iterator[tuple[Row, Symbol]]:
        for row in rows:
            if self._plugin.covers(row.instType):
                symbol = self._plugin.listed(row.instId)
                if symbol is not None:
                    yield row, symbol
