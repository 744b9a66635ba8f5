"""A hedge for people (tables) and for machines (one JSON object): the plan, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from fra.arbitrage.depth import Fill
from fra.arbitrage.hedge.outcome import Holding, Outcome, Result
from fra.arbitrage.hedge.plan import HedgePlan, LegPlan
from fra.arbitrage.hedge.size import to_units, trim
from fra.cli import figures, json_lines
from fra.cli.account import Account
from fra.cli.ordering import ask_for, command_of
from fra.cli.plan import Plan
from fra.cli.table import Column, Table
from fra.core import PositionSide, plain

Text = tuple[str, str, str]
_PLACES = 4
_QUOTIENT = 12


def plan_table(hedge: HedgePlan, plan: Plan) -> Table[Text]:
    """The two legs side by side, and below what they come to together."""
    quote = hedge.market.quote
    long, short = hedge.legs

    def both(title: str, text: Callable[[LegPlan], str]) -> Text:
        return title, text(long), text(short)

    rows = [
        ("account", str(plan.accounts[0]), str(plan.accounts[1])),
        both("order", lambda leg: order_text(leg)),
        both("entry", lambda leg: f"{_price(leg.entry)} on average"),
        both("exit", lambda leg: f"{_price(leg.exit)} on average"),
        both("notional", lambda leg: f"{_money(leg.notional)} {quote}"),
        both("fees in and out", lambda leg: f"{_money(leg.fees)} {quote}"),
        both("slippage in and out", lambda leg: f"{_money(leg.slippage)} {quote}"),
        both("funding", _rate),
        both("next settlement", lambda leg: _next(leg, hedge.now_ms)),
        both("per settlement", lambda leg: f"{_flow(leg.per_settlement)} {quote}"),
        both("margin", _margin),
        both("leverage", _leverage),
    ]
    columns = [
        Column[Text](f"PLAN {plan.id}", lambda row: row[0]),
        Column[Text](f"LONG {long.venue.name}", lambda row: row[1], wrap=True),
        Column[Text](f"SHORT {short.venue.name}", lambda row: row[2], wrap=True),
    ]
    return Table(columns, rows, list(footnotes(hedge)))


def footnotes(hedge: HedgePlan) -> Iterator[str]:
    """What stands below the two legs."""
    quote, hold = hedge.market.quote, figures.duration(hedge.request.hold_ms / 1000)
    yield ""
    yield (
        f"exposure: {plain(hedge.units)} {hedge.unit} long and {plain(hedge.units)} {hedge.unit} short, net 0; "
        f"prices {figures.percent(hedge.gap, places=3, signed=False)} apart"
    )
    parts = f"{_money(hedge.fees)} fees, {_money(hedge.slippage)} slippage"
    yield f"cost: {_money(hedge.cost)} {quote} ({parts}), in and out of both legs"
    yield (
        f"funding: {_flow(hedge.per_day)} {quote} a day, {_flow(hedge.funding)} {quote} in {hold}, "
        f"net {_flow(hedge.net)} {quote}, at present rates and books"
    )
    yield f"break-even: {break_even_text(hedge)}"
    for text in hedge.notes:
        yield f"note: {text}"
    for text in (*hedge.problems, *hedge.obstacles):
        yield f"NOT POSSIBLE: {text}"


def break_even_text(hedge: HedgePlan) -> str:
    """Settlements and time: ``after 7 settlements, in 2d8h``; ``never`` at these rates; ``?``."""
    even = hedge.break_even
    if even is None:
        return "never at these rates" if _is_never(hedge) else figures.UNKNOWN
    return f"after {even.settlements} settlements, in {figures.duration((even.at_ms - hedge.now_ms) / 1000)}"


def order_text(leg: LegPlan) -> str:
    """``buy 0.5 BTC at 100.5 or better, IOC``."""
    amount = f"{leg.order_side.value} {plain(leg.amount)} {leg.venue.quote.symbol.amount_unit}"
    return f"{amount} at the market" if leg.limit is None else f"{amount} at {plain(leg.limit)} or better, IOC"


def plan_fields(hedge: HedgePlan, plan: Plan) -> dict[str, object]:
    """The plan as data; money is in quote coin, null is unknown."""
    even = hedge.break_even
    return {
        "plan_id": plan.id,
        "live": plan.live,
        "send_with": plan.send_with,
        "at_ms": hedge.now_ms,
        "market": str(hedge.market),
        "quote": hedge.market.quote,
        "unit": hedge.unit,
        "asked": _short(hedge.asked),
        "size": hedge.units,
        "common_lot": hedge.lot,
        "long": _leg_fields(hedge.long, plan.accounts[0], hedge.now_ms),
        "short": _leg_fields(hedge.short, plan.accounts[1], hedge.now_ms),
        "price_gap": _short(hedge.gap),
        "fees": _short(hedge.fees),
        "slippage": _short(hedge.slippage),
        "cost": _short(hedge.cost),
        "funding_per_settlement": _short(hedge.per_settlement),
        "funding_per_day": _short(hedge.per_day),
        "hold_seconds": hedge.request.hold_ms // 1000,
        "funding": _short(hedge.funding),
        "net": _short(hedge.net),
        "break_even": {
            "state": "known" if even is not None else "never" if _is_never(hedge) else "unknown",
            "settlements": None if even is None else even.settlements,
            "seconds": None if even is None else (even.at_ms - hedge.now_ms) // 1000,
        },
        "problems": hedge.problems,
        "obstacles": hedge.obstacles,
        "notes": hedge.notes,
    }


def _leg_fields(leg: LegPlan, account: Account, now_ms: int) -> dict[str, object]:
    quote = leg.venue.quote
    return {
        "exchange": leg.venue.name,
        "account": account.kind,
        "symbol": quote.symbol.name,
        "side": leg.side,
        "amount": leg.amount,
        "amount_unit": quote.symbol.amount_unit,
        "limit": leg.limit,
        "entry_price": _short(leg.entry.price),
        "exit_price": _short(leg.exit.price),
        "notional": _short(leg.notional),
        "taker_fee": quote.taker_fee,
        "fees": _short(leg.fees),
        "slippage": _short(leg.slippage),
        "rate": quote.funding.rate,
        "interval_seconds": quote.funding.interval,
        "interval_source": quote.funding.interval_source,
        "next_settlement_ms": quote.schedule.next_after(now_ms),
        "mark_price": quote.funding.mark_price,
        "funding_per_settlement": _short(leg.per_settlement),
        "funding_per_day": _short(leg.per_day),
        "margin_needed": _short(leg.margin),
        "margin_free": leg.venue.free,
        "margin_coin": quote.symbol.settle,
        "leverage": leg.leverage,
        "hedge_mode": leg.venue.hedge_mode,
    }


# --- what became of it


def result_table(result: Result) -> Table[Holding]:
    """What each leg holds now."""
    columns = [
        Column[Holding]("LEG", lambda leg: leg.side.value),
        Column[Holding]("EXCHANGE", lambda leg: leg.exchange),
        Column[Holding]("SYMBOL", lambda leg: leg.symbol.name),
        Column[Holding]("ASKED", lambda leg: plain(leg.asked), right=True),
        Column[Holding]("FILLED", lambda leg: _span(leg.entry.least, leg.entry.most), right=True),
        Column[Holding]("AT", lambda leg: figures.UNKNOWN if leg.price is None else plain(leg.price), right=True),
        Column[Holding]("UNWOUND", _unwound, right=True, weight=5),
        Column[Holding]("HOLDS", lambda leg: f"{_span(leg.least, leg.most)} {leg.symbol.amount_unit}", right=True),
        Column[Holding]("ORDER", lambda leg: leg.entry.request.client_order_id or "-", weight=4),
        Column[Holding]("NOTE", lambda leg: leg.entry.problem or "", wrap=True),
    ]
    return Table(columns, result.legs)


def result_fields(result: Result, accounts: Mapping[str, Account]) -> dict[str, object]:
    """The result as data. ``naked`` is by how much the long leg exceeds the short one: at least, at most, in units."""
    least, most = result.naked
    return {
        "outcome": result.outcome,
        "matched": _short(result.matched),
        "naked_least": _short(least),
        "naked_most": _short(most),
        "long": _holding_fields(result.long),
        "short": _holding_fields(result.short),
        "mend_with": mend_commands(result, accounts),
        "ask_with": ask_commands(result),
    }


def _holding_fields(leg: Holding) -> dict[str, object]:
    return {
        "exchange": leg.exchange,
        "symbol": leg.symbol.name,
        "side": leg.side,
        "asked": leg.asked,
        "filled": leg.entry.filled,
        "average_price": leg.price,
        "holds_least": leg.least,
        "holds_most": leg.most,
        "orders": [
            {
                "client_order_id": placed.request.client_order_id,
                "id": None if placed.order is None else placed.order.id,
                "side": placed.request.side,
                "amount": placed.request.amount,
                "reduce_only": placed.request.reduce_only,
                "status": None if placed.order is None else placed.order.status,
                "filled": placed.filled,
                "error": None if (error := placed.refusal or placed.doubt) is None else json_lines.error_fields(error),
            }
            for placed in (leg.entry, *leg.unwinds)
        ],
    }


def mend_commands(result: Result, accounts: Mapping[str, Account]) -> list[str]:
    """The commands that close what is naked, as far as it is known."""
    if result.outcome not in (Outcome.NAKED, Outcome.UNKNOWN):
        return []
    return [
        f"{command_of(request, leg.exchange)} {'--live' if accounts[leg.exchange].live else '--yes'}"
        for leg, request in result.mends()
    ]


def ask_commands(result: Result) -> list[str]:
    """The commands that ask what became of the orders in doubt."""
    return [ask_for(leg.exchange, placed.request) for leg in result.legs for placed in leg.doubts]


def naked_text(result: Result) -> str:
    """``0.5 BTC of the long leg on okx are naked``, or between which bounds."""
    least, most = result.naked
    leg = result.long if most > 0 and most >= -least else result.short
    low, high = (least, most) if leg.side is PositionSide.LONG else (-most, -least)
    unit = leg.symbol.quote if leg.symbol.inverse else leg.symbol.asset
    amount = plain(low) if low == high else f"between {plain(max(low, Decimal(0)))} and {plain(high)}"
    return f"{amount} {unit} of the {leg.side.value} leg on {leg.exchange} are naked"


def _unwound(leg: Holding) -> str:
    if not leg.unwinds:
        return "-"
    least = sum((placed.least for placed in leg.unwinds), Decimal(0))
    return _span(least, sum((placed.most for placed in leg.unwinds), Decimal(0)))


def _span(least: Decimal, most: Decimal) -> str:
    return plain(least) if least == most else f"{plain(least)} to {plain(most)}"


def _short(value: Decimal | None) -> Decimal | None:
    """Quotients have no end; twelve places are enough for anybody."""
    return None if value is None else trim(round(value, _QUOTIENT))


def _price(fill: Fill) -> str:
    return figures.UNKNOWN if fill.price is None else plain(round(fill.price, 8))


def _money(value: Decimal | None) -> str:
    return figures.UNKNOWN if value is None else plain(round(value, _PLACES))


def _flow(value: Decimal | None) -> str:
    return figures.UNKNOWN if value is None else f"{round(value, _PLACES):+f}"


def _rate(leg: LegPlan) -> str:
    funding = leg.venue.quote.funding
    flow = -funding.rate if leg.side is PositionSide.LONG else funding.rate
    word = "gets" if flow > 0 else "pays" if flow < 0 else "even"
    source = None if funding.interval_source is None else funding.interval_source.value
    return f"{word} {figures.percent(flow)} every {figures.interval(funding.interval, source)}"


def _next(leg: LegPlan, now_ms: int) -> str:
    at_ms = leg.venue.quote.schedule.next_after(now_ms)
    return figures.UNKNOWN if at_ms is None else f"in {figures.duration((at_ms - now_ms) / 1000)}"


def _margin(leg: LegPlan) -> str:
    coin = leg.venue.quote.symbol.settle or leg.venue.quote.symbol.quote
    return f"{_money(leg.margin)} needed, {_money(leg.venue.free)} {coin} free"


def _leverage(leg: LegPlan) -> str:
    return f"{figures.UNKNOWN} (1 assumed)" if leg.leverage is None else f"{plain(leg.leverage)}x"


def _is_never(hedge: HedgePlan) -> bool:
    schedules = [leg.venue.quote.schedule for leg in hedge.legs]
    return hedge.cost is not None and all(one.interval_ms and one.next_ms for one in schedules)


def matched_text(result: Result) -> str:
    """``0.5 BTC on both legs``."""
    symbol = result.long.symbol
    unit = symbol.quote if symbol.inverse else symbol.asset
    return f"{plain(min(to_units(leg.symbol, leg.least) for leg in result.legs))} {unit} on both legs"
