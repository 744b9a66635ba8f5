"""Binance's signed calls and user streams as rows. Weights: "Request weight" of each call's document page."""

from __future__ import annotations

from typing import Final

import msgspec

from fra.adapters.custom import Channel, Costs, Endpoint
from fra.core import Operation
from fra.exchanges.binance import account_wire as wire
from fra.exchanges.binance.convert import SPOT, USDM
from fra.exchanges.binance.tables import (
    ANY_SPOT,
    ANY_USDM,
    SPOT_ORDERS,
    SPOT_ORDERS_DAY,
    SWAP,
    USDM_ORDERS,
    USDM_ORDERS_MINUTE,
    one_or_all,
    spot_cost,
    usdm_cost,
)

_SPOT_ORDER: Final[Costs] = {**spot_cost(1), SPOT_ORDERS.scope: 1, SPOT_ORDERS_DAY.scope: 1}
"""Since April 2026 an order that is taken weighs nothing and one that is refused 1: which it will be nobody knows."""
_USDM_ORDER: Final[Costs] = {USDM_ORDERS.scope: 1, USDM_ORDERS_MINUTE.scope: 1}

MAX_PAGE: Final = 1000
"""The most rows that a history call gives."""
DAY_MS: Final = 86_400_000
WINDOW_MS: Final = {SPOT: DAY_MS, USDM: 7 * DAY_MS}
"""The longest time that one history call may span."""

# --- account

SPOT_ACCOUNT: Final = Endpoint(
    "GET",
    "/api/v3/account",
    wire.SpotAccount,
    market=SPOT,
    serves=Operation.GET_BALANCE,
    kinds=ANY_SPOT,
    cost=spot_cost(20),
    signed=True,
)
USDM_ACCOUNT: Final = Endpoint(
    "GET",
    "/fapi/v3/account",
    wire.UsdmAccount,
    market=USDM,
    serves=Operation.GET_BALANCE,
    kinds=ANY_USDM,
    cost=usdm_cost(5),
    signed=True,
)
KEY: Final = Endpoint(
    "GET",
    "/sapi/v1/account/apiRestrictions",
    wire.KeyRestrictions,
    market=SPOT,
    serves=Operation.GET_KEY_PERMISSIONS,
    kinds=ANY_SPOT,
    cost=spot_cost(1),
    signed=True,
)
POSITIONS: Final = Endpoint(
    "GET",
    "/fapi/v3/positionRisk",
    list[wire.PositionRisk],
    market=USDM,
    serves=Operation.GET_POSITIONS,
    kinds=ANY_USDM,
    cost=usdm_cost(5),
    signed=True,
)
SYMBOL_CONFIG: Final = Endpoint(
    "GET", "/fapi/v1/symbolConfig", list[wire.SymbolConfig], market=USDM, cost=usdm_cost(5), signed=True
)
POSITION_SIDES: Final = Endpoint(
    "GET", "/fapi/v1/positionSide/dual", wire.PositionSides, market=USDM, cost=usdm_cost(30), signed=True
)
SET_POSITION_SIDES: Final = Endpoint(
    "POST",
    "/fapi/v1/positionSide/dual",
    wire.Done,
    market=USDM,
    serves=Operation.SET_POSITION_MODE,
    kinds=ANY_USDM,
    cost=usdm_cost(1),
    signed=True,
)
SET_LEVERAGE: Final = Endpoint(
    "POST",
    "/fapi/v1/leverage",
    wire.Leverage,
    market=USDM,
    serves=Operation.SET_LEVERAGE,
    kinds=ANY_USDM,
    cost=usdm_cost(1),
    signed=True,
)
SET_MARGIN_TYPE: Final = Endpoint(
    "POST",
    "/fapi/v1/marginType",
    wire.Done,
    market=USDM,
    serves=Operation.SET_MARGIN_MODE,
    kinds=ANY_USDM,
    cost=usdm_cost(1),
    signed=True,
)
FUNDING_PAYMENTS: Final = Endpoint(
    "GET",
    "/fapi/v1/income",
    list[wire.Income],
    market=USDM,
    serves=Operation.GET_FUNDING_PAYMENTS,
    kinds=SWAP,
    cost=usdm_cost(30),
    signed=True,
)
INCOME: Final = Endpoint("GET", "/fapi/v1/income", list[wire.Income], market=USDM, cost=usdm_cost(30), signed=True)
"""The same call, for what else moved money."""

# --- orders

CREATE_SPOT: Final = Endpoint(
    "POST",
    "/api/v3/order",
    wire.Order,
    market=SPOT,
    serves=Operation.CREATE_ORDER,
    kinds=ANY_SPOT,
    cost=_SPOT_ORDER,
    signed=True,
    outcome_id="newClientOrderId",
)
CREATE_USDM: Final = Endpoint(
    "POST",
    "/fapi/v1/order",
    wire.Order,
    market=USDM,
    serves=Operation.CREATE_ORDER,
    kinds=ANY_USDM,
    cost=_USDM_ORDER,
    signed=True,
    outcome_id="newClientOrderId",
)
CREATE_ALGO: Final = Endpoint(
    "POST",
    "/fapi/v1/algoOrder",
    wire.AlgoOrder,
    market=USDM,
    cost=_USDM_ORDER,
    signed=True,
    outcome_id="clientAlgoId",
)


CANCEL: Final = tuple(
    Endpoint(
        "DELETE", path, wire.Order, market=market, serves=Operation.CANCEL_ORDER, kinds=kinds, cost=cost, signed=True
    )
    for path, market, kinds, cost in (
        ("/api/v3/order", SPOT, ANY_SPOT, spot_cost(1)),
        ("/fapi/v1/order", USDM, ANY_USDM, usdm_cost(1)),
    )
)
CANCEL_ALGO: Final = Endpoint(
    "DELETE", "/fapi/v1/algoOrder", wire.AlgoAnswer, market=USDM, cost=usdm_cost(1), signed=True
)
CANCEL_ALL_SPOT: Final = Endpoint(
    "DELETE",
    "/api/v3/openOrders",
    list[wire.CancelledOrder],
    market=SPOT,
    serves=Operation.CANCEL_ALL_ORDERS,
    kinds=ANY_SPOT,
    cost=spot_cost(1),
    signed=True,
)
CANCEL_ALL_USDM: Final = Endpoint(
    "DELETE",
    "/fapi/v1/allOpenOrders",
    wire.Done,
    market=USDM,
    serves=Operation.CANCEL_ALL_ORDERS,
    kinds=ANY_USDM,
    cost=usdm_cost(1),
    signed=True,
)
CANCEL_ALL_ALGO: Final = Endpoint(
    "DELETE", "/fapi/v1/algoOpenOrders", wire.Done, market=USDM, cost=usdm_cost(1), signed=True
)
GET: Final = tuple(
    Endpoint("GET", path, wire.Order, market=market, serves=Operation.GET_ORDER, kinds=kinds, cost=cost, signed=True)
    for path, market, kinds, cost in (
        ("/api/v3/order", SPOT, ANY_SPOT, spot_cost(4)),
        ("/fapi/v1/order", USDM, ANY_USDM, usdm_cost(1)),
    )
)
GET_ALGO: Final = Endpoint("GET", "/fapi/v1/algoOrder", wire.AlgoOrder, market=USDM, cost=usdm_cost(1), signed=True)
OPEN: Final = tuple(
    Endpoint(
        "GET",
        path,
        list[wire.Order],
        market=market,
        serves=Operation.GET_OPEN_ORDERS,
        kinds=kinds,
        cost=cost,
        signed=True,
    )
    for path, market, kinds, cost in (
        ("/api/v3/openOrders", SPOT, ANY_SPOT, one_or_all(spot_cost, 6, 80)),
        ("/fapi/v1/openOrders", USDM, ANY_USDM, one_or_all(usdm_cost, 1, 40)),
    )
)
OPEN_ALGO: Final = Endpoint(
    "GET",
    "/fapi/v1/openAlgoOrders",
    list[wire.AlgoOrder],
    market=USDM,
    cost=one_or_all(usdm_cost, 1, 40),
    signed=True,
)
HISTORY: Final = tuple(
    Endpoint(
        "GET",
        path,
        list[wire.Order],
        market=market,
        serves=Operation.GET_ORDER_HISTORY,
        kinds=kinds,
        cost=cost,
        signed=True,
    )
    for path, market, kinds, cost in (
        ("/api/v3/allOrders", SPOT, ANY_SPOT, spot_cost(20)),
        ("/fapi/v1/allOrders", USDM, ANY_USDM, usdm_cost(5)),
    )
)
HISTORY_ALGO: Final = Endpoint(
    "GET", "/fapi/v1/allAlgoOrders", list[wire.AlgoOrder], market=USDM, cost=usdm_cost(5), signed=True
)
SPOT_FILLS: Final = Endpoint(
    "GET",
    "/api/v3/myTrades",
    list[wire.SpotFill],
    market=SPOT,
    serves=Operation.GET_TRADE_HISTORY,
    kinds=ANY_SPOT,
    cost=spot_cost(20),
    signed=True,
)
USDM_FILLS: Final = Endpoint(
    "GET",
    "/fapi/v1/userTrades",
    list[wire.UsdmFill],
    market=USDM,
    serves=Operation.GET_TRADE_HISTORY,
    kinds=ANY_USDM,
    cost=usdm_cost(5),
    signed=True,
)

# --- user streams

NEW_KEY: Final = Endpoint("POST", "/fapi/v1/listenKey", wire.ListenKey, market=USDM, cost=usdm_cost(1), key_only=True)
EXTEND_KEY: Final = Endpoint("PUT", "/fapi/v1/listenKey", wire.ListenKey, market=USDM, cost=usdm_cost(1), key_only=True)

TOPIC: Final = "account"
"""The name of the only topic that a private connection carries. Its messages stay raw until their kind is known."""
SPOT_USER: Final = Channel(
    TOPIC,
    msgspec.Raw,
    market=SPOT,
    serves=Operation.SUBSCRIBE_USER_DATA,
    kinds=ANY_SPOT,
    url="ws_api",
    private=True,
    lossless=True,
)
USDM_USER: Final = Channel(
    TOPIC,
    msgspec.Raw,
    market=USDM,
    serves=Operation.SUBSCRIBE_USER_DATA,
    kinds=ANY_USDM,
    path="/private/ws",
    private=True,
    lossless=True,
)
LEGACY_USER_PATH: Final = "/ws"
"""Where the streams of an account were before March 2026."""

ENDPOINTS: Final[tuple[Endpoint[object], ...]] = (
    SPOT_ACCOUNT,
    USDM_ACCOUNT,
    KEY,
    POSITIONS,
    SYMBOL_CONFIG,
    POSITION_SIDES,
    SET_POSITION_SIDES,
    SET_LEVERAGE,
    SET_MARGIN_TYPE,
    FUNDING_PAYMENTS,
    INCOME,
    CREATE_SPOT,
    CREATE_USDM,
    CREATE_ALGO,
    *CANCEL,
    CANCEL_ALGO,
    CANCEL_ALL_SPOT,
    CANCEL_ALL_USDM,
    CANCEL_ALL_ALGO,
    *GET,
    GET_ALGO,
    *OPEN,
    OPEN_ALGO,
    *HISTORY,
    HISTORY_ALGO,
    SPOT_FILLS,
    USDM_FILLS,
    NEW_KEY,
    EXTEND_KEY,
)
CHANNELS: Final = (SPOT_USER, USDM_USER)
