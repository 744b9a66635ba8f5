"""One account's orders, trades, positions and wallet in the words of the single-asset paths: exact JSON numbers."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from fra.emulator.accounts import Account
from fra.emulator.exchange import Listing, VenueExchange
from fra.emulator.htx.contracts import (
    ContractAccount,
    Row,
    client_id,
    offset,
    order_id,
    plain,
    price_type,
)
from fra.emulator.htx.number import raw
from fra.emulator.source import Source
from fra.matching import Fill, Order, OrderStatus, Payment, Position, PositionSide, Side

STATUS: Mapping[OrderStatus, int] = {
    OrderStatus.UNTRIGGERED: 2,
    OrderStatus.NEW: 3,
    OrderStatus.PARTIALLY_FILLED: 4,
    OrderStatus.FILLED: 6,
}
MARGIN = {"margin_mode": "cross", "margin_account": "USDT"}


def number(value: Decimal | None) -> object:
    """Money as a JSON number, exact."""
    return None if value is None else raw(plain(value))


def status(order: Order) -> int:
    """The order's state by number: 5 is cancelled after fills, 7 without."""
    return STATUS.get(order.status) or (5 if order.filled else 7)


def kind(listing: Listing) -> Row:
    """What every row says of its contract."""
    i = listing.instrument
    pair: Row = {"symbol": i.base, "contract_code": i.symbol, "pair": i.symbol}
    return pair | {"contract_type": "swap", "business_type": "swap", "trade_partition": "USDT"}


class SingleRows(ContractAccount):
    """How the single-asset paths, and the notification socket, show things."""

    def __init__(self, live: Callable[[], VenueExchange], source: Source, now_ms: Callable[[], int]) -> None:
        super().__init__(live, source, now_ms)
        self.price_types: dict[int, str] = {}
        """What each order asked for: the engine forgets that a price was taken from the book."""

    def price_type(self, order: Order) -> str:
        """The order's kind by name."""
        return self.price_types.get(order.id) or price_type(order)

    def row(self, order: Order) -> Row:
        """An order as `swap_cross_order_info` shows it; a fee that was paid is negative."""
        listing = self.live.listing(order.symbol)
        realised, leverage = self.realised(order), self.live.engine.leverage(order.account, order.symbol)
        return {
            **kind(listing),
            "volume": number(listing.size(order.amount)),
            "price": number(order.price or Decimal(0)),
            "order_price_type": self.price_type(order),
            "order_type": 1,
            "direction": order.side.value,
            "offset": offset(order, order.side),
            "lever_rate": int(leverage),
            "order_id": order_id(order.id),
            "order_id_str": str(order_id(order.id)),
            "client_order_id": client_id(order),
            "created_at": order.created_ms,
            "update_time": order.updated_ms,
            "trade_volume": number(listing.size(order.filled)),
            "trade_turnover": number(order.cost),
            "fee": number(-order.fee),
            "fee_asset": order.fee_asset,
            "trade_avg_price": number(order.average) if order.average is not None else None,
            "margin_frozen": number(
                (order.held / self.live.engine.leverage(order.account, order.symbol)).quantize(Decimal("1e-12"))
            ),
            "profit": number(realised),
            "real_profit": number(realised),
            "status": status(order),
            "order_source": "api",
            "liquidation_type": "1" if order.liquidation else "0",
            "canceled_at": order.updated_ms if status(order) in (5, 7) else 0,
            "canceled_source": "",
            "margin_asset": "USDT",
            **MARGIN,
            "is_tpsl": 0,
            "reduce_only": int(order.reduce_only),
        }

    def trade(self, fill: Fill) -> Row:
        """A trade inside an order."""
        listing = self.live.listing(fill.symbol)
        return {
            "trade_id": fill.trade_id,
            "id": f"{fill.trade_id}-{order_id(fill.order_id)}-1",
            "trade_volume": number(listing.size(fill.amount)),
            "trade_price": number(fill.price),
            "trade_turnover": number(fill.amount * fill.price),
            "trade_fee": number(-fill.fee),
            "fee_asset": fill.fee_asset,
            "created_at": fill.timestamp_ms,
            "role": "maker" if fill.maker else "taker",
            "profit": number(fill.realised),
            "real_profit": number(fill.realised),
        }

    def payment(self, paid: Payment) -> Row:
        i = self.live.listing(paid.symbol).instrument
        received = 30 if paid.amount >= 0 else 31
        row: Row = {"query_id": paid.id, "id": paid.id, "ts": paid.timestamp_ms, "asset": paid.asset}
        row |= {"contract_code": i.symbol, "margin_account": "USDT", "face_margin_account": "", "type": received}
        return row | {"amount": number(paid.amount)}

    def wallet(self, account: Account) -> Row:
        """The USDT wallet that all cross positions share."""
        held = self.live.engine.balance(account.name, "linear", "USDT")
        positions = list(self.positions(account, None))
        margin = sum((p.initial_margin for p in positions), Decimal(0))
        frozen = max(held.initial_margin - margin, Decimal(0))
        risk = held.equity / held.initial_margin if held.initial_margin else None
        available = max(held.available, Decimal(0))
        return {
            **MARGIN,
            "margin_asset": "USDT",
            "margin_balance": number(held.equity),
            "margin_static": number(held.total),
            "margin_position": number(margin),
            "margin_frozen": number(frozen),
            "profit_real": 0,
            "profit_unreal": number(held.unrealised),
            "withdraw_available": number(max(min(held.free, held.available), Decimal(0))),
            "risk_rate": number(risk.quantize(Decimal("1e-12")) if risk is not None else None),
            "position_mode": self.mode(account),
            # every contract, also those that the account never traded: orders must say the leverage found here
            "contract_detail": [self._detail(account, x.symbol, available) for x in self.live.listings("linear")],
            "futures_contract_detail": [],
        }

    def _detail(self, account: Account, symbol: str, available: Decimal) -> Row:
        positions = self.live.engine.positions(account.name, symbol)
        return {
            **kind(self.live.listing(symbol)),
            "margin_position": number(sum((p.initial_margin for p in positions), Decimal(0))),
            "margin_frozen": 0,
            "margin_available": number(available),
            "profit_unreal": number(sum((p.unrealised for p in positions), Decimal(0))),
            "liquidation_price": next((number(p.liquidation_price) for p in positions), None),
            "lever_rate": int(self.live.engine.leverage(account.name, symbol)),
            "adjust_factor": raw("0.04"),
        }

    def position(self, held: Position) -> Row:
        """One side of one contract; sizes are contracts, the side is in `direction`."""
        listing = self.live.listing(held.symbol)
        volume = abs(listing.size(held.amount))
        closing = [
            o
            for o in self.live.engine.open_orders(held.account, held.symbol)
            if o.position_side is held.side and (o.side is Side.SELL) is (held.amount > 0)
        ]
        frozen = min(sum((listing.size(o.remaining) for o in closing), Decimal(0)), volume)
        if held.side is PositionSide.NET:
            frozen = Decimal(0)
        rate = held.unrealised / held.initial_margin if held.initial_margin else Decimal(0)
        return {
            **kind(listing),
            "volume": number(volume),
            "available": number(volume - frozen),
            "frozen": number(frozen),
            "cost_open": number(held.entry),
            "cost_hold": number(held.entry),
            "profit_unreal": number(held.unrealised),
            "profit_rate": number(rate.quantize(Decimal("1e-12"))),
            "profit": number(held.unrealised),
            "lever_rate": int(held.leverage),
            "position_margin": number(held.initial_margin),
            "direction": "sell" if held.amount < 0 or held.side is PositionSide.SHORT else "buy",
            "last_price": number(self.live.engine.last_price(held.symbol) or held.mark),
            "liquidation_price": number(held.liquidation_price),
            "margin_asset": held.settle,
            **MARGIN,
            "position_mode": "single_side" if held.side is PositionSide.NET else "dual_side",
            "adl_risk_percent": "3",
        }
