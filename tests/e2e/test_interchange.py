"""One word of the configuration is changed, from a native adapter to the one on ccxt; the program is the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_asyncio
from traders import LINEAR, PATIENCE_S, SPOT, VENUES, Told, emulator, new_account

from fra.core import (
    ExchangeHandle,
    Fill,
    KlineInterval,
    NotSupported,
    Operation,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    PluginConflict,
    PluginManager,
    PluginRegistry,
    PluginType,
    PositionSide,
    RateKind,
    Side,
    TimeInForce,
)
from fra.emulator import Account, Venue

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIZE = Decimal("0.1")
CANCELLED = (OrderStatus.CANCELED, Decimal(0))
FILLED = (OrderStatus.FILLED, SIZE)
CONFIG = """
[exchanges.main]
exchange_id = "{venue}"
plugin = "{venue}"
api_key = "env:INTERCHANGE_KEY"
secret_key = "env:INTERCHANGE_SECRET"
{passphrase}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def venues() -> AsyncIterator[Mapping[str, Venue]]:
    # ccxt asks the paths of HTX's multi-assets accounts only.
    async with emulator(htx_multi_assets=True) as running:
        yield running.venues


def written(venue: Venue, account: Account, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's fra.toml for the venue with the native adapter."""
    secrets = {"KEY": account.key, "SECRET": account.secret, "PASSPHRASE": account.passphrase or "none"}
    for name, value in secrets.items():
        monkeypatch.setenv(f"INTERCHANGE_{name}", value)
    passphrase = 'passphrase = "env:INTERCHANGE_PASSPHRASE"' if venue.name == "okx" else ""
    text = CONFIG.format(venue=venue.name, passphrase=passphrase)
    for market, urls in venue.markets.items():
        text += f"[exchanges.main.base_url.{market}]\n"
        text += "".join(f"{kind} = {url!r}\n" for kind, url in urls.items())
    path = folder / f"{account.name}.toml"
    path.write_text(text)
    return path


def change_one_word(path: Path, venue: str) -> None:
    text = path.read_text()
    assert text.count(f'plugin = "{venue}"') == 1
    path.write_text(text.replace(f'plugin = "{venue}"', f'plugin = "{venue}_ccxt"'))


# --- the user's program


@attrs.frozen
class Market:
    """What a program learns of a market that stands still: but for prices, nothing in it changes."""

    rules: tuple[object, ...]
    book: tuple[object, ...]
    trades: tuple[object, ...]
    candles: tuple[object, ...]


async def look(handle: ExchangeHandle, name: str) -> Market:
    await handle.get_symbols()
    symbol = handle.symbol(name)
    book = await handle.get_orderbook(name, depth=10)
    trades = await handle.get_trades(name, limit=20)
    # the newest candle still runs
    *candles, _ = await handle.get_klines(name, KlineInterval.H1, limit=10)
    return Market(
        tuple(getattr(symbol, field.name) for field in attrs.fields(type(symbol))),
        (*book.bids[:10], *book.asks[:10]),
        tuple((trade.id, trade.price, trade.amount, trade.side, trade.timestamp_ms) for trade in trades),
        tuple((k.open_ms, k.open, k.high, k.low, k.close, k.volume) for k in candles),
    )


@attrs.frozen
class Funding:
    kind: RateKind
    next_settlement_ms: int | None
    interval: timedelta | None
    settled: tuple[tuple[int | None, Decimal], ...]


async def funding(handle: ExchangeHandle) -> Funding:
    running = await handle.get_funding_rate(LINEAR)
    settled = await handle.get_funding_rate_history(LINEAR, limit=10)
    return Funding(
        running.kind,
        running.next_settlement_ms,
        running.interval,
        tuple((rate.settled_ms, rate.rate) for rate in settled),
    )


def told(order: Order) -> tuple[object, ...]:
    return (order.symbol, order.side, order.type, order.status, order.amount, order.filled, order.price)


async def trade(handle: ExchangeHandle) -> dict[str, object]:
    """Rest an order and cancel it, take, close; what was answered, what was left, and what the stream told of it."""
    heard = Told()
    stream = handle.subscribe_user_data()
    stream.add_listener(heard)
    async with asyncio.timeout(PATIENCE_S):
        await stream.ready()
    symbol = handle.symbol(LINEAR)
    book = await handle.get_orderbook(LINEAR, depth=5)
    assert book.best_bid is not None
    assert book.best_ask is not None
    low = symbol.round_price(book.best_bid.price * Decimal("0.95"), Side.BUY)
    high = symbol.round_price(book.best_ask.price * Decimal("1.02"), Side.BUY)
    resting = OrderRequest(symbol=LINEAR, side=Side.BUY, type=OrderType.LIMIT, amount=SIZE, price=low)
    rested = await handle.create_order(resting)
    opened = await handle.get_open_orders(LINEAR)
    await handle.cancel_order(rested.id, LINEAR)
    cancelled = await handle.get_order(rested.id, LINEAR)

    taking = attrs.evolve(resting, price=high, time_in_force=TimeInForce.IOC)
    taken = await handle.create_order(taking)
    await heard.until(lambda: heard.of(Order, id=taken.id, status=OrderStatus.FILLED))
    await heard.until(lambda: sum(fill.amount for fill in heard.of(Fill, order_id=taken.id)) == SIZE)
    filled = await handle.get_order(taken.id, LINEAR)
    held = await handle.get_positions(LINEAR)

    closing = OrderRequest(symbol=LINEAR, side=Side.SELL, type=OrderType.MARKET, amount=SIZE, reduce_only=True)
    closed = await handle.create_order(closing)
    await heard.until(lambda: heard.of(Order, id=closed.id, status=OrderStatus.FILLED))
    await heard.until(lambda: sum(fill.amount for fill in heard.of(Fill, order_id=closed.id)) == SIZE)
    fills = await handle.get_trade_history(LINEAR)
    await stream.close()
    return {
        "open": [told(order)[:-1] for order in opened],
        "cancelled": told(cancelled)[:-1],
        "filled": told(filled)[:-1],
        "average": filled.average_price is not None and low < filled.average_price <= high,
        "held": [(position.symbol, position.side, position.amount) for position in held],
        "left": [position.amount for position in await handle.get_positions(LINEAR)],
        "own trades": {side: sum(f.amount for f in fills if f.side is side) for side in Side},
        "fees": {(fill.fee_asset, fill.fee is not None and fill.fee > 0) for fill in fills},
        "streamed": [
            {(order.status, order.filled) for order in heard.of(Order, id=each.id)} & {CANCELLED, FILLED}
            for each in (rested, taken, closed)
        ],
        "streamed fills": sum(fill.amount for fill in heard.of(Fill)),
        "wallets": sorted({(balance.market, balance.asset) for balance in await handle.get_balance()}),
    }


async def watch(handle: ExchangeHandle) -> dict[str, object]:
    """The market's side of it."""
    return {"spot": await look(handle, SPOT), "linear": await look(handle, LINEAR), "funding": await funding(handle)}


async def program(
    config: Path,
    work: Callable[[ExchangeHandle], Awaitable[dict[str, Any]]],
    *,
    registry: PluginRegistry | None = None,
) -> dict[str, Any]:
    """Does its work on the exchange that the configuration calls `main`."""
    async with PluginManager.from_config(config, registry=registry) as manager:
        for failure in manager.failures.values():
            raise failure
        handle = manager.get_plugin("main")
        await handle.get_symbols()
        return {"type": handle.metadata.plugin_type, **await work(handle)}


# --- the same results


def stand_still(venue: Venue) -> None:
    for name in ("spot", "linear"):
        market, symbol = PLACES[venue.name][name]
        venue.freeze_book(market, symbol)


PLACES = {
    "binance": {"spot": ("spot", "BTCUSDT"), "linear": ("usdm", "BTCUSDT")},
    "okx": {"spot": ("spot", "BTC-USDT"), "linear": ("swap", "BTC-USDT-SWAP")},
    "bybit": {"spot": ("spot", "BTCUSDT"), "linear": ("linear", "BTCUSDT")},
    "htx": {"spot": ("spot", "btcusdt"), "linear": ("linear", "BTC-USDT")},
}


async def both(
    venue: Venue,
    work: Callable[[ExchangeHandle], Awaitable[dict[str, Any]]],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the program gives before and after the word is changed, each with an account of its own."""
    results = []
    for changed in (False, True):
        account = new_account()
        venue.open_account(account)
        path = written(venue, account, folder, monkeypatch)
        if changed:
            change_one_word(path, venue.name)
        results.append(await program(path, work))
    native, ccxt = results
    assert (native.pop("type"), ccxt.pop("type")) == (PluginType.CUSTOM, PluginType.CCXT)
    return native, ccxt


@pytest.mark.parametrize("name", VENUES)
async def test_the_same_market_is_seen_with_one_word_changed(
    venues: Mapping[str, Venue], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_still(venues[name])
    native, ccxt = await both(venues[name], watch, tmp_path, monkeypatch)
    assert ccxt["funding"] == native["funding"]
    for market in ("spot", "linear"):
        for part in attrs.fields(Market):
            assert getattr(ccxt[market], part.name) == getattr(native[market], part.name), (market, part.name)


@pytest.mark.parametrize("name", VENUES)
async def test_the_same_trading_comes_of_it_with_one_word_changed(
    venues: Mapping[str, Venue], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    native, ccxt = await both(venues[name], trade, tmp_path, monkeypatch)
    assert ccxt == native
    assert native["streamed"] == [{CANCELLED}, {FILLED}, {FILLED}]
    assert (native["held"], native["left"], native["streamed fills"]) == (
        [(LINEAR, PositionSide.LONG, SIZE)],
        [],
        2 * SIZE,
    )


@pytest.mark.parametrize("name", VENUES)
async def test_what_ccxt_cannot_is_declared_and_refused_before_anything_is_sent(
    venues: Mapping[str, Venue], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue, account = venues[name], new_account()
    venue.open_account(account)
    path = written(venue, account, tmp_path, monkeypatch)
    change_one_word(path, name)
    async with PluginManager.from_config(path) as manager:
        handle = manager.get_plugin("main")
        await handle.get_symbols()
        kind = handle.symbol(SPOT).kind
        for operation in (Operation.GET_FUNDING_RATE, Operation.GET_FUNDING_RATE_HISTORY):
            assert not handle.capabilities.support(operation, kind)
            with pytest.raises(NotSupported, match=operation.value):
                await getattr(handle, operation.value)(SPOT)
        if name in ("bybit", "htx"):  # Binance and OKX have all of them
            order = OrderRequest(
                symbol=SPOT if name == "bybit" else LINEAR,
                side=Side.SELL,
                type=OrderType.STOP,
                amount=SIZE,
                trigger_price=Decimal(50_000),
            )
            sent = len(venue.exchange.engine.orders(account.name))
            with pytest.raises(NotSupported):
                await handle.create_order(order)
            assert len(venue.exchange.engine.orders(account.name)) == sent


# --- which plugin a name means


def installed(folder: Path, **plugins: str) -> PluginRegistry:
    """The plugins of an installation that has these distributions' metadata and nothing else."""
    info = folder / "site" / "fra_some-1.0.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: fra-some\nVersion: 1.0\n")
    rows = [f"{name} = {target}" for name, target in plugins.items()]
    info.joinpath("entry_points.txt").write_text("\n".join(["[fra.exchanges]", *rows]) + "\n")
    return PluginRegistry(path=[str(info.parent)], environ={})


async def test_where_only_the_one_on_ccxt_is_installed_the_plain_name_means_it(
    venues: Mapping[str, Venue], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = new_account()
    venues["okx"].open_account(account)
    path = written(venues["okx"], account, tmp_path, monkeypatch)
    registry = installed(tmp_path, okx_ccxt="fra.adapters.ccxt:OKXCCXT")
    assert (await program(path, watch, registry=registry))["type"] is PluginType.CCXT


async def test_where_two_variants_are_installed_the_plain_name_is_an_error_that_lists_them(
    venues: Mapping[str, Venue], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(venues["okx"], new_account(), tmp_path, monkeypatch)
    registry = installed(tmp_path, okx_ccxt="fra.adapters.ccxt:OKXCCXT", okx_other="fra.exchanges.okx:OKXPlugin")
    with pytest.raises(PluginConflict, match="okx_ccxt, okx_other"):
        await program(path, watch, registry=registry)
