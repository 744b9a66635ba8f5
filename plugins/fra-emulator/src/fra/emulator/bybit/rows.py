"""An account's orders, executions and positions in Bybit's words (API v5, unified account)."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from fra.emulator.bybit import ids
from fra.emulator.bybit.refusals import CANCEL_TYPES, NO_ERROR, REJECT_REASONS
from fra.emulator.bybit.render import Render, Row
from fra.emulator.exchange import Listing, VenueExchange
from fra.emulator.instruments import Instrument
from fra.matching import (
    Fill,
    MarginMode,
    Order,
    OrderStatus,
    OrderType,
    Payment,
    Position,
    PositionSide,
    Reason,
    Side,
    TimeInForce,
    TriggerBy,
    TriggerKind,
)

ZERO = Decimal(0)
INDEX: Mapping[PositionSide, int] = {PositionSide.NET: 0, PositionSide.LONG: 1, PositionSide.SHORT: 2}
_SIDES: Mapping[Side, str] = {Side.BUY: "Buy", Side.SELL: "Sell"}
_STATUS: Mapping[OrderStatus, str] = {
    OrderStatus.UNTRIGGERED: "Untriggered",
    OrderStatus.NEW: "New",
    OrderStatus.PARTIALLY_FILLED: "PartiallyFilled",
    OrderStatus.FILLED: "Filled",
    OrderStatus.CANCELED: "Cancelled",
    OrderStatus.EXPIRED: "Cancelled",
    OrderStatus.REJECTED: "Rejected",
}
_TRIGGERS: Mapping[TriggerBy, str] = {TriggerBy.LAST: "LastPrice", TriggerBy.MARK: "MarkPrice"}


def text(value: Decimal | None) -> str:
    """A number as it stands, in fixed point; empty if there is none."""
    if value is None:
        return ""
    rounded = round(value, 12)
    return f"{rounded.normalize():f}" if rounded else "0"


class Rows:
    """Rows of one venue's accounts."""

    def __init__(self, exchange: VenueExchange, render: Callable[[Instrument], Render]) -> None:
        self.exchange = exchange
        self._render = render

    # -- parts
    def listing(self, symbol: str) -> Listing:
        return self.exchange.listing(symbol)

    def is_spot(self, symbol: str) -> bool:
        return self.listing(symbol).terms.is_spot

    def category(self, symbol: str) -> str:
        return self.listing(symbol).instrument.market

    def order_id(self, symbol: str, number: int) -> str:
        return ids.order_id(number, spot=self.is_spot(symbol))

    def _price(self, symbol: str, price: Decimal | None) -> str:
        """A price on the grid, with its decimals; `0` for none."""
        listing = self.listing(symbol)
        render = self._render(listing.instrument)
        return "0" if price is None else render.price.text(int(price / listing.terms.tick))

    def _size(self, symbol: str, amount: Decimal) -> str:
        listing = self.listing(symbol)
        lots = int(abs(amount) / listing.terms.lot)
        return self._render(listing.instrument).lot.text(lots) if lots else "0"

    @staticmethod
    def _status(order: Order, *, spot: bool) -> str:
        ended = order.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED)
        if ended and order.trigger is not None and order.triggered_ms is None:
            return "Deactivated"
        if ended and spot and order.filled:
            return "PartiallyFilledCanceled"
        if spot and order.reason is Reason.WOULD_TAKE:
            return "Rejected"
        return _STATUS[order.status]

    # -- orders
    def order(self, order: Order) -> Row:
        """As `order/realtime`, `order/history` and, with its category, the `order` topic have it."""
        spot = self.is_spot(order.symbol)
        trigger = order.trigger
        quoted = order.quote_amount is not None
        left = order.remaining if order.status.is_open else ZERO
        rising = trigger is not None and (order.side is Side.BUY) is (trigger.kind is TriggerKind.STOP)
        cancelled = order.status is OrderStatus.CANCELED and order.reason is None
        reason = "EC_PerCancelRequest" if cancelled else NO_ERROR
        row: Row = {
            "symbol": self.listing(order.symbol).instrument.symbol,
            "orderType": order.type.value.capitalize(),
            "orderLinkId": order.client_id or "",
            "orderId": self.order_id(order.symbol, order.id),
            "cancelType": "CancelByUser" if cancelled else _by(CANCEL_TYPES, order.reason, "UNKNOWN"),
            "avgPrice": text(_round(order.average)),
            "stopOrderType": "" if trigger is None else "tpslOrder" if spot else "Stop",
            "lastPriceOnCreated": "",
            "orderStatus": self._status(order, spot=spot),
            "createType": _create_type(order),
            "takeProfit": "",
            "cumExecValue": text(order.cost),
            "smpType": "None",
            "triggerDirection": 0 if trigger is None or spot else 1 if rising else 2,
            "blockTradeId": "",
            "cumFeeDetail": {order.fee_asset: text(order.fee)} if order.filled else {},
            "rejectReason": reason if order.reason is None else REJECT_REASONS.get(order.reason, NO_ERROR),
            "isLeverage": "0" if spot else "",
            "price": self._price(order.symbol, order.price),
            "orderIv": "",
            "createdTime": str(order.created_ms),
            "tpTriggerBy": "",
            "positionIdx": INDEX[order.position_side],
            "timeInForce": self._time_in_force(order),
            "leavesValue": text(
                None if order.price is None else self.listing(order.symbol).terms.value(left, order.price)
            ),
            "updatedTime": str(order.updated_ms),
            "side": _SIDES[order.side],
            "smpGroup": 0,
            "triggerPrice": "" if trigger is None else self._price(order.symbol, trigger.price),
            "tpLimitPrice": "0",
            "cumExecFee": text(order.fee),
            "slTriggerBy": "",
            "slLimitPrice": "0",
            "leavesQty": self._size(order.symbol, left),
            "closeOnTrigger": False,
            "slippageToleranceType": "UNKNOWN",
            "placeType": "",
            "cumExecQty": self._size(order.symbol, order.filled),
            "reduceOnly": order.reduce_only,
            "qty": text(order.quote_amount) if quoted else self._size(order.symbol, order.amount),
            "stopLoss": "",
            "smpOrderId": "",
            "slippageTolerance": "0",
            "triggerBy": "" if trigger is None else _TRIGGERS[trigger.by],
            "extraFees": "",
        }
        if spot:
            market_unit = "quoteCoin" if quoted else "baseCoin"
            return row | {"marketUnit": market_unit if order.type is OrderType.MARKET else ""}
        return row | {"tpslMode": ""}

    @staticmethod
    def _time_in_force(order: Order) -> str:
        if order.post_only:
            return "PostOnly"
        if order.type is OrderType.MARKET and order.time_in_force is TimeInForce.GTC:
            return "IOC"
        return order.time_in_force.value.upper()

    # -- executions
    def execution(self, fill: Fill, order: Order, left: Decimal) -> Row:
        """As `execution/list` and, with its category, the `execution` topic have a trade; `left` is what the order
        had left after it."""
        listing, spot = self.listing(fill.symbol), self.is_spot(fill.symbol)
        terms = listing.terms
        rate = terms.maker_fee if fill.maker else terms.taker_fee
        mark = self.exchange.engine.mark_price(fill.symbol)
        row: Row = {
            "symbol": listing.instrument.symbol,
            "orderType": order.type.value.capitalize(),
            "underlyingPrice": "",
            "orderLinkId": fill.client_id or "",
            "orderId": self.order_id(fill.symbol, fill.order_id),
            "stopOrderType": "UNKNOWN",
            "execTime": str(fill.timestamp_ms),
            "feeCurrency": fill.fee_asset,
            "feeRate": text(rate),
            "tradeIv": "",
            "blockTradeId": "",
            "markPrice": "" if mark is None or spot else self._price(fill.symbol, mark),
            "execPrice": self._price(fill.symbol, fill.price),
            "markIv": "",
            "orderQty": self._size(fill.symbol, order.amount),
            "orderPrice": self._price(fill.symbol, order.price),
            "execValue": text(terms.value(fill.amount, fill.price)),
            "closedSize": "" if spot else "0",
            "execType": "BustTrade" if order.liquidation else "Trade",
            "seq": fill.trade_id,
            "side": _SIDES[fill.side],
            "indexPrice": "",
            "leavesQty": self._size(fill.symbol, left),
            "isMaker": fill.maker,
            "execFee": text(fill.fee),
            "execId": ids.exec_id(fill.trade_id, maker=fill.maker, spot=spot),
            "marketUnit": "",
            "execQty": self._size(fill.symbol, fill.amount),
            "extraFees": "",
        }
        return row if spot else row | {"createType": _create_type(order), "execPnl": text(fill.realised)}

    def fast(self, fill: Fill) -> Row:
        """As `execution.fast` has it."""
        spot = self.is_spot(fill.symbol)
        return {
            "category": self.category(fill.symbol),
            "symbol": self.listing(fill.symbol).instrument.symbol,
            "execId": ids.exec_id(fill.trade_id, maker=fill.maker, spot=spot),
            "execPrice": self._price(fill.symbol, fill.price),
            "execQty": self._size(fill.symbol, fill.amount),
            "orderId": self.order_id(fill.symbol, fill.order_id),
            "isMaker": fill.maker,
            "orderLinkId": fill.client_id or "",
            "side": _SIDES[fill.side],
            "execTime": str(fill.timestamp_ms),
            "seq": fill.trade_id,
        }

    def funding(self, payment: Payment) -> Row:
        """A funding payment as an execution: a positive `execFee` was paid."""
        listing = self.listing(payment.symbol)
        row: Row = {
            "symbol": listing.instrument.symbol,
            "orderType": "UNKNOWN",
            "underlyingPrice": "",
            "orderLinkId": "",
            "orderId": ids.uuid_of(payment.id),
            "stopOrderType": "UNKNOWN",
            "execTime": str(payment.timestamp_ms),
            "feeCurrency": payment.asset,
            "feeRate": text(payment.rate),
            "tradeIv": "",
            "blockTradeId": "",
            "markPrice": self._price(payment.symbol, payment.mark),
            "execPrice": self._price(payment.symbol, payment.mark),
            "markIv": "",
            "orderQty": "0",
            "orderPrice": "0",
            "execValue": text(listing.terms.value(abs(payment.position), payment.mark)),
        }
        return row | {
            "closedSize": "0",
            "execType": "Funding",
            "seq": payment.id,
            "side": "Buy" if payment.position > 0 else "Sell",
            "indexPrice": "",
            "leavesQty": "0",
            "isMaker": False,
            "execFee": text(-payment.amount),
            "execId": ids.uuid_of(payment.id + 1),
            "marketUnit": "",
            "execQty": self._size(payment.symbol, payment.position),
            "extraFees": "",
            "createType": "",
            "execPnl": "0",
        }

    # -- positions
    def position(self, position: Position, now_ms: int) -> Row:
        """As `position/list` has it."""
        listing = self.listing(position.symbol)
        terms, amount, entry = listing.terms, position.amount, position.entry
        value = ZERO if entry is None else abs(terms.value(amount, entry))
        side = "Buy" if amount > 0 else "Sell" if amount < 0 else ""
        decimals = max(0, -int(terms.tick.as_tuple().exponent))
        liquidation = position.liquidation_price
        return {
            "positionIdx": INDEX[position.side],
            "riskId": 1,
            "riskLimitValue": "100000000",
            "symbol": listing.instrument.symbol,
            "side": side,
            "size": self._size(position.symbol, amount),
            "avgPrice": text(_round(entry)) or "0",
            "positionValue": text(value),
            "tradeMode": int(position.margin_mode is MarginMode.ISOLATED),
            "positionStatus": "Normal",
            "autoAddMargin": 0,
            "adlRankIndicator": 2 if amount else 0,
            "leverage": text(position.leverage),
            "positionBalance": text(position.initial_margin),
            "markPrice": self._price(position.symbol, position.mark),
            "liqPrice": "" if liquidation is None else f"{liquidation:.{decimals}f}",
            "bustPrice": "",
            "positionMM": text(position.maintenance_margin),
            "positionMMByMp": text(position.maintenance_margin),
            "positionIM": text(position.initial_margin),
            "positionIMByMp": text(position.initial_margin),
            "tpslMode": "Full",
            "takeProfit": "",
            "stopLoss": "",
            "trailingStop": "0",
            "unrealisedPnl": text(position.unrealised),
            "curRealisedPnl": text(position.realised),
            "cumRealisedPnl": text(position.realised),
            "sessionAvgPrice": "",
            "breakEvenPrice": "",
            "seq": position.updated_ms,
            "isReduceOnly": False,
            "mmrSysUpdatedTime": "",
            "leverageSysUpdatedTime": "",
            "createdTime": str(position.opened_ms or now_ms),
            "updatedTime": str(position.updated_ms or now_ms),
        }

    def position_event(self, position: Position, now_ms: int) -> Row:
        """As the `position` topic has it: the average price has another name."""
        row = self.position(position, now_ms)
        row["entryPrice"] = row.pop("avgPrice")
        return row | {"category": self.category(position.symbol)}


def _create_type(order: Order) -> str:
    return "CreateByLiq" if order.liquidation else "CreateByUser"


def _round(price: Decimal | None) -> Decimal | None:
    return None if price is None else round(price, 8)


def _by(table: Mapping[Reason, str], reason: Reason | None, default: str) -> str:
    return default if reason is None else table.get(reason, default)
