"""The venues' own client libraries on the emulator: Binance's two SDKs, python-okx and pybit, pointed there by URL.

What is changed in a library, and nothing else:

- pybit has no setting for its host: `endpoint` of its HTTP session and the URL constants of its sockets are set.
- python-okx opens every socket with TLS, which a `ws://` URL refuses: its connect is made plain.

HTX is not here: its library is on PyPI only as copies by others. `huobi-sdk` 2.3.3, one of them, reads every answer
with `json.loads(…, encoding=…)`, which Python took away in 3.9, and its sockets drop the port of a URL.
HTX's outside client is ccxt, in the emulator's own tests.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import pytest
import pytest_asyncio
from traders import PATIENCE_S, WEALTH, emulator, new_account

from fra.emulator import Account, Venue
from fra.matching import Order, OrderStatus

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # python-okx posts its bodies, and Binance's SDKs set the patience of a socket, by an older parameter;
    # python-okx asks for the time in a way that Python 3.12 warns of
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
    pytest.mark.filterwarnings(r"ignore:datetime\.datetime\.utcnow:DeprecationWarning:okx\.utils"),
    pytest.mark.filterwarnings("ignore:parameter 'timeout' of type 'float':DeprecationWarning"),
]

LOT = Decimal("0.1")
BINANCE = {"spot": "BTCUSDT", "usdm": "BTCUSDT"}
OKX = {"spot": "BTC-USDT", "swap": "BTC-USDT-SWAP"}
CT_VAL = Decimal("0.01")
"""Bitcoin in one contract of OKX's swap."""
BYBIT = ("spot", "linear")

ask = asyncio.to_thread


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def venues() -> AsyncIterator[Mapping[str, Venue]]:
    async with emulator("binance", "okx", "bybit", enforce_limits=True) as running:
        yield running.venues


def opened(venue: Venue) -> Account:
    account = new_account()
    venue.open_account(account)
    return account


def truth(venue: Venue, account: Account, client_id: str) -> Order:
    return venue.exchange.engine.order(account.name, client_id=client_id)


def below(bid: object) -> int:
    """A price that rests."""
    return math.floor(Decimal(str(bid)) * Decimal("0.98"))


def above(asked: object) -> int:
    """A price that takes."""
    return math.ceil(Decimal(str(asked)) * Decimal("1.02"))


class Heard:
    """What a library's callback was given, in whichever thread, and a way to wait for one of it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Any] = asyncio.Queue()

    def __call__(self, message: Any) -> None:
        self._loop.call_soon_threadsafe(self._queue.put_nowait, message)

    async def until(self, wanted: Callable[[Any], object]) -> Any:
        """The first message for which `wanted` is true. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self._queue.get()
                if wanted(message):
                    return message


# --- Binance


class Binance:
    """What the two SDKs name differently, under one name; answers are their own models."""

    def __init__(self, market: str, venue: Venue, account: Account) -> None:
        from binance_common.configuration import (
            ConfigurationRestAPI,
            ConfigurationWebSocketAPI,
            ConfigurationWebSocketStreams,
        )
        from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
            DerivativesTradingUsdsFutures,
        )
        from binance_sdk_spot.spot import Spot

        urls, keys = venue.markets[market], {"api_key": account.key, "api_secret": account.secret}
        rest = ConfigurationRestAPI(base_path=urls["rest"], timeout=10_000, retries=0, **keys)
        streams = ConfigurationWebSocketStreams(stream_url=urls["ws"] + "/stream")
        self.market = market
        if market == "spot":
            ws_api = ConfigurationWebSocketAPI(stream_url=urls["ws_api"], **keys)
            self.sdk: Any = Spot(rest, ws_api, streams)
        else:
            self.sdk = DerivativesTradingUsdsFutures(rest, None, streams)
        self.rest: Any = self.sdk.rest_api

    async def call(self, spot: str, usdm: str | None = None, **fields: Any) -> Any:
        """Ask by the method's name in each SDK."""
        method = getattr(self.rest, spot if self.market == "spot" else usdm or spot)
        return (await ask(method, **fields)).data()

    async def book(self) -> Any:
        return await self.call("depth", "order_book", symbol="BTCUSDT", limit=5)

    async def send(self, client_id: str, side: str = "BUY", **fields: Any) -> Any:
        return await self.call(
            "new_order", symbol="BTCUSDT", side=side, quantity=float(LOT), new_client_order_id=client_id, **fields
        )

    async def query(self, client_id: str) -> Any:
        return await self.call("get_order", "query_order", symbol="BTCUSDT", orig_client_order_id=client_id)


@pytest.fixture(params=BINANCE)
def binance(request: pytest.FixtureRequest, venues: Mapping[str, Venue]) -> tuple[Binance, Venue, Account]:
    venue = venues["binance"]
    account = opened(venue)
    return Binance(request.param, venue, account), venue, account


async def test_binance_sdks_read_the_market(binance: tuple[Binance, Venue, Account]) -> None:
    client, *_ = binance
    info = await client.call("exchange_info", "exchange_information")
    assert "BTCUSDT" in {row.symbol for row in info.symbols}
    book = await client.book()
    assert Decimal(book.bids[0][0]) < Decimal(book.asks[0][0])
    candles = await client.call("klines", "kline_candlestick_data", symbol="BTCUSDT", interval="1m", limit=3)
    assert len(candles) == 3
    if client.market == "usdm":
        mark = (await client.call("mark_price", symbol="BTCUSDT")).actual_instance
        assert mark.next_funding_time > mark.time
        history = await client.call("get_funding_rate_history", symbol="BTCUSDT", limit=5)
        assert [row.symbol for row in history] == ["BTCUSDT"] * 5


async def test_binance_sdks_trade(binance: tuple[Binance, Venue, Account]) -> None:
    from binance_common.errors import BadRequestError

    client, venue, account = binance
    book = await client.book()
    low, high = below(book.bids[0][0]), above(book.asks[0][0])
    post_only: dict[str, Any] = {"type": "LIMIT", "time_in_force": "GTX"}
    if client.market == "spot":
        post_only = {"type": "LIMIT_MAKER"}

    sent = await client.send("market", type="MARKET", new_order_resp_type="RESULT")
    assert (sent.status, Decimal(sent.executed_qty)) == ("FILLED", LOT)
    await client.send("taking", type="LIMIT", time_in_force="IOC", price=high)
    assert (await client.query("taking")).status == "FILLED"
    await client.send("missing", type="LIMIT", time_in_force="IOC", price=low)
    assert (await client.query("missing")).status == "EXPIRED"
    if client.market == "spot":
        with pytest.raises(BadRequestError) as refused:
            await client.send("crossing", price=high, **post_only)
        assert refused.value.status_code == -2010
    else:
        await client.send("crossing", price=high, **post_only)
        assert (await client.query("crossing")).status == "EXPIRED"

    await client.send("limit", type="LIMIT", time_in_force="GTC", price=low)
    await client.send("maker", price=low, **post_only)
    asked = await client.query("limit")
    assert (asked.status, Decimal(asked.price), Decimal(asked.orig_qty)) == ("NEW", low, LOT)
    resting = await client.call("get_open_orders", "current_all_open_orders", symbol="BTCUSDT")
    assert {order.client_order_id for order in resting} == {"limit", "maker"}
    for name in ("limit", "maker"):
        gone = await client.call("delete_order", "cancel_order", symbol="BTCUSDT", orig_client_order_id=name)
        assert gone.status == "CANCELED"
        assert truth(venue, account, name).status is OrderStatus.CANCELED
    trades = await client.call("my_trades", "account_trade_list", symbol="BTCUSDT")
    assert sum(Decimal(trade.qty) for trade in trades) == 2 * LOT
    with pytest.raises(BadRequestError) as unknown:
        await client.query("nobody")
    assert unknown.value.status_code == -2013


async def test_binance_sdks_read_the_account(binance: tuple[Binance, Venue, Account]) -> None:
    client, *_ = binance
    await client.send("bought", type="MARKET")
    if client.market == "spot":
        wallet = {row.asset: Decimal(row.free) for row in (await client.call("get_account")).balances}
        assert wallet["BTC"] < WEALTH["BTC"] + LOT  # the fee is taken from what was bought
        assert wallet["USDT"] < WEALTH["USDT"]
        return
    wallet = {row.asset: Decimal(row.balance) for row in await client.call("futures_account_balance_v3")}
    assert wallet["USDT"] < WEALTH["USDT"]
    held = await client.call("position_information_v3", symbol="BTCUSDT")
    assert [(row.position_side, Decimal(row.position_amt)) for row in held] == [("BOTH", LOT)]
    await client.call("change_initial_leverage", symbol="BTCUSDT", leverage=5)


@pytest.mark.parametrize("market", BINANCE)
async def test_binance_sdks_are_told_that_a_secret_is_wrong(venues: Mapping[str, Venue], market: str) -> None:
    from binance_common.errors import BadRequestError

    account = opened(venues["binance"])
    client = Binance(market, venues["binance"], attrs.evolve(account, secret="another"))
    with pytest.raises(BadRequestError) as refused:
        await client.call("get_account", "futures_account_balance_v3")
    assert refused.value.status_code == -1022


@pytest.mark.parametrize("market", BINANCE)
async def test_binance_sdks_watch_the_market(venues: Mapping[str, Venue], market: str) -> None:
    client, heard = Binance(market, venues["binance"], new_account()), Heard()
    socket = client.sdk.websocket_streams
    await socket.create_connection()
    try:
        watch = socket.book_ticker if market == "spot" else socket.individual_symbol_book_ticker_streams
        (await watch(symbol="btcusdt")).on("message", heard)
        quote = await heard.until(lambda event: event.s == "BTCUSDT")
        assert Decimal(quote.b) < Decimal(quote.a)
    finally:
        await socket.close_connection()


async def test_binance_spot_sdk_hears_its_orders(venues: Mapping[str, Venue]) -> None:
    account = opened(venues["binance"])
    client, heard = Binance("spot", venues["binance"], account), Heard()
    socket = client.sdk.websocket_api
    await socket.create_connection()
    try:
        subscribed = await socket.user_data_stream_subscribe_signature()
        subscribed.stream.on("message", lambda event: heard(event.actual_instance))
        await client.send("heard", type="MARKET")
        told = await heard.until(lambda event: getattr(event, "X", None) == "FILLED")
        assert (told.c, Decimal(told.z)) == ("heard", LOT)
    finally:
        await socket.close_connection()


async def test_binance_usdm_sdk_hears_its_orders(venues: Mapping[str, Venue]) -> None:
    account = opened(venues["binance"])
    client, heard = Binance("usdm", venues["binance"], account), Heard()
    key = (await client.call("start_user_data_stream")).listen_key
    socket = client.sdk.websocket_streams
    await socket.create_connection()
    try:
        (await socket.user_data(key)).on("message", lambda event: heard(event.actual_instance))
        await client.send("heard", type="MARKET")
        told = await heard.until(lambda event: getattr(getattr(event, "o", None), "X", None) == "FILLED")
        assert (told.o.c, Decimal(told.o.z)) == ("heard", LOT)
        await client.call("keepalive_user_data_stream")
    finally:
        await socket.close_connection()


# --- OKX


class Okx:
    """The parts of python-okx, with one account."""

    def __init__(self, market: str, venue: Venue, account: Account) -> None:
        from okx.Account import AccountAPI
        from okx.MarketData import MarketAPI
        from okx.PublicData import PublicAPI
        from okx.Trade import TradeAPI

        keys = (account.key, account.secret, account.passphrase)
        where: dict[str, Any] = {"domain": venue.markets[market]["rest"], "flag": "0"}
        self.inst_id, self.inst_type = OKX[market], market.upper()
        self.mode, self.size = ("cash", LOT) if market == "spot" else ("cross", LOT / CT_VAL)
        self.account: Any = AccountAPI(*keys, **where)
        self.trade: Any = TradeAPI(*keys, **where)
        self.market: Any = MarketAPI(**where)
        self.public: Any = PublicAPI(**where)

    def close(self) -> None:
        for part in (self.account, self.trade, self.market, self.public):
            part.close()

    async def book(self) -> tuple[str, str]:
        """The best bid and ask."""
        (book,) = rows(await ask(self.market.get_orderbook, self.inst_id, sz="5"))
        return book["bids"][0][0], book["asks"][0][0]

    async def send(self, client_id: str, order_type: str, px: object = "") -> Any:
        return await ask(
            self.trade.place_order,
            instId=self.inst_id,
            tdMode=self.mode,
            side="buy",
            ordType=order_type,
            sz=f"{self.size:f}",
            px=str(px),
            clOrdId=client_id,
            tgtCcy="base_ccy" if self.mode == "cash" and order_type == "market" else "",
        )

    async def query(self, client_id: str) -> Any:
        (order,) = rows(await ask(self.trade.get_order, self.inst_id, clOrdId=client_id))
        return order


def rows(answer: Any) -> Any:
    """The data of an answer of OKX's that is no refusal."""
    assert answer["code"] == "0", answer
    return answer["data"]


@asynccontextmanager
async def okx_client(market: str, venue: Venue, **keys: str) -> AsyncIterator[tuple[Okx, Account]]:
    account = opened(venue)
    client = Okx(market, venue, attrs.evolve(account, **keys))
    try:
        yield client, account
    finally:
        client.close()


@pytest.mark.parametrize("market", OKX)
async def test_python_okx_reads_the_market(venues: Mapping[str, Venue], market: str) -> None:
    async with okx_client(market, venues["okx"]) as (client, _):
        assert rows(await ask(client.public.get_system_time))
        listed = rows(await ask(client.public.get_instruments, client.inst_type))
        assert client.inst_id in {row["instId"] for row in listed}
        bid, asked = await client.book()
        assert Decimal(bid) < Decimal(asked)
        assert len(rows(await ask(client.market.get_candlesticks, client.inst_id, limit="3"))) == 3
        assert rows(await ask(client.market.get_ticker, client.inst_id))[0]["instId"] == client.inst_id
        if market == "swap":
            (funding,) = rows(await ask(client.public.get_funding_rate, client.inst_id))
            assert int(funding["nextFundingTime"]) > int(funding["fundingTime"])
            assert len(rows(await ask(client.public.funding_rate_history, client.inst_id, limit="5"))) == 5


@pytest.mark.parametrize("market", OKX)
async def test_python_okx_trades(venues: Mapping[str, Venue], market: str) -> None:
    async with okx_client(market, venues["okx"]) as (client, account):
        bid, asked = await client.book()
        low, high = below(bid), above(asked)
        for name, order_type, price, state in (
            ("market", "market", "", "filled"),
            ("taking", "ioc", high, "filled"),
            ("missing", "ioc", low, "canceled"),
            ("crossing", "post_only", high, "canceled"),
            ("limit", "limit", low, "live"),
            ("maker", "post_only", low, "live"),
        ):
            rows(await client.send(name, order_type, price))
            order = await client.query(name)
            assert (order["state"], order["ordType"]) == (state, order_type)
            assert Decimal(order["accFillSz"]) == (client.size if state == "filled" else 0)
        resting = rows(await ask(client.trade.get_order_list, instId=client.inst_id))
        assert {order["clOrdId"] for order in resting} == {"limit", "maker"}
        for name in ("limit", "maker"):
            rows(await ask(client.trade.cancel_order, client.inst_id, clOrdId=name))
            assert (await client.query(name))["state"] == "canceled"
            assert truth(venues["okx"], account, name).status is OrderStatus.CANCELED
        fills = rows(await ask(client.trade.get_fills, instId=client.inst_id))
        assert sum(Decimal(fill["fillSz"]) for fill in fills) == 2 * client.size
        unknown = await ask(client.trade.get_order, client.inst_id, clOrdId="nobody")
        assert unknown["code"] == "51603"


@pytest.mark.parametrize("market", OKX)
async def test_python_okx_reads_the_account(venues: Mapping[str, Venue], market: str) -> None:
    async with okx_client(market, venues["okx"]) as (client, _):
        rows(await client.send("bought", "market"))
        (held,) = rows(await ask(client.account.get_account_balance))
        wallet = {row["ccy"]: Decimal(row["cashBal"]) for row in held["details"]}
        assert wallet["USDT"] < WEALTH["USDT"]
        positions = rows(await ask(client.account.get_positions, instId=client.inst_id))
        assert [Decimal(row["pos"]) for row in positions] == ([] if market == "spot" else [client.size])
        if market == "swap":
            (set_,) = rows(await ask(client.account.set_leverage, "5", "cross", instId=client.inst_id))
            assert set_["lever"] == "5"
        (config,) = rows(await ask(client.account.get_account_config))
        assert config["posMode"] == "net_mode"


async def test_python_okx_is_told_that_a_secret_is_wrong(venues: Mapping[str, Venue]) -> None:
    async with okx_client("swap", venues["okx"], secret="another") as (client, _):
        assert (await ask(client.account.get_account_balance))["code"] == "50113"


@pytest.fixture
def plain_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """python-okx's sockets without TLS."""
    import websockets
    from okx.websocket.WebSocketFactory import WebSocketFactory

    async def connect(factory: Any) -> Any:
        factory.websocket = await websockets.connect(factory.url)
        return factory.websocket

    monkeypatch.setattr(WebSocketFactory, "connect", connect)


@pytest.mark.usefixtures("plain_sockets")
async def test_python_okx_watches_the_market(venues: Mapping[str, Venue]) -> None:
    from okx.websocket.WsPublicAsync import WsPublicAsync

    heard = Heard()
    socket = WsPublicAsync(venues["okx"].markets["swap"]["ws"])
    reader = await socket.start()
    try:
        wanted = [{"channel": channel, "instId": OKX["swap"]} for channel in ("books", "funding-rate")]
        await socket.subscribe(wanted, lambda text: heard(json.loads(text)))
        book = await heard.until(lambda message: message.get("action") == "snapshot")
        assert Decimal(book["data"][0]["bids"][0][0]) < Decimal(book["data"][0]["asks"][0][0])
    finally:
        await socket.stop()
        await reader


@pytest.mark.usefixtures("plain_sockets")
async def test_python_okx_hears_its_orders(venues: Mapping[str, Venue]) -> None:
    from okx.websocket.WsPrivateAsync import WsPrivateAsync

    venue, heard = venues["okx"], Heard()
    async with okx_client("swap", venue) as (client, account):
        socket = WsPrivateAsync(account.key, account.passphrase, account.secret, venue.markets["swap"]["ws_private"])
        reader = await socket.start()
        try:
            await socket.subscribe([{"channel": "orders", "instType": "ANY"}], lambda text: heard(json.loads(text)))
            await heard.until(lambda message: message.get("event") == "subscribe")
            rows(await client.send("heard", "market"))
            told = await heard.until(lambda message: "data" in message and message["data"][0]["state"] == "filled")
            assert told["data"][0]["clOrdId"] == "heard"
            assert Decimal(told["data"][0]["accFillSz"]) == client.size
            order = {"instId": client.inst_id, "tdMode": "cross", "side": "sell", "ordType": "market", "sz": "10"}
            await socket.place_order([{**order, "reduceOnly": True, "clOrdId": "sent"}], id="1")
            told = await heard.until(lambda message: "data" in message and message["data"][0].get("state") == "filled")
            assert (told["data"][0]["clOrdId"], told["data"][0]["reduceOnly"]) == ("sent", "true")
        finally:
            await socket.stop()
            await reader


# --- Bybit


class Bybit:
    """pybit's HTTP session, in one category."""

    def __init__(self, category: str, venue: Venue, account: Account) -> None:
        from pybit.unified_trading import HTTP

        self.category = category
        self.http: Any = HTTP(api_key=account.key, api_secret=account.secret)
        self.http.endpoint = venue.markets[category]["rest"]

    async def call(self, method: str, **fields: Any) -> Any:
        answer = await ask(getattr(self.http, method), category=self.category, symbol="BTCUSDT", **fields)
        return answer["result"]

    async def send(self, client_id: str, order_type: str, price: object = None, tif: str | None = None) -> Any:
        return await self.call(
            "place_order",
            side="Buy",
            orderType=order_type,
            qty=f"{LOT}",
            price=None if price is None else str(price),
            timeInForce=tif,
            orderLinkId=client_id,
            marketUnit="baseCoin" if self.category == "spot" and order_type == "Market" else None,
        )

    async def query(self, client_id: str) -> Any:
        """The order, once its acknowledgement is followed by it."""
        (order,) = (await self.call("get_open_orders", orderLinkId=client_id))["list"]
        return order


@pytest.mark.parametrize("category", BYBIT)
async def test_pybit_reads_the_market(venues: Mapping[str, Venue], category: str) -> None:
    client = Bybit(category, venues["bybit"], opened(venues["bybit"]))
    assert (await ask(client.http.get_server_time))["retCode"] == 0
    assert (await client.call("get_instruments_info"))["list"][0]["symbol"] == "BTCUSDT"
    book = await client.call("get_orderbook", limit=5)
    assert Decimal(book["b"][0][0]) < Decimal(book["a"][0][0])
    assert len((await client.call("get_kline", interval="1", limit=3))["list"]) == 3
    (ticker,) = (await client.call("get_tickers"))["list"]
    assert Decimal(ticker["bid1Price"]) < Decimal(ticker["ask1Price"])
    if category == "linear":
        assert int(ticker["nextFundingTime"]) > 0
        assert len((await client.call("get_funding_rate_history", limit=5))["list"]) == 5


@pytest.mark.parametrize("category", BYBIT)
async def test_pybit_trades(venues: Mapping[str, Venue], category: str) -> None:
    from pybit.exceptions import InvalidRequestError

    venue = venues["bybit"]
    account = opened(venue)
    client = Bybit(category, venue, account)
    book = await client.call("get_orderbook", limit=5)
    low, high = below(book["b"][0][0]), above(book["a"][0][0])
    for name, order_type, price, tif, status in (
        ("market", "Market", None, None, "Filled"),
        ("taking", "Limit", high, "IOC", "Filled"),
        ("missing", "Limit", low, "IOC", "Cancelled"),
        ("crossing", "Limit", high, "PostOnly", "Rejected" if category == "spot" else "Cancelled"),
        ("limit", "Limit", low, "GTC", "New"),
        ("maker", "Limit", low, "PostOnly", "New"),
    ):
        await client.send(name, order_type, price, tif)
        order = await client.query(name)
        assert (order["orderLinkId"], order["orderStatus"]) == (name, status)
        assert Decimal(order["cumExecQty"]) == (LOT if status == "Filled" else 0)
    resting = (await client.call("get_open_orders", openOnly=0))["list"]
    assert {order["orderLinkId"] for order in resting} >= {"limit", "maker"}
    for name in ("limit", "maker"):
        await client.call("cancel_order", orderLinkId=name)
        assert (await client.query(name))["orderStatus"] == "Cancelled"
        assert truth(venue, account, name).status is OrderStatus.CANCELED
    fills = (await client.call("get_executions"))["list"]
    assert sum(Decimal(fill["execQty"]) for fill in fills) == 2 * LOT
    with pytest.raises(InvalidRequestError) as unknown:
        await client.call("cancel_order", orderLinkId="nobody")
    assert unknown.value.status_code == (170213 if category == "spot" else 110001)


@pytest.mark.parametrize("category", BYBIT)
async def test_pybit_reads_the_account(venues: Mapping[str, Venue], category: str) -> None:
    client = Bybit(category, venues["bybit"], opened(venues["bybit"]))
    await client.send("bought", "Market")
    held = (await ask(client.http.get_wallet_balance, accountType="UNIFIED"))["result"]["list"][0]
    wallet = {coin["coin"]: Decimal(coin["walletBalance"]) for coin in held["coin"]}
    assert wallet["USDT"] < WEALTH["USDT"]
    if category == "linear":
        positions = (await client.call("get_positions"))["list"]
        assert [(row["side"], Decimal(row["size"])) for row in positions] == [("Buy", LOT)]
        await client.call("set_leverage", buyLeverage="5", sellLeverage="5")


async def test_pybit_is_told_that_a_secret_is_wrong(venues: Mapping[str, Venue]) -> None:
    from pybit.exceptions import InvalidRequestError

    client = Bybit("linear", venues["bybit"], attrs.evolve(opened(venues["bybit"]), secret="another"))
    with pytest.raises(InvalidRequestError) as refused:
        await client.call("get_positions")
    assert refused.value.status_code == 10004


@pytest.mark.parametrize("category", BYBIT)
async def test_pybit_watches_the_market(
    venues: Mapping[str, Venue], category: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pybit import unified_trading

    monkeypatch.setattr(unified_trading, "PUBLIC_WSS", venues["bybit"].markets[category]["ws"])
    heard = Heard()
    public = await ask(unified_trading.WebSocket, channel_type=category, testnet=False)
    try:
        public.orderbook_stream(50, "BTCUSDT", heard)  # not in a thread, see below
        book = await heard.until(lambda message: message["type"] == "snapshot")
        assert Decimal(book["data"]["b"][0][0]) < Decimal(book["data"]["a"][0][0])
    finally:
        await ask(public.exit)


@pytest.mark.parametrize("category", BYBIT)
async def test_pybit_hears_its_orders_and_trades_on_a_socket(
    venues: Mapping[str, Venue], category: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pybit import _websocket_trading, unified_trading

    venue = venues["bybit"]
    account, urls = opened(venue), venue.markets[category]
    keys: dict[str, Any] = {"api_key": account.key, "api_secret": account.secret, "testnet": False}
    monkeypatch.setattr(unified_trading, "PRIVATE_WSS", urls["ws_private"])
    monkeypatch.setattr(_websocket_trading, "TRADE_WSS", urls["ws_trade"])
    heard, acknowledged = Heard(), Heard()
    private = await ask(unified_trading.WebSocket, channel_type="private", **keys)
    trading = await ask(unified_trading.WebSocketTrading, **keys)
    try:
        # pybit notes a request after it has sent it, and dies of an answer that comes sooner; the emulator, which is
        # nearer than a venue, gives none while its loop is held
        private.order_stream(heard)
        order = {"category": category, "symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "0.1"}
        order |= {"marketUnit": "baseCoin"} if category == "spot" else {}
        trading.place_order(acknowledged, orderLinkId="heard", **order)
        assert (await acknowledged.until(lambda message: message["op"] == "order.create"))["retCode"] == 0
        told = await heard.until(lambda message: message["data"][0]["orderStatus"] == "Filled")
        assert told["data"][0]["orderLinkId"] == "heard"
        assert Decimal(told["data"][0]["cumExecQty"]) == LOT
    finally:
        await ask(private.exit)
        await ask(trading.exit)
