"""What a venue lists, found by unified name, and the rules that orders are held to."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import attrs
import pytest

from fra.core import (
    ExchangeConnectionError,
    InvalidOrder,
    OrderRequest,
    OrderType,
    RefusedInstrument,
    Side,
    SymbolList,
    SymbolNotFound,
    SymbolsChanged,
)


async def test_symbols_are_loaded_once_however_many_need_them(kit) -> None:
    async with kit.running(symbols=False) as mem:
        await asyncio.gather(*(mem.get_ticker("BTC/USDT") for _ in range(10)))
        assert kit.plugin.calls.count("get_symbols") == 1


async def test_a_loading_that_failed_is_tried_again_by_the_next_who_needs_it(kit) -> None:
    class Once(kit.Memory):
        async def get_symbols(self):
            if not self.calls:
                self.calls.append("failed")
                raise ConnectionResetError
            return await super().get_symbols()

    async with kit.running(Once, symbols=False) as mem:
        with pytest.raises(ExchangeConnectionError):
            await mem.get_symbols()
        assert len(await mem.get_symbols()) == 2


async def test_another_venues_symbol_means_our_own_of_that_name(kit) -> None:
    theirs = attrs.evolve(kit.SPOT, venue_id="tBTCUST", contract_size=Decimal(7))
    async with kit.running() as mem:
        await mem.get_ticker(theirs)
        assert kit.plugin.calls[-1] == ("get_ticker", kit.SPOT)


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("BTC/USDTT", "did you mean 'BTC/USDT'"),
        ("btc/usdt", "did you mean 'BTC/USDT'"),
        ("BTCUSDT", "its unified name is 'BTC/USDT'"),
        ("XMR/EUR", "handle.symbols lists what there is"),
        ("WEIRD", "WEIRD could not be taken: no tick size"),
    ],
)
async def test_an_unknown_name_is_answered_with_what_could_be_meant(kit, name, cure) -> None:
    async with kit.running(symbols=False) as mem:
        listed = SymbolList((kit.SPOT, kit.SWAP))
        listed.refused = (RefusedInstrument("WEIRD", "no tick size"),)
        kit.plugin.symbols = listed
        await mem.get_symbols()
        with pytest.raises(SymbolNotFound, match=cure):
            mem.symbol(name)


async def test_refused_instruments_stay_visible(kit) -> None:
    async with kit.running(symbols=False) as mem:
        listed = SymbolList((kit.SPOT,))
        listed.refused = (RefusedInstrument("WEIRD", "no tick size"),)
        kit.plugin.symbols = listed
        assert (await mem.get_symbols()).refused == mem.refused == listed.refused


async def test_two_instruments_of_one_name_are_not_merged_in_silence(kit) -> None:
    async with kit.running(symbols=False) as mem:
        kit.plugin.symbols = (kit.SPOT, attrs.evolve(kit.SPOT, venue_id="BTCUSDT2"))
        assert list(await mem.get_symbols()) == [kit.SPOT]
        assert mem.refused == (RefusedInstrument("BTCUSDT2", "BTCUSDT has its name BTC/USDT already"),)


async def test_a_listing_that_changed_is_an_event(kit) -> None:
    async with kit.running() as mem:
        await mem.get_symbols(refresh=True)
        assert kit.heard(SymbolsChanged) == []
        finer = attrs.evolve(kit.SPOT, tick_size=Decimal("0.01"))
        kit.plugin.symbols = (finer, attrs.evolve(kit.SWAP, name="ETH/USDT:USDT"))
        await mem.get_symbols(refresh=True)
        (event,) = kit.heard(SymbolsChanged)
        assert (event.added, event.removed, event.changed) == (("ETH/USDT:USDT",), ("BTC/USDT:USDT",), ("BTC/USDT",))
        assert mem.symbol("BTC/USDT").tick_size == Decimal("0.01")


async def test_metadata_knows_the_symbols_once_they_are_loaded(kit) -> None:
    async with kit.running(symbols=False) as mem:
        assert mem.metadata.supported_symbols == ()
        await mem.get_symbols()
        assert mem.metadata.supported_symbols == ("BTC/USDT", "BTC/USDT:USDT")
        assert mem.metadata.min_trade_amounts == {"BTC/USDT": Decimal("0.002")}


# --- orders against the rules: BTC/USDT has tick 0.1, lot 0.001, amounts 0.002 to 10, notional from 5


def order(**values: object) -> OrderRequest:
    given = {"amount": Decimal(1), "price": Decimal(100), "type": OrderType.LIMIT, "side": Side.BUY} | values
    return OrderRequest(symbol="BTC/USDT", **given)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            order(price=Decimal("100.12")),
            r"price 100\.12 .* of 0\.1: the nearest valid are 100\.1 and 100\.2",
        ),
        (order(price=Decimal("0.04")), r"the nearest valid is 0\.1"),
        (order(amount=Decimal("0.0125")), r"amount 0\.0125 .* the nearest valid are 0\.012 and 0\.013"),
        (order(amount=Decimal("0.001")), r"0\.001 BTC of BTC/USDT is below its minimum of 0\.002"),
        (order(amount=Decimal(11)), r"11 BTC of BTC/USDT is above its maximum of 10"),
        (
            order(amount=Decimal("0.004")),
            r"0\.4 USDT of BTC/USDT is below its minimum of 5: the smallest valid amount at this price is 0\.05 BTC",
        ),
        (
            order(type=OrderType.STOP, price=None, trigger_price=Decimal("1.23")),
            r"trigger price 1\.23 .* are 1\.2 and 1\.3",
        ),
        (
            order(type=OrderType.MARKET, side=Side.SELL, price=None, amount=None, quote_amount=Decimal(50)),
            "quote_amount is for spot market buys",
        ),
        (
            order(type=OrderType.MARKET, price=None, amount=None, quote_amount=Decimal(4)),
            "4 USDT of BTC/USDT is below its minimum of 5",
        ),
    ],
)
async def test_an_order_off_the_rules_is_refused_with_the_nearest_valid_values(kit, request_, message) -> None:
    async with kit.running() as mem:
        with pytest.raises(InvalidOrder, match=f"mem: .*{message}"):
            await mem.create_order(request_)
        assert all(call[0] != "create_order" for call in kit.plugin.calls)


@pytest.mark.parametrize(
    "request_",
    [
        order(),
        order(price=Decimal("100.10"), amount=Decimal("0.050")),
        order(type=OrderType.MARKET, price=None, amount=Decimal("0.002")),
        order(amount=Decimal("0.002"), reduce_only=True),
        order(type=OrderType.MARKET, price=None, amount=None, quote_amount=Decimal(5)),
    ],
)
async def test_an_order_by_the_rules_leaves_as_it_is(kit, request_) -> None:
    async with kit.running() as mem:
        await mem.create_order(request_)
        _, sent, symbol = kit.plugin.calls[-1]
        assert attrs.evolve(sent, client_order_id=None) == request_
        assert symbol == kit.SPOT


async def test_a_symbol_that_does_not_trade_takes_no_order(kit) -> None:
    async with kit.running(symbols=False) as mem:
        kit.plugin.symbols = (attrs.evolve(kit.SPOT, active=False),)
        with pytest.raises(InvalidOrder, match="BTC/USDT is not trading now"):
            await mem.create_order(order())
