"""HTX's signed calls and account channels as rows (spot and USDT-margined documents, the page of each path)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from fra.adapters.custom import Channel, Endpoint
from fra.adapters.custom.endpoint import Serves
from fra.core import Operation, RateLimit
from fra.exchanges.htx import account_wire as wire
from fra.exchanges.htx.tables import KINDS, LINEAR, SPOT

TRADE: Final = "linear.trade"
READ: Final = "linear.read"
WINDOW_MS: Final = 48 * 3_600_000
"""The longest time that one history call may span, spot and contracts alike."""

_SPOT_LIMITS: dict[str, int] = {}


def _spot(
    method: Literal["GET", "POST"],
    path: str,
    answer: type[Any],
    *,
    limit: int = 50,
    serves: Serves = None,
    outcome_id: str | None = None,
) -> Endpoint[Any]:
    """One path: a budget of its own, ``limit`` calls in 2 s by one account."""
    scope = f"spot{path}"
    _SPOT_LIMITS[scope] = limit
    return Endpoint(
        method,
        path,
        answer,
        market=SPOT,
        serves=serves,
        kinds=KINDS[SPOT],
        cost={scope: 1},
        signed=True,
        outcome_id=outcome_id,
        body="json" if method == "POST" else "query",
        strict=False,
    )


def _swap(
    method: Literal["GET", "POST"],
    path: str,
    answer: type[Any],
    *,
    budget: str = READ,
    serves: Serves = None,
    outcome_id: str | None = None,
) -> Endpoint[Any]:
    """``{margin}`` in a path is ``cross_`` or nothing. Reading and trading have a budget each, by account."""
    return Endpoint(
        method,
        path,
        answer,
        market=LINEAR,
        serves=serves,
        kinds=KINDS[LINEAR],
        cost={budget: 1},
        signed=True,
        outcome_id=outcome_id,
        body="json" if method == "POST" else "query",
        strict=False,
    )


# --- spot --------------------------------------------------------------------------------------------------------

SPOT_ACCOUNTS: Final[Endpoint[wire.Answer[list[wire.SpotAccount]]]] = _spot(
    "GET", "/v1/account/accounts", wire.Answer[list[wire.SpotAccount]], limit=100
)
SPOT_BALANCE: Final[Endpoint[wire.Answer[wire.SpotWallet]]] = _spot(
    "GET",
    "/v1/account/accounts/{account_id}/balance",
    wire.Answer[wire.SpotWallet],
    limit=100,
    serves=Operation.GET_BALANCE,
)
USER_ID: Final[Endpoint[wire.Answer[int]]] = _spot("GET", "/v2/user/uid", wire.Answer[int], limit=100)
API_KEYS: Final[Endpoint[wire.Answer[list[wire.ApiKey]]]] = _spot(
    "GET", "/v2/user/api-key", wire.Answer[list[wire.ApiKey]], limit=20, serves=Operation.GET_KEY_PERMISSIONS
)
SPOT_PLACE: Final[Endpoint[wire.Answer[str]]] = _spot(
    "POST",
    "/v1/order/orders/place",
    wire.Answer[str],
    limit=100,
    serves=Operation.CREATE_ORDER,
    outcome_id="client-order-id",
)
SPOT_CANCEL: Final[Endpoint[wire.Answer[str]]] = _spot(
    "POST",
    "/v1/order/orders/{order_id}/submitcancel",
    wire.Answer[str],
    limit=100,
    serves=Operation.CANCEL_ORDER,
)
SPOT_CANCEL_CLIENT: Final[Endpoint[wire.Answer[int]]] = _spot(
    "POST", "/v1/order/orders/submitCancelClientOrder", wire.Answer[int], limit=100
)
SPOT_CANCEL_BATCH: Final[Endpoint[wire.Answer[wire.SpotBatch]]] = _spot(
    "POST", "/v1/order/orders/batchcancel", wire.Answer[wire.SpotBatch], serves=Operation.CANCEL_ALL_ORDERS
)
SPOT_ORDER: Final[Endpoint[wire.Answer[wire.SpotOrder]]] = _spot(
    "GET", "/v1/order/orders/{order_id}", wire.Answer[wire.SpotOrder], serves=Operation.GET_ORDER
)
SPOT_CLIENT_ORDER: Final[Endpoint[wire.Answer[wire.SpotOrder]]] = _spot(
    "GET", "/v1/order/orders/getClientOrder", wire.Answer[wire.SpotOrder]
)
SPOT_OPEN: Final[Endpoint[wire.Answer[list[wire.SpotOrder]]]] = _spot(
    "GET", "/v1/order/openOrders", wire.Answer[list[wire.SpotOrder]], serves=Operation.GET_OPEN_ORDERS
)
SPOT_ENDED: Final[Endpoint[wire.Answer[list[wire.SpotOrder]]]] = _spot(
    "GET", "/v1/order/orders", wire.Answer[list[wire.SpotOrder]], serves=Operation.GET_ORDER_HISTORY
)
SPOT_RECENT: Final[Endpoint[wire.Answer[list[wire.SpotOrder]]]] = _spot(
    "GET", "/v1/order/history", wire.Answer[list[wire.SpotOrder]], limit=20
)
SPOT_FILLS: Final[Endpoint[wire.Answer[list[wire.SpotFill]]]] = _spot(
    "GET", "/v1/order/matchresults", wire.Answer[list[wire.SpotFill]], limit=20, serves=Operation.GET_TRADE_HISTORY
)

# --- swaps, single-asset account ---------------------------------------------------------------------------------

_V1: Final = "/linear-swap-api/v1/swap_{margin}"
_V3: Final = "/linear-swap-api/v3/swap_{margin}"

MARGINS: Final[Endpoint[wire.Answer[list[wire.Margin]]]] = _swap(
    "POST", f"{_V1}account_info", wire.Answer[list[wire.Margin]], serves=Operation.GET_BALANCE
)
POSITIONS: Final[Endpoint[wire.Answer[list[wire.Position]]]] = _swap(
    "POST", f"{_V1}position_info", wire.Answer[list[wire.Position]], serves=Operation.GET_POSITIONS
)
MODE: Final[Endpoint[wire.Answer[wire.Mode]]] = _swap("GET", f"{_V1}position_side", wire.Answer[wire.Mode])
SET_MODE: Final[Endpoint[wire.Done]] = _swap(
    "POST", f"{_V1}switch_position_mode", wire.Done, budget=TRADE, serves=Operation.SET_POSITION_MODE
)
SET_LEVER: Final[Endpoint[wire.Done]] = _swap(
    "POST", f"{_V1}switch_lever_rate", wire.Done, budget=TRADE, serves=Operation.SET_LEVERAGE
)
PLACE: Final[Endpoint[wire.Answer[wire.Placed]]] = _swap(
    "POST",
    f"{_V1}order",
    wire.Answer[wire.Placed],
    budget=TRADE,
    serves=Operation.CREATE_ORDER,
    outcome_id="client_order_id",
)
CANCEL: Final[Endpoint[wire.Answer[wire.Cancelled]]] = _swap(
    "POST", f"{_V1}cancel", wire.Answer[wire.Cancelled], budget=TRADE, serves=Operation.CANCEL_ORDER
)
CANCEL_ALL: Final[Endpoint[wire.Answer[wire.Cancelled]]] = _swap(
    "POST", f"{_V1}cancelall", wire.Answer[wire.Cancelled], budget=TRADE, serves=Operation.CANCEL_ALL_ORDERS
)
ORDER: Final[Endpoint[wire.Answer[list[wire.Order]]]] = _swap(
    "POST", f"{_V1}order_info", wire.Answer[list[wire.Order]], serves=Operation.GET_ORDER
)
OPEN: Final[Endpoint[wire.Answer[wire.Orders]]] = _swap(
    "POST", f"{_V1}openorders", wire.Answer[wire.Orders], serves=Operation.GET_OPEN_ORDERS
)
ENDED: Final[Endpoint[wire.Answer[list[wire.Order]]]] = _swap(
    "POST", f"{_V3}hisorders", wire.Answer[list[wire.Order]], serves=Operation.GET_ORDER_HISTORY
)
FILLS: Final[Endpoint[wire.Answer[list[wire.Fill]]]] = _swap(
    "POST", f"{_V3}matchresults", wire.Answer[list[wire.Fill]], serves=Operation.GET_TRADE_HISTORY
)
RECORDS: Final[Endpoint[wire.Answer[list[wire.Record]]]] = _swap(
    "POST",
    "/linear-swap-api/v3/swap_financial_record",
    wire.Answer[list[wire.Record]],
    serves=Operation.GET_FUNDING_PAYMENTS,
)

# --- swaps, multi-assets account ---------------------------------------------------------------------------------

ASSET_MODE: Final[Endpoint[wire.Answer[wire.AssetMode]]] = _swap(
    "GET", "/v5/account/asset_mode", wire.Answer[wire.AssetMode]
)
UNION_BALANCE: Final[Endpoint[wire.Answer[wire.UnionWallet]]] = _swap(
    "GET", "/v5/account/balance", wire.Answer[wire.UnionWallet]
)
UNION_BILLS: Final[Endpoint[wire.Answer[list[wire.Record]]]] = _swap(
    "GET", "/v5/account/bills", wire.Answer[list[wire.Record]]
)
UNION_POSITIONS: Final[Endpoint[wire.Answer[list[wire.UnionPosition]]]] = _swap(
    "GET", "/v5/trade/position/opens", wire.Answer[list[wire.UnionPosition]]
)
UNION_MODE: Final[Endpoint[wire.Answer[wire.Mode]]] = _swap("GET", "/v5/position/mode", wire.Answer[wire.Mode])
SET_UNION_MODE: Final[Endpoint[wire.Done]] = _swap("POST", "/v5/position/mode", wire.Done, budget=TRADE)
SET_UNION_LEVER: Final[Endpoint[wire.Done]] = _swap("POST", "/v5/position/lever", wire.Done, budget=TRADE)
UNION_PLACE: Final[Endpoint[wire.Answer[wire.UnionAck]]] = _swap(
    "POST", "/v5/trade/order", wire.Answer[wire.UnionAck], budget=TRADE, outcome_id="client_order_id"
)
UNION_CANCEL: Final[Endpoint[wire.Answer[wire.UnionAck]]] = _swap(
    "POST", "/v5/trade/cancel_order", wire.Answer[wire.UnionAck], budget=TRADE
)
UNION_CANCEL_ALL: Final[Endpoint[wire.Answer[list[wire.UnionAck]]]] = _swap(
    "POST", "/v5/trade/cancel_all_orders", wire.Answer[list[wire.UnionAck]], budget=TRADE
)
UNION_ORDER: Final[Endpoint[wire.Answer[wire.UnionOrder]]] = _swap(
    "GET", "/v5/trade/order", wire.Answer[wire.UnionOrder]
)
UNION_OPEN: Final[Endpoint[wire.Answer[list[wire.UnionOrder]]]] = _swap(
    "GET", "/v5/trade/order/opens", wire.Answer[list[wire.UnionOrder]]
)
UNION_ENDED: Final[Endpoint[wire.Answer[list[wire.UnionOrder]]]] = _swap(
    "GET", "/v5/trade/order/history", wire.Answer[list[wire.UnionOrder]]
)
UNION_FILLS: Final[Endpoint[wire.Answer[list[wire.UnionFill]]]] = _swap(
    "GET", "/v5/trade/order/details", wire.Answer[list[wire.UnionFill]]
)

# --- streams -----------------------------------------------------------------------------------------------------


def _channel(market: str, topic: str, message: type[Any]) -> Channel[Any]:
    return Channel(
        topic,
        message,
        market=market,
        serves=Operation.SUBSCRIBE_USER_DATA,
        kinds=KINDS[market],
        url="ws_private",
        private=True,
        lossless=True,
        strict=False,
    )


SPOT_ORDER_CHANNEL: Final[Channel[wire.SpotPush[wire.SpotOrderPush]]] = _channel(
    SPOT, "orders#*", wire.SpotPush[wire.SpotOrderPush]
)
SPOT_FILL_CHANNEL: Final[Channel[wire.SpotPush[wire.SpotFillPush]]] = _channel(
    SPOT, "trade.clearing#*#0", wire.SpotPush[wire.SpotFillPush]
)
SPOT_BALANCE_CHANNEL: Final[Channel[wire.SpotPush[wire.SpotBalancePush]]] = _channel(
    SPOT, "accounts.update#2", wire.SpotPush[wire.SpotBalancePush]
)
ORDER_CHANNEL: Final[Channel[wire.Order]] = _channel(LINEAR, "orders{margin}.*", wire.Order)
MARGIN_CHANNEL: Final[Channel[wire.Notice[list[wire.Margin]]]] = _channel(
    LINEAR, "accounts{margin}.*", wire.Notice[list[wire.Margin]]
)
POSITION_CHANNEL: Final[Channel[wire.Notice[list[wire.Position]]]] = _channel(
    LINEAR, "positions{margin}.*", wire.Notice[list[wire.Position]]
)
UNION_ORDER_CHANNEL: Final[Channel[wire.Notice[wire.UnionOrder]]] = _channel(
    LINEAR, "orders", wire.Notice[wire.UnionOrder]
)
UNION_FILL_CHANNEL: Final[Channel[wire.Notice[list[wire.UnionFill]]]] = _channel(
    LINEAR, "trade", wire.Notice[list[wire.UnionFill]]
)
UNION_BALANCE_CHANNEL: Final[Channel[wire.Notice[wire.UnionWallet]]] = _channel(
    LINEAR, "account", wire.Notice[wire.UnionWallet]
)
UNION_POSITION_CHANNEL: Final[Channel[wire.Notice[list[wire.UnionPosition]]]] = _channel(
    LINEAR, "positions", wire.Notice[list[wire.UnionPosition]]
)

UNION_CHANNELS: Final[tuple[Channel[object], ...]] = (
    UNION_ORDER_CHANNEL,
    UNION_FILL_CHANNEL,
    UNION_BALANCE_CHANNEL,
    UNION_POSITION_CHANNEL,
)
CHANNELS: Final[tuple[Channel[object], ...]] = (
    *UNION_CHANNELS,
    SPOT_ORDER_CHANNEL,
    SPOT_FILL_CHANNEL,
    SPOT_BALANCE_CHANNEL,
    ORDER_CHANNEL,
    MARGIN_CHANNEL,
    POSITION_CHANNEL,
)

ENDPOINTS: Final[tuple[Endpoint[object], ...]] = (
    SPOT_ACCOUNTS,
    SPOT_BALANCE,
    USER_ID,
    API_KEYS,
    SPOT_PLACE,
    SPOT_CANCEL,
    SPOT_CANCEL_CLIENT,
    SPOT_CANCEL_BATCH,
    SPOT_ORDER,
    SPOT_CLIENT_ORDER,
    SPOT_OPEN,
    SPOT_ENDED,
    SPOT_RECENT,
    SPOT_FILLS,
    MARGINS,
    POSITIONS,
    MODE,
    SET_MODE,
    SET_LEVER,
    PLACE,
    CANCEL,
    CANCEL_ALL,
    ORDER,
    OPEN,
    ENDED,
    FILLS,
    RECORDS,
    ASSET_MODE,
    UNION_BALANCE,
    UNION_BILLS,
    UNION_POSITIONS,
    UNION_MODE,
    SET_UNION_MODE,
    SET_UNION_LEVER,
    UNION_PLACE,
    UNION_CANCEL,
    UNION_CANCEL_ALL,
    UNION_ORDER,
    UNION_OPEN,
    UNION_ENDED,
    UNION_FILLS,
)

SPOT_LIMITS: Final[Mapping[str, int]] = _SPOT_LIMITS
LIMITS: Final = (
    *(RateLimit(scope, limit, 2.0, per="account") for scope, limit in SPOT_LIMITS.items()),
    # 72 of each in 3 s ("API Rate Limit Illustration").
    RateLimit(TRADE, 72, 3.0, per="account", reserve=12),
    RateLimit(READ, 72, 3.0, per="account"),
)
