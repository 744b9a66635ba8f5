"""A small exchange: BTC/USDT spot, a linear and an inverse perpetual, and a few accounts."""

from collections.abc import Callable
from decimal import Decimal as D

import attrs
import pytest

from fra.matching import (
    Event,
    Exchange,
    Filled,
    Instrument,
    Kind,
    Order,
    OrderRequest,
    OrderType,
    PositionMode,
    Side,
)

HOUR = 3_600_000
SPOT, LINEAR, INVERSE = "BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"
SEPARATE = {"spot": "spot", "usdm": "usdm", "coinm": "coinm"}

INSTRUMENTS = (
    Instrument(
        symbol=SPOT,
        market="spot",
        kind=Kind.SPOT,
        base="BTC",
        quote="USDT",
        tick=D("0.1"),
        lot=D("0.001"),
        min_amount=D("0.001"),
        max_amount=D(1000),
        min_notional=D(5),
        maker_fee=D("0.001"),
        taker_fee=D("0.002"),
    ),
    Instrument(
        symbol=LINEAR,
        market="usdm",
        kind=Kind.LINEAR,
        base="BTC",
        quote="USDT",
        tick=D("0.1"),
        lot=D("0.001"),
        min_amount=D("0.001"),
        min_notional=D(5),
        maintenance_rate=D("0.01"),
        interval_ms=8 * HOUR,
    ),
    Instrument(
        symbol=INVERSE,
        market="coinm",
        kind=Kind.INVERSE,
        base="BTC",
        quote="USD",
        tick=D("0.1"),
        lot=D(100),
        min_amount=D(100),
        maintenance_rate=D("0.01"),
        interval_ms=8 * HOUR,
    ),
)


class House:
    """An exchange, everything that it told, and short ways to do the usual."""

    def __init__(self, seed: int = 1) -> None:
        self.events: list[Event] = []
        self.now = 1
        self.reactions: list[Callable[[Event], None]] = []
        self.exchange = Exchange(INSTRUMENTS, now_ms=0, seed=seed, listener=self._hear)

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        for react in self.reactions:
            react(event)

    def open(
        self,
        name: str,
        *,
        wallets: dict[str, str] = SEPARATE,
        mode: PositionMode = PositionMode.ONE_WAY,
        **deposits: int | str,
    ) -> str:
        self.exchange.open_account(name, wallets=wallets, mode=mode)
        for key, amount in deposits.items():
            wallet, asset = key.split("_")
            self.exchange.deposit(name, wallet, asset, D(amount), now_ms=self.now)
        return name

    def terms(self, symbol: str, **changes: object) -> None:
        changed = attrs.evolve(self.exchange.instruments[symbol], **changes)
        self.exchange.list_instrument(changed, now_ms=self.now)

    def place(
        self, account: str, symbol: str, side: Side, amount: object, price: object = None, **more: object
    ) -> Order:
        expire = more.pop("expire", ())
        request = OrderRequest(
            symbol=symbol,
            side=side,
            type=OrderType.MARKET if price is None else OrderType.LIMIT,
            amount=None if amount is None else D(str(amount)),
            price=None if price is None else D(str(price)),
            **more,
        )
        return self.exchange.place(account, request, expire=expire, now_ms=self.now)

    def buy(self, account: str, symbol: str, amount: object, price: object = None, **more: object) -> Order:
        return self.place(account, symbol, Side.BUY, amount, price, **more)

    def sell(self, account: str, symbol: str, amount: object, price: object = None, **more: object) -> Order:
        return self.place(account, symbol, Side.SELL, amount, price, **more)

    def quote(self, symbol: str, bids: str = "", asks: str = "") -> None:
        """Levels as `100*2 99*5`."""
        sides = [[tuple(map(D, level.split("*"))) for level in side.split()] for side in (bids, asks)]
        self.exchange.quote(symbol, *sides, now_ms=self.now)

    def mark(self, symbol: str, price: object) -> None:
        self.exchange.mark(symbol, D(str(price)), now_ms=self.now)

    def free(self, account: str, wallet: str, asset: str) -> D:
        return self.exchange.balance(account, wallet, asset).free

    def total(self, account: str, wallet: str, asset: str) -> D:
        return self.exchange.balance(account, wallet, asset).total

    def fills(self) -> list[tuple[str, D, D, bool]]:
        """(account, price, amount, maker), as told."""
        found = [event.fill for event in self.events if isinstance(event, Filled)]
        return [(fill.account, fill.price, fill.amount, fill.maker) for fill in found]

    def told(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture(scope="session")
def make_house() -> type[House]:
    return House
