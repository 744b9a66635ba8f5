"""The exchange behind the front-ends: orders against the generated market, funding, and what the public sees."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from fra.emulator import Account, Emulator
from fra.emulator.exchange import Listing, VenueExchange
from fra.matching import Event, Filled, FundingPaid, OrderRequest, OrderStatus, OrderType, Reason, Refused, Side

TRADER = Account(key="trader-key", secret="trader-secret", balances={"USDT": Decimal(1_000_000)})


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(["binance", "okx"], seed=3, accounts=[TRADER]) as emulator:
        yield emulator


def listed(exchange: VenueExchange, market: str, symbol: str) -> Listing:
    found = exchange.find(market, symbol)
    assert found is not None
    return found


def test_a_listings_sizes_are_contracts_where_the_venue_counts_so(emulator: Emulator) -> None:
    swap = listed(emulator.okx.exchange, "swap", "BTC-USDT-SWAP")
    assert (swap.amount(Decimal(250)), swap.size(Decimal("2.5"))) == (Decimal("2.5"), 250)
    assert swap.terms.lot == swap.instrument.lot * swap.instrument.contract_size
    usdm = listed(emulator.binance.exchange, "usdm", "BTCUSDT")
    assert usdm.amount(Decimal("0.25")) == Decimal("0.25")
    assert usdm.symbol != listed(emulator.binance.exchange, "spot", "BTCUSDT").symbol


async def test_a_taker_pays_what_the_public_book_asks_and_takes_it_away(emulator: Emulator) -> None:
    venue = emulator.okx
    exchange = venue.exchange
    swap = listed(exchange, "swap", "ETH-USDT-SWAP")
    venue.freeze_book("swap", "ETH-USDT-SWAP")
    before = venue.book("swap", "ETH-USDT-SWAP").asks
    best, size = Decimal(before[0][0]), swap.amount(Decimal(before[0][1]))
    order = exchange.place(
        TRADER, OrderRequest(symbol=swap.symbol, side=Side.BUY, type=OrderType.MARKET, amount=size + swap.terms.lot)
    )
    assert (order.status, order.filled) == (OrderStatus.FILLED, size + swap.terms.lot)
    assert order.average is not None
    assert best < order.average < best * 2
    after = venue.book("swap", "ETH-USDT-SWAP").asks
    assert Decimal(after[0][0]) == Decimal(before[1][0])
    assert swap.amount(Decimal(after[0][1])) == swap.amount(Decimal(before[1][1])) - swap.terms.lot


async def test_a_resting_order_is_filled_at_its_price_when_the_market_comes_to_it(emulator: Emulator) -> None:
    exchange = emulator.binance.exchange
    filled = asyncio.Event()
    fills: list[Filled] = []

    def hear(event: Event) -> None:
        if isinstance(event, Filled):
            fills.append(event)
            filled.set()

    exchange.listen(TRADER, hear)
    spot = listed(exchange, "spot", "BTCUSDT")
    bid = Decimal(emulator.binance.book("spot", "BTCUSDT").bids[0][0])
    order = exchange.place(
        TRADER,
        OrderRequest(symbol=spot.symbol, side=Side.BUY, price=bid + spot.terms.tick, amount=1000 * spot.terms.lot),
    )
    if order.status is OrderStatus.NEW:
        async with asyncio.timeout(20):
            await filled.wait()
    assert fills[0].fill.price == bid + spot.terms.tick
    assert fills[0].fill.fee_asset == "BTC"


async def test_funding_is_paid_at_the_settlement_at_the_rate_that_the_venue_publishes() -> None:
    async with Emulator(["okx"], seed=3, accounts=[TRADER], settle_in_s=1) as emulator:
        exchange = emulator.okx.exchange
        paid = asyncio.Event()
        payments: list[FundingPaid] = []

        def hear(event: Event) -> None:
            if isinstance(event, FundingPaid):
                payments.append(event)
                paid.set()

        exchange.listen(TRADER, hear)
        swap = listed(exchange, "swap", "BTC-USDT-SWAP")
        exchange.place(
            TRADER, OrderRequest(symbol=swap.symbol, side=Side.SELL, type=OrderType.MARKET, amount=Decimal(1))
        )
        async with asyncio.timeout(20):
            await paid.wait()
        payment = payments[0].payment
        assert payment.amount == payment.mark * payment.rate
        assert payment.timestamp_ms % swap.instrument.interval_ms == emulator.funding_shift_ms % (
            swap.instrument.interval_ms
        )


async def test_wallets_are_the_venues(emulator: Emulator) -> None:
    binance = {(b.wallet, b.asset) for b in emulator.binance.exchange.engine.balances(TRADER.name)}
    assert binance == {("spot", "USDT"), ("usdm", "USDT")}
    assert {b.wallet for b in emulator.okx.exchange.engine.balances(TRADER.name)} == {"trading"}


async def test_a_refusal_says_why_and_leaves_nothing(emulator: Emulator) -> None:
    exchange = emulator.binance.exchange
    spot = listed(exchange, "spot", "BTCUSDT")
    with pytest.raises(Refused) as refused:
        exchange.place(
            TRADER, OrderRequest(symbol=spot.symbol, side=Side.SELL, price=Decimal(10**5), amount=Decimal(1))
        )
    assert refused.value.reason is Reason.INSUFFICIENT_FUNDS
    assert exchange.engine.orders(TRADER.name) == ()


async def test_a_key_opens_one_account(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match="is taken"):
        emulator.okx.open_account(TRADER)
    assert emulator.okx.account("trader-key") is TRADER
    assert emulator.okx.account("stranger") is None
    assert "trader-secret" not in repr(TRADER)
