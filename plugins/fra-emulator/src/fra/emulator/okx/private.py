"""OKX's private REST: who asks, what they may do, and the answers about one account ("Trade" and "Account" pages)."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

import attrs
import msgspec
from aiohttp import web

from fra.emulator.accounts import Account, same_signature
from fra.emulator.exchange import Listing, VenueExchange
from fra.emulator.okx import trading
from fra.emulator.okx.rest import WINDOW_MS, Refusal
from fra.emulator.ratelimit import RollingWindow
from fra.emulator.settings import Settings
from fra.matching import Order, OrderStatus, PositionMode, Refused

Params = Mapping[str, str]
Row = dict[str, object]

_CLOCK_MS = 30_000
_PAGE = 100


@attrs.frozen
class Endpoint:
    """One private path: requests per two seconds and account, by `counted_by` too; whether the key must be allowed to
    trade."""

    method: str
    limit: int
    counted_by: str = ""
    trades: bool = False


ENDPOINTS: Mapping[str, Endpoint] = {
    "account/balance": Endpoint("GET", 10),
    "account/positions": Endpoint("GET", 10),
    "account/config": Endpoint("GET", 5),
    "account/leverage-info": Endpoint("GET", 20),
    "account/trade-fee": Endpoint("GET", 5),
    "account/bills": Endpoint("GET", 5),
    "account/bills-archive": Endpoint("GET", 5),
    "account/set-leverage": Endpoint("POST", 20, trades=True),
    "account/set-position-mode": Endpoint("POST", 5, trades=True),
    "asset/currencies": Endpoint("GET", 6),
    "trade/orders-pending": Endpoint("GET", 60),
    "trade/orders-history": Endpoint("GET", 40),
    "trade/orders-history-archive": Endpoint("GET", 20),
    "trade/fills": Endpoint("GET", 60),
    "trade/fills-history": Endpoint("GET", 10),
    "trade/cancel-order": Endpoint("POST", 60, "instId", trades=True),
    "trade/batch-orders": Endpoint("POST", 300, trades=True),
    "trade/cancel-batch-orders": Endpoint("POST", 300, trades=True),
    "trade/cancel-algos": Endpoint("POST", 20, trades=True),
    "trade/order-algo": Endpoint("POST", 20, "instId", trades=True),
    "trade/orders-algo-pending": Endpoint("GET", 20),
    "trade/orders-algo-history": Endpoint("GET", 20),
}
"""`trade/order` is two: GET asks and POST places."""
ORDER = {"GET": Endpoint("GET", 60, "instId"), "POST": Endpoint("POST", 60, "instId", trades=True)}
ALGO = {"GET": Endpoint("GET", 20), "POST": ENDPOINTS["trade/order-algo"]}


def signature(secret: str, text: str) -> str:
    """Base64 of HMAC-SHA256."""
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


class Private:
    """The private half of one emulated OKX."""

    def __init__(
        self, exchange: Callable[[], VenueExchange | None], settings: Settings, now_ms: Callable[[], int]
    ) -> None:
        self._exchange = exchange
        self._settings = settings
        self._now_ms = now_ms
        self._windows: dict[tuple[str, str, str], RollingWindow] = {}
        self._get: Mapping[str, Callable[[Account, Params], Sequence[object]]] = {
            "account/balance": lambda account, params: [trading.balance(self._live, account, params.get("ccy", ""))],
            "account/positions": self._positions,
            "account/config": self._config,
            "account/leverage-info": self._leverage_info,
            "account/trade-fee": self._fees,
            "account/bills": self._bills,
            "account/bills-archive": self._bills,
            "asset/currencies": self._currencies,
            "trade/order": self._order,
            "trade/order-algo": self._algo_order,
            "trade/orders-pending": lambda account, params: self._orders(account, params, ended=False),
            "trade/orders-history": lambda account, params: self._orders(account, params, ended=True),
            "trade/orders-history-archive": lambda account, params: self._orders(account, params, ended=True),
            "trade/orders-algo-pending": lambda account, params: self._algos(account, params, ended=False),
            "trade/orders-algo-history": lambda account, params: self._algos(account, params, ended=True),
            "trade/fills": self._fills,
            "trade/fills-history": self._fills,
        }

    @property
    def _live(self) -> VenueExchange:
        exchange = self._exchange()
        assert exchange is not None  # there is no account without one
        return exchange

    # -- who asks
    async def answer(self, request: web.Request, endpoint: str) -> web.Response:
        """One private request. Raises Refusal."""
        body = (await request.read()).decode(errors="replace")
        account = self.authenticate(request, body)
        rows = {"trade/order": ORDER, "trade/order-algo": ALGO}.get(endpoint)
        row = ENDPOINTS.get(endpoint) if rows is None else rows.get(request.method)
        if row is None or row.method != request.method:
            raise Refusal(404 if row is None else 405, "50115", "Invalid request method.")
        if row.trades and not account.may_trade:
            raise Refusal(401, "50120", "This API key doesn't have permission to use this function")
        if row.method == "GET":
            params = dict(request.query)
            self._count(account, endpoint, row, params)
            data = self._get[endpoint](account, params)
            return _envelope("0", data)
        return self._post(account, endpoint, row, body)

    def authenticate(self, request: web.Request, body: str) -> Account:
        """The account of a signed request ("REST Authentication"). Raises Refusal."""
        headers = request.headers
        for name, code in (
            ("OK-ACCESS-KEY", "50103"),
            ("OK-ACCESS-PASSPHRASE", "50104"),
            ("OK-ACCESS-SIGN", "50106"),
            ("OK-ACCESS-TIMESTAMP", "50107"),
        ):
            if not headers.get(name):
                raise Refusal(401, code, f'Request header "{name}" can not be empty.')
        stamp = headers["OK-ACCESS-TIMESTAMP"]
        try:
            sent_ms = round(datetime.fromisoformat(stamp).timestamp() * 1000)
        except ValueError:
            raise Refusal(401, "50112", "Invalid OK-ACCESS-TIMESTAMP.") from None
        if abs(self._now_ms() - sent_ms) > _CLOCK_MS:
            raise Refusal(401, "50102", "Timestamp request expired.")
        exchange = self._exchange()
        account = None if exchange is None else exchange.accounts.get(headers["OK-ACCESS-KEY"])
        if account is None:
            raise Refusal(401, "50111", "Invalid OK-ACCESS-KEY.")
        if headers["OK-ACCESS-PASSPHRASE"] != account.passphrase:
            raise Refusal(401, "50105", 'Request header "OK-ACCESS-PASSPHRASE" incorrect.')
        signed = signature(account.secret, f"{stamp}{request.method}{request.raw_path}{body}")
        if not same_signature(signed, headers["OK-ACCESS-SIGN"]):
            raise Refusal(401, "50113", "Invalid Sign.")
        return account

    def login(self, args: Mapping[str, object]) -> tuple[Account | None, str, str]:
        """The account of a WebSocket login, or why there is none (code and text)."""
        exchange = self._exchange()
        key, stamp = str(args.get("apiKey", "")), str(args.get("timestamp", ""))
        account = None if exchange is None else exchange.accounts.get(key)
        if account is None:
            return None, "60005", "Invalid apiKey"
        if not stamp.isdigit() or abs(self._now_ms() / 1000 - int(stamp)) > _CLOCK_MS / 1000:
            return None, "60006", "Timestamp request expired"
        if args.get("passphrase") != account.passphrase:
            return None, "60024", "Wrong passphrase"
        if not same_signature(signature(account.secret, f"{stamp}GET/users/self/verify"), str(args.get("sign"))):
            return None, "60007", "Invalid sign"
        return account, "0", ""

    def _count(self, account: Account, endpoint: str, row: Endpoint, params: Params, units: int = 1) -> None:
        if not self._settings.enforce_limits:
            return
        key = (account.key, f"{row.method} {endpoint}", params.get(row.counted_by, "") if row.counted_by else "")
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = RollingWindow(row.limit, round(WINDOW_MS * self._settings.rate_window_scale))
        now = int(time.monotonic() * 1000)
        if not all(window.take(now) for _ in range(units)):
            raise Refusal(429, "50011", "Too Many Requests")

    # -- what is changed
    def _post(self, account: Account, endpoint: str, row: Endpoint, body: str) -> web.Response:
        try:
            given = msgspec.json.decode(body or "{}")
        except (msgspec.DecodeError, RecursionError):
            raise Refusal(400, "50002", "Incorrect json data format") from None
        many = given if isinstance(given, list) else [given]
        args = [texts(arg) for arg in many if isinstance(arg, dict)]
        if not args or len(args) != len(many):
            raise Refusal(400, "50002", "Incorrect json data format")
        for arg in args:
            self._count(account, endpoint, row, arg)
        return self.carry_out(account, endpoint, args)

    def carry_out(self, account: Account, endpoint: str, args: Sequence[Params]) -> web.Response:
        """Do what was asked, each alone: code 0 all went well, 1 none did, 2 some did."""
        if endpoint == "account/set-leverage":
            return _envelope("0", self._set_leverage(account, args[0]))
        if endpoint == "account/set-position-mode":
            return _envelope("0", self._set_position_mode(account, args[0]))
        code, data = self.operate(account, endpoint.removeprefix("trade/"), args)
        message = "" if code == "0" else "All operations failed" if code == "1" else "Bulk operation partially failed"
        return _envelope(code, data, message)

    def operate(self, account: Account, operation: str, args: Sequence[Params]) -> tuple[str, list[Row]]:
        """Place or cancel: the code for all, and a row for each."""
        act = trading.cancel if operation.startswith("cancel") else trading.place
        algo = operation.endswith(("algo", "algos"))
        data = [act(self._live, account, arg, algo=algo, now_ms=self._now_ms()) for arg in args]
        failed = sum(row["sCode"] != "0" for row in data)
        return ("0" if not failed else "1" if failed == len(data) else "2"), data

    def _set_leverage(self, account: Account, params: Params) -> list[Row]:
        try:
            lever = Decimal(params.get("lever", ""))
        except InvalidOperation:
            raise Refusal(200, "51000", "Parameter lever error") from None
        if params.get("mgnMode") not in ("cross", "isolated"):
            raise Refusal(200, "51000", "Parameter mgnMode error")
        listing = self._listing(params.get("instId", ""))
        try:
            self._live.engine.set_leverage(account.name, listing.symbol, lever, now_ms=self._now_ms())
        except Refused as refused:
            code = "59102" if refused.limit is not None else "59105"
            raise Refusal(200, code, "Leverage exceeds the maximum limit. Please lower the leverage.") from None
        return [{name: params.get(name, "") for name in ("instId", "lever", "mgnMode", "posSide")}]

    def _set_position_mode(self, account: Account, params: Params) -> list[Row]:
        mode = {"net_mode": PositionMode.ONE_WAY, "long_short_mode": PositionMode.HEDGE}.get(params.get("posMode", ""))
        if mode is None:
            raise Refusal(200, "51000", "Parameter posMode error")
        try:
            self._live.engine.set_position_mode(account.name, mode, now_ms=self._now_ms())
        except Refused:
            raise Refusal(
                200, "59000", "Settings failed. Close any open positions or orders before modifying settings."
            ) from None
        return [{"posMode": params["posMode"]}]

    # -- what is asked
    def _listing(self, symbol: str) -> Listing:
        found = trading.listing(self._live, symbol)
        if found is None:
            raise Refusal(200, "51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
        return found

    def _symbol(self, params: Params) -> str | None:
        return self._listing(params["instId"]).symbol if params.get("instId") else None

    def _positions(self, account: Account, params: Params) -> list[Row]:
        if params.get("instType", "SWAP") != "SWAP":
            return []
        names = params.get("instId", "")
        wanted = {self._listing(name).symbol for name in names.split(",") if name}
        found = self._live.engine.positions(account.name)
        return [
            trading.position(self._live, account, position, self._now_ms())
            for position in found
            if not wanted or position.symbol in wanted
        ]

    def _config(self, account: Account, params: Params) -> list[Row]:
        hedge = self._live.engine.position_mode(account.name) is PositionMode.HEDGE
        return [
            {
                "acctLv": "2",
                "acctStpMode": "cancel_maker",
                "autoLoan": False,
                "ctIsoMode": "automatic",
                "greeksType": "PA",
                "ip": "",
                "kycLv": "3",
                "label": account.name,
                "level": "Lv1",
                "levelTmp": "",
                "mainUid": "446556",
                "mgnIsoMode": "automatic",
                "opAuth": "0",
                "perm": ",".join(_rights(account)),
                "posMode": "long_short_mode" if hedge else "net_mode",
                "roleType": "0",
                "spotOffsetType": "",
                "type": "0",
                "uid": "446556",
            }
        ]

    def _leverage_info(self, account: Account, params: Params) -> list[Row]:
        hedge = self._live.engine.position_mode(account.name) is PositionMode.HEDGE
        rows: list[Row] = []
        for name in params.get("instId", "").split(","):
            lever = self._live.engine.leverage(account.name, self._listing(name).symbol)
            for side in ("long", "short") if hedge else ("net",):
                mode = params.get("mgnMode", "cross")
                rows.append({"ccy": "", "instId": name, "mgnMode": mode, "posSide": side, "lever": f"{lever:f}"})
        return rows

    def _fees(self, account: Account, params: Params) -> list[Row]:
        kind = params.get("instType", "SPOT")
        listing = next(self._live.listings(kind.lower()), None)
        if listing is None:
            raise Refusal(200, "51000", "Parameter instType error")
        maker, taker = f"{-listing.terms.maker_fee:f}", f"{-listing.terms.taker_fee:f}"
        row: Row = {"category": "1", "instType": kind, "level": "Lv1", "ts": str(self._now_ms())}
        row |= {
            "maker": maker,
            "taker": taker,
            "makerU": maker,
            "takerU": taker,
            "makerUSDC": maker,
            "takerUSDC": taker,
        }
        return [row]

    def _currencies(self, account: Account, params: Params) -> list[Row]:
        listings = (*self._live.listings("spot"), *self._live.listings("swap"))
        assets = dict.fromkeys(asset for listing in listings for asset in (listing.terms.base, listing.terms.quote))
        wanted = {asset for asset in params.get("ccy", "").split(",") if asset}
        return [trading.currency(asset) for asset in assets if not wanted or asset in wanted]

    def _bills(self, account: Account, params: Params) -> list[Row]:
        rows = trading.bills(self._live, account)
        kind, name = params.get("type"), params.get("instId")
        rows = [row for row in rows if kind in (None, row["type"]) and name in (None, row["instId"])]
        begin, end = int(params.get("begin") or 0), int(params.get("end") or 2**63)
        rows = [row for row in rows if begin <= int(str(row["ts"])) <= end]
        return _page(rows, params, "billId")

    def _order(self, account: Account, params: Params) -> list[Row]:
        self._listing(params.get("instId", ""))
        order = trading.find(self._live, account, params, algo=False)
        if order is None:
            raise Refusal(200, "51603", "Order does not exist")
        return [trading.order(self._live, order)]

    def _algo_order(self, account: Account, params: Params) -> list[Row]:
        order = trading.find(self._live, account, params, algo=True)
        if order is None:
            raise Refusal(200, "51603", "Order does not exist")
        return [trading.algo_order(self._live, order)]

    def _orders(self, account: Account, params: Params, *, ended: bool) -> list[Row]:
        symbol, kind = self._symbol(params), params.get("instType")
        if ended and not kind:
            raise Refusal(400, "51000", "Parameter instType error")
        rows = [
            trading.order(self._live, order)
            for order in self._live.engine.orders(account.name, symbol)
            if _is_plain(order) and order.status.is_open is not ended
        ]
        rows = [row for row in rows if kind in (None, "", row["instType"])]
        begin, end = int(params.get("begin") or 0), int(params.get("end") or 2**63)
        rows = [row for row in rows if begin <= int(str(row["cTime"])) <= end]
        return _page(rows, params, "ordId")

    def _algos(self, account: Account, params: Params, *, ended: bool) -> list[Row]:
        rows = [
            trading.algo_order(self._live, order)
            for order in self._live.engine.orders(account.name, self._symbol(params))
            if order.trigger is not None and (order.status is OrderStatus.UNTRIGGERED) is not ended
        ]
        kinds = params.get("ordType", "").split(",")
        rows = [row for row in rows if row["ordType"] in kinds or kinds == [""]]
        if ended and params.get("state"):
            rows = [row for row in rows if row["state"] == params["state"]]
        return _page(rows, params, "algoId")

    def _fills(self, account: Account, params: Params) -> list[Row]:
        rows = [trading.fill(self._live, fill) for fill in self._live.engine.fills(account.name, self._symbol(params))]
        kind, order = params.get("instType"), params.get("ordId")
        rows = [row for row in rows if kind in (None, "", row["instType"]) and order in (None, "", row["ordId"])]
        begin, end = int(params.get("begin") or 0), int(params.get("end") or 2**63)
        rows = [row for row in rows if begin <= int(str(row["ts"])) <= end]
        return _page(rows, params, "billId")


def _rights(account: Account) -> list[str]:
    return ["read_only", *(["trade"] * account.may_trade), *(["withdraw"] * account.may_withdraw)]


def _is_plain(order: Order) -> bool:
    """Not an algo order that still waits, or that ended waiting: those are in lists of their own."""
    return order.trigger is None or order.triggered_ms is not None


def _page(rows: Sequence[Row], params: Params, by: str) -> list[Row]:
    """Newest first, older than `after` and newer than `before`, at most a hundred."""
    after, before = params.get("after"), params.get("before")
    limit = min(int(params.get("limit") or _PAGE), _PAGE)
    found = [
        row
        for row in reversed(rows)
        if (not after or int(str(row[by])) < int(after)) and (not before or int(str(row[by])) > int(before))
    ]
    return found[:limit]


def texts(arg: Mapping[str, object]) -> dict[str, str]:
    """A JSON object's values as OKX takes them: text, or numbers and booleans that are as good.

    An empty text is no value: the venue's own library sends one for each parameter that its user leaves out.
    """
    plain = {True: "true", False: "false"}
    return {
        name: plain[value] if isinstance(value, bool) else str(value)
        for name, value in arg.items()
        if isinstance(value, str | int | float) and value != ""
    }


def _envelope(code: str, data: Sequence[object], message: str = "") -> web.Response:
    body = msgspec.json.encode({"code": code, "msg": message, "data": data})
    return web.Response(body=body, content_type="application/json")
