"""Contract orders that wait for a price (HTX docs: USDT-M, "Trigger Order", "Set a Take-profit and Stop-loss Order").

Once set off, an order of their own follows, which `relation_order_id` names.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from fra.emulator.accounts import Account
from fra.emulator.exchange import VenueExchange
from fra.emulator.htx import refusals
from fra.emulator.htx.contracts import PRICE_TYPES, Params, PriceType, Row, decimal, is_waiting, offset, order_id
from fra.emulator.htx.rest import Refusal
from fra.emulator.htx.single_asset import SingleAsset, page
from fra.emulator.htx.single_rows import MARGIN, kind, number
from fra.emulator.source import Source
from fra.matching import Order, OrderStatus, OrderType, PositionSide, Side, Trigger, TriggerKind

_FIRST_TRIGGER = 2 * 10**18
_WAITING, _PLACED, _FAILED, _CANCELLED = 2, 4, 5, 6
_TARGETS: Mapping[str, TriggerKind] = {"tp": TriggerKind.TAKE_PROFIT, "sl": TriggerKind.STOP}


def trigger_id(order: int) -> int:
    return _FIRST_TRIGGER + order


def status(order: Order) -> int:
    """2 waits, 4 has placed its order, 5 could not, 6 was cancelled."""
    if order.status is OrderStatus.REJECTED:
        return _FAILED
    if not is_waiting(order):
        return _PLACED
    return _WAITING if order.status.is_open else _CANCELLED


def _priced(name: str) -> PriceType:
    """What the following order is: a limit, or the market's price for every `optimal_N`."""
    if name == "limit":
        return PRICE_TYPES["limit"]
    if name not in ("optimal_5", "optimal_10", "optimal_20"):
        raise Refusal(200, "1034", "", 1034, "Incorrect field of order price type.")
    return PRICE_TYPES["market"]


class Triggers(SingleAsset):
    """`swap_cross_trigger_*`, and the take-profits and stop-losses of a position, `swap_cross_tpsl_*`."""

    def __init__(self, live: Callable[[], VenueExchange], source: Source, now_ms: Callable[[], int]) -> None:
        super().__init__(live, source, now_ms)
        self.targets: dict[int, str] = {}
        """Which orders are targets of a position, `tp` or `sl`, by the engine's id."""

    # -- placing
    def trigger(self, account: Account, params: Params) -> object:
        for name in ("contract_code", "volume", "direction", "trigger_type", "trigger_price"):
            if not params.get(name):
                raise refusals.missing(name)
        if params["trigger_type"] not in ("ge", "le"):
            raise Refusal(200, "1082", "", 1082, "Trigger type parameter error.")
        side = self._side(params)
        rising = params["trigger_type"] == "ge"
        goal = TriggerKind.STOP if rising is (side is Side.BUY) else TriggerKind.TAKE_PROFIT
        position, reduce_only = self.position_of(account, side, params)
        order = self.place(
            account,
            self.listing(params["contract_code"]),
            {k: v for k, v in params.items() if k != "client_order_id"},
            side=side,
            position=position,
            kind=_priced(params.get("order_price_type") or "limit"),
            reduce_only=reduce_only,
            trigger=Trigger(goal, decimal(params, "trigger_price")),
            price_name="order_price",
        )
        return _ids(order)

    def target(self, account: Account, params: Params) -> object:
        """A take-profit, a stop-loss, or both, that close a position."""
        for name in ("contract_code", "volume", "direction"):
            if not params.get(name):
                raise refusals.missing(name)
        side = self._side(params)
        position, reduce_only = PositionSide.NET, True
        if self.is_hedged(account):
            position, reduce_only = (PositionSide.LONG if side is Side.SELL else PositionSide.SHORT), False
        told: Row = {"tp_order": None, "sl_order": None}
        for name, goal in _TARGETS.items():
            if not params.get(f"{name}_trigger_price"):
                continue
            order = self.place(
                account,
                self.listing(params["contract_code"]),
                params,
                side=side,
                position=position,
                kind=_priced(params.get(f"{name}_order_price_type") or "limit"),
                reduce_only=reduce_only,
                trigger=Trigger(goal, decimal(params, f"{name}_trigger_price")),
                price_name=f"{name}_order_price",
            )
            self.targets[order.id] = name
            told[f"{name}_order"] = _ids(order)
        if told["tp_order"] is told["sl_order"]:
            raise refusals.missing("tp_trigger_price")
        return told

    @staticmethod
    def _side(params: Params) -> Side:
        if params["direction"] not in ("buy", "sell"):
            raise Refusal(200, "1035", "", 1035, "Incorrect field of form direction.")
        return Side(params["direction"])

    # -- cancelling
    def cancel_triggers(self, account: Account, params: Params) -> object:
        self._required(params, "contract_code", "order_id")
        waiting = {str(trigger_id(o.id)): o for o in self._all(account, params) if status(o) == _WAITING}
        done: list[str] = []
        errors: list[Row] = []
        for told in params["order_id"].split(","):
            if told in waiting:
                self.live.cancel(account, order_id=waiting[told].id)
                done.append(told)
            else:
                errors.append({"order_id": told, "err_code": 1061, "err_msg": "This order doesn't exist."})
        return {"errors": errors, "successes": ",".join(done)}

    def cancel_all_triggers(self, account: Account, params: Params) -> object:
        return self._cancel_all(account, params, targets=False)

    def cancel_all_targets(self, account: Account, params: Params) -> object:
        return self._cancel_all(account, params, targets=True)

    def _cancel_all(self, account: Account, params: Params, *, targets: bool) -> object:
        self._required(params, "contract_code")
        waiting = [o for o in self._of(account, params, targets=targets) if status(o) == _WAITING]
        if not waiting:
            raise Refusal(200, "1051", "", 1051, "No orders to cancel.")
        done = [self.live.cancel(account, order_id=o.id) for o in waiting]
        return {"errors": [], "successes": ",".join(str(trigger_id(o.id)) for o in done)}

    # -- looking up
    def open_triggers(self, account: Account, params: Params) -> object:
        return self._page(account, params, targets=False, waiting=True)

    def past_triggers(self, account: Account, params: Params) -> object:
        return self._page(account, params, targets=False, waiting=False)

    def open_targets(self, account: Account, params: Params) -> object:
        return self._page(account, params, targets=True, waiting=True)

    def past_targets(self, account: Account, params: Params) -> object:
        return self._page(account, params, targets=True, waiting=False)

    def _page(self, account: Account, params: Params, *, targets: bool, waiting: bool) -> object:
        states = {int(s) for s in params.get("status", "0").split(",") if s} - {0}
        rows = [
            self.trigger_row(o)
            for o in self._of(account, params, targets=targets)
            if (status(o) == _WAITING) is waiting and (not states or status(o) in states)
        ]
        return page(rows, params, "orders")

    def _all(self, account: Account, params: Params) -> Sequence[Order]:
        symbol = self.symbol(params, "contract_code", "pair")
        found = self.live.engine.orders(account.name, symbol)[::-1]
        return [o for o in found if o.trigger is not None and self.live.listing(o.symbol).instrument.market == "linear"]

    def _of(self, account: Account, params: Params, *, targets: bool) -> Sequence[Order]:
        return [o for o in self._all(account, params) if (o.id in self.targets) is targets]

    def trigger_row(self, order: Order) -> Row:
        """A waiting or past one, as the lists and `trigger_order_cross` show it."""
        listing, trigger = self.live.listing(order.symbol), order.trigger
        assert trigger is not None
        state, target = status(order), self.targets.get(order.id)
        row: Row = {
            **kind(listing),
            "trigger_type": "ge" if (order.side is Side.BUY) is (trigger.kind is TriggerKind.STOP) else "le",
            "volume": number(listing.size(order.amount)),
            "order_type": 1,
            "direction": order.side.value,
            "offset": offset(order, order.side),
            "lever_rate": int(self.live.engine.leverage(order.account, order.symbol)),
            **_ids(order),
            "relation_order_id": str(order_id(order.id)) if state == _PLACED else "-1",
            "order_price_type": "optimal_5" if order.type is OrderType.MARKET else "limit",
            "status": state,
            "order_source": "api",
            "trigger_price": number(trigger.price),
            "triggered_price": number(trigger.price) if state in (_PLACED, _FAILED) else None,
            "order_price": number(order.price or Decimal(0)),
            "created_at": order.created_ms,
            "triggered_at": order.triggered_ms or 0,
            "order_insert_at": order.triggered_ms or 0,
            "canceled_at": order.updated_ms if state == _CANCELLED else 0,
            "update_time": order.updated_ms,
            "fail_code": 1047 if state == _FAILED else None,
            "fail_reason": "Insufficient margin available." if state == _FAILED else None,
            **MARGIN,
            "reduce_only": int(order.reduce_only),
        }
        return row | ({"tpsl_order_type": target} if target is not None else {})


def _ids(order: Order) -> Row:
    return {"order_id": trigger_id(order.id), "order_id_str": str(trigger_id(order.id))}
