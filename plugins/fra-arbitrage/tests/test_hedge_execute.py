"""Both legs sent at once to venues that fill, part-fill, refuse, answer late or never: nothing naked goes unsaid."""

import asyncio
import itertools
from contextlib import asynccontextmanager
from decimal import Decimal

import attrs
import pytest

from fra.arbitrage.hedge.execute import Execution, Leg
from fra.arbitrage.hedge.outcome import Outcome
from fra.core import (
    ExchangeCapabilities,
    ExchangeConnectionError,
    ExchangeMetadata,
    ExchangePluginInterface,
    ExchangeRateLimitError,
    Health,
    InsufficientFunds,
    MarketKind,
    Operation,
    Order,
    OrderBook,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    OrderType,
    PluginManager,
    PluginRegistry,
    PluginType,
    PositionSide,
    Side,
    Symbol,
    Ticker,
    TimeInForce,
)

D = Decimal
SWAP = "BTC/USDT:USDT"
NOW = 1_700_000_000_000
OPERATIONS = (Operation.GET_SYMBOLS, Operation.CREATE_ORDER, Operation.GET_ORDER, Operation.CANCEL_ORDER)


@attrs.define
class Script:
    """What becomes of one order: how much trades, whether the answer comes, and what a later question finds."""

    trades: str = "1"
    answers: bool = True
    refuses: type | None = None
    found_after: int = 0
    """Questions that find nothing before one finds it."""
    acknowledged: bool = False
    """The answer is an id and no more."""
    rests: bool = False
    """It stays open until it is cancelled."""
    deaf: bool = False
    """Questions are not answered."""
    rejected: bool = False
    raises: type | None = None
    hangs: bool = False
    """It is taken in, and its sender waits for ever."""

    @property
    def knowable(self):
        return not (self.deaf or self.found_after > 100)


FILL = Script()
ENTRIES = {
    "fills": FILL,
    "part": Script("0.4"),
    "little": Script("0.004"),
    "nothing": Script("0"),
    "refused": Script("0", refuses=InsufficientFunds),
    "rejected": Script("0", rejected=True),
    "acknowledged": Script("0.7", acknowledged=True),
    "rests": Script("0.3", rests=True),
    "answer lost": Script("1", answers=False),
    "answer lost, found late": Script("0.6", answers=False, found_after=2),
    "never arrived": Script("0", answers=False, found_after=10**9),
    "filled unheard": Script("1", answers=False, deaf=True),
    "hangs": Script("0.5", hangs=True),
    "hangs and never arrived": Script("0", hangs=True, found_after=10**9),
    "bug": Script("0.2", answers=False, raises=ZeroDivisionError),
}


class Venue(ExchangePluginInterface):
    """A venue that follows its script, order by order, and keeps the position that is true."""

    scripts = ()
    exits = ()
    lot = D("0.001")

    @classmethod
    def describe(cls):
        return ExchangeMetadata(
            name="scripted",
            display_name="Scripted",
            version="1",
            plugin_type=PluginType.CUSTOM,
            capabilities=ExchangeCapabilities.of(OPERATIONS, [MarketKind.LINEAR_SWAP]),
        )

    @property
    def capabilities(self):
        return self.describe().capabilities

    async def initialize(self):
        self.held = D(0)
        self.orders = {}
        self.asked = {}
        self.sent = []

    async def connect(self):
        VENUES[self.config.name] = self

    async def disconnect(self):
        pass

    async def health_check(self):
        return Health(exchange=self.config.name, status=self.context.status, checked_ms=NOW)

    async def get_symbols(self):
        kind = MarketKind.LINEAR_SWAP
        return [Symbol(SWAP, "BTCUSDT", kind, "BTC", "USDT", "USDT", tick_size=D("0.1"), lot_size=self.lot)]

    async def get_orderbook(self, symbol, *, depth=None):
        return OrderBook(symbol=symbol.name, bids=(), asks=(), received_ms=NOW)

    async def get_ticker(self, symbol):
        return Ticker(symbol.name, NOW)

    async def create_order(self, request, symbol):
        self.sent.append(request)
        mine = [one for one in self.sent if one.reduce_only is request.reduce_only]
        scripts = self.exits if request.reduce_only else self.scripts
        script = scripts[min(len(mine), len(scripts)) - 1]
        name = self.config.name
        if script.refuses is not None:
            raise script.refuses("no", exchange=name)
        traded = (request.amount * D(script.trades)).quantize(self.lot)
        if script.found_after < 100:
            self.held += traded if request.side is Side.BUY else -traded
            status = OrderStatus.FILLED if traded == request.amount else OrderStatus.CANCELED
            status = OrderStatus.OPEN if script.rests else OrderStatus.REJECTED if script.rejected else status
            order = attrs.evolve(Order.of(request, status=status, id=str(len(self.sent))), filled=traded)
            order = attrs.evolve(order, average_price=D(100) if traded else None)
            self.orders[request.client_order_id] = (order, script)
        if script.hangs:
            await asyncio.Event().wait()
        if script.raises is not None:
            raise script.raises("a bug")
        if not script.answers:
            raise ExchangeConnectionError("the answer was lost", exchange=name)
        return Order.of(request, id=str(len(self.sent))) if script.acknowledged else order

    async def get_order(self, order_id=None, symbol=None, *, client_order_id=None):
        asked = self.asked[client_order_id] = self.asked.get(client_order_id, 0) + 1
        order, script = self.orders.get(client_order_id, (None, None))
        if script is not None and script.deaf:
            raise ExchangeConnectionError("nobody answers", exchange=self.config.name)
        if order is None or asked <= script.found_after:
            raise OrderNotFound("no such order", exchange=self.config.name)
        return order

    async def cancel_order(self, order_id=None, symbol=None, *, client_order_id=None):
        order, script = self.orders[client_order_id]
        order = attrs.evolve(order, status=OrderStatus.CANCELED)
        self.orders[client_order_id] = (order, script)
        return order


VENUES = {}


@asynccontextmanager
async def venues(long, short, *, exits=((FILL,), (FILL,)), lots=("0.001", "0.001"), amount="1", hedge_mode=False):
    """Two venues with their scripts, and an execution of a hedge on them."""
    registry = PluginRegistry()
    tables = {}
    for name, script, leaving, lot in zip(("alpha", "beta"), (long, short), exits, lots, strict=True):
        kind = type(f"Venue_{name}", (Venue,), {"scripts": (script,), "exits": leaving, "lot": D(lot)})
        registry.register_plugin(name, kind)
        tables[name] = {"timeout": 0.05}
    async with PluginManager.from_config({"exchanges": tables}, registry=registry) as manager:
        legs = []
        for name, side in (("alpha", PositionSide.LONG), ("beta", PositionSide.SHORT)):
            handle = manager.get_plugin(name)
            (symbol,) = await handle.get_symbols()
            ids = itertools.count()
            request = OrderRequest(
                symbol=SWAP,
                side=Side.BUY if side is PositionSide.LONG else Side.SELL,
                type=OrderType.LIMIT,
                amount=D(amount),
                price=D(100),
                time_in_force=TimeInForce.IOC,
                client_order_id=f"{name}entry",
            )
            legs.append(
                Leg(
                    handle=handle,
                    symbol=symbol,
                    side=side,
                    request=request,
                    new_id=lambda ids=ids, name=name: f"{name}exit{next(ids)}",
                    hedge_mode=hedge_mode,
                )
            )
        yield Execution(legs[0], legs[1], lot=max(map(D, lots)), patience=0.15, answer_within=0.1)


def true_naked():
    """By how much the long leg really exceeds the short one."""
    return VENUES["alpha"].held + VENUES["beta"].held


def entries(name):
    return [request for request in VENUES[name].sent if not request.reduce_only]


@pytest.mark.parametrize("short", ENTRIES)
@pytest.mark.parametrize("long", ENTRIES)
async def test_every_pair_of_fates_ends_flat_or_says_exactly_what_is_naked(long, short):
    async with venues(ENTRIES[long], ENTRIES[short]) as execution:
        result = await execution.run()
    least, most = result.naked
    assert least <= true_naked() <= most
    # Never twice: one entry a leg, and no client order id used again.
    assert (len(entries("alpha")), len(entries("beta"))) == (1, 1)
    ids = [request.client_order_id for venue in VENUES.values() for request in venue.sent]
    assert len(ids) == len(set(ids))
    if ENTRIES[long].knowable and ENTRIES[short].knowable:
        # All is known: what one leg got more was given back, and no more than that.
        got = [(D(ENTRIES[name].trades)).quantize(D("0.001")) for name in (long, short)]
        assert (least, most, true_naked()) == (0, 0, 0)
        assert (VENUES["alpha"].held, -VENUES["beta"].held) == (min(got), min(got))
        whole = Outcome.HEDGED if min(got) == 1 else Outcome.SMALLER if min(got) else Outcome.FLAT
        assert result.outcome is whole
    else:
        # Something is not known: nothing more was sent, and it is told between which bounds the truth lies.
        assert len(ids) == 2
        assert result.outcome in (Outcome.UNKNOWN, Outcome.NAKED)
        assert any(leg.doubts for leg in result.legs)


EXITS = {
    "fill": (FILL,),
    "in three parts": (Script("0.5"), Script("0.5"), FILL),
    "busy first": (Script("0", refuses=ExchangeRateLimitError), FILL),
    "answer lost": (Script("1", answers=False),),
    "refused": (Script("0", refuses=InsufficientFunds),),
    "nothing three times": (Script("0"),),
    "half, then refused": (Script("0.5"), Script("0", refuses=InsufficientFunds)),
    "never arrived": (Script("0", answers=False, found_after=10**9),),
    "filled unheard": (Script("1", answers=False, deaf=True),),
}
LEFT = {"refused": "0.6", "nothing three times": "0.6", "half, then refused": "0.3"}


@pytest.mark.parametrize("naked", ["long", "short"])
@pytest.mark.parametrize("way", EXITS)
async def test_an_unwinding_that_fails_leaves_the_naked_amount_exactly_told(way, naked):
    fates = (FILL, Script("0.4")) if naked == "long" else (Script("0.4"), FILL)
    sign = 1 if naked == "long" else -1
    async with venues(*fates, exits=(EXITS[way], EXITS[way])) as execution:
        result = await execution.run()
    least, most = result.naked
    assert least <= true_naked() <= most
    if way in LEFT:
        assert (least, most, result.outcome) == (sign * D(LEFT[way]), sign * D(LEFT[way]), Outcome.NAKED)
        ((leg, request),) = result.mends()
        assert (leg.side.value, request.amount, request.reduce_only) == (naked, D(LEFT[way]), True)
        assert request.side is (Side.SELL if naked == "long" else Side.BUY)
    elif way in ("never arrived", "filled unheard"):
        assert ({least, most}, result.outcome) == ({D(0), sign * D("0.6")}, Outcome.UNKNOWN)
        assert len(VENUES["alpha" if naked == "long" else "beta"].sent) == 2
    else:
        assert (least, most, true_naked(), result.outcome) == (0, 0, 0, Outcome.SMALLER)


async def test_what_is_kept_is_a_number_of_lots_on_both_venues():
    # 0.335 against 0.4 in lots of 0.01 and 0.005: 0.33 stays on both.
    async with venues(Script("0.335"), Script("0.4"), lots=("0.005", "0.01")) as execution:
        result = await execution.run()
    assert (VENUES["alpha"].held, VENUES["beta"].held) == (D("0.33"), D("-0.33"))
    assert (result.outcome, result.matched) == (Outcome.SMALLER, D("0.33"))


async def test_unwinding_only_ever_reduces():
    async with venues(FILL, Script("0.4"), hedge_mode=True) as execution:
        await execution.run()
    (exit_,) = [request for request in VENUES["alpha"].sent if request.reduce_only]
    assert (exit_.side, exit_.type, exit_.position_side) == (Side.SELL, OrderType.MARKET, PositionSide.LONG)


async def test_both_legs_are_on_their_way_at_the_same_time():
    async with venues(FILL, FILL) as execution:
        both = asyncio.Barrier(2)
        for venue in (VENUES["alpha"], VENUES["beta"]):

            async def create(request, symbol, *, venue=venue):
                async with asyncio.timeout(5):
                    await both.wait()  # neither answers before the other has been asked
                return await type(venue).create_order(venue, request, symbol)

            venue.create_order = create
        result = await execution.run()
    assert result.outcome is Outcome.HEDGED


async def test_an_execution_sends_once():
    async with venues(FILL, FILL) as execution:
        await execution.run()
        with pytest.raises(RuntimeError, match="once"):
            await execution.run()
    assert len(VENUES["alpha"].sent) == 1


async def test_an_order_that_still_rests_is_cancelled_before_anything_is_unwound():
    async with venues(Script("0.3", rests=True), FILL) as execution:
        result = await execution.run()
    assert (result.long.entry.order.status, VENUES["beta"].held) == (OrderStatus.CANCELED, D("-0.3"))
