"""The single-asset contract account over REST (HTX docs: USDT-M, cross margin): one wallet, JSON numbers."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from fra.emulator.accounts import Account
from fra.emulator.exchange import Listing
from fra.emulator.htx import refusals
from fra.emulator.htx.contracts import (
    PRICE_TYPES,
    Params,
    Row,
    client_id,
    decimal,
    is_over,
    offset,
    order_id,
    plain,
)
from fra.emulator.htx.rest import Refusal
from fra.emulator.htx.single_rows import MARGIN, SingleRows, kind, number, status
from fra.matching import Order, PositionSide, Reason, Refused, Side

_AT_LEVELS = ("opponent", "lightning", "optimal_5", "optimal_10", "optimal_20")
_PRICE_TYPE_NUMBERS: Mapping[str, int] = {
    "limit": 1,
    "market": 2,
    "opponent": 3,
    "lightning": 4,
    "post_only": 6,
    "optimal_5": 7,
    "optimal_10": 8,
    "optimal_20": 9,
    "fok": 10,
    "ioc": 11,
    **{f"{name}_ioc": number for number, name in enumerate(_AT_LEVELS, 12)},
    **{f"{name}_fok": number for number, name in enumerate(_AT_LEVELS, 17)},
}
"""In lists of past orders (HTX docs: USDT-M, "Get History Orders(New)")."""


class SingleAsset(SingleRows):
    """`/linear-swap-api/v1|v3`, cross margin."""

    # -- orders
    def order(self, account: Account, params: Params) -> object:
        order = self._place(account, params)
        told: Row = {"order_id": order_id(order.id), "order_id_str": str(order_id(order.id))}
        return told | ({"client_order_id": client_id(order)} if order.client_id else {})

    def batch(self, account: Account, many: Sequence[Params]) -> object:
        done: list[Row] = []
        errors: list[Row] = []
        for index, params in enumerate(many, 1):
            try:
                order = self._place(account, params)
                told: Row = {"order_id": order_id(order.id), "order_id_str": str(order_id(order.id))}
                done.append({"index": index, **told, "client_order_id": client_id(order)})
            except Refusal as refusal:
                errors.append({"index": index, "err_code": refusal.number, "err_msg": refusal.contract_text})
        return {"errors": errors, "success": done}

    def _place(self, account: Account, params: Params) -> Order:
        for name in ("contract_code", "volume", "direction", "order_price_type"):
            if not params.get(name):
                raise refusals.missing(name)
        listing = self.listing(params["contract_code"])
        priced = PRICE_TYPES.get(params["order_price_type"])
        if priced is None:
            raise Refusal(200, "1034", "", 1034, "Incorrect field of order price type.")
        if params["direction"] not in ("buy", "sell"):
            raise Refusal(200, "1035", "", 1035, "Incorrect field of form direction.")
        side = Side(params["direction"])
        position, reduce_only = self.position_of(account, side, params)
        if params.get("lever_rate"):
            self._match_leverage(account, listing, decimal(params, "lever_rate"))
        release = self.live.events.hold()  # the events of an order tell the kind that it was placed with
        try:
            order = self.place(
                account, listing, params, side=side, position=position, kind=priced, reduce_only=reduce_only
            )
            self.price_types[order.id] = params["order_price_type"]
        finally:
            release()
        return order

    def position_of(self, account: Account, side: Side, params: Params) -> tuple[PositionSide, bool]:
        """Which position an order concerns: in one-way mode `both` (or nothing), in hedge mode `open` or `close`."""
        told, reduce_only = params.get("offset") or "both", params.get("reduce_only") == "1"
        if not self.is_hedged(account):
            if told != "both":
                raise refusals.linear(Refused(Reason.POSITION_SIDE, told))
            return PositionSide.NET, reduce_only
        if told not in ("open", "close"):
            raise refusals.linear(Refused(Reason.POSITION_SIDE, told))
        is_long = (side is Side.BUY) is (told == "open")
        return (PositionSide.LONG if is_long else PositionSide.SHORT), False

    def _match_leverage(self, account: Account, listing: Listing, wanted: Decimal) -> None:
        """An order's leverage becomes the contract's while nothing is open on it."""
        if wanted == self.live.engine.leverage(account.name, listing.symbol):
            return
        held = self.live.engine.positions(account.name, listing.symbol)
        if held or self.live.engine.open_orders(account.name, listing.symbol):
            raise refusals.other_leverage()
        self.set_leverage(account, listing, wanted)

    def cancel(self, account: Account, params: Params) -> object:
        """Several at once, each with its own outcome."""
        self._required(params, "contract_code")
        self.listing(params["contract_code"])
        done: list[str] = []
        errors: list[Row] = []
        by = "order_id" if params.get("order_id") else "client_order_id"
        if not params.get(by):
            raise refusals.missing("order_id")
        for told in params[by].split(","):
            try:
                order = self.find(account, **{"order" if by == "order_id" else "client": told})
                if is_over(order):
                    raise refusals.not_cancelled(order)
                self.live.cancel(account, order_id=order.id)
                done.append(told)
            except (Refused, Refusal) as refused:
                refusal = refusals.linear(refused) if isinstance(refused, Refused) else refused
                errors.append({"order_id": told, "err_code": refusal.number, "err_msg": refusal.contract_text})
        return {"errors": errors, "successes": ",".join(done)}

    def cancel_all(self, account: Account, params: Params) -> object:
        self._required(params, "contract_code")
        symbol = self.symbol(params, "contract_code")
        done = [self.live.cancel(account, order_id=o.id) for o in self.open_orders(account, symbol)]
        if not done:
            raise Refusal(200, "1051", "", 1051, "No orders to cancel.")
        return {"errors": [], "successes": ",".join(str(order_id(order.id)) for order in done)}

    # -- looking up
    def order_info(self, account: Account, params: Params) -> object:
        by = "order_id" if params.get("order_id") else "client_order_id"
        if not params.get(by):
            raise refusals.missing("order_id")
        rows: list[Row] = []
        for told in params[by].split(","):
            try:
                rows.append(self.row(self.find(account, **{"order" if by == "order_id" else "client": told})))
            except Refused:
                continue
        if not rows:
            raise Refusal(200, "1017", "", 1017, "Order doesnt exist.")
        return rows

    def order_detail(self, account: Account, params: Params) -> object:
        try:
            order = self.find(account, order=params.get("order_id", ""))
        except Refused:
            raise Refusal(200, "1017", "", 1017, "Order doesnt exist.") from None
        trades = [self.trade(fill) for fill in self.fills_of(order)]
        pages: Row = {"total_page": 1, "current_page": 1, "total_size": len(trades)}
        return {**self.row(order), "trades": trades, **pages}

    def open_orders_page(self, account: Account, params: Params) -> object:
        symbol = self.symbol(params, "contract_code", "pair")
        return page([self.row(o) for o in self.open_orders(account, symbol)], params, "orders")

    def history(self, account: Account, params: Params) -> object:
        """`v3/swap_cross_hisorders`: newest first, by `status` (0 all) and time."""
        symbol = self.symbol(params, "contract", "pair")
        states = {int(s) for s in params.get("status", "0").split(",") if s} - {0}
        rows: list[Row] = []
        for order in self.orders(account, symbol):
            if (states and status(order) not in states) or (params.get("type") == "2" and not is_over(order)):
                continue
            if not _within(params, order.created_ms):
                continue
            row = self.row(order)
            row |= {"query_id": order.id, "create_date": row.pop("created_at"), "update_time": order.updated_ms}
            rows.append({**row, "order_price_type": _PRICE_TYPE_NUMBERS[self.price_type(order)]})
        return rows[:50]

    def matches(self, account: Account, params: Params) -> object:
        """`v3/swap_cross_matchresults`: newest first."""
        symbol = self.symbol(params, "contract", "pair")
        rows: list[Row] = []
        for fill in self.fills(account, symbol):
            if not _within(params, fill.timestamp_ms):
                continue
            listing, told = self.live.listing(fill.symbol), self.trade(fill)
            rows.append(
                {
                    **kind(listing),
                    "query_id": fill.trade_id,
                    "match_id": fill.trade_id,
                    "id": told["id"],
                    "order_id": order_id(fill.order_id),
                    "order_id_str": str(order_id(fill.order_id)),
                    "client_order_id": client_id(fill),
                    "direction": fill.side.value,
                    "offset": offset(fill, fill.side),
                    "trade_volume": told["trade_volume"],
                    "trade_price": told["trade_price"],
                    "trade_turnover": told["trade_turnover"],
                    "trade_fee": told["trade_fee"],
                    "offset_profitloss": number(fill.realised),
                    "real_profit": number(fill.realised),
                    "create_date": fill.timestamp_ms,
                    "role": "Maker" if fill.maker else "Taker",
                    "order_source": "api",
                    "fee_asset": fill.fee_asset,
                    "reduce_only": 0,
                    **MARGIN,
                }
            )
        return rows[:50]

    def payments(self, account: Account, params: Params) -> object:
        """`v3/swap_financial_record`: funding only, newest first; type 30 was received, 31 paid."""
        symbol = self.symbol(params, "contract", "pair")
        wanted = {t for t in params.get("type", "").split(",") if t}
        rows = [
            self.payment(p) for p in self.live.engine.payments(account.name, symbol) if _within(params, p.timestamp_ms)
        ]
        return [row for row in rows[::-1] if not wanted or str(row["type"]) in wanted][:50]

    # -- money and positions
    def account_info(self, account: Account, params: Params) -> object:
        if params.get("margin_account", "USDT").upper() != "USDT":
            raise refusals.invalid("margin_account")
        return [self.wallet(account)]

    def position_info(self, account: Account, params: Params) -> object:
        symbol = self.symbol(params, "contract_code", "pair")
        return [self.position(p) for p in self.positions(account, symbol)]

    def account_position_info(self, account: Account, params: Params) -> object:
        return {**self.wallet(account), "positions": self.position_info(account, params)}

    # -- settings
    def switch_leverage(self, account: Account, params: Params) -> object:
        self._required(params, "contract_code", "lever_rate")
        listing = self.listing(params["contract_code"])
        self.set_leverage(account, listing, decimal(params, "lever_rate"))
        now = int(self.live.engine.leverage(account.name, listing.symbol))
        return {**kind(listing), "lever_rate": now, "margin_mode": "cross"}

    def position_mode(self, account: Account, params: Params) -> object:
        self._required(params, "margin_account")
        return {"margin_account": "USDT", "position_mode": self.mode(account)}

    def switch_mode(self, account: Account, params: Params) -> object:
        self.set_mode(account, params.get("position_mode", ""))
        return {"margin_account": "USDT", "position_mode": self.mode(account)}

    def leverages(self, account: Account, params: Params) -> object:
        symbol = self.symbol(params, "contract_code", "pair")
        chosen = [self.live.listing(symbol)] if symbol else list(self.live.listings("linear"))
        return [{**kind(x), "available_level_rate": "1,2,3,5,10,20,30,50,75", "margin_mode": "cross"} for x in chosen]

    def fees(self, account: Account, params: Params) -> object:
        symbol = self.symbol(params, "contract_code", "pair")
        rows: list[Row] = []
        for listing in [self.live.listing(symbol)] if symbol else list(self.live.listings("linear")):
            maker, taker = plain(listing.terms.maker_fee), plain(listing.terms.taker_fee)
            opening = {"open_maker_fee": maker, "open_taker_fee": taker}
            closing = {"close_maker_fee": maker, "close_taker_fee": taker}
            rows.append({**kind(listing), **opening, **closing, "fee_asset": "USDT", "delivery_fee": "0"})
        return rows

    @staticmethod
    def _required(params: Params, *names: str) -> None:
        for name in names:
            if not params.get(name):
                raise refusals.missing(name)


def _within(params: Params, at_ms: int) -> bool:
    return int(params.get("start_time") or 0) <= at_ms <= int(params.get("end_time") or 10**15)


def page(rows: Sequence[Row], params: Params, name: str) -> Row:
    """One page of rows, and how many there are."""
    index, size = int(params.get("page_index") or 1), min(int(params.get("page_size") or 20), 50)
    pages: Row = {"total_page": -(-len(rows) // size), "current_page": index, "total_size": len(rows)}
    return {name: list(rows[(index - 1) * size : index * size]), **pages}
