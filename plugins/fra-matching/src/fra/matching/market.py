"""A market: an instrument with its resting orders, outside levels, waiting orders and prices."""

from decimal import Decimal

from fra.matching.account import OUTSIDE, Account
from fra.matching.book import OutsideSide, RestingSide
from fra.matching.instrument import Instrument
from fra.matching.order import PositionSide, Side
from fra.matching.position import Holding


class Market:
    """What is known of one instrument now."""

    def __init__(self, instrument: Instrument, now_ms: int) -> None:
        self.instrument = instrument
        # Beside the tables by side: to look an enum member up costs more than the rest of an idle `quote`.
        self.bids, self.asks = RestingSide(Side.BUY), RestingSide(Side.SELL)
        self.outside_bids, self.outside_asks = OutsideSide(instrument), OutsideSide(instrument)
        self.resting = {Side.BUY: self.bids, Side.SELL: self.asks}
        self.outside = {Side.BUY: self.outside_bids, Side.SELL: self.outside_asks}
        self.waiting: dict[int, Account] = {}  # untriggered orders
        self.holders: dict[str, Account] = {}  # who has a position
        self.outside_holding = Holding(OUTSIDE, PositionSide.NET)
        self.told_mark: Decimal | None = None
        self.last: Decimal | None = None
        self.funded_ms = now_ms  # the last settlement, the listing or the change of the interval

    def change(self, instrument: Instrument, now_ms: int) -> None:
        """Take new terms; a new interval counts from now."""
        if instrument.interval_ms != self.instrument.interval_ms:
            self.funded_ms = max(self.funded_ms, now_ms)
        self.instrument = instrument
        for side in self.outside.values():
            side.instrument = instrument

    @property
    def is_live(self) -> bool:
        """Whether anything may happen to an account when the outside moves."""
        return bool(self.bids.keys or self.asks.keys or self.holders or self.waiting)

    @property
    def mark(self) -> Decimal | None:
        """The mark price; until it is told, the last price, or else the middle of the quotes."""
        if self.told_mark is not None:
            return self.told_mark
        if self.last is not None:
            return self.last
        bid, ask = next(iter(self.outside_bids), None), next(iter(self.outside_asks), None)
        return None if bid is None or ask is None else (bid[0] + ask[0]) / 2

    def next_settlement_ms(self) -> int | None:
        interval = self.instrument.interval_ms
        return (self.funded_ms // interval + 1) * interval if interval else None
