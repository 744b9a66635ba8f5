"""The adapter by itself: what it imports, asks, sends, waits for and leaves behind."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from ccxt_local import ADAPTERS, SECRET, WORD, Local, LocalContext, fixtures

from fra.adapters.ccxt import HTXCCXT, BinanceCCXT, CCXTAdapter, CCXTOptions, GateCCXT, Refused
from fra.adapters.ccxt.budget import HUNDREDTHS, SCOPE
from fra.adapters.ccxt.capabilities import ACCOUNT
from fra.adapters.ccxt.errors import code_in, fra_error
from fra.adapters.ccxt.numbers import Exact, number, positive
from fra.core import (
    Banned,
    ConfigError,
    DuplicateOrder,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeConfig,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeRateLimitError,
    InsufficientFunds,
    InvalidOrder,
    NotSupported,
    Operation,
    OrderNotFound,
    OrderRequest,
    OrderType,
    PermissionDenied,
    PluginRegistry,
    PluginType,
    PositionSide,
    Side,
    SymbolNotFound,
    TimeInForce,
)

needs_recordings = pytest.mark.skipif(not fixtures("markets", "binance"), reason="FRA_FIXTURES is not set")
each_venue = pytest.mark.parametrize("venue", ADAPTERS)


# --- ccxt is not imported before it must be


def test_neither_discovery_nor_describing_imports_ccxt() -> None:
    program = """
import sys
from fra.core import PluginRegistry
registry = PluginRegistry()
registry.discover_plugins()
for name in ("ccxt", "binance_ccxt", "huobi_ccxt", "bitfinex_ccxt"):
    registry.get_plugin_metadata(name)
sys.exit("ccxt" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_every_exchange_is_registered_by_name() -> None:
    names = set(PluginRegistry().get_available_plugins())
    assert {"ccxt", "huobi_ccxt", *(f"{venue}_ccxt" for venue in ADAPTERS)} <= names


@each_venue
def test_what_it_says_of_itself_is_within_what_an_instance_can_do(venue: str) -> None:
    said = ADAPTERS[venue].describe()
    assert said.plugin_type is PluginType.CCXT
    assert said.markets
    assert said.client_order_id_rule is not None


@needs_recordings
@each_venue
async def test_the_coarse_matrix_claims_nothing_that_the_exact_one_does_not(venue: str) -> None:
    before = ADAPTERS[venue].describe().capabilities
    async with Local().adapter(venue) as adapter:
        exact = adapter.capabilities
        assert exact is adapter.capabilities
        missing = [(operation, kind) for operation, kind, _ in before.cells() if not exact.support(operation, kind)]
    assert not missing


# --- configuration


def plain(cls: type[CCXTAdapter], options: CCXTOptions | None = None, **config: Any) -> CCXTAdapter:
    made = cls(ExchangeConfig("main", config.pop("exchange_id", "ccxt"), **config))
    made.options = options or CCXTOptions()
    made.context = LocalContext("main")
    return made


async def test_the_plugin_ccxt_needs_a_name_that_ccxt_knows() -> None:
    with pytest.raises(ConfigError, match="which exchange"):
        await plain(CCXTAdapter).initialize()
    with pytest.raises(ConfigError, match="krakn"):
        await plain(CCXTAdapter, CCXTOptions(exchange_id="krakn")).initialize()


async def test_any_other_exchange_of_ccxt_is_served_by_its_name() -> None:
    adapter = plain(CCXTAdapter, CCXTOptions(exchange_id="kraken"))
    await adapter.initialize()
    try:
        assert (adapter.client.id, adapter.client.number) == ("kraken", str)
    finally:
        await adapter.disconnect()


async def test_an_unknown_market_and_a_missing_sandbox_are_configuration_errors() -> None:
    with pytest.raises(ConfigError, match="its markets are: spot, usdm, coinm"):
        await plain(BinanceCCXT, markets=("futures",)).initialize()
    with pytest.raises(ConfigError, match="no sandbox of HTX"):
        await plain(HTXCCXT, sandbox=True).initialize()


async def test_a_proxy_is_given_to_requests_and_sockets() -> None:
    adapter = plain(BinanceCCXT, proxy="http://127.0.0.1:9")
    await adapter.initialize()
    try:
        assert (adapter.client.httpProxy, adapter.client.wsProxy) == ("http://127.0.0.1:9",) * 2
    finally:
        await adapter.disconnect()


@needs_recordings
@each_venue
async def test_one_base_url_stands_for_every_host(venue: str) -> None:
    async with Local().adapter(venue) as adapter:
        found: list[str] = []

        def collect(urls: Any) -> None:
            for url in urls.values():
                collect(url) if isinstance(url, dict) else found.append(url)

        collect({"api": adapter.client.urls["api"]})
        assert found
        assert {url.split("//")[1].split(":")[0] for url in found if isinstance(url, str)} == {"127.0.0.1"}


# --- budgets


@needs_recordings
async def test_ccxts_rate_limit_is_milliseconds_per_unit_of_cost() -> None:
    async with Local().adapter("binance") as adapter:
        context = adapter.context
        assert isinstance(context, LocalContext)
        (limit,) = context.limits
        ccxt = adapter.client
        assert (limit.scope, limit.interval) == (SCOPE, ccxt.rollingWindowSize / 1000)
        assert limit.capacity == ccxt.rollingWindowSize / ccxt.rateLimit * HUNDREDTHS


@needs_recordings
async def test_each_request_is_paid_for_once_as_ccxt_reckons_it() -> None:
    paid: list[float] = []
    async with Local({"serverTime": 1_700_000_000_000}).adapter("binance") as adapter:
        real = adapter.client.fra_throttle

        async def counted(cost: float) -> None:
            paid.append(cost)
            await real(cost)

        adapter.client.fra_throttle = counted
        await adapter.health_check()
    assert paid == [pytest.approx(0.2)]


@needs_recordings
async def test_a_429_shuts_the_budget_for_as_long_as_the_venue_says() -> None:
    local = Local({"code": -1003, "msg": "Too many requests."}, status=429, headers={"Retry-After": "7"})
    async with local.adapter("binance") as adapter:
        with pytest.raises(ExchangeRateLimitError) as caught:
            await adapter.get_ticker(adapter.symbol("BTC/USDT"))
        assert (caught.value.retry_after, caught.value.code) == (7, "-1003")
        assert adapter.budget._limiter.blocked_for(SCOPE) > 6  # type: ignore[attr-defined]


# --- errors


def raised(name: str, answer: object = None, status: int = 200) -> Exception:
    import ccxt

    error: Exception = getattr(ccxt, name)("binance " + json.dumps(answer))
    error.fra_answer = (status, {}, json.dumps(answer))  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("AuthenticationError", ExchangeAuthError),
        ("AccountSuspended", ExchangeAuthError),
        ("PermissionDenied", PermissionDenied),
        ("AccountNotEnabled", PermissionDenied),
        ("BadSymbol", SymbolNotFound),
        ("InsufficientFunds", InsufficientFunds),
        ("InvalidOrder", InvalidOrder),
        ("OrderImmediatelyFillable", InvalidOrder),
        ("OrderNotFound", OrderNotFound),
        ("DuplicateOrderId", DuplicateOrder),
        ("RateLimitExceeded", ExchangeRateLimitError),
        ("DDoSProtection", ExchangeRateLimitError),
        ("NotSupported", NotSupported),
        ("ArgumentsRequired", NotSupported),
        ("InvalidNonce", ExchangeAuthError),
        ("RequestTimeout", ExchangeConnectionError),
        ("ExchangeNotAvailable", ExchangeConnectionError),
        ("OnMaintenance", ExchangeConnectionError),
        ("BadResponse", ExchangeConnectionError),
        ("BadRequest", ExchangeAPIError),
        ("ExchangeError", ExchangeAPIError),
        ("MarketClosed", ExchangeAPIError),
    ],
)
def test_every_exception_of_ccxt_is_an_error_of_ours_with_code_and_answer(name: str, cls: type[ExchangeError]) -> None:
    error = fra_error(raised(name, {"code": -77, "msg": "the venue's words"}), exchange="main")
    assert type(error) is cls
    assert (error.code, error.exchange) == ("-77", "main")
    assert error.response == '{"code": -77, "msg": "the venue\'s words"}'
    assert "the venue's words" in error.message


def test_a_ban_and_a_plain_refusal_are_told_apart_by_their_status() -> None:
    assert type(fra_error(raised("RateLimitExceeded", {}, 418), exchange="x")) is Banned
    assert type(fra_error(raised("ExchangeNotAvailable", {}, 404), exchange="x")) is ExchangeAPIError
    assert type(fra_error(raised("ExchangeNotAvailable", {}, 503), exchange="x")) is ExchangeConnectionError


def test_a_mistake_inside_ccxt_leaves_open_what_became_of_an_order() -> None:
    assert type(fra_error(TypeError("no"), exchange="x", what="create_order")) is ExchangeError


def test_the_innermost_code_that_is_no_word_for_success_is_the_venues() -> None:
    assert code_in({"code": "1", "data": [{"sCode": "51008", "sMsg": "no funds"}]}) == "51008"
    assert code_in({"retCode": 0, "result": {}}) is None
    assert code_in([{"label": "INVALID_KEY"}]) == "INVALID_KEY"


async def test_an_unreachable_venue_is_a_connection_error_without_its_signed_url() -> None:
    adapter = plain(BinanceCCXT, base_url="http://127.0.0.1:1", timeout=2.0)
    await adapter.initialize()
    with pytest.raises(ExchangeConnectionError) as caught:
        await adapter.connect()
    assert "?" not in caught.value.message
    assert "Cannot connect to host 127.0.0.1:1 " in caught.value.message
    assert adapter.client is None


@needs_recordings
async def test_an_answer_that_is_cut_short_after_an_order_leaves_its_outcome_open() -> None:
    """ccxt calls it an ExchangeError, which would be a refusal."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    async with server, Local().adapter("binance") as adapter:
        host = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        adapter.client.urls["api"]["private"] = f"{host}/api/v3"
        with pytest.raises(ExchangeConnectionError):
            await adapter.create_order(order("BTC/USDT"), adapter.symbol("BTC/USDT"))


# --- orders


def order(symbol: str, **fields: Any) -> OrderRequest:
    given = {"side": Side.BUY, "type": OrderType.LIMIT, "amount": Decimal("0.01"), "price": Decimal(50_000), **fields}
    return OrderRequest(symbol=symbol, **{"client_order_id": "1234567890", **given})


PREFIXES = ("x-TKT5PX2F", "x-cvBPrNm9", "6b9ad766b55dBCDE", "AA03022abc", "p4sve", "CCXT", "ccxt")


@needs_recordings
@each_venue
async def test_no_broker_code_of_ccxts_is_sent(venue: str) -> None:
    names = ["BTC/USDT", "BTC/USDT:USDT"]
    local = Local({})
    one_wallet = CCXTOptions(ccxt={"options": {"uta": False}})  # else KuCoin is asked for the kind of account first
    async with local.adapter(venue, options=one_wallet) as adapter:
        sent = 0
        for name in (name for name in names if name in adapter.symbols):
            symbol = adapter.symbol(name)
            amount = symbol.lot_size * 1000
            try:
                await adapter.create_order(order(name, amount=amount), symbol)
            except ExchangeError:
                pass  # the answer is empty
            sent = len([asked for asked in local.asked if asked.method == "POST"])
        assert sent
    for asked in local.asked:
        headers = {key: value for key, value in asked.headers.items() if key.lower() != "user-agent"}
        assert not [code for code in PREFIXES if code in asked.body or code in asked.query or code in str(headers)]


@needs_recordings
async def test_an_order_is_sent_in_fixed_point_and_in_contracts() -> None:
    local = Local({})
    async with local.adapter("gate") as adapter:
        swap = adapter.symbol("BTC/USDT:USDT")
        with pytest.raises(ExchangeError):
            await adapter.create_order(order(swap.name, amount=swap.contract_size * 3), swap)
    (sent,) = [json.loads(asked.body) for asked in local.asked if asked.path.endswith("/orders")]
    assert Decimal(str(sent["size"])) == 3
    assert Decimal(sent["price"]) == 50_000


@needs_recordings
@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"type": OrderType.STOP, "trigger_price": Decimal(49_000), "post_only": True}, NotSupported),
        ({"type": OrderType.STOP, "trigger_price": Decimal("49000.001")}, InvalidOrder),
        ({"type": OrderType.MARKET, "price": None, "time_in_force": TimeInForce.FOK}, NotSupported),
        ({"reduce_only": True}, InvalidOrder),
        ({"position_side": PositionSide.LONG}, InvalidOrder),
        ({"price": Decimal("50000.001")}, InvalidOrder),
        ({"amount": Decimal("0.0000000001")}, InvalidOrder),
    ],
)
async def test_what_cannot_be_done_or_would_be_rounded_is_refused_before_anything_is_sent(
    fields: dict[str, Any], error: type[ExchangeError]
) -> None:
    local = Local({})
    async with local.adapter("binance") as adapter:
        with pytest.raises(error):
            await adapter.create_order(order("BTC/USDT", **fields), adapter.symbol("BTC/USDT"))
    assert not local.asked


@needs_recordings
async def test_an_answer_that_names_no_order_leaves_open_what_became_of_it() -> None:
    async with Local({}).adapter("binance") as adapter:
        with pytest.raises(ExchangeError) as caught:
            await adapter.create_order(order("BTC/USDT"), adapter.symbol("BTC/USDT"))
        assert type(caught.value) is ExchangeError


@needs_recordings
async def test_a_refusal_that_ccxt_lets_pass_is_one() -> None:
    local = Local({"code": 4321, "message": "not so"})
    async with local.adapter("htx") as adapter:
        with pytest.raises(ExchangeAPIError, match="not so") as caught:
            await adapter.set_leverage(adapter.symbol("BTC/USDT:USDT"), Decimal(3))
        assert caught.value.code == "4321"


# --- what is left behind


@needs_recordings
@each_venue
async def test_disconnecting_leaves_no_task_and_no_session(venue: str) -> None:
    before = asyncio.all_tasks()
    async with Local({}).adapter(venue) as adapter:
        source = adapter.subscribe_trades(adapter.symbol("BTC/USDT"))
        await asyncio.sleep(0)
        client = adapter.client
        await adapter.disconnect()
        await adapter.disconnect()
        assert client.session is None
        await source.close()
    assert asyncio.all_tasks() - before == set()


@needs_recordings
async def test_no_error_holds_a_secret() -> None:
    local = Local(lambda request: json.dumps({"code": -1, "msg": f"{request.query_string} {dict(request.headers)}"}))
    local.status = 400
    async with local.adapter("binance") as adapter:
        with pytest.raises(ExchangeError) as caught:
            await adapter.get_balance("spot")
    assert SECRET not in repr(caught.value.__dict__) + str(caught.value)
    assert WORD not in repr(caught.value.__dict__)


# --- numbers


@pytest.mark.parametrize("text", ["0.1", "81951.123456789012345678", "1e-8", "123456789012345678.9", "0"])
def test_a_number_is_the_text_that_it_was_made_of(text: str) -> None:
    assert number(Exact(text)) == number(text) == Decimal(text)
    assert Exact(text) == float(text)


@pytest.mark.parametrize("nothing", [None, "", "abc", "nan", True, [], {}])
def test_what_is_no_number_is_none(nothing: object) -> None:
    assert number(nothing) is None


def test_zero_and_below_are_unknown_where_venues_write_them_for_that() -> None:
    assert (positive("0"), positive("-1"), positive("2")) == (None, None, 2)


def test_hooks_are_where_exchange_packages_look_for_them() -> None:
    hooks: list[Callable[..., object]] = [
        GateCCXT.funding_interval,
        GateCCXT.next_settlement,
        GateCCXT.learn_intervals,
        GateCCXT.make_symbol,
        GateCCXT.order_status,
        GateCCXT.order_params,
        GateCCXT.position_params,
        GateCCXT.order,
        GateCCXT.fill,
        GateCCXT.position,
        GateCCXT.hedged,
        GateCCXT.unchanged,
        GateCCXT.error_code,
        GateCCXT.failure,
        GateCCXT.refused,
        GateCCXT.adjust,
        GateCCXT.user_scopes,
        GateCCXT.scope,
    ]
    assert all(hook.__doc__ for hook in hooks)


# --- what is refused in ccxt's own variants, since ccxt gets it wrong and a package mends it


@needs_recordings
@pytest.mark.parametrize("venue", ["bitget", "kucoin", "gate", "mexc", "cryptocom", "bitfinex"])
async def test_a_bare_variant_claims_nothing_that_only_its_package_gets_right(venue: str) -> None:
    async with Local().adapter(venue) as adapter:
        matrix = adapter.capabilities
        kinds = adapter.kinds
    assert not any(matrix.support(operation, kind) for operation in ACCOUNT for kind in kinds)
    assert matrix.support(Operation.GET_TICKER, kinds[0])
    if venue in ("mexc", "bitfinex"):  # ccxt compares the numbers of their streamed books, which are text here
        assert not any(matrix.support(Operation.SUBSCRIBE_ORDERBOOK, kind) for kind in kinds)


@needs_recordings
async def test_a_contract_that_settles_elsewhere_is_refused_by_name_in_the_bare_variant() -> None:
    """ccxt calls it inverse; its amounts are neither base nor quote coin."""
    async with Local().adapter("gate") as adapter:
        quanto = {**adapter.client.markets["ETH/USDT:USDT"], "symbol": "ETH/USD:BTC", "quote": "USD", "settle": "BTC"}
        with pytest.raises(Refused, match="settles in BTC"):
            adapter.make_symbol(quanto, "inverse")


@needs_recordings
async def test_an_answer_without_a_book_is_no_empty_book() -> None:
    async with Local({"code": "0", "msg": "", "data": []}).adapter("okx") as adapter:
        with pytest.raises(ExchangeError):
            await adapter.get_orderbook(adapter.symbol("BTC/USDT:USDT"))


@pytest.mark.parametrize("url", ["https://a.b/c", "wss://a.b/c", "/v1/order"])
def test_no_query_of_a_url_comes_into_an_errors_text(url: str) -> None:
    text = str(fra_error(OSError(f"{url}?AccessKeyId={SECRET}&Signature=x was not reached"), exchange="htx"))
    assert url in text
    assert SECRET not in text
