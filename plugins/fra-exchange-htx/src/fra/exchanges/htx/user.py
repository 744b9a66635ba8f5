"""The account's stream: private channels of both accounts, joined, and what their pushes mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final

import attrs

from fra.adapters.custom import UserChannel, UserFeed
from fra.core import Balance, Fill, NotSupported, Order, OrderNotFound, Position, PositionSide, StreamSource, UserEvent
from fra.exchanges.htx import account_tables as tables
from fra.exchanges.htx import account_wire as wire
from fra.exchanges.htx import spot_convert, swap_convert, union_convert
from fra.exchanges.htx.tables import LINEAR, SPOT
from fra.exchanges.htx.trading import HTXTrading

_BOUGHT: Final = 1000
"""Market buys whose trades are remembered."""


class UserData:
    """One subscription of an account: keeps what is needed to understand its pushes.

    What comes before the instruments are known is held until they are, and then told first.
    """

    def __init__(self, plugin: HTXTrading) -> None:
        self._plugin = plugin
        self._ready = False
        self._held: list[Callable[[], list[UserEvent]]] = []
        self._coins: dict[str, Balance] = {}
        self._spot_account: int | None = None
        self._sides: dict[str, PositionSide] = {}
        self._union = plugin.is_union
        self._bought: dict[str, dict[str, Decimal]] = {}
        self._open: set[tuple[str, str]] = set()
        """Symbol and id of orders that had not ended when they were last told of."""

    def open(self) -> StreamSource[UserEvent]:
        """Subscribe to the channels of the configured markets."""
        plugin = self._plugin
        margin = {"margin": "_cross" if plugin.options.margin_mode == "cross" else ""}
        parts: list[UserChannel[Any]] = []
        if SPOT in plugin.markets:
            parts += [
                UserChannel(tables.SPOT_ORDER_CHANNEL, self._when_ready(self._spot_order)),
                UserChannel(tables.SPOT_FILL_CHANNEL, self._when_ready(self._spot_fill)),
                UserChannel(tables.SPOT_BALANCE_CHANNEL, self._when_ready(self._spot_balance)),
            ]
        if LINEAR in plugin.markets and self._union:
            parts += [
                UserChannel(tables.UNION_ORDER_CHANNEL, self._when_ready(self._union_order)),
                UserChannel(tables.UNION_FILL_CHANNEL, self._when_ready(self._union_fills)),
                UserChannel(tables.UNION_BALANCE_CHANNEL, self._when_ready(self._union_balances)),
                UserChannel(tables.UNION_POSITION_CHANNEL, self._when_ready(self._union_positions)),
            ]
        elif LINEAR in plugin.markets:
            parts += [
                UserChannel(tables.ORDER_CHANNEL, self._when_ready(self._order), margin),
                UserChannel(tables.MARGIN_CHANNEL, self._when_ready(self._margins), margin),
                UserChannel(tables.POSITION_CHANNEL, self._when_ready(self._positions), margin),
            ]
        return UserFeed(plugin.streams, parts, self._since).source

    def _when_ready(self, convert_: Callable[[Any], Iterator[UserEvent]]) -> Callable[[Any, int], list[UserEvent]]:
        def events(push: Any, received_ms: int) -> list[UserEvent]:
            if self._ready:
                return self._noted(list(convert_(push)))
            self._held.append(lambda: list(convert_(push)))
            return []

        return events

    def _noted(self, events: list[UserEvent]) -> list[UserEvent]:
        for event in events:
            if isinstance(event, Order) and event.id is not None:
                (self._open.discard if event.status.final else self._open.add)((event.symbol, event.id))
        return events

    async def _since(self, since: int | None) -> list[UserEvent]:
        plugin = self._plugin
        self._sides.clear()
        await plugin.load_symbols()
        if SPOT in plugin.markets:
            self._spot_account = await plugin.spot.account_id()
        if LINEAR in plugin.markets:
            await plugin.swaps()
            if plugin.is_union is not self._union:
                raise NotSupported(
                    "the kind of the swap account is not what it was taken for",
                    exchange=plugin.config.name,
                    cure="subscribe anew, or set the option account to single or multi",
                )
        now = await plugin.account_since(since)
        now = self._noted([*await self._gone(now), *now])
        for event in now:
            if isinstance(event, Balance) and event.market == SPOT:
                self._coins.setdefault(event.asset, event)
            if isinstance(event, Position) and event.hedge_mode is False:
                self._sides.setdefault(event.symbol, event.side)
        self._ready = True
        held, self._held = self._held, []
        # What was pushed meanwhile is told after the answers, for it is newer.
        return [*now, *self._noted([event for told in held for event in told()])]

    async def _gone(self, told: list[UserEvent]) -> list[Order]:
        """What became of orders that no answer names any more: HTX's histories go by creation, two days back."""
        named = {(event.symbol, event.id) for event in told if isinstance(event, Order)}
        found: list[Order] = []
        for name, order_id in sorted(self._open - named):
            symbol = self._plugin.by_name(name)
            if symbol is None:
                continue
            try:
                found.append(await self._plugin.get_order(order_id, symbol))
            except OrderNotFound as error:
                self._open.discard((name, order_id))
                self._plugin.streams.report(error, where="account")
        return found

    # --- spot

    def _spot_order(self, push: wire.SpotPush[wire.SpotOrderPush]) -> Iterator[Order]:
        row = push.data
        symbol = self._plugin.listed(row.symbol)
        if symbol is not None:
            yield spot_convert.spot_order_push(row, symbol, self._traded(row))

    def _traded(self, row: wire.SpotOrderPush) -> Decimal:
        """Base coin that the pushes of a market buy have told of so far, each trade once."""
        if row.type != "buy-market":
            return Decimal(0)
        trades = self._bought.setdefault(str(row.orderId), {})
        if row.tradeId is not None and row.tradeVolume is not None:
            trades[str(row.tradeId)] = row.tradeVolume
        if len(self._bought) > _BOUGHT:
            del self._bought[next(iter(self._bought))]
        return sum(trades.values(), Decimal(0))

    def _spot_fill(self, push: wire.SpotPush[wire.SpotFillPush]) -> Iterator[Fill]:
        symbol = self._plugin.listed(push.data.symbol)
        if symbol is not None and (fill := spot_convert.spot_fill_push(push.data, symbol)) is not None:
            yield fill

    def _spot_balance(self, push: wire.SpotPush[wire.SpotBalancePush]) -> Iterator[Balance]:
        row = push.data
        if row.currency is None or self._spot_account not in (None, row.accountId):
            return
        asset = row.currency.upper()
        before = self._coins.get(asset, Balance(asset=asset, market=SPOT, free=Decimal(0), total=Decimal(0)))
        if row.balance is None and row.available is None:
            return
        balance = attrs.evolve(
            before,
            total=before.total if row.balance is None else row.balance,
            free=before.free if row.available is None else row.available,
            timestamp_ms=row.changeTime or None,
        )
        self._coins[asset] = balance
        yield balance

    # --- swaps

    def _order(self, row: wire.Order) -> Iterator[Order | Fill]:
        symbol = self._plugin.listed(row.contract_code)
        if symbol is not None:
            yield swap_convert.swap_order(row, symbol)
            yield from swap_convert.pushed_fills(row, symbol)

    def _margins(self, push: wire.Notice[list[wire.Margin]]) -> Iterator[Balance]:
        yield from self._plugin.single.balances_with(push.data, timestamp_ms=push.ts or None)

    def _positions(self, push: wire.Notice[list[wire.Position]]) -> Iterator[Position]:
        for row in push.data:
            symbol = self._plugin.listed(row.contract_code)
            if symbol is None:
                continue
            position = swap_convert.swap_position(row, symbol, timestamp_ms=push.ts or None)
            if position.hedge_mode is False:
                yield from self._turned(position)
            else:
                yield position

    # --- swaps of a multi-assets account

    def _union_order(self, push: wire.Notice[wire.UnionOrder]) -> Iterator[Order]:
        symbol = self._plugin.listed(push.data.contract_code)
        if symbol is not None:
            yield union_convert.union_order(push.data, symbol)

    def _union_fills(self, push: wire.Notice[list[wire.UnionFill]]) -> Iterator[Fill]:
        for row in push.data:
            symbol = self._plugin.listed(row.contract_code)
            if symbol is not None:
                yield union_convert.union_fill(row, symbol)

    def _union_balances(self, push: wire.Notice[wire.UnionWallet]) -> Iterator[Balance]:
        yield from union_convert.union_balances(push.data)

    def _union_positions(self, push: wire.Notice[list[wire.UnionPosition]]) -> Iterator[Position]:
        for row in push.data:
            symbol = self._plugin.listed(row.contract_code)
            if symbol is None:
                continue
            position = union_convert.union_position(row, symbol)
            yield from self._turned(position) if position.hedge_mode is False else (position,)

    # --- parts

    def _turned(self, position: Position) -> Iterator[Position]:
        """A one-way position with, if it was on the other side before, the end of that one."""
        before = self._sides.pop(position.symbol, None)
        if not position.amount:
            yield attrs.evolve(position, side=before or position.side)
            return
        self._sides[position.symbol] = position.side
        if before not in (None, position.side):
            assert before is not None
            yield Position(symbol=position.symbol, side=before, amount=Decimal(0), hedge_mode=False)
        yield position
