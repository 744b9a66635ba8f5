"""Orders, fills, positions and balances in Binance's words; what a request for an order means to the engine."""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation

from fra.emulator.accounts import Account
from fra.emulator.binance.rest import Refusal
from fra.emulator.exchange import Listing, VenueExchange
from fra.matching import (
    Fill,
    MarginMode,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    Payment,
    Position,
    PositionMode,
    PositionSide,
    Reason,
    Refused,
    Side,
    TimeInForce,
    Trigger,
    TriggerBy,
    TriggerKind,
)

Params = Mapping[str, str]
Row = dict[str, object]

STATES: Mapping[OrderStatus, str] = {status: status.name for status in OrderStatus} | {OrderStatus.UNTRIGGERED: "NEW"}
_LIFETIMES = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK, "GTX": TimeInForce.GTC}
_POSITION_SIDES = {"BOTH": PositionSide.NET, "LONG": PositionSide.LONG, "SHORT": PositionSide.SHORT}
_CONDITIONAL: Mapping[str, tuple[TriggerKind, OrderType]] = {
    "STOP_LOSS": (TriggerKind.STOP, OrderType.MARKET),
    "STOP_LOSS_LIMIT": (TriggerKind.STOP, OrderType.LIMIT),
    "TAKE_PROFIT_LIMIT": (TriggerKind.TAKE_PROFIT, OrderType.LIMIT),
    "STOP_MARKET": (TriggerKind.STOP, OrderType.MARKET),
    "TAKE_PROFIT_MARKET": (TriggerKind.TAKE_PROFIT, OrderType.MARKET),
    "STOP": (TriggerKind.STOP, OrderType.LIMIT),
}
"""`TAKE_PROFIT` is a market order on spot and a limit order on USD-M."""
_FIRST_ALGO = 4_000_000_000_000
"""The algo service numbers its orders by itself."""

_SPOT: Mapping[Reason, tuple[int, str]] = {
    Reason.OFF_TICK: (-1013, "Filter failure: PRICE_FILTER"),
    Reason.OFF_LOT: (-1013, "Filter failure: LOT_SIZE"),
    Reason.MIN_AMOUNT: (-1013, "Filter failure: LOT_SIZE"),
    Reason.MAX_AMOUNT: (-1013, "Filter failure: LOT_SIZE"),
    Reason.MIN_NOTIONAL: (-1013, "Filter failure: NOTIONAL"),
    Reason.INSUFFICIENT_FUNDS: (-2010, "Account has insufficient balance for requested action."),
    Reason.DUPLICATE_CLIENT_ID: (-2010, "Duplicate order sent."),
    Reason.WOULD_TAKE: (-2010, "Order would immediately match and take."),
    Reason.NO_LIQUIDITY: (-1013, "Filter failure: MARKET_LOT_SIZE"),
}
_USDM: Mapping[Reason, tuple[int, str]] = {
    Reason.OFF_TICK: (-4014, "Price not increased by tick size."),
    Reason.OFF_LOT: (-1111, "Precision is over the maximum defined for this asset."),
    Reason.MIN_AMOUNT: (-4003, "Quantity less than or equal to zero."),
    Reason.MAX_AMOUNT: (-4005, "Quantity greater than max quantity."),
    Reason.MIN_NOTIONAL: (
        -4164,
        "Order's notional must be no smaller than the minimum (unless you choose reduce only).",
    ),
    Reason.INSUFFICIENT_FUNDS: (-2019, "Margin is insufficient."),
    Reason.MARGIN: (-2019, "Margin is insufficient."),
    Reason.DUPLICATE_CLIENT_ID: (-4116, "ClientOrderId is duplicated."),
    Reason.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    Reason.POSITION_SIDE: (-4061, "Order's position side does not match user's setting."),
    Reason.NO_LIQUIDITY: (-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit."),
}


def refusal(refused: Refused, market: str) -> Refusal:
    """The venue's answer to what the engine refuses."""
    code, text = (_SPOT if market == "spot" else _USDM).get(refused.reason, (-1102, f"Illegal parameter: {refused}"))
    return Refusal(400, code, text)


# -- what is asked for
def place(exchange: VenueExchange, account: Account, listing: Listing, params: Params, *, algo: bool = False) -> Order:
    """Place one order. Raises Refusal."""
    request = _request(exchange, account, listing, params, algo=algo)
    # On USD-M a post-only order that would take is taken in and expires; spot refuses it.
    expire = () if listing.terms.is_spot else (Reason.WOULD_TAKE,)
    try:
        return exchange.place(account, request, expire=expire)
    except Refused as refused:
        raise refusal(refused, listing.terms.market) from None


def _request(
    exchange: VenueExchange, account: Account, listing: Listing, params: Params, *, algo: bool
) -> OrderRequest:
    spot, kind = listing.terms.is_spot, params.get("type", "")
    side = {"BUY": Side.BUY, "SELL": Side.SELL}.get(params.get("side", ""))
    if side is None:
        raise Refusal(400, -1117 if not params.get("side") else -1102, "Invalid side.")
    trigger, order_type = None, {"MARKET": OrderType.MARKET}.get(kind, OrderType.LIMIT)
    conditional = _CONDITIONAL.get(kind)
    if kind == "TAKE_PROFIT":
        conditional = TriggerKind.TAKE_PROFIT, OrderType.MARKET if spot else OrderType.LIMIT
    if conditional is not None:
        if not spot and not algo:
            raise Refusal(
                400,
                -4120,
                "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
            )
        by = TriggerBy.MARK if params.get("workingType") == "MARK_PRICE" else TriggerBy.LAST
        order_type = conditional[1]
        trigger = Trigger(conditional[0], _number(params, "triggerPrice" if algo else "stopPrice"), by)
    elif kind not in ("LIMIT", "MARKET", *(("LIMIT_MAKER",) if spot else ())) or algo:
        raise Refusal(400, -1116, "Invalid orderType.")
    lifetime = params.get("timeInForce") or ("GTC" if kind == "LIMIT_MAKER" or order_type is OrderType.MARKET else "")
    if not lifetime or lifetime not in _LIFETIMES or (spot and lifetime == "GTX"):
        raise Refusal(400, -1102 if not lifetime else -1115, "Mandatory parameter 'timeInForce' was not sent.")
    by_quote = spot and order_type is OrderType.MARKET and "quoteOrderQty" in params
    name = params.get("clientAlgoId" if algo else "newClientOrderId")
    if name is not None and not 0 < len(name) <= 36:
        raise Refusal(400, -1100, "Illegal characters found in parameter 'newClientOrderId'.")
    hedge = not spot and exchange.engine.position_mode(account.name) is PositionMode.HEDGE
    position_side = _POSITION_SIDES.get(params.get("positionSide", "BOTH"))
    if position_side is None or (position_side is not PositionSide.NET) is not hedge:
        raise Refusal(400, -4061, "Order's position side does not match user's setting.")
    if hedge and "reduceOnly" in params:
        raise Refusal(400, -1106, "Parameter 'reduceonly' sent when not required.")
    return OrderRequest(
        symbol=listing.symbol,
        side=side,
        type=order_type,
        amount=None if by_quote else listing.amount(_number(params, "quantity")),
        quote_amount=_number(params, "quoteOrderQty") if by_quote else None,
        price=_number(params, "price") if order_type is OrderType.LIMIT else None,
        time_in_force=_LIFETIMES[lifetime],
        post_only=kind == "LIMIT_MAKER" or lifetime == "GTX",
        reduce_only=params.get("reduceOnly", "").lower() == "true",
        position_side=position_side,
        client_id=name,
        trigger=trigger,
    )


def _number(params: Params, name: str) -> Decimal:
    text = params.get(name, "")
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not text or not value.is_finite():
        raise Refusal(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    if value <= 0:
        raise Refusal(400, -1013 if name != "quantity" else -4003, f"Invalid {name}.")
    return value


def find(exchange: VenueExchange, account: Account, listing: Listing, params: Params) -> Order:
    """The order that is named by either id. Raises Refusal."""
    number, name = params.get("orderId", ""), params.get("origClientOrderId")
    if not number and not name:
        raise Refusal(400, -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    try:
        found = exchange.engine.order(account.name, order_id=int(number) if number.isdigit() else None, client_id=name)
    except Refused:
        raise Refusal(400, -2013, "Order does not exist.") from None
    if found.symbol != listing.symbol:
        raise Refusal(400, -2013, "Order does not exist.")
    return found


def cancel(exchange: VenueExchange, account: Account, listing: Listing, params: Params) -> Order:
    """Cancel one order. Raises Refusal."""
    try:
        found = find(exchange, account, listing, params)
        return exchange.cancel(account, order_id=found.id)
    except (Refused, Refusal) as refused:
        if isinstance(refused, Refusal) and refused.code != -2013:
            raise
        raise Refusal(400, -2011, "Unknown order sent.") from None


# -- what is told
def order_type(order: Order, *, spot: bool) -> str:
    """The order's type as it was asked for."""
    if order.trigger is not None:
        stop, limit = order.trigger.kind is TriggerKind.STOP, order.type is OrderType.LIMIT
        if spot:
            return ("STOP_LOSS" if stop else "TAKE_PROFIT") + ("_LIMIT" if limit else "")
        return ("STOP" if stop else "TAKE_PROFIT") + ("" if limit else "_MARKET")
    return "LIMIT_MAKER" if spot and order.post_only else order.type.name


def lifetime(order: Order, *, spot: bool) -> str:
    """`GTX` is USD-M's post-only."""
    return "GTX" if order.post_only and not spot else order.time_in_force.name


def spot_order(exchange: VenueExchange, order: Order) -> Row:
    """A row of GET /api/v3/order."""
    listing = exchange.listing(order.symbol)
    return {
        "symbol": listing.instrument.symbol,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": client_id(order),
        "price": padded(order.price or Decimal(0)),
        "origQty": padded(order.amount),
        "executedQty": padded(order.filled),
        "origQuoteOrderQty": padded(order.quote_amount or Decimal(0)),
        "cummulativeQuoteQty": padded(order.cost),
        "status": STATES[order.status],
        "timeInForce": lifetime(order, spot=True),
        "type": order_type(order, spot=True),
        "side": order.side.name,
        "stopPrice": padded(order.trigger.price if order.trigger else Decimal(0)),
        "icebergQty": "0.00000000",
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": order.trigger is None or order.triggered_ms is not None,
        "workingTime": order.triggered_ms or order.created_ms,
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def spot_placed(exchange: VenueExchange, order: Order, fills: Iterable[Fill]) -> Row:
    """The FULL answer of POST /api/v3/order."""
    row = spot_order(exchange, order)
    row["transactTime"] = order.updated_ms
    for name in ("stopPrice", "icebergQty", "time", "updateTime", "isWorking"):
        del row[name]
    told = [
        {
            "price": padded(fill.price),
            "qty": padded(fill.amount),
            "commission": padded(fill.fee),
            "commissionAsset": fill.fee_asset,
            "tradeId": fill.trade_id,
        }
        for fill in fills
    ]
    return row | {"fills": told}


def spot_canceled(exchange: VenueExchange, order: Order, params: Params) -> Row:
    """The answer of DELETE /api/v3/order: the cancel has a client id of its own."""
    row = spot_order(exchange, order)
    row["origClientOrderId"] = client_id(order)
    row["clientOrderId"] = params.get("newClientOrderId") or cancel_id(order)
    row["transactTime"] = order.updated_ms
    return row


def usdm_order(exchange: VenueExchange, order: Order) -> Row:
    """A row of GET /fapi/v1/order."""
    listing = exchange.listing(order.symbol)
    kind = OrderType.LIMIT if order.type is OrderType.LIMIT else OrderType.MARKET
    return {
        "orderId": order.id,
        "symbol": listing.instrument.symbol,
        "status": STATES[order.status],
        "clientOrderId": client_id(order),
        "price": text(order.price or Decimal(0)),
        "avgPrice": text(order.average or Decimal(0)),
        "origQty": text(order.amount),
        "executedQty": text(order.filled),
        "cumQty": text(order.filled),
        "cumQuote": text(order.cost),
        "timeInForce": lifetime(order, spot=False),
        "type": kind.name,
        "origType": kind.name if order.trigger is None else order_type(order, spot=False),
        "reduceOnly": order.reduce_only,
        "closePosition": False,
        "side": order.side.name,
        "positionSide": position_side(order.position_side),
        "stopPrice": text(order.trigger.price if order.trigger else Decimal(0)),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
    }


def algo_id(order: Order) -> int:
    """By which the algo service knows it; once triggered it is a plain order too, under its own number."""
    return _FIRST_ALGO + order.id


def algo_status(order: Order) -> str:
    """Where a conditional order stands in the algo service."""
    if order.status is OrderStatus.UNTRIGGERED:
        return "NEW"
    if order.triggered_ms is None:
        return "CANCELED" if order.status is OrderStatus.CANCELED else "EXPIRED"
    return "REJECTED" if order.status is OrderStatus.REJECTED else "TRIGGERED" if order.status.is_open else "FINISHED"


def algo_order(exchange: VenueExchange, order: Order) -> Row:
    """A row of GET /fapi/v1/algoOrder."""
    listing, trigger = exchange.listing(order.symbol), order.trigger
    assert trigger is not None
    return {
        "algoId": algo_id(order),
        "clientAlgoId": client_id(order),
        "algoType": "CONDITIONAL",
        "orderType": order_type(order, spot=False),
        "symbol": listing.instrument.symbol,
        "side": order.side.name,
        "positionSide": position_side(order.position_side),
        "timeInForce": lifetime(order, spot=False),
        "quantity": text(order.amount),
        "algoStatus": algo_status(order),
        "actualOrderId": str(order.id) if order.triggered_ms is not None else "",
        "actualPrice": text(order.average or Decimal(0)),
        "triggerPrice": text(trigger.price),
        "price": text(order.price or Decimal(0)),
        "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": "MARK_PRICE" if trigger.by is TriggerBy.MARK else "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": False,
        "priceProtect": False,
        "reduceOnly": order.reduce_only,
        "createTime": order.created_ms,
        "updateTime": order.updated_ms,
        "triggerTime": order.triggered_ms or 0,
        "goodTillDate": 0,
    }


def spot_fill(exchange: VenueExchange, fill: Fill) -> Row:
    """A row of GET /api/v3/myTrades."""
    return {
        "symbol": exchange.listing(fill.symbol).instrument.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": -1,
        "price": padded(fill.price),
        "qty": padded(fill.amount),
        "quoteQty": padded(fill.price * fill.amount),
        "commission": padded(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.timestamp_ms,
        "isBuyer": fill.side is Side.BUY,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


def usdm_fill(exchange: VenueExchange, fill: Fill) -> Row:
    """A row of GET /fapi/v1/userTrades."""
    return {
        "symbol": exchange.listing(fill.symbol).instrument.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "side": fill.side.name,
        "price": text(fill.price),
        "qty": text(fill.amount),
        "realizedPnl": text(fill.realised),
        "quoteQty": text(fill.price * fill.amount),
        "commission": text(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.timestamp_ms,
        "positionSide": position_side(fill.position_side),
        "buyer": fill.side is Side.BUY,
        "maker": fill.maker,
    }


def income(exchange: VenueExchange, payment: Payment) -> Row:
    """A row of GET /fapi/v1/income."""
    return {
        "symbol": exchange.listing(payment.symbol).instrument.symbol,
        "incomeType": "FUNDING_FEE",
        "income": text(payment.amount),
        "asset": payment.asset,
        "info": "FUNDING_FEE",
        "time": payment.timestamp_ms,
        "tranId": payment.id,
        "tradeId": "",
    }


def position(exchange: VenueExchange, position: Position, *, version: str) -> Row:
    """A row of GET /fapi/v2/positionRisk, or of v3, which has no leverage and margin type."""
    notional = position.amount * (position.mark or Decimal(0))
    isolated = position.margin_mode is MarginMode.ISOLATED
    row: Row = {
        "symbol": exchange.listing(position.symbol).instrument.symbol,
        "positionSide": position_side(position.side),
        "positionAmt": text(position.amount),
        "entryPrice": text(position.entry or Decimal(0)),
        "breakEvenPrice": text(position.entry or Decimal(0)),
        "markPrice": text(position.mark or Decimal(0)),
        "unRealizedProfit": text(position.unrealised),
        "liquidationPrice": text(position.liquidation_price or Decimal(0)),
        "isolatedMargin": text(position.initial_margin if isolated else Decimal(0)),
        "isolatedWallet": text(position.initial_margin if isolated else Decimal(0)),
        "notional": text(notional),
        "updateTime": position.updated_ms,
    }
    if version == "v2":
        return row | {
            "leverage": text(position.leverage),
            "marginType": "isolated" if isolated else "cross",
            "isAutoAddMargin": "false",
            "maxNotionalValue": "250000000",
        }
    margin, maintenance = text(position.initial_margin), text(position.maintenance_margin)
    return row | {
        "marginAsset": position.settle,
        "initialMargin": margin,
        "maintMargin": maintenance,
        "positionInitialMargin": margin,
        "openOrderInitialMargin": "0",
        "adl": 1,
        "bidNotional": "0",
        "askNotional": "0",
    }


def position_side(side: PositionSide) -> str:
    return "BOTH" if side is PositionSide.NET else side.name


def client_id(order: Order) -> str:
    """The venue gives an order without a client id one of its own."""
    return order.client_id if order.client_id is not None else f"emu{order.id}"


def cancel_id(order: Order) -> str:
    """The client id that the venue gives a cancel."""
    return f"cancel{order.id}"


def text(value: Decimal) -> str:
    """Fixed point without trailing zeros."""
    told = f"{value:f}"
    return (told.rstrip("0").rstrip(".") or "0") if "." in told else told


def padded(value: Decimal) -> str:
    """Spot's way: eight decimals."""
    return f"{value:.8f}"
