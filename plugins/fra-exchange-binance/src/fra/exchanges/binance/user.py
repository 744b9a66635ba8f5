"""The account's own events: orders, fills, balances and positions, of spot and of USD-M futures, as one stream."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from decimal import Decimal
from typing import Final, TypeVar

import attrs
import msgspec

from fra.adapters.custom import UserChannel, UserFeed
from fra.core import (
    Balance,
    ExchangeError,
    Fill,
    Order,
    OrderNotFound,
    Position,
    PositionSide,
    StreamSource,
    Symbol,
    UserEvent,
)
from fra.exchanges.binance import account, orders
from fra.exchanges.binance import account_tables as tables
from fra.exchanges.binance import account_wire as wire
from fra.exchanges.binance.convert import SPOT, USDM
from fra.exchanges.binance.trading import BinanceTrading

T = TypeVar("T", Order, Fill)
Make = Callable[[Symbol], Iterable[UserEvent]]

_ASK_PAUSE: Final = 1.0
"""Balances are asked for no more often than this: a burst of fills is one question."""
_ASK_PAUSE_LONGEST: Final = 60.0
_REPORT: Final = msgspec.json.Decoder(wire.ExecutionReport)
_SPOT_BALANCES: Final = msgspec.json.Decoder(wire.AccountPosition)
_ORDER: Final = msgspec.json.Decoder(wire.OrderUpdate)
_ALGO: Final = msgspec.json.Decoder(wire.AlgoUpdate)
_ACCOUNT: Final = msgspec.json.Decoder(wire.AccountUpdate)
_CONFIG: Final = msgspec.json.Decoder(wire.ConfigUpdate)
_CALL: Final = msgspec.json.Decoder(wire.MarginCall)
_TRIGGER: Final = msgspec.json.Decoder(wire.TriggerRefusal)


class UserData:
    """One subscription of the account's events, and what must be remembered to lose none.

    Messages about USD-M balances do not say what is free: balances there are asked for after each, once a second at
    most. After a loss Binance answers for one symbol at a time, so this keeps which orders were open (each is asked
    for), and which symbols may have traded: those with orders, those whose fees were paid (USD-M), those both of whose
    assets changed (spot).
    """

    def __init__(self, plugin: BinanceTrading) -> None:
        self._plugin = plugin
        self._open: dict[tuple[str, str], Symbol] = {}
        self._totals: dict[tuple[str, str], Decimal] = {}
        self._lost_at: dict[str, dict[tuple[str, str], Decimal]] = {}
        """By market, what was there when a backfill began, until one succeeds."""
        self._net: dict[str, PositionSide] = {}
        self._strange: set[tuple[str, str]] = set()
        self._asking: set[str] = set()
        self._again: set[str] = set()
        channels = {SPOT: (tables.SPOT_USER, self._on_spot), USDM: (plugin.usdm_user, self._on_usdm)}
        self._feed = UserFeed(
            plugin.streams,
            [UserChannel(*channels[market]) for market in plugin.markets],
            self._backfill,
        )

    @property
    def source(self) -> StreamSource[UserEvent]:
        return self._feed.source

    # --- spot

    def _on_spot(self, frame: msgspec.Raw, received_ms: int) -> Iterable[UserEvent]:
        event = wire.event_in(frame)
        match event.kind:
            case "executionReport":
                report = _REPORT.decode(event.body)
                return self._of(
                    SPOT,
                    report.s,
                    lambda symbol: self._step(
                        symbol, orders.spot_report(report, symbol), orders.pushed_fill(report, symbol)
                    ),
                )
            case "outboundAccountPosition":
                balances = account.pushed_balances(_SPOT_BALANCES.decode(event.body))
                self._totals.update(((SPOT, balance.asset), balance.total) for balance in balances)
                return balances
            case "externalLockUpdate":
                self._ask_balances(SPOT)
        # balanceUpdate comes with an outboundAccountPosition, listStatus with an executionReport for each order.
        return ()

    # --- USD-M

    def _on_usdm(self, frame: msgspec.Raw, received_ms: int) -> Iterable[UserEvent]:
        event = wire.event_in(frame)
        match event.kind:
            case "ORDER_TRADE_UPDATE":
                update = _ORDER.decode(event.body).o
                return self._of(USDM, update.s, lambda symbol: self._usdm_step(update, symbol))
            case "ALGO_UPDATE":
                algo = _ALGO.decode(event.body)
                return self._of(USDM, algo.o.s, lambda symbol: self._algo_step(algo, symbol))
            case "ACCOUNT_UPDATE":
                return self._on_account(_ACCOUNT.decode(event.body))
            case "ACCOUNT_CONFIG_UPDATE":
                self._on_config(_CONFIG.decode(event.body))
            case "MARGIN_CALL":
                called = ", ".join(f"{row.s} {row.ps}".strip() for row in _CALL.decode(event.body).p)
                self._report("margin call", f"margin call: the positions in {called} are near liquidation")
            case "CONDITIONAL_ORDER_TRIGGER_REJECT":
                refusal = _TRIGGER.decode(event.body).reason
                self._report("account", f"the conditional order {refusal.i} of {refusal.s} failed: {refusal.r}")
        # TRADE_LITE is an ORDER_TRADE_UPDATE that comes a little earlier and says less.
        return ()

    def _usdm_step(self, update: wire.OrderPush, symbol: Symbol) -> list[UserEvent]:
        conditionals = self._plugin.conditionals
        order, fill = conditionals.plain(orders.usdm_update(update, symbol)), orders.pushed_fill(update, symbol)
        return self._step(symbol, order, None if fill is None else conditionals.fill(fill))

    def _algo_step(self, update: wire.AlgoUpdate, symbol: Symbol) -> list[UserEvent]:
        order = orders.usdm_algo(update.o, symbol, update.T)
        return self._step(symbol, self._plugin.conditionals.see(order, update.o.ai), None)

    def _on_account(self, update: wire.AccountUpdate) -> list[UserEvent]:
        if update.a.B:
            self._ask_balances(USDM)
        events: list[UserEvent] = []
        for row in update.a.P:
            events += self._of(USDM, row.s, lambda symbol, row=row: self._position(row, symbol, update.T))  # type: ignore[misc]
        return events

    def _position(self, row: wire.Holding, symbol: Symbol, timestamp_ms: int) -> list[UserEvent]:
        """One position, and in one-way mode the other side's end where it was there."""
        leverage = self._plugin.leverages.get(symbol.venue_id)

        def told(side: PositionSide) -> Position:
            return account.pushed_position(row, symbol, side, leverage=leverage, timestamp_ms=timestamp_ms)

        if row.ps != "BOTH":
            return [told(orders.POSITION_SIDES[row.ps])]
        before = self._net.pop(symbol.name, None)
        if not row.pa:
            sides = (PositionSide.LONG, PositionSide.SHORT) if before is None else (before,)
            return [told(side) for side in sides]
        side = self._net[symbol.name] = account.side_of(row.ps, row.pa)
        events: list[UserEvent] = [told(side)]
        if before not in (None, side):
            ended = attrs.evolve(told(side), side=before, amount=Decimal(0), entry_price=None, unrealized_pnl=None)
            events.insert(0, ended)
        return events

    def _on_config(self, update: wire.ConfigUpdate) -> None:
        if update.ac is None:
            return
        self._plugin.leverages[update.ac.s] = Decimal(update.ac.l)
        symbol = self._plugin.known(USDM, update.ac.s)
        if symbol is not None:
            self._spawn(self._bring(lambda: self._plugin.get_positions(symbol)), "positions after a new leverage")

    def _report(self, where: str, message: str) -> None:
        self._plugin.streams.report(ExchangeError(message, exchange=self._plugin.config.name), where=where)

    # --- orders and their symbols

    def _step(self, symbol: Symbol, order: Order, fill: Fill | None) -> list[UserEvent]:
        """An order's event: what was executed first, then where the order stands."""
        self._note(order, symbol)
        return [order] if fill is None else [fill, order]

    def _note(self, order: Order, symbol: Symbol) -> None:
        self._plugin.traded[symbol.name] = symbol
        if order.id is not None:
            if order.status.final:
                self._open.pop((symbol.name, order.id), None)
            else:
                self._open[symbol.name, order.id] = symbol

    def _of(self, market: str, venue_id: str, make: Make) -> Iterable[UserEvent]:
        """The events of a symbol. One that is not known may be new: they come after the next look at the listing."""
        symbol = self._plugin.known(market, venue_id)
        if symbol is not None:
            return make(symbol)
        if (market, venue_id) in self._strange:
            self._plugin.unlisted(market, venue_id)
        else:
            self._spawn(self._later(market, venue_id, make), f"the listing of {venue_id}")
        return ()

    async def _later(self, market: str, venue_id: str, make: Make) -> None:
        if self._plugin.known(market, venue_id) is None:
            await self._plugin.get_symbols()
        symbol = self._plugin.known(market, venue_id)
        if symbol is None:
            self._strange.add((market, venue_id))
            self._plugin.unlisted(market, venue_id)
        else:
            self._feed.bring(make(symbol), self._plugin.context.now_ms())

    def _spawn(self, work: Coroutine[object, object, None], name: str) -> None:
        self._plugin.streams.spawn(work, name=name)

    async def _bring(self, ask: Callable[[], Awaitable[Iterable[UserEvent]]]) -> None:
        self._feed.bring(await ask(), self._plugin.context.now_ms())

    # --- balances that are asked for

    def _ask_balances(self, market: str) -> None:
        if market in self._asking:
            self._again.add(market)
        else:
            self._asking.add(market)
            self._spawn(self._balances_now(market), f"{market} balances")

    async def _balances_now(self, market: str) -> None:
        pause = _ASK_PAUSE
        try:
            while True:
                self._again.discard(market)
                try:
                    self._feed.bring(await self._balances(market), self._plugin.context.now_ms())
                    pause = _ASK_PAUSE
                except ExchangeError as error:
                    self._plugin.streams.report(error, where=f"{market} balances")
                    self._again.add(market)
                    pause = min(2 * pause, _ASK_PAUSE_LONGEST)
                await asyncio.sleep(pause)
                if market not in self._again:
                    return
        finally:
            self._asking.discard(market)

    async def _balances(self, market: str) -> list[Balance]:
        """What is there now, and zeros for what was there before."""
        balances = await self._plugin.wallet(market)
        there = {balance.asset for balance in balances}
        for owner, asset in [key for key, total in self._totals.items() if total]:
            if owner == market and asset not in there:
                balances.append(Balance(asset=asset, market=market, free=Decimal(0), total=Decimal(0)))
        self._totals.update(((market, balance.asset), balance.total) for balance in balances)
        return balances

    # --- the backfill

    async def _backfill(self, since_ms: int | None) -> list[UserEvent]:
        """How the account stands, and what happened since ``since_ms``."""
        await self._plugin.listed()
        parts = await asyncio.gather(*(self._market_now(market, since_ms) for market in self._plugin.markets))
        # Only now: a backfill that fails is begun anew, and must find all of it again.
        self._lost_at.clear()
        listed = (await self._plugin.listed()).values()
        by_name = {**self._plugin.traded, **{symbol.name: symbol for symbol in listed}}
        for steps, _ in parts:
            for step in steps:
                if isinstance(step, Order):
                    self._note(step, by_name[step.symbol])
        return [event for steps, _ in parts for event in steps] + [event for _, states in parts for event in states]

    async def _market_now(self, market: str, since_ms: int | None) -> tuple[list[UserEvent], list[UserEvent]]:
        plugin = self._plugin
        totals = self._lost_at.setdefault(market, dict(self._totals))
        before = {key: symbol for key, symbol in self._open.items() if symbol.market == market}
        opened = await plugin.open_orders(market)
        states: list[UserEvent] = [*await self._balances(market)]
        if market == USDM:
            positions = await plugin.get_positions()
            self._net = {position.symbol: position.side for position in positions if not position.hedge_mode}
            states += positions
        steps: list[UserEvent] = []
        if since_ms is not None:
            gone = before.keys() - {(order.symbol, order.id) for order in opened}
            ended = [await self._ended(before[key], key[1]) for key in sorted(gone)]
            symbols = await self._may_have_traded(market, since_ms, totals)
            found: list[Order | Fill] = [order for order in ended if order is not None]
            for symbol in symbols:
                found += await self._since(symbol, since_ms)
            steps += sorted(found, key=lambda step: step.timestamp_ms or 0)
        return [*steps, *opened], states

    async def _ended(self, symbol: Symbol, order_id: str) -> Order | None:
        """What became of an order that is not open any more; None where the venue has forgotten it."""
        try:
            return await self._plugin.get_order(order_id, symbol)
        except OrderNotFound as error:
            self._open.pop((symbol.name, order_id), None)
            self._plugin.streams.report(error, where="account")
            return None

    async def _may_have_traded(
        self, market: str, since_ms: int, totals: dict[tuple[str, str], Decimal]
    ) -> Sequence[Symbol]:
        listed = await self._plugin.listed()
        found = {symbol.name: symbol for symbol in self._plugin.traded.values() if symbol.market == market}
        if market == USDM:
            for venue_id in await self._plugin.paid_fees(since_ms):
                symbol = listed.get((market, venue_id))
                if symbol is None:
                    self._plugin.unlisted(market, venue_id)
                else:
                    found[symbol.name] = symbol
        else:
            changed = {key[1] for key, total in self._totals.items() if key[0] == market and total != totals.get(key)}
            found.update(
                (symbol.name, symbol)
                for symbol in listed.values()
                if symbol.market == market and symbol.base in changed and symbol.quote in changed
            )
        return [found[name] for name in sorted(found)]

    async def _since(self, symbol: Symbol, since_ms: int) -> list[Order | Fill]:
        """Orders that ended and fills of one symbol, all pages."""
        plugin, until_ms = self._plugin, self._plugin.clock.now_ms()
        ended = await _paged(plugin.orders_page, symbol, since_ms, until_ms, lambda order: order.created_ms or 0)
        fills = await _paged(plugin.get_trade_history, symbol, since_ms, until_ms, lambda fill: fill.timestamp_ms)
        return [*(order for order in ended if order.status.final), *fills]


async def _paged(
    ask: Callable[..., Awaitable[Sequence[T]]],
    symbol: Symbol,
    since_ms: int,
    until_ms: int,
    time_of: Callable[[T], int],
) -> list[T]:
    """Every page from ``since_ms`` on: after a full one from its last row, after another from the next window."""
    found: list[T] = []
    window = tables.WINDOW_MS[symbol.market]
    while since_ms <= until_ms:
        page = await ask(symbol, since=since_ms, limit=tables.MAX_PAGE)
        found += page
        full = len(page) >= tables.MAX_PAGE
        since_ms = max(max(map(time_of, page)), since_ms + 1) if full else since_ms + window
    return found
