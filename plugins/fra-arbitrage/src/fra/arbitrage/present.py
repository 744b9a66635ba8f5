"""Spreads for people (a table) and for machines (one JSON object)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from fra.arbitrage.request import oldest_ms
from fra.arbitrage.scan import Spreads
from fra.arbitrage.spread import Quote, Spread, ranked
from fra.cli import figures, json_lines
from fra.cli.table import Column, Table

if TYPE_CHECKING:
    from fra.cli.table import Tone

_NEVER = "never"


def table_of(spreads: Spreads) -> Table[Spread]:
    """The table with its footnotes: who is missing, what was not paired, what the figures stand on."""
    request = spreads.request
    ranks: dict[int, str] = {}
    for row in spreads.rows:
        ranks[id(row)] = str(len(ranks) + 1) if ranked(row) else "-"
    size, hold = figures.notional(request.size), figures.duration(request.hold_ms / 1000)

    columns = [
        Column[Spread]("#", lambda row: ranks[id(row)], right=True),
        Column[Spread]("MARKET", lambda row: str(row.market)),
        Column[Spread]("LONG", lambda row: _venue(row.long)),
        Column[Spread]("RATE", lambda row: rate_text(row.long, short=False), right=True, weight=7),
        Column[Spread]("EVERY", lambda row: _interval(row.long), weight=5),
        Column[Spread]("IN", lambda row: _next(row.long, row.now_ms), right=True, weight=4),
        Column[Spread]("SHORT", lambda row: _venue(row.short)),
        Column[Spread]("RATE", lambda row: rate_text(row.short, short=True), right=True, weight=7),
        Column[Spread]("EVERY", lambda row: _interval(row.short), weight=5),
        Column[Spread]("IN", lambda row: _next(row.short, row.now_ms), right=True, weight=4),
        Column[Spread]("PER DAY", lambda row: figures.percent(row.per_day), right=True, tone=_of("per_day")),
        Column[Spread]("APR", lambda row: figures.percent(row.annual, places=2), right=True, weight=6),
        Column[Spread]("FEES", lambda row: figures.percent(row.fees, places=3, signed=False), right=True, weight=3),
        Column[Spread](
            f"SLIP @{size}", lambda row: figures.percent(row.slippage, places=4, signed=False), right=True, weight=4
        ),
        Column[Spread](f"NET {hold}", lambda row: figures.percent(row.net), right=True, tone=_of("net")),
        Column[Spread]("BREAK-EVEN", break_even_text, right=True, weight=8),
        Column[Spread]("DEPTH", lambda row: figures.notional(row.depth), right=True, weight=3),
        Column[Spread]("AGE", lambda row: figures.age(oldest_ms(row.quotes), row.now_ms), right=True, weight=8),
    ]
    if any(row.stale or row.problems for row in spreads.rows):
        columns.append(Column("NOTE", _note, tone=lambda row: "warn", wrap=True))
    return Table(columns, spreads.rows, footnotes(spreads))


def footnotes(spreads: Spreads) -> list[str]:
    """What stands below the table."""
    request = spreads.request
    lines = [""]
    if not spreads.rows:
        lines.append("no spread: no asset is on two of these venues, or none passes the minimums")
    size, hold = figures.number(request.size), figures.duration(request.hold_ms / 1000)
    lines.append(
        f"best {len(spreads.rows)} of {spreads.candidates} pairs; net is for {size} of quote coin a leg, held {hold}, "
        "at present rates and books, after taker fees and slippage in and out of both legs"
    )
    lines.append("rate: what the leg pays (-) or gets (+) at one settlement, of its notional; ? is unknown")
    for venue in spreads.venues:
        if venue.error is not None:
            lines.append(f"{venue.exchange}: MISSING: {_bare(str(venue.error), venue.exchange)}")
    for (exchange, name), error in spreads.book_errors.items():
        lines.append(f"{exchange} {name}: no book: {_bare(str(error), exchange)}")
    for market, first, second, reason in spreads.unpaired:
        lines.append(f"{market}: not paired: {first} and {second}: {reason}")
    return lines


def json_of(spreads: Spreads) -> str:
    """One line of NDJSON."""
    request = spreads.request
    return json_lines.dumps(
        "spreads/1",
        at_ms=spreads.at_ms,
        size=request.size,
        hold_seconds=request.hold_ms // 1000,
        candidates=spreads.candidates,
        rows=_rows(spreads),
        unpaired=[
            {"market": str(market), "first": first, "second": second, "reason": reason}
            for market, first, second, reason in spreads.unpaired
        ],
        book_errors=[
            {**json_lines.error_fields(error, exchange=exchange), "symbol": name}
            for (exchange, name), error in spreads.book_errors.items()
        ],
        exchanges=[
            {
                "exchange": venue.exchange,
                "instruments": venue.instruments,
                "error": None if venue.error is None else json_lines.error_fields(venue.error, exchange=venue.exchange),
            }
            for venue in spreads.venues
        ],
    )


def _rows(spreads: Spreads) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    rank = 0
    for row in spreads.rows:
        rank += ranked(row)
        rows.append(
            {
                "rank": rank if ranked(row) else None,
                "market": str(row.market),
                "asset": row.market.asset,
                "quote": row.market.quote,
                "settle": row.market.settle,
                "long": _leg(row.long, row.now_ms, short=False),
                "short": _leg(row.short, row.now_ms, short=True),
                "per_day": row.per_day,
                "apr": row.annual,
                "funding": row.funding,
                "fees": row.fees,
                "slippage": row.slippage,
                "net": row.net,
                "depth": row.depth,
                "price_gap": row.price_gap,
                "break_even": _break_even(row),
                "age_seconds": max(0, row.now_ms - oldest_ms(row.quotes)) / 1000,
                "stale": row.stale,
                "problems": row.problems,
            }
        )
    return rows


def _leg(quote: Quote, now_ms: int, *, short: bool) -> dict[str, object]:
    funding = quote.funding
    return {
        "exchange": quote.exchange,
        "symbol": quote.symbol.name,
        "multiplier": quote.symbol.multiplier,
        "rate": funding.rate,
        "rate_kind": funding.kind,
        "receives": funding.rate if short else -funding.rate,
        "interval_seconds": funding.interval,
        "interval_source": funding.interval_source,
        "next_settlement_ms": quote.schedule.next_after(now_ms),
        "mark_price": funding.mark_price,
        "taker_fee": quote.taker_fee,
        "age_seconds": max(0, now_ms - funding.received_ms) / 1000,
        "book_age_seconds": None if quote.book is None else max(0, now_ms - quote.book.received_ms) / 1000,
        "stale": quote.stale,
    }


def _break_even(row: Spread) -> dict[str, object]:
    if row.break_even is not None:
        seconds = (row.break_even.at_ms - row.now_ms) / 1000
        return {"state": "known", "settlements": row.break_even.settlements, "seconds": seconds}
    return {"state": _NEVER if _is_never(row) else "unknown", "settlements": None, "seconds": None}


def break_even_text(row: Spread) -> str:
    """Settlements and time: ``7 in 2d8h``; ``never`` at these rates; ``?``."""
    if row.break_even is None:
        return _NEVER if _is_never(row) else figures.UNKNOWN
    seconds = (row.break_even.at_ms - row.now_ms) / 1000
    return f"{row.break_even.settlements} in {figures.duration(seconds)}"


def rate_text(quote: Quote, *, short: bool) -> str:
    """What the leg gets or pays at one settlement, in words and with the sign of the cash flow."""
    flow = quote.funding.rate if short else -quote.funding.rate
    word = "gets" if flow > 0 else "pays" if flow < 0 else "even"
    return f"{word} {figures.percent(flow)}"


def _is_never(row: Spread) -> bool:
    return row.cost is not None and row.per_day is not None and all(q.schedule.next_ms for q in row.quotes)


def _venue(quote: Quote) -> str:
    """The exchange, and its unit where that is not one of the asset: ``binance (1000PEPE)``."""
    return quote.exchange if quote.symbol.multiplier == 1 else f"{quote.exchange} ({quote.symbol.base})"


def _interval(quote: Quote) -> str:
    source = quote.funding.interval_source
    return figures.interval(quote.funding.interval, None if source is None else source.value)


def _next(quote: Quote, now_ms: int) -> str:
    at_ms = quote.schedule.next_after(now_ms)
    return figures.duration(None if at_ms is None else (at_ms - now_ms) / 1000)


def _note(row: Spread) -> str:
    return "; ".join([*([f"STALE {row.stale}"] if row.stale else []), *row.problems])


def _bare(text: str, exchange: str) -> str:
    return text.removeprefix(f"{exchange}: ")


def _of(field: str) -> Callable[[Spread], Tone]:
    def tone(row: Spread) -> Tone:
        value: Decimal | None = getattr(row, field)
        return "dim" if row.stale or value is None else "good" if value > 0 else "bad"

    return tone
