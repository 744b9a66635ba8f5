"""Trading: whether an order may be placed now, and the orders that wait for their trigger."""

from collections.abc import Collection
from decimal import Decimal

import attrs

from fra.matching import admission
from fra.matching.account import Account
from fra.matching.floor import Floor
from fra.matching.instrument import ZERO, Instrument, exact
from fra.matching.margin import needed, opened
from fra.matching.market import Market
from fra.matching.matcher import Matcher, liquidity, reduces
from fra.matching.order import Order, OrderRequest, OrderStatus, OrderType, Side, TriggerBy
from fra.matching.refusals import Reason, Refused


@attrs.frozen
class _Takeable:
    """What an order would take at once: its amount, and what that is worth in settle coin."""

    amount: Decimal
    value: Decimal


class Trading:
    """Checks orders against the market and the account's money, and hands them to the `Matcher`."""

    def __init__(self, floor: Floor, matcher: Matcher) -> None:
        self._floor = floor
        self._matcher = matcher

    def place(self, account: Account, market: Market, request: OrderRequest, expire: Collection[Reason]) -> Order:
        """:raises Refused: for any reason that is not in ``expire``."""
        account.wallet(market.instrument)
        admission.check(account, market.instrument, request)
        order = self._order(account, market.instrument, request)
        if request.trigger is not None:
            if not _is_reached(market, order):
                return self._wait(account, market, attrs.evolve(order, status=OrderStatus.UNTRIGGERED))
            order = attrs.evolve(order, triggered_ms=order.created_ms)
        try:
            order, takeable = self._admit(account, market, order)
        except Refused as refused:
            if refused.reason not in expire:
                raise
            order = self._register(account, order)
            return self._matcher.finish(account, market, order, OrderStatus.EXPIRED, refused.reason)
        order = attrs.evolve(order, id=next(self._floor.journal.order_ids))
        return self._matcher.start(account, market, order, takeable=takeable.amount)

    def cancel(self, account: Account, order: Order, reason: Reason | None = None) -> Order:
        """:raises Refused: ORDER_CLOSED."""
        if not order.status.is_open:
            raise Refused(Reason.ORDER_CLOSED, f"order {order.id} is {order.status.value}")
        market = self._floor.markets[order.symbol]
        return self._matcher.finish(account, market, order, OrderStatus.CANCELED, reason)

    def fire(self, market: Market) -> None:
        """Set off every waiting order whose price is reached, oldest first."""
        for order_id, account in list(market.waiting.items()):
            order = account.orders[order_id]
            if not order.status.is_open or not _is_reached(market, order):
                continue
            market.waiting.pop(order_id, None)
            now_ms = self._floor.journal.now_ms
            order = attrs.evolve(order, status=OrderStatus.NEW, triggered_ms=now_ms, updated_ms=now_ms)
            try:
                order, takeable = self._admit(account, market, order)
            except Refused as refused:
                expired = refused.reason in (Reason.REDUCE_ONLY, Reason.WOULD_TAKE)
                status = OrderStatus.EXPIRED if expired else OrderStatus.REJECTED
                self._matcher.finish(account, market, order, status, refused.reason)
            else:
                self._matcher.start(account, market, order, takeable=takeable.amount)

    def _wait(self, account: Account, market: Market, order: Order) -> Order:
        order = self._register(account, order)
        market.waiting[order.id] = account
        return order

    def _register(self, account: Account, order: Order) -> Order:
        order = attrs.evolve(order, id=next(self._floor.journal.order_ids))
        account.orders[order.id] = order
        account.open[order.id] = None
        if order.client_id is not None:
            account.by_client_id[order.client_id] = order.id
        self._floor.tell_order(order)
        return order

    def _order(self, account: Account, instrument: Instrument, request: OrderRequest) -> Order:
        now_ms = self._floor.journal.now_ms
        spot_buy = instrument.is_spot and request.side is Side.BUY
        return Order(
            id=0,  # it has one when it is accepted
            client_id=request.client_id,
            account=account.name,
            symbol=request.symbol,
            side=request.side,
            type=request.type,
            amount=ZERO if request.amount is None else request.amount,
            quote_amount=request.quote_amount,
            price=request.price,
            time_in_force=request.time_in_force,
            post_only=request.post_only,
            reduce_only=request.reduce_only,
            position_side=request.position_side,
            trigger=request.trigger,
            status=OrderStatus.NEW,
            created_ms=now_ms,
            updated_ms=now_ms,
            fee_asset=instrument.base if spot_buy else instrument.settle,
        )

    # -- what the market and the money say
    def _admit(self, account: Account, market: Market, order: Order) -> tuple[Order, _Takeable]:
        """The order as it may start, and what it will take. :raises Refused:"""
        instrument = market.instrument
        if order.post_only and next(liquidity(market, order.side, order.price), None) is not None:
            raise Refused(Reason.WOULD_TAKE, "a post-only order would take")
        most = order.amount
        reducing = reduces(order)
        if reducing:
            closable = account.holding(instrument, order.position_side).closable(order.side)
            if not closable or (not order.reduce_only and order.amount > closable):
                raise Refused(Reason.REDUCE_ONLY, f"{closable} can be closed with a {order.side.value}", limit=closable)
            most = min(most, closable)
        if order.quote_amount is not None:
            wanted, takeable = self._buy_for(market, order.quote_amount)
            order = attrs.evolve(order, amount=wanted)
        else:
            takeable = self._take_up_to(market, order, most)
        if order.type is OrderType.MARKET and takeable.amount and not reducing and order.quote_amount is None:
            price = instrument.price_of(takeable.amount, takeable.value)
            if price is not None:
                admission.check_notional(instrument, instrument.notional(order.amount, price))
        if instrument.is_spot:
            self._check_spot(account, instrument, order, takeable)
        elif not reducing:
            self._check_margin(account, market, order, takeable)
        return order, takeable

    def _take_up_to(self, market: Market, order: Order, most: Decimal) -> _Takeable:
        amount, value = ZERO, ZERO
        for price, there, _ in liquidity(market, order.side, order.price):
            part = min(there, most - amount)
            amount += part
            value += exact(market.instrument.value(part, price))
            if amount >= most:
                break
        return _Takeable(amount, value)

    def _buy_for(self, market: Market, quote: Decimal) -> tuple[Decimal, _Takeable]:
        """What so much quote coin buys in whole lots, and what of it is there.

        The two differ if the book ends first: the rest is then reckoned at the last price met.

        :raises Refused: MIN_AMOUNT if it is too little.
        """
        instrument = market.instrument
        amount, value, price = ZERO, ZERO, None
        for price, there, _ in liquidity(market, Side.BUY, None):
            part = min(there, instrument.floor((quote - value) / price))
            amount += part
            value += exact(instrument.value(part, price))
            if part < there:
                break
        if price is None:
            return ZERO, _Takeable(ZERO, ZERO)
        if amount < max(instrument.min_amount, instrument.lot):
            raise Refused(
                Reason.MIN_AMOUNT,
                f"{quote} {instrument.quote} buys {amount}, below the minimum {instrument.min_amount}",
                limit=instrument.min_amount,
            )
        return amount + instrument.floor((quote - value) / price), _Takeable(amount, value)

    def _check_spot(self, account: Account, instrument: Instrument, order: Order, takeable: _Takeable) -> None:
        if order.side is Side.SELL:
            asset, wanted = instrument.base, order.amount
        else:
            asset = instrument.quote
            wanted = takeable.value if order.price is None else order.amount * order.price
            if order.quote_amount is not None:
                wanted = order.quote_amount
        free = self._floor.standing(account, account.wallet(instrument), asset).free
        if wanted > free:
            raise Refused(Reason.INSUFFICIENT_FUNDS, f"needs {wanted} {asset}, free is {free}", limit=free)

    def _check_margin(self, account: Account, market: Market, order: Order, takeable: _Takeable) -> None:
        """Enough for the initial margin, the fee and the loss of what is taken worse than the mark; and above
        maintenance.
        """
        instrument, sign = market.instrument, order.side.sign
        value = takeable.value
        if order.price is not None:
            value += exact(instrument.value(order.amount - takeable.amount, order.price))
        holding = account.holding(instrument, order.position_side)
        bids, asks = holding.bids, holding.asks
        if order.side is Side.BUY:
            bids += value
        else:
            asks += value
        before = needed(account, market, holding, holding.bids, holding.asks)
        opening = opened(instrument, holding, market.mark, bids, asks)
        margin = needed(account, market, holding, bids, asks) - before
        if margin <= 0:
            return
        loss = ZERO
        if market.mark is not None:
            loss = max(ZERO, -instrument.pnl(sign * takeable.amount, sign * takeable.value, market.mark))
        wallet = self._floor.standing(account, account.wallet(instrument), instrument.settle)
        if margin + loss > wallet.available:
            raise Refused(
                Reason.INSUFFICIENT_FUNDS,
                f"needs {margin + loss} {instrument.settle}, available is {wallet.available}",
                limit=wallet.available,
            )
        if wallet.cross_equity - loss < wallet.cross_maintenance + opening * instrument.maintenance_rate:
            raise Refused(Reason.MARGIN, "the account would be below its maintenance margin")


def _is_reached(market: Market, order: Order) -> bool:
    trigger = order.trigger
    assert trigger is not None
    price = market.last if trigger.by is TriggerBy.LAST else market.mark
    return price is not None and trigger.reached(order.side, price)
