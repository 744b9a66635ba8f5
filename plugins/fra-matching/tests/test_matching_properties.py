"""What holds after every call, whatever was called."""

import random
from collections import defaultdict
from decimal import Decimal as D

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fra.matching import (
    CLEARING,
    BalanceChanged,
    Filled,
    MarginMode,
    OrderChanged,
    OrderStatus,
    PositionMode,
    PositionSide,
    Reason,
    Refused,
    Side,
    TimeInForce,
    Trigger,
    TriggerBy,
    TriggerKind,
)

SPOT, LINEAR, INVERSE = "BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"
SYMBOLS = (SPOT, LINEAR, INVERSE)
ACCOUNTS = ("ann", "bob", "cyd")
UNIFIED = {"spot": "one", "usdm": "one", "coinm": "one"}
LOTS = {SPOT: D("0.7"), LINEAR: D("0.7"), INVERSE: D(100)}

symbols = st.sampled_from(SYMBOLS)
accounts = st.sampled_from(ACCOUNTS)
prices = st.integers(96, 104).map(D)
amounts = st.integers(1, 30)
triggers = st.builds(Trigger, st.sampled_from(TriggerKind), prices, st.sampled_from(TriggerBy))
sides = st.lists(st.tuples(st.integers(0, 6), amounts), min_size=1, max_size=3, unique_by=lambda level: level[0])

orders = st.fixed_dictionaries(
    {
        "do": st.just("place"),
        "account": accounts,
        "symbol": symbols,
        "side": st.sampled_from(Side),
        "lots": amounts,
        "price": st.one_of(prices, prices, st.none()),
        "tif": st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK]),
        "flag": st.sampled_from(["", "", "post_only", "reduce_only", "quote"]),
        "position_side": st.sampled_from([PositionSide.LONG, PositionSide.SHORT]),
        "trigger": st.one_of(st.none(), st.none(), triggers),
        "expire": st.booleans(),
    }
)
others = st.one_of(
    st.fixed_dictionaries({"do": st.just("quote"), "symbol": symbols, "middle": prices, "bids": sides, "asks": sides}),
    st.fixed_dictionaries(
        {"do": st.just("trade"), "symbol": symbols, "price": prices, "lots": amounts, "side": st.sampled_from(Side)}
    ),
    st.fixed_dictionaries({"do": st.just("mark"), "symbol": symbols, "price": st.integers(60, 150).map(D)}),
    st.fixed_dictionaries(
        {
            "do": st.just("settle"),
            "symbol": st.sampled_from([LINEAR, INVERSE]),
            "price": prices,
            "rate": st.integers(-30, 30).map(lambda n: D(n) / 1000),
        }
    ),
    st.fixed_dictionaries({"do": st.just("cancel"), "account": accounts, "nth": st.integers(0, 5)}),
    st.fixed_dictionaries({"do": st.just("cancel_all"), "account": accounts, "symbol": symbols}),
    st.fixed_dictionaries({"do": st.just("withdraw"), "account": accounts, "amount": amounts}),
    st.fixed_dictionaries({"do": st.just("leverage"), "account": accounts, "leverage": st.integers(1, 30).map(D)}),
)


def long_script(seed: int) -> list[dict[str, object]]:
    """Three hundred calls of a busy market, which generated scripts are too short to become."""
    rng = random.Random(seed)

    def price() -> D:
        return D(rng.randint(96, 104))

    def place() -> dict[str, object]:
        limit = rng.random() < 0.7
        trigger = (
            Trigger(rng.choice([*TriggerKind]), price(), rng.choice([*TriggerBy])) if rng.random() < 0.15 else None
        )
        flags = ["", "", "", "reduce_only", "post_only" if limit else "quote"]
        return {
            "do": "place",
            "account": rng.choice(ACCOUNTS),
            "symbol": rng.choice(SYMBOLS),
            "side": rng.choice([*Side]),
            "lots": rng.randint(1, 12),
            "price": price() if limit else None,
            "tif": rng.choice([TimeInForce.GTC] * 4 + [TimeInForce.IOC, TimeInForce.FOK]) if limit else TimeInForce.GTC,
            "flag": rng.choice(flags) if trigger is None else "",
            "position_side": rng.choice([PositionSide.LONG, PositionSide.SHORT]),
            "trigger": trigger,
            "expire": rng.random() < 0.5,
        }

    def levels() -> list[tuple[int, int]]:
        return [(step, rng.randint(1, 40)) for step in range(rng.randint(0, 4))]

    def other() -> dict[str, object]:
        symbol = rng.choice(SYMBOLS)
        perp = rng.choice([LINEAR, INVERSE])
        return rng.choice(
            [
                {"do": "quote", "symbol": symbol, "middle": price(), "bids": levels(), "asks": levels()},
                {"do": "quote", "symbol": symbol, "middle": price(), "bids": levels(), "asks": levels()},
                {"do": "trade", "symbol": symbol, "price": price(), "lots": 5, "side": rng.choice([*Side])},
                {"do": "mark", "symbol": symbol, "price": D(rng.randint(80, 120))},
                {"do": "settle", "symbol": perp, "price": price(), "rate": D(rng.randint(-9, 9)) / 1000},
                {"do": "cancel", "account": rng.choice(ACCOUNTS), "nth": rng.randint(0, 5)},
                {"do": "leverage", "account": rng.choice(ACCOUNTS), "leverage": D(rng.randint(3, 40))},
            ]
        )

    return [place() if rng.random() < 0.6 else other() for _ in range(300)]


scripts = st.lists(st.one_of(orders, orders, others), min_size=5, max_size=40)


class Script:
    """Runs calls on a fresh exchange, and looks at it after each."""

    def __init__(self, house, *, check: bool) -> None:
        self.house, self.exchange, self.check = house, house.exchange, check
        self.paid_in = {"USDT": D(0), "BTC": D(0), "USD": D(0)}
        self.seen: dict[int, tuple[OrderStatus, D]] = {}
        self.now = 1
        self.told: dict[tuple[str, str, str], D] = defaultdict(D)
        house.terms(LINEAR, maker_fee=D("-0.0001"), taker_fee=D("0.0007"))
        house.terms(INVERSE, maker_fee=D("0.0003"), taker_fee=D("0.0005"))
        house.open("ann", spot_USDT=3000, spot_BTC=20, usdm_USDT=300, coinm_BTC=3)
        house.open("bob", wallets=UNIFIED, mode=PositionMode.HEDGE, one_USDT=3000, one_BTC=20)
        house.open("cyd", spot_USDT=3000, spot_BTC=20, usdm_USDT=300, coinm_BTC=3)
        self.exchange.set_margin_mode("cyd", LINEAR, MarginMode.ISOLATED, now_ms=1)
        self.paid_in["USDT"] += 3000 * 3 + 300 * 2
        self.paid_in["BTC"] += 20 * 3 + 3 * 2
        self.look(house.events)

    def run(self, calls) -> list:
        for call in calls:
            self.now += 1
            self.house.now = self.now
            events = len(self.house.events)
            call = dict(call)
            try:
                getattr(self, call.pop("do"))(**call)
            except Refused:
                assert len(self.house.events) == events, "a refused call changed something"
            if self.check:
                self.look(self.house.events[events:])
        return self.house.events

    # -- the calls
    def place(self, account, symbol, side, lots, price, tif, flag, position_side, trigger, expire) -> None:
        more = {"time_in_force": tif, "trigger": trigger}
        more["expire"] = {Reason.WOULD_TAKE, Reason.REDUCE_ONLY} if expire else ()
        amount = lots * LOTS[symbol]
        if account == "bob" and symbol != SPOT:
            more["position_side"] = position_side
        if flag == "quote":
            if symbol == SPOT and side is Side.BUY and price is None:
                more["quote_amount"], amount = D(lots * 50), None
        elif flag:
            more[flag] = True
        order = self.house.place(account, symbol, side, amount, price, **more)
        if tif is TimeInForce.FOK and not trigger and order.type.value == "limit":
            assert order.filled in (0, order.amount)
        if flag == "post_only" and not trigger:
            assert not order.filled

    def quote(self, symbol, middle, bids, asks) -> None:
        below = [(middle - 1 - step, lots * LOTS[symbol]) for step, lots in sorted(bids)]
        above = [(middle + 1 + step, lots * LOTS[symbol]) for step, lots in sorted(asks)]
        self.exchange.quote(symbol, below, above, now_ms=self.now)

    def trade(self, symbol, price, lots, side) -> None:
        self.exchange.trade(symbol, price, lots * LOTS[symbol], side, now_ms=self.now)

    def mark(self, symbol, price) -> None:
        self.exchange.mark(symbol, price, now_ms=self.now)

    def settle(self, symbol, price, rate) -> None:
        self.exchange.settle(symbol, rate, price, now_ms=self.now)

    def cancel(self, account, nth) -> None:
        found = self.exchange.orders(account)
        if nth < len(found):
            self.exchange.cancel(account, order_id=found[-1 - nth].id, now_ms=self.now)

    def cancel_all(self, account, symbol) -> None:
        self.exchange.cancel_all(account, symbol, now_ms=self.now)

    def withdraw(self, account, amount) -> None:
        wallet = "one" if account == "bob" else "usdm"
        self.exchange.withdraw(account, wallet, "USDT", D(amount), now_ms=self.now)
        self.paid_in["USDT"] -= amount

    def leverage(self, account, leverage) -> None:
        self.exchange.set_leverage(account, LINEAR, leverage, now_ms=self.now)

    def close_everything(self) -> None:
        deep = [(D(100), D(10**9))]
        for account in ACCOUNTS:
            self.exchange.cancel_all(account, now_ms=self.now)
        for symbol in (LINEAR, INVERSE):
            self.exchange.quote(symbol, deep, [], now_ms=self.now)
            self._close(symbol, Side.SELL)
            self.exchange.quote(symbol, [], deep, now_ms=self.now)
            self._close(symbol, Side.BUY)

    def _close(self, symbol, side) -> None:
        for account in ACCOUNTS:
            for position in self.exchange.positions(account, symbol):
                if position.amount * side.sign < 0:
                    amount = abs(position.amount)
                    self.house.place(account, symbol, side, amount, position_side=position.side, reduce_only=True)

    # -- what holds
    def look(self, events) -> None:
        for asset, amount in self.paid_in.items():
            assert self.exchange.total(asset) == amount
        self._orders_only_go_forward(events)
        for event in events:
            if isinstance(event, BalanceChanged):
                self.told[event.account, event.wallet, event.asset] += event.change
        for symbol in SYMBOLS:
            self._nothing_is_crossed(symbol)
        for account in ACCOUNTS:
            self._money_is_where_it_was_told(account)
            self._positions_are_the_sum_of_fills(account)

    def _orders_only_go_forward(self, events) -> None:
        for event in events:
            if not isinstance(event, OrderChanged | Filled):
                continue
            order = event.order
            status, filled = self.seen.get(order.id, (OrderStatus.NEW, D(0)))
            assert status.is_open, "a final status changed"
            assert filled <= order.filled <= order.amount
            assert (order.filled > filled) is isinstance(event, Filled)
            assert (order.status is OrderStatus.FILLED) is (order.filled == order.amount > 0)
            self.seen[order.id] = order.status, order.filled
        for account in ACCOUNTS:
            for order in self.exchange.orders(account):
                assert self.seen[order.id] == (order.status, order.filled)
                assert order.status.is_open or order.held == 0

    def _nothing_is_crossed(self, symbol) -> None:
        bids, asks = self.exchange.resting(symbol)
        outside_bids, outside_asks = self.exchange.outside(symbol)
        assert list(bids) == sorted(bids, reverse=True)
        for over, under in ((asks, bids), (asks, outside_bids), (outside_asks, bids)):
            assert not (over and under) or over[0][0] > under[0][0]

    def _money_is_where_it_was_told(self, account) -> None:
        for balance in self.exchange.balances(account):
            assert balance.total == self.told[account, balance.wallet, balance.asset]
            if balance.wallet == "spot":
                held = sum(
                    order.held for order in self.exchange.open_orders(account, SPOT) if self._pays(order, balance)
                )
                assert balance.held == held
            if balance.wallet == "spot" or not self.exchange.positions(account):
                assert balance.total >= 0
            if account != "cyd" and balance.maintenance_margin:
                assert balance.equity >= balance.maintenance_margin

    @staticmethod
    def _pays(order, balance) -> bool:
        return balance.asset == ("USDT" if order.side is Side.BUY else "BTC")

    def _positions_are_the_sum_of_fills(self, account) -> None:
        sums = defaultdict(D)
        for fill in self.exchange.fills(account):
            if fill.symbol != SPOT:
                sums[fill.symbol, fill.position_side] += fill.amount * fill.side.sign
        positions = {(p.symbol, p.side): p.amount for p in self.exchange.positions(account)}
        assert positions == {key: amount for key, amount in sums.items() if amount}


@settings(max_examples=150, deadline=None)
@given(scripts)
def test_money_is_conserved_and_orders_only_go_forward(make_house, calls):
    house = make_house()
    events = Script(house, check=True).run(calls)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


@settings(max_examples=40, deadline=None)
@given(scripts)
def test_the_same_calls_give_the_same_events(make_house, calls):
    first, second = (Script(make_house(seed=7), check=False).run(calls) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("seed", range(12))
def test_the_same_holds_through_a_long_busy_day(make_house, seed):
    script = Script(make_house(), check=True)
    events = script.run(long_script(seed))
    assert sum(isinstance(event, Filled) for event in events) > 30
    script.close_everything()
    for asset in ("USDT", "BTC"):  # what some won by positions is what others lost, up to the grid of money
        assert abs(script.exchange.held_by(CLEARING, asset)) < D("1e-6")


def test_another_seed_gives_other_ids(make_house):
    ids = set()
    for seed in (1, 2):
        house = make_house(seed=seed)
        house.open("ann", spot_USDT=100)
        ids.add(house.buy("ann", SPOT, 1, 100).id)
    assert len(ids) == 2


def test_snapshots_and_events_cannot_be_changed(house):
    house.open("ann", spot_USDT=100)
    order = house.buy("ann", SPOT, 1, 100)
    for frozen in (order, *house.events):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            frozen.symbol = "other"
