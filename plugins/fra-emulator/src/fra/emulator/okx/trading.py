"""Orders, fills, positions and balances in OKX's words; what a request for an order means to the engine."""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation

from fra.emulator.accounts import Account
from fra.emulator.exchange import Listing, VenueExchange
from fra.emulator.okx.feed import market_of
from fra.emulator.okx.render import inst_type
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

_STATES: Mapping[OrderStatus, str] = {
    OrderStatus.NEW: "live",
    OrderStatus.PARTIALLY_FILLED: "partially_filled",
    OrderStatus.FILLED: "filled",
    OrderStatus.CANCELED: "canceled",
    OrderStatus.EXPIRED: "canceled",
    OrderStatus.REJECTED: "canceled",
}
_REFUSALS: Mapping[Reason, tuple[str, str]] = {
    Reason.UNKNOWN_SYMBOL: ("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist."),
    Reason.DUPLICATE_CLIENT_ID: ("51016", "Client order ID already exists."),
    Reason.OFF_TICK: ("51000", "Parameter px error"),
    Reason.OFF_LOT: ("51121", "Order quantity must be a multiple of the lot size."),
    Reason.MIN_AMOUNT: ("51020", "Your order should meet or exceed the minimum order amount."),
    Reason.MIN_NOTIONAL: ("51020", "Your order should meet or exceed the minimum order amount."),
    Reason.MAX_AMOUNT: ("51202", "Market order amount exceeds the maximum amount."),
    Reason.INSUFFICIENT_FUNDS: ("51008", "Order failed. Insufficient balance or margin in account"),
    Reason.MARGIN: ("51008", "Order failed. Insufficient balance or margin in account"),
    Reason.POSITION_SIDE: ("51000", "Parameter posSide error"),
    Reason.REDUCE_ONLY: ("51169", "Order failed because you don't have any positions in this direction to reduce."),
    Reason.NO_LIQUIDITY: ("51005", "Order amount exceeds the limit."),
}
_POST_ONLY_SOURCE = "31"  # "post only order will take liquidity"
_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
_FIRST_ALGO = 7_000_000_000_000
"""Algo orders have numbers of their own."""
_POSITION_SIDES = {"net": PositionSide.NET, "long": PositionSide.LONG, "short": PositionSide.SHORT}
_KINDS: Mapping[str, tuple[OrderType, TimeInForce, bool]] = {
    "market": (OrderType.MARKET, TimeInForce.IOC, False),
    "optimal_limit_ioc": (OrderType.MARKET, TimeInForce.IOC, False),
    "limit": (OrderType.LIMIT, TimeInForce.GTC, False),
    "post_only": (OrderType.LIMIT, TimeInForce.GTC, True),
    "fok": (OrderType.LIMIT, TimeInForce.FOK, False),
    "ioc": (OrderType.LIMIT, TimeInForce.IOC, False),
}


class _Bad(Exception):
    """A parameter that the venue refuses, by its code and text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def listing(exchange: VenueExchange, symbol: str) -> Listing | None:
    """The listing of an instId, or None."""
    return exchange.find(market_of(symbol), symbol)


# -- what is asked for
def place(exchange: VenueExchange, account: Account, params: Params, *, algo: bool, now_ms: int) -> Row:
    """Place one order (POST trade/order, trade/order-algo): the row of the answer, refused or not."""
    name = params.get("algoClOrdId" if algo else "clOrdId", "")
    row: Row = {"tag": "", "ts": str(now_ms), "sCode": "0", "sMsg": "Order placed"}
    row |= {"algoId": "", "algoClOrdId": name} if algo else {"ordId": "", "clOrdId": name}
    try:
        request = _request(exchange, account, params, name or None, algo=algo)
        placed = exchange.place(account, request, expire=(Reason.WOULD_TAKE,))
    except _Bad as bad:
        return row | {"sCode": bad.code, "sMsg": str(bad)}
    except Refused as refused:
        code, message = _REFUSALS.get(refused.reason, ("51000", f"Parameter error: {refused}"))
        return row | {"sCode": code, "sMsg": message}
    return row | ({"algoId": algo_id(placed)} if algo else {"ordId": str(placed.id)})


def _request(
    exchange: VenueExchange, account: Account, params: Params, name: str | None, *, algo: bool
) -> OrderRequest:
    found = listing(exchange, params.get("instId", ""))
    if found is None:
        raise _Bad("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
    if name is not None and not (len(name) <= 32 and name.isalnum() and name.isascii()):
        raise _Bad("51000", "Parameter clOrdId error")
    spot = found.terms.is_spot
    modes = ("cash",) if spot else ("cross", "isolated")
    if params.get("tdMode") not in modes:
        raise _Bad("51000", "Parameter tdMode error")
    side = _SIDES.get(params.get("side", ""))
    if side is None:
        raise _Bad("51000", "Parameter side error")
    kind = params.get("ordType", "")
    trigger, price = None, None
    if algo:
        order_type, lifetime, post_only, trigger, price = _conditional(params)
    else:
        if kind not in _KINDS:
            raise _Bad("51000", "Parameter ordType error")
        order_type, lifetime, post_only = _KINDS[kind]
        if order_type is OrderType.LIMIT:
            price = _number(params, "px")
    size = _number(params, "sz")
    by_quote = spot and order_type is OrderType.MARKET and side is Side.BUY and params.get("tgtCcy") != "base_ccy"
    reduce_only = params.get("reduceOnly") == "true"
    hedge = exchange.engine.position_mode(account.name) is PositionMode.HEDGE
    position_side = _POSITION_SIDES.get(params.get("posSide", "net"))
    if position_side is None or (not spot and (position_side is not PositionSide.NET) is not hedge):
        raise _Bad("51000", "Parameter posSide error")
    if not spot:
        mode = MarginMode.CROSS if params["tdMode"] == "cross" else MarginMode.ISOLATED
        if exchange.engine.margin_mode(account.name, found.symbol) is not mode:
            exchange.engine.set_margin_mode(account.name, found.symbol, mode, now_ms=exchange.now_ms())
    return OrderRequest(
        symbol=found.symbol,
        side=side,
        type=order_type,
        amount=None if by_quote else found.amount(size),
        quote_amount=size if by_quote else None,
        price=price,
        time_in_force=lifetime,
        post_only=post_only,
        reduce_only=reduce_only and not hedge and not spot,
        position_side=position_side if hedge and not spot else PositionSide.NET,
        client_id=name,
        trigger=trigger,
    )


def _conditional(params: Params) -> tuple[OrderType, TimeInForce, bool, Trigger, Decimal | None]:
    """`conditional` orders with one of their two triggers; a price of -1 is a market order."""
    if params.get("ordType") not in ("conditional", "trigger"):
        raise _Bad("51000", "Parameter ordType error")
    for prefix, kind in (("sl", TriggerKind.STOP), ("tp", TriggerKind.TAKE_PROFIT)):
        if params.get(f"{prefix}TriggerPx"):
            by = TriggerBy.MARK if params.get(f"{prefix}TriggerPxType") == "mark" else TriggerBy.LAST
            trigger = Trigger(kind, _number(params, f"{prefix}TriggerPx"), by)
            if params.get(f"{prefix}OrdPx", "-1") == "-1":
                return OrderType.MARKET, TimeInForce.IOC, False, trigger, None
            return OrderType.LIMIT, TimeInForce.GTC, False, trigger, _number(params, f"{prefix}OrdPx")
    raise _Bad("50015", "Either parameter tpTriggerPx or slTriggerPx is required.")


def _number(params: Params, name: str) -> Decimal:
    try:
        value = Decimal(params.get(name, ""))
    except InvalidOperation:
        raise _Bad("51000", f"Parameter {name} error") from None
    if not value.is_finite() or value <= 0:
        raise _Bad("51000", f"Parameter {name} error")
    return value


def cancel(exchange: VenueExchange, account: Account, params: Params, *, algo: bool, now_ms: int) -> Row:
    """Cancel one order by either id: the row of the answer, refused or not."""
    row: Row = {"ts": str(now_ms), "sCode": "0", "sMsg": ""}
    if algo:
        row |= {"algoId": params.get("algoId", ""), "algoClOrdId": params.get("algoClOrdId", "")}
    else:
        row |= {"ordId": params.get("ordId", ""), "clOrdId": params.get("clOrdId", "")}
    found = find(exchange, account, params, algo=algo)
    if found is None:
        return row | {"sCode": "51400", "sMsg": "Order cancellation failed as the order does not exist."}
    row |= {"algoId": algo_id(found)} if algo else {"ordId": str(found.id), "clOrdId": found.client_id or ""}
    if algo and found.triggered_ms is not None:
        return row | {"sCode": "51412", "sMsg": "Cancellation failed as the order has been triggered."}
    if not found.status.is_open:
        code = "51402" if found.status is OrderStatus.FILLED else "51401"
        what = "been completed" if code == "51402" else "already been canceled"
        return row | {"sCode": code, "sMsg": f"Order cancellation failed as the order has {what}."}
    exchange.cancel(account, order_id=found.id)
    return row


def find(exchange: VenueExchange, account: Account, params: Params, *, algo: bool) -> Order | None:
    """The order that is named by either id, if it is of the instId that is named.

    An algo order is known by its own ids; the ordinary order that came of it has a number and no client id.
    """
    number, name = params.get("algoId" if algo else "ordId"), params.get("algoClOrdId" if algo else "clOrdId")
    by_number = int(number) - _FIRST_ALGO * algo if number and number.isdigit() else None
    try:
        order = exchange.engine.order(account.name, order_id=by_number, client_id=name or None)
    except Refused:
        return None
    became = by_number is not None and order.triggered_ms is not None
    named = not algo if order.trigger is None else algo or became
    symbol = params.get("instId")
    return order if named and (not symbol or exchange.listing(order.symbol).instrument.symbol == symbol) else None


# -- what is told
def order(exchange: VenueExchange, order: Order, last: Fill | None = None) -> Row:
    """A row of trade/order and of the `orders` channel; there, `last` is the fill that is being told."""
    found = exchange.listing(order.symbol)
    spot = found.terms.is_spot
    by_quote = order.quote_amount is not None
    triggered = order.trigger is not None
    return {
        "accFillSz": _text(found.size(order.filled)),
        "algoClOrdId": order.client_id or "" if triggered else "",
        "algoId": algo_id(order) if triggered else "",
        "attachAlgoOrds": [],
        "avgPx": _text(order.average),
        "cTime": str(order.created_ms),
        "cancelSource": _cancel_source(order),
        "cancelSourceReason": "",
        "category": "full_liquidation" if order.liquidation else "normal",
        "ccy": "",
        "clOrdId": "" if triggered else order.client_id or "",
        "fee": _text(-order.fee),
        "feeCcy": order.fee_asset,
        "fillPx": _text(last.price) if last else "",
        "fillSz": _text(found.size(last.amount)) if last else "0",
        "fillTime": str(last.timestamp_ms) if last else "",
        "fillFee": _text(-last.fee) if last else "0",
        "fillFeeCcy": last.fee_asset if last else "",
        "execType": ("M" if last.maker else "T") if last else "",
        "instId": found.instrument.symbol,
        "instType": inst_type(found.instrument.market),
        "isTpLimit": "false",
        "lever": "" if spot else _text(exchange.engine.leverage(order.account, order.symbol)),
        "ordId": str(order.id),
        "ordType": _kind(order),
        "pnl": _text(last.realised) if last else "0",
        "posSide": "" if spot else order.position_side.value,
        "px": _text(order.price),
        "rebate": "0",
        "rebateCcy": order.fee_asset,
        "reduceOnly": "true" if order.reduce_only else "false",
        "side": order.side.value,
        "slOrdPx": "",
        "slTriggerPx": "",
        "source": "7" if triggered else "",
        "state": _STATES.get(order.status, "live"),
        "stpId": "",
        "stpMode": "cancel_maker",
        "sz": _text(order.quote_amount if by_quote else found.size(order.amount)),
        "tag": "",
        "tdMode": "cash" if spot else exchange.engine.margin_mode(order.account, order.symbol).value,
        "tgtCcy": ("quote_ccy" if by_quote else "base_ccy") if spot and order.type is OrderType.MARKET else "",
        "tpOrdPx": "",
        "tpTriggerPx": "",
        "tradeId": str(last.trade_id) if last else "",
        "uTime": str(order.updated_ms),
    }


def _kind(order: Order) -> str:
    if order.type is OrderType.MARKET:
        return "market"
    if order.post_only:
        return "post_only"
    return {TimeInForce.FOK: "fok", TimeInForce.IOC: "ioc"}.get(order.time_in_force, "limit")


def _cancel_source(order: Order) -> str:
    if order.status not in (OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED):
        return ""
    return {None: "1", Reason.WOULD_TAKE: _POST_ONLY_SOURCE, Reason.TIME_IN_FORCE: "14"}.get(order.reason, "0")


def algo_id(order: Order) -> str:
    """Algo orders are numbered by themselves; once triggered it is an ordinary order too, under its own number."""
    return str(_FIRST_ALGO + order.id)


def algo_order(exchange: VenueExchange, order: Order) -> Row:
    """A row of trade/orders-algo-pending and of the `orders-algo` channel."""
    found, trigger = exchange.listing(order.symbol), order.trigger
    assert trigger is not None
    states = {OrderStatus.UNTRIGGERED: "live", OrderStatus.REJECTED: "order_failed"}
    state = states.get(order.status) or ("canceled" if order.triggered_ms is None else "effective")
    prefix, other = ("sl", "tp") if trigger.kind is TriggerKind.STOP else ("tp", "sl")
    spot = found.terms.is_spot
    return {
        "algoClOrdId": order.client_id or "",
        "algoId": algo_id(order),
        "actualPx": "",
        "actualSide": "",
        "actualSz": "0",
        "cTime": str(order.created_ms),
        "ccy": "",
        "clOrdId": "",
        "failCode": "51008" if state == "order_failed" else "0",
        "instId": found.instrument.symbol,
        "instType": inst_type(found.instrument.market),
        "last": _text(exchange.engine.last_price(order.symbol)),
        "lever": "" if spot else _text(exchange.engine.leverage(order.account, order.symbol)),
        "ordId": str(order.id) if state == "effective" else "",
        "ordIdList": [str(order.id)] if state == "effective" else [],
        "ordPx": "",
        "ordType": "conditional",
        "posSide": "" if spot else order.position_side.value,
        "reduceOnly": "true" if order.reduce_only else "false",
        "side": order.side.value,
        f"{prefix}OrdPx": _text(order.price) or "-1",
        f"{prefix}TriggerPx": _text(trigger.price),
        f"{prefix}TriggerPxType": trigger.by.value,
        f"{other}OrdPx": "",
        f"{other}TriggerPx": "",
        f"{other}TriggerPxType": "",
        "state": state,
        "sz": _text(found.size(order.amount)),
        "tag": "",
        "tdMode": "cash" if spot else exchange.engine.margin_mode(order.account, order.symbol).value,
        "tgtCcy": "base_ccy" if spot and order.type is OrderType.MARKET else "",
        "triggerPx": "",
        "triggerPxType": "",
        "triggerTime": str(order.triggered_ms or ""),
        "uTime": str(order.updated_ms),
    }


def fill(exchange: VenueExchange, fill: Fill) -> Row:
    """A row of trade/fills: the fee is negative when paid."""
    found = exchange.listing(fill.symbol)
    return {
        "billId": str(fill.trade_id),
        "clOrdId": fill.client_id or "",
        "execType": "M" if fill.maker else "T",
        "fee": _text(-fill.fee),
        "feeCcy": fill.fee_asset,
        "feeRate": "",
        "fillIdxPx": _text(fill.price),
        "fillMarkPx": "",
        "fillPnl": _text(fill.realised),
        "fillPx": _text(fill.price),
        "fillSz": _text(found.size(fill.amount)),
        "fillTime": str(fill.timestamp_ms),
        "instId": found.instrument.symbol,
        "instType": inst_type(found.instrument.market),
        "ordId": str(fill.order_id),
        "posSide": "net" if found.terms.is_spot else fill.position_side.value,
        "side": fill.side.value,
        "subType": "",
        "tag": "",
        "tradeId": str(fill.trade_id),
        "ts": str(fill.timestamp_ms),
    }


def position(exchange: VenueExchange, account: Account, position: Position, now_ms: int) -> Row:
    """A row of account/positions and of the `positions` channel. In net mode `pos` bears the sign."""
    found = exchange.listing(position.symbol)
    size = found.size(position.amount)
    hedge = position.side is not PositionSide.NET
    value = abs(found.terms.value(position.amount, position.mark)) if position.mark else Decimal(0)
    margin = position.initial_margin
    return {
        "adl": "1",
        "avgPx": _text(position.entry),
        "cTime": str(position.opened_ms or ""),
        "ccy": position.settle,
        "imr": _text(margin),
        "instId": found.instrument.symbol,
        "instType": "SWAP",
        "last": _text(exchange.engine.last_price(position.symbol)),
        "lever": _text(position.leverage),
        "liqPx": _text(position.liquidation_price),
        "margin": _text(margin) if position.margin_mode is MarginMode.ISOLATED else "",
        "markPx": _text(position.mark),
        "mgnMode": position.margin_mode.value,
        "mgnRatio": "",
        "mmr": _text(position.maintenance_margin),
        "notionalUsd": _text(value),
        "pos": _text(abs(size) if hedge else size),
        "posCcy": "",
        "posId": str(abs(hash((account.key, position.symbol, position.side.value))) % 10**15),
        "posSide": position.side.value,
        "realizedPnl": _text(position.realised),
        "tradeId": "",
        "uTime": str(position.updated_ms or now_ms),
        "upl": _text(position.unrealised),
        "uplRatio": "",
    }


def balance(exchange: VenueExchange, account: Account, assets: str = "") -> Row:
    """The row of account/balance and of the `account` channel."""
    wanted = {asset for asset in assets.split(",") if asset}
    now = exchange.now_ms()
    details: list[Row] = []
    total = Decimal(0)
    for held in exchange.engine.balances(account.name):
        if wanted and held.asset not in wanted:
            continue
        if held.asset in ("USDT", "USDC", "USD"):
            total += held.equity
        details.append(
            {
                "availBal": _text(held.free),
                "availEq": _text(held.available),
                "cashBal": _text(held.total),
                "ccy": held.asset,
                "crossLiab": "",
                "disEq": _text(held.equity),
                "eq": _text(held.equity),
                "eqUsd": _text(held.equity),
                "fixedBal": "0",
                "frozenBal": _text(held.held),
                "imr": _text(held.initial_margin),
                "interest": "",
                "isoEq": "0",
                "isoLiab": "",
                "isoUpl": "0",
                "liab": "",
                "maxLoan": "",
                "mgnRatio": "",
                "mmr": _text(held.maintenance_margin),
                "notionalLever": "0",
                "ordFrozen": "0",
                "spotInUseAmt": "",
                "stgyEq": "0",
                "twap": "0",
                "uTime": str(now),
                "upl": _text(held.unrealised),
                "uplLiab": "",
            }
        )
    return {
        "adjEq": "",
        "details": details,
        "imr": "",
        "isoEq": "0",
        "mgnRatio": "",
        "mmr": "",
        "notionalUsd": "",
        "ordFroz": "",
        "totalEq": _text(total),
        "uTime": str(now),
        "upl": "",
    }


def bills(exchange: VenueExchange, account: Account) -> list[Row]:
    """Rows of account/bills, oldest first: trades (type 2) and funding (type 8)."""
    rows = [*_trade_bills(exchange, account), *_funding_bills(exchange, account)]
    return sorted(rows, key=lambda row: (int(str(row["ts"])), int(str(row["billId"]))))


def _trade_bills(exchange: VenueExchange, account: Account) -> Iterator[Row]:
    for told in exchange.engine.fills(account.name):
        found = exchange.listing(told.symbol)
        change = told.realised - told.fee
        yield _bill(found, told.trade_id, told.timestamp_ms, change, told.fee_asset) | {
            "type": "2",
            "subType": "1" if told.side is Side.BUY else "2",
            "ordId": str(told.order_id),
            "fee": _text(-told.fee),
            "pnl": _text(told.realised),
            "px": _text(told.price),
            "sz": _text(found.size(told.amount)),
        }


def _funding_bills(exchange: VenueExchange, account: Account) -> Iterator[Row]:
    for paid in exchange.engine.payments(account.name):
        yield funding_bill(exchange, paid)


def funding_bill(exchange: VenueExchange, paid: Payment) -> Row:
    """A funding payment: subtype 173 paid, 174 received."""
    found = exchange.listing(paid.symbol)
    return _bill(found, paid.id, paid.timestamp_ms, paid.amount, paid.asset) | {
        "type": "8",
        "subType": "174" if paid.amount > 0 else "173",
        "ordId": "",
        "fee": "0",
        "pnl": _text(paid.amount),
        "px": _text(paid.mark),
        "sz": _text(abs(found.size(paid.position))),
    }


def _bill(found: Listing, number: int, at_ms: int, change: Decimal, asset: str) -> Row:
    return {
        "bal": "",
        "balChg": _text(change),
        "billId": str(number),
        "ccy": asset,
        "clOrdId": "",
        "execType": "",
        "from": "",
        "instId": found.instrument.symbol,
        "instType": inst_type(found.instrument.market),
        "interest": "0",
        "mgnMode": "cash" if found.terms.is_spot else "cross",
        "notes": "",
        "posBal": "",
        "posBalChg": "",
        "tag": "",
        "to": "",
        "ts": str(at_ms),
    }


def currency(asset: str) -> Row:
    """A row of asset/currencies, as little as clients need."""
    return {
        "canDep": True,
        "canInternal": True,
        "canWd": True,
        "ccy": asset,
        "chain": f"{asset}-{asset}",
        "ctAddr": "",
        "depQuotaFixed": "",
        "logoLink": "",
        "mainNet": True,
        "maxFee": "0",
        "maxWd": "1000000",
        "minDep": "0.0001",
        "minDepArrivalConfirm": "1",
        "minFee": "0",
        "minWd": "0.001",
        "minWdUnlockConfirm": "1",
        "name": asset,
        "needTag": False,
        "usedDepQuotaFixed": "",
        "usedWdQuota": "0",
        "wdQuota": "10000000",
        "wdTickSz": "8",
    }


def _text(value: Decimal | None) -> str:
    """Fixed point without trailing zeros; '' for what is not known."""
    if value is None:
        return ""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text
