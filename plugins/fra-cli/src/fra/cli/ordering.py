"""Planning one order, sending it when that was confirmed, and telling what became of it."""

from __future__ import annotations

import contextlib
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from fra.cli import figures, json_lines, orders
from fra.cli.account import Account, account_of
from fra.cli.consent import Consent
from fra.cli.exit_codes import CommandFailed
from fra.cli.order_plan import Estimate, estimate
from fra.cli.placement import Placement, find, place, to_its_end
from fra.cli.plan import Plan, command_line
from fra.cli.plan_id import client_order_id
from fra.cli.session import open_session
from fra.cli.table import Column, Table, say, show
from fra.core import (
    ExchangeError,
    FraError,
    InvalidOrder,
    Order,
    OrderBook,
    OrderOutcomeUnknown,
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionSide,
    Symbol,
    TimeInForce,
    plain,
)

if TYPE_CHECKING:
    from fra.core import ExchangeHandle

_DEPTH: Final = 100


async def send_order(
    request: OrderRequest, consent: Consent, *, config: Path | None, exchange: str | None, as_json: bool
) -> None:
    """Show the plan; with enough consent send it. Raises what is wrong with it, and what became of it if not well."""
    async with open_session(config, (exchange,) if exchange else (), accounts=True) as session:
        handle = await session.account("an order")
        account = account_of(handle, session.config(handle.name))
        await handle.get_symbols()
        symbol = handle.symbol(request.symbol)
        book: OrderBook | None = None
        with contextlib.suppress(ExchangeError):  # a plan without a book has unknown figures, no wrong ones
            book = await handle.get_orderbook(symbol.name, depth=_DEPTH)
        figured = estimate(request, symbol, book, handle.metadata.fee_structure)
        plan = Plan(
            accounts=[account],
            terms={"order": terms_of(request)},
            amount=_at_stake(request, symbol, figured),
            command=command_of(request, account.name, config),
        )
        if as_json:
            json_lines.write("order-plan/1", **plan_fields(plan, request, symbol, figured, book))
        else:
            show(plan_table(plan, request, symbol, figured, book))
        if figured.problems:
            raise InvalidOrder("; ".join(figured.problems), exchange=handle.name)
        if not plan.permits(consent):
            plan.tell()
            return
        rule = handle.metadata.client_order_id_rule
        request = attrs.evolve(
            request, client_order_id=request.client_order_id or client_order_id(rule, plan.seed(consent))
        )
        if consent.plan_id is not None:
            await refuse_a_second_time(handle, request)
        say(f"fra: {handle.name}: sending, client order id {request.client_order_id}")
        work = place(handle, request, settle=_ends_at_once(request))
        placed = await to_its_end(work, what="the order is on its way")
    report(placed, account, as_json=as_json)


async def refuse_a_second_time(handle: ExchangeHandle, request: OrderRequest) -> None:
    """Raises CommandFailed when the order of a plan is there already: one plan is sent once."""
    sent = await find(handle, request.symbol, request.client_order_id or "")
    if sent is not None:
        raise CommandFailed(
            f"{handle.name}: this plan was sent already and its order is {sent.status.value}: nothing was sent",
            cure=ask_for(handle.name, request),
        )


def ask_for(exchange: str, request: OrderRequest) -> str:
    """The command that says what became of an order."""
    return command_line("orders", request.symbol, "-e", exchange, "--client-order-id", request.client_order_id or "")


def report(placed: Placement, account: Account, *, as_json: bool) -> None:
    """Show the order as it is known; raises why none came to be, or that its fate is unknown."""
    order = placed.order
    outcome = "refused" if placed.refusal else "unknown" if placed.doubt else "known"
    if as_json:
        shown = order or Order.of(
            placed.request, status=OrderStatus.REJECTED if placed.refusal else OrderStatus.UNKNOWN
        )
        error = placed.refusal or placed.doubt
        json_lines.write(
            "order/1",
            outcome=outcome,
            error=None if error is None else json_lines.error_fields(error, exchange=account.name),
            **orders.json_fields(account.name, shown),
        )
    elif order is not None:
        show(orders.table_of([(account.name, order)]))
    if placed.refusal is not None:
        raise placed.refusal
    if placed.doubt is not None:
        raise OrderOutcomeUnknown(
            f"the order was sent and its fate is unknown: {placed.doubt.message}",
            client_order_id=placed.request.client_order_id or "",
            exchange=account.name,
            cure=ask_for(account.name, placed.request),
        )
    if order is not None and order.status is OrderStatus.REJECTED:
        raise FraError(f"{account.name}: the venue rejected the order: {order.reason or 'it does not say why'}")


def terms_of(request: OrderRequest) -> dict[str, object]:
    """Everything that makes the order what it is; the same number is the same text."""
    fields = {field.name: getattr(request, field.name) for field in attrs.fields(OrderRequest)}
    return json_lines.plain(
        {name: plain(value) if isinstance(value, Decimal) else value for name, value in fields.items()}
    )


def command_of(request: OrderRequest, exchange: str, config: Path | None = None) -> str:
    """The command that plans this order."""
    words: list[str | None] = ["order", request.side.value, request.symbol]
    words.append(plain(request.amount if request.amount is not None else request.quote_amount or Decimal(0)))
    words += ["-e", exchange]
    words += ["--quote"] if request.quote_amount is not None else []
    words += ["--price", plain(request.price)] if request.price is not None else []
    if request.trigger_price is not None:
        words += ["--stop" if request.type is OrderType.STOP else "--take-profit", plain(request.trigger_price)]
    words += ["--tif", request.time_in_force.value] if request.time_in_force is not TimeInForce.GTC else []
    words += ["--post-only"] if request.post_only else []
    words += ["--reduce-only"] if request.reduce_only else []
    if request.position_side is not PositionSide.NET:
        words += ["--position-side", request.position_side.value]
    words += ["--client-order-id", request.client_order_id] if request.client_order_id is not None else []
    words += ["--config", str(config)] if config is not None else []
    return command_line(*words)


def _ends_at_once(request: OrderRequest) -> bool:
    return request.type is OrderType.MARKET or (
        request.type is OrderType.LIMIT and request.time_in_force is not TimeInForce.GTC
    )


def _at_stake(request: OrderRequest, symbol: Symbol, figured: Estimate) -> str:
    if figured.notional is not None:
        return f"{plain(round(figured.notional, 2))} {symbol.quote}"
    return f"{plain(request.amount or Decimal(0))} {symbol.amount_unit}"


def _at_once(request: OrderRequest, figured: Estimate) -> str:
    if figured.at_once is None:
        return "all of it" if request.type is OrderType.MARKET else "nothing, it waits for its trigger"
    rest = "rests" if request.time_in_force is TimeInForce.GTC else "is cancelled"
    return f"{plain(figured.at_once)}, the rest {rest}" if figured.at_once != request.amount else "all of it"


def plan_table(
    plan: Plan, request: OrderRequest, symbol: Symbol, figured: Estimate, book: OrderBook | None
) -> Table[tuple[str, str]]:
    """The plan in a few lines."""
    order = Order.of(request)
    what = orders.amount_text(order)
    unit = symbol.quote if request.amount is None else symbol.amount_unit
    best = (
        "no book"
        if book is None
        else " / ".join(
            figures.UNKNOWN if level is None else figures.number(level.price)
            for level in (book.best_bid, book.best_ask)
        )
    )
    age = figures.UNKNOWN if book is None else figures.age(book.received_ms, time.time_ns() // 1_000_000)
    through = "" if figured.slippage is None else f", {figures.percent(figured.slippage)} from mid"
    rate = figures.percent(figured.fee_rate, signed=False)
    rows = [
        ("account", str(plan.accounts[0])),
        ("order", f"{request.side.value} {what} {unit} of {symbol}, {orders.kind_text(order)}"),
        ("price", f"{orders.price_text(order)}  (book {best}, age {age})"),
        ("on average", f"{_money(figured.price, 8)} {symbol.quote}{through}"),
        ("at once", _at_once(request, figured)),
        ("notional", f"{_money(figured.notional, 8)} {symbol.quote}"),
        ("fee", f"{_money(figured.fee, 8)} {symbol.quote} ({rate} as {'maker' if figured.at_once == 0 else 'taker'})"),
    ]
    columns = [
        Column[tuple[str, str]]("PLAN", lambda row: row[0]),
        Column[tuple[str, str]](plan.id, lambda row: row[1]),
    ]
    return Table(columns, rows)


def plan_fields(
    plan: Plan, request: OrderRequest, symbol: Symbol, figured: Estimate, book: OrderBook | None
) -> dict[str, object]:
    """The plan as data; amounts of money are in quote coin."""
    account = plan.accounts[0]
    return {
        "plan_id": plan.id,
        "exchange": account.name,
        "account": account.kind,
        "live": account.live,
        "send_with": plan.send_with,
        "order": json_lines.plain(request),
        "amount_unit": symbol.amount_unit,
        "quote": symbol.quote,
        "average_price": figured.price,
        "at_once": figured.at_once,
        "notional": figured.notional,
        "slippage": figured.slippage,
        "fee_rate": figured.fee_rate,
        "fee": figured.fee,
        "best_bid": None if book is None or book.best_bid is None else book.best_bid.price,
        "best_ask": None if book is None or book.best_ask is None else book.best_ask.price,
        "problems": figured.problems,
    }


def _money(value: Decimal | None, places: int) -> str:
    return figures.UNKNOWN if value is None else plain(round(value, places))
