"""Adapters that are wrong about the account and its orders, in one thing each."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs
from toy_adapter import ToyAdapter

from fra.core import (
    Balance,
    DuplicateOrder,
    ExchangeAPIError,
    ExchangeConnectionError,
    Fill,
    FundingPayment,
    InvalidOrder,
    Order,
    OrderNotFound,
    OrderOutcomeUnknown,
    OrderRequest,
    OrderStatus,
    Position,
    PositionSide,
    PriceLevel,
    StreamSource,
    Symbol,
    UserEvent,
)

OneSide = tuple[PriceLevel, ...]
Sides = tuple[OneSide, OneSide]


def scaled(sides: Sides, times: Decimal) -> Sides:
    bids, asks = (tuple(PriceLevel(price, amount * times) for price, amount in side) for side in sides)
    return bids, asks


class OrderNotFoundIsAnything(ToyAdapter):
    async def get_order(self, *args: Any, **ids: Any) -> Order:
        try:
            return await super().get_order(*args, **ids)
        except OrderNotFound as error:
            raise ExchangeAPIError("no such order", code=error.code) from None


class RetriedOrder(ToyAdapter):
    async def place(self, terms: dict[str, Any]) -> Any:
        try:
            return await super().place(terms)
        except OrderOutcomeUnknown:
            pass
        try:
            return await super().place(terms)
        except DuplicateOrder:  # so it has arrived
            return await self.ask("GET", "/order", signed=True, client=terms["client"])


class UnknownCalledRejected(ToyAdapter):
    async def place(self, terms: dict[str, Any]) -> Any:
        try:
            return await self.ask("POST", "/order", signed=True, **terms)
        except ExchangeConnectionError as error:
            raise InvalidOrder("the order was rejected") from error


class AmountInContracts(ToyAdapter):
    def amount(self, contracts: str, symbol: Symbol) -> Decimal:
        return Decimal(contracts)

    def contracts(self, amount: Decimal, symbol: Symbol) -> Decimal:
        return amount

    def ticker(self, row: Any, symbol: Symbol) -> Any:
        return attrs.evolve(super().ticker(row, symbol), volume=symbol.amount(Decimal(row["contracts"])))

    def kline_volume(self, row: Any, symbol: Symbol) -> Decimal:
        return symbol.amount(Decimal(row["contracts"]))


class FillOrKillRests(ToyAdapter):
    def lives(self, request: OrderRequest) -> str:
        return super().lives(request).replace("fok", "gtc")


class PostOnlyTakes(ToyAdapter):
    def rests(self, request: OrderRequest) -> bool:
        return False


class DoubledFill(ToyAdapter):
    def tell_fill(self, fill: Fill, source: StreamSource[UserEvent]) -> None:
        super().tell_fill(fill, source)
        super().tell_fill(attrs.evolve(fill, trade_id=f"{fill.trade_id}-again"), source)


class ReorderedFills(ToyAdapter):
    async def get_trade_history(self, symbol: Symbol | None = None, **page: Any) -> Sequence[Fill]:
        return (await super().get_trade_history(symbol, **page))[::-1]


class TotalWithoutWhatIsHeld(ToyAdapter):
    async def get_balance(self, market: str | None = None) -> Sequence[Balance]:
        return [attrs.evolve(row, total=row.total - row.free) for row in await super().get_balance(market)]


class PastOrdersNewestFirst(ToyAdapter):
    async def get_order_history(self, symbol: Symbol | None = None, **page: Any) -> Sequence[Order]:
        return (await super().get_order_history(symbol, **page))[::-1]


class PositionTwice(ToyAdapter):
    async def get_positions(self, symbol: Symbol | None = None) -> Sequence[Position]:
        return [attrs.evolve(row, amount=2 * row.amount) for row in await super().get_positions(symbol)]


class GoneIsOpen(ToyAdapter):
    async def cancel_order(self, *args: Any, **ids: Any) -> Order:
        try:
            return await super().cancel_order(*args, **ids)
        except OrderNotFound:
            return attrs.evolve(await self.get_order(*args, **ids), status=OrderStatus.OPEN)


class BooksInContracts(ToyAdapter):
    def sides(self, row: Any, symbol: Symbol) -> Sides:
        return scaled(super().sides(row, symbol), 1 / symbol.contract_size)


class PaidInBaseCoin(ToyAdapter):
    def payment(self, row: Any, symbol: Symbol) -> FundingPayment:
        return attrs.evolve(super().payment(row, symbol), asset=symbol.base)


class FlatPosition(ToyAdapter):
    async def get_positions(self, symbol: Symbol | None = None) -> Sequence[Position]:
        one = symbol or (await self.get_symbols())[0]
        flat = Position(symbol=one.name, side=PositionSide.LONG, amount=Decimal(0))
        return [*await super().get_positions(symbol), flat]


class LeverageMustChange(ToyAdapter):
    async def set_leverage(self, symbol: Symbol, leverage: Decimal) -> None:
        await self.ask("POST", "/leverage", signed=True, leverage=str(leverage))


class PoorIsAnything(ToyAdapter):
    def refuse(self, status: int, text: str, retry_after: str | None, headers: dict[str, str]) -> None:
        if status == 402:
            raise ExchangeAPIError("HTTP 402", status_code=402, response=text)
        super().refuse(status, text, retry_after, headers)


class ForgetsOpenOrders(ToyAdapter):
    async def get_open_orders(self, symbol: Symbol | None = None) -> Sequence[Order]:
        return [order for order in await super().get_open_orders(symbol) if order.filled]


class MarketOrderRests(ToyAdapter):
    def asked_price(self, request: OrderRequest) -> str | None:
        return super().asked_price(request) or "90"


class ImmediateOrderRests(ToyAdapter):
    def lives(self, request: OrderRequest) -> str:
        return super().lives(request).replace("ioc", "gtc")


class SecondIsTheFirst(ToyAdapter):
    """A client order id that was used: the order that has it is told as if it had just been placed."""

    async def create_order(self, request: OrderRequest, symbol: Symbol) -> Order:
        try:
            return await super().create_order(request, symbol)
        except DuplicateOrder:
            return await self.get_order(symbol=symbol, client_order_id=request.client_order_id)


class CancelsOne(ToyAdapter):
    async def cancel_all_orders(self, symbol: Symbol | None = None) -> Sequence[Order]:
        first = (await self.get_open_orders(symbol))[0]
        return [await self.cancel_order(first.id, symbol)]


class FillsAlone(ToyAdapter):
    async def tell(self, row: Any, source: StreamSource[UserEvent]) -> None:
        if "fill" in row:
            self.tell_fill(self.fill(row["fill"], (await self.get_symbols())[0]), source)


class LastPageOnly(ToyAdapter):
    async def get_trade_history(self, symbol: Symbol | None = None, **page: Any) -> Sequence[Fill]:
        return (await super().get_trade_history(symbol, **page))[:-1]


FAULTS: dict[type[ToyAdapter], str] = {
    OrderNotFoundIsAnything: "test_an_order_that_is_not_there_is_called_so",
    RetriedOrder: "test_an_order_without_an_answer_is_sent_once",
    UnknownCalledRejected: "test_an_order_without_an_answer_is_not_called_refused",
    AmountInContracts: "test_an_amount_is_in_base_coin_at_the_venue",
    FillOrKillRests: "test_a_fok_order_does_not_rest",
    PostOnlyTakes: "test_a_post_only_order_does_not_take",
    DoubledFill: "test_the_stream_tells_each_fill_once",
    ReorderedFills: "test_own_trades_are_oldest_first_and_one_each",
    TotalWithoutWhatIsHeld: "test_balances_add_up",
    PastOrdersNewestFirst: "test_past_orders_are_oldest_first_and_past",
    PositionTwice: "test_a_position_grows_by_what_was_bought",
    GoneIsOpen: "test_a_second_cancel_says_that_it_is_gone",
    BooksInContracts: "test_what_a_book_offers_is_what_can_be_bought",
    PaidInBaseCoin: "test_funding_payments_are_oldest_first_and_have_a_coin",
    FlatPosition: "test_positions_have_a_side_and_an_amount",
    LeverageMustChange: "test_leverage_that_is_so_already_is_no_error",
    PoorIsAnything: "test_an_order_that_cannot_be_paid_is_called_so",
    ForgetsOpenOrders: "test_an_order_rests_is_found_and_is_cancelled",
    MarketOrderRests: "test_a_market_order_takes",
    ImmediateOrderRests: "test_an_ioc_order_does_not_rest",
    SecondIsTheFirst: "test_a_client_order_id_is_used_once",
    CancelsOne: "test_cancelling_all_leaves_none",
    FillsAlone: "test_the_stream_tells_the_life_of_an_order",
    LastPageOnly: "test_the_history_tells_each_fill_once",
}
