"""HTX's front-end: one port that answers the paths of both hosts, spot's and contracts', REST and WebSocket."""

import asyncio
import gzip
import time
import uuid
from collections.abc import Iterable

import msgspec
from aiohttp import web

from fra.emulator.accounts import Account
from fra.emulator.fanout import Board, Fanout
from fra.emulator.htx import rest, topics
from fra.emulator.htx.auth import Unrecognised
from fra.emulator.htx.books import INCREMENTAL
from fra.emulator.htx.contract_user import MultiUser, SingleUser
from fra.emulator.htx.number import raw
from fra.emulator.htx.private import Private
from fra.emulator.htx.spot_rows import account_id
from fra.emulator.htx.spot_user import SpotUser
from fra.emulator.htx.topics import Request, Room
from fra.emulator.htx.user import User
from fra.emulator.order_faults import order_paths
from fra.emulator.ratelimit import RollingWindow
from fra.emulator.settings import Settings
from fra.emulator.sockets import Connection
from fra.emulator.source import NoData, Source, StreamKey
from fra.emulator.venue import Markets, Venue

_PULL_GAP_S = 0.1
_ABUSE_MS = 60_000
_REQUESTS_PER_S = 50
_CONNECTIONS_PER_KEY = 10


def _is_book(channel: str) -> bool:
    return (channel.startswith("mbp.") and ".refresh" not in channel) or channel.endswith(INCREMENTAL)


class _Packer:
    """gzip, once for all who hear the same frame."""

    def __init__(self) -> None:
        self._text = ""
        self._packed = b""

    def __call__(self, text: str) -> bytes:
        if text is not self._text:
            self._text, self._packed = text, gzip.compress(text.encode(), 1)
        return self._packed


class HtxVenue(Venue):
    """HTX spot and linear swap, for everybody and for accounts."""

    name = "htx"
    order_paths = order_paths(
        place=r"POST /(v1/order/(orders/place|batch-orders)|linear-swap-api/v1/swap_cross_(order|batchorder"
        r"|trigger_order|tpsl_order)|v5/trade/(order|batch_orders))",
        cancel=r"POST /(v1/order/orders/([0-9]+/submitcancel|submitCancelClientOrder|batchcancel|batchCancelOpenOrders)"
        r"|linear-swap-api/v1/swap_cross_((trigger|tpsl)_)?cancel(all)?"
        r"|v5/trade/(cancel_order|cancel_batch_orders|cancel_all_orders))",
    )

    def __init__(self, source: Source, settings: Settings) -> None:
        super().__init__(source, settings)
        self._windows: dict[tuple[str, str], RollingWindow] = {}
        self._refused: dict[str, list[int]] = {}
        self._pulls: dict[Connection, float] = {}
        self._users: dict[Connection, User] = {}
        self._hosts: dict[Connection, str] = {}
        self._board = Board(source, self.faults, lambda key, payload: payload, _is_book)
        self._pack = _Packer()
        self._private = Private(source, settings, self.now_ms)

    def addresses(self, host: str, port: int) -> Markets:
        http, ws = f"http://{host}:{port}", f"ws://{host}:{port}"
        return {
            "spot": {"rest": http, "ws": f"{ws}/ws", "ws_feed": f"{ws}/feed", "ws_private": f"{ws}/ws/v2"},
            "linear": {
                "rest": http,
                "ws": f"{ws}/linear-swap-ws",
                "ws_index": f"{ws}/ws_index",
                "ws_private": f"{ws}/linear-swap-notification",
                "ws_private_v5": f"{ws}/ws/v5/notification",
            },
        }

    # -- REST
    async def answer(self, request: web.Request) -> web.Response:
        path, params = request.path.strip("/"), dict(request.query)
        row = rest.ROWS.get(path)
        headers: dict[str, str] = {}
        try:
            if row is None and path.startswith(rest.PRIVATE):
                return await self._private.answer(request, path)
            if row is None:
                raise rest.not_found()
            if request.method != "GET":
                raise rest.not_allowed()
            headers = self._count(request.remote or "", path, row.budget)
            rest.check(path, row, params, self.source.knows)
            body = self._clock(path) or self.source.answer(row.market, path, params)
            return web.Response(body=body, headers=headers, content_type="application/json")
        except rest.Refusal as refusal:
            body = refusal.body(path, self.now_ms())
            headers |= self._headers(request.remote or "", path, row.budget) if row is not None else {}
            return web.Response(status=refusal.status, body=body, headers=headers, content_type="application/json")
        except NoData:
            assert row is not None
            body = rest.unknown(row).body(path, self.now_ms())
            return web.Response(body=body, headers=headers, content_type="application/json")

    def _clock(self, path: str) -> bytes | None:
        if path == "v1/common/timestamp":
            return msgspec.json.encode({"status": "ok", "data": self.now_ms()})
        return msgspec.json.encode({"status": "ok", "ts": self.now_ms()}) if path == "api/v1/timestamp" else None

    def _window(self, address: str, path: str, budget: rest.Budget) -> RollingWindow:
        key = (address, budget.name if budget.shared else path)
        window = self._windows.get(key)
        if window is None:
            length = round(budget.window_ms * self.settings.rate_window_scale)
            window = self._windows[key] = RollingWindow(budget.limit, length)
        return window

    def _count(self, address: str, path: str, budget: rest.Budget) -> dict[str, str]:
        if self.settings.enforce_limits:
            now = int(time.monotonic() * 1000)
            refused = self._refused.setdefault(address, [])
            if budget.shared and len(refused) > self.settings.ban_after:
                if now - refused[-1] < _ABUSE_MS * self.settings.rate_window_scale:
                    raise rest.disabled()
                refused.clear()
            if not self._window(address, path, budget).take(now):
                if budget.shared:
                    refused[:] = [t for t in refused if t > now - budget.window_ms] + [now]
                raise rest.too_many()
        return self._headers(address, path, budget)

    def _headers(self, address: str, path: str, budget: rest.Budget) -> dict[str, str]:
        window, now = self._window(address, path, budget), int(time.monotonic() * 1000)
        left, ends = str(max(0, window.left(now))), str(self.now_ms() + window.frees_in_ms(now))
        if budget is rest.SPOT:
            return {"X-HB-RateLimit-Requests-Remain": left, "X-HB-RateLimit-Requests-Expire": ends}
        return {
            "ratelimit-limit": str(window.limit),
            "ratelimit-interval": str(window.window_ms),
            "ratelimit-remaining": left,
            "ratelimit-reset": ends,
        }

    # -- sockets
    async def accept(self, request: web.Request) -> Connection | web.Response:
        room = topics.ROOMS.get(request.path.rstrip("/"))
        if room is None:
            return web.Response(status=404)
        connection = await self.upgrade(request, market=room.market, pack=self._pack if room.packed else None)
        connection.path = request.path.rstrip("/")
        self._hosts[connection] = request.host
        return connection

    async def opened(self, connection: Connection, request: web.Request) -> None:
        """Nothing: every stream of HTX is asked for by a frame."""

    @staticmethod
    def _room(connection: Connection) -> Room:
        return topics.ROOMS[connection.path]

    async def received(self, connection: Connection, text: str) -> None:
        room = self._room(connection)
        try:
            asked = msgspec.json.decode(text, type=Request)
        except (msgspec.MsgspecError, RecursionError):
            self._say(connection, room.refusal(Request(), "bad-request", 2040, "not json, is not json string"))
            return
        if room.kind == "account" and not self._within_second(connection):
            self._refuse(connection, room, asked, "too many request", 429)
            return
        pong = room.pong(asked)
        if pong is not None:
            # an answer to the venue's ping, or to nothing it said
            if pong in connection.unanswered:
                connection.unanswered.clear()
                connection.pongs += 1
        elif (ping := asked.ping) is not None and room.kind == "market":
            connection.client_pings += 1
            self._say(connection, {"pong": ping})
        elif room.kind == "market":
            self._market(connection, room, asked)
        else:
            self._account(connection, room, asked, text)

    def _within_second(self, connection: Connection) -> bool:
        """At most fifty requests a second on spot's account socket (HTX docs: spot, "WebSocket Asset and Order")."""
        times, now = connection.incoming, time.monotonic()
        while times and times[0] <= now - 1.0:
            times.popleft()
        times.append(now)
        return not self.settings.enforce_limits or len(times) <= _REQUESTS_PER_S

    def _say(self, connection: Connection, told: dict[str, object]) -> None:
        connection.send(msgspec.json.encode(told).decode())

    def _market(self, connection: Connection, room: Room, asked: Request) -> None:
        for topic, serve in (
            (asked.sub, self._subscribe),
            (asked.unsub, self._unsubscribe),
            (asked.req, self._pull),
        ):
            if topic is not None:
                serve(connection, room, asked, topic)
                return
        self._refuse(connection, room, asked, "invalid command")

    def _refuse(self, connection: Connection, room: Room, asked: Request, text: str, number: int = 2011) -> None:
        self._say(connection, {**room.refusal(asked, "bad-request", number, text), "ts": self.now_ms()})

    def _named(self, connection: Connection, room: Room, asked: Request, topic: str) -> tuple[str, str] | None:
        """The symbol and channel of a topic, or None after a refusal."""
        named = topics.split(topic)
        if named is None or not room.carries(named[1]):
            self._refuse(connection, room, asked, f"invalid topic {topic}")
            return None
        if not self.source.knows(room.market, named[0]):
            self._refuse(connection, room, asked, f"invalid symbol {named[0]}")
            return None
        return named

    def _subscribe(self, connection: Connection, room: Room, asked: Request, topic: str) -> None:
        named = self._named(connection, room, asked, topic)
        if named is None:
            return
        symbol, channel = named
        if asked.data_type == "incremental" and channel.endswith(".high_freq"):
            channel += INCREMENTAL
        self._admit(connection, room, asked, topic, StreamKey(room.market, channel, symbol))

    def _admit(self, connection: Connection, room: Room, asked: Request, topic: str, key: StreamKey) -> None:
        before = connection.subscriptions.get(topic)
        if isinstance(before, StreamKey) and before != key:
            self._board.leave(connection, before)
        fanout: Fanout | None = self._board.find(key)
        if fanout is None:
            self._refuse(connection, room, asked, f"invalid topic {topic}")
            return
        connection.subscriptions[topic] = key
        self.stats.subscriptions[topic] += 1
        self._say(connection, room.ack(asked, topic, self.now_ms()))
        fanout.admit(connection)

    def _unsubscribe(self, connection: Connection, room: Room, asked: Request, topic: str) -> None:
        key = connection.subscriptions.pop(topic, None)
        if not isinstance(key, StreamKey):
            self._refuse(connection, room, asked, f"unsub with not subbed topic {topic}")
            return
        self._board.leave(connection, key)
        self._say(connection, room.ack(asked, topic, self.now_ms()))

    def _pull(self, connection: Connection, room: Room, asked: Request, topic: str) -> None:
        now, last = time.monotonic(), self._pulls.get(connection)
        if self.settings.enforce_limits and last is not None and now - last < _PULL_GAP_S:
            self._refuse(connection, room, asked, f"429 too many request topic is {topic}")
            return
        self._pulls[connection] = now
        named = self._named(connection, room, asked, topic)
        if named is None:
            return
        params = {"symbol": named[0], "topic": named[1]}
        params |= {k: str(v) for k, v in (("from", asked.since), ("to", asked.until), ("size", asked.size)) if v}
        try:
            answer = self.source.answer(room.market, "req", params)
        except NoData:
            self._refuse(connection, room, asked, f"invalid topic {topic}")
            return
        told = {"id": asked.id, "status": "ok", "ts": self.now_ms(), "rep": topic}
        # the source gives `{"data": …}`: its numbers must reach the socket as they are written there
        self._say(connection, told | {"data": raw(answer.decode().removeprefix('{"data":')[:-1])})

    # -- the account sockets: spot's own, and the contracts' notifications, which are partly public
    def _account(self, connection: Connection, room: Room, asked: Request, text: str) -> None:
        operation = asked.op if room.kind == "notification" else asked.action
        topic = asked.topic if room.kind == "notification" else asked.ch
        login = "req" if room.kind == "account" else "auth"
        if operation not in ("sub", "unsub", login):
            self._refuse(connection, room, asked, "invalid command", 2040)
        elif operation == login:
            self._login(connection, room, asked, text)
        elif not topic:
            self._refuse(connection, room, asked, "Missing required parameter.", 2040)
        elif room.kind == "notification" and topic.startswith("public."):
            serve = self._notify if operation == "sub" else self._unsubscribe
            serve(connection, room, asked, topic)
        elif (user := self._users.get(connection)) is None:
            said = "invalid.auth.state" if room.kind == "account" else "Authentication required."
            self._refuse(connection, room, asked, said, 2002)
        elif operation == "unsub":
            user.topics.pop(topic, None)
            self._say(connection, room.ack(asked, topic, self.now_ms()))
        elif code := user.join(topic, asked.contract_code):
            self._refuse(connection, room, asked, "invalid.symbol" if code == 2001 else "Contract doesn't exist.", code)
        else:
            self.stats.subscriptions[topic] += 1
            self._say(connection, room.ack(asked, topic, self.now_ms()))
            user.greet(topic)

    def _login(self, connection: Connection, room: Room, asked: Request, text: str) -> None:
        try:
            told = msgspec.json.decode(text, type=dict[str, object])
            account = self._private.login(told, room, self._hosts[connection], connection.path)
        except Unrecognised:
            said = "auth.fail" if room.kind == "account" else "Authentication failure."
            self._refuse(connection, room, asked, said, room.no_login)
            return
        if (before := self._users.pop(connection, None)) is not None:
            before.close()
        mine = [c for c, user in self._users.items() if user.account is account and c.path == connection.path]
        if room.kind == "account" and self.settings.enforce_limits and len(mine) >= _CONNECTIONS_PER_KEY:
            self._refuse(connection, room, asked, "too many connection", 429)
            return
        self._users[connection] = self._user(connection, account)
        if room.kind == "account":
            self._say(connection, room.ack(asked, "auth", self.now_ms()))
        else:
            who = {"user-id": str(account_id(account) + 1)}
            self._say(connection, {"op": "auth", "type": "api", "ts": self.now_ms(), "err-code": 0, "data": who})

    def _user(self, connection: Connection, account: Account) -> User:
        def silent(channel: str) -> bool:
            return self.faults.is_silent(connection.market, channel)

        if connection.path == "/ws/v2":
            return SpotUser(connection, account, self._private.spot, silent)
        if connection.path == "/ws/v5/notification":
            return MultiUser(connection, account, self._private.multi, silent)
        return SingleUser(connection, account, self._private.single, silent)

    def _notify(self, connection: Connection, room: Room, asked: Request, topic: str) -> None:
        _, _, rest_ = topic.partition(".")
        symbol, _, channel = rest_.partition(".")
        if symbol != "*" and not self.source.knows("linear", symbol.upper()):
            self._refuse(connection, room, asked, "Contract doesn't exist.")
            return
        key = StreamKey("linear", f"public.{channel}", symbol if symbol == "*" else symbol.upper())
        self._admit(connection, room, asked, topic, key)

    def may_talk(self, connection: Connection) -> bool:
        return True

    async def keep(self, connection: Connection) -> None:
        room, settings = self._room(connection), self.settings
        interval = settings.ping_interval_s or room.ping_s
        due = connection.opened + interval
        while not connection.ws.closed:
            ends = connection.opened + settings.lifetime_s if settings.lifetime_s is not None else due
            await asyncio.sleep(max(0.005, min(due, ends) - time.monotonic()))
            if settings.lifetime_s is not None and connection.age >= settings.lifetime_s:
                await connection.close(1001)
                return
            if time.monotonic() < due:
                continue
            due += interval
            if len(connection.unanswered) >= room.patience:
                await connection.close(1003, f"ping check expired, session: {uuid.uuid4()}")
                return
            now = self.now_ms()
            connection.unanswered.append(now)
            self._say(connection, room.ping(now))
            if isinstance(user := self._users.get(connection), SingleUser):
                user.repeat()

    def ended(self, connection: Connection) -> None:
        self._pulls.pop(connection, None)
        self._hosts.pop(connection, None)
        user = self._users.pop(connection, None)
        if user is not None:
            user.close()
        self._board.leave_all(connection)

    # -- test switches
    def sockets(self, market: str | None = None) -> list[Connection]:
        """By market (`spot`, `linear`), or `private`: those that accounts log in on."""
        return [
            c
            for c in self.connections
            if market in (None, c.market) or (market == "private" and self._room(c).kind != "market")
        ]

    def user_sockets(self) -> Iterable[Connection]:
        return tuple(self._users)

    def announce_shutdown(self) -> None:
        """HTX warns nobody: the connections end without a word."""

    def pause_funding(self) -> None:
        self.faults.paused_channels.add("public.funding_rate")

    def resume_funding(self) -> None:
        self.faults.paused_channels.discard("public.funding_rate")
