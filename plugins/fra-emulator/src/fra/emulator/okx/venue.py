"""OKX's front-end: one port that answers `/api/v5` and the three WebSocket paths."""

import asyncio
import time
import uuid
from collections.abc import Iterable

import msgspec
from aiohttp import web

from fra.emulator.fanout import Board, Fanout
from fra.emulator.okx import rest
from fra.emulator.okx.feed import market_of
from fra.emulator.okx.private import Private, texts
from fra.emulator.okx.user import CHANNELS, KINDED, UserConnection
from fra.emulator.order_faults import order_paths
from fra.emulator.ratelimit import RollingWindow
from fra.emulator.settings import Settings
from fra.emulator.sockets import Connection
from fra.emulator.source import NoData, Source, StreamKey
from fra.emulator.venue import Markets, Venue

_API = "/api/v5/"
_HOUR_S = 3600.0
_REQUESTS_PER_HOUR = 480
_MAX_ARGS_BYTES = 65_536
_TRADES = frozenset({"order", "batch-orders", "cancel-order", "batch-cancel-orders"})
_LOGIN_CHANNELS = frozenset({"books-l2-tbt", "books50-l2-tbt"})


def _is_book(channel: str) -> bool:
    return channel == "books"


class _Request(msgspec.Struct):
    op: str
    args: list[dict[str, object]] = []
    id: str | None = None


class OkxVenue(Venue):
    """OKX spot and swap, for everybody and for accounts."""

    name = "okx"
    order_paths = order_paths(
        place=r"POST /api/v5/trade/(order|batch-orders|order-algo)",
        cancel=r"POST /api/v5/trade/(cancel-order|cancel-batch-orders|cancel-algos)",
    )

    def __init__(self, source: Source, settings: Settings) -> None:
        super().__init__(source, settings)
        self._windows: dict[tuple[str, str, str], RollingWindow] = {}
        self._private = Private(lambda: self.source.exchange, settings, self.now_ms)
        self._users: dict[Connection, UserConnection] = {}
        self._board = Board(source, self.faults, lambda key, payload: payload, _is_book)

    def addresses(self, host: str, port: int) -> Markets:
        ws = f"ws://{host}:{port}/ws/v5"
        urls = {
            "rest": f"http://{host}:{port}",
            "ws": f"{ws}/public",
            "ws_business": f"{ws}/business",
            "ws_private": f"{ws}/private",
        }
        return {"spot": dict(urls), "swap": dict(urls)}

    # -- REST
    async def answer(self, request: web.Request) -> web.Response:
        path, params = request.path, dict(request.query)
        endpoint = path.removeprefix(_API)
        row = rest.ROWS.get(endpoint) if path.startswith(_API) else None
        try:
            if row is None and endpoint.split("/")[0] in rest.PRIVATE_ROOMS:
                return await self._private.answer(request, endpoint)
            if row is None:
                return self._unlisted(endpoint)
            if request.method != "GET":
                raise rest.Refusal(405, "50115", "Invalid request method.")
            self._count(request, endpoint, row, params)
            rest.check(endpoint, row, params, self.source.knows)
            body = self.source.answer(market_of(params.get("instId", "")), endpoint, params)
            if endpoint == "public/time" and self.clock_offset_ms:
                body = msgspec.json.encode({"code": "0", "msg": "", "data": [{"ts": str(self.now_ms())}]})
            return web.Response(body=body, content_type="application/json")
        except rest.Refusal as refusal:
            return web.Response(status=refusal.status, body=refusal.body(), content_type="application/json")
        except NoData:
            unknown = rest.Refusal(200, "51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
            return web.Response(status=unknown.status, body=unknown.body(), content_type="application/json")

    def _count(self, request: web.Request, endpoint: str, row: rest.Row, params: dict[str, str]) -> None:
        if not self.settings.enforce_limits:
            return
        key = (request.remote or "", endpoint, params.get(row.counted_by, "") if row.counted_by else "")
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = RollingWindow(
                row.limit, round(rest.WINDOW_MS * self.settings.rate_window_scale)
            )
        if not window.take(int(time.monotonic() * 1000)):
            raise rest.Refusal(429, "50011", "Too Many Requests")

    @staticmethod
    def _unlisted(endpoint: str) -> web.Response:
        if endpoint == "system/status":
            return web.Response(body=b'{"code":"0","msg":"","data":[]}', content_type="application/json")
        told = {
            "code": "404",
            "data": {},
            "detailMsg": "",
            "error_code": "404",
            "error_message": "Not Found",
            "msg": "Not Found",
        }
        return web.Response(status=404, body=msgspec.json.encode(told), content_type="application/json")

    # -- sockets
    async def accept(self, request: web.Request) -> Connection | web.Response:
        room = request.path.rstrip("/").removeprefix("/ws/v5/")
        if room not in ("public", "business", "private"):
            return web.Response(status=404)
        if self.too_many_connects(request, room=room, limit=self.settings.okx_connects_per_s, window_s=1.0):
            return web.Response(status=429)
        connection = await self.upgrade(request, market=room)
        connection.path = uuid.uuid4().hex[:8]
        return connection

    async def opened(self, connection: Connection, request: web.Request) -> None:
        """Nothing: every stream of OKX is asked for by a frame."""

    async def received(self, connection: Connection, text: str) -> None:
        if text == "ping":
            connection.client_pings += 1
            connection.send("pong")
            return
        try:
            request = msgspec.json.decode(text, type=_Request)
        except (msgspec.MsgspecError, RecursionError):
            self._refuse(connection, "60012", f"Invalid request: {text}")
            return
        if len(text) > _MAX_ARGS_BYTES:
            self._refuse(connection, "60012", "Invalid request: the args are longer than 64 KB", request.id)
        elif request.op in _TRADES:
            self._trade(connection, request)
        elif request.op not in ("subscribe", "unsubscribe", "login"):
            self._refuse(connection, "60012", f"Invalid request: {text}", request.id)
        elif not self._within_hour(connection):
            self._refuse(connection, "60014", "Requests too frequent.", request.id)
        elif request.op == "login":
            self._login(connection, request)
        elif not request.args:
            self._refuse(connection, "60012", f"Invalid request: {text}", request.id)
        else:
            for arg in request.args:
                if request.op == "subscribe":
                    self._subscribe(connection, arg, request.id)
                else:
                    self._unsubscribe(connection, arg, request.id)

    def _within_hour(self, connection: Connection) -> bool:
        if not self.settings.enforce_limits:
            return True
        times, now = connection.incoming, time.monotonic()
        while times and times[0] <= now - _HOUR_S:
            times.popleft()
        times.append(now)
        return len(times) <= _REQUESTS_PER_HOUR

    def _login(self, connection: Connection, request: _Request) -> None:
        if connection.market == "public":
            self._refuse(connection, "60012", "Invalid request: login on a public connection", request.id)
            return
        account, code, why = self._private.login(request.args[0] if request.args else {})
        exchange = self.source.exchange
        if account is None or exchange is None:
            self._refuse(connection, code, why, request.id)
            return
        if (before := self._users.pop(connection, None)) is not None:
            before.close()

        def silent(channel: str) -> bool:
            return self.faults.is_silent("private", channel)

        self._users[connection] = UserConnection(connection, account, exchange, silent)
        told: dict[str, object] = {"id": request.id} if request.id is not None else {}
        told |= {"event": "login", "msg": "", "code": "0", "connId": connection.path}
        connection.send(msgspec.json.encode(told).decode())

    def _trade(self, connection: Connection, request: _Request) -> None:
        """Orders over the socket ("WS / Place order")."""
        user = self._users.get(connection)
        if user is None:
            self._refuse(connection, "60011", "Please log in", request.id)
            return
        operation = {"batch-cancel-orders": "cancel-batch-orders"}.get(request.op, request.op)
        args = [texts(arg) for arg in request.args]
        if not user.account.may_trade:
            code, data = "50120", list[dict[str, object]]()
        else:
            code, data = self._private.operate(user.account, operation, args)
        now = str(self.now_ms() * 1000)
        told = {"id": request.id, "op": request.op, "code": code, "msg": "", "data": data}
        connection.send(msgspec.json.encode({**told, "inTime": now, "outTime": now}).decode())

    def _key(self, connection: Connection, arg: dict[str, object]) -> StreamKey | None:
        channel, symbol = arg.get("channel"), arg.get("instId", "")
        if not isinstance(channel, str) or not isinstance(symbol, str):
            return None
        if channel == "instruments" and isinstance(kind := arg.get("instType"), str) and connection.market == "public":
            return StreamKey(kind.lower(), channel, "") if kind in rest.INST_TYPES else None
        business = channel.startswith("candle") or channel == "trades-all"
        if business is not (connection.market == "business"):
            return None
        return StreamKey("index" if channel == "index-tickers" else market_of(symbol), channel, symbol)

    def _subscribe(self, connection: Connection, arg: dict[str, object], id_: str | None) -> None:
        channel = str(arg.get("channel"))
        if channel in CHANNELS:
            self._subscribe_user(connection, arg, id_)
            return
        if channel in _LOGIN_CHANNELS:
            self._refuse(connection, "60011", "Please log in", id_)
            return
        key = self._key(connection, arg)
        fanout: Fanout | None = self._board.find(key) if key is not None else None
        if key is None or fanout is None:
            named = ",".join(f"{name}:{value}" for name, value in arg.items())
            self._refuse(
                connection,
                "60018",
                f"Wrong URL or {named} doesn't exist. Please use the correct URL, channel and parameters.",
                id_,
            )
            return
        connection.subscriptions[f"{key.channel}:{key.symbol}"] = key
        self.stats.subscriptions[f"{key.channel}:{key.symbol}"] += 1
        self._event(connection, "subscribe", arg, id_)
        fanout.admit(connection)

    def _subscribe_user(self, connection: Connection, arg: dict[str, object], id_: str | None) -> None:
        user, channel = self._users.get(connection), arg["channel"]
        room = "business" if channel == "orders-algo" else "private"
        if user is None:
            self._refuse(connection, "60011", "Please log in", id_)
        elif connection.market != room or (
            channel in KINDED and str(arg.get("instType")) not in rest.INST_TYPES | {"ANY"}
        ):
            self._refuse(connection, "60018", f"Wrong URL or channel:{channel} doesn't exist.", id_)
        else:
            self.stats.subscriptions[str(channel)] += 1
            self._event(connection, "subscribe", arg, id_)
            user.subscribe(arg)

    def _unsubscribe(self, connection: Connection, arg: dict[str, object], id_: str | None) -> None:
        user = self._users.get(connection)
        if user is not None and str(arg.get("channel")) in CHANNELS:
            user.unsubscribe(arg)
            self._event(connection, "unsubscribe", arg, id_)
            return
        key = self._key(connection, arg)
        if key is None:
            self._refuse(connection, "60018", f"The channel {arg.get('channel')} doesn't exist.", id_)
            return
        if connection.subscriptions.pop(f"{key.channel}:{key.symbol}", None) is not None:
            self._board.leave(connection, key)
        self._event(connection, "unsubscribe", arg, id_)

    @staticmethod
    def _event(connection: Connection, event: str, arg: dict[str, object], id_: str | None) -> None:
        told: dict[str, object] = {"id": id_} if id_ is not None else {}
        told |= {"event": event, "arg": arg, "connId": connection.path}
        connection.send(msgspec.json.encode(told).decode())

    @staticmethod
    def _refuse(connection: Connection, code: str, message: str, id_: str | None = None) -> None:
        told: dict[str, object] = {"id": id_} if id_ is not None else {}
        told |= {"event": "error", "code": code, "msg": message, "connId": connection.path}
        connection.send(msgspec.json.encode(told).decode())

    def may_talk(self, connection: Connection) -> bool:
        return True

    async def keep(self, connection: Connection) -> None:
        idle, lifetime = self.settings.idle_close_s, self.settings.lifetime_s
        while not connection.ws.closed:
            now = time.monotonic()
            last = max(connection.last_in, connection.last_out)
            if now - last >= idle:
                await connection.close(4004, "No data received in 30s.")
                return
            if lifetime is not None and connection.age >= lifetime:
                await connection.close(1001)
                return
            following = last + idle
            if lifetime is not None:
                following = min(following, connection.opened + lifetime)
            await asyncio.sleep(max(0.005, following - now))

    def ended(self, connection: Connection) -> None:
        user = self._users.pop(connection, None)
        if user is not None:
            user.close()
        self._board.leave_all(connection)

    # -- test switches
    def sockets(self, market: str | None = None) -> list[Connection]:
        """By room (`public`, `business`, `private`), or those with a subscription of a market (`spot`, `swap`)."""
        return [
            c
            for c in self.connections
            if market is None
            or c.market == market
            or any(isinstance(k, StreamKey) and k.market == market for k in c.subscriptions.values())
        ]

    def user_sockets(self) -> Iterable[Connection]:
        return tuple(self._users)

    def announce_shutdown(self) -> None:
        """Push notice 64008 to all connections; the venue closes about half a minute later."""
        for connection in self.connections:
            told = {
                "event": "notice",
                "code": "64008",
                "msg": "The connection will soon be closed for a service upgrade. Please reconnect.",
                "connId": connection.path,
            }
            connection.send(msgspec.json.encode(told).decode())

    def pause_funding(self) -> None:
        self.faults.paused_channels.add("funding-rate")

    def resume_funding(self) -> None:
        self.faults.paused_channels.discard("funding-rate")
