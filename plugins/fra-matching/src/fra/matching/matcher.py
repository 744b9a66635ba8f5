"""Matching: what an order meets, at which price, and what a trade does to both its parties."""

from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal

import attrs

from fra.matching.account import Account
from fra.matching.admission import is_reducing
from fra.matching.events import BalanceReason, Filled, OutsideTaken, Traded
from fra.matching.floor import Floor
from fra.matching.instrument import ZERO, exact
from fra.matching.market import Market
from fra.matching.order import Fill, Order, OrderStatus, OrderType, Side, TimeInForce
from fra.matching.position import Holding
from fra.matching.refusals import Reason

# An account and its order; None is the outside.
Party = tuple[Account, Order] | None


def reduces(order: Order) -> bool:
    return is_reducing(order.side, order.position_side, order.reduce_only)


def liquidity(market: Market, side: Side, limit: Decimal | None) -> Iterator[tuple[Decimal, Decimal, Party]]:
    """What a taker of ``side`` meets, best first, each as if all before it had been taken: price, amount, maker.

    At equal price accounts' orders come before the outside. Of a reducing order only what its position then still
    allows.
    """
    makers, levels = iter(market.resting[side.opposite]), iter(market.outside[side.opposite])
    maker, level = next(makers, None), next(levels, None)
    amounts: dict[int, Decimal] = {}  # of makers' positions, as they would be
    while maker is not None or level is not None:
        if maker is not None and (level is None or (maker[0] - level[0]) * side.sign <= 0):
            price, account, order = maker
            amount, party = order.remaining, (account, order)
            if not market.instrument.is_spot:
                holding = account.holding(market.instrument, order.position_side)
                before = amounts.get(id(holding), holding.amount)
                if reduces(order):
                    amount = min(amount, max(-before * order.side.sign, ZERO))
                amounts[id(holding)] = before + amount * order.side.sign
            found: tuple[Decimal, Decimal, Party] = price, amount, party
            maker = next(makers, None)
        else:
            assert level is not None
            found = *level, None
            level = next(levels, None)
        if limit is not None and (found[0] - limit) * side.sign > 0:
            return
        if found[1]:
            yield found


class Matcher:
    """Runs orders against a market, and settles each trade in full before the next."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._journal = floor.journal
        self.dirty: dict[str, None] = {}  # markets whose prices or positions moved
        self.losers: dict[str, Market] = {}  # accounts that realised a loss, and where

    # -- the life of an order
    def start(self, account: Account, market: Market, order: Order, *, takeable: Decimal) -> Order:
        """Accept an admitted order, take what there is (``takeable``, as admitted) and let the rest rest or expire."""
        account.orders[order.id] = order
        account.open[order.id] = None
        if order.client_id is not None:
            account.by_client_id[order.client_id] = order.id
        self._floor.tell_order(order)
        if order.time_in_force is TimeInForce.FOK and takeable < order.amount:
            return self.finish(account, market, order, OrderStatus.EXPIRED, Reason.TIME_IN_FORCE)
        order = self._hold(account, market, order)
        self._floor.tell_balances()
        if takeable:
            order = self.take(account, market, order)
        if order.liquidation and order.remaining:
            assert market.mark is not None
            self.trade(market, market.mark, order.remaining, order.side, (account, order), None)
            order = account.orders[order.id]
        if not order.status.is_open:
            return order
        reducing = reduces(order)
        if reducing and not account.holding(market.instrument, order.position_side).closable(order.side):
            return self.finish(account, market, order, OrderStatus.EXPIRED, Reason.REDUCE_ONLY)
        if order.type is OrderType.LIMIT and order.time_in_force is TimeInForce.GTC:
            if reducing:
                account.reducers[order.id] = None
            market.resting[order.side].add(account, order)
            return order
        reason = Reason.NO_LIQUIDITY if order.type is OrderType.MARKET else Reason.TIME_IN_FORCE
        return self.finish(account, market, order, OrderStatus.EXPIRED, reason)

    def finish(
        self, account: Account, market: Market, order: Order, status: OrderStatus, reason: Reason | None
    ) -> Order:
        """End an open order short of its amount."""
        order = attrs.evolve(order, status=status, reason=reason, updated_ms=self._journal.now_ms)
        order = self._hold(account, market, order)
        self._forget(account, market, order)
        self._floor.tell_order(order)
        self._floor.tell_balances()
        return order

    def take(self, account: Account, market: Market, order: Order) -> Order:
        """Match an order for as long as it meets something."""
        taken: list[tuple[Decimal, Decimal]] = []
        reducing = reduces(order)
        while order.remaining:
            left = order.remaining
            if reducing:
                left = min(left, account.holding(market.instrument, order.position_side).closable(order.side))
            best = next(liquidity(market, order.side, order.price), None) if left else None
            if best is None:
                break
            price, amount, maker = best
            amount = min(amount, left)
            if maker is None:
                market.outside[order.side.opposite].take(price, amount)
                taken.append((price, amount))
            self.trade(market, price, amount, order.side, (account, order), maker)
            order = account.orders[order.id]
        self._tell_taken(market, order.side.opposite, taken)
        return order

    def cross(self, market: Market, side: Side) -> None:
        """Fill the resting orders of ``side`` at or through which outside levels stand, at the orders' prices."""
        taken: list[tuple[Decimal, Decimal]] = []
        outside = market.outside[side.opposite]
        while market.resting[side] and (level := next(iter(outside), None)) is not None:
            found = next(_makers(market, side.opposite, level[0]), None)
            if found is None:
                break
            price, amount, maker = found
            amount = min(amount, level[1])
            outside.take(level[0], amount)
            taken.append((level[0], amount))
            self.trade(market, price, amount, side.opposite, None, maker)
        self._tell_taken(market, side.opposite, taken)

    def hit(self, market: Market, side: Side, price: Decimal, amount: Decimal) -> None:
        """Let an outside taker of ``side`` that traded at ``price`` fill resting orders no worse than that."""
        amount = market.instrument.floor(amount)
        while amount and market.resting[side.opposite]:
            found = next(_makers(market, side, price), None)
            if found is None:
                return
            at, left, maker = found
            self.trade(market, at, min(left, amount), side, None, maker)
            amount -= min(left, amount)

    def _tell_taken(self, market: Market, side: Side, taken: list[tuple[Decimal, Decimal]]) -> None:
        if taken:
            levels: dict[Decimal, Decimal] = {}
            for price, amount in taken:
                levels[price] = levels.get(price, ZERO) + amount
            event = OutsideTaken(
                seq=self._journal.seq(),
                timestamp_ms=self._journal.now_ms,
                symbol=market.instrument.symbol,
                side=side,
                levels=tuple(levels.items()),
            )
            self._journal.tell(event)

    # -- a trade
    def trade(self, market: Market, price: Decimal, amount: Decimal, side: Side, taker: Party, maker: Party) -> None:
        """Trade ``amount`` at ``price``; ``side`` is the taker's."""
        floor, instrument = self._floor, market.instrument
        trade_id = next(self._journal.trade_ids)
        market.last = price
        self.dirty[instrument.symbol] = None
        public = Traded(
            seq=self._journal.seq(),
            timestamp_ms=self._journal.now_ms,
            trade_id=trade_id,
            symbol=instrument.symbol,
            price=price,
            amount=amount,
            side=side,
        )
        self._journal.tell(public)
        if instrument.is_spot:
            buyer, seller = (taker, maker) if side is Side.BUY else (maker, taker)
            pays, gets = (floor.holder(party[0] if party else None, instrument) for party in (buyer, seller))
            # Downwards, so that the sum of an order's fills is never more than was held for it.
            cost = exact(instrument.value(amount, price), ROUND_DOWN)
            floor.move(pays, gets, instrument.quote, cost, BalanceReason.ORDER)
            floor.move(gets, pays, instrument.base, amount, BalanceReason.ORDER)
        else:
            cost = exact(instrument.value(amount, price))
        for party, party_side in ((maker, side.opposite), (taker, side)):
            if party is not None:
                self._fill(*party, market, price, amount, cost, trade_id, is_maker=party is maker)
            elif not instrument.is_spot:
                profit = market.outside_holding.apply(instrument, party_side, price, amount, Decimal(1))
                floor.clear(floor.holder(None, instrument), instrument.settle, profit, BalanceReason.ORDER)
        floor.tell_balances()
        for party in (maker, taker):
            if party is not None and party[0].reducers:
                self._expire_reducers(party[0], market)

    def _fill(
        self,
        account: Account,
        order: Order,
        market: Market,
        price: Decimal,
        amount: Decimal,
        cost: Decimal,
        trade_id: int,
        *,
        is_maker: bool,
    ) -> None:
        floor, instrument, journal = self._floor, market.instrument, self._journal
        order = account.orders[order.id]  # it may have traded with another order of its own account
        payer = floor.holder(account, instrument)
        rate = instrument.maker_fee if is_maker else instrument.taker_fee
        realised = ZERO
        holding: Holding | None = None
        if not instrument.is_spot:
            holding = account.holding(instrument, order.position_side)
            if not holding.amount:
                holding.opened_ms = journal.now_ms
            holding.updated_ms = journal.now_ms
            reason = BalanceReason.LIQUIDATION if order.liquidation else BalanceReason.ORDER
            realised = holding.apply(instrument, order.side, price, amount, account.leverage(instrument))
            floor.clear(payer, instrument.settle, realised, reason)
            floor.touch_free(account, instrument, instrument.settle)
            self._note_holder(account, market)
            if realised < 0:
                self.losers[account.name] = market
        fee = exact((amount if order.fee_asset == instrument.base and instrument.is_spot else cost) * rate)
        floor.pay_fee(payer, order.fee_asset, fee)

        filled, total = order.filled + amount, order.cost + cost
        order = attrs.evolve(
            order,
            filled=filled,
            cost=total,
            average=instrument.price_of(filled, total),
            fee=order.fee + fee,
            status=OrderStatus.FILLED if filled == order.amount else OrderStatus.PARTIALLY_FILLED,
            updated_ms=journal.now_ms,
        )
        order = self._hold(account, market, order)
        if not order.status.is_open:
            self._forget(account, market, order)
        fill = Fill(
            trade_id=trade_id,
            order_id=order.id,
            client_id=order.client_id,
            account=account.name,
            symbol=order.symbol,
            side=order.side,
            position_side=order.position_side,
            price=price,
            amount=amount,
            fee=fee,
            fee_asset=order.fee_asset,
            maker=is_maker,
            realised=realised,
            timestamp_ms=journal.now_ms,
        )
        account.fills.append(fill)
        journal.tell(Filled(seq=journal.seq(), timestamp_ms=journal.now_ms, fill=fill, order=order))
        if holding is not None:
            floor.tell_position(account, market, holding)

    def _note_holder(self, account: Account, market: Market) -> None:
        if self._floor.holdings(market, account):
            market.holders[account.name] = account
        else:
            market.holders.pop(account.name, None)

    def _expire_reducers(self, account: Account, market: Market) -> None:
        """End resting orders that have nothing left to reduce."""
        for order in [account.orders[order_id] for order_id in account.reducers]:
            if order.symbol != market.instrument.symbol:
                continue
            if not account.holding(market.instrument, order.position_side).closable(order.side):
                self.finish(account, market, order, OrderStatus.EXPIRED, Reason.REDUCE_ONLY)

    # -- what an order holds
    def _hold(self, account: Account, market: Market, order: Order) -> Order:
        """Hold what the order's rest needs now, no more and no less, and keep the order."""
        instrument = market.instrument
        held = _held(market, order)
        change = held - order.held
        if change:
            if instrument.is_spot:
                asset = instrument.quote if order.side is Side.BUY else instrument.base
                self._floor.hold(account, instrument, asset, change)
            else:
                holding = account.holding(instrument, order.position_side)
                if order.side is Side.BUY:
                    holding.bids += change
                else:
                    holding.asks += change
                self._floor.touch_free(account, instrument, instrument.settle)
            order = attrs.evolve(order, held=held)
        account.orders[order.id] = order
        return order

    def _forget(self, account: Account, market: Market, order: Order) -> None:
        account.open.pop(order.id, None)
        account.reducers.pop(order.id, None)
        market.waiting.pop(order.id, None)
        if order.price is not None:
            market.resting[order.side].remove(order)


def _held(market: Market, order: Order) -> Decimal:
    if order.price is None or not order.status.is_open or order.status is OrderStatus.UNTRIGGERED:
        return ZERO
    instrument = market.instrument
    if instrument.is_spot:
        return exact(order.remaining * order.price, ROUND_CEILING) if order.side is Side.BUY else order.remaining
    return ZERO if reduces(order) else exact(instrument.value(order.remaining, order.price))


def _makers(market: Market, side: Side, limit: Decimal) -> Iterator[tuple[Decimal, Decimal, Party]]:
    return (found for found in liquidity(market, side, limit) if found[2] is not None)
