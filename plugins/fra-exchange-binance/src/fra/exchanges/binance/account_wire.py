"""Messages about the account exactly as Binance sends them: answers of signed calls, and events of the user streams.

Field names are the venue's own; what fra does not use is left out. Numbers that may be empty or null are texts.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

import msgspec


class _Rest(msgspec.Struct, gc=False):
    """A row of a REST answer."""


class _Push(msgspec.Struct, gc=False):
    """A message of a stream."""


class Done(_Rest):
    """An answer that says no more than that it was done: ``{"code": 200, "msg": "success"}`` or ``{}``."""

    code: int | str = 200
    msg: str = ""


# --- balances and positions


class KeyRestrictions(_Rest):
    """GET /sapi/v1/account/apiRestrictions ("Get API Key Permission"). The time is that at which trading ends."""

    ipRestrict: bool
    enableReading: bool
    enableWithdrawals: bool
    enableSpotAndMarginTrading: bool = False
    enableMargin: bool = False
    enableFutures: bool = False
    enableVanillaOptions: bool = False
    enablePortfolioMarginTrading: bool = False
    enableInternalTransfer: bool = False
    permitsUniversalTransfer: bool = False
    tradingAuthorityExpirationTime: int | None = None


class SpotBalance(_Rest):
    asset: str
    free: Decimal
    locked: Decimal


class SpotAccount(_Rest):
    balances: list[SpotBalance]
    updateTime: int | None = None


class UsdmAsset(_Rest):
    """``marginBalance`` is the wallet and what open positions have won or lost so far."""

    asset: str
    walletBalance: Decimal
    marginBalance: Decimal
    availableBalance: Decimal
    initialMargin: Decimal = Decimal(0)
    updateTime: int = 0


class UsdmAccount(_Rest):
    assets: list[UsdmAsset]


class PositionRisk(_Rest):
    """``leverage`` and ``marginType`` are of the second version of the call; the third leaves them out."""

    symbol: str
    positionSide: str
    positionAmt: Decimal
    entryPrice: str = ""
    markPrice: str = ""
    liquidationPrice: str = ""
    unRealizedProfit: str = ""
    leverage: str = ""
    marginType: str = ""
    updateTime: int = 0


class SymbolConfig(_Rest):
    symbol: str
    marginType: str
    leverage: int


class PositionSides(_Rest):
    """Whether the account is in hedge mode."""

    dualSidePosition: bool


class Leverage(_Rest):
    symbol: str
    leverage: int


class Income(_Rest):
    """``tranId`` is unique among the rows of one income type; a transfer has no symbol."""

    symbol: str
    incomeType: str
    income: Decimal
    asset: str
    time: int
    tranId: int | str = ""


class ListenKey(_Rest):
    listenKey: str = ""


# --- orders


class Order(_Rest):
    """An order of spot or USD-M, in whichever answer: of creating, cancelling, asking or listing.

    The client id of a cancelled spot order is ``origClientOrderId``: there ``clientOrderId`` names the cancel.
    """

    symbol: str
    orderId: int
    clientOrderId: str = ""
    origClientOrderId: str = ""
    status: str = "NEW"
    side: str = "BUY"
    type: str = ""
    origType: str = ""
    timeInForce: str = ""
    price: str = ""
    stopPrice: str = ""
    avgPrice: str = ""
    origQty: str = ""
    executedQty: str = ""
    origQuoteOrderQty: str = ""
    cummulativeQuoteQty: str = ""
    cumQuote: str = ""
    reduceOnly: bool | None = None
    positionSide: str = ""
    time: int | None = None
    updateTime: int | None = None
    transactTime: int | None = None


class CancelledOrder(Order):
    """A row of the answer to cancelling all spot orders: an order, or ``orderReports`` that belong together."""

    orderId: int = 0
    orderReports: list[Order] = []


class AlgoOrder(_Rest):
    """A conditional order of USD-M. ``actual…`` is what came of it after its trigger."""

    algoId: int
    clientAlgoId: str
    symbol: str
    side: str
    algoStatus: str
    orderType: str = ""
    type: str = ""
    positionSide: str = ""
    timeInForce: str = ""
    quantity: str | None = None
    triggerPrice: str | None = None
    price: str | None = None
    actualOrderId: str | int | None = None
    actualPrice: str | None = None
    actualQty: str | None = None
    reduceOnly: bool | None = None
    createTime: int | None = None
    updateTime: int | None = None


class AlgoAnswer(_Rest):
    """What cancelling a conditional order answers; more than its id is not promised."""

    algoId: int | None = None


class SpotFill(_Rest):
    symbol: str
    id: int
    orderId: int
    price: Decimal
    qty: Decimal
    commission: Decimal
    commissionAsset: str
    time: int
    isBuyer: bool
    isMaker: bool


class UsdmFill(_Rest):
    symbol: str
    id: int
    orderId: int
    side: str
    price: Decimal
    qty: Decimal
    commission: Decimal
    commissionAsset: str
    time: int
    maker: bool


# --- user streams: the letters mean other things in other events, so a frame is looked at before it is decoded


class Frame(_Push):
    """Any frame: an event itself, or one within ``event`` (spot) or ``data`` (a combined stream)."""

    e: str = ""
    event: msgspec.Raw = msgspec.Raw(b"")
    data: msgspec.Raw = msgspec.Raw(b"")


class Kind(_Push):
    e: str = ""


class Event(NamedTuple):
    """The name of an event, "" for a frame that is none, and its own text."""

    kind: str
    body: bytes


_FRAME: Final = msgspec.json.Decoder(Frame)
_KIND: Final = msgspec.json.Decoder(Kind)


def event_in(frame: bytes | msgspec.Raw) -> Event:
    """What is in a frame of a user stream."""
    outer = _FRAME.decode(frame)
    body = bytes(outer.event) or bytes(outer.data)
    return Event(_KIND.decode(body).e, body) if body else Event(outer.e, bytes(frame))


# --- user stream of spot


class ExecutionReport(_Push):
    """``c`` names the cancel, and ``C`` the order, while an order is cancelled."""

    s: str
    i: int
    S: str
    X: str
    c: str = ""
    C: str | None = None
    o: str = ""
    f: str = ""
    q: str = ""
    p: str = ""
    P: str = ""
    x: str = ""
    r: str = ""
    l: str = ""  # noqa: E741
    z: str = ""
    L: str = ""
    n: str | None = None
    N: str | None = None
    T: int = 0
    t: int = -1
    m: bool = False
    O: int | None = None  # noqa: E741
    Z: str = ""
    Q: str = ""
    eR: str = ""


class SpotWallet(_Push):
    a: str
    f: Decimal
    l: Decimal  # noqa: E741


class AccountPosition(_Push):
    """``outboundAccountPosition``: the balances that may have changed."""

    B: list[SpotWallet]
    u: int = 0
    E: int = 0


# --- user stream of USD-M


class OrderPush(_Push):
    s: str
    i: int
    S: str
    X: str
    c: str = ""
    o: str = ""
    f: str = ""
    q: str = ""
    p: str = ""
    ap: str = ""
    sp: str | None = None
    x: str = ""
    l: str = ""  # noqa: E741
    z: str = ""
    L: str = ""
    n: str | None = None
    N: str | None = None
    T: int = 0
    t: int = 0
    m: bool = False
    R: bool | None = None
    ot: str = ""
    ps: str = ""


class OrderUpdate(_Push):
    """``ORDER_TRADE_UPDATE``."""

    o: OrderPush
    T: int = 0


class AlgoPush(_Push):
    """``ai`` is the plain order that came of it, ``rm`` why it failed."""

    s: str
    aid: int
    S: str
    X: str
    caid: str = ""
    o: str = ""
    ps: str = ""
    f: str = ""
    q: str | None = None
    ap: str | None = None
    aq: str | None = None
    ai: str | int | None = None
    tp: str | None = None
    p: str | None = None
    R: bool | None = None
    rm: str = ""


class AlgoUpdate(_Push):
    """``ALGO_UPDATE``."""

    o: AlgoPush
    T: int = 0


class Holding(_Push):
    s: str
    pa: Decimal
    ep: str = ""
    up: str = ""
    mt: str = ""
    ps: str = "BOTH"


class Changes(_Push):
    """``B``'s rows have wallet balances only: they say that balances have changed, not what is free of them."""

    B: list[msgspec.Raw] = []
    P: list[Holding] = []


class AccountUpdate(_Push):
    """``ACCOUNT_UPDATE``."""

    a: Changes
    T: int = 0


class Setting(_Push):
    s: str
    l: int  # noqa: E741


class ConfigUpdate(_Push):
    """``ACCOUNT_CONFIG_UPDATE``; without ``ac`` the change was not of a leverage."""

    ac: Setting | None = None


class Called(_Push):
    s: str
    ps: str = ""


class MarginCall(_Push):
    """``MARGIN_CALL``."""

    p: list[Called] = []


class Refusal(_Push):
    s: str = ""
    i: int | str = ""
    r: str = ""


class TriggerRefusal(_Push):
    """``CONDITIONAL_ORDER_TRIGGER_REJECT``."""

    reason: Refusal = msgspec.field(name="or")
