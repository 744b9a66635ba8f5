"""One spot pair in HTX's words (HTX docs: spot, "Reference Data", "Market Data")."""

from collections.abc import Iterable, Mapping, Sequence

from fra.emulator.book import Levels, Trade
from fra.emulator.grid import Grid
from fra.emulator.htx.number import double, raw, scientific
from fra.emulator.htx.render import LISTED_MS, Render, Row, groups
from fra.emulator.market import Candle

STEPS: Mapping[str, int] = {f"step{n}": 10**n for n in range(6)}
"""How many ticks each `depth.stepN` puts together."""
DEPTHS = (5, 20, 150, 400)
"""Levels of the incremental book `mbp.N`."""
REFRESHED = (5, 10, 20)
"""Levels of the whole book `mbp.refresh.N`."""


def _places(grid: Grid) -> int:
    exponent = grid.step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


class SpotRender(Render):
    """Sizes are base coin; numbers have the form of Java's doubles."""

    def number(self, text: str) -> str:
        return scientific(text)

    # -- listings
    def listing(self) -> Row:
        """A row of `/v1/common/symbols`."""
        i, most = self.instrument, raw(self.size(self.lots_worth(20_000_000)))
        least = raw(f"{i.min_amount:f}")
        return {
            "base-currency": i.base.lower(),
            "quote-currency": i.quote.lower(),
            "price-precision": _places(self.price),
            "amount-precision": _places(self.lot),
            "symbol-partition": "main",
            "symbol": i.symbol,
            "state": "online",
            "value-precision": 8,
            "min-order-amt": least,
            "max-order-amt": most,
            "min-order-value": raw(f"{i.min_notional:f}"),
            "limit-order-min-order-amt": least,
            "limit-order-max-order-amt": most,
            "limit-order-max-buy-amt": most,
            "limit-order-max-sell-amt": most,
            "buy-limit-must-less-than": 1.1,
            "sell-limit-must-greater-than": 0.9,
            "sell-market-min-order-amt": least,
            "sell-market-max-order-amt": raw(self.size(self.lots_worth(1_000_000))),
            "buy-market-max-order-value": 1000000,
            "market-sell-order-rate-must-less-than": 0.1,
            "market-buy-order-rate-must-less-than": 0.1,
            "api-trading": "enabled",
            "tags": "",
        }

    def settings(self) -> Row:
        """A row of `/v2/settings/common/symbols`."""
        i = self.instrument
        return {
            "tags": "",
            "state": "online",
            "wr": "1.5",
            "sc": i.symbol,
            "p": None,
            "bcdn": i.base,
            "qcdn": i.quote,
            "elr": None,
            "tpp": _places(self.price),
            "tap": _places(self.lot),
            "fp": 8,
            "smlr": None,
            "flr": None,
            "whe": False,
            "cd": False,
            "te": True,
            "sp": "main",
            "d": None,
            "bc": i.base.lower(),
            "qc": i.quote.lower(),
            "toa": LISTED_MS,
            "ttp": 8,
            "w": 999400000,
            "lr": None,
            "dn": f"{i.base}/{i.quote}",
        }

    def market_settings(self) -> Row:
        """A row of `/v1/settings/common/market-symbols`."""
        i, most = self.instrument, raw(self.size(self.lots_worth(20_000_000)))
        least = raw(f"{i.min_amount:f}")
        return {
            "symbol": i.symbol,
            "state": "online",
            "bc": i.base.lower(),
            "qc": i.quote.lower(),
            "pp": _places(self.price),
            "ap": _places(self.lot),
            "sp": "main",
            "vp": 8,
            "minoa": least,
            "maxoa": most,
            "minov": raw(f"{i.min_notional:f}"),
            "lominoa": least,
            "lomaxoa": most,
            "lomaxba": most,
            "lomaxsa": most,
            "smminoa": least,
            "smmaxoa": raw(self.size(self.lots_worth(1_000_000))),
            "bmmaxov": 1000000,
            "blmlt": 1.1,
            "slmgt": 0.9,
            "msormlt": 0.1,
            "mbormlt": 0.1,
            "at": "enabled",
            "tags": "",
        }

    # -- book
    def step(self, levels: Levels, step: str, depth: int | None) -> Row:
        ticks = STEPS[step]
        most = depth or (150 if ticks == 1 else 20)
        row = self.sides(levels.bids, levels.asks, most, ticks=ticks)
        return {**row, "version": levels.update_id, "ts": levels.time_ms}

    def snapshot(self, levels: Levels, depth: int) -> Row:
        """The `data` of a `req` for `mbp.N`, and the tick of `mbp.refresh.N`."""
        return {"seqNum": levels.update_id, **self.sides(levels.bids, levels.asks, depth)}

    def update(self, bids: Mapping[int, int], asks: Mapping[int, int], *, seq: int, previous: int, sparse: bool) -> Row:
        """The tick of `mbp.N`; `sparse` leaves out a side on which nothing changed."""
        row: Row = {"seqNum": seq, "prevSeqNum": previous}
        if asks or not sparse:
            row["asks"] = self.rows(sorted(asks.items()))
        if bids or not sparse:
            row["bids"] = self.rows(sorted(bids.items(), reverse=True))
        return row

    def best(self, now_ms: int) -> Row:
        """The tick of `bbo`."""
        q, engine = self.quote(now_ms), self.engine
        return {
            "seqId": engine.update_id,
            "ask": raw(self.price_at(q.ask)),
            "askSize": raw(self.size(q.ask_lots)),
            "bid": raw(self.price_at(q.bid)),
            "bidSize": raw(self.size(q.bid_lots)),
            "quoteTime": engine.time_ms,
            "symbol": self.symbol,
        }

    # -- trades
    def _trade(self, t: Trade, name: str) -> Row:
        return {
            # match and order put together: far beyond 2^63
            "id": raw(f"{t.seq}{t.trade_id:015d}"),
            "ts": t.time_ms,
            name: 100_000_000_000 + t.trade_id,
            "amount": raw(self.size(t.amount)),
            "price": raw(self.price_at(t.price)),
            "direction": "buy" if t.taker_buys else "sell",
        }

    def trades(self, trades: Iterable[Trade], *, pushed: bool) -> Sequence[Row]:
        """One row per match; the trade's own id has another name on the socket than in REST."""
        name = "tradeId" if pushed else "trade-id"
        return [
            {"id": group[0].seq, "ts": group[0].time_ms, "data": [self._trade(t, name) for t in group]}
            for group in groups(trades)
        ]

    # -- candles and tickers
    def kline(self, period: str, open_ms: int, now_ms: int) -> Row:
        c = self.candle(period, open_ms, now_ms)
        return {"id": open_ms // 1000, **self._prices(c), **self._volumes(c)}

    def pushed_kline(self, period: str, open_ms: int, now_ms: int) -> Row:
        return self.kline(period, open_ms, now_ms)

    def _prices(self, c: Candle) -> Row:
        return {name: raw(self.near(getattr(c, name))) for name in ("open", "close", "low", "high")}

    def _volumes(self, c: Candle) -> Row:
        amount, turnover = double(c.volume), double(c.volume * c.close)
        return {"amount": amount, "vol": turnover, "count": c.trades}

    def detail(self, now_ms: int) -> Row:
        """The tick of `detail`: 24 hours, no quote."""
        day, q = self.day(now_ms)
        price = q.last * self.price.step_float
        prices = self._prices(day) | {
            "close": raw(self.price_at(q.last)),
            "low": raw(self.near(min(day.low, price))),
            "high": raw(self.near(max(day.high, price))),
        }
        version = self._version()
        return {"id": version, **prices, **self._volumes(day), "version": version}

    def _version(self) -> int:
        engine = self.pump.market.known_book(self.instrument.market, self.symbol)
        return engine.update_id if engine is not None else 0

    def detail_merged(self, now_ms: int) -> Row:
        """The tick of `/market/detail/merged`: 24 hours and the best levels."""
        q = self.quote(now_ms)
        return {
            **self.detail(now_ms),
            "bid": raw(self.pair(q.bid, q.bid_lots)),
            "ask": raw(self.pair(q.ask, q.ask_lots)),
        }

    def _quoted(self, now_ms: int) -> Row:
        q, row = self.quote(now_ms), self.detail(now_ms)
        del row["id"], row["version"]
        return row | {
            "bid": raw(self.price_at(q.bid)),
            "bidSize": raw(self.size(q.bid_lots)),
            "ask": raw(self.price_at(q.ask)),
            "askSize": raw(self.size(q.ask_lots)),
        }

    def ticker(self, now_ms: int) -> Row:
        """The tick of `ticker`."""
        q = self.quote(now_ms)
        return self._quoted(now_ms) | {
            "lastPrice": raw(self.price_at(q.last)),
            "lastSize": raw(self.size(q.last_lots)),
        }

    def ticker_row(self, now_ms: int) -> Row:
        """A row of `/market/tickers`."""
        return {"symbol": self.symbol, **self._quoted(now_ms)}


def currency(name: str) -> Row:
    """A row of `/v2/reference/currencies`: one chain, open both ways."""
    chain: Row = {
        "chain": name,
        "displayName": name.upper(),
        "baseChain": name.upper(),
        "baseChainProtocol": name.upper(),
        "isDynamic": False,
        "numOfConfirmations": 12,
        "numOfFastConfirmations": 12,
        "depositStatus": "allowed",
        "minDepositAmt": "0.001",
        "withdrawStatus": "allowed",
        "minWithdrawAmt": "0.01",
        "withdrawPrecision": 8,
        "maxWithdrawAmt": "1000000.00000000",
        "withdrawQuotaPerDay": "1000000.00000000",
        "withdrawQuotaPerYear": None,
        "withdrawQuotaTotal": None,
        "withdrawFeeType": "fixed",
        "transactFeeWithdraw": "0.00100000",
        "addrWithTag": False,
        "addrDepositTag": False,
    }
    return {"currency": name, "assetType": 1, "chains": [chain], "instStatus": "normal"}
