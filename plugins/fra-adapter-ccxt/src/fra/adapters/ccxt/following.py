"""Following an account on ccxt: its stream, and how it stands when that begins."""

from __future__ import annotations

from fra.adapters.ccxt.errors import MALFORMED
from fra.adapters.ccxt.trading import CCXTTrading
from fra.adapters.ccxt.user import UserFeed
from fra.core import (
    Balance,
    ExchangeAPIError,
    Operation,
    Order,
    OrderNotFound,
    StreamSource,
    Symbol,
    SymbolNotFound,
    UserEvent,
)


class CCXTFollowing(CCXTTrading):
    """The part of an adapter on ccxt that follows its account."""

    def subscribe_user_data(self) -> StreamSource[UserEvent]:
        """Orders, fills, balances and positions, as far as ccxt streams each; see :class:`UserFeed`."""
        return UserFeed(self).source

    async def account_now(self, since_ms: int) -> list[UserEvent]:
        """How the account stands: open orders, balances, positions; and what ended since ``since_ms``, of the symbols
        that this instance has traded or met on the account: most venues answer for one symbol at a time. Lists of what
        ended go by when it was made: what was open when it was told last, and is not any more, is asked for by its id.
        """
        before = tuple(self._open)
        events: list[UserEvent] = [*await self.get_open_orders(), *await self.get_balance()]
        if self.capabilities.support(Operation.GET_POSITIONS):
            events += await self.get_positions()
        self.traded |= {event.symbol for event in events if not isinstance(event, Balance)}
        for name in sorted(self.traded & self.symbols.keys()):
            symbol = self.symbol(name)
            events += await self.get_order_history(symbol, since=since_ms)
            events += await self.get_trade_history(symbol, since=since_ms)
        told = {(event.symbol, event.id) for event in events if isinstance(event, Order)}
        for name, order_id in before:
            if (name, order_id) not in told and (name, order_id) in self._open and name in self.symbols:
                events += await self._ended(order_id, self.symbol(name))
        return events

    async def _ended(self, order_id: str, symbol: Symbol) -> list[Order]:
        """What became of an order that is not open any more.

        Nothing where the venue has forgotten it. An answer that cannot be read, or is of nothing that is listed, is
        reported, and the order asked for again after the next loss: one order must not keep the whole account from
        being followed.
        """
        try:
            return [await self.get_order(order_id, symbol)]
        except OrderNotFound as error:
            self._open.pop((symbol.name, order_id), None)
            self.report(error, "account")
        except (ExchangeAPIError, SymbolNotFound) as error:
            if isinstance(error, ExchangeAPIError) and error.code != MALFORMED:
                raise
            self.report(error, "account")
        return []
