"""A small exchange in plain Python on fra-testkit's ScriptedVenue: one swap, one account, a book that moves."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from time import time_ns
from typing import Any

import attrs

from fra.core import Symbol
from fra.testkit import Answer, Asked, Faults, Refusal, ScriptedSocket, ScriptedVenue, VenueUnderTest

KEY, SECRET = "the-toy-api-key", "the-toy-secret-key"
MARKET = {"id": "BTC-SWAP", "base": "BTC", "quote": "USDT", "tick": "0.1", "size": "0.01"}
SIZE = Decimal(MARKET["size"])
HOUR_MS, MINUTE_MS = 3_600_000, 60_000
STALE_AFTER = 0.1
ASKS = [("100.1", "7"), ("100.2", "20"), ("100.3", "500"), ("101.5", "900"), ("104", "5000")]
BIDS = [("99.9", "5"), ("99.8", "20"), ("99.7", "500"), ("98.5", "900"), ("95", "5000")]
"""The price, and contracts there."""
_STEP_S = 0.004


def now_ms() -> int:
    return time_ns() // 1_000_000


class ToyExchange:
    """The script: what every request is answered with, and what sockets are told."""

    def __init__(self, venue: ScriptedVenue) -> None:
        self.venue = venue
        self.sequence = 100
        self.held = False
        self.orders: dict[str, dict[str, Any]] = {}
        self.fills: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)
        self._trade_ids = itertools.count(1000)
        self.trades = deque((self.trade(990 + number, 10 - number) for number in range(10)), maxlen=300)
        self._position = Decimal(0)
        self._leverage = "1"
        public = {
            "/time": lambda asked: {"time": now_ms()},
            "/markets": lambda asked: [MARKET],
            "/book": lambda asked: self.book(),
            "/ticker": lambda asked: self.ticker(),
            "/trades": lambda asked: [*self.trades][::-1],
            "/klines": self.klines,
            "/funding": lambda asked: self.funding(),
            "/funding/history": self.settlements,
        }
        private = {
            "GET /balance": lambda asked: [{"coin": "USDT", "free": "90000", "total": "100000"}],
            "GET /positions": lambda asked: self.positions(),
            "GET /payments": lambda asked: self.payments(),
            "POST /leverage": self.leverage,
            "GET /fills": lambda asked: self.fills[::-1],
            "GET /order": self.order,
            "GET /orders": lambda asked: [row for row in self.orders.values() if row["state"] == "open"],
            "GET /orders/history": lambda asked: [row for row in self.orders.values() if row["state"] != "open"][::-1],
            "POST /order": self.place,
            "DELETE /order": self.cancel,
            "DELETE /orders": self.cancel_all,
        }
        for path, script in public.items():
            venue.answer(f"GET {path}", script)
        for request, script in private.items():
            venue.answer(request, self._signed(script))
        venue.talk("/ws", self.talk)

    def _signed(self, script: Any) -> Any:
        """Only with the account's keys."""

        def answer(asked: Asked) -> Any:
            if (asked.headers.get("X-Key"), asked.headers.get("X-Sign")) != (KEY, SECRET[::-1]):
                return Answer({"code": 40100, "message": "this key is not known"}, 401)
            return script(asked)

        return answer

    # --- the market

    def book(self) -> dict[str, Any]:
        bids = [[price, self._at(contracts)] for price, contracts in BIDS]
        asks = [[price, self._at(contracts)] for price, contracts in ASKS]
        return {"seq": self.sequence, "time": now_ms(), "bids": bids, "asks": asks}

    def _at(self, contracts: str) -> str:
        """The depth far from the best price moves with the sequence."""
        return str(int(contracts) + self.sequence % 3) if int(contracts) > 400 else contracts

    def delta(self) -> dict[str, Any]:
        """What the last step changed."""
        whole = self.book()
        changed = {side: [row for row in whole[side] if Decimal(row[1]) > 400] for side in ("bids", "asks")}
        return {**whole, **changed, "prev": self.sequence - 1}

    def ticker(self) -> dict[str, Any]:
        prices = {"bid": "99.9", "ask": "100.1", "last": "100", "high": "105", "low": "95"}
        return {**prices, "contracts": "5000", "turnover": "5000", "time": now_ms()}

    def trade(self, number: int, back: int = 0) -> dict[str, Any]:
        row = {"id": number, "price": "100.1", "contracts": "3", "side": "buy", "time": now_ms() - 1000 * back}
        return {"topic": "trades", **row}

    def klines(self, asked: Asked) -> list[dict[str, Any]]:
        last = now_ms() // MINUTE_MS * MINUTE_MS
        times = range(last - 30 * MINUTE_MS, last + 1, MINUTE_MS)
        return [self.kline(at) for at in _page(list(times), asked)][::-1]

    def kline(self, at: int) -> dict[str, Any]:
        prices = {"open": "100", "high": "101", "low": "99", "close": "100.5"}
        return {"topic": "klines", **prices, "contracts": "200", "turnover": "200", "time": at}

    def funding(self) -> dict[str, Any]:
        return {"topic": "funding", "rate": "0.001", "next": (now_ms() // HOUR_MS + 1) * HOUR_MS, "minutes": 60}

    def settlements(self, asked: Asked) -> list[dict[str, Any]]:
        last = now_ms() // HOUR_MS * HOUR_MS
        times = range(last - 30 * HOUR_MS, last + 1, HOUR_MS)
        return [{"time": at, "rate": "0.0005"} for at in _page(list(times), asked)][::-1]

    # --- the account

    def positions(self) -> list[dict[str, Any]]:
        return [{"market": MARKET["id"], "contracts": str(self._position)}] if self._position else []

    def payments(self) -> list[dict[str, Any]]:
        last = now_ms() // HOUR_MS * HOUR_MS
        return [{"amount": "-0.5", "time": last - back * HOUR_MS} for back in range(3)]

    def leverage(self, asked: Asked) -> Any:
        wanted = str(asked.params["leverage"])
        if wanted == self._leverage:
            return Answer({"code": 40310, "message": "the leverage is so already"}, 400)
        self._leverage = wanted
        return {"leverage": wanted}

    def order(self, asked: Asked) -> Any:
        found = self._find(asked)
        return found if found is not None else Answer({"code": 40400, "message": "no such order"}, 404)

    def _find(self, asked: Asked) -> dict[str, Any] | None:
        wanted = {str(asked.params.get("id")), str(asked.params.get("client"))}
        return next((row for row in self.orders.values() if {row["id"], row["client"]} & wanted), None)

    async def place(self, asked: Asked) -> Any:
        row: dict[str, Any] = dict(asked.params)
        if any(other["client"] == row["client"] for other in self.orders.values()):
            return Answer({"code": 40900, "message": "this client id is used"}, 409)
        price, contracts = Decimal(row["price"] or ASKS[-1][0]), Decimal(row["contracts"])
        if price * contracts * SIZE > 90_000:
            return Answer({"code": 40200, "message": "not enough"}, 402)
        takes = price >= Decimal(ASKS[0][0])
        if takes and row["post"]:
            return Answer({"code": 40300, "message": "a post-only order would take"}, 400)
        row |= {"id": f"o{next(self._numbers)}", "filled": "0", "state": "open"}
        self.orders[row["id"]] = row
        row["time"] = now_ms()
        await self._tell({"topic": "user", "order": dict(row)})
        if takes:
            await self._fill(row, price, contracts)
        if row["tif"] != "gtc" and row["state"] == "open":
            row["state"] = "cancelled"
            await self._tell({"topic": "user", "order": dict(row)})
        return dict(row)

    async def _fill(self, row: dict[str, Any], price: Decimal, contracts: Decimal) -> None:
        for level, there in ASKS:
            part = min(Decimal(there), contracts - Decimal(row["filled"]))
            if Decimal(level) > price or part <= 0:
                break
            row["filled"] = str(Decimal(row["filled"]) + part)
            self._position += part
            fill = {"id": f"f{next(self._numbers)}", "order": row["id"], "price": level, "contracts": str(part)}
            self.fills.append({**fill, "client": row["client"], "time": now_ms()})
            if Decimal(row["filled"]) == contracts:
                row["state"] = "filled"
            await self._tell({"topic": "user", "fill": self.fills[-1], "order": dict(row)})

    async def cancel(self, asked: Asked) -> Any:
        row = self._find(asked)
        if row is None or row["state"] != "open":
            return Answer({"code": 40400, "message": "no such order is open"}, 404)
        row["state"] = "cancelled"
        await self._tell({"topic": "user", "order": dict(row)})
        return dict(row)

    async def cancel_all(self, asked: Asked) -> list[dict[str, Any]]:
        open_ = [row for row in self.orders.values() if row["state"] == "open"]
        for row in open_:
            row["state"] = "cancelled"
            await self._tell({"topic": "user", "order": dict(row)})
        return open_

    async def _tell(self, message: dict[str, Any]) -> None:
        await self.venue.push("user", message)

    def bought(self, symbol: Symbol) -> Decimal:
        return sum((Decimal(fill["contracts"]) * SIZE for fill in self.fills), Decimal(0))

    # --- sockets

    async def talk(self, socket: ScriptedSocket) -> None:
        async for message in socket:
            assert isinstance(message, dict)
            topic = message["subscribe"]
            socket.topics.add(topic)
            first = {"book": {"topic": "book", "prev": None, **self.book()}, "funding": self.funding()}
            await socket.send(first.get(topic, {"topic": "subscribed"}))

    async def move(self) -> None:
        """A step every few milliseconds."""
        while True:
            await asyncio.sleep(_STEP_S)
            if not self.held:
                self.sequence += 1
                await self.venue.push("book", {"topic": "book", **self.delta()})
            self.trades.append(self.trade(next(self._trade_ids)))
            await self.venue.push("trades", self.trades[-1])
            await self.venue.push("ticker", {"topic": "ticker", **self.ticker()})
            await self.venue.push("klines", self.kline(now_ms() // MINUTE_MS * MINUTE_MS))

    def faults(self) -> Faults:
        def hold(symbol: Symbol) -> None:
            self.held = True

        def restore() -> None:
            self.held = False
            self.venue.restore()

        switches = self.venue.faults(order="POST /order", book=lambda symbol: "book", refusal=refused)
        return attrs.evolve(switches, restore=restore, hold_book=hold)


def refused(status: int) -> Refusal:
    """How the exchange words a refusal."""
    body = {"code": status * 100, "message": f"the exchange says no ({status})"}
    return Refusal(f"{status}00", body, status=200 if status == 400 else None)


def _page(times: list[int], asked: Asked) -> list[int]:
    since, until = int(asked.query.get("since", 0)), int(asked.query.get("until", 2**62))
    return [at for at in times if since <= at < until][-int(asked.query.get("limit", 100)) :]


@asynccontextmanager
async def toy_exchange() -> AsyncIterator[VenueUnderTest]:
    """The exchange, served, as the kit wants it."""
    async with ScriptedVenue() as venue:
        toy = ToyExchange(venue)
        moving = asyncio.create_task(toy.move())
        try:
            yield VenueUnderTest(
                config={
                    "base_url": venue.url,
                    "api_key": KEY,
                    "secret_key": SECRET,
                    "timeout": 1.0,
                    "options": {"staleness": STALE_AFTER},
                },
                may_trade=True,
                requests=lambda: len(venue.asked),
                order_requests=lambda: len(venue.requests("POST /order")),
                bought=toy.bought,
                faults=toy.faults(),
                stale_after=STALE_AFTER,
                retry_after=STALE_AFTER,
                patience=1.5,
            )
        finally:
            moving.cancel()
