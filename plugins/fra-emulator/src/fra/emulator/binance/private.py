"""Binance's private REST: who asks, what they may do, and the answers about one account."""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qsl

import attrs
import msgspec
from aiohttp import web

from fra.emulator.accounts import Account
from fra.emulator.binance import trading
from fra.emulator.binance.rest import Refusal
from fra.emulator.exchange import Listing, VenueExchange
from fra.emulator.ratelimit import RollingWindow
from fra.emulator.settings import Settings
from fra.matching import MarginMode, Order, OrderStatus, PositionMode, PositionSide, Refused

Params = Mapping[str, str]
Row = dict[str, object]
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
        self._answers: Mapping[tuple[str, str], Answer] = {
            ("GET", "/api/v3/account"): self._spot_account,
            ("POST", "/api/v3/order"): self._place_spot,
            ("GET", "/api/v3/order"): lambda account, params: trading.spot_order(
                self._live, trading.find(self._live, account, self._listing("spot", params), params)
            ),
            ("DELETE", "/api/v3/order"): self._cancel_spot,
            ("GET", "/api/v3/openOrders"): lambda account, params: self._open(account, params, "spot"),
            ("DELETE", "/api/v3/openOrders"): self._cancel_all_spot,
            ("GET", "/api/v3/allOrders"): lambda account, params: self._all(account, params, "spot"),
            ("GET", "/api/v3/myTrades"): lambda account, params: self._fills(account, params, "spot"),
            ("GET", "/sapi/v1/capital/config/getall"): self._coins,
            ("GET", "/sapi/v1/asset/tradeFee"): self._trade_fees,
            ("GET", "/sapi/v1/account/apiRestrictions"): self._restrictions,
            ("GET", "/fapi/v1/balance"): self._usdm_balance,
            ("GET", "/fapi/v2/balance"): self._usdm_balance,
            ("GET", "/fapi/v3/balance"): self._usdm_balance,
            ("GET", "/fapi/v2/account"): lambda account, params: self._usdm_account(account, "v2"),
            ("GET", "/fapi/v3/account"): lambda account, params: self._usdm_account(account, "v3"),
            ("GET", "/fapi/v2/positionRisk"): lambda account, params: self._positions(account, params, "v2"),
            ("GET", "/fapi/v3/positionRisk"): lambda account, params: self._positions(account, params, "v3"),
            ("GET", "/fapi/v1/accountConfig"): self._account_config,
            ("GET", "/fapi/v1/symbolConfig"): self._symbol_config,
            ("GET", "/fapi/v1/leverageBracket"): self._brackets,
            ("GET", "/fapi/v1/commissionRate"): self._commission,
            ("GET", "/fapi/v1/positionSide/dual"): lambda account, params: {"dualSidePosition": self._hedge(account)},
            ("POST", "/fapi/v1/positionSide/dual"): self._set_dual,
            ("GET", "/fapi/v1/multiAssetsMargin"): lambda account, params: {"multiAssetsMargin": False},
            ("POST", "/fapi/v1/leverage"): self._set_leverage,
            ("POST", "/fapi/v1/marginType"): self._set_margin_type,
            ("POST", "/fapi/v1/order"): self._place_usdm,
            ("GET", "/fapi/v1/order"): self._usdm_order,
            ("DELETE", "/fapi/v1/order"): lambda account, params: trading.usdm_order(
                self._live, trading.cancel(self._live, account, self._listing("usdm", params), params)
            ),
            ("GET", "/fapi/v1/openOrder"): self._usdm_open_order,
            ("GET", "/fapi/v1/openOrders"): lambda account, params: self._open(account, params, "usdm"),
            ("DELETE", "/fapi/v1/allOpenOrders"): lambda account, params: self._cancel_all(account, params, algo=False),
            ("GET", "/fapi/v1/allOrders"): lambda account, params: self._all(account, params, "usdm"),
            ("GET", "/fapi/v1/userTrades"): lambda account, params: self._fills(account, params, "usdm"),
            ("GET", "/fapi/v1/income"): self._income,
            ("POST", "/fapi/v1/algoOrder"): self._place_algo,
            ("GET", "/fapi/v1/algoOrder"): lambda account, params: trading.algo_order(
                self._live, self._algo(account, params)
            ),
            ("DELETE", "/fapi/v1/algoOrder"): self._cancel_algo,
            ("GET", "/fapi/v1/openAlgoOrders"): lambda account, params: self._algos(account, params, ended=False),
            ("GET", "/fapi/v1/allAlgoOrders"): lambda account, params: self._algos(account, params, ended=None),
            ("DELETE", "/fapi/v1/algoOpenOrders"): lambda account, params: self._cancel_all(account, params, algo=True),
            ("POST", "/fapi/v1/listenKey"): lambda account, params: listen_key(account, "POST"),
            ("PUT", "/fapi/v1/listenKey"): lambda account, params: listen_key(account, "PUT"),
            ("DELETE", "/fapi/v1/listenKey"): lambda account, params: listen_key(account, "DELETE"),
        }

    @property
    def _live(self) -> VenueExchange:
        exchange = self._exchange()
        assert exchange is not None  # there is no account without one
        return exchange

    # -- who asks
    async def answer(self, request: web.Request, endpoint: Endpoint, headers: dict[str, str]) -> bytes:
        """The JSON of one private request. Raises Refusal."""
        query, body = request.raw_path.partition("?")[2], (await request.read()).decode()
        account = self._account(request.headers.get("X-MBX-APIKEY", ""))
        params = dict(parse_qsl(query, keep_blank_values=True)) | dict(parse_qsl(body, keep_blank_values=True))
        if endpoint.signed:
            self._check_signature(account, query, body, params)
        if endpoint.trades and not account.may_trade:
            raise Refusal(401, -2015, "Invalid API-key, IP, or permissions for action.")
        if endpoint.symbol:
            self._listing(endpoint.market, params)
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
        if any("&" in after for _, _, after in parts) or not hmac.compare_digest(
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
        if not hmac.compare_digest(signature(account.secret, payload), signed):
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

    def _listing(self, market: str, params: Params) -> Listing:
        symbol = params.get("symbol", "")
        if not symbol:
            raise Refusal(400, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        found = self._live.find(market, symbol)
        if found is None:
            raise Refusal(400, -1121, "Invalid symbol.")
        return found

    def _hedge(self, account: Account) -> bool:
        return self._live.engine.position_mode(account.name) is PositionMode.HEDGE

    # -- spot
    def _spot_account(self, account: Account, params: Params) -> Row:
        balances = [
            {"asset": held.asset, "free": trading.padded(held.free), "locked": trading.padded(held.held)}
            for held in self._live.engine.balances(account.name)
            if held.wallet == "spot" and (held.total or params.get("omitZeroBalances") != "true")
        ]
        return {
            "makerCommission": 10,
            "takerCommission": 10,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {"maker": "0.00100000", "taker": "0.00100000", "buyer": "0", "seller": "0"},
            "canTrade": account.may_trade,
            "canWithdraw": False,
            "canDeposit": True,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": self._now_ms(),
            "accountType": "SPOT",
            "balances": balances,
            "permissions": ["SPOT"],
            "uid": 354937868,
        }

    def _place_spot(self, account: Account, params: Params) -> Row:
        order = trading.place(self._live, account, self._listing("spot", params), params)
        fills = [fill for fill in self._live.engine.fills(account.name, order.symbol) if fill.order_id == order.id]
        return trading.spot_placed(self._live, order, fills)

    def _cancel_spot(self, account: Account, params: Params) -> Row:
        order = trading.cancel(self._live, account, self._listing("spot", params), params)
        return trading.spot_canceled(self._live, order, params)

    def _cancel_all_spot(self, account: Account, params: Params) -> list[Row]:
        canceled = self._live.cancel_all(account, self._listing("spot", params).symbol)
        if not canceled:
            raise Refusal(400, -2011, "Unknown order sent.")
        return [trading.spot_canceled(self._live, order, {}) for order in canceled]

    def _coins(self, account: Account, params: Params) -> list[Row]:
        listings = (*self._live.listings("spot"), *self._live.listings("usdm"))
        assets = dict.fromkeys(asset for listing in listings for asset in (listing.terms.base, listing.terms.quote))
        plain = {"free": "0", "locked": "0", "freeze": "0", "storage": "0", "ipoing": "0", "ipoable": "0"}
        return [
            {
                "coin": asset,
                "name": asset,
                "depositAllEnable": True,
                "withdrawAllEnable": True,
                "trading": True,
                "isLegalMoney": False,
                "networkList": [],
                "withdrawing": "0",
                **plain,
            }
            for asset in assets
        ]

    def _trade_fees(self, account: Account, params: Params) -> list[Row]:
        return [
            {
                "symbol": listing.instrument.symbol,
                "makerCommission": f"{listing.terms.maker_fee:f}",
                "takerCommission": f"{listing.terms.taker_fee:f}",
            }
            for listing in self._live.listings("spot")
        ]

    # -- both
    def _row(self, order: Order, market: str) -> Row:
        return (trading.spot_order if market == "spot" else trading.usdm_order)(self._live, order)

    def _of_market(self, account: Account, params: Params, market: str) -> list[Order]:
        """The account's orders in a market or of a symbol, without the algo service's."""
        symbol = self._listing(market, params).symbol if params.get("symbol") else None
        return [
            order
            for order in self._live.engine.orders(account.name, symbol)
            if self._live.listing(order.symbol).terms.market == market
            and (market == "spot" or order.trigger is None or order.triggered_ms is not None)
        ]

    def _open(self, account: Account, params: Params, market: str) -> list[Row]:
        orders = self._of_market(account, params, market)
        return [self._row(order, market) for order in orders if order.status.is_open]

    def _all(self, account: Account, params: Params, market: str) -> list[Row]:
        rows = [self._row(order, market) for order in self._of_market(account, params, market)]
        return _page(rows, params, by="orderId", start="orderId")

    def _fills(self, account: Account, params: Params, market: str) -> list[Row]:
        tell = trading.spot_fill if market == "spot" else trading.usdm_fill
        fills = self._live.engine.fills(account.name, self._listing(market, params).symbol)
        rows = [tell(self._live, fill) for fill in fills]
        if params.get("orderId"):
            rows = [row for row in rows if str(row["orderId"]) == params["orderId"]]
        return _page(rows, params, by="id", start="fromId")

    # -- USD-M
    def _usdm_assets(self, account: Account) -> list[Row]:
        return [
            {
                "asset": held.asset,
                "walletBalance": trading.text(held.total),
                "unrealizedProfit": trading.text(held.unrealised),
                "marginBalance": trading.text(held.equity),
                "maintMargin": trading.text(held.maintenance_margin),
                "initialMargin": trading.text(held.initial_margin),
                "positionInitialMargin": trading.text(held.initial_margin),
                "openOrderInitialMargin": "0",
                "crossWalletBalance": trading.text(held.total),
                "crossUnPnl": trading.text(held.unrealised),
                "availableBalance": trading.text(held.available),
                "maxWithdrawAmount": trading.text(held.free),
                "marginAvailable": True,
                "updateTime": self._now_ms(),
            }
            for held in self._live.engine.balances(account.name)
            if held.wallet == "usdm"
        ]

    def _usdm_balance(self, account: Account, params: Params) -> list[Row]:
        return [
            {
                "accountAlias": "SgsR",
                "asset": row["asset"],
                "balance": row["walletBalance"],
                "crossWalletBalance": row["crossWalletBalance"],
                "crossUnPnl": row["crossUnPnl"],
                "availableBalance": row["availableBalance"],
                "maxWithdrawAmount": row["maxWithdrawAmount"],
                "marginAvailable": True,
                "updateTime": row["updateTime"],
            }
            for row in self._usdm_assets(account)
        ]

    def _usdm_account(self, account: Account, version: str) -> Row:
        assets = self._usdm_assets(account)
        told: Row = {"assets": assets, "positions": self._account_positions(account, version)}
        tether = next((row for row in assets if row["asset"] == "USDT"), None)
        for total, name in (
            ("totalInitialMargin", "initialMargin"),
            ("totalMaintMargin", "maintMargin"),
            ("totalWalletBalance", "walletBalance"),
            ("totalUnrealizedProfit", "unrealizedProfit"),
            ("totalMarginBalance", "marginBalance"),
            ("totalPositionInitialMargin", "positionInitialMargin"),
            ("totalOpenOrderInitialMargin", "openOrderInitialMargin"),
            ("totalCrossWalletBalance", "crossWalletBalance"),
            ("totalCrossUnPnl", "crossUnPnl"),
            ("availableBalance", "availableBalance"),
            ("maxWithdrawAmount", "maxWithdrawAmount"),
        ):
            told[total] = tether[name] if tether is not None else "0"
        if version == "v2":
            told |= {"feeTier": 0, "canTrade": account.may_trade, "canDeposit": True, "canWithdraw": False}
            told |= {"multiAssetsMargin": False, "tradeGroupId": -1, "updateTime": 0}
        return told

    def _account_positions(self, account: Account, version: str) -> list[Row]:
        rows: list[Row] = []
        for position in self._live.engine.positions(account.name):
            risk = trading.position(self._live, position, version="v2")
            isolated = position.margin_mode is MarginMode.ISOLATED
            row: Row = {
                name: risk[name] for name in ("symbol", "positionSide", "positionAmt", "notional", "updateTime")
            }
            row |= {
                "unrealizedProfit": risk["unRealizedProfit"],
                "isolatedMargin": risk["isolatedMargin"],
                "isolatedWallet": risk["isolatedWallet"],
                "initialMargin": trading.text(position.initial_margin),
                "maintMargin": trading.text(position.maintenance_margin),
            }
            if version == "v2":
                row |= {"leverage": risk["leverage"], "isolated": isolated, "entryPrice": risk["entryPrice"]}
                row |= {"breakEvenPrice": risk["breakEvenPrice"], "bidNotional": "0", "askNotional": "0"}
                row |= {"positionInitialMargin": row["initialMargin"], "openOrderInitialMargin": "0"}
            rows.append(row)
        return rows

    def _positions(self, account: Account, params: Params, version: str) -> list[Row]:
        """v2 lists every symbol, flat ones too; v3 those with a position."""
        symbol = self._listing("usdm", params).symbol if params.get("symbol") else None
        found = list(self._live.engine.positions(account.name, symbol))
        if version == "v2":
            wanted = [symbol] if symbol else [listing.symbol for listing in self._live.listings("usdm")]
            sides = (PositionSide.LONG, PositionSide.SHORT) if self._hedge(account) else (PositionSide.NET,)
            found = [self._live.engine.position(account.name, name, side) for name in wanted for side in sides]
        return [trading.position(self._live, position, version=version) for position in found]

    def _restrictions(self, account: Account, params: Params) -> Row:
        trades = {"enableSpotAndMarginTrading": account.may_trade, "enableFutures": account.may_trade}
        moves = {"enableWithdrawals": account.may_withdraw, "enableInternalTransfer": False}
        other = {"enableMargin": False, "enableVanillaOptions": False, "enablePortfolioMarginTrading": False}
        row: Row = {"ipRestrict": False, "createTime": 1_700_000_000_000, "enableReading": True}
        return row | trades | moves | other | {"permitsUniversalTransfer": False}

    def _account_config(self, account: Account, params: Params) -> Row:
        return {
            "feeTier": 0,
            "canTrade": account.may_trade,
            "canDeposit": True,
            "canWithdraw": False,
            "dualSidePosition": self._hedge(account),
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
        }

    def _symbol_config(self, account: Account, params: Params) -> list[Row]:
        wanted = [self._listing("usdm", params)] if params.get("symbol") else list(self._live.listings("usdm"))
        engine = self._live.engine
        return [
            {
                "symbol": listing.instrument.symbol,
                "marginType": _margin_type(engine.margin_mode(account.name, listing.symbol)),
                "isAutoAddMargin": False,
                "leverage": int(engine.leverage(account.name, listing.symbol)),
                "maxNotionalValue": "250000000",
            }
            for listing in wanted
        ]

    def _brackets(self, account: Account, params: Params) -> list[Row]:
        wanted = [self._listing("usdm", params)] if params.get("symbol") else list(self._live.listings("usdm"))
        return [
            {
                "symbol": listing.instrument.symbol,
                "brackets": [
                    {
                        "bracket": 1,
                        "initialLeverage": int(listing.terms.max_leverage),
                        "notionalCap": 250_000_000,
                        "notionalFloor": 0,
                        "maintMarginRatio": float(listing.terms.maintenance_rate),
                        "cum": 0.0,
                    }
                ],
            }
            for listing in wanted
        ]

    def _commission(self, account: Account, params: Params) -> Row:
        terms = self._listing("usdm", params).terms
        return {
            "symbol": params["symbol"],
            "makerCommissionRate": f"{terms.maker_fee:f}",
            "takerCommissionRate": f"{terms.taker_fee:f}",
        }

    def _set_dual(self, account: Account, params: Params) -> Row:
        wanted = params.get("dualSidePosition", "").lower()
        if wanted not in ("true", "false"):
            raise Refusal(400, -1102, "Mandatory parameter 'dualSidePosition' was not sent.")
        mode = PositionMode.HEDGE if wanted == "true" else PositionMode.ONE_WAY
        try:
            changed = self._live.engine.set_position_mode(account.name, mode, now_ms=self._now_ms())
        except Refused:
            raise Refusal(400, -4068, "Position side cannot be changed if there exists position.") from None
        if not changed:
            raise Refusal(400, -4059, "No need to change position side.")
        return {"code": 200, "msg": "success"}

    def _set_leverage(self, account: Account, params: Params) -> Row:
        try:
            leverage = Decimal(params.get("leverage", ""))
        except InvalidOperation:
            raise Refusal(400, -1102, "Mandatory parameter 'leverage' was not sent.") from None
        try:
            self._live.engine.set_leverage(
                account.name, self._listing("usdm", params).symbol, leverage, now_ms=self._now_ms()
            )
        except Refused:
            raise Refusal(400, -4028, f"Leverage {leverage} is not valid") from None
        return {"leverage": int(leverage), "maxNotionalValue": "250000000", "symbol": params["symbol"]}

    def _set_margin_type(self, account: Account, params: Params) -> Row:
        mode = {"CROSSED": MarginMode.CROSS, "ISOLATED": MarginMode.ISOLATED}.get(params.get("marginType", ""))
        if mode is None:
            raise Refusal(400, -4025, "Invalid marginType.")
        try:
            changed = self._live.engine.set_margin_mode(
                account.name, self._listing("usdm", params).symbol, mode, now_ms=self._now_ms()
            )
        except Refused:
            raise Refusal(400, -4048, "Margin type cannot be changed if there exists position.") from None
        if not changed:
            raise Refusal(400, -4046, "No need to change margin type.")
        return {"code": 200, "msg": "success"}

    def _place_usdm(self, account: Account, params: Params) -> Row:
        return trading.usdm_order(self._live, trading.place(self._live, account, self._listing("usdm", params), params))

    def _usdm_order(self, account: Account, params: Params) -> Row:
        order = trading.find(self._live, account, self._listing("usdm", params), params)
        if order.trigger is not None and order.triggered_ms is None:
            raise Refusal(400, -2013, "Order does not exist.")
        return trading.usdm_order(self._live, order)

    def _usdm_open_order(self, account: Account, params: Params) -> Row:
        order = trading.find(self._live, account, self._listing("usdm", params), params)
        if not order.status.is_open:
            raise Refusal(400, -2013, "Order does not exist.")
        return trading.usdm_order(self._live, order)

    def _cancel_all(self, account: Account, params: Params, *, algo: bool) -> Row:
        symbol = self._listing("usdm", params).symbol
        for order in self._live.engine.open_orders(account.name, symbol):
            if (order.status is OrderStatus.UNTRIGGERED) is algo:
                self._live.cancel(account, order_id=order.id)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def _income(self, account: Account, params: Params) -> list[Row]:
        if params.get("incomeType") not in (None, "FUNDING_FEE"):
            return []
        symbol = self._listing("usdm", params).symbol if params.get("symbol") else None
        rows = [trading.income(self._live, payment) for payment in self._live.engine.payments(account.name, symbol)]
        return _page(rows, params, by="tranId", start="", default=100)

    # -- the algo service
    def _place_algo(self, account: Account, params: Params) -> Row:
        if params.get("algoType") != "CONDITIONAL":
            raise Refusal(400, -1102, "Mandatory parameter 'algoType' was not sent, was empty/null, or malformed.")
        order = trading.place(self._live, account, self._listing("usdm", params), params, algo=True)
        return trading.algo_order(self._live, order)

    def _algo(self, account: Account, params: Params) -> Order:
        for order in self._live.engine.orders(account.name):
            named = str(order.id) == params.get("algoId") or (
                "algoId" not in params and order.client_id == params.get("clientAlgoId", "")
            )
            if order.trigger is not None and named:
                return order
        raise Refusal(400, -2013, "Order does not exist.")

    def _cancel_algo(self, account: Account, params: Params) -> Row:
        try:
            order = self._algo(account, params)
        except Refusal:
            raise Refusal(400, -2011, "Unknown order sent.") from None
        if order.status is not OrderStatus.UNTRIGGERED:
            raise Refusal(400, -2011, "Unknown order sent.")
        self._live.cancel(account, order_id=order.id)
        return {"algoId": order.id, "clientAlgoId": trading.client_id(order), "code": "200", "msg": "success"}

    def _algos(self, account: Account, params: Params, *, ended: bool | None) -> list[Row]:
        symbol = self._listing("usdm", params).symbol if params.get("symbol") else None
        rows = [
            trading.algo_order(self._live, order)
            for order in self._live.engine.orders(account.name, symbol)
            if order.trigger is not None
            and self._live.listing(order.symbol).terms.market == "usdm"
            and (ended is None or (order.status is not OrderStatus.UNTRIGGERED) is ended)
        ]
        return rows if ended is False else _page(rows, params, by="algoId", start="algoId")


def _margin_type(mode: MarginMode) -> str:
    return "CROSSED" if mode is MarginMode.CROSS else "ISOLATED"


def _page(rows: Sequence[Row], params: Params, *, by: str, start: str, default: int = 500) -> list[Row]:
    """Oldest first: from an id on, or within times, or the newest."""
    limit = min(int(params.get("limit") or default), 1000)
    first, last = int(params.get("startTime") or 0), int(params.get("endTime") or 2**63)
    if start and params.get(start):
        return [row for row in rows if int(str(row[by])) >= int(params[start])][:limit]
    times = [row.get("time") or row.get("createTime") or 0 for row in rows]
    found = [row for row, at in zip(rows, times, strict=True) if first <= int(str(at)) <= last]
    return found[:limit] if params.get("startTime") else found[-limit:]
