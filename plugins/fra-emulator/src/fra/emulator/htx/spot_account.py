"""The spot account over REST (HTX docs: spot, "Account" and "Trading"): texts for money, integers for ids and times."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation

from fra.emulator.accounts import Account
from fra.emulator.exchange import Listing
from fra.emulator.htx import refusals
from fra.emulator.htx.rest import Refusal
from fra.emulator.htx.spot_rows import (
    CANCEL_STATES,
    FIRST_ORDER,
    KINDS,
    Row,
    SpotRows,
    account_id,
    order_id,
    plain,
    state,
)
from fra.matching import Order, OrderRequest, OrderType, Reason, Refused, Side, Trigger, TriggerKind

Params = Mapping[str, str]

_DAY_MS = 86_400_000


class SpotAccount(SpotRows):
    """Answers about one account's spot wallet, and its orders."""

    # -- accounts
    def accounts(self, account: Account, params: Params) -> object:
        return [{"id": account_id(account), "type": "spot", "subtype": "", "state": "working"}]

    def user_id(self, account: Account, params: Params) -> object:
        return account_id(account) + 1

    def keys(self, account: Account, params: Params) -> object:
        """Of the account's user alone, and the one that is named or all: there is but one."""
        if params.get("uid") != str(self.user_id(account, params)):
            raise Refusal(200, "", "", 2002, "invalid field value in `uid`")
        if params.get("accessKey", account.key) != account.key:
            return []
        rights = [
            "readOnly",
            *(["trade"] if account.may_trade else []),
            *(["withdraw"] if account.may_withdraw else []),
        ]
        row: Row = {"accessKey": account.key, "note": account.name, "permission": ",".join(rights), "status": "normal"}
        row |= {"ipAddresses": "", "validDays": -1, "createTime": 1_700_000_000_000, "updateTime": 1_700_000_000_000}
        return [row]

    def balance(self, account: Account, params: Params) -> object:
        self._check_account(account, params["{id}"])
        rows: list[Row] = []
        for held in self.live.engine.balances(account.name):
            if held.wallet != "spot":
                continue
            for kind, value in (("trade", held.free), ("frozen", held.held)):
                rows.append(
                    {
                        "currency": held.asset.lower(),
                        "type": kind,
                        "balance": plain(value),
                        "debt": "0",
                        "available": plain(held.free if kind == "trade" else Decimal(0)),
                        "seq-num": "0",
                    }
                )
        return {"id": account_id(account), "type": "spot", "state": "working", "list": rows}

    def fees(self, account: Account, params: Params) -> object:
        names = [s for s in params.get("symbols", "").split(",") if s]
        rows: list[Row] = []
        for listing in [self._listing(name) for name in names] or list(self.live.listings("spot"))[:1]:
            maker, taker = plain(listing.terms.maker_fee), plain(listing.terms.taker_fee)
            rates = {"makerFeeRate": maker, "takerFeeRate": taker}
            rows.append(
                {"symbol": listing.instrument.symbol, **rates, "actualMakerRate": maker, "actualTakerRate": taker}
            )
        return rows

    # -- orders
    def place(self, account: Account, params: Params) -> object:
        listing, request = self._request(account, params)
        try:
            order = self.live.place(account, request, expire={Reason.WOULD_TAKE})
        except Refused as refused:
            raise refusals.spot(refused, listing) from None
        return str(order_id(order.id))

    def place_many(self, account: Account, many: Sequence[Params]) -> object:
        """Each alone: an id, or what was wrong."""
        rows: list[Row] = []
        for params in many:
            row: Row = {"client-order-id": params["client-order-id"]} if params.get("client-order-id") else {}
            try:
                rows.append({"order-id": int(str(self.place(account, params))), **row})
            except Refusal as refusal:
                rows.append({**row, "err-code": refusal.word, "err-msg": refusal.text})
        return rows

    def _request(self, account: Account, params: Params) -> tuple[Listing, OrderRequest]:
        for name in ("account-id", "symbol", "type", "amount"):
            if not params.get(name):
                raise refusals.required(name)
        self._check_account(account, params["account-id"])
        listing = self._listing(params["symbol"])
        side, _, kind_name = params["type"].partition("-")
        kind = KINDS.get(kind_name)
        if kind is None or side not in ("buy", "sell"):
            raise Refusal(200, "order-type-invalid", "order type invalid", 0)
        client_id = params.get("client-order-id") or None
        if client_id is not None:
            self._check_client_id(account, client_id)
        amount = _decimal(params, "amount")
        by_quote = kind.type is OrderType.MARKET and side == "buy"
        return listing, OrderRequest(
            symbol=listing.symbol,
            side=Side(side),
            type=kind.type,
            amount=None if by_quote else amount,
            quote_amount=amount if by_quote else None,
            price=None if kind.type is OrderType.MARKET else _decimal(params, "price"),
            time_in_force=kind.tif,
            post_only=kind.post_only,
            client_id=client_id,
            trigger=_trigger(params, Side(side)) if kind.stop else None,
        )

    def _check_client_id(self, account: Account, client_id: str) -> None:
        """At most 64 characters, and unique for a day, even after the order has ended."""
        try:
            before = self.live.engine.order(account.name, client_id=client_id)
        except Refused:
            before = None
        reused = before is not None and self._now_ms() - before.created_ms < _DAY_MS
        if len(client_id) > 64 or reused:
            raise refusals.spot(Refused(Reason.DUPLICATE_CLIENT_ID, client_id))

    def _check_account(self, account: Account, told: str) -> None:
        if told != str(account_id(account)):
            text = f"account for id `{told}` and user id `{account_id(account) + 1}` does not exist"
            raise Refusal(200, "account-get-accounts-inexistent-error", text, 0)

    def cancel(self, account: Account, params: Params) -> object:
        order = self._find(account, params, refusals.spot(Refused(Reason.ORDER_CLOSED, "")))
        if not order.status.is_open:
            refusal = refusals.spot(Refused(Reason.ORDER_CLOSED, ""))
            refusal.extra["order-state"] = CANCEL_STATES.get(state(order), -1)
            raise refusal
        self.live.cancel(account, order_id=order.id)
        return params["{id}"]

    def cancel_by_client_id(self, account: Account, params: Params) -> object:
        """A number for what became of it: 10 it is being cancelled, 0 there is none, or its final state."""
        name = "client-order-id"
        if not params.get(name):
            raise refusals.required(name)
        try:
            order = self.live.engine.order(account.name, client_id=params[name])
        except Refused:
            return 0
        if not order.status.is_open:
            return CANCEL_STATES.get(state(order), -1)
        self.live.cancel(account, order_id=order.id)
        return 10

    def cancel_open(self, account: Account, params: Params) -> object:
        symbols = [self._listing(s).symbol for s in params.get("symbol", "").split(",") if s]
        side = params.get("side")
        found = [
            order
            for order in self._spot(self.live.engine.open_orders(account.name))
            if (not symbols or order.symbol in symbols) and (not side or order.side.value == side)
        ]
        for order in found[: int(params.get("size") or 100)]:
            self.live.cancel(account, order_id=order.id)
        return {"success-count": len(found), "failed-count": 0, "next-id": -1}

    def cancel_many(self, account: Account, params: Params, ids: Mapping[str, Sequence[str]]) -> object:
        done: list[str] = []
        failed: list[Row] = []
        for name, given in ids.items():
            for told in given:
                wanted = {"{id}": told} if name == "order-ids" else {"client": told}
                try:
                    order = self._find(account, wanted, refusals.spot(Refused(Reason.UNKNOWN_ORDER, "")))
                    self.live.cancel(account, order_id=order.id)
                    done.append(told)
                except (Refusal, Refused):
                    refusal = refusals.spot(Refused(Reason.ORDER_CLOSED, ""))
                    key = "order-id" if name == "order-ids" else "client-order-id"
                    failed.append({"err-msg": refusal.text, "err-code": refusal.word, "order-state": -1, key: told})
        return {"success": done, "failed": failed}

    # -- looking up
    def order(self, account: Account, params: Params) -> object:
        return self.row(account, self._find(account, params, refusals.spot(Refused(Reason.UNKNOWN_ORDER, ""))))

    def order_by_client_id(self, account: Account, params: Params) -> object:
        told = params.get("clientOrderId", "")
        return self.row(
            account, self._find(account, {"client": told}, refusals.spot(Refused(Reason.UNKNOWN_ORDER, "")))
        )

    def open_orders(self, account: Account, params: Params) -> object:
        symbols = [self._listing(s).symbol for s in params.get("symbol", "").split(",") if s]
        rows: list[Row] = []
        for order in self._spot(self.live.engine.open_orders(account.name)):
            if (not symbols or order.symbol in symbols) and params.get("side", order.side.value) == order.side.value:
                row = self.row(account, order)
                for name in ("amount", "cash-amount", "fees"):
                    row[f"filled-{name}"] = row.pop(f"field-{name}")
                for name in ("finished-at", "canceled-at"):
                    del row[name]
                rows.append(row)
        return rows[::-1][: int(params.get("size") or 100)]

    def orders(self, account: Account, params: Params) -> object:
        """Newest first, by `states` and time, of one symbol or (in `/v1/order/history`) of all."""
        symbol = self._listing(params["symbol"]).symbol if params.get("symbol") else None
        states = [s for s in params.get("states", "").split(",") if s]
        found = [
            order
            for order in self._spot(self.live.engine.orders(account.name, symbol))
            if (not states or state(order) in states) and _within(params, order.created_ms)
        ]
        return [self.row(account, order) for order in found[::-1][: int(params.get("size") or 100)]]

    def matches(self, account: Account, params: Params) -> object:
        """Own trades, newest first; of one order if the path names it."""
        symbol = self._listing(params["symbol"]).symbol if params.get("symbol") else None
        wanted = int(params["{id}"]) - FIRST_ORDER if params.get("{id}") else None
        found = [
            fill
            for fill in self.live.engine.fills(account.name, symbol)
            if self._is_spot(fill.symbol) and wanted in (None, fill.order_id) and _within(params, fill.timestamp_ms)
        ]
        return [self.match(fill) for fill in found[::-1][: int(params.get("size") or 100)]]

    # -- parts
    def _listing(self, symbol: str) -> Listing:
        listing = self.live.find("spot", symbol)
        if listing is None:
            raise refusals.spot(Refused(Reason.UNKNOWN_SYMBOL, symbol))
        return listing

    def _is_spot(self, symbol: str) -> bool:
        return self.live.listing(symbol).instrument.market == "spot"

    def _spot(self, orders: Iterable[Order]) -> list[Order]:
        return [order for order in orders if self._is_spot(order.symbol)]

    def _find(self, account: Account, params: Params, otherwise: Refusal) -> Order:
        try:
            if params.get("client"):
                order = self.live.engine.order(account.name, client_id=params["client"])
            else:
                order = self.live.engine.order(account.name, order_id=int(params.get("{id}", "0")) - FIRST_ORDER)
        except Refused:
            raise otherwise from None
        if not self._is_spot(order.symbol):
            raise otherwise
        return order


def _decimal(params: Params, name: str) -> Decimal:
    if not params.get(name):
        raise refusals.required(name)
    try:
        return Decimal(params[name])
    except InvalidOperation:
        raise refusals.format_error(name) from None


def _trigger(params: Params, side: Side) -> Trigger:
    operator = params.get("operator")
    if operator not in ("gte", "lte"):
        raise refusals.required("operator")
    rising = operator == "gte"
    kind = TriggerKind.STOP if rising is (side is Side.BUY) else TriggerKind.TAKE_PROFIT
    return Trigger(kind, _decimal(params, "stop-price"))


def _within(params: Params, at_ms: int) -> bool:
    return int(params.get("start-time") or 0) <= at_ms <= int(params.get("end-time") or 10**15)
