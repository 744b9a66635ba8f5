"""What is counted of each event, and what is never shown."""

from __future__ import annotations

import itertools
import time
from datetime import timedelta
from decimal import Decimal

import pytest

from fra.core import (
    ConnectionChanged,
    ConnectionStatus,
    ErrorRaised,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeRateLimitError,
    Fill,
    FillReceived,
    FraError,
    FundingIntervalChanged,
    FundingRate,
    FundingRateChanged,
    Health,
    HealthChecked,
    InsufficientFunds,
    IntervalSource,
    InvalidOrder,
    Operation,
    Order,
    OrderChanged,
    OrderRefused,
    OrderRequest,
    OrderStatus,
    OrderType,
    OrderVetoed,
    PluginError,
    PluginLoaded,
    PluginUnloaded,
    RateKind,
    RateLimited,
    Side,
    StreamGap,
    StreamGapped,
    StreamHealth,
    StreamStatus,
    StreamStatusChanged,
    hookimpl,
)

NOW = 1_700_000_000_000
BTC = "BTC/USDT:USDT"
CUT = ExchangeConnectionError("cut")
REQUEST = OrderRequest(
    symbol=BTC, side=Side.BUY, type=OrderType.MARKET, amount=Decimal(1), client_order_id="SeCrEtClIeNtId"
)


def order(status: OrderStatus) -> Order:
    return Order.of(REQUEST, status=status, id="venue-id-17")


def funding(symbol: str = BTC, interval: timedelta | None = timedelta(hours=8)) -> FundingRate:
    return FundingRate(
        symbol=symbol,
        kind=RateKind.ESTIMATED,
        rate=Decimal("0.0001"),
        received_ms=NOW,
        interval=interval,
        interval_source=IntervalSource.REPORTED if interval else None,
        next_settlement_ms=NOW + 60_000,
    )


def stream(channel: str, age: float | None, status: str = "live", symbol: str | None = BTC) -> StreamHealth:
    return StreamHealth(channel=channel, symbol=symbol, status=status, age=age, consumers=1)


async def test_the_state_of_a_connection_and_its_breaks(program) -> None:
    program.exchange("okx", status=ConnectionStatus.RECONNECTING)
    old, new = ConnectionStatus.CONNECTED, ConnectionStatus.RECONNECTING
    program.tell(ConnectionChanged, old=ConnectionStatus.CONNECTING, new=ConnectionStatus.CONNECTED)
    assert program.figures()["fra_reconnects_total", "okx"] == 0
    for _ in range(2):
        program.tell(ConnectionChanged, old=old, new=new)
        program.tell(ConnectionChanged, old=new, new=old)
    found = program.figures()
    assert found["fra_reconnects_total", "okx"] == 2
    states = {key[2]: value for key, value in found.items() if key[0] == "fra_connection_state"}
    assert states == {state.value: state is ConnectionStatus.RECONNECTING for state in ConnectionStatus}


async def test_the_age_of_data_is_that_of_the_stream_that_was_silent_longest(program) -> None:
    program.exchange("okx", stream("trades", 3.0), stream("trades", 20.5), stream("trades", None, "starting"))
    found = program.figures()
    assert found["fra_stream_data_timestamp_seconds", "okx", "trades"] == NOW / 1000 - 20.5
    assert found["fra_streams", "okx", "live", "trades"] == 2
    assert found["fra_streams", "okx", "starting", "trades"] == 1


async def test_a_stream_that_was_closed_is_no_longer_shown(program) -> None:
    program.exchange("okx", stream("trades", 3.0))
    program.figures()
    program.exchange("okx")
    assert not [key for key in program.figures() if key[0].startswith("fra_stream")]


async def test_gaps_breaks_and_resyncs_of_streams(program) -> None:
    program.tell(StreamGapped, channel="trades", symbol=BTC, gap=StreamGap("lost"))
    for old, new, error in (
        (StreamStatus.STARTING, StreamStatus.LIVE, None),
        (StreamStatus.LIVE, StreamStatus.RECOVERING, CUT),
        (StreamStatus.RECOVERING, StreamStatus.LIVE, None),
        (StreamStatus.LIVE, StreamStatus.STALE, None),
        (StreamStatus.STALE, StreamStatus.RECOVERING, CUT),
        (StreamStatus.RECOVERING, StreamStatus.LIVE, None),
        (StreamStatus.LIVE, StreamStatus.RECOVERING, StreamGap("lost")),
        (StreamStatus.RECOVERING, StreamStatus.CLOSED, None),
    ):
        program.tell(StreamStatusChanged, channel="trades", symbol=BTC, old=old, new=new, error=error)
    found = {key: value for key, value in program.figures().items() if key[0].startswith("fra_stream")}
    assert found == {
        ("fra_stream_gaps_total", "okx", "trades"): 1,
        ("fra_stream_breaks_total", "okx", "connection", "trades"): 1,
        ("fra_stream_breaks_total", "okx", "silence", "trades"): 1,
        ("fra_stream_breaks_total", "okx", "gap", "trades"): 1,
        ("fra_stream_resyncs_total", "okx", "trades"): 2,
    }


@pytest.mark.parametrize("end", [status for status in OrderStatus if status.final])
async def test_an_order_counts_once_by_its_end(program, end: OrderStatus) -> None:
    steps = [OrderStatus.PENDING, OrderStatus.OPEN, OrderStatus.OPEN, end, end]
    for old, new in itertools.pairwise(steps):
        program.tell(OrderChanged, order=order(new), old=old)
    found = program.figures()
    assert {key: value for key, value in found.items() if key[0] == "fra_orders_total"} == {
        ("fra_orders_total", "okx", end.value): 1
    }


async def test_an_order_first_heard_of_at_its_end_is_history(program) -> None:
    program.tell(OrderChanged, order=order(OrderStatus.FILLED))
    assert ("fra_orders_total", "okx", "filled") not in program.figures()


async def test_orders_of_unknown_fate_are_shown_until_it_is_known(program) -> None:
    program.tell(OrderChanged, order=order(OrderStatus.UNKNOWN), old=OrderStatus.PENDING)
    program.tell(OrderChanged, order=order(OrderStatus.UNKNOWN), old=OrderStatus.PENDING)
    assert program.figures()["fra_unknown_orders", "okx"] == 2
    program.tell(OrderChanged, order=order(OrderStatus.FILLED), old=OrderStatus.UNKNOWN)
    found = program.figures()
    assert found["fra_unknown_orders", "okx"] == 1
    assert found["fra_orders_total", "okx", "unknown"] == 2
    assert found["fra_orders_total", "okx", "filled"] == 1
    program.tell(PluginUnloaded, plugin="okx")
    assert program.figures()["fra_unknown_orders", "okx"] == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InvalidOrder("off grid"), "invalid"),
        (InsufficientFunds("poor"), "funds"),
        (OrderVetoed("no", hook="risk"), "veto"),
        (ExchangeRateLimitError("slow"), "rate_limit"),
        (ExchangeAuthError("who"), "auth"),
        (ExchangeConnectionError("no way", sent=False), "connection"),
        (ExchangeAPIError("no"), "refused"),
        (FraError("the journal failed"), "other"),
    ],
)
async def test_orders_that_did_not_come_to_be(program, error: FraError, reason: str) -> None:
    program.tell(OrderRefused, request=REQUEST, error=error)
    found = program.figures()
    assert found["fra_orders_total", "okx", "refused"] == 1
    assert found["fra_order_refusals_total", "okx", reason] == 1


async def test_fills(program) -> None:
    fill = Fill(symbol=BTC, trade_id="t", side=Side.BUY, price=Decimal(1), amount=Decimal(1), timestamp_ms=NOW)
    program.tell(FillReceived, fill=fill)
    assert program.figures()["fra_fills_total", "okx"] == 1


async def test_waits_for_limits(program) -> None:
    program.tell(RateLimited, scope="weight", seconds=1.5, reason="used up")
    program.tell(RateLimited, scope="weight", seconds=2.5, reason="used up")
    program.tell(RateLimited, scope="weight", seconds=60.0, reason="IP 1.2.3.4 is banned", by_venue=True)
    found = {key: value for key, value in program.figures().items() if key[0].startswith("fra_limiter")}
    assert found == {
        ("fra_limiter_waits_total", "okx", "budget"): 2,
        ("fra_limiter_wait_seconds_total", "okx", "budget"): 4.0,
        ("fra_limiter_waits_total", "okx", "venue"): 1,
        ("fra_limiter_wait_seconds_total", "okx", "venue"): 60.0,
    }


async def test_hooks_that_fail_are_counted_by_name(program) -> None:
    class Bad:
        @hookimpl
        def on_fill(self) -> None:
            raise RuntimeError

    program.bus.add_hook(Bad(), "bad")
    fill = Fill(symbol=BTC, trade_id="t", side=Side.BUY, price=Decimal(1), amount=Decimal(1), timestamp_ms=NOW)
    for _ in range(3):
        program.tell(FillReceived, fill=fill)
    found = program.figures()
    assert found["fra_hook_failures_total", "bad"] == 3
    assert found["fra_hook_failures_total", "prometheus"] == 0
    assert found["fra_hook_disabled", "bad"] == 0
    assert found["fra_errors_total", "okx", "plugin"] == 1  # an error event is told of the first, the tenth, …


async def test_a_slow_hook_is_shown_as_switched_off(program) -> None:
    class Slow:
        @hookimpl
        def on_error(self) -> None:
            time.sleep(0.06)  # what makes it slow

    program.bus.add_hook(Slow(), "slow")
    for _ in range(3):
        program.tell(ErrorRaised, where="somewhere", error=FraError("x"))
    assert program.figures()["fra_hook_disabled", "slow"] == 1


async def test_health_checks(program) -> None:
    health = Health(exchange="okx", status=ConnectionStatus.CONNECTED, checked_ms=NOW, latency=0.02, clock_skew=-0.1)
    program.tell(HealthChecked, health=health)
    found = program.figures()
    assert found["fra_latency_seconds", "okx"] == 0.02
    assert found["fra_clock_skew_seconds", "okx"] == -0.1
    assert found["fra_health_check_timestamp_seconds", "okx"] == NOW / 1000


async def test_funding_of_allowed_symbols_and_no_others(program) -> None:
    program.tell(FundingRateChanged, funding_rate=funding())
    program.tell(FundingRateChanged, funding_rate=funding("ETH/USDT:USDT"))
    found = program.figures()
    assert {key: value for key, value in found.items() if key[0].startswith("fra_funding")} == {
        ("fra_funding_rate_ratio", "okx", BTC): 0.0001,
        ("fra_funding_interval_seconds", "okx", BTC): 28_800,
        ("fra_funding_settlement_timestamp_seconds", "okx", BTC): NOW / 1000 + 60,
        ("fra_funding_data_timestamp_seconds", "okx", BTC): NOW / 1000,
    }
    assert "ETH" not in program.text()


async def test_an_unknown_funding_interval_is_absent_not_zero(program) -> None:
    program.tell(FundingRateChanged, funding_rate=funding())
    program.tell(FundingRateChanged, funding_rate=funding(interval=None))
    found = program.figures()
    assert ("fra_funding_interval_seconds", "okx", BTC) not in found
    assert ("fra_funding_rate_ratio", "okx", BTC) in found


async def test_a_changed_funding_interval_is_counted(program) -> None:
    program.tell(FundingIntervalChanged, old=funding(), new=funding(interval=timedelta(hours=4)))
    assert program.figures()["fra_funding_interval_changes_total", "okx"] == 1


async def test_an_exchange_that_has_gone_is_not_shown_and_one_that_was_reloaded_is(program) -> None:
    for _ in range(2):
        program.tell(PluginLoaded, plugin="okx", distribution="fra-exchange-okx", version="1.0")
    program.tell(FundingRateChanged, funding_rate=funding())
    program.tell(PluginUnloaded, plugin="okx")
    assert program.figures()["fra_plugin_info", "okx", "okx", "1.0"] == 1
    program.tell(PluginUnloaded, plugin="okx")
    assert not [key for key in program.figures() if "okx" in key]


# --- bounds


def everything(program, exchange: str, *, word: str = "") -> None:
    """Every event with every value that it can have; with a ``word``, values that none of ours has."""
    channels = [word] if word else [op.value.removeprefix("subscribe_") for op in Operation if "subscribe" in op.value]
    errors = [
        InvalidOrder("x"), InsufficientFunds("x"), OrderVetoed("x", hook="risk"), ExchangeRateLimitError("x"),
        ExchangeAuthError("x"), ExchangeConnectionError("x"), ExchangeAPIError("x"), StreamGap("x"), FraError("x"),
        PluginError("x", plugin="p"),
    ]  # fmt: skip
    states = [word] if word else [status.value for status in StreamStatus if status is not StreamStatus.CLOSED]
    program.exchange(exchange, *(stream(channel, 1.0, state) for channel in channels for state in states))
    program.tell(PluginLoaded, exchange, plugin="okx", version="1")
    old, new = ConnectionStatus.CONNECTED, ConnectionStatus.RECONNECTING
    program.tell(ConnectionChanged, exchange, old=old, new=new)
    health = Health(exchange=exchange, status=old, checked_ms=NOW, latency=1.0, clock_skew=1.0)
    program.tell(HealthChecked, exchange, health=health)
    for channel, error in itertools.product(channels, [*errors, None]):
        program.tell(StreamGapped, exchange, channel=channel, symbol=BTC, gap=StreamGap("x"))
        for new_status in StreamStatus:
            change = {"channel": channel, "symbol": BTC, "error": error}
            program.tell(StreamStatusChanged, exchange, old=StreamStatus.LIVE, new=new_status, **change)
            program.tell(StreamStatusChanged, exchange, old=new_status, new=StreamStatus.LIVE, **change)
    for status in OrderStatus:
        program.tell(OrderChanged, exchange, order=order(status), old=OrderStatus.OPEN)
    for error in errors:
        program.tell(OrderRefused, exchange, request=REQUEST, error=error)
        program.tell(ErrorRaised, exchange, where=word or "x", error=error)
    fill = Fill(symbol=BTC, trade_id="t", side=Side.BUY, price=Decimal(1), amount=Decimal(1), timestamp_ms=NOW)
    program.tell(FillReceived, exchange, fill=fill)
    for by_venue in (True, False):
        program.tell(RateLimited, exchange, scope=word or "s", seconds=1.0, reason=word or "r", by_venue=by_venue)
    program.tell(FundingIntervalChanged, exchange, old=funding(), new=funding())


async def test_ten_venues_of_three_thousand_symbols_are_fewer_than_two_thousand_series(new_program) -> None:
    symbols = tuple(f"C{number}/USDT:USDT" for number in range(3_000))
    program = new_program(symbols=symbols)
    await program.start()
    for venue in range(10):
        everything(program, f"venue-{venue}")
        for symbol in symbols:
            program.tell(FundingRateChanged, f"venue-{venue}", funding_rate=funding(symbol))
    found = program.figures()
    await program.stop()
    assert 1_000 < len(found) < 2_000
    assert found["fra_funding_left_out",] == 10 * 3_000 - 120
    assert {key[1] for key in found if key[0] == "fra_orders_total"} == {f"venue-{venue}" for venue in range(10)}


async def test_what_a_label_may_say_is_a_closed_set(program) -> None:
    everything(program, "okx", word="EvIlWoRd")
    for number in range(100):
        program.tell(ErrorRaised, f"made-up-{number}", where="x", error=CUT)
    assert "EvIlWoRd" not in program.text()
    found = program.figures()
    assert found["fra_stream_gaps_total", "okx", "other"] > 0
    assert len({key[1] for key in found if key[0] == "fra_errors_total"}) <= 33
    assert found["fra_errors_total", "other", "connection"] > 50


async def test_no_id_of_an_order_and_no_word_of_a_venue_is_shown(program) -> None:
    error = ExchangeAuthError("key SeCrEtKeY is bad", response="sig=SeCrEtSiGn")
    program.tell(OrderChanged, order=order(OrderStatus.FILLED), old=OrderStatus.OPEN)
    program.tell(OrderRefused, request=REQUEST, error=error)
    program.tell(ErrorRaised, where="SeCrEtWhere", error=error)
    assert "SeCrEt" not in program.text()
    assert "venue-id-17" not in program.text()


async def test_every_name_has_its_unit_and_every_label_is_of_the_few(program) -> None:
    from fra.hooks.prometheus.metrics import ROWS

    allowed = {"exchange", "stream", "reason", "state", "outcome", "hook", "plugin", "version", "symbol"}
    assert {label for row in ROWS.values() for label in row.labels} <= allowed
    assert [row.name for row in ROWS.values() if not row.name.startswith("fra_")] == []
    assert [row.name for row in ROWS.values() if (row.kind == "counter") != row.name.endswith("_total")] == []
    ages = [row.name for row in ROWS.values() if row.help.startswith("When ")]
    assert [name for name in ages if not name.endswith("_timestamp_seconds")] == []


async def test_two_programs_in_one_process_have_figures_of_their_own(new_program) -> None:
    one, two = new_program(), new_program()
    one.tell(ErrorRaised, where="x", error=CUT)
    assert ("fra_errors_total", "okx", "connection") in one.figures()
    assert two.figures() == {}
