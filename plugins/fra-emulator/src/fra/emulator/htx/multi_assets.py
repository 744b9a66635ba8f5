"""The multi-assets collateral account over REST (HTX docs: USDT-M v5, "Account", "Trade", "Position"): all texts."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from fra.emulator.accounts import Account
from fra.emulator.htx import refusals
from fra.emulator.htx.contracts import (
    PRICE_TYPES,
    ContractAccount,
    Params,
    PriceType,
    Row,
    decimal,
    is_over,
    order_id,
    plain,
)
from fra.emulator.htx.rest import Refusal
from fra.matching import (
    Fill,
    Order,
    OrderStatus,
    OrderType,
    Position,
    PositionSide,
    Reason,
    Refused,
    Side,
    TimeInForce,
)

STATES: Mapping[OrderStatus, str] = {
    OrderStatus.UNTRIGGERED: "new",
    OrderStatus.NEW: "new",
    OrderStatus.PARTIALLY_FILLED: "partially_filled",
    OrderStatus.FILLED: "filled",
    OrderStatus.REJECTED: "rejected",
}
_NO_TARGETS: Row = {
    f"{name}_{what}": value
    for name in ("tp", "sl")
    for what, value in (("trigger_price", ""), ("order_price", ""), ("type", "0"), ("trigger_price_type", ""))
}
_SIDES: Mapping[PositionSide, str] = {
    PositionSide.NET: "both",
    PositionSide.LONG: "long",
    PositionSide.SHORT: "short",
}


def state(order: Order) -> str:
    """The order's state by name."""
    return STATES.get(order.status) or ("partially_canceled" if order.filled else "canceled")


class MultiAssets(ContractAccount):
    """`/v5/…`, cross margin."""

    # -- orders
    def order(self, account: Account, params: Params) -> object:
        return self._ids(self._place(account, params))

    def batch(self, account: Account, many: Sequence[Params]) -> object:
        rows: list[Row] = []
        for params in many:
            try:
                rows.append({"code": 200, "message": "Success", **self._ids(self._place(account, params))})
            except Refusal as refusal:
                rows.append({"code": refusal.number, "message": refusal.contract_text})
        return rows

    def _ids(self, order: Order) -> Row:
        venue_id = str(order_id(order.id))
        return {"order_id": venue_id, "client_order_id": order.client_id or venue_id}

    def _place(self, account: Account, params: Params) -> Order:
        for name in ("contract_code", "side", "type", "volume"):
            if not params.get(name):
                raise refusals.missing(name)
        listing = self.listing(params["contract_code"])
        if params["side"] not in ("buy", "sell"):
            raise refusals.invalid("side")
        side = Side(params["side"])
        return self.place(
            account,
            listing,
            params,
            side=side,
            position=self._position(account, params),
            kind=self._kind(params),
            reduce_only=params.get("reduce_only") in ("1", "true") and not self.is_hedged(account),
        )

    @staticmethod
    def _kind(params: Params) -> PriceType:
        match = PRICE_TYPES.get(params.get("price_match") or "")
        told, tif = params["type"], params.get("time_in_force") or "gtc"
        if told not in ("limit", "market", "post_only") or tif not in ("gtc", "ioc", "fok"):
            raise refusals.invalid("type" if tif in ("gtc", "ioc", "fok") else "time_in_force")
        if told == "market":
            return PRICE_TYPES["market"]
        if told == "post_only":
            return PRICE_TYPES["post_only"]
        return PriceType(tif=TimeInForce(tif), level=match.level if match is not None else 0)

    def _position(self, account: Account, params: Params) -> PositionSide:
        told = params.get("position_side") or "both"
        sides = {name: side for side, name in _SIDES.items()}
        if told not in sides or (told != "both") is not self.is_hedged(account):
            raise refusals.linear(Refused(Reason.POSITION_SIDE, told))
        return sides[told]

    def cancel(self, account: Account, params: Params) -> object:
        order = self._of(account, params)
        if is_over(order):
            raise refusals.not_cancelled(order)
        self.live.cancel(account, order_id=order.id)
        return self._ids(order)

    def cancel_many(self, account: Account, params: Params, ids: Sequence[str]) -> object:
        rows: list[Row] = []
        for told in ids:
            try:
                rows.append({"code": 200, "message": "Success", **_row(self.cancel(account, {"order_id": told}))})
            except Refusal as refusal:
                rows.append({"code": refusal.number, "message": refusal.contract_text, "order_id": told})
        return rows

    def cancel_all(self, account: Account, params: Params) -> object:
        symbol = self.symbol(params, "contract_code")
        wanted = [Side(params["side"])] if params.get("side") else list(Side)
        found = [o for o in self.open_orders(account, symbol) if o.side in wanted]
        done = [self.live.cancel(account, order_id=o.id) for o in found]
        return [{"code": 200, "message": "Success", **self._ids(order)} for order in done]

    # -- looking up
    def _of(self, account: Account, params: Params) -> Order:
        order, client = params.get("order_id", ""), params.get("client_order_id", "")
        if not order and not client:
            raise refusals.missing("order_id")
        try:
            return self.find(account, order=order, client=client)
        except Refused as refused:
            raise refusals.linear(refused) from None

    def one(self, account: Account, params: Params) -> object:
        return self.row(self._of(account, params))

    def opens(self, account: Account, params: Params) -> object:
        return [self.row(o) for o in self.open_orders(account, self.symbol(params, "contract_code"))][: _limit(params)]

    def history(self, account: Account, params: Params) -> object:
        states = {s for s in params.get("states", "").split(",") if s}
        found = [
            o
            for o in self.orders(account, self.symbol(params, "contract_code"))
            if is_over(o) and (not states or state(o) in states) and _within(params, o.created_ms)
        ]
        return [self.row(o) for o in found[: _limit(params)]]

    def details(self, account: Account, params: Params) -> object:
        """Own trades, newest first."""
        order = int(params["order_id"]) - order_id(0) if params.get("order_id") else None
        found = self.fills(account, self.symbol(params, "contract_code"), order)
        return [self.fill(f) for f in found if _within(params, f.timestamp_ms)][: _limit(params)]

    # -- money and positions
    def balance(self, account: Account, params: Params) -> object:
        details: list[Row] = []
        now = self._now_ms()
        for held in self.live.engine.balances(account.name):
            if held.wallet != "linear":
                continue
            free = plain(max(min(held.free, held.available), Decimal(0)))
            details.append(
                {
                    "currency": held.asset,
                    "equity": plain(held.equity),
                    "available": plain(max(held.available, Decimal(0))),
                    "profit_unreal": plain(held.unrealised),
                    "initial_margin": plain(held.initial_margin),
                    "maintenance_margin": plain(held.maintenance_margin),
                    "maintenance_margin_rate": "0",
                    "initial_margin_rate": "0",
                    "available_margin": plain(max(held.available, Decimal(0))),
                    "voucher": "0",
                    "voucher_value": "0",
                    "withdraw_available": free,
                    "created_time": now,
                    "updated_time": now,
                    "isolated_equity": "0",
                    "isolated_profit_unreal": "0",
                }
            )
        usdt = self.live.engine.balance(account.name, "linear", "USDT")
        return {
            "state": "normal",
            "equity": plain(usdt.equity),
            "details": details,
            "initial_margin": plain(usdt.initial_margin),
            "maintenance_margin": plain(usdt.maintenance_margin),
            "maintenance_margin_rate": "0",
            "profit_unreal": plain(usdt.unrealised),
            "available_margin": plain(max(usdt.available, Decimal(0))),
            "voucher_value": "0",
            "created_time": now,
            "updated_time": now,
        }

    def position_opens(self, account: Account, params: Params) -> object:
        return [self.position(p) for p in self.positions(account, self.symbol(params, "contract_code"))]

    def bills(self, account: Account, params: Params) -> object:
        """Funding only, newest first; type 30 was received, 31 paid."""
        wanted = {t for t in params.get("type", "").split(",") if t}
        rows: list[Row] = []
        for paid in self.live.engine.payments(account.name, self.symbol(params, "contract_code"))[::-1]:
            kind = "30" if paid.amount >= 0 else "31"
            if (wanted and kind not in wanted) or not _within(params, paid.timestamp_ms):
                continue
            row: Row = {"id": str(paid.id), "type": kind, "currency": paid.asset, "amount": plain(paid.amount)}
            code = self.live.listing(paid.symbol).instrument.symbol
            rows.append({**row, "contract_code": code, "margin_mode": "cross", "created_time": str(paid.timestamp_ms)})
        return rows[: _limit(params)]

    # -- settings
    def lever(self, account: Account, params: Params) -> object:
        symbol = self.symbol(params, "contract_code")
        chosen = [self.live.listing(symbol)] if symbol else list(self.live.listings("linear"))
        return [
            {
                "contract_code": x.instrument.symbol,
                "margin_mode": "cross",
                "lever_rate": str(int(self.live.engine.leverage(account.name, x.symbol))),
            }
            for x in chosen
        ]

    def set_lever(self, account: Account, params: Params) -> object:
        if not params.get("contract_code"):
            raise refusals.missing("contract_code")
        listing = self.listing(params["contract_code"])
        self.set_leverage(account, listing, decimal(params, "lever_rate"))
        row: Row = {"contract_code": listing.instrument.symbol, "margin_mode": "cross"}
        return {**row, "lever_rate": str(int(self.live.engine.leverage(account.name, listing.symbol)))}

    def position_mode(self, account: Account, params: Params) -> object:
        return {"position_mode": self.mode(account)}

    def set_position_mode(self, account: Account, params: Params) -> object:
        self.set_mode(account, params.get("position_mode", ""))
        return {"position_mode": self.mode(account)}

    # -- rows
    def row(self, order: Order) -> Row:
        """An order; a fee that was paid is negative here, and positive in a trade."""
        listing = self.live.listing(order.symbol)
        price = order.price if order.price is not None else Decimal(0)
        limit = "post_only" if order.post_only else "limit"
        return {
            "id": str(order_id(order.id)),
            **self._ids(order),
            "side": order.side.value,
            "type": "market" if order.type is OrderType.MARKET else limit,
            "price": plain(price),
            "volume": plain(listing.size(order.amount)),
            "state": state(order),
            "profit": plain(self.realised(order)),
            "contract_code": listing.instrument.symbol,
            "position_side": _SIDES[order.position_side],
            "price_match": None,
            "margin_mode": "cross",
            "lever_rate": int(self.live.engine.leverage(order.account, order.symbol)),
            "order_source": "api",
            "reduce_only": order.reduce_only,
            "time_in_force": order.time_in_force.value,
            **_NO_TARGETS,
            "trade_avg_price": plain(order.average) if order.average is not None else "0",
            "trade_volume": plain(listing.size(order.filled)),
            "trade_turnover": plain(order.cost),
            "fee_currency": order.fee_asset if order.filled else "",
            "fee": plain(-order.fee),
            "price_protect": False,
            "contract_type": "swap",
            "created_time": str(order.created_ms),
            "updated_time": str(order.updated_ms),
            "cancel_reason": None,
            "self_match_prevent": "cancel_taker",
        }

    def fill(self, fill: Fill) -> Row:
        """A trade."""
        listing = self.live.listing(fill.symbol)
        order = self.live.engine.order(fill.account, order_id=fill.order_id)
        venue_id = str(order_id(fill.order_id))
        return {
            "id": f"{fill.trade_id}-{venue_id}-1",
            "contract_code": listing.instrument.symbol,
            "order_id": venue_id,
            "client_order_id": fill.client_id or venue_id,
            "trade_id": str(fill.trade_id),
            "side": fill.side.value,
            "position_side": _SIDES[fill.position_side],
            "order_type": "1",
            "margin_mode": "cross",
            "type": "market" if order.type is OrderType.MARKET else "limit",
            "role": "MAKER" if fill.maker else "TAKER",
            "trade_price": plain(fill.price),
            "trade_volume": plain(listing.size(fill.amount)),
            "trade_turnover": plain(fill.price * fill.amount),
            "created_time": str(fill.timestamp_ms),
            "updated_time": str(fill.timestamp_ms),
            "order_source": "api",
            "fee_currency": fill.fee_asset,
            "trade_fee": plain(fill.fee),
            "deduction_price": "",
            "profit": plain(fill.realised),
            "contract_type": "swap",
        }

    def position(self, held: Position) -> Row:
        """One side of one contract."""
        listing = self.live.listing(held.symbol)
        volume = abs(listing.size(held.amount))
        rate = held.unrealised / held.initial_margin if held.initial_margin else Decimal(0)
        return {
            "contract_code": listing.instrument.symbol,
            "position_side": _SIDES[held.side],
            "direction": "buy" if held.amount > 0 else "sell",
            "margin_mode": "cross",
            "open_avg_price": plain(held.entry or Decimal(0)),
            "volume": plain(volume),
            "available": plain(volume),
            "lever_rate": int(held.leverage),
            "adl_risk_percent": 3,
            "liquidation_price": "" if held.liquidation_price is None else plain(held.liquidation_price),
            "margin": plain(held.initial_margin),
            "initial_margin": plain(held.initial_margin),
            "maintenance_margin": plain(held.maintenance_margin),
            "profit_unreal": plain(held.unrealised),
            "profit_rate": plain(rate.quantize(Decimal("1e-8"))),
            "margin_rate": "0",
            "mark_price": plain(held.mark or Decimal(0)),
            "last_price": plain(self.live.engine.last_price(held.symbol) or held.mark or Decimal(0)),
            "margin_currency": held.settle,
            "contract_type": "swap",
            "created_time": str(held.opened_ms or 0),
            "updated_time": str(held.updated_ms),
        }


def _row(told: object) -> Row:
    assert isinstance(told, dict)
    return told


def _limit(params: Params) -> int:
    return min(int(params.get("limit") or 100), 100)


def _within(params: Params, at_ms: int) -> bool:
    return int(params.get("start_time") or 0) <= at_ms <= int(params.get("end_time") or 10**15)
