"""The generated market is the same for a seed, and consistent in itself."""

import pytest

from fra.emulator.book import BookEngine, Step
from fra.emulator.instruments import for_venue
from fra.emulator.market import Market

START = 1_790_000_000_000
HOUR = 3_600_000


def market(venue: str = "binance", seed: int = 7) -> Market:
    return Market(for_venue(venue), seed=seed)


def walk(market: Market, place: str, symbol: str, steps: int = 400) -> tuple[BookEngine, list[Step]]:
    instrument = market.find(place, symbol)
    assert instrument is not None
    engine = market.book(instrument, START)
    times = range(START + 50, START + 50 * (steps + 1), 50)
    return engine, [engine.step(market.mid(instrument, t), t) for t in times]


def test_the_same_seed_gives_the_same_book_trades_and_ids() -> None:
    one, two = walk(market(), "usdm", "BTCUSDT"), walk(market(), "usdm", "BTCUSDT")
    assert one[1] == two[1]
    assert one[0].levels() == two[0].levels()


def test_another_seed_gives_another_market() -> None:
    assert walk(market(seed=7), "usdm", "BTCUSDT")[1] != walk(market(seed=8), "usdm", "BTCUSDT")[1]


@pytest.mark.parametrize("symbol", ["BTCUSDT", "XRPUSDT", "1000PEPEUSDT", "TRBUSDT"])
def test_the_book_never_crosses_and_stays_full(symbol: str) -> None:
    engine, steps = walk(market(), "usdm", symbol, steps=1000)
    assert engine.best_bid < engine.best_ask
    assert (len(engine.bids), len(engine.asks)) == (150, 150)
    assert engine.best_ask - engine.best_bid < 0.0005 * engine.best_bid
    assert all(lots > 0 for lots in (*engine.bids.values(), *engine.asks.values()))
    assert len({s.last_id for s in steps}) == len(steps)


def test_the_deltas_rebuild_the_book() -> None:
    fresh = market()
    instrument = fresh.find("spot", "ETHUSDT")
    assert instrument is not None
    engine = fresh.book(instrument, START)
    bids, asks = dict(engine.bids), dict(engine.asks)
    for t in range(START + 50, START + 20_000, 50):
        step = engine.step(fresh.mid(instrument, t), t)
        for side, changes in ((bids, step.bids), (asks, step.asks)):
            side.update(changes)
            for price in [p for p, lots in side.items() if lots == 0]:
                del side[price]
        assert (bids, asks) == (engine.bids, engine.asks)


def test_a_past_book_is_remembered_by_its_id() -> None:
    fresh = market()
    instrument = fresh.find("usdm", "SOLUSDT")
    assert instrument is not None
    engine = fresh.book(instrument, START)
    seen = []
    for t in range(START + 50, START + 5_000, 50):
        engine.step(fresh.mid(instrument, t), t)
        seen.append(engine.levels())
    assert [engine.at(levels.update_id) for levels in seen] == seen
    assert engine.at(seen[0].update_id + 1) is None or seen[0].update_id + 1 == seen[1].update_id


def test_spot_ids_follow_each_other_and_derivatives_leave_holes() -> None:
    _, spot = walk(market(), "spot", "BTCUSDT")
    assert all(s.first_id == s.previous_id + 1 for s in spot)
    _, usdm = walk(market(), "usdm", "BTCUSDT")
    assert any(s.first_id > s.previous_id + 1 for s in usdm)


def test_trades_happen_inside_the_book_that_they_met() -> None:
    fresh = market()
    instrument = fresh.find("usdm", "BTCUSDT")
    assert instrument is not None
    engine = fresh.book(instrument, START)
    count = 0
    for t in range(START + 50, START + 60_000, 50):
        before = engine.levels()
        for trade in engine.step(fresh.mid(instrument, t), t).trades:
            side = before.asks if trade.taker_buys else before.bids
            assert 0 < trade.amount <= side[trade.price]
            count += 1
    assert count > 100


def test_two_venues_quote_one_asset_alike_and_fund_it_differently() -> None:
    binance, okx = market("binance"), market("okx")
    pepe, pepe_okx = binance.find("usdm", "1000PEPEUSDT"), okx.find("swap", "PEPE-USDT-SWAP")
    assert pepe is not None
    assert pepe_okx is not None
    assert binance.mid(pepe, START) / 1000 == pytest.approx(okx.mid(pepe_okx, START), rel=0.002)
    assert binance.funding(pepe, START) != okx.funding(pepe_okx, START)


@pytest.mark.parametrize("venue", ["binance", "okx", "bybit", "htx"])
def test_instruments_settle_at_one_four_and_eight_hours(venue: str) -> None:
    listed = [i for i in for_venue(venue) if i.is_swap]
    assert {i.interval_hours for i in listed} == {1, 4, 8}
    fresh = market(venue)
    for instrument in listed:
        settles = fresh.next_settlement(instrument, START)
        assert settles % instrument.interval_ms == 0
        assert 0 <= settles - START < instrument.interval_ms


def test_candles_join_up() -> None:
    fresh = market()
    instrument = fresh.find("spot", "BTCUSDT")
    assert instrument is not None
    opening = START // HOUR * HOUR
    one, two = (fresh.candle(instrument, opening + k * HOUR, HOUR, START + 5 * HOUR) for k in (0, 1))
    assert one.close == two.open
    assert one.low <= min(one.open, one.close) <= max(one.open, one.close) <= one.high
    assert one.closed


def test_what_is_traded_in_a_day_changes_little_from_one_second_to_the_next() -> None:
    fresh = market()
    instrument = fresh.find("usdm", "BTCUSDT")
    assert instrument is not None
    volumes = [fresh.day(instrument, START + 1000 * second).volume for second in range(60)]
    assert all(volume == pytest.approx(volumes[0], rel=0.01) for volume in volumes)
    assert volumes[0] != pytest.approx(fresh.day(instrument, START + 20 * HOUR).volume, rel=0.01)


def test_generated_symbols_add_to_the_bundled_ones() -> None:
    plain, loaded = for_venue("okx"), for_venue("okx", extra=50, seed=3)
    assert len(loaded) == len(plain) + 100
    assert len({(i.market, i.symbol) for i in loaded}) == len(loaded)
