"""The account's stream: logins, what its channels mean, and that nothing is lost with a connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from fra.core import (
    Balance,
    ConfigManager,
    ErrorRaised,
    ExchangeAuthError,
    ExchangeHandle,
    Fill,
    Order,
    OrderStatus,
    OrderType,
    PluginManager,
    PluginRegistry,
    Position,
    PositionSide,
    StreamStatus,
    Subscription,
    UserEvent,
)
from fra.exchanges.okx import OKXPlugin

LINEAR = "BTC/USDT:USDT"


def order(**fields: str) -> dict[str, str]:
    return {
        "instType": "SWAP",
        "instId": "BTC-USDT-SWAP",
        "ordId": "11",
        "clOrdId": "mine",
        "side": "buy",
        "ordType": "limit",
        "state": "live",
        "sz": "5",
        "px": "70000",
        "posSide": "net",
        "accFillSz": "0",
        "cTime": "1790000000000",
        "uTime": "1790000000001",
        "tradeId": "",
        "fillSz": "0",
        **fields,
    }


FILLED = order(
    state="filled",
    accFillSz="5",
    avgPx="70000",
    tradeId="900",
    fillSz="5",
    fillPx="70000",
    fillTime="1790000000002",
    fillFee="-0.7",
    fillFeeCcy="USDT",
    execType="M",
)


def position(size: str, **fields: str) -> dict[str, str]:
    common = {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "posSide": "net", "mgnMode": "cross"}
    return {**common, "pos": size, **fields}


class Account:
    """A subscription with everything that it said."""

    def __init__(self, venue: Any, okx: ExchangeHandle, stream: Subscription[UserEvent]) -> None:
        self.venue = venue
        self.okx = okx
        self.stream = stream
        self.events: list[UserEvent] = []
        stream.add_listener(self._on_event)

    def _on_event(self, event: UserEvent) -> None:
        self.events.append(event)
        self.venue.note()

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind: type[Any], count: int = 1) -> list[Any]:
        await self.venue.until(lambda: len(self.of(kind)) >= count)
        return self.of(kind)


@asynccontextmanager
async def listening(venue: Any, **config: Any) -> AsyncIterator[Account]:
    async with venue.handle(**config) as okx:
        stream = okx.subscribe_user_data()
        account = Account(venue, okx, stream)
        await asyncio.wait_for(stream.ready(), 10)
        yield account


async def test_it_logs_in_on_both_connections_and_subscribes_to_every_instrument(venue: Any) -> None:
    async with listening(venue):
        pass
    assert {socket.path for socket in venue.sockets} == {"/ws/v5/private", "/ws/v5/business"}
    for socket in venue.sockets:
        assert socket.frames[0]["op"] == "login"
        assert all(frame["op"] != "login" for frame in socket.frames[1:])
    asked = [arg for socket in venue.sockets for frame in socket.frames[1:] for arg in frame["args"]]
    everything = {"instType": "ANY"}
    assert {arg["channel"]: {**arg} for arg in asked} == {
        "orders": {"channel": "orders", **everything},
        "orders-algo": {"channel": "orders-algo", **everything},
        "positions": {"channel": "positions", **everything},
        "account": {"channel": "account"},
    }


async def test_candles_share_no_connection_with_the_account(venue: Any) -> None:
    async with listening(venue) as account:
        account.okx.subscribe_klines(LINEAR, "1m")
        await venue.until(lambda: any("candle1m" in socket.channels for socket in venue.sockets))
        (public,) = [socket for socket in venue.sockets if "candle1m" in socket.channels]
        assert public.frames[0]["op"] == "subscribe"


@pytest.mark.parametrize(("wrong", "code"), [("api_key", "60005"), ("secret_key", "60007"), ("passphrase", "60024")])
async def test_wrong_credentials_end_the_stream_with_the_venues_code(venue: Any, wrong: str, code: str) -> None:
    async with venue.handle(**{wrong: "canary"}) as okx:
        stream = okx.subscribe_user_data()
        with pytest.raises(ExchangeAuthError) as caught:
            await asyncio.wait_for(stream.ready(), 10)
    assert caught.value.code == code
    assert "canary" not in str(caught.value)


async def test_without_credentials_there_is_no_stream(venue: Any) -> None:
    async with venue.handle(api_key=None, secret_key=None, passphrase=None) as okx:
        with pytest.raises(ExchangeAuthError, match="needs credentials"):
            await asyncio.wait_for(okx.subscribe_user_data().ready(), 10)


async def test_a_busy_venue_is_logged_in_to_again(venue: Any) -> None:
    venue.refuse_login = "60023"
    async with listening(venue) as account:
        assert account.stream.status is StreamStatus.LIVE
    assert len(venue.sockets) == 3


# --- what pushes mean


async def test_a_fill_is_told_after_its_order(venue: Any) -> None:
    async with listening(venue) as account:
        await venue.socket("orders").push("orders", FILLED, instType="SWAP")
        (fill,) = await account.until(Fill)
    told = [event for event in account.events if isinstance(event, Order | Fill)]
    assert [type(event) for event in told] == [Order, Fill]
    assert (told[0].status, told[0].filled) == (OrderStatus.FILLED, Decimal("0.05"))
    assert (fill.trade_id, fill.price, fill.amount) == ("900", Decimal(70000), Decimal("0.05"))
    assert (fill.fee, fill.fee_asset, fill.maker) == (Decimal("0.7"), "USDT", True)
    assert (fill.order_id, fill.client_order_id, fill.timestamp_ms) == ("11", "mine", 1_790_000_000_002)


async def test_a_conditional_order_that_is_triggered_goes_on_under_its_ids(venue: Any) -> None:
    waiting = {
        **{key: value for key, value in order().items() if key in ("instType", "instId", "sz", "cTime", "posSide")},
        "algoId": "77",
        "algoClOrdId": "mine",
        "side": "sell",
        "ordType": "conditional",
        "state": "live",
        "slTriggerPx": "60000",
        "slOrdPx": "-1",
        "uTime": "1790000000000",
    }
    own = {
        "ordId": "90",
        "clOrdId": "",
        "algoId": "77",
        "algoClOrdId": "mine",
        "source": "7",
        "side": "sell",
        "ordType": "market",
        "px": "",
    }
    async with listening(venue) as account:
        await venue.socket("orders-algo").push("orders-algo", waiting, instType="ANY")
        await account.until(Order)
        await venue.socket("orders-algo").push(
            "orders-algo", {**waiting, "state": "effective", "ordId": "90"}, instType="ANY"
        )
        await venue.socket("orders").push("orders", {**FILLED, **own}, instType="SWAP")
        (fill,) = await account.until(Fill)
    first, second = account.of(Order)
    assert (first.status, second.status) == (OrderStatus.OPEN, OrderStatus.FILLED)
    for event in (first, second):
        assert (event.id, event.client_order_id, event.type) == ("77", "mine", OrderType.STOP)
        assert event.trigger_price == 60000
    assert (fill.order_id, fill.client_order_id) == ("77", "mine")


async def test_a_position_that_is_turned_over_or_closed_is_told_of_with_its_side(venue: Any) -> None:
    async with listening(venue) as account:
        for size in ("5", "-3", "0"):
            await venue.socket("positions").push("positions", position(size), instType="ANY", instId="BTC-USDT-SWAP")
        told = await account.until(Position, 4)
    assert [(event.side, event.amount) for event in told] == [
        (PositionSide.LONG, Decimal("0.05")),
        (PositionSide.LONG, Decimal(0)),
        (PositionSide.SHORT, Decimal("0.03")),
        (PositionSide.SHORT, Decimal(0)),
    ]


async def test_an_account_without_positions_pushes_nothing_and_no_error(venue: Any) -> None:
    async with listening(venue) as account:
        await venue.socket("positions").push("positions", instType="ANY")
        await venue.socket("account").push("account", {"details": [{"ccy": "USDT", "eq": "3", "availEq": "2"}]})
        (balance,) = await account.until(Balance)
        assert account.stream.status is StreamStatus.LIVE
    assert (balance.asset, balance.market, balance.free, balance.total) == ("USDT", "trading", 2, 3)


async def test_an_instrument_that_is_not_listed_is_reported_and_the_rest_goes_on(venue: Any) -> None:
    errors: list[ErrorRaised] = []
    async with listening(venue) as account:
        account.okx.register_event_handler(ErrorRaised, errors.append)
        strange = order(instId="NEW-USDT-SWAP")
        await venue.socket("orders").push("orders", strange, FILLED, instType="SWAP")
        (told,) = await account.until(Order)
        assert told.symbol == LINEAR
        assert account.stream.status is StreamStatus.LIVE
    assert ["NEW-USDT-SWAP" in str(error.error) for error in errors] == [True]


async def test_other_markets_than_the_configured_ones_are_none_of_its_business(venue: Any) -> None:
    async with listening(venue, markets=["swap"]) as account:
        elsewhere = [
            order(instType=kind, instId=name) for kind, name in (("SPOT", "BTC-USDT"), ("OPTION", "BTC-USD-1"))
        ]
        await venue.socket("orders").push("orders", *elsewhere, FILLED, instType="ANY")
        await account.until(Fill)
    assert [event.symbol for event in account.of(Order)] == [LINEAR]


class Heard:
    """What comes out of a source of the adapter."""

    def __init__(self, venue: Any) -> None:
        self.events: list[UserEvent] = []
        self._venue = venue

    def on_item(self, event: UserEvent) -> None:
        self.events.append(event)
        self._venue.note()

    def on_gap(self, gap: object) -> None: ...
    def on_status(self, status: object, error: object) -> None: ...

    def fills(self) -> list[Fill]:
        return [event for event in self.events if isinstance(event, Fill)]


@pytest.mark.parametrize("busy", [False, True], ids=["at once", "after the account was busy at first"])
async def test_what_comes_before_the_instruments_are_known_is_told_when_they_are(venue: Any, busy: bool) -> None:
    listed = venue.answers["GET public/instruments"]
    known = asyncio.Event()
    adapters: list[OKXPlugin] = []

    class Kept(OKXPlugin):
        async def initialize(self) -> None:
            adapters.append(self)
            await super().initialize()

    def busy_once(params: Any) -> Any:
        venue.answers["GET account/balance"] = []
        return {"code": "50013", "msg": "Systems are busy", "data": []}

    async def later(params: Any) -> Any:
        await known.wait()
        return listed(params)

    venue.answers["GET public/instruments"] = later
    registry = PluginRegistry()
    registry.register_plugin("kept", Kept)
    settings = {"plugin": "kept", "options": {"retries": 0}, **venue.keys}
    async with venue.serve() as url:
        config = ConfigManager.from_mapping({"exchanges": {"okx": {**settings, "base_url": url}}})
        async with PluginManager.from_config(config, registry=registry):
            heard, source = Heard(venue), adapters[0].subscribe_user_data()  # the host would wait for the instruments
            source.attach(heard)
            await venue.until(lambda: len({name for socket in venue.sockets for name in socket.channels}) == 4)
            await venue.socket("orders").push("orders", FILLED, instType="SWAP")
            await venue.until(lambda: len(venue.asked("GET public/instruments")) >= 2)
            assert heard.fills() == []
            if busy:
                venue.answers["GET account/balance"] = busy_once
            known.set()
            await venue.until(heard.fills)
            assert [fill.trade_id for fill in heard.fills()] == ["900"]
            await source.close()


# --- what happens while nobody listens


async def test_after_a_cut_it_logs_in_again_and_tells_what_was_missed(venue: Any) -> None:
    missed = {
        "instType": "SWAP",
        "instId": "BTC-USDT-SWAP",
        "tradeId": "901",
        "billId": "1",
        "ordId": "12",
        "clOrdId": "old",
        "side": "buy",
        "fillPx": "70000",
        "fillSz": "5",
        "fee": "-0.7",
        "feeCcy": "USDT",
        "execType": "T",
        "ts": "1790000000005",
    }
    gone = order(ordId="13", clOrdId="gone", state="canceled", uTime="4000000000000", cancelSource="20")
    async with listening(venue) as account:
        await venue.socket("positions").push("positions", position("5"), instType="ANY")
        await account.until(Position)
        venue.answers |= {
            "GET trade/fills": lambda params: [missed] if params["instType"] == "SWAP" else [],
            "GET trade/orders-history": lambda params: (
                [gone] if (params["instType"], params["state"]) == ("SWAP", "canceled") else []
            ),
            "GET trade/order": [order(ordId="12", clOrdId="old", state="filled", accFillSz="5", avgPx="70000")],
            "GET trade/orders-pending": [order(ordId="14", clOrdId="open")],
            "GET account/balance": [{"details": [{"ccy": "USDT", "eq": "3", "availEq": "2"}]}],
        }
        before = len(venue.sockets)
        await venue.socket("orders").cut()
        (fill,) = await account.until(Fill)
        await venue.until(lambda: account.stream.status is StreamStatus.LIVE and account.of(Balance))
        ops = [frame["op"] for frame in venue.socket("orders").frames]
    assert len(venue.sockets) == before + 1
    assert ops == ["login", "subscribe"]
    assert (fill.trade_id, fill.order_id, fill.fee) == ("901", "12", Decimal("0.7"))
    told = {event.client_order_id: event.status for event in account.of(Order)}
    assert told == {"old": OrderStatus.FILLED, "gone": OrderStatus.CANCELED, "open": OrderStatus.OPEN}
    assert account.of(Position)[-1].amount == 0  # closed while nobody listened
    assert account.of(Balance)[-1].total == 3


async def test_a_conditional_order_that_ended_unheard_is_told_of(venue: Any) -> None:
    waiting: dict[str, Any] = {
        "instType": "SWAP",
        "instId": "BTC-USDT-SWAP",
        "algoId": "77",
        "algoClOrdId": "mine",
        "side": "sell",
        "ordType": "conditional",
        "state": "live",
        "sz": "5",
        "tpTriggerPx": "90000",
        "tpOrdPx": "-1",
        "cTime": "1790000000000",
    }
    venue.answers["GET trade/orders-algo-pending"] = [waiting]
    async with listening(venue) as account:
        (first,) = await account.until(Order)
        assert (first.status, first.type) == (OrderStatus.OPEN, OrderType.TAKE_PROFIT)
        venue.answers |= {
            "GET trade/orders-algo-pending": [],
            "GET trade/order": {"code": "51603", "msg": "no", "data": []},
            "GET trade/order-algo": [{**waiting, "state": "canceled"}],
        }
        await venue.socket("orders").cut()
        assert (await account.until(Order, 2))[1].status is OrderStatus.CANCELED
