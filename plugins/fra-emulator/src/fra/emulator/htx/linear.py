"""One linear swap in HTX's words (HTX docs: USDT-M, "Reference Data", "Market Data"): sizes are whole contracts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from fra.emulator.book import Levels, Trade
from fra.emulator.candles import HTX
from fra.emulator.htx.number import decimal, raw
from fra.emulator.htx.render import LISTED_MS, Render, Row, groups
from fra.emulator.market import Candle

_FINE: Mapping[str, int] = {"step0": 1, **{f"step{n}": 10**n for n in range(1, 6)}}
_COARSE: Mapping[str, int] = {"step6": 1, **{f"step{n}": 10 ** (n - 6) for n in range(7, 12)}}
STEPS: Mapping[str, tuple[int, int]] = {
    **{step: (ticks, 150) for step, ticks in _FINE.items()},
    **{step: (ticks, 20) for step, ticks in _COARSE.items()},
}
"""Ticks put together and levels a side of each `depth.stepN`."""
SIZES = (20, 150)
"""Levels of `depth.size_N.high_freq`."""
_FIRST_MATCH = 100_000_000_000_000
_SIDES = 2
"""What was traded is counted for the buyer and for the seller (HTX docs: USDT-M, `amount` and `vol` of trades, candles
and tickers: "Sum of both buy and sell sides"); recorded trades are even numbers of contracts."""


class LinearRender(Render):
    """Prices and sizes are JSON numbers without an exponent; rates are strings of eighteen decimals."""

    def contracts(self, base: float) -> int:
        """Whole contracts of about this much base coin."""
        return round(base / float(self.instrument.contract_size))

    def _base(self, contracts: int) -> str:
        return f"{(contracts * self.instrument.contract_size).normalize():f}"

    def _kind(self) -> Row:
        return {"business_type": "swap", "pair": self.symbol, "contract_type": "swap", "trade_partition": "USDT"}

    # -- listings
    def listing(self, now_ms: int) -> Row:
        """A row of `swap_contract_info`."""
        i = self.instrument
        return {
            "symbol": i.base,
            "contract_code": i.symbol,
            "contract_size": raw(f"{i.contract_size:.18f}"),
            "price_tick": raw(f"{i.tick:.18f}"),
            "delivery_date": "",
            "delivery_time": "",
            "create_date": datetime.fromtimestamp(LISTED_MS / 1000, UTC).strftime("%Y%m%d"),
            "contract_status": 1,
            "settlement_date": str(self.settles(now_ms)),
            "support_margin_mode": "all",
            **self._kind(),
        }

    def elements(self) -> Row:
        """A row of `swap_query_elements`."""
        i = self.instrument
        most = f"{self.lots_worth(20_000_000)}.{'0' * 18}"
        kinds = (0, 1, 2, 3)
        limits = [{"instrument_type": k, "open": most, "close": most, "open_after_closing": most} for k in kinds]
        return {
            "contract_code": i.symbol,
            "funding_rate_cap": f"{0.00375:.18f}",
            "funding_rate_floor": f"{-0.00375:.18f}",
            "mode_type": 2,
            "swap_delivery_type": 3,
            "settle_period": i.interval_hours,
            "instrument_index_code": i.symbol,
            "price_ticks": [{"business_type": 2, "price": f"{i.tick:.18f}"}],
            "instrument_values": [{"business_type": 2, "price": f"{i.contract_size:.18f}"}],
            "min_level": "1",
            "max_level": "75",
            "order_limits": limits,
            "normal_limits": [{k: v for k, v in row.items() if k != "open_after_closing"} for row in limits],
            "open_limits": [],
            "trade_limits": [],
            "real_time_settlement": 1,
            "transfer_profit_ratio": 1,
            "cross_transfer_profit_ratio": 1,
            "trade_partition": "USDT",
        }

    # -- book
    def step(self, levels: Levels, step: str, depth: int | None) -> Row:
        ticks, most = STEPS[step]
        second = levels.time_ms // 1000
        return {
            "mrid": levels.update_id,
            "id": second,
            **self.sides(levels.bids, levels.asks, most, ticks=ticks),
            "ts": levels.time_ms,
            # only the second: many pushes share it
            "version": second,
            "ch": f"market.{self.symbol}.depth.{step}",
        }

    def high_freq(
        self,
        bids: Mapping[int, int],
        asks: Mapping[int, int],
        *,
        size: int,
        event: str,
        mrid: int,
        version: int,
        ts: int,
    ) -> Row:
        """The tick of `depth.size_N.high_freq`: all levels given, or the best of a whole book."""
        return {
            **self.sides(bids, asks, size if event == "snapshot" else len(bids) + len(asks)),
            "ch": f"market.{self.symbol}.depth.size_{size}.high_freq",
            "event": event,
            "id": mrid,
            "mrid": mrid,
            "ts": ts,
            "version": version,
        }

    def best(self, now_ms: int) -> Row:
        """The tick of `bbo`."""
        q, engine = self.quote(now_ms), self.engine
        return {
            "mrid": engine.update_id,
            "id": engine.time_ms // 1000,
            "bid": raw(self.pair(q.bid, q.bid_lots)),
            "ask": raw(self.pair(q.ask, q.ask_lots)),
            "ts": engine.time_ms,
            "version": engine.update_id,
            "ch": f"market.{self.symbol}.bbo",
        }

    # -- trades
    def _turnover(self, contracts: int, ticks: int) -> str:
        return f"{(contracts * self.instrument.contract_size * ticks * self.instrument.tick).normalize():f}"

    def _trade(self, t: Trade) -> Row:
        contracts = _SIDES * int(t.amount * self.instrument.lot)
        return {
            "amount": contracts,
            "quantity": raw(self._base(contracts)),
            "trade_turnover": raw(self._turnover(contracts, t.price)),
            "ts": t.time_ms,
            "id": (_FIRST_MATCH + t.seq) * 10_000 + t.trade_id % 10_000,
            "price": raw(self.price_at(t.price)),
            "direction": "buy" if t.taker_buys else "sell",
        }

    def trades(self, trades: Iterable[Trade], *, pushed: bool) -> Sequence[Row]:
        """One row per match."""
        return [
            {"id": _FIRST_MATCH + g[0].seq, "ts": g[0].time_ms, "data": [self._trade(t) for t in g]}
            for g in groups(trades)
        ]

    def last_trade(self) -> Row:
        """A row of `/linear-swap-ex/market/trade`, where price and amount are strings."""
        t = self.engine.last_trade
        row = self._trade(t)
        texts = {"price": self.price_at(t.price), "amount": str(row["amount"])}
        return {**row, **texts, "contract_code": self.symbol, "business_type": "swap", "trade_partition": "USDT"}

    # -- candles and tickers
    def _amounts(self, c: Candle) -> dict[str, str]:
        contracts = _SIDES * self.contracts(c.volume)
        return {
            "amount": self._base(contracts),
            "vol": str(contracts),
            "trade_turnover": decimal(_SIDES * c.volume * c.close, 4),
        }

    def kline(self, period: str, open_ms: int, now_ms: int) -> Row:
        c = self.candle(period, open_ms, now_ms)
        prices = {name: raw(self.near(getattr(c, name))) for name in ("open", "close", "low", "high")}
        amounts = {name: raw(text) for name, text in self._amounts(c).items()}
        return {"id": open_ms // 1000, **prices, **amounts, "count": c.trades}

    def pushed_kline(self, period: str, open_ms: int, now_ms: int) -> Row:
        return {"mrid": self.engine.update_id, **self.kline(period, open_ms, now_ms)}

    def _day(self, now_ms: int) -> tuple[dict[str, str], Row]:
        day, q = self.day(now_ms)
        price = q.last * self.price.step_float
        texts = {
            "open": self.near(day.open),
            "close": self.price_at(q.last),
            "low": self.near(min(day.low, price)),
            "high": self.near(max(day.high, price)),
            **self._amounts(day),
        }
        quote = {"ask": raw(self.pair(q.ask, q.ask_lots)), "bid": raw(self.pair(q.bid, q.bid_lots))}
        return texts, {"count": day.trades, **quote}

    def detail(self, now_ms: int) -> Row:
        """The pushed tick of `detail`: numbers."""
        texts, rest = self._day(now_ms)
        minute = now_ms // 60_000 * 60
        return {"id": minute, "mrid": self.engine.update_id, **{k: raw(v) for k, v in texts.items()}, **rest}

    def detail_merged(self, now_ms: int) -> Row:
        """The tick of `detail/merged`: strings, but for the quote and the count."""
        texts, rest = self._day(now_ms)
        return {"id": now_ms // 1000, "ts": now_ms, **texts, **rest}

    def batch_merged(self, now_ms: int, *, v2: bool) -> Row:
        """A row of `batch_merged`; its second version counts contracts in `number_of` and turnover in `vol`."""
        row = {**self.detail_merged(now_ms), "contract_code": self.symbol, "business_type": "swap"}
        if v2:
            row["number_of"], row["vol"] = row["vol"], row.pop("trade_turnover")
        return {**row, "trade_partition": "USDT"}

    # -- index, mark, funding
    def indexed_kline(self, what: str, period: str, open_ms: int, now_ms: int) -> Row:
        """A candle of `mark_price`, `index` or `premium_index`: texts, and no volume."""
        end = min(HTX[period].following(open_ms), max(now_ms, open_ms))
        points = [self._indexed(what, open_ms + (end - open_ms) * k // 10) for k in range(11)]
        told = {"open": points[0], "close": points[-1], "low": min(points), "high": max(points)}
        texts = {k: decimal(v, 16) if what == "premium_index" else self.near(v) for k, v in told.items()}
        return {"id": open_ms // 1000, **texts, "amount": "0", "vol": "0", "count": "0", "trade_turnover": "0"}

    def _indexed(self, what: str, t_ms: int) -> float:
        market, i = self.pump.market, self.instrument
        if what == "index":
            return market.index(i, t_ms)
        return market.mark(i, t_ms) if what == "mark_price" else market.mark(i, t_ms) / market.index(i, t_ms) - 1.0

    def index(self, now_ms: int) -> Row:
        price = decimal(self.pump.market.index(self.instrument, now_ms), 10)
        return {"contract_code": self.symbol, "index_price": raw(price), "index_ts": now_ms}

    def open_interest(self) -> Row:
        """A row of `swap_open_interest`."""
        i = self.instrument
        price = float(i.price)
        held, traded = self.contracts(i.turnover / 4 / price), self.contracts(i.turnover / price)
        return {
            "volume": raw(f"{held}.{'0' * 18}"),
            "amount": raw(self._base(held)),
            "symbol": i.base,
            "value": raw(decimal(held * float(i.contract_size) * price, 4)),
            "contract_code": i.symbol,
            "trade_amount": raw(self._base(traded)),
            "trade_volume": traded,
            "trade_turnover": raw(decimal(i.turnover, 4)),
            **self._kind(),
        }

    def open_interest_v5(self) -> Row:
        """The `data` of `/v5/market/open_interest`: strings."""
        i = self.instrument
        price = float(i.price)
        held, traded = self.contracts(i.turnover / 4 / price), self.contracts(i.turnover / price)
        return {
            "amount": self._base(held),
            "volume": str(held),
            "value": decimal(held * float(i.contract_size) * price, 4),
            "contract_code": i.symbol,
            "trade_amount": self._base(traded),
            "trade_volume": str(traded),
            "trade_turnover": decimal(i.turnover, 4),
        }

    def price_limit(self, now_ms: int) -> Row:
        mark = self.pump.market.mark(self.instrument, now_ms)
        row: Row = {"symbol": self.instrument.base, "contract_code": self.symbol}
        return row | {
            "high_limit": raw(self.near(mark * 1.02)),
            "low_limit": raw(self.near(mark * 0.98)),
            **self._kind(),
        }

    def settles(self, now_ms: int) -> int:
        """The next settlement, ms."""
        return self.pump.market.next_settlement(self.instrument, now_ms + 1)

    def rate(self, t_ms: int) -> str:
        return f"{self.pump.market.funding(self.instrument, t_ms):.18f}"

    def funding(self, now_ms: int) -> Row:
        """The `data` of `swap_funding_rate`: the running period's rate; since January 2024 no estimate of the next."""
        return {
            "estimated_rate": None,
            "funding_rate": self.rate(now_ms),
            "contract_code": self.symbol,
            "symbol": self.instrument.base,
            "fee_asset": self.instrument.settle,
            "funding_time": str(self.settles(now_ms)),
            "next_funding_time": None,
            "trade_partition": "USDT",
        }

    def pushed_funding(self, now_ms: int) -> Row:
        """A row of `public.$c.funding_rate`, where `funding_time` is the minute of the estimate and
        `settlement_time` the settlement."""
        return {
            "symbol": self.instrument.base,
            "contract_code": self.symbol,
            "fee_asset": self.instrument.settle,
            "funding_time": str(now_ms // 60_000 * 60_000),
            "funding_rate": self.rate(now_ms),
            "estimated_rate": None,
            "settlement_time": str(self.settles(now_ms)),
            "trade_partition": "USDT",
        }

    def settled(self, settlement_ms: int) -> Row:
        """A row of `swap_historical_funding_rate`."""
        market = self.pump.market
        premium = market.mark(self.instrument, settlement_ms) / market.index(self.instrument, settlement_ms) - 1.0
        return {
            "avg_premium_index": f"{premium:.18f}",
            "funding_rate": self.rate(settlement_ms),
            "realized_rate": None,
            "funding_time": str(settlement_ms),
            "contract_code": self.symbol,
            "symbol": self.instrument.base,
            "fee_asset": self.instrument.settle,
        }

    # -- the newer /v5 answers: strings without padding
    def funding_v5(self, now_ms: int) -> Row:
        settles = self.settles(now_ms)
        return {"contract_code": self.symbol, "funding_rate": self._short(now_ms), "funding_time": str(settles)}

    def settled_v5(self, settlement_ms: int) -> Row:
        row: Row = {"id": str(settlement_ms // 3_600_000), "contract_code": self.symbol}
        return row | {"funding_rate": self._short(settlement_ms), "funding_time": str(settlement_ms)}

    def _short(self, t_ms: int) -> str:
        return f"{self.pump.market.funding(self.instrument, t_ms).normalize():f}"
