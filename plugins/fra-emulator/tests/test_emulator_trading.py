"""ccxt and ccxt.pro trade on the emulated venues as they know them: pointed at them by URLs, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import ccxt.async_support as ccxt
import ccxt.pro as ccxtpro
import pytest

from fra.emulator import Account, Emulator, Markets
from fra.matching import Event, FundingPaid

ACCOUNT = Account(key="trader-key", secret="trader-secret", passphrase="trader-word")
SWAP, SPOT = "BTC/USDT:USDT", "BTC/USDT"


@attrs.frozen
class Traits:
    """What differs between the venues, as ccxt has it."""

    options: Mapping[str, Any] = attrs.field(factory=dict)
    contracts: Decimal = Decimal(1)
    """Contracts of the swap for one coin."""
    spot_buy: Mapping[str, Any] = attrs.field(factory=dict)
    """Parameters of a spot market buy by base amount."""
    fee_sign: int = 1
    """-1 where ccxt turns the sign of the venue's fee round."""
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    """Of the emulator."""
    lacking: tuple[type[Exception], str] = (ccxt.InsufficientFunds, "")
    """What ccxt raises where money lacks: it reads Binance's codes of USD-M only at Binance's own host name."""
    funding_sign: int = 1
    """-1 where ccxt hands on the venue's fee, positive when paid, as the amount."""


HTX = {"htx_multi_assets": True}
VENUES: Mapping[str, Traits] = {
    "binance": Traits(lacking=(ccxt.ExchangeError, "-2019")),
    "okx": Traits(contracts=Decimal(100), spot_buy={"tgtCcy": "base_ccy"}),
    "bybit": Traits(options={"fetchOrder": {"acknowledged": True}}, funding_sign=-1),
    # ccxt trades HTX's contracts by the paths of multi-assets accounts only
    "htx": Traits(contracts=Decimal(1000), spot_buy={"cost": True}, settings=HTX, fee_sign=-1),
}
Point = Callable[[Any, Markets], Any]


class Trader:
    """A ccxt client of one emulated venue."""

    def __init__(self, name: str, emulator: Emulator, point: Point) -> None:
        self.name = name
        self.traits = VENUES[name]
        self.venue = emulator.venues[name]
        settings = {"apiKey": ACCOUNT.key, "secret": ACCOUNT.secret, "password": ACCOUNT.passphrase}
        client = getattr(ccxtpro, name)({**settings, "options": dict(self.traits.options)})
        self.client: Any = point(client, self.venue.markets)

    async def price(self, symbol: str, *, away: float) -> float:
        """A price on the grid, this share below the best bid."""
        book = await self.client.fetch_order_book(symbol)
        return float(self.client.price_to_precision(symbol, book["bids"][0][0] * (1 - away)))

    def size(self, symbol: str, coins: str) -> float:
        """Coins as ccxt wants them: contracts on swaps."""
        return float(Decimal(coins) * (self.traits.contracts if symbol == SWAP else 1))


@asynccontextmanager
async def trading(name: str, point: Mapping[str, Point], **settings: Any) -> AsyncIterator[Trader]:
    """A client with its markets loaded, at a venue of its own."""
    async with Emulator([name], seed=3, accounts=[ACCOUNT], **{**VENUES[name].settings, **settings}) as emulator:
        trader = Trader(name, emulator, point[name])
        try:
            await trader.client.load_markets()
            yield trader
        finally:
            await trader.client.close()


@pytest.fixture(params=VENUES)
async def trader(request: pytest.FixtureRequest, point: Mapping[str, Point]) -> AsyncIterator[Trader]:
    async with trading(request.param, point) as trader:
        yield trader


async def test_a_market_order_becomes_a_position_and_is_paid_for(trader: Trader) -> None:
    client = trader.client
    made = await client.create_order(SWAP, "market", "buy", trader.size(SWAP, "0.1"))
    order = await client.fetch_order(made["id"], SWAP)
    assert (order["status"], order["filled"]) == ("closed", trader.size(SWAP, "0.1"))
    (position,) = await client.fetch_positions([SWAP])
    assert (position["side"], position["contracts"]) == ("long", trader.size(SWAP, "0.1"))
    fills = await client.fetch_my_trades(SWAP)
    assert sum(fill["amount"] for fill in fills) == pytest.approx(trader.size(SWAP, "0.1"))
    fee = sum(fill["fee"]["cost"] for fill in fills)
    assert fee * trader.traits.fee_sign > 0


async def test_a_limit_order_rests_is_found_and_is_cancelled(trader: Trader) -> None:
    client = trader.client
    price = await trader.price(SWAP, away=0.02)
    made = await client.create_order(SWAP, "limit", "buy", trader.size(SWAP, "0.1"), price)
    (resting,) = await client.fetch_open_orders(SWAP)
    assert (resting["id"], resting["price"], resting["status"]) == (made["id"], price, "open")
    await client.cancel_order(made["id"], SWAP)
    assert await client.fetch_open_orders(SWAP) == []
    assert (await client.fetch_order(made["id"], SWAP))["status"] == "canceled"


async def test_an_ioc_that_finds_nothing_ends_unfilled(trader: Trader) -> None:
    client = trader.client
    price = await trader.price(SWAP, away=0.02)
    made = await client.create_order(SWAP, "limit", "buy", trader.size(SWAP, "0.1"), price, {"timeInForce": "IOC"})
    order = await client.fetch_order(made["id"], SWAP)
    assert order["status"] in ("canceled", "expired")
    assert order["filled"] == 0
    # a venue may tell of a position that is flat
    assert not any(position["contracts"] for position in await client.fetch_positions([SWAP]))


async def test_a_post_only_order_never_takes(trader: Trader) -> None:
    client = trader.client
    price = await trader.price(SWAP, away=-0.02)
    try:
        made = await client.create_order(SWAP, "limit", "buy", trader.size(SWAP, "0.1"), price, {"postOnly": True})
    except ccxt.ExchangeError:
        pass  # refused at once, as some venues do
    else:
        order = await client.fetch_order(made["id"], SWAP)
        assert (order["status"] in ("canceled", "expired", "rejected"), order["filled"]) == (True, 0)
    assert await client.fetch_my_trades(SWAP) == []


async def test_coins_are_bought_and_sold_on_spot(trader: Trader) -> None:
    client = trader.client
    before = (await client.fetch_balance({"type": "spot"}))["USDT"]["total"]
    if trader.traits.spot_buy.get("cost"):
        await client.create_market_buy_order_with_cost(SPOT, 1000)
    else:
        await client.create_order(SPOT, "market", "buy", 0.01, None, dict(trader.traits.spot_buy))
    balance = await client.fetch_balance({"type": "spot"})
    bought = balance["BTC"]["total"]
    assert bought > 0.005
    assert balance["USDT"]["total"] < before
    sold = float(client.amount_to_precision(SPOT, bought))
    await client.create_order(SPOT, "market", "sell", sold)
    assert (await client.fetch_balance({"type": "spot"}))["USDT"]["total"] < before


async def test_what_the_account_lacks_is_refused_as_such(trader: Trader) -> None:
    price = await trader.price(SWAP, away=0.01)
    kind, told = trader.traits.lacking
    with pytest.raises(kind, match=told or None):
        await trader.client.create_order(SWAP, "limit", "buy", trader.size(SWAP, "100"), price)


async def test_wrong_credentials_are_refused_as_such(trader: Trader) -> None:
    trader.client.secret = "not-the-secret"
    with pytest.raises(ccxt.AuthenticationError):
        await trader.client.fetch_balance()


async def test_an_order_that_is_not_there_is_refused_as_such(trader: Trader) -> None:
    with pytest.raises(ccxt.OrderNotFound):
        await trader.client.cancel_order("1234567890", SWAP)


@pytest.mark.parametrize("name", VENUES)
async def test_funding_is_paid_and_told(name: str, point: Mapping[str, Point]) -> None:
    async with trading(name, point, settle_in_s=4) as trader:
        exchange = trader.venue.exchange
        paid = asyncio.Event()

        def hear(event: Event) -> None:
            if isinstance(event, FundingPaid):
                paid.set()

        exchange.listen(ACCOUNT, hear)
        await trader.client.create_order(SWAP, "market", "sell", trader.size(SWAP, "0.1"))
        async with asyncio.timeout(20):
            await paid.wait()
        (payment,) = exchange.engine.payments(ACCOUNT.name)
        told = await trader.client.fetch_funding_history(SWAP)
        amount = trader.traits.funding_sign * float(payment.amount)
        assert [entry["amount"] for entry in told] == [pytest.approx(amount)]


async def test_own_orders_and_balances_are_watched(trader: Trader) -> None:
    client, size = trader.client, trader.size(SWAP, "0.01")
    orders = asyncio.create_task(client.watch_orders(SWAP))
    balance = asyncio.create_task(client.watch_balance({"type": "swap"}))
    async with asyncio.timeout(30):
        while not (orders.done() and balance.done()):
            await client.create_order(SWAP, "market", "buy", size)
            await asyncio.wait((orders, balance), timeout=0.5, return_when=asyncio.ALL_COMPLETED)
        seen = orders.result()
        while not any(order["filled"] == size for order in seen):
            seen = await client.watch_orders(SWAP)
    assert "USDT" in balance.result()


async def test_own_positions_are_watched(trader: Trader) -> None:
    client, size = trader.client, trader.size(SWAP, "0.01")
    async with asyncio.timeout(30):
        seen: list[Any] = []
        while not any(position["side"] == "long" and position["contracts"] >= size for position in seen):
            watched = asyncio.create_task(client.watch_positions([SWAP]))
            while not watched.done():
                await client.create_order(SWAP, "market", "buy", size)
                await asyncio.wait((watched,), timeout=0.5)
            seen = watched.result()
