"""One instrument of the generated market in Binance's words."""

from collections.abc import Iterable, Mapping

from fra.emulator.book import BookEngine, Levels, Trade
from fra.emulator.candles import BINANCE
from fra.emulator.grid import Grid
from fra.emulator.instruments import Instrument
from fra.emulator.market import Candle
from fra.emulator.pump import Pump

Event = dict[str, object]
SETTLED_LATE_MS = 5
"""The venue stamps settlements so many milliseconds late at most."""


class Render:
    """Events and REST rows of one instrument; spot pads every number to eight places, USD-M writes the grid's own."""

    def __init__(self, instrument: Instrument, pump: Pump) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.spot = instrument.market == "spot"
        self.price = Grid(instrument.tick, pad=8 if self.spot else None)
        self.lot = Grid(instrument.lot, pad=8 if self.spot else None)
        self._pump = pump

    @property
    def engine(self) -> BookEngine:
        """The book, made on first use."""
        return self._pump.engine(self.instrument)

    def _price(self, value: float) -> str:
        return self.price.text(self.price.count(value))

    def _quote(self, value: float) -> str:
        return f"{value:.8f}" if self.spot else f"{value:.2f}"

    def rows(self, levels: Iterable[tuple[int, int]]) -> list[tuple[str, str]]:
        return [(self.price.text(p), self.lot.text(q)) for p, q in levels]

    # -- book
    def depth_update(
        self, bids: Mapping[int, int], asks: Mapping[int, int], *, first: int, last: int, previous: int, time_ms: int
    ) -> Event:
        event: Event = {"e": "depthUpdate", "E": time_ms}
        if not self.spot:
            event["T"] = time_ms
        event |= {"s": self.symbol, "U": first, "u": last}
        if not self.spot:
            event["pu"] = previous
        event["b"] = self.rows(sorted(bids.items(), reverse=True))
        event["a"] = self.rows(sorted(asks.items()))
        return event

    def partial_depth(self, depth: int) -> Event:
        engine = self.engine
        bids, asks = engine.top(depth)
        if self.spot:
            return {"lastUpdateId": engine.update_id, "bids": self.rows(bids), "asks": self.rows(asks)}
        now = engine.time_ms
        update = engine.update_id
        ids: Event = {"e": "depthUpdate", "E": now, "T": now, "s": self.symbol, "U": update, "u": update, "pu": update}
        return ids | {"b": self.rows(bids), "a": self.rows(asks)}

    def depth(self, levels: Levels, limit: int, now_ms: int) -> Event:
        event: Event = {"lastUpdateId": levels.update_id}
        if not self.spot:
            event |= {"E": now_ms, "T": levels.time_ms}
        event["bids"] = self.rows(sorted(levels.bids.items(), reverse=True)[:limit])
        event["asks"] = self.rows(sorted(levels.asks.items())[:limit])
        return event

    def best_quotes(self, time_ms: int) -> Event:
        engine = self.engine
        bid, ask = engine.best_bid, engine.best_ask
        event: Event = {} if self.spot else {"e": "bookTicker"}
        event |= {"u": engine.update_id, "s": self.symbol}
        event |= {"b": self.price.text(bid), "B": self.lot.text(engine.bids[bid])}
        event |= {"a": self.price.text(ask), "A": self.lot.text(engine.asks[ask])}
        if not self.spot:
            event |= {"T": time_ms, "E": time_ms}
        return event

    def _best(self, now_ms: int) -> tuple[int, int, int, int]:
        """Best bid, its lots, best ask, its lots; of an unwatched symbol, around its price without making a book."""
        engine = self._pump.market.known_book(self.instrument.market, self.symbol)
        if engine is not None:
            bid, ask = engine.best_bid, engine.best_ask
            return bid, engine.bids[bid], ask, engine.asks[ask]
        bid = int(self._pump.market.mid(self.instrument, now_ms) / self.price.step_float)
        lots = max(1, round(8000 / self.instrument.lot_notional(bid * self.price.step_float)))
        return bid, lots, bid + 1, lots

    def book_ticker(self, now_ms: int) -> Event:
        bid, bid_lots, ask, ask_lots = self._best(now_ms)
        row: Event = {"symbol": self.symbol, "bidPrice": self.price.text(bid), "bidQty": self.lot.text(bid_lots)}
        row |= {"askPrice": self.price.text(ask), "askQty": self.lot.text(ask_lots)}
        if not self.spot:
            row["time"] = now_ms
        return row

    # -- trades
    def _last(self, now_ms: int) -> tuple[int, int, int]:
        engine = self._pump.market.known_book(self.instrument.market, self.symbol)
        if engine is not None:
            trade = engine.last_trade
            return trade.price, trade.amount, trade.trade_id
        bid, lots, _, _ = self._best(now_ms)
        return bid, max(1, lots // 9), 1

    def trade(self, t: Trade) -> Event:
        row: Event = {"id": t.trade_id, "price": self.price.text(t.price), "qty": self.lot.text(t.amount)}
        row["quoteQty"] = self._quote(t.price * self.price.step_float * t.amount * self.lot.step_float)
        row |= {"time": t.time_ms, "isBuyerMaker": not t.taker_buys}
        return row | {"isBestMatch": True} if self.spot else row

    def agg_trade(self, t: Trade) -> Event:
        row: Event = {
            "a": t.trade_id,
            "p": self.price.text(t.price),
            "q": self.lot.text(t.amount),
            "f": t.trade_id,
            "l": t.trade_id,
        }
        row |= {"T": t.time_ms, "m": not t.taker_buys}
        return row | {"M": True} if self.spot else row

    def trade_event(self, t: Trade) -> Event:
        values: Event = {"s": self.symbol, "t": t.trade_id, "p": self.price.text(t.price), "q": self.lot.text(t.amount)}
        if self.spot:
            return {"e": "trade", "E": t.time_ms, **values, "T": t.time_ms, "m": not t.taker_buys, "M": True}
        return {"e": "trade", "E": t.time_ms, "T": t.time_ms, **values, "X": "MARKET", "m": not t.taker_buys}

    def agg_trade_event(self, t: Trade) -> Event:
        return {"e": "aggTrade", "E": t.time_ms, "s": self.symbol, **self.agg_trade(t)}

    # -- tickers and candles
    def price_row(self, now_ms: int) -> Event:
        row: Event = {"symbol": self.symbol, "price": self.price.text(self._last(now_ms)[0])}
        return row if self.spot else row | {"time": now_ms}

    def _day(self, now_ms: int) -> tuple[Candle, float, int, int]:
        day = self._pump.market.day(self.instrument, now_ms)
        last, lots, trade_id = self._last(now_ms)
        return day, last * self.price.step_float, lots, trade_id

    def ticker_24h(self, now_ms: int) -> Event:
        day, last, lots, trade_id = self._day(now_ms)
        change, average = last - day.open, (day.high + day.low) / 2
        bid, bid_lots, ask, ask_lots = self._best(now_ms)
        row: Event = {
            "symbol": self.symbol,
            "priceChange": self._price(change),
            "priceChangePercent": f"{change / day.open * 100:.3f}",
        }
        row["weightedAvgPrice"] = self._price(average)
        if self.spot:
            row["prevClosePrice"] = self._price(day.open)
        row |= {"lastPrice": self._price(last), "lastQty": self.lot.text(lots)}
        if self.spot:
            row |= {"bidPrice": self.price.text(bid), "bidQty": self.lot.text(bid_lots)}
            row |= {"askPrice": self.price.text(ask), "askQty": self.lot.text(ask_lots)}
        row |= {"openPrice": self._price(day.open), "highPrice": self._price(max(day.high, last))}
        row |= {"lowPrice": self._price(min(day.low, last)), "volume": self._volume(day.volume)}
        row |= {"quoteVolume": self._quote(day.volume * average), "openTime": day.open_ms, "closeTime": now_ms}
        return row | {"firstId": max(0, trade_id - day.trades + 1), "lastId": trade_id, "count": day.trades}

    def ticker_event(self, now_ms: int) -> Event:
        r = self.ticker_24h(now_ms)
        event: Event = {
            "e": "24hrTicker",
            "E": now_ms,
            "s": self.symbol,
            "p": r["priceChange"],
            "P": r["priceChangePercent"],
        }
        event["w"] = r["weightedAvgPrice"]
        if self.spot:
            event["x"] = r["prevClosePrice"]
        event |= {"c": r["lastPrice"], "Q": r["lastQty"]}
        if self.spot:
            event |= {"b": r["bidPrice"], "B": r["bidQty"], "a": r["askPrice"], "A": r["askQty"]}
        event |= {"o": r["openPrice"], "h": r["highPrice"], "l": r["lowPrice"], "v": r["volume"], "q": r["quoteVolume"]}
        return event | {"O": r["openTime"], "C": r["closeTime"], "F": r["firstId"], "L": r["lastId"], "n": r["count"]}

    def mini_ticker_event(self, now_ms: int) -> Event:
        r = self.ticker_24h(now_ms)
        event: Event = {"e": "24hrMiniTicker", "E": now_ms, "s": self.symbol, "c": r["lastPrice"], "o": r["openPrice"]}
        return event | {"h": r["highPrice"], "l": r["lowPrice"], "v": r["volume"], "q": r["quoteVolume"]}

    def _volume(self, base: float) -> str:
        return self.lot.text(self.lot.count(base))

    def candle(self, interval: str, open_ms: int, now_ms: int) -> Candle:
        span = BINANCE[interval]
        return self._pump.market.candle(self.instrument, open_ms, span.following(open_ms) - open_ms, now_ms)

    def kline(self, interval: str, open_ms: int, now_ms: int) -> list[object]:
        c = self.candle(interval, open_ms, now_ms)
        prices = [self._price(v) for v in (c.open, c.high, c.low, c.close)]
        close_ms = BINANCE[interval].following(open_ms) - 1
        quote, taker = c.volume * c.close, c.volume * 0.49
        tail: list[object] = [
            close_ms,
            self._quote(quote),
            c.trades,
            self._volume(taker),
            self._quote(taker * c.close),
            "0",
        ]
        return [open_ms, *prices, self._volume(c.volume), *tail]

    def kline_event(self, interval: str, open_ms: int, now_ms: int) -> Event:
        c = self.candle(interval, open_ms, now_ms)
        r = self.kline(interval, open_ms, now_ms)
        last = self._last(now_ms)[2]
        k: Event = {"t": r[0], "T": r[6], "s": self.symbol, "i": interval, "f": max(0, last - c.trades + 1), "L": last}
        k |= {"o": r[1], "c": r[4], "h": r[2], "l": r[3], "v": r[5], "n": r[8], "x": c.closed, "q": r[7]}
        k |= {"V": r[9], "Q": r[10], "B": "0"}
        return {"e": "kline", "E": now_ms, "s": self.symbol, "k": k}

    # -- funding
    def mark_price(self, now_ms: int) -> Event:
        market, i = self._pump.market, self.instrument
        now_ms = now_ms // 1000 * 1000
        settles = market.next_settlement(i, now_ms)
        mark = f"{market.mark(i, now_ms):.8f}"
        event: Event = {"e": "markPriceUpdate", "E": now_ms, "s": self.symbol, "p": mark, "ap": mark}
        event |= {"P": f"{market.mid(i, now_ms):.8f}", "i": f"{market.index(i, now_ms):.8f}"}
        return event | {"r": f"{market.funding(i, now_ms):.8f}", "T": settles}

    def premium_index(self, now_ms: int) -> Event:
        market, i = self._pump.market, self.instrument
        row: Event = {"symbol": self.symbol, "markPrice": f"{market.mark(i, now_ms):.8f}"}
        row |= {"indexPrice": f"{market.index(i, now_ms):.8f}", "estimatedSettlePrice": f"{market.mid(i, now_ms):.8f}"}
        row |= {"lastFundingRate": f"{market.funding(i, now_ms):.8f}", "interestRate": "0.00010000"}
        return row | {"nextFundingTime": market.next_settlement(i, now_ms + 1), "time": now_ms}

    def settled(self, settlement_ms: int) -> Event:
        market, i = self._pump.market, self.instrument
        late = (settlement_ms // i.interval_ms) % (SETTLED_LATE_MS + 1)
        row: Event = {"symbol": self.symbol, "fundingTime": settlement_ms + late}
        row |= {
            "fundingRate": f"{market.funding(i, settlement_ms):.8f}",
            "markPrice": f"{market.mark(i, settlement_ms):.8f}",
        }
        return row
