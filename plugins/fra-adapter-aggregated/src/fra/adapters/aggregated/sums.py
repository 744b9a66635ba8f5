"""Balances and positions of several accounts: summed, and by member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import attrs

from fra.adapters.aggregated.listings import Units
from fra.core import Balance, Position

ALL: Final = "all"
"""The wallet of the sums."""
BY_MEMBER: Final = "members"
"""What to ask for to have each wallet of each member."""


@attrs.frozen(kw_only=True)
class SummedBalance(Balance):
    """One asset over all wallets of all members; ``missing`` says whose are not in it, and why."""

    by_member: Mapping[str, tuple[Balance, ...]] = attrs.field(factory=dict)
    missing: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class MemberPosition(Position):
    """A position at one member: ``exchange``."""

    exchange: str


@attrs.frozen(kw_only=True)
class SummedPosition(Position):
    """One side of one symbol over all members; a long here and a short there are two, for each can be liquidated.

    The entry price is the mean by amount. Leverage and margin mode are told where all agree. ``missing`` says whose
    are not in it, and why.
    """

    by_member: Mapping[str, MemberPosition] = attrs.field(factory=dict)
    missing: Mapping[str, str] = attrs.field(factory=dict)


def of_member(balance: Balance, member: str) -> Balance:
    """The wallet under the member's name: ``okx-main/trading``."""
    return attrs.evolve(balance, market=f"{member}/{balance.market}")


def summed_balances(found: Mapping[str, Sequence[Balance]], missing: Mapping[str, str]) -> list[SummedBalance]:
    """One row an asset."""
    by_asset: dict[str, dict[str, list[Balance]]] = {}
    for member, balances in found.items():
        for balance in balances:
            by_asset.setdefault(balance.asset, {}).setdefault(member, []).append(of_member(balance, member))
    rows = []
    for asset, by_member in by_asset.items():
        every = [balance for balances in by_member.values() for balance in balances]
        rows.append(
            SummedBalance(
                asset=asset,
                market=ALL,
                free=sum((row.free for row in every), Decimal(0)),
                total=sum((row.total for row in every), Decimal(0)),
                borrowed=sum((row.borrowed for row in every), Decimal(0)),
                timestamp_ms=max((row.timestamp_ms for row in every if row.timestamp_ms is not None), default=None),
                by_member={member: tuple(balances) for member, balances in by_member.items()},
                missing=missing,
            )
        )
    return rows


def position_of(position: Position, name: str, part: Units, member: str) -> MemberPosition:
    """A member's position under our name and in our units."""
    fields = attrs.asdict(position, recurse=False)
    fields["amount"] = part.amount(position.amount)
    for price in ("entry_price", "mark_price", "liquidation_price"):
        if fields[price] is not None:
            fields[price] = part.price(fields[price])
    return MemberPosition(**{**fields, "symbol": name, "exchange": member})


def summed_positions(found: Sequence[MemberPosition], missing: Mapping[str, str]) -> list[SummedPosition]:
    """One row a symbol and side."""
    groups: dict[tuple[str, object], list[MemberPosition]] = {}
    for position in found:
        groups.setdefault((position.symbol, position.side), []).append(position)
    return [_summed(rows, missing) for rows in groups.values()]


def _summed(rows: Sequence[MemberPosition], missing: Mapping[str, str]) -> SummedPosition:
    amount = sum((row.amount for row in rows), Decimal(0))
    entries = [row.entry_price * row.amount for row in rows if row.entry_price is not None]
    pnl = [row.unrealized_pnl for row in rows if row.unrealized_pnl is not None]
    leverages, modes = {row.leverage for row in rows}, {row.margin_mode for row in rows}
    one = rows[0] if len(rows) == 1 else None
    return SummedPosition(
        symbol=rows[0].symbol,
        side=rows[0].side,
        amount=amount,
        entry_price=sum(entries, Decimal(0)) / amount if amount and len(entries) == len(rows) else None,
        mark_price=one.mark_price if one else None,
        liquidation_price=one.liquidation_price if one else None,
        unrealized_pnl=sum(pnl, Decimal(0)) if len(pnl) == len(rows) else None,
        leverage=leverages.pop() if len(leverages) == 1 else None,
        margin_mode=modes.pop() if len(modes) == 1 else None,
        hedge_mode=one.hedge_mode if one else None,
        timestamp_ms=max((row.timestamp_ms for row in rows if row.timestamp_ms is not None), default=None),
        by_member={row.exchange: row for row in rows},
        missing=missing,
    )
