"""HTX's private REST: who asks, what they may do, how often, and in which envelope they are answered."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence

import attrs
import msgspec
from aiohttp import web

from fra.emulator.accounts import Account
from fra.emulator.exchange import VenueExchange
from fra.emulator.htx import auth
from fra.emulator.htx.auth import Failure, Unrecognised
from fra.emulator.htx.multi_assets import MultiAssets
from fra.emulator.htx.rest import Refusal, not_allowed, not_found, too_many
from fra.emulator.htx.spot_account import SpotAccount
from fra.emulator.htx.topics import Room
from fra.emulator.htx.triggers import Triggers
from fra.emulator.ratelimit import RollingWindow
from fra.emulator.settings import Settings
from fra.emulator.source import Source

Params = Mapping[str, str]
Handler = Callable[[Account, Params], object]

_CROSS = "linear-swap-api/v1/swap_cross_"
_V3 = "linear-swap-api/v3/swap_"
_ID = re.compile(r"/(\d+)(?=/|$)")


@attrs.frozen
class Endpoint:
    """One private path: its method and what answers it. Spot counts each path by itself, `limit` per two seconds;
    contracts count all that trade together, and all that read."""

    method: str
    handler: Handler
    trades: bool = False
    limit: int = 50


class Private:
    """The private half of one emulated HTX."""

    def __init__(self, source: Source, settings: Settings, now_ms: Callable[[], int]) -> None:
        self._source = source
        self._settings = settings
        self._now_ms = now_ms
        self._windows: dict[tuple[str, str], RollingWindow] = {}
        self._modes: dict[str, int] = {}
        self.spot = SpotAccount(self._live, now_ms)
        self.single = Triggers(self._live, source, now_ms)
        self.multi = MultiAssets(self._live, source, now_ms)
        self._endpoints = {**self._spot(), **self._single(), **self._multi()}

    def _live(self) -> VenueExchange:
        exchange = self._source.exchange
        assert exchange is not None  # there is no account without one
        return exchange

    # -- what there is
    def _spot(self) -> Mapping[tuple[str, str], Endpoint]:
        spot, orders = self.spot, "v1/order/orders"
        return _table(
            ("GET", "v1/account/accounts", spot.accounts, False, 100),
            ("GET", "v1/account/accounts/{id}/balance", spot.balance, False, 100),
            ("GET", "v2/reference/transact-fee-rate", spot.fees, False, 50),
            ("GET", "v2/user/uid", spot.user_id, False, 100),
            ("GET", "v2/user/api-key", spot.keys, False, 20),
            ("POST", f"{orders}/place", spot.place, True, 100),
            ("POST", f"{orders}/{{id}}/submitcancel", spot.cancel, True, 100),
            ("POST", f"{orders}/submitCancelClientOrder", spot.cancel_by_client_id, True, 100),
            ("POST", f"{orders}/batchCancelOpenOrders", spot.cancel_open, True, 50),
            ("GET", "v1/order/openOrders", spot.open_orders, False, 50),
            ("GET", f"{orders}/{{id}}", spot.order, False, 50),
            ("GET", f"{orders}/getClientOrder", spot.order_by_client_id, False, 50),
            ("GET", orders, spot.orders, False, 50),
            ("GET", "v1/order/history", spot.orders, False, 20),
            ("GET", "v1/order/matchresults", spot.matches, False, 20),
            ("GET", f"{orders}/{{id}}/matchresults", spot.matches, False, 50),
        )

    def _single(self) -> Mapping[tuple[str, str], Endpoint]:
        single = self.single
        reads: Mapping[str, Handler] = {
            f"{_CROSS}account_info": single.account_info,
            f"{_CROSS}position_info": single.position_info,
            f"{_CROSS}account_position_info": single.account_position_info,
            f"{_CROSS}order_info": single.order_info,
            f"{_CROSS}order_detail": single.order_detail,
            f"{_CROSS}openorders": single.open_orders_page,
            f"{_CROSS}available_level_rate": single.leverages,
            f"{_CROSS}trigger_openorders": single.open_triggers,
            f"{_CROSS}trigger_hisorders": single.past_triggers,
            f"{_CROSS}tpsl_openorders": single.open_targets,
            f"{_CROSS}tpsl_hisorders": single.past_targets,
            "linear-swap-api/v1/swap_fee": single.fees,
            f"{_V3}cross_hisorders": single.history,
            f"{_V3}cross_hisorders_exact": single.history,
            f"{_V3}cross_matchresults": single.matches,
            f"{_V3}cross_matchresults_exact": single.matches,
            f"{_V3}financial_record": single.payments,
            f"{_V3}financial_record_exact": single.payments,
            # nobody holds anything under isolated margin here
            "linear-swap-api/v1/swap_account_info": lambda account, params: [],
            "linear-swap-api/v1/swap_position_info": lambda account, params: [],
        }
        trades: Mapping[str, Handler] = {
            f"{_CROSS}order": single.order,
            f"{_CROSS}cancel": single.cancel,
            f"{_CROSS}cancelall": single.cancel_all,
            f"{_CROSS}trigger_order": single.trigger,
            f"{_CROSS}trigger_cancel": single.cancel_triggers,
            f"{_CROSS}trigger_cancelall": single.cancel_all_triggers,
            f"{_CROSS}tpsl_order": single.target,
            f"{_CROSS}tpsl_cancel": single.cancel_triggers,
            f"{_CROSS}tpsl_cancelall": single.cancel_all_targets,
            f"{_CROSS}switch_lever_rate": single.switch_leverage,
            f"{_CROSS}switch_position_mode": single.switch_mode,
        }
        return {
            **_table(*(("POST", path, handler, False, 0) for path, handler in reads.items())),
            **_table(*(("POST", path, handler, True, 0) for path, handler in trades.items())),
            **_table(
                ("GET", f"{_V3}unified_account_type", self._account_type, False, 0),
                ("GET", f"{_CROSS}position_side", single.position_mode, False, 0),
            ),
        }

    def _multi(self) -> Mapping[tuple[str, str], Endpoint]:
        multi = self.multi
        return _table(
            ("GET", "v5/account/asset_mode", self._asset_mode, False, 0),
            ("POST", "v5/account/asset_mode", self._set_asset_mode, True, 0),
            ("GET", "v5/account/balance", multi.balance, False, 0),
            ("GET", "v5/account/bills", multi.bills, False, 0),
            ("POST", "v5/trade/order", multi.order, True, 0),
            ("GET", "v5/trade/order", multi.one, False, 0),
            ("POST", "v5/trade/cancel_order", multi.cancel, True, 0),
            ("POST", "v5/trade/cancel_all_orders", multi.cancel_all, True, 0),
            ("GET", "v5/trade/order/opens", multi.opens, False, 0),
            ("GET", "v5/trade/order/history", multi.history, False, 0),
            ("GET", "v5/trade/order/details", multi.details, False, 0),
            ("GET", "v5/trade/position/opens", multi.position_opens, False, 0),
            ("GET", "v5/position/lever", multi.lever, False, 0),
            ("POST", "v5/position/lever", multi.set_lever, True, 0),
            ("GET", "v5/position/mode", multi.position_mode, False, 0),
            ("POST", "v5/position/mode", multi.set_position_mode, True, 0),
        )

    # -- asset modes: /v5 serves one, /linear-swap-api the other
    def mode(self, account: Account) -> int:
        """0 for single-asset collateral, 1 for multi-assets."""
        return self._modes.get(account.key, int(self._settings.htx_multi_assets))

    def _asset_mode(self, account: Account, params: Params) -> object:
        return {"assets_mode": self.mode(account), "asset_mode": self.mode(account)}

    def _set_asset_mode(self, account: Account, params: Params) -> object:
        told = params.get("assets_mode", params.get("asset_mode", ""))
        if told not in ("0", "1"):
            raise Refusal(200, "1067", "", 1067, "The assets_mode field is invalid. Please re-enter.")
        self._modes[account.key] = int(told)
        return {"assets_mode": int(told)}

    def _account_type(self, account: Account, params: Params) -> object:
        return {"account_type": 2 if self.mode(account) else 1}

    def _check_mode(self, account: Account, path: str) -> None:
        if path in ("v5/account/asset_mode", f"{_V3}unified_account_type") or path.startswith(("v1", "v2")):
            return
        if path.startswith("v5/") is not bool(self.mode(account)):
            kind = "multi-assets" if self.mode(account) else "single-asset"
            text = f"The account is in {kind} collateral mode, which this interface does not serve."
            raise Refusal(200, "4007", "", 4007, text)

    # -- who asks
    async def answer(self, request: web.Request, path: str) -> web.Response:
        """One private request. Raises Refusal."""
        named = _ID.sub("/{id}", path)
        endpoint = self._endpoints.get((request.method, named))
        many = _MANY.get(path) if request.method == "POST" else None
        account = self.authenticate(request, path)
        if endpoint is None and many is None:
            raise not_allowed() if any(known == named for _, known in self._endpoints) else not_found()
        self._check_mode(account, path)
        if (many is not None or (endpoint is not None and endpoint.trades)) and not account.may_trade:
            raise _unrecognised(path, Failure.PERMISSION)
        headers = self._count(account, named, endpoint)
        body = (await request.read()).decode(errors="replace")
        params = dict(request.query) if request.method == "GET" else {}
        params |= {"{id}": found[1]} if (found := _ID.search(path)) else {}
        try:
            given = json.loads(body, parse_float=str, parse_int=str) if request.method == "POST" and body else {}
            if many is not None:
                data = many(self, account, given)
            else:
                assert endpoint is not None
                data = endpoint.handler(account, params | _texts(given if isinstance(given, dict) else {}))
        except (ValueError, RecursionError):
            raise Refusal(200, "invalid-parameter", "invalid parameter", 1030, "Input error.") from None
        return web.Response(body=self._envelope(path, data), headers=headers, content_type="application/json")

    def authenticate(self, request: web.Request, path: str) -> Account:
        """The account that signed a request. Raises Refusal."""
        market = "spot" if path.startswith(("v1/", "v2/")) else "linear"
        places = [(host, f"/{path}") for host in (*auth.HOSTS[market], request.host, request.host.partition(":")[0])]
        try:
            return auth.authenticate(
                self._source.exchange,
                dict(request.query),
                names=auth.CAPITAL,
                method=request.method,
                places=places,
                now_ms=self._now_ms(),
            )
        except Unrecognised as unrecognised:
            raise _unrecognised(path, unrecognised.failure) from None

    def login(self, told: Mapping[str, object], room: Room, host: str, path: str) -> Account:
        """The account of a login on a socket. Raises Unrecognised."""
        names = auth.CAMEL if room.kind == "account" else auth.CAPITAL
        given = told.get("params") if room.kind == "account" else told
        params = _texts(given) if isinstance(given, dict) else {}
        wanted = (names.key, names.method, names.version, names.time, names.signature)
        hosts = (*auth.HOSTS[room.market], host, host.partition(":")[0])
        # ccxt signs the whole URL of a socket that is not on the documented host
        paths = (path, f"ws://{host}{path}")
        return auth.authenticate(
            self._source.exchange,
            {name: params[name] for name in wanted if name in params},
            names=names,
            method="GET",
            places=[(h, p) for h in hosts for p in paths],
            now_ms=self._now_ms(),
        )

    def _count(self, account: Account, named: str, endpoint: Endpoint | None) -> dict[str, str]:
        trades = endpoint is None or endpoint.trades
        is_spot = named.startswith(("v1/", "v2/"))
        if is_spot:
            limit, length, key = (endpoint.limit if endpoint is not None else 50), 2000, named
        else:
            limit, length, key = 72, 3000, "trade" if trades else "read"
        window = self._windows.get((account.key, key))
        if window is None:
            window = RollingWindow(limit, round(length * self._settings.rate_window_scale))
            self._windows[account.key, key] = window
        now = int(time.monotonic() * 1000)
        if self._settings.enforce_limits and not window.take(now):
            raise too_many()
        left, ends = str(max(0, window.left(now))), str(self._now_ms() + window.frees_in_ms(now))
        if is_spot:
            return {"X-HB-RateLimit-Requests-Remain": left, "X-HB-RateLimit-Requests-Expire": ends}
        told = {"ratelimit-limit": str(limit), "ratelimit-interval": str(window.window_ms)}
        return {**told, "ratelimit-remaining": left, "ratelimit-reset": ends}

    def _envelope(self, path: str, data: object) -> bytes:
        told: dict[str, object]
        if path.startswith("v5/"):
            told = {"code": 200, "message": "Success", "data": data, "ts": self._now_ms()}
        elif path.startswith("v2/"):
            told = {"code": 200, "data": data, "success": True}
        elif path.startswith(_V3):
            told = {"code": 200, "msg": "ok", "data": data, "ts": self._now_ms()}
        else:
            told = {"status": "ok", "data": data}
            if not path.startswith("v1/"):
                told["ts"] = self._now_ms()
        return msgspec.json.encode(told)


# -- requests whose body is a list, or holds one
def _spot_batch(private: Private, account: Account, given: object) -> object:
    return private.spot.place_many(account, [_texts(row) for row in _rows(given)])


def _spot_cancels(private: Private, account: Account, given: object) -> object:
    asked = given if isinstance(given, dict) else {}
    ids = {name: [str(told) for told in asked.get(name, ())] for name in ("order-ids", "client-order-ids")}
    return private.spot.cancel_many(account, {}, ids)


def _single_batch(private: Private, account: Account, given: object) -> object:
    asked = given if isinstance(given, dict) else {}
    return private.single.batch(account, [_texts(row) for row in _rows(asked.get("orders_data"))])


def _multi_batch(private: Private, account: Account, given: object) -> object:
    return private.multi.batch(account, [_texts(row) for row in _rows(given)])


def _multi_cancels(private: Private, account: Account, given: object) -> object:
    asked = given if isinstance(given, dict) else {}
    return private.multi.cancel_many(account, {}, [str(told) for told in asked.get("order_id", ())])


_MANY: Mapping[str, Callable[[Private, Account, object], object]] = {
    "v1/order/batch-orders": _spot_batch,
    "v1/order/orders/batchcancel": _spot_cancels,
    f"{_CROSS}batchorder": _single_batch,
    "v5/trade/batch_orders": _multi_batch,
    "v5/trade/cancel_batch_orders": _multi_cancels,
}


def _rows(given: object) -> Sequence[Mapping[str, object]]:
    return [row for row in given if isinstance(row, dict)] if isinstance(given, list) else []


def _texts(given: Mapping[str, object]) -> dict[str, str]:
    """A body's values as texts; what is null is absent."""
    return {
        name: str(int(value)) if isinstance(value, bool) else str(value)
        for name, value in given.items()
        if value is not None
    }


def _table(*rows: tuple[str, str, Handler, bool, int]) -> dict[tuple[str, str], Endpoint]:
    return {(method, path): Endpoint(method, handler, trades, limit) for method, path, handler, trades, limit in rows}


def _unrecognised(path: str, failure: Failure) -> Refusal:
    if path.startswith("v2/"):
        code, text = (1002, "unauthorized") if failure is Failure.KEY else (1003, "invalid signature")
        return Refusal(200, "", "", code, text)
    return Refusal(200, "api-signature-not-valid", f"Signature not valid: {failure.value}", 403, failure.value)
