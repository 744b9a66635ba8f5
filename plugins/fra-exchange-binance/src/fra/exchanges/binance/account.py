"""From Binance's messages about balances, positions and payments to fra's models. Sizes are base coin already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from fra.core import Balance, FundingPayment, KeyPermissions, MarginMode, Position, PositionSide, Symbol
from fra.exchanges.binance import account_wire as wire
from fra.exchanges.binance.convert import SPOT, USDM
from fra.exchanges.binance.orders import POSITION_SIDES, moment, number

MARGIN_MODES: Final = {
    "cross": MarginMode.CROSS,
    "crossed": MarginMode.CROSS,
    "isolated": MarginMode.ISOLATED,
}


# --- balances


def spot_balances(account: wire.SpotAccount) -> list[Balance]:
    """What is there; assets of which nothing is are left out."""
    return [
        Balance(
            asset=row.asset,
            market=SPOT,
            free=row.free,
            total=row.free + row.locked,
            timestamp_ms=moment(account.updateTime),
        )
        for row in account.balances
        if row.free or row.locked
    ]


def pushed_balances(event: wire.AccountPosition) -> list[Balance]:
    """The balances that changed, with zeros: that is how one learns that an asset is gone."""
    return [
        Balance(asset=row.a, market=SPOT, free=row.f, total=row.f + row.l, timestamp_ms=moment(event.u or event.E))
        for row in event.B
    ]


def usdm_balances(account: wire.UsdmAccount) -> list[Balance]:
    """``total`` is the wallet with what open positions have won or lost; ``free`` what can be used of it.

    In multi-assets mode an asset's available balance counts the other assets too: of one asset no more than the asset
    itself is free.
    """
    return [
        Balance(
            asset=row.asset,
            market=USDM,
            free=min(row.availableBalance, row.marginBalance),
            total=row.marginBalance,
            timestamp_ms=moment(row.updateTime),
        )
        for row in account.assets
        if row.walletBalance or row.marginBalance or row.initialMargin
    ]


# --- positions


def positions(
    rows: Iterable[wire.PositionRisk], symbols: Mapping[str, Symbol], configs: Mapping[str, wire.SymbolConfig]
) -> list[Position]:
    """Open positions of symbols that are known; ``configs`` gives leverage and margin mode where the rows do not."""
    found = []
    for row in rows:
        if not row.positionAmt or row.symbol not in symbols:
            continue
        config = configs.get(row.symbol)
        leverage = row.leverage or (str(config.leverage) if config else "")
        margin = row.marginType or (config.marginType if config else "")
        found.append(
            Position(
                symbol=symbols[row.symbol].name,
                side=side_of(row.positionSide, row.positionAmt),
                amount=abs(row.positionAmt),
                entry_price=number(row.entryPrice),
                mark_price=number(row.markPrice),
                liquidation_price=number(row.liquidationPrice),
                unrealized_pnl=Decimal(row.unRealizedProfit) if row.unRealizedProfit else None,
                leverage=number(leverage),
                margin_mode=MARGIN_MODES.get(margin.lower()),
                hedge_mode=row.positionSide != "BOTH",
                timestamp_ms=moment(row.updateTime),
            )
        )
    return found


def side_of(position_side: str, size: Decimal) -> PositionSide:
    if position_side == "BOTH":
        return PositionSide.LONG if size > 0 else PositionSide.SHORT
    return POSITION_SIDES[position_side]


def pushed_position(
    row: wire.Holding, symbol: Symbol, side: PositionSide, *, leverage: Decimal | None, timestamp_ms: int
) -> Position:
    """A position of an ``ACCOUNT_UPDATE``, 0 for one that was closed; mark and liquidation price are not in it."""
    return Position(
        symbol=symbol.name,
        side=side,
        amount=abs(row.pa),
        entry_price=number(row.ep) if row.pa else None,
        unrealized_pnl=Decimal(row.up) if row.up and row.pa else None,
        leverage=leverage,
        margin_mode=MARGIN_MODES.get(row.mt.lower()),
        hedge_mode=row.ps != "BOTH",
        timestamp_ms=moment(timestamp_ms),
    )


# --- funding


def funding_payment(row: wire.Income, symbol: Symbol) -> FundingPayment:
    """Positive when received, as the venue has it."""
    return FundingPayment(
        symbol=symbol.name,
        amount=row.income,
        asset=row.asset,
        timestamp_ms=row.time,
        id=str(row.tranId) or None,
    )


# --- the key


def key_permissions(row: wire.KeyRestrictions) -> KeyPermissions:
    """To transfer to other users of Binance is to withdraw: the coins are gone."""
    rights = tuple(
        name for name in row.__struct_fields__ if name.startswith(("enable", "permits")) and getattr(row, name)
    )
    return KeyPermissions(
        read=row.enableReading,
        trade=row.enableSpotAndMarginTrading or row.enableFutures or row.enablePortfolioMarginTrading,
        withdraw=row.enableWithdrawals or row.enableInternalTransfer,
        ip_restricted=row.ipRestrict,
        expires_ms=row.tradingAuthorityExpirationTime or None,
        rights=rights,
    )
