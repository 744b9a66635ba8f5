"""The generated market as an HTX data source: REST answers, pulls and channels."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from fra.emulator import candles
from fra.emulator.feed import GeneratedFeed, Params, whole
from fra.emulator.htx.linear import LinearRender
from fra.emulator.htx.number import raw
from fra.emulator.htx.render import LISTED_MS, Row, encoded
from fra.emulator.htx.spot import SpotRender, currency
from fra.emulator.htx.streams import Streams
from fra.emulator.instruments import Instrument
from fra.emulator.market import Market
from fra.emulator.pump import GeneratedStream
from fra.emulator.settings import Settings
from fra.emulator.source import NoData, Push, StreamKey, TrueBook

Answer = Callable[[Params], Row]
AnyRender = SpotRender | LinearRender


class HtxFeed(GeneratedFeed[AnyRender]):
    """Implements `Source` over a generated market; an endpoint is a whole path without its first slash."""

    def __init__(self, market: Market, settings: Settings) -> None:
        super().__init__(market, settings)
        self._streams = Streams(self._pump, self._listed)
        ex, api = "linear-swap-ex/market", "linear-swap-api/v1"
        self._answers: Mapping[str, Answer] = {
            # spot
            "v1/common/timestamp": lambda p: self._ok(self._now()),
            "v1/common/symbols": lambda p: self._ok([r.listing() for r in self._pairs(p)]),
            "v1/common/currencys": lambda p: self._ok(self._currencies()),
            "v2/settings/common/symbols": lambda p: self._settings([r.settings() for r in self._pairs(p)]),
            "v1/settings/common/market-symbols": lambda p: self._settings(
                [r.market_settings() for r in self._pairs(p)]
            ),
            "v2/reference/currencies": lambda p: {"code": 200, "data": [currency(c) for c in self._currencies()]},
            "v2/market-status": lambda p: {"code": 200, "message": "success", "data": {"marketStatus": 1}},
            "market/depth": lambda p: self._depth(self._pair(p), p),
            "market/detail/merged": lambda p: self._tick(
                self._pair(p), "detail.merged", self._pair(p).detail_merged(self._now())
            ),
            "market/detail": lambda p: self._tick(self._pair(p), "detail", self._pair(p).detail(self._now())),
            "market/tickers": lambda p: self._stamped("data", [r.ticker_row(self._now()) for r in self._pairs({})]),
            "market/history/trade": lambda p: self._history(self._pair(p), p),
            "market/trade": self._last_match,
            "market/history/kline": lambda p: self._klines(self._pair(p), p, most=2000, ascending=False),
            "market/history/candles": lambda p: self._klines(self._pair(p), p, most=1000, ascending=False),
            # linear
            "api/v1/timestamp": lambda p: {"status": "ok", "ts": self._now()},
            "heartbeat": lambda p: self._stamped("data", _HEARTBEAT),
            f"{api}/swap_contract_info": lambda p: self._stamped("data", self._contract_info(p)),
            f"{api}/swap_query_elements": lambda p: self._stamped("data", [r.elements() for r in self._swaps(p)]),
            f"{api}/swap_index": lambda p: self._stamped("data", [r.index(self._now()) for r in self._swaps(p)]),
            f"{api}/swap_open_interest": lambda p: self._stamped("data", [r.open_interest() for r in self._swaps(p)]),
            f"{api}/swap_price_limit": lambda p: self._stamped(
                "data", [r.price_limit(self._now()) for r in self._swaps(p)]
            ),
            f"{api}/swap_funding_rate": lambda p: self._stamped("data", self._swap(p).funding(self._now())),
            f"{api}/swap_batch_funding_rate": lambda p: self._stamped(
                "data", [r.funding(self._now()) for r in self._swaps(p)]
            ),
            f"{api}/swap_historical_funding_rate": self._funding_history,
            f"{ex}/depth": lambda p: self._depth(self._swap(p), p),
            f"{ex}/detail/merged": lambda p: self._tick(
                self._swap(p), "detail.merged", self._swap(p).detail_merged(self._now())
            ),
            f"{ex}/detail/batch_merged": lambda p: self._batch(p, v2=False),
            f"v2/{ex}/detail/batch_merged": lambda p: self._batch(p, v2=True),
            f"{ex}/history/trade": lambda p: self._history(self._swap(p), p),
            f"{ex}/trade": self._last_trades,
            f"{ex}/history/kline": lambda p: self._klines(self._swap(p), p, most=2000, ascending=True),
            "index/market/history/linear_swap_mark_price_kline": lambda p: self._indexed_klines(p, "mark_price"),
            "index/market/history/linear_swap_premium_index_kline": lambda p: self._indexed_klines(p, "premium_index"),
            "v5/market/funding_rate": lambda p: self._v5([self._swap(p).funding_v5(self._now())]),
            "v5/market/funding_rate_history": self._funding_history_v5,
            "v5/market/open_interest": lambda p: self._v5(self._swap(p).open_interest_v5()),
            # listed and suspended: coin-margined contracts are not traded here
            "swap-api/v1/swap_contract_info": lambda p: self._stamped("data", [self._suspended(None)]),
            "api/v1/contract_contract_info": lambda p: self._stamped("data", [self._suspended(self._quarter())]),
        }

    # -- Source
    def answer(self, market: str, endpoint: str, params: Params) -> bytes:
        if endpoint == "req":
            return encoded(self._pulled(market, params))
        make = self._answers.get(endpoint)
        if make is None:
            raise NoData(endpoint)
        return encoded(make(params))

    def open(self, key: StreamKey, push: Push) -> GeneratedStream | None:
        return self._streams.open(key, push)

    def book(self, market: str, symbol: str, update_id: int | None = None) -> TrueBook:
        """`update_id` may also be the `version` of a linear book's updates."""
        render = self._of(market, symbol)
        engine = render.engine
        if update_id is not None and market == "linear":
            found = self._streams.update_id(symbol, update_id)
            update_id = update_id if found is None else found
        levels = engine.levels() if update_id is None else engine.at(update_id)
        if levels is None:
            raise NoData(f"{symbol} at {update_id}")
        bids = render.true_rows(sorted(levels.bids.items(), reverse=True))
        asks = render.true_rows(sorted(levels.asks.items()))
        return TrueBook(symbol, levels.update_id, levels.time_ms, bids, asks)

    def renumber(self, market: str, symbol: str, update_id: int) -> None:
        self._of(market, symbol).engine.renumber(update_id)
        self._streams.renumbered(symbol, update_id)

    # -- parts
    def _renderer(self, instrument: Instrument) -> AnyRender:
        return (SpotRender if instrument.market == "spot" else LinearRender)(instrument, self._pump)

    def _listed(self, market: str, symbol: str) -> AnyRender | None:
        instrument = self.market.find(market, symbol)
        return None if instrument is None else self.render(instrument)

    def _pair(self, params: Params) -> SpotRender:
        render = self._of("spot", params.get("symbol", ""))
        assert isinstance(render, SpotRender)
        return render

    def _swap(self, params: Params) -> LinearRender:
        render = self._of("linear", params.get("contract_code", "").upper())
        assert isinstance(render, LinearRender)
        return render

    def _pairs(self, params: Params) -> Sequence[SpotRender]:
        """By `symbols`, or all."""
        named = params.get("symbols")
        names = named.split(",") if named else [i.symbol for i in self.market.instruments("spot")]
        return [self._pair({"symbol": name}) for name in names]

    def _swaps(self, params: Params) -> Sequence[LinearRender]:
        """By `contract_code` or `pair`, or all; dated contracts are none."""
        if params.get("business_type") == "futures" or params.get("contract_type", "swap") != "swap":
            return []
        named = params.get("contract_code") or params.get("pair")
        names = [named] if named else [i.symbol for i in self.market.instruments("linear")]
        return [self._swap({"contract_code": name}) for name in names]

    def _currencies(self) -> Sequence[str]:
        listed: Sequence[Instrument] = self.market.instruments("spot")
        return list(dict.fromkeys(name.lower() for i in listed for name in (i.base, i.quote)))

    # -- envelopes
    @staticmethod
    def _ok(data: object) -> Row:
        return {"status": "ok", "data": data}

    def _settings(self, rows: Sequence[Row]) -> Row:
        return {"status": "ok", "data": rows, "ts": str(self._now()), "full": 1}

    def _stamped(self, name: str, value: object) -> Row:
        return {"status": "ok", name: value, "ts": self._now()}

    def _tick(self, render: AnyRender, channel: str, tick: object) -> Row:
        ch = f"market.{render.symbol}.{channel}"
        return {"ch": ch, "status": "ok", "ts": self._now(), "tick": tick}

    def _v5(self, data: object) -> Row:
        return {"code": 200, "message": "Success", "data": data, "ts": self._now()}

    # -- market data
    def _depth(self, render: AnyRender, params: Params) -> Row:
        step = params.get("type", "step0")
        tick = render.step(self._outdated(render) or render.engine.levels(), step, whole(params, "depth"))
        return self._tick(render, f"depth.{step}", tick)

    def _history(self, render: AnyRender, params: Params) -> Row:
        size = min(whole(params, "size") or 1, 2000)
        trades = list(render.engine.trades)[::-1][:size]
        rows = render.trades(trades, pushed=False)
        ch = f"market.{render.symbol}.trade.detail"
        return {"ch": ch, "status": "ok", "ts": self._now(), "data": rows}

    def _last_match(self, params: Params) -> Row:
        render = self._pair(params)
        return self._tick(render, "trade.detail", render.trades([render.engine.last_trade], pushed=False)[0])

    def _last_trades(self, params: Params) -> Row:
        now = self._now()
        tick = {"data": [r.last_trade() for r in self._swaps(params)], "id": now, "ts": now}
        return {"ch": "market.*.trade.detail", "status": "ok", "tick": tick, "ts": now}

    def _batch(self, params: Params, *, v2: bool) -> Row:
        return self._stamped("ticks", [r.batch_merged(self._now(), v2=v2) for r in self._swaps(params)])

    def _opens(self, params: Params, *, most: int) -> Sequence[int]:
        size, since, until = (whole(params, n) for n in ("size", "from", "to"))
        return candles.opens(
            candles.HTX[params["period"]],
            now_ms=self._now(),
            limit=min(size or (150 if since is None else most), most),
            start_ms=since * 1000 if since is not None else None,
            end_ms=until * 1000 if until is not None else None,
            oldest_ms=LISTED_MS,
        )

    def _klines(self, render: AnyRender, params: Params, *, most: int, ascending: bool) -> Row:
        period, now = params["period"], self._now()
        # where a contract's request names a size, its times are ignored
        asked = {**params, "from": "", "to": ""} if ascending and params.get("size") else params
        rows = [render.kline(period, at, now) for at in self._opens(asked, most=most)]
        ch = f"market.{render.symbol}.kline.{period}"
        return {"ch": ch, "status": "ok", "ts": now, "data": rows if ascending else rows[::-1]}

    def _indexed_klines(self, params: Params, what: str) -> Row:
        render, period, now = self._swap(params), params["period"], self._now()
        rows = [render.indexed_kline(what, period, at, now) for at in self._opens(params, most=2000)]
        return {"ch": f"market.{render.symbol}.{what}.{period}", "status": "ok", "ts": now, "data": rows}

    # -- pulls over a socket
    def _pulled(self, market: str, params: Params) -> Row:
        """`topic` of `symbol`, beside what else the request said; the reply's `data`, under that name."""
        render, topic = self._of(market, params["symbol"]), params["topic"]
        kind, _, rest = topic.partition(".")
        if kind == "kline" and rest in candles.HTX:
            times = self._opens({**params, "period": rest, "size": "" if params.get("from") else "300"}, most=300)
            return {"data": [render.kline(rest, at, self._now()) for at in times]}
        if topic == "trade.detail":
            trades = list(render.engine.trades)[-min(whole(params, "size") or 50, 50) :]
            rows = [row for tick in render.trades(trades, pushed=True) for row in self._flat(tick)]
            return {"data": rows}
        if isinstance(render, SpotRender):
            if topic == "detail":
                return {"data": render.detail(self._now())}
            if kind == "mbp" and rest.isdigit():
                if (levels := self._outdated(render)) is not None:
                    return {"data": render.snapshot(levels, int(rest))}
                return {"data": self._streams.pulled(render, int(rest))}
            if kind == "depth":
                return {"data": render.step(render.engine.levels(), rest, None)}
        raise NoData(topic)

    @staticmethod
    def _flat(tick: Row) -> Sequence[object]:
        rows = tick["data"]
        assert isinstance(rows, list)
        return rows

    # -- funding and contracts
    def _settlements(self, render: LinearRender, newest_ms: int, count: int) -> Sequence[int]:
        i = render.instrument
        last = self.market.next_settlement(i, newest_ms + 1) - i.interval_ms
        return [at for at in range(last, last - count * i.interval_ms, -i.interval_ms) if at >= LISTED_MS]

    def _funding_history(self, params: Params) -> Row:
        render, now = self._swap(params), self._now()
        page, size = whole(params, "page_index") or 1, min(whole(params, "page_size") or 20, 50)
        total = (now - LISTED_MS) // render.instrument.interval_ms
        times = self._settlements(render, now, page * size)[(page - 1) * size :]
        data: Row = {"total_page": -(-total // size), "current_page": page, "total_size": total}
        return self._stamped("data", {**data, "data": [render.settled(at) for at in times]})

    def _funding_history_v5(self, params: Params) -> Row:
        render, now = self._swap(params), self._now()
        limit, since = min(whole(params, "limit") or 10, 100), whole(params, "start_time") or 0
        times = self._settlements(render, min(now, whole(params, "end_time") or now), limit)
        return self._v5([render.settled_v5(at) for at in times if at >= since])

    def _contract_info(self, params: Params) -> Sequence[Row]:
        now = self._now()
        return [r.listing(now) for r in self._swaps(params)]

    def _quarter(self) -> datetime:
        """The last Friday of this quarter or, in its last weeks, of the next."""
        day = datetime.fromtimestamp(self._now() / 1000, UTC) + timedelta(days=14)
        month = (day.month - 1) // 3 * 3 + 3
        after = datetime(day.year + month // 12, month % 12 + 1, 1, 8, tzinfo=UTC)
        last = after - timedelta(days=1)
        return last - timedelta(days=(last.weekday() - 4) % 7)

    @staticmethod
    def _suspended(delivery: datetime | None) -> Row:
        """A coin-margined contract that is listed and not traded (`contract_status` 3)."""
        row: Row = {"symbol": "BTC", "contract_size": raw("100." + "0" * 18), "contract_status": 3}
        row |= {"create_date": "20200325"}
        if delivery is None:
            row |= {"contract_code": "BTC-USD", "price_tick": raw("0.1"), "delivery_time": ""}
            return row | {"settlement_date": "1603238400000"}
        row |= {"contract_code": f"BTC{delivery:%y%m%d}", "contract_type": "quarter", "price_tick": raw("0.01")}
        due = str(int(delivery.timestamp() * 1000))
        return row | {"delivery_date": f"{delivery:%Y%m%d}", "delivery_time": due, "settlement_time": due}


_HEARTBEAT: Row = {
    "heartbeat": 1,
    "swap_heartbeat": 1,
    "linear_swap_heartbeat": 1,
    "option_heartbeat": 1,
    "estimated_recovery_time": None,
    "swap_estimated_recovery_time": None,
    "linear_swap_estimated_recovery_time": None,
    "option_estimated_recovery_time": None,
}
