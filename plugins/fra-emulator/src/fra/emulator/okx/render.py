"""One instrument of the generated market in OKX's words: all numbers and times are strings, sizes of swaps are
contracts."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from fra.emulator.book import BookEngine, Levels, Trade
from fra.emulator.candles import OKX
from fra.emulator.grid import Grid
from fra.emulator.instruments import Instrument
from fra.emulator.market import Candle
from fra.emulator.pump import Pump

Row = dict[str, object]
LISTED_MS = 1611916828000


def inst_type(market: str) -> str:
    """`SPOT` or `SWAP`."""
    return market.upper()


class Render:
    """Rows of one instrument."""

    def __init__(self, instrument: Instrument, pump: Pump) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.price = Grid(instrument.tick, strip=True)
        self.lot = Grid(instrument.lot, strip=True)
        self._pump = pump

    @property
    def engine(self) -> BookEngine:
        """The book, made on first use."""
        return self._pump.engine(self.instrument)

    def _price(self, value: float) -> str:
        return self.price.text(self.price.count(value))

    # -- listing
    def listing(self) -> Row:
        i = self.instrument
        swap = i.is_swap
        family = f"{i.asset}-{i.quote}"
        largest = self._lots_worth(20_000_000)
        at_once = self._lots_worth(1_000_000)
        return {
            "alias": "",
            "auctionEndTime": "",
            "baseCcy": "" if swap else i.base,
            "category": "1",
            "contTdSwTime": str(LISTED_MS),
            "ctMult": "1" if swap else "",
            "ctType": ("inverse" if i.inverse else "linear") if swap else "",
            "ctVal": f"{i.contract_size:f}" if swap else "",
            "ctValCcy": (i.quote if i.inverse else i.base) if swap else "",
            "expTime": "",
            "futureSettlement": False,
            "groupId": "1",
            "instFamily": family if swap else "",
            "instId": i.symbol,
            "instIdCode": sum(map(ord, i.symbol)),
            "instType": inst_type(i.market),
            "lever": "50" if swap else "10",
            "listTime": str(LISTED_MS),
            "lotSz": f"{i.lot:f}",
            "maxIcebergSz": largest,
            "maxLmtAmt": "20000000",
            "maxLmtSz": largest,
            "maxMktAmt": "" if swap else "1000000",
            "maxMktSz": at_once,
            "maxStopSz": at_once,
            "maxTriggerSz": largest,
            "maxTwapSz": largest,
            "minSz": f"{i.min_amount:f}",
            "openType": "",
            "optType": "",
            "quoteCcy": "" if swap else i.quote,
            "ruleType": "normal",
            "settleCcy": i.settle,
            "state": "live",
            "stk": "",
            "tickSz": f"{i.tick:f}",
            "tradeQuoteCcyList": [] if swap else [i.quote],
            "uly": family if swap else "",
        }

    def _lots_worth(self, quote: float) -> str:
        return self.lot.text(max(1, round(quote / self.instrument.lot_notional(float(self.instrument.price)))))

    # -- book
    def rows(self, levels: Iterable[tuple[int, int]]) -> list[tuple[str, str, str, str]]:
        return [(self.price.text(p), self.lot.text(q), "0", str(1 + q % 7 if q else 0)) for p, q in levels]

    def sides(self, bids: Mapping[int, int], asks: Mapping[int, int], depth: int) -> Row:
        best_bids = sorted(bids.items(), reverse=True)[:depth]
        return {"asks": self.rows(sorted(asks.items())[:depth]), "bids": self.rows(best_bids)}

    def depth(self, levels: Levels, depth: int) -> Row:
        return {**self.sides(levels.bids, levels.asks, depth), "ts": str(levels.time_ms), "seqId": levels.update_id}

    def update(self, bids: Mapping[int, int], asks: Mapping[int, int], *, seq: int, previous: int, time_ms: int) -> Row:
        row = self.sides(bids, asks, len(bids) + len(asks))
        # since 2026-06-23 the venue sends 0 and nobody may check it
        return {**row, "ts": str(time_ms), "checksum": 0, "seqId": seq, "prevSeqId": previous}

    def top(self, depth: int) -> Row:
        engine = self.engine
        bids, asks = engine.top(depth)
        row: Row = {"asks": self.rows(asks), "bids": self.rows(bids)}
        if depth > 1:
            row["instId"] = self.symbol
        return {**row, "ts": str(engine.time_ms), "seqId": engine.update_id}

    # -- trades
    def trade(self, t: Trade) -> Row:
        row: Row = {"instId": self.symbol, "side": "buy" if t.taker_buys else "sell", "sz": self.lot.text(t.amount)}
        return row | {"source": "0", "px": self.price.text(t.price), "tradeId": str(t.trade_id), "ts": str(t.time_ms)}

    def trade_event(self, t: Trade) -> Row:
        return {**self.trade(t), "count": "1", "seqId": t.seq}

    # -- tickers and candles
    def _volumes(self, base: float, price: float) -> tuple[str, str, str]:
        """Contracts (base on spot), coin, quote."""
        i = self.instrument
        notional = base * price
        lots = max(1, round(notional / i.lot_notional(price)))
        if not i.is_swap:
            return self.lot.text(lots), f"{notional:.6f}", f"{notional:.6f}"
        coin = lots * float(i.lot * i.contract_size) / (price if i.inverse else 1.0)
        return self.lot.text(lots), f"{coin:.4f}", f"{notional:.6f}"

    def ticker(self, now_ms: int) -> Row:
        market, i = self._pump.market, self.instrument
        day = market.day(i, now_ms)
        engine = market.known_book(i.market, i.symbol)
        if engine is not None:
            bid, ask, trade = engine.best_bid, engine.best_ask, engine.last_trade
            bid_lots, ask_lots, last, last_lots = engine.bids[bid], engine.asks[ask], trade.price, trade.amount
        else:
            bid = last = int(market.mid(i, now_ms) / self.price.step_float)
            ask, lots = bid + 1, max(1, round(8000 / i.lot_notional(float(i.price))))
            bid_lots = ask_lots = lots
            last_lots = max(1, lots // 9)
        volume, coin, _ = self._volumes(day.volume, day.close)
        price = last * self.price.step_float
        midnight = now_ms // 86_400_000 * 86_400_000
        start_8 = (now_ms + 28_800_000) // 86_400_000 * 86_400_000 - 28_800_000
        return {
            "instType": inst_type(i.market),
            "instId": i.symbol,
            "last": self.price.text(last),
            "lastSz": self.lot.text(last_lots),
            "askPx": self.price.text(ask),
            "askSz": self.lot.text(ask_lots),
            "bidPx": self.price.text(bid),
            "bidSz": self.lot.text(bid_lots),
            "open24h": self._price(day.open),
            "high24h": self._price(max(day.high, price)),
            "low24h": self._price(min(day.low, price)),
            "sodUtc0": self._price(market.mid(i, midnight)),
            "sodUtc8": self._price(market.mid(i, start_8)),
            "volCcy24h": coin,
            "vol24h": volume,
            "ts": str(now_ms),
        }

    def candle(self, bar: str, open_ms: int, now_ms: int) -> list[str]:
        span = OKX[bar]
        c: Candle = self._pump.market.candle(self.instrument, open_ms, span.following(open_ms) - open_ms, now_ms)
        prices = [self._price(v) for v in (c.open, c.high, c.low, c.close)]
        return [str(open_ms), *prices, *self._volumes(c.volume, c.close), "1" if c.closed else "0"]

    # -- index, mark, funding
    def index_ticker(self, now_ms: int) -> Row:
        market, i = self._pump.market, self.instrument
        day_ago = now_ms - 86_400_000
        points = [market.index(i, day_ago + k * 8_640_000) for k in range(11)]
        midnight = now_ms // 86_400_000 * 86_400_000
        row: Row = {
            "instId": f"{i.asset}-{i.quote}",
            "idxPx": self._price(points[-1]),
            "open24h": self._price(points[0]),
        }
        row |= {"high24h": self._price(max(points)), "low24h": self._price(min(points))}
        row |= {
            "sodUtc0": self._price(market.index(i, midnight)),
            "sodUtc8": self._price(market.index(i, midnight - 28_800_000)),
        }
        return row | {"ts": str(now_ms)}

    def mark_price(self, now_ms: int) -> Row:
        i = self.instrument
        mark = self._price(self._pump.market.mark(i, now_ms))
        return {"instType": inst_type(i.market), "instId": i.symbol, "markPx": mark, "ts": str(now_ms)}

    def price_limit(self, now_ms: int) -> Row:
        mark = self._pump.market.mark(self.instrument, now_ms)
        row: Row = {
            "instType": inst_type(self.instrument.market),
            "instId": self.symbol,
            "buyLmt": self._price(mark * 1.02),
        }
        return row | {"sellLmt": self._price(mark * 0.98), "ts": str(now_ms), "enabled": True}

    def open_interest(self, now_ms: int) -> Row:
        i = self.instrument
        price = float(i.price)
        volume, coin, usd = self._volumes(i.turnover / 4 / price, price)
        row: Row = {"instType": inst_type(i.market), "instId": i.symbol, "oi": volume, "oiCcy": coin, "oiUsd": usd}
        return row | {"ts": str(now_ms)}

    def _rate(self, t_ms: int) -> str:
        return f"{self._pump.market.funding(self.instrument, t_ms):.16f}"

    def funding(self, now_ms: int) -> Row:
        market, i = self._pump.market, self.instrument
        settles = market.next_settlement(i, now_ms + 1)
        previous = settles - i.interval_ms
        premium = market.mark(i, now_ms) / market.index(i, now_ms) - 1.0
        return {
            "formulaType": "withRate",
            "fundingRate": self._rate(now_ms),
            "fundingTime": str(settles),
            "impactValue": "20000.0000000000000000",
            "instId": i.symbol,
            "instType": "SWAP",
            "interestRate": "0.0001000000000000",
            "maxFundingRate": "0.00375",
            "method": "current_period",
            "minFundingRate": "-0.00375",
            "nextFundingRate": "",
            "nextFundingTime": str(settles + i.interval_ms),
            "premium": f"{premium:.16f}",
            "prevFundingTime": str(previous),
            "settFundingRate": self._rate(previous),
            "settState": "settled",
            "ts": str(now_ms),
        }

    def settled(self, settlement_ms: int) -> Row:
        rate = self._rate(settlement_ms)
        row: Row = {"instType": "SWAP", "instId": self.symbol, "formulaType": "withRate", "fundingRate": rate}
        return row | {"realizedRate": rate, "fundingTime": str(settlement_ms), "method": "current_period"}


def iso(now_ms: int) -> str:
    """A moment as ISO 8601 text, for notices."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now_ms)).isoformat(timespec="milliseconds")
