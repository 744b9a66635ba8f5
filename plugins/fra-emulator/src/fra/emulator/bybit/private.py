"""Bybit's signed paths: what each needs, how often it may be asked, and what it answers or does."""

import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import attrs

from fra.emulator.accounts import Account
from fra.emulator.bybit import orders, refusals
from fra.emulator.bybit.feed import MARKETS, BybitFeed
from fra.emulator.bybit.ledger import entries
from fra.emulator.bybit.orders import Body, bad, listed, word
from fra.emulator.bybit.paging import page
from fra.emulator.bybit.render import Row
from fra.emulator.bybit.rest import Refusal
from fra.emulator.bybit.rows import ZERO, Rows
from fra.emulator.bybit.trading import Trading
from fra.emulator.bybit.wallet import wallet
from fra.emulator.exchange import Listing, VenueExchange
from fra.emulator.ratelimit import RollingWindow
from fra.matching import MarginMode, PositionMode, PositionSide, Refused

_CONTRACTS = ("linear", "inverse")
_FLAT = {
    PositionMode.ONE_WAY: (PositionSide.NET,),
    PositionMode.HEDGE: (PositionSide.LONG, PositionSide.SHORT),
}
_MODES = {0: PositionMode.ONE_WAY, 3: PositionMode.HEDGE}
_MARGIN_MODES = {"REGULAR_MARGIN": MarginMode.CROSS, "ISOLATED_MARGIN": MarginMode.ISOLATED}
Answer = Callable[[Account, Body], object]


@attrs.frozen
class Path:
    """One signed path: its method, requests per second and account on contracts and on spot, and its work."""

    method: str
    per_s: int
    answer: Answer
    spot_per_s: int | None = None
    message: str = "OK"

    @property
    def writes(self) -> bool:
        return self.method == "POST"

    def limit(self, category: str) -> int:
        return self.spot_per_s if self.spot_per_s is not None and category == "spot" else self.per_s


class Private:
    """The signed side of one venue."""

    def __init__(self, feed: BybitFeed, exchange: VenueExchange, *, scale: float) -> None:
        self.rows = Rows(exchange, feed.render)
        trading = self._trading = Trading(feed, exchange, self.rows)
        self._feed = feed
        self._exchange = exchange
        self._window_ms = max(1, round(1000 * scale))
        self._windows: dict[tuple[str, str, int], RollingWindow] = {}
        self.paths: Mapping[str, Path] = {
            "order/create": Path("POST", 10, trading.create, 20),
            "order/cancel": Path("POST", 10, trading.cancel, 20),
            "order/cancel-all": Path("POST", 10, trading.cancel_all, 20),
            "order/realtime": Path("GET", 50, trading.realtime),
            "order/history": Path("GET", 50, trading.history),
            "execution/list": Path("GET", 50, trading.executions),
            "position/list": Path("GET", 50, self._positions),
            "position/set-leverage": Path("POST", 10, self._set_leverage),
            "position/switch-mode": Path("POST", 10, self._switch_mode),
            "position/switch-isolated": Path("POST", 10, self._switch_isolated),
            "account/wallet-balance": Path("GET", 50, self._wallet),
            "account/info": Path("GET", 50, self._info),
            "account/set-margin-mode": Path("POST", 5, self._set_margin_mode),
            "account/fee-rate": Path("GET", 10, self._fee_rate, 5),
            "account/transaction-log": Path("GET", 50, self._log),
            "user/query-api": Path("GET", 10, self._query_api, message=""),
            "asset/coin/query-info": Path("GET", 5, self._coins, message=""),
        }

    def count(self, account: Account, endpoint: str, category: str) -> tuple[bool, dict[str, str]]:
        """Count a request by endpoint and account; whether it fits, and the headers that tell of the limit."""
        limit = self.paths[endpoint].limit(category)
        window = self._windows.setdefault((account.name, endpoint, limit), RollingWindow(limit, self._window_ms))
        wall = int(time.monotonic() * 1000)
        fits = window.take(wall)
        resets = self.now_ms() + (0 if fits else window.frees_in_ms(wall))
        told = {"X-Bapi-Limit": limit, "X-Bapi-Limit-Status": window.left(wall), "X-Bapi-Limit-Reset-Timestamp": resets}
        return fits, {name: str(value) for name, value in told.items()}

    def now_ms(self) -> int:
        return self._feed.settings.clock.now_ms()

    def usd(self, coin: str) -> Decimal:
        """What a coin is worth: by its index, or 0 if nothing here quotes it."""
        if coin in ("USDT", "USDC", "USD"):
            return Decimal(1)
        market = self._feed.market
        found = next((i for m in MARKETS for i in market.instruments(m) if i.base == coin and i.quote == "USDT"), None)
        return ZERO if found is None else Decimal(f"{market.index(found, self.now_ms()):.8f}")

    def wallet(self, account: Account, coins: Iterable[str] | None = None) -> Row:
        """The account's coins, or those named, and its sums in USD."""
        return wallet(self._exchange.engine, account, self.usd, coins)

    # -- positions and settings
    def _positions(self, account: Account, body: Body) -> object:
        category = word(body, "category")
        if category not in _CONTRACTS:
            raise Refusal(10001, "Illegal category")
        engine, now = self._exchange.engine, self.now_ms()
        wanted = self._trading.symbols(body, all_of=("inverse",))
        if word(body, "symbol"):
            # a symbol that is named is answered flat too
            (symbol,) = wanted
            sides = _FLAT[engine.position_mode(account.name)]
            found = [engine.position(account.name, symbol, side) for side in sides]
        else:
            found = [p for p in engine.positions(account.name) if p.symbol in wanted]
        rows = [self.rows.position(p, now) for p in found]
        return {"list": rows, "nextPageCursor": "", "category": category}

    def _contract(self, body: Body) -> Listing:
        if word(body, "category") not in _CONTRACTS:
            raise Refusal(10001, "Illegal category")
        return listed(self._exchange, body)

    def _set_leverage(self, account: Account, body: Body) -> object:
        listing = self._contract(body)
        buy, sell = orders.number(body, "buyLeverage"), orders.number(body, "sellLeverage")
        most = Decimal(self._feed.render(listing.instrument).max_leverage)
        if buy is None or buy != sell:
            raise bad("buyLeverage")
        if not 1 <= buy <= most:
            raise Refusal(110013, f"cannot set leverage [{buy}] gt maxLeverage [{most}] by risk limit")
        try:
            changed = self._exchange.engine.set_leverage(account.name, listing.symbol, buy, now_ms=self.now_ms())
        except Refused as refused:
            raise refusals.refusal(refused, spot=False) from None
        if not changed:
            raise Refusal(110043, "leverage not modified")
        return {}

    def _switch_mode(self, account: Account, body: Body) -> object:
        if word(body, "category") not in _CONTRACTS:
            raise Refusal(10001, "Illegal category")
        mode = _MODES.get(orders.whole(body, "mode", 9))
        if mode is None or not (word(body, "symbol") or word(body, "coin")):
            raise bad("mode")
        try:
            changed = self._exchange.engine.set_position_mode(account.name, mode, now_ms=self.now_ms())
        except Refused as refused:
            raise refusals.refusal(refused, spot=False) from None
        if not changed:
            raise Refusal(110025, "Position mode is not modified")
        return {}

    def _switch_isolated(self, account: Account, body: Body) -> object:
        # a unified account has one margin mode for all: `account/set-margin-mode` (Bybit docs: "Set Margin Mode")
        raise Refusal(100028, "unified account is forbidden")

    def _set_margin_mode(self, account: Account, body: Body) -> object:
        mode = _MARGIN_MODES.get(word(body, "setMarginMode"))
        if mode is None:
            raise bad("setMarginMode")
        engine = self._exchange.engine
        symbols = [i.symbol for market in _CONTRACTS for i in self._exchange.listings(market)]
        busy = engine.positions(account.name) or [o for o in engine.open_orders(account.name) if o.symbol in symbols]
        if busy and any(engine.margin_mode(account.name, s) is not mode for s in symbols):
            raise Refusal(3400045, "Set margin mode failed")
        for symbol in symbols:
            engine.set_margin_mode(account.name, symbol, mode, now_ms=self.now_ms())
        return {"reasons": []}

    # -- the account
    def _margin_mode(self, account: Account) -> str:
        symbol = next(i.symbol for i in self._exchange.listings("linear"))
        mode = self._exchange.engine.margin_mode(account.name, symbol)
        return next(name for name, found in _MARGIN_MODES.items() if found is mode)

    def _wallet(self, account: Account, body: Body) -> object:
        if word(body, "accountType") != "UNIFIED":
            raise Refusal(10001, "accountType only support UNIFIED.")
        coins = word(body, "coin")
        return {"list": [self.wallet(account, coins.split(",") if coins else None)]}

    def _info(self, account: Account, body: Body) -> object:
        row: Row = {"marginMode": self._margin_mode(account), "updatedTime": str(self.now_ms())}
        row |= {"unifiedMarginStatus": 5, "dcpStatus": "OFF", "timeWindow": 10, "smpGroup": 0}
        return row | {"isMasterTrader": False, "spotHedgingStatus": "OFF"}

    def _fee_rate(self, account: Account, body: Body) -> object:
        wanted = self._trading.symbols(body, all_of=MARKETS)
        rows = [
            {
                "symbol": i.instrument.symbol,
                "takerFeeRate": f"{i.terms.taker_fee:f}",
                "makerFeeRate": f"{i.terms.maker_fee:f}",
            }
            for i in self._exchange.listings(word(body, "category"))
            if i.symbol in wanted
        ]
        return {"list": rows}

    def _log(self, account: Account, body: Body) -> object:
        rows = entries(self.rows, account)
        for name, key in (("category", "category"), ("currency", "currency"), ("type", "type")):
            if wanted := word(body, name):
                rows = [(at, row) for at, row in rows if row[key] == wanted]
        params = {name: str(value) for name, value in body.items()}
        found, cursor = page(rows, params, default=20, most=50, now_ms=self.now_ms())
        return {"nextPageCursor": cursor, "list": found}

    def _query_api(self, account: Account, body: Body) -> object:
        rights = {"ContractTrade": ["Order", "Position"], "Spot": ["SpotTrade"]} if account.may_trade else {}
        if account.may_withdraw:
            rights["Wallet"] = ["AccountTransfer", "Withdraw"]
        row: Row = {"id": "13770661", "note": account.name, "apiKey": account.key, "secret": ""}
        row |= {"readOnly": int(not account.may_trade), "permissions": rights, "ips": ["*"], "type": 1}
        row |= {"deadlineDay": 90, "expiredAt": "2099-12-31T00:00:00Z", "createdAt": "2024-01-01T00:00:00Z"}
        row |= {"unified": 0, "uta": 1, "userID": 24617703, "inviterID": 0, "vipLevel": "No VIP"}
        return row | {"mktMakerLevel": "0", "affiliateID": 0, "isMaster": True, "parentUid": "0"}

    def _coins(self, account: Account, body: Body) -> object:
        coins = dict.fromkeys(
            c for m in MARKETS for i in self._feed.market.instruments(m) for c in (i.base, i.settle or i.quote)
        )
        chain = {"chainType": "mainnet", "confirmation": "1", "withdrawFee": "1", "depositMin": "0", "withdrawMin": "1"}
        chain |= {"chainDeposit": "1", "chainWithdraw": "1", "minAccuracy": "8", "withdrawPercentageFee": "0"}
        return {
            "rows": [{"name": c, "coin": c, "remainAmount": "1000000", "chains": [chain | {"chain": c}]} for c in coins]
        }
