"""What HTX tells of an account, field by field; numbers come as numbers or strings, so rows are read leniently.

Three families: spot, swaps of a single-asset account (v1 and v3), swaps of a multi-assets account (v5).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Generic, Literal, TypeVar

import msgspec

T = TypeVar("T")

Id = int | str
"""Spot's ids are numbers in some answers and text in others."""


class Answer(msgspec.Struct, Generic[T]):
    """The envelope of signed calls: v1 says ``status``, v2, v3 and v5 say ``code``.

    A refusal, which comes with HTTP 200 too and may have ``data`` that are empty, is not one of these.
    """

    data: T
    status: Literal["ok"] = "ok"
    code: Literal[200, "200"] = 200
    ts: int | None = None


class Done(msgspec.Struct):
    """An answer of which only its success matters: a refusal, which comes with HTTP 200 too, is not one of these."""

    status: Literal["ok"] = "ok"
    code: Literal[200] = 200


# --- spot --------------------------------------------------------------------------------------------------------


class SpotAccount(msgspec.Struct):
    """A row of GET /v1/account/accounts."""

    id: int
    type: str
    state: str = ""


class SpotAmount(msgspec.Struct):
    """One part of one coin: ``trade`` is free, every other ``type`` is held."""

    currency: str
    type: str
    balance: Decimal


class SpotWallet(msgspec.Struct):
    """GET /v1/account/accounts/{account-id}/balance."""

    amounts: list[SpotAmount] = msgspec.field(name="list")


class SpotOrder(msgspec.Struct, rename="kebab"):
    """GET /v1/order/orders/{order-id} and lists; openOrders spell what is filled ``filled-…`` instead of ``field-…``.

    The ``amount`` of a ``buy-market`` order is in quote coin.
    """

    id: Id
    symbol: str
    type: str
    state: str
    amount: Decimal
    price: Decimal | None = None
    client_order_id: str | None = None
    created_at: int = 0
    updated_at: int = 0
    finished_at: int = 0
    canceled_at: int = 0
    field_amount: Decimal | None = None
    field_cash_amount: Decimal | None = None
    filled_amount: Decimal | None = None
    filled_cash_amount: Decimal | None = None
    stop_price: Decimal | None = None
    operator: str | None = None
    canceled_source_desc: str | None = None
    canceled_source: str | None = None


class SpotFill(msgspec.Struct, rename="kebab"):
    """A row of GET /v1/order/matchresults. ``filled-fees`` are in ``fee-currency``, or what replaced them in points."""

    id: Id
    symbol: str
    type: str
    price: Decimal
    filled_amount: Decimal
    created_at: int
    order_id: Id
    trade_id: Id
    role: str = ""
    filled_fees: Decimal | None = None
    fee_currency: str | None = None
    filled_points: Decimal | None = None
    fee_deduct_currency: str | None = None


class SpotBatch(msgspec.Struct):
    """POST /v1/order/orders/batchcancel."""

    success: list[str] = []
    failed: list[SpotFailure] = []


class SpotFailure(msgspec.Struct, rename="kebab"):
    """One order that was not cancelled."""

    order_id: str | None = None
    err_code: str = ""
    err_msg: str = ""


class SpotPush(msgspec.Struct, Generic[T]):
    """A push of ``/ws/v2``."""

    data: T
    ch: str = ""


class SpotOrderPush(msgspec.Struct):
    """``orders#*``. ``eventType``: creation, trade, cancellation; trigger and deletion of a conditional order."""

    eventType: str
    symbol: str
    orderStatus: str
    orderId: Id | None = None
    clientOrderId: str | None = None
    type: str = ""
    orderSide: str = ""
    orderPrice: Decimal | None = None
    orderSize: Decimal | None = None
    orderValue: Decimal | None = None
    orderCreateTime: int | None = None
    tradeTime: int | None = None
    lastActTime: int | None = None
    execAmt: Decimal | None = None
    tradeId: Id | None = None
    tradeVolume: Decimal | None = None
    stopPrice: Decimal | None = None
    errMessage: str | None = None


class SpotFillPush(msgspec.Struct):
    """``trade.clearing#*#0``."""

    symbol: str
    tradeId: Id | None = None
    tradePrice: Decimal | None = None
    tradeVolume: Decimal | None = None
    tradeTime: int = 0
    orderId: Id | None = None
    orderSide: str = ""
    eventType: str = "trade"
    clientOrderId: str | None = None
    aggressor: bool | None = None
    transactFee: Decimal | None = None
    feeCurrency: str | None = None
    feeDeduct: Decimal | None = None
    feeDeductType: str | None = None


class SpotBalancePush(msgspec.Struct):
    """``accounts.update#2``: total and free; one of them may be left out."""

    currency: str | None = None
    accountId: int | None = None
    balance: Decimal | None = None
    available: Decimal | None = None
    changeTime: int | None = None


# --- swaps, single-asset account ---------------------------------------------------------------------------------


class Placed(msgspec.Struct):
    """What places an order answers."""

    order_id: Id
    order_id_str: str | None = None

    @property
    def id(self) -> str:
        """``order_id`` is above what a float holds; its text is exact."""
        return self.order_id_str or str(self.order_id)


class Trade(msgspec.Struct):
    """One execution inside an order's push."""

    trade_id: Id
    trade_volume: Decimal
    trade_price: Decimal
    created_at: int
    id: str = ""
    trade_fee: Decimal | None = None
    fee_asset: str | None = None
    role: str = ""


class Order(msgspec.Struct):
    """An order of swap_(cross_)order_info, openorders, hisorders (``create_date``) and of the ``orders`` topics."""

    contract_code: str
    order_id: Id
    volume: Decimal
    direction: str
    status: int
    order_id_str: str | None = None
    client_order_id: Id | None = None
    offset: str = ""
    order_price_type: str | int = ""
    price: Decimal | None = None
    trade_volume: Decimal | None = None
    trade_avg_price: Decimal | None = None
    trade_turnover: Decimal | None = None
    reduce_only: int | None = None
    lever_rate: int | None = None
    created_at: int | None = None
    create_date: int | None = None
    update_time: int | None = None
    canceled_at: int | None = None
    canceled_source: str | None = None
    query_id: int | None = None
    ts: int | None = None
    trade: list[Trade] = []


class Orders(msgspec.Struct):
    """A page of openorders."""

    orders: list[Order]
    total_page: int = 1
    current_page: int = 1


class Fill(msgspec.Struct):
    """A row of v3 swap_(cross_)matchresults. ``id`` is unique, ``match_id`` is of both sides' orders."""

    contract_code: str
    direction: str
    trade_volume: Decimal
    trade_price: Decimal
    create_date: int
    order_id: Id
    match_id: Id
    order_id_str: str | None = None
    id: str = ""
    trade_fee: Decimal | None = None
    fee_asset: str | None = None
    role: str = ""
    query_id: int | None = None


class Failed(msgspec.Struct):
    """One order that was not cancelled."""

    order_id: str
    err_code: int
    err_msg: str = ""


class Cancelled(msgspec.Struct):
    """swap_(cross_)cancel and cancelall: ids that were taken, joined by commas, and those that were not."""

    successes: str = ""
    errors: list[Failed] = []

    @property
    def taken(self) -> list[str]:
        return [order_id for order_id in self.successes.split(",") if order_id]


class Detail(msgspec.Struct):
    """One contract within a cross margin account."""

    contract_code: str
    lever_rate: int
    liquidation_price: Decimal | None = None


class Margin(msgspec.Struct):
    """A margin account: the one of all contracts (cross) or that of one contract (isolated)."""

    margin_asset: str
    margin_balance: Decimal
    margin_account: str = ""
    margin_static: Decimal | None = None
    withdraw_available: Decimal | None = None
    margin_available: Decimal | None = None
    margin_position: Decimal | None = None
    margin_frozen: Decimal | None = None
    contract_code: str | None = None
    lever_rate: int | None = None
    contract_detail: list[Detail] = []


class Position(msgspec.Struct):
    """A row of swap_(cross_)position_info and of the ``positions`` topics."""

    contract_code: str
    volume: Decimal
    direction: str
    cost_open: Decimal | None = None
    profit_unreal: Decimal | None = None
    liquidation_price: Decimal | None = None
    mark_price: Decimal | None = None
    lever_rate: Decimal | None = None
    margin_mode: str = ""
    position_mode: str = ""


class Mode(msgspec.Struct):
    """The position mode of a margin account, or of a multi-assets account."""

    position_mode: str = ""


class Record(msgspec.Struct):
    """A row of v3 swap_financial_record; v5's bills say ``currency`` and ``created_time``."""

    type: int
    amount: Decimal
    contract_code: str
    id: Id = ""
    query_id: int | None = None
    asset: str = ""
    ts: int | None = None
    currency: str = ""
    created_time: int | None = None


class Notice(msgspec.Struct, Generic[T]):
    """A push of the notification socket that carries one thing (v5) or rows (v1)."""

    data: T
    topic: str = ""
    ts: int = 0
    event: str = ""


# --- swaps, multi-assets account: numbers are text, '' is unknown --------------------------------------------------


class AssetMode(msgspec.Struct):
    """GET /v5/account/asset_mode: 1 is a multi-assets account."""

    asset_mode: int


class ApiKey(msgspec.Struct):
    """One row of GET /v2/user/api-key. ``permission``: of ``readOnly``, ``trade`` and ``withdraw``, with commas.

    ``validDays`` is what is left, -1 for a key that does not end.
    """

    accessKey: str
    permission: str
    ipAddresses: str | None = None
    validDays: int = -1


class UnionAck(msgspec.Struct):
    """One order that was placed or cancelled; in lists with a code of its own."""

    order_id: Id = ""
    client_order_id: Id | None = None
    code: int = 200
    message: str = ""


class UnionOrder(msgspec.Struct):
    """An order of GET /v5/trade/order, …/opens and …/history, and of the ``orders`` topic."""

    contract_code: str
    order_id: Id
    side: str
    type: str
    state: str
    volume: Decimal
    id: Id = ""
    client_order_id: Id | None = None
    position_side: str = ""
    time_in_force: str | None = None
    price: str | None = None
    price_match: str | None = None
    reduce_only: bool | None = None
    trade_volume: str | None = None
    trade_avg_price: str | None = None
    trade_turnover: str | None = None
    cancel_reason: str | None = None
    created_time: int | None = None
    updated_time: int | None = None


class UnionFill(msgspec.Struct):
    """A row of GET /v5/trade/order/details and of the ``trade`` topic, which says ``direction`` and no fee.

    ``trade_fee`` is positive when paid.
    """

    contract_code: str
    order_id: Id
    trade_id: Id
    trade_price: Decimal
    trade_volume: Decimal
    created_time: int
    id: Id = ""
    client_order_id: Id | None = None
    side: str = ""
    direction: str = ""
    role: str = ""
    fee_currency: str | None = None
    trade_fee: str | None = None


class UnionPosition(msgspec.Struct):
    """A row of GET /v5/trade/position/opens."""

    contract_code: str
    volume: Decimal
    position_side: str = ""
    direction: str = ""
    margin_mode: str = ""
    open_avg_price: str | None = None
    mark_price: str | None = None
    liquidation_price: str | None = None
    profit_unreal: str | None = None
    lever_rate: Decimal | None = None
    updated_time: int | None = None


class UnionAmount(msgspec.Struct):
    """One coin of a multi-assets account."""

    currency: str
    equity: Decimal
    available: str | None = None
    updated_time: int | None = None


class UnionWallet(msgspec.Struct):
    """GET /v5/account/balance."""

    details: list[UnionAmount] = []
