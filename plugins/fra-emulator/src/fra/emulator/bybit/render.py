"""One instrument of the generated market in Bybit's words: numbers are strings, sizes base coin (USD on inverse)."""

from collections.abc import Iterable, Mapping

from fra.emulator.book import BookEngine, Trade
from fra.emulator.bybit.ids import trade_id
from fra.emulator.candles import BYBIT
from fra.emulator.grid import Grid
from fra.emulator.instruments import Instrument
from fra.emulator.market import Candle
from fra.emulator.pump import Pump

Row = dict[str, object]
LISTED_MS = 1584230400000
_MAJOR_TURNOVER = 2.5e9
_SPOT_TICKER = (
    "symbol",
    "lastPrice",
    "highPrice24h",
    "lowPrice24h",
    "prevPrice24h",
    "volume24h",
    "turnover24h",
    "price24hPcnt",
    "usdIndexPrice",
)
_CONTRACT_TICKER = (
    "symbol",
    "tickDirection",
    "price24hPcnt",
    "lastPrice",
    "prevPrice24h",
    "highPrice24h",
    "lowPrice24h",
    "prevPrice1h",
    "markPrice",
    "indexPrice",
    "openInterest",
    "openInterestValue",
    "turnover24h",
    "volume24h",
    "fundingIntervalHour",
    "fundingCap",
    "nextFundingTime",
    "fundingRate",
    "bid1Price",
    "bid1Size",
    "ask1Price",
    "ask1Size",
    "preOpenPrice",
    "preQty",
    "curPreListingPhase",
)


def _plain(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Render:
    """Rows of one instrument."""

    def __init__(self, instrument: Instrument, pump: Pump) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.is_spot = instrument.market == "spot"
        # spot cuts trailing zeros, contracts keep the decimals of their grid
        self.price = Grid(instrument.tick, strip=self.is_spot)
        self.lot = Grid(instrument.lot, strip=self.is_spot)
        self.decimals = -int(instrument.tick.as_tuple().exponent)
        self._pump = pump

    @property
    def engine(self) -> BookEngine:
        """The book, made on first use."""
        return self._pump.engine(self.instrument)

    @property
    def base(self) -> str:
        """The base coin as the venue writes it: `SHIB1000`, not `1000SHIB`."""
        ending = "PERP" if self.symbol.endswith("PERP") else self.instrument.quote
        return self.symbol.removesuffix(ending)

    @property
    def funding_cap(self) -> str:
        return "0.005" if self.instrument.turnover > _MAJOR_TURNOVER else "0.01"

    @property
    def max_leverage(self) -> str:
        return "100.00" if self.instrument.turnover > _MAJOR_TURNOVER else "50.00"

    def _price(self, value: float) -> str:
        return self.price.text(self.price.count(value))

    def _fine(self, value: float) -> str:
        """A mark or index price: as many decimals as the tick, but not on its grid."""
        return f"{value:.{self.decimals}f}"

    # -- listing
    def _id(self) -> int:
        return sum(n * ord(c) for n, c in enumerate(self.symbol, 1)) % 3000

    def _lots_worth(self, quote: float) -> str:
        return self.lot.text(max(1, round(quote / self.instrument.lot_notional(float(self.instrument.price)))))

    def listing(self) -> Row:
        return self._spot_listing() if self.is_spot else self._contract_listing()

    def _spot_listing(self) -> Row:
        i = self.instrument
        return {
            "symbolId": self._id(),
            "symbol": i.symbol,
            "baseCoin": self.base,
            "quoteCoin": i.quote,
            "innovation": "0",
            "status": "Trading",
            "marginTrading": "utaOnly",
            "stTag": "0",
            "lotSizeFilter": {
                "basePrecision": f"{i.lot:f}",
                "quotePrecision": f"{i.tick * i.lot:f}",
                "minOrderQty": f"{i.min_amount:f}",
                "maxOrderQty": self._lots_worth(20_000_000),
                "minOrderAmt": f"{i.min_notional:f}",
                "maxOrderAmt": "8000000",
                "maxLimitOrderQty": self._lots_worth(20_000_000),
                "maxMarketOrderQty": self._lots_worth(10_000_000),
                "postOnlyMaxLimitOrderSize": self._lots_worth(100_000_000),
            },
            "priceFilter": {"tickSize": f"{i.tick:f}"},
            "riskParameters": {"priceLimitRatioX": "0.005", "priceLimitRatioY": "0.01"},
            "symbolType": "",
            "xstockMultiplier": "1",
        }

    def _contract_listing(self) -> Row:
        i = self.instrument
        lots: Row = {
            "maxOrderQty": self._lots_worth(100_000_000),
            "minOrderQty": f"{i.min_amount:f}",
            "qtyStep": f"{i.lot:f}",
            "postOnlyMaxOrderQty": self._lots_worth(100_000_000),
            "maxMktOrderQty": self._lots_worth(10_000_000),
        }
        if not i.inverse:
            lots["minNotionalValue"] = f"{i.min_notional:f}"
        return {
            "symbol": i.symbol,
            "contractType": "InversePerpetual" if i.inverse else "LinearPerpetual",
            "status": "Trading",
            "baseCoin": self.base,
            "quoteCoin": i.quote,
            "launchTime": str(LISTED_MS),
            "deliveryTime": "0",
            "deliveryFeeRate": "",
            "priceScale": str(self.decimals),
            "leverageFilter": {"minLeverage": "1", "maxLeverage": self.max_leverage, "leverageStep": "0.01"},
            "priceFilter": {
                "minPrice": f"{i.tick:f}",
                "maxPrice": self.price.text(19_999_998),
                "tickSize": f"{i.tick:f}",
            },
            "lotSizeFilter": lots,
            "unifiedMarginTrade": True,
            "fundingInterval": i.interval_hours * 60,
            "settleCoin": i.settle,
            "copyTrading": "none",
            "upperFundingRate": self.funding_cap,
            "lowerFundingRate": f"-{self.funding_cap}",
            "isPreListing": False,
            "preListingInfo": None,
            "riskParameters": {"priceLimitRatioX": "0.05", "priceLimitRatioY": "0.1"},
            "displayName": f"{self.base}USDC" if i.symbol.endswith("PERP") else "",
            "symbolType": "",
            "forbidUplWithdrawal": False,
            "symbolId": self._id(),
        }

    def risk_limit(self) -> Row:
        """One tier, which is all that the generated market has."""
        row: Row = {"id": self._id(), "symbol": self.symbol, "riskLimitValue": "100000000"}
        return row | {
            "maintenanceMargin": "0.005",
            "initialMargin": "0.01" if self.max_leverage == "100.00" else "0.02",
            "isLowestRisk": 1,
            "maxLeverage": self.max_leverage,
            "mmDeduction": "",
        }

    # -- book
    def rows(self, levels: Iterable[tuple[int, int]]) -> list[tuple[str, str]]:
        """Price and size as text; a size of 0 is `0`, whatever the grid."""
        return [(self.price.text(p), self.lot.text(q) if q else "0") for p, q in levels]

    def sides(self, bids: Mapping[int, int], asks: Mapping[int, int], *, u: int, seq: int) -> Row:
        """A snapshot's or delta's `data`, best prices first."""
        row: Row = {"s": self.symbol, "b": self.rows(sorted(bids.items(), reverse=True))}
        return row | {"a": self.rows(sorted(asks.items())), "u": u, "seq": seq}

    # -- trades
    def trade(self, t: Trade) -> Row:
        """As `recent-trade` has it."""
        row: Row = {
            "execId": trade_id(t.trade_id, spot=self.is_spot),
            "symbol": self.symbol,
            "price": self.price.text(t.price),
        }
        row |= {"size": self.lot.text(t.amount), "side": "Buy" if t.taker_buys else "Sell", "time": str(t.time_ms)}
        return row | {"isBlockTrade": False, "isRPITrade": False, "seq": str(t.seq)}

    def trade_event(self, t: Trade, direction: str) -> Row:
        """As `publicTrade` has it; `direction` is the tick direction, which spot does not tell."""
        price, size = self.price.text(t.price), self.lot.text(t.amount)
        side = "Buy" if t.taker_buys else "Sell"
        if self.is_spot:
            row: Row = {
                "i": trade_id(t.trade_id, spot=self.is_spot),
                "T": t.time_ms,
                "p": price,
                "v": size,
                "S": side,
                "seq": t.seq,
            }
            return row | {"s": self.symbol, "BT": False, "RPI": False}
        row = {"T": t.time_ms, "s": self.symbol, "S": side, "v": size, "p": price, "L": direction}
        return row | {"i": trade_id(t.trade_id, spot=self.is_spot), "BT": False, "RPI": False, "seq": t.seq}

    def direction(self) -> str:
        """The tick direction of the newest trade."""
        newest = self.engine.last_trade.price
        for n, trade in enumerate(reversed(self.engine.trades)):
            if trade.price != newest:
                return ("Zero" if n > 1 else "") + ("PlusTick" if newest > trade.price else "MinusTick")
        return "ZeroPlusTick"

    # -- tickers and candles
    def _volumes(self, base: float, price: float) -> tuple[str, str]:
        """Volume and turnover: base coin and quote, on inverse contracts USD and coin."""
        if self.instrument.inverse:
            return str(max(1, round(base * price))), f"{base:.8f}"
        lots = max(1, round(base / self.lot.step_float))
        return self.lot.text(lots), _plain(lots * self.lot.step_float * price, 8 if self.is_spot else 4)

    def ticker(self, now_ms: int) -> Row:
        """As `tickers` over REST has it."""
        market, i = self._pump.market, self.instrument
        day = market.day(i, now_ms)
        engine = market.known_book(i.market, i.symbol)
        if engine is not None:
            bid, ask, last = engine.best_bid, engine.best_ask, engine.last_trade.price
            bid_lots, ask_lots = engine.bids[bid], engine.asks[ask]
        else:
            bid = last = int(market.mid(i, now_ms) / self.price.step_float)
            ask, bid_lots = bid + 1, max(1, round(8000 / i.lot_notional(float(i.price))))
            ask_lots = bid_lots
        price = last * self.price.step_float
        volume, turnover = self._volumes(day.volume, day.close)
        row: Row = {"symbol": i.symbol, "bid1Price": self.price.text(bid), "bid1Size": self.lot.text(bid_lots)}
        row |= {"ask1Price": self.price.text(ask), "ask1Size": self.lot.text(ask_lots)}
        row |= {"lastPrice": self.price.text(last), "prevPrice24h": self._price(day.open)}
        row |= {
            "price24hPcnt": _plain(price / day.open - 1.0, 4 if self.is_spot else 6),
            "highPrice24h": self._price(max(day.high, price)),
            "lowPrice24h": self._price(min(day.low, price)),
            "turnover24h": turnover,
            "volume24h": volume,
        }
        if self.is_spot:
            return row | {"usdIndexPrice": f"{market.index(i, now_ms):.{self.decimals + 5}f}"}
        return row | self._contract_ticker(now_ms)

    def _contract_ticker(self, now_ms: int) -> Row:
        market, i = self._pump.market, self.instrument
        mark = market.mark(i, now_ms)
        interest = self.open_interest()
        value = float(interest) / mark if i.inverse else float(interest) * mark
        return {
            "indexPrice": self._fine(market.index(i, now_ms)),
            "markPrice": self._fine(mark),
            "prevPrice1h": self._price(market.mid(i, now_ms - 3_600_000)),
            "openInterest": interest,
            "openInterestValue": f"{value:.2f}",
            "fundingRate": self.rate(now_ms),
            "nextFundingTime": str(market.next_settlement(i, now_ms + 1)),
            "fundingIntervalHour": str(i.interval_hours),
            "fundingCap": self.funding_cap,
            "predictedDeliveryPrice": "",
            "basisRate": "",
            "basis": "",
            "basisRateYear": "",
            "deliveryFeeRate": "",
            "deliveryTime": "0",
            "preOpenPrice": "",
            "preQty": "",
            "curPreListingPhase": "",
        }

    def ticker_event(self, now_ms: int) -> Row:
        """As the `tickers` topic has it, whole."""
        row = self.ticker(now_ms)
        if self.is_spot:
            return {name: row[name] for name in _SPOT_TICKER}
        row["tickDirection"] = self.direction()
        return {name: row[name] for name in _CONTRACT_TICKER}

    def _candle(self, interval: str, open_ms: int, now_ms: int) -> tuple[Candle, int]:
        following = BYBIT[interval].following(open_ms)
        return self._pump.market.candle(self.instrument, open_ms, following - open_ms, now_ms), following

    def candle(self, interval: str, open_ms: int, now_ms: int) -> list[str]:
        c, _ = self._candle(interval, open_ms, now_ms)
        prices = [self._price(v) for v in (c.open, c.high, c.low, c.close)]
        return [str(open_ms), *prices, *self._volumes(c.volume, c.close)]

    def candle_event(self, interval: str, open_ms: int, now_ms: int) -> Row:
        c, following = self._candle(interval, open_ms, now_ms)
        volume, turnover = self._volumes(c.volume, c.close)
        row: Row = {"start": open_ms, "end": following - 1, "interval": interval}
        row |= {"open": self._price(c.open), "close": self._price(c.close)}
        row |= {"high": self._price(c.high), "low": self._price(c.low)}
        return row | {"volume": volume, "turnover": turnover, "confirm": c.closed, "timestamp": now_ms}

    def line_candle(self, interval: str, open_ms: int, now_ms: int, *, mark: bool) -> list[str]:
        """A candle of the mark or the index price."""
        price = self._pump.market.mark if mark else self._pump.market.index
        end = min(BYBIT[interval].following(open_ms), max(now_ms, open_ms))
        points = [price(self.instrument, open_ms + (end - open_ms) * k // 10) for k in range(11)]
        return [str(open_ms), *(self._fine(v) for v in (points[0], max(points), min(points), points[-1]))]

    # -- mark, funding
    def price_limit(self, now_ms: int) -> Row:
        mark = self._pump.market.mark(self.instrument, now_ms)
        row: Row = {"symbol": self.symbol, "buyLmt": self._price(mark * 1.05)}
        return row | {"sellLmt": self._price(mark * 0.95), "ts": str(now_ms)}

    def open_interest(self) -> str:
        i = self.instrument
        return self.lot.text(max(1, round(i.turnover / 4 / i.lot_notional(float(i.price)))))

    def rate(self, t_ms: int) -> str:
        """The funding rate at `t_ms`, shortest form."""
        text = f"{self._pump.market.funding(self.instrument, t_ms):f}"
        return text.rstrip("0").rstrip(".") or "0"

    def settled(self, settlement_ms: int) -> Row:
        row: Row = {"symbol": self.symbol, "fundingRate": self.rate(settlement_ms)}
        return row | {"fundingRateTimestamp": str(settlement_ms)}
