"""Binance's front-end: one port that answers `/api`, `/fapi` and the WebSocket bases of spot and USD-M."""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping

import msgspec
from aiohttp import web

from fra.emulator.binance import listing, rest
from fra.emulator.binance.private import ENDPOINTS, Private
from fra.emulator.binance.user import ListenKey, ListenKeys, UserStream, encode
from fra.emulator.fanout import Board, Fanout
from fra.emulator.order_faults import order_paths
from fra.emulator.ratelimit import Charge, RollingWindow, WeightWindow
from fra.emulator.settings import Settings
from fra.emulator.sockets import Connection
from fra.emulator.source import NoData, Source, StreamKey
from fra.emulator.venue import Markets, Venue

_SPOT_BASE, _USDM_BASE = "/stream.binance", "/fstream.binance"
"""Named as the venue's own hosts: clients tell the markets apart by `stream` and `fstream` in the URL."""
_PREFIXES: Mapping[str, str] = {_SPOT_BASE: "spot", _USDM_BASE: "usdm", "/spot": "spot", "/usdm": "usdm"}
_WS_API = "/ws-api/v3"
_TAIL = re.compile(r"(?:/(?P<route>public|market|private|pm))?(?:/(?P<form>ws|stream))?(?:/(?P<names>.*))?")
_PUBLIC = re.compile(r"(rpiDepth|depth|bookTicker|trade)(\d+)?(@.*)?|!bookTicker")
_MESSAGES_PER_S: Mapping[str, int] = {"spot": 5, "usdm": 10}
_PING_S: Mapping[str, tuple[float, float]] = {"spot": (20.0, 60.0), "usdm": (180.0, 600.0)}
_LIFETIME_S = 86_400.0
_MAX_STREAMS = 1024
_FUNDING_CHANNELS = ("markPrice", "!markPrice")


def _wrap(key: StreamKey, payload: str) -> str:
    name = f"{key.symbol.lower()}@{key.channel}" if key.symbol else key.channel
    return f'{{"stream":"{name}","data":{payload}}}'


def _is_book(channel: str) -> bool:
    return re.fullmatch(r"depth(@\d+ms)?", channel) is not None


def stream_key(market: str, name: str) -> StreamKey:
    """A stream name's key; names are lower case, so one with capitals in its symbol matches nothing."""
    symbol, at, channel = name.partition("@")
    if name.startswith("!") or not at:
        return StreamKey(market, name, "")
    return StreamKey(market, channel, symbol.upper() if symbol == symbol.lower() else symbol)


class _Control(msgspec.Struct):
    method: str
    params: list[object] | None = None
    id: int | str | None = None


class _ApiRequest(msgspec.Struct):
    id: int | str | None
    method: str
    params: dict[str, object] = {}


class BinanceVenue(Venue):
    """Binance spot and USD-M, for everybody and for accounts."""

    name = "binance"
    order_paths = order_paths(
        place=r"POST /(api/v3/order|fapi/v1/order|fapi/v1/algoOrder)",
        cancel=r"DELETE /(api/v3/(order|openOrders)|fapi/v1/(order|allOpenOrders|algoOrder|algoOpenOrders))",
    )

    def __init__(self, source: Source, settings: Settings) -> None:
        super().__init__(source, settings)
        scale = settings.rate_window_scale
        minute = round(60_000 * scale)

        def window(limit: int, minutes: int = 1) -> WeightWindow:
            return WeightWindow(
                limit=limit, window_ms=minute * minutes, ban_after=settings.ban_after, ban_ms=round(120_000 * scale)
            )

        self.weights: dict[str, WeightWindow] = {
            "spot": window(listing.SPOT_WEIGHT),
            "usdm": window(listing.USDM_WEIGHT),
        }
        self._raw = window(300_000, 5)
        self._funding = RollingWindow(500, minute * 5)
        self._keys = ListenKeys(lambda: settings.listen_key_s)
        self._private = Private(lambda: self.source.exchange, settings, self.now_ms, self._keys.manage)
        self._users: dict[Connection, UserStream] = {}
        self._user_keys: dict[Connection, str] = {}
        self._board = Board(source, self.faults, _wrap, _is_book)

    def addresses(self, host: str, port: int) -> Markets:
        rest_url = f"http://{host}:{port}"
        ws = f"ws://{host}:{port}"
        return {
            "spot": {"rest": rest_url, "ws": ws + _SPOT_BASE, "ws_api": ws + _WS_API},
            "usdm": {
                "rest": rest_url,
                "ws": ws + _USDM_BASE,
                **{f"ws_{route}": f"{ws}{_USDM_BASE}/{route}" for route in ("public", "market", "private")},
            },
        }

    def used_weight(self, market: str) -> int:
        """Weight used in the current window."""
        return self.weights[market].used

    def weight_history(self, market: str) -> list[int]:
        """Weight used in each window that is over and had a request, oldest first."""
        return list(self.weights[market].history)

    # -- REST
    async def answer(self, request: web.Request) -> web.Response:
        path, params = request.path, dict(request.query)
        row, private = rest.ROWS.get(path), ENDPOINTS.get((request.method, path))
        market = "usdm" if path.startswith("/fapi") else "spot"
        weight = private.weight if private is not None else row.weight(params) if row is not None else 1
        charge = self._charge(market, weight)
        headers = self._headers(market, charge)
        if charge.status != 200:
            return self._over_limit(market, charge, headers)
        try:
            if private is not None:
                body = await self._private.answer(request, private, headers)
                return web.Response(body=body, content_type="application/json", headers=headers)
            if row is None:
                return self._unlisted(request, headers)
            if request.method != "GET":
                raise rest.Refusal(405, -1000, f"Request method '{request.method}' is not supported.")
            if (
                row.endpoint in ("fundingRate", "fundingInfo")
                and self.settings.enforce_limits
                and not self._funding.take(self._wall())
            ):
                return self._over_limit(market, Charge(429, charge.used, self._funding.window_ms), headers)
            rest.check(row, params, lambda s: self.source.knows(row.market, s))
            body = self.source.answer(row.market, row.endpoint, params)
            if row.endpoint in ("time", "exchangeInfo") and self.clock_offset_ms:
                told = msgspec.json.decode(body, type=dict[str, object])
                body = msgspec.json.encode({**told, "serverTime": self.now_ms()})
            return web.Response(body=body, content_type="application/json", headers=headers)
        except rest.Refusal as refusal:
            return web.Response(
                status=refusal.status, body=refusal.body(), content_type="application/json", headers=headers
            )
        except NoData:
            unknown = rest.Refusal(400, -1121, "Invalid symbol.")
            return web.Response(
                status=unknown.status, body=unknown.body(), content_type="application/json", headers=headers
            )

    @staticmethod
    def _wall() -> int:
        return int(time.time() * 1000)

    def _charge(self, market: str, weight: int) -> Charge:
        if not self.settings.enforce_limits:
            return Charge(200, 0)
        if market == "spot":
            raw = self._raw.charge(1, self._wall())
            if raw.status != 200:
                return raw
        return self.weights[market].charge(weight, self._wall())

    def _headers(self, market: str, charge: Charge) -> dict[str, str]:
        used = str(charge.used)
        headers = {"X-MBX-USED-WEIGHT-1M": used}
        interval = listing.weight_interval(self.settings.rate_window_scale)
        headers[f"X-MBX-USED-WEIGHT-{interval}"] = used
        if market == "spot":
            headers["X-MBX-USED-WEIGHT"] = used
        return headers

    def _over_limit(self, market: str, charge: Charge, headers: dict[str, str]) -> web.Response:
        limit = self.weights[market].limit
        if charge.status == 418:
            text = f"Way too many requests; IP banned until {charge.banned_until_ms}. Use the websocket."
        else:
            text = f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE."
        headers["Retry-After"] = str(-(-charge.wait_ms // 1000))
        body = rest.Refusal(charge.status, -1003, text).body()
        return web.Response(status=charge.status, body=body, content_type="application/json", headers=headers)

    def _unlisted(self, request: web.Request, headers: dict[str, str]) -> web.Response:
        path = request.path
        if path in rest.EMPTY_LISTINGS:
            body = msgspec.json.encode(listing.empty_info(rest.EMPTY_LISTINGS[path], self.now_ms()))
            return web.Response(body=body, content_type="application/json", headers=headers)
        if path.startswith(rest.EMPTY_LISTS):
            return web.Response(body=b"[]", content_type="application/json", headers=headers)
        if path == "/sapi/v1/system/status":
            return web.Response(body=b'{"status":0,"msg":"normal"}', content_type="application/json", headers=headers)
        if path.split("/")[1] in ("dapi", "eapi") and path.endswith(("/time", "/ping")):
            body = msgspec.json.encode({"serverTime": self.now_ms()} if path.endswith("time") else {})
            return web.Response(body=body, content_type="application/json", headers=headers)
        raise rest.Refusal(404, -5000, f"Path {path}, Method {request.method} is invalid")

    # -- sockets
    @staticmethod
    def _route(path: str) -> tuple[str, str, str, str] | None:
        """Market, route (public, market, private or none), form (ws or stream) and names of a handshake's path."""
        market, tail = "", path
        for prefix, owner in _PREFIXES.items():
            if path == prefix or path.startswith(prefix + "/"):
                market, tail = owner, path[len(prefix) :]
                break
        match = _TAIL.fullmatch(tail.rstrip("/"))
        if match is None or (not market and match["form"] is None):
            return None
        route = match["route"] or ""
        return market or ("usdm" if route else "spot"), route, match["form"] or "ws", match["names"] or ""

    async def accept(self, request: web.Request) -> Connection | web.Response:
        found = ("spot", "api", "ws", "") if request.path == _WS_API else self._route(request.path)
        if found is None:
            return web.Response(status=404)
        market, route, form, _ = found
        if route not in ("", "api") and market == "spot":
            return web.Response(status=404)
        if self.too_many_connects(request, room="", limit=300, window_s=300 * self.settings.rate_window_scale):
            return web.Response(status=429)
        connection = await self.upgrade(request, market=market, combined=form == "stream")
        connection.path = route
        return connection

    async def opened(self, connection: Connection, request: web.Request) -> None:
        found = self._route(request.path)
        names = found[3].split("/") if found is not None and found[3] else []
        names += [n for n in request.query.get("streams", "").split("/") if n]
        for key in [request.query.get("listenKey", ""), *names]:
            if (found_key := self._keys.find(key)) is not None and connection.market == "usdm":
                wanted = {kind for kind in request.query.get("events", "").split("/") if kind}
                self._open_user_stream(connection, found_key, wanted)
        for fanout in [
            f for f in (self._join(connection, n) for n in names if "@" in n or n.startswith("!")) if f is not None
        ]:
            fanout.admit(connection)

    def _open_user_stream(self, connection: Connection, key: ListenKey, wanted: set[str]) -> None:
        """A listen key's account: its events, or those that are asked for."""

        def push(told: dict[str, object]) -> None:
            if self._keys.find(key.key) is None or (wanted and told["e"] not in wanted):
                return
            if not self.faults.is_silent("usdm", "user"):
                connection.send(self._wrapped(connection, key.key, told))

        self._end_user_stream(connection)
        self._users[connection] = UserStream("usdm", key.account, self.exchange, push)
        self._user_keys[connection] = key.key
        self.stats.subscriptions["listenKey"] += 1

    @staticmethod
    def _wrapped(connection: Connection, key: str, told: dict[str, object]) -> str:
        return encode({"stream": key, "data": told} if connection.combined else told)

    def _on_api(self, connection: Connection, text: str) -> None:
        """One request of the spot WebSocket API ("User Data Stream requests")."""
        try:
            request = msgspec.json.decode(text, type=_ApiRequest)
        except (msgspec.MsgspecError, RecursionError):
            connection.send('{"id":null,"status":400,"error":{"code":-1135,"msg":"Invalid JSON Request"}}')
            return
        result: dict[str, object] = {}
        error: rest.Refusal | None = None
        try:
            match request.method:
                case "ping":
                    pass
                case "time":
                    result = {"serverTime": self.now_ms()}
                case "userDataStream.subscribe.signature":
                    account = self._private.authenticate_socket(request.params)
                    self._end_user_stream(connection)
                    self._users[connection] = UserStream("spot", account, self.exchange, self._api_push(connection))
                    self.stats.subscriptions["userDataStream"] += 1
                    result = {"subscriptionId": 0}
                case "userDataStream.unsubscribe":
                    self._end_user_stream(connection)
                case "session.logon" | "userDataStream.subscribe":
                    raise rest.Refusal(400, -4056, "HMAC_SHA256 API key is not supported.")
                case other:
                    raise rest.Refusal(400, -1130, f"Unknown method '{other}'.")
        except rest.Refusal as refusal:
            error = refusal
        told: dict[str, object] = {"id": request.id, "status": 200 if error is None else error.status}
        told |= {"result": result} if error is None else {"error": {"code": error.code, "msg": error.message}}
        connection.send(encode({**told, "rateLimits": []}))

    def _api_push(self, connection: Connection) -> Callable[[dict[str, object]], None]:
        def push(told: dict[str, object]) -> None:
            if not self.faults.is_silent("spot", "user"):
                connection.send(encode({"subscriptionId": 0, "event": told}))

        return push

    def _end_user_stream(self, connection: Connection) -> None:
        self._user_keys.pop(connection, None)
        if (stream := self._users.pop(connection, None)) is not None:
            stream.close()

    def _join(self, connection: Connection, name: str) -> Fanout | None:
        key = stream_key(connection.market, name)
        connection.subscriptions[name] = key
        self.stats.subscriptions[name] += 1
        if connection.path == "private" or (
            connection.path and (_PUBLIC.fullmatch(key.channel) is None) is (connection.path == "public")
        ):
            # a stream asked for on the wrong base is acknowledged and stays silent
            return None
        return self._board.find(key)

    async def received(self, connection: Connection, text: str) -> None:
        if connection.path == "api":
            self._on_api(connection, text)
            return
        try:
            control = msgspec.json.decode(text, type=_Control)
        except msgspec.ValidationError as error:
            self._refuse(connection, 2, f"Invalid request: {error}", None)
            return
        except (msgspec.DecodeError, RecursionError) as error:
            self._refuse(connection, 3, f"Invalid JSON: {error}", None)
            return
        names = [p for p in control.params or () if isinstance(p, str)]
        match control.method:
            case "SUBSCRIBE" | "UNSUBSCRIBE" if not names:
                self._refuse(connection, 2, "Invalid request: request must contain params", control.id)
            case "SUBSCRIBE" if len({*connection.subscriptions, *names}) > _MAX_STREAMS:
                self._refuse(connection, 4, "Too many streams", control.id)
            case "SUBSCRIBE":
                fanouts = [self._join(connection, n) for n in names]
                self._ack(connection, None, control.id)
                for name in names:  # the venue's own SDK subscribes to a listen key as to a stream
                    if (key := self._keys.find(name)) is not None and connection.market == "usdm":
                        self._open_user_stream(connection, key, set())
                for fanout in fanouts:
                    if fanout is not None:
                        fanout.admit(connection)
            case "UNSUBSCRIBE":
                for name in names:
                    stream = connection.subscriptions.pop(name, None)
                    if isinstance(stream, StreamKey):
                        self._board.leave(connection, stream)
                    if name == self._user_keys.get(connection):
                        self._end_user_stream(connection)
                self._ack(connection, None, control.id)
            case "LIST_SUBSCRIPTIONS":
                self._ack(connection, list(connection.subscriptions), control.id)
            case "SET_PROPERTY" if control.params and control.params[0] == "combined" and len(control.params) == 2:
                connection.combined = bool(control.params[1])
                self._ack(connection, None, control.id)
            case "GET_PROPERTY":
                self._ack(connection, connection.combined, control.id)
            case _:
                self._refuse(connection, 2, f"Invalid request: unknown variant `{control.method}`", control.id)

    @staticmethod
    def _ack(connection: Connection, result: object, id_: int | str | None) -> None:
        connection.send(msgspec.json.encode({"result": result, "id": id_}).decode())

    @staticmethod
    def _refuse(connection: Connection, code: int, message: str, id_: int | str | None) -> None:
        connection.send(msgspec.json.encode({"error": {"code": code, "msg": message}, "id": id_}).decode())

    def may_talk(self, connection: Connection) -> bool:
        if not self.settings.enforce_limits:
            return True
        times: deque[float] = connection.incoming
        now = time.monotonic()
        times.append(now)
        while times[0] <= now - 1.0:
            times.popleft()
        return len(times) <= _MESSAGES_PER_S[connection.market]

    async def keep(self, connection: Connection) -> None:
        period, patience = _PING_S[connection.market]
        period = self.settings.ping_interval_s or period
        patience = self.settings.pong_timeout_s or patience
        lifetime = self.settings.lifetime_s or _LIFETIME_S
        following = time.monotonic() + period
        # spot warns shortly before it closes
        warning: float | None = (
            connection.opened + lifetime - min(60.0, lifetime / 10) if connection.market == "spot" else None
        )
        while not connection.ws.closed:
            now = time.monotonic()
            if connection.age >= lifetime:
                await connection.close(1001, "Connection lifetime is over")
                return
            if connection.ping_sent is not None and now - connection.ping_sent >= patience:
                await connection.close(1008, "Pong timeout")
                return
            if warning is not None and now >= warning:
                warning = None
                self._warn(connection)
            if now >= following:
                following += period
                await connection.ping(str(self.now_ms()).encode())
            deadlines = [following, connection.opened + lifetime, *([warning] if warning is not None else [])]
            if connection.ping_sent is not None:
                deadlines.append(connection.ping_sent + patience)
            await asyncio.sleep(max(0.005, min(deadlines) - time.monotonic()))

    def ended(self, connection: Connection) -> None:
        self._end_user_stream(connection)
        self._board.leave_all(connection)

    # -- test switches
    def expire_listen_keys(self) -> int:
        """End every listen key now, as after an hour without a PUT; how many there were."""
        ended = self._keys.expire()
        for connection, key in list(self._user_keys.items()):
            if any(key == known.key for known in ended):
                told: dict[str, object] = {"e": "listenKeyExpired", "E": self.now_ms(), "listenKey": key}
                connection.send(self._wrapped(connection, key, told))
                self._end_user_stream(connection)
        return len(ended)

    def user_sockets(self) -> Iterable[Connection]:
        return tuple(self._users)

    def announce_shutdown(self) -> None:
        """Push `serverShutdown` to spot connections (USD-M has none)."""
        for connection in self.sockets("spot"):
            self._warn(connection)

    def _warn(self, connection: Connection) -> None:
        payload = msgspec.json.encode({"e": "serverShutdown", "E": self.now_ms()}).decode()
        connection.send(f'{{"stream":"!serverShutdown","data":{payload}}}' if connection.combined else payload)

    def pause_funding(self) -> None:
        self.faults.paused_channels.update(_FUNDING_CHANNELS)

    def resume_funding(self) -> None:
        self.faults.paused_channels.difference_update(_FUNDING_CHANNELS)
