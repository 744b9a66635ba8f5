"""Orders and the account on Bitfinex: what is sent, and what is read of its rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from ccxt_local import Local
from ccxt_plain import with_recordings

from fra.core import (
    InsufficientFunds,
    MarketKind,
    NotSupported,
    Operation,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
)
from fra.exchanges.bitfinex import BitfinexPlugin

pytestmark = with_recordings
SPOT, SWAP = "LTC/USDT", "LTC/USDT:USDT"
MADE, CHANGED = 1717587431027, 1717587440000


def row(
    status: str = "ACTIVE",
    *,
    id: int = 156523558501,
    symbol: str = "tLTCF0:USTF0",
    amount: float = 0.5,
    left: float = 0.5,
    kind: str = "LIMIT",
    flags: int = 0,
    price: float = 60.1,
    average: float = 0,
) -> list[Any]:
    made: list[Any] = [None] * 32
    made[0:9] = [id, None, 1234567890123, symbol, MADE, CHANGED, left, amount, kind]
    made[12], made[13], made[16], made[17] = flags, status, price, average
    return made


class Venue:
    """Answers private paths by their end."""

    def __init__(self, answers: Mapping[str, Any] | None = None) -> None:
        self.answers = dict(answers or {})

    def __call__(self, request: web.Request) -> Any:
        found = [path for path in self.answers if request.path.endswith(path)]
        return json.dumps(self.answers[max(found, key=len)] if found else [])


def told(*rows: list[Any], status: str = "SUCCESS", kind: str = "on-req") -> list[Any]:
    return [1717587431, kind, None, None, list(rows), None, status, "Submitting 1 orders."]


def request(symbol: str = SWAP, **fields: Any) -> OrderRequest:
    made: dict[str, Any] = {
        "symbol": symbol,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "amount": Decimal("0.5"),
        "price": Decimal("60.1"),
        "client_order_id": "1234567890123",
    }
    return OrderRequest(**made | fields)


@pytest.mark.parametrize(
    ("symbol", "fields", "sent"),
    [
        (SPOT, {}, {"type": "EXCHANGE LIMIT", "price": "60.1"}),
        (SWAP, {}, {"type": "LIMIT", "price": "60.1"}),
        (SWAP, {"time_in_force": TimeInForce.IOC}, {"type": "IOC", "price": "60.1"}),
        (SWAP, {"time_in_force": TimeInForce.FOK}, {"type": "FOK", "price": "60.1"}),
        (SWAP, {"post_only": True}, {"type": "LIMIT", "price": "60.1", "flags": 4096}),
        (SWAP, {"reduce_only": True}, {"type": "LIMIT", "price": "60.1", "flags": 1024}),
        (SWAP, {"type": OrderType.MARKET, "price": None}, {"type": "MARKET"}),
    ],
    ids=["spot", "swap", "IOC", "FOK", "post-only", "reduce-only", "market"],
)
async def test_an_order_is_sent_as_what_it_is_with_a_number_for_our_id(
    symbol: str, fields: dict[str, Any], sent: dict[str, Any]
) -> None:
    local = Local(Venue({"order/submit": told(row())}))
    async with local.adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        of = bitfinex.symbol(symbol)
        order = await bitfinex.create_order(request(symbol, **fields), of)
    assert (order.id, order.client_order_id) == ("156523558501", "1234567890123")
    assert json.loads(local.asked[-1].body) == {"symbol": of.venue_id, "amount": "0.5", "cid": 1234567890123, **sent}


async def test_a_position_side_is_refused_before_anything_is_sent() -> None:
    local = Local(Venue())
    async with local.adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        with pytest.raises(NotSupported):
            await bitfinex.create_order(request(position_side=PositionSide.LONG), bitfinex.symbol(SWAP))
    assert not local.asked


def test_our_client_order_ids_are_numbers_of_less_than_45_bits() -> None:
    rule = BitfinexPlugin.describe().client_order_id_rule
    assert set(rule.alphabet) == set("0123456789")
    assert int("9" * rule.max_length) < 2**45


@pytest.mark.parametrize(
    ("words", "left", "status", "reason"),
    [
        ("ACTIVE", 0.5, OrderStatus.OPEN, None),
        ("PARTIALLY FILLED @ 60.05(0.2)", 0.3, OrderStatus.OPEN, None),
        ("EXECUTED @ 60.05(0.5)", 0, OrderStatus.FILLED, None),
        ("CANCELED", 0.5, OrderStatus.CANCELED, None),
        ("CANCELED was: PARTIALLY FILLED @ 60.05(0.2)", 0.3, OrderStatus.CANCELED, None),
        ("IOC CANCELED", 0.5, OrderStatus.CANCELED, "IOC CANCELED"),
        ("IOC CANCELED was: PARTIALLY FILLED @ 60.05(0.2)", 0.3, OrderStatus.CANCELED, "IOC CANCELED"),
        ("FILLORKILL CANCELED", 0.5, OrderStatus.CANCELED, "FILLORKILL CANCELED"),
        ("POSTONLY CANCELED", 0.5, OrderStatus.EXPIRED, "POSTONLY CANCELED"),
        ("INSUFFICIENT BALANCE (U1)", 0.5, OrderStatus.REJECTED, "INSUFFICIENT BALANCE (U1)"),
        ("INSUFFICIENT MARGIN was: PARTIALLY FILLED @ 60(0.2)", 0.3, OrderStatus.CANCELED, "INSUFFICIENT MARGIN"),
        ("RSN_PAUSE", 0.5, OrderStatus.REJECTED, "RSN_PAUSE"),
        ("RSN_POS_REDUCE_FLIP", 0.5, OrderStatus.REJECTED, "RSN_POS_REDUCE_FLIP"),
        ("SOMETHING NEW", 0.5, OrderStatus.UNKNOWN, None),
    ],
)
async def test_where_an_order_stands_and_what_it_filled_are_apart(
    words: str, left: float, status: OrderStatus, reason: str | None
) -> None:
    filled = Decimal("0.5") - Decimal(str(left))
    venue = Venue({"orders/tLTCF0:USTF0": [row(words, left=left, average=60.05 if filled else 0)]})
    async with Local(venue).adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        order = await bitfinex.get_order("156523558501", bitfinex.symbol(SWAP))
    assert (order.status, order.filled, order.reason) == (status, filled, reason)
    assert order.average_price == (Decimal("60.05") if filled else None)
    assert (order.created_ms, order.timestamp_ms, order.client_order_id) == (MADE, CHANGED, "1234567890123")


@pytest.mark.parametrize(
    ("kind", "flags", "ours", "force", "post_only", "reduce_only"),
    [
        ("LIMIT", 0, OrderType.LIMIT, TimeInForce.GTC, False, False),
        ("EXCHANGE LIMIT", 4096 + 64, OrderType.LIMIT, TimeInForce.GTC, True, False),
        ("IOC", 1024, OrderType.LIMIT, TimeInForce.IOC, False, True),
        ("EXCHANGE FOK", 0, OrderType.LIMIT, TimeInForce.FOK, False, False),
        ("MARKET", 1024 + 512, OrderType.MARKET, None, False, True),
    ],
)
async def test_type_and_flags_are_read(
    kind: str, flags: int, ours: OrderType, force: TimeInForce | None, post_only: bool, reduce_only: bool
) -> None:
    venue = Venue({"orders/tLTCF0:USTF0": [row(kind=kind, flags=flags)]})
    async with Local(venue).adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        (order,) = await bitfinex.get_open_orders(bitfinex.symbol(SWAP))
    assert (order.type, order.time_in_force, order.post_only, order.reduce_only) == (
        ours,
        force,
        post_only,
        reduce_only,
    )


async def test_a_streamed_order_is_read_of_the_same_row() -> None:
    async with Local(Venue()).adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        raw = bitfinex.client.parse_ws_order(row("POSTONLY CANCELED", kind="EXCHANGE LIMIT", flags=4096))
        order = bitfinex.order(raw, bitfinex.symbol(SWAP))
    assert (order.client_order_id, order.status, order.created_ms) == ("1234567890123", OrderStatus.EXPIRED, MADE)
    assert (order.time_in_force, order.post_only) == (TimeInForce.GTC, True)


async def test_an_order_that_has_ended_is_found_in_the_history_and_an_unknown_one_is_not_made_up() -> None:
    ended = row("EXECUTED @ 60.1(0.5)", left=0, average=60.1)
    async with Local(Venue({"orders/tLTCF0:USTF0/hist": [ended]})).adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        order = await bitfinex.get_order("156523558501", bitfinex.symbol(SWAP))
    assert (order.status, order.side, order.filled) == (OrderStatus.FILLED, Side.BUY, Decimal("0.5"))
    async with Local(Venue()).adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        with pytest.raises(OrderNotFound):
            await bitfinex.get_order("1", bitfinex.symbol(SWAP))


@pytest.mark.parametrize("order_id", ["0.1", "abc", "", "²"])
async def test_what_is_no_number_is_no_order_and_is_not_asked_for(order_id: str) -> None:
    local = Local(Venue())
    async with local.adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        with pytest.raises(OrderNotFound):
            await bitfinex.get_order(order_id, bitfinex.symbol(SWAP))
    assert not local.asked


async def test_cancelling_all_of_a_symbol_leaves_the_others() -> None:
    cancelled = row("CANCELED")
    venue = Venue(
        {
            "orders/tLTCF0:USTF0": [row()],
            "orders/tLTCF0:USTF0/hist": [cancelled],
            "order/cancel": [1706700316188, "oc-req", None, None, cancelled, None, "SUCCESS", "Submitted"],
        }
    )
    local = Local(venue)
    async with local.adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        assert bitfinex.capabilities.support(Operation.CANCEL_ALL_ORDERS, MarketKind.LINEAR_SWAP)
        await bitfinex.cancel_all_orders(bitfinex.symbol(SWAP))
    assert not [asked for asked in local.asked if "multi" in asked.path]
    sent = [json.loads(asked.body) for asked in local.asked if asked.path.endswith("order/cancel")]
    assert sent == [{"id": 156523558501}]


@pytest.mark.parametrize("streamed", [False, True], ids=["asked", "streamed"])
async def test_a_fee_that_was_paid_is_positive(streamed: bool) -> None:
    trade = [
        1284511023,
        "tLTCUST",
        1673709416939,
        111473031270,
        -0.1,
        87.583,
        "EXCHANGE MARKET",
        87.583,
        -1,
        -0.0175166,
        "UST",
        42,
    ]
    async with Local(Venue({"trades/tLTCUST/hist": [trade]})).adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        symbol = bitfinex.symbol(SPOT)
        if streamed:
            fill = bitfinex.fill(bitfinex.client.parse_ws_trade({"result": trade}), symbol, 1)
        else:
            (fill,) = await bitfinex.get_trade_history(symbol)
    assert (fill.fee, fill.fee_asset, fill.maker) == (Decimal("0.0175166"), "USDT", False)
    assert (fill.side, fill.amount, fill.client_order_id) == (Side.SELL, Decimal("0.1"), "42")


@pytest.mark.parametrize(("amount", "side"), [(0.25, PositionSide.LONG), (-0.25, PositionSide.SHORT)])
async def test_a_position_has_its_amount_and_side(amount: float, side: PositionSide) -> None:
    position: list[Any] = [None] * 20
    position[0:10] = ["tLTCF0:USTF0", "ACTIVE", amount, 60.1, 0, 0, -1.5, -0.4, 20.5, 3]
    position[11:14] = [142355652, MADE, CHANGED]
    flat = [*position[:2], 0, *position[3:]]
    async with Local(Venue({"r/positions": [position, flat]})).adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        (found,) = await bitfinex.get_positions()
    assert (found.symbol, found.side, found.amount) == (SWAP, side, Decimal("0.25"))
    assert (found.entry_price, found.unrealized_pnl, found.hedge_mode) == (Decimal("60.1"), Decimal("-1.5"), False)


async def test_tethers_of_two_wallets_are_not_mixed() -> None:
    wallets = [
        ["exchange", "UST", 10.5, 0, 9.5, None, None],
        ["margin", "UST", 3, 0, 3, None, None],
        ["margin", "USTF0", 7.25, 0, 5, None, None],
    ]
    async with Local(Venue({"r/wallets": wallets})).adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        held = {(one.market, one.asset): (one.total, one.free) for one in await bitfinex.get_balance()}
    assert held == {
        ("exchange", "USDT"): (Decimal("10.5"), Decimal("9.5")),
        ("derivatives", "USDT"): (Decimal("7.25"), Decimal(5)),
    }


async def test_a_refusal_has_bitfinexs_code() -> None:
    local = Local(
        Venue({"order/submit": ["error", 10001, "Invalid order: not enough exchange balance for -1 LTC at 60"]})
    )
    local.status = 500
    async with local.adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        with pytest.raises(InsufficientFunds) as refused:
            await bitfinex.create_order(request(SPOT), bitfinex.symbol(SPOT))
    assert refused.value.code == "10001"
