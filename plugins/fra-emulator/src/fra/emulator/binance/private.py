"""Binance's private REST: who asks, what they may do, how often, and who answers."""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import parse_qsl

import attrs
import msgspec
from aiohttp import web

from fra.emulator.accounts import Account, same_signature
from fra.emulator.binance.account import MarketAccount, Params, Row
from fra.emulator.binance.rest import Refusal
from fra.emulator.binance.spot_account import SpotAccount
from fra.emulator.binance.usdm_account import UsdmAccount
from fra.emulator.exchange import VenueExchange
from fra.emulator.ratelimit import RollingWindow
from fra.emulator.settings import Settings

Answer = Callable[[Account, Params], object]

_RECV_WINDOW_MS = 5000
_AHEAD_MS = 1000


@attrs.frozen
class Endpoint:
    """One private path and method: its weight, whether it is signed, needs a symbol, or the right to trade."""

    market: str
    weight: int
    signed: bool = True
    symbol: bool = False
    trades: bool = False
    counts: bool = False
    """Whether it counts as an order."""


def _s(weight: int, **rest: bool) -> Endpoint:
    return Endpoint("spot", weight, **rest)


def _u(weight: int, **rest: bool) -> Endpoint:
    return Endpoint("usdm", weight, **rest)


ENDPOINTS: Mapping[tuple[str, str], Endpoint] = {
    ("GET", "/api/v3/account"): _s(20),
    ("POST", "/api/v3/order"): _s(1, symbol=True, trades=True, counts=True),
    ("GET", "/api/v3/order"): _s(4, symbol=True),
    ("DELETE", "/api/v3/order"): _s(1, symbol=True, trades=True),
    ("GET", "/api/v3/openOrders"): _s(6),
    ("DELETE", "/api/v3/openOrders"): _s(1, symbol=True, trades=True),
    ("GET", "/api/v3/allOrders"): _s(20, symbol=True),
    ("GET", "/api/v3/myTrades"): _s(20, symbol=True),
    ("GET", "/sapi/v1/capital/config/getall"): _s(10),
    ("GET", "/sapi/v1/asset/tradeFee"): _s(1),
    ("GET", "/sapi/v1/account/apiRestrictions"): _s(1),
    ("GET", "/fapi/v1/balance"): _u(5),
    ("GET", "/fapi/v2/balance"): _u(5),
    ("GET", "/fapi/v3/balance"): _u(5),
    ("GET", "/fapi/v2/account"): _u(5),
    ("GET", "/fapi/v3/account"): _u(5),
    ("GET", "/fapi/v2/positionRisk"): _u(5),
    ("GET", "/fapi/v3/positionRisk"): _u(5),
    ("GET", "/fapi/v1/accountConfig"): _u(5),
    ("GET", "/fapi/v1/symbolConfig"): _u(5),
    ("GET", "/fapi/v1/leverageBracket"): _u(1),
    ("GET", "/fapi/v1/commissionRate"): _u(20, symbol=True),
    ("GET", "/fapi/v1/positionSide/dual"): _u(30),
    ("POST", "/fapi/v1/positionSide/dual"): _u(1, trades=True),
    ("GET", "/fapi/v1/multiAssetsMargin"): _u(30),
    ("POST", "/fapi/v1/leverage"): _u(1, symbol=True, trades=True),
    ("POST", "/fapi/v1/marginType"): _u(1, symbol=True, trades=True),
    ("POST", "/fapi/v1/order"): _u(0, symbol=True, trades=True, counts=True),
    ("GET", "/fapi/v1/order"): _u(1, symbol=True),
    ("DELETE", "/fapi/v1/order"): _u(1, symbol=True, trades=True),
    ("GET", "/fapi/v1/openOrder"): _u(1, symbol=True),
    ("GET", "/fapi/v1/openOrders"): _u(1),
    ("DELETE", "/fapi/v1/allOpenOrders"): _u(1, symbol=True, trades=True),
    ("GET", "/fapi/v1/allOrders"): _u(5, symbol=True),
    ("GET", "/fapi/v1/userTrades"): _u(5, symbol=True),
    ("GET", "/fapi/v1/income"): _u(30),
    ("POST", "/fapi/v1/algoOrder"): _u(1, symbol=True, trades=True, counts=True),
    ("GET", "/fapi/v1/algoOrder"): _u(1),
    ("DELETE", "/fapi/v1/algoOrder"): _u(1, trades=True),
    ("GET", "/fapi/v1/openAlgoOrders"): _u(1),
    ("GET", "/fapi/v1/allAlgoOrders"): _u(5, symbol=True),
    ("DELETE", "/fapi/v1/algoOpenOrders"): _u(1, symbol=True, trades=True),
    ("POST", "/fapi/v1/listenKey"): _u(1, signed=False),
    ("PUT", "/fapi/v1/listenKey"): _u(1, signed=False),
    ("DELETE", "/fapi/v1/listenKey"): _u(1, signed=False),
}
ORDER_COUNTS: Mapping[str, Sequence[tuple[str, int, int]]] = {
    "spot": (("10S", 100, 10), ("1D", 200_000, 86_400)),
    "usdm": (("10S", 300, 10), ("1M", 1200, 60)),
}
"""Header, orders, seconds, per account."""


def signature(secret: str, payload: str) -> str:
    """Hex of HMAC-SHA256."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


class Private:
    """The private half of one emulated Binance."""

    def __init__(
        self,
        exchange: Callable[[], VenueExchange | None],
        settings: Settings,
        now_ms: Callable[[], int],
        listen_key: Callable[[Account, str], object],
    ) -> None:
        self._exchange = exchange
        self._settings = settings
        self._now_ms = now_ms
        self._orders: dict[tuple[str, str, str], RollingWindow] = {}
        self.spot = SpotAccount(self._live, now_ms)
        self.usdm = UsdmAccount(self._live, now_ms)
        self._markets: Mapping[str, MarketAccount] = {"spot": self.spot, "usdm": self.usdm}
        self._answers = {**self._of_spot(), **self._of_usdm(listen_key)}

    def _of_spot(self) -> Mapping[tuple[str, str], Answer]:
        spot = self.spot
        return {
            ("GET", "/api/v3/account"): spot.account,
            ("POST", "/api/v3/order"): spot.place,
            ("GET", "/api/v3/order"): spot.order,
            ("DELETE", "/api/v3/order"): spot.cancel,
            ("GET", "/api/v3/openOrders"): spot.open_orders,
            ("DELETE", "/api/v3/openOrders"): spot.cancel_all,
            ("GET", "/api/v3/allOrders"): spot.all_orders,
            ("GET", "/api/v3/myTrades"): spot.fills,
            ("GET", "/sapi/v1/capital/config/getall"): spot.coins,
            ("GET", "/sapi/v1/asset/tradeFee"): spot.fees,
            ("GET", "/sapi/v1/account/apiRestrictions"): _restrictions,
        }

    def _of_usdm(self, listen_key: Callable[[Account, str], object]) -> Mapping[tuple[str, str], Answer]:
        usdm = self.usdm

        def keys(method: str) -> Answer:
            return lambda account, params: listen_key(account, method)

        return {
            ("GET", "/fapi/v1/balance"): usdm.balance,
            ("GET", "/fapi/v2/balance"): usdm.balance,
            ("GET", "/fapi/v3/balance"): usdm.balance,
            ("GET", "/fapi/v2/account"): usdm.account_v2,
            ("GET", "/fapi/v3/account"): usdm.account_v3,
            ("GET", "/fapi/v2/positionRisk"): usdm.positions_v2,
            ("GET", "/fapi/v3/positionRisk"): usdm.positions_v3,
            ("GET", "/fapi/v1/accountConfig"): usdm.config,
            ("GET", "/fapi/v1/symbolConfig"): usdm.symbol_config,
            ("GET", "/fapi/v1/leverageBracket"): usdm.brackets,
            ("GET", "/fapi/v1/commissionRate"): usdm.commission,
            ("GET", "/fapi/v1/positionSide/dual"): usdm.position_mode,
            ("POST", "/fapi/v1/positionSide/dual"): usdm.set_position_mode,
            ("GET", "/fapi/v1/multiAssetsMargin"): usdm.multi_assets,
            ("POST", "/fapi/v1/leverage"): usdm.set_leverage,
            ("POST", "/fapi/v1/marginType"): usdm.set_margin_type,
            ("POST", "/fapi/v1/order"): usdm.place,
            ("GET", "/fapi/v1/order"): usdm.order,
            ("DELETE", "/fapi/v1/order"): usdm.cancel,
            ("GET", "/fapi/v1/openOrder"): usdm.open_order,
            ("GET", "/fapi/v1/openOrders"): usdm.open_orders,
            ("DELETE", "/fapi/v1/allOpenOrders"): usdm.cancel_all,
            ("GET", "/fapi/v1/allOrders"): usdm.all_orders,
            ("GET", "/fapi/v1/userTrades"): usdm.fills,
            ("GET", "/fapi/v1/income"): usdm.income,
            ("POST", "/fapi/v1/algoOrder"): usdm.place_algo,
            ("GET", "/fapi/v1/algoOrder"): usdm.algo,
            ("DELETE", "/fapi/v1/algoOrder"): usdm.cancel_algo,
            ("GET", "/fapi/v1/openAlgoOrders"): usdm.open_algos,
            ("GET", "/fapi/v1/allAlgoOrders"): usdm.all_algos,
            ("DELETE", "/fapi/v1/algoOpenOrders"): usdm.cancel_all_algos,
            **{(method, "/fapi/v1/listenKey"): keys(method) for method in ("POST", "PUT", "DELETE")},
        }

    def _live(self) -> VenueExchange:
        exchange = self._exchange()
        assert exchange is not None  # there is no account without one
        return exchange

    # -- who asks
    async def answer(self, request: web.Request, endpoint: Endpoint, headers: dict[str, str]) -> bytes:
        """The JSON of one private request. Raises Refusal."""
        query, body = request.raw_path.partition("?")[2], (await request.read()).decode(errors="replace")
        account = self._account(request.headers.get("X-MBX-APIKEY", ""))
        params = dict(parse_qsl(query, keep_blank_values=True)) | dict(parse_qsl(body, keep_blank_values=True))
        if endpoint.signed:
            self._check_signature(account, query, body, params)
        if endpoint.trades and not account.may_trade:
            raise Refusal(401, -2015, "Invalid API-key, IP, or permissions for action.")
        if endpoint.symbol:
            self._markets[endpoint.market].listing(params)
        if endpoint.counts:
            headers |= self._count(account, endpoint.market)
        return msgspec.json.encode(self._answers[request.method, request.path](account, params))

    def _account(self, key: str) -> Account:
        if not key:
            raise Refusal(401, -2014, "API-key format invalid.")
        exchange = self._exchange()
        account = None if exchange is None else exchange.accounts.get(key)
        if account is None:
            raise Refusal(401, -2015, "Invalid API-key, IP, or permissions for action.")
        return account

    def _check_signature(self, account: Account, query: str, body: str, params: Params) -> None:
        if "signature" not in params:
            raise Refusal(400, -1102, "Mandatory parameter 'signature' was not sent, was empty/null, or malformed.")
        self._check_time(params)
        parts = [part.rpartition("signature=") if "signature=" in part else (part, "", "") for part in (query, body)]
        payload = "".join(before.removesuffix("&") for before, _, _ in parts)
        if any("&" in after for _, _, after in parts) or not same_signature(
            signature(account.secret, payload), params["signature"]
        ):
            raise Refusal(400, -1022, "Signature for this request is not valid.")

    def _check_time(self, params: Params) -> None:
        stamp, window = params.get("timestamp", ""), params.get("recvWindow", str(_RECV_WINDOW_MS))
        if not stamp.isdigit():
            raise Refusal(400, -1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.")
        if not window.isdigit() or int(window) > 60_000:
            raise Refusal(400, -1131, "recvWindow must be less than 60000")
        ahead = int(stamp) - self._now_ms()
        if ahead >= _AHEAD_MS:
            raise Refusal(400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if -ahead > int(window):
            raise Refusal(400, -1021, "Timestamp for this request is outside of the recvWindow.")

    def authenticate_socket(self, params: Mapping[str, object]) -> Account:
        """The account of a signed request of the WebSocket API: its parameters are signed sorted. Raises Refusal."""
        texts = {name: str(value) for name, value in params.items()}
        account = self._account(texts.get("apiKey", ""))
        self._check_time(texts)
        signed = texts.pop("signature", "")
        payload = "&".join(f"{name}={value}" for name, value in sorted(texts.items()))
        if not same_signature(signature(account.secret, payload), signed):
            raise Refusal(400, -1022, "Signature for this request is not valid.")
        return account

    def _count(self, account: Account, market: str) -> dict[str, str]:
        headers: dict[str, str] = {}
        now = int(time.monotonic() * 1000)
        for name, limit, seconds in ORDER_COUNTS[market]:
            key = (account.key, market, name)
            window = self._orders.get(key)
            if window is None:
                span = round(seconds * 1000 * self._settings.rate_window_scale)
                window = self._orders[key] = RollingWindow(limit, span)
            if self._settings.enforce_limits and not window.take(now):
                raise Refusal(429, -1015, f"Too many new orders; current limit is {limit} orders per {name}.")
            headers[f"X-MBX-ORDER-COUNT-{name}"] = str(limit - window.left(now))
        return headers


def _restrictions(account: Account, params: Params) -> Row:
    trades = {"enableSpotAndMarginTrading": account.may_trade, "enableFutures": account.may_trade}
    moves = {"enableWithdrawals": account.may_withdraw, "enableInternalTransfer": False}
    other = {"enableMargin": False, "enableVanillaOptions": False, "enablePortfolioMarginTrading": False}
    row: Row = {"ipRestrict": False, "createTime": 1_700_000_000_000, "enableReading": True}
    return row | trades | moves | other | {"permitsUniversalTransfer": False}
