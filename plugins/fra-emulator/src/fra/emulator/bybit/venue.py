"""Bybit's front-end: one port that answers `/v5` and the WebSocket paths of each market."""

import asyncio
import re
import time
import uuid
from collections.abc import Iterable

import msgspec
from aiohttp import web

from fra.emulator.accounts import Account
from fra.emulator.bybit import auth, rest, topics
from fra.emulator.bybit.entry import OrderEntry
from fra.emulator.bybit.feed import MARKETS, BybitFeed
from fra.emulator.bybit.limits import AddressLimit
from fra.emulator.bybit.private import Private
from fra.emulator.bybit.push import Session
from fra.emulator.fanout import Board, Fanout
from fra.emulator.order_faults import order_paths
from fra.emulator.settings import Settings
from fra.emulator.sockets import Connection
from fra.emulator.source import NoData, Source, StreamKey
from fra.emulator.venue import Markets, Venue

_API = "/v5/"
_ROOMS = {
    **{f"/v5/public/{market}": market for market in MARKETS},
    "/v5/public/misc/status": "status",
    "/v5/private": "private",
    "/v5/trade": "trade",
}
_CONNECTS, _CONNECTS_WINDOW_S = 500, 300.0
_ACTIVE_TIME = re.compile(r"(?P<count>\d+)(?P<unit>[sm])")


class _Request(msgspec.Struct):
    op: str
    args: list[str | int] = []
    req_id: str | int | None = None


class BybitVenue(Venue):
    """Bybit spot, linear and inverse, with a unified account for each key."""

    name = "bybit"
    order_paths = order_paths(place=r"POST /v5/order/create", cancel=r"POST /v5/order/cancel(-all)?")

    def __init__(self, source: Source, settings: Settings) -> None:
        super().__init__(source, settings)
        self.address_limit = AddressLimit(settings.rate_window_scale)
        self._board = Board(source, self.faults, lambda key, payload: payload, topics.is_book)
        self.expired_keys: set[str] = set()
        """API keys that are answered as expired."""
        self._active_s: dict[Connection, float] = {}
        self._sessions: dict[Connection, Session] = {}
        self._entries: dict[Connection, OrderEntry] = {}
        self._private_side: Private | None = None

    def addresses(self, host: str, port: int) -> Markets:
        ws = f"ws://{host}:{port}/v5"
        return {
            market: {
                "rest": f"http://{host}:{port}",
                "ws": f"{ws}/public/{market}",
                "ws_private": f"{ws}/private",
                "ws_trade": f"{ws}/trade",
            }
            for market in MARKETS
        }

    @property
    def private(self) -> Private:
        """The signed side. Raises ValueError for a recording, which does not answer to orders."""
        if self._private_side is None:
            exchange = self.exchange
            assert isinstance(self.source, BybitFeed)
            self._private_side = Private(self.source, exchange, scale=self.settings.rate_window_scale)
        return self._private_side

    def account(self, key: str) -> Account | None:
        """The account of an API key, or None. Raises Refusal if the key has expired."""
        if key in self.expired_keys:
            raise rest.Refusal(33004, "Your api key has expired.")
        return super().account(key)

    # -- REST
    async def answer(self, request: web.Request) -> web.Response:
        address = request.remote or ""
        if self.settings.enforce_limits and not self.address_limit.take(address, time.monotonic()):
            return web.Response(status=403, text="access too frequent")
        if request.method == "GET" and request.can_read_body:
            return web.Response(status=403, text="Forbidden")
        endpoint, params = request.path.removeprefix(_API), dict(request.query)
        row = rest.ROWS.get(endpoint) if request.path.startswith(_API) else None
        try:
            if row is None or request.method != "GET":
                return await self._unlisted(request, endpoint)
            rest.check(endpoint, row, params, self.source.knows)
            return self._json(self.source.answer(rest.category_of(row, params), endpoint, params))
        except rest.Refusal as refusal:
            body = rest.envelope({}, self.now_ms(), code=refusal.code, message=refusal.message)
            return web.Response(status=refusal.status, body=body, content_type="application/json")
        except NoData:
            body = rest.envelope({}, self.now_ms(), code=10001, message=rest.SYMBOL_INVALID)
            return web.Response(body=body, content_type="application/json")

    def _json(self, body: bytes) -> web.Response:
        if self.clock_offset_ms:
            told, now = msgspec.json.decode(body, type=dict[str, object]), self.now_ms()
            told["time"] = now
            result = told["result"]
            if isinstance(result, dict) and "timeNano" in result:
                result |= {"timeSecond": str(now // 1000), "timeNano": str(now * 1_000_000)}
            body = msgspec.json.encode(told)
        return web.Response(body=body, content_type="application/json")

    async def _unlisted(self, request: web.Request, endpoint: str) -> web.Response:
        """A path that is not public: a signed one, or nothing."""
        if not request.path.startswith(_API) or endpoint.split("/")[0] not in rest.PRIVATE_ROOMS:
            return web.Response(status=404)
        body = (await request.read()).decode(errors="replace") if request.method == "POST" else ""
        # what is signed is the query as it was sent, before anything is decoded
        payload = body if request.method == "POST" else request.raw_path.partition("?")[2]
        try:
            account = auth.check(request.headers, payload, self.account, self.now_ms())
        except rest.Refusal as refusal:
            if refusal.status == 401:
                return web.Response(status=401)
            raise
        path = self.private.paths.get(endpoint)
        if path is None or path.method != request.method:
            return web.Response(status=404)
        params = self._params(request, body)
        fits, headers = self.private.count(account, endpoint, str(params.get("category", "")))
        try:
            if not fits and self.settings.enforce_limits:
                raise rest.Refusal(10006, "Too many visits. Exceeded the API Rate Limit.")
            if path.writes and not account.may_trade:
                raise rest.Refusal(10005, "Permission denied, please check your API key permissions.")
            answer = rest.envelope(path.answer(account, params), self.now_ms(), message=path.message)
        except rest.Refusal as refusal:
            answer = rest.envelope({}, self.now_ms(), code=refusal.code, message=refusal.message)
        return web.Response(body=answer, content_type="application/json", headers=headers)

    @staticmethod
    def _params(request: web.Request, body: str) -> dict[str, object]:
        if request.method == "GET":
            return dict(request.query)
        try:
            return msgspec.json.decode(body, type=dict[str, object])
        except (msgspec.MsgspecError, RecursionError):
            raise rest.Refusal(10001, "Request parameter error.") from None

    # -- sockets
    async def accept(self, request: web.Request) -> Connection | web.Response:
        room = _ROOMS.get(request.path.rstrip("/"))
        if room is None:
            return web.Response(status=404)
        window = _CONNECTS_WINDOW_S * self.settings.rate_window_scale
        if self.too_many_connects(request, room="", limit=_CONNECTS, window_s=window):
            return web.Response(status=403, text="access too frequent")
        connection = await self.upgrade(request, market=room)
        digits = uuid.uuid4().hex
        connection.path = f"{digits[:20]}-{digits[20:25]}"
        asked = _ACTIVE_TIME.fullmatch(request.query.get("max_active_time", ""))
        if room == "private" and asked is not None:
            seconds = int(asked["count"]) * (60 if asked["unit"] == "m" else 1)
            self._active_s[connection] = float(min(600, max(30, seconds)))
        return connection

    async def opened(self, connection: Connection, request: web.Request) -> None:
        if connection.market == "trade" and self.source.exchange is not None:
            limits = self.settings.enforce_limits
            self._entries[connection] = OrderEntry(self.private, self.account, connection.path, enforce_limits=limits)

    async def received(self, connection: Connection, text: str) -> None:
        entry = self._entries.get(connection)
        if entry is not None:
            connection.send(entry.answer(text))
            return
        try:
            request = msgspec.json.decode(text, type=_Request)
        except (msgspec.MsgspecError, RecursionError):
            self._refuse(connection, _Request(""), "Params Error")
            return
        match request.op:
            case "ping":
                self._pong(connection, request)
            case "auth" if connection.market == "private":
                self._login(connection, request)
            case "subscribe" | "unsubscribe" if connection.market == "private":
                self._subscribe_private(connection, request)
            case "subscribe":
                self._subscribe(connection, request)
            case "unsubscribe":
                self._unsubscribe(connection, request)
            case _:
                self._refuse(connection, request, "error:invalid op")

    def _login(self, connection: Connection, request: _Request) -> None:
        if connection in self._sessions:
            self._refuse(connection, request, "Repeat auth")
            return
        try:
            account = auth.login(request.args, self.account, self.now_ms())
        except rest.Refusal as refusal:
            self._refuse(connection, request, refusal.message)
            return

        def send(topic: str, frame: str) -> None:
            if not self.faults.is_silent("private", topic):
                connection.send(frame)

        self._sessions[connection] = Session(account, self.private, send)
        self._ack(connection, request)

    def _subscribe_private(self, connection: Connection, request: _Request) -> None:
        session, asked = self._sessions.get(connection), [str(arg) for arg in request.args]
        if session is None:
            self._refuse(connection, request, "Request not authorized")
        elif not asked:
            self._refuse(connection, request, "Params Error")
        elif request.op == "unsubscribe":
            session.topics.difference_update(asked)
            self._ack(connection, request)
        elif (wrong := session.wrong(asked)) is not None:
            self._refuse(connection, request, wrong)
        else:
            session.topics.update(asked)
            self.stats.subscriptions.update(asked)
            self._ack(connection, request)

    def _subscribe(self, connection: Connection, request: _Request) -> None:
        market, asked = connection.market, [str(arg) for arg in request.args]
        wrong = topics.wrong(market, connection.subscriptions, asked, self.source.knows)
        if wrong is not None:
            self._refuse(connection, request, wrong)
            return
        keys = {topic: topics.key(market, topic) for topic in asked}
        streamed = {topic: key for topic, key in keys.items() if market != "status"}
        fanouts: dict[str, Fanout] = {}
        for topic, key in streamed.items():
            fanout = self._board.find(key)
            if fanout is None:
                # nothing of a request that fails is subscribed
                for found in fanouts.values():
                    self._board.leave(connection, found.key)
                self._refuse(connection, request, topics.unknown(market, [topic]))
                return
            fanouts[topic] = fanout
        connection.subscriptions.update(keys)
        self.stats.subscriptions.update(keys.keys())
        if market == "spot":
            self._ack(connection, request)
        for fanout in fanouts.values():
            fanout.admit(connection)
        if market != "spot":
            # as captured: what a contract's topic says first is there before the ack
            self._ack(connection, request)

    def _unsubscribe(self, connection: Connection, request: _Request) -> None:
        for topic in map(str, request.args):
            key = connection.subscriptions.pop(topic, None)
            if isinstance(key, StreamKey):
                self._board.leave(connection, key)
        self._ack(connection, request)

    @staticmethod
    def _tell(connection: Connection, request: _Request, told: dict[str, object]) -> None:
        """Answer a frame: contracts always name a `req_id`, spot only one that was given."""
        if request.req_id is not None or connection.market != "spot":
            told["req_id"] = "" if request.req_id is None else request.req_id
        connection.send(msgspec.json.encode(told | {"op": request.op}).decode())

    def _ack(self, connection: Connection, request: _Request) -> None:
        message = request.op if connection.market == "spot" else ""
        told: dict[str, object] = {"success": True, "ret_msg": message, "conn_id": connection.path}
        self._tell(connection, request, told)

    def _refuse(self, connection: Connection, request: _Request, message: str) -> None:
        told: dict[str, object] = {"success": False, "ret_msg": message, "conn_id": connection.path}
        self._tell(connection, request, told)

    def _pong(self, connection: Connection, request: _Request) -> None:
        connection.client_pings += 1
        if connection.market == "private":
            told: dict[str, object] = {} if request.req_id is None else {"req_id": request.req_id}
            told |= {"op": "pong", "args": [str(self.now_ms())], "conn_id": connection.path}
            connection.send(msgspec.json.encode(told).decode())
            return
        told = {"success": True, "ret_msg": "pong", "conn_id": connection.path}
        self._tell(connection, request, told)

    def may_talk(self, connection: Connection) -> bool:
        return True

    async def keep(self, connection: Connection) -> None:
        lifetime = self.settings.lifetime_s
        # a private connection may ask for less in its URL
        idle = self._active_s.get(connection, self.settings.bybit_idle_close_s)
        while not connection.ws.closed:
            now = time.monotonic()
            last = max(connection.last_in, connection.last_out)
            if now - last >= idle or (lifetime is not None and connection.age >= lifetime):
                await connection.close(1001)
                return
            following = last + idle
            if lifetime is not None:
                following = min(following, connection.opened + lifetime)
            await asyncio.sleep(max(0.005, following - now))

    def ended(self, connection: Connection) -> None:
        self._active_s.pop(connection, None)
        self._entries.pop(connection, None)
        session = self._sessions.pop(connection, None)
        if session is not None:
            session.close()
        self._board.leave_all(connection)

    # -- test switches
    def user_sockets(self) -> Iterable[Connection]:
        return tuple(self._sessions)

    def announce_shutdown(self) -> None:
        """Push a planned maintenance on `system.status`, the venue's only warning; nobody else hears of it."""
        begin = self.now_ms() + 30_000
        row: dict[str, object] = {"id": str(uuid.uuid4()), "title": "Planned maintenance", "state": "scheduled"}
        row |= {"begin": str(begin), "end": str(begin + 600_000), "href": "", "serviceTypes": [2, 3, 4, 5]}
        row |= {"product": [1, 2, 3], "uidSuffix": [], "maintainType": 1, "env": 1}
        told = {"topic": topics.STATUS, "ts": self.now_ms(), "data": [row]}
        for connection in self.sockets("status"):
            if topics.STATUS in connection.subscriptions:
                connection.send(msgspec.json.encode(told).decode())

    def pause_funding(self) -> None:
        """Stop `tickers`, on which the rate comes; spot's too."""
        self.faults.paused_channels.add("tickers")

    def resume_funding(self) -> None:
        self.faults.paused_channels.discard("tickers")
