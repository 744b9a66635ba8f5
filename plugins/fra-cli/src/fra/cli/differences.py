"""Where two answers to one question differ: rows are paired, fields compared, and differences on purpose named."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import attrs

from fra.core import FraError

if TYPE_CHECKING:
    from fra.core import OrderBook

Fields = Mapping[str, object]
Rows = Mapping[Hashable, Fields]
"""An answer: the fields of each row by what names the row. One that is a single thing has one row, named None."""

ABSENT: Final = "not in the answer"
PRESENT: Final = "in the answer"
ROW: Final = "row"
"""The field of a difference that is a whole row."""
ANSWER: Final = "answer"
"""The field of a difference that is a whole answer."""


@attrs.frozen
class Rule:
    """A difference on purpose: which fields of which operations, when, and why.

    ``applies`` is given the value through the native adapter and the one through ccxt; a rule is for such pairs only.
    """

    name: str
    reason: str
    cells: Mapping[str, frozenset[str]]
    applies: Callable[[object, object], bool]
    venues: frozenset[str] | None = None

    def covers(self, operation: str, field: str, native: object, ccxt: object, venue: str) -> bool:
        """Whether this is the difference that the rule means."""
        return (
            field in self.cells.get(operation, frozenset())
            and (self.venues is None or venue in self.venues)
            and self.applies(native, ccxt)
        )


def _left_out(native: object, ccxt: object) -> bool:
    return native is not None and ccxt is None


def _cells(**operations: str) -> Mapping[str, frozenset[str]]:
    return {operation: frozenset(fields.split()) for operation, fields in operations.items()}


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "ccxt-leaves-out",
        "ccxt's structure has no such field, or ccxt does not fill it at this venue: unknown is said, not guessed",
        _cells(
            get_ticker="timestamp_ms bid bid_amount ask ask_amount volume quote_volume open high low",
            get_orderbook="sequence timestamp_ms",
            get_klines="quote_volume trades closed",
            get_funding_rate="timestamp_ms interval interval_source mark_price index_price cap floor",
            get_funding_rate_history="mark_price index_price",
            get_balance="timestamp_ms",
            get_positions="entry_price mark_price liquidation_price leverage margin_mode hedge_mode timestamp_ms"
            " unrealized_pnl",
            get_open_orders="time_in_force post_only reduce_only position_side quote_amount average_price reason"
            " created_ms timestamp_ms",
            get_symbols="min_amount max_amount min_notional expiry_ms",
        ),
        _left_out,
    ),
    Rule(
        "oldest-interval",
        "the interval of a settled rate is the time since the one before it; ours asks for one more row, ccxt's page"
        " has none before its oldest",
        _cells(get_funding_rate_history="interval interval_source"),
        _left_out,
    ),
    Rule(
        "ccxt-tells-more",
        "ccxt takes it from another field of the answer, or works it out; ours says only what the venue says",
        _cells(
            get_ticker="timestamp_ms quote_volume open",
            get_balance="timestamp_ms",
            get_open_orders="average_price post_only reduce_only time_in_force timestamp_ms",
            get_positions="timestamp_ms hedge_mode margin_mode leverage liquidation_price",
        ),
        lambda native, ccxt: native is None and ccxt is not None,
    ),
    Rule(
        "other-sequence",
        "ccxt gives another number of HTX's answer (its version), which is no id of the book",
        _cells(get_orderbook="sequence"),
        lambda native, ccxt: native is not None and ccxt is not None,
        frozenset({"htx"}),
    ),
    Rule(
        "ccxt-names",
        "ccxt gives some coins another name than the venue does, where two coins share one (AE is AET)",
        _cells(get_symbols="name base quote settle"),
        lambda native, ccxt: native != ccxt and ccxt is not None,
    ),
    Rule(
        "settlement-passed",
        "ours rolls a settlement that has passed on by the interval and says that it is derived; through ccxt it is"
        " unknown until the venue tells the next",
        _cells(get_funding_rate="next_settlement_ms next_settlement_derived"),
        lambda native, ccxt: native is not None and not ccxt,
    ),
    Rule(
        "time-of-answer",
        "ccxt takes the time of the answer where ours is the time of the last change",
        _cells(get_orderbook="timestamp_ms", get_positions="timestamp_ms", get_balance="timestamp_ms"),
        lambda native, ccxt: isinstance(native, int) and isinstance(ccxt, int) and ccxt > native,
    ),
    Rule(
        "order-update-time",
        "ccxt takes the time of creation where the venue tells another for the last change, or the other way round",
        _cells(get_open_orders="timestamp_ms created_ms"),
        lambda native, ccxt: isinstance(native, int) and isinstance(ccxt, int) and abs(native - ccxt) < 60_000,
    ),
)
"""Between a native adapter and the one on ccxt for the same venue."""

DECLARED: Final = "not-supported"
DECLARED_REASON: Final = "one of the two says in its capabilities that it does not do this, and refuses"


@attrs.frozen
class Side:
    """One of the two that are compared."""

    name: str
    venue: str
    is_ccxt: bool


@attrs.frozen
class Difference:
    """One field that differs. ``key`` names the row, None where the answer is one thing; ``rule`` says why it may."""

    operation: str
    symbol: str | None
    key: str | None
    field: str
    left: object
    right: object
    rule: str | None = None
    reason: str | None = None


@attrs.frozen
class Pairing:
    """How the rows of an answer are told apart and what may change from one look to the next.

    ``moving`` fields of answers at different moments agree when their values over several looks overlap. ``moment``
    is the field that says, where both have it, that two answers are of the same moment and must agree in all.
    ``window`` is the field by which a list is only a part: what lies outside the other's part is not missing.
    """

    moving: frozenset[str] = frozenset()
    moment: str | None = None
    window: str | None = None
    exact_only: frozenset[str] = frozenset()
    """Fields that can be compared at the same moment only."""


def fields_of(row: object, *, without: Iterable[str] = ("received_ms",)) -> Fields:
    """The fields of a model, save our own clock's."""
    left_out = frozenset(without)
    kind: type = type(row)
    return {field.name: getattr(row, field.name) for field in attrs.fields(kind) if field.name not in left_out}


def book_fields(book: OrderBook, depth: int) -> Fields:
    """A book: its best prices, and its levels as pairs, as deep as asked for."""
    return {
        "symbol": book.symbol,
        "valid": book.valid,
        "timestamp_ms": book.timestamp_ms,
        "sequence": book.sequence,
        "best_bid": book.best_bid.price if book.best_bid else None,
        "best_ask": book.best_ask.price if book.best_ask else None,
        "bids": tuple(map(tuple, book.bids[:depth])),
        "asks": tuple(map(tuple, book.asks[:depth])),
    }


@attrs.frozen
class Outcome:
    """What comparing found: so many rows and fields, on which ground, and what differs."""

    rows: int
    fields: int
    basis: str
    differences: tuple[Difference, ...]

    @property
    def unexplained(self) -> tuple[Difference, ...]:
        """Those that no rule covers."""
        return tuple(difference for difference in self.differences if difference.rule is None)


def compare(
    looks: Sequence[tuple[Rows, Rows]],
    pairing: Pairing,
    *,
    operation: str,
    symbol: str | None,
    sides: tuple[Side, Side],
) -> Outcome:
    """Compare what two gave to the same question over one or several looks, each of the two at the same time."""
    lefts, rights = [left for left, _ in looks], [right for _, right in looks]
    found: list[Difference] = []
    counted = 0

    def differ(key: Hashable, field: str, left: object, right: object) -> None:
        name = None if key is None else _text(key)
        rule, reason = _explain(operation, field, left, right, sides)
        found.append(Difference(operation, symbol, name, field, left, right, rule, reason))

    known = _union(lefts, rights)
    basis = "rows" if None not in known else "value"
    paired = 0
    for key in known:
        here, there = [rows[key] for rows in lefts if key in rows], [rows[key] for rows in rights if key in rows]
        if not here or not there:
            if _expected(key, lefts if here else rights, rights if here else lefts, pairing):
                differ(key, ROW, *((PRESENT, ABSENT) if here else (ABSENT, PRESENT)))
            continue
        paired += 1
        same = _same_moment(here, there, pairing.moment)
        if same is not None:
            basis = f"same {pairing.moment}"
            here, there = [same[0]], [same[1]]
        elif pairing.moment is not None:
            basis = "range"
        for field in here[0]:
            if same is None and field in pairing.exact_only:
                continue
            counted += 1
            ours, theirs = [row[field] for row in here], [row.get(field) for row in there]
            if not _agree(ours, theirs, moving=same is None and field in pairing.moving):
                differ(key, field, *_cut(ours[-1], theirs[-1]))
    return Outcome(paired, counted, basis, tuple(found))


def compare_failures(left: Rows | FraError, right: Rows | FraError, *, operation: str, symbol: str | None) -> Outcome:
    """What one or both refused or failed to answer. A refusal that the capabilities declare is a rule."""
    from fra.core import NotSupported

    shown = [type(side).__name__ if isinstance(side, BaseException) else "answered" for side in (left, right)]
    if _refused_alike(left, right):
        return Outcome(0, 0, "refused by both", ())
    declared = isinstance(left, NotSupported) or isinstance(right, NotSupported)
    rule = (DECLARED, DECLARED_REASON) if declared else (None, None)
    texts = [
        f"{name}: {side.message}" if isinstance(side, FraError) and not declared else name
        for name, side in zip(shown, (left, right), strict=True)
    ]
    return Outcome(0, 0, "failure", (Difference(operation, symbol, None, ANSWER, texts[0], texts[1], *rule),))


def _refused_alike(left: object, right: object) -> bool:
    """Whether both say no in the same way; that nothing came from either is no agreement."""
    from fra.core import ExchangeAPIError, NotSupported, SymbolNotFound

    return (
        isinstance(left, ExchangeAPIError | NotSupported | SymbolNotFound)
        and type(left) is type(right)
        and getattr(left, "code", None) == getattr(right, "code", None)
    )


def _union(lefts: Sequence[Rows], rights: Sequence[Rows]) -> list[Hashable]:
    return list(dict.fromkeys(key for rows in (*lefts, *rights) for key in rows))


def _expected(key: Hashable, having: Sequence[Rows], other: Sequence[Rows], pairing: Pairing) -> bool:
    """Whether a row that one has must be in the other's answer: always, or when it lies within that answer's part."""
    if pairing.window is None:
        return True
    when = next(rows[key][pairing.window] for rows in having if key in rows)
    stamps = [row[pairing.window] for rows in other for row in rows.values()]
    numbers = [stamp for stamp in stamps if isinstance(stamp, int)]
    return isinstance(when, int) and bool(numbers) and min(numbers) < when < max(numbers)


def _same_moment(here: Sequence[Fields], there: Sequence[Fields], moment: str | None) -> tuple[Fields, Fields] | None:
    if moment is None:
        return None
    by_moment = {row[moment]: row for row in here if row[moment] is not None}
    return next(((by_moment[row[moment]], row) for row in there if row[moment] in by_moment), None)


def _agree(ours: Sequence[object], theirs: Sequence[object], *, moving: bool) -> bool:
    if any(_equal(one, other) for one in ours for other in theirs):
        return True
    if not moving:
        return False
    left, right = _numbers(ours), _numbers(theirs)
    return bool(left and right) and min(left) <= max(right) and min(right) <= max(left)


def _equal(one: object, other: object) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        both = min(len(one), len(other))
        return one[:both] == other[:both] and (both > 0 or one == other)
    return one == other


def _cut(one: object, other: object) -> tuple[object, object]:
    """Of two lists of levels the first that differ."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
        return (one[at] if at < len(one) else None), (other[at] if at < len(other) else None)
    return one, other


def _numbers(values: Iterable[object]) -> list[Decimal | int]:
    return [value for value in values if isinstance(value, Decimal | int) and not isinstance(value, bool)]


def _explain(
    operation: str, field: str, left: object, right: object, sides: tuple[Side, Side]
) -> tuple[str | None, str | None]:
    one, other = sides
    if one.is_ccxt == other.is_ccxt:
        return None, None
    native, ccxt = (right, left) if one.is_ccxt else (left, right)
    for rule in RULES:
        if rule.covers(operation, field, native, ccxt, one.venue):
            return rule.name, rule.reason
    return None, None


def _text(key: Hashable) -> str:
    parts = key if isinstance(key, tuple) else (key,)
    return " ".join(str(getattr(part, "value", part)) for part in parts)
