"""What HTX really sent, and its documents' samples, through our decoding and conversion."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Coroutine, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from captures import lines, recordings

from fra.adapters.custom import Ack, Refused
from fra.adapters.custom.books import BookBuilder
from fra.adapters.custom.errors import Failure
from fra.adapters.custom.sync import HTX_MBP
from fra.core import (
    BookView,
    ExchangeError,
    KlineInterval,
    MarketKind,
    RateKind,
    Side,
    StreamGap,
    StreamSource,
    StreamStatus,
    Symbol,
)
from fra.exchanges.htx import (
    account_convert,
    account_wire,
    books,
    convert,
    spot_convert,
    swap_convert,
    union_convert,
    wire,
)
from fra.exchanges.htx.dialect import MarketDialect, NotificationDialect, SpotAccountDialect
from fra.exchanges.htx.errors import ERRORS

FIXTURES = Path(os.environ["FRA_FIXTURES"]) if "FRA_FIXTURES" in os.environ else None
RECORDED = FIXTURES / "recordings" / "htx" if FIXTURES else Path()
NOW = 1_700_000_000_000
ABSENT = pytest.param(None, marks=pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data"))


def each(pattern: str) -> pytest.MarkDecorator:
    found = recordings(f"htx/{pattern}")
    params = [pytest.param(path, id=f"{path.parent.name}/{path.name}") for path in found] or [ABSENT]
    return pytest.mark.parametrize("capture", params)


def exact(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def pushes(path: Path, channel: str) -> Iterator[tuple[str, str]]:
    """Instrument and text of each push of a channel."""
    for line in lines(path):
        raw = line["raw"] or ""
        if line["dir"] == "recv" and raw.startswith('{"ch"'):
            topic = json.loads(raw)["ch"]
            if topic.endswith(channel):
                yield topic.split(".")[1], raw


def symbol(venue_id: str, size: str = "0.001") -> Symbol:
    """A symbol of the right kind: only the kind and the contract size matter to conversion."""
    swap = "-" in venue_id
    contract_size = Decimal(size) if swap else Decimal(1)
    return Symbol(
        venue_id,
        venue_id,
        MarketKind.LINEAR_SWAP if swap else MarketKind.SPOT,
        "BASE",
        "USDT",
        tick_size=Decimal("1e-10"),
        lot_size=contract_size,
        contract_size=contract_size,
    )


class Upstream:
    """The stream of a builder that asks for nothing: what it would ask for is kept."""

    def __init__(self) -> None:
        self.source: StreamSource[BookView] = StreamSource()
        self.source.attach(self)
        self.work: list[Coroutine[object, object, None]] = []

    def resubscribe(self, error: ExchangeError) -> None: ...

    def spawn(self, work: Coroutine[object, object, None], *, name: str) -> Callable[[], None]:
        self.work.append(work)
        return lambda: None

    def on_item(self, view: BookView) -> None: ...
    def on_gap(self, gap: StreamGap) -> None: ...
    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None: ...


# --- captures ----------------------------------------------------------------------------------------------------


@each("*-instruments/*")
def test_no_recorded_instrument_is_lost_silently(capture: Path) -> None:
    for line in lines(capture):
        sent = exact(line["raw"])["data"]
        spot = "symbols" in line["url"]
        kind = wire.Instrument if spot else wire.Contract
        rows = msgspec.json.decode(line["raw"], type=wire.Reply[list[kind]]).data  # type: ignore[valid-type]
        result = convert.symbols(rows)
        named = [found.venue_id for found in result] + [refused.venue_id for refused in result.refused]
        assert sorted(named) == sorted(row["symbol" if spot else "contract_code"] for row in sent)
        assert result.refused == ()
        for found, row in zip(result, sent, strict=True):
            if spot:
                assert found.name == f"{row['base-currency']}/{row['quote-currency']}".upper()
                assert found.tick_size == Decimal(1).scaleb(-int(row["price-precision"]))
                assert found.lot_size == Decimal(1).scaleb(-int(row["amount-precision"]))
                assert found.min_amount == (row["limit-order-min-order-amt"] or None)
                assert found.min_notional == (row["min-order-value"] or None)
                assert found.active is (row["state"] == "online" and row["api-trading"] == "enabled")
            else:
                assert found.name == f"{row['symbol']}/USDT:USDT"
                assert (found.contract_size, found.tick_size) == (row["contract_size"], row["price_tick"])
                assert found.lot_size == found.min_amount == row["contract_size"]
                assert found.active is (row["contract_status"] == 1)


@each("*-book/*")
def test_recorded_whole_books(capture: Path) -> None:
    decoder = msgspec.json.Decoder(wire.Push[wire.Book])
    seen, before = 0, 0
    for venue_id, raw in pushes(capture, ".depth.step0"):
        seen += 1
        sent, of = exact(raw)["tick"], symbol(venue_id)
        book = convert.order_book(decoder.decode(raw).tick, of, received_ms=NOW)
        assert [tuple(level) for level in book.bids] == [(p, s * of.contract_size) for p, s in sent["bids"]]
        assert [tuple(level) for level in book.asks] == [(p, s * of.contract_size) for p, s in sent["asks"]]
        assert not (book.bids and book.asks) or book.bids[0].price < book.asks[0].price
        assert book.sequence == sent["mrid" if "-" in venue_id else "version"]
        assert book.sequence is not None
        assert book.sequence >= before
        before = book.sequence
    assert seen > 0


@each("*-trades/*")
def test_recorded_trades(capture: Path) -> None:
    decoder = msgspec.json.Decoder(wire.Push[wire.Trades])
    seen = 0
    for venue_id, raw in pushes(capture, ".trade.detail"):
        of = symbol(venue_id)
        for row, sent in zip(decoder.decode(raw).tick.data, exact(raw)["tick"]["data"], strict=True):
            seen += 1
            trade = convert.trade(row, of, received_ms=NOW)
            assert trade.price == sent["price"]
            assert trade.side is Side(sent["direction"])
            if "-" in venue_id:
                # Named rule: HTX counts the buyer's and the seller's contracts.
                assert sent["amount"] % 2 == 0
                assert trade.amount == sent["amount"] / 2 * of.contract_size
                assert trade.id == str(sent["id"])
            else:
                assert trade.amount == sent["amount"]
                assert trade.id == str(sent["tradeId"])
    assert seen > 0


@each("*-[bst][ore]*/*")
def test_every_recorded_frame_finds_its_topic_or_is_control(capture: Path) -> None:
    dialect = MarketDialect()
    for line in lines(capture):
        if line["dir"] != "recv":
            continue
        frame = line["raw"].encode()
        sent = json.loads(frame)
        routed = dialect.route(frame)
        if "ch" in sent:
            assert routed == sent["ch"].encode()
            assert frame.partition(b'",')[0] == b'{"ch":"' + routed
        else:
            assert routed is None
            answer = dialect.heartbeat.answer(frame)
            assert dialect.control(frame) is not None if answer is False else json.loads(str(answer))


def chained() -> Iterator[str]:
    for sample in lines(RECORDED / "samples-messages" / "tardis-htx-spot.jsonl"):
        if "btcusdt.mbp.150" in sample["raw"]:
            yield sample["raw"]


@pytest.mark.skipif(FIXTURES is None, reason="FRA_FIXTURES does not name the folder of recorded data")
def test_recorded_changes_and_their_snapshot_make_the_book() -> None:
    decoder = msgspec.json.Decoder(wire.MbpPush)
    messages = [decoder.decode(raw) for raw in chained()]
    snapshot = next(message.data for message in messages if message.data is not None)
    deltas = sorted((m for m in messages if m.tick is not None), key=lambda m: m.tick.seqNum if m.tick else 0)
    upstream = Upstream()

    async def never() -> Any:
        raise AssertionError("the answer is given by hand")

    feed = books.SpotBook(upstream, pace=never, exchange="htx")  # type: ignore[arg-type]
    book = BookBuilder(symbol("btcusdt"), upstream, HTX_MBP, feed.on_push, exchange="htx", fetch=never)
    book.on_subscribed()
    chain = [delta for delta in deltas if delta.tick is not None and delta.tick.seqNum <= 109409288253]
    assert len(chain) == 5
    for delta in chain:
        book.on_message(delta, NOW)
    place = snapshot.seqNum
    assert chain[1].tick is not None
    assert chain[1].tick.seqNum == place, "the answer is older than the newest changes"
    assert book._fits(  # the answer of the request that the builder has made
        books.BookSnapshot(books.rows(snapshot.bids), books.rows(snapshot.asks), place, NOW, NOW)
    )
    for work in upstream.work:
        work.close()
    bids = {level.px: level.sz for level in snapshot.bids}
    asks = {level.px: level.sz for level in snapshot.asks}
    for delta in chain[2:]:
        assert delta.tick is not None
        for side, levels in ((bids, delta.tick.bids), (asks, delta.tick.asks)):
            side.update((level.px, level.sz) for level in levels)
    assert book.sequence == 109409288253
    assert [(level.price, level.amount) for level in book.view.asks()] == [
        (Decimal(str(price)), size) for price, size in sorted(asks.items()) if size
    ]
    assert [(level.price, level.amount) for level in book.view.bids()] == [
        (Decimal(str(price)), size) for price, size in sorted(bids.items(), reverse=True) if size
    ]
    book.on_message(next(delta for delta in deltas if delta.tick and delta.tick.seqNum == 109409288576), NOW)
    assert not book.valid
    for work in upstream.work:
        work.close()


# --- samples -----------------------------------------------------------------------------------------------------


def samples(pattern: str) -> list[dict[str, Any]]:
    return [sample for path in recordings(f"htx/{pattern}") for sample in lines(path)]


SWAP, PAIR = symbol("BTC-USDT"), symbol("btcusdt")
Converted = Callable[[Any, Symbol], object]
TOPICS: tuple[tuple[str, str, Any, Converted], ...] = (
    ("btcusdt", ".trade.detail", wire.Push[wire.Trades], lambda m, s: len(m.tick.data)),
    ("-", ".trade.detail", wire.Push[wire.Trades], lambda m, s: len(m.tick.data)),
    ("-", ".high_freq", wire.Push[wire.Depth], lambda m, s: books.rows(m.tick.bids)),
    ("", ".depth.step0", wire.Push[wire.Book], lambda m, s: convert.order_book(m.tick, s, received_ms=NOW)),
    ("", ".mbp.", wire.MbpPush, lambda m, s: m.tick or m.data),
    (
        "",
        ".kline.",
        wire.Push[wire.Candle],
        lambda m, s: convert.kline(m.tick, s, KlineInterval.M1),
    ),
    ("-", ".detail", wire.Push[wire.Day], lambda m, s: convert.ticker(m.tick, s, received_ms=NOW)),
    (
        "usdt",
        ".ticker",
        wire.Push[wire.SpotTicker],
        lambda m, s: convert.spot_ticker(m.tick, s, received_ms=NOW, timestamp_ms=m.ts),
    ),
    (
        "usdt",
        ".bbo",
        wire.Push[wire.SpotBest],
        lambda m, s: convert.best_prices(m.tick, s, received_ms=NOW, timestamp_ms=m.ts),
    ),
    (
        "-",
        ".bbo",
        wire.Push[wire.SwapBest],
        lambda m, s: convert.best_prices(m.tick, s, received_ms=NOW, timestamp_ms=m.ts),
    ),
)


def market_frames() -> list[Any]:
    frames = [sample["raw"] for sample in samples("samples-messages/*") if sample["raw"].startswith('{"ch"')]
    frames += [
        step["raw"]
        for sample in samples("samples-ws/*")
        for step in sample["steps"]
        if step["dir"] == "push"
        and step["raw"].startswith("{")
        and '"tick"' in step["raw"]
        and '"status"' not in step["raw"]
    ]
    found = []
    for number, raw in enumerate(frames):
        message = json.loads(raw)
        topic = message.get("ch", "")
        if not isinstance(topic, str) or (".kline." in topic and "open" not in message.get("tick", {})):
            continue
        venue_id = topic.split(".")[1] if topic.startswith("market.") else ""
        if "-USD" in venue_id and "-USDT" not in venue_id:
            continue  # coin-margined
        for part, channel, kind, converted in TOPICS:
            if part in venue_id and (topic.endswith(channel) or (channel.endswith(".") and channel in topic)):
                if ".refresh." not in topic and venue_id:
                    found.append(pytest.param(raw, kind, converted, id=f"{number}-{topic}"))
                break
    return found or [pytest.param(None, None, None, marks=pytest.mark.skip("FRA_FIXTURES is not set"))]


@pytest.mark.parametrize(("raw", "kind", "converted"), market_frames())
def test_sampled_market_frames_are_understood(raw: str, kind: Any, converted: Converted) -> None:
    message = msgspec.json.decode(raw, type=kind)
    topic = json.loads(raw)["ch"]
    assert converted(message, symbol(topic.split(".")[1])) is not None
    assert MarketDialect().route(raw.encode()) == topic.encode()


def funding_frames() -> list[Any]:
    found = [
        pytest.param(sample["raw"], id=f"{number}-{sample['name']}")
        for number, sample in enumerate(samples("samples-messages/*"))
        if '"op":"notify"' in sample["raw"] and "funding_rate" in sample["raw"]
    ]
    return found or [ABSENT]


@pytest.mark.parametrize("raw", funding_frames())
def test_sampled_funding_pushes(raw: str) -> None:
    push = msgspec.json.decode(raw, type=wire.Notification[wire.FundingPush])
    assert NotificationDialect().route(raw.encode()) == push.topic.encode()
    for row, sent in zip(push.data, json.loads(raw)["data"], strict=True):
        settlement = int(sent["settlement_time"])
        rate = convert.funding_rate(row, SWAP, received_ms=push.ts)
        assert (rate.kind, rate.rate) == (RateKind.ESTIMATED, Decimal(sent["funding_rate"]))
        assert rate.interval is None, "a push does not tell it, and it is never guessed"
        assert rate.next_settlement_ms == (settlement if settlement >= push.ts else None), "no passed settlement"
        known = wire.Elements("BTC-USDT", settle_period=Decimal(8))
        rolled = convert.funding_rate(row, SWAP, received_ms=push.ts, elements=known)
        assert rolled.next_settlement_ms is not None
        assert push.ts <= rolled.next_settlement_ms <= push.ts + 8 * 3_600_000
        assert rolled.next_settlement_derived is (settlement < push.ts)


PATHS: dict[str, tuple[Any, Converted]] = {
    "/market/depth": (
        wire.TickReply[wire.Book],
        lambda m, s: convert.order_book(m.tick, PAIR, received_ms=NOW),
    ),
    "/market/detail/merged": (
        wire.TickReply[wire.Day],
        lambda m, s: convert.ticker(m.tick, PAIR, received_ms=NOW),
    ),
    "/market/tickers": (wire.Reply[list[wire.SpotTicker]], lambda m, s: m.data[0].symbol),
    "/market/history/trade": (
        wire.Reply[list[wire.Trades]],
        lambda m, s: [convert.trade(row, PAIR, received_ms=NOW) for at in m.data for row in at.data],
    ),
    "/market/history/kline": (
        wire.Reply[list[wire.Candle]],
        lambda m, s: [convert.kline(row, PAIR, KlineInterval.M5) for row in m.data],
    ),
    "/linear-swap-ex/market/depth": (
        wire.TickReply[wire.Book],
        lambda m, s: convert.order_book(m.tick, SWAP, received_ms=NOW),
    ),
    "/linear-swap-ex/market/detail/merged": (
        wire.TickReply[wire.Day],
        lambda m, s: convert.ticker(m.tick, SWAP, received_ms=NOW),
    ),
    "/linear-swap-ex/market/history/trade": (
        wire.Reply[list[wire.Trades]],
        lambda m, s: [convert.trade(row, SWAP, received_ms=NOW) for at in m.data for row in at.data],
    ),
    "/linear-swap-ex/market/history/kline": (
        wire.Reply[list[wire.Candle]],
        lambda m, s: [convert.kline(row, SWAP, KlineInterval.M1) for row in m.data],
    ),
    "/linear-swap-api/v1/swap_contract_info": (
        wire.Reply[list[wire.Contract]],
        lambda m, s: [*convert.symbols(m.data), *convert.symbols(m.data).refused],
    ),
    "/linear-swap-api/v1/swap_query_elements": (wire.Reply[list[wire.Elements]], lambda m, s: m.data[0].settle_period),
    "/linear-swap-api/v1/swap_funding_rate": (
        wire.Reply[wire.FundingRate],
        lambda m, s: convert.funding_rate(m.data, SWAP, received_ms=m.ts),
    ),
    "/linear-swap-api/v1/swap_batch_funding_rate": (
        wire.Reply[list[wire.FundingRate]],
        lambda m, s: [convert.funding_rate(row, SWAP, received_ms=m.ts) for row in m.data],
    ),
    "/linear-swap-api/v1/swap_historical_funding_rate": (
        wire.Reply[wire.SettledPage],
        lambda m, s: convert.settled_rates(m.data.data, SWAP, received_ms=NOW),
    ),
    "/index/market/history/linear_swap_mark_price_kline": (wire.Reply[list[wire.Mark]], lambda m, s: m.data[0].close),
    "/v1/account/accounts": (account_wire.Answer[list[account_wire.SpotAccount]], lambda m, s: m.data[0].id),
    "/v1/account/accounts/1/balance": (
        account_wire.Answer[account_wire.SpotWallet],
        lambda m, s: spot_convert.spot_balances(m.data.amounts),
    ),
    **{
        path: (
            account_wire.Answer[account_wire.SpotOrder],
            lambda m, s: spot_convert.spot_order(m.data, PAIR),
        )
        for path in ("/v1/order/orders/1", "/v1/order/orders/getClientOrder")
    },
    **{
        path: (
            account_wire.Answer[list[account_wire.SpotOrder]],
            lambda m, s: [spot_convert.spot_order(row, PAIR) for row in m.data],
        )
        for path in ("/v1/order/orders", "/v1/order/history", "/v1/order/openOrders")
    },
    "/v1/order/matchresults": (
        account_wire.Answer[list[account_wire.SpotFill]],
        lambda m, s: [spot_convert.spot_fill(row, PAIR) for row in m.data],
    ),
    "/v1/order/orders/place": (account_wire.Answer[str], lambda m, s: m.data),
    "/v1/order/orders/1/submitcancel": (account_wire.Answer[str], lambda m, s: m.data),
    "/v1/order/orders/submitCancelClientOrder": (account_wire.Answer[int], lambda m, s: m.data),
    "/v1/order/orders/batchcancel": (account_wire.Answer[account_wire.SpotBatch], lambda m, s: m.data.success),
    "/linear-swap-api/v3/swap_financial_record": (
        account_wire.Answer[list[account_wire.Record]],
        lambda m, s: [account_convert.funding_payment(row, SWAP) for row in m.data],
    ),
    **{
        f"/linear-swap-api/{version}/swap_{margin}{name}": entry
        for margin in ("", "cross_")
        for (version, name), entry in {
            ("v1", "account_info"): (
                account_wire.Answer[list[account_wire.Margin]],
                lambda m, s: swap_convert.swap_balances(m.data),
            ),
            ("v1", "position_info"): (
                account_wire.Answer[list[account_wire.Position]],
                lambda m, s: [swap_convert.swap_position(row, SWAP) for row in m.data],
            ),
            ("v1", "position_side"): (account_wire.Answer[account_wire.Mode], lambda m, s: m.data.position_mode),
            ("v1", "switch_position_mode"): (account_wire.Done, lambda m, s: m),
            ("v1", "switch_lever_rate"): (account_wire.Done, lambda m, s: m),
            ("v1", "order"): (account_wire.Answer[account_wire.Placed], lambda m, s: m.data.id),
            ("v1", "cancel"): (account_wire.Answer[account_wire.Cancelled], lambda m, s: m.data.taken),
            ("v1", "cancelall"): (account_wire.Answer[account_wire.Cancelled], lambda m, s: m.data.taken),
            ("v1", "order_info"): (
                account_wire.Answer[list[account_wire.Order]],
                lambda m, s: [swap_convert.swap_order(row, SWAP) for row in m.data],
            ),
            ("v1", "openorders"): (
                account_wire.Answer[account_wire.Orders],
                lambda m, s: [swap_convert.swap_order(row, SWAP) for row in m.data.orders],
            ),
            ("v3", "hisorders"): (
                account_wire.Answer[list[account_wire.Order]],
                lambda m, s: [swap_convert.swap_order(row, SWAP) for row in m.data],
            ),
            ("v3", "matchresults"): (
                account_wire.Answer[list[account_wire.Fill]],
                lambda m, s: [swap_convert.swap_fill(row, SWAP) for row in m.data],
            ),
        }.items()
    },
}


def documented() -> list[Any]:
    found = [
        pytest.param(sample, id=sample["name"].partition("/")[2])
        for sample in samples("samples-rest/*")
        if sample["path"] in PATHS
    ]
    return found or [ABSENT]


@pytest.mark.parametrize("sample", documented())
def test_documented_answers_are_understood(sample: dict[str, Any]) -> None:
    kind, converted = PATHS[sample["path"]]
    assert ERRORS.read(sample["raw"].encode()) is None
    assert converted(msgspec.json.decode(sample["raw"], type=kind, strict=False), SWAP)


@each("samples-errors/*")
def test_quoted_refusals_become_errors_with_their_code(capture: Path) -> None:
    for line in lines(capture):
        sent = json.loads(line["raw"])
        code = sent.get("err-code", sent.get("err_code", sent.get("code")))
        if sent.get("op") == "sub":
            refused = NotificationDialect().control(line["raw"].encode())
            assert isinstance(refused, Refused)
            assert refused.code == str(code)
            continue
        refusal = ERRORS.read(line["raw"].encode())
        assert refusal is not None
        assert refusal.code == str(code)
        failure = Failure(code=refusal.code, message=refusal.message, status=200, body=line["raw"].encode())
        error = ERRORS.error(failure, exchange="mine")
        assert (error.code, error.exchange) == (str(code), "mine")


def sessions() -> list[Any]:
    found = []
    for sample in samples("samples-ws/*"):
        if any('"op":"auth"' in step["raw"].replace(" ", "") for step in sample["steps"]) or any(
            '"ch":"auth"' in step["raw"].replace(" ", "") for step in sample["steps"]
        ):
            found.append(pytest.param(sample, id=sample["name"].rpartition("/")[2]))
    return found or [ABSENT]


@pytest.mark.parametrize("sample", sessions())
def test_sampled_account_sessions_log_in_and_find_their_topics(sample: dict[str, Any]) -> None:
    spot = '"action"' in sample["steps"][0]["raw"]
    dialect: SpotAccountDialect | NotificationDialect
    dialect = SpotAccountDialect(dict) if spot else NotificationDialect(dict)
    assert dialect.login(1) is not None
    sent = [step for step in sample["steps"] if step["dir"] == "send"]
    topic = json.loads(sent[-1]["raw"])["ch" if spot else "topic"]
    for step in sample["steps"]:
        frame = step["raw"].replace('"|4|"', '"4"').encode()
        if step["dir"] == "recv":
            assert dialect.route(frame) is None
            ack = dialect.control(frame)
            assert isinstance(ack, Ack)
            assert ack.request_id == 1 if b"auth" in frame else topic in ack.topics
        elif step["dir"] == "push":
            assert dialect.route(frame) == topic.encode()


PRIVATE: tuple[tuple[str, Any, Converted], ...] = (
    (
        "orders#",
        account_wire.SpotPush[account_wire.SpotOrderPush],
        lambda m, s: spot_convert.spot_order_push(m.data, PAIR),
    ),
    (
        "trade.clearing#",
        account_wire.SpotPush[account_wire.SpotFillPush],
        lambda m, s: spot_convert.spot_fill_push(m.data, PAIR) or m.data.symbol,
    ),
    ("accounts.update#", account_wire.SpotPush[account_wire.SpotBalancePush], lambda m, s: m.data.currency),
    (
        "orders_cross.",
        account_wire.Order,
        lambda m, s: [swap_convert.swap_order(m, SWAP), swap_convert.pushed_fills(m, SWAP)],
    ),
    (
        "orders.",
        account_wire.Order,
        lambda m, s: [swap_convert.swap_order(m, SWAP), swap_convert.pushed_fills(m, SWAP)],
    ),
    ("accounts", account_wire.Notice[list[account_wire.Margin]], lambda m, s: swap_convert.swap_balances(m.data)),
    (
        "positions_cross",
        account_wire.Notice[list[account_wire.Position]],
        lambda m, s: [swap_convert.swap_position(row, SWAP) for row in m.data],
    ),
    (
        "positions",
        account_wire.Notice[list[account_wire.Position]],
        lambda m, s: [swap_convert.swap_position(row, SWAP) for row in m.data],
    ),
    (
        "orders",
        account_wire.Notice[account_wire.UnionOrder],
        lambda m, s: union_convert.union_order(m.data, SWAP),
    ),
    (
        "account",
        account_wire.Notice[account_wire.UnionWallet],
        lambda m, s: union_convert.union_balances(m.data),
    ),
)


def private_frames() -> list[Any]:
    frames = [sample["raw"] for sample in samples("samples-messages/*")]
    frames += [step["raw"] for sample in samples("samples-ws/*") for step in sample["steps"] if step["dir"] == "push"]
    found = []
    for number, raw in enumerate(frames):
        try:
            message = json.loads(raw)
        except ValueError:
            continue
        if not isinstance(message, dict) or not (message.get("data") or "order_id" in message):
            continue
        topic = str(message.get("ch", "") or (message.get("topic", "") if message.get("op") == "notify" else ""))
        if message.get("data") in ({}, {"eventType": "trade"}) or topic.startswith("public"):
            continue
        if isinstance(message.get("data"), dict) and len(message["data"]) < 3:
            continue  # an outline in a comment
        for begins, kind, converted in PRIVATE:
            if topic.startswith(begins):
                if begins == "positions" and "open_avg_price" in raw:
                    break  # of a multi-assets account: quoted from a comment, and cut
                found.append(pytest.param(raw, kind, converted, id=f"{number}-{topic}"))
                break
    return found or [pytest.param(None, None, None, marks=pytest.mark.skip("FRA_FIXTURES is not set"))]


@pytest.mark.parametrize(("raw", "kind", "converted"), private_frames())
def test_sampled_account_pushes_are_understood(raw: str, kind: Any, converted: Converted) -> None:
    assert converted(msgspec.json.decode(raw, type=kind, strict=False), SWAP)
