"""The account's stream: how it is opened and kept, what its events become, and that a loss loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from binance_account import KEYS, BinanceAccount, Refusal, usdm_row

from fra.core import (
    Balance,
    ErrorRaised,
    ExchangeAuthError,
    ExchangeHandle,
    Fill,
    Order,
    OrderStatus,
    OrderType,
    Position,
    PositionSide,
    Side,
    StreamStatus,
    Subscription,
    UserEvent,
)
from fra.exchanges.binance.auth import sign
from fra.exchanges.binance.dialect import AccountDialect

SPOT, LINEAR = "BTC/USDT", "BTC/USDT:USDT"
WS_API, PRIVATE = "/ws-api/v3", "/private/ws"
T = 1_790_755_200_000


class Account:
    """The stream of one account and everything that it brought."""

    def __init__(self, venue: BinanceAccount, binance: ExchangeHandle, stream: Subscription[UserEvent]) -> None:
        self.venue, self.binance, self.stream = venue, binance, stream
        self.events: list[UserEvent] = []
        self.errors: list[str] = []
        stream.add_listener(self._on_event)
        binance.register_event_handler(ErrorRaised, self._on_error)

    def _on_event(self, event: UserEvent) -> None:
        self.events.append(event)
        self.venue.note()

    def _on_error(self, event: ErrorRaised) -> None:
        self.errors.append(str(event.error))
        self.venue.note()

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def asked_anew(self) -> None:
        """Wait until there is a second connection, and the account was asked for after that."""
        await self.venue.until(lambda: len(self.venue.sockets) >= 2)
        asked = len(self.venue.calls)
        await self.venue.until(
            lambda: any(call.path.endswith("/openOrders") for call in self.venue.calls[asked:]) or self.complete
        )

    @property
    def complete(self) -> bool:
        return self.stream.status is StreamStatus.LIVE


@asynccontextmanager
async def account(
    markets: tuple[str, ...], venue: BinanceAccount | None = None, **options: object
) -> AsyncIterator[Account]:
    venue = venue or BinanceAccount()
    async with (
        venue.handle(markets, options=options) as binance,
        asyncio.timeout(20),
        binance.subscribe_user_data() as stream,
    ):
        yield Account(venue, binance, stream)


def report(**changes: Any) -> dict[str, Any]:
    event = {
        "e": "executionReport",
        "E": T,
        "s": "BTCUSDT",
        "c": "mine-1",
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "q": "0.0100",
        "p": "70000.00",
        "P": "0.00",
        "C": "",
        "x": "NEW",
        "X": "NEW",
        "r": "NONE",
        "i": 28,
        "l": "0.00",
        "z": "0.00",
        "L": "0.00",
        "n": "0",
        "N": None,
        "T": T,
        "t": -1,
        "m": False,
        "O": T,
        "Z": "0.00",
        "Q": "0.00",
    }
    return {**event, **changes}


TRADED = {"x": "TRADE", "l": "0.0040", "z": "0.0040", "L": "70000", "n": "0.28", "N": "USDT", "t": 9, "Z": "280"}


def update(**changes: Any) -> dict[str, Any]:
    order = {
        "s": "BTCUSDT",
        "c": "mine-1",
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "q": "0.010",
        "p": "70000",
        "ap": "0",
        "sp": "0",
        "x": "NEW",
        "X": "NEW",
        "i": 22,
        "l": "0",
        "z": "0",
        "L": "0",
        "T": T,
        "t": 0,
        "m": False,
        "R": False,
        "ot": "LIMIT",
        "ps": "BOTH",
    }
    return {"e": "ORDER_TRADE_UPDATE", "E": T, "T": T, "o": {**order, **changes}}


def changed(*positions: Mapping[str, Any], balances: bool = False) -> dict[str, Any]:
    held = {"s": "BTCUSDT", "ep": "70000", "up": "1.5", "mt": "cross", "iw": "0", "ps": "BOTH"}
    rows = [{"a": "USDT", "wb": "90", "cw": "90", "bc": "0"}] if balances else []
    return {
        "e": "ACCOUNT_UPDATE",
        "E": T,
        "T": T,
        "a": {"m": "ORDER", "B": rows, "P": [{**held, **row} for row in positions]},
    }


# --- opening and keeping


async def test_spot_subscribes_by_a_signed_request_over_the_websocket_api() -> None:
    async with account(("spot",)) as mine:
        (socket,) = mine.venue.sockets
        (asked,) = socket.requests
    assert socket.target == WS_API
    assert asked["method"] == "userDataStream.subscribe.signature"
    params = asked["params"]
    payload = f"apiKey={KEYS['api_key']}&recvWindow=5000&timestamp={params['timestamp']}"
    assert params == {
        "apiKey": KEYS["api_key"],
        "recvWindow": 5000,
        "timestamp": params["timestamp"],
        "signature": sign(KEYS["secret_key"].encode(), payload.encode()),
    }


async def test_futures_connect_with_a_listen_key_and_send_nothing() -> None:
    async with account(("usdm",)) as mine:
        (socket,) = mine.venue.sockets
    assert (socket.target, socket.requests) == (f"{PRIVATE}?listenKey=key1", [])
    assert not [call for call in mine.venue.calls if call.method == "DELETE"]


async def test_a_quiet_account_is_proven_by_pongs_and_a_dead_connection_is_not_called_live() -> None:
    async with account(("usdm",), silence=0.6) as mine:
        await mine.venue.until(lambda: mine.venue.sockets and mine.venue.sockets[0].pings >= 4)
        assert (len(mine.venue.sockets), mine.stream.status) == (1, StreamStatus.LIVE)
        mine.venue.pongs = False
        await mine.venue.until(lambda: not mine.complete and mine.errors)
        assert "not answered" in mine.errors[0]


def test_without_options_a_dead_connection_of_an_account_is_noticed_within_half_a_minute() -> None:
    heartbeat = AccountDialect.heartbeat
    assert heartbeat.interval is not None
    assert heartbeat.interval + heartbeat.timeout <= 30


async def test_the_old_address_has_the_key_in_its_path() -> None:
    async with account(("usdm",), legacy_streams=True) as mine:
        assert [socket.target for socket in mine.venue.sockets] == ["/ws/key1"]


async def test_the_listen_key_is_extended_with_the_key_alone() -> None:
    async with account(("usdm",), listen_key_interval=0.02) as mine:
        name = "PUT /fapi/v1/listenKey"
        await mine.venue.until(lambda: len(mine.venue.named(name)) >= 3)
        assert len(mine.venue.sockets) == 1
    call = mine.venue.named(name)[0]
    assert (call.query, call.key) == ("", KEYS["api_key"])


async def test_a_listen_key_that_the_venue_has_forgotten_is_replaced_with_its_connection() -> None:
    venue = BinanceAccount({"PUT /fapi/v1/listenKey": Refusal(-1125, "This listenKey does not exist.")})
    async with account(("usdm",), venue, listen_key_interval=0.05) as mine:
        await venue.until(lambda: len(venue.sockets) == 2)
        venue.answers["PUT /fapi/v1/listenKey"] = {}
        await mine.asked_anew()
    assert [socket.target[-4:] for socket in venue.sockets[:2]] == ["key1", "key2"]


async def test_one_extension_that_fails_loses_nothing() -> None:
    venue = BinanceAccount({"PUT /fapi/v1/listenKey": Refusal(-1001, "Internal error", 500)})
    async with account(("usdm",), venue, listen_key_interval=0.02):
        await venue.until(lambda: len(venue.named("PUT /fapi/v1/listenKey")) >= 3)
        assert len(venue.sockets) == 1


@pytest.mark.parametrize(
    ("market", "event"),
    [
        ("usdm", {"e": "listenKeyExpired", "E": T, "listenKey": "key1"}),
        ("spot", {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": T}}),
    ],
)
async def test_a_stream_that_the_venue_ends_is_made_anew_and_the_account_asked_for(
    market: str, event: dict[str, Any]
) -> None:
    async with account((market,)) as mine:
        mine.venue.calls.clear()
        await mine.venue.sockets[0].push(event)
        await mine.asked_anew()
        await mine.venue.until(lambda: [call for call in mine.venue.calls if call.path.endswith("/openOrders")])
    assert not [call for call in mine.venue.calls if call.method == "DELETE"]


@pytest.mark.parametrize(
    ("market", "event"),
    [("usdm", {"e": "serverShutdown", "E": T}), ("spot", {"event": {"e": "serverShutdown", "E": T}})],
)
async def test_a_connection_that_is_about_to_end_is_replaced_before_it_does(market: str, event: dict[str, Any]) -> None:
    async with account((market,)) as mine:
        await mine.venue.sockets[0].push(event)
        await mine.venue.until(lambda: mine.venue.sockets[0].closed)
        assert len(mine.venue.sockets) == 2
        assert mine.complete
        if market == "usdm":
            await mine.venue.sockets[1].push(update())
        else:
            await mine.venue.sockets[1].event(report())
        await mine.venue.until(lambda: mine.of(Order))


async def test_wrong_credentials_fail_the_stream() -> None:
    refusal = Refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    venue = BinanceAccount({"POST /fapi/v1/listenKey": refusal})
    with pytest.raises(ExchangeAuthError, match="Invalid API-key"):
        async with account(("usdm",), venue):
            pass
    venue = BinanceAccount()
    venue.ws_errors = [{"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}] * 3
    with pytest.raises(ExchangeAuthError, match="Invalid API-key"):
        async with account(("spot",), venue):
            pass


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_without_credentials_there_is_no_stream_of_an_account(market: str) -> None:
    venue = BinanceAccount()
    async with venue.handle((market,), api_key=None, secret_key=None) as binance:
        with pytest.raises(ExchangeAuthError, match="none are configured"):
            async with binance.subscribe_user_data():
                pass
    assert venue.sockets == []


async def test_a_balance_that_could_not_be_asked_for_is_asked_for_again() -> None:
    venue = BinanceAccount()
    async with account(("usdm",), venue) as mine:
        venue.answers["GET /fapi/v3/account"] = Refusal(-1102, "something is missing")
        await venue.sockets[0].push(changed(balances=True))
        await venue.until(lambda: mine.errors)
        asset = {"asset": "USDT", "walletBalance": "90", "marginBalance": "91", "availableBalance": "70"}
        venue.answers["GET /fapi/v3/account"] = {"assets": [asset]}
        await venue.until(lambda: mine.of(Balance))


async def test_a_timestamp_that_spot_refuses_is_cured_by_reading_the_clock_once() -> None:
    venue = BinanceAccount()
    venue.ws_errors = [{"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}]
    async with account(("spot",), venue):
        assert len(venue.sockets) == 2
    venue = BinanceAccount()
    venue.ws_errors = [{"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}] * 9
    with pytest.raises(ExchangeAuthError, match="recvWindow"):
        async with account(("spot",), venue):
            pass


# --- events


async def test_a_spot_execution_is_a_fill_and_its_order() -> None:
    async with account(("spot",)) as mine:
        (socket,) = mine.venue.sockets
        await socket.event(report())
        await socket.event(report(**TRADED, X="PARTIALLY_FILLED"))
        await socket.event(report(x="CANCELED", X="CANCELED", c="the-cancel", C="mine-1", z="0.0040", Z="280"))
        await mine.venue.until(lambda: len(mine.of(Order)) == 3)
    (fill,) = mine.of(Fill)
    assert (fill.trade_id, fill.amount, fill.price, fill.fee, fill.fee_asset, fill.side, fill.order_id) == (
        "9",
        Decimal("0.0040"),
        Decimal(70000),
        Decimal("0.28"),
        "USDT",
        Side.BUY,
        "28",
    )
    assert [(order.status, order.filled) for order in mine.of(Order)] == [
        (OrderStatus.OPEN, Decimal(0)),
        (OrderStatus.OPEN, Decimal("0.0040")),
        (OrderStatus.CANCELED, Decimal("0.0040")),
    ]
    assert {order.client_order_id for order in mine.of(Order)} == {"mine-1"}


async def test_a_spot_wallet_that_is_emptied_is_told_as_zero() -> None:
    async with account(("spot",)) as mine:
        (socket,) = mine.venue.sockets
        wallet = {"a": "BTC", "f": "0.0", "l": "0.0"}
        await socket.event({"e": "balanceUpdate", "E": T, "a": "BTC", "d": "-1", "T": T})
        await socket.event({"e": "outboundAccountPosition", "E": T, "u": T, "B": [wallet]})
        await mine.venue.until(lambda: mine.of(Balance))
    assert mine.of(Balance) == [
        Balance(asset="BTC", market="spot", free=Decimal("0.0"), total=Decimal("0.0"), timestamp_ms=T)
    ]


async def test_a_futures_execution_is_a_fill_and_its_order_wrapped_or_not() -> None:
    async with account(("usdm",)) as mine:
        (socket,) = mine.venue.sockets
        traded = {"x": "TRADE", "l": "0.010", "z": "0.010", "L": "70000", "ap": "70000", "t": 7, "n": "0.1", "N": "BNB"}
        await socket.push({"stream": "key1", "data": update()})
        await socket.push({"e": "TRADE_LITE", "E": T, "T": T, "s": "BTCUSDT", "q": "0.010", "p": "0", "t": 7})
        await socket.push(update(**traded, X="FILLED"))
        await mine.venue.until(lambda: len(mine.of(Order)) == 2)
    (fill,) = mine.of(Fill)
    assert (fill.trade_id, fill.amount, fill.fee_asset) == ("7", Decimal("0.010"), "BNB")
    assert mine.of(Order)[-1].status is OrderStatus.FILLED


async def test_a_conditional_order_is_followed_through_its_trigger() -> None:
    algo = {
        "caid": "mine-1",
        "aid": 1_000_000_000_000_007,
        "at": "CONDITIONAL",
        "o": "STOP_MARKET",
        "s": "BTCUSDT",
        "S": "SELL",
        "ps": "BOTH",
        "f": "GTC",
        "q": "0.010",
        "ap": "0",
        "aq": "0",
        "tp": "69000",
        "p": "0",
        "R": True,
    }
    async with account(("usdm",)) as mine:
        (socket,) = mine.venue.sockets
        for changes in ({"X": "NEW"}, {"X": "TRIGGERED"}, {"X": "FINISHED", "aq": "0.010", "ap": "68999"}):
            await socket.push({"e": "ALGO_UPDATE", "E": T, "T": T, "o": {**algo, **changes}})
        await socket.push({"e": "ALGO_UPDATE", "T": T, "o": {**algo, "aid": 8, "X": "REJECTED", "rm": "Reduce Only"}})
        await mine.venue.until(lambda: mine.of(Order) and mine.of(Order)[-1].id == "8")
    orders = mine.of(Order)
    assert (orders[0].status, orders[0].trigger_price, orders[0].price) == (OrderStatus.OPEN, Decimal(69000), None)
    assert (orders[-2].status, orders[-2].filled, orders[-2].average_price) == (
        OrderStatus.FILLED,
        Decimal("0.010"),
        Decimal(68999),
    )
    assert (orders[-1].status, orders[-1].reason) == (OrderStatus.REJECTED, "Reduce Only")


async def test_what_a_triggered_order_trades_is_told_as_its_own_also_before_the_trigger_is() -> None:
    algo = {"caid": "mine-1", "aid": 1_000_000_000_000_007, "o": "STOP_MARKET", "s": "BTCUSDT", "S": "BUY"}
    algo |= {"ps": "BOTH", "f": "GTC", "q": "0.010", "ap": "0", "aq": "0", "tp": "71000", "p": "0", "R": False}
    child = {"o": "MARKET", "ot": "MARKET", "i": 77, "p": "0", "x": "TRADE", "L": "71001", "ap": "71001"}
    async with account(("usdm",)) as mine:
        (socket,) = mine.venue.sockets
        await socket.push({"e": "ALGO_UPDATE", "T": T, "o": {**algo, "X": "NEW", "ai": ""}})
        await socket.push(update(**child, l="0.004", z="0.004", t=7, X="PARTIALLY_FILLED"))
        await socket.push({"e": "ALGO_UPDATE", "T": T + 1, "o": {**algo, "X": "TRIGGERED", "ai": "77"}})
        await socket.push(update(**child, l="0.006", z="0.010", t=8, X="FILLED"))
        finished = {**algo, "X": "FINISHED", "ai": "77", "aq": "0.010", "ap": "71001"}
        await socket.push({"e": "ALGO_UPDATE", "T": T + 2, "o": finished})
        await mine.venue.until(lambda: mine.of(Order) and mine.of(Order)[-1].status is OrderStatus.FILLED)
    assert {(order.id, order.type) for order in mine.of(Order)} == {("1000000000000007", OrderType.STOP)}
    assert [order.filled for order in mine.of(Order)][-1] == Decimal("0.010")
    assert [(fill.order_id, fill.trade_id) for fill in mine.of(Fill)] == [
        ("1000000000000007", "7"),
        ("1000000000000007", "8"),
    ]


async def test_a_one_way_position_turns_and_closes() -> None:
    async with account(("usdm",)) as mine:
        (socket,) = mine.venue.sockets
        for size in ("0.010", "-0.020", "0"):
            await socket.push(changed({"pa": size}))
        await mine.venue.until(lambda: len(mine.of(Position)) == 4)
    assert [(position.side, position.amount) for position in mine.of(Position)] == [
        (PositionSide.LONG, Decimal("0.010")),
        (PositionSide.LONG, Decimal(0)),
        (PositionSide.SHORT, Decimal("0.020")),
        (PositionSide.SHORT, Decimal(0)),
    ]


async def test_hedge_positions_are_told_side_by_side() -> None:
    async with account(("usdm",)) as mine:
        (socket,) = mine.venue.sockets
        await socket.push(changed({"pa": "0.010", "ps": "LONG"}, {"pa": "-0.020", "ps": "SHORT"}))
        await mine.venue.until(lambda: len(mine.of(Position)) == 2)
    assert [(position.side, position.amount, position.hedge_mode) for position in mine.of(Position)] == [
        (PositionSide.LONG, Decimal("0.010"), True),
        (PositionSide.SHORT, Decimal("0.020"), True),
    ]


async def test_a_changed_futures_balance_is_asked_for_since_the_event_does_not_say_what_is_free() -> None:
    venue = BinanceAccount()
    async with account(("usdm",), venue) as mine:
        asset = {"asset": "USDT", "walletBalance": "90", "marginBalance": "91", "availableBalance": "70"}
        venue.answers["GET /fapi/v3/account"] = {"assets": [asset]}
        await venue.sockets[0].push(changed(balances=True))
        await venue.until(lambda: mine.of(Balance))
        assert [(b.free, b.total) for b in mine.of(Balance)] == [(Decimal(70), Decimal(91))]
        venue.answers["GET /fapi/v3/account"] = {"assets": []}
        await venue.sockets[0].push(changed(balances=True))
        await venue.until(lambda: len(mine.of(Balance)) == 2)
        assert mine.of(Balance)[-1].total == 0


async def test_a_margin_call_is_told_loudly() -> None:
    async with account(("usdm",)) as mine:
        call = {"e": "MARGIN_CALL", "E": T, "cw": "3", "p": [{"s": "BTCUSDT", "ps": "LONG", "pa": "1", "mm": "2"}]}
        await mine.venue.sockets[0].push(call)
        await mine.venue.until(lambda: mine.errors)
    assert "margin call: the positions in BTCUSDT LONG" in mine.errors[0]


async def test_an_instrument_that_was_listed_meanwhile_is_found_and_its_event_not_lost() -> None:
    venue = BinanceAccount()
    async with account(("usdm",), venue) as mine:
        venue.usdm.append(usdm_row("NEWUSDT", "NEW", "USDT"))
        await venue.sockets[0].push(update(s="NEWUSDT"))
        await venue.until(lambda: mine.of(Order))
        assert mine.of(Order)[0].symbol == "NEW/USDT:USDT"


async def test_an_instrument_that_nobody_lists_is_reported_and_hurts_nothing() -> None:
    async with account(("usdm",)) as mine:
        await mine.venue.sockets[0].push(update(s="ODDUSDT"))
        await mine.venue.until(lambda: mine.errors)
        await mine.venue.sockets[0].push(update())
        await mine.venue.until(lambda: mine.of(Order))
    assert "ODDUSDT, which is not among the instruments of usdm" in mine.errors[0]
    assert len(mine.venue.sockets) == 1


async def test_a_kind_of_event_that_is_not_known_is_passed_over() -> None:
    async with account(("usdm",)) as mine:
        await mine.venue.sockets[0].push({"e": "SOMETHING_OF_TOMORROW", "E": T, "o": [1], "p": "x", "a": "USDT"})
        await mine.venue.sockets[0].push(update())
        await mine.venue.until(lambda: mine.of(Order))
    assert len(mine.venue.sockets) == 1


# --- losses


async def test_what_happened_on_futures_while_the_stream_was_down_comes_from_the_backfill() -> None:
    venue = BinanceAccount()
    async with account(("usdm",), venue) as mine:
        await venue.sockets[0].push(update())
        await venue.until(lambda: mine.of(Order))
        order = {
            "symbol": "BTCUSDT",
            "orderId": 22,
            "clientOrderId": "mine-1",
            "price": "70000",
            "origQty": "0.010",
            "executedQty": "0.010",
            "avgPrice": "70000",
            "status": "FILLED",
            "side": "BUY",
            "type": "LIMIT",
            "time": T,
            "updateTime": T + 5,
        }
        fill = {"symbol": "BTCUSDT", "orderId": 22, "side": "BUY", "price": "70000", "commission": "0.1"}
        fill |= {"commissionAsset": "USDT", "maker": True}
        other = {
            "symbol": "LTCUSDT",
            "incomeType": "COMMISSION",
            "income": "-1",
            "asset": "USDT",
            "time": T,
            "tranId": 1,
        }
        venue.answers |= {
            "GET /fapi/v1/order": order,
            "GET /fapi/v1/income": [other],
            "GET /fapi/v1/userTrades": lambda params: [
                {**fill, "symbol": params["symbol"], "id": {"BTCUSDT": 7, "LTCUSDT": 8}[params["symbol"]]}
                | {"qty": "0.010", "time": T + 5}
            ],
        }
        await venue.sockets[0].cut()
        await mine.asked_anew()
        await venue.until(lambda: len(mine.of(Fill)) == 2)
    assert {(fill.symbol, fill.trade_id) for fill in mine.of(Fill)} == {(LINEAR, "7"), ("LTC/USDT:USDT", "8")}
    assert mine.of(Order)[-1].status is OrderStatus.FILLED


async def test_what_happened_on_spot_is_found_by_the_assets_that_changed() -> None:
    venue = BinanceAccount()
    async with account(("spot",), venue) as mine:
        balances = [{"asset": "LTC", "free": "1", "locked": "0"}, {"asset": "USDT", "free": "9", "locked": "0"}]
        fill = {"symbol": "LTCUSDT", "id": 5, "orderId": 3, "price": "90", "qty": "1", "commission": "0.1"}
        fill |= {"commissionAsset": "USDT", "time": T, "isBuyer": True, "isMaker": False}
        asked: list[str] = []

        def trades(params: Mapping[str, str]) -> list[object]:
            asked.append(params["symbol"])
            return [fill]

        venue.answers |= {"GET /api/v3/account": {"balances": balances}, "GET /api/v3/myTrades": trades}
        await venue.sockets[0].cut()
        await mine.asked_anew()
        await venue.until(lambda: mine.of(Fill))
    assert set(asked) == {"LTCUSDT"}
    assert [(fill.trade_id, fill.amount) for fill in mine.of(Fill)] == [("5", Decimal(1))]


def failing_once(answer: object) -> Callable[[Mapping[str, str]], object]:
    """An answer before which the venue is too busy once."""
    tried: list[Mapping[str, str]] = []

    def given(params: Mapping[str, str]) -> object:
        tried.append(params)
        if len(tried) == 1:
            return Refusal(-1001, "Internal error; unable to process your request.", 500)
        return answer(params) if callable(answer) else answer

    return given


async def test_an_order_that_ended_unheard_is_told_also_when_the_first_backfill_fails_half_way() -> None:
    venue = BinanceAccount()
    async with account(("usdm",), venue, retries=0) as mine:
        await venue.sockets[0].push(update())
        await venue.until(lambda: mine.of(Order))
        ended = {"symbol": "BTCUSDT", "orderId": 22, "clientOrderId": "mine-1", "price": "70000", "origQty": "0.010"}
        ended |= {"executedQty": "0", "status": "CANCELED", "side": "BUY", "type": "LIMIT", "time": T, "updateTime": T}
        venue.answers |= {"GET /fapi/v1/order": ended, "GET /fapi/v1/income": failing_once([])}
        await venue.sockets[0].cut()
        await venue.until(lambda: mine.of(Order)[-1].status is OrderStatus.CANCELED)
    assert len(venue.named("GET /fapi/v1/income")) == 2


async def test_spot_trades_are_told_also_when_the_first_backfill_fails_half_way() -> None:
    venue = BinanceAccount()
    async with account(("spot",), venue, retries=0) as mine:
        balances = [{"asset": "LTC", "free": "1", "locked": "0"}, {"asset": "USDT", "free": "9", "locked": "0"}]
        fill = {"symbol": "LTCUSDT", "id": 5, "orderId": 3, "price": "90", "qty": "1", "commission": "0.1"}
        fill |= {"commissionAsset": "USDT", "time": T, "isBuyer": True, "isMaker": False}
        venue.answers |= {"GET /api/v3/account": {"balances": balances}, "GET /api/v3/myTrades": failing_once([fill])}
        await venue.sockets[0].cut()
        await mine.asked_anew()
        await venue.until(lambda: mine.complete)
    assert [fill.trade_id for fill in mine.of(Fill)] == ["5"]
